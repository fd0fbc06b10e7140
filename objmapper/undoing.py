"""Taking back what a commit did: the inverse of each change, as a plan that a commit sends.

What was created is deleted, what was updated gets back what it had. Nothing is overwritten that
somebody has changed since: what the server has now is compared with what was sent and answered.
What has no inverse, or may not be touched, is left out of the plan, with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from objmapper import ordering, planning, settling
from objmapper.asking import View
from objmapper.exceptions import ObjMapperError, SessionError, UndoError
from objmapper.operation import (
    Change,
    Draft,
    Fate,
    Kind,
    LeftOut,
    Operation,
    Outcome,
    Plan,
    Secret,
    has_pending,
)
from objmapper.report import CommitReport
from objmapper.state import (
    ABSENT,
    Lifecycle,
    base_value,
    copied,
    freeze,
    same,
    session_of,
)
from objmapper.wire import wire_value


class Part(NamedTuple):
    """What a commit did to one object."""

    #: All that was sent of it, as one change.
    made: Change
    #: The operations that it was sent in, one after the other.
    outcomes: tuple[Outcome, ...]

    @property
    def object(self) -> Any:
        return self.made.object


def plan(session: Any, report: CommitReport, wait: settling.Wait = settling.patient) -> Plan:
    """Return the operations that take back what *report* says is done.

    What is uncertain is settled first.
    """
    settle(session, report, wait)
    return _Undo(session, report).plan()


def untouched(report: CommitReport, error: Exception | None = None) -> Plan:
    """Return the plan that takes back nothing: what is in the way is *error*, or a Ctrl-C."""
    fate = Fate.PENDING if error is None else Fate.FAILED
    left_out = [
        LeftOut(change, error, outcome._replace(fate=fate, error=error))
        for outcome in _left(report)
        for change in outcome.operation.changes
    ]
    return Plan((), tuple(left_out))


def given_up(report: CommitReport) -> Iterator[Operation]:
    """Yield the operations of a commit that were not done: nobody is to finish what is taken back."""
    for entries in (report.failed, report.skipped, report.conflicts, report.pending):
        yield from (entry.operation for entry in entries if entry.operation is not None)


def places(report: CommitReport) -> dict[int, int]:
    """Return the place of each object in the plan of a commit, by number (id) of the object."""
    every = [report.created, report.updated, report.failed, report.skipped, report.uncertain]
    every.append(report.conflicts)
    found = [
        (entry.operation.number, id(entry.object))
        for entries in (*every, report.pending)
        for entry in entries
        if entry.operation is not None
    ]
    return {number: place for place, (_, number) in enumerate(sorted(found, key=itemgetter(0)))}


def check(session: Any, report: CommitReport) -> None:
    """Raise SessionError where *session* has nothing to take back of a commit."""
    if not isinstance(report, CommitReport):
        raise TypeError(f"A commit is undone by its report, and {report!r} is none.")
    if report.session is not session:
        raise SessionError("This report is of another session's commit, which can undo it.")
    if any(map(_undoes, (outcome.operation for outcome in report.outcomes))):
        raise SessionError(
            "This report is of an undo; session.commit() sends what it took back again."
        )
    if report.undoing is not None and not _left(report):
        raise SessionError("This commit was undone already: nothing of it is left to take back.")


def _left(report: CommitReport) -> list[Outcome]:
    """Return what is done or uncertain of a commit, and was not taken back yet."""
    gone = _taken_back(report)
    return [
        outcome
        for outcome in report.outcomes
        if not gone.issuperset(map(id, outcome.operation.objects))
    ]


def _taken_back(report: CommitReport) -> set[int]:
    """Return what was taken back of a commit, by number (id) of the object.

    What an earlier undo had sent, and this commit found done, may be there again.
    """
    return {id(entry.object) for entry in report.undone if not _undoes(entry.operation)}


def _undoes(operation: Operation | None) -> bool:
    return operation is not None and any(c.undoes is not None for c in operation.changes)


def settle(session: Any, report: CommitReport, wait: settling.Wait) -> None:
    """Find out what is uncertain of a commit, or of an earlier attempt to undo it."""
    unsure = session.members.uncertain
    objects = [obj for outcome in report.outcomes for obj in outcome.operation.objects]
    asked = {id(unsure[id(obj)][1].operation) for obj in objects if id(obj) in unsure}
    if not asked:
        return
    settled = settling.first(session, objects, wait)
    found = {id(outcome.operation): outcome for outcome in settled}
    for outcome in found.values():
        if session.journal is not None:
            session.journal.note(outcome)
        report.take_back(c.object for c in outcome.operation.changes if c.undoes is not None)
    still = {id(outcome.operation): outcome for _, outcome in unsure.values()}
    for outcome in [each for each in report.outcomes if each.fate is Fate.UNCERTAIN]:
        number = id(outcome.operation)
        if number in found or number in still:
            report.replace(outcome, (found | still)[number])
        elif number in asked:
            report.replace(outcome, outcome._replace(fate=Fate.PENDING))


class _Undo:
    """Makes the plan: parts, inverses, what is in the way of them, requests."""

    def __init__(self, session: Any, report: CommitReport) -> None:
        self.session, self.report = session, report
        gone = _taken_back(report)
        parts = ((id(part.object), part) for part in _parts(report.outcomes))
        self.parts = {number: part for number, part in parts if number not in gone}
        #: By number (id) of the object: what takes its part back, and why that can't be.
        self.inverses: dict[int, Change] = {}
        self.left_out: dict[int, LeftOut] = {}
        #: By number of what was created inside another object's request: that object.
        self.within = dict(_within(report.outcomes))
        self.children: dict[int, list[int]] = {}
        for child, root in self.within.items():
            self.children.setdefault(root, []).append(child)

    def plan(self) -> Plan:
        known = self.session.members.uncertain
        for number, part in self.parts.items():
            try:
                self.inverses[number] = self.inverse(part)
            except UndoError as error:
                self.leave_out(number, error)
        for number in self.parts:
            if number in known:
                self.refuse(number, known[number][1].error, known[number][1])
        self.compare()
        self.ask_receivers()
        drafts = self.drafts()
        left_out = [*self.unsure(), *self.recalled(), *self.left_out.values()]
        holding = [out for out in left_out if out.change.kind != Kind.DELETE or out.change.undoes]
        holding += [LeftOut(Change(Kind.UPDATE, obj), None) for obj in self.put_there()]
        return Plan(ordering.ordered(drafts, holding), tuple(left_out))

    def leave_out(
        self, number: int, error: BaseException | None, outcome: Outcome | None = None
    ) -> None:
        """Leave out an object; *outcome*: that of its undo, failed where nothing else is said."""
        part = self.parts[number]
        change = self.inverses.pop(number, part.made)
        if outcome is None:
            outcome = part.outcomes[-1]._replace(fate=Fate.FAILED, error=error)
        self.left_out[number] = LeftOut(change, error, outcome)

    def refuse(
        self, number: int, error: BaseException | None, outcome: Outcome | None = None
    ) -> None:
        """Leave out an object with what was created in the same request: they go together."""
        root = self.within.get(number, number)
        for other in (root, *self.children.get(root, ())):
            if other in self.inverses:
                self.leave_out(other, error, outcome)

    def inverse(self, part: Part) -> Change:
        """Return what takes a part back. Raises UndoError for what can't be."""
        made, obj = part.made, part.object
        mapper = type(obj).__mapper__
        if any(c.kind == Kind.DELETE for c in _changes_of(obj, part.outcomes)):
            raise UndoError(
                f"{obj!r} was deleted: the server could make one like it, never this one again."
            )
        if made.kind not in (Kind.CREATE, Kind.UPDATE):
            raise UndoError(f"{obj!r}: what {made.kind!r} did has no inverse.")
        if session_of(obj) is not self.session or obj._state.lifecycle is Lifecycle.DETACHED:
            raise UndoError(f"{obj!r} has left the session since: it was deleted, or expunged.")
        if made.kind == Kind.UPDATE:
            return _restoring(made)
        if not mapper.has_key and not mapper.singleton:
            raise UndoError(f"{obj!r} has no key: nothing tells the server which one to delete.")
        parent = self.parts.get(self.within.get(id(obj), 0))
        return Change(Kind.DELETE, obj, undoes=made, within=parent and parent.object)

    def compare(self) -> None:
        """Refuse what the server no longer has as it was sent, asking for many in one request."""
        asked = [change for number, change in self.inverses.items() if number not in self.within]
        requests = {id(c): self.parts[id(c.object)].outcomes[-1].operation.request for c in asked}
        view = View(self.session, requests, surely=True)
        view.ask(asked)
        for change in asked:
            number = id(change.object)
            if number not in self.inverses:
                continue
            rows = view.rows(change)
            if isinstance(rows, ObjMapperError):
                self.refuse(number, rows)
            elif len(rows) != 1:
                told = f"{len(rows)} have its natural key" if rows else "it is gone"
                self.refuse(number, UndoError(f"{change.object!r} can't be undone: {told}."))
            else:
                names = _changed_since(view, self.parts[number], rows[0])
                if names:
                    told = ", ".join(map(repr, names))
                    self.refuse(
                        number,
                        UndoError(
                            f"{change.object!r} was changed since ({told} is not as the commit left it), "
                            "and is not overwritten."
                        ),
                    )

    def ask_receivers(self) -> None:
        """Tell the ``pre_`` receivers; what one of them raises keeps its object as it is."""
        if not any(signal.receivers for signal in planning.PRE.values()):
            return
        for number, change in list(self.inverses.items()):
            if number in self.inverses:
                for error in planning.announce(planning.PRE, self.session, change)[:1]:
                    last = self.parts[number].outcomes[-1]
                    self.refuse(number, error, last._replace(fate=Fate.SKIPPED, error=error))

    def drafts(self) -> list[Draft]:
        """Return the requests; what can't be said is refused."""
        try:
            return self._drafts()
        except ObjMapperError:
            for number, change in list(self.inverses.items()):
                try:
                    if number not in self.within:
                        planning.drafts_of(self.session, [change])
                except ObjMapperError as error:
                    self.refuse(number, error)
            return self._drafts()

    def _drafts(self) -> list[Draft]:
        changes = ordering.cut_cycles(list(self.inverses.values()))
        return planning.drafts_of(self.session, changes)

    def put_there(self) -> Iterator[Any]:
        """Yield what other commits, or others, have put into what is to be deleted: it would go along."""
        deleted = [c.object for c in self.inverses.values() if c.kind == Kind.DELETE]
        gone = {*map(ordering.identity, deleted)}
        members = self.session.members
        for obj in [*self.session.identity, *members.keyless] if gone else ():
            number = id(obj)
            if number in self.inverses or number in members.deleted:
                continue
            if _is_put(obj, gone, members.has_made(obj)):
                yield obj

    def unsure(self) -> Iterator[LeftOut]:
        """Yield what the commit sent and nobody knows the fate of: what it refers to must stay."""
        known = self.session.members.uncertain
        for outcome in self.report.outcomes:
            for change in outcome.operation.changes if outcome.fate is Fate.UNCERTAIN else ():
                number = id(change.object)
                if number in known and known[number][1].operation is outcome.operation:
                    yield LeftOut(change, outcome.error, outcome)
                    continue
                error = UndoError(
                    f"What became of {change.object!r} was not known when the commit ended, and was "
                    "settled since: whether there is something to take back can't be told."
                )
                yield LeftOut(change, error, outcome._replace(fate=Fate.FAILED, error=error))

    def recalled(self) -> Iterator[LeftOut]:
        """Yield what an earlier process has done, as a recovery tells it."""
        report = self.report
        for kind, entries in (
            (Kind.UPDATE, [*report.created, *report.updated, *report.actions]),
            (Kind.DELETE, report.deleted),
        ):
            for entry in entries:
                if entry.outcome is None:
                    error = UndoError(
                        f"{entry.object!r} was written by an earlier process: what there was before is "
                        "not known here."
                    )
                    yield LeftOut(Change(kind, entry.object), error)


def _is_put(obj: Any, into: Collection[Any], made: bool) -> bool:
    """Whether somebody has said of an object that it is one of another's, by identity.

    What can't be said later was said by who has *made* it, which may be the server: it makes parts.
    """
    mapper = type(obj).__mapper__
    for field in mapper.foreign_keys.values():
        is_said = not field.read_only and (not field.write_once or made)
        if is_said and ordering.target(field, base_value(obj, field)) in into:
            return True
    return False


def _parts(outcomes: Iterable[Outcome]) -> Iterator[Part]:
    """Yield what was done, object by object."""
    found: dict[int, list[tuple[Change, Outcome]]] = {}
    for outcome in outcomes:
        for change in outcome.operation.changes if outcome.fate is Fate.DONE else ():
            found.setdefault(id(change.object), []).append((change, outcome))
    for pairs in found.values():
        changes = [change for change, _ in pairs]
        yield Part(_as_one(changes), tuple(outcome for _, outcome in pairs))


def _as_one(changes: Sequence[Change]) -> Change:
    """Return one change that does what several of one object do one after the other."""
    first = changes[0]
    if len(changes) == 1:
        return first
    sent, rows, base = dict(first.sent), dict(first.rows), dict(first.base)
    shown: dict[str, tuple[Any, Any]] = {}
    for change in changes:
        sent |= change.sent
        rows |= change.rows
        base = {**change.base, **base}
        for name, (old, new) in change.changes.items():
            shown[name] = (shown[name][0] if name in shown else old, new)
    return first._replace(sent=sent, rows=rows, base=base).telling(shown)


def _within(outcomes: Iterable[Outcome]) -> Iterator[tuple[int, int]]:
    """Yield what was created inside another new object's request, with that object, by number."""
    for outcome in outcomes:
        changes = outcome.operation.changes
        if len(changes) < 2:
            continue
        new = {id(c.object): c for c in changes if c.kind == Kind.CREATE}
        for number in new:
            path = [number]
            while (above := _parent(new[path[-1]], new)) is not None and above not in path:
                path.append(above)
            if len(path) > 1:
                yield number, path[-1]


def _parent(change: Change, new: Mapping[int, Change]) -> int | None:
    """Return the number of the new object that another one refers to, in whose request it is."""
    parents = map(id, has_pending([*change.sent.values()]))
    return next((parent for parent in parents if parent in new), None)


def _restoring(made: Change) -> Change:
    """Return the update that gives an object back what it had. Raises UndoError."""
    obj, by_key = made.object, type(made.object).__mapper__.by_key
    sent: dict[str, Any] = {}
    told: tuple[Any, ...] = ()
    rows: dict[str, bytes | Secret] = {}
    changes = made.changes
    for key in made.sent:
        field, base = by_key[key], made.base.get(key, ABSENT)
        if base is ABSENT:
            raise UndoError(
                f"{obj!r} can't be restored: what its {field.name!r} was before is not known. It was never "
                "read, or the server does not show all of it."
            )
        value = field.tolerant(copied(base)) if field.mutable and base is not None else base
        sent[key] = wire_value(field, value)
        if field.mutable and not field.plain:
            rows[key] = freeze(base)
        old, new = changes[field.name]
        told += (field.name, new, old)
    return Change(Kind.UPDATE, obj, sent, told, rows, undoes=made)


def _changed_since(view: View, part: Part, row: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that are not as the commit left them."""
    by_key = type(part.object).__mapper__.by_key
    answered: dict[str, Any] = {}
    sent: dict[str, Any] = {}
    for outcome in part.outcomes:
        answer = _answer(outcome, part.object)
        for change in _changes_of(part.object, [outcome]):
            sent |= change.sent
            answered = {k: v for k, v in answered.items() if k not in change.sent} | answer
    # What was created goes whole, so all that is known of it counts; else what was sent. Of what a full
    # answer has left out it is known that nobody had said anything of it.
    known = {**sent, **answered} if part.made.kind == Kind.CREATE else sent
    if part.made.kind == Kind.CREATE and answered and view.session.dialect.answers_are_full:
        answered = dict.fromkeys(key for key in row if key not in known) | answered
        known = known | answered
    names = []
    for key in known:
        field = by_key.get(key)
        if field is None or key not in row or field.read_only or field.hides:
            continue
        if field.write_once:  # nobody can set it any more; a server may, when it has made all of it
            continue
        has = view.form(field, row[key])
        if key in answered:
            as_left = same(has, view.form(field, answered[key]))
        else:
            wire = view.form(field, _copied(sent[key]))
            as_left = same(has, wire) or (not field.plain and _has(has, wire))
        if not as_left:
            names.append(field.name)
    return names


def _has(value: Any, sent: Any) -> bool:
    """Whether a value object is as it was sent, but for what a server adds to one, as ids."""
    waiting = [(value, sent)]
    while waiting:
        value, sent = waiting.pop()
        if isinstance(value, dict) and isinstance(sent, dict):
            if not sent.keys() <= value.keys():
                return False
            waiting += [(value[key], sent[key]) for key in sent]
        elif isinstance(value, list) and isinstance(sent, list):
            if len(value) != len(sent):
                return False
            waiting += zip(value, sent, strict=True)
        elif not same(value, sent):
            return False
    return True


def _copied(wire: Any) -> Any:
    """Return a copy of a JSON value, which reading it may take over; what waits is no JSON."""
    return copied(wire) if isinstance(wire, dict | list) else wire


def _answer(outcome: Outcome, obj: Any) -> dict[str, Any]:
    """Return what the server answered of an object, if it did."""
    operation, response = outcome.operation, outcome.response
    if operation.read is None or response is None or not 200 <= response.status < 300:
        return {}
    try:
        rows = zip(operation.changes, operation.read(response), strict=True)
        return dict(next((row for change, row in rows if change.object is obj), None) or {})
    except Exception:  # an answer without sense, whose operation was found to be done
        return {}


def _changes_of(obj: Any, outcomes: Iterable[Outcome]) -> Iterator[Change]:
    for outcome in outcomes:
        yield from (change for change in outcome.operation.changes if change.object is obj)
