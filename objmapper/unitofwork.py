"""The unit of work: what changed, in which order it goes, what the server answered.

``plan`` is pure: it looks and returns frozen operations. ``Commit.run`` is the loop that sends them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from objmapper import loading, ordering, signals, wire
from objmapper.exceptions import (
    CommitError,
    CommitInterrupted,
    ContractError,
    SessionError,
    ValidationError,
)
from objmapper.operation import Change, Fate, Kind, Operation, Outcome, Plan, resolve
from objmapper.progress import Progress
from objmapper.report import CommitReport, Entry
from objmapper.sending import Sender
from objmapper.state import InstanceState, Lifecycle, Page, Stateful, is_new, own, settle

#: Tells which objects a commit writes and which it deletes; asked again after receivers had a say.
Chosen = Callable[[], tuple[list[Any], list[Any]]]


def closure(session: Any, roots: Iterable[Any]) -> list[Any]:
    """Return *roots* with the new objects that they refer to, parents first, and their children."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    waiting = [(root, False) for root in reversed(list(roots))]
    while waiting:
        obj, ready = waiting.pop()
        if not ready:
            if id(obj) in seen:
                continue
            seen.add(id(obj))
            parents, children = _new_parents(obj), _children(obj)
            if parents or children:
                waiting.append((obj, True))
                waiting += [(child, False) for child in reversed(children)]
                waiting += [(parent, False) for parent in reversed(parents)]
                continue
        found[id(obj)] = obj
    for obj in found.values():
        session.members.check(obj)
    return list(found.values())


def _children(obj: Any) -> list[Any]:
    groups = obj._state.children
    if not groups:
        return []
    return [child for group in groups.values() for child in group if is_new(child)]


def _new_parents(obj: Any) -> list[Any]:
    foreign_keys, row = type(obj).__mapper__.foreign_keys, obj._row
    values = [row.get(field.key) for field in foreign_keys.values()] if foreign_keys else ()
    return [value for value in values if isinstance(value, Stateful) and is_new(value)]


def changes_of(
    session: Any, objects: list[Any], deleted: list[Any], fields: frozenset[str] | None = None
) -> list[Change]:
    """Return what is to be sent for *objects* and *deleted*; nothing for what did not change."""
    gone = {id(obj) for obj in deleted}
    found: list[Change] = []
    for obj in objects:
        if id(obj) in gone or session.is_uncertain(obj):
            continue
        if is_new(obj):
            found.append(wire.creation(obj))
            continue
        change = wire.update(obj)
        if fields is not None:
            by_key = type(obj).__mapper__.by_key
            sent = {key: value for key, value in change.sent.items() if by_key[key].name in fields}
            shown = {name: value for name, value in change.changes.items() if name in fields}
            change = Change(change.kind, obj, sent, shown)
        if change.sent:
            found.append(change)
    found += [Change(Kind.DELETE, obj) for obj in deleted if not session.is_uncertain(obj)]
    return found


def check(changes: list[Change], deleted: list[Any]) -> None:
    """Check all that would be sent. Raises ValidationError, listing every object and field."""
    problems: list[wire.Problem] = []
    gone = {id(obj) for obj in deleted}
    for change in changes:
        if change.kind == Kind.DELETE:
            continue
        obj = change.object
        problems += wire.problems(obj, list(change.sent))
        for field in type(obj).__mapper__.foreign_keys.values():
            if id(obj._row.get(field.key)) in gone and field.key in change.sent:
                problems.append((obj, field.name, ["Refers to an object marked for deletion."]))
    if problems:
        raise ValidationError.of(problems)


def plan(
    session: Any,
    objects: Iterable[Any],
    deleted: Iterable[Any] = (),
    fields: frozenset[str] | None = None,
    vetoed: tuple[tuple[Change, Exception], ...] = (),
) -> Plan:
    """Return the operations for *objects* and *deleted*, in waves; nothing is sent.

    Raises ValidationError, CircularDependencyError.
    """
    deleted = list(deleted)
    changes = changes_of(session, closure(session, objects), deleted, fields)
    refused = {id(change.object) for change, _ in vetoed}
    changes = [change for change in changes if id(change.object) not in refused]
    check(changes, deleted)
    drafts = session.dialect.operations(ordering.cut_cycles(changes))
    return Plan(ordering.ordered(drafts), vetoed)


def ask_receivers(
    session: Any, chosen: Chosen, fields: frozenset[str] | None
) -> tuple[tuple[Change, Exception], ...]:
    """Fire the ``pre_`` signals, also for what receivers change; return what they vetoed."""
    pre = {
        Kind.CREATE: signals.pre_create,
        Kind.UPDATE: signals.pre_update,
        Kind.DELETE: signals.pre_delete,
    }
    if signals.pre_commit.receivers:
        signals.pre_commit.tell(type(session), session=session)
    if not any(signal.receivers for signal in pre.values()):
        return ()
    asked: set[int] = set()
    vetoed: list[tuple[Change, Exception]] = []
    while True:
        objects, deleted = chosen()
        changes = changes_of(session, closure(session, objects), deleted, fields)
        new = [change for change in changes if id(change.object) not in asked]
        if not new:
            return tuple(vetoed)
        for change in new:
            asked.add(id(change.object))
            signal = pre[Kind(change.kind)]
            more = {"changes": change.changes} if change.kind == Kind.UPDATE else {}
            raised = signal.announce(
                type(change.object), instance=change.object, session=session, **more
            )
            for error in raised:
                if not isinstance(error, signals.Veto):
                    raise error
            vetoed += [(change, error) for error in raised[:1]]


class Commit:
    """One run of a plan."""

    def __init__(
        self, session: Any, plan: Plan, *, workers: int, on_error: str, progress: Progress | None
    ) -> None:
        self.session, self.plan = session, plan
        self.workers, self.on_error, self.progress = workers, on_error, progress
        self.report = CommitReport()
        self.outcomes: dict[int, Outcome] = {}
        self.stopped = False
        self._announced: set[int] = set()
        self._by_number = {operation.number: operation for operation in plan}
        self._undone: dict[int, Any] = {id(c.object): c.object for c, _ in plan.vetoed}
        #: What vetoed updates and deletions still refer to: that can't be deleted.
        self._held = {
            parent: change.object
            for change, _ in plan.vetoed
            if change.kind != Kind.CREATE
            for parent in ordering.referred(change)
        }
        self._waits: dict[int, list[Any]] = {}

    def run(self) -> CommitReport:
        """Send the plan wave by wave. Raises CommitError unless everything went through."""
        started = time.perf_counter()
        try:
            for wave in self.plan.waves:
                if not self.stopped:
                    self.send(self.ready(wave))
                self.announce(wave)
        finally:
            self.report.seconds = time.perf_counter() - started
            self.finish()
        self.report.raise_for_failed()
        return self.report

    def ready(self, wave: list[Operation]) -> list[Operation]:
        """Return what of a wave waits for nothing that failed; the rest is skipped."""
        ready = []
        for operation in wave:
            failed = tuple(sorted(n for n in operation.after if not self._went_through(n)))
            waits = [obj for number in failed for obj in self._by_number[number].objects]
            waits += self._undone_before(operation)
            if waits:
                self._waits[operation.number] = waits
                self.note(Outcome(operation, Fate.SKIPPED, waited_for=failed))
            else:
                ready.append(operation)
        return ready

    def _went_through(self, number: int) -> bool:
        outcome = self.outcomes.get(number)
        return outcome is not None and outcome.fate is Fate.DONE

    def _undone_before(self, operation: Operation) -> list[Any]:
        """Return what an operation needs done first and a veto or an unknown fate stands in the way."""
        if not self._undone and not self.session.members.uncertain:
            return []
        found = []
        for change in operation.changes:
            if change.kind == Kind.DELETE:
                found += [self._held.get(ordering.identity(change.object))]
                continue
            for parent in _new_parents(change.object):
                if id(parent) in self._undone or self.session.is_uncertain(parent):
                    found.append(parent)
        return [obj for obj in found if obj is not None]

    def refuse_again(self, plan: Plan) -> None:
        """Raise SessionError for a plan with objects that this commit is about to send."""
        waiting = {
            id(obj)
            for operation in self.plan
            if operation.number not in self.outcomes
            for obj in operation.objects
        }
        for obj in (obj for operation in plan for obj in operation.objects):
            if id(obj) in waiting:
                raise SessionError(
                    f"{obj!r} is sent by a commit that is under way, and would be sent twice: "
                    "commit it when that one has ended."
                )

    def send(self, operations: list[Operation]) -> None:
        """Send operations side by side; each object becomes clean when its answer arrives."""
        if not operations:
            return
        sender = Sender(self.session.client, operations, self.workers)
        try:
            for outcome in sender:
                self.take(outcome)
                if self.stopped:
                    sender.stop()
        except KeyboardInterrupt:
            sender.stop()
            self.interrupted(sender)
        for operation in sender.unsent:
            self.note(Outcome(operation, Fate.PENDING))

    def take(self, outcome: Outcome) -> None:
        """Bring an answer into the objects, and remember the outcome."""
        if outcome.fate is Fate.DONE:
            try:
                self.merge(outcome)
            except (ContractError, ValueError) as error:
                outcome = Outcome(outcome.operation, Fate.UNCERTAIN, outcome.response, error)
        if outcome.fate is Fate.UNCERTAIN:
            for obj in outcome.operation.objects:
                self.session.members.uncertain[id(obj)] = (obj, outcome)
        if outcome.fate is not Fate.DONE and self.on_error == "stop":
            self.stopped = True
        self.note(outcome)
        if self.progress is not None:
            self.progress(len(self.outcomes), len(self.plan))

    def merge(self, outcome: Outcome) -> None:
        """Make the operation's objects clean. Raises ContractError for a malformed answer."""
        draft, response = outcome.operation.draft, outcome.response
        assert response is not None
        rows = draft.read(response) if draft.read is not None else [None] * len(draft.changes)
        for change, row in zip(draft.changes, rows, strict=True):
            if change.kind == Kind.DELETE:
                self.session.members.forget(change.object)
            else:
                settle_change(self.session, change, row, response)

    def note(self, outcome: Outcome) -> None:
        self.outcomes[outcome.operation.number] = outcome
        response, error = outcome.response, outcome.error
        if outcome.fate in (Fate.SKIPPED, Fate.PENDING):
            return
        retries = response.retries if response is not None else getattr(error, "retries", 0)
        sent = response is not None or getattr(error, "sent", True)
        self.report.requests += (1 if sent else 0) + retries
        self.report.retries += retries

    def interrupted(self, sender: Sender) -> None:
        """Ctrl-C: what is in flight ends, unless it comes again; then the report says what went."""
        try:
            for outcome in sender.drain():
                self.take(outcome)
        except KeyboardInterrupt:
            pass
        for operation in sender.in_flight:
            self.take(Outcome(operation, Fate.UNCERTAIN, error=KeyboardInterrupt()))
        for operation in self.plan:
            if operation.number not in self.outcomes:
                self.note(Outcome(operation, Fate.PENDING))
        for wave in self.plan.waves:
            self.announce(wave)
        raise CommitInterrupted(f"The commit was interrupted: {self.report}", self.report)

    def announce(self, wave: list[Operation]) -> None:
        """Enter a wave into the report and tell ``post_`` receivers, in plan order."""
        for operation in wave:
            outcome = self.outcomes.get(operation.number)
            if outcome is None:
                outcome = Outcome(operation, Fate.PENDING)
                self.outcomes[operation.number] = outcome
            elif operation.number in self._announced:
                continue
            self._announced.add(operation.number)
            self.report.add(outcome, self._waits.get(operation.number, ()))
            if outcome.fate is Fate.DONE:
                self.report.errors += tell_post(self.session, operation)

    def finish(self) -> None:
        for change, error in self.plan.vetoed:
            self.report.skipped.append(Entry(change.object, None, None, error))
        if signals.post_commit.receivers:
            self.report.errors += signals.post_commit.announce(
                type(self.session), session=self.session, report=self.report
            )


_POST: dict[str, signals.ModelSignal] = {
    Kind.CREATE: signals.post_create,
    Kind.UPDATE: signals.post_update,
    Kind.DELETE: signals.post_delete,
}


def tell_post(session: Any, operation: Operation) -> list[Exception]:
    """Tell the ``post_`` receivers of an operation's objects; return what they raised."""
    raised: list[Exception] = []
    for change in operation.changes:
        signal = _POST.get(change.kind)
        if signal is None or not signal.receivers:
            continue
        more = {"changes": change.changes} if change.kind == Kind.UPDATE else {}
        raised += signal.announce(
            type(change.object), instance=change.object, session=session, **more
        )
    return raised


def settle_change(session: Any, change: Change, row: Any, response: Any) -> None:
    """Take in a create's or an update's answer: the object is clean, but for edits made since."""
    obj = change.object
    mapper = type(obj).__mapper__
    sent = {key: resolve(value) for key, value in change.sent.items()}
    if change.kind == Kind.CREATE:
        _check_created(mapper, obj, row, response)
        state = own(obj)
        state.children = None
        loading.acknowledge(obj, sent, row)
        key = mapper.identity_in(obj._row)
        full = row is not None and key is not None
        page = Page(
            session.ref, mapper, [] if key is None else [mapper.key_in(obj._row)], full=full
        )
        state.page, state.full, state.session = page, full, session.ref
        state.lifecycle = Lifecycle.PERSISTENT
        session.members.born(obj, key)
    else:
        loading.acknowledge(obj, sent, row)
    if settle(obj):
        session.untouched(obj)
    if isinstance(obj._state, InstanceState) and obj._state.snapshots:
        session.touched(obj)


def _check_created(mapper: Any, obj: Any, row: Any, response: Any) -> None:
    """Make sure that the new object's key is known, or can be found. Raises ContractError."""
    if not mapper.has_key or mapper.singleton:
        return
    if row is not None and row.get(mapper.pk.key) is not None:
        mapper.key_in(row)
        return
    if mapper.key_in(obj._row) is not None or mapper.natural_key:
        return
    raise ContractError(
        f"{obj!r} was created ({response.status}), but the answer has no {mapper.pk.key!r}, and "
        f"{mapper.model.__name__} has no natural_key to find it by."
    )


__all__ = ["Commit", "CommitError", "ask_receivers", "plan"]
