"""A server that says anything, and clients of it."""

import importlib.util
import sys
import warnings
from pathlib import Path

import pytest
import requests

from objmapper import Client
from objmapper.server import WSGIAdapter

#: tox's environment "robustness" has it.
_NEEDS_IT = ["test_schemathesis.py", "test_schemathesis_simvue.py"]
collect_ignore = [] if importlib.util.find_spec("schemathesis") else _NEEDS_IT

for _name in ("everything", "mutations"):
    if _name not in sys.modules:
        _spec = importlib.util.spec_from_file_location(
            _name, Path(__file__).with_name(f"{_name}.py")
        )
        assert _spec
        assert _spec.loader
        sys.modules[_name] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules[_name])


@pytest.fixture(scope="module")
def server():
    return sys.modules["everything"].Server()


@pytest.fixture(scope="module")
def connect(server):
    """``connect(dialect)`` gives a client of the server."""
    with requests.Session() as http:
        http.trust_env = False
        http.mount("http://any.test", WSGIAdapter(server))
        yield lambda dialect: Client("http://any.test", dialect=dialect, http=http, retries=0)


@pytest.fixture(scope="module")
def client(connect):
    return connect(sys.modules["everything"].Plain())


@pytest.fixture(autouse=True)
def quiet():
    """An Enum warns of each value that it does not know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
