"""What the laws are tried on: a dialect, a real server that speaks it, models for what it has.

A world has projects ``p1`` to ``p3`` and tasks ``t01`` to ``t10``: three tasks in ``p1`` and ``p2`` each,
four in ``p3``. Loaded by path; see conftest.py.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import drf_service
import requests
import rest_service

from objmapper import BearerAuth, Client, Model, Registry, TokenAuth, fields
from objmapper.cvat import models as cvat
from objmapper.cvat.dialect import CVAT
from objmapper.server import embedded
from objmapper.server.adapter import WSGIAdapter
from objmapper.server.serving import Running

LAYOUT = {
    "p1": ("t01", "t04", "t07"),
    "p2": ("t02", "t05", "t08"),
    "p3": ("t03", "t06", "t09", "t10"),
}
NAMES = sorted(name for names in LAYOUT.values() for name in names)
PROJECT_OF = {name: project for project, names in LAYOUT.items() for name in names}


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    method: str
    path: str
    query: str
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")


class Recorder:
    """A WSGI application that notes what comes in and hands it on."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.seen: list[Seen] = []
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(content)
        path = environ["PATH_INFO"].removeprefix("/api").rstrip("/")
        query, body = environ.get("QUERY_STRING", ""), json.loads(content) if content else None
        with self._lock:
            self.seen.append(Seen(environ["REQUEST_METHOD"], path, query, body))
        return self.application(environ, start_response)


@dataclass
class World:
    """One dialect on one server, and what the laws need to know of them."""

    client: Client
    recorder: Recorder
    #: Sends to the server what no dialect touched.
    http: requests.Session
    Project: Any
    Task: Any
    #: A second text of a task that may be set, and the names that it and the project are sent under.
    text: str
    sent_as: dict[str, str]
    #: A field of a task and a value for it that only the server refuses, by name.
    refused: tuple[str, Any]
    #: Makes a client of the service.
    connect: Any
    #: Credentials that the server does not know.
    wrong: Any
    slash: str = ""
    keys: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def open(self) -> Iterator["World"]:
        with self.client, self.http:
            yield self

    @property
    def dialect(self) -> Any:
        return self.client.dialect

    @property
    def asked(self) -> list[str]:
        return [str(seen) for seen in self.recorder.seen]

    @property
    def writes(self) -> list[Seen]:
        return [seen for seen in self.recorder.seen if seen.method != "GET"]

    def forget(self) -> None:
        """Begin to record anew."""
        self.recorder.seen.clear()

    def plain(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the server without objmapper, and without being recorded."""
        before = list(self.recorder.seen)
        answer = self.http.request(method, f"{self.client.base_url}{path}{self.slash}", json=body)
        self.recorder.seen[:] = before
        assert answer.status_code < 400, answer.text
        return answer.json() if answer.content else None

    def row(self, endpoint: str, key: int) -> dict[str, Any]:
        """Return what the server has of one object."""
        row: dict[str, Any] = self.plain("GET", f"/{endpoint}/{key}")
        return row

    def seed(self, **more: Any) -> None:
        for name in LAYOUT:
            self.keys[name] = self.plain("POST", "/projects", {"name": name} | more)["id"]
        project = self.sent_as["project"]
        for name in NAMES:
            body = {"name": name, project: self.keys[PROJECT_OF[name]]}
            self.keys[name] = self.plain("POST", "/tasks", body)["id"]
        self.forget()


def plain_session(auth: Any = None, **headers: str) -> requests.Session:
    http = requests.Session()
    http.trust_env = False
    http.auth = auth
    http.headers.update(headers)
    return http


drf_registry = Registry("drf")
rest_registry = Registry("rest")


class User(Model):
    id = fields.Integer(primary_key=True)
    username = fields.String()

    class Meta:
        registry = drf_registry


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    created = fields.DateTime(read_only=True)
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")

    class Meta:
        registry = drf_registry


class TaskFields(Model):
    """What a task is in each of the service's views."""

    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    note = fields.String(null=True)
    size = fields.Integer()
    done = fields.Boolean()
    project = fields.ForeignKey(Project, null=True)
    owner = fields.ForeignKey(User, write_key="owner_id", null=True)
    tags = fields.List(fields.String())
    secret = fields.String(write_only=True)

    class Meta:
        abstract = True
        registry = drf_registry


class Task(TaskFields):
    pass


class RestProject(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    tasks: fields.HasMany["RestTask"] = fields.HasMany(by="project")

    class Meta:
        endpoint = "projects"
        registry = rest_registry


class RestTask(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    note = fields.String(null=True)
    size = fields.Integer()
    project = fields.ForeignKey(RestProject, null=True)

    class Meta:
        endpoint = "tasks"
        registry = rest_registry


_drf = Recorder(drf_service.application)
#: What the seed was given by Django, which takes its time: it is made once and then laid back.
_drf_keys: dict[str, int] = {}


@contextmanager
def listening(application: Any) -> Iterator[str]:
    """Serve a WSGI application on a loopback socket, as the embedded servers are."""
    running = Running(SimpleNamespace(app=application, close=lambda: None), "127.0.0.1", 0)
    try:
        yield running.url
    finally:
        running.close()


@contextmanager
def drf_socket() -> Iterator[str]:
    with listening(_drf) as url:
        yield url


@contextmanager
def drf(url: str) -> Iterator[World]:
    def connect(**options: Any) -> Client:
        return Client(f"{url}/api", dialect="drf", retries=0, **options)

    world = World(
        client=connect(auth=TokenAuth(drf_service.TOKEN)),
        recorder=_drf,
        http=plain_session(Authorization=f"Token {drf_service.TOKEN}"),
        Project=Project,
        Task=Task,
        text="note",
        sent_as={"note": "note", "project": "project"},
        refused=("size", -1),
        connect=connect,
        wrong=TokenAuth("wrong"),
        slash="/",
    )
    with world.open() as world:
        if _drf_keys:
            drf_service.restart("seeded")
            world.keys |= _drf_keys
            world.forget()
        else:
            drf_service.restart()
            world.seed()
            drf_service.keep("seeded")
            _drf_keys.update(world.keys)
        yield world


@contextmanager
def rest() -> Iterator[World]:
    recorder = Recorder(rest_service.RestService())
    with listening(recorder) as url:

        def connect(**options: Any) -> Client:
            return Client(f"{url}/api", retries=0, **options)

        world = World(
            client=connect(auth=BearerAuth(rest_service.TOKEN)),
            recorder=recorder,
            http=plain_session(Authorization=f"Bearer {rest_service.TOKEN}"),
            Project=RestProject,
            Task=RestTask,
            text="note",
            sent_as={"note": "note", "project": "project"},
            refused=("size", -1),
            connect=connect,
            wrong=BearerAuth("wrong"),
        )
        with world.open() as world:
            world.seed()
            yield world


@contextmanager
def in_process_cvat() -> Iterator[World]:
    with embedded("cvat", users=["admin:secret"], check=True) as server:
        recorder = Recorder(server.app)

        def mounted(http: requests.Session) -> requests.Session:
            http.mount(server.base_url, WSGIAdapter(recorder))
            return http

        def connect(**options: Any) -> Client:
            http = mounted(plain_session())
            return Client(f"{server.base_url}/api", dialect=CVAT(), http=http, retries=0, **options)

        world = World(
            client=connect(auth=("admin", "secret")),
            recorder=recorder,
            http=mounted(plain_session(("admin", "secret"))),
            Project=cvat.Project,
            Task=cvat.Task,
            text="bug_tracker",
            sent_as={"bug_tracker": "bug_tracker", "project": "project_id"},
            refused=("overlap", -1),
            connect=connect,
            wrong=("admin", "wrong"),
        )
        with world.open() as world:
            world.seed(labels=[])
            yield world
        assert server.violations == []
