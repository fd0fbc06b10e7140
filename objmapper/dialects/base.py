"""Dialect: how a server says it. A short list of callbacks and a set of named capabilities.

A dialect turns queries and changes into requests, and answers into rows. It sends nothing and knows
no session. Third parties register theirs under the entry point group ``objmapper.dialects``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

from objmapper import wire
from objmapper.dialects.batches import Batches
from objmapper.dialects.keeping import Keeping
from objmapper.exceptions import (
    ContractError,
    QueryError,
    UnsupportedLookup,
    cut,
)
from objmapper.fields.relations import ForeignKey, HasMany, wire_key
from objmapper.operation import ASK, CREATE, LOOK_UP, REPEAT, UPDATE, Change, Draft
from objmapper.query import And, Condition, Node, Order, Query
from objmapper.request import Json, Pending, Request, Response, whole
from objmapper.versions import ETAG, strong


class RowPage(NamedTuple):
    """What one page said."""

    #: The rows, as JSON objects.
    rows: list[dict[str, Any]]
    #: How many rows all pages have together; None where the page does not tell.
    total: int | None = None
    #: The way to the next page: a request, or a link; None for the last one.
    next: Request | str | None = None


def segment_of(value: Any) -> str | Pending:
    """Return a key as one path segment, as soon as it is known."""
    if isinstance(value, Pending):
        return Pending(value.of, lambda obj: quote_key(value.key(obj)))
    return quote_key(value)


def quote_key(value: Any) -> str:
    """Return a key as one path segment; dots are quoted, or ``..`` would climb out of it.

    Raises QueryError for what can't be one.
    """
    try:
        if value.__class__ is int:
            return str(value)
        text = quote(str(value), safe="")
    except ValueError as error:  # a lone surrogate, or too many digits
        raise QueryError(f"{cut(value)} can't be a part of an address: {error}.") from None
    if not text:
        raise QueryError("An empty key can't be a part of an address: it would name all there is.")
    return text if text.strip(".") else text.replace(".", "%2E")


class Dialect(Batches, Keeping):
    """What every dialect can be asked; the defaults are a plain REST service's.

    Keyword arguments of the constructor override capabilities: ``Rest(lists_are_full=True)``.
    TypeError names what is none.
    """

    #: What ``Client(dialect=...)`` calls it.
    name: ClassVar[str] = "base"

    #: Lookups that the server can do on its fields.
    lookups: frozenset[str] = frozenset({"exact"})
    #: Whether conditions may lead through relations (``project__name``).
    can_join: bool = False
    #: Whether conditions and orders may lead into JSON objects (``metadata__rate__gt``).
    can_reach_in: bool = False
    #: Whether conditions may be joined by ``|`` and negated by ``~``.
    can_combine: bool = False
    #: Whether the server sorts.
    can_order: bool = False
    #: Whether the server sends chosen fields only.
    can_select: bool = False
    #: Whether a list row has all that the detail has.
    lists_are_full: bool = False
    #: Whether the answer to a create has all that the detail has.
    answers_are_full: bool = False
    #: Whether a full row has each field that was ever set, and none else: what it lacks is not set.
    omits_unset: bool = False
    #: Whether pages have numbers, so that several can be fetched side by side.
    can_jump: bool = False
    #: Whether a query may begin at any row; else what lies before is fetched and dropped.
    can_skip: bool = False
    #: Whether unknown filters are ignored, so that a page must be checked against its query.
    ignores_unknown_filters: bool = False
    #: Whether unknown orders are ignored, so that a page must be checked against its query.
    ignores_unknown_orders: bool = False
    #: How many keys one request may name (``id__in``); 0: the server can't do that.
    max_keys: int = 0
    #: Rows asked for in one page; None leaves it to the server.
    page_size: int | None = None
    #: The most rows that the server gives in one page; None is not known.
    max_page_size: int | None = None
    #: How many operations of a commit run side by side.
    recommended_workers: int = 4
    #: The verb of an update.
    update_method: str = "PATCH"
    #: Operation kinds that the server takes twice without harm.
    idempotent: frozenset[str] = frozenset()
    #: Whether paths end in a slash.
    trailing_slash: bool = False
    #: Whether the server strips white space off text that it is sent.
    trims_text: bool = False
    #: Whether the server tells the version of an object by an entity tag, and heeds ``If-Match``.
    has_etag: bool = False
    #: The key of a row that tells its entity tag; the default stands for the header of an answer.
    etag_key: str = ETAG
    #: Sent with every request.
    headers: Mapping[str, str] = {}

    def __init__(self, **capabilities: Any) -> None:
        for name, value in capabilities.items():
            if (
                name.startswith("_")
                or not hasattr(type(self), name)
                or callable(getattr(self, name))
            ):
                raise TypeError(f"{type(self).__name__} has no capability {name!r}")
            setattr(self, name, value)
        self._readers: dict[Any, Callable[[Response], list[Any]]] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    # -- addresses --------------------------------------------------------------------------------

    def collection(self, mapper: Any, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the path of a model's collection, in parts; *values* fill the endpoint's braces.

        Raises QueryError where one is missing, naming it.
        """
        slash = "/" if self.trailing_slash else ""
        rest: str = "/" + mapper.endpoint
        if not mapper.path_fields:
            return (rest + slash,)
        parts: list[Any] = []
        for field in mapper.path_fields:
            head, _, rest = rest.partition("{" + field.name + "}")
            value = values.get(field.name)
            if value is None:
                raise QueryError(
                    f"{mapper.model.__name__} lives at {mapper.endpoint!r}: say which "
                    f"{field.name}, as filter({field.name}=...)."
                )
            parts += [head, segment_of(value)]
        return (*parts, rest + slash)

    def detail(self, mapper: Any, key: Any, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the path of one object; a singleton's is its collection's."""
        path = self.collection(mapper, values)
        if mapper.singleton:
            return path
        segment = segment_of(key) if isinstance(key, Pending) else quote_key(mapper.pk.to_wire(key))
        slash = "/" if self.trailing_slash else ""
        *before, last = path
        return (*before, last.removesuffix("/") + "/", segment, slash)

    def path_values(self, obj: Any) -> dict[str, Any]:
        """Return what fills the braces for *obj*; Pending for a parent that is still new."""
        fields = type(obj).__mapper__.path_fields
        return {f.name: f.dump(obj._row.get(f.key)) for f in fields} if fields else {}

    def address(self, obj: Any) -> tuple[Any, ...]:
        """Return the path of an object that the server knows."""
        mapper = type(obj).__mapper__
        key = mapper.key_in(obj._row)
        # No answer has told the key yet; the commit looks for it before it sends this.
        key = Pending(obj, wire_key) if key is None else key
        return self.detail(mapper, key, self.path_values(obj))

    def place_of(self, obj: Any) -> Any:
        """Return where *obj* lives, if the server has several places and it is known; hashable.

        What is read on behalf of an object is asked there: see ``Query.place``.
        """
        return None

    # -- reading ----------------------------------------------------------------------------------

    def place_in(self, request: Request) -> Any:
        """Return which place a request says that it is about; None where it says nothing."""
        return None

    def list_request(self, query: Query, page_size: int | None) -> Request:
        """Return the request of a query's first page. Raises UnsupportedLookup."""
        path = "".join(self.collection(query.mapper, dict(query.path_values)))
        params = [*self.where(query), *self.order(query), *self.paging(query, page_size)]
        return Request("GET", path, tuple(params), self.headers_for(query))

    def headers_for(self, query: Query) -> Mapping[str, str]:
        """Return the headers of a query's pages, beside those of every request."""
        return {}

    def where(self, query: Query) -> Iterator[tuple[str, Any]]:
        """Yield the parameters that say a query's conditions."""
        for condition in self.conjuncts(query.where):
            yield self.parameter(condition)

    def parameter(self, condition: Condition) -> tuple[str, Any]:
        """Return one condition as a query parameter. Raises UnsupportedLookup."""
        self.require(condition)
        return self.wire_name(condition), self.text(condition.value)

    def text(self, value: Any) -> Any:
        """Return a value as query parameters say it."""
        return str(value).lower() if isinstance(value, bool) else value

    def wire_name(self, condition: Condition | Order) -> str:
        """Return the server's name for a path of fields."""
        return "__".join(field.key for field in condition.path)

    def lookups_of(self, path: tuple[Any, ...]) -> frozenset[str]:
        """Return the lookups that the server has for a field."""
        joins = len(path) > 1 and isinstance(path[0], ForeignKey | HasMany)
        can = (not joins or self.can_join) and (not reaches_in(path) or self.can_reach_in)
        return self.lookups if can else frozenset()

    def require(self, condition: Condition) -> None:
        """Raise UnsupportedLookup, with what there is instead, unless the server can do it."""
        known = self.lookups_of(condition.path)
        if condition.lookup in known:
            return
        name = "__".join(field.name for field in condition.path)
        has = ", ".join(sorted(known)) or "nothing"
        raise UnsupportedLookup(
            f"{name}__{condition.lookup}: the {self.name} dialect has {has} for {name}. Evaluate it "
            f"here with .filter_locally(lambda obj: ...), page by page."
        )

    def conjuncts(self, node: Node | None) -> list[Condition]:
        """Return conditions that are all ANDed. Raises UnsupportedLookup for ``|`` and ``~``."""
        if node is None:
            return []
        if isinstance(node, Condition):
            return [node]
        if isinstance(node, And):
            return [found for child in node.children for found in self.conjuncts(child)]
        word = type(node).__name__.lower()
        raise UnsupportedLookup(
            f"{node}: the {self.name} dialect can AND conditions, not {word} them. Ask for more "
            "and use .filter_locally(lambda obj: ...), or ask twice."
        )

    def ordering(self, query: Query) -> list[Order]:
        """Return the keys that a query is sorted by: its own, else its model's.

        Raises QueryError for the opposite of an order that there is not.
        """
        mapper = query.mapper
        keys = query.order_by
        if keys is None:
            keys = mapper.order(mapper.declared_ordering)
        if query.reversed:
            if not keys and not mapper.has_key:
                raise QueryError(
                    f"{mapper.model.__name__} has neither an order nor a key, so there is no opposite "
                    "order and no last one; say order_by(...)."
                )
            keys = keys or (Order((mapper.pk,)),)
            return [Order(key.path, not key.descending) for key in keys]
        return list(keys)

    def sorts(self, field: Any) -> bool:
        """Whether the server sorts by a field."""
        return self.can_order

    def order(self, query: Query) -> Iterator[tuple[str, Any]]:
        """Yield the parameters that say a query's order. Raises UnsupportedLookup."""
        keys = self.ordering(query)
        if keys and not self.can_order:
            raise UnsupportedLookup(
                f"order_by({', '.join(key.name for key in keys)}): the {self.name} dialect knows no "
                "way to sort. Sort the list that you get: sorted(query, key=...)."
            )
        for key in () if self.can_reach_in else keys:
            if reaches_in(key.path):
                raise UnsupportedLookup(
                    f"order_by({key.name!r}): the {self.name} dialect sorts by fields, not by what is "
                    "inside their JSON. Sort the list that you get: sorted(query, key=...)."
                )
        if keys:
            yield self.order_parameter(keys)

    def order_parameter(self, keys: Sequence[Order]) -> tuple[str, Any]:
        """Return the keys of an order as a query parameter."""
        return "ordering", ",".join(
            ("-" if key.descending else "") + self.wire_name(key) for key in keys
        )

    def paging(self, query: Query, page_size: int | None) -> Iterator[tuple[str, Any]]:
        """Yield the parameters of the first page."""
        return iter(())

    def page_request(self, first: Request, number: int, query: Query) -> Request | None:
        """Return the request of page *number*, from 1, where ``can_jump``."""
        return None

    def skip(self, query: Query, page_size: int | None) -> tuple[Request, int]:
        """Return the request to begin with for ``query.offset``, and how many rows to drop still."""
        return self.list_request(query, page_size), query.offset

    def read_page(self, query: Query, request: Request, response: Response) -> RowPage:
        """Return what a page says. Raises ContractError."""
        return RowPage(rows_of(response.json(), response))

    def count_request(self, query: Query) -> Request | None:
        """Return the request that tells how many rows match; None: pages of a list tell it, if any."""
        return None

    def read_count(self, response: Response) -> int:
        """Return the total that the answer of ``count_request`` tells. Raises ContractError."""
        raise ContractError(f"{response.url} tells no total.")

    def detail_request(self, mapper: Any, key: Any, values: Mapping[str, Any]) -> Request:
        """Return the request of one object by its key."""
        return Request("GET", "".join(self.detail(mapper, key, values)))

    def has_addresses(self, mapper: Any) -> bool:
        """Whether each object has an address of its own; else it is picked from its list, by key."""
        return True

    def refresh_request(self, obj: Any, key: Any) -> Request:
        """Return the request of an object that is known already, by its key."""
        return self.detail_request(type(obj).__mapper__, key, self.path_values(obj))

    def read_row(self, mapper: Any, response: Response) -> dict[str, Any]:
        """Return the row of a detail answer. Raises ContractError."""
        return self.tagged(mapper, row_of(response.json(), response), response)

    def tagged(self, mapper: Any, row: dict[str, Any], response: Response) -> dict[str, Any]:
        """Return the row of a detail answer with the entity tag of its header, where versions need it."""
        if mapper.version is not None and self.etag_key == ETAG:
            row[ETAG] = response.headers.get("etag")
        return row

    def etag_of(self, row: Mapping[str, Any]) -> str | None:
        """Return the entity tag of a row as ``If-Match`` says it, None where the row does not tell."""
        return strong(row.get(self.etag_key))

    def read_conflict(self, response: Response) -> dict[str, Any] | None:
        """Return the server's row that a refusal brings along (412, 409, 428), None where it has none."""
        return None

    # -- writing ----------------------------------------------------------------------------------

    def operations(self, changes: Sequence[Change]) -> Iterable[Draft]:
        """Give the requests for *changes*: one each, or several objects in one.

        They may be made one by one, as they are asked for; they are asked for once.
        """
        return map(self.draft, changes)

    def draft(self, change: Change) -> Draft:
        """Return the request for one change."""
        kind, obj = change.kind, change.object
        mapper = type(obj).__mapper__
        if kind == CREATE:
            return self.draft_create(change, mapper)
        method, body, read = "DELETE", None, None
        if kind == UPDATE:
            method, body, read = self.update_method, Json(self.body(change)), self.reader(mapper)
        repeatable = kind in self.idempotent
        settle = REPEAT if repeatable else LOOK_UP
        return Draft.plain(change, method, whole(self.address(obj)), body, repeatable, settle, read)

    def draft_create(self, change: Change, mapper: Any) -> Draft:
        """Return the request that creates one object."""
        path = self.collection(mapper, self.path_values(change.object))
        method = "POST"
        chosen = mapper.chooses_keys
        if chosen and self.creates_by_put:
            path, method = self.address(change.object), "PUT"
        settle = LOOK_UP if chosen or mapper.natural_key else ASK
        body, read = Json(self.body(change)), self.reader(mapper)
        return Draft.plain(change, method, whole(path), body, None, settle, read)

    #: Whether an object whose key the client chooses is created by PUT to its own address.
    creates_by_put: bool = False

    def body(self, change: Change) -> Any:
        """Return the JSON that a change's request carries: what is sent, by the server's names."""
        return wire.body(change)

    def reader(self, mapper: Any) -> Callable[[Response], list[Any]]:
        """Return what reads a write's answer: one row, or None when it has no body."""
        found = self._readers.get(mapper)
        if found is None:  # made once: each operation of a commit has it
            found = self._readers[mapper] = partial(self.read_written, mapper)
        return found

    def read_written(self, mapper: Any, response: Response) -> list[Any]:
        """Return the row of a write's answer, in a list; None in it for an answer without a body.

        Raises Conflict for a success that is none, as a create that is answered with an older object.
        """
        return [self.read_row(mapper, response) if response.content.strip() else None]

    def read_error(self, response: Response) -> tuple[Any, list[str], dict[str, list[str]]] | None:
        """Return body, messages and messages by wire name of an error; None: the usual reading."""
        return None


def reaches_in(path: Sequence[Any]) -> bool:
    """Whether a path of fields leads into the JSON of one of them."""
    return not all(isinstance(field, ForeignKey | HasMany) for field in path[:-1])


def rows_of(body: Any, response: Response) -> list[dict[str, Any]]:
    """Return *body* as rows. Raises ContractError when it is no list of objects."""
    if not isinstance(body, list):
        raise ContractError(
            f"{response.url} answered {_kind(body)} where a list of objects was expected."
        )
    if not {*map(type, body)} <= {dict}:
        index, item = next((i, item) for i, item in enumerate(body) if item.__class__ is not dict)
        raise ContractError(
            f"{response.url}: item {index} of the page is {_kind(item)}, not an object."
        )
    return body


def row_of(body: Any, response: Response) -> dict[str, Any]:
    """Return *body* as a row. Raises ContractError when it is no object."""
    if not isinstance(body, dict):
        raise ContractError(f"{response.url} answered {_kind(body)} where an object was expected.")
    return body


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    name = {dict: "an object", list: "a list", str: "text", bool: "a truth value"}
    return name.get(type(value), "a number")


def unwrap(body: Any, key: str, response: Response) -> Any:
    """Return ``body[key]``. Raises ContractError when it is not there."""
    found = row_of(body, response)
    if key not in found:
        known = ", ".join(sorted(map(str, found))[:8]) or "nothing"
        raise ContractError(f"{response.url} answered without {key!r}; it has {known}.")
    return found[key]


def total_of(value: Any, response: Response) -> int | None:
    """Return a total that a page tells; None for null. Raises ContractError for what is none."""
    if value is None:
        return None
    if value.__class__ is not int or value < 0:
        raise ContractError(f"{response.url} tells {value!r} as the total of its pages.")
    return int(value)


def link_of(value: Any, response: Response) -> str | None:
    """Return the link to the next page; None for null. Raises ContractError for what is none."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ContractError(f"{response.url} gives {value!r} as the link to the next page.")
    return value


def with_params(request: Request, extra: Iterable[tuple[str, Any]]) -> Request:
    """Return *request* with parameters set, in place of those of the same name."""
    told = dict(extra)
    kept = tuple((name, value) for name, value in request.params if name not in told)
    return Request(
        request.method,
        request.path,
        (*kept, *told.items()),
        request.headers,
        request.body,
        request.repeatable,
    )
