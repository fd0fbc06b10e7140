"""The same tests through both doors and on both versions, each checked to the contract.

In process a CVAT 2.80 answers its superuser; over the socket one logs in to a CVAT 2.15.
"""

import json

import pytest
import requests

from objmapper.cvat import Client, make_client
from objmapper.server import WSGIAdapter, serve

ADMIN = ("admin", "secret")
ALICE = ("alice", "wonder")


@pytest.fixture(params=["2.80 in process", "2.15 on a socket"])
def open_client(request):
    """``open_client(seed="2x3")`` opens a server and a client that is signed in as its superuser."""
    servers, clients = [], []

    def open_(seed=None):
        users = [":".join(ADMIN), ":".join(ALICE)]
        if request.param == "2.15 on a socket":
            running = serve("cvat", seed=seed, users=users, version="2.15", check=True)
            request.addfinalizer(running.close)
            clients.append(make_client(running.url, credentials=ADMIN))
            servers.append(running.server)
        else:
            query = "&".join([*(f"user={user}" for user in users), f"seed={seed}" if seed else ""])
            clients.append(Client(f"embedded://cvat?check=1&{query.rstrip('&')}"))
            servers.append(clients[-1].server)
        return clients[-1]

    yield open_
    for client in clients:
        client.close()
    for server in servers:
        assert server.violations == []


@pytest.fixture
def client(open_client):
    """A client of an empty server; its session is the current one."""
    with open_client() as client:
        yield client


@pytest.fixture
def seeded(open_client):
    """A client of a server with two projects of four tasks each, three jobs a task."""
    with open_client("2x4") as client:
        yield client


@pytest.fixture(scope="module", params=["2.80 in process", "2.15 on a socket"])
def only_read(request):
    """What ``seeded`` is, for tests that ask much and change nothing: one for all of a module.

    What its rows look like is held against the contract where they are asked for once.
    """
    if request.param == "2.15 on a socket":
        with (
            serve("cvat", seed="2x4", users=[":".join(ADMIN)], version="2.15") as running,
            make_client(running.url, credentials=ADMIN) as client,
        ):
            yield client
    else:
        with Client(f"embedded://cvat?user={':'.join(ADMIN)}&seed=2x4") as client:
            yield client


@pytest.fixture
def requests_of():
    """``with requests_of() as sent:`` gathers the requests that go out meanwhile, as (verb, path)."""
    return Sent


class Sent:
    """What was sent while the block ran."""

    def __enter__(self):
        from objmapper import signals

        self.requests = []
        signals.request_sent.connect(self._note)
        return self

    def _note(self, sender, request):
        self.requests.append(request)

    def __exit__(self, *exc_info):
        from objmapper import signals

        signals.request_sent.disconnect(self._note)

    def __len__(self):
        return len(self.requests)

    def __iter__(self):
        return iter((request.method, request.shown_path) for request in self.requests)

    @property
    def bodies(self):
        return [request.shown_body() for request in self.requests if request.body is not None]


@pytest.fixture
def noted():
    """A requests.Session that keeps what it sent, in ``sent``."""
    session = requests.Session()
    session.sent = []
    session.hooks["response"].append(lambda answer, **_: session.sent.append(answer.request))
    yield session
    session.close()


@pytest.fixture
def told(noted):
    """``told({path: answer})`` gives options of a client whose server answers just so.

    An answer is ``(status, headers, body)``, or JSON for a 200; other paths are 404.
    """

    def open_(answers, origin="http://cvat.example"):
        def application(environ, start_response):
            answer = answers.get(environ["PATH_INFO"], (404, [], b'{"detail": "Not found."}'))
            if callable(answer):
                answer = answer(environ)
            if not isinstance(answer, tuple):
                answer = (200, [], json.dumps(answer).encode())
            status, headers, body = answer
            start_response(
                f"{status} told", [("Content-Type", "application/vnd.cvat+json"), *headers]
            )
            return [body]

        noted.mount(origin, WSGIAdapter(application))
        return {"http": noted, "retries": 0}

    return open_
