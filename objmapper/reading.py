"""Asking the server: pages, keys, relations with their peers, single fields.

Everything here takes the session that asks; rows become objects in ``loading``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from objmapper import loading, naturalkey
from objmapper.exceptions import (
    ContractError,
    FieldFetchBlocked,
    NotFound,
    QueryError,
    UnsupportedLookup,
)
from objmapper.paging import asked, page_size, query_page, row_pages
from objmapper.query import Condition, FetchMode, Query
from objmapper.state import ABSENT, Page, base_value, own
from objmapper.transport.urls import with_params

# -- objects --------------------------------------------------------------------------------------


def object_pages(session: Any, query: Query, ahead: int = 0) -> Iterator[list[Any]]:
    """Yield the objects of a query page by page, prefetched relations with them."""
    path = dict(query.path_values)
    start = query.offset if query.local else 0
    left = query.limit if query.local else None
    for rows in row_pages(session, query, ahead):
        with session.using():
            page = query_page(session, query)
            found = _instances(session, query.mapper, rows, page, path)
            session.keep(found)
            loading.announce(session, found)
            if query.local:
                found = [obj for obj in found if all(test(obj) for test in query.local)]
                start, found = max(start - len(found), 0), found[start:]
                found = found if left is None else found[:left]
                left = None if left is None else left - len(found)
        yield found
        if left == 0:
            return


def _instances(
    session: Any, mapper: Any, rows: list[dict[str, Any]], page: Page, path: dict[str, Any]
) -> list[Any]:
    if session.members.keyless:
        naturalkey.recognise(session, mapper, rows)
    return loading.instances(session.identity, mapper, rows, page, path)


def fetch(session: Any, query: Query) -> list[Any]:
    """Return all objects of a query."""
    found = [obj for page in object_pages(session, query) for obj in page]
    prefetch(session, query, found)
    return found


def one(session: Any, query: Query, key: Any) -> Any:
    """Return the object behind a detail URL. Raises the model's DoesNotExist."""
    mapper = query.mapper
    path = dict(query.path_values)
    request = session.dialect.detail_request(mapper, key, path)
    try:
        response = session.client.send(request)
    except NotFound as error:
        raise mapper.model.DoesNotExist(
            f"{mapper.model.__name__} {'' if key is None else key!r} does not exist on the server, "
            f"or is not visible: {error}"
        ) from error
    row = session.dialect.read_row(mapper, response)
    page = query_page(session, query, full=True)
    found = _instances(session, mapper, [row], page, path)
    session.keep(found)
    loading.announce(session, found)
    if not isinstance(found[0], mapper.model):
        raise mapper.model.DoesNotExist(f"{found[0]!r} is no {mapper.model.__name__}.")
    if mapper.has_key and key is not None and mapper.key_in(row) != mapper.normalise(key):
        raise ContractError(f"{request.shown_path} was asked for, {mapper.key_in(row)!r} came.")
    prefetch(session, query, found)
    return found[0]


def by_keys(session: Any, query: Query, keys: list[Any]) -> list[Any]:
    """Return the objects of those keys that exist, in as few requests as fit."""
    mapper, dialect = query.mapper, session.dialect
    found: list[Any] = []
    if can_ask_many(dialect, mapper):
        for start in range(0, len(keys), dialect.max_keys):
            chunk = tuple(mapper.pk.to_wire(key) for key in keys[start : start + dialect.max_keys])
            narrowed = query.having(Condition((mapper.pk,), "in", chunk))
            size = min(dialect.max_page_size or len(chunk), len(chunk))
            found += fetch(session, replace(narrowed, page_size=size))
        return found
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


def can_ask_many(dialect: Any, mapper: Any) -> bool:
    """Whether one request can name several keys of a model."""
    return dialect.max_keys > 1 and "in" in dialect.lookups_of((mapper.pk,))


# -- relations and deferred fields ----------------------------------------------------------------


def related(session: Any, obj: Any, field: Any, raw: Any) -> Any:
    """Return the object that *raw* refers to: the identity map's, else one with what is known."""
    mapper, page = field.target.__mapper__, obj._state.page
    if page.related is None:
        page.related = {}
    group = page.related.get(field.key)
    if group is None:
        via = (field, page.mapper, page.keys)
        state = Page(session.ref, mapper, [], full=False, mode=page.mode, via=via)
        group = page.related[field.key] = (state, {})
    state, held = group
    key = field.key_value(raw)
    found = held.get(key)
    if found is not None and found._state.session is not None:
        return found
    found = session.identity.get(mapper.root, key)
    if found is None:
        row = dict(raw) if raw.__class__ is dict else {mapper.pk.key: mapper.pk.to_wire(key)}
        found = mapper.instance(row, state)
        session.identity.add(mapper.root, key, found)
    elif raw.__class__ is dict:
        for name, value in raw.items():  # a summary is as old as its row: it adds, never replaces
            found._row.setdefault(name, value)
    held[key] = found
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
        and can_ask_many(session.dialect, mapper)
    ):
        keys = _peers(session, obj, key, page, field)[: session.dialect.max_keys]
        if len(keys) > 1:
            path = tuple(session.dialect.path_values(obj).items())
            query = Query(mapper.root.__mapper__, path_values=path, fetch_mode=page.mode)
            by_keys(session, query, keys)
            if field.key in obj._row or obj._state.full:
                return
    reload(session, obj)


def _peers(session: Any, obj: Any, key: Any, page: Page, field: Any) -> list[Any]:
    """Return the keys to load together with *key*: of the same page, and lacking the same."""
    mapper = type(obj).__mapper__
    wanted = {key: None}
    if page.via is not None:
        relation, owner, source_keys = page.via
        for raw_key in source_keys:
            holder = session.identity.get(owner.root, raw_key)
            raw = holder._row.get(relation.key) if holder is not None else None
            if raw is None:
                continue
            try:
                peer_key = relation.key_value(raw)
            except (ValueError, TypeError):
                continue
            peer = session.identity.get(mapper.root, peer_key)
            if peer_key is not None and (peer is None or not peer._state.full):
                wanted[peer_key] = None
        return list(wanted)
    for peer_key in page.keys:
        peer = session.identity.get(mapper.root, peer_key)
        if peer is not None and not peer._state.full and field.key not in peer._row:
            wanted[peer_key] = None
    return list(wanted)


def reload(session: Any, obj: Any, *, overwrite: bool = False) -> None:
    """Load one object anew from its detail URL. Raises DoesNotExist."""
    mapper = type(obj).__mapper__
    if mapper.keyless:
        raise QueryError(f"{mapper.model.__name__} is keyless: it has no address to load it from.")
    key = mapper.key_in(obj._row)
    if key is None:
        naturalkey.find_key(session, obj)
        key = mapper.key_in(obj._row)
    path = session.dialect.path_values(obj)
    request = session.dialect.detail_request(mapper, key, path)
    try:
        response = session.client.send(request)
    except NotFound as error:
        raise mapper.model.DoesNotExist(
            f"{obj!r} is not on the server (any more), or not visible: {error}"
        ) from error
    row = session.dialect.read_row(mapper, response)
    page = Page(session.ref, mapper, [key], full=True, mode=obj._state.page.mode)
    if overwrite:
        loading.overwrite(obj, row, page)
    else:
        loading.receive(obj, row, page)
    session.keep([obj])
    loading.announce(session, [obj])


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
    targets = {id(t): t for obj in objects if (t := field.__get__(obj)) is not None}
    lacking = [
        key
        for target in targets.values()
        if not target._state.full and (key := query.mapper.key_in(target._row)) is not None
    ]
    if lacking:
        by_keys(session, query, lacking)
    return list(targets.values())


def _reverse(
    session: Any, field: Any, objects: list[Any], mode: FetchMode, *, together: bool = True
) -> list[Any]:
    """Load what refers to *objects*, as the managers of the relation would show it.

    *together*: in one request for many, where the server can be asked so.
    """
    by, dialect = field.by, session.dialect
    query: Query = replace(field.target.objects.query, fetch_mode=mode)
    holders = {key: obj for obj in objects if (key := by.key_value(obj)) is not None}
    groups: dict[Any, list[Any]] = {key: [] for key in holders}
    below = any(by is field for field in query.mapper.path_fields)
    together = together and dialect.max_keys > 1 and "in" in dialect.lookups_of((by,)) and not below
    keys, everything = list(holders), []
    step = dialect.max_keys if together else 1
    for start in range(0, len(keys), step):
        chunk = keys[start : start + step]
        found = fetch(session, _referring(query, by, chunk, together=together, below=below))
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
    return None if raw is ABSENT else by.key_value(raw)


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
