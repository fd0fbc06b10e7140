"""Recovery: what an earlier process meant to send and did not get done, in this session again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from objmapper import planning
from objmapper.exceptions import JournalError
from objmapper.journal.history import Book
from objmapper.journal.restoring import Restorer
from objmapper.replanning import Secrets
from objmapper.state import ABSENT, is_new


@contextmanager
def recovered(
    journal: Any, session: Any, secrets: Secrets | None
) -> Iterator[tuple[planning.Chosen, list[tuple[str, Any]]]]:
    """Give what is open to be committed, and what is done: kinds and objects.

    Raises JournalError where something can't be recovered; then the session is as it was.
    """
    journal.reread(session)
    restorer = Restorer(journal, session)
    restorer.given_away([*journal.book.open()])
    try:
        done = _done(restorer)
        objects = [restorer.object(item.number) for item in journal.book.open()]
        _ask(restorer, secrets)
        restorer.doubtful(sorted(_unknown(journal)))
    except BaseException:
        restorer.undo()
        raise
    try:
        yield _chosen(session, objects), done
    finally:
        journal.reread(session)


def _chosen(session: Any, objects: list[Any]) -> planning.Chosen:
    def chosen() -> tuple[list[Any], list[Any]]:
        deleted = session.members.deleted
        written = [obj for obj in objects if id(obj) not in deleted]
        return written, [obj for obj in objects if id(obj) in deleted]

    return chosen


def _done(restorer: Restorer) -> list[tuple[str, Any]]:
    """Return what is done, as objects; what was deleted is detached."""
    book: Book = restorer.journal.book
    return [(done.kind, restorer.object(done.number)) for done in book.done]


def _unknown(journal: Any) -> set[int]:
    """Return the operations of unknown fate that no object of this session has already.

    Of a deletion that never went it is not known either whether its object is still there to be deleted:
    a server may have given the key to another one since.
    """
    open_: set[int] = journal.open_numbers()
    found = {
        part.intent.operation
        for item in journal.book.open()
        for part in item.open
        if part.is_unknown or part.deletes
    }
    return found - open_


def _ask(restorer: Restorer, secrets: Secrets | None) -> None:
    """Have somebody tell what was never written. Raises JournalError for what nobody tells."""
    missing = []
    for item in restorer.journal.book.open():
        obj = restorer.object(item.number)
        by_key = type(obj).__mapper__.by_key
        kept = {key: name for part in item.open for key, name in part.contents.items()}
        manner = {key: how for part in item.open for key, how in part.manner.items()}
        for key in sorted({key for part in item.open for key in part.hidden} - obj._row.keys()):
            field = by_key[key]
            value = None if secrets is None else secrets(obj, field.name, item.tag)
            if value is None:
                name = kept.get(key)
                path = None if name is None else restorer.journal.contents.path(name)
                value = restorer.session.dialect.retold(obj, field, path)
            if value is not None and key in manner:
                value = restorer.session.dialect.in_manner(field, value, manner[key])
            if value is None:
                missing.append(f"{obj!r}.{field.name}")
            elif is_new(obj):
                obj._row[key] = field.store(value)
                obj._state.originals = {**(obj._state.originals or {}), key: ABSENT}
            else:
                restorer.change(obj, {key: field.store(value)})
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise JournalError(
            f"Values that are never written to disk are needed again: {', '.join(missing[:5])}{more}. "
            "Give session.recover(secrets=...) a callable that takes an object, a field's name and the "
            "object's tag, and returns the value; `dispatch` takes --secrets FILE. Nothing was sent."
        )


__all__ = ["recovered"]
