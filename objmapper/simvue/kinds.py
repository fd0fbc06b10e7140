"""The kinds of values that Simvue says in its own way: fields of the binding's models."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NoReturn, Unpack, overload

from objmapper import fields
from objmapper.exceptions import ReadOnlyFieldError, cut
from objmapper.fields.base import Field
from objmapper.fields.relations import wire_key
from objmapper.operation import MASK, Pending
from objmapper.state import Stateful
from objmapper.transport.policy import checked_timeout

#: How times travel: UTC, without saying so.
MOMENT = "%Y-%m-%dT%H:%M:%S.%f"
STATES = ("none", "all", "error", "lost")
_HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})\Z")
#: The colours that CSS names and that have a name in any language.
_COLOURS = {
    "black": "#000000",
    "white": "#ffffff",
    "grey": "#808080",
    "gray": "#808080",
    "silver": "#c0c0c0",
    "red": "#ff0000",
    "green": "#008000",
    "lime": "#00ff00",
    "blue": "#0000ff",
    "navy": "#000080",
    "yellow": "#ffff00",
    "orange": "#ffa500",
    "brown": "#a52a2a",
    "pink": "#ffc0cb",
    "purple": "#800080",
    "magenta": "#ff00ff",
    "cyan": "#00ffff",
    "teal": "#008080",
}
_PIECE = 2**20

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    Time = DefaultTypeVar("Time", default=dt.datetime)
    Word = DefaultTypeVar("Word", default=str)
else:
    from typing import TypeVar

    Time = Word = TypeVar("Value")


class Moment(fields.DateTime[Time]):
    """A point in time, aware; in JSON without a zone, which is UTC."""

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Moment[dt.datetime],
            *,
            null: Literal[False] = False,
            **options: Unpack[fields.Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Moment[dt.datetime | None],
            *,
            null: Literal[True],
            **options: Unpack[fields.Options],
        ) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def to_wire(self, value: Any) -> Any:
        return self._aware(value).astimezone(dt.UTC).strftime(MOMENT)


class Constant(fields.String[Word]):
    """Text that all objects of a class have: sent when one is made, and never set."""

    @property
    def guarded(self) -> bool:
        return True

    def guard(self, obj: Stateful, value: Any) -> None:
        raise ReadOnlyFieldError(f"{self} is {self.default!r} for all of them; it is never set.")


class Colour(fields.String[Word]):
    """A colour: ``#rrggbb`` or shorter, a name as "red", or ``(255, 0, 0)`` when it is set."""

    # A name or a tuple becomes digits when it is set.
    fast = False

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Colour[str], *, null: Literal[False] = False, **options: Unpack[fields.Options]
        ) -> None: ...
        @overload
        def __init__(
            self: Colour[str | None], *, null: Literal[True], **options: Unpack[fields.Options]
        ) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def coerce(self, value: Any) -> Any:
        if isinstance(value, tuple) and len(value) in (3, 4):
            numbers = [round(part * 255) if isinstance(part, float) else part for part in value]
            if all(isinstance(part, int) and 0 <= part <= 255 for part in numbers):
                return "#" + "".join(f"{part:02x}" for part in numbers)
        if isinstance(value, str):
            return _COLOURS.get(value.strip().lower(), value.strip().lower())
        return value

    def faults(self, value: Any, wire: Any) -> list[str]:
        if _HEX.match(wire) is None:
            return [f"Not a colour: {cut(wire)}. Say #rrggbb, a name as 'red', or (255, 0, 0)."]
        return super().faults(value, wire)


class Notifications(Field[str]):
    """When a run tells its user: "none", "all", "error" or "lost"; ``{"state": ...}`` in JSON."""

    python_type = str
    wire_types = (dict,)
    keeps = True

    if TYPE_CHECKING:

        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def to_python(self, wire: Any) -> Any:
        return wire["state"]

    def to_wire(self, value: Any) -> Any:
        return {"state": value}

    def show(self, value: Any) -> Any:
        return self.tolerant(value)

    def faults(self, value: Any, wire: Any) -> list[str]:
        if wire.get("state") in STATES:
            return []
        return [f"Not one of {', '.join(map(repr, STATES))}: {cut(wire.get('state'))}."]


class Key(Field[str]):
    """The id of an object of one endpoint. The object may be set; a new one is made before it is sent."""

    python_type = str
    wire_types = (str, dict, Stateful)
    keeps = True
    refers = True
    plain = False
    #: Whose ids they are.
    endpoint: str

    if TYPE_CHECKING:

        def __init__(self, endpoint: str, *, null: bool = False, **options: Any) -> None: ...

    else:

        def __init__(self, endpoint, **options):
            super().__init__(**options)
            self.endpoint = endpoint

    def to_python(self, wire: Any) -> Any:
        """Return the id; an object as it is. Rows may have it as ``{"alert": {"id": ...}}``."""
        if isinstance(wire, Stateful):
            return wire  # it may have lost its id by the time that it is sent: an undo deletes it
        found = wire["alert"].get("id") if isinstance(wire, dict) else wire
        if not isinstance(found, str):
            raise ValueError(f"{cut(wire)} names none of the {self.endpoint}")
        return found

    def to_row(self, value: Any) -> Any:
        if isinstance(value, Stateful):
            key = _mapper(value).key_in(value._row)
            return value if key is None else key
        try:
            return value if value is None else self.to_python(value)
        except (ValueError, LookupError, TypeError, AttributeError):
            return value

    def dump(self, value: Any) -> Any:
        found = self.to_row(value)
        return Pending(found, wire_key) if isinstance(found, Stateful) else found

    def show(self, value: Any) -> Any:
        """Show the id; None while there is none."""
        found = self.to_row(value)
        return None if isinstance(found, Stateful) else found

    def coerce(self, value: Any) -> Any:
        """Take an id, or an object. Raises TypeError for one of another endpoint."""
        if isinstance(value, Stateful) and _mapper(value).endpoint != self.endpoint:
            raise TypeError(f"{self} takes {self.endpoint}, or their ids, not {cut(value)}.")
        return self.to_row(value)

    def check(self, value: Any) -> list[str]:
        return [] if isinstance(self.dump(value), Pending) else super().check(value)

    def refusal(self, wire: Any) -> str:
        return f"Not one of the {self.endpoint}, nor the id of one: {cut(wire)}."

    def faults(self, value: Any, wire: Any) -> list[str]:
        return [] if isinstance(wire, str) and wire else [self.refusal(wire)]


class AlertKeys(fields.List[list[str]]):
    """The ids of alerts, in JSON read as ``{"alert": {"id": ...}}``; alerts may be put in.

    A new alert is made before the run that refers to it; then its id stands in its place.
    """

    keeps = True

    if TYPE_CHECKING:

        def __init__(self, **options: Any) -> None: ...

    else:

        def __init__(self, **options):
            super().__init__(Key("alerts"), **options)

    def forget(self, value: Any) -> None:
        """Put ids in the place of alerts that have one by now."""
        value[:] = self.to_row(value)

    def inside(self, key: str) -> Field[Any] | None:
        """Return the field of an alert's own name, or of its status, that runs are asked by."""
        if key not in ("name", "status"):
            return None
        found: fields.String[str] = fields.String()
        found.bind(self.model, key, embedded=True)
        return found


def _mapper(obj: Any) -> Any:
    return type(obj).__mapper__


class Content:
    """What an artifact holds: bytes in memory, or a file that is read when it is sent."""

    def __init__(
        self, source: bytes | Path, *, is_alone: bool = False, timeout: float | None = None
    ) -> None:
        #: The bytes, or the file.
        self.source: bytes | Path = source
        #: Whether it is in no file of the user's, so that a journal has to keep it.
        self.is_alone: bool = is_alone or isinstance(source, bytes)
        #: Seconds for the connection to the storage, and for each step there; None: the client's.
        self.timeout: tuple[float, float] | None = None
        if timeout is not None:
            self.limit(timeout)
        digest, size = hashlib.sha256(), 0
        with self.open() as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
        #: How many bytes there are.
        self.size: int = size
        #: Their SHA-256, in hexadecimal digits.
        self.checksum: str = digest.hexdigest()

    def limit(self, seconds: Any) -> None:
        """Let each step of its upload take so long. Raises ValueError for what is no such time."""
        try:
            self.timeout = checked_timeout((seconds, seconds))
        except ValueError:
            told = f"upload_timeout is a number of seconds above 0, not {cut(seconds)}."
            raise ValueError(told) from None

    def open(self) -> BinaryIO:
        """Open it anew, as each attempt to send it does."""
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        return self.source.open("rb")

    def missing(self) -> str | None:
        """Say why it can't be read as it was; None where nothing speaks against it."""
        if isinstance(self.source, bytes):
            return None
        name = cut(str(self.source), 300)
        try:
            size = self.source.stat().st_size
        except OSError as error:
            return f"Its file, {name}, can't be read: {error.strerror}."
        if size != self.size:
            return (
                f"Its file, {name}, has {size} bytes by now, and had {self.size} when it was read."
            )
        return None

    def __repr__(self) -> str:
        return f"<Content {MASK}, {self.size} bytes>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("What an artifact holds can't be pickled; its file, or its object, can be.")


class Contents(Field[Content]):
    """What is uploaded; it goes to the storage, and into no JSON."""

    python_type = Content
    wire_types = (Content,)

    if TYPE_CHECKING:

        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def coerce(self, value: Any) -> Any:
        return Content(value) if isinstance(value, bytes | Path) else value

    def refusal(self, wire: Any) -> str:
        return "Not something to upload: give bytes, or a Path."

    def faults(self, value: Any, wire: Any) -> list[str]:
        why = value.missing()
        return [] if why is None else [why]


__all__ = [
    "AlertKeys",
    "Colour",
    "Constant",
    "Content",
    "Contents",
    "Key",
    "Moment",
    "Notifications",
]
