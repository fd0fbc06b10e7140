"""A front controller stands before one server's views: it counts, checks, compresses and logs."""

from __future__ import annotations

import gzip
import itertools
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.wrappers import Request, Response

from objmapper.server.contract import Contract

# CVAT leaves a smaller body alone (observed on CVAT 2.15).
_COMPRESS_FROM = 200


class Front:
    """The WSGI application of an embedded server, whatever its kind."""

    def __init__(self, answer: Callable[[Request], Response], contract: Contract | None) -> None:
        self._answer = answer
        self._contract = contract
        self._counter = itertools.count(1)
        self.requests = 0
        self.violations: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.requests = next(self._counter)
        request = Request(environ)
        response = self._answer(request)
        response.headers["X-Request-Id"] = str(uuid.uuid4())
        if self._contract is not None:
            response = self._reviewed(self._contract, request, response)
        _compress(request, response)
        return response(environ, start_response)

    def _reviewed(self, contract: Contract, request: Request, response: Response) -> Response:
        """An answer against the contract becomes a 500; an accepted bad request is recorded."""
        method, path = request.method, request.path
        status = response.status_code
        headers = {name.lower(): value for name, value in response.headers.items()}
        where = f"{method} {path} {status}"
        # A request that is against the contract and refused is as it should be. One that is taken
        # nevertheless shows a gap in the document; it is not refused, as CVAT takes it too.
        if status < 400:
            query = request.query_string.decode("latin-1")
            taken = contract.request_faults(
                method, path, query, request.get_data(), request.content_type or ""
            )
            self.violations += [f"{where}: request {fault}" for fault in taken]
        faults = contract.answer_faults(method, path, status, headers, response.get_data())
        if not faults:
            return response
        found = [f"{where}: {fault}" for fault in faults]
        self.violations += found
        return Response("Contract violation\n" + "\n".join(found) + "\n", 500)


def _compress(request: Request, response: Response) -> None:
    if response.is_streamed or "Content-Encoding" in response.headers:
        return
    if not request.accept_encodings["gzip"]:
        return
    body = response.get_data()
    if len(body) >= _COMPRESS_FROM:
        response.set_data(gzip.compress(body, compresslevel=1, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        response.headers.add("Vary", "Accept-Encoding")
