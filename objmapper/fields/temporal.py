"""Fields of time: points, days, clocks and spans."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

import marshmallow

from objmapper.exceptions import DeclarationError
from objmapper.fields.base import Field, Options
from objmapper.fields.checking import Converted

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    DTime = DefaultTypeVar("DTime", default=dt.datetime)
    Day = DefaultTypeVar("Day", default=dt.date)
    Clock = DefaultTypeVar("Clock", default=dt.time)
    Delta = DefaultTypeVar("Delta", default=dt.timedelta)
else:  # no run-time dependency for the defaults that only checkers read
    DTime = Day = Clock = Delta = TypeVar("Value")

V = TypeVar("V")


class _Temporal(Field[V]):
    """A value whose wire form is text and whose text the user may set."""

    wire_types = (str,)
    fast = True

    def to_wire(self, value: Any) -> Any:
        return value.isoformat()

    def coerce(self, value: Any) -> Any:
        return self.tolerant(value)


class DateTime(_Temporal[DTime]):
    """A point in time, aware, in ISO 8601. A naive one, on the wire or set, is taken as ``assume``.

    ``assume``: "utc" (default), a tzinfo, or None to leave naive ones naive. Text in ISO 8601 may be
    set. Raises DeclarationError for any other ``assume``.
    """

    python_type = dt.datetime
    fast = False  # a naive one is made aware when it is set
    marshmallow_type = marshmallow.fields.DateTime
    #: The time zone of naive times; None leaves them naive.
    assume: dt.tzinfo | None

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: DateTime[dt.datetime],
            *,
            assume: dt.tzinfo | Literal["utc"] | None = "utc",
            null: Literal[False] = False,
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: DateTime[dt.datetime | None],
            *,
            assume: dt.tzinfo | Literal["utc"] | None = "utc",
            null: Literal[True],
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self,
            *,
            assume: dt.tzinfo | Literal["utc"] | None = "utc",
            null: bool,
            **options: Unpack[Options],
        ) -> None: ...
        def __init__(self, *, assume: Any = "utc", null: bool = False, **options: Any) -> None: ...

    else:

        def __init__(self, *, assume="utc", **options):
            super().__init__(**options)
            self.assume = dt.UTC if assume == "utc" else assume
            if not isinstance(self.assume, dt.tzinfo | None):
                raise DeclarationError(f"assume is 'utc', a tzinfo or None, not {assume!r}.")

    def _aware(self, value: dt.datetime) -> dt.datetime:
        return value.replace(tzinfo=self.assume) if value.tzinfo is None else value

    def to_python(self, wire: Any) -> Any:
        return self._aware(dt.datetime.fromisoformat(wire))

    def to_wire(self, value: Any) -> Any:
        text: str = self._aware(value).isoformat()
        return text[:-6] + "Z" if text.endswith("+00:00") else text

    def coerce(self, value: Any) -> Any:
        if isinstance(value, dt.datetime):
            return self._aware(value)
        return self.tolerant(value)


class Date(_Temporal[Day]):
    """A day: datetime.date, ``2026-11-21`` in JSON; such text may be set."""

    python_type = dt.date
    marshmallow_type = marshmallow.fields.Date

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Date[dt.date], *, null: Literal[False] = False, **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: Date[dt.date | None], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(self, *, null: bool, **options: Unpack[Options]) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def to_python(self, wire: Any) -> Any:
        return dt.date.fromisoformat(wire)


class Time(_Temporal[Clock]):
    """A time of day: datetime.time, ``09:30:00`` in JSON; such text may be set."""

    python_type = dt.time
    marshmallow_type = marshmallow.fields.Time

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Time[dt.time], *, null: Literal[False] = False, **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: Time[dt.time | None], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(self, *, null: bool, **options: Unpack[Options]) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def to_python(self, wire: Any) -> Any:
        return dt.time.fromisoformat(wire)


#: Django writes ``[D ]HH:MM:SS[.ffffff]``, where the days alone may be negative: ``-1 22:00:00`` are
#: two hours less than nothing. ISO 8601 writes ``P1DT2H3M4.5S``.
_CLOCK = re.compile(
    r"(?:(?P<days>-?\d+) (?:days?, )?)?"
    r"(?P<sign>-)?(?:(?P<h>\d+):)?(?P<m>\d+):(?P<s>\d+(?:\.\d+)?)"
)
_ISO = re.compile(
    r"(?P<sign>-)?P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)


class TimeDelta(Field[Delta]):
    """A span of time, in seconds on the wire.

    Read from a number of seconds, from ISO 8601 (``P1DT2H``) and from Django's ``1 02:00:00``; sent
    as ``format`` says: "seconds" (default), "iso" or "django". Raises DeclarationError for any other.
    """

    python_type = dt.timedelta
    wire_types = (int, float, str)
    #: How it is sent.
    format: Literal["seconds", "iso", "django"]

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: TimeDelta[dt.timedelta],
            *,
            format: Literal["seconds", "iso", "django"] = "seconds",
            null: Literal[False] = False,
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: TimeDelta[dt.timedelta | None],
            *,
            format: Literal["seconds", "iso", "django"] = "seconds",
            null: Literal[True],
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self,
            *,
            format: Literal["seconds", "iso", "django"] = "seconds",
            null: bool,
            **options: Unpack[Options],
        ) -> None: ...
        def __init__(
            self, *, format: Any = "seconds", null: bool = False, **options: Any
        ) -> None: ...

    else:

        def __init__(self, *, format="seconds", **options):
            super().__init__(**options)
            if format not in ("seconds", "iso", "django"):
                raise DeclarationError(f"format is 'seconds', 'iso' or 'django', not {format!r}.")
            self.format = format

    def to_python(self, wire: Any) -> Any:
        if not isinstance(wire, str):
            if not math.isfinite(wire):
                raise ValueError("not a finite number")
            return dt.timedelta(seconds=wire)
        match = _ISO.fullmatch(wire) if "P" in wire else _CLOCK.fullmatch(wire)
        parts = match.groupdict() if match else {}
        sign = -1 if parts.pop("sign", None) else 1
        whole = dt.timedelta(days=int(parts.pop("days", None) or 0))
        names = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
        found = {names[key]: float(value) for key, value in parts.items() if value is not None}
        if not found:
            raise ValueError("not a duration")
        return whole + sign * dt.timedelta(**found)

    def to_wire(self, value: Any) -> Any:
        if self.format == "seconds":
            seconds = value.total_seconds()
            return int(seconds) if seconds == int(seconds) else seconds
        if self.format == "iso":
            sign, span = ("-", -value) if value < dt.timedelta(0) else ("", value)
            rest = span.seconds + span.microseconds / 1e6
            return f"{sign}P{span.days}DT{rest:.6f}".rstrip("0").rstrip(".") + "S"
        hours, minutes = divmod(value.seconds // 60, 60)
        fraction = f".{value.microseconds:06}" if value.microseconds else ""
        return f"{value.days} {hours:02}:{minutes:02}:{value.seconds % 60:02}{fraction}"

    def coerce(self, value: Any) -> Any:
        return self.tolerant(value)

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        return Converted(self, allow_none=self.null, **options)


__all__ = ["Date", "DateTime", "Time", "TimeDelta"]
