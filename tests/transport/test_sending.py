"""What goes over the wire: addresses, parameters, headers and bodies arrive as they were meant."""

import codecs
import gc
import json
import os
import random
import socket
import threading
from io import BytesIO

import faulty
import pytest
import requests
from requests.adapters import HTTPAdapter

from objmapper import signals
from objmapper.exceptions import ContractError, StatusError, TransportError, ValidationError
from objmapper.operation import Json, Msgpack, Multipart, Pending, Request, Secret, Stream
from objmapper.transport import Transport
from objmapper.transport.deadline import SMALL, DeadlineAdapter

# As whoever builds a path writes a key into it.
KEYS = {
    "slash": ("a/b", "a%2Fb"),
    "dots": ("a.b..c", "a.b..c"),
    "one dot": (".", "."),
    "two dots": ("..", ".."),
    "encoded dots": ("..", "%2E%2e"),
    "space": ("a b", "a%20b"),
    "raw space": ("a b", "a b"),
    "unicode": ("ü∂", "%C3%BC%E2%88%82"),
    "raw unicode": ("ü∂", "ü∂"),
    "question mark": ("a?b", "a%3Fb"),
    "hash": ("a#b", "a%23b"),
    "percent": ("100%", "100%25"),
    "lone percent": ("100%", "100%"),
    "percent that looks encoded": ("%2F", "%252F"),
    "quote and angle": ("\"'<>", "\"'<>"),
    "semicolon and colon": ("a;b:c@d", "a;b:c@d"),
    "backslash": ("a\\b", "a\\b"),
    "line break": ("a\nb", "a\nb"),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_in_a_path_arrives_as_one_segment(name, server, connect):
    from urllib.parse import unquote

    key, written = KEYS[name]
    connect().send(Request("GET", f"/tasks/{written}/jobs"))
    segments = server.seen[0].target.split("/")
    assert [unquote(segment) for segment in segments] == ["", "api", "tasks", key, "jobs"]
    assert segments[3].strip(".")


@pytest.mark.parametrize("name", KEYS)
def test_a_proxy_gets_the_same_path(name, server, monkeypatch):
    from urllib.parse import unquote

    monkeypatch.setenv("http_proxy", server.url)
    key, written = KEYS[name]
    transport = Transport("http://host.invalid/api")
    transport.send(Request("GET", f"/tasks/{written}"))
    transport.close()
    target = server.seen[0].target
    assert target.startswith("http://host.invalid/api/tasks/")
    assert unquote(target.rpartition("/")[2]) == key


@pytest.mark.parametrize(
    ("base", "path", "arrives"),
    [
        ("", "/tasks", "/tasks"),
        ("/", "/tasks", "/tasks"),
        ("/api", "/tasks/", "/api/tasks/"),
        ("/api/", "tasks", "/api/tasks"),
        ("/api", "", "/api"),
        ("/api", "/", "/api/"),
        ("", "", "/"),
        ("/a b/ü", "/x", "/a%20b/%C3%BC/x"),
        ("/api", "/tasks?page=2&q=a%26b", "/api/tasks?page=2&q=a%26b"),
        ("/api", "?page=2", "/api?page=2"),
        ("/api", "/tasks#part", "/api/tasks"),
        ("/api", "//tasks", "/api//tasks"),
    ],
)
def test_a_path_is_below_the_base_url(base, path, arrives, server, connect):
    connect(server.url + base).send(Request("GET", path))
    assert server.seen[0].target == arrives


def test_an_absolute_url_of_the_own_origin_is_taken(server, connect):
    connect().send(Request("GET", f"{server.url}/elsewhere?x=1"))
    assert server.seen[0].target == "/elsewhere?x=1"


@pytest.mark.parametrize(
    "url", ["http://other.invalid/api/x", "https://127.0.0.1/api", "ftp://127.0.0.1/", "http://[/x"]
)
def test_an_absolute_url_of_another_origin_is_refused(url, server, connect):
    with pytest.raises(ContractError):
        connect().send(Request("GET", url))
    assert server.seen == []


def test_parameters_are_encoded_one_by_one(server, connect):
    params = (
        ("filter", '{"==":[1]}'),
        ("a b", "c&d=e+f#ü"),
        ("none", None),
        ("yes", True),
        ("n", 4.5),
        ("id", [1, 2]),
        ("$top", 3),
    )
    connect().send(Request("GET", "/tasks?x=1", params))
    assert server.seen[0].target == (
        "/api/tasks?x=1&filter=%7B%22%3D%3D%22:%5B1%5D%7D&a%20b=c%26d%3De%2Bf%23%C3%BC"
        "&yes=true&n=4.5&id=1&id=2&$top=3"
    )


def test_a_parameter_that_is_not_unicode_is_not_sent(server, connect):
    with pytest.raises(ValidationError, match="not Unicode"):
        connect().send(Request("GET", "/a", (("q", "\ud800"),)))
    assert server.seen == []


def test_pending_and_secret_values_are_filled_in(server, connect):
    pending = Pending("task", lambda of: 42)
    request = Request(
        "POST",
        ("/tasks/", pending),
        (("of", pending),),
        body=Json({"id": pending, "pw": Secret("x")}),
    )
    connect().send(request)
    assert server.seen[0].target == "/api/tasks/42?of=42"
    assert server.seen[0].json() == {"id": 42, "pw": "x"}


def test_accept_is_anything_unless_it_is_said(server, connect):
    connect().send(Request("GET", "/a"))
    connect(headers={"Accept": "application/vnd.x+json"}).send(Request("GET", "/a"))
    connect(headers={"Accept": "text/x"}).send(Request("GET", "/a", headers={"accept": "text/y"}))
    accepted = [seen.headers["accept"] for seen in server.seen]
    assert accepted == ["*/*", "application/vnd.x+json", "text/y"]


def test_a_header_set_to_none_is_not_sent(server, connect):
    connect(headers={"Accept-Encoding": None}).send(Request("GET", "/a"))
    # http.client says "identity" for who says nothing.
    assert server.seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX: y", "a\0b", "∂", 7])
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(value, server, connect):
    with pytest.raises((ValueError, TypeError)) as raised:
        connect().send(Request("GET", "/a", headers={"X-Odd": value}))
    assert "X-Odd" in str(raised.value)
    assert str(value) not in str(raised.value)
    assert server.seen == []


def test_json_is_compact_utf8(server, connect):
    connect().send(Request("POST", "/a", body=Json({"name": "ü", "n": [1, None, 2.5]})))
    seen = server.seen[0]
    assert seen.body == '{"name":"ü","n":[1,null,2.5]}'.encode()
    assert seen.headers["content-type"] == "application/json"


def test_a_request_may_name_its_own_content_type(server, connect):
    headers = {"Content-Type": "application/merge-patch+json"}
    connect().send(Request("PATCH", "/a", headers=headers, body=Json({})))
    assert server.seen[0].headers["content-type"] == "application/merge-patch+json"
    assert server.seen[0].body == b"{}"


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_without_a_body_says_that_its_length_is_0(verb, server, connect):
    connect().send(Request(verb, "/a"))
    assert server.seen[0].headers["content-length"] == "0"
    assert "content-type" not in server.seen[0].headers


CIRCLE: list = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    "value",
    [float("nan"), [float("inf")], {"a": "\ud800"}, {"a": object()}, {1, 2}, {(1, 2): 3}, CIRCLE],
    ids=["NaN", "infinity", "lone surrogate", "object", "set", "tuple as key", "circle"],
)
def test_what_json_cannot_carry_is_not_sent(value, server, connect):
    with pytest.raises(ValidationError, match=r"Nothing was sent"):
        connect().send(Request("POST", "/a", body=Json(value)))
    assert server.seen == []


def test_msgpack_needs_its_package_or_works(server, connect):
    request = Request("POST", "/a", body=Msgpack({"a": [1, b"x"]}))
    try:
        import msgpack
    except ImportError:
        with pytest.raises(ImportError, match="pip install msgpack"):
            connect().send(request)
        return
    connect().send(request)
    assert msgpack.unpackb(server.seen[0].body) == {"a": [1, b"x"]}
    assert server.seen[0].headers["content-type"] == "application/msgpack"
    with pytest.raises(ValidationError):
        connect().send(Request("POST", "/a", body=Msgpack({"a": object()})))


def parts(seen):
    """The parts of a multipart body, read by the standard library."""
    from email.parser import BytesParser

    kind = seen.headers["content-type"].encode()
    message = BytesParser().parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + seen.body)
    return message.get_payload()


def test_multipart_carries_fields_and_files(server, connect, tmp_path):
    path = tmp_path / "über.png"
    path.write_bytes(b"\x89PNG\r\n--x")
    body = Multipart(
        {
            "name": "ü",
            "n": 7,
            "on": True,
            "none": None,
            "tag": ["a", "b"],
            "spec": {"x": [1]},
            "b": b"\xff",
        },
        {
            "file": (str(path), lambda: path.open("rb")),
            'o"dd': ("C:\\dir\\x.bin", lambda: BytesIO(b"")),
        },
    )
    connect().send(Request("POST", "/a", body=body))
    found = [
        (p.get_param("name", header="content-disposition"), p.get_payload(decode=True))
        for p in parts(server.seen[0])
    ]
    assert found == [
        ("name", "ü".encode()),
        ("n", b"7"),
        ("on", b"true"),
        ("tag", b"a"),
        ("tag", b"b"),
        ("spec", b'{"x":[1]}'),
        ("b", b"\xff"),
        ("file", b"\x89PNG\r\n--x"),
        ("o%22dd", b""),
    ]
    raw = server.seen[0].body
    assert 'filename="über.png"\r\nContent-Type: image/png'.encode() in raw
    assert b'filename="x.bin"\r\nContent-Type: application/octet-stream' in raw
    assert str(tmp_path).encode() not in raw
    assert server.seen[0].headers["content-length"] == str(len(raw))


CONTENT = random.Random(1).randbytes(3_000_000)


class Watched:
    """A file that tells how much of it was asked at once, and whether it was closed."""

    def __init__(self, content):
        self.file = BytesIO(content)
        self.largest = self.closed = 0
        self.tell, self.seek = self.file.tell, self.file.seek

    def read(self, size=-1):
        self.largest = max(self.largest, 1 << 60 if size < 0 else size)
        return self.file.read(size)

    def close(self):
        self.closed += 1


class Filling(Watched):
    """One that reads into memory that it is given, as real files do."""

    read = None

    def readinto(self, memory):
        self.largest = max(self.largest, len(memory))
        return self.file.readinto(memory)


@pytest.mark.parametrize("session", ["own", "given"])
@pytest.mark.parametrize("kind", [Watched, Filling])
@pytest.mark.parametrize("form", ["stream", "multipart"])
def test_files_are_read_while_they_are_sent_and_closed(form, kind, session, server, connect):
    files = [kind(CONTENT), kind(CONTENT[:70_000])]
    parts = {str(place): (str(place), lambda file=file: file) for place, file in enumerate(files)}
    body = Stream(lambda: files[0], len(CONTENT)) if form == "stream" else Multipart({}, parts)
    with requests.Session() as http:
        options = {"http": http} if session == "given" else {}
        connect(**options).send(Request("PUT", "/a", body=body))
    arrived = server.seen[0].body
    if form == "stream":
        assert arrived == CONTENT
    else:
        assert (
            b'; filename="0"\r\nContent-Type: application/octet-stream\r\n\r\n'
            + (CONTENT + b"\r\n--")
            in arrived
        )
        assert b"\r\n\r\n" + CONTENT[:70_000] + b"\r\n--" in arrived
    for file in files[: 1 if form == "stream" else 2]:
        assert 0 < file.largest <= 2**20
        assert file.closed == 1


def test_a_session_of_the_user_may_read_a_body_at_once(server, connect):
    class Whole(HTTPAdapter):
        def send(self, request, **options):
            request.body = request.body.read()
            return super().send(request, **options)

    with requests.Session() as http:
        http.mount("http://", Whole())
        body = Multipart({"a": "b"}, {"f": ("f", lambda: BytesIO(CONTENT))})
        connect(http=http).send(Request("PUT", "/a", body=body))
    assert server.seen[0].headers["content-length"] == str(len(server.seen[0].body))
    assert CONTENT in server.seen[0].body


def test_what_a_wrapper_makes_of_a_file_is_what_goes_out(server, connect):
    def recoded():
        return codecs.EncodedFile(BytesIO("Größe".encode("cp437")), "latin-1", "cp437")

    connect().send(Request("PUT", "/a", body=Stream(recoded, 5)))
    assert server.seen[0].body == "Größe".encode("latin-1")


def test_what_is_no_file_and_gives_more_than_it_is_asked_for_breaks_the_request(server, connect):
    class Gushing(BytesIO):
        readinto = property()

        def read(self, size=-1):
            return b"x" * (size + 1)

    with pytest.raises(TransportError, match="A file gave 4 bytes where 3 were asked for"):
        connect().send(Request("PUT", "/a", body=Stream(Gushing, 3)))
    assert server.seen == []


def test_a_piece_of_a_body_that_goes_out_bit_by_bit_is_not_given_up():
    class Line:
        """A socket that takes three bytes at a time, each within the timeout."""

        took = b""

        def send(self, data):
            self.took += data[:3]
            return len(data[:3])

    connection = DeadlineAdapter().poolmanager.connection_from_url("http://a").ConnectionCls("a")
    connection.sock = line = Line()
    connection.send(memoryview(b"0123456789"))
    assert line.took == b"0123456789"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jpg", "image/jpeg"),
        ("a.b.JPG", "image/jpeg"),
        ("a.tar.gz", "application/x-tar"),
        ("a.tgz", "application/x-tar"),
        ("jpg", "application/octet-stream"),
        ("a.", "application/octet-stream"),
        ("C:\\b.c\\jpg", "application/octet-stream"),
    ],
)
def test_a_file_tells_its_kind_by_its_name(name, kind, server, connect):
    body = Multipart({}, {"f": (name, lambda: BytesIO(b"x"))})
    connect().send(Request("POST", "/a", body=body))
    assert parts(server.seen[0])[0].get_content_type() == kind


def test_a_file_is_opened_anew_for_each_attempt(server, connect):
    server.then(faulty.answer(status=503), faulty.answer(status=429), faulty.echo())
    opened = []

    def opener():
        opened.append(BytesIO(b"abcdef"))
        return opened[-1]

    body = Stream(opener, 6, "text/plain")
    connect().send(Request("PUT", "/a", body=body, repeatable=True))
    assert [seen.body for seen in server.seen] == [b"abcdef"] * 3
    assert server.seen[0].headers["content-type"] == "text/plain"
    assert server.seen[0].headers["content-length"] == "6"
    assert all(file.closed for file in opened)


def test_a_file_that_cannot_be_opened_sends_nothing_and_closes_the_others(server, connect):
    first = BytesIO(b"x")

    def missing():
        raise FileNotFoundError("gone")

    body = Multipart({}, {"a": ("a", lambda: first), "b": ("b", missing)})
    with pytest.raises(FileNotFoundError, match="gone"):
        connect().send(Request("POST", "/a", body=body))
    assert first.closed
    assert server.seen == []


def test_a_file_that_is_gone_for_the_second_attempt_leaves_the_fate_open(server, connect):
    server.then(faulty.answer(status=503))
    files = [BytesIO(b"abc")]
    body = Stream(lambda: files.pop(), 3)
    with pytest.raises(TransportError, match=r"can't be sent again \(IndexError\)") as raised:
        connect().send(Request("PUT", "/a", body=body, repeatable=True))
    assert raised.value.sent is True
    assert len(server.seen) == 1


def test_a_file_that_grew_does_not_run_into_the_next_request(server, connect):
    transport = connect()
    body = Stream(lambda: BytesIO(b"abcGET /evil HTTP/1.1\r\n\r\n"), 3)
    transport.send(Request("PUT", "/a", body=body))
    transport.send(Request("GET", "/b"))
    assert [(seen.target, seen.body) for seen in server.seen] == [
        ("/api/a", b"abc"),
        ("/api/b", b""),
    ]


def test_a_file_that_shrank_breaks_the_request(server, connect):
    body = Stream(lambda: BytesIO(b"abc"), 10)
    with pytest.raises(TransportError) as raised:
        connect().send(Request("PUT", "/a", body=body))
    assert "7 bytes before" in str(raised.value)
    assert raised.value.sent
    assert server.seen == []


def test_a_response_tells_all(server, connect):
    server.then(faulty.answer(b'{"a": 1}', 201, ETag='"5"', X_Two="b"))
    response = connect().send(Request("POST", "/a", (("token", "hide"), ("x", 1))))
    assert (response.status, response.json(), response.method) == (201, {"a": 1}, "POST")
    assert response.headers["etag"] == '"5"'
    assert response.headers["x-two"] == "b"
    assert response.url == f"{server.url}/api/a?token=***&x=1"
    assert response.seconds > 0
    assert response.retries == 0


def test_compressed_and_chunked_answers_are_read(server, connect):
    import gzip

    data = gzip.compress(json.dumps(list(range(50_000))).encode())
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (data[i : i + 1000] for i in range(0, len(data), 1000))
    )
    headers = [("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")]
    server.then(faulty.raw(faulty.head(headers=headers) + chunks + b"0\r\n\r\n"))
    assert connect().send(Request("GET", "/a")).json() == list(range(50_000))


@pytest.mark.parametrize(("verb", "status"), [("HEAD", 200), ("DELETE", 204), ("GET", 304)])
def test_answers_without_a_body(verb, status, server, connect):
    server.then(faulty.answer(b"not sent", status), faulty.echo())
    transport = connect()
    assert transport.send(Request(verb, "/a")).content == b""
    assert transport.send(Request("GET", "/b")).json()["target"] == "/api/b"
    assert server.connections == 1


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
def test_that_nothing_was_modified_answers_no_write(verb, server, connect):
    server.then(faulty.answer(status=304))
    with pytest.raises(StatusError, match="304 Not Modified") as caught:
        connect().send(Request(verb, "/a"))
    assert caught.value.sent


def test_threads_share_a_transport(server, connect):
    transport = connect(pool_size=4)
    found = []

    def work(number):
        for i in range(20):
            response = transport.send(Request("POST", f"/{number}/{i}", body=Json([number, i])))
            found.append(json.loads(response.json()["body"]) == [number, i])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 80
    assert transport.requests_sent == 80
    assert transport.retries_made == 0
    assert server.connections <= 4


def test_connections_are_kept(server, connect):
    transport = connect()
    for _ in range(5):
        transport.send(Request("GET", "/a"))
    assert server.connections == 1


def test_signals_announce_each_request_and_answer(server, connect):
    server.then(faulty.answer(status=503), faulty.echo())

    class Sender:
        pass

    heard = []

    def on_sent(sender, request):
        heard.append((sender, request.path))

    def on_received(sender, request, response):
        heard.append((sender, response.status))

    with (
        signals.request_sent.connected_to(on_sent, Sender),
        signals.response_received.connected_to(on_received, Sender),
    ):
        connect(sender=Sender).send(Request("GET", "/a"))
        connect().send(Request("GET", "/of another sender"))
    assert heard == [(Sender, "/a"), (Sender, 503), (Sender, "/a"), (Sender, 200)]


def test_a_receiver_that_fails_loses_no_answer(server, connect, caplog):
    def fails(sender, **kwargs):
        raise RuntimeError("a listener's own fault")

    with signals.response_received.connected_to(fails):
        response = connect().send(Request("POST", "/a"))
    assert response.status == 200
    assert "A receiver of a transport's signal failed" in caplog.text


@pytest.mark.parametrize(
    "base_url",
    [
        "host/api",
        "ftp://host",
        "http://",
        "http:///x",
        "http://h/x?y=1",
        "http://h/#f",
        "http://[::1",
        "http://h:x",
    ],
)
def test_what_is_no_base_url_is_refused(base_url):
    with pytest.raises(ValueError, match="URL"):
        Transport(base_url)


@pytest.mark.parametrize(
    "timeout", [None, 0, -1, float("inf"), float("nan"), (1, None), (1, 2, 3), "5", True]
)
def test_a_timeout_is_always_set(timeout):
    with pytest.raises(ValueError, match="timeout="):
        Transport("http://host", timeout=timeout)


def test_a_timeout_may_be_a_pair():
    transport = Transport("http://host", timeout=(1, 2.5))
    assert transport.timeout == (1.0, 2.5)
    transport.close()


def test_a_closed_transport_says_so(server, connect):
    transport = connect()
    transport.close()
    transport.close()
    with pytest.raises(TransportError, match=r"is closed") as raised:
        transport.send(Request("POST", "/a"))
    assert raised.value.sent is False
    assert "closed" in repr(transport)
    assert server.seen == []


def test_closing_wakes_who_waits_to_send_again(server, connect):
    server.then(faulty.answer(status=429, Retry_After="100"))
    transport = connect()
    met = []

    def work():
        try:
            transport.send(Request("GET", "/a"))
        except TransportError as error:
            met.append(error)

    got_it = threading.Event()

    def heard(sender, **_):
        got_it.set()

    with signals.response_received.connected_to(heard):
        thread = threading.Thread(target=work)
        thread.start()
        assert got_it.wait(30)
    transport.close()
    thread.join(30)
    assert "is closed" in str(met[0])
    assert len(server.seen) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is missing")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(server, connect):
    transport = connect(auth=("a", "b"))
    transport.send(Request("GET", "/parent"))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ok = transport.send(Request("GET", "/child")).status == 200
            status = 0 if ok and transport.requests_sent == 2 else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    transport.send(Request("GET", "/parent"))
    by_target = {seen.target: seen.connection for seen in server.seen}
    assert by_target["/api/child"] != by_target["/api/parent"]
    assert server.connections == 2


def test_nothing_is_left_open(server):
    """Warnings are errors here: a socket left to the collector would show."""
    transport = Transport(server.url, timeout=5)
    transport.send(Request("GET", "/a"))
    transport.close()
    del transport
    gc.collect()


@pytest.fixture
def listening():
    """An address, and what its one connection brings at each look, until all that is told has come."""
    came: list[bytes] = []

    def answer(listener):
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            body, length = b"", 1
            while len(body) < length:
                came.append(connection.recv(2**20))
                head, _, body = b"".join(came).partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", came
        thread.join()


def test_head_and_body_of_a_small_request_come_in_one_piece(listening):
    url, came = listening
    transport = Transport(url)
    assert transport.send(Request("PATCH", "/tasks/1", body=Json({"name": "n"}))).status == 204
    transport.close()
    (piece,) = came
    assert piece.startswith(b"PATCH /tasks/1 HTTP/1.1\r\n")
    assert piece.endswith(b'\r\n\r\n{"name":"n"}')


@pytest.mark.parametrize("size", [SMALL - 9, SMALL - 8, 10 * SMALL])
def test_a_body_of_any_size_comes_whole(size, listening):
    url, came = listening
    transport = Transport(url)
    assert transport.send(Request("POST", "/x", body=Json({"a": "b" * size}))).status == 204
    transport.close()
    assert b"".join(came).endswith(b'\r\n\r\n{"a":"%s"}' % (b"b" * size))


def test_pools_are_those_of_the_address_and_of_what_is_trusted_there():
    adapter = DeadlineAdapter()
    urls = ["https://a.invalid/x", "https://a.invalid/y/z?q=/", "https://b.invalid/x"]
    urls += ["http://a.invalid/x", "https://a.invalid:444/x"]
    pools = [
        adapter.get_connection_with_tls_context(requests.Request("GET", url).prepare(), verify)
        for url in urls
        for verify in (True, False)
    ]
    first, *others = pools[::2]
    assert first is others[0]
    assert [(pool.scheme, pool.host, pool.port) for pool in others] == [
        ("https", "a.invalid", 443),
        ("https", "b.invalid", 443),
        ("http", "a.invalid", 80),
        ("https", "a.invalid", 444),
    ]
    assert (pools[0].cert_reqs, pools[1].cert_reqs) == ("CERT_REQUIRED", "CERT_NONE")
    adapter.close()


def test_an_adapter_that_meets_many_addresses_forgets_which_pools_were_theirs():
    adapter = DeadlineAdapter()
    for number in range(1000):
        prepared = requests.Request("GET", f"http://host-{number}.invalid/").prepare()
        adapter.get_connection_with_tls_context(prepared, True)
    assert len(adapter._pools) <= 100
    adapter.close()
