"""``python -m benchmarks.kills 500 1``: a journaled migration that is killed, again and again.

Each round is a migration of its own on one embedded CVAT, which another process serves. It makes a
project with labels and tasks, changes the tasks and deletes one, in two commits. A process is killed
by SIGKILL at a random instant of it; what follows, recovers or just runs the program again, and may be
killed as well. At the end of each round the server must have what an undisturbed run leaves. Rounds
follow each other until so many processes are killed as were asked for.
"""

from __future__ import annotations

import argparse
import base64
import json
import multiprocessing
import random
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import served
from objmapper import Client, Session
from objmapper.cvat import Label, Project, Task
from objmapper.journal.history import Book
from objmapper.journal.store import Store

TASKS, WORKERS, SETTLE_AFTER = 10, 4, 0.25
#: Of those that follow a kill, how many are killed as well.
_AGAIN = 0.4

Work = Callable[[Session, str], None]


def migrate(session: Session, name: str) -> None:
    """The program: what it adds has natural keys, so it may be run again."""
    project = Project(name=name, labels=[Label(name="car"), Label(name="person")])
    tasks = [Task(name=f"{name}, {number}", project=project) for number in range(TASKS)]
    session.add_all(tasks)
    session.commit(workers=WORKERS)
    for task in tasks[1:]:
        task.subset = "train"
    session.delete(tasks[0])
    session.commit(workers=WORKERS)


def recover(session: Session, name: str) -> None:
    """What is open is finished without the program, which then goes on."""
    session.recover(workers=WORKERS)
    migrate(session, name)


def run(work: Work, url: str, journal: Path, name: str, begun: Any) -> None:
    """Do some work in a process of its own."""
    client = Client(
        f"{url}/api", dialect="cvat", auth=served.USER, settle_after=SETTLE_AFTER, workers=WORKERS
    )
    with client, Session(client, journal=journal) as session:
        client.request("GET", "/server/about")
        begun.set()
        work(session, name)


class Rounds:
    """Rounds of kills on one server, and what came of them."""

    def __init__(self, url: str, folder: Path, seed: int) -> None:
        self.url, self.folder = url, folder
        self.random = random.Random(seed)
        # A fork costs milliseconds, a new interpreter most of a second; the server is another process.
        self.processes = multiprocessing.get_context("fork")
        self.counts: Counter[str] = Counter()
        #: The most operations of unknown fate that a kill has left.
        self.unknown = 0
        self.wrong: list[str] = []
        #: How long work took from its beginning, where it came to its end last.
        self.seconds: dict[Work, float] = {}
        self.work(migrate, "undisturbed", None)

    def work(self, work: Work, name: str, delay: float | None) -> bool:
        """Do some work, and kill it after a while; return whether it came to its end."""
        journal = self.folder / f"{name}.journal"
        begun = self.processes.Event()
        process = self.processes.Process(target=run, args=(work, self.url, journal, name, begun))
        process.start()
        begun.wait(30)
        started = time.perf_counter()
        if delay is not None:
            process.join(delay)
            process.kill()
        process.join()
        if process.exitcode == 0:
            self.seconds[work] = time.perf_counter() - started
            return True
        if delay is None or process.exitcode != -9:
            raise RuntimeError(f"{name}: {work.__name__} ended with {process.exitcode}")
        self.unknown = max(self.unknown, unknown(journal))
        return False

    def round(self, number: int) -> None:
        """Kill a migration, and have it finished."""
        name = f"round {number}"
        work: Work = migrate
        may_be_killed = True
        while not self.work(work, name, self.delay(work) if may_be_killed else None):
            self.counts["killed"] += 1
            work = self.random.choice((migrate, recover))
            self.counts[work.__name__] += 1
            may_be_killed = self.random.random() < _AGAIN
        self.check(name)

    def delay(self, work: Work) -> float:
        """Return an instant of some work, in seconds from its beginning."""
        return self.random.uniform(0, self.seconds.get(work, self.seconds[migrate]))

    def check(self, name: str) -> None:
        """Compare what the server has with what an undisturbed run leaves."""
        projects = self.rows("projects", {"==": [{"var": "name"}, name]})
        tasks = self.rows("tasks", {"in": [name + ",", {"var": "name"}]})
        has = (
            [project["name"] for project in projects],
            sorted((task["name"], task["subset"], task["project_id"]) for task in tasks),
            sorted(
                label["name"]
                for project in projects
                for label in self.rows("labels", project_id=project["id"])
            ),
        )
        key = projects[0]["id"] if projects else None
        wanted = (
            [name],
            sorted((f"{name}, {number}", "train", key) for number in range(1, TASKS)),
            ["car", "person"],
        )
        self.counts["rounds"] += 1
        if has != wanted:
            self.wrong.append(f"{name}: the server has {has}, not {wanted}")

    def rows(self, kind: str, condition: Any = None, **params: Any) -> list[dict[str, Any]]:
        """Return rows of the server over plain HTTP, without anything of objmapper."""
        if condition is not None:
            params["filter"] = json.dumps(condition)
        query = urllib.parse.urlencode({**params, "page_size": 100})
        pair = base64.b64encode(":".join(served.USER).encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/api/{kind}?{query}", None, {"Authorization": f"Basic {pair}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)["results"]
        return found


def unknown(journal: Path) -> int:
    """Return how many operations of a journal are of unknown fate; the file stays as it is."""
    if not journal.exists():
        return 0
    store = Store(journal, readonly=True)
    try:
        book = Book(store)
    finally:
        store.close()
    parts = [part for item in book.open() for part in item.open]
    return len({part.intent.operation for part in parts if part.is_unknown})


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.kills", description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=500, help="how many (default: 500)")
    parser.add_argument("seed", type=int, nargs="?", default=1, help="of chance (default: 1)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served.cvat() as url:
        rounds = Rounds(url, Path(folder), arguments.seed)
        while rounds.counts["killed"] < arguments.kills:
            rounds.round(rounds.counts["rounds"] + 1)
    counts = rounds.counts
    print(
        f"{counts['killed']} kills with seed {arguments.seed} in {counts['rounds']} rounds, followed by "
        f"{counts['migrate']} plain runs and {counts['recover']} recoveries; at most "
        f"{rounds.unknown} operations of unknown fate at {WORKERS} workers; {len(rounds.wrong)} rounds "
        "ended otherwise than an undisturbed run."
    )
    print(*rounds.wrong, sep="\n", end="\n" if rounds.wrong else "")
    return 1 if rounds.wrong or rounds.unknown > WORKERS else 0


if __name__ == "__main__":
    sys.exit(main())
