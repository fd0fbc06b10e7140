"""A plain REST service, written by hand: what one finds where nobody chose a framework.

Lists are bare JSON arrays in pages of four, ``Link: <...>; rel="next"`` leads on and
``X-Total-Count`` tells the total; ``?name=x`` filters by equality and anything unknown is a 400. A
create answers 201, an update 200, a delete 204; wrong values are a 400 by name, a missing row is a
404, any other verb a 405, a missing token a 401.
"""

import json
import threading
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

TOKEN = "a-token-of-the-rest-service"
PAGE_SIZE = 4
TABLES: dict[str, dict[str, tuple[type, ...]]] = {
    "projects": {"name": (str,)},
    "tasks": {
        "name": (str,),
        "note": (str, type(None)),
        "size": (int,),
        "project": (int, type(None)),
    },
}


class Refusal(Exception):
    def __init__(self, status: int, body: Any, **headers: str) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


class RestService:
    """The service as WSGI, over tables in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.tables: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in TABLES}
        self._last = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with self._lock:
            try:
                status, body, headers = self._answer(environ, content)
            except Refusal as refusal:
                status, body, headers = refusal.status, refusal.body, refusal.headers
        data = b"" if body is None else json.dumps(body).encode()
        told = [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
        told += [(name.replace("_", "-"), value) for name, value in headers.items()]
        start_response(f"{status} {HTTPStatus(status).phrase}", told)
        return [data]

    def _answer(self, environ: dict[str, Any], content: bytes) -> tuple[int, Any, dict[str, str]]:
        if environ.get("HTTP_AUTHORIZATION") != f"Bearer {TOKEN}":
            raise Refusal(401, {"message": "No token."}, WWW_Authenticate="Bearer")
        method, parts = environ["REQUEST_METHOD"], environ["PATH_INFO"].strip("/").split("/")
        if parts[:1] != ["api"] or parts[1] not in TABLES or len(parts) > 3:
            raise Refusal(404, {"message": "There is no such address."})
        table, key = parts[1], parts[2] if len(parts) == 3 else None
        verbs = ("GET", "POST") if key is None else ("GET", "PATCH", "DELETE")
        if method not in verbs:
            raise Refusal(405, {"message": f"{method} is not taken."}, Allow=", ".join(verbs))
        if key is None:
            if method == "POST":
                return 201, self._create(table, json.loads(content)), {}
            return self._list(table, environ)
        row = self.tables[table].get(int(key)) if key.isdigit() else None
        if row is None:
            raise Refusal(404, {"message": "There is no such row."})
        if method == "DELETE":
            del self.tables[table][row["id"]]
            return 204, None, {}
        if method == "PATCH":
            row.update(self._checked(table, json.loads(content)))
        return 200, row, {}

    def _list(self, table: str, environ: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        params = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        page = int(params.pop("page", 1))
        unknown = sorted(set(params) - {"id", *TABLES[table]})
        if unknown:
            raise Refusal(400, {name: ["There is no such parameter."] for name in unknown})
        rows = [
            row
            for row in self.tables[table].values()
            if all(str(row.get(name)) == value for name, value in params.items())
        ]
        headers = {"X_Total_Count": str(len(rows))}
        if len(rows) > page * PAGE_SIZE:
            target = f"/api/{table}?{urlencode(params | {'page': page + 1})}"
            headers["Link"] = f'</api/{table}>; rel="first", <{target}>; rel="next"'
        return 200, rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], headers

    def _create(self, table: str, body: Any) -> dict[str, Any]:
        given = self._checked(table, body)
        if not given.get("name"):
            raise Refusal(400, {"name": ["A name is needed."]})
        self._last += 1
        blank = {
            name: None if type(None) in kinds else kinds[0]()
            for name, kinds in TABLES[table].items()
        }
        row = self.tables[table][self._last] = {"id": self._last, **blank, **given}
        return row

    def _checked(self, table: str, body: Any) -> dict[str, Any]:
        columns = TABLES[table]
        problems = {
            name: ["There is no such column."] if name not in columns else ["Of the wrong type."]
            for name, value in body.items()
            if not isinstance(value, columns.get(name, ())) or isinstance(value, bool)
        }
        if isinstance(body.get("size"), int) and body["size"] < 0:
            problems["size"] = ["A size is not negative."]
        project = body.get("project")
        if isinstance(project, int) and project not in self.tables["projects"]:
            problems["project"] = [f"There is no project {project}."]
        if problems:
            raise Refusal(400, problems)
        return dict(body)
