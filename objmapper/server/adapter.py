"""The in-process door is an adapter of requests: it calls the WSGI application itself."""

from __future__ import annotations

import http.client
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, cast

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3 import HTTPHeaderDict, HTTPResponse

from objmapper.server.environ import build

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class WSGIAdapter(BaseAdapter):
    """An adapter answers a requests.Session from a WSGI application in the calling thread.

    >>> def hello(environ, start_response):
    ...     start_response("200 OK", [("Content-Type", "text/plain")])
    ...     return [b"hello"]
    >>> with requests.Session() as session:
    ...     session.mount("http://hello.embedded", WSGIAdapter(hello))
    ...     session.get("http://hello.embedded/").text
    'hello'
    """

    def __init__(self, application: Application) -> None:
        super().__init__()
        #: What answers.
        self.application: Application = application

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The application runs to its first byte here; the rest is drawn as the body is read."""
        body, length = _body(request.body, request.headers)
        headers = [(name, _text(value)) for name, value in request.headers.items()]
        method, url = request.method or "GET", request.url or ""
        environ = build(method, url, headers, body, length)
        environ["wsgi.errors"] = sys.stderr
        status, pairs, chunks = _run(self.application, environ)
        response = _response(request, status, pairs, chunks)
        response.connection = cast("HTTPAdapter", self)
        if not stream:
            _ = response.content
        return response

    def close(self) -> None:
        """Nothing is held open between requests."""


def _run(
    application: Application, environ: dict[str, Any]
) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
    """The WSGI call: status, headers and a body that has been started, so that both are known."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        started[:] = [(status, headers)]
        return written.append

    answer = application(environ, start_response)
    close = getattr(answer, "close", None)
    iterator = iter(answer)
    first: list[bytes] = []
    while not started:
        first.append(next(iterator))
    status, headers = started[0]
    return status, headers, _chunks([*written, *first], iterator, close)


def _chunks(
    first: list[bytes], rest: Iterator[bytes], close: Callable[[], None] | None
) -> Iterator[bytes]:
    try:
        yield from first
        yield from rest
    finally:
        if close is not None:
            close()


def _response(
    request: requests.PreparedRequest,
    status: str,
    pairs: list[tuple[str, str]],
    chunks: Iterable[bytes],
) -> requests.Response:
    code, _, reason = status.partition(" ")
    headers = HTTPHeaderDict()
    for name, value in pairs:
        headers.add(name, value)
    original = _Original(pairs)
    raw = HTTPResponse(
        body=io.BufferedReader(_Reader(chunks)),
        headers=headers,
        status=int(code),
        reason=reason,
        version=11,
        version_string="HTTP/1.1",
        preload_content=False,
        original_response=cast("http.client.HTTPResponse", original),
        request_method=request.method,
        request_url=request.url,
    )
    response = requests.Response()
    response.status_code = int(code)
    response.headers = CaseInsensitiveDict(headers)
    response.encoding = get_encoding_from_headers(response.headers)
    response.raw = raw
    response.reason = reason
    response.url = request.url or ""
    response.request = request
    extract_cookies_to_jar(response.cookies, request, raw)  # type: ignore[no-untyped-call]
    return response


class _Original:
    """What urllib3 and the cookie jar ask of an http.client response."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.msg = http.client.HTTPMessage()
        for name, value in pairs:
            self.msg[name] = value

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        """There is no connection to close."""


class _Reader(io.RawIOBase):
    """A readable file over an iterable of bytes; closing it closes the iterable."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        super().close()


def _body(body: Any, headers: Mapping[str, Any]) -> tuple[IO[bytes], int | None]:
    """The request's body as a file, and its length where one is known."""
    if body is None:
        return io.BytesIO(), 0
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, bytes | bytearray):
        return io.BytesIO(body), len(body)
    length = headers.get("Content-Length")
    size = None if length is None else int(length)
    if hasattr(body, "read"):
        return cast("IO[bytes]", body), size
    chunks = (part.encode() if isinstance(part, str) else bytes(part) for part in body)
    return cast("IO[bytes]", io.BufferedReader(_Reader(chunks))), size


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
