"""Asking the server: pages, keys, relations with their peers, single fields.

Everything here takes the session that asks; rows become objects in ``loading``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from objmapper import loading, naturalkey, versions
from objmapper.exceptions import (
    BadRequest,
    ContractError,
    FieldFetchBlocked,
    FilterIgnored,
    NotFound,
    QueryError,
    UnsupportedLookup,
)
from objmapper.operation import Request, Response
from objmapper.paging import asked, page_size, query_page, row_pages
from objmapper.query import Condition, FetchMode, Query
from objmapper.state import ABSENT, Page, base_value, own
from objmapper.transport.urls import with_params
from objmapper.versions import ETAG

# -- objects --------------------------------------------------------------------------------------


def object_pages(session: Any, query: Query, ahead: int = 0) -> Iterator[list[Any]]:
    """Yield the objects of a query page by page, prefetched relations with them."""
    start = query.offset if query.local else 0
    left = query.limit if query.local else None
    for rows in row_pages(session, query, ahead):
        with session.using():
            found = _instances(session, query, rows)
            if query.local:
                found = [obj for obj in found if all(test(obj) for test in query.local)]
                start, found = max(start - len(found), 0), found[start:]
                found = found if left is None else found[:left]
                left = None if left is None else left - len(found)
        yield found
        if left == 0:
            return


def _instances(
    session: Any,
    query: Query,
    rows: list[dict[str, Any]],
    *,
    full: bool | None = None,
    completes: Page | None = None,
) -> list[Any]:
    """Return the objects of one page of *query*: entered, kept, announced.

    *completes*: the page whose objects the rows complete.
    """
    mapper, page = query.mapper, query_page(session, query, full=full)
    if completes is not None:
        page.age = completes.age  # what was read then stays
    if session.members.keyless:
        naturalkey.recognise(session, mapper, rows)
    path = dict(query.path_values)
    deferred = completes is not None
    found = loading.instances(session.identity, mapper, rows, page, path, deferred=deferred)
    session.keep(found)
    loading.announce(session, found)
    return found


def told(session: Any, query: Query, response: Response) -> Any:
    """Return the object of *query*'s model that an answer tells all of. Raises ContractError."""
    row = session.dialect.read_row(query.mapper, response)
    return _instances(session, query, [row], full=True)[0]


def fetch(session: Any, query: Query) -> list[Any]:
    """Return all objects of a query."""
    found = [obj for page in object_pages(session, query) for obj in page]
    prefetch(session, query, found)
    return found


def one(session: Any, query: Query, key: Any) -> Any:
    """Return the object behind a detail URL. Raises the model's DoesNotExist."""
    mapper = query.mapper
    versions.check(session.dialect, mapper)
    path = dict(query.path_values)
    request = session.dialect.detail_request(mapper, key, path)
    try:
        response = session.send(request)
    except NotFound as error:
        raise mapper.model.DoesNotExist(
            f"{mapper.model.__name__} {'' if key is None else key!r} does not exist on the server, "
            f"or is not visible: {error}"
        ) from error
    row = session.dialect.read_row(mapper, response)
    if mapper.has_key and key is not None:
        _check_key(mapper, row, mapper.normalise(key), request)
    found = _instances(session, query, [row], full=True)
    if not isinstance(found[0], mapper.model):
        raise mapper.model.DoesNotExist(f"{found[0]!r} is no {mapper.model.__name__}.")
    prefetch(session, query, found)
    return found[0]


def _check_key(mapper: Any, row: dict[str, Any], key: Any, request: Request) -> None:
    """Make sure that a row is about the object that was asked for. Raises ContractError."""
    told = mapper.told_key(row)
    if told is not None and told != key:
        raise ContractError(f"{request.shown_path} was asked for, {told!r} came.")


def by_keys(session: Any, query: Query, keys: list[Any]) -> list[Any]:
    """Return the objects of those keys that exist, in as few requests as fit."""
    mapper, dialect = query.mapper, session.dialect
    found: list[Any] = []
    if can_ask_many(session, mapper.pk):
        steps = range(0, len(keys), dialect.max_keys)
        chunks = [keys[start : start + dialect.max_keys] for start in steps]
        try:
            for chunk in chunks:
                found += fetch(session, _of_keys(session, query, chunk))
            return found
        except (FilterIgnored, BadRequest) as error:
            if query.where is not None:
                raise
            _ask_singly(session, mapper.pk, error)
            found = []
    if query.where is not None:
        raise UnsupportedLookup(
            f"in_bulk() of a filtered query: the {dialect.name} dialect can't ask for several keys "
            "at once. Filter first and pick the keys here, or ask for the keys alone."
        )
    for key in keys:
        try:
            found.append(one(session, query, key))
        except mapper.model.DoesNotExist:
            continue
    return found


def rows_by_keys(session: Any, query: Query, keys: list[Any]) -> dict[Any, dict[str, Any]]:
    """Return the rows of those keys that exist; no objects are made."""
    mapper, dialect = query.mapper, session.dialect
    found: list[dict[str, Any]] = []
    # Versions that come in the header of an answer are told of one object at a time.
    lists_tell = dialect.lists_are_full and (mapper.version is None or dialect.etag_key != ETAG)
    listed = len(keys) > 1 or not dialect.has_addresses(mapper)
    if listed and lists_tell and can_ask_many(session, mapper.pk):
        steps = range(0, len(keys), dialect.max_keys)
        chunks = [keys[start : start + dialect.max_keys] for start in steps]
        try:
            for chunk in chunks:
                for rows in row_pages(session, _of_keys(session, query, chunk)):
                    found += rows
            return {mapper.key_in(row): row for row in found}
        except (FilterIgnored, BadRequest) as error:
            _ask_singly(session, mapper.pk, error)
            found = []
    for key in keys:
        try:
            response = session.send(dialect.detail_request(mapper, key, dict(query.path_values)))
        except NotFound:
            continue
        found.append(dialect.read_row(mapper, response))
    return {mapper.key_in(row): row for row in found}


def _of_keys(session: Any, query: Query, keys: list[Any]) -> Query:
    """Return *query* for the objects of *keys*, in one page where the server gives so many."""
    pk = query.mapper.pk
    size = min(session.dialect.max_page_size or len(keys), len(keys))
    narrowed = query.having(Condition((pk,), "in", tuple(map(pk.to_wire, keys))))
    return replace(narrowed, page_size=size)


def can_ask_many(session: Any, field: Any) -> bool:
    """Whether one request can name several values of a key or a relation."""
    dialect = session.dialect
    can: bool = dialect.max_keys > 1 and "in" in dialect.lookups_of((field,))
    return can and (field.model.__mapper__.endpoint, field.name) not in session.singly


def _ask_singly(session: Any, field: Any, error: Exception) -> None:
    """Remember that a view has no filter by several values, and say what that costs."""
    session.singly.add((field.model.__mapper__.endpoint, field.name))
    warnings.warn(
        f"{field}: its view can't be asked for several values at once, so each is a request of its "
        f"own. Give it the filter, or say max_keys=0 to the dialect. ({error})",
        stacklevel=2,
    )


# -- relations and deferred fields ----------------------------------------------------------------


def related(session: Any, obj: Any, field: Any, raw: Any) -> Any:
    """Return the object that *raw* refers to: the identity map's, else one with what is known."""
    mapper, page = field.target.__mapper__, obj._state.page
    if page.related is None:
        page.related = {}
    state = page.related.get(field.key)
    if (
        state is None or state.session is not session.ref
    ):  # new objects of all sessions share a page
        via = (field, page.mapper, page.keys)
        state = Page(session.ref, mapper, [], full=False, mode=page.mode, via=via, age=page.age)
        page.related[field.key] = state
    pk = mapper.pk
    row = dict(raw) if raw.__class__ is dict else {pk.key: pk.to_wire(field.key_value(raw))}
    identity = mapper.identity_in(row)  # None below a parent that the reference does not name
    found = None if identity is None else session.identity.get(mapper.root, identity)
    if found is None:
        found = mapper.instance(row, state)
        if identity is not None:
            session.identity.add(mapper.root, identity, found)
    elif len(row) > 1:
        # A summary is as old as the row that has it, whenever it is touched.
        older = found._state.age > state.age
        (loading.join if older else loading.receive)(found, row, state)
    return found


def load_field(session: Any, obj: Any, field: Any) -> None:
    """Load a field that was never asked in full, with its peers, at most one request's worth."""
    mapper, page = type(obj).__mapper__, obj._state.page
    if page.mode is FetchMode.RAISE:
        raise FieldFetchBlocked(
            f"{field} of {obj!r} is not loaded, and the fetch mode is RAISE. Name it in only(), or "
            "the relation in prefetch_related()."
        )
    key = mapper.key_in(obj._row)
    if key is None and mapper.has_key:
        naturalkey.find_key(session, obj)
        return
    # Rows of a list that were sent whole lack the field: another list would as well.
    deferred = page.via is not None or page.only is not None or session.dialect.lists_are_full
    if (
        page.mode is FetchMode.FETCH_PEERS
        and deferred
        and mapper.has_key
        and can_ask_many(session, mapper.pk)
    ):
        keys = _peers(session, obj, key, page, field)[: session.dialect.max_keys]
        if len(keys) > 1:
            _load_peers(session, obj, keys)
            if field.key in obj._row or obj._state.full:
                return
    reload(session, obj)


def _load_peers(session: Any, obj: Any, keys: list[Any]) -> None:
    mapper, page = type(obj).__mapper__, obj._state.page
    path = tuple(session.dialect.path_values(obj).items())
    place = _place(session, obj)
    query = Query(mapper.root.__mapper__, path_values=path, fetch_mode=page.mode, place=place)
    narrowed = _of_keys(session, query, keys)
    try:
        for rows in row_pages(session, narrowed):
            _instances(session, narrowed, rows, completes=page)
    except (FilterIgnored, BadRequest) as error:
        _ask_singly(session, mapper.pk, error)


def _place(session: Any, obj: Any) -> Any:
    """Return where *obj* lives, as far as it or what refers to it tells."""
    place, via = session.dialect.place_of(obj), obj._state.page.via
    if place is None and via is not None:
        key = type(obj).__mapper__.key_in(obj._row)
        holders = (holder for known, holder in referred(session, via) if known == key)
        holder = next(holders, None)
        place = None if holder is None else session.dialect.place_of(holder)
    return place


def _peers(session: Any, obj: Any, key: Any, page: Page, field: Any) -> list[Any]:
    """Return the keys to load together with *key*: of the same page and place, lacking the same."""
    mapper, place_of = type(obj).__mapper__, session.dialect.place_of
    wanted, place = {key: None}, _place(session, obj)
    parents = (mapper.identity_in(obj._row) or ())[:-1] if mapper.path_fields else ()
    if page.via is None:
        keys: Iterator[tuple[Any, Any]] = ((each, None) for each in page.keys)
    else:
        keys = referred(session, page.via)
    for peer_key, holder in keys:
        if parents and page.via is None:
            peer_key = peer_key[-1]
        peer = session.identity.get(mapper.root, (*parents, peer_key) if parents else peer_key)
        if peer is None and holder is None:
            continue  # nobody holds it any more
        lacks = peer is None or not (peer._state.full or field.key in peer._row)
        if lacks and place_of(peer if holder is None else holder) == place:
            wanted[peer_key] = None
    return list(wanted)


def referred(session: Any, via: tuple[Any, Any, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the keys that the objects of a page refer to, with those objects."""
    relation, owner, identities = via
    for identity in identities:
        holder = session.identity.get(owner.root, identity)
        raw = holder._row.get(relation.key) if holder is not None else None
        try:
            key = None if raw is None else relation.key_value(raw)
        except (ValueError, TypeError):
            continue
        if key is not None:
            yield key, holder


def reload(
    session: Any, obj: Any, *, overwrite: bool = False, timeout: tuple[float, float] | None = None
) -> None:
    """Load one object anew from its detail URL. Raises DoesNotExist."""
    mapper = type(obj).__mapper__
    if mapper.keyless:
        raise QueryError(f"{mapper.model.__name__} is keyless: it has no address to load it from.")
    key = mapper.key_in(obj._row)
    if key is None:
        naturalkey.find_key(session, obj)
        key = mapper.key_in(obj._row)
    versions.check(session.dialect, mapper)
    row = _row_of(session, obj, key, timeout)
    before = obj._state
    page = Page(session.ref, mapper, [mapper.identity_in(obj._row)], mode=before.page.mode)
    loading.specialise(obj, mapper.classes_of([row])[0])
    if overwrite:
        loading.overwrite(obj, row, page)
    else:
        page.age = before.age
        loading.join(obj, row, page)
    session.keep([obj])
    loading.announce(session, [obj])


def _row_of(
    session: Any, obj: Any, key: Any, timeout: tuple[float, float] | None
) -> dict[str, Any]:
    """Return what the server has of one object. Raises DoesNotExist."""
    mapper, dialect = type(obj).__mapper__, session.dialect
    gone = f"{obj!r} is not on the server (any more), or not visible"
    if not dialect.has_addresses(mapper):
        path = tuple(dialect.path_values(obj).items())
        rows = rows_by_keys(session, Query(mapper, path_values=path), [key])
        if key not in rows:
            raise mapper.model.DoesNotExist(f"{gone}.")
        return rows[key]
    request = dialect.refresh_request(obj, key)
    if timeout is not None:
        request = request._replace(timeout=timeout)
    try:
        response = session.send(request)
    except NotFound as error:
        raise mapper.model.DoesNotExist(f"{gone}: {error}") from error
    row: dict[str, Any] = dialect.read_row(mapper, response)
    _check_key(mapper, row, key, request)
    return row


def prefetch(session: Any, query: Query, objects: list[Any]) -> None:
    """Load the relations that *query* names: one wave of requests each, whatever their number."""
    tree: dict[str, list[str]] = {}
    for name in query.prefetch:
        head, _, rest = name.partition("__")
        tree.setdefault(head, []).extend([rest] if rest else [])
    for name, below in tree.items():
        if not objects:
            return
        field = query.mapper.fields[name]
        target, mode = field.target.__mapper__, query.fetch_mode
        if name in query.mapper.foreign_keys:
            found = _forward(session, field, objects, Query(target, fetch_mode=mode))
        else:
            found = _reverse(session, field, objects, mode)
        prefetch(session, Query(target, prefetch=tuple(below), fetch_mode=mode), found)


def _forward(session: Any, field: Any, objects: list[Any], query: Query) -> list[Any]:
    targets: dict[int, Any] = {}
    lacking: dict[Any, list[Any]] = {}
    for obj in objects:
        target = field.__get__(obj)
        if target is None or id(target) in targets:
            continue
        targets[id(target)] = target
        key = query.mapper.key_in(target._row)
        if not target._state.full and key is not None:
            lacking.setdefault(session.dialect.place_of(obj), []).append(key)
    for place, keys in lacking.items():
        by_keys(session, replace(query, place=place), keys)
    return list(targets.values())


def _reverse(
    session: Any, field: Any, objects: list[Any], mode: FetchMode, *, together: bool = True
) -> list[Any]:
    """Load what refers to *objects*, as the managers of the relation would show it.

    *together*: in one request for many, where the server can be asked so.
    """
    by = field.by
    query: Query = replace(field.target.objects.query, fetch_mode=mode)
    holders = {key: obj for obj in objects if (key := by.key_value(obj)) is not None}
    groups: dict[Any, list[Any]] = {key: [] for key in holders}
    below = any(by is field for field in query.mapper.path_fields)
    together = together and not below and can_ask_many(session, by)
    places: dict[Any, list[Any]] = {}
    for key, obj in holders.items():
        places.setdefault(session.dialect.place_of(obj), []).append(key)
    step = session.dialect.max_keys if together else 1
    chunks = [
        (place, keys[start : start + step])
        for place, keys in places.items()
        for start in range(0, len(keys), step)
    ]
    everything: list[Any] = []
    for place, chunk in chunks:
        asked_for = _referring(query, by, chunk, together=together, below=below)
        try:
            found = fetch(session, replace(asked_for, place=place))
        except (FilterIgnored, BadRequest) as error:
            if not together:
                raise
            _ask_singly(session, by, error)
            return _reverse(session, field, objects, mode)
        for child in found:
            key = _parent(child, by) if together else chunk[0]
            if key not in groups:  # the rows don't say whose they are
                return _reverse(session, field, objects, mode, together=False)
            groups[key].append(child)
        everything += found
    for key, obj in holders.items():
        state = own(obj)
        state.prefetched = {**(state.prefetched or {}), field.name: groups[key]}
    return everything


def _referring(query: Query, by: Any, keys: list[Any], *, together: bool, below: bool) -> Query:
    """Return *query* for what refers to the objects of *keys*: one of them, unless *together*."""
    wires = tuple(by.target.__mapper__.pk.to_wire(key) for key in keys)
    if below:
        return replace(query, path_values=((by.name, wires[0]),))
    if together:
        return query.having(Condition((by,), "in", wires))
    return query.having(Condition((by,), "exact", wires[0]))


def _parent(child: Any, by: Any) -> Any:
    """Return the key of what the server says a child refers to, whatever the user made of it."""
    raw = (child._state.theirs or {}).get(by.key, ABSENT)
    if raw is ABSENT:
        raw = base_value(child, by)
    return None if raw is ABSENT else by.key_told(child, raw)


def explain(session: Any, query: Query) -> str:
    """Return what the server does, what is done here, and each URL."""
    dialect = session.dialect
    asked_for = asked(session, query)
    request, drop = dialect.skip(
        replace(asked_for, offset=0) if query.local else asked_for, page_size(session, query)
    )
    url = with_params(session.client.base_url + request.shown_path, request.params, show=True)
    server = [f"where {query.where}"] if query.where is not None else []
    keys = dialect.ordering(query)
    server += [f"order by {', '.join(key.name for key in keys)}"] if keys else []
    here = [f"{len(query.local)} local filter(s), page by page"] if query.local else []
    here += [f"the first {drop} rows are dropped"] if drop else []
    if query.limit is not None:
        here.append(f"reading stops after {query.limit} rows")
    if query.only and not dialect.can_select:
        here.append("only(): the server sends whole rows")
    lines = [
        f"{query.mapper.model.__name__} through the {dialect.name} dialect",
        f"  server: {'; '.join(server) or 'everything, in its own order'}",
        f"  here:   {'; '.join(here) or 'nothing'}",
        f"  GET {url}",
    ]
    for name in query.prefetch:
        lines.append(f"  then, for {name}: one request per {dialect.max_keys or 1} keys")
    return "\n".join(lines)
