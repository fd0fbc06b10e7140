"""The same tests go through both doors: in process and over a real socket."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from objmapper.server import EmbeddedServer, embedded, serve

ADMIN = ("admin", "secret")
ALICE = ("alice", "wonder")


@dataclass
class Door:
    """A server, the way to it, and the sessions that were opened."""

    url: str
    server: EmbeddedServer
    name: str
    sessions: list[requests.Session] = field(default_factory=list)

    def session(self, auth: tuple[str, str] | None = None, **headers: str) -> requests.Session:
        """A client of its own: its cookies, its credentials."""
        session = requests.Session()
        session.trust_env = False
        session.auth = auth
        session.headers.update(headers)
        if self.name == "in process":
            session.mount(self.url, self.server.adapter())
        self.sessions.append(session)
        return session

    def as_user(self, auth: tuple[str, str]) -> Callable[..., requests.Response]:
        session = self.session(auth)
        return lambda method, path, **options: session.request(
            method, f"{self.url}/api{path}", **options
        )

    def __post_init__(self) -> None:
        self._admin = self.as_user(ADMIN)

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request of the administrator."""
        return self._admin(method, path, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        return self("POST", path, json=body, **options)

    def patch(self, path: str, body: Any, **options: Any) -> requests.Response:
        return self("PATCH", path, json=body, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        return self("DELETE", path, **options)


Open = Callable[..., Door]


@pytest.fixture(params=["in process", "socket"])
def open_door(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens servers behind one of the doors; at the end none of them broke the contract."""
    doors: list[Door] = []

    def open_(**options: Any) -> Door:
        options = {"users": [ADMIN, ALICE], "check": True} | options
        if request.param == "socket":
            running = serve("cvat", **options)
            request.addfinalizer(running.close)
            doors.append(Door(running.url, running.server, request.param))
        else:
            server = embedded("cvat", **options)
            request.addfinalizer(server.close)
            doors.append(Door(server.base_url, server, request.param))
        return doors[-1]

    yield open_
    for door in doors:
        for session in door.sessions:
            session.close()
        assert door.server.violations == []


@pytest.fixture
def door(open_door: Open) -> Door:
    """An empty server."""
    return open_door()


@pytest.fixture
def seeded(open_door: Open) -> Door:
    """A server with two projects of twelve tasks each."""
    return open_door(seed="2x12")


@pytest.fixture
def task(door: Door) -> dict[str, Any]:
    """A task of its own, with two labels and without data."""
    body = {"name": "mine", "labels": [{"name": "car", "color": "#ff00ff"}, {"name": "bus"}]}
    return door.post("/tasks", body).json()
