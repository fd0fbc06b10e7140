"""A front controller stands before one server's views: it counts, checks and compresses."""

from __future__ import annotations

import gzip
import logging
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.wrappers import Request, Response

from objmapper.server.contract import Contract

# CVAT leaves a smaller body alone (observed on CVAT 2.15).
_COMPRESS_FROM = 200

_log = logging.getLogger(__name__)


class Front:
    """The WSGI application of an embedded server, whatever its kind."""

    def __init__(
        self,
        answer: Callable[[Request], Response],
        contract: Contract | None,
        fault: tuple[str, str],
    ) -> None:
        self._answer = answer
        # Content type and body of a 500.
        self._fault = fault
        self._contract = contract
        self._lock = threading.Lock()
        self.requests = 0
        self.violations: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            self.requests += 1
        # What a form brings along is closed with the request; the environ does not know the request,
        # or both would keep a long body until they are collected.
        with Request(environ, populate_request=False) as request:
            response = self._response(request)
        return response(environ, start_response)

    def _response(self, request: Request) -> Response:
        try:
            response = self._answer(request)
        except Exception as error:
            _log.exception("%s %s", request.method, request.full_path)
            content_type, text = self._fault
            response = Response(text, 500, content_type=content_type)
            self._record(f"{request.method} {request.path}: {error!r}")
        response.headers["X-Request-Id"] = str(uuid.uuid4())
        if self._contract is not None:
            self._review(self._contract, request, response)
        _compress(request, response)
        return response

    def _record(self, *found: str) -> None:
        if self._contract is not None:
            self.violations += found
            for each in found:
                _log.warning("%s", each)

    def _review(self, contract: Contract, request: Request, response: Response) -> None:
        """An answer against the contract becomes a 500; an accepted bad request is recorded."""
        method, path, status = request.method, request.path, response.status_code
        where = f"{method} {path} {status}"
        # A request that is against the contract and refused is as it should be. One that is taken
        # nevertheless shows a gap in the document; it is not refused, as CVAT takes it too.
        if status < 400:
            query = request.query_string.decode("latin-1")
            # Files are not read again: they may be long, and a view has read them.
            is_read = request.is_json or request.mimetype.endswith("msgpack")
            body = request.get_data() if is_read else b""
            kind = request.content_type or ""
            taken = contract.request_faults(method, path, query, body, kind)
            self._record(*(f"{where}: request {fault}" for fault in taken))
        headers = {name.lower(): value for name, value in response.headers.items()}
        faults = contract.answer_faults(method, path, status, headers, response.get_data())
        if faults:
            found = [f"{where}: {fault}" for fault in faults]
            self._record(*found)
            response.status_code = 500
            response.content_type = "text/plain; charset=utf-8"
            response.set_data("Contract violation\n" + "\n".join(found) + "\n")


def _compress(request: Request, response: Response) -> None:
    # Files are sent as they are stored.
    if response.mimetype == "application/octet-stream" or not request.accept_encodings["gzip"]:
        return
    body = response.get_data()
    if len(body) >= _COMPRESS_FROM:
        response.set_data(gzip.compress(body, compresslevel=1, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        response.headers.add("Vary", "Accept-Encoding")
