"""Checking values before they are sent, through marshmallow's field objects and validators."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import marshmallow

Validator = Callable[[Any], Any]
MarshmallowType = Callable[..., marshmallow.fields.Field[Any]]

#: marshmallow fields that check the type of a value and nothing else, beside their validators.
_TYPE_IS_ALL: dict[type, tuple[type, ...]] = {
    marshmallow.fields.String: (str,),
    marshmallow.fields.Integer: (int,),
    marshmallow.fields.Boolean: (bool,),
    marshmallow.fields.Raw: (object,),
}
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


def cut(value: Any, width: int = 80) -> str:
    """Return a value as messages show it."""
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def not_json(value: Any, where: str = "") -> list[str]:
    """Return what in *value* has no JSON form; [] when all has."""
    try:
        return _not_json(value, where)
    except RecursionError:
        return ["The value holds itself, or is nested too deeply."]


def _not_json(value: Any, where: str) -> list[str]:
    name = where or "The value"
    if value is None or isinstance(value, str | bool | int):
        return []
    if isinstance(value, float):
        finite = value == value and abs(value) != float("inf")
        return [] if finite else [f"{name}: {value} has no JSON form."]
    if isinstance(value, list | tuple):
        return [text for i, item in enumerate(value) for text in _not_json(item, f"{where}[{i}]")]
    if isinstance(value, dict):
        keys = [f"{name}: the key {cut(key)} is no text." for key in value if not _is_text(key)]
        inner = [_not_json(item, f"{where}[{key!r}]") for key, item in value.items()]
        return keys + [text for texts in inner for text in texts]
    return [f"{name}: {cut(value)} ({type(value).__name__}) has no JSON form."]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
