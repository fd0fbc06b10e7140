"""A small server full of tasks, and a session on it."""

import importlib.util
import sys
from pathlib import Path

import pytest

from objmapper import Session

_spec = importlib.util.spec_from_file_location(
    "query_models", Path(__file__).with_name("query_models.py")
)
assert _spec
assert _spec.loader
if "query_models" not in sys.modules:
    sys.modules["query_models"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["query_models"])


@pytest.fixture
def server(small):
    sys.modules["query_models"].fill(small)
    return small


@pytest.fixture
def session(server):
    """The current session; at the end nothing is pending that the test did not expect."""
    with Session(server.client()) as session:
        yield session
        session.rollback()


@pytest.fixture
def limited(server):
    """``limited(**capabilities)`` opens a session whose dialect is able to do less, or more."""
    opened = []

    def open_(**capabilities) -> Session:
        opened.append(Session(server.client(**capabilities)).__enter__())
        return opened[-1]

    yield open_
    for session in reversed(opened):
        session.rollback()
        session.__exit__(None, None, None)
