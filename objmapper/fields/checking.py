"""Checking values before they are sent, through marshmallow's field objects and validators."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import marshmallow

from objmapper.exceptions import cut

Validator = Callable[[Any], Any]
MarshmallowType = Callable[..., marshmallow.fields.Field[Any]]

#: marshmallow fields that check the type of a value and nothing else, beside their validators.
_TYPE_IS_ALL: dict[type, tuple[type, ...]] = {
    marshmallow.fields.String: (str,),
    marshmallow.fields.Integer: (int,),
    marshmallow.fields.Boolean: (bool,),
    marshmallow.fields.Raw: (object,),
}
#: How many levels of lists and objects are sent; the libraries below walk them by recursion.
DEEPEST = 100
#: The most bits of a number that Python writes as digits unless it is told otherwise.
WIDEST = 14_000
_SURROGATE = re.compile(r"[\ud800-\udfff]")
#: What a conversion raises for a value that it can't convert.
MALFORMED = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)


class Converted(marshmallow.fields.Field[Any]):
    """The marshmallow field of one that converts in its own way."""

    def __init__(self, field: Any, **options: Any) -> None:
        super().__init__(**options)
        self.field = field

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        try:
            if self.field.accepts(value):
                return self.field.to_python(value)
        except MALFORMED:
            pass
        raise marshmallow.ValidationError(f"Not a valid {type(self.field).__name__.lower()}.")

    def _serialize(self, value: Any, attr: Any, obj: Any, **kwargs: Any) -> Any:
        return self.field.show(self.field.store(value))


def checker(field: Any) -> marshmallow.fields.Field[Any] | None:
    """Return the marshmallow field for what ``accepts`` leaves open; None where that is nothing."""
    found: marshmallow.fields.Field[Any] = field.marshmallow_field()
    return None if _TYPE_IS_ALL.get(type(found)) == field.wire_types else found


def refused(call: Callable[[Any], Any], value: Any) -> list[str]:
    """Return what a validator, or a field's ``deserialize``, has against a value."""
    try:
        call(value)
    except marshmallow.ValidationError as error:
        return flat(error.messages)
    return []


def validators(validate: Validator | Iterable[Validator] | None) -> list[Validator]:
    """Return one validator, several or none as a list."""
    if validate is None:
        return []
    return [validate] if callable(validate) else list(validate)


def flat(messages: Any) -> list[str]:
    """Return marshmallow's nested messages as a flat list."""
    if isinstance(messages, dict):
        return [f"{key}: {text}" for key, inner in messages.items() for text in flat(inner)]
    if isinstance(messages, list):
        return [text for inner in messages for text in flat(inner)]
    return [str(messages)]


class _TooDeep(Exception):
    """A value holds itself, or is nested too deeply: nothing more can be told of it."""


def not_json(value: Any) -> list[str]:
    """Return what in *value* has no JSON form; [] when all has."""
    try:
        return _not_json(value, (), DEEPEST)
    except _TooDeep:
        return [f"The value holds itself, or is nested more than {DEEPEST} levels deep."]


def _not_json(value: Any, path: tuple[Any, ...], levels: int) -> list[str]:
    if value is None or isinstance(value, bool):
        return []
    if isinstance(value, str):
        return [] if is_unicode(value) else [f"{_at(path)}: the text has a lone surrogate."]
    if isinstance(value, int):
        fits = value.bit_length() <= WIDEST
        return [] if fits else [f"{_at(path)}: the number has too many digits."]
    if isinstance(value, float):
        return [] if math.isfinite(value) else [f"{_at(path)}: {value} has no JSON form."]
    if not isinstance(value, list | tuple | dict):
        return [f"{_at(path)}: {cut(value)} ({type(value).__name__}) has no JSON form."]
    if not levels:
        raise _TooDeep
    found: list[str] = []
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict) and not (isinstance(key, str) and is_unicode(key)):
            found.append(f"{_at(path)}: the key {cut(key)} is no text.")
        found += _not_json(item, (*path, key), levels - 1)
    return found


def _at(path: tuple[Any, ...]) -> str:
    return "".join(f"[{cut(key)}]" for key in path) or "The value"


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: it has no lone surrogate."""
    return text.isascii() or not _SURROGATE.search(text)
