"""The closures behind an attribute; all that their fast paths use is a local of theirs.

``property`` calls them from C. To read ``task.name`` is one dictionary look-up and one look at a
class; what a writer does by itself, ``state.assign`` would do as well, only slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import missing

from objmapper.exceptions import ReadOnlyFieldError
from objmapper.state import absent, assign, change, convert, restore, touch

Reader = Callable[[Any], Any]
Writer = Callable[[Any, Any], None]


def _ready(field: Any) -> type | None:
    """Return the class of values that need no conversion; None, which is the class of nothing."""
    return field.python_type if field.keeps else None


def reader(field: Any) -> Reader:
    """Return what reads *field* of a model's objects."""
    key, expected = field.key, _ready(field)

    def get(obj: Any) -> Any:
        try:
            value = obj._row[key]
        except KeyError:
            value = missing  # absent() may raise, and a KeyError tells its reader nothing
        if value.__class__ is expected:
            return value
        return absent(obj, field) if value is missing else convert(obj, field, value)

    return get


def mutable_reader(field: Any) -> Reader:
    """Return what reads a field whose values change in place: the first read takes a snapshot."""
    key = field.key

    def get_mutable(obj: Any) -> Any:
        value = obj._row.get(key, missing)
        if value is missing:
            return absent(obj, field)
        snapshots = obj._state.snapshots
        if snapshots is not None and key in snapshots:
            return value
        return touch(obj, field, value)

    return get_mutable


def embedded_reader(field: Any) -> Reader:
    """Return what reads *field* of value objects."""
    key, expected = field.key, _ready(field)

    def get_embedded(obj: Any) -> Any:
        value = obj._row.get(key, missing)
        if value.__class__ is expected:
            return value
        return field.read_embedded(obj, value)

    return get_embedded


def writer(field: Any) -> Writer:
    """Return what sets *field* of a model's objects and keeps what it had before."""
    key = field.key
    expected = field.python_type if field.fast else None  # which is the class of nothing

    def set_(obj: Any, value: Any) -> None:
        row = obj._row
        originals = obj._state.originals
        if originals is not None and key in originals:
            if value.__class__ is expected:
                base = originals[key]
                if base != value:
                    row[key] = value
                    return
                if base.__class__ is expected:
                    restore(obj, field)
                    return
        elif key in row:
            old = row[key]
            if old.__class__ is value.__class__:
                if old == value:
                    return
                if value.__class__ is expected:
                    change(obj, key, old)
                    row[key] = value
                    return
        assign(obj, field, value)

    return set_


def guarded_writer(field: Any) -> Writer:
    """Return what sets a field that asks at each setting, or whose values change in place."""

    def set_guarded(obj: Any, value: Any) -> None:
        assign(obj, field, value)

    return set_guarded


def embedded_writer(field: Any) -> Writer:
    """Return what sets *field* of value objects; their owner's snapshot tells what changed."""
    key = field.key

    def set_embedded(obj: Any, value: Any) -> None:
        if obj._locked or field.read_only:
            raise ReadOnlyFieldError(f"{field} is read-only: only the server sets it.")
        if field.write_once and not obj._new:
            raise ReadOnlyFieldError(f"{field} can be set until the object exists on the server.")
        obj._row[key] = field.store(value)
        if obj._fresh:
            obj._fresh.pop(key, None)

    return set_embedded
