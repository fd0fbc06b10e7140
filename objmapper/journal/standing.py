"""What became of a change beside a commit: taken back, settled by hand, or waiting still."""

from __future__ import annotations

from typing import Any

from objmapper.exceptions import StatusError
from objmapper.journal.history import DROPPED
from objmapper.operation import Change, Fate, Kind
from objmapper.state import changed_keys, is_new


def stands(session: Any, change: Change, over: bool) -> str | None:
    """Return the fate of a change that was intended; None where it waits, or is under way, still.

    *over*: whether this run has told that its object was created, or deleted: what another operation
    has done since is not done twice.
    """
    fate = _fate(session, change)
    return DROPPED if over and fate == Fate.DONE else fate


def _fate(session: Any, change: Change) -> str | None:
    obj, members = change.object, session.members
    number = id(obj)
    if number in members.uncertain or number in members.under_way or number in members.new:
        return None
    if change.kind == Kind.CREATE:
        return DROPPED if is_new(obj) else Fate.DONE.value
    if change.kind == Kind.DELETE:
        return None if number in members.deleted else DROPPED if obj in members else Fate.DONE.value
    waits = obj in members and not change.sent.keys().isdisjoint(changed_keys(obj))
    return None if waits else DROPPED


def named(error: BaseException) -> str:
    """Return what an error is, without what it says: that may quote anything."""
    status = f" {error.status}" if isinstance(error, StatusError) else ""
    return type(error).__name__ + status


__all__ = ["named", "stands"]
