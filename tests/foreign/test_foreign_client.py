"""The SDK's client, of either version: logging in and out, the version check, the command."""

import logging
import os
import signal
import subprocess
import sys

import pytest
import requests
from cvat_sdk import make_client
from cvat_sdk.api_client.exceptions import ApiException, UnauthorizedException
from cvat_sdk.core.client import Client, Config

pytestmark = pytest.mark.foreign

ALICE = ("alice", "wonder")


def session_of(client):
    """The session that a client of the SDK has, for a plain client."""
    return {name: client.api_client.cookies[name].value for name in ("sessionid", "csrftoken")}


def status(running, cookies):
    """How the server answers who comes with these cookies alone."""
    return requests.get(f"{running.url}/api/users/self", cookies=cookies, timeout=30).status_code


class TestVersion:
    def test_the_check_warns_of_nothing(self, running, caplog):
        with caplog.at_level(logging.WARNING):
            client = Client(running.url, config=Config(allow_unsupported_server=False))
        client.check_server_version(fail_if_unsupported=True)
        client.close()
        assert caplog.records == []

    def test_the_server_tells_the_release_that_it_speaks(self, running, sdk):
        told = requests.get(f"{running.url}/api/server/about", timeout=30).json()["version"]
        assert str(sdk.get_server_version()) == told
        assert told.startswith(running.server.options.version + ".")


class TestLogin:
    def test_a_login_is_a_session(self, running, open_sdk):
        client = open_sdk(ALICE)
        assert client.has_credentials()
        assert client.users.retrieve_current_user().username == "alice"
        assert status(running, session_of(client)) == 200

    def test_a_logout_ends_it_on_the_server_too(self, running, open_sdk):
        client = open_sdk(ALICE)
        cookies = session_of(client)
        client.logout()
        assert not client.has_credentials()
        assert status(running, cookies) == 401
        with pytest.raises(UnauthorizedException):
            client.users.retrieve_current_user()

    def test_closing_logs_nobody_out(self, running):
        with make_client(running.url, credentials=ALICE) as client:
            cookies = session_of(client)
        assert status(running, cookies) == 200

    def test_who_was_logged_out_can_come_back(self, sdk):
        sdk.logout()
        sdk.login(ALICE)
        assert sdk.users.retrieve_current_user().username == "alice"

    def test_a_wrong_password_is_refused(self, running):
        with pytest.raises(ApiException) as refused:
            make_client(running.url, credentials=("admin", "wrong"))
        assert refused.value.status == 400
        assert "Unable to log in with provided credentials." in refused.value.body

    def test_nobody_may_ask_for_the_version_and_nothing_else(self, open_sdk):
        client = open_sdk(None)
        assert not client.has_credentials()
        assert client.get_server_version()
        with pytest.raises(UnauthorizedException) as refused:
            client.tasks.list()
        assert refused.value.status == 401
        assert "Authentication credentials were not provided." in refused.value.body


def test_the_command_serves_it(running):
    """``python -m objmapper serve cvat`` prints what make_client() needs."""
    version = running.server.options.version
    command = [sys.executable, "-m", "objmapper", "serve", "cvat", "--seed", "1x2"]
    with subprocess.Popen(
        [*command, "--version", version, "--user", "root:very-secret", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            lines = iter(process.stdout.readline, "READY\n")
            told = dict(line.rstrip("\n").split("=", 1) for line in lines)
            credentials = (told["CVAT_USER"], told["CVAT_PASSWORD"])
            assert credentials == ("root", "very-secret")
            with make_client(told["CVAT_URL"], credentials=credentials) as client:
                assert [task.id for task in client.tasks.list()] == [2, 1]
                assert str(client.get_server_version()).startswith(version)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
