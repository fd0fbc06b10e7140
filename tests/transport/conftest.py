"""A faulty server for each test, and transports to it that neither wait nor are left open."""

import importlib.util
import sys
from pathlib import Path

import pytest

from objmapper.transport import Transport

_spec = importlib.util.spec_from_file_location("faulty", Path(__file__).parents[1] / "faulty.py")
assert _spec
assert _spec.loader
if "faulty" not in sys.modules:
    sys.modules["faulty"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["faulty"])


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path):
    """No proxy, certificate bundle or netrc of whoever runs the tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def server():
    server = sys.modules["faulty"].FaultyServer()
    yield server
    server.close()


@pytest.fixture
def other_server():
    server = sys.modules["faulty"].FaultyServer()
    yield server
    server.close()


@pytest.fixture
def connect(server):
    """``connect(**options)`` returns a Transport to the server, below /api, that does not wait."""
    made = []

    def connect(base_url: str = "", **options) -> Transport:
        options = {"backoff": 0.0, "timeout": 5.0} | options
        made.append(Transport(base_url or f"{server.url}/api", **options))
        return made[-1]

    yield connect
    for transport in made:
        transport.close()
