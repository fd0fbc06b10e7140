"""What belonged to an object that is gone: the server may have deleted it along, and nobody said so.

A server that deletes a project may delete its tasks, let them be without one, or leave them as they are.
The journal knows that the project is gone, and of its tasks nothing: they are looked for before a
program that makes them again has them bound to what was made before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from objmapper import offline
from objmapper.journal.history import Departed, Item
from objmapper.journal.restoring import Restorer
from objmapper.settling import Wait

#: Wire names of an item's references, each with what is gone that it may have led to.
_Lost = dict[str, list[Departed]]


def take_along(restorer: Restorer, items: Iterable[Item], wait: Wait) -> None:
    """Take those of *items* for gone that went with what they belonged to; many are asked for at once.

    What they belong to is asked for first, though a later commit makes it again. What turns out to be
    there belongs to what is gone no longer: what the program says of it is said again. Raises
    JournalError where nobody can tell.
    """
    items = _with_what_is_above(restorer, items)
    while lost := _in_doubt(restorer, items):
        offline.refuse(
            restorer.session,
            "What an earlier run has made belonged to what it has deleted, and whether it went along has "
            "to be asked of the server",
        )
        rows = restorer.went_along(lost, wait)
        for item, found in lost:
            row = rows[item.number]
            if row is None:
                restorer.journal.book.leaves(item)
            else:
                _stays(restorer, item, found, row)
        asked = {item.number for item, _ in lost}
        items = [item for item in items if item.number not in asked]


def doubtful(restorer: Restorer, items: Iterable[Item]) -> set[int]:
    """Return the numbers of those of *items* that may be gone, or belong to what may be."""
    items = _with_what_is_above(restorer, items)
    found = {item.number for item, _ in _in_doubt(restorer, items)}
    more = found
    while more:
        more = {
            item.number
            for item in items
            if item.number not in found
            if any(parent.number in found for parent in _above(restorer, item))
        }
        found |= more
    return found


def _with_what_is_above(restorer: Restorer, items: Iterable[Item]) -> list[Item]:
    """Return *items* with all that they belong to, where anything is gone at all."""
    found = {item.number: item for item in items}
    waiting = list(found.values()) if restorer.journal.book.has_gone else []
    while waiting:
        for parent in _above(restorer, waiting.pop()):
            if parent.number not in found:
                found[parent.number] = parent
                waiting.append(parent)
    return list(found.values())


def _above(restorer: Restorer, item: Item) -> Iterator[Item]:
    """Yield what an object belongs to, as far as the journal has made it and it was there last."""
    journal, here = restorer.journal, restorer.journal.models.here
    if item.state != "there":
        return
    for field in restorer.model(item).__mapper__.foreign_keys.values():
        told = field.key in item.row
        number = journal.number_of(field, item.row[field.key]) if told else item.refs.get(field.key)
        parent = journal.book.items.get(number) if number.__class__ is int else None
        if parent is not None and parent.state == "there" and parent.model in here:
            yield parent


def _in_doubt(restorer: Restorer, items: Iterable[Item]) -> list[tuple[Item, _Lost]]:
    """Return those of *items* that the server may have deleted along with what they belonged to.

    What has surely gone is taken for gone.
    """
    if not restorer.journal.book.has_gone:
        return []
    while True:
        here = [item for item in items if item.state == "there"]
        lost = [(item, found) for item in here if (found := _lost(restorer, item))]
        sure = [item for item, found in lost if _is_surely_gone(restorer, item, found)]
        if not sure:
            return lost
        for item in sure:
            restorer.journal.book.leaves(item)


def _lost(restorer: Restorer, item: Item) -> _Lost:
    """Return which references of an item led to what was deleted after it was made.

    Of what nothing tells from others none: nobody could find out whether it is gone.
    """
    mapper, found = restorer.model(item).__mapper__, {}
    if item.key is None and not mapper.natural_key:
        return {}
    for field in mapper.foreign_keys.values():
        since = (item.moved or {}).get(field.key, item.made_by)
        gone = [
            parent
            for parent in _gone(restorer, item, field)
            if _is_of(restorer, parent, field.target.__mapper__.root)
            and (parent.gone_by is None or since < parent.gone_by)
        ]
        if gone:
            found[field.key] = gone
    return found


def _gone(restorer: Restorer, item: Item, field: Any) -> list[Departed]:
    """Return what is gone, of any model, that had the key or the number which a reference leads to."""
    book, number = restorer.journal.book, item.refs.get(field.key)
    if (
        field.key not in item.row and number.__class__ is int
    ):  # the server has not told that one's key
        parent = book.items.get(number)
        if parent is None or parent.state != "gone":
            return []
        return [Departed(parent.model, parent.made_by, None)]
    try:
        key = field.key_value(item.row.get(field.key))
    except (ValueError, TypeError):  # what can't be a key leads nowhere
        return []
    return [] if key is None else book.gone_with(field.target.__mapper__.pk.to_wire(key))


def _is_of(restorer: Restorer, gone: Departed, root: type) -> bool:
    """Whether what is gone was of a root class."""
    model = restorer.journal.models.here.get(gone.model)
    return model is not None and model.__mapper__.root is root


def _is_surely_gone(restorer: Restorer, item: Item, lost: _Lost) -> bool:
    """Whether an object is gone, so that nobody needs to be asked.

    It was made inside the request of what it belonged to; or only that tells where it is; or another
    object has its key by now.
    """
    mapper = restorer.model(item).__mapper__
    tells = {field.key for field in mapper.path_fields}
    if item.key is None:
        tells |= {mapper.fields[name].key for name in mapper.natural_key}
    return (
        any(parent.made_by == item.made_by for parents in lost.values() for parent in parents)
        or not tells.isdisjoint(lost)
        or restorer.is_given_away(item, item.made_by)
    )


def _stays(restorer: Restorer, item: Item, keys: Iterable[str], row: Mapping[str, Any]) -> None:
    """Know of an object what the server has, and no longer what the program said of these keys."""
    mapper, dialect = restorer.model(item).__mapper__, restorer.session.dialect
    item.forget({*keys})
    known = mapper.by_key.keys() | ({dialect.etag_key} if mapper.version is not None else set())
    item.row |= {key: row[key] for key in known & row.keys()}


__all__ = ["doubtful", "take_along"]
