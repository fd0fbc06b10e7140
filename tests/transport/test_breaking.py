"""Servers that break: each way ends in one error of the tree, which says whether it was sent.

No test measures time; timeouts are small and what is counted is what the server saw.
"""

import gzip
import random
import socket
from io import BytesIO

import faulty
import pytest
import requests
from requests.adapters import HTTPAdapter

from objmapper.exceptions import ConnectError, ResponseTooLarge, Timeout, TransportError
from objmapper.operation import Json, Request, Stream
from objmapper.transport import Transport

READ = Request("GET", "/a")
WRITE = Request("POST", "/a", body=Json({"name": "x"}))
REPEATABLE = Request("PUT", "/a", body=Json({"name": "x"}), repeatable=True)

CHUNKED = faulty.head(headers=[("Transfer-Encoding", "chunked")])
# What happens after the request was read. Broken at once:
BROKEN = {
    "closed": faulty.hang_up(),
    "reset": faulty.reset(),
    "reset after the head": faulty.reset_after_head(),
    "body cut": faulty.cut(b'{"count": 1, "results": [', 100),
    "body cut to nothing": faulty.cut(b"", 100),
    "JSON that is whole but shorter than promised": faulty.cut(b"[]", 3),
    "chunks cut": faulty.cut_chunks(b"[1,", b"2]"),
    "chunk with a bad size": faulty.raw(CHUNKED + b"zz\r\n[]\r\n"),
    "not HTTP": faulty.raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "binary": faulty.raw(bytes(range(256))),
    "a status that is no number": faulty.raw(b"HTTP/1.1 OK OK\r\n\r\n"),
    "a head without end": faulty.raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000),
    "too many headers": faulty.raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200),
    "not gzip": faulty.answer(b"plainly not", Content_Encoding="gzip"),
    "gzip cut": faulty.cut(gzip.compress(bytes(100_000))[:50], 1000),
}
# Silent, so that each look at the socket meets the timeout:
STALLED = {
    "stalled": faulty.stall(),
    "stalled in the head": faulty.stall(b"HTTP/1.1 200 OK\r\nContent-"),
    "stalled in the body": faulty.stall(faulty.head(length=100) + b"{"),
    "stalled in a chunk": faulty.stall(CHUNKED + b"ff\r\n{"),
}
# Never silent for so long, and never done:
DRIPPING = {
    "dripping body": faulty.drip(faulty.head(length=10**6)),
    "dripping body without length": faulty.drip(faulty.head()),
    "dripping chunk": faulty.drip(CHUNKED + b"fffff\r\n"),
    "dripping chunks": faulty.drip(CHUNKED, b"1\r\nx\r\n"),
}
DRIPPING_HEAD = {
    "dripping head": faulty.drip(b"HTTP/1.1 200 OK\r\n", b"X"),
    "saying 100 Continue for ever": faulty.drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0),
}


def faults(*kinds):
    """A parameter ``fault``: the act, the error that it ends in, a timeout that shows it."""
    found = []
    for kind in kinds:
        timeout = 5.0 if kind is BROKEN else 0.3 if kind is STALLED else 0.06
        error = ConnectError if kind is BROKEN else Timeout
        found += [pytest.param((act, error, timeout), id=name) for name, act in kind.items()]
    return pytest.mark.parametrize("fault", found)


@faults(BROKEN, STALLED, DRIPPING, DRIPPING_HEAD)
def test_a_write_is_not_sent_again_and_its_fate_is_unknown(fault, server, connect):
    act, kind, timeout = fault
    server.then(act)
    transport = connect(timeout=timeout)
    with pytest.raises(TransportError) as raised:
        transport.send(WRITE)
    error = raised.value
    assert type(error) is kind
    assert error.sent is True
    assert error.request is WRITE
    assert f"POST {server.url}/api/a" in str(error)
    # On a busy machine a short timeout is over before the server has read the request.
    assert len(server.seen) <= 1
    assert (transport.requests_sent, transport.retries_made) == (1, 0)


@pytest.mark.parametrize("request_", [READ, REPEATABLE], ids=["read", "repeatable write"])
@faults(BROKEN, STALLED)
def test_what_may_be_repeated_is(request_, fault, server, connect):
    act, _, timeout = fault
    server.then(act, faulty.say({"id": 1}))
    transport = connect(timeout=timeout)
    response = transport.send(request_)
    assert response.json() == {"id": 1}
    # On a busy machine a short timeout may be met once more.
    assert response.retries >= 1
    assert {seen.body for seen in server.seen} == {server.seen[0].body}
    assert transport.requests_sent == response.retries + 1
    assert transport.retries_made == response.retries


def test_the_tries_end(server, connect):
    server.then(faulty.reset())
    transport = connect(retries=2)
    with pytest.raises(ConnectError):
        transport.send(READ)
    assert len(server.seen) == 3
    assert (transport.requests_sent, transport.retries_made) == (3, 2)


@faults(BROKEN, STALLED, DRIPPING)
def test_a_users_session_meets_the_same_errors(fault, server, connect):
    act, kind, timeout = fault
    server.then(act)
    with requests.Session() as http, pytest.raises(kind):
        connect(timeout=timeout, http=http).send(WRITE)


@faults(BROKEN, STALLED)
def test_an_error_holds_nothing_of_requests(fault, server, connect):
    act, _, timeout = fault
    server.then(act)
    with pytest.raises(TransportError) as raised:
        connect(timeout=timeout).send(WRITE)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


# What happens before anything is sent: the server can't have got it, so any verb is tried again.


@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
def test_a_refused_connection_was_surely_not_used(request_):
    with faulty.closed_port() as port:
        transport = Transport(f"http://127.0.0.1:{port}", backoff=0, retries=2)
        with pytest.raises(ConnectError, match="refused") as raised:
            transport.send(request_)
        transport.close()
    assert raised.value.sent is False
    assert (transport.requests_sent, transport.retries_made) == (0, 2)


def test_a_connection_that_nobody_takes_times_out():
    with faulty.deaf_port() as port:
        transport = Transport(f"http://127.0.0.1:{port}", backoff=0, retries=1, timeout=(0.1, 5))
        with pytest.raises(Timeout, match="no connection in time") as raised:
            transport.send(WRITE)
        transport.close()
    assert raised.value.sent is False
    assert (transport.requests_sent, transport.retries_made) == (0, 1)


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 64 + ".invalid", "a..b.invalid"])
def test_a_name_that_nobody_knows(host):
    transport = Transport(f"http://{host}", backoff=0, retries=0)
    with pytest.raises(TransportError) as raised:
        transport.send(WRITE)
    transport.close()
    assert raised.value.sent is False
    assert transport.requests_sent == 0


def test_a_server_that_speaks_no_tls():
    server = faulty.FaultyServer(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    transport = Transport(server.url.replace("http:", "https:"), backoff=0, retries=2, timeout=5)
    with pytest.raises(ConnectError, match="no secure connection") as raised:
        transport.send(WRITE)
    transport.close()
    server.close()
    assert raised.value.sent is False
    assert server.connections == 3
    assert server.seen == []


def test_a_handshake_that_stalls_was_surely_before_the_request():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        transport = Transport(url, backoff=0, retries=0, timeout=0.3)
        with pytest.raises(Timeout) as raised:
            transport.send(WRITE)
        transport.close()
    assert raised.value.sent is False
    assert transport.requests_sent == 0


def test_a_certificate_that_nobody_signed_is_refused_unsent(tls_server):
    transport = Transport(tls_server.url, backoff=0, retries=0, timeout=5)
    with pytest.raises(ConnectError, match="certificate verify failed") as raised:
        transport.send(WRITE)
    transport.close()
    assert raised.value.sent is False
    assert tls_server.seen == []


def test_a_certificate_that_is_named_is_taken(tls_server, certificate, monkeypatch):
    transport = Transport(tls_server.url, verify=str(certificate), timeout=5)
    assert transport.send(WRITE).status == 200
    transport.close()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    transport = Transport(tls_server.url, timeout=5)
    assert transport.send(WRITE).status == 200
    transport.close()


def test_a_body_of_many_pieces_arrives_whole_under_tls(tls_server, certificate):
    content = random.Random(2).randbytes(2_500_000)
    transport = Transport(tls_server.url, verify=str(certificate), timeout=30)
    body = Stream(lambda: BytesIO(content), len(content))
    assert transport.send(Request("PUT", "/a", body=body)).status == 200
    transport.close()
    assert tls_server.seen[0].body == content


def test_a_server_that_takes_no_more_of_a_body_ends_in_time():
    size = 2**26  # more than any buffer on the way takes
    with socket.create_server(("127.0.0.1", 0)) as listener, open("/dev/zero", "rb") as zeros:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        transport = Transport(url, backoff=0, retries=0, timeout=0.3)
        with pytest.raises(Timeout) as raised:
            transport.send(Request("PUT", "/a", body=Stream(lambda: zeros, size)))
        transport.close()
    assert raised.value.sent is True


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_users_session_that_does_not_verify_is_believed(tls_server, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/dev/null")
    with requests.Session() as http:
        http.verify = False
        transport = Transport(tls_server.url, http=http, timeout=5)
        assert transport.send(WRITE).status == 200
        transport.close()


@faults(BROKEN, STALLED)
def test_breaks_under_tls(fault, tls_server, certificate):
    act, kind, timeout = fault
    tls_server.then(act)
    # The handshake takes longer than a connection.
    transport = Transport(tls_server.url, verify=str(certificate), timeout=(5, timeout), backoff=0)
    with pytest.raises(kind) as raised:
        transport.send(WRITE)
    transport.close()
    assert raised.value.sent is True
    assert len(tls_server.seen) == 1


# Connections that are kept.


def test_a_connection_closed_while_it_lay_idle_is_replaced(server, connect):
    """The server closes without having said so; a write after it is sent once, and arrives."""
    server.then(faulty.answer(b"{}", close=True), faulty.echo())
    transport = connect()
    transport.send(READ)
    server.wait_until_all_are_closed()
    assert transport.send(WRITE).status == 200
    assert [seen.method for seen in server.seen] == ["GET", "POST"]
    assert transport.retries_made == 0


@faults(BROKEN, STALLED)
def test_a_broken_answer_does_not_spoil_the_next(fault, server, connect):
    act, _, timeout = fault
    server.then(act, faulty.echo())
    transport = connect(timeout=timeout)
    with pytest.raises(TransportError):
        transport.send(WRITE)
    assert transport.send(Request("GET", "/next")).json()["target"] == "/api/next"


# Limits.

LIMIT = 1000
TOO_LARGE = {
    "declared": faulty.stall(faulty.head(length=LIMIT + 1)),
    "declared, all there": faulty.answer(bytes(LIMIT + 1)),
    "chunked": faulty.drip(
        faulty.head(headers=[("Transfer-Encoding", "chunked")]), b"64\r\n" + bytes(100) + b"\r\n", 0
    ),
    "without end": faulty.drip(faulty.head(), bytes(100), 0),
    "decompressed": faulty.gzip_bomb(50_000_000),
    "of an error": faulty.answer(bytes(LIMIT + 1), 500),
    "of a refusal": faulty.answer(bytes(LIMIT + 1), 429),
    "of a redirect": faulty.redirect("/b", body=bytes(LIMIT + 1)),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_an_answer_over_the_limit_is_refused(name, server, connect):
    server.then(TOO_LARGE[name], faulty.echo())
    transport = connect(max_response_bytes=LIMIT)
    with pytest.raises(ResponseTooLarge, match=r"1000.*max_response_bytes"):
        transport.send(READ)
    assert len(server.seen) == 1
    assert transport.send(READ).status == 200


@pytest.mark.parametrize("act", [faulty.answer(bytes(LIMIT)), faulty.gzip_bomb(LIMIT)])
def test_an_answer_at_the_limit_is_taken(act, server, connect):
    server.then(act)
    assert connect(max_response_bytes=LIMIT).send(READ).content == bytes(LIMIT)


def test_head_may_name_any_length(server, connect):
    server.then(faulty.answer(bytes(LIMIT * 2)))
    assert connect(max_response_bytes=LIMIT).send(Request("HEAD", "/a")).status == 200


def test_a_large_upload_may_take_longer_than_an_answer(server, connect, clock):
    """The file is slow, the server is not: nothing here is a timeout."""

    class Slow:
        left = 3

        def read(self, size):
            clock.set_forward()
            self.left -= 1
            return b"x" if self.left >= 0 else b""

        def close(self):
            pass

    assert connect().send(Request("PUT", "/a", body=Stream(Slow, 3))).status == 200
    assert server.seen[0].body == b"xxx"


# What is not of the network.


def test_a_hook_that_fails_is_told_apart(server, connect):
    def hook(response, **kwargs):
        raise KeyError("of the user")

    with requests.Session() as http:
        http.hooks["response"].append(hook)
        with pytest.raises(TransportError, match="KeyError in a hook") as raised:
            connect(http=http).send(WRITE)
    assert raised.value.sent is True
    assert len(server.seen) == 1


def test_an_error_of_the_caller_is_not_taken_for_the_cause(server, connect):
    server.then(faulty.hang_up())
    transport = connect()
    try:
        raise TimeoutError("an earlier one")
    except TimeoutError:
        with pytest.raises(ConnectError):
            transport.send(WRITE)


def test_an_adapter_that_retries_by_itself_is_honoured(server, connect):
    server.then(faulty.answer(status=500), faulty.answer(status=500), faulty.echo())
    with requests.Session() as http:
        from urllib3.util import Retry

        http.mount(
            "http://", HTTPAdapter(max_retries=Retry(5, status_forcelist=[500], backoff_factor=0))
        )
        assert connect(http=http).send(READ).status == 200
    assert len(server.seen) == 3


def test_an_adapter_whose_answers_are_not_urllib3s_works(connect):
    from io import BytesIO

    class Canned(requests.adapters.BaseAdapter):
        def send(self, request, **kwargs):
            response = requests.Response()
            response.status_code = 200
            response.headers["Content-Type"] = "application/json"
            response.raw = BytesIO(b'{"url": "%b"}' % request.url.encode())
            response.url, response.request = request.url, request
            return response

        def close(self):
            pass

    transport = connect("http://canned.invalid/api", adapter=Canned())
    assert transport.send(READ).json() == {"url": "http://canned.invalid/api/a"}
    assert transport.follow("http://canned.invalid/file").status == 200
