"""The embedded CVAT: from a request to an answer, in the order in which CVAT looks at things.

Path, Accept, credentials, method, then the view: so a request can be wrong in several ways and is
refused for the first (observed on CVAT 2.15).
"""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Request, Response

from objmapper.server.cvat import accounts
from objmapper.server.cvat.auth import authenticate
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.errors import ApiError, MethodNotAllowed, Unauthorized, html
from objmapper.server.cvat.negotiation import HTML, JSON, negotiate, render
from objmapper.server.cvat.routes import Route, find
from objmapper.server.cvat.seed import seed
from objmapper.server.cvat.tables import SCHEMA
from objmapper.server.options import Options
from objmapper.server.storage import Database

_SESSION_SECONDS = 14 * 24 * 3600
_CSRF_SECONDS = 364 * 24 * 3600


class Cvat:
    """A CVAT of its own: its database and the way of a request through it."""

    def __init__(self, options: Options) -> None:
        self._database = Database(options.path, schema=SCHEMA)
        try:
            with self._database.transaction() as connection:
                accounts.prepare(connection, self._database.now, options)
                if options.seed is not None:
                    seed(connection, *options.seed)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """The database is closed."""
        self._database.close()

    def create_token(self, name: str, token: str | None = None) -> str:
        """A personal access token of a user, by name."""
        with self._database.transaction() as connection:
            return accounts.add_token(connection, name, token)

    def answer(self, request: Request) -> Response:
        """The answer to a request; a refusal is one too."""
        kind, allow = JSON, ""
        try:
            route, variables = find(request.path)
            allow = route.allow
            kind = negotiate(request.headers.get("Accept", ""))
            with self._database.transaction() as connection:
                call = Call(request, connection, self._database.now)
                found = _view(call, route, variables)
            response = _response(kind, found)
            _set_cookies(response, call)
        except ApiError as error:
            response = _refusal(kind, error)
        if allow and response.status_code != 500:
            response.headers["Allow"] = allow
        return response


def _view(call: Call, route: Route, variables: dict[str, str]) -> Answer:
    call.user = authenticate(call)
    if call.user is None and not route.public:
        raise Unauthorized
    method = call.request.method
    if method == "OPTIONS":
        return Answer(_options(route))
    view = route.views.get("GET" if method == "HEAD" else method)
    if view is None:
        raise MethodNotAllowed(method)
    return view(call, variables)


def _options(route: Route) -> dict[str, Any]:
    return {
        "name": route.title,
        "description": "",
        "renders": [JSON, HTML],
        "parses": ["application/json"],
    }


def _response(kind: str, found: Answer) -> Response:
    if found.status == 204:
        response = Response(status=204)
        response.headers.pop("Content-Type", None)
        return response
    text, content_type = render(kind, found.body)
    return Response(text, found.status, list(found.headers), content_type=content_type)


def _refusal(kind: str, error: ApiError) -> Response:
    if error.page is not None:
        text = html(error.page, error.body)
        return Response(text, error.status, content_type="text/html; charset=utf-8")
    response = _response(kind, Answer(error.body, error.status))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Token"
    return response


def _set_cookies(response: Response, call: Call) -> None:
    for name, value in call.cookies.items():
        session = name == "sessionid"
        age = 0 if value is None else _SESSION_SECONDS if session else _CSRF_SECONDS
        response.set_cookie(
            name,
            value or "",
            max_age=age,
            expires=0 if value is None else None,
            path="/",
            httponly=session,
            samesite="Lax",
        )
