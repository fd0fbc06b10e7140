"""The embedded Simvue: from a request to an answer.

Path, method, credentials, then the view: the order of a framework of today, as the real server's is
not known.
"""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Request, Response

from objmapper.server.options import Options
from objmapper.server.simvue import people, tokens
from objmapper.server.simvue.call import Answer, Call
from objmapper.server.simvue.errors import ApiError, Forbidden
from objmapper.server.simvue.routes import PUBLIC, find
from objmapper.server.simvue.seed import seed
from objmapper.server.simvue.tables import SCHEMA
from objmapper.server.storage import SIMVUE, Database

_JSON = "application/json"
_BYTES = "application/octet-stream"


class Simvue:
    """A Simvue of its own: its database and the way of a request through it."""

    fault = (_JSON, '{"detail":"Internal Server Error"}')

    def __init__(self, options: Options) -> None:
        self._database = Database(options.path, schema=SCHEMA, mark=SIMVUE)
        try:
            with self._database.transaction() as connection:
                _, token = people.prepare(connection, self._database.now, options)
                if options.seed is not None:
                    seed(connection, *options.seed)
        except BaseException:
            self._database.close()
            raise
        self.credentials = {"TOKEN": token}

    def close(self) -> None:
        """The database is closed."""
        self._database.close()

    def create_token(self, name: str, token: str | None = None) -> str:
        """A token of a user, by name."""
        with self._database.transaction() as connection:
            return people.add_token(connection, name, token)

    def answer(self, request: Request) -> Response:
        """The answer to a request; a refusal is one too."""
        try:
            view, path, variables = find(request.method, request.path)
            with self._database.transaction() as connection:
                call = Call(connection, request, self._database.now)
                if path != PUBLIC:
                    _admit(call)
                return _response(view(call, **variables))
        except ApiError as error:
            response = _response(Answer(error.body, error.status))
            if error.allow:
                response.headers["Allow"] = error.allow
            return response


def _admit(call: Call) -> None:
    """Who asks is found out; who may only read changes nothing."""
    call.user = tokens.authenticate(call)
    if call.actor["is_readonly"] and call.request.method not in ("GET", "HEAD"):
        raise Forbidden


def _response(found: Answer) -> Response:
    body: Any = found.body
    if isinstance(body, bytes):
        return Response(body, found.status, content_type=_BYTES)
    if body is None:
        response = Response(status=found.status)
        response.headers.pop("Content-Type", None)
        return response
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "backslashreplace"), found.status, content_type=_JSON)
