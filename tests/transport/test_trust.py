"""Whom the client trusts: links, redirects, proxies, netrc, cookies; credentials go to one host only."""

import base64
import os
from io import BytesIO

import faulty
import pytest
import requests

from objmapper.exceptions import ConnectError, ContractError, NotFound, StatusError, TransportError
from objmapper.operation import Json, Request, Stream
from objmapper.transport import Transport

READ = Request("GET", "/a")
BASIC = "Basic " + base64.b64encode(b"me:geheim").decode()


@pytest.fixture
def transport(connect):
    return connect(auth=("me", "geheim"))


# Links of pages.


@pytest.mark.parametrize(
    "link",
    [
        "{origin}/api/tasks?page=2&q=a%26b",
        "http://127.0.0.1/api/tasks?page=2&q=a%26b",
        "https://127.0.0.1:8443/api/tasks?page=2&q=a%26b",
        "https://user:pw@127.0.0.1/api/tasks?page=2&q=a%26b",
        "/api/tasks?page=2&q=a%26b",
        "tasks?page=2&q=a%26b",
        " {origin}/api/tasks?page=2&q=a%26b#top ",
        "//127.0.0.1/api/tasks?page=2&q=a%26b",
    ],
)
def test_a_link_of_the_own_host_is_taken_to_the_own_origin(link, server, transport):
    request = transport.link(link.format(origin=server.url))
    assert request.path == "/tasks?page=2&q=a%26b"
    transport.send(request)
    assert server.seen[0].target == "/api/tasks?page=2&q=a%26b"
    assert server.seen[0].headers["authorization"] == BASIC


def test_a_link_beside_the_base_url_stays_where_it_points(server, transport):
    transport.send(transport.link("/apis/tasks?page=2"))
    transport.send(transport.link("/api?page=2"))
    assert [seen.target for seen in server.seen] == ["/apis/tasks?page=2", "/api?page=2"]


def test_a_relative_link_is_joined_to_the_answers_address(server, transport):
    response = transport.send(Request("GET", "/tasks", (("page", 1),)))
    assert transport.link("?page=2", response.url).path == "/tasks?page=2"


def test_the_host_of_a_link_is_compared_as_hosts_are():
    transport = Transport("https://Müller.example./api")
    assert transport.link("http://MÜLLER.example/api/x").path == "/x"
    assert transport.link("http://xn--mller-kva.example:80/api/x").path == "/x"
    transport.close()


@pytest.mark.parametrize(
    "link",
    [
        "http://other.example/api/tasks?token=geheim",
        "http://127.0.0.1.evil.example/api/tasks",
        "http://127.0.0.1@evil.example/api/tasks",
        "//evil.example/x",
        "http://localhost/api/tasks",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://[/",
        "http://127.0.0.1:port/",
    ],
)
def test_a_link_to_another_host_is_refused(link, server, transport):
    with pytest.raises(ContractError) as raised:
        transport.link(link)
    assert "geheim" not in str(raised.value)


# Other links.


def test_another_link_is_followed_without_credentials(server, other_server, connect):
    with requests.Session() as http:
        http.cookies.set("session", "geheim")
        http.headers["X-Api-Key"] = "geheim"
        transport = connect(auth=("me", "geheim"), headers={"X-Secret": "geheim"}, http=http)
        other_server.then(faulty.answer(b"\x89PNG", kind="image/png", Set_Cookie="their=own"))
        found = [transport.follow(f"{other_server.url}/file?sig=abc").content for _ in range(2)]
    assert found == [b"\x89PNG"] * 2
    for seen in other_server.seen:
        assert seen.target == "/file?sig=abc"
        assert set(seen.headers) == {
            "host",
            "user-agent",
            "accept",
            "accept-encoding",
            "connection",
        }
    assert server.seen == []


def test_a_file_is_sent_elsewhere_without_credentials(server, other_server, transport):
    body = Stream(lambda: BytesIO(b"bytes"), 5)
    url = f"{other_server.url}/store?sig=geheim"
    transport.send(Request("PUT", url, body=body, outside=True))
    seen = other_server.seen[0]
    assert (seen.method, seen.target, seen.body) == ("PUT", "/store?sig=geheim", b"bytes")
    assert "authorization" not in seen.headers
    assert server.seen == []

    other_server.then(faulty.answer(status=403))
    with pytest.raises(StatusError) as raised:
        transport.send(Request("PUT", url, body=body, outside=True))
    assert "geheim" not in str(raised.value)
    assert "geheim" not in repr(raised.value.request)
    with pytest.raises(ContractError):
        transport.send(Request("PUT", "file:///etc/passwd", body=body, outside=True))


def test_certificates_of_other_addresses_are_checked_apart(transport, tls_server, certificate):
    with pytest.raises(ConnectError, match="certificate"):
        transport.follow(f"{tls_server.url}/file")
    transport.trust_outside(str(certificate))
    assert transport.follow(f"{tls_server.url}/file").status == 200


def test_a_body_is_written_while_it_comes_whatever_its_size(server, connect, tmp_path):
    transport, path = connect(max_response_bytes=100), tmp_path / "file"
    request = Request("GET", "/a", into=lambda: path.open("wb"))
    server.then(faulty.answer(status=503), faulty.answer(b"x" * 1000))
    response = transport.send(request)
    assert (response.status, response.content, path.read_bytes()) == (200, b"", b"x" * 1000)
    server.then(faulty.answer(b'{"detail": "no"}', status=404))
    with pytest.raises(NotFound, match="no"):
        transport.send(request)


def test_a_relative_link_is_followed_without_credentials_too(server, transport):
    transport.follow("/static/x.png")
    transport.follow(f"http://user:geheim@127.0.0.1:{server.port}/y.png")
    assert [seen.target for seen in server.seen] == ["/static/x.png", "/y.png"]
    assert not any("authorization" in seen.headers for seen in server.seen)


def test_storage_may_redirect_and_repeats_and_fails_like_anything(server, other_server, transport):
    other_server.then(faulty.redirect(f"{server.url}/final"), faulty.answer(status=404))
    server.then(faulty.answer(status=503), faulty.answer(b"x"))
    assert transport.follow(f"{other_server.url}/file").content == b"x"
    assert "authorization" not in server.seen[0].headers
    with pytest.raises(NotFound):
        transport.follow(f"{other_server.url}/file")


@pytest.mark.parametrize("link", ["ftp://host/x", "file:///etc/passwd", "http://[/", "data:,x"])
def test_what_is_no_http_address_is_not_followed(link, transport):
    with pytest.raises(ContractError):
        transport.follow(link)


def test_storage_does_not_redirect_to_files(server, transport):
    server.then(faulty.redirect("file:///etc/passwd"))
    with pytest.raises(StatusError, match="not an http address"):
        transport.follow("/x")


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_read_follows_a_redirect_within_the_host(status, server, transport):
    server.then(faulty.redirect("/api/a/?x=1", status), faulty.echo())
    response = transport.send(READ)
    assert response.json()["target"] == "/api/a/?x=1"
    assert response.url == f"{server.url}/api/a/?x=1"
    assert [seen.headers["authorization"] for seen in server.seen] == [BASIC] * 2
    assert transport.requests_sent == 2
    assert transport.retries_made == 0


def test_a_redirect_behind_a_proxy_that_hides_its_port(server, transport):
    server.then(faulty.redirect("https://127.0.0.1/api/a/"), faulty.echo())
    assert transport.send(READ).json()["target"] == "/api/a/"


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("verb", ["POST", "PATCH", "PUT", "DELETE"])
def test_a_write_keeps_verb_and_body_after_307_and_308(verb, status, server, transport):
    server.then(faulty.redirect("/api/a/", status), faulty.echo())
    transport.send(Request(verb, "/a", body=Json({"n": 1})))
    assert [(seen.method, seen.target, seen.body) for seen in server.seen] == [
        (verb, "/api/a", b'{"n":1}'),
        (verb, "/api/a/", b'{"n":1}'),
    ]


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("verb", ["POST", "PATCH", "PUT", "DELETE"])
def test_a_write_is_not_sent_elsewhere_otherwise(verb, status, server, transport):
    server.then(faulty.redirect("/api/a/?token=geheim", status))
    with pytest.raises(
        StatusError, match=r"points to /api/a/\?token=\*\*\*, and a write"
    ) as raised:
        transport.send(Request(verb, "/a", body=Json({})))
    assert raised.value.status == status
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_no_redirect_leads_to_another_host(verb, status, server, other_server, connect):
    # The same address on another port is the same host; a name is another one.
    server.then(faulty.redirect(f"http://localhost:{other_server.port}/login", status))
    transport = connect(auth=("me", "geheim"))
    with pytest.raises(StatusError, match=f"answered {status}.*localhost"):
        transport.send(Request(verb, "/a"))
    assert other_server.seen == []
    assert len(server.seen) == 1


def test_redirects_in_a_circle_end(server, transport):
    server.then(faulty.redirect("/api/b"), faulty.redirect("/api/a"), faulty.redirect("/api/b"))
    with pytest.raises(StatusError, match="circle"):
        transport.send(READ)
    assert len(server.seen) <= 6


def test_a_redirect_to_https_alone_says_what_to_do(server, transport):
    server.then(faulty.redirect(server.url.replace("http", "https") + "/api/a"))
    with pytest.raises(StatusError, match=r"points to https://127.*in a circle from http://127"):
        transport.send(READ)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [300, 302, 305])
def test_a_redirect_without_an_address_is_an_error(status, server, transport):
    server.then(faulty.answer(b"", status))
    with pytest.raises(StatusError, match="names no address"):
        transport.send(READ)


def test_requests_never_reads_the_body_of_a_redirect(server, connect):
    server.then(faulty.drip(faulty.head(302, [("Location", "/api/b")]), bytes(1000), 0))
    with pytest.raises(TransportError, match="max_response_bytes"):
        connect(max_response_bytes=5000).send(READ)


# The environment.


def test_netrc_never_replaces_the_credentials(server, connect, monkeypatch, tmp_path):
    path = tmp_path / "netrc"
    path.write_text(
        "machine 127.0.0.1 login thief password thief\ndefault login thief password thief\n"
    )
    monkeypatch.setenv("NETRC", str(path))
    assert requests.utils.get_netrc_auth(server.url) == ("thief", "thief")
    connect().send(READ)
    connect(auth=("me", "geheim")).send(READ)
    with requests.Session() as http:
        connect(http=http).send(READ)
    server.then(faulty.redirect("/api/b"), faulty.echo())
    connect().send(READ)
    connect().follow(server.url)
    sent = [seen.headers.get("authorization") for seen in server.seen]
    assert sent == [None, BASIC, None, None, None, None]


def test_the_environments_proxy_is_used_and_no_proxy_is_honoured(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.replace("//", "//pu:pgeheim@"))
    monkeypatch.setenv("no_proxy", "direct.invalid")
    through = Transport("http://host.invalid/api", retries=0)
    assert through.send(READ).json()["target"] == "http://host.invalid/api/a"
    assert through.follow("http://storage.invalid/x").json()["target"] == "http://storage.invalid/x"
    assert "proxy-authorization" in server.seen[0].headers
    direct = Transport("http://direct.invalid/api", retries=0)
    with pytest.raises(ConnectError, match="name of direct"):
        direct.send(READ)
    through.close()
    direct.close()


def test_proxies_are_decided_once(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    transport = Transport("http://host.invalid/api")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert transport.send(READ).status == 200
    transport.close()


def test_a_proxy_that_refuses_shows_nothing_of_its_password(server, monkeypatch):
    server.then(faulty.answer(status=407))
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", server.url.replace("//", "//pu:pgeheim@"))
    transport = Transport("https://host.invalid/api", backoff=0, retries=1)
    with pytest.raises(ConnectError, match="the proxy did not let it through") as raised:
        transport.send(Request("POST", "/a"))
    assert raised.value.sent is False
    assert "pgeheim" not in str(raised.value)
    transport.close()
    with faulty.closed_port() as port:
        monkeypatch.setenv("http_proxy", f"http://pu:pgeheim@127.0.0.1:{port}")
        transport = Transport("http://host.invalid/api", backoff=0, retries=0)
        with pytest.raises(ConnectError, match="proxy") as raised:
            transport.send(Request("POST", "/a"))
        transport.close()
    assert raised.value.sent is False
    assert "pgeheim" not in str(raised.value)


def test_a_proxy_that_is_no_address(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://:pgeheim@/")
    transport = Transport("http://host.invalid/api", backoff=0, retries=0)
    with pytest.raises(TransportError, match="proxy") as raised:
        transport.send(Request("POST", "/a"))
    assert raised.value.sent is False
    assert "pgeheim" not in str(raised.value)
    transport.close()


# An own session of requests.


def test_a_users_session_is_honoured_and_left_open(server, connect):
    heard = []
    with requests.Session() as http:
        http.headers["X-Mine"] = "1"
        http.params = {"tenant": "t"}
        http.auth = ("me", "geheim")
        http.cookies.set("c", "1")
        http.hooks["response"] = lambda response, **_: heard.append(response.status_code)
        transport = connect(http=http, headers={"X-Ours": "2"})
        assert transport.http is http
        transport.send(Request("GET", "/a", (("x", 1),)))
        seen = server.seen[0]
        assert seen.target == "/api/a?x=1&tenant=t"
        assert (seen.headers["x-mine"], seen.headers["x-ours"]) == ("1", "2")
        assert seen.headers["authorization"] == BASIC
        assert seen.headers["cookie"] == "c=1"
        assert "x-ours" not in http.headers
        http.headers["X-Mine"] = "later"
        transport.send(READ)
        assert server.seen[1].headers["x-mine"] == "later"
        transport.close()
        assert http.get(server.url).status_code == 200
        assert http.trust_env
    assert heard == [200, 200, 200]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is missing")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_users_session_gets_fresh_connections_after_a_fork(server, connect):
    with requests.Session() as http:
        transport = connect(http=http)
        transport.send(Request("GET", "/parent"))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if transport.send(Request("GET", "/child")).status == 200 else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        transport.send(Request("GET", "/parent"))
    assert server.connections == 2


def test_cookies_are_kept_and_sent_back(server, transport):
    server.then(faulty.answer(b"{}", Set_Cookie="sessionid=geheim; Path=/"), faulty.echo())
    first = transport.send(READ)
    transport.send(READ)
    assert server.seen[1].headers["cookie"] == "sessionid=geheim"
    assert "set-cookie" not in first.headers
    assert transport.http.cookies.get("sessionid") == "geheim"
