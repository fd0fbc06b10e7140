"""The loopback door is waitress: HTTP/1.1 with keep-alive, threads, this machine only."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import waitress.server
from waitress import wasyncore
from waitress.channel import HTTPChannel

from objmapper.server.embedding import EmbeddedServer, embedded
from objmapper.server.options import Pair

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_THREADS = 16
# Beyond as many open connections nobody is let in; waitress's own limit is 100.
_CONNECTIONS = 500
_BACKLOG = 1024
_LAST_PORT = 65535
_PATIENCE = 5.0
# How the first record of TLS begins: a handshake, of version 3.
_TLS = b"\x16\x03"


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection; one that begins with TLS is hung up on.

    Who tries https first, as clients do for an address without a scheme, would wait in vain for an
    answer, as waitress does for the end of a line.
    """

    def received(self, data: bytes) -> Any:
        if self.request is None and data.startswith(_TLS):
            return self.handle_close()
        return super().received(data)


class Running:
    """A server that answers on a socket until it is closed.

    >>> with serve("cvat", users=[("admin", "secret")]) as running:
    ...     running.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, server: EmbeddedServer, host: str, port: int) -> None:
        if host not in LOOPBACK:
            raise ValueError(f"an embedded server listens on {', '.join(LOOPBACK)}, not {host!r}")
        if not 0 <= port <= _LAST_PORT:
            raise ValueError(f"a port is between 0 and {_LAST_PORT}, not {port}")
        #: The server behind the socket.
        self.server: EmbeddedServer = server
        # A full queue is normal under a benchmark and no news for who runs it.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._map: dict[int, Any] = {}
        address = "127.0.0.1" if host == "localhost" else host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        # Bound here: waitress leaves its sockets open when it can't bind them.
        listening = socket.create_server((address, port), family=family, backlog=_BACKLOG)
        self._http = waitress.server.create_server(
            server.app,
            map=self._map,
            sockets=[listening],
            threads=_THREADS,
            connection_limit=_CONNECTIONS,
            ident=None,
        )
        self._http.channel_class = _Channel
        shown = f"[{address}]" if ":" in address else address
        #: Its address, with the port that it has got.
        self.url: str = f"http://{shown}:{listening.getsockname()[1]}"
        self._stopping = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=f"serve {self.url}", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=30, use_poll=True, map=self._map, count=1)

    def close(self) -> None:
        """No socket, thread or database is open afterwards; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._stopping.set()
        self._http.pull_trigger()
        self._thread.join()
        # Only now: what the loop still used, and what wakes it, must not vanish under it.
        self._http.task_dispatcher.shutdown(timeout=_PATIENCE)
        self._http.close()
        wasyncore.close_all(self._map, ignore_all=True)
        self.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def serve(
    target: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: str | None = None,
    users: Iterable[Pair | str] | None = None,
    tokens: Iterable[Pair | str] | None = None,
    path: str | None = None,
    version: str | None = None,
    throttle: bool | None = None,
    check: bool | None = None,
    share: str | None = None,
    lag: int | None = None,
    busy: int | None = None,
    remote: bool | None = None,
) -> Running:
    """A fresh embedded server on a loopback socket, in its own thread; port 0 is a free one.

    Raises ValueError for options that can't be and for a host that is not this machine's loopback,
    OSError for a port that is taken.
    """
    server = embedded(
        target,
        seed=seed,
        users=users,
        tokens=tokens,
        path=path,
        version=version,
        throttle=throttle,
        check=check,
        share=share,
        lag=lag,
        busy=busy,
        remote=remote,
    )
    try:
        return Running(server, host, port)
    except BaseException:
        server.close()
        raise
