"""What a commit would send: the changes of some objects, checked, as operations in waves.

All of it looks and returns frozen values; nothing is sent, and nothing changes but by receivers.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from objmapper import batching, ordering, saving, signals, versions, wire
from objmapper.exceptions import DetachedError, SessionError, StalePlanError, ValidationError
from objmapper.operation import (
    DELETE,
    Change,
    Draft,
    Kind,
    LeftOut,
    Outcome,
    Plan,
    Settle,
    has_pending,
)
from objmapper.state import Stateful, is_new, same

#: Tells which objects a commit writes and which it deletes; asked again after receivers had a say.
Chosen = Callable[[], tuple[list[Any], list[Any]]]

#: What is told before a change is sent.
PRE: dict[str, signals.ModelSignal] = {
    Kind.CREATE: signals.pre_create,
    Kind.UPDATE: signals.pre_update,
    Kind.DELETE: signals.pre_delete,
}


def plan(
    session: Any,
    objects: Iterable[Any],
    deleted: Iterable[Any] = (),
    fields: frozenset[str] | None = None,
    vetoed: Iterable[LeftOut] = (),
) -> Plan:
    """Return the operations for *objects* and *deleted*, in waves; nothing is sent.

    Raises ValidationError, CircularDependencyError.
    """
    objects, deleted = closure(session, objects), list(deleted)
    changes = changes_of(objects, deleted, fields)
    left_out = (*vetoed, *uncertain(session, changes, [*objects, *deleted]))
    if left_out:
        missing = {id(out.change.object) for out in left_out}
        changes = [change for change in changes if id(change.object) not in missing]
    check(changes, deleted, session.members.given_back)
    drafts = each_draft(session, ordering.cut_cycles(changes))
    operations = batching.numbered(session.dialect, ordering.ordered(drafts, left_out))
    client = session.client
    saver = partial(saving.saved, client.base_url, client.dialect.name)
    return Plan(operations, left_out, saver)


def drafts_of(session: Any, changes: list[Change]) -> list[Draft]:
    """Return the requests for *changes*, with what tells versions and repeats."""
    return list(each_draft(session, changes))


def each_draft(session: Any, changes: list[Change]) -> Iterable[Draft]:
    """Give the requests for *changes* one by one, as the dialect makes them."""
    dialect, header = session.dialect, session.client.idempotency_header
    kinds = dict.fromkeys([type(change.object).__mapper__ for change in changes])
    along = [change for change in changes if change.within is not None]
    alone = [change for change in changes if change.within is None] if along else changes
    drafts: Iterable[Draft] = dialect.operations(alone)
    if along:
        drafts = _with(drafts, along)
    if any(mapper.is_versioned for mapper in kinds):
        for mapper in kinds:
            versions.check(dialect, mapper)
        drafts = map(partial(versions.guarded, dialect), drafts)
    if header is not None:
        drafts = map(partial(known_again, header=header), drafts)
    return drafts


def _with(drafts: Iterable[Draft], along: list[Change]) -> Iterator[Draft]:
    """Yield drafts with the changes that go in their requests without a word of their own."""
    by_root: dict[int, list[Change]] = {}
    for change in along:
        by_root.setdefault(id(change.within), []).append(change)
    for draft in drafts:
        gone = (id(change.object) for change in draft.changes if change.kind == Kind.DELETE)
        more = [change for number in gone for change in by_root.get(number, ())]
        yield draft._replace(changes=(*draft.changes, *more)) if more else draft


def known_again(draft: Draft, header: str, token: str | None = None) -> Draft:
    """Return a draft by whose header the server knows it again; what may be repeated needs none.

    *token*: what the header said when it was sent before.
    """
    if draft.repeatable and token is None:
        return draft
    headers = {**draft.request.headers, header: token or str(uuid.uuid4())}
    request = draft.request._replace(headers=headers, repeatable=True)
    return draft._replace(request=request, repeatable=True, settle=Settle.REPEAT)


def closure(session: Any, roots: Iterable[Any]) -> list[Any]:
    """Return *roots* with the new objects that they refer to, parents first, and their children."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    for root in roots:
        if root._state.children or _new_parents(root):
            _walk(root, found, seen)
        elif id(root) not in seen:
            seen.add(id(root))
            found[id(root)] = root
    ref = session.ref
    for obj in found.values():
        if obj._state.session is not ref:
            session.members.check(obj)
    return list(found.values())


def _walk(root: Any, found: dict[int, Any], seen: set[int]) -> None:
    """Put a root where its new parents stand before it, and its children after it."""
    waiting = [(root, False)]
    while waiting:
        obj, ready = waiting.pop()
        if not ready:
            if id(obj) in seen:
                continue
            seen.add(id(obj))
            parents, children = _new_parents(obj), _children(obj)
            if parents or children:
                waiting += [(child, False) for child in reversed(children)]
                waiting.append((obj, True))
                waiting += [(parent, False) for parent in reversed(parents)]
                continue
        found[id(obj)] = obj


def _children(obj: Any) -> list[Any]:
    groups = obj._state.children
    if not groups:
        return []
    return [child for group in groups.values() for child in group if is_new(child)]


def _new_parents(obj: Any) -> list[Any]:
    mapper, row = type(obj).__mapper__, obj._row
    foreign_keys = mapper.foreign_keys
    if not foreign_keys and not mapper.referring:
        return []
    values = [row.get(field.key) for field in foreign_keys.values()]
    for field in mapper.referring:
        values += reversed([*has_pending(field.dump(row.get(field.key)))])
    return [value for value in values if isinstance(value, Stateful) and is_new(value)]


def changes_of(
    objects: list[Any], deleted: list[Any], fields: frozenset[str] | None = None
) -> list[Change]:
    """Return what there is to send for *objects* and *deleted*; nothing for what did not change."""
    gone = {id(obj): obj for obj in deleted}
    found: list[Change] = []
    for obj in objects:
        if id(obj) in gone:
            continue
        if is_new(obj):
            found.append(wire.creation(obj))
            continue
        change = wire.update(obj)
        if fields is not None:
            by_key = type(obj).__mapper__.by_key
            sent = {key: value for key, value in change.sent.items() if by_key[key].name in fields}
            shown = {name: value for name, value in change.changes.items() if name in fields}
            change = change._replace(sent=sent).telling(shown)
        if change.sent:
            found.append(change)
    found += [Change(Kind.DELETE, obj) for obj in gone.values()]
    return found


def uncertain(session: Any, changes: list[Change], objects: list[Any]) -> list[LeftOut]:
    """Return what is not sent, because nobody knows what became of it when it was sent before.

    What an undo has sent leaves no changes: that is told, too.
    """
    known = session.members.uncertain
    if not known:
        return []
    now = {id(change.object): change for change in changes}
    met = {id(obj): known[id(obj)][1] for obj in objects if id(obj) in known}
    return [
        LeftOut(now.get(number) or _sent(outcome, number), outcome.error, outcome)
        for number, outcome in met.items()
    ]


def _sent(outcome: Outcome, number: int) -> Change:
    """Return the change of an operation that is about the object of that number (id)."""
    return next(c for c in outcome.operation.changes if id(c.object) == number)


def check(
    changes: list[Change], deleted: list[Any], given_back: Mapping[Any, Mapping[str, Any]]
) -> None:
    """Check all that would be sent, but for values that are *given back* to the server as it had them.

    Raises ValidationError, listing every object and field.
    """
    problems: list[wire.Problem] = []
    gives_back = bool(given_back)
    gone = {ordering.identity(obj) for obj in deleted}
    for change in changes:
        if change.kind == DELETE:
            continue
        obj, had = change.object, given_back.get(change.object) if gives_back else None
        if had is None:
            problems += wire.problems(obj, list(change.sent))
        elif keys := [k for k, v in change.sent.items() if not (k in had and same(had[k], v))]:
            problems += wire.problems(obj, keys)
        for field in type(obj).__mapper__.foreign_keys.values() if gone else ():
            if field.key in change.sent and ordering.target(field, obj._row[field.key]) in gone:
                problems.append((obj, field.name, ["Refers to an object marked for deletion."]))
    if problems:
        raise ValidationError.of(problems)


def has_receivers() -> bool:
    """Whether anybody has a say before a commit."""
    return bool(signals.pre_commit.receivers) or any(s.receivers for s in PRE.values())


def ask_receivers(
    session: Any, chosen: Chosen, fields: frozenset[str] | None
) -> tuple[LeftOut, ...]:
    """Fire the ``pre_`` signals, also for what receivers change; return what they vetoed."""
    tell_begin(session)
    if not any(signal.receivers for signal in PRE.values()):
        return ()
    asked: set[tuple[int, str]] = set()
    vetoed: list[LeftOut] = []
    while True:
        objects, deleted = chosen()
        changes = changes_of(closure(session, objects), deleted, fields)
        new = [
            change
            for change in changes
            if (id(change.object), change.kind) not in asked
            and not session.is_uncertain(change.object)
        ]
        if not new:
            return tuple(vetoed)
        _refuse_asked(session, [id(change.object) for change in new])
        for change in new:
            asked.add((id(change.object), change.kind))
            with _asking_about(session, id(change.object)):
                errors = announce(PRE, session, change)
            for error in errors:
                if not isinstance(error, signals.Veto):
                    raise error
            _refuse_closed(session)
            vetoed += [LeftOut(change, error) for error in errors[:1]]


def tell_begin(session: Any) -> None:
    """Tell ``pre_commit`` receivers."""
    if signals.pre_commit.receivers:
        _refuse_asked(session, ["pre_commit"])
        with _asking_about(session, "pre_commit"):
            signals.pre_commit.tell(type(session), session=session)
        _refuse_closed(session)


def _refuse_closed(session: Any) -> None:
    """Raise DetachedError where a receiver has closed the session: it holds nothing that could be sent."""
    if session.closed:
        raise DetachedError(
            "A receiver has closed the session that is being committed: nothing was sent. Close it when "
            "the commit has ended, in a receiver of post_commit at the earliest."
        )


@contextmanager
def _asking_about(session: Any, what: int | str) -> Iterator[None]:
    """Remember what receivers are asked about."""
    session.members.asking.add(what)
    try:
        yield
    finally:
        session.members.asking.discard(what)


def _refuse_asked(session: Any, what: Iterable[int | str]) -> None:
    """Raise SessionError where a receiver commits just what it is asked about, or would be for ever."""
    if not session.members.asking.isdisjoint(what):
        raise SessionError(
            "A pre_ receiver commits what it is told of, in a commit that has not begun. It may change "
            "the object, veto it, or commit others; post_ receivers may commit anything."
        )


def announce(
    by_kind: dict[str, signals.ModelSignal], session: Any, change: Change
) -> list[Exception]:
    """Tell the receivers of one change; return what they raised."""
    signal = by_kind.get(change.kind)
    if signal is None or not signal.receivers:
        return []
    more = {"changes": change.changes} if change.kind == Kind.UPDATE else {}
    return signal.announce(type(change.object), instance=change.object, session=session, **more)


def refuse_stale(session: Any, made: Plan, by: str = "") -> None:
    """Raise StalePlanError unless a commit would send of the plan's objects what the plan says.

    *by*: who may have changed them. Raises SessionError for objects of another session.
    """
    objects = {id(obj): obj for operation in made for obj in operation.objects}
    for obj in objects.values():
        session.members.check(obj)
    pending, deleted = session.members.pending()
    was = by_object(made.changes)
    now = by_object(changes_of(closure(session, pending), deleted))
    stale = [obj for number, obj in objects.items() if was[number] != now.get(number)]
    if stale:
        more = f" and {len(stale) - 3} more" if len(stale) > 3 else ""
        raise StalePlanError(
            f"The plan is stale: {', '.join(map(repr, stale[:3]))}{more} changed since it was made"
            f"{by}. Nothing was sent; session.plan() makes a new one.",
            stale,
        )


def by_object(changes: Iterable[Change]) -> dict[int, tuple[str, dict[str, Any]]]:
    """Return what is sent of each object, by its number; the two steps of a cut circle are one."""
    found: dict[int, tuple[str, dict[str, Any]]] = {}
    for kind, obj, sent, *_ in changes:
        first, so_far = found.get(id(obj), (kind, {}))
        if Kind.DELETE in (kind, first):
            found[id(obj)] = Kind.DELETE, {}
        else:
            found[id(obj)] = first, {**so_far, **sent}
    return found


def chosen_by(made: Plan) -> Chosen:
    """Return what tells the objects of a plan: those to write, and those to delete."""
    deleted = {id(c.object): c.object for c in made.changes if c.kind == Kind.DELETE}
    written = {id(c.object): c.object for c in made.changes if id(c.object) not in deleted}
    return lambda: (list(written.values()), list(deleted.values()))
