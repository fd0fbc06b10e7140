"""The command line: what it prints, how it ends, what it refuses."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests

from objmapper.server import main

CODE = "import sys; from objmapper.server import main; sys.exit(main(sys.argv[1:]))"


@contextmanager
def start(*arguments):
    """A process of its own, which does not outlive its test."""
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def announced(process):
    found = {}
    for line in process.stdout:
        if line == "READY\n":
            return found
        name, _, value = line.rstrip("\n").partition("=")
        found[name] = value
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_what_a_client_needs_and_ends_cleanly(number):
    with start("cvat", "--port", "0", "--user", "admin:secret", "--seed", "1x2") as process:
        found = announced(process)
        assert list(found) == ["CVAT_URL", "CVAT_USER", "CVAT_PASSWORD"]
        auth = (found["CVAT_USER"], found["CVAT_PASSWORD"])
        assert auth == ("admin", "secret")
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{found['CVAT_URL']}/api/tasks", auth=auth)
        assert answer.json()["count"] == 2
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)
        assert (process.returncode, rest, errors) == (0, "", "")


def test_a_simvue_prints_its_address_and_a_token():
    with start("simvue", "--seed", "1x2", "--check") as process, requests.Session() as session:
        found = announced(process)
        assert list(found) == ["SIMVUE_URL", "SIMVUE_TOKEN"]
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {found['SIMVUE_TOKEN']}"
        assert session.get(f"{found['SIMVUE_URL']}/api/runs").json()["count"] == 2
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
        assert (process.returncode, rest, errors) == (0, "", "")


def test_without_a_user_a_random_password_is_made():
    with start("cvat") as process:
        found = announced(process)
        assert found["CVAT_USER"] == "admin"
        assert len(found["CVAT_PASSWORD"]) >= 12
        process.terminate()
        process.communicate(timeout=20)
        assert process.returncode == 0


def test_several_signals_at_once_end_it_as_one_does():
    with start("cvat") as process:
        announced(process)
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == 0


def test_version_and_throttle_are_what_the_options_of_the_url_are():
    with (
        start("cvat", "--version", "2.15", "--throttle") as process,
        requests.Session() as session,
    ):
        session.trust_env = False
        about = f"{announced(process)['CVAT_URL']}/api/server/about"
        assert session.get(about).json()["version"] == "2.15.0"
        assert {session.get(about).status_code for _ in range(99)} == {200}
        assert session.get(about).status_code == 429


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: kind"),
        (["girder"], "no embedded server of kind 'girder'; known are: cvat, simvue"),
        (["simvue", "--user", "a:b"], "unknown option 'user'; known are: check, path, seed, token"),
        (["simvue", "--throttle"], "unknown option 'throttle'"),
        (["simvue", "--version", "2.80"], "the embedded Simvue speaks 1.5"),
        (["cvat", "--seed", "4"], "option 'seed' is PROJECTSxTASKS"),
        (["cvat", "--version", "2.16"], "2.16 is not spoken here"),
        (["cvat", "--user", "admin"], "option 'user' is NAME:PASSWORD"),
        (["cvat", "--port", "x"], "invalid int value: 'x'"),
        (["cvat", "--port", "99999"], "a port is between 0 and 65535, not 99999"),
        (["cvat", "--host", "0.0.0.0"], "listens on 127.0.0.1"),
        (["cvat", "--path", "/nowhere/at/all.sqlite"], "/nowhere/at/all.sqlite"),
        (["cvat", "--token", "nobody:x"], "'nobody', who is not a user"),
        (["cvat", "--bogus"], "unrecognized arguments: --bogus"),
    ],
)
def test_bad_options_are_refused_as_argparse_does(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert errors.startswith("usage: python -m objmapper serve")
    assert message in errors
