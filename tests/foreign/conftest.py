"""Two published clients, one body of tests: the server speaks the version that is installed.

What the SDK says is held against what a plain client reads from the same server: neither objmapper
nor the SDK has a part in that reading.
"""

import datetime
import importlib.metadata
from contextlib import ExitStack, closing, contextmanager

import pytest
import requests
from cvat_sdk import make_client as make_sdk_client

from objmapper.cvat import make_client
from objmapper.server import serve

INSTALLED = importlib.metadata.version("cvat-sdk")
#: The version that the embedded server speaks with each client, and the modules of what only it has.
SPOKEN = {"2.15.0": "2.15", "2.80.0": "2.80"}
ONLY = {
    "2.15.0": ["test_only_215.py"],
    "2.80.0": ["test_coverage_280.py", "test_only_280.py", "test_profiles_280.py"],
}
ADMIN, ALICE = ("admin", "secret"), ("alice", "wonder")

collect_ignore = [
    module for version, modules in ONLY.items() if version != INSTALLED for module in modules
]


@pytest.fixture(scope="session")
def open_server():
    """``with open_server(**options) as running:`` serves a CVAT of the SDK's own version.

    It has two projects of six tasks with three jobs each, so that lists have several pages; at the
    end nothing that the SDK did was against the contract.
    """

    @contextmanager
    def open_(**options):
        usual = {"version": SPOKEN[INSTALLED], "seed": "2x6", "users": [ADMIN, ALICE]}
        with serve("cvat", **usual | options, check=True) as running:
            yield running
            assert running.server.violations == []

    return open_


@pytest.fixture
def running(open_server):
    """A server of its own; a module that only reads has one for all of its tests."""
    with open_server() as running:
        yield running


@pytest.fixture
def open_sdk(running):
    """``open_sdk(credentials)`` is the SDK's client, logged in; without credentials nobody is."""
    with ExitStack() as opened:
        yield lambda credentials=ADMIN: opened.enter_context(
            make_sdk_client(running.url, credentials=credentials)
        )


@pytest.fixture
def sdk(open_sdk):
    """The SDK's client, logged in as the superuser."""
    return open_sdk()


@pytest.fixture
def alice(open_sdk):
    """The SDK's client, logged in as somebody who owns nothing."""
    return open_sdk(ALICE)


@pytest.fixture
def ours(running):
    """Our client, logged in as the superuser; its session is the current one."""
    with make_client(running.url, credentials=ADMIN) as client:
        yield client


@pytest.fixture
def wire(running):
    """What the server has, as a plain client of the superuser reads it."""
    with closing(Wire(running.url)) as wire:
        yield wire


class Wire:
    """Reads with requests alone."""

    def __init__(self, url):
        self._url, self._session = url, requests.Session()
        self._session.trust_env = False
        self._session.auth = ADMIN

    def answer(self, path, **options):
        return self._session.get(f"{self._url}/api{path}", **options)

    def get(self, path, **options):
        """An object."""
        answer = self.answer(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, path, **params):
        """All rows of a list, which fit one page."""
        page = self.get(path, params={"page_size": 100} | params)
        assert page["next"] is None
        return page["results"]

    def ids(self, path, **params):
        return [row["id"] for row in self.rows(path, **params)]

    def status(self, path):
        return self.answer(path).status_code

    def close(self):
        self._session.close()


@pytest.fixture
def told():
    """``told(entity)`` is what the SDK's object says, as JSON says it."""
    return lambda entity: plain(getattr(entity, "_model", entity))


def plain(value):
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value
