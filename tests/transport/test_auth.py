"""Credentials: how they are sent, and how they are renewed once for all who saw the old ones."""

import base64
import threading

import faulty
import pytest
import requests
from requests.auth import AuthBase, HTTPDigestAuth

from objmapper.exceptions import ConnectError, NotAuthenticated
from objmapper.operation import Json, Request
from objmapper.transport import BearerAuth, TokenAuth, Transport

READ = Request("GET", "/a")


class Signing(AuthBase):
    """An auth of a user's own: it sees the request as it goes out."""

    def __call__(self, request):
        request.headers["X-Signature"] = (
            f"{request.method} {request.url} {len(request.body or b'')}"
        )
        request.url += "&signed=1" if "?" in request.url else "?signed=1"
        return request


def test_each_way_to_give_credentials(server, connect):
    basic = "Basic " + base64.b64encode("mé:ü:x".encode()).decode()
    for auth, header, value in [
        (("mé", "ü:x"), "authorization", basic),
        (["mé", "ü:x"], "authorization", basic),
        (TokenAuth("abc"), "authorization", "Token abc"),
        (TokenAuth("abc", "", "X-Api-Key"), "x-api-key", "abc"),
        (TokenAuth("abc", scheme="JWT"), "authorization", "JWT abc"),
        (BearerAuth("abc"), "authorization", "Bearer abc"),
        (lambda r: r.headers.update({"X": "y"}) or r, "x", "y"),
    ]:
        connect(auth=auth).send(READ)
        assert server.seen[-1].headers[header] == value
    connect(server.url.replace("//", "//m%C3%A9:%C3%BC%3Ax@")).send(READ)
    assert server.seen[-1].headers["authorization"] == basic
    assert "@" not in server.seen[-1].headers["host"]


def test_an_auth_that_signs_sees_url_and_body(server, connect):
    transport = connect(auth=Signing())
    transport.send(Request("POST", "/a", (("x", 1),), body=Json({})))
    seen = server.seen[0]
    assert seen.headers["x-signature"] == f"POST {server.url}/api/a?x=1 2"
    assert seen.target == "/api/a?x=1&signed=1"
    assert seen.headers["content-length"] == "2"


def test_digest_works(server, connect):
    challenge = faulty.answer(
        b"", 401, WWW_Authenticate='Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
    )
    server.then(challenge, faulty.echo())
    response = connect(auth=HTTPDigestAuth("me", "geheim")).send(
        Request("POST", "/a", body=Json([1]))
    )
    assert response.json()["headers"]["authorization"].startswith('Digest username="me"')
    assert [seen.body for seen in server.seen] == [b"[1]", b"[1]"]


def test_a_header_of_the_request_wins_over_auth(server, connect):
    connect(auth=TokenAuth("abc")).send(Request("GET", "/a", headers={"authorization": "Other x"}))
    assert server.seen[0].headers["authorization"] == "Other x"


@pytest.mark.parametrize(
    "auth", ["token", 7, ("a",), ("a", "b", "c"), ("geheim", None), {"user": "geheim"}]
)
def test_what_is_no_auth_is_refused_unshown(auth):
    with pytest.raises(TypeError, match="auth") as raised:
        Transport("http://host", auth=auth)
    assert "geheim" not in str(raised.value)


def test_two_sources_of_credentials_are_refused():
    with pytest.raises(ValueError, match="which one") as raised:
        Transport("http://me:geheim@host", auth=("a", "b"))
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize("token", ["geheim\n", "ge\0heim", "geheim∂", 12345678, None])
def test_a_token_that_no_header_can_carry_is_refused_unshown(token):
    with pytest.raises((ValueError, TypeError)) as raised:
        BearerAuth(token)
    assert token is None or str(token).strip() not in str(raised.value)


class Renewing(TokenAuth):
    """Logs in again through the transport."""

    renewed = 0

    def renew(self, transport):
        self.renewed += 1
        self.token = transport.send(Request("POST", "/login", body=Json({"user": "me"}))).json()[
            "key"
        ]
        return True


def guard(valid):
    """Take only the *valid* token; a login gives it, but not to who comes with an old one."""

    def act(to):
        given = to.seen.headers.get("authorization")
        if to.seen.path == "/api/login" and given is None:
            return faulty.say({"key": valid})(to)
        if given == f"Token {valid}":
            return faulty.say({"ok": True})(to)
        return faulty.say({"detail": "Invalid token."}, 401)(to)

    return act


@pytest.mark.parametrize("verb", ["GET", "POST", "PATCH", "DELETE"])
def test_an_expired_token_is_renewed_once_and_the_request_sent_again(verb, server, connect):
    server.then(guard("new"))
    auth = Renewing("old")
    transport = connect(auth=auth)
    response = transport.send(Request(verb, "/a", body=Json({"n": 1})))
    assert response.json() == {"ok": True}
    assert response.retries == 1
    assert [(seen.method, seen.path) for seen in server.seen] == [
        (verb, "/api/a"),
        ("POST", "/api/login"),
        (verb, "/api/a"),
    ]
    assert transport.send(READ).status == 200
    assert auth.renewed == 1


def test_threads_that_saw_the_same_old_token_renew_it_once(server, connect):
    barrier = threading.Barrier(4)
    take = guard("new")

    def act(to):
        if to.seen.headers.get("authorization") == "Token old":
            barrier.wait(30)  # all four have sent the old one before any is refused
        return take(to)

    server.then(act)
    auth = Renewing("old")
    transport = connect(auth=auth)
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(transport.send(READ).status))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 4
    assert auth.renewed == 1
    assert [seen.path for seen in server.seen].count("/api/login") == 1


def test_a_new_token_that_is_refused_too_ends_it(server, connect):
    server.then(
        lambda to: (faulty.say({"key": "x"}) if "login" in to.seen.path else guard("no"))(to)
    )
    auth = Renewing("old")
    with pytest.raises(NotAuthenticated, match=r"Invalid token\. Check"):
        connect(auth=auth).send(READ)
    assert auth.renewed == 1
    assert [seen.path for seen in server.seen] == ["/api/a", "/api/login", "/api/a"]


def test_an_auth_that_cannot_renew_leaves_the_401(server, connect):
    class Cannot(TokenAuth):
        asked = 0

        def renew(self, transport):
            self.asked += 1
            return False

    server.then(guard("new"))
    auth = Cannot("old")
    transport = connect(auth=auth)
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            transport.send(READ)
    assert auth.asked == 2
    assert len(server.seen) == 2


def test_a_renewal_that_fails_tells_why(server, connect):
    server.then(lambda to: (faulty.hang_up() if "login" in to.seen.path else guard("new"))(to))
    transport = connect(auth=Renewing("old"))
    with pytest.raises(ConnectError, match="/api/login"):
        transport.send(READ)
    server.then(guard("new"))
    assert transport.send(READ).status == 200


def test_a_login_that_is_refused_does_not_renew_itself(server, connect):
    server.then(faulty.say({"detail": "no"}, 401))
    auth = Renewing("old")
    with pytest.raises(NotAuthenticated, match="/api/login"):
        connect(auth=auth).send(READ)
    assert auth.renewed == 1


def test_following_a_link_never_renews(server, connect):
    server.then(faulty.say({}, 401))
    auth = Renewing("old")
    with pytest.raises(NotAuthenticated):
        connect(auth=auth).follow("/x")
    assert auth.renewed == 0


def test_an_auth_of_the_users_session_is_used(server, connect):
    with requests.Session() as http:
        http.auth = TokenAuth("abc")
        connect(http=http).send(READ)
        connect(http=http, auth=TokenAuth("def")).send(READ)
    assert [s.headers["authorization"] for s in server.seen] == ["Token abc", "Token def"]
