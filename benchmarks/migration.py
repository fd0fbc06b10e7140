"""One migration, done by objmapper and by two loops over requests.

Projects with labels, tasks in them, then a change of every task, a label renamed and a label more in
every project. `Work` tells how many; `careful` and `naive` are the loops that people write.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import requests

from benchmarks.worlds import LABELS, World
from objmapper import CommitError, Session
from objmapper.report import CommitReport

#: Seconds after which a stalled answer is given up.
PATIENCE = 2.0
WORKERS = 8
#: How often a loop that repeats sends a request, and how often a commit that is not through is made.
TRIES = 10


class Work(NamedTuple):
    """How much is to be done."""

    projects: int
    tasks: int

    @classmethod
    def of(cls, operations: int) -> Work:
        """Return the migration of about so many creates and updates."""
        projects = max(1, operations // 100)
        return cls(projects, max(1, operations // 2 - projects))

    def project(self, task: int) -> int:
        return task % self.projects


def committed(world: World, url: str, work: Work) -> list[CommitReport]:
    """Migrate with a session; commit again what a commit leaves, as its report says to."""
    client = world.client(
        url, timeout=PATIENCE, settle_after=PATIENCE / 2, retries=TRIES, workers=WORKERS
    )
    with client, Session(client) as session:
        labels = [[world.Label(name=name) for name in LABELS] for _ in range(work.projects)]
        projects = [world.Project(name=f"p{n}", labels=own) for n, own in enumerate(labels)]
        tasks = [
            world.Task(name=f"t{n}", project=projects[work.project(n)]) for n in range(work.tasks)
        ]
        session.add_all(tasks)
        reports = _commit(session)
        for task in tasks:
            task.subset = "Train"
        for red, *_ in labels:
            red.name = "scarlet"
        session.add_all(world.Label(name="late", project=project) for project in projects)
        return reports + _commit(session)


def _commit(session: Session) -> list[CommitReport]:
    reports = []
    for _ in range(TRIES):
        try:
            reports.append(session.commit(on_error="continue"))
            break
        except CommitError as error:
            reports.append(error.report)
    return reports


class Loop:
    """A loop over requests, eight side by side; it sends each request *tries* times at most."""

    def __init__(self, world: World, url: str, tries: int) -> None:
        self.world, self.url, self.tries = world, url, tries
        self._local = threading.local()

    def run(self, work: Work) -> None:
        world, send = self.world, self._send
        with ThreadPoolExecutor(WORKERS) as pool:
            names = [f"p{n}" for n in range(work.projects)]
            projects = list(pool.map(lambda name: world.project(send, name), names))
            in_project = [(f"t{n}", projects[work.project(n)]) for n in range(work.tasks)]
            known = [(name, project) for name, project in in_project if project]
            tasks = list(pool.map(lambda told: world.task(send, *told), known))
            list(pool.map(lambda task: world.change(send, task), filter(None, tasks)))
            list(pool.map(lambda project: world.labels(send, project), filter(None, projects)))

    def _send(self, method: str, path: str, body: Any) -> Any:
        for _ in range(self.tries):
            try:
                url = self.url + path
                answer = self._http().request(method, url, json=body, timeout=PATIENCE)
                answer.raise_for_status()
                return answer.json()
            except (requests.RequestException, ValueError):
                continue
        return None

    def _http(self) -> requests.Session:
        if not hasattr(self._local, "http"):
            self._local.http = requests.Session()
            self._local.http.auth = self.world.auth
        http: requests.Session = self._local.http
        return http


def naive(world: World, url: str, work: Work) -> list[CommitReport]:
    """Migrate with a loop that repeats whatever failed."""
    Loop(world, url, TRIES).run(work)
    return []


def careful(world: World, url: str, work: Work) -> list[CommitReport]:
    """Migrate with a loop that repeats nothing."""
    Loop(world, url, 1).run(work)
    return []


WAYS: dict[str, Callable[[World, str, Work], list[CommitReport]]] = {
    "objmapper": committed,
    "a loop that repeats everything": naive,
    "a loop that repeats nothing": careful,
}
