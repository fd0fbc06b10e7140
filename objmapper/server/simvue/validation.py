"""Bodies as a whole: lists, objects, and the keys that may be said; what is wrong is collected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from objmapper.server.simvue.errors import Fault, Unprocessable
from objmapper.server.simvue.values import Field, Place


class Many(Field):
    def __init__(
        self, item: Field, *, least: int = 0, most: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.item = item
        self.least, self.most = least, most

    def convert(self, value: Any, place: Place, faults: list[Fault]) -> Any:
        if not isinstance(value, list):
            faults.append(Fault("list_type", place, "Input should be a valid list"))
            return value
        if len(value) < self.least:
            text = f"List should have at least {self.least} items, not {len(value)}"
            faults.append(Fault("too_short", place, text))
        if self.most is not None and len(value) > self.most:
            text = f"List should have at most {self.most} items, not {len(value)}"
            faults.append(Fault("too_long", place, text))
        return [self.item.clean(each, (*place, at), faults) for at, each in enumerate(value)]


class Object(Field):
    """An object whose keys are free."""

    def __init__(self, item: Field | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.item = item or Field(null=True)

    def convert(self, value: Any, place: Place, faults: list[Fault]) -> Any:
        if not isinstance(value, dict):
            faults.append(Fault("dict_type", place, "Input should be a valid dictionary"))
            return value
        return {key: self.item.clean(each, (*place, key), faults) for key, each in value.items()}


class Nested(Field):
    """An object of known keys; those that are not said get their defaults."""

    def __init__(self, fields: Mapping[str, Field], **options: Any) -> None:
        super().__init__(**options)
        self.fields = fields

    def convert(self, value: Any, place: Place, faults: list[Fault]) -> Any:
        said = said_in(value, self.fields, place, faults, partial=False)
        return {name: each.default for name, each in self.fields.items()} | said


def said_in(
    value: Any, fields: Mapping[str, Field], place: Place, faults: list[Fault], *, partial: bool
) -> dict[str, Any]:
    """The cleaned values of the keys that are said; an unknown or a missing one is a fault."""
    if not isinstance(value, dict):
        faults.append(Fault("dict_type", place, "Input should be a valid dictionary"))
        return {}
    found = {}
    for name, each in value.items():
        if name not in fields:
            faults.append(
                Fault("extra_forbidden", (*place, name), "Extra inputs are not permitted")
            )
        else:
            found[name] = fields[name].clean(each, (*place, name), faults)
    for name, field in fields.items():
        if field.required and not partial and name not in value:
            faults.append(Fault("missing", (*place, name), "Field required"))
    return found


def clean(
    value: Any, fields: Mapping[str, Field], *, partial: bool = False, place: Place = ("body",)
) -> dict[str, Any]:
    """The cleaned values of a body. Raises Unprocessable, with every fault that is found."""
    faults: list[Fault] = []
    found = said_in(value, fields, place, faults, partial=partial)
    if faults:
        raise Unprocessable(faults)
    return found


def clean_one(value: Any, field: Field, place: Place = ("body",)) -> Any:
    """The cleaned value of a body that is no object of known keys."""
    faults: list[Fault] = []
    found = field.clean(value, place, faults)
    if faults:
        raise Unprocessable(faults)
    return found
