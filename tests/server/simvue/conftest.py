"""An embedded Simvue behind each door; at the end nothing was against the contract."""

import hashlib
from contextlib import ExitStack

import pytest
import requests

from objmapper.server import embedded, serve

#: The time as a client says it.
NOON = "2026-01-31T12:00:00.000000"


class Door:
    """A server, the way to it, and who asks: in process without a token it is the administrator."""

    def __init__(self, url, server, token=None, opened=None):
        self.url, self.server, self.token = url, server, token
        self._opened = ExitStack() if opened is None else opened
        self._session = self._opened.enter_context(requests.Session())
        self._session.trust_env = False
        self._session.mount(server.base_url, server.adapter())
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method, path, **options):
        url = path if path.startswith("http") else f"{self.url}/api{path}"
        return self._session.request(method, url, timeout=30, **options)

    def by(self, token):
        """The same server, asked with another token."""
        return Door(self.url, self.server, token, self._opened)

    def get(self, path, status=200, **params):
        return self._said(self("GET", path, params=params), status)

    def post(self, path, body, status=200, **options):
        return self._said(self("POST", path, json=body, **options), status)

    def put(self, path, body, status=200, **options):
        return self._said(self("PUT", path, json=body, **options), status)

    def delete(self, path, status=200, **params):
        return self._said(self("DELETE", path, params=params), status)

    @staticmethod
    def _said(answer, status):
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def faults(self, path, body, verb="post"):
        """Where a body is refused, and why: ``{place: type}``."""
        detail = getattr(self, verb)(path, body, status=422)["detail"]
        return {".".join(map(str, each["loc"])): each["type"] for each in detail}

    def run(self, **values):
        """A new run in the root."""
        return self.post("/runs", {"folder": "/", **values})["id"]

    def artifact(self, content=b"bytes", **values):
        """A new artifact whose bytes are not there yet."""
        body = {"name": "file", "size": len(content), "checksum": sha256(content), **values}
        return self.post("/artifacts", body)

    def close(self):
        self._opened.close()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def open_door(request):
    """``open_door(**options)`` opens a server in process."""
    doors = []

    def open_(target="simvue", **options):
        server = embedded(target, **{"check": True} | options)
        request.addfinalizer(server.close)
        doors.append(Door(server.base_url, server))
        return doors[-1]

    yield open_
    for door in doors:
        door.close()
        assert door.server.violations == []


@pytest.fixture
def door(open_door):
    return open_door()


@pytest.fixture
def socket_door():
    """A server on a socket, asked with the token that ``serve`` prints."""
    with serve("simvue", check=True) as running:
        door = Door(running.url, running.server, running.server.credentials["TOKEN"])
        yield door
        door.close()
        assert running.server.violations == []
