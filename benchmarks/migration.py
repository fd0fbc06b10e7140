"""One migration, done by objmapper and by two loops over requests, and what is on the server then.

Projects with labels, tasks in them, then a change of every task, a label renamed and a label more in
every project. `Work` tells how many; `careful` and `naive` are the loops that people write.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import requests

from benchmarks.served import USER
from objmapper import Client, CommitError, Session
from objmapper.cvat import Label, Project, Task
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


LABELS = ("red", "blue", "green")


class Rows(Counter[tuple[str, ...]]):
    """What a server has: kind, names and what was changed, without what two runs don't share."""

    def lost(self, expected: Rows) -> int:
        """How many of the expected rows are not there, or not as they should be."""
        return (expected - self).total()

    def duplicated(self, expected: Rows) -> int:
        """How many rows there are too many of one name in one project."""
        due = Counter(row[:3] for row in expected)
        there = Counter(row[:3] for row in self.elements() if row[:3] in due)
        return (there - due).total()


def rows(url: str) -> Rows:
    """Return what the server at *url* has."""
    with requests.Session() as http:
        http.auth = USER
        names = {row["id"]: row["name"] for row in _all(http, f"{url}/api/projects")}
        found = Rows(("project", "", name) for name in names.values())
        for row in _all(http, f"{url}/api/tasks"):
            found["task", names.get(row["project_id"], ""), row["name"], row["subset"]] += 1
        for row in _all(http, f"{url}/api/labels"):
            found["label", names.get(row["project_id"], ""), row["name"]] += 1
    return found


def _all(http: requests.Session, url: str) -> Iterable[dict[str, Any]]:
    next_: str | None = f"{url}?page_size=500&sort=id"
    while next_:
        page = http.get(next_, timeout=60).json()
        yield from page["results"]
        next_ = page["next"]


# -- objmapper ------------------------------------------------------------------------------------


def committed(url: str, work: Work) -> list[CommitReport]:
    """Migrate with a session; commit again what a commit leaves, as its report says to."""
    options = {"dialect": "cvat", "auth": USER, "timeout": PATIENCE, "settle_after": PATIENCE / 2}
    client = Client(f"{url}/api", retries=TRIES, workers=WORKERS, **options)
    with client, Session(client) as session:
        labels = [[Label(name=name) for name in LABELS] for _ in range(work.projects)]
        projects = [Project(name=f"p{n}", labels=own) for n, own in enumerate(labels)]
        tasks = [Task(name=f"t{n}", project=projects[work.project(n)]) for n in range(work.tasks)]
        session.add_all(tasks)
        reports = _commit(session)
        for task in tasks:
            task.subset = "Train"
        for red, *_ in labels:
            red.name = "scarlet"
        session.add_all(Label(name="late", project=project) for project in projects)
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


# -- loops over requests --------------------------------------------------------------------------


class Loop:
    """A loop over requests, eight side by side; it sends each request *tries* times at most."""

    def __init__(self, url: str, tries: int) -> None:
        self.url, self.tries = f"{url}/api", tries
        self._local = threading.local()

    def run(self, work: Work) -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            projects = list(pool.map(self._project, range(work.projects)))
            in_project = [projects[work.project(n)] for n in range(work.tasks)]
            tasks = list(pool.map(self._task, range(work.tasks), in_project))
            list(pool.map(self._change, tasks))
            list(pool.map(self._labels, projects))

    def _project(self, number: int) -> Any:
        body = {"name": f"p{number}", "labels": [{"name": name} for name in LABELS]}
        return self._send("POST", "/projects", body)

    def _task(self, number: int, project: Any) -> Any:
        if project is None:
            return None
        return self._send("POST", "/tasks", {"name": f"t{number}", "project_id": project["id"]})

    def _change(self, task: Any) -> None:
        if task is not None:
            self._send("PATCH", f"/tasks/{task['id']}", {"subset": "Train"})

    def _labels(self, project: Any) -> None:
        if project is None:
            return
        found = self._send("GET", f"/labels?project_id={project['id']}", None) or {}
        red = [row["id"] for row in found.get("results", ()) if row["name"] == "red"]
        changed = [{"id": number, "name": "scarlet"} for number in red]
        self._send("PATCH", f"/projects/{project['id']}", {"labels": [*changed, {"name": "late"}]})

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
            self._local.http.auth = USER
        return self._local.http


def naive(url: str, work: Work) -> list[CommitReport]:
    """Migrate with a loop that repeats whatever failed."""
    Loop(url, TRIES).run(work)
    return []


def careful(url: str, work: Work) -> list[CommitReport]:
    """Migrate with a loop that repeats nothing."""
    Loop(url, 1).run(work)
    return []


WAYS: dict[str, Callable[[str, Work], list[CommitReport]]] = {
    "objmapper": committed,
    "a loop that repeats everything": naive,
    "a loop that repeats nothing": careful,
}
