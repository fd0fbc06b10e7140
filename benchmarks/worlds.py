"""The servers of C1: how a migration speaks to each, by objmapper's classes and by hand."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import requests

from benchmarks import served
from objmapper import Client, Model, Registry, cvat, fields
from objmapper.dialects import Kinto

LABELS = ("red", "blue", "green")
#: Sends a request by hand, and returns what the answer has; None where there was none.
Send = Callable[[str, str, Any], Any]


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


class World(Protocol):
    """A server, and what a migration writes to it."""

    name: str
    auth: tuple[str, str]
    Project: Any
    Task: Any
    Label: Any

    def serve(self) -> AbstractContextManager[str]:
        """Run an empty server in a process of its own; yield its address."""

    def client(self, url: str, **options: Any) -> Client:
        """Return a client of the server at *url*."""

    def rows(self, url: str) -> Rows:
        """Return what the server at *url* has."""

    def project(self, send: Send, name: str) -> Any:
        """Make a project with its labels by hand; return what its tasks need."""

    def task(self, send: Send, name: str, project: Any) -> Any:
        """Make a task by hand; return what its change needs."""

    def change(self, send: Send, task: Any) -> None:
        """Change a task by hand."""

    def labels(self, send: Send, project: Any) -> None:
        """Rename a label and add one by hand."""


class CVAT:
    """The embedded CVAT: no idempotency keys, no ETags, and two tasks may have one name."""

    name, auth = "cvat", served.USER
    Project, Task, Label = cvat.Project, cvat.Task, cvat.Label

    def serve(self) -> AbstractContextManager[str]:
        return served.cvat()

    def client(self, url: str, **options: Any) -> Client:
        return Client(f"{url}/api", dialect="cvat", auth=self.auth, **options)

    def rows(self, url: str) -> Rows:
        with requests.Session() as http:
            http.auth = self.auth
            names = {row["id"]: row["name"] for row in self._all(http, f"{url}/api/projects")}
            found = Rows(("project", "", name) for name in names.values())
            for row in self._all(http, f"{url}/api/tasks"):
                found["task", names.get(row["project_id"], ""), row["name"], row["subset"]] += 1
            for row in self._all(http, f"{url}/api/labels"):
                found["label", names.get(row["project_id"], ""), row["name"]] += 1
        return found

    def _all(self, http: requests.Session, url: str) -> Iterable[dict[str, Any]]:
        next_: str | None = f"{url}?page_size=500&sort=id"
        while next_:
            page = http.get(next_, timeout=60).json()
            yield from page["results"]
            next_ = page["next"]

    def project(self, send: Send, name: str) -> Any:
        body = {"name": name, "labels": [{"name": label} for label in LABELS]}
        return send("POST", "/api/projects", body)

    def task(self, send: Send, name: str, project: Any) -> Any:
        return send("POST", "/api/tasks", {"name": name, "project_id": project["id"]})

    def change(self, send: Send, task: Any) -> None:
        send("PATCH", f"/api/tasks/{task['id']}", {"subset": "Train"})

    def labels(self, send: Send, project: Any) -> None:
        found = send("GET", f"/api/labels?project_id={project['id']}", None) or {}
        red = [row["id"] for row in found.get("results", ()) if row["name"] == "red"]
        changed = [{"id": number, "name": "scarlet"} for number in red]
        body = {"labels": [*changed, {"name": "late"}]}
        send("PATCH", f"/api/projects/{project['id']}", body)


REGISTRY = Registry("migration")


class KintoProject(Model):
    id = fields.String(primary_key=True)
    name = fields.String(required=True)
    labels: fields.HasMany[KintoLabel] = fields.HasMany("KintoLabel", by="project")

    class Meta:
        endpoint = "projects"
        natural_key = ("name",)
        registry = REGISTRY


class KintoTask(Model):
    id = fields.String(primary_key=True)
    name = fields.String(required=True)
    subset = fields.String()
    project = fields.ForeignKey(KintoProject)

    class Meta:
        endpoint = "tasks"
        natural_key = ("project", "name")
        registry = REGISTRY


class KintoLabel(Model):
    id = fields.String(primary_key=True)
    name = fields.String(required=True)
    project = fields.ForeignKey(KintoProject)

    class Meta:
        endpoint = "labels"
        natural_key = ("project", "name")
        registry = REGISTRY


class OnKinto:
    """A Kinto, its data in memory; labels are records of their own.

    *capabilities* are those of its dialect: ``max_batch=0`` sends each operation alone.
    """

    bucket = "migration"
    Project, Task, Label = KintoProject, KintoTask, KintoLabel

    def __init__(self, name: str, **capabilities: Any) -> None:
        self.name, self.capabilities = name, capabilities
        self.auth: tuple[str, str] = served.of_tests("kintoserver").KintoServer.auth

    @contextmanager
    def serve(self) -> Iterator[str]:
        with tempfile.TemporaryDirectory() as folder:
            server = served.of_tests("kintoserver").KintoServer(Path(folder))
            try:
                server.ask("PUT", f"/buckets/{self.bucket}")
                for collection in ("projects", "tasks", "labels"):
                    server.ask("PUT", f"/buckets/{self.bucket}/collections/{collection}")
                yield server.url.removesuffix("/v1")
            finally:
                server.close()

    def client(self, url: str, **options: Any) -> Client:
        dialect = Kinto(bucket=self.bucket, **self.capabilities)
        return Client(f"{url}/v1", dialect=dialect, auth=self.auth, **options)

    def rows(self, url: str) -> Rows:
        projects = list(self.every(requests, url, "projects"))
        names = {row["id"]: row["name"] for row in projects}
        found = Rows(("project", "", name) for name in names.values())
        for row in self.every(requests, url, "tasks"):
            subset = row.get("subset", "")
            found["task", names.get(row.get("project"), ""), row["name"], subset] += 1
        for row in self.every(requests, url, "labels"):
            found["label", names.get(row.get("project"), ""), row["name"]] += 1
        return found

    def place(self, collection: str, key: str = "") -> str:
        """Return the path of a collection's records, or of one of them."""
        return f"/v1/buckets/{self.bucket}/collections/{collection}/records{key and '/'}{key}"

    def every(self, http: Any, url: str, collection: str) -> Iterable[dict[str, Any]]:
        """Yield the records of a collection; *http* is requests, or a session of it."""
        next_: str | None = f"{url}{self.place(collection)}?_limit=500"
        while next_:
            answer = http.get(next_, auth=self.auth, timeout=60)
            yield from answer.json()["data"]
            next_ = answer.headers.get("Next-Page")

    def _create(self, send: Send, collection: str, **values: Any) -> Any:
        answer = send("POST", self.place(collection), {"data": values})
        return answer and answer["data"]

    def project(self, send: Send, name: str) -> Any:
        project = self._create(send, "projects", name=name)
        if project:
            labels = [
                self._create(send, "labels", name=label, project=project["id"]) for label in LABELS
            ]
            project["red"] = labels[0]
        return project

    def task(self, send: Send, name: str, project: Any) -> Any:
        return self._create(send, "tasks", name=name, project=project["id"])

    def change(self, send: Send, task: Any) -> None:
        send("PATCH", self.place("tasks", task["id"]), {"data": {"subset": "Train"}})

    def labels(self, send: Send, project: Any) -> None:
        if project["red"]:
            send("PATCH", self.place("labels", project["red"]["id"]), {"data": {"name": "scarlet"}})
        self._create(send, "labels", name="late", project=project["id"])
