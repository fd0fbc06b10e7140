"""What a commit sends, as frozen values that know no server: Operation, Plan, Outcome.

An operation is one request for one or several objects. Everything that writes is one, an upload or
a star as well as a create, so that all of it stands in the plan, the report and the journal.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from objmapper.request import (
    MASK,
    Body,
    Json,
    Later,
    Msgpack,
    Multipart,
    Pending,
    Request,
    Response,
    Secret,
    Stream,
    has_pending,
    is_flat,
    lifted,
    placed,
    resolve,
    shown,
)
from objmapper.tables import shortened, table


class Kind(enum.StrEnum):
    """What an operation does; named actions (upload, star, annotate) are plain strings beside."""

    #: It makes a new object on the server.
    CREATE = "create"
    #: It sends an object's changes.
    UPDATE = "update"
    #: It deletes an object on the server.
    DELETE = "delete"


class Settle(enum.StrEnum):
    """How an operation of unknown fate can be settled; no commit does it by itself."""

    #: Sending it again is harmless.
    REPEAT = "repeat"
    #: The server is asked, by natural key or by reading the object.
    LOOK_UP = "look up"
    #: Only a person can tell.
    ASK = "ask"


class Fate(enum.StrEnum):
    """What became of an operation."""

    #: The server has done it, and its answer was taken in.
    DONE = "done"
    #: The server refused it, or it surely never got there.
    FAILED = "failed"
    #: It was not sent: what it waits for was lost, or a receiver vetoed.
    SKIPPED = "skipped"
    #: It was sent, and nobody here knows whether the server did it.
    UNCERTAIN = "uncertain"
    #: Somebody else has changed what it would change, and nothing says what to do about it.
    CONFLICT = "conflict"
    #: It was not begun when the commit stopped.
    PENDING = "pending"


# What a commit asks for each operation, again and again: Python 3.11 finds a member slowly through its
# class.
CREATE: Final = Kind.CREATE
UPDATE: Final = Kind.UPDATE
DELETE: Final = Kind.DELETE
DONE: Final = Fate.DONE
UNCERTAIN: Final = Fate.UNCERTAIN
CONFLICT: Final = Fate.CONFLICT
REPEAT: Final = Settle.REPEAT
LOOK_UP: Final = Settle.LOOK_UP
ASK: Final = Settle.ASK


class Change(NamedTuple):
    """One object's part of an operation: what it sends, by wire name, as it stood at the plan."""

    #: Create, update or delete; see Kind.
    kind: str
    #: The object that is written.
    object: Any
    #: ``{wire name under which the row keeps it: wire value sent}``
    sent: Mapping[str, Any] = MappingProxyType({})
    #: What ``changes`` tells, in one piece, which the garbage collector need not walk through: a
    #: field's name, its old and its new value, and so on.
    told: tuple[Any, ...] = ()
    #: ``{wire name: marshalled JSON of a row}`` of values whose JSON is another one when it is sent
    rows: Mapping[str, bytes | Secret] = MappingProxyType({})
    #: ``{wire name: what the server had}`` of what an update sends: JSON of values that change in
    #: place, else the Python value; ABSENT where that is not known.
    base: Mapping[str, Any] = MappingProxyType({})
    #: ``{HasMany name: [objects]}`` that a new object was made with.
    children: dict[str, list[Any]] | None = None
    #: What it takes back; None for what takes nothing back.
    undoes: Change | None = None
    #: The object in whose request it goes without a word of its own; None for most.
    within: Any = None

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """``{field name: (old, new)}`` as users see it."""
        parts = iter(self.told)
        return {name: (old, new) for name, old, new in zip(parts, parts, parts, strict=True)}

    def telling(self, changes: Mapping[str, tuple[Any, Any]]) -> Change:
        """Return the change with other ``changes``."""
        return self._replace(told=told(changes))


def told(changes: Mapping[str, tuple[Any, Any]]) -> tuple[Any, ...]:
    """Return ``{field name: (old, new)}`` in one piece, see ``Change.told``."""
    return tuple(part for name, pair in changes.items() for part in (name, *pair))


class Look(NamedTuple):
    """One question to the server that tells what became of all changes of an operation."""

    #: The question.
    request: Request
    #: Takes the answer, and the age at which the operation was begun (what was read before is of a
    #: lower one); returns the rows of its changes if it is done, None if it is not, and another Look
    #: where the answer leads on to what tells. Raises ContractError where it does not.
    read: Callable[[Response, int], list[Any] | Look | None]


class Draft(NamedTuple):
    """What a dialect makes of changes: a request for them, not yet ordered."""

    #: Create, update or delete (see Kind), or the name of an action.
    kind: str
    #: The objects that the request writes, each with what it sends.
    changes: tuple[Change, ...]
    #: What is sent; keys of new objects stand in it as Pending.
    request: Request
    #: Whether sending it twice does what sending it once does.
    repeatable: bool = False
    #: How its fate can be settled if nobody knows it.
    settle: Settle = Settle.ASK
    #: Operations of one lane never run side by side; None is no lane.
    lane: Any = None
    #: Objects whose operations must be done first, beside those that the request names.
    after: tuple[Any, ...] = ()
    #: Statuses of a refused create that say: it is there already, and here is its key.
    found: frozenset[int] = frozenset()
    #: What versions are compared by: "etag", or a field's name; None: they are not compared.
    guard: str | None = None
    #: Reads the rows of the answer, one for each change (None: the answer says nothing of it).
    read: Callable[[Response], list[Any]] | None = None
    #: Sends it where that may take more than its request: it is given what sends requests, and
    #: returns the answer that counts. It may be called again for a repeat.
    run: Callable[[Any], Response] | None = None
    #: Drafts that follow each other on one object and say the same here don't wait for each other;
    #: what follows them waits for all of them.
    beside: Any = None
    #: Whether it makes its objects anew, so that the answer may tell of other keys than they had.
    rekeys: bool = False
    #: How the server is asked what became of it, where neither keys nor natural keys tell.
    look: Look | None = None


#: Where in an operation stands what its draft says, beside kind and changes.
_OF_DRAFT = slice(3, 1 + len(Draft._fields))


class Operation(NamedTuple):
    """One request of a plan: for which objects, after what, and how its fate can be settled.

    It says all that its draft says, in one value: a large commit keeps one for each of its requests.
    It may travel with others of its wave, as a part of one request that the server takes apart.
    """

    #: Its place in the plan, from 1.
    number: int
    #: Create, update or delete (see Kind), or the name of an action.
    kind: str
    #: The one change of most operations, or several: see ``changes``. A tuple for each would be one
    #: more thing for the garbage collector to walk through.
    writes: Change | tuple[Change, ...]
    #: What is sent; keys of new objects stand in it as Pending.
    request: Request
    #: Whether sending it twice does what sending it once does.
    repeatable: bool
    #: How its fate can be settled if nobody knows it.
    settle: Settle
    #: See Draft.
    lane: Any
    #: Objects whose operations must be done first, beside those that the request names.
    needs: tuple[Any, ...]
    #: See Draft.
    found: frozenset[int]
    #: See Draft.
    guard: str | None
    #: See Draft.
    read: Callable[[Response], list[Any]] | None
    #: See Draft.
    run: Callable[[Any], Response] | None
    #: See Draft.
    beside: Any
    #: See Draft.
    rekeys: bool
    #: See Draft.
    look: Look | None
    #: The numbers of the operations that it waits for.
    after: frozenset[int] = frozenset()
    #: Its wave, from 1; what it waits for is in an earlier one.
    wave: int = 1
    #: Objects that it needs and that the plan leaves out: it can't go.
    held_by: tuple[Any, ...] = ()
    #: Which operations it shares a request with: those of this number; None: it goes alone.
    batch: int | None = None

    @classmethod
    def of(
        cls,
        number: int,
        draft: Draft,
        after: frozenset[int] = frozenset(),
        wave: int = 1,
        held_by: tuple[Any, ...] = (),
        batch: int | None = None,
    ) -> Operation:
        """Return what a draft is in a plan."""
        kind, changes = draft[:2]
        writes = changes[0] if len(changes) == 1 else changes
        rest = draft[2:]
        return tuple.__new__(cls, (number, kind, writes, *rest, after, wave, held_by, batch))

    @property
    def changes(self) -> tuple[Change, ...]:
        """The objects that it writes, each with what it sends."""
        writes = self.writes
        return (writes,) if isinstance(writes, Change) else writes

    @property
    def draft(self) -> Draft:
        """What the dialect made of the changes."""
        values: tuple[Any, ...] = self
        return Draft._make((self.kind, self.changes, *values[_OF_DRAFT]))

    @property
    def objects(self) -> tuple[Any, ...]:
        """The objects that it writes."""
        return tuple(change.object for change in self.changes)

    def writing(self, changes: tuple[Change, ...]) -> Operation:
        """Return it with other changes."""
        return self.of_draft(self.draft._replace(changes=changes))

    def of_draft(self, draft: Draft) -> Operation:
        """Return another request in its place."""
        return Operation.of(self.number, draft, self.after, self.wave, self.held_by, self.batch)

    def at(
        self, number: int, after: frozenset[int], wave: int, held_by: tuple[Any, ...]
    ) -> Operation:
        """Return it at another place of the plan."""
        return Operation.of(number, self.draft, after, wave, held_by, self.batch)

    def to_json(self) -> dict[str, Any]:
        """Return the operation JSON-ready, secrets masked."""
        request = self.request
        return {
            "number": self.number,
            "wave": self.wave,
            "kind": str(self.kind),
            "objects": [repr(obj) for obj in self.objects],
            "method": request.method,
            "path": request.shown_path,
            "params": [[name, shown(value)] for name, value in request.params],
            "body": request.shown_body(),
            "batch": self.batch,
            "after": sorted(self.after),
            "held_by": [repr(obj) for obj in self.held_by],
            "repeatable": self.repeatable,
            "guard": self.guard,
            "settle": str(self.settle),
        }


class Outcome(NamedTuple):
    """What became of one operation."""

    #: The operation.
    operation: Operation
    #: Done, failed, skipped, uncertain, conflict or pending.
    fate: Fate
    #: The answer, if one came.
    response: Response | None = None
    #: Why it is not done, if there is an error to tell it.
    error: BaseException | None = None
    #: The objects that it waited for in vain.
    waited_for: tuple[Any, ...] = ()
    #: How many requests went out for it, and how many of them again.
    requests: int = 0
    retries: int = 0
    #: When it was begun and when its answer or error came, by the clock that nobody sets (see `clock`).
    begun: float | None = 0.0
    ended: float = 0.0
    #: Pages of a lower age were read before it was begun.
    age: int = 0
    #: Why its fate can't be told, or from where it is known that it is not done.
    why: str = ""
    #: When it was begun by the server's clock, if another process has begun it.
    begun_there: datetime | None = None
    #: What others have changed of its objects: decided, where it is no conflict any more.
    conflicts: tuple[Any, ...] = ()
    #: In how many requests it went along that count as another operation's: those of batches.
    joined: int = 0

    @property
    def was_sent(self) -> bool:
        """Whether it went out, alone or in a batch."""
        return self.requests > 0 or self.joined > 0


class LeftOut(NamedTuple):
    """A change that a plan does not send: vetoed, or of unknown fate when it was sent before."""

    #: What would have been sent.
    change: Change
    #: The veto, or the error that left the fate unknown.
    error: BaseException | None
    #: How it was sent before; None for a veto.
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan:
    """The operations of a commit in waves; nothing of it was sent.

    ``print(plan)`` shows it as a table, ``len(plan)`` is the number of requests, and iterating it
    gives the operations in order.
    """

    #: The operations, by number.
    operations: tuple[Operation, ...] = ()
    #: What belongs to it and is not sent.
    left_out: tuple[LeftOut, ...] = ()
    #: Tells what it needs to be read back; None for a plan that no session has made.
    saver: Callable[[Plan], dict[str, Any]] | None = None

    def __len__(self) -> int:
        batches = [operation.batch for operation in self.operations if operation.batch is not None]
        return len(self.operations) - len(batches) + len(set(batches))

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    @property
    def waves(self) -> list[list[Operation]]:
        """The operations wave by wave; a wave's operations don't wait for each other."""
        waves: list[list[Operation]] = []
        for operation in self.operations:
            while len(waves) < operation.wave:
                waves.append([])
            waves[operation.wave - 1].append(operation)
        return waves

    def to_json(self) -> dict[str, Any]:
        """Return the plan JSON-ready; secrets are masked.

        ``operations`` and ``left_out`` are for tools and people, ``saved`` is what ``from_json`` reads.
        """
        return {
            "operations": [operation.to_json() for operation in self.operations],
            "left_out": [
                {
                    "object": repr(change.object),
                    "kind": str(change.kind),
                    "error": None if error is None else str(error),
                }
                for change, error, _ in self.left_out
            ],
            "saved": None if self.saver is None else self.saver(self),
        }

    @classmethod
    def from_json(
        cls,
        data: Mapping[str, Any],
        session: Any,
        *,
        secrets: Callable[[Any, str, str | None], Any] | None = None,
    ) -> Plan:
        """Return a plan that ``to_json`` has written, in another process maybe, for ``session.apply``.

        Objects that the server knows are the session's of that key, new ones are made again and wait
        in the session. *secrets* tells the values of write-only fields, which are never written: it is
        called with an object, the field's name and the object's tag.

        Nothing is sent. Raises StalePlanError where this session would send something else, as an
        object was changed or read anew since; SessionError for what is no such plan, for one of
        another server or of models whose fields changed, and for values that nobody tells; TypeError
        for what is no session.
        """
        if not hasattr(session, "read_plan"):
            raise TypeError(
                "Plan.from_json(data, session) needs the session whose apply() is to send the plan, not "
                f"{session!r:.80}."
            )
        found: Plan = session.read_plan(data, secrets)
        return found

    def __repr__(self) -> str:
        counts = [(len(self), "request"), (len(self.waves), "wave")]
        told = " in ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts)
        return f"<Plan: {told}>"

    def __str__(self) -> str:
        left_out = [f"not sent: {out.change.object!r}: {out.error}" for out in self.left_out]
        return "\n".join([self._table() if self.operations else "Nothing to do.", *left_out])

    def _table(self) -> str:
        guarded = any(op.guard for op in self.operations)
        more = ("guard",) if guarded else ()
        rows = [("wave", "no", "verb", "url", "body", "batch", "objects", "after", *more)]
        for op in self.operations:
            body = op.request.shown_body()
            rows.append(
                (
                    str(op.wave),
                    str(op.number),
                    op.request.method,
                    op.request.shown_url,
                    "" if body is None else shortened(json.dumps(body, ensure_ascii=False), 60),
                    "" if op.batch is None else str(op.batch),
                    str(len(op.objects)),
                    shortened(", ".join(map(str, (*sorted(op.after), *op.held_by))), 20),
                    *((op.guard or "",) if guarded else ()),
                )
            )
        return table(rows)


__all__ = [
    "ASK",
    "CONFLICT",
    "CREATE",
    "DELETE",
    "DONE",
    "LOOK_UP",
    "MASK",
    "REPEAT",
    "UNCERTAIN",
    "UPDATE",
    "Body",
    "Change",
    "Draft",
    "Fate",
    "Json",
    "Kind",
    "Later",
    "LeftOut",
    "Msgpack",
    "Multipart",
    "Operation",
    "Outcome",
    "Pending",
    "Plan",
    "Request",
    "Response",
    "Secret",
    "Settle",
    "Stream",
    "has_pending",
    "is_flat",
    "lifted",
    "placed",
    "resolve",
    "shown",
    "told",
]
