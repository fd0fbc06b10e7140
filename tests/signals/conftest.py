"""A small server, and an ear that is taken off at the end."""

import importlib.util
import sys
from pathlib import Path

import pytest

from objmapper import Session

_spec = importlib.util.spec_from_file_location("ears", Path(__file__).with_name("ears.py"))
assert _spec
assert _spec.loader
if "ears" not in sys.modules:
    sys.modules["ears"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["ears"])

ears = sys.modules["ears"]


@pytest.fixture(autouse=True)
def no_receiver_is_left():
    yield
    assert [signal for signal in ears.ALL if signal.receivers] == []


@pytest.fixture
def server(small):
    small.table("projects", [{"id": 1, "name": "p1"}, {"id": 2, "name": "p2"}])
    small.table(
        "tasks",
        [{"id": n, "name": f"t{n}", "size": n, "project": 1 + n // 3} for n in (1, 2, 3)],
        foreign={"project": "projects"},
    )
    small.table(
        "alerts", [{"id": n, "name": "a", "source": s} for n, s in enumerate(("user", "x", "user"))]
    )
    return small


@pytest.fixture
def session(server):
    with Session(server.client(recommended_workers=1)) as session:
        yield session
        session.rollback()


@pytest.fixture
def ear():
    ear = ears.Ear()
    yield ear
    ear.close()
