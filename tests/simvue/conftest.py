"""A client of an embedded Simvue; what it was asked; and no configuration of this machine's user."""

from urllib.parse import urlsplit

import pytest

from objmapper import signals
from objmapper.simvue import Client, disconnect

VARIABLES = (
    "SIMVUE_URL SIMVUE_TOKEN SIMVUE_SERVER_PROFILE SIMVUE_NO_SERVER_CHECK SIMVUE_OFFLINE_DIRECTORY "
    "SIMVUE_SERVER_CA_CERTIFICATE SIMVUE_STORAGE_CA_CERTIFICATE SIMVUE_SERVER_CLIENT_CERTIFICATE"
).split()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of its own, in which the test works; nothing of Simvue is configured."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    disconnect()


@pytest.fixture
def client():
    """The current client is an embedded server's; nothing of the contract was broken at the end."""
    with Client("embedded://simvue?check=1") as client:
        yield client
        client.session.rollback()
        assert client.server.violations == []


@pytest.fixture
def asked(client):
    """What was asked from now on: ``GET /runs``."""
    sent = []

    def hear(sender, request, response):
        sent.append(f"{response.method} {urlsplit(response.url).path.removeprefix('/api')}")

    with signals.response_received.connected_to(hear, sender=Client):
        yield sent
