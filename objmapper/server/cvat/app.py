"""The embedded CVAT: from a request to an answer, in the order in which CVAT looks at things.

Path, Accept, credentials, throttle, method, then the view: so a request can be wrong in several
ways and is refused for the first (observed on CVAT 2.15; the throttle's place is the framework's).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from werkzeug.wrappers import Request, Response

from objmapper.server.cvat import accounts, sessions
from objmapper.server.cvat.auth import authenticate
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.data_tables import ANNOTATIONS, DATA
from objmapper.server.cvat.errors import (
    ApiError,
    Forbidden,
    MethodNotAllowed,
    NotReady,
    Throttled,
    Unauthorized,
    html,
)
from objmapper.server.cvat.negotiation import HTML, JSON, negotiate, render
from objmapper.server.cvat.routes import Route, find
from objmapper.server.cvat.seed import seed
from objmapper.server.cvat.site import Site
from objmapper.server.cvat.tables import SCHEMA
from objmapper.server.cvat.throttle import Throttle
from objmapper.server.cvat.versions import VERSIONS
from objmapper.server.options import Options
from objmapper.server.storage import CVAT, Database


class Cvat:
    """A CVAT of its own: its database and the way of a request through it."""

    fault = (
        "text/html; charset=utf-8",
        "<!doctype html>\n<title>Server Error (500)</title>\n<h1>Server Error (500)</h1>\n",
    )

    def __init__(self, options: Options) -> None:
        name, password = options.users[0]
        self.credentials = {"USER": name, "PASSWORD": password}
        self._version = VERSIONS[options.version]
        self._throttle = Throttle() if options.throttle else None
        self._site = Site(options)
        self._database = Database(options.path, schema=SCHEMA + DATA + ANNOTATIONS, mark=CVAT)
        try:
            with self._database.transaction() as connection:
                accounts.prepare(connection, self._database.now, options)
                if options.seed is not None:
                    seed(connection, *options.seed)
                blobs = [row["name"] for row in connection.execute("SELECT name FROM blob")]
            self._site.folder.remove(self._site.folder.strays(blobs))
            self._sweep()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """The database is closed, and its files are deleted unless they were to stay."""
        self._database.close()
        self._site.close()

    def fail_next_request(self, message: str) -> None:
        """The next background request fails with this message."""
        self._site.fail_next(message)

    def _sweep(self) -> None:
        """The files that nothing refers to any more are deleted, once that is settled."""
        with self._database.transaction() as connection:
            names = [row["name"] for row in connection.execute("SELECT name FROM garbage")]
            self._site.folder.remove(names)
            connection.execute("DELETE FROM garbage")

    def create_token(self, name: str, token: str | None = None) -> str:
        """A personal access token of a user, by name."""
        with self._database.transaction() as connection:
            return accounts.add_token(connection, self._database.now, name, token)

    def answer(self, request: Request) -> Response:
        """The answer to a request; a refusal is one too."""
        kind, allow, challenge = JSON, "", ""
        call = None
        try:
            route, variables = find(request.path, self._version)
            allow, challenge = route.allow, route.challenge
            kind = negotiate(request.headers.get("Accept", ""))
            # A session that begins stays, even if the view refuses.
            with self._database.transaction() as connection:
                call = Call(connection, request, self._database.now, self._version, self._site)
                self._admit(call, route)
            with self._database.transaction():
                found = _view(call, route, variables)
            # Outside of the transaction: nobody waits while a picture is made.
            response = _response(kind, found)
            if request.method == "DELETE":
                self._sweep()
        except ApiError as error:
            response = _refusal(kind, error, challenge)
        if call is not None:
            sessions.set_cookies(call, response)
        if allow and response.status_code != 500:
            response.headers["Allow"] = allow
        return response

    def _admit(self, call: Call, route: Route) -> None:
        """Who asks is found out; without credentials there is only what is public, now and then."""
        sessions.replace_bad_token(call)
        call.user = authenticate(call, route.public)
        if call.user is not None:
            return
        if not route.public:
            raise Unauthorized
        if self._throttle is not None:
            self._throttle.check(call.request.remote_addr or "")


def _view(call: Call, route: Route, variables: dict[str, str]) -> Answer:
    method = call.request.method
    view = route.views.get(method)
    if view is None and method == "OPTIONS":
        return Answer(_options(route))
    if view is None and method == "HEAD":
        view = route.views.get("GET")
    if view is None:
        raise MethodNotAllowed(method)
    if method not in sessions.SAFE and route.is_closed_to(call.token):
        raise Forbidden
    answer = view(call, variables)
    return replace(answer, body=call.version.told(call.kind, answer.body))


def _options(route: Route) -> dict[str, Any]:
    return {
        "name": route.title,
        "description": "",
        "renders": [JSON, HTML],
        "parses": ["application/json"],
    }


def _response(kind: str, found: Answer) -> Response:
    if found.content is not None:
        body, content_type = found.content.make(), found.content.kind
        return Response(body, found.status, list(found.headers), content_type=content_type)
    if found.body is None:
        response = Response(status=found.status, headers=list(found.headers))
        response.headers.pop("Content-Type", None)
        return response
    text, content_type = render(kind, found.body)
    return Response(text, found.status, list(found.headers), content_type=content_type)


def _refusal(kind: str, error: ApiError, challenge: str) -> Response:
    if error.page is not None:
        text = html(error.page, error.body)
        return Response(text, error.status, content_type="text/html; charset=utf-8")
    response = _response(kind, Answer(error.body, error.status))
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = challenge
    if isinstance(error, Throttled | NotReady):
        response.headers["Retry-After"] = str(error.seconds)
    return response
