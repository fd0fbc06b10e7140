"""Fields clean what a request says, with the rules and the words of Django REST framework."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from objmapper.server.cvat.errors import Broken, Invalid
from objmapper.server.storage import stamp

MISSING: Any = object()
_LARGEST = 2**63 - 1
_DECIMAL_ZEROES = re.compile(r"\.0*\s*$")
_TRUE = frozenset({"t", "T", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "1"})
_FALSE = frozenset({"f", "F", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "0"})


class FieldError(Exception):
    """A value is refused; ``problem`` is what stands under the field's name in the answer."""

    def __init__(self, problem: Any) -> None:
        super().__init__(problem)
        self.problem = [problem] if isinstance(problem, str) else problem


class Field:
    """A field takes any value as it is; its kinds narrow that."""

    def __init__(
        self, *, required: bool = False, null: bool = False, default: Any = MISSING
    ) -> None:
        self.required = required
        self.null = null
        self.default = default

    def clean(self, value: Any, *, partial: bool) -> Any:
        if value is None:
            if self.null:
                return None
            raise FieldError("This field may not be null.")
        return self.convert(value, partial=partial)

    def convert(self, value: Any, *, partial: bool) -> Any:
        return value


class Text(Field):
    """Numbers become text, text is trimmed; booleans and containers are refused."""

    def __init__(
        self,
        longest: int | None,
        *,
        blank: bool = False,
        pattern: tuple[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.longest = longest
        self.blank = blank
        self.pattern = pattern

    def convert(self, value: Any, *, partial: bool) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise FieldError("Not a valid string.")
        text = str(value).strip()
        if not text and not self.blank:
            raise FieldError("This field may not be blank.")
        problems = []
        if self.longest is not None and len(text) > self.longest:
            problems.append(f"Ensure this field has no more than {self.longest} characters.")
        if "\x00" in text:
            problems.append("Null characters are not allowed.")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            problems.append("Surrogate characters are not allowed.")
        if text and self.pattern and not re.fullmatch(self.pattern[0], text):
            problems.append(self.pattern[1])
        if problems:
            raise FieldError(problems)
        return text


class Integer(Field):
    def __init__(self, *, least: int | None = None, most: int | None = None, **options: Any):
        super().__init__(**options)
        self.least = least
        self.most = most

    def convert(self, value: Any, *, partial: bool) -> int:
        try:
            number = int(_DECIMAL_ZEROES.sub("", str(value)))
        except ValueError:
            raise FieldError("A valid integer is required.") from None
        if self.least is not None and number < self.least:
            raise FieldError(f"Ensure this value is greater than or equal to {self.least}.")
        if self.most is not None and number > self.most:
            raise FieldError(f"Ensure this value is less than or equal to {self.most}.")
        return number


class Float(Field):
    """Numbers, booleans and texts that are numbers; CVAT fails on those that JSON has not."""

    def convert(self, value: Any, *, partial: bool) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise FieldError("A valid number is required.") from None
        except OverflowError as error:
            raise Broken(f"{value!r} is too large") from error
        if not math.isfinite(number):
            raise Broken(f"{number} can't be answered as JSON")
        return number


class Key(Field):
    """The key of an object; whether there is one, the view looks. An empty text is null."""

    def clean(self, value: Any, *, partial: bool) -> Any:
        return super().clean(None if value == "" else value, partial=partial)

    def convert(self, value: Any, *, partial: bool) -> int:
        try:
            if not isinstance(value, bool):
                return max(-_LARGEST, min(_LARGEST, int(value)))
        except (TypeError, ValueError):
            pass
        except OverflowError as error:
            raise Broken(f"{value!r} is too large") from error
        kind = type(value).__name__
        raise FieldError(f"Incorrect type. Expected pk value, received {kind}.")


class Boolean(Field):
    def convert(self, value: Any, *, partial: bool) -> bool:
        word = (
            value if isinstance(value, str) else {True: "true", False: "false"}.get(_plain(value))
        )
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise FieldError("Must be a valid boolean.")


class Moment(Field):
    """A moment in ISO 8601, UTC unless it says otherwise, as the database has it."""

    def convert(self, value: Any, *, partial: bool) -> str:
        try:
            moment = datetime.fromisoformat(value)
            return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (TypeError, ValueError, OverflowError):
            text = "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]"
            problem = f"Datetime has wrong format. Use one of these formats instead: {text}."
            raise FieldError(problem) from None


class Choice(Field):
    def __init__(self, choices: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self.choices = choices

    def convert(self, value: Any, *, partial: bool) -> str:
        if str(value) not in self.choices:
            raise FieldError(f'"{value}" is not a valid choice.')
        return str(value)


class Many(Field):
    """A list whose items are cleaned one by one; problems stand at the index of their item."""

    def __init__(self, item: Field, *, empty: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.item = item
        self.empty = empty

    def convert(self, value: Any, *, partial: bool) -> list[Any]:
        if not isinstance(value, list):
            problem = f'Expected a list of items but got type "{type(value).__name__}".'
            raise FieldError(
                {"non_field_errors": [problem]} if isinstance(self.item, Nested) else problem
            )
        if not value and not self.empty:
            raise FieldError("This list may not be empty.")
        found: list[Any] = []
        problems: list[Any] = []
        failed = False
        for item in value:
            try:
                found.append(self.item.clean(item, partial=partial))
                problems.append({})
            except FieldError as error:
                problems.append(error.problem)
                failed = True
        if failed:
            if isinstance(self.item, Nested):
                raise FieldError(problems)
            raise FieldError({str(n): each for n, each in enumerate(problems) if each})
        return found


class Nested(Field):
    """An object inside an object."""

    def __init__(
        self,
        fields: Mapping[str, Field],
        *,
        validate: Callable[[dict[str, Any]], None] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.fields = fields
        self.validate = validate

    def convert(self, value: Any, *, partial: bool) -> dict[str, Any]:
        try:
            found = clean(value, self.fields, partial=partial)
            if self.validate is not None:
                self.validate(found)
        except Invalid as error:
            raise FieldError(error.body) from None
        return found


def clean(data: Any, fields: Mapping[str, Field], *, partial: bool) -> dict[str, Any]:
    """The known keys of a body, cleaned; unknown ones are ignored, as CVAT does.

    >>> clean({"name": " x ", "bogus": 1}, {"name": Text(256)}, partial=True)
    {'name': 'x'}
    """
    if not isinstance(data, dict):
        kind = type(data).__name__
        raise Invalid(
            {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]}
        )
    found: dict[str, Any] = {}
    problems: dict[str, Any] = {}
    for name, field in fields.items():
        if name in data:
            try:
                found[name] = field.clean(data[name], partial=partial)
            except FieldError as error:
                problems[name] = error.problem
        elif not partial and field.required:
            problems[name] = ["This field is required."]
        elif not partial and field.default is not MISSING:
            found[name] = field.default
    if problems:
        raise Invalid(problems)
    return found


def _plain(value: Any) -> Any:
    """A value that can be a key of a dict; containers can't be booleans anyway."""
    return value if isinstance(value, int | float) else None
