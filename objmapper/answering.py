"""What the server answered to a write goes into its objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from objmapper import loading, versions
from objmapper.exceptions import AlreadyExists, Conflict, ContractError
from objmapper.operation import CREATE, DELETE, Change, Fate, Outcome
from objmapper.report import was_there
from objmapper.state import ABSENT, changed_keys, own, same


def taken_in(session: Any, outcome: Outcome) -> Outcome:
    """Make the objects of a done operation clean, but for edits made since it was planned.

    An answer that is not sound changes nothing: what the server did is uncertain then, and so reads
    the outcome that is returned. A success that tells of a conflict is a refusal; one of an own repeat
    may be about what the first attempt has done.
    """
    try:
        rows = _rows(outcome)
        for change, row in rows:
            _check(change, row, outcome)
    except Conflict as error:
        fate = Fate.UNCERTAIN if outcome.retries else Fate.FAILED
        return outcome._replace(fate=fate, error=error)
    except Exception as error:  # a ContractError, or whatever a dialect's reader meets
        return outcome._replace(fate=Fate.UNCERTAIN, error=error)
    there = bool(outcome.operation.found) and was_there(outcome)
    met = _met(session, outcome, rows, there)
    if met is not None:
        return outcome._replace(fate=Fate.FAILED if there else Fate.UNCERTAIN, error=met)
    if there:
        for change, row in rows:
            _bind(session, change, row)
    else:
        take_in(session, rows, full=session.dialect.answers_are_full)
    return outcome


def found_done(session: Any, outcome: Outcome, rows: Iterable[Any]) -> Outcome:
    """Make the objects clean of an operation that turned out to be done, with the rows found."""
    dialect, there = session.dialect, was_there(outcome)
    pairs = [
        (
            _as_found(change) if there else change,
            row and versions.of_found(dialect, change.object, row),
        )
        for change, row in zip(outcome.operation.changes, rows, strict=True)
    ]
    take_in(session, pairs, full=dialect.lists_are_full)
    return outcome._replace(fate=Fate.DONE, error=None)


def take_in(session: Any, rows: list[tuple[Change, Any]], *, full: bool) -> None:
    """Bring what the server has after each change into its object; *full*: all that it has."""
    for change, row in rows:
        if change.kind == DELETE and change.undoes is not None:
            session.members.unborn(change.object, change.undoes, change.within)
        elif change.kind == DELETE:
            session.members.forget(change.object)
        else:
            _settle(session, change, row, full=full)


def _bind(session: Any, change: Change, row: Any) -> None:
    """Make a new object the one that the server had already; what makes it the same is no change.

    Where the session has that one as another object, the new one says the same, and is let go with
    its key.
    """
    obj = change.object
    known = other_of(session, obj, row)
    _settle(session, _as_found(change), row, full=False, born=known is None)
    if known is not None:
        session.members.forget(obj)


def _as_found(change: Change) -> Change:
    """Return what the server has for sure of a new object that it had already."""
    keys = _keys_of(change.object)
    return change._replace(sent={key: sent for key, sent in change.sent.items() if key in keys})


def not_taken(outcome: Outcome, change: Change) -> list[str]:
    """Return the wire names of what a new object was sent with, where the server had another already.

    Another commit sends that, unless it was changed or taken back since.
    """
    obj = change.object
    if not was_there(outcome):
        return []
    known = _keys_of(obj) | (obj._row.keys() - changed_keys(obj))
    return [key for key in change.sent if key not in known]


def _keys_of(obj: Any) -> set[str]:
    """Return the wire names of what an object is known by: its key, and its natural key."""
    mapper = type(obj).__mapper__
    natural = {mapper.fields[name].key for name in mapper.natural_key}
    return natural | {mapper.pk.key} if mapper.has_key else natural


def other_of(session: Any, obj: Any, row: Any) -> Any | None:
    """Return the session's other object of the key that a row for *obj* has, if there is one."""
    key = _identity(obj, row)
    other = None if key is None else session.identity.get(type(obj).__mapper__.root, key)
    return None if other is obj else other


def _identity(obj: Any, row: Any) -> Any:
    """Return what a row for *obj* tells it from others by; the path to it may stand in the object."""
    mapper = type(obj).__mapper__
    return mapper.identity_in({**obj._row, **row} if mapper.path_fields else row)


def _met(
    session: Any, outcome: Outcome, rows: list[tuple[Change, Any]], there: bool
) -> AlreadyExists | None:
    """Return what is wrong where a create was answered with another object of the session.

    That one has a life of its own here, and so has what the new one says otherwise: neither is given
    up for the other, unless it is to be deleted: then the server has given its key away, and it is gone.
    *there*: the server said that it had it already.
    """
    alike: dict[tuple[type, Any], Any] = {}
    for change, row in rows:
        if change.kind != CREATE or row is None:
            continue
        obj, mapper = change.object, type(change.object).__mapper__
        if not mapper.has_key:
            continue
        key = _identity(obj, row) if mapper.path_fields else mapper.key_in(row)
        if key is None:
            continue
        if len(rows) > 1:
            like = alike.setdefault((mapper.root, key), obj)
            if like is not obj:
                return _as_one(outcome, obj, like, "nothing tells whether it was created")
        other = session.identity.get(mapper.root, key)
        if other is None or other is obj:
            continue
        if there:
            names = said_otherwise(obj, other)
            if names:
                told = f"the server has that one already, with another {', '.join(names)}"
                return _as_one(outcome, obj, other, told)
        elif not (id(other) in session.members.deleted or _gives_way(other, outcome.age)):
            return _as_one(outcome, obj, other, "nothing tells whether it was created")
    return None


def _as_one(outcome: Outcome, obj: Any, other: Any, told: str) -> AlreadyExists:
    response = outcome.response
    assert response is not None
    return AlreadyExists(
        f"{response.method} {response.url} answered {response.status} for {obj!r} with the key of "
        f"{other!r}, which is another object of this session: {told}. If the two are one, set on "
        "that one what this one was to have, and session.expunge() this one.",
        response,
    )


def said_otherwise(obj: Any, other: Any) -> list[str]:
    """Return the fields that a new object has values of which *other*, its like, has not."""
    mapper, known = type(obj).__mapper__, _keys_of(obj)
    names = []
    for key in changed_keys(obj):
        field, has = mapper.by_key[key], other._row.get(key, ABSENT)
        if key not in known and (
            has is ABSENT or not same(field.dump(has), field.dump(obj._row.get(key)))
        ):
            names.append(field.name)
    return names


def _gives_way(other: Any, age: int) -> bool:
    """Whether an object is but a reference to what a create of that *age* has made, or was read since.

    Nothing is lost of it then.
    """
    state, mapper = other._state, type(other).__mapper__
    if changed_keys(other) or state.page.made:
        return False
    path = {field.key for field in mapper.path_fields}
    return bool(state.age >= age or other._row.keys() <= {mapper.pk.key, *path})


def _rows(outcome: Outcome) -> list[tuple[Change, Any]]:
    """Return each change with the row that the answer has for it, or None."""
    operation, response = outcome.operation, outcome.response
    if operation.read is None or operation.kind == DELETE or response is None:
        return [(change, None) for change in operation.changes]
    rows, writes = operation.read(response), operation.writes
    if writes.__class__ is Change and len(rows) == 1:  # most of a commit
        return [(writes, rows[0])]
    return list(zip(operation.changes, rows, strict=True))


def _check(change: Change, row: Any, outcome: Outcome) -> None:
    """Make sure that the row is the object's, and that a new one can be found again.

    The object may have another key from now on where the operation says so. Raises ContractError.
    """
    obj = change.object
    mapper = type(obj).__mapper__
    told = None if row is None or not mapper.has_key else mapper.told_key(row)
    if told is not None:
        known = mapper.key_in(obj._row)
        if known is not None and known != told and not outcome.operation.rekeys:
            raise ContractError(f"{obj!r} was sent, and the answer is about {told!r}.")
        return
    findable = not mapper.has_key or mapper.natural_key or change.kind != CREATE
    if not findable and mapper.key_in(obj._row) is None:
        status = "no answer" if outcome.status is None else outcome.status
        raise ContractError(
            f"{obj!r} was created ({status}), but the answer has no {mapper.pk.key!r}, and "
            f"{mapper.model.__name__} has no natural_key to find it by."
        )


def _settle(session: Any, change: Change, row: Any, *, full: bool, born: bool = True) -> None:
    obj = change.object
    mapper = type(obj).__mapper__
    is_birth = born and change.kind == CREATE
    before = None if row is None or is_birth else mapper.identity_in(obj._row)
    if change.undoes is not None:
        loading.as_left(obj, change.undoes)
    loading.acknowledge(obj, change.sent, row, change.rows)
    if is_birth:
        _give_birth(session, obj, full=full and row is not None)
    elif before is not None and mapper.identity_in(obj._row) != before:
        session.members.rekeyed(obj, before)
    if loading.settle(obj) and not obj._state.snapshots:
        session.untouched(obj)
    else:
        session.touched(obj)


def _give_birth(session: Any, obj: Any, *, full: bool) -> None:
    """Make a new object a persistent one; without a key it is known by its natural key."""
    mapper, state, members = type(obj).__mapper__, own(obj), session.members
    key = mapper.identity_in(obj._row)
    full = full and (key is not None or not mapper.has_key)
    state.page = members.birthplace(mapper, key, full=full)
    state.full, state.session, state.lifecycle = full, session.ref, loading.PERSISTENT
    state.children = None
    members.born(obj, key)
