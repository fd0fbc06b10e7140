"""The command line: its commands, its exit codes, and what it says about mistakes."""

import signal
import subprocess
import sys

import pytest

import objmapper
from objmapper.cli import main


def called(capsys, *arguments):
    """Run the command line in this process; give exit status, output and errors."""
    try:
        status = main(list(arguments))
    except SystemExit as ended:
        status = ended.code
    told = capsys.readouterr()
    return status, told.out, told.err


def test_the_package_is_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "objmapper", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"objmapper {objmapper.__version__}\n")


def test_help_lists_the_commands_that_there_are(capsys):
    status, out, _ = called(capsys, "--help")
    assert status == 0
    assert "demo" in out
    assert "serve" in out
    assert "journal" in out
    assert "dispatch" in out
    for later in ("inspectapi", "shell"):
        assert later not in out


@pytest.mark.parametrize("command", ["demo", "serve", "dispatch"])
def test_each_command_has_help(capsys, command):
    status, out, _ = called(capsys, command, "--help")
    assert status == 0
    assert f"python -m objmapper {command}" in out
    assert "--user" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "COMMAND"),
        (("demos",), "invalid choice: 'demos'"),
        (("demo", "--seed", "1x1"), "unrecognized arguments: --seed 1x1"),
        (("demo", "embedded"), "unrecognized arguments: embedded"),
        (("demo", "--url", "http://localhost"), "--url and --user go together"),
        (("demo", "--user", "a:b"), "--url and --user go together"),
        (("demo", "--user", "hush-hush"), "NAME:PASSWORD"),
        (("demo", "--user", ":hush-hush"), "NAME:PASSWORD"),
        (("serve",), "kind"),
        (("serve", "cvot"), "cvot"),
        (("serve", "cvat", "--port", "many"), "many"),
        (("serve", "cvat", "--port", "70000"), "70000"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_told_with_status_2(capsys, arguments, told):
    status, out, err = called(capsys, *arguments)
    assert (status, out) == (2, "")
    assert told in err
    assert "hush-hush" not in err


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://localhost:1", "no connection to localhost:1"),
        ("ftp://localhost", "'ftp' is no scheme of an address"),
        ("http://bob:hush-hush@localhost", "user in it"),
    ],
)
def test_a_server_that_can_not_be_used_is_told_with_status_1(capsys, url, told):
    status, out, err = called(capsys, "demo", "--url", url, "--user", "admin:hush-hush")
    assert (status, out) == (1, "")
    assert told in err
    assert "hush-hush" not in err
    assert "Traceback" not in err


def test_serve_prints_what_a_client_needs_and_ends_by_sigterm():
    command = [sys.executable, "-m", "objmapper", "serve", "cvat", "--user", "admin:secret"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline().strip() for _ in range(4)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    told = dict(line.partition("=")[::2] for line in lines[:3])
    assert told.keys() == {"CVAT_URL", "CVAT_USER", "CVAT_PASSWORD"}
    assert told["CVAT_URL"].startswith("http://127.0.0.1:")
    assert (told["CVAT_USER"], told["CVAT_PASSWORD"]) == ("admin", "secret")
    assert lines[3] == "READY"


def test_serve_without_its_extra_says_what_to_install():
    code = """if True:
        import sys
        sys.modules["waitress"] = None
        from objmapper.cli import main
        sys.exit(main(["serve", "cvat"]))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert 'pip install "objmapper[server]"' in done.stderr
    assert "Traceback" not in done.stderr
