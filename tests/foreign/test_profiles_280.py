"""The SDK's saved profiles and ours are one file: what one writes, the other reads."""

import argparse
import json
import stat

import pytest
from cvat_sdk import core as sdk
from cvat_sdk import make_client as make_sdk_client

from objmapper import cvat as ours

pytestmark = pytest.mark.foreign


@pytest.fixture(params=["default folder", "a path"])
def place(request, tmp_path, monkeypatch):
    """Where both look: where they do by themselves, or where they are told to."""
    if request.param == "a path":
        return tmp_path / "private" / "auth.json"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return None


@pytest.fixture(params=["theirs to ours", "ours to theirs"])
def sides(request, place):
    """The one that writes and the one that reads, each with its kind of entry."""
    theirs = (sdk.AuthStore(place), sdk.ProfileEntry)
    mine = (ours.AuthStore(place), ours.ProfileEntry)
    return (theirs, mine) if request.param == "theirs to ours" else (mine, theirs)


def plain(entry):
    return (entry.server, entry.token, entry.created_date)


def test_both_look_in_the_same_place(place):
    assert ours.get_auth_store_path() == sdk.get_auth_store_path()
    assert ours.AuthStore(place).path == sdk.AuthStore(place).path


def test_what_one_writes_the_other_reads(sides):
    (writer, entry_of), (reader, _) = sides
    work = entry_of("https://cvat.example.com", "token-of-wörk", "2026-11-21T20:00:00+00:00")
    home = entry_of("http://localhost:8080", "token-of-home", "")
    writer.put_profile("wörk", work)
    writer.put_profile("home", home, set_default=True)
    writer.set_default_server("https://default.example.com")
    assert {name: plain(each) for name, each in reader.list_profiles().items()} == {
        "wörk": plain(work),
        "home": plain(home),
    }
    name, default = reader.get_default_profile()
    assert (name, plain(default)) == ("home", plain(home))
    assert reader.get_default_server() == "https://default.example.com"
    assert reader.get_profile("nobody") is None


def test_what_one_changes_the_other_goes_on_from(sides, place):
    (first, entry_of), (second, other_entry_of) = sides
    first.put_profile("a", entry_of("https://a.example", "token-a", "2026-01-01"))
    second.put_profile("b", other_entry_of("https://b.example", "token-b", "2026-01-02"))
    second.set_default_profile("b")
    second.remove_profile("a")
    again = type(first)(place)
    assert list(again.list_profiles()) == ["b"]
    assert again.get_default_profile()[0] == "b"
    again.clear_default_profile()
    assert type(second)(place).get_default_profile() is None


def test_both_write_the_same_bytes(tmp_path):
    written = []
    for kind in (sdk, ours):
        store = kind.AuthStore(tmp_path / kind.__name__ / "auth.json")
        store.put_profile("b", kind.ProfileEntry("https://b.example", "token-b", "2026-01-02"))
        store.put_profile("ä", kind.ProfileEntry("https://a.example", "token-a", "2026-01-01"))
        store.set_default_server("https://b.example")
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (store.path, store.path.parent)]
        written.append((store.path.read_bytes(), modes))
    assert written[0] == written[1]
    assert json.loads(written[0][0])["version"] == 1


def test_both_refuse_what_others_could_read(sides, tmp_path):
    (writer, entry_of), (reader, _) = sides
    writer.put_profile("a", entry_of("https://a.example", "token-a", ""))
    writer.path.chmod(0o644)
    with pytest.raises(Exception, match="chmod") as refused:
        reader.list_profiles()
    assert type(refused.value).__name__ == "AuthStoreError"


def test_a_client_of_either_comes_of_the_other_s_profile(sides, running):
    (writer, entry_of), (reader, _) = sides
    with make_sdk_client(running.url, credentials=("admin", "secret")) as client:
        made, _ = client.api_client.auth_api.create_access_tokens(
            access_token_write_request={"name": "of the profile"}
        )
    writer.put_profile("work", entry_of(running.url, made.value, "2026-01-01"))
    theirs = isinstance(reader, sdk.AuthStore)
    make = sdk.make_client_from_profile if theirs else ours.make_client_from_profile
    with make(reader.get_profile("work")) as client:
        assert client.users.retrieve_current_user().username == "admin"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "--insecure",
        "--profile work --org acme",
        "--server-host h --server-port 80 --organization acme",
    ],
)
def test_both_command_lines_say_the_same(said):
    found = []
    for kind in (sdk, ours):
        parser = argparse.ArgumentParser()
        kind.configure_client_auth_arguments(parser)
        found.append(vars(parser.parse_args(said.split())))
    assert found[0] == found[1]
    with_password = argparse.ArgumentParser()
    ours.configure_client_auth_arguments(with_password)
    auth = with_password.parse_args(["--auth", "admin:secret:of"]).auth
    assert auth("http://h") == ours.PasswordCredentials("admin", "secret:of")
