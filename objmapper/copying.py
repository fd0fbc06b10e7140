"""Copies of objects: detached, with row and changes, without session and without write-only values.

``pickle``, ``copy`` and ``deepcopy`` take what ``portable`` tells. Other objects are referred to by
their keys; new ones, which have none yet, come along.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from objmapper.operation import Pending
from objmapper.state import (
    InstanceState,
    Lifecycle,
    Page,
    Stateful,
    changed_keys,
    copied,
    freeze,
    is_new,
    thaw,
)

S = TypeVar("S", bound=Stateful)
#: Row, originals, snapshots, children, whether it is new, whether its row is full.
Portable = tuple[Any, Any, Any, Any, bool, bool]


def portable(obj: Any, *, secrets: bool = False) -> Portable:
    """Return all of an object that travels; with *secrets* within this process only."""
    state, row, by_key = obj._state, {}, type(obj).__mapper__.by_key
    hidden = {} if secrets else {key for key, field in by_key.items() if field.write_only}
    for key, value in obj._row.items():
        if key not in hidden:
            row[key] = reference(by_key[key], value) if isinstance(value, Stateful) else value
    originals, snapshots = {}, {}
    for key, base in (state.originals or {}).items():
        if key not in hidden:
            field = by_key[key]
            open_base = base if secrets or field.plain or not field.mutable else shown(field, base)
            originals[key] = reference(field, base) if isinstance(base, Stateful) else open_base
    for key, snapshot in (state.snapshots or {}).items():
        if key not in hidden:
            field = by_key[key]
            shut = secrets or field.plain
            snapshots[key] = (
                snapshot if shut else type(snapshot)(freeze(shown(field, thaw(snapshot))))
            )
    return row, originals, snapshots, state.children, is_new(obj), state.full


def shown(field: Any, wire: Any) -> Any:
    """Return the JSON of a value object, or of several, without what is write-only in it."""
    return field.to_row(duplicate(field.tolerant(wire), {}))


def reference(field: Any, target: Any) -> Any:
    """Return the key of an object that a relation leads to; a new one stands for itself."""
    key = field.dump(target)
    return target if isinstance(key, Pending) else key


def blank(cls: type[S]) -> S:
    """Return an object without anything, for ``fill``."""
    obj = object.__new__(cls)
    obj._row = {}
    obj._state = cls.__mapper__.blank_page  # type: ignore[attr-defined]
    return obj


def fill(obj: Any, told: Portable) -> None:
    """Give a blank object what ``portable`` told of another."""
    obj._row, originals, snapshots, children, new, full = told
    page = Page(None, type(obj).__mapper__, [], full=full)
    lifecycle = Lifecycle.TRANSIENT if new else Lifecycle.DETACHED
    obj._state = state = InstanceState(page, lifecycle)
    state.originals, state.snapshots = originals or None, snapshots or None
    state.children = children


def twin(obj: S, memo: dict[int, Any] | None = None, *, secrets: bool = False) -> S:
    """Return a copy of *obj*, its children with it; without *memo* other new objects are shared."""
    if memo is None:
        memo = {id(parent): parent for parent in _shared(obj, {id(obj)})}
    memo[id(obj)] = found = blank(type(obj))
    fill(found, duplicate(portable(obj, secrets=secrets), memo, secrets=secrets))
    return found


def _shared(obj: Any, copied: set[int]) -> list[Any]:
    """Return the new objects that a copy of *obj* refers to, but for its own family."""
    family = [child for group in (obj._state.children or {}).values() for child in group]
    copied |= {id(child) for child in family}
    found = [value for value in obj._row.values() if isinstance(value, Stateful)]
    for child in family:
        found += _shared(child, copied)
    return [value for value in found if id(value) not in copied]


def duplicate(value: Any, memo: dict[int, Any], *, secrets: bool = False, levels: int = 50) -> Any:
    """Return a value whose containers are its own; those of objects are as in ``twin``.

    Deeper than *levels* there is nothing but JSON.
    """
    if not levels and value.__class__ in (list, dict):
        return copied(value)

    def inner(item: Any) -> Any:
        return duplicate(item, memo, secrets=secrets, levels=levels - 1)

    if value.__class__ is tuple:
        return tuple(map(inner, value))
    if value.__class__ is list:
        return list(map(inner, value))
    if value.__class__ is dict:
        return {key: inner(item) for key, item in value.items()}
    if hasattr(value, "__embedded__"):
        row = value._row if secrets else value.__embedded__.open_row(value)
        return value.__embedded__.over(inner(row), value)
    if isinstance(value, Stateful):
        known = memo.get(id(value))
        return twin(value, memo, secrets=secrets) if known is None else known
    return copy.deepcopy(value, memo)


def changed_values(obj: Any) -> dict[str, Any]:
    """Return what was changed, by field name, as another object may take it."""
    by_key, found = type(obj).__mapper__.by_key, {}
    for key in changed_keys(obj):
        field, value = by_key[key], obj._row.get(key)
        if isinstance(value, Stateful):
            found[field.name] = reference(field, value)
        elif not field.primary_key:
            found[field.name] = duplicate(value, {}, secrets=True)
    return found
