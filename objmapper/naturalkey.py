"""Objects that the server has and whose keys are not known yet: their natural keys tell them apart.

What is created inside its parent's request, as a label, is not told its key by the answer. The key
is looked for when it is first touched; a row that comes before is recognised.
"""

from __future__ import annotations

from typing import Any

from objmapper import loading
from objmapper.fields import ForeignKey
from objmapper.paging import row_pages
from objmapper.query import Condition, Query
from objmapper.state import ABSENT, Page, base_value, freeze


def of_object(obj: Any) -> tuple[bytes, ...]:
    """Return the natural key that the server has of *obj*, whatever was changed since."""
    return _parts(obj, _fields(type(obj).__mapper__))


def _parts(obj: Any, fields: list[Any]) -> tuple[bytes, ...]:
    return tuple(freeze(_wire(field, base_value(obj, field))) for field in fields)


def of_row(mapper: Any, row: dict[str, Any]) -> tuple[bytes, ...]:
    """Return the natural key of a row."""
    return tuple(freeze(_wire(field, row.get(field.key))) for field in _fields(mapper))


def _fields(mapper: Any) -> list[Any]:
    return [mapper.fields[name] for name in mapper.natural_key]


def _wire(field: Any, value: Any) -> Any:
    """Return the JSON of a value in its one form; what a row lacks is null."""
    if value is ABSENT or value is None:
        return None
    if not isinstance(field, ForeignKey):
        return field.dump(field.tolerant(value))
    try:
        key = field.key_value(value)
    except (ValueError, TypeError):
        return None
    return None if key is None else field.target.__mapper__.pk.to_wire(key)


def recognise(session: Any, mapper: Any, rows: list[dict[str, Any]]) -> None:
    """Give the objects that wait for their keys those of *rows*, before other objects are made."""
    waiting = {of_object(obj): obj for obj in _waiting(session, mapper)}
    met: dict[tuple[bytes, ...], list[dict[str, Any]]] = {}
    for row in rows if waiting else ():
        natural = of_row(mapper, row)
        if natural in waiting:
            met.setdefault(natural, []).append(row)
    for natural, alike in met.items():
        found = _unclaimed(session, mapper, alike)
        if len(found) == 1:
            adopt(session, waiting[natural], found[0])


def _unclaimed(session: Any, mapper: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return which of several rows of one natural key may be meant: not those of other objects."""
    if len(rows) < 2:
        return rows
    claimed, root = session.identity.get, mapper.root
    return [row for row in rows if claimed(root, mapper.identity_in(row)) is None]


def _waiting(session: Any, mapper: Any) -> list[Any]:
    return [obj for obj in session.members.keyless if type(obj).__mapper__.root is mapper.root]


def find_key(session: Any, obj: Any) -> None:
    """Ask for the row of an object without a key, and for its peers' in the same request.

    Raises the model's DoesNotExist and MultipleObjectsReturned.
    """
    mapper = type(obj).__mapper__
    peers = _peers(session, obj) if mapper.natural_key else [obj]
    query = _query(session, obj, peers)
    if query.where is None:
        raise mapper.model.DoesNotExist(
            f"{obj!r} has no key, and no natural_key to find it by (Meta.natural_key)."
        )
    rows = [row for page in row_pages(session, query) for row in page]
    wanted = of_object(obj)
    alone = len(peers) == 1 and len(_asked(session, mapper)) == len(mapper.natural_key)
    alike = rows if alone else [row for row in rows if of_row(mapper, row) == wanted]
    found = _unclaimed(session, mapper, alike)
    if len(found) != 1:
        error = mapper.model.MultipleObjectsReturned if found else mapper.model.DoesNotExist
        raise error(f"{obj!r} was looked for by {query.where}: {len(found)} were found.")
    recognise(session, mapper, rows)
    if mapper.key_in(obj._row) is None:
        adopt(session, obj, found[0])


def _peers(session: Any, obj: Any) -> list[Any]:
    """Return *obj* and those that one request can ask for with it.

    Of the parts of the natural key that are asked for, they differ from it in the last one only.
    """
    mapper, dialect = type(obj).__mapper__, session.dialect
    asked = _asked(session, mapper)
    if not asked or dialect.max_keys < 2 or "in" not in dialect.lookups_of((asked[-1],)):
        return [obj]
    first = _parts(obj, asked[:-1])
    others = [
        other
        for other in _waiting(session, mapper)
        if other is not obj and _parts(other, asked[:-1]) == first
    ]
    return [obj, *others[: dialect.max_keys - 1]]


def _asked(session: Any, mapper: Any) -> list[Any]:
    """Return the parts of the natural key that the server can look for; the others are compared here."""
    lookups_of = session.dialect.lookups_of
    return [field for field in _fields(mapper) if "exact" in lookups_of((field,))]


def _query(session: Any, obj: Any, peers: list[Any]) -> Query:
    """Return the query for all *peers*; parts that are null are not asked for."""
    mapper = type(obj).__mapper__
    path = tuple(session.dialect.path_values(obj).items())
    query = Query(mapper, path_values=path, place=session.dialect.place_of(obj))
    for field in _asked(session, mapper):
        wires = dict.fromkeys(_wire(field, base_value(peer, field)) for peer in peers)
        wires.pop(None, None)
        if len(wires) > 1:
            query = query.having(Condition((field,), "in", tuple(wires)))
        elif wires:
            query = query.having(Condition((field,), "exact", *wires))
    return query


def adopt(session: Any, obj: Any, row: dict[str, Any]) -> None:
    """Give an object the key and the row that it turned out to have."""
    mapper = type(obj).__mapper__
    full = session.dialect.lists_are_full
    page = Page(session.ref, mapper, [mapper.identity_in(row)], full=full)
    loading.receive(obj, row, page)
    key = mapper.identity_in(obj._row)
    session.members.keyless.discard(obj)
    if session.identity.get(mapper.root, key) is None:
        session.identity.add(mapper.root, key, obj)
