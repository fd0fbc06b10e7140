"""Saved profiles: auth.json as CVAT's SDK keeps it, its secrecy, and the clients made of it."""

import argparse
import copy
import getpass
import json
import os
import pickle
import stat
import threading
from pathlib import Path

import pytest

from objmapper import AuthStoreError, NotAuthenticated
from objmapper.cvat import (
    AuthStore,
    ClientAuthParameters,
    Config,
    ProfileEntry,
    configure_client_auth_arguments,
    get_auth_store_path,
    make_client_from_cli,
    make_client_from_profile,
)
from objmapper.cvat.profiles import store_path
from objmapper.server import serve

ADMIN, ALICE = ("admin", "secret-of-admin"), ("alice", "secret-of-alice")
TOKEN = "personal-access-token-of-alice"
WORK = ProfileEntry("https://cvat.example.com", "token-of-work", "2026-11-21T20:00:00+00:00")
HOME = ProfileEntry("http://localhost:8080", "token-of-home", "2026-11-21T21:00:00+00:00")


@pytest.fixture
def store(tmp_path):
    """Profiles in a folder that is not there yet."""
    return AuthStore(tmp_path / "config" / "cvat-sdk" / "auth.json")


@pytest.fixture
def written(store):
    """``written(document)`` is a store whose file has that: bytes, or what JSON has."""

    def write(document):
        store.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        store.path.write_bytes(content)
        store.path.chmod(0o600)
        return store

    return write


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


class TestWhatIsKept:
    def test_the_file_is_the_sdk_s(self, store):
        store.put_profile("work", WORK)
        store.put_profile("home", HOME)
        store.set_default_server("https://default.example.com")
        assert json.loads(store.path.read_bytes()) == {
            "version": 1,
            "default_profile": "work",
            "default_server": "https://default.example.com",
            "profiles": {
                "work": {
                    "server": "https://cvat.example.com",
                    "token": "token-of-work",
                    "created_date": "2026-11-21T20:00:00+00:00",
                },
                "home": {
                    "server": "http://localhost:8080",
                    "token": "token-of-home",
                    "created_date": "2026-11-21T21:00:00+00:00",
                },
            },
        }

    def test_what_was_put_is_found(self, store):
        assert (store.list_profiles(), store.get_profile("work")) == ({}, None)
        assert not store.path.exists()
        store.put_profile("work", WORK)
        store.put_profile("home", HOME)
        assert store.list_profiles() == {"work": WORK, "home": HOME}
        assert AuthStore(store.path).get_profile("home") == HOME
        store.put_profile("home", WORK)
        assert store.get_profile("home") == WORK

    def test_the_first_is_the_default_until_another_is(self, store):
        assert store.get_default_profile() is None
        store.put_profile("work", WORK)
        store.put_profile("home", HOME)
        assert store.get_default_profile() == ("work", WORK)
        store.set_default_profile("home")
        assert store.get_default_profile() == ("home", HOME)
        store.put_profile("work", WORK, set_default=True)
        assert store.get_default_profile() == ("work", WORK)
        store.clear_default_profile()
        assert store.get_default_profile() is None

    def test_removed_it_is_no_default_either(self, store):
        store.put_profile("work", WORK)
        store.put_profile("home", HOME)
        store.remove_profile("work")
        assert store.list_profiles() == {"home": HOME}
        assert store.get_default_profile() is None

    def test_a_name_that_is_not_there_is_a_key_error_and_changes_nothing(self, store):
        store.put_profile("work", WORK)
        before = store.path.read_bytes()
        for change in (store.remove_profile, store.set_default_profile):
            with pytest.raises(KeyError, match="hom"):
                change("hom")
        assert store.path.read_bytes() == before

    def test_the_default_server(self, store):
        assert store.get_default_server() is None
        store.set_default_server("https://a.example")
        assert store.get_default_server() == "https://a.example"
        store.clear_default_server()
        store.clear_default_server()
        assert store.get_default_server() is None

    def test_what_is_not_known_of_stays(self, written):
        more = {
            "version": 1,
            "profiles": {"other": {"server": "s", "token": "t", "x": 1}},
            "y": [2],
        }
        store = written(more)
        store.put_profile("work", WORK)
        kept = json.loads(store.path.read_bytes())
        assert kept["y"] == [2]
        assert kept["profiles"]["other"] == {"server": "s", "token": "t", "x": 1}

    def test_another_process_s_profiles_are_seen(self, store):
        other = AuthStore(store.path)
        store.put_profile("work", WORK)
        assert other.list_profiles() == {"work": WORK}
        other.put_profile("home", HOME)
        assert store.list_profiles() == {"work": WORK, "home": HOME}

    def test_those_who_write_at_once_lose_nothing(self, store):
        def put(number):
            barrier.wait()
            AuthStore(store.path).put_profile(f"p{number}", HOME)

        barrier = threading.Barrier(8)
        threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(store.list_profiles()) == [f"p{number}" for number in range(8)]

    @pytest.mark.parametrize(
        ("name", "entry"),
        [
            ("", WORK),
            ("  ", WORK),
            (7, WORK),
            (None, WORK),
            ("work", {"server": "s", "token": "t"}),
        ],
    )
    def test_what_is_no_profile_or_name_is_refused(self, store, name, entry):
        with pytest.raises((TypeError, ValueError), match="profile"):
            store.put_profile(name, entry)
        assert not store.path.exists()

    @pytest.mark.parametrize("server", ["", None, 7])
    def test_what_is_no_server_is_refused(self, store, server):
        with pytest.raises((TypeError, ValueError), match="address"):
            store.set_default_server(server)


class TestEntry:
    @pytest.mark.parametrize(
        "parts",
        [("", "t"), ("s", ""), ("s", None), (None, "t"), ("s", "t", None), ("s", "hush\nhush")],
        ids=str,
    )
    def test_what_can_be_none_is_refused_without_showing_it(self, parts):
        with pytest.raises((TypeError, ValueError)) as refused:
            ProfileEntry(*parts)
        assert "hush" not in str(refused.value)

    def test_it_shows_its_token_nowhere(self):
        assert "token-of-work" not in f"{WORK!r} {WORK}"
        assert "https://cvat.example.com" in repr(WORK)
        for carry in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="secret"):
                carry(WORK)


class TestSecrecy:
    def test_folder_and_file_are_their_user_s_alone(self, store):
        before = os.umask(0)
        try:
            store.put_profile("work", WORK)
        finally:
            os.umask(before)
        assert (mode(store.path.parent), mode(store.path)) == (0o700, 0o600)
        store.put_profile("home", HOME)
        assert mode(store.path) == 0o600

    def test_writing_takes_the_folder_from_others(self, store):
        store.path.parent.mkdir(parents=True)
        store.path.parent.chmod(0o755)
        store.put_profile("work", WORK)
        assert mode(store.path.parent) == 0o700

    def test_a_folder_of_everybody_s_is_refused_and_stays(self, store):
        store.path.parent.mkdir(parents=True)
        store.path.parent.chmod(0o1777)
        with pytest.raises(AuthStoreError, match="chmod 700"):
            store.put_profile("work", WORK)
        assert mode(store.path.parent) == 0o1777

    @pytest.mark.parametrize("of_all", [0o644, 0o640, 0o606, 0o660])
    def test_a_file_that_others_may_use_is_refused(self, store, of_all):
        store.put_profile("work", WORK)
        store.path.chmod(of_all)
        for use in (store.list_profiles, lambda: store.put_profile("home", HOME)):
            with pytest.raises(AuthStoreError) as refused:
                use()
            assert f"chmod 600 '{store.path}'" in str(refused.value)
        assert "home" not in store.path.read_text()

    @pytest.mark.parametrize("of_all", [0o755, 0o750, 0o701])
    def test_a_folder_that_others_may_use_is_refused(self, store, of_all):
        store.put_profile("work", WORK)
        store.path.parent.chmod(of_all)
        with pytest.raises(AuthStoreError, match="chmod 700"):
            store.list_profiles()

    def test_nothing_is_left_of_a_write_that_failed(self, store):
        store.put_profile("work", WORK)
        store.path.unlink()
        store.path.mkdir()
        with pytest.raises(AuthStoreError):
            store.put_profile("home", HOME)
        assert os.listdir(store.path.parent) == ["auth.json"]


class TestMalformed:
    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"token-of-work",
            b'{"version": 1, "profiles": {"work": {"token": "token-of-work"',
            b'\xff\xfe"token-of-work"',
            b"[" * 100_000,
            [],
            "token-of-work",
            {},
            {"profiles": {}},
            {"version": 2, "profiles": {}},
            {"version": True, "profiles": {}},
            {"version": "token-of-work"},
            {"version": 1, "profiles": []},
            {"version": 1, "profiles": None},
            {"version": 1, "profiles": {}, "default_profile": ["token-of-work"]},
            {"version": 1, "profiles": {}, "default_server": 7},
        ],
        ids=lambda document: repr(document)[:40],
    )
    def test_a_file_is_told_by_its_name_and_never_quoted(self, written, document):
        store = written(document)
        before = store.path.read_bytes()
        for use in (store.list_profiles, lambda: store.put_profile("home", HOME)):
            with pytest.raises(AuthStoreError) as refused:
                use()
            error = refused.value
            assert str(store.path) in str(error)
            assert "token-of-work" not in str(error)
            assert isinstance(error, OSError)
            # The parser's own error has the text in it.
            assert error.__cause__ is None
            assert error.__context__ is None
        assert store.path.read_bytes() == before

    @pytest.mark.parametrize(
        "row",
        [
            None,
            "hush-hush",
            [],
            {},
            {"server": "s"},
            {"token": "hush-hush"},
            {"server": 7, "token": "hush-hush"},
            {"server": "s", "token": ["hush-hush"]},
            {"server": "s", "token": "hush\nhush"},
            {"server": "s", "token": "hush-hush", "created_date": 7},
        ],
        ids=str,
    )
    def test_a_profile_is_told_by_its_name_and_never_quoted(self, written, row):
        good = {"server": "s", "token": "t"}
        profiles = {"bad": row, "good": good}
        store = written({"version": 1, "profiles": profiles, "default_profile": "bad"})
        for use in (
            store.list_profiles,
            lambda: store.get_profile("bad"),
            store.get_default_profile,
        ):
            with pytest.raises(AuthStoreError, match="'bad'") as refused:
                use()
            assert "hush" not in str(refused.value)
            assert refused.value.__context__ is None
        assert store.get_profile("good") == ProfileEntry("s", "t", "")
        store.remove_profile("bad")
        assert list(store.list_profiles()) == ["good"]

    def test_a_default_that_is_not_there_is_none(self, written):
        store = written({"version": 1, "profiles": {}, "default_profile": "gone"})
        assert store.get_default_profile() is None

    def test_a_folder_in_its_place_is_told(self, store):
        store.path.mkdir(mode=0o700, parents=True)
        with pytest.raises(AuthStoreError, match="can't be read"):
            store.list_profiles()

    def test_a_folder_that_can_t_be_made_is_told(self, tmp_path):
        (tmp_path / "config").write_text("a file")
        with pytest.raises(AuthStoreError, match="folder can't be made"):
            AuthStore(tmp_path / "config" / "auth.json").put_profile("work", WORK)


class TestPlace:
    def test_it_is_the_folder_of_the_user_s_configuration(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.setattr("sys.platform", "linux")
        assert get_auth_store_path() == tmp_path / "cvat-sdk" / "auth.json"
        assert AuthStore().path == get_auth_store_path()
        assert str(tmp_path) in repr(AuthStore())

    @pytest.mark.parametrize(
        ("platform", "environ", "place"),
        [
            ("linux", {}, "~/.config/cvat-sdk/auth.json"),
            ("linux", {"XDG_CONFIG_HOME": ""}, "~/.config/cvat-sdk/auth.json"),
            ("linux", {"XDG_CONFIG_HOME": "relative"}, "~/.config/cvat-sdk/auth.json"),
            ("linux", {"XDG_CONFIG_HOME": "/etc/me"}, "/etc/me/cvat-sdk/auth.json"),
            ("darwin", {}, "~/Library/Application Support/cvat-sdk/auth.json"),
            ("win32", {"LOCALAPPDATA": "/Local"}, "/Local/CVAT.ai/cvat-sdk/auth.json"),
            ("win32", {}, "~/AppData/Local/CVAT.ai/cvat-sdk/auth.json"),
        ],
    )
    def test_each_platform_has_its_own(self, platform, environ, place):
        assert store_path(platform, environ) == Path(place).expanduser()


@pytest.fixture(scope="module")
def running():
    tokens = [("alice", TOKEN)]
    with serve("cvat", users=[ADMIN, ALICE], tokens=tokens) as it:
        yield it


def who(client):
    with client:
        return client.users.retrieve_current_user().username


class TestFromProfile:
    def test_it_is_logged_in_with_the_token(self, running):
        before = running.server.requests
        client = make_client_from_profile(ProfileEntry(running.url, TOKEN))
        assert running.server.requests == before
        assert client.base_url == f"{running.url}/api"
        assert who(client) == "alice"

    def test_a_token_that_is_over_is_told_by_the_first_request(self, running):
        with (
            make_client_from_profile(ProfileEntry(running.url, "over")) as client,
            pytest.raises(NotAuthenticated),
        ):
            client.tasks.list()

    def test_the_options_are_those_of_a_client(self, running):
        config, entry = Config(), ProfileEntry(running.url, TOKEN)
        before = running.server.requests
        options = {"config": config, "check_server_version": True, "timeout": 7}
        with make_client_from_profile(entry, **options) as client:
            assert client.config is config
            assert client.transport.timeout == (7, 7)
        assert running.server.requests == before + 1

    @pytest.mark.parametrize("profile", [None, "work", {"server": "s", "token": "t"}])
    def test_what_is_no_profile_is_told(self, profile):
        with pytest.raises(TypeError, match=r"AuthStore\(\)\.get_profile"):
            make_client_from_profile(profile)


class TestFromCommandLine:
    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch):
        for name in ("CVAT_ACCESS_TOKEN", "PASS"):
            monkeypatch.delenv(name, raising=False)

    @pytest.fixture
    def opened(self, store):
        """``opened("--auth", ...)`` is the client of such a command line."""
        clients = []

        def open_(*arguments, **options):
            parser = argparse.ArgumentParser()
            configure_client_auth_arguments(parser)
            said = parser.parse_args(arguments)
            clients.append(make_client_from_cli(said, store=store, **options))
            return clients[-1]

        yield open_
        for client in clients:
            client.close()

    def test_a_profile_is_named(self, opened, store, running):
        store.put_profile("work", WORK)
        store.put_profile("alice", ProfileEntry(running.url, TOKEN))
        assert who(opened("--profile", "alice")) == "alice"

    def test_a_profile_that_is_not_there_names_the_nearest(self, opened, store):
        with pytest.raises(AuthStoreError, match="There are none"):
            opened("--profile", "work")
        store.put_profile("work", WORK)
        with pytest.raises(AuthStoreError, match="Did you mean 'work'"):
            opened("--profile", "wrok")
        with pytest.raises(AuthStoreError, match="There are: work"):
            opened("--profile", "alice")

    @pytest.mark.parametrize(
        "more", [("--auth", "a:b"), ("--server-host", "h"), ("--server-port", "80")]
    )
    def test_a_profile_excludes_what_it_has_itself(self, opened, store, more):
        store.put_profile("work", WORK)
        with pytest.raises(AuthStoreError, match="--profile excludes"):
            opened("--profile", "work", *more)

    def test_the_default_profile_is_for_who_names_nothing(self, opened, store, running):
        store.put_profile("alice", ProfileEntry(running.url, TOKEN))
        assert who(opened()) == "alice"

    def test_a_server_that_is_named_comes_before_the_default_profile(self, opened, store, running):
        store.put_profile("work", WORK)
        host, _, port = running.url.rpartition(":")
        args = ("--server-host", host, "--server-port", port, "--auth", ":".join(ADMIN))
        assert who(opened(*args)) == "admin"
        with pytest.raises(ValueError, match="give one of them"):
            opened("--server-host", running.url, "--server-port", "80", "--auth", "a:b")

    def test_credentials_that_are_given_go_to_the_default_server(self, opened, store, running):
        store.put_profile("work", WORK)
        store.set_default_server(running.url)
        assert who(opened("--auth", ":".join(ADMIN))) == "admin"

    def test_the_environment_s_token_comes_before_the_default_profile(
        self, opened, store, running, monkeypatch
    ):
        store.put_profile("work", WORK)
        store.set_default_server(running.url)
        monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)
        assert who(opened()) == "alice"
        assert who(opened("--auth", ":".join(ADMIN))) == "admin"

    def test_the_last_resort_is_this_machine(self, opened, monkeypatch):
        monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)
        assert opened().base_url == "http://localhost/api"

    def test_a_password_is_that_of_the_environment_or_asked_for(self, opened, running, monkeypatch):
        asked = []
        monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or ADMIN[1])
        assert who(opened("--server-host", running.url, "--auth", "admin")) == "admin"
        assert asked == [f"Password for admin at {running.url}: "]
        monkeypatch.setattr(getpass, "getuser", lambda: "admin")
        assert who(opened("--server-host", running.url)) == "admin"
        assert len(asked) == 2
        monkeypatch.setenv("PASS", ALICE[1])
        assert who(opened("--server-host", running.url, "--auth", "alice")) == "alice"
        assert len(asked) == 2

    def test_the_organization_is_spoken_of(self, opened, running):
        args = ("--server-host", running.url, "--auth", ":".join(ADMIN))
        assert opened(*args, "--org", "acme").organization_slug == "acme"
        assert opened(*args, "--organization", "").organization_slug == ""
        assert opened(*args).organization_slug is None

    def test_insecure_is_laid_over_the_config(self, opened, monkeypatch):
        monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)
        config = Config(status_check_period=1)
        assert opened(config=config).config is config
        laid = opened("--insecure", config=config).config
        assert (laid.verify_ssl, laid.status_check_period) == (False, 1)
        assert config.verify_ssl is None
        assert opened("--insecure").config.verify_ssl is False

    def test_parameters_can_be_given_without_a_command_line(self, store, running):
        said = ClientAuthParameters(auth=lambda url: ADMIN, server_host=running.url)
        assert who(make_client_from_cli(said, store=store)) == "admin"
        assert ClientAuthParameters.from_namespace(argparse.Namespace()) == ClientAuthParameters()

    def test_a_wrong_password_is_the_server_s_refusal(self, opened, running):
        with pytest.raises(OSError, match="Unable to log in"):
            opened("--server-host", running.url, "--auth", "admin:wrong-password")
