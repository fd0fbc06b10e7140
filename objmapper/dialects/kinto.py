"""Kinto: records in collections in buckets, each in an envelope ``{"data": ...}``.

Observed on Kinto 26.5.0. A record has an ``id``, of the server or of the client, and
``last_modified``, which the server sets and which is the ETag as well. ``Next-Page`` leads on,
``Total-Objects`` of a HEAD tells the total. A filter's value is JSON: ``name="7"`` is text and
``name=7`` a number. In order, all JSON has its place, as in PostgreSQL: null, text, numbers, truth
values, lists, objects, and last what is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote

from objmapper.dialects.base import (
    Dialect,
    RowPage,
    row_of,
    rows_of,
    total_of,
    unwrap,
)
from objmapper.dialects.batches import paired
from objmapper.exceptions import (
    AlreadyExists,
    ContractError,
    ObjMapperError,
    QueryError,
    UnsupportedLookup,
    cut,
)
from objmapper.fields import Boolean, Decimal, Dict, ForeignKey, List, Raw, String
from objmapper.fields.containers import Nested
from objmapper.operation import Change, Draft, Json, Request, Response
from objmapper.query import Condition, Order, Query
from objmapper.transport import read_error
from objmapper.transport.masking import secret_values

_EXACT = frozenset({"exact", "in"})
_MEASURED = _EXACT | {"gt", "gte", "lt", "lte", "range"}
_TEXT = _MEASURED | {"icontains", "istartswith", "iendswith"}
_COMPARED = {"gt": "gt", "gte": "min", "lt": "lt", "lte": "max"}
_PATTERNS = {"icontains": "*{}*", "istartswith": "{}*", "iendswith": "*{}"}
#: What a filter of another kind begins with: ``has_children=1`` is none for equality.
_OPERATOR = re.compile(r"(lt|min|max|not|eq|gt|in|exclude|like|has|contains_any|contains)_")
_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)
#: Below all numbers, and above all text; what is not there, or null, is on no side of a value then.
_LOWEST = "-1.7976931348623157e308"
_GUARDS = {
    str: (("gt", "null"), ("lt", _LOWEST)),
    float: (("min", _LOWEST), ("lt", "false")),
}
#: Its memory backend takes the text of ``like_`` for a regular expression, PostgreSQL for a pattern.
_SPECIAL = re.compile(r"[%_*\\.^$+?{}\[\]|()]")
#: Always there, and of one type: no guard is needed, and Kinto takes none.
_OWN = frozenset({"id", "last_modified"})
_TOTAL = re.compile(r"[0-9]{1,18}")


class Kinto(Dialect):
    """A Kinto server; the client's base URL ends in its version: ``https://host/v1``.

    An endpoint names a collection of ``bucket``, or is a whole path: ``buckets/b/groups``. A key that
    the client chooses is created by PUT, which Kinto refuses where there is such a record. A create
    that is answered with an older record has failed: AlreadyExists.
    """

    name = "kinto"
    lookups = _TEXT | {"contains"}
    can_order = True
    can_reach_in = True
    can_select = True
    lists_are_full = True
    answers_are_full = True
    omits_unset = True
    ignores_unknown_filters = True
    ignores_unknown_orders = True
    creates_by_put = True
    has_etag = True
    etag_key = "last_modified"
    max_keys = 100
    max_batch = 25
    #: The bucket of endpoints that name a collection; ``default`` is each user's own.
    bucket: str = "default"

    # -- addresses --------------------------------------------------------------------------------

    def collection(self, mapper: Any, values: Mapping[str, Any]) -> tuple[Any, ...]:
        path = super().collection(mapper, values)
        if mapper.endpoint.split("/")[0] == "buckets":
            return path
        return (f"/buckets/{self.bucket}/collections" + path[0], *path[1:], "/records")

    # -- reading ----------------------------------------------------------------------------------

    def lookups_of(self, path: tuple[Any, ...]) -> frozenset[str]:
        *outer, field = path
        if any(isinstance(each, ForeignKey) for each in outer):
            return frozenset()
        if isinstance(field, Raw) and outer:  # whatever is in the JSON of a field
            return self.lookups
        if isinstance(field, Dict | Nested | Raw):
            return frozenset({"exact"})
        if isinstance(field, List):
            return frozenset({"exact", "contains"})
        if isinstance(field, Decimal | Boolean):  # decimals are text there, and sorted as such
            return _EXACT
        return _TEXT if isinstance(field, String) else _MEASURED

    def where(self, query: Query) -> Iterator[tuple[str, Any]]:
        """Yield one parameter a condition, and guards against what is null or not there.

        Those are below and above all values: ``gt_size=7`` is true of a record without a size. Kinto
        heeds one parameter of a name: two conditions of one kind on a field raise UnsupportedLookup.
        """
        said: dict[str, str] = {}
        guards: dict[str, str] = {}
        compared: dict[str, Any] = {}
        for condition in self.conjuncts(query.where):
            self.require(condition)
            for name, value in self._parameters(condition):
                if said.setdefault(name, value) != value:
                    raise UnsupportedLookup(
                        f"{condition}: Kinto heeds one condition {name.partition('_')[0]!r} of a "
                        "field. Say the narrower one, or evaluate one of them here with "
                        ".filter_locally(lambda obj: ...)."
                    )
            key, lookup = self._key(condition), condition.lookup
            if lookup not in ("exact", "in", "contains") and key not in _OWN:
                compared[key] = condition.value[0] if lookup == "range" else condition.value
        for key, value in compared.items():
            (low, least), (high, most) = _GUARDS[str if isinstance(value, str) else float]
            if not said.keys() & {f"gt_{key}", f"min_{key}"}:
                guards[f"{low}_{key}"] = least
            if not said.keys() & {f"lt_{key}", f"max_{key}"}:
                guards[f"{high}_{key}"] = most
        # First: the memory backend stops there, and fails when it searches for text in what is none.
        yield from {**guards, **said}.items()

    def _parameters(self, condition: Condition) -> Iterator[tuple[str, str]]:
        """Yield a condition as parameters. Raises UnsupportedLookup for what Kinto would misread."""
        key, lookup, value = self._key(condition), condition.lookup, condition.value
        if lookup == "exact" and (_OPERATOR.match(key) or key.startswith("_")):
            lookup, value = "in", (value,)  # else it would be a filter of another kind
        _check(condition, lookup, value)
        if lookup == "exact":
            yield key, _json(value)
        elif lookup == "in":
            yield f"in_{key}", ",".join(map(_json, value))
        elif lookup == "range":
            low, high = value
            yield f"min_{key}", _json(low)
            yield f"max_{key}", _json(high)
        elif lookup == "contains":
            yield f"contains_{key}", _json(value if isinstance(value, list) else [value])
        elif lookup in _COMPARED:
            yield f"{_COMPARED[lookup]}_{key}", _json(value)
        else:
            yield f"like_{key}", _json(_PATTERNS[lookup].format(value))

    def _key(self, said: Condition | Order) -> str:
        """Return a field's name as parameters say it. Raises UnsupportedLookup for what can't be one."""
        key = ".".join(field.key for field in said.path)
        if any("." in field.key for field in said.path) or not _NAME.fullmatch(key):
            raise UnsupportedLookup(
                f"{said}: Kinto takes letters, digits and '_' in the names that it filters or sorts "
                f"by, and would ignore {key!r}."
            )
        return key

    def order_parameter(self, keys: Sequence[Order]) -> tuple[str, Any]:
        said = [("-" if key.descending else "") + self._key(key) for key in keys]
        return "_sort", ",".join(said)

    def paging(self, query: Query, page_size: int | None) -> Iterator[tuple[str, Any]]:
        if query.only:
            yield "_fields", ",".join(field.key for field in query.only)  # and id, last_modified
        if page_size is not None:
            yield "_limit", page_size

    def read_page(self, query: Query, request: Request, response: Response) -> RowPage:
        rows = rows_of(unwrap(response.json(), "data", response), response)
        return RowPage(rows, None, response.headers.get("next-page") or None)

    def count_request(self, query: Query) -> Request | None:
        path = "".join(self.collection(query.mapper, dict(query.path_values)))
        return Request("HEAD", path, tuple(self.where(query)), self.headers_for(query))

    def read_count(self, response: Response) -> int:
        told = response.headers.get("total-objects", "")
        if not _TOTAL.fullmatch(told):
            raise ContractError(f"{response.url} tells {told!r} as its Total-Objects.")
        return total_of(int(told), response) or 0

    def read_row(self, mapper: Any, response: Response) -> dict[str, Any]:
        return row_of(unwrap(response.json(), "data", response), response)

    # -- writing ----------------------------------------------------------------------------------

    def body(self, change: Change) -> Any:
        return {"data": super().body(change)}

    def draft_create(self, change: Change, mapper: Any) -> Draft:
        draft = super().draft_create(change, mapper)
        request = draft.request
        if request.method == "PUT":  # else it would replace what is there
            request = request._replace(headers={**request.headers, "If-None-Match": "*"})
        return draft._replace(request=request, read=partial(self.read_created, mapper))

    def read_created(self, mapper: Any, response: Response) -> list[Any]:
        """Return the row of a create's answer, in a list. Raises AlreadyExists for an older record.

        A POST with a key that there is answers 200 with that record, and heeds nothing that was sent.
        """
        if response.status == 200:
            raise AlreadyExists(
                f"{response.method} {response.url} answered 200 OK with a record that was there "
                "before: nothing was created. Choose another key, or change that record.",
                response,
                body=response.json(),
            )
        return self.read_written(mapper, response)

    # -- batches ----------------------------------------------------------------------------------

    def company(self, draft: Draft) -> str | None:
        request = draft.request
        plain = not request.params and isinstance(request.body, Json | None)
        return "batch" if plain else None

    def batch_request(self, requests: Sequence[Request]) -> Request:
        items: list[dict[str, Any]] = []
        for request in requests:
            item: dict[str, Any] = {"method": request.method, "path": request.path}
            if request.headers:
                item["headers"] = secret_values(request.headers)
            if isinstance(request.body, Json):
                item["body"] = request.body.value
            items.append(item)
        first = items[0]
        defaults = {
            name: first[name]
            for name in ("method", "path", "headers")
            if all(name in item and item[name] == first[name] for item in items)
        }
        rest = [{n: part for n, part in item.items() if n not in defaults} for item in items]
        return Request("POST", "/batch", body=Json({"defaults": defaults, "requests": rest}))

    def batch_answers(
        self, response: Response, requests: Sequence[Request]
    ) -> list[Response | ObjMapperError]:
        items = rows_of(unwrap(response.json(), "responses", response), response)
        pairs = paired(items, requests, response)
        answers: list[Response | ObjMapperError] = [_answer(*pair, response) for pair in pairs]
        if any(item["status"] == 409 for item in items):
            # Kinto ends its transaction then: what it says is done may be rolled back.
            undone = ContractError(
                f"{response.url} met a conflict (409), which may undo all of it."
            )
            answers = [
                undone if isinstance(answer, Response) and answer.status < 400 else answer
                for answer in answers
            ]
        return answers

    def etag_of(self, row: Mapping[str, Any]) -> str | None:
        version = row.get(self.etag_key)
        return f'"{version}"' if version.__class__ is int else None

    def read_conflict(self, response: Response) -> dict[str, Any] | None:
        existing = _details(row_of(response.json(), response)).get("existing")
        return existing if isinstance(existing, dict) else None

    def read_error(self, response: Response) -> tuple[Any, list[str], dict[str, list[str]]] | None:
        """Read an error without the record that a 412 brings along.

        That complains of nothing, and may have values that are never shown (``write_only``).
        """
        body = response.json()
        if "existing" not in _details(body):
            return None
        details = {name: part for name, part in _details(body).items() if name != "existing"}
        rest = json.dumps({**body, "details": details}).encode()
        _, messages, errors = read_error(response._replace(content=rest))
        return body, messages, errors


def _details(body: Any) -> dict[str, Any]:
    """Return what an error answer says beside its words."""
    details = body.get("details") if isinstance(body, dict) else None
    return details if isinstance(details, dict) else {}


def _check(condition: Condition, lookup: str, value: Any) -> None:
    """Raise UnsupportedLookup for a value that Kinto would misread."""
    why = ""
    if lookup == "in" and any(isinstance(item, list | dict) for item in value):
        why = "Kinto takes a list in a list of values for two of them"
    elif lookup in _PATTERNS and not isinstance(value, str):
        why = "only text is searched"
    elif lookup in _PATTERNS and (found := _SPECIAL.search(value)):
        why = f"Kinto searches text for a pattern, in which {found[0]!r} means something else"
    elif lookup in (*_COMPARED, "range"):
        ends = value if lookup == "range" else (value,)
        kinds = {str if isinstance(end, str) else type(end) for end in ends}
        if not (kinds == {str} or kinds <= {int, float}):
            why = "text and numbers have an order"
    if why:
        raise UnsupportedLookup(
            f"{condition}: {why}. Evaluate it here with .filter_locally(lambda obj: ...)."
        )


def _answer(item: dict[str, Any], request: Request, response: Response) -> Response:
    """Return an item of a batch's answer as the answer to its request. Raises ContractError."""
    status, headers, path = item.get("status"), item.get("headers", {}), item.get("path")
    if status.__class__ is not int or not isinstance(headers, dict) or not isinstance(path, str):
        raise ContractError(f"{response.url} answered {cut(item)} to one of several requests.")
    # It has the version in front, and may be quoted otherwise.
    if not unquote(path).endswith(unquote(str(request.path))):
        raise ContractError(
            f"{response.url} answered for {path!r} where {request.path!r} was asked: in another order."
        )
    told = {str(name).lower(): str(text) for name, text in headers.items()}
    content = json.dumps(item["body"]).encode() if "body" in item else b""
    url = response.url.removesuffix("/batch") + str(request.path)
    return Response(int(status or 0), told, content, request.method, url, response.seconds)


def _json(value: Any) -> str:
    """Return a value as filters say it; a comma in text is escaped, as commas separate values.

    Raises QueryError for what has no JSON form.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise QueryError(
            f"{cut(value)} has no JSON form, so that Kinto can't filter by it."
        ) from None
    return text.replace(",", "\\u002c") if isinstance(value, str) else text
