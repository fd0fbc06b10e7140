"""What a commit sends, as frozen values that know no server: Operation, Plan, Request, Response, Outcome.

An operation is one request for one or several objects. Everything that writes is one, an upload or
a star as well as a create, so that all of it stands in the plan, the report and the journal.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType, NoneType
from typing import Any, BinaryIO, NamedTuple

from objmapper.exceptions import ContractError
from objmapper.tables import shortened, table

_loads: Callable[[bytes], Any]
try:  # the extra "speed"
    import orjson

    _loads = orjson.loads
except ImportError:  # pragma: no cover - one of the two is there, each tox environment has its own
    _loads = json.loads

MASK = "***"
#: What holds no other value: most values are of these, and to know that is quicker than to ask.
_SCALARS = frozenset({str, int, float, bool, NoneType})


@dataclass(frozen=True, slots=True)
class Pending:
    """A value that is known once another operation of the plan is done: a new object's key.

    It stands in bodies, parameters and paths until the request goes out.
    """

    #: The object that is waited for.
    of: Any
    #: Reads the value of the object.
    key: Callable[[Any], Any]

    def __str__(self) -> str:
        return f"<key of {self.of!r}>"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is sent and shown nowhere: a ``write_only`` field's, a credential."""

    #: What is sent.
    value: Any

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__


class Json(NamedTuple):
    """A JSON body."""

    #: The value; it may hold Pending and Secret until the request goes out.
    value: Any


class Msgpack(NamedTuple):
    """A body in msgpack (needs the package ``msgpack``)."""

    #: The value; it may hold Pending and Secret until the request goes out.
    value: Any


class Multipart(NamedTuple):
    """A multipart/form-data body: plain fields, and files."""

    #: Plain fields by name.
    fields: Mapping[str, Any] = MappingProxyType({})
    #: ``(file name, opener)`` by field name; the opener is called for each attempt.
    files: Mapping[str, tuple[str, Callable[[], BinaryIO]]] = MappingProxyType({})


class Stream(NamedTuple):
    """A body that is read while it is sent."""

    #: Opens the body anew; it is called for each attempt.
    open: Callable[[], BinaryIO]
    #: How long the body is, in bytes.
    length: int
    #: What the body is, for the header of that name.
    content_type: str = "application/octet-stream"


Body = Json | Msgpack | Multipart | Stream


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: a verb, a path below the client's base URL, and what goes with it."""

    #: The verb.
    method: str
    #: The path below the base URL, percent-encoded; or its parts, keys that are not known yet among
    #: them.
    path: str | tuple[Any, ...]
    #: Query parameters, in order.
    params: tuple[tuple[str, Any], ...] = ()
    #: Headers beside those of the client.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: The body: Json, Msgpack, Multipart, Stream, or None.
    body: Body | None = None
    #: Whether sending it twice does what sending it once does; None: the verb decides.
    repeatable: bool | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent twice: what ``repeatable`` says, else GET, HEAD, OPTIONS may."""
        if self.repeatable is None:
            return self.method in ("GET", "HEAD", "OPTIONS")
        return self.repeatable

    @property
    def shown_path(self) -> str:
        """The path as a plan shows it: what is not known yet reads ``<key of ...>``."""
        if isinstance(self.path, str):
            return self.path
        return "".join(str(part) for part in self.path)

    @property
    def shown_url(self) -> str:
        """The path with its parameters, as a plan shows them: secrets masked."""
        said = "&".join(f"{name}={shown(value)}" for name, value in self.params)
        return f"{self.shown_path}?{said}" if said else self.shown_path

    def resolved(self) -> Request:
        """Return the request with every Pending value filled in and every Secret uncovered."""
        path = self.path
        if not isinstance(path, str):
            path = "".join(str(resolve(part)) for part in path)
        body = self.body
        if isinstance(body, Json):
            body = Json(resolve(body.value))
        elif isinstance(body, Msgpack):
            body = Msgpack(resolve(body.value))
        elif isinstance(body, Multipart):
            body = Multipart(resolve(body.fields), body.files)
        params = tuple((name, resolve(value)) for name, value in self.params)
        return replace(self, path=path, params=params, body=body)

    def shown_body(self) -> Any:
        """The body as plans and logs show it, JSON-ready: secrets masked, files by name."""
        match self.body:
            case None:
                return None
            case Json(value) | Msgpack(value):
                return shown(value)
            case Multipart(fields, files):
                return shown(dict(fields)) | {name: f"<file {f[0]}>" for name, f in files.items()}
            case Stream(_, length, content_type):
                return f"<{length} bytes of {content_type}>"


def resolve(value: Any) -> Any:
    """Return *value* with Pending and Secret replaced, through lists and dicts."""
    if value.__class__ in _SCALARS:
        return value
    if isinstance(value, Pending):
        return value.key(value.of)
    if isinstance(value, Secret):
        return resolve(value.value)
    if isinstance(value, Mapping):
        return {key: resolve(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item) for item in value]
    return value


def shown(value: Any) -> Any:
    """Return *value* JSON-ready for plans and logs: secrets masked, what is pending described."""
    if isinstance(value, Pending | Secret):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def has_pending(value: Any) -> Iterator[Any]:
    """Yield the objects whose keys *value* waits for."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if value.__class__ in _SCALARS:
            continue
        if isinstance(value, Pending):
            yield value.of
        elif isinstance(value, Secret):
            waiting.append(value.value)
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: an answer, read whole."""

    #: The status, as 200.
    status: int
    #: The headers by name, in lower case.
    headers: Mapping[str, str]
    #: The body. It is not in the repr: a login's answer holds a key.
    content: bytes = field(repr=False)
    #: The verb that was sent.
    method: str = ""
    #: The address that was asked, without credentials.
    url: str = ""
    #: How long the last attempt took, in seconds.
    seconds: float = 0.0
    #: How often the request was sent again before this answer.
    retries: int = 0

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Parse the body. Raises ContractError when it is not JSON."""
        try:
            return _loads(self.content)
        except (ValueError, RecursionError):
            return self._read_otherwise()

    def _read_otherwise(self) -> Any:
        """Parse a body with a byte order mark, NaN, a lone surrogate, or a number beyond all floats.

        What may be installed makes reading faster and refuses these, which the standard library
        reads. Raises ContractError.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "no content type")
            start = self.text[:120]
            raise ContractError(
                f"{self.method} {self.url} answered {self.status} with a body that is not JSON "
                f"({kind}, {len(self.content)} bytes, starting {start!r}): {error}"
            ) from None


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
    #: It was not begun when the commit stopped.
    PENDING = "pending"


class Change(NamedTuple):
    """One object's part of an operation: what it sends, by wire name, as it stood at the plan."""

    #: Create, update or delete; see Kind.
    kind: str
    #: The object that is written.
    object: Any
    #: ``{wire name under which the row keeps it: wire value sent}``
    sent: Mapping[str, Any] = MappingProxyType({})
    #: ``{field name: (old, new)}`` as users see it
    changes: Mapping[str, tuple[Any, Any]] = MappingProxyType({})
    #: ``{wire name: marshalled JSON of a row}`` of values whose JSON is another one when it is sent
    rows: Mapping[str, bytes | Secret] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
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
    #: Reads the rows of the answer, one for each change (None: the answer says nothing of it).
    read: Callable[[Response], list[Any]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One request of a plan: for which objects, after what, and how its fate can be settled."""

    #: Its place in the plan, from 1.
    number: int
    #: What the dialect made of the changes.
    draft: Draft
    #: The numbers of the operations that it waits for.
    after: frozenset[int] = frozenset()
    #: Its wave, from 1; what it waits for is in an earlier one.
    wave: int = 1
    #: Objects that it needs and that the plan leaves out: it can't go.
    held_by: tuple[Any, ...] = ()

    @property
    def kind(self) -> str:
        """Create, update or delete (see Kind), or the name of an action."""
        return self.draft.kind

    @property
    def changes(self) -> tuple[Change, ...]:
        """The objects that it writes, each with what it sends."""
        return self.draft.changes

    @property
    def objects(self) -> tuple[Any, ...]:
        """The objects that it writes."""
        return tuple(change.object for change in self.draft.changes)

    @property
    def request(self) -> Request:
        """What is sent."""
        return self.draft.request

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return self.draft.repeatable

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
            "after": sorted(self.after),
            "held_by": [repr(obj) for obj in self.held_by],
            "repeatable": self.repeatable,
            "settle": str(self.draft.settle),
        }


class Outcome(NamedTuple):
    """What became of one operation."""

    #: The operation.
    operation: Operation
    #: Done, failed, skipped, uncertain or pending.
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
    #: When it was begun and when its answer or error came, by this machine's clock (seconds).
    begun: float = 0.0
    ended: float = 0.0
    #: Pages of a lower age were read before it was begun.
    age: int = 0
    #: Why its fate can't be told.
    why: str = ""


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

    def __len__(self) -> int:
        return len(self.operations)

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
        """Return the plan JSON-ready, for tools; secrets are masked."""
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
        }

    def __repr__(self) -> str:
        counts = [(len(self), "request"), (len(self.waves), "wave")]
        told = " in ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts)
        return f"<Plan: {told}>"

    def __str__(self) -> str:
        left_out = [f"not sent: {out.change.object!r}: {out.error}" for out in self.left_out]
        return "\n".join([self._table() if self.operations else "Nothing to do.", *left_out])

    def _table(self) -> str:
        rows = [("wave", "no", "verb", "url", "body", "objects", "after")]
        for op in self.operations:
            body = op.request.shown_body()
            rows.append(
                (
                    str(op.wave),
                    str(op.number),
                    op.request.method,
                    op.request.shown_url,
                    "" if body is None else shortened(json.dumps(body, ensure_ascii=False), 60),
                    str(len(op.objects)),
                    shortened(", ".join(map(str, (*sorted(op.after), *op.held_by))), 20),
                )
            )
        return table(rows)
