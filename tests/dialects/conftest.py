"""The worlds that the laws are tried on; each test gets a fresh one."""

import importlib.util
import sys
from pathlib import Path

import pytest

from objmapper import Session

for _name in ("drf_service", "rest_service", "worlds"):
    _spec = importlib.util.spec_from_file_location(_name, Path(__file__).with_name(f"{_name}.py"))
    assert _spec
    assert _spec.loader
    if _name not in sys.modules:
        sys.modules[_name] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules[_name])

worlds = sys.modules["worlds"]


@pytest.fixture(scope="session")
def drf_url():
    with worlds.drf_socket() as url:
        yield url


@pytest.fixture(params=["drf", "rest", "kinto", "cvat"])
def world(request):
    """A dialect on its server: over a socket, or, for the embedded one, in process."""
    opened = {
        "drf": lambda: worlds.drf(request.getfixturevalue("drf_url")),
        "rest": worlds.rest,
        "kinto": lambda: worlds.kinto(request.getfixturevalue("kinto_server")),
        "cvat": worlds.in_process_cvat,
    }
    with opened[request.param]() as world:
        yield world


@pytest.fixture
def session(world):
    """The current session of the world's client."""
    with Session(world.client) as session:
        yield session
        session.rollback()


@pytest.fixture
def drf(drf_url):
    """Django REST framework alone, with its session as the current one."""
    with worlds.drf(drf_url) as world, Session(world.client) as world.session:
        yield world
        world.session.rollback()
