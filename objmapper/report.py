"""What became of every object of a commit: CommitReport."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import eq
from typing import Any, NamedTuple, SupportsIndex, cast, overload

from objmapper.exceptions import CommitError, SessionError, cut
from objmapper.operation import (
    CONFLICT,
    DONE,
    UNCERTAIN,
    Change,
    Fate,
    Kind,
    LeftOut,
    Operation,
    Outcome,
    Request,
    Response,
    shown,
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MergeConflict:
    """What both sides did to one object since it was read, by field name, as Python's values.

    The three have the same names: each field that one of the sides has changed. Secrets are masked.
    """

    #: The object.
    object: Any
    #: The values that both sides began with.
    base: dict[str, Any]
    #: The values here; None where the object was to be deleted.
    mine: dict[str, Any] | None
    #: The values on the server; None where it has the object no more.
    theirs: dict[str, Any] | None
    #: The names of the fields that both have changed, to different values.
    both: tuple[str, ...] = ()

    @property
    def foreign(self) -> tuple[str, ...]:
        """The names of the fields that the other side has changed."""
        theirs = self.theirs or {}
        return tuple(name for name in theirs if theirs[name] != self.base[name])

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "base": shown(self.base),
            "mine": shown(self.mine),
            "theirs": shown(self.theirs),
            "both": list(self.both),
        }

    def __str__(self) -> str:
        if self.theirs is None:
            return "somebody else has deleted it"
        names = self.both or self.foreign
        told = [self._line(name, self.theirs) for name in names[:3]]
        more = [f"{len(names) - 3} more"] if len(names) > 3 else []
        return f"somebody else has changed it: {', '.join([*told, *more]) or 'its version alone'}"

    def _line(self, name: str, theirs: dict[str, Any]) -> str:
        here = f", here {cut(self.mine[name], 40)}" if self.mine and name in self.both else ""
        return f"{name!r} from {cut(self.base[name], 40)} to {cut(theirs[name], 40)}{here}"

    def __repr__(self) -> str:
        return f"<MergeConflict of {self.object!r}: {self}>"


class Entry(NamedTuple):
    """One object's line in a report."""

    #: The object.
    object: Any
    #: What was planned for it; None for one that was vetoed, or done by an earlier process.
    operation: Operation | None
    #: What became of the operation; None where there was none.
    outcome: Outcome | None
    #: Why it is not done, if there is an error to tell it.
    error: BaseException | None = None
    #: The objects that it waited for in vain.
    waited_for: tuple[Any, ...] = ()

    @property
    def request(self) -> Request | None:
        """What was to be sent, None where there was no operation."""
        return self.operation.request if self.operation else None

    @property
    def answer(self) -> Response | None:
        """The server's answer, None when none came."""
        return self.outcome.response if self.outcome else None

    @property
    def conflict(self) -> MergeConflict | None:
        """What both sides have changed of the object, None where no others were met."""
        met: tuple[MergeConflict, ...] = self.outcome.conflicts if self.outcome else ()
        return next((each for each in met if each.object is self.object), None)

    def __repr__(self) -> str:
        return f"<{self.object!r}: {self.error}>" if self.error else repr(self.object)


def _portable(entry: Entry) -> Entry:
    """Return an entry as it is pickled: what was sent stays here, and the answer but its status."""
    if entry.outcome is None:
        return entry
    outcome = entry.outcome._replace(operation=cast(Operation, None), headers={}, content=b"")
    return entry._replace(operation=None, outcome=outcome)


def was_there(outcome: Outcome) -> bool:
    """Whether the server had already what an operation was to create."""
    return outcome.status in outcome.operation.found


_DONE: dict[str, str] = {
    Kind.CREATE: "created",
    Kind.UPDATE: "updated",
    Kind.DELETE: "deleted",
}


class Entries(Sequence[Entry]):
    """The entries of one fate, in plan order; ``obj in entries`` asks for an object.

    An entry is made when it is first looked at: of most of a commit nobody wants more than how many
    there are.
    """

    __slots__ = ("_told",)

    def __init__(self, told: Iterable[Entry | Outcome] = ()) -> None:
        #: Entries, and outcomes of operations of one object that nobody has looked at.
        self._told = list(told)

    @property
    def objects(self) -> list[Any]:
        """The objects of the entries."""
        return [_object_of(told) for told in self._told]

    def add(self, told: Entry | Outcome) -> None:
        """Append an entry, or the one that the outcome of an operation of one object makes."""
        self._told.append(told)

    def drop(self, is_gone: Callable[[Entry | Outcome], bool]) -> None:
        """Take out what *is_gone* says of an entry or an outcome."""
        self._told[:] = [told for told in self._told if not is_gone(told)]

    @overload
    def __getitem__(self, index: SupportsIndex) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> Entries: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Entry | Entries:
        if isinstance(index, slice):
            return Entries(map(self.__getitem__, range(*index.indices(len(self)))))
        told = self._told[index]
        if isinstance(told, Outcome):
            told = self._told[index] = _entry(told, told.operation.changes[0])
        return told

    def __len__(self) -> int:
        return len(self._told)

    def __contains__(self, item: object) -> bool:
        if isinstance(item, Entry):
            return any(entry is item for entry in self)
        return any(_object_of(told) is item for told in self._told)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entries | list):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Iterable[Entry]) -> list[Entry]:
        return [*self, *other]

    def __radd__(self, other: Iterable[Entry]) -> list[Entry]:
        return [*other, *self]

    def __repr__(self) -> str:
        return repr(list(self))


def _entry(outcome: Outcome, change: Change) -> Entry:
    return Entry(change.object, outcome.operation, outcome, outcome.error, outcome.waited_for)


def _object_of(told: Entry | Outcome) -> Any:
    return told.operation.changes[0].object if isinstance(told, Outcome) else told.object


@dataclass(slots=True, eq=False, repr=False)
class CommitReport:
    """What a commit did: each object stands in the list of what became of it.

    One that took two requests, because it was part of a circle, stands in the list of each.
    ``print(report)`` shows how many met which fate, and why. A pickled one has detached copies of the
    objects, and neither what was sent or answered nor the session: it can't be undone.
    """

    #: What the server has created.
    created: Entries = field(default_factory=Entries)
    #: What the server had already. Of what it was to be created with, its natural key is so; all
    #: else is still a change of the object, which another commit sends.
    existing: Entries = field(default_factory=Entries)
    #: What the server has taken changes of.
    updated: Entries = field(default_factory=Entries)
    #: What the server has deleted.
    deleted: Entries = field(default_factory=Entries)
    #: What operations of other kinds have done.
    actions: Entries = field(default_factory=Entries)
    #: What the server refused, or what surely never got there.
    failed: Entries = field(default_factory=Entries)
    #: What was not sent, because what it waits for was lost, or because a receiver vetoed.
    skipped: Entries = field(default_factory=Entries)
    #: What was sent, and nobody here knows whether the server did it.
    uncertain: Entries = field(default_factory=Entries)
    #: What somebody else has changed too, where nothing says what to do about it.
    conflicts: Entries = field(default_factory=Entries)
    #: What somebody else has changed too, and ``on_conflict`` has decided; what became of it stands
    #: in the other lists, but for what was given up.
    resolved: Entries = field(default_factory=Entries)
    #: What was not begun when the commit stopped.
    pending: Entries = field(default_factory=Entries)
    #: What was done and was taken back: by an undo, whose own report has it here as well.
    undone: Entries = field(default_factory=Entries)
    #: The report of the undo; None as long as nobody has tried one.
    undoing: CommitReport | None = None
    #: What ``post_`` receivers and the progress callback raised; it undoes nothing.
    errors: list[Exception] = field(default_factory=list)
    #: How many requests went out, those that were sent again included.
    requests: int = 0
    #: How many requests were sent again.
    retries: int = 0
    #: How long the commit took, in seconds.
    seconds: float = 0.0
    #: A weak reference to the session whose commit it was.
    of: weakref.ref[Any] | None = None
    #: What is done or uncertain, one after the other.
    outcomes: list[Outcome] = field(default_factory=list)

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        state = {name: getattr(self, name) for name in self.__slots__}
        for name, told in state.items():
            if isinstance(told, Entries):
                state[name] = Entries(_portable(entry) for entry in told)
        return None, {**state, "of": None, "outcomes": []}

    @property
    def session(self) -> Any:
        """The session whose commit it was, None if there is none any more."""
        return None if self.of is None else self.of()

    @property
    def ok(self) -> bool:
        """Whether everything that was planned is done, and nothing of it was taken back."""
        lost = self.failed or self.skipped or self.uncertain or self.conflicts or self.pending
        return not (lost or (self.undoing is not None and self.undone))

    def add(self, outcome: Outcome) -> None:
        """Enter every object of *outcome* under its fate."""
        operation, fate = outcome.operation, outcome.fate
        there = bool(operation.found) and fate is DONE and was_there(outcome)
        changes = operation.changes
        for change in changes:
            entries = self.existing if there else self._list_of(fate, change)
            entries.add(outcome if len(changes) == 1 else _entry(outcome, change))
        if (fate is DONE and not there) or fate is UNCERTAIN:
            self.outcomes.append(outcome)
        self.requests += outcome.requests
        self.retries += outcome.retries

    def recall(self, kind: str, obj: Any) -> None:
        """Enter an object of which an earlier process has done something."""
        self._list_of(Fate.DONE, Change(kind, obj)).add(Entry(obj, None, None))

    def resolve(self, outcome: Outcome, conflicts: list[MergeConflict]) -> None:
        """Enter the objects of an operation whose conflicts were decided."""
        for conflict in conflicts:
            told = outcome._replace(conflicts=(conflict,))
            self.resolved.add(Entry(conflict.object, told.operation, told, told.error))

    def leave_out(self, left_out: LeftOut) -> None:
        """Enter an object that was not sent: vetoed, or of unknown fate since an earlier commit."""
        change, error, outcome = left_out
        operation = outcome.operation if outcome is not None else None
        fate = outcome.fate if outcome is not None else Fate.SKIPPED
        self._list_of(fate, change).add(Entry(change.object, operation, outcome, error))

    def _list_of(self, fate: Fate, change: Change) -> Entries:
        if fate is DONE:
            name = _DONE.get(change.kind, "actions") if change.undoes is None else "undone"
        else:  # the other fates are called as their lists are
            name = "conflicts" if fate is CONFLICT else fate
        found: Entries = getattr(self, name)
        return found

    def replace(self, outcome: Outcome, now: Outcome) -> None:
        """Enter what became of an operation in place of what was known of it before."""
        for change in outcome.operation.changes:
            self._list_of(outcome.fate, change).drop(
                lambda told: (
                    told is outcome or (isinstance(told, Entry) and told.outcome is outcome)
                )
            )
        self.outcomes = [each for each in self.outcomes if each is not outcome]
        self.add(now._replace(requests=0, retries=0))

    def take_back(self, objects: Iterable[Any]) -> None:
        """Move what was done to *objects* to ``undone``."""
        taken = {id(obj) for obj in objects}
        for entries in (self.created, self.updated, self.deleted, self.actions) if taken else ():
            for entry in [entry for entry in entries if id(entry.object) in taken]:
                self.undone.add(entry)
            entries.drop(lambda told: id(_object_of(told)) in taken)
        self.outcomes = [
            outcome
            for outcome in self.outcomes
            if not taken.issuperset(map(id, outcome.operation.objects))
        ]

    def undo(self, *, workers: int | None = None, progress: Any = False) -> CommitReport:
        """Take back what this commit has done, as far as that can be, and return the undo's report.

        What was created is deleted, what was updated gets back what it had; the session stands as it
        stood before the commit, but for what was edited since. ``Session.undo`` does it. Raises as
        that: CommitError, SessionError; DetachedError when the session is closed.
        """
        session = self.session
        if session is None:
            raise SessionError("The session of this commit is gone, and only that one can undo it.")
        undone: CommitReport = session.undo(self, workers=workers, progress=progress)
        return undone

    def counts(self) -> dict[str, int]:
        """How many objects met which fate; fates without any are left out."""
        names = "created existing updated deleted actions undone".split()
        names += "failed skipped uncertain conflicts resolved pending".split()
        return {name: len(getattr(self, name)) for name in names if getattr(self, name)}

    def raise_for_failed(self) -> None:
        """Raise CommitError unless everything is done."""
        if not self.ok:
            raise CommitError(str(self), self)

    def to_json(self) -> dict[str, Any]:
        """Return the report JSON-ready; secrets are masked as in the plan."""
        lists = {
            name: [
                {
                    "object": repr(entry.object),
                    "operation": entry.operation.to_json() if entry.operation else None,
                    "status": entry.answer.status if entry.answer else None,
                    "error": str(entry.error) if entry.error else None,
                    "why": entry.outcome.why if entry.outcome else "",
                    "waited_for": [repr(obj) for obj in entry.waited_for],
                    "conflict": entry.conflict.to_json() if entry.conflict else None,
                }
                for entry in getattr(self, name)
            ]
            for name in self.counts()
        }
        return {
            **lists,
            **({"undoing": self.undoing.to_json()} if self.undoing is not None else {}),
            "errors": [shown(str(error)) for error in self.errors],
            "requests": self.requests,
            "retries": self.retries,
            "seconds": round(self.seconds, 6),
        }

    def __repr__(self) -> str:
        errors = f", errors: {len(self.errors)}" if self.errors else ""
        return f"<CommitReport: {self._summary()}{errors}>"

    def _summary(self) -> str:
        counts = ", ".join(
            f"{count} {'conflict' if (name, count) == ('conflicts', 1) else name}"
            for name, count in self.counts().items()
        )
        requests = f"{self.requests} request{'' if self.requests == 1 else 's'}"
        return (
            f"{counts or 'nothing to do'}; {requests}, {self.retries} sent again, "
            f"{self.seconds:.2f} s"
        )

    def __str__(self) -> str:
        lines = [self._summary()]
        for name in ("failed", "uncertain", "conflicts", "skipped"):
            entries: Entries = getattr(self, name)
            lines += [f"  {name}: {_line(entry)}" for entry in entries[:20]]
            if len(entries) > 20:
                lines.append(f"  {name}: ... and {len(entries) - 20} more")
        lines += [f"  a receiver raised {error!r}" for error in self.errors[:20]]
        if self.undoing is not None:
            lines += [f"  undo: {line.strip()}" for line in str(self.undoing).splitlines()]
        return "\n".join(lines)


def _line(entry: Entry) -> str:
    if entry.waited_for:
        return f"{entry.object!r} waits for {', '.join(map(repr, entry.waited_for))}"
    if entry.conflict:
        return f"{entry.object!r}: {entry.conflict}"
    if not entry.error:
        return repr(entry.object)
    why = f" ({entry.outcome.why})" if entry.outcome and entry.outcome.why else ""
    return f"{entry.object!r}: {entry.error}{why}"
