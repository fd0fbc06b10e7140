"""What a journal may tell: what was edited, or written by another program, is refused, and never sent.

SQLite keeps text in a column of numbers, and JSON may be of any shape: each row is checked when it is
read, and what it says of a model's fields before an object is made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from objmapper.encoding import loads
from objmapper.exceptions import ContractError, JournalError, cut
from objmapper.fields import ForeignKey

#: Numbers that leave room for all that comes after them, and times that calendars have.
_MOST, _LATEST = 2**53, 2**33
_NUMBER, _TIME, _TEXT, _TEXT_OR_NONE = "a number", "a time", "text", "text or NULL"
_KINDS: Mapping[str, Mapping[str, str]] = {
    "meta": {"name": _TEXT, "value": _TEXT},
    "model": {"number": _NUMBER, "name": _TEXT, "fields": _TEXT},
    "event": {"operation": _NUMBER, "fate": _TEXT, "at": _TIME, "detail": _TEXT_OR_NONE},
    "intent": {"operation": _NUMBER, "object": _NUMBER, "kind": _TEXT, "model": _NUMBER},
}


def problem(table: str, names: tuple[str, ...], row: tuple[Any, ...]) -> str | None:
    """Say what is wrong with the columns of a row; None where they are of the kinds that are written."""
    kinds = _KINDS[table]
    for name, value in zip(names, row, strict=True):
        kind = kinds.get(name, _TEXT_OR_NONE)
        if not _is(kind, value):
            return f"{name!r} is {cut(value)}, and not {kind}"
    return None


def _is(kind: str, value: Any) -> bool:
    cls = value.__class__
    if cls is str:
        return kind is _TEXT or kind is _TEXT_OR_NONE
    if kind is _NUMBER:
        return cls is int and 0 <= value < _MOST
    if kind is _TIME:
        return cls in (int, float) and 0 <= value < _LATEST
    return value is None and kind is _TEXT_OR_NONE


def mapping(text: str | None) -> dict[str, Any]:
    """Return a JSON object of an intent, {} of None. Raises JournalError for anything else."""
    found = {} if text is None else loads(text)
    if not isinstance(found, dict):
        raise JournalError(f"an intent in the journal makes no sense: {found!r:.60}")
    return found


def names(text: str | None) -> list[str]:
    """Return a JSON list of names, [] of None. Raises JournalError for anything else."""
    found = [] if text is None else loads(text)
    if not isinstance(found, list) or {*map(type, found)} - {str}:
        raise JournalError(f"an intent in the journal makes no sense: {found!r:.60} are no names")
    return found


def clock(text: str | None) -> datetime:
    """Return what a server's clock has shown. Raises JournalError for what no clock shows."""
    told = loads(text, "a time")
    try:
        found = datetime.fromisoformat(told)
    except (TypeError, ValueError) as error:
        raise JournalError(f"a time in the journal is none: {error}.") from None
    if found.tzinfo is None or not 1970 <= found.year < 9000:
        raise JournalError(f"a time in the journal is none: {told!r:.60} is no server's.")
    return found


def parts(text: str | None, what: str) -> list[Any]:
    """Return the parts of a key, or of a name. Raises JournalError for what has none."""
    found = loads(text, what)
    if not isinstance(found, list) or not found:
        raise JournalError(f"{what} in the journal is none: {found!r:.60}")
    return found


def place(text: str | None) -> tuple[Any, ...] | None:
    """Return which of the server's places a request was about. Raises JournalError for what is none."""
    found = loads(text, "a place")
    if not isinstance(found, list | None):
        raise JournalError(f"a place in the journal is none: {found!r:.60}")
    return None if found is None else tuple(found)


def senseless(path: str, where: str, why: object) -> JournalError:
    """Return the error for what makes no sense in a journal that can be read."""
    return JournalError(
        f"The journal {path!r} is damaged, or was edited: {where}: {str(why).rstrip('.')}. Nothing of "
        "it is sent. Put back what was written, or keep the file, compare with what the server has, "
        "and begin another journal."
    )


def unsaid(mapper: Any, part: Any) -> str | None:
    """Say what of a part no program has sent, by the fields of its model; None where that is nothing."""
    unknown = sorted(part.keys - mapper.by_key.keys())
    if unknown:
        return f"{mapper.model.__name__} has no field for {', '.join(unknown)!r:.60}"
    for key, value in part.values.items():
        field = mapper.by_key[key]
        whatever = key in part.refs or part.undoes  # an undo gives back whatever there was
        if not (whatever or field.accepts(value) or (value is None and field.null)):
            return f"{field} can't be {cut(value)}"
    return None


def misled(mapper: Any, values: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """Say which relation leads to an object that is none of its kind, of those of *keys*."""
    for key in keys:
        field = mapper.by_key[key]
        if isinstance(field, ForeignKey) and not isinstance(values[key], field.target):
            return f"{field} can't be {values[key]!r}"
    return None


def mistaken(mapper: Any, item: Any, etag: str | None) -> str | None:
    """Say why an item's row can't be that of the key which the item is known by."""
    unknown = sorted(item.row.keys() - mapper.by_key.keys() - {etag})
    if unknown and mapper.polymorphic_on is None:
        return f"{mapper.model.__name__} has no field for {', '.join(unknown)!r:.60}, which its row has"
    try:
        mapper.identity_in(item.row)
        if item.key is None or item.state == "new" or not mapper.has_key:
            return None
        told, has = mapper.normalise(parts(item.key, "a key")[-1]), mapper.key_in(item.row)
    except ContractError as error:
        return str(error)
    return None if told == has else f"its key is {cut(told)}, and {cut(has)} by its row"


__all__ = [
    "clock",
    "mapping",
    "misled",
    "mistaken",
    "names",
    "parts",
    "place",
    "problem",
    "senseless",
    "unsaid",
]
