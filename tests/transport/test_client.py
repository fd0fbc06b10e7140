"""Client: one way to open a server, whichever it is; shared, closable, never pickled."""

import copy
import pickle
import subprocess
import sys
import threading
from io import BytesIO

import faulty
import pytest
import requests

from objmapper import BearerAuth, TokenAuth, cvat, signals
from objmapper.client import Client
from objmapper.cvat import AccessTokenCredentials, PasswordCredentials
from objmapper.dialects import DRF, Rest
from objmapper.exceptions import BadRequest, ContractError, NotFound, Timeout, TransportError
from objmapper.operation import Json, Request


@pytest.fixture
def client(server):
    with Client(f"{server.url}/api", timeout=5) as client:
        yield client


def test_what_a_client_is_made_of(server):
    client = Client(f"{server.url}/api/", dialect="drf", auth=("me", "geheim"), workers=3)
    assert client.base_url == f"{server.url}/api"
    assert isinstance(client.dialect, DRF)
    assert client.workers == 3
    assert client.server is None
    assert repr(client) == f"<Client {server.url}/api dialect='drf'>"
    client.close()
    assert repr(client) == f"<Client {server.url}/api dialect='drf' closed>"
    client.close()


def test_a_request_may_have_a_timeout_of_its_own(server):
    with Client(f"{server.url}/api", timeout=60, retries=0) as client:
        for timeout in (0.05, (5, 0.05)):
            server.then(faulty.stall())
            with pytest.raises(Timeout) as caught:
                client.request("GET", "/a", timeout=timeout)
            assert caught.value.sent
        server.then(faulty.answer(b"{}"))
        assert client.request("GET", "/a").status == 200
        assert client.transport.timeout == (60.0, 60.0)


def test_a_drip_ends_by_the_timeout_of_its_request(server):
    with Client(f"{server.url}/api", timeout=60, retries=0) as client:
        server.then(faulty.drip(faulty.head(length=1000)))
        with pytest.raises(Timeout):
            client.request("GET", "/a", timeout=0.05)


@pytest.mark.parametrize("timeout", [0, -1, "5", True, (1,), (1, None), float("inf"), float("nan")])
def test_a_timeout_that_is_none_is_refused_before_anything_is_sent(server, client, timeout):
    with pytest.raises(ValueError, match="seconds above 0"):
        client.request("GET", "/a", timeout=timeout)
    assert server.seen == []


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Client, {"dialect": "nobody's"}), (cvat.Client, {"auth": ("me", "geheim")})],
    ids=["objmapper", "objmapper.cvat"],
)
def test_one_that_could_not_be_made_can_be_shown_where_that_failed(kind, options):
    """As debuggers and reporters of errors do, with all that a frame has."""
    with pytest.raises((LookupError, TypeError)) as failed:
        kind("http://127.0.0.1:1", **options)
    frame = next(each.frame for each in failed.traceback if each.name == "__init__")
    shown = repr(frame.f_locals["self"])
    assert shown == "<Client that was never opened>"


def test_the_dialect_recommends_workers_and_sends_its_headers(server):
    class Kinds(Rest):
        name = "kinds"
        recommended_workers = 2
        headers = {"Accept": "application/vnd.kinds+json", "X-Kind": "a"}

        def read_error(self, response):
            return response.text, [response.text.upper()], {}

    with Client(server.url, dialect=Kinds(), headers={"X-Kind": "b"}, retries=0) as client:
        assert client.workers == 2
        client.request("GET", "/a")
        assert server.seen[0].headers["accept"] == "application/vnd.kinds+json"
        assert server.seen[0].headers["x-kind"] == "b"
        server.then(faulty.answer(b"no way", 400, "text/plain"))
        with pytest.raises(BadRequest, match="NO WAY"):
            client.request("GET", "/a")


def test_rest_is_the_default_and_a_wrong_name_is_told(server):
    with Client(server.url) as client:
        assert isinstance(client.dialect, Rest)
    with pytest.raises(LookupError, match="drf"):
        Client(server.url, dialect="dfr")


@pytest.mark.parametrize(
    "settle_after", [-1, float("nan"), float("inf"), pytest.param(10**400, id="endless")]
)
def test_a_server_has_its_time_to_settle_after_some_seconds(settle_after):
    with pytest.raises(ValueError, match=r"settle_after=.* is not a number of seconds, from 0 to"):
        Client("http://a.test", settle_after=settle_after)


@pytest.mark.parametrize("workers", [0, -1])
def test_there_is_at_least_one_worker(workers, server):
    with pytest.raises(ValueError, match="workers"):
        Client(server.url, workers=workers)


def test_send_sends(server, client):
    response = client.send(Request("POST", "/tasks", body=Json({"name": "x"})))
    assert response.status == 200
    assert server.seen[0].json() == {"name": "x"}


def test_requests_of_all_kinds(server, client, tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("from disk")

    def sent(*args, **kwargs):
        client.request(*args, **kwargs)
        seen = server.seen[-1]
        return seen.method, seen.target, seen.headers.get("content-type"), seen.body

    assert sent("get", "/a", params={"x": [1, 2], "no": None}) == (
        "GET",
        "/api/a?x=1&x=2",
        None,
        b"",
    )
    assert sent("POST", "/a", json=None)[2:] == ("application/json", b"null")
    assert sent("POST", "/a", json={"password": "p"})[3] == b'{"password":"p"}'
    form = "application/x-www-form-urlencoded"
    assert sent("POST", "/a", data={"a": "b c", "n": [1, 2]})[2:] == (form, b"a=b+c&n=1&n=2")
    assert sent("PUT", "/a", data="ü")[2:] == ("text/plain; charset=utf-8", "ü".encode())
    octets = "application/octet-stream"
    for data in (b"abc", bytearray(b"abc"), memoryview(b"abc"), BytesIO(b"abc")):
        assert sent("PUT", "/a", data=data)[2:] == (octets, b"abc")
    assert sent("PUT", "/a", data=path)[2:] == (octets, b"from disk")
    assert sent("PUT", "/a", data=b"")[2:] == (octets, b"")
    headers = {"Content-Type": "text/csv", "If-Match": '"1"'}
    assert sent("PUT", "/a", data=b"a,b", headers=headers)[2:] == ("text/csv", b"a,b")
    assert server.seen[-1].headers["if-match"] == '"1"'


def test_files_of_all_kinds(server, client, tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("from disk")
    with path.open("rb") as file:
        file.read(5)
        client.request(
            "POST",
            "/a",
            data={"name": "n"},
            files={
                "path": path,
                "file": file,
                "pair": ("../../y.bin", b"bytes"),
                "bytes": b"raw",
                "memory": BytesIO(b"mem"),
            },
        )
        assert not file.closed
    body = server.seen[0].body
    for part in (
        b'name="name"\r\n\r\nn\r\n',
        b'name="path"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\nfrom disk\r\n',
        b'name="file"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\ndisk\r\n',
        b'name="pair"; filename="y.bin"\r\nContent-Type: application/octet-stream\r\n\r\nbytes\r\n',
        b'name="bytes"; filename="bytes"',
        b'name="memory"; filename="memory"',
    ):
        assert part in body
    assert str(tmp_path).encode() not in body


def test_an_open_file_is_sent_again_from_where_it_stood(server, client, tmp_path):
    server.then(faulty.answer(status=429, Retry_After="0"), faulty.echo())
    path = tmp_path / "x.txt"
    path.write_text("from disk")
    with path.open("rb") as file:
        file.read(5)
        client.request("PUT", "/a", data=file)
    assert [seen.body for seen in server.seen] == [b"disk", b"disk"]


@pytest.mark.parametrize(
    "options",
    [
        {"json": 1, "data": {}},
        {"json": 1, "files": {"f": b""}},
        {"data": b"x", "files": {"f": b""}},
        {"data": 7},
        {"data": iter([b"x"])},
        {"files": {"f": object()}},
        {"data": subprocess.PIPE},
    ],
)
def test_bodies_that_cannot_be(options, server, client):
    with pytest.raises(TypeError):
        client.request("POST", "/a", **options)
    assert server.seen == []


def test_a_file_that_cannot_be_rewound_is_refused(client):
    import os

    read, write = os.pipe()
    os.close(write)
    with open(read, "rb") as pipe, pytest.raises(TypeError, match="rewound"):
        client.request("POST", "/a", data=pipe)


def test_an_absolute_url_of_another_origin_is_refused(server, other_server, client):
    with pytest.raises(ContractError, match="this client talks to that only"):
        client.request("GET", f"{other_server.url}/api/a")
    assert client.request("GET", f"{server.url}/other").status == 200
    assert other_server.seen == []


@pytest.mark.parametrize(
    "credentials",
    [
        TokenAuth("hunter2"),
        BearerAuth("hunter2"),
        PasswordCredentials("ann", "hunter2"),
        AccessTokenCredentials("hunter2"),
    ],
    ids=lambda credentials: type(credentials).__name__,
)
def test_credentials_are_not_pickled_or_copied(credentials):
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="can't be pickled or copied: it is secret") as caught:
            attempt(credentials)
        assert "hunter2" not in str(caught.value)


def test_a_client_is_not_pickled_or_copied(client):
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="can't be pickled or copied"):
            attempt(client)


def test_after_close_there_is_a_clear_error(server, client):
    client.close()
    with pytest.raises(TransportError, match=f"The client of {server.url}/api is closed"):
        client.request("GET", "/a")
    assert server.seen == []


def test_the_sender_of_signals_is_the_clients_class(server):
    class MyClient(Client):
        pass

    heard = []

    def receiver(sender, **kwargs):
        heard.append((sender, sorted(kwargs)))

    with signals.response_received.connected_to(receiver, Client), MyClient(server.url) as client:
        client.request("GET", "/a")
    assert heard == [(MyClient, ["request", "response"])]


def test_threads_share_a_client(server, client):
    found = []

    def work(number):
        found.extend(
            client.request("GET", f"/{number}").json()["target"] == f"/api/{number}"
            for _ in range(10)
        )

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 60


def test_an_own_session_is_used(server):
    with requests.Session() as http:
        http.headers["X-Mine"] = "1"
        with Client(server.url, http=http) as client:
            client.request("GET", "/a")
    assert server.seen[0].headers["x-mine"] == "1"


# The embedded server.


@pytest.fixture
def embedded():
    pytest.importorskip("werkzeug")
    with Client("embedded://cvat?seed=1x2", dialect="drf") as client:
        yield client


def test_an_embedded_server_is_opened_and_closed_with_its_client(embedded):
    assert embedded.base_url == embedded.server.base_url + "/api"
    assert embedded.request("GET", "/tasks").json()["count"] == 2
    sent = embedded.server.requests
    with pytest.raises(NotFound, match="404 Not Found: "):
        embedded.request("GET", "/tasks/99")
    assert embedded.server.requests == sent + 1
    assert embedded.transport.requests_sent == 2
    embedded.close()
    with pytest.raises(TransportError, match="is closed"):
        embedded.request("GET", "/tasks")


def test_an_embedded_server_is_written_to(embedded):
    created = embedded.request("POST", "/projects", json={"name": "ü"}).json()
    assert embedded.request("GET", f"/projects/{created['id']}").json()["name"] == "ü"
    with pytest.raises(BadRequest, match="name: ") as raised:
        embedded.request("POST", "/projects", json={})
    assert list(raised.value.errors) == ["name"]


def test_an_embedded_server_needs_no_proxy(monkeypatch):
    pytest.importorskip("werkzeug")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with Client("embedded://cvat", dialect="rest") as client:
        assert client.request("GET", "/tasks").status == 200


def test_an_embedded_server_takes_no_session():
    with requests.Session() as http, pytest.raises(ValueError, match="leave http= out"):
        Client("embedded://cvat", http=http)


def test_a_client_that_cannot_be_made_closes_its_embedded_server():
    pytest.importorskip("werkzeug")
    with pytest.raises(LookupError):
        Client("embedded://cvat", dialect="no such dialect")


def test_without_the_extra_its_name_is_told(tmp_path):
    """In a process where werkzeug can't be imported, as on a machine without the extra."""
    (tmp_path / "werkzeug.py").write_text("raise ImportError('No module named werkzeug')")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from objmapper.client import Client
try:
    Client("embedded://cvat?user=me:geheim")
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert 'pip install "objmapper[server]"' in done.stdout
    assert "geheim" not in done.stdout
