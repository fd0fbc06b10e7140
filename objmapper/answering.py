"""What the server answered to a write goes into its objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from objmapper import loading, versions
from objmapper.exceptions import Conflict, ContractError
from objmapper.operation import CREATE, DELETE, Change, Fate, Outcome, Response
from objmapper.report import was_there
from objmapper.state import Lifecycle, Page, own


def taken_in(session: Any, outcome: Outcome) -> Outcome:
    """Make the objects of a done operation clean, but for edits made since it was planned.

    An answer that is not sound changes nothing: what the server did is uncertain then, and so reads
    the outcome that is returned. A success that tells of a conflict is a refusal; one of an own repeat
    may be about what the first attempt has done.
    """
    try:
        rows = _rows(outcome)
        for change, row in rows:
            _check(change, row, outcome.response, outcome.operation.draft.rekeys)
    except Conflict as error:
        fate = Fate.UNCERTAIN if outcome.retries else Fate.FAILED
        return outcome._replace(fate=fate, error=error)
    except Exception as error:  # a ContractError, or whatever a dialect's reader meets
        return outcome._replace(fate=Fate.UNCERTAIN, error=error)
    if outcome.operation.draft.found and was_there(outcome):
        for change, row in rows:
            _bind(session, change, row)
    else:
        take_in(session, rows, full=session.dialect.answers_are_full)
    return outcome


def found_done(session: Any, outcome: Outcome, rows: Iterable[Any]) -> Outcome:
    """Make the objects clean of an operation that turned out to be done, with the rows found."""
    dialect = session.dialect
    pairs = [
        (change, row and versions.of_found(dialect, change.object, row))
        for change, row in zip(outcome.operation.changes, rows, strict=True)
    ]
    take_in(session, pairs, full=dialect.lists_are_full)
    return outcome._replace(fate=Fate.DONE, error=None)


def take_in(session: Any, rows: list[tuple[Change, Any]], *, full: bool) -> None:
    """Bring what the server has after each change into its object; *full*: all that it has."""
    for change, row in rows:
        if change.kind == DELETE and change.undoes is not None:
            session.members.unborn(change.object, change.undoes)
        elif change.kind == DELETE:
            session.members.forget(change.object)
        else:
            _settle(session, change, row, full=full)


def _bind(session: Any, change: Change, row: Any) -> None:
    """Make a new object the one that the server had already; what makes it the same is no change.

    Where the session has that one as another object, the new one is let go, with its key.
    """
    obj = change.object
    mapper = type(obj).__mapper__
    same = {mapper.fields[name].key for name in mapper.natural_key}
    sent = {key: value for key, value in change.sent.items() if key in same}
    known = session.identity.get(mapper.root, mapper.key_in(row))
    _settle(session, change._replace(sent=sent), row, full=False, born=known is None)
    if known is not None:
        session.members.forget(obj)


def _rows(outcome: Outcome) -> list[tuple[Change, Any]]:
    """Return each change with the row that the answer has for it, or None."""
    draft, response = outcome.operation.draft, outcome.response
    if draft.read is None or draft.kind == DELETE or response is None:
        return [(change, None) for change in draft.changes]
    return list(zip(draft.changes, draft.read(response), strict=True))


def _check(change: Change, row: Any, response: Response | None, rekeys: bool = False) -> None:
    """Make sure that the row is the object's, and that a new one can be found again.

    *rekeys*: the object may have another key from now on. Raises ContractError.
    """
    obj = change.object
    mapper = type(obj).__mapper__
    told = None if row is None or not mapper.has_key else mapper.key_in(row)
    if told is not None:
        if not rekeys and mapper.key_in(obj._row) not in (None, told):
            raise ContractError(f"{obj!r} was sent, and the answer is about {told!r}.")
        return
    findable = not mapper.has_key or mapper.natural_key or change.kind != CREATE
    if not findable and mapper.key_in(obj._row) is None:
        status = response.status if response is not None else "no answer"
        raise ContractError(
            f"{obj!r} was created ({status}), but the answer has no {mapper.pk.key!r}, and "
            f"{mapper.model.__name__} has no natural_key to find it by."
        )


def _settle(session: Any, change: Change, row: Any, *, full: bool, born: bool = True) -> None:
    obj = change.object
    mapper = type(obj).__mapper__
    before = None if row is None else mapper.identity_in(obj._row)
    if change.undoes is not None:
        loading.as_left(obj, change.undoes)
    loading.acknowledge(obj, change.sent, row, change.rows)
    if change.kind == CREATE and born:
        _give_birth(session, obj, full=full and row is not None)
    elif before is not None and mapper.identity_in(obj._row) != before:
        session.members.rekeyed(obj, before)
    if loading.settle(obj) and not obj._state.snapshots:
        session.untouched(obj)
    else:
        session.touched(obj)


def _give_birth(session: Any, obj: Any, *, full: bool) -> None:
    """Make a new object a persistent one; without a key it is known by its natural key."""
    mapper, state = type(obj).__mapper__, own(obj)
    key = mapper.identity_in(obj._row)
    full = full and (key is not None or not mapper.has_key)
    keys = [] if key is None else [key]
    state.page = Page(session.ref, mapper, keys, full=full)
    state.full, state.session, state.lifecycle = full, session.ref, Lifecycle.PERSISTENT
    state.children = None
    session.members.born(obj, key)
