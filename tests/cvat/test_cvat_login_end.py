"""What a login leaves behind: logging out, leaving, closing; and the token of the environment."""

import logging
from contextlib import contextmanager

import pytest
import requests

from objmapper.cvat import AccessTokenCredentials, Client, Config, make_client
from objmapper.exceptions import BadRequest, ConnectError, NotAuthenticated, ServerError
from objmapper.server import WSGIAdapter, embedded, serve

ADMIN, ALICE = ("admin", "secret-of-admin"), ("alice", "secret-of-alice")
TOKEN = "personal-access-token-of-alice"
LOGOUT = ("POST", "/api/auth/logout")
KEEPS = "2.15"


@pytest.fixture(scope="module", params=["2.15", "2.80"])
def running(request):
    """A CVAT on a socket, with its ``version``."""
    users, tokens = [ADMIN, ALICE], [("alice", TOKEN)]
    with serve("cvat", seed="1x1", users=users, version=request.param, tokens=tokens) as it:
        it.version = request.param
        yield it


@pytest.fixture(scope="module")
def newer():
    """A CVAT with personal access tokens of two users."""
    tokens = [("alice", TOKEN), ("admin", "another-token")]
    with serve("cvat", users=[ADMIN, ALICE], tokens=tokens) as it:
        yield it


def paths(session):
    return [(request.method, request.path_url) for request in session.sent]


def signed_with(running, key):
    """Whether a script that is signed with the token of a login is let in."""
    header = {"Authorization": f"Token {key}"}
    return requests.get(f"{running.url}/api/users/self", headers=header, timeout=60).ok


@pytest.fixture
def script(running):
    """Another script of the superuser's: the token that its login was answered with."""
    with requests.Session() as session:
        login = {"username": ADMIN[0], "password": ADMIN[1]}
        return session.post(f"{running.url}/api/auth/login", json=login).json()["key"]


class TestLeaving:
    def test_it_ends_a_session_but_not_where_all_logins_share_a_token(self, running, noted, script):
        with Client(running.url, http=noted) as client:
            client.login(ADMIN)
            mine = requests.cookies.RequestsCookieJar()
            mine.update(noted.cookies)
        assert (paths(noted)[-1] == LOGOUT) == (running.version != KEEPS)
        assert list(noted.cookies) == []
        assert not client.has_credentials()
        old = requests.get(f"{running.url}/api/users/self", cookies=mine, timeout=60)
        assert old.ok == (running.version == KEEPS)
        if running.version == KEEPS:
            assert signed_with(running, script)

    def test_another_session_of_the_same_user_goes_on(self, running):
        with make_client(running.url, credentials=ADMIN) as other:
            with make_client(running.url, credentials=ADMIN) as client:
                assert client.tasks.count() == 1
            assert other.tasks.count() == 1

    @pytest.mark.parametrize("wanted", [True, False])
    def test_the_config_has_the_last_word(self, running, noted, script, wanted):
        config = Config(logout_on_exit=wanted)
        with make_client(running.url, credentials=ADMIN, config=config, http=noted):
            pass
        assert (paths(noted)[-1] == LOGOUT) == wanted
        assert signed_with(running, script) != wanted

    def test_a_server_that_was_not_asked_for_its_version_is_left_alone(self, running, noted):
        with Client(running.url, http=noted, check_server_version=False) as client:
            client.login(ADMIN)
        assert LOGOUT not in paths(noted)
        assert not client.has_credentials()

    @pytest.mark.parametrize("signed", [None, AccessTokenCredentials(TOKEN)], ids=["nobody", "PAT"])
    def test_what_no_password_began_is_not_ended(self, running, noted, signed):
        with Client(running.url, http=noted) as client:
            if signed is not None:
                client.login(signed)
        assert LOGOUT not in paths(noted)

    def test_a_lent_session_that_was_logged_in_before_stays_so(self, running, noted):
        login = {"username": ADMIN[0], "password": ADMIN[1]}
        noted.post(f"{running.url}/api/auth/login", json=login)
        with Client(running.url, http=noted) as client:
            assert client.tasks.count() == 1
        assert LOGOUT not in paths(noted)
        assert noted.get(f"{running.url}/api/users/self").ok

    def test_closing_tells_the_server_nothing(self, running, noted):
        client = make_client(running.url, credentials=ADMIN, http=noted)
        client.close()
        client.close()
        assert LOGOUT not in paths(noted)
        assert not client.has_credentials()

    def test_closed_inside_it_is_left_as_it_is(self, running, noted):
        with make_client(running.url, credentials=ADMIN, http=noted) as client:
            client.close()
        assert LOGOUT not in paths(noted)

    def test_what_logged_out_inside_is_not_logged_out_again(self, running, noted):
        with make_client(running.url, credentials=ADMIN, http=noted) as client:
            client.logout()
        assert paths(noted).count(LOGOUT) == 1


class TestFailing:
    """A logout at the end that does not go well."""

    @pytest.fixture
    def broken(self, noted):
        """``with broken(what)`` is a client, logged in, to whose logout happens what that does."""

        @contextmanager
        def open_(what):
            def application(environ, start_response):
                if environ["PATH_INFO"] != LOGOUT[1]:
                    return server.app(environ, start_response)
                if isinstance(what, Exception):
                    raise what
                start_response(f"{what} broken", [("Content-Type", "text/html")])
                return [b"<h1>Server Error (500)</h1>"]

            with embedded("cvat", users=[ADMIN]) as server:
                noted.mount("http://cvat.example", WSGIAdapter(application))
                address = "http://cvat.example"
                with make_client(address, credentials=ADMIN, http=noted, retries=0) as client:
                    yield client

        return open_

    @pytest.mark.parametrize("what", [500, 403, requests.ConnectionError("gone")], ids=str)
    def test_it_is_warned_of_and_forgotten(self, broken, caplog, noted, what):
        with broken(what) as client:
            pass
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "ends by itself after two weeks" in caplog.text
        assert ADMIN[1] not in caplog.text
        assert client.transport.closed
        assert list(noted.cookies) == []

    @pytest.mark.parametrize("what", [500, requests.ConnectionError("gone")], ids=str)
    def test_it_never_hides_what_the_block_raised(self, broken, caplog, what):
        with pytest.raises(KeyError, match="mine") as raised, broken(what):
            raise KeyError("mine")
        assert raised.value.__context__ is None
        assert len(caplog.records) == 1

    def test_a_session_that_ended_before_is_no_failure(self, broken, caplog):
        caplog.set_level(logging.INFO)
        with broken(401):
            pass
        assert caplog.records == []

    def test_asked_for_it_is_an_error_and_forgotten_all_the_same(self, broken, noted):
        with broken(500) as client:
            with pytest.raises(ServerError):
                client.logout()
            assert not client.has_credentials()
            assert list(noted.cookies) == []


class TestLoggingInAgain:
    def test_it_ends_the_first_login_where_leaving_would(self, running, noted, script):
        with Client(running.url, http=noted) as client:
            client.login(ADMIN)
            client.login(ALICE)
            ends = [LOGOUT] if running.version != KEEPS else []
            login = ("POST", "/api/auth/login")
            assert paths(noted)[1:] == [login, *ends, login]
            assert client.users.retrieve_current_user().username == "alice"
        if running.version == KEEPS:
            assert signed_with(running, script)

    def test_a_wrong_password_leaves_nobody_logged_in(self, running):
        with make_client(running.url, credentials=ADMIN) as client:
            with pytest.raises(BadRequest):
                client.login(("alice", "wrong-password"))
            assert not client.has_credentials()
            with pytest.raises(NotAuthenticated):
                client.tasks.list()

    def test_a_session_that_had_ended_hinders_none(self, told, noted):
        answers = {
            "/api/auth/login": {"key": "abcdef"},
            "/api/auth/logout": (401, [], b'{"detail": "Invalid token."}'),
        }
        config = Config(logout_on_exit=True)
        options = told(answers) | {"config": config, "check_server_version": False}
        with Client("http://cvat.example", **options) as client:
            client.login(ADMIN)
            client.login(ALICE)
            assert paths(noted)[-2:] == [LOGOUT, ("POST", "/api/auth/login")]
            client.logout()
            assert not client.has_credentials()


class TestEnvironment:
    """CVAT_ACCESS_TOKEN is for make_client, where nothing else is given."""

    @pytest.fixture(autouse=True)
    def _token(self, monkeypatch):
        monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)

    def test_it_is_taken_where_nothing_is_given(self, newer):
        with make_client(newer.url) as client:
            assert client.users.retrieve_current_user().username == "alice"

    @pytest.mark.parametrize(
        "given",
        [{"credentials": ADMIN}, {"access_token": "another-token"}],
        ids=["password", "token"],
    )
    def test_what_is_given_wins(self, newer, given):
        with make_client(newer.url, **given) as client:
            assert client.users.retrieve_current_user().username == "admin"

    def test_an_empty_one_is_none(self, newer, monkeypatch):
        monkeypatch.setenv("CVAT_ACCESS_TOKEN", "")
        with make_client(newer.url) as client:
            assert not client.has_credentials()

    def test_an_embedded_server_has_no_use_for_it(self):
        with make_client("embedded://cvat?user=root:x") as client:
            assert not client.has_credentials()
            assert client.users.retrieve_current_user().username == "root"

    def test_client_itself_takes_none(self, newer):
        with Client(newer.url) as client:
            assert not client.has_credentials()

    def test_one_that_fits_in_no_header_is_told_without_showing_it(self, newer, monkeypatch):
        monkeypatch.setenv("CVAT_ACCESS_TOKEN", "hush\nhush")
        with pytest.raises(ValueError, match="Authorization") as refused:
            make_client(newer.url)
        assert "hush" not in str(refused.value)

    def test_what_can_be_no_credentials_is_told_before_a_server_is_asked(self):
        with pytest.raises(TypeError, match="AccessTokenCredentials"):
            make_client("http://localhost:1", access_token=7)
        with pytest.raises(ConnectError):
            make_client("http://localhost:1", access_token="x", retries=0)
