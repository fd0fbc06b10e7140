"""A real TCP server that answers, stalls, drips, cuts and breaks as it is told.

It speaks just enough HTTP to read requests. What it does with each one is an *act*, a function of
the connection; acts are queued with `FaultyServer.then`, the last one stays::

    server.then(reset(), answer(b'{"id": 1}'))     # the first request meets a reset
    client.send(...)
    assert [seen.method for seen in server.seen] == ["GET", "GET"]

Load it by path, as no folder of tests is a package; see tests/transport/conftest.py.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Seen:
    """A request as it arrived: the target is what stands in the request line, undecoded."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Connection:
    """What an act is given: the socket, the request, and the event of the server's end."""

    sock: socket.socket
    seen: Seen
    over: threading.Event

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)


#: An act returns whether the connection is kept.
Act = Callable[[Connection], bool]


def head(
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
    *,
    length: int | None = None,
    reason: str = "Whatever",
) -> bytes:
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


def answer(
    body: bytes | str = b"",
    status: int = 200,
    kind: str = "application/json",
    *,
    close: bool = False,
    **headers: str,
) -> Act:
    """Answer properly; ``close`` closes the connection without having said so."""
    data = body.encode() if isinstance(body, str) else body
    pairs = [("Content-Type", kind)] if kind else []
    pairs += [(name.replace("_", "-"), value) for name, value in headers.items()]

    def act(to: Connection) -> bool:
        no_body = status in (204, 304) or to.seen.method == "HEAD"
        to.write(head(status, pairs, length=len(data)) + (b"" if no_body else data))
        return not close

    return act


def say(value: Any, status: int = 200, **headers: str) -> Act:
    """Answer with JSON."""
    return answer(json.dumps(value), status, **headers)


def echo() -> Act:
    """Answer with what arrived."""

    def act(to: Connection) -> bool:
        seen = to.seen
        told = {"method": seen.method, "target": seen.target, "headers": seen.headers}
        return say(told | {"body": seen.body.decode("latin-1")})(to)

    return act


def redirect(location: str, status: int = 302, body: bytes = b"") -> Act:
    return answer(body, status, "", Location=location)


def raw(data: bytes) -> Act:
    """Send bytes that need not be HTTP, then close."""

    def act(to: Connection) -> bool:
        to.write(data)
        return False

    return act


def hang_up() -> Act:
    """Close without an answer."""
    return lambda to: False


def reset() -> Act:
    """Break the connection so that the other end gets "connection reset"."""

    def act(to: Connection) -> bool:
        to.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return act


def reset_after_head(length: int = 100) -> Act:
    def act(to: Connection) -> bool:
        to.write(head(length=length) + b"{")
        return reset()(to)

    return act


def cut(body: bytes, promised: int) -> Act:
    """Promise more bytes than come."""
    return raw(head(headers=[("Content-Type", "application/json")], length=promised) + body)


def cut_chunks(*chunks: bytes) -> Act:
    """Send chunks and never the last one."""
    sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return raw(head(headers=[("Transfer-Encoding", "chunked")]) + sent)


def stall(first: bytes = b"") -> Act:
    """Send *first* and then nothing until the server ends."""

    def act(to: Connection) -> bool:
        to.write(first)
        to.over.wait(60)
        return False

    return act


def drip(first: bytes, drop: bytes = b" ", pause: float = 0.02) -> Act:
    """Send *first* and then a drop again and again, for ever."""

    def act(to: Connection) -> bool:
        to.write(first)
        while not to.over.wait(pause):
            to.write(drop)
        return False

    return act


def gzip_bomb(size: int) -> Act:
    """A small answer that decompresses to *size* bytes."""
    data = gzip.compress(bytes(size))
    return answer(data, Content_Encoding="gzip")


class FaultyServer:
    """Listens on loopback and plays its acts; ``seen`` has every request in order of arrival.

    ``greeting`` is sent to whoever connects, before a word is heard.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, greeting: bytes = b"") -> None:
        self.seen: list[Seen] = []
        #: How many connections were accepted.
        self.connections = 0
        self._tls = tls
        self._greeting = greeting
        self._acts: list[Act] = [echo()]
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def then(self, *acts: Act) -> FaultyServer:
        """Play *acts*, one for each request; the last one stays."""
        with self._lock:
            self._acts = list(acts)
        return self

    def wait_until_all_are_closed(self) -> None:
        """Wait until it has closed all its connections, so that the other ends have heard of it."""
        while self._open:
            time.sleep(0.001)

    def close(self) -> None:
        self._over.set()
        # Waking the thread in accept(): closing the listener alone does not everywhere.
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            pass
        self._listener.close()
        with self._lock:
            waiting = list(self._open)
        for sock in waiting:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self._over.is_set():
                sock.close()
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        plain = sock
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with suppress(OSError), sock.makefile("rb") as file:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.sendall(self._greeting)
                while (seen := _read(file, number)) is not None:
                    with self._lock:
                        self.seen.append(seen)
                        act = self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]
                    if not act(Connection(sock, seen, self._over)):
                        break
        except ssl.SSLError:
            pass
        finally:
            sock.close()
            with self._lock:
                self._open.discard(plain)


def _read(file: Any, number: int) -> Seen | None:
    line = file.readline().decode("latin-1").strip().split(" ")
    if len(line) != 3 or not line[2].startswith("HTTP/1."):
        return None
    method, target, _ = line
    headers: dict[str, str] = {}
    while line := file.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while size := int(line := file.readline() or b"0", 16):
            body += file.read(size)
            file.readline()
        if line == b"0":  # the other end has gone in the middle of it
            return None
        file.readline()
    elif length := int(headers.get("content-length", 0)):
        body = file.read(length)
        if len(body) < length:
            return None
    return Seen(method, target, headers, body, number)


@contextmanager
def closed_port() -> Any:
    """A port that refuses connections while nobody else takes it."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    try:
        yield sock.getsockname()[1]
    finally:
        sock.close()


@contextmanager
def deaf_port() -> Any:
    """A port whose queue is full: a connection to it is neither taken nor refused."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    try:
        for _ in range(8):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        yield listener.getsockname()[1]
    finally:
        for sock in [*waiting, listener]:
            sock.close()
