"""Answers that are written to a file while they come."""

import errno
import os
from io import BytesIO, StringIO

import faulty
import pytest

from objmapper import Client, ConnectError, NotFound, TransportError
from objmapper.transport.policy import Policy

LARGE = os.urandom(300_000)


@pytest.fixture
def client(server):
    with Client(f"{server.url}/api", timeout=5, max_response_bytes=1000) as client:
        client.transport.policy = Policy(3, backoff=0.0)
        yield client


def names(folder):
    return sorted(os.listdir(folder))


def test_a_path_gets_the_body_whatever_its_size(server, client, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"older, and longer than nothing")
    server.then(faulty.answer(LARGE))
    for given in (path, str(path)):
        response = client.request("GET", "/a", into=given)
        assert (response.status, response.content) == (200, b"")
        assert path.read_bytes() == LARGE
    assert names(tmp_path) == ["file"]


def test_a_read_that_broke_begins_anew(server, client, tmp_path):
    server.then(faulty.cut(LARGE[:1000], promised=len(LARGE)), faulty.answer(LARGE))
    assert client.request("GET", "/a", into=tmp_path / "file").retries == 1
    assert (tmp_path / "file").read_bytes() == LARGE
    server.then(faulty.cut(LARGE[:1000], promised=len(LARGE)), faulty.answer(b"short"))
    file = BytesIO(b"kept, and then some more than that")
    file.seek(4)
    client.request("GET", "/a", into=file)
    assert file.getvalue() == b"keptshort"
    assert not file.closed


def test_a_path_stays_as_it_was_when_nothing_whole_comes(server, client, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"older")
    client.transport.policy = Policy(0)
    server.then(faulty.cut(LARGE[:1000], promised=len(LARGE)))
    with pytest.raises(ConnectError):
        client.request("GET", "/a", into=path)
    server.then(faulty.answer(b'{"detail": "It is gone."}', status=404))
    with pytest.raises(NotFound, match="It is gone"):
        client.request("GET", "/a", into=path)
    server.then(faulty.answer(status=304))
    assert client.request("GET", "/a", into=path).status == 304
    assert path.read_bytes() == b"older"
    assert names(tmp_path) == ["file"]


def test_a_place_that_can_t_be_written_is_told_before_anything_is_asked(server, client, tmp_path):
    for path in (tmp_path, tmp_path / "nowhere" / "file"):
        with pytest.raises(OSError, match=str(path.name)):
            client.request("GET", "/a", into=path)
    assert server.seen == []


def test_a_disk_that_is_full_is_told_and_not_tried_again(server, client, tmp_path):
    class Full(BytesIO):
        def write(self, piece):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server.then(faulty.answer(LARGE))
    with pytest.raises(TransportError, match="can't be written: No space left") as failed:
        client.request("GET", "/a", into=Full())
    assert not isinstance(failed.value, ConnectionError)
    assert len(server.seen) == 1
    assert client.request("HEAD", "/a").status == 200


def test_what_can_t_be_written_twice_is_refused(server, client, tmp_path):
    (tmp_path / "file").write_bytes(b"older")
    reading, writing = os.pipe()
    with (
        open(reading, "rb"),
        open(writing, "wb") as pipe,
        (tmp_path / "file").open("rb") as read_only,
        (tmp_path / "file").open("r+") as text,
    ):
        for given in (7, object(), StringIO(), pipe, read_only, text):
            with pytest.raises(TypeError, match="can't take the body"):
                client.request("GET", "/a", into=given)
    assert server.seen == []
