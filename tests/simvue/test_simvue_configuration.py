"""Where the server, the token and the certificates of a Simvue user are found."""

import base64
import json
import os
import time

import pytest

from objmapper import NoActiveSession
from objmapper.simvue import Client, Configuration


def token(expires=None, name="me"):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    told = {"sub": name, "exp": time.time() + 3600 if expires is None else expires}
    return f"{part({'alg': 'HS256'})}.{part(told)}.c2lnbmF0dXJl"


FILED = token(name="filed")


@pytest.fixture
def filed(home):
    """simvue.toml, as a user has it."""
    path = home / "simvue.toml"
    path.write_text(
        f"""
        [server]
        url = "https://filed.example"
        token = "{FILED}"
        [profiles.other]
        url = "https://other.example/api/"
        token = "{token(name="profile")}"
        [run]
        folder = "/x"
        """
    )
    return path


def test_the_file_is_found_from_here_upwards(filed, home, monkeypatch):
    below = home / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    found = Configuration.fetch()
    assert (found.url, found.token, found.path) == ("https://filed.example/api", FILED, filed)


def test_a_hidden_file_and_one_at_home_are_found(home, monkeypatch, tmp_path_factory):
    (home / ".simvue.toml").write_text('[server]\nurl = "https://hidden.example/api"')
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert Configuration.fetch().url == "https://hidden.example/api"


def test_the_environment_comes_before_arguments_and_these_before_the_file(filed, monkeypatch):
    argued, told = token(name="argued"), token(name="env")
    found = Configuration.fetch("https://argued.example", argued)
    assert (found.url, found.token) == ("https://argued.example/api", argued)
    monkeypatch.setenv("SIMVUE_URL", "https://env.example")
    monkeypatch.setenv("SIMVUE_TOKEN", told)
    found = Configuration.fetch("https://argued.example", argued)
    assert (found.url, found.token) == ("https://env.example/api", told)


def test_a_profile_is_chosen_by_argument_and_by_the_environment(filed, monkeypatch):
    assert Configuration.fetch(profile="other").url == "https://other.example/api"
    monkeypatch.setenv("SIMVUE_SERVER_PROFILE", "other")
    assert Configuration.fetch().profile == "other"
    monkeypatch.setenv("SIMVUE_SERVER_PROFILE", "othr")
    with pytest.raises(ValueError, match="Did you mean 'other'"):
        Configuration.fetch()


def test_the_token_is_shown_nowhere(filed):
    assert FILED not in repr(Configuration.fetch())


@pytest.mark.parametrize("wrong", ["abc", "a.b.c", "a.e30.c", token(expires="soon"), "é.é.é"])
def test_what_is_no_token_is_refused_without_being_shown(home, wrong):
    with pytest.raises(ValueError, match="token is none") as raised:
        Configuration.fetch("https://x.example", wrong)
    assert wrong not in str(raised.value)


def test_an_expired_token_is_refused(home):
    old = token(expires=1_700_000_000)
    with pytest.raises(ValueError, match="expired, 2023-11-14") as raised:
        Configuration.fetch("https://x.example", old)
    assert old not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nurll = 'x'", "Did you mean 'url'"),
        ("[sever]\nurl = 'x'", "Did you mean 'server'"),
        ("server = 1", "not a table"),
        ("[server]\nurl = 1", "'url' is not text"),
        ("[server]\ntoken = 'geheim", "not a file of TOML"),
        ("[server.certificates]\nserver_ca_cert = '/none.pem'", "names no file"),
        ("[server.certificates]\nca = true", "means nothing"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(home, text, said):
    (home / "simvue.toml").write_text(text)
    with pytest.raises(ValueError, match=said) as raised:
        Configuration.fetch()
    assert "geheim" not in str(raised.value)
    assert "simvue.toml" in str(raised.value)


def test_a_project_says_no_credentials(home):
    (home / "pyproject.toml").write_text('[tool.simvue.run]\nfolder = "/x"')
    assert Configuration.fetch().url is None
    for name, table in (("url", "server"), ("token", "server"), ("cache", "offline")):
        (home / "pyproject.toml").write_text(f'[tool.simvue.{table}]\n{name} = "x"')
        with pytest.raises(ValueError, match=name):
            Configuration.fetch()


def test_certificates_are_those_of_the_environment_else_of_the_file(home, monkeypatch):
    for name in ("file.pem", "env.pem", "own.pem", "own.key"):
        (home / name).write_text("")
    (home / "simvue.toml").write_text(
        "[server.certificates]\nserver_ca_cert = 'file.pem'\n"
        "client_cert = 'own.pem'\nclient_key = 'own.key'"
    )
    found = Configuration.fetch()
    assert (found.verify, found.certificate) == ("file.pem", ("own.pem", "own.key"))
    monkeypatch.setenv("SIMVUE_SERVER_CA_CERTIFICATE", str(home / "env.pem"))
    assert Configuration.fetch().verify == str(home / "env.pem")
    monkeypatch.setenv("SIMVUE_SERVER_CA_CERTIFICATE", "false")
    assert Configuration.fetch().verify is False
    assert Configuration.fetch().verify_storage is True
    monkeypatch.setenv("SIMVUE_STORAGE_CA_CERTIFICATE", str(home / "env.pem"))
    assert Configuration.fetch().verify_storage == str(home / "env.pem")


def test_variables_of_the_file_are_put_into_the_environment(home, monkeypatch):
    monkeypatch.setenv("SIMVUE_TEST_VARIABLE", "before")
    (home / "simvue.toml").write_text("[server.env]\nSIMVUE_TEST_VARIABLE = 'x'")
    Configuration.fetch()
    assert os.environ["SIMVUE_TEST_VARIABLE"] == "x"


def test_the_offline_cache_is_where_the_original_has_it(home, monkeypatch):
    assert Configuration.fetch().offline_cache == home / ".simvue"
    (home / "simvue.toml").write_text("[offline]\ncache = '~/kept'")
    assert Configuration.fetch().offline_cache == home / "kept"
    monkeypatch.setenv("SIMVUE_OFFLINE_DIRECTORY", str(home / "env"))
    assert Configuration.fetch().offline_cache == home / "env"


def test_a_client_without_a_server_says_what_lacks(home):
    with pytest.raises(NoActiveSession, match="SIMVUE_URL and SIMVUE_TOKEN"):
        Client()
    with pytest.raises(NoActiveSession, match="no token"):
        Client("https://x.example")
    with pytest.raises(TypeError, match="auth"):
        Client("https://x.example", token(), auth=("a", "b"))
