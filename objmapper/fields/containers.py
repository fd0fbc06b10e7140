"""Fields whose values change in place: lists, dicts and nested value objects."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

import marshmallow

from objmapper.exceptions import DeclarationError, FieldDoesNotExist, cut
from objmapper.fields.base import Field, Options
from objmapper.fields.checking import not_json
from objmapper.fields.scalars import Raw
from objmapper.state import copied, fresh

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


def locked(value: Any) -> Any:
    """Return *value*, all value objects in it read-only from now on."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if hasattr(each, "__embedded__"):
            each._locked = True
            waiting.append(each._row)
        elif isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return value


class _Container(Field[V]):
    mutable = True
    keeps = True  # what is inside tells converted values from JSON
    #: The field of what is inside, or None.
    of: Any

    def bind(self, model: type, name: str, *, embedded: bool = False) -> None:
        super().bind(model, name, embedded=embedded)
        if self.of is None:
            return
        self.of = self.of.clone()
        self.of.write_only = self.write_only
        self.of.bind(model, name, embedded=True)
        if not self.of.keeps:
            kind = type(self.of).__name__
            raise DeclarationError(
                f"{model.__name__}.{name}: a {type(self).__name__} of {kind} is not possible, as its "
                "Python values can't be told from JSON. Give it a python_type of its own, or say "
                "keeps = True if converting twice does no harm."
            )

    @cached_property
    def hides(self) -> bool:
        return self.write_only or (self.of is not None and self.of.hides)

    @property
    def refers(self) -> bool:  # type: ignore[override]
        """Whether what is inside may be objects in the place of keys that are not known yet."""
        return self.of is not None and bool(self.of.refers)

    @cached_property
    def _converts(self) -> bool:
        """Whether an item may have to be converted: users give sets and tuples for lists."""
        return self.of is not None and (self.of.mutable or not self.of.plain)

    def load(self, obj: Any, wire: Any) -> Any:
        found = super().load(obj, wire)
        return locked(found) if self.read_only else found

    def dump(self, value: Any) -> Any:
        if self._converts and isinstance(value, self.python_type):
            return self.to_wire(value)
        return super().dump(value)

    def unset_embedded(self, obj: Any) -> Any:
        return obj.__embedded__.fresh(obj, self, self.python_type())

    def unset(self, obj: Any) -> Any:
        """Return what a new object has: an empty container, which counts once it is filled."""
        if not self.has_default and not self.null:
            return fresh(obj, self, self.python_type())
        return super().unset(obj)


class List(_Container[T]):
    """A list whose items are of one field; ``fields.List(fields.String())``.

    *of* is a field, a field class, or an Embedded class; DeclarationError for anything else. Changes
    inside the list are found. Where nothing was set, a new object has an empty one. A tuple or a set
    may be set, and is a list from then on.
    """

    python_type = list
    wire_types = (list,)
    keeps = True

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

    @cached_property
    def plain(self) -> bool:
        return self.of.plain and type(self).to_python is List.to_python

    def to_python(self, wire: Any) -> Any:
        loaded = [item if item is None else self._load(item) for item in wire]
        return wire if self.of.plain else loaded

    def _load(self, item: Any) -> Any:
        if not self.of.accepts(item):
            raise ValueError(f"the item {self.told(item)} is no {type(self.of).__name__.lower()}")
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
        if value.__class__ is not list and isinstance(value, list | tuple | set | frozenset):
            value = list(value)
        if value.__class__ is list and self._converts:
            return [self.of.coerce(item) for item in value]
        return value

    def show(self, value: Any) -> Any:
        return [self.of.show(item) for item in value] if isinstance(value, list) else value

    def forget(self, value: Any) -> None:
        for item in value or () if self.hides else ():
            self.of.forget(item)

    def faults(self, value: Any, wire: Any) -> list[str]:
        return [
            f"{index}: {text}" for index, item in enumerate(value) for text in self.of.check(item)
        ]

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        inner = self.of.marshmallow_field(validate=self.of.validators or None)
        return marshmallow.fields.List(inner, allow_none=self.null, **options)


class Dict(_Container[T]):
    """A JSON object with free keys; ``of`` is the field of its values, any JSON by default.

    Changes inside the dict are found. Where nothing was set, a new object has an empty one. Raises
    DeclarationError for an *of* that is no field, field class or Embedded class.
    """

    python_type = dict
    wire_types = (dict,)
    keeps = True

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

    @cached_property
    def plain(self) -> bool:
        return (self.of is None or self.of.plain) and type(self).to_python is Dict.to_python

    def to_python(self, wire: Any) -> Any:
        if self.of is None:
            return wire
        loaded = {}
        for key, item in wire.items():
            if item is not None and not self.of.accepts(item):
                raise ValueError(
                    f"the value of {cut(key)}, {self.told(item)}, is of the wrong type"
                )
            loaded[key] = item if item is None else self.of.to_python(item)
        return wire if self.of.plain else loaded

    def to_wire(self, value: Any) -> Any:
        if self.of is None:
            return value
        return {key: self.of.dump(item) for key, item in value.items()}

    def to_row(self, value: Any) -> Any:
        if self.of is None or self.of.plain or not isinstance(value, dict):
            return self.dump(value)
        return {key: self.of.to_row(item) for key, item in value.items()}

    def inside(self, key: str) -> Field[Any]:
        found: Field[Any] = Raw() if self.of is None else self.of.clone()
        found.write_only = self.write_only
        found.bind(self.model, key, embedded=True)
        return found

    def coerce(self, value: Any) -> Any:
        if value.__class__ is not dict and isinstance(value, dict):
            value = dict(value)
        if value.__class__ is dict and self._converts:
            return {key: self.of.coerce(item) for key, item in value.items()}
        return value

    def show(self, value: Any) -> Any:
        if self.of is None or not isinstance(value, dict):
            return super().show(value)
        return {key: self.of.show(item) for key, item in value.items()}

    def forget(self, value: Any) -> None:
        for item in (value or {}).values() if self.of is not None and self.hides else ():
            self.of.forget(item)

    def faults(self, value: Any, wire: Any) -> list[str]:
        if self.of is None:
            return not_json(wire)
        return [
            *(text for key in value for text in not_json({key: None})),
            *(
                f"{key}: {text}"
                for key, item in value.items()
                if isinstance(key, str)
                for text in self.of.check(item)
            ),
        ]

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        inner = self.of and self.of.marshmallow_field(validate=self.of.validators or None)
        text = marshmallow.fields.String()
        return marshmallow.fields.Dict(text, inner, allow_none=self.null, **options)


class Nested(Field[T]):
    """A value object inside the row: an Embedded class.

    Changes inside it are found. It may be set to a value object, to a dict of its *field names*, or
    to None where that is allowed; that of a read-only field can't be changed. Raises DeclarationError
    for what is no Embedded class.
    """

    wire_types = (dict,)
    mutable = keeps = True
    #: The Embedded class.
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

    @cached_property
    def hides(self) -> bool:
        return self.write_only or self.of.__embedded__.hides

    @property
    def refers(self) -> bool:  # type: ignore[override]
        """Whether a field of the value object may be an object in the place of its key."""
        return any(field.refers for field in self.of.__embedded__.fields.values())

    def to_python(self, wire: Any) -> Any:
        return self.of.__embedded__.wrap(wire, locked=self.read_only)

    def to_wire(self, value: Any) -> Any:
        return type(value).__embedded__.unwrap(value)

    def to_row(self, value: Any) -> Any:
        return type(value).__embedded__.row_of(value) if isinstance(value, self.of) else value

    def coerce(self, value: Any) -> Any:
        """Take the value object, or a dict of its *field names*; a read-only one is copied.

        Raises FieldDoesNotExist for a name that is none.
        """
        if isinstance(value, self.of) and value._locked:
            return value.__embedded__.unlocked(value)
        if not isinstance(value, dict):
            return value
        for name in value:
            if not isinstance(name, str):
                raise FieldDoesNotExist.of(self.of.__name__, cut(name), self.of.__fields__)
        return self.of(**value)

    def show(self, value: Any) -> Any:
        if value.__class__ is dict:  # nobody has read it yet
            value = self.tolerant(copied(value))
        return value.to_dict() if isinstance(value, self.of) else value

    def forget(self, value: Any) -> None:
        if self.hides and isinstance(value, self.of):
            value.__embedded__.forget(value)

    def faults(self, value: Any, wire: Any) -> list[str]:
        if isinstance(value, dict):  # put into a list as JSON
            wrong = not_json(value)
            if wrong:
                return wrong
            value = self.to_python(copied(value))
        found: list[str] = self.of.__embedded__.check(value)
        return found

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        return marshmallow.fields.Nested(self.of.Schema, allow_none=self.null, **options)


__all__ = ["Dict", "List", "Nested"]
