"""Which objects are read-only: those that were asked for by their id, until they are unlocked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

from objmapper.exceptions import ReadOnlyFieldError

_locked: WeakSet[Any] = WeakSet()


def lock(obj: Any) -> None:
    """Make an object read-only."""
    _locked.add(obj)


def unlock(objects: Iterable[Any]) -> None:
    """Make objects writable."""
    if _locked:
        for obj in objects:
            _locked.discard(obj)


def is_locked(obj: Any) -> bool:
    """Whether an object is read-only."""
    return bool(_locked) and obj in _locked


def refuse(obj: Any, what: str) -> None:
    """Raise ReadOnlyFieldError for an object that is read-only, saying *what* can't be."""
    if is_locked(obj):
        raise ReadOnlyFieldError(
            f"{what} can't be changed or deleted: {obj!r} is read-only. Say read_only(False) first."
        )
