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
from requests.adapters import HTTPAdapter

from objmapper import BearerAuth, Client, Model, Registry, TokenAuth, fields
from objmapper.cvat import models as cvat
from objmapper.cvat.dialect import CVAT
from objmapper.dialects import Kinto
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
    #: The keys of what the seed made.
    keys: dict[str, Any] = field(default_factory=dict)
    #: A key that nothing has, and a value that is no key.
    missing: Any = 999999
    no_key: Any = "x"

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

    def at(self, path: str) -> str:
        """Return where ``/tasks`` or ``/tasks/1`` is, below the base URL."""
        return path + self.slash

    def noted(self, path: str) -> str:
        """Return a path as the recorder notes it: ``/tasks/1``."""
        return path.rstrip("/")

    def plain(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the server without objmapper, and without being recorded."""
        before = list(self.recorder.seen)
        answer = self.http.request(method, f"{self.client.base_url}{self.at(path)}", json=body)
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
kinto_registry = Registry("kinto")


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


class KintoProject(Model):
    id = fields.String(primary_key=True)
    name = fields.String(required=True)
    last_modified = fields.Integer(read_only=True)
    tasks: fields.HasMany["KintoTask"] = fields.HasMany(by="project")

    class Meta:
        endpoint = "projects"
        registry = kinto_registry


class KintoTask(Model):
    id = fields.String(primary_key=True)
    name = fields.String(required=True)
    note = fields.String(null=True)
    size = fields.Integer()
    project = fields.ForeignKey(KintoProject, null=True)
    last_modified = fields.Integer(read_only=True)

    class Meta:
        endpoint = "tasks"
        registry = kinto_registry


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


class Recording(HTTPAdapter):
    """Carries requests to a Kinto and notes them, without what all paths and bodies there have.

    Those of a batch are noted one by one.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(pool_maxsize=20)
        self._recorder = recorder

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        path, _, query = request.url.partition("?")
        body = json.loads(request.body) if request.body else {}
        if path.endswith("/batch"):
            for item in body["requests"]:
                self._note(**{"body": {}} | body["defaults"] | item)
        else:
            self._note(request.method, path, body, query=query)
        return super().send(request, *args, **options)

    def _note(
        self, method: str, path: str, body: Any, *, query: str = "", headers: Any = None
    ) -> None:
        path = path.rpartition("/collections")[2].replace("/records", "", 1)
        self._recorder.seen.append(Seen(method, path, query, body.get("data")))


@dataclass
class KintoWorld(World):
    """A bucket of a Kinto. Its keys are text, and none is no key."""

    no_key: Any = ("x",)

    def at(self, path: str) -> str:
        table, *key = path.strip("/").split("/")
        bucket = self.dialect.bucket
        return "/".join([f"/buckets/{bucket}/collections/{table}/records", *key])

    def noted(self, path: str) -> str:
        return path.removeprefix(f"/buckets/{self.dialect.bucket}/collections").replace(
            "/records", "", 1
        )

    def plain(self, method: str, path: str, body: Any = None) -> Any:
        body = None if body is None else {"data": body}
        return super().plain(method, path, body)["data"]

    def seed(self, **more: Any) -> None:
        self.keys = {name: f"key-of-{name}" for name in (*LAYOUT, *NAMES)}
        rows = {self.at(f"/projects/{self.keys[name]}"): {"name": name} for name in LAYOUT}
        for name in NAMES:
            body = {"name": name, "project": self.keys[PROJECT_OF[name]]}
            rows[self.at(f"/tasks/{self.keys[name]}")] = body
        requests = [
            {"method": "PUT", "path": path, "body": {"data": row}} for path, row in rows.items()
        ]
        url = f"{self.client.base_url}/batch"
        answers = self.http.post(url, json={"requests": requests}).json()["responses"]
        assert [answer["status"] for answer in answers] == [201] * len(rows)


@contextmanager
def kinto(server: Any) -> Iterator[World]:
    size = {"type": "integer", "minimum": 0}
    bucket = server.bucket("projects", tasks={"type": "object", "properties": {"size": size}})
    recorder = Recorder(None)

    def connect(**options: Any) -> Client:
        http = plain_session()
        http.mount("http://", Recording(recorder))
        return Client(server.url, dialect=Kinto(bucket=bucket), http=http, retries=0, **options)

    world = KintoWorld(
        client=connect(auth=server.auth),
        recorder=recorder,
        http=plain_session(server.auth),
        Project=KintoProject,
        Task=KintoTask,
        text="note",
        sent_as={"note": "note", "project": "project"},
        refused=("size", -1),
        connect=connect,
        wrong=BearerAuth("wrong"),
        missing="999999",
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
