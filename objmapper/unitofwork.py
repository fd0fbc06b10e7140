"""The unit of work: what changed, in which order it goes, what the server answered.

``plan`` is pure: it looks and returns frozen operations. ``Commit.run`` is the loop that sends them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from objmapper import answering, naturalkey, ordering, signals, wire
from objmapper.exceptions import (
    CommitInterrupted,
    ObjMapperError,
    SessionError,
    TransportError,
    ValidationError,
)
from objmapper.interrupt import orderly
from objmapper.operation import Change, Fate, Kind, LeftOut, Operation, Outcome, Plan
from objmapper.progress import Progress
from objmapper.report import CommitReport
from objmapper.sending import Sender
from objmapper.state import Stateful, is_new

#: Tells which objects a commit writes and which it deletes; asked again after receivers had a say.
Chosen = Callable[[], tuple[list[Any], list[Any]]]

_PRE: dict[str, signals.ModelSignal] = {
    Kind.CREATE: signals.pre_create,
    Kind.UPDATE: signals.pre_update,
    Kind.DELETE: signals.pre_delete,
}
_POST: dict[str, signals.ModelSignal] = {
    Kind.CREATE: signals.post_create,
    Kind.UPDATE: signals.post_update,
    Kind.DELETE: signals.post_delete,
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
    deleted = list(deleted)
    changes = changes_of(closure(session, objects), deleted, fields)
    left_out = (*vetoed, *uncertain(session, changes))
    if left_out:
        missing = {id(out.change.object) for out in left_out}
        changes = [change for change in changes if id(change.object) not in missing]
    check(changes, deleted)
    drafts = session.dialect.operations(ordering.cut_cycles(changes))
    return Plan(ordering.ordered(drafts, left_out), left_out)


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
                waiting += [(child, False) for child in reversed(children)]
                waiting.append((obj, True))
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
            change = change._replace(sent=sent, changes=shown)
        if change.sent:
            found.append(change)
    found += [Change(Kind.DELETE, obj) for obj in gone.values()]
    return found


def uncertain(session: Any, changes: list[Change]) -> list[LeftOut]:
    """Return what is not sent, because nobody knows what became of it when it was sent before."""
    known = session.members.uncertain
    if not known:
        return []
    met = [(change, known[id(change.object)]) for change in changes if id(change.object) in known]
    return [LeftOut(change, outcome.error, outcome) for change, (_, outcome) in met]


def check(changes: list[Change], deleted: list[Any]) -> None:
    """Check all that would be sent. Raises ValidationError, listing every object and field."""
    problems: list[wire.Problem] = []
    gone = {ordering.identity(obj) for obj in deleted}
    for change in changes:
        if change.kind == Kind.DELETE:
            continue
        obj = change.object
        problems += wire.problems(obj, list(change.sent))
        for field in type(obj).__mapper__.foreign_keys.values() if gone else ():
            if field.key in change.sent and ordering.target(field, obj._row[field.key]) in gone:
                problems.append((obj, field.name, ["Refers to an object marked for deletion."]))
    if problems:
        raise ValidationError.of(problems)


def ask_receivers(
    session: Any, chosen: Chosen, fields: frozenset[str] | None
) -> tuple[LeftOut, ...]:
    """Fire the ``pre_`` signals, also for what receivers change; return what they vetoed."""
    if signals.pre_commit.receivers:
        signals.pre_commit.tell(type(session), session=session)
    if not any(signal.receivers for signal in _PRE.values()):
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
        for change in new:
            asked.add((id(change.object), change.kind))
            errors = _announce(_PRE, session, change)
            for error in errors:
                if not isinstance(error, signals.Veto):
                    raise error
            vetoed += [LeftOut(change, error) for error in errors[:1]]


def _announce(
    by_kind: dict[str, signals.ModelSignal], session: Any, change: Change
) -> list[Exception]:
    """Tell the receivers of one change; return what they raised."""
    signal = by_kind.get(change.kind)
    if signal is None or not signal.receivers:
        return []
    more = {"changes": change.changes} if change.kind == Kind.UPDATE else {}
    return signal.announce(type(change.object), instance=change.object, session=session, **more)


class Commit:
    """One run of a plan: what is sent, what comes back, what is told of it."""

    def __init__(
        self, session: Any, plan: Plan, *, workers: int, on_error: str, progress: Progress | None
    ) -> None:
        self.session, self.plan = session, plan
        self.stops, self.progress = on_error == "stop", progress
        self.sender = Sender(session.client, workers, stops=self.stops)
        self.outcomes: dict[int, Outcome] = {}
        #: What failed, was skipped or is uncertain, by number: what waits for it is skipped.
        self.lost: dict[int, Operation] = {}
        self.errors: list[Exception] = []
        self.interrupted = False

    def run(self) -> CommitReport:
        """Send the plan wave by wave. Raises CommitError unless everything went through."""
        started = time.perf_counter()
        with orderly(self.interrupt):
            self.begin()
            try:
                for wave in self.plan.waves:
                    for outcome in self.sender.send(self.ready(wave)):
                        self.take(outcome)
                    self.announce(wave)
            except KeyboardInterrupt:  # the second one, or somebody's own
                self.interrupt()
            finally:
                self.end()
            report = self.report(time.perf_counter() - started)
        if self.interrupted:
            raise CommitInterrupted(f"The commit was interrupted: {report}", report)
        report.raise_for_failed()
        return report

    def begin(self) -> None:
        """Enter what is to be sent. Raises SessionError if another commit is about to send it."""
        under_way = self.session.members.under_way
        objects = {id(obj): obj for operation in self.plan for obj in operation.objects}
        for number in under_way & objects.keys():
            raise SessionError(
                f"{objects[number]!r} is sent by a commit that is under way, and would be sent "
                "twice: commit it when that one has ended."
            )
        under_way.update(objects)

    def ready(self, wave: list[Operation]) -> list[Operation]:
        """Return what of a wave waits for nothing that is lost; the rest is skipped."""
        ready = []
        for operation in wave:
            waited_for = self.lost_before(operation)
            if waited_for:
                self.note(Outcome(operation, Fate.SKIPPED, waited_for=waited_for))
            elif not self.sender.stopped and self.keys_are_known(operation):
                ready.append(operation)
        return ready

    def lost_before(self, operation: Operation) -> tuple[Any, ...]:
        """Return the objects that an operation waits for in vain."""
        if not self.lost:
            return operation.held_by
        lost = [self.lost[number] for number in sorted(operation.after) if number in self.lost]
        return (*operation.held_by, *(obj for before in lost for obj in before.objects))

    def keys_are_known(self, operation: Operation) -> bool:
        """Look for the keys that a request needs and that no answer has told."""
        keyless = self.session.members.keyless
        for obj in ordering.needs_of(operation.draft) if keyless else ():
            try:
                if obj in keyless:
                    naturalkey.find_key(self.session, obj)
            except ObjMapperError as error:
                self.note(Outcome(operation, Fate.SKIPPED, error=error, waited_for=(obj,)))
                return False
        return True

    def take(self, outcome: Outcome) -> None:
        """Bring an answer into its objects, and remember what became of the operation."""
        if outcome.fate is Fate.DONE:
            outcome = answering.taken_in(self.session, outcome)
        if self.stops and outcome.fate is not Fate.DONE:
            self.sender.stop()
        self.note(outcome)

    def note(self, outcome: Outcome) -> None:
        """Remember an outcome, and tell how far the commit is."""
        operation, members = outcome.operation, self.session.members
        self.outcomes[operation.number] = outcome
        if outcome.fate is not Fate.DONE:
            self.lost[operation.number] = operation
        for change in operation.changes:
            members.under_way.discard(id(change.object))
            if outcome.fate is Fate.UNCERTAIN:
                members.uncertain[id(change.object)] = (change.object, outcome)
        if self.progress is not None:
            try:
                self.progress(len(self.outcomes), len(self.plan))
            except KeyboardInterrupt:
                self.interrupt()
            except Exception as error:
                self.progress = None
                self.errors.append(error)

    def announce(self, wave: list[Operation]) -> None:
        """Tell ``post_`` receivers what is done of a wave, in plan order."""
        if not any(signal.receivers for signal in _POST.values()):
            return
        for operation in wave:
            if operation.number in self.outcomes and operation.number not in self.lost:
                for change in operation.changes:
                    self.errors += _announce(_POST, self.session, change)

    def interrupt(self) -> None:
        """Ctrl-C: nothing more is begun; what is in flight ends, unless it comes again."""
        self.interrupted = True
        self.sender.stop()

    def end(self) -> None:
        """Give an outcome to what has none: what was begun is uncertain, the rest still pending."""
        self.sender.stop()
        self.progress = None
        for operation in self.plan:
            if operation.number in self.outcomes:
                continue
            if operation.number in self.sender.begun:
                request = operation.request
                text = f"{request.method} {request.shown_path}: interrupted before an answer came."
                error = TransportError(text, request)
                self.note(Outcome(operation, Fate.UNCERTAIN, error=error))
            else:
                self.note(Outcome(operation, Fate.PENDING))

    def report(self, seconds: float) -> CommitReport:
        """Return what became of every object, after ``post_commit`` receivers have seen it."""
        report = CommitReport(errors=self.errors, seconds=seconds)
        for operation in self.plan:
            report.add(self.outcomes[operation.number])
        for left_out in self.plan.left_out:
            report.leave_out(left_out)
        if signals.post_commit.receivers:
            report.errors += signals.post_commit.announce(
                type(self.session), session=self.session, report=report
            )
        return report
