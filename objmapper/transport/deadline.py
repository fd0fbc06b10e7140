"""An end to every answer: the timeout of a socket is for each look at it, and a drip never meets it."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any, cast

import urllib3.connection
import urllib3.connectionpool
from requests.adapters import HTTPAdapter

from objmapper.transport.bodies import Streamed

#: An answer, head and body, may take as many times the read timeout.
ANSWER_TIMES = 10.0
#: How much of a body that is read while it is sent goes out at once.
BLOCK = 2**20
#: A body of so many bytes at most goes out in one piece with its head.
SMALL = 2**15
#: Of so many addresses it is kept which pool theirs is.
_ADDRESSES = 100


class _Watched(io.RawIOBase):
    """What a socket brings, until the time is up; then TimeoutError."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # The file keeps the socket open after the connection has let go of it.
        self._file: Any = sock.makefile("rb", buffering=0)
        # The transport never leaves it out.
        self._timeout = sock.gettimeout() or 0.0
        self._end = time.monotonic() + ANSWER_TIMES * self._timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(min(self._timeout, left))
        count: int | None = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Source:
    """A socket as far as an answer needs it: something to make a file of."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Watched(self._sock))


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(cast("socket.socket", _Source(sock)), *args, **kwargs)


class _Sending:
    """A connection, as far as bodies go: those that are read while they are sent, and small ones.

    A small one waits for no packet of its own: head and body are one look at the network for either
    end, and for all that stands between them.
    """

    #: Whether what is sent next is a head that goes with its body; and that head.
    _waits = False
    _head: bytes | None = None

    def request(self, method: str, url: str, body: Any = None, *args: Any, **options: Any) -> None:
        pieces = body.pieces(BLOCK) if isinstance(body, Streamed) else body
        self._head, self._waits = None, isinstance(body, bytes) and 0 < len(body) <= SMALL
        super().request(method, url, pieces, *args, **options)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        if self._waits:
            self._head, self._waits = data, False
            return
        if self._head is not None:
            data, self._head = self._head + data, None
        sock: Any = getattr(self, "sock", None)
        if not isinstance(data, memoryview) or not hasattr(sock, "send"):
            super().send(data)  # type: ignore[misc]
            return
        # sendall() ends when all of it took too long, on a line that is slow and not dead.
        while data:
            data = data[sock.send(data) :]


class _HTTPConnection(_Sending, urllib3.connection.HTTPConnection):
    response_class = _Answer


class _HTTPSConnection(_Sending, urllib3.connection.HTTPSConnection):
    response_class = _Answer


class _HTTPPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class DeadlineAdapter(HTTPAdapter):
    """An HTTPAdapter whose answers end, with TimeoutError if need be."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        #: By address, bundle and certificate: which pool that is.
        self._pools: dict[Any, Any] = {}
        super().init_poolmanager(*args, blocksize=BLOCK, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """Say which pool a request takes; of an address it is found out once.

        requests parses the whole address for that, and looks for the bundle of certificates, each time.
        """
        told = "/".join(request.url.split("/", 3)[:3]), verify, cert
        found = self._pools.get(told)
        if found is None:
            if len(self._pools) >= _ADDRESSES:
                self._pools.clear()
            found = super().build_connection_pool_key_attributes(request, verify, cert)
            self._pools[told] = found
        return found

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, blocksize=BLOCK, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
