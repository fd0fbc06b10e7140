"""Conflicts: what others have changed since it was read, and what becomes of it, field by field.

A version that is another one says that somebody changed something. What that is, tells a comparison
of three: the base, what is here, and what the server has. What only one side changed is merged; the
rest is decided as ``on_conflict`` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from objmapper import answering, loading, planning, signals, versions, wire
from objmapper.asking import Row, View, mapper_of
from objmapper.exceptions import FieldDoesNotExist, ObjMapperError
from objmapper.operation import Change, Fate, Kind, Operation, Outcome, Plan
from objmapper.report import MergeConflict
from objmapper.state import ABSENT, base_value, changed_keys, copied, own, same

#: What is done about a conflict: it is told, merged as far as one side alone has changed a field, or
#: one side has every field that both have changed; a mapping names the side of each such field.
Decision = (
    Literal["error", "merge", "overwrite", "theirs"] | Mapping[str, Literal["mine", "theirs"]]
)
#: A decision for all conflicts, or what is asked for each.
OnConflict = Decision | Callable[[MergeConflict], Decision | None]

_WORDS = ("error", "merge", "overwrite", "theirs")
#: How often an operation meets yet another version before that is a conflict.
ROUNDS = 5
#: Stands among fields for the object as a whole.
_WHOLE = ""


def check(on_conflict: Any) -> None:
    """Raise ValueError for what decides no conflict."""
    if not callable(on_conflict):
        _check_decision(on_conflict, "on_conflict is", ", or a callable that returns one of these")


def _check_decision(decision: Any, what: str, more: str = "") -> None:
    if isinstance(decision, Mapping):
        for name, side in decision.items():
            if side not in ("mine", "theirs"):
                raise ValueError(
                    f"{what} a mapping in which {name!r} has {side!r}, not 'mine' or 'theirs'."
                )
    elif decision not in _WORDS:
        words = ", ".join(map(repr, _WORDS))
        raise ValueError(
            f"{what} one of {words}, or a mapping of field names to 'mine' or 'theirs'{more}; not "
            f"{decision!r}."
        )


def check_names(on_conflict: Any, plan: Plan) -> None:
    """Raise FieldDoesNotExist for the side of a field that no object of *plan* has."""
    if not isinstance(on_conflict, Mapping):
        return
    mappers = dict.fromkeys(mapper_of(change) for change in plan.changes)
    known = dict.fromkeys(name for mapper in mappers for name in mapper.fields)
    for name in on_conflict if mappers else ():
        if name not in known:
            models = ", ".join(sorted(mapper.model.__name__ for mapper in mappers))
            raise FieldDoesNotExist.of(models, name, known, "on_conflict")


def _check_named(decision: Any, mapper: Any) -> None:
    """Raise FieldDoesNotExist for the side of a field that a class does not have."""
    for name in decision if isinstance(decision, Mapping) else ():
        if name not in mapper.fields:
            model = mapper.model.__name__
            raise FieldDoesNotExist.of(model, name, mapper.fields, "on_conflict")


class Meeting(NamedTuple):
    """One change, and the row that the server has of its object."""

    change: Change
    #: None: the server has it no more.
    row: Row | None
    #: Whether its version is not the one of the base.
    is_other: bool = True
    #: Wire names of what others have changed, where that is not what was changed here.
    foreign: tuple[str, ...] = ()
    #: Those of them that were changed here too.
    both: tuple[str, ...] = ()
    #: Wire names of what both sides have changed to the same.
    equal: tuple[str, ...] = ()


class Referee:
    """Finds out what others have changed of what a commit would change, and has it decided.

    What becomes of an operation is told as its outcome: pending is what goes, maybe as another request.
    """

    def __init__(self, session: Any, on_conflict: OnConflict, errors: list[Exception]) -> None:
        self.session, self.dialect, self.on_conflict = session, session.dialect, on_conflict
        #: Where what receivers and callables raise is kept.
        self.errors = errors
        #: What was decided, by the number of the operation.
        self.decided: dict[int, list[MergeConflict]] = {}
        #: What the server has all of already, of operations whose rest is still to go, by number.
        self.agreed: dict[int, list[Outcome]] = {}
        self._rounds: Counter[int] = Counter()

    def before(self, operations: Iterable[Operation]) -> list[Outcome]:
        """Say what goes, after a look at the objects whose versions no request can be made to meet."""
        outcomes = [Outcome(operation, Fate.PENDING) for operation in operations]
        unmet = {o.operation.number: self._unmet(o.operation) for o in outcomes}
        rows = self._asked([(c, o.operation) for o in outcomes for c in unmet[o.operation.number]])
        return [
            self._ruled(outcome, rows) if unmet[outcome.operation.number] else outcome
            for outcome in outcomes
        ]

    def _unmet(self, operation: Operation) -> list[Change]:
        if operation.guard is None:
            return []
        return [
            change
            for change in operation.changes
            if versions.is_guarded(change)
            and versions.has_base(change.object)
            and (
                mapper_of(change).version is None
                or change is not operation.changes[0]
                or versions.of_object(self.dialect, change.object) is None
            )
        ]

    def after(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Say what becomes of operations that the server refused, as if for their versions."""
        rows: dict[int, list[Row] | ObjMapperError] = {}
        asked = []
        for outcome in outcomes:
            for change in filter(versions.is_guarded, outcome.operation.changes):
                row = self._brought(change, outcome)
                if row is None:
                    asked.append((change, outcome.operation))
                else:
                    rows[id(change)] = [row]
            self._rounds[outcome.operation.number] += 1
        rows.update(self._asked(asked))
        return [self._ruled(outcome, rows) for outcome in outcomes]

    def _brought(self, change: Change, outcome: Outcome) -> Row | None:
        """Return the row that a refusal has with it, if it is one of the object."""
        if len(outcome.operation.changes) > 1 or outcome.response is None:
            return None
        mapper = mapper_of(change)
        try:
            row = self.dialect.read_conflict(outcome.response)
            ours = row is not None and mapper.key_in(row) == mapper.key_in(change.object._row)
        except Exception:  # what a server says in an error may be anything; it is asked then
            return None
        return dict(row) if ours else None

    def _asked(
        self, asked: list[tuple[Change, Operation]]
    ) -> dict[int, list[Row] | ObjMapperError]:
        """Return what the server has of objects, several in one request where that can be."""
        if not asked:
            return {}
        requests = {id(change): operation.request for change, operation in asked}
        view = View(self.session, requests, surely=True)
        view.ask(change for change, _ in asked)
        return {id(change): view.rows(change) for change, _ in asked}

    # -- three sides ------------------------------------------------------------------------------

    def _ruled(self, outcome: Outcome, rows: Mapping[int, list[Row] | ObjMapperError]) -> Outcome:
        """Return what becomes of an operation whose objects the server has as *rows* say."""
        meetings: dict[int, Meeting] = {}
        for change in outcome.operation.changes:
            found = rows.get(id(change), ())
            if isinstance(found, ObjMapperError):
                why = f"asking for what the server has failed: {found}"
                return outcome._replace(fate=Fate.FAILED, error=outcome.error or found, why=why)
            if id(change) in rows:
                meetings[id(change)] = self._met(change, found[0] if found else None)
        if outcome.error is not None and not any(each.is_other for each in meetings.values()):
            return outcome._replace(fate=Fate.FAILED)  # it was refused for another reason
        sides, conflicts, settled = {}, [], True
        for number, meeting in meetings.items():
            if self._is_conflict(meeting):
                conflicts.append(self._told(meeting))
                sides[number] = self._decided(conflicts[-1])
                settled = settled and sides[number] is not None
        if self._rounds[outcome.operation.number] > ROUNDS:
            conflicts, settled = [self._told(each) for each in meetings.values()], False
        if not settled:
            for meeting in meetings.values():
                if meeting.foreign and meeting.row is not None:
                    own(meeting.change.object).theirs = meeting.row
            return outcome._replace(fate=Fate.CONFLICT, conflicts=tuple(conflicts))
        if conflicts:
            self.decided.setdefault(outcome.operation.number, []).extend(conflicts)
        return self._merged(outcome, meetings, sides)

    def _met(self, change: Change, row: Row | None) -> Meeting:
        """Compare the base of an object, what is here, and what the server has."""
        obj, mapper = change.object, mapper_of(change)
        if row is None:
            return Meeting(change, None)
        known = versions.of_object(self.dialect, obj)
        if known is not None and same(known, versions.of_row(self.dialect, mapper, row)):
            return Meeting(change, row, is_other=False)
        view, mine = View(self.session, {}), self._mine(change)
        foreign, both, equal = [], [], []
        for key, field in mapper.by_key.items():
            base = base_value(obj, field)
            unread = base is ABSENT and not obj._state.full
            if not self._is_compared(mapper, field) or (
                unread and (known is None or key not in mine)
            ):
                continue
            theirs = view.form(field, copied(row.get(key)))
            # What was set and never read may be what the others have changed.
            if not unread and same(theirs, view.form(field, base)):
                continue
            if key in mine and same(theirs, view.form(field, mine[key])):
                equal.append(key)
                continue
            foreign.append(key)
            if key in mine:
                both.append(key)
        return Meeting(change, row, True, tuple(foreign), tuple(both), tuple(equal))

    def _is_compared(self, mapper: Any, field: Any) -> bool:
        is_version = field.key == versions.key_of(self.dialect, mapper)
        return versions.is_compared(field) and not is_version

    def _mine(self, change: Change) -> dict[str, Any]:
        """Return what was changed here, by wire name: what is to be sent, and what is not yet."""
        if change.kind == Kind.DELETE:
            return {}
        obj, by_key = change.object, mapper_of(change).by_key
        kept = {key: copied(by_key[key].dump(obj._row.get(key))) for key in changed_keys(obj)}
        return {**kept, **change.sent}

    def _is_conflict(self, meeting: Meeting) -> bool:
        if meeting.row is None:
            return meeting.change.kind != Kind.DELETE
        if meeting.change.kind == Kind.DELETE or self.on_conflict == "error":
            return bool(meeting.foreign)
        return bool(meeting.both)

    def _told(self, meeting: Meeting) -> MergeConflict:
        """Return a meeting as users see it."""
        change, row, obj = meeting.change, meeting.row, meeting.change.object
        by_key = mapper_of(change).by_key
        keys = {*self._mine(change), *meeting.foreign, *meeting.equal}
        met = {key: field for key, field in by_key.items() if key in keys}
        base = {field.name: _shown(field, base_value(obj, field)) for field in met.values()}
        mine = theirs = None
        if change.kind != Kind.DELETE:
            ours = changed_keys(obj)
            kept = {f.name: wire.shown_change(obj, f)[1] for k, f in met.items() if k in ours}
            mine = {**base, **kept, **{name: new for name, (_, new) in change.changes.items()}}
        if row is not None:
            theirs = {field.name: _shown(field, row.get(key)) for key, field in met.items()}
        both = tuple(by_key[key].name for key in meeting.both)
        return MergeConflict(obj, base, mine, theirs, both)

    def _decided(self, conflict: MergeConflict) -> Mapping[str, str] | None:
        """Return the side of each field that both have changed; None where that stays open."""
        obj = conflict.object
        if signals.conflict.receivers:
            told = {"instance": obj, "conflict": conflict, "session": self.session}
            self.errors += signals.conflict.announce(type(obj), **told)
        decision: Any = self.on_conflict
        if callable(decision):
            try:
                decision = decision(conflict)
                decision = "error" if decision is None else decision
                _check_decision(decision, "The callable on_conflict returns")
                _check_named(decision, type(obj).__mapper__)
            except Exception as error:
                self.errors.append(error)
                return None
        if decision == "theirs" or (decision == "overwrite" and conflict.theirs is not None):
            side = "theirs" if decision == "theirs" else "mine"
            return {_WHOLE: side, **dict.fromkeys(conflict.both, side)}
        if not isinstance(decision, Mapping) or conflict.mine is None or conflict.theirs is None:
            return None
        sides = {name: decision[name] for name in conflict.both if name in decision}
        return sides if len(sides) == len(conflict.both) else None

    # -- what goes then ---------------------------------------------------------------------------

    def _merged(
        self,
        outcome: Outcome,
        meetings: Mapping[int, Meeting],
        sides: Mapping[int, Mapping[str, str] | None],
    ) -> Outcome:
        """Move bases to what the server has, and return what is still to be sent over them."""
        operation, going, done = outcome.operation, [], []
        for change in operation.changes:
            meeting = meetings.get(id(change))
            if meeting is None or not meeting.is_other:
                going.append(change)
                continue
            rest, agreed = self._rebased(meeting, sides.get(id(change)) or {})
            going += [rest] if rest is not None else []
            done += [agreed] if agreed is not None else []
        if tuple(going) == operation.changes and outcome.error is None:
            return outcome
        kept = going or done
        left = {id(change.object) for change in kept}
        for change in operation.changes:
            if id(change.object) not in left:
                self.session.members.under_way.discard(id(change.object))
        has_all = operation.writing(tuple(done))
        if not going:
            return outcome._replace(operation=has_all, fate=Fate.DONE, error=None).answered(None)
        if done:
            self.agreed.setdefault(operation.number, []).append(Outcome(has_all, Fate.DONE))
        # Anew, or who knows a request again would give it the answer that it had before.
        (draft,) = planning.drafts_of(self.session, going)
        return outcome._replace(operation=operation.of_draft(draft), fate=Fate.PENDING)

    def _rebased(
        self, meeting: Meeting, sides: Mapping[str, str]
    ) -> tuple[Change | None, Change | None]:
        """Give an object the base that the server has now.

        Returns what is still to be sent, else what the server has all of.
        """
        change, row, obj = meeting.change, meeting.row, meeting.change.object
        deletes = change.kind == Kind.DELETE
        if row is None:
            if deletes:
                answering.take_in(self.session, [(change, None)], full=True)
            else:
                self.session.members.forget(obj)
            return None, change if deletes else None
        loading.rebase(obj, {**dict.fromkeys((*meeting.foreign, *meeting.equal)), **row})
        if deletes:
            if sides.get(_WHOLE) == "theirs":
                self._let_be(obj)
                return None, None
            return change, None
        by_key = mapper_of(change).by_key
        given_up = [key for key in meeting.both if sides[by_key[key].name] == "theirs"]
        for key in given_up:
            loading.give_up(obj, by_key[key])
        dropped = {*given_up, *meeting.equal}
        rest = _over_base(change, [key for key in change.sent if key not in dropped])
        if rest.sent:
            return rest, None
        if not given_up:
            agreed = _over_base(change, change.sent)
            answering.take_in(self.session, [(change, row)], full=True)
            return None, agreed
        if loading.settle(obj) and not obj._state.snapshots:
            self.session.untouched(obj)
        return None, None

    def _let_be(self, obj: Any) -> None:
        """Leave an object on the server that was to be deleted."""
        members = self.session.members
        if id(obj) in members.deleted:
            members.add(obj)
        loading.settle(obj)


def _over_base(change: Change, keys: Iterable[str]) -> Change:
    """Return what a change sends of *keys*, as one of the base that its object has now.

    That is what an undo gives back: what others have done before it is not the commit's to take back.
    """
    obj, by_key = change.object, mapper_of(change).by_key
    sent = {key: change.sent[key] for key in keys}
    base, shown, changes = {}, {}, change.changes
    for key in sent:
        field = by_key[key]
        value = base_value(obj, field)
        if key in change.base:
            base[key] = ABSENT if field.hides else value
        if field.name in changes:
            shown[field.name] = _shown(field, value), changes[field.name][1]
    return change._replace(sent=sent, base=base).telling(shown)


def _shown(field: Any, value: Any) -> Any:
    """Return a base's value, or a row's, as users see it."""
    if value is ABSENT or value is None or field.write_only:
        return None
    return field.shown(copied(value) if field.mutable else field.tolerant(value))
