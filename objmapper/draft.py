"""What a dialect is given and what it makes of that: Change and Draft, as frozen values."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from objmapper.request import Json, Request, Response, Secret


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


# What a commit asks for each operation, again and again: Python 3.11 finds a member slowly through its
# class.
CREATE: Final = Kind.CREATE
UPDATE: Final = Kind.UPDATE
DELETE: Final = Kind.DELETE
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

    @classmethod
    def plain(
        cls,
        change: Change,
        method: str,
        path: str | tuple[Any, ...],
        body: Json | None,
        repeatable: bool | None,
        settle: Settle,
        read: Callable[[Response], list[Any]] | None,
    ) -> Draft:
        """Return the request for one change that is nothing but a verb, a path and a body.

        *repeatable*: None where the verb decides whether the request may be sent twice.
        """
        # All parts of both: half the time of calls of the classes, and a large commit makes one of
        # each for each operation.
        asked = (method, path, (), _NO_HEADERS, body, repeatable, False, None, None)
        request = tuple.__new__(Request, asked)
        # fmt: off
        return tuple.__new__(cls, (
            change.kind, (change,), request, bool(repeatable), settle, None, (), _NONE_FOUND,
            None, read, None, None, False, None,
        ))
        # fmt: on


_NO_HEADERS = Request("", "").headers
_NONE_FOUND: frozenset[int] = frozenset()
