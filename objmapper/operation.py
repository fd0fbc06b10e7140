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
from typing import Any, BinaryIO, Final, NamedTuple

from objmapper.draft import (
    ASK,
    CREATE,
    DELETE,
    LOOK_UP,
    REPEAT,
    UPDATE,
    Change,
    Draft,
    Kind,
    Look,
    Settle,
    told,
)
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
DONE: Final = Fate.DONE
UNCERTAIN: Final = Fate.UNCERTAIN
CONFLICT: Final = Fate.CONFLICT


class Operation(NamedTuple):
    """One request of a plan: for which objects, after what, and how its fate can be settled.

    It may travel with others of its wave, as a part of one request that the server takes apart.

    It has what its draft and its request say as parts of its own: a large commit keeps one for each
    of its requests, and each value inside would be one more for the garbage collector to walk through.
    """

    #: Its place in the plan, from 1.
    number: int
    #: Create, update or delete (see Kind), or the name of an action.
    kind: str
    #: The one change of most operations, or several: see ``changes``.
    writes: Change | tuple[Change, ...]
    #: See Request, as are the next three.
    method: str
    path: str | tuple[Any, ...]
    params: tuple[tuple[str, Any], ...]
    headers: Mapping[str, Any]
    #: Whether the body is Json, whose value stands here by itself.
    is_json: bool
    #: The body, or its value.
    body: Any
    #: Whether the request may be sent twice; None: the verb decides.
    resendable: bool | None
    #: See Request, as are the next two.
    outside: bool
    into: Callable[[], BinaryIO] | None
    timeout: tuple[float, float] | None
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
        kind, changes, request = draft[:3]
        writes = changes[0] if len(changes) == 1 else changes
        body: Any = request[4]
        if is_json := body.__class__ is Json:
            (body,) = body
        # fmt: off
        return tuple.__new__(cls, (
            number, kind, writes, *request[:4], is_json, body, *request[5:], *draft[3:],
            after, wave, held_by, batch,
        ))
        # fmt: on

    @property
    def changes(self) -> tuple[Change, ...]:
        """The objects that it writes, each with what it sends."""
        writes = self.writes
        return (writes,) if writes.__class__ is Change else writes  # type: ignore[return-value]

    @property
    def request(self) -> Request:
        """What is sent; keys of new objects stand in it as Pending."""
        values: tuple[Any, ...] = self
        # One by one: slices of slices take three times as long.
        # fmt: off
        method, path, params, headers, is_json, body, resendable, outside, into, timeout = values[
            _OF_REQUEST
        ]
        if is_json:
            body = tuple.__new__(Json, (body,))
        return tuple.__new__(Request, (
            method, path, params, headers, body, resendable, outside, into, timeout,
        ))
        # fmt: on

    @property
    def draft(self) -> Draft:
        """What the dialect made of the changes."""
        values: tuple[Any, ...] = self
        return Draft._make((self.kind, self.changes, self.request, *values[_OF_DRAFT]))

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
        return self._replace(number=number, after=after, wave=wave, held_by=held_by)

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


#: Where in an operation stands what its request says.
_OF_REQUEST = slice(3, 4 + len(Request._fields))
#: And what its draft says, beside kind, changes and request.
_OF_DRAFT = slice(_OF_REQUEST.stop, _OF_REQUEST.stop + len(Draft._fields) - 3)


class Outcome(NamedTuple):
    """What became of one operation; the answer's parts are its own, as a request's are an operation's."""

    #: The operation.
    operation: Operation
    #: Done, failed, skipped, uncertain, conflict or pending.
    fate: Fate
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
    #: The status of the answer; None: none came. See Response, as are the next six.
    status: int | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    content: bytes = b""
    method: str = ""
    url: str = ""
    seconds: float = 0.0
    resent: int = 0

    @classmethod
    def of(
        cls,
        operation: Operation,
        fate: Fate,
        response: Response | None,
        error: BaseException | None,
        requests: int,
        retries: int,
        begun: float,
        ended: float,
        age: int,
    ) -> Outcome:
        """Return what became of an operation that was sent and came back."""
        answer = _NO_RESPONSE if response is None else response
        # fmt: off
        return tuple.__new__(cls, (
            operation, fate, error, (), requests, retries, begun, ended, age,
            "", None, (), 0, *answer,
        ))
        # fmt: on

    @property
    def response(self) -> Response | None:
        """The answer, if one came."""
        values: tuple[Any, ...] = self
        return None if self.status is None else tuple.__new__(Response, values[_OF_RESPONSE])

    def answered(self, response: Response | None) -> Outcome:
        """Return it with another answer, or with none."""
        values: tuple[Any, ...] = self
        parts = _NO_RESPONSE if response is None else response
        return Outcome._make((*values[: _OF_RESPONSE.start], *parts))

    @property
    def was_sent(self) -> bool:
        """Whether it went out, alone or in a batch."""
        return self.requests > 0 or self.joined > 0

    def __repr__(self) -> str:
        """A login's answer holds a key: what an answer says stands in no repr."""
        return f"<Outcome: {self.fate}, {self.operation!r}, {self.response or self.error!r}>"


_NO_RESPONSE = tuple(Outcome._field_defaults.values())[-len(Response._fields) :]
#: Where in an outcome stands what the answer says.
_OF_RESPONSE = slice(len(Outcome._fields) - len(Response._fields), None)


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
    def changes(self) -> Iterator[Change]:
        """What is sent of each object, in the order of the operations."""
        for operation in self.operations:
            writes = operation.writes
            if writes.__class__ is Change:
                yield writes
            else:
                yield from operation.changes

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
    "Look",
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
