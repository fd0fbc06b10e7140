"""Values of a body: each kind cleans what is said, and tells what is wrong in the words of pydantic.

That the real server speaks in these words is told by its answers' shape, which the published client
reads: ``type``, ``loc`` and ``msg`` (``simvue.utilities.parse_validation_response``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from objmapper.server.simvue.errors import Fault

# What SQLite's integers hold.
_LARGEST = 2**63 - 1

Place = tuple[str | int, ...]


class Field:
    """A field takes any JSON, and keeps it as text; its kinds narrow that."""

    def __init__(self, *, required: bool = False, null: bool = False, default: Any = None) -> None:
        self.required = required
        self.null = null
        self.default = default

    def clean(self, value: Any, place: Place, faults: list[Fault]) -> Any:
        if value is None and self.null:
            return None
        return self.convert(value, place, faults)

    def convert(self, value: Any, place: Place, faults: list[Fault]) -> Any:
        if _has_surrogates(value):
            faults.append(Fault("string_unicode", place, "Input should be valid unicode"))
        return value

    def stored(self, value: Any) -> Any:
        """What a column holds for a value."""
        return None if value is None else json.dumps(value)

    def told(self, column: Any) -> Any:
        """The value that a column holds."""
        return None if column is None else json.loads(column)


class _Plain(Field):
    """A value that a column holds as it is."""

    def stored(self, value: Any) -> Any:
        return value

    def told(self, column: Any) -> Any:
        return column


class Text(_Plain):
    def __init__(
        self, *, pattern: str = "", choices: Sequence[str] = (), least: int = 0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.pattern = pattern
        self.choices = choices
        self.least = least

    def convert(self, value: Any, place: Place, faults: list[Fault]) -> Any:
        if not isinstance(value, str):
            faults.append(Fault("string_type", place, "Input should be a valid string"))
        elif _has_surrogates(value):
            faults.append(Fault("string_unicode", place, "Input should be valid unicode"))
        elif self.choices and value not in self.choices:
            wanted = " or ".join(repr(choice) for choice in self.choices)
            faults.append(Fault("literal_error", place, f"Input should be {wanted}"))
        elif len(value) < self.least:
            text = f"String should have at least {self.least} character"
            faults.append(Fault("string_too_short", place, text))
        elif self.pattern and not re.search(self.pattern, value):
            text = f"String should match pattern '{self.pattern}'"
            faults.append(Fault("string_pattern_mismatch", place, text))
        return value


class Moment(_Plain):
    """A time in UTC without a zone, as simvue 2.6.2 writes it, or in ISO 8601, as 2.5.3 may."""

    def convert(self, value: Any, place: Place, faults: list[Fault]) -> Any:
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                moment = moment.astimezone(UTC)
            return written(moment)
        except (TypeError, ValueError, OverflowError):
            text = "Input should be a valid datetime, such as 2026-01-31T12:00:00.000000"
            faults.append(Fault("datetime_parsing", place, text))
        return value


class Integer(_Plain):
    def __init__(self, *, least: int = -_LARGEST, **options: Any) -> None:
        super().__init__(**options)
        self.least = least

    def convert(self, value: Any, place: Place, faults: list[Fault]) -> Any:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            faults.append(Fault("int_type", place, "Input should be a valid integer"))
        elif value < self.least:
            text = f"Input should be greater than or equal to {self.least}"
            faults.append(Fault("greater_than_equal", place, text))
        elif value > _LARGEST:
            text = f"Input should be less than or equal to {_LARGEST}"
            faults.append(Fault("less_than_equal", place, text))
        return value


class Number(_Plain):
    """A number; where it is told a boolean counts as one, as a metric may be one."""

    def __init__(self, *, boolean: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.boolean = boolean

    def convert(self, value: Any, place: Place, faults: list[Fault]) -> Any:
        is_boolean = isinstance(value, bool)
        if not isinstance(value, int | float) or (is_boolean and not self.boolean):
            faults.append(Fault("float_type", place, "Input should be a valid number"))
            return value
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            faults.append(Fault("finite_number", place, "Input should be a finite number"))
            return value
        return number if abs(value) > _LARGEST else value


class Boolean(_Plain):
    def convert(self, value: Any, place: Place, faults: list[Fault]) -> Any:
        if not isinstance(value, bool):
            faults.append(Fault("bool_type", place, "Input should be a valid boolean"))
        return value

    def told(self, column: Any) -> Any:
        return None if column is None else bool(column)


def written(moment: datetime) -> str:
    """A moment of UTC as Simvue writes it."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")


def _has_surrogates(value: Any) -> bool:
    """Halves of surrogate pairs can be said in JSON, and be neither stored nor answered."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
