"""The published client, unmodified, and a plain one that reads what is on the server."""

import pytest
import requests

from objmapper.server import serve


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A server, where the published client looks for its own; the tests of a module share it."""
    tmp_path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as monkeypatch, serve("simvue", check=True) as running:
        monkeypatch.setenv("SIMVUE_URL", running.url)
        monkeypatch.setenv("SIMVUE_TOKEN", running.server.credentials["TOKEN"])
        monkeypatch.setenv("SIMVUE_OFFLINE_DIRECTORY", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        yield running
        assert running.server.violations == []


@pytest.fixture(scope="module")
def wire(running):
    """``wire(path)`` is what the server has there, as a plain client reads it."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {running.server.credentials['TOKEN']}"

        def read(path, **params):
            answer = session.get(f"{running.url}/api{path}", params=params)
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield read
