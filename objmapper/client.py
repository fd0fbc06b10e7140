"""Client: a server's address, its dialect, the credentials and the transport; threads share it."""

from __future__ import annotations

import enum
import errno
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO, TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, Self, cast
from urllib.parse import urlencode

from objmapper.dialects import find_dialect
from objmapper.exceptions import cut
from objmapper.operation import Body, Json, Multipart, Request, Response, Stream
from objmapper.transport import Transport
from objmapper.transport.masking import secret_values
from objmapper.transport.policy import checked_timeout
from objmapper.transport.transport import MAX_RESPONSE_BYTES

if TYPE_CHECKING:
    import requests

    from objmapper.dialects import Dialect


class _Unset(enum.Enum):
    UNSET = enum.auto()


_UNSET = _Unset.UNSET
_EMBEDDED = "embedded://"
#: How many connections are kept for the next request; urllib3 warns of each one above that.
IDLE_CONNECTIONS = 100
#: Seconds; a proxy that gave up may have a server behind it that works on.
SETTLE_AFTER = 2.0
#: Seconds that nobody waits for: a third of a year.
_MOST = 1e7


class Client:
    """A server to talk to::

        with Client("https://host/api", dialect="drf", auth=TokenAuth("...")) as client:
            client.request("POST", "/tasks/1/frobnicate", json={"force": True})

    *base_url* is the address that all paths are below; ``embedded://cvat`` opens an embedded server
    in this process. *dialect* is a name or a Dialect: "rest", or what the embedded server speaks.
    *auth* is ``(user, password)``, a TokenAuth, a BearerAuth or any auth of requests. *timeout* is
    in seconds, for the connection and for each read, or a pair of both. *retries* is how often a
    request that may be repeated is sent again. *http* is an own requests.Session, whose adapters,
    proxies, certificates, hooks, headers, cookies and auth are honoured; it is not closed. *headers*
    go with every request; one that is None is left out. *verify*: whether certificates are checked,
    or the path of a CA bundle. *workers* is how many requests a commit has under way at once; the
    dialect recommends it. *max_response_bytes* is the largest answer that is read, in bytes, counted
    after decompression: 100 MiB. *echo* logs each request to stderr, credentials masked.
    *settle_after*: how many seconds after a write that met an unknown fate the server surely does
    nothing more about it. *idempotency_header* names the header by which the server knows a write
    again that it has done, "Idempotency-Key" mostly: each write of a commit carries one of its own,
    and may be repeated.

    Threads may share a client. It can't be pickled, as it holds credentials and connections; after
    a fork the child gets connections of its own.

    Raises ValueError for an address or an option that can't be, LookupError for a dialect that is
    not there, and ImportError for an embedded server without the extra ``server``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        dialect: str | Dialect | None = None,
        auth: Any = None,
        timeout: float | tuple[float, float] = 30.0,
        retries: int = 3,
        http: requests.Session | None = None,
        headers: Mapping[str, str | None] | None = None,
        verify: bool | str = True,
        workers: int | None = None,
        settle_after: float = SETTLE_AFTER,
        idempotency_header: str | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        echo: bool = False,
    ) -> None:
        #: The embedded server of this client, None for one elsewhere.
        self.server: Any = None
        if base_url.startswith(_EMBEDDED):
            if http is not None:
                raise ValueError("An embedded server is reached without a socket; leave http= out.")
            self.server = _embedded(base_url)
            base_url = f"{self.server.base_url}/api"
            dialect = dialect or self.server.options.kind
        try:
            #: How the server says it.
            self.dialect: Dialect = find_dialect(dialect or "rest")
            #: How many requests a commit has under way at once.
            self.workers: int = self.dialect.recommended_workers if workers is None else workers
            if self.workers < 1:
                raise ValueError(f"workers={self.workers} is below 1.")
            if not 0 <= settle_after < _MOST:
                raise ValueError(
                    f"settle_after={cut(settle_after)} is not a number of seconds, from 0 to {_MOST:g}."
                )
            #: After how many seconds a server surely does nothing more about a write.
            self.settle_after: float = settle_after
            #: The header by which the server knows a write again, None where it has none.
            self.idempotency_header: str | None = idempotency_header
            #: How requests travel; it counts them.
            self.transport: Transport = Transport(
                base_url,
                auth=auth,
                headers={**self.dialect.headers, **(headers or {})},
                timeout=timeout,
                retries=retries,
                http=http,
                adapter=self.server.adapter() if self.server is not None else None,
                verify=verify,
                pool_size=max(IDLE_CONNECTIONS, self.workers),
                max_response_bytes=max_response_bytes,
                errors=self.dialect.read_error,
                sender=type(self),
                echo=echo,
            )
        except BaseException:
            if self.server is not None:
                self.server.close()
            raise

    @property
    def base_url(self) -> str:
        """The address that all paths are below, without credentials."""
        return self.transport.base_url

    @property
    def retries(self) -> int:
        """How often a request is sent again at most."""
        return self.transport.policy.retries

    def __repr__(self) -> str:
        if "transport" not in self.__dict__:  # it is shown where making it failed
            return f"<{type(self).__name__} that was never opened>"
        closed = " closed" if self.transport.closed else ""
        return f"<{type(self).__name__} {self.base_url} dialect={self.dialect.name!r}{closed}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and the embedded server if there is one; twice is harmless."""
        self.transport.close()
        if self.server is not None:
            self.server.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"A {type(self).__name__} can't be pickled or copied: it holds credentials and "
            "connections. Make one where it is needed."
        )

    def send(self, request: Request) -> Response:
        """Send *request* and return its answer, whose status is below 400.

        Raises TransportError and its kin; whatever else is raised was raised before anything was
        sent.
        """
        return self.transport.send(request)

    def judged(self, request: Request, response: Response) -> Response:
        """Return an answer to *request* that came as a part of another one, as `send` would.

        Raises StatusError and its kin, as `send` would for it.
        """
        return self.transport.judged(request, response)

    def server_time(self, ago: float = 0.0) -> datetime | None:
        """Return what the server's clock showed *ago* seconds before now, to the second and not later.

        None as long as no answer has told its ``Date``.
        """
        return self.transport.server_time(ago)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = _UNSET,
        data: Any = None,
        files: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        into: str | os.PathLike[str] | BinaryIO | None = None,
        timeout: float | tuple[float, float] | None = None,
    ) -> Response:
        """Send any request below the base URL, with the same credentials, retries, limits, errors.

        *data* is a mapping (sent as a form), text, bytes, a Path or an open binary file; *files*
        maps names to Paths, bytes, open files, or pairs ``(file name, one of these)``. *path* is
        percent-encoded already; an absolute URL must be of the same origin (else ContractError).
        *into* is where the body of an answer goes as it comes, however large it is, and ``content`` is
        empty then: a path, which gets it whole or stays as it was, or a binary file that is open for
        writing and can be rewound.
        *timeout* is in seconds, for the connection and for each read, or a pair of both; None: the client's.
        Values whose names say that they are credentials are masked in logs and errors.

        Raises TransportError and its kin, StatusError for a status of 400 or more among them, and
        TypeError for two bodies at once, for a body that can't be sent twice, and for an *into* that
        can't be written twice; ValueError for a *timeout* that is none; OSError where *into* can't be
        written at all.
        """
        body = _body(json, data, files)
        limits = None if timeout is None else checked_timeout(timeout)
        pairs = tuple(secret_values(params or {}).items())
        with _landing(into) as opener:
            request = Request(method.upper(), path, pairs, dict(headers or {}), body, into=opener)
            return self.send(request if limits is None else request._replace(timeout=limits))


@contextmanager
def _landing(into: Any) -> Iterator[Callable[[], BinaryIO] | None]:
    """Give what opens the place of an answer's body, anew for each attempt; see `Client.request`."""
    if into is None:
        yield None
    elif isinstance(into, str | os.PathLike):
        with _whole(Path(into)) as opener:
            yield opener
    elif _takes_bytes(into):
        start = into.tell()
        yield lambda: cast("BinaryIO", _Landing(into, start))
    else:
        raise TypeError(
            f"A {type(into).__name__} can't take the body of an answer: give a path or a binary file that "
            "can be rewound, as a request may have to be sent twice."
        )


def _takes_bytes(given: Any) -> bool:
    """Whether something is a binary file that can be written to and rewound."""
    if isinstance(given, TextIOBase) or not hasattr(given, "write"):
        return False
    return all(getattr(given, name, bool)() for name in ("writable", "seekable"))


@contextmanager
def _whole(path: Path) -> Iterator[Callable[[], BinaryIO]]:
    """Give what opens a file beside *path*, which takes its place at the end, if it was opened."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    beside = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    beside.open("xb").close()  # before anything is asked it is known that this can be done
    written = False

    def opener() -> BinaryIO:
        nonlocal written
        written = True
        return beside.open("wb")

    try:
        yield opener
        if written:
            os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


class _Landing:
    """A user's open file, written from where it stood; closing it here leaves it open."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        file.seek(start)
        file.truncate()
        self.write = file.write

    def close(self) -> None:
        """Leave the file to its owner."""


def _embedded(url: str) -> Any:
    try:
        from objmapper.server import embedded  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ImportError(
            f"Client({url.partition('?')[0]!r}) runs a server in this process, which needs the "
            f'extra "server": pip install "objmapper[server]" ({error}).'
        ) from None
    return embedded(url)


def _body(json: Any, data: Any, files: Mapping[str, Any] | None) -> Body | None:
    if json is not _UNSET:
        if data is not None or files:
            raise TypeError("A request has one body: give json, or data and files.")
        return Json(secret_values(json))
    if files:
        if data is not None and not isinstance(data, Mapping):
            raise TypeError("Beside files, data is a mapping of plain fields.")
        return Multipart(
            secret_values(data or {}), {name: _file(name, given) for name, given in files.items()}
        )
    if data is None:
        return None
    if isinstance(data, Mapping):
        form = urlencode(data, doseq=True).encode()
        return Stream(lambda: BytesIO(form), len(form), "application/x-www-form-urlencoded")
    kind = "text/plain; charset=utf-8" if isinstance(data, str) else "application/octet-stream"
    opener = _opener(data)
    with_length = opener()
    try:
        start = with_length.tell()
        length = with_length.seek(0, os.SEEK_END) - start
    finally:
        with_length.close()
    return Stream(opener, length, kind)


def _file(name: str, given: Any) -> tuple[str, Callable[[], BinaryIO]]:
    """Return ``(file name, opener)`` of what a user gave for one file."""
    if isinstance(given, tuple):
        file_name, given = given
        return str(file_name), _opener(given)
    file_name = getattr(given, "name", None)
    return (file_name if isinstance(file_name, str) else name), _opener(given)


class _Lent:
    """A user's open file, read from where it stood; closing it here leaves it open."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        file.seek(start)
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def close(self) -> None:
        """Leave the file to its owner."""


def _opener(given: Any) -> Callable[[], Any]:
    """Return what opens *given* anew for each attempt. Raises TypeError for what can't be."""
    if isinstance(given, str):
        given = given.encode()
    if isinstance(given, bytes | bytearray | memoryview):
        content = bytes(given)
        return lambda: BytesIO(content)
    if isinstance(given, Path):
        return lambda: given.open("rb")
    if hasattr(given, "read") and hasattr(given, "seek") and given.seekable():
        start = given.tell()
        return lambda: _Lent(given, start)
    raise TypeError(
        f"A {type(given).__name__} can't be sent as a body: give text, bytes, a Path or a binary "
        "file that can be rewound, as a request may have to be sent twice."
    )
