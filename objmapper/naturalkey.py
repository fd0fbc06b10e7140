"""Objects that the server has and whose keys are not known yet: their natural keys tell them apart.

What is created inside its parent's request, as a label, is not told its key by the answer. The key
is looked for when it is first touched; a row that comes before is recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from objmapper import loading
from objmapper.fields import ForeignKey
from objmapper.operation import Change
from objmapper.paging import row_pages
from objmapper.query import Condition, Query
from objmapper.state import ABSENT, Page, base_value, freeze

#: The parts of a natural key, as JSON in its one form; ABSENT for what was not told.
Parts = Sequence[Any]
Frozen = tuple[bytes, ...]


def of_object(obj: Any) -> list[Any]:
    """Return the natural key that the server has of *obj*, whatever was changed since."""
    return [wire_of(field, base_value(obj, field)) for field in fields_of(type(obj).__mapper__)]


def of_row(mapper: Any, row: dict[str, Any]) -> list[Any]:
    """Return the natural key of a row."""
    return [wire_of(field, row.get(field.key)) for field in fields_of(mapper)]


def frozen(parts: Parts) -> Frozen:
    """Return a natural key as what can be compared and hashed."""
    return tuple(b"" if part is ABSENT else freeze(part) for part in parts)


def fields_of(mapper: Any) -> list[Any]:
    """Return the fields of a model's natural key."""
    return [mapper.fields[name] for name in mapper.natural_key]


def wire_of(field: Any, value: Any) -> Any:
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
    waiting = {frozen(of_object(obj)): obj for obj in _waiting(session, mapper)}
    met: dict[Frozen, list[dict[str, Any]]] = {}
    for row in rows if waiting else ():
        natural = frozen(of_row(mapper, row))
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
    path = tuple(session.dialect.path_values(obj).items())
    where = Query(mapper, path_values=path, place=session.dialect.place_of(obj))
    query = narrowed(session, where, [of_object(peer) for peer in peers])
    if query.where is None:
        raise mapper.model.DoesNotExist(
            f"{obj!r} has no key, and no natural_key to find it by (Meta.natural_key)."
        )
    rows = [row for page in row_pages(session, query) for row in page]
    wanted = frozen(of_object(obj))
    alone = len(peers) == 1 and len(_asked(session, mapper)) == len(mapper.natural_key)
    alike = rows if alone else [row for row in rows if frozen(of_row(mapper, row)) == wanted]
    found = _unclaimed(session, mapper, alike)
    if len(found) != 1:
        error = mapper.model.MultipleObjectsReturned if found else mapper.model.DoesNotExist
        raise error(f"{obj!r} was looked for by {query.where}: {len(found)} were found.")
    recognise(session, mapper, rows)
    if mapper.key_in(obj._row) is None:
        adopt(session, obj, found[0])


def _peers(session: Any, obj: Any) -> list[Any]:
    """Return *obj* and those that one request can ask for with it."""
    mapper = type(obj).__mapper__
    most, shared = together(session, mapper, of_object(obj))
    if most < 2:
        return [obj]
    others = [
        other
        for other in _waiting(session, mapper)
        if other is not obj and together(session, mapper, of_object(other))[1] == shared
    ]
    return [obj, *others[: most - 1]]


def together(session: Any, mapper: Any, key: Parts) -> tuple[int, Frozen]:
    """Return how many natural keys one request can ask for, and what those have in common with *key*.

    Of the parts that are asked for, they differ in the last one only.
    """
    asked, dialect = _asked(session, mapper), session.dialect
    if not asked:
        return 1, ()
    can = dialect.max_keys > 1 and "in" in dialect.lookups_of((asked[-1][1],))
    shared = frozen([key[number] for number, _ in asked[:-1]])
    return dialect.max_keys if can else 1, shared


def _asked(session: Any, mapper: Any) -> list[tuple[int, Any]]:
    """Return the parts that the server can look for, with their places; others are compared here."""
    lookups_of = session.dialect.lookups_of
    parts = enumerate(fields_of(mapper))
    return [(number, field) for number, field in parts if "exact" in lookups_of((field,))]


def narrowed(session: Any, query: Query, keys: Sequence[Parts]) -> Query:
    """Return the query for what has one of *keys*, which go `together`.

    Parts that are null, or were not told, are not asked for.
    """
    for number, field in _asked(session, query.mapper):
        told = [key[number] for key in keys if key[number] is not ABSENT]
        wires = {freeze(wire): wire for wire in told if wire is not None}
        if len(wires) > 1:
            query = query.having(Condition((field,), "in", tuple(wires.values())))
        elif wires:
            query = query.having(Condition((field,), "exact", *wires.values()))
    return query


def with_base(change: Change) -> Change:
    """Return a change with what the server had of its object before, where a row has told it since."""
    theirs = change.object._state.theirs
    lacking = [key for key, base in change.base.items() if base is ABSENT] if theirs else []
    if not lacking:
        return change
    by_key = type(change.object).__mapper__.by_key
    told = {
        key: by_key[key].tolerant(theirs[key])
        for key in lacking
        if key in theirs and not by_key[key].hides
    }
    return change._replace(base={**change.base, **told})


def adopt(session: Any, obj: Any, row: dict[str, Any]) -> None:
    """Give an object the key and the row that it turned out to have."""
    mapper = type(obj).__mapper__
    full = session.dialect.lists_are_full
    page = Page(session.ref, mapper, [mapper.identity_in(row)], full=full)
    loading.receive(obj, row, page)
    key = mapper.identity_in(obj._row)
    members = session.members
    if obj in members.keyless:  # this session has created it
        del members.keyless[obj]
        members.created.setdefault(mapper.root, set()).add(key)
    if session.identity.get(mapper.root, key) is None:
        session.identity.add(mapper.root, key, obj)
