"""How Simvue says it: pages by start and count, filter strings, PUT for changes, msgpack.

Read from the published client, simvue 2.6.2; the server itself is not published.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from objmapper import ordering, wire
from objmapper.dialects.base import Dialect, RowPage, row_of, rows_of, total_of, with_params
from objmapper.dialects.batches import paired
from objmapper.exceptions import (
    ContractError,
    JournalError,
    UnsupportedLookup,
    ValidationError,
    cut,
)
from objmapper.operation import (
    Change,
    Draft,
    Json,
    Kind,
    Later,
    Msgpack,
    Multipart,
    Request,
    Response,
    Secret,
    Settle,
    Stream,
)
from objmapper.query import Order, Query
from objmapper.simvue import filters, locks, parameters
from objmapper.simvue.kinds import Content, Contents
from objmapper.state import Stateful

#: The most rows that the published client asks for in one page.
PAGE_SIZE = 100
#: The most objects that go in one list; the published client knows no limit.
MAX_BATCH = 1000
#: What travels in a request of its own.
_STAR = "starred"


class Simvue(Dialect):
    """Simvue's REST API.

    A model says in ``Meta.dialect_options`` what its endpoint differs in: "filters" maps field names to
    how they are asked for, "sorts" names the columns (one that ends in a dot is asked inside),
    "parameters" what ``get`` takes in the server's own words,
    "params" go with each of its writes, "unique" that the server refuses to make one twice, "read by" how
    what is only sent is read, "msgpack" is how it is sent, "batch" that several are made in
    one request, "bare" that its lists come whole, "put" that it is made by a PUT, "after" which endpoint's
    new objects go before it, "whole" the relation to what is uploaded before it, "until" that nothing of
    it is sent once another object says so: the relation to that one, its field, and the values.
    """

    name = "simvue"
    lookups = frozenset("exact contains gt gte lt lte isnull within".split())
    can_reach_in = True
    can_order = True
    can_jump = True
    can_skip = True
    page_size = PAGE_SIZE
    max_page_size = PAGE_SIZE
    update_method = "PUT"
    max_batch = MAX_BATCH
    # Sent again, a PUT of the same values changes nothing.
    idempotent = frozenset({Kind.UPDATE})

    def _option(self, mapper: Any, name: str, default: Any = None) -> Any:
        return (mapper.options["dialect_options"] or {}).get(name, default)

    # -- reading ----------------------------------------------------------------------------------

    def lookups_of(self, path: tuple[Any, ...]) -> frozenset[str]:
        asked = self._option(path[0].model.__mapper__, "filters", {})
        return filters.lookups_of(asked, path)

    def list_request(self, query: Query, page_size: int | None) -> Request:
        """Return the request of a query's first page. Raises UnsupportedLookup."""
        way = self._option(query.mapper, "read by")
        if way is not None:
            name = query.mapper.model.__name__
            raise UnsupportedLookup(f"{name} are sent in lots and read one by one: by {way}.")
        return super().list_request(query, page_size)

    def where(self, query: Query) -> Iterator[tuple[str, Any]]:
        asked = self._option(query.mapper, "filters", {})
        said = list(filters.compiled(asked, query.where, query.mapper.endpoint))
        told = parameters.of(query)
        said += told.pop(parameters.FILTERS, ())
        if said:
            yield parameters.FILTERS, json.dumps(said)
        yield from told.items()

    def sorts(self, field: Any) -> bool:
        return field.name in self._option(field.model.__mapper__, "sorts", ())

    def order_parameter(self, keys: Sequence[Order]) -> tuple[str, Any]:
        told = [{"id": self._column(key), "desc": key.descending} for key in keys]
        return "sorting", json.dumps(told)

    def _column(self, key: Order) -> str:
        """Return the column of an order. Raises UnsupportedLookup for what the server lacks."""
        head, *inside = key.path
        mapper = head.model.__mapper__
        columns = self._option(mapper, "sorts", ())
        if (f"{head.name}." if inside else head.name) in columns:
            return ".".join([head.key, *(field.name for field in inside)])
        known = ", ".join(f"{n}__..." if n.endswith(".") else n for n in columns).replace(
            ".__", "__"
        )
        raise UnsupportedLookup(
            f"order_by({key.name!r}): Simvue does not sort {mapper.endpoint} by it; it does by "
            f"{known or 'nothing'}. Sort the list that you get: sorted(query, key=...)."
        )

    def paging(self, query: Query, page_size: int | None) -> Iterator[tuple[str, Any]]:
        if not self._option(query.mapper, "bare"):
            yield "count", page_size or PAGE_SIZE
            yield "start", 0

    def page_request(self, first: Request, number: int, query: Query) -> Request:
        told = dict(first.params)
        return with_params(first, [("start", told["start"] + (number - 1) * told["count"])])

    def skip(self, query: Query, page_size: int | None) -> tuple[Request, int]:
        request = self.list_request(query, page_size)
        if self._option(query.mapper, "bare"):
            return request, query.offset
        return with_params(request, [("start", query.offset)]), 0

    def read_page(self, query: Query, request: Request, response: Response) -> RowPage:
        body = response.json()
        told = dict(request.params)
        if isinstance(body, list):
            rows, total = rows_of(body, response), None
            if "count" not in told:
                return RowPage(rows, len(rows))
        else:
            page = row_of(body, response)
            rows, total = rows_of(page.get("data"), response), total_of(page.get("count"), response)
        end = told["start"] + len(rows)
        more = end < total if total is not None else len(rows) >= told["count"]
        return RowPage(
            rows, total, with_params(request, [("start", end)]) if rows and more else None
        )

    # -- writing ----------------------------------------------------------------------------------

    def operations(self, changes: Sequence[Change]) -> Iterator[Draft]:
        """Yield the requests: a star and an upload in their own, after what made the object."""
        plan = _Plan(changes)
        over = self._over(plan)
        unsaid = {id(change.object) for along in over.values() for change in along}
        for change in changes:
            locks.refuse(change.object, "It")
            if id(change.object) in unsaid:
                continue
            now, later = _split(change)
            if now is not None:
                draft = self._after(self.draft(now), plan)
                along = over.get(id(change.object))
                yield _with(draft, along) if along else draft
            for part in later:
                yield from self._later(part)

    def _over(self, plan: _Plan) -> dict[int, list[Change]]:
        """Return what is not said any more, by the object whose change tells that it is over."""
        kinds = {type(change.object) for change in plan.changes}
        until = {kind: self._option(kind.__mapper__, "until") for kind in kinds}
        found: dict[int, list[Change]] = {}
        for change in plan.changes if any(until.values()) else ():
            told = until[type(change.object)]
            if told is not None and change.kind == Kind.CREATE:
                relation, name, values = told
                ended = plan.referred(change.object, relation)
                if ended is not None and _said(ended, name) in values:
                    found.setdefault(id(ended.object), []).append(change)
        return found

    def _after(self, draft: Draft, plan: _Plan) -> Draft:
        """Return a draft that waits for the new folders that its objects name, and as its options say."""
        obj = draft.changes[0].object
        option = partial(self._option, type(obj).__mapper__)
        awaited = []
        if (endpoint := option("after")) is not None:
            awaited += plan.new(endpoint)
        if (relation := option("whole")) is not None:
            change = plan.referred(obj, relation)
            awaited += [] if change is None else [change.object]
        if plan.folders and draft.kind == Kind.CREATE:
            paths = {path: None for change in draft.changes for path in _above(change.object._row)}
            awaited += [folder for path in paths for folder in plan.folders.get(path, ())]
        return draft._replace(after=(*draft.after, *awaited)) if awaited else draft

    # -- several new ones in one list -------------------------------------------------------------

    def company(self, draft: Draft) -> Hashable | None:
        """Return what new objects of a kind have in common that is made in lists."""
        mapper = type(draft.changes[0].object).__mapper__
        together = draft.kind == Kind.CREATE and self._option(mapper, "batch")
        return (draft.kind, draft.request.shown_path) if together else None

    def batch_request(self, requests: Sequence[Request]) -> Request:
        """Return the one request that makes them all."""
        body = Json([request.body.value for request in requests if isinstance(request.body, Json)])
        return Request("POST", requests[0].path, body=body)

    def batch_answers(self, response: Response, requests: Sequence[Request]) -> list[Response]:
        """Return each item of the list that is answered as an answer of its own; all went or none."""
        items = paired(rows_of(response.json(), response), requests, response)
        return [
            response._replace(content=json.dumps(item).encode(), method=request.method)
            for item, request in items
        ]

    def draft(self, change: Change) -> Draft:
        draft, mapper = super().draft(change), type(change.object).__mapper__
        request = draft.request
        if isinstance(request.body, Json) and self._option(mapper, "msgpack"):
            request = request._replace(body=Msgpack(request.body.value))
        if self._option(mapper, "put"):  # said again, it changes nothing
            body = request.body if isinstance(request.body, Json) and request.body.value else None
            request = request._replace(method="PUT", body=body, repeatable=True)
            raw = [change.object._row.get(field.key) for field in mapper.path_fields]
            return draft._replace(
                request=request,
                repeatable=True,
                settle=Settle.REPEAT,
                read=None,
                # What is said last of the same is what counts.
                lane=(mapper.endpoint, *(id(v) if isinstance(v, Stateful) else v for v in raw)),
            )
        params = self._option(mapper, "params")
        if params and change.kind != Kind.DELETE:
            request = request._replace(params=tuple(params.items()))
        # What is there already is refused with its id, of every kind that has one.
        found = frozenset({409}) if change.kind == Kind.CREATE and mapper.has_key else frozenset()
        read = draft.read if mapper.has_key else None
        # The server has one of each name, so to say it again makes no second one.
        again = bool(found) and self._option(mapper, "unique", False)
        settle = Settle.REPEAT if again else draft.settle
        return draft._replace(request=request, settle=settle, found=found, read=read)

    def contents(self, change: Change) -> Mapping[str, Any]:
        """Return what an artifact holds that is in no file of the user's."""
        content = change.sent.get("content")
        held = content.value if isinstance(content, Secret) else None
        return {"content": held} if isinstance(held, Content) and held.is_alone else {}

    def manner(self, change: Change) -> Mapping[str, Any]:
        """Return how long each step of an upload may take, where an artifact says it."""
        content = change.sent.get("content")
        held = content.value if isinstance(content, Secret) else None
        told = held.timeout if isinstance(held, Content) else None
        return {} if told is None else {"content": {"timeout": told[0]}}

    def in_manner(self, field: Any, value: Any, manner: Any) -> Any:
        """Return what an artifact holds, with the time that its upload may take. Raises JournalError."""
        content = field.coerce(value)
        if isinstance(content, Content) and content.timeout is None:
            try:
                content.limit(manner["timeout"])
            except (ValueError, LookupError, TypeError):
                raise JournalError(
                    f"The journal is damaged, or was edited: {cut(manner)} is no way to send {field}. "
                    "Nothing was sent."
                ) from None
        return content

    def retold(self, obj: Any, field: Any, kept: Path | None) -> Any:
        """Return what an artifact holds again. Raises JournalError where it is something else by now."""
        path, sum_ = obj._row.get("original_path"), obj._row.get("checksum")
        if not isinstance(field, Contents) or (kept is None and not isinstance(path, str)):
            return None
        place = Path(path) if kept is None else kept
        told = f"its file, {cut(str(place), 300)}, {'which the journal keeps, ' if kept else ''}"
        hint = "Give session.recover(secrets=...) a callable that returns its path, or its bytes."
        try:
            content = Content(place, is_alone=kept is not None)
        except OSError as error:
            raise JournalError(f"{obj!r}: {told}can't be read: {error.strerror}. {hint}") from error
        if content.checksum != sum_:
            raise JournalError(f"{obj!r}: {told}has changed since it was kept. {hint}")
        return content

    def body(self, change: Change) -> Any:
        said, shape = wire.body(change), self._option(type(change.object).__mapper__, "shape")
        return said if shape is None or change.kind != Kind.CREATE else shape(said)

    def read_written(self, mapper: Any, response: Response) -> list[Any]:
        """Return what an answer tells of an object; that of a change tells no more than its id."""
        row = row_of(response.json(), response) if response.content.strip() else {}
        if response.method == "PUT":
            row = {key: value for key, value in row.items() if key == "id"}
        return [row]

    def _later(self, change: Change) -> Iterator[Draft]:
        obj = change.object
        if _STAR in change.sent:
            path, body = (*self.address(obj), "/", _STAR), Json(dict(change.sent))
            request = Request("PUT", path, body=body, repeatable=True)
            yield Draft("star", (change,), request, True, Settle.REPEAT)
        else:
            content = change.sent["content"]
            assert isinstance(content, Secret)
            made = Later(partial(_uploading, obj, content.value))
            upload = Request("PUT", "(the storage)", body=made, repeatable=True, outside=True)
            # It waits to be uploaded until the server is told, whichever of the two got lost.
            yield Draft("upload", (Change("upload", obj),), upload, True, Settle.REPEAT)
            told = Request("PUT", self.address(obj), body=Json({"uploaded": True}), repeatable=True)
            done = change._replace(kind="upload")
            yield Draft("uploaded", (done,), told, True, Settle.REPEAT, read=_uploaded)


def _uploading(obj: Any, content: Content) -> Request:
    """Return the upload of an artifact as the storage wants it: a form where there are fields, else a PUT.

    Where to, and how, the answer to its creation has told. Raises ContractError where none has,
    ValidationError where the file is gone, or is shorter or longer than it was.
    """
    why = content.missing()
    if why is not None:
        raise ValidationError(f"{obj!r}: {why}", [(obj, "content", [why])])
    row: Mapping[str, Any] = obj._row
    url, form = row.get("url"), row.get("fields")
    if not isinstance(url, str) or not isinstance(form, dict | None):
        raise ContractError(f"{obj!r}: the server told no address to upload it to.")
    kind = str(row.get("mime_type") or "application/octet-stream")
    request = Request(
        "PUT",
        url,
        body=Stream(content.open, content.size, kind),
        repeatable=True,
        outside=True,
        timeout=content.timeout,
    )
    if not form:
        return request
    files = {"file": (str(row.get("name") or "file"), content.open)}
    return request._replace(method="POST", body=Multipart(form, files))


def _uploaded(response: Response) -> list[Any]:
    return [{"uploaded": True}]


def _split(change: Change) -> tuple[Any, list[Change]]:
    """Return what goes in an object's own request, None for nothing, and what goes after it."""
    if change.kind == Kind.DELETE:
        return change, []
    apart = [key for key in (_STAR, "content") if key in change.sent]
    if not apart:
        return change, []
    later = [Change(Kind.UPDATE, change.object, {key: change.sent[key]}) for key in apart]
    rest = {key: value for key, value in change.sent.items() if key not in apart}
    now = change._replace(sent=rest) if rest or change.kind == Kind.CREATE else None
    return now, later


class _Plan:
    """The changes of a plan, and what is to be found among them."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = changes
        #: Returns the new objects of an endpoint.
        self.new: Callable[[str], list[Any]] = cache(partial(_new, changes))
        self.folders: dict[str, list[Any]] = _by_path(self.new("folders"))

    @cached_property
    def _by_object(self) -> dict[Any, Change]:
        found: dict[Any, Change] = {id(change.object): change for change in self.changes}
        return found | {ordering.identity(change.object): change for change in self.changes}

    def referred(self, obj: Any, relation: str) -> Change | None:
        """Return the change of what a relation leads to; None where the plan has none."""
        field = type(obj).__mapper__.fields[relation]
        raw = obj._row.get(field.key)
        place = ordering.target(field, raw)
        return self._by_object.get(id(raw)) or self._by_object.get(place)


def _said(change: Change, name: str) -> Any:
    """Return what a change says of a field; None where it says nothing."""
    return change.sent.get(type(change.object).__mapper__.fields[name].key)


def _with(draft: Draft, along: list[Change]) -> Draft:
    """Return a draft with changes in its request that have no word of their own."""
    read = draft.read
    rows = None if read is None else lambda response: [*read(response), *(None for _ in along)]
    return draft._replace(changes=(*draft.changes, *along), read=rows)


def _new(changes: Sequence[Change], endpoint: str) -> list[Any]:
    """Return the new objects of an endpoint."""
    new = (c.object for c in changes if c.kind == Kind.CREATE)
    return [obj for obj in new if type(obj).__mapper__.endpoint == endpoint]


def _by_path(folders: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for folder in folders:
        found.setdefault(_path(folder._row.get("path")), []).append(folder)
    return found


def _above(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of the folders that an object lies in, the outermost first."""
    path, own = _path(row.get("folder")), _path(row.get("path"))
    parts = (path or own).split("/")
    for size in range(1, len(parts) + bool(path)):
        yield "/".join(parts[:size])


def _path(value: Any) -> str:
    """Return a folder's path without a slash at its end: that of the root is empty."""
    return value.rstrip("/") if isinstance(value, str) else ""
