"""Fields whose values change in place: lists, dicts and nested value objects."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

import marshmallow

from objmapper.exceptions import DeclarationError
from objmapper.fields.base import Field, Options, _cut
from objmapper.state import fresh

V = TypeVar("V")
T = TypeVar("T")
E = TypeVar("E")


def _item(of: Any, owner: str) -> Field[Any]:
    """Return *of* as a field: a field, a field class, or an Embedded class."""
    if isinstance(of, Field):
        if type(of).__name__ in ("ForeignKey", "HasMany"):
            raise DeclarationError(f"{owner} of {type(of).__name__} is not possible.")
        return of
    if isinstance(of, type) and issubclass(of, Field):
        return of()
    if hasattr(of, "__embedded__"):
        return Nested(of)
    raise DeclarationError(f"{owner} takes a field or an Embedded class, not {of!r}.")


class _Container(Field[V]):
    mutable = True

    def unset(self, obj: Any) -> Any:
        """Return what a new object has: an empty container, which counts once it is filled."""
        if not self.has_default and not self.null:
            return fresh(obj, self, self.python_type())
        return super().unset(obj)


class List(_Container[T]):
    """A list whose items are of one field; ``fields.List(fields.String())``."""

    python_type = list
    wire_types = (list,)
    of: Field[Any]

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: List[list[V]],
            of: Field[V] | type[V],
            *,
            null: Literal[False] = False,
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: List[list[V] | None],
            of: Field[V] | type[V],
            *,
            null: Literal[True],
            **options: Unpack[Options],
        ) -> None: ...
        def __init__(self, of: Any, *, null: bool = False, **options: Any) -> None: ...

    else:

        def __init__(self, of, **options):
            super().__init__(**options)
            self.of = _item(of, "A List")

    def bind(self, model: type, name: str, *, embedded: bool = False) -> None:
        super().bind(model, name, embedded=embedded)
        self.of = self.of.clone()
        self.of.bind(model, name, embedded=True)

    @cached_property
    def plain(self) -> bool:
        return self.of.plain and type(self).to_python is List.to_python

    def to_python(self, wire: Any) -> Any:
        if self.of.plain:
            for item in wire:
                self._check(item)
            return wire
        return [item if item is None else self._load(item) for item in wire]

    def _check(self, item: Any) -> None:
        if item is not None and not self.of.accepts(item):
            raise ValueError(f"the item {_cut(item)} is no {type(self.of).__name__.lower()}")

    def _load(self, item: Any) -> Any:
        self._check(item)
        return self.of.to_python(item)

    def to_wire(self, value: Any) -> Any:
        return [self.of.dump(item) for item in value]

    def to_row(self, value: Any) -> Any:
        plain = self.of.plain or not isinstance(value, list)
        return self.dump(value) if plain else [self.of.to_row(item) for item in value]

    def dump(self, value: Any) -> Any:
        if isinstance(value, tuple | set | frozenset):
            value = list(value)
        return super().dump(value)

    def coerce(self, value: Any) -> Any:
        if isinstance(value, tuple | set | frozenset):
            value = list(value)
        if value.__class__ is list and not self.of.plain:
            return [self.of.coerce(item) for item in value]
        return value

    def check(self, wire: Any) -> list[str]:
        messages = super().check(wire)
        if isinstance(wire, list):
            for index, item in enumerate(wire):
                messages += [f"{index}: {text}" for text in self.of.check(item)]
        return messages

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        # The items are checked above, with their own messages; this runs the validators.
        inner = marshmallow.fields.Raw(allow_none=True)
        return marshmallow.fields.List(
            inner, allow_none=self.null, validate=self.validators or None, **options
        )


class Dict(_Container[T]):
    """A JSON object with free keys; ``of`` is the field of its values, any JSON by default."""

    python_type = dict
    wire_types = (dict,)
    of: Field[Any] | None

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Dict[dict[str, Any]], *, null: Literal[False] = False, **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: Dict[dict[str, Any] | None], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: Dict[dict[str, V]],
            of: Field[V] | type[V],
            *,
            null: Literal[False] = False,
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Dict[dict[str, V] | None],
            of: Field[V] | type[V],
            *,
            null: Literal[True],
            **options: Unpack[Options],
        ) -> None: ...
        def __init__(self, of: Any = None, *, null: bool = False, **options: Any) -> None: ...

    else:

        def __init__(self, of=None, **options):
            super().__init__(**options)
            self.of = None if of is None else _item(of, "A Dict")

    def bind(self, model: type, name: str, *, embedded: bool = False) -> None:
        super().bind(model, name, embedded=embedded)
        if self.of is not None:
            self.of = self.of.clone()
            self.of.bind(model, name, embedded=True)

    @cached_property
    def plain(self) -> bool:
        return (self.of is None or self.of.plain) and type(self).to_python is Dict.to_python

    def to_python(self, wire: Any) -> Any:
        if self.of is None:
            return wire
        loaded = {}
        for key, item in wire.items():
            if item is not None and not self.of.accepts(item):
                raise ValueError(f"the value of {key!r}, {_cut(item)}, is of the wrong type")
            loaded[key] = item if item is None else self.of.to_python(item)
        return wire if self.of.plain else loaded

    def to_wire(self, value: Any) -> Any:
        if self.of is None:
            return _plain_dict(value)
        return {key: self.of.dump(item) for key, item in value.items()}

    def to_row(self, value: Any) -> Any:
        if self.of is None or self.of.plain or not isinstance(value, dict):
            return self.dump(value)
        return {key: self.of.to_row(item) for key, item in value.items()}

    def coerce(self, value: Any) -> Any:
        if value.__class__ is dict and self.of is not None and not self.of.plain:
            return {key: self.of.coerce(item) for key, item in value.items()}
        return value

    def check(self, wire: Any) -> list[str]:
        messages = super().check(wire)
        if isinstance(wire, dict):
            messages += [f"{key!r} is no text." for key in wire if not isinstance(key, str)]
            if self.of is not None:
                for key, item in wire.items():
                    messages += [f"{key}: {text}" for text in self.of.check(item)]
        return messages or not_json(wire)

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        return marshmallow.fields.Dict(
            allow_none=self.null, validate=self.validators or None, **options
        )


def _plain_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    return value


def not_json(value: Any, where: str = "") -> list[str]:
    """Return what in *value* has no JSON form; [] when all has."""
    if value is None or isinstance(value, str | bool | int):
        return []
    if isinstance(value, float):
        finite = value == value and abs(value) != float("inf")
        return [] if finite else [f"{where or 'The value'}: {value} has no JSON form."]
    if isinstance(value, list):
        return [text for i, item in enumerate(value) for text in not_json(item, f"{where}[{i}]")]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in not_json(item, f"{where}[{key!r}]")]
    return [f"{where or 'The value'}: {_cut(value)} ({type(value).__name__}) has no JSON form."]


class Nested(Field[T]):
    """A value object inside the row: an Embedded class."""

    wire_types = (dict,)
    mutable = True
    of: type[Any]

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Nested[E],
            of: type[E],
            *,
            null: Literal[False] = False,
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Nested[E | None], of: type[E], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        def __init__(self, of: Any, *, null: bool = False, **options: Any) -> None: ...

    else:

        def __init__(self, of, **options):
            super().__init__(**options)
            if not hasattr(of, "__embedded__"):
                raise DeclarationError(
                    f"Nested takes an Embedded class, not {of!r}; a model with an endpoint of its "
                    "own is a ForeignKey."
                )
            self.of = of
            self.python_type = of

    def to_python(self, wire: Any) -> Any:
        return self.of.__embedded__.wrap(wire, locked=self.read_only)

    def to_wire(self, value: Any) -> Any:
        return type(value).__embedded__.unwrap(value)

    def to_row(self, value: Any) -> Any:
        return type(value).__embedded__.row_of(value) if isinstance(value, self.of) else value

    def coerce(self, value: Any) -> Any:
        """Take the value object, or a dict of its *field names*."""
        return self.of(**value) if value.__class__ is dict else value

    def check(self, wire: Any) -> list[str]:
        messages = super().check(wire)
        if isinstance(wire, dict):
            messages += self.of.__embedded__.check(wire)
        return messages

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        def judge(wire: Any) -> None:
            for validator in self.validators:
                validator(self.to_python(dict(wire)))

        return marshmallow.fields.Dict(
            allow_none=self.null, validate=judge if self.validators else None, **options
        )


__all__ = ["Dict", "List", "Nested", "not_json"]
