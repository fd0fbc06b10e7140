"""Sessions: how they begin, move on and end, and Django's rules against forged requests."""

import itertools
import sqlite3

import pytest
import requests
from django.conf import settings
from django.middleware import csrf
from django.test import RequestFactory

from objmapper.server import embedded

ADMIN = {"username": "admin", "password": "secret"}
ALICE = {"username": "alice", "password": "wonder"}
GONE = "sessionid=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax"


@pytest.fixture(params=["2.15", "2.80"])
def door(open_door, request):
    return open_door(version=request.param)


@pytest.fixture
def old(open_door):
    return open_door(version="2.15")


@pytest.fixture
def new(open_door):
    return open_door(version="2.80")


class Browser:
    """A session of requests that keeps cookies, and sends the token along where it is told to."""

    def __init__(self, door, **headers):
        self.url, self.http = f"{door.url}/api", door.session(**headers)

    def login(self, who=ADMIN, **options):
        return self("POST", "/auth/login", json=who, **options)

    def logout(self):
        return self("POST", "/auth/logout", token=self.token)

    @property
    def token(self):
        return self.http.cookies["csrftoken"]

    @property
    def key(self):
        return self.http.cookies.get("sessionid")

    def me(self):
        answer = self("GET", "/users/self")
        return answer.json().get("username", answer.status_code)

    def __call__(self, method, path, token=None, headers=None, **options):
        headers = dict(headers or {}) | ({} if token is None else {"X-CSRFToken": token})
        return self.http.request(method, self.url + path, headers=headers, **options)


def set_cookies(answer):
    return answer.raw.headers.getlist("Set-Cookie")


class TestBeginning:
    def test_a_login_sets_django_s_two_cookies(self, door):
        browser = Browser(door)
        session, token = sorted(set_cookies(browser.login()), reverse=True)
        assert session.startswith("sessionid=")
        assert "; HttpOnly" in session
        assert "; Max-Age=1209600" in session
        assert token.startswith("csrftoken=")
        assert "HttpOnly" not in token
        assert "; Max-Age=31449600" in token
        for cookie in (session, token):
            assert "; Path=/" in cookie
            assert "; SameSite=Lax" in cookie
        assert browser.me() == "admin"

    def test_a_login_needs_no_token(self, door):
        assert Browser(door).login().status_code == 200

    def test_a_login_in_a_session_needs_its_token(self, door):
        browser = Browser(door)
        browser.login()
        answer = browser.login(ALICE)
        assert answer.status_code == 403
        assert answer.json() == {"detail": "CSRF Failed: CSRF token missing."}
        assert browser.me() == "admin"

    @pytest.mark.parametrize("who", [ADMIN, ALICE], ids=["same user", "another user"])
    def test_a_login_in_a_session_begins_a_new_one_and_ends_the_old(self, door, who):
        browser = Browser(door)
        browser.login()
        key, token = browser.key, browser.token
        assert browser.login(who, token=token).status_code == 200
        assert browser.key != key
        assert browser.token != token
        assert browser.me() == who["username"]
        other = Browser(door, Cookie=f"sessionid={key}")
        assert other.me() == 401

    def test_a_refused_login_leaves_the_session(self, door):
        browser = Browser(door)
        browser.login()
        key = browser.key
        refused = browser.login({"username": "admin", "password": "no"}, token=browser.token)
        assert refused.status_code == 400
        assert set_cookies(refused) == []
        assert (browser.key, browser.me()) == (key, "admin")

    def test_two_logins_are_two_sessions(self, door):
        first, second = Browser(door), Browser(door)
        first.login()
        second.login()
        assert first.key != second.key
        key = first.key
        assert first.logout().status_code == 200
        assert Browser(door, Cookie=f"sessionid={key}").me() == 401
        assert second.me() == "admin"


class TestTokens:
    def key(self, door):
        return Browser(door).login().json()["key"]

    def test_a_token_starts_a_session_in_2_15(self, old):
        browser = Browser(old, Authorization=f"Token {self.key(old)}")
        assert browser.me() == "admin"
        assert set(browser.http.cookies.keys()) == {"sessionid", "csrftoken"}
        again = browser("POST", "/projects", json={"name": "p"})
        assert again.status_code == 201
        assert set_cookies(again) == []
        del browser.http.headers["Authorization"]
        assert browser.me() == "admin"

    def test_a_token_starts_one_even_if_the_view_refuses(self, old):
        browser = Browser(old, Authorization=f"Token {self.key(old)}")
        assert browser("GET", "/tasks/99").status_code == 404
        del browser.http.headers["Authorization"]
        assert browser.me() == "admin"

    def test_a_token_starts_none_in_2_80(self, new):
        browser = Browser(new, Authorization=f"Token {self.key(new)}")
        assert browser.me() == "admin"
        assert browser("POST", "/projects", json={"name": "p"}).status_code == 201
        assert browser.http.cookies.keys() == []

    def test_a_token_needs_no_csrf_token_and_wins_over_a_session(self, door):
        key = self.key(door)
        browser = Browser(door)
        browser.login(ALICE)
        browser.http.headers["Authorization"] = f"Token {key}"
        made = browser("POST", "/projects", json={"name": "p"})
        assert made.status_code == 201
        assert made.json()["owner"]["username"] == "admin"

    def test_a_session_wins_over_a_password(self, door):
        browser = Browser(door)
        browser.login(ALICE)
        browser.http.auth = ("admin", "secret")
        assert browser.me() == "alice"


class TestEnding:
    def test_a_logout_ends_the_session_and_takes_its_cookie_back(self, door):
        browser = Browser(door)
        browser.login()
        key, token = browser.key, browser.token
        answer = browser.logout()
        assert answer.json() == {"detail": "Successfully logged out."}
        assert set_cookies(answer) == [GONE]
        assert (browser.key, browser.token) == (None, token)
        assert Browser(door, Cookie=f"sessionid={key}").me() == 401

    def test_a_logout_of_a_session_needs_its_token(self, door):
        browser = Browser(door)
        browser.login()
        assert browser("POST", "/auth/logout").status_code == 403
        assert browser.me() == "admin"

    def test_one_logout_ends_the_token_for_every_client(self, door):
        browser = Browser(door)
        key = browser.login().json()["key"]
        other = Browser(door, Authorization=f"Token {key}")
        assert other.me() == "admin"
        browser.logout()
        ended = other("GET", "/users/self")
        assert (ended.status_code, ended.json()) == (401, {"detail": "Invalid token."})
        assert browser.login().json()["key"] != key

    def test_a_logout_ends_nothing_of_another_user(self, door):
        browser, other = Browser(door), Browser(door)
        browser.login()
        key = other.login(ALICE).json()["key"]
        browser.logout()
        assert other.me() == "alice"
        assert Browser(door, Authorization=f"Token {key}").me() == "alice"

    def test_nobody_may_log_out_and_ends_nothing(self, door):
        key = Browser(door).login().json()["key"]
        answer = Browser(door)("POST", "/auth/logout")
        assert (answer.status_code, set_cookies(answer)) == (200, [])
        assert Browser(door, Authorization=f"Token {key}").me() == "admin"

    def test_an_inactive_user_s_session_is_nobody_s(self, door):
        browser = Browser(door)
        browser.login(ALICE)
        assert door.patch("/users/2", {"is_active": False}).status_code == 200
        assert browser.me() == 401

    @pytest.mark.parametrize("version", ["2.15", "2.80"])
    def test_a_session_ends_by_itself(self, version, tmp_path):
        path = tmp_path / "cvat.sqlite"

        options = {"path": str(path), "version": version, "users": ["admin:secret"]}

        def ask(method, where, cookie="sessionid=none", **given):
            with embedded("cvat", **options) as server, requests.Session() as http:
                http.mount(server.base_url, server.adapter())
                url, headers = f"{server.base_url}/api{where}", {"Cookie": cookie}
                return http.request(method, url, headers=headers, **given)

        cookie = f"sessionid={ask('POST', '/auth/login', json=ADMIN).cookies['sessionid']}"
        assert ask("GET", "/users/self", cookie).json()["username"] == "admin"
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE session SET ends = '2026-01-01T00:00:00.000000Z'")
        connection.close()
        answer = ask("GET", "/users/self", cookie)
        assert answer.status_code == 401
        assert set_cookies(answer) == [GONE]
        # A later login clears the table of what is over.
        ask("POST", "/auth/login", json=ADMIN)
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT count(*) FROM session").fetchone() == (1,)
        connection.close()

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_cookie_of_another_server_is_nobody_and_taken_back(self, door, method):
        answer = Browser(door, Cookie="sessionid=0123456789abcdef")(method, "/projects", json={})
        assert answer.status_code == 401
        assert answer.json() == {"detail": "Authentication credentials were not provided."}
        assert set_cookies(answer) == [GONE]

    def test_a_cookie_of_another_server_hinders_no_login(self, door):
        browser = Browser(door)
        browser.http.cookies.set("sessionid", "of-another-server")
        browser.http.cookies.set("csrftoken", "x" * 32)
        answer = browser.login()
        assert answer.status_code == 200
        assert {cookie.partition("=")[0] for cookie in set_cookies(answer)} == {
            "sessionid",
            "csrftoken",
        }

    def test_of_two_cookies_of_one_name_the_last_counts(self, door):
        browser = Browser(door)
        browser.login()
        assert Browser(door, Cookie=f"sessionid=x; sessionid={browser.key}").me() == "admin"
        assert Browser(door, Cookie=f"sessionid={browser.key}; sessionid=x").me() == 401


SECRET = "abcdefghijklmnopqrstuvwxyzABCDEF"
OTHER = SECRET.swapcase()
# A token over a mask, as Django's pages have it.
MASK = "0" * 8 + "z" * 8 + "Z" * 8 + "aB3x" * 2


@pytest.fixture(scope="module")
def django():
    """The refusal of Django's own middleware; None where it lets a request pass."""
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"])

    def ask(method, host, cookie, header, origin):
        extra = {"HTTP_HOST": host, "HTTP_X_CSRFTOKEN": header, "HTTP_ORIGIN": origin}
        extra = {name: value for name, value in extra.items() if value is not None}
        request = RequestFactory().generic(method, "/api/projects", b"{}", **extra)
        if cookie is not None:
            request.COOKIES["csrftoken"] = cookie
        check = Refusing(lambda request: None)
        check.process_request(request)
        return check.process_view(request, None, (), {})

    return ask


class Refusing(csrf.CsrfViewMiddleware):
    """Tells why it refuses, as Django REST framework has it do."""

    def _reject(self, request, reason):
        return reason


def masked(secret):
    """A token as Django's pages have it, by Django's own hand."""
    characters = csrf.CSRF_ALLOWED_CHARS
    pairs = zip(secret, MASK, strict=True)
    summed = [characters.index(one) + characters.index(two) for one, two in pairs]
    return MASK + "".join(characters[each % len(characters)] for each in summed)


class TestForgery:
    HEADERS = [
        None,
        "",
        SECRET,
        OTHER,
        masked(SECRET),
        masked(OTHER),
        SECRET[:-1],
        SECRET + "x",
        "-" * 32,
        "é" * 32,
        "-" * 64,
    ]
    COOKIES = [None, *HEADERS[1:7], "-" * 32]
    ORIGINS = [None, "own", "https", "https://evil.example"]

    def test_the_masked_tokens_are_django_s(self):
        assert csrf._unmask_cipher_token(masked(SECRET)) == SECRET

    @pytest.mark.parametrize("method", ["POST", "PATCH", "GET"])
    @pytest.mark.parametrize("cookie", COOKIES)
    def test_every_refusal_is_django_s_word_for_word(self, django, method, cookie):
        refusals = set()
        with (
            embedded("cvat", users=["admin:secret"], check=True) as server,
            requests.Session() as http,
        ):
            http.mount(server.base_url, server.adapter())
            host = server.base_url.partition("//")[2]
            login = http.post(f"{server.base_url}/api/auth/login", json=ADMIN)
            key = login.cookies["sessionid"]
            http.cookies.clear()
            for header, origin in itertools.product(self.HEADERS, self.ORIGINS):
                known = {"own": server.base_url, "https": f"https://{host}"}
                came_from = known.get(origin, origin)
                cookies = {"sessionid": key} | ({} if cookie is None else {"csrftoken": cookie})
                headers = {
                    "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
                    "X-CSRFToken": header,
                    "Origin": came_from,
                }
                headers = {n: v.encode("latin-1") for n, v in headers.items() if v is not None}
                answer = http.request(
                    method, f"{server.base_url}/api/projects", json={}, headers=headers
                )
                reason = django(method, host, cookie, header, came_from)
                refusals.add(reason)
                if reason is None:
                    passed = {"GET": 200, "POST": 400, "PATCH": 405}[method]
                    assert answer.status_code == passed, (header, origin)
                else:
                    assert answer.status_code == 403, (header, origin)
                    assert answer.json() == {"detail": f"CSRF Failed: {reason}"}
            assert server.violations == []
        # None of them is the only one, but where nothing is looked at.
        assert (refusals == {None}) == (method == "GET")
        assert len(refusals) >= 3 or method == "GET"

    def test_a_token_that_can_not_be_one_is_replaced(self, door):
        answer = Browser(door, Cookie="csrftoken=short")("GET", "/server/about")
        (cookie,) = set_cookies(answer)
        name, _, value = cookie.partition(";")[0].partition("=")
        assert name == "csrftoken"
        assert len(value) == 32
        assert set_cookies(Browser(door, Cookie=f"csrftoken={value}")("GET", "/server/about")) == []
