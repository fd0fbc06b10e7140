"""A small JSON service over tables of dicts, for tests that need a server of their own shape.

::

    server = SmallServer()
    server.table("projects", [{"id": 1, "name": "p"}])
    server.table("tasks", rows, thin=("id", "name"), foreign={"project": "projects"})
    client = server.client()                    # or client(dialect="rest", page_size=2, ...)
    ...
    assert server.asked == ["GET /tasks/?page_size=2"]

It speaks as Django REST framework with django-filter does (``{count, next, previous, results}``,
``name__lookup=``, ``ordering``, a 404 past the end), or, with ``style="rest"``, sends bare arrays
with a Link header. Both take ``fields=id,name``. The fixture ``small`` is one of these;
``small_server(style="rest")`` opens others.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import requests
from werkzeug.wrappers import Request, Response

from objmapper import Client
from objmapper.dialects import DRF
from objmapper.server.adapter import WSGIAdapter
from objmapper.transport.policy import Policy

Row = dict[str, Any]


class SmallDialect(DRF):
    """What the service speaks; ``fields=`` selects, and a list may be thinner than the detail."""

    can_select = True
    can_jump = True

    def list_request(self, query: Any, page_size: int | None) -> Any:
        request = super().list_request(query, page_size)
        if not query.only:
            return request
        names = ",".join(field.key for field in query.only)
        return type(request)(request.method, request.path, (*request.params, ("fields", names)))

    def page_request(self, first: Any, number: int, query: Any) -> Any:
        return type(first)(first.method, first.path, (*first.params, ("page", number)))


@dataclass
class Table:
    """The rows of one endpoint, and how it answers."""

    #: Below the base URL; braces name columns: ``runs/{run}/artifacts``.
    endpoint: str
    rows: dict[Any, Row]
    key: str = "id"
    #: The columns of a list's rows; None: all that the detail has.
    thin: tuple[str, ...] | None = None
    #: ``{column: table}``; conditions may lead through these.
    foreign: Mapping[str, str] = field(default_factory=dict)
    #: ``{column of foreign: columns}``: sent as a nested row, which is written as a plain key.
    nested: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: ``{name in a body: column}``.
    written_as: Mapping[str, str] = field(default_factory=dict)
    #: ``{name in a body: (table, its column)}``: a list of rows that are created along.
    children: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: Columns that are taken and never sent.
    secret: tuple[str, ...] = ()
    #: Counted up by every write.
    version: str | None = None
    #: What a POST and a PATCH answer: "row", "nothing", or "keyless" (the row without its key).
    answers: str = "row"
    singleton: bool = False
    #: Columns without which a new row is refused; of a list of new rows, all are.
    required: tuple[str, ...] = ()
    #: A detail has an ETag, which is ``strong`` or ``weak``, and If-Match is heeded.
    etags: str | None = None
    #: A write without If-Match is refused with 428.
    demands: bool = False

    def etag(self, row: Row) -> str:
        """The version of a row: what it has now, secret columns too."""
        told = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:12]
        return f'{"W/" if self.etags == "weak" else ""}"{told}"'

    def next_key(self) -> int:
        return max([0, *(key for key in self.rows if isinstance(key, int))]) + 1


@dataclass
class Seen:
    """A request that came in."""

    method: str
    path: str
    query: str
    body: Any
    headers: Mapping[str, str]
    thread: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")


@dataclass
class Fault:
    """An answer in place of the usual one; ``done``: what was asked is done all the same."""

    method: str
    path: str
    status: int
    body: Any
    times: int
    done: bool
    headers: Mapping[str, str]


class Refused(Exception):
    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


class SmallServer:
    """The service. *slash*: whether its paths end in one."""

    url = "http://small.test/api"

    def __init__(self, *, style: str = "drf", page_size: int = 100, slash: bool = True) -> None:
        self.style, self.page_size, self.slash = style, page_size, slash
        self.tables: dict[str, Table] = {}
        self.seen: list[Seen] = []
        self.faults: list[Fault] = []
        #: Called with each request before it is answered, on the thread that sent it.
        self.hook: Callable[[Seen], None] = lambda seen: None
        self._lock = threading.Lock()
        self._opened: list[Any] = []

    # -- what a test says -------------------------------------------------------------------------

    def table(self, endpoint: str, rows: Iterable[Row] = (), **options: Any) -> Table:
        """Serve *rows* below *endpoint*; the options are those of Table."""
        made = Table(endpoint, {}, **options)
        made.rows.update((row.get(made.key, ""), row) for row in rows)
        self.tables[endpoint] = made
        return made

    def fail(
        self,
        method: str,
        path: str,
        status: int = 500,
        body: Any = None,
        *,
        times: int = 1,
        done: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next requests for *path* (``/tasks/1``) with an error."""
        self.faults.append(Fault(method, path, status, body, times, done, headers or {}))

    def client(
        self,
        *,
        dialect: Any = None,
        retries: int = 0,
        settle_after: float = 0.0,
        idempotency_header: str | None = None,
        **capabilities: Any,
    ) -> Client:
        """Return a client of this service, whose dialect is SmallDialect with *capabilities*.

        Nothing is sent again unless *retries* says so, and then without a pause.
        """
        http = requests.Session()
        http.trust_env = False
        http.mount(self.url, WSGIAdapter(self.app))
        if dialect is None:
            dialect = SmallDialect(**({"trailing_slash": self.slash} | capabilities))
        client = Client(
            self.url,
            dialect=dialect,
            http=http,
            settle_after=settle_after,
            idempotency_header=idempotency_header,
        )
        client.transport.policy = Policy(retries, backoff=0)
        self._opened += [client, http]
        return client

    def close(self) -> None:
        for opened in self._opened:
            opened.close()

    @property
    def asked(self) -> list[str]:
        """The requests so far: ``GET /tasks/?name=x``, as they were sent."""
        return [str(seen) for seen in self.seen]

    # -- what it does -----------------------------------------------------------------------------

    @Request.application
    def _answer(self, request: Request) -> Response:
        path = request.path.removeprefix("/api")
        body = json.loads(request.get_data()) if request.get_data() else None
        query = request.query_string.decode()
        thread = threading.current_thread().name
        seen = Seen(request.method, path, query, body, dict(request.headers), thread)
        with self._lock:
            self.seen.append(seen)
        self.hook(seen)
        with self._lock:
            fault = self._fault(seen)
            if fault is not None and not fault.done:
                return _json(fault.status, fault.body, fault.headers)
            try:
                answer = self._route(request, path.strip("/").split("/"), body)
            except Refused as refused:
                answer = _json(refused.status, refused.body)
            return answer if fault is None else _json(fault.status, fault.body, fault.headers)

    def app(self, environ: Any, start_response: Any) -> Any:
        return self._answer(environ, start_response)

    def _fault(self, seen: Seen) -> Fault | None:
        for fault in self.faults:
            if fault.method == seen.method and fault.path.strip("/") == seen.path.strip("/"):
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return fault
        return None

    def _route(self, request: Request, parts: list[str], body: Any) -> Response:
        for table in self.tables.values():
            wanted = table.endpoint.split("/")
            rest = parts[len(wanted) :]
            if len(parts) < len(wanted) or len(rest) > 1:
                continue
            pairs = list(zip(wanted, parts, strict=False))
            if any(want != part for want, part in pairs if not want.startswith("{")):
                continue
            within = {want[1:-1]: _number(part) for want, part in pairs if want.startswith("{")}
            if table.singleton or rest:
                return self._detail(request, table, rest[0] if rest else "", within, body)
            if request.method == "POST":
                return self._create(table, within, body)
            return self._list(request, table, within)
        raise Refused(404, {"detail": "Not found."})

    def _list(self, request: Request, table: Table, within: Row) -> Response:
        params = request.args.to_dict()
        page = int(params.pop("page", 1))
        size = int(params.pop("page_size", self.page_size))
        ordering, names = params.pop("ordering", ""), params.pop("fields", "")
        conditions = {**params, **{name: str(value) for name, value in within.items()}}
        rows = [row for row in table.rows.values() if self._meets(table, row, conditions)]
        for name in reversed(ordering.split(",") if ordering else ()):
            rows.sort(
                key=lambda row, name=name: self._value(table, row, name.lstrip("-").split("__")),
                reverse=name.startswith("-"),
            )
        total, rows = len(rows), rows[(page - 1) * size : page * size]
        if page > 1 and not rows:
            raise Refused(404, {"detail": "Invalid page."})
        chosen = tuple(names.split(",")) if names else table.thin
        shown = [self._shown(table, row, chosen) for row in rows]
        more = request.args.to_dict() | {"page": str(page + 1)}
        url = requests.Request("GET", request.base_url, params=more).prepare().url
        following = url if total > page * size else None
        if self.style == "rest":
            link = {"Link": f'<{following}>; rel="next"'} if following else {}
            return _json(200, shown, {"X-Total-Count": str(total), **link})
        return _json(200, {"count": total, "next": following, "previous": None, "results": shown})

    def _detail(
        self, request: Request, table: Table, text: str, within: Row, body: Any
    ) -> Response:
        method = request.method
        key = next((key for key in table.rows if str(key) == text), None)
        row = None if key is None else table.rows[key]
        if row is None or any(str(row.get(name)) != str(v) for name, v in within.items()):
            raise Refused(404, {"detail": "Not found."})
        if table.etags and method != "GET":
            self._check_match(table, row, request.headers.get("If-Match"))
        if method == "DELETE":
            del table.rows[key]
            return Response(status=204)
        if method in ("PATCH", "PUT"):
            self._write(table, row, body)
            return self._written(table, row, 200)
        return _json(200, self._shown(table, row, None), self._tag(table, row))

    def _check_match(self, table: Table, row: Row, said: str | None) -> None:
        if said is None and table.demands:
            raise Refused(428, {"detail": "Say If-Match."})
        # The strong comparison of RFC 9110: a weak tag is equal to none.
        if said not in (None, "*") and (said != table.etag(row) or said.startswith("W/")):
            raise Refused(412, {"detail": "It was changed meanwhile."})

    def _tag(self, table: Table, row: Row) -> Mapping[str, str]:
        return {"ETag": table.etag(row)} if table.etags else {}

    def _create(self, table: Table, within: Row, body: Row | list[Row]) -> Response:
        rows = body if isinstance(body, list) else [body]
        missing = [
            {name: ["This field is required."] for name in table.required if row.get(name) is None}
            for row in rows
        ]
        if any(missing):
            raise Refused(400, missing if isinstance(body, list) else missing[0])
        made = [self._created(table, within, row) for row in rows]
        return self._written(table, made if isinstance(body, list) else made[0], 201)

    def _created(self, table: Table, within: Row, body: Row) -> Row:
        row: Row = {table.key: body.get(table.key, table.next_key()), **within}
        self._write(table, row, body)
        table.rows[row[table.key]] = row
        return row

    def _write(self, table: Table, row: Row, body: Row) -> None:
        for name, value in body.items():
            if name in table.children:
                other, column = table.children[name]
                below = self.tables[other]
                for item in value:
                    key = below.next_key()
                    below.rows[key] = {below.key: key, **item, column: row[table.key]}
                continue
            row[table.written_as.get(name, name)] = value
        if table.version:
            row[table.version] = row.get(table.version, 0) + 1

    def _written(self, table: Table, row: Row | list[Row], status: int) -> Response:
        if table.answers == "nothing":
            return Response(status=204)
        rows = [
            self._shown(table, each, None) for each in (row if isinstance(row, list) else [row])
        ]
        for shown in rows if table.answers == "keyless" else ():
            del shown[table.key]
        one = not isinstance(row, list)
        return _json(status, rows[0] if one else rows, self._tag(table, row) if one else {})

    def _shown(self, table: Table, row: Row, names: tuple[str, ...] | None) -> Row:
        shown = {}
        for name, value in row.items():
            if name in table.secret or (names is not None and name not in names):
                continue
            shown[name] = value
            if name in table.nested and value is not None:
                target = self.tables[table.foreign[name]]
                shown[name] = {n: target.rows[value][n] for n in table.nested[name]}
        return shown

    # -- conditions -------------------------------------------------------------------------------

    def _meets(self, table: Table, row: Row, conditions: Mapping[str, str]) -> bool:
        for name, wanted in conditions.items():
            parts = name.split("__")
            lookup = parts.pop() if parts[-1] in LOOKUPS else "exact"
            if not LOOKUPS[lookup](self._value(table, row, parts), wanted):
                return False
        return True

    def _value(self, table: Table, row: Row, path: list[str]) -> Any:
        value = row.get(path[0])
        for column, name in pairwise(path):
            table = self.tables[table.foreign[column]]
            value = table.rows[value].get(name) if value in table.rows else None
        return value


def _number(text: str) -> Any:
    return int(text) if text.lstrip("-").isdigit() else text


def _text(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, "") if isinstance(value, bool) else str(value)


def _like(value: Any, wanted: str) -> Any:
    """Return *wanted* as the kind of value that it is compared with."""
    return type(value)(wanted) if isinstance(value, int | float) else wanted


def _between(value: Any, wanted: str) -> bool:
    low, high = wanted.split(",")
    return value is not None and _like(value, low) <= value <= _like(value, high)


LOOKUPS: dict[str, Callable[[Any, str], bool]] = {
    "exact": lambda value, wanted: _text(value) == wanted,
    "iexact": lambda value, wanted: _text(value).lower() == wanted.lower(),
    "contains": lambda value, wanted: wanted in (value if isinstance(value, list) else str(value)),
    "icontains": lambda value, wanted: wanted.lower() in str(value).lower(),
    "startswith": lambda value, wanted: str(value).startswith(wanted),
    "endswith": lambda value, wanted: str(value).endswith(wanted),
    "in": lambda value, wanted: _text(value) in wanted.split(","),
    "gt": lambda value, wanted: value is not None and value > _like(value, wanted),
    "gte": lambda value, wanted: value is not None and value >= _like(value, wanted),
    "lt": lambda value, wanted: value is not None and value < _like(value, wanted),
    "lte": lambda value, wanted: value is not None and value <= _like(value, wanted),
    "range": _between,
    "isnull": lambda value, wanted: (value is None) == (wanted == "true"),
}


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    if isinstance(body, str | bytes):
        return Response(body, status, dict(headers or {}), content_type="text/html")
    text = "" if body is None else json.dumps(body)
    return Response(text, status, dict(headers or {}), content_type="application/json")
