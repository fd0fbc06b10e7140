"""Versions: what tells that somebody else has changed an object since it was read.

Fowler's Optimistic Offline Lock. The version of an object is that of its base row: an entity tag,
which goes along as ``If-Match``, or the value of a field, which is compared with what the server has
just before a change is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from objmapper.exceptions import ContractError, DeclarationError
from objmapper.operation import Change, Draft, Kind
from objmapper.request import Pending
from objmapper.state import ABSENT, base_value, same

#: The key of a row under which the entity tag of an answer's header is kept.
ETAG: Final = "@etag"
_STRONG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True, slots=True)
class Version(Pending):
    """The version of an object's base as it is when the request goes out."""

    def __str__(self) -> str:
        return f"<version of {self.of!r}>"

    __repr__ = __str__


def strong(tag: Any) -> str | None:
    """Return an entity tag that ``If-Match`` can say, else None.

    A weak one is none: no server finds it equal there (RFC 9110, 13.1.1).
    """
    return tag if isinstance(tag, str) and _STRONG.fullmatch(tag) else None


def check(dialect: Any, mapper: Any) -> None:
    """Raise DeclarationError for a model that counts on what its server is not said to have."""
    if mapper.version is not None and not dialect.has_etag:
        raise DeclarationError(
            f"{mapper.model.__name__}.Meta says version = 'etag', and the {dialect.name} dialect is not "
            "said to have entity tags; nothing was sent. If the server heeds If-Match, say so to the "
            f"dialect: {type(dialect).__name__}(has_etag=True). Else name a field that every change "
            "moves: version_field = 'updated'."
        )


def key_of(dialect: Any, mapper: Any) -> str | None:
    """Return the key of a row that tells its version; None for a model without one."""
    if mapper.version is not None:
        key: str = dialect.etag_key
        return key
    return None if mapper.version_field is None else str(mapper.fields[mapper.version_field].key)


def of_row(dialect: Any, mapper: Any, row: Mapping[str, Any]) -> Any:
    """Return the version that a row tells, None where it tells none."""
    if mapper.version is not None:
        return dialect.etag_of(row)
    field = mapper.fields[mapper.version_field]
    return field.dump(field.tolerant(row.get(field.key)))


def of_object(dialect: Any, obj: Any) -> Any:
    """Return the version of an object's base, None where no row has told it."""
    mapper = type(obj).__mapper__
    key = key_of(dialect, mapper) or ""
    field = mapper.by_key.get(key)
    value = obj._row.get(key) if field is None else base_value(obj, field)
    if value is None or value is ABSENT:
        return None
    return of_row(dialect, mapper, {key: value if field is None else field.dump(value)})


def has_base(obj: Any) -> bool:
    """Whether more is known of an object than where it is: what its server had when it was read."""
    mapper, originals = type(obj).__mapper__, obj._state.originals or {}
    place = {field.key for field in mapper.path_fields}
    if mapper.has_key:
        place.add(mapper.pk.key)
    return any(key not in place and originals.get(key, key) is not ABSENT for key in obj._row)


def guarded(dialect: Any, draft: Draft) -> Draft:
    """Return a draft that minds the versions of what it changes or deletes, if they have one."""
    obj = next((change.object for change in draft.changes if is_guarded(change)), None)
    if obj is None:
        return draft
    mapper = type(obj).__mapper__
    if mapper.version is None:
        return draft._replace(guard=mapper.version_field)
    if obj is not draft.changes[0].object:  # the request is not the object's own
        return draft._replace(guard=mapper.version)
    headers = {**draft.request.headers, "If-Match": Version(obj, partial(_tag, dialect))}
    return draft._replace(request=draft.request._replace(headers=headers), guard=mapper.version)


def is_guarded(change: Change) -> bool:
    """Whether a change is one of what has a version already."""
    known = change.kind in (Kind.UPDATE, Kind.DELETE)
    return known and bool(type(change.object).__mapper__.is_versioned)


def _tag(dialect: Any, obj: Any) -> str | None:
    """Return what ``If-Match`` says; nothing for an object of which nothing was read.

    Raises ContractError for one that was read, and whose entity tag the server did not tell.
    """
    tag = of_object(dialect, obj)
    if tag is None and has_base(obj):
        raise ContractError(
            f"{obj!r} was read and has no entity tag that If-Match could say: the server sent none, or "
            "a weak one (W/...). Its model says version = 'etag', so it is not sent without one; "
            "version_field compares a field instead."
        )
    return None if tag is None else str(tag)


# -- versions of rows that tell a part ------------------------------------------------------------


def of_whole(page: Any, obj: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for an object to take, without its version if it tells a part of what is known.

    The version would be newer than the rest: what others have changed of that would go unnoticed.
    """
    key = None if page.full else _key_told(page, row)
    return row if key is None else _of_what_is_known(obj, row, key)


def of_found(dialect: Any, obj: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a list for the object that it turned out to be, as `of_whole` does."""
    mapper = type(obj).__mapper__
    key = key_of(dialect, mapper) if mapper.is_versioned and not dialect.lists_are_full else None
    return row if key is None else _of_what_is_known(obj, row, key)


def _of_what_is_known(obj: Any, row: dict[str, Any], key: str) -> dict[str, Any]:
    by_key = type(obj).__mapper__.by_key
    if all(known in row or not is_compared(by_key.get(known)) for known in obj._row):
        return row
    return {name: value for name, value in row.items() if name != key}


def of_base(page: Any, obj: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row that completes an object, without its version if it is newer than the base."""
    key, by_key = _key_told(page, row), type(obj).__mapper__.by_key
    if key is None or key in obj._row:
        return row
    compared = (by_key[known] for known in obj._row if is_compared(by_key.get(known)))
    if all(field.key in row and _is_as_before(obj, field, row) for field in compared):
        return row
    return {name: value for name, value in row.items() if name != key}


def _key_told(page: Any, row: dict[str, Any]) -> str | None:
    session = page.session() if page.session is not None else None
    key = None if session is None else key_of(session.dialect, page.mapper)
    return key if key in row else None


def is_compared(field: Any) -> bool:
    """Whether a field tells of somebody's change: it can be set, and is shown."""
    return field is not None and not field.read_only and not field.write_only


def _is_as_before(obj: Any, field: Any, row: dict[str, Any]) -> bool:
    base = base_value(obj, field)
    told = row[field.key] if field.mutable else field.tolerant(row[field.key])
    return base is not ABSENT and same(field.dump(base), field.dump(told))
