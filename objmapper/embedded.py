"""Embedded: value objects inside another object's row, without an endpoint of their own.

A value object owns its part of the row. What it is compared and sent as is its JSON, told by the
field that holds it; keys that no field knows go along.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from objmapper import declaration, wire
from objmapper.exceptions import FieldDoesNotExist, ReadOnlyFieldError
from objmapper.fields import Field
from objmapper.fields.containers import locked as lock
from objmapper.state import freeze

if TYPE_CHECKING:
    import marshmallow


class EmbeddedMapper:
    """How a value object and a nested JSON object correspond."""

    def __init__(self, cls: Any, fields: dict[str, Field[Any]]) -> None:
        self.model, self.fields = cls, fields
        self.by_key = declaration.by_key(cls.__name__, fields)
        #: Converted at once: a value that reads differently before and after its first touch would
        #: look changed.
        self.eager = [field for field in fields.values() if not field.plain]
        self.hides = any(field.hides for field in fields.values())
        self.has_many: dict[str, Any] = {}
        self.schema: Any = None
        self.schema_base: type | None = None
        self.schema_makes_objects = True

    def wrap(self, row: dict[str, Any], *, locked: bool = False) -> Any:
        """Return the value object over *row*, which it owns from now on."""
        for field in self.eager:
            if field.key in row:
                row[field.key] = field.tolerant(row[field.key])
        found = self.over(row)
        return lock(found) if locked else found

    def over(self, row: dict[str, Any], like: Any = None) -> Any:
        """Return the value object over a row that was read by one, by *like* for instance."""
        obj = object.__new__(self.model)
        obj._row, obj._fresh = row, None
        obj._locked, obj._new = (False, False) if like is None else (like._locked, like._new)
        return obj

    def unlocked(self, obj: Any) -> Any:
        """Return a copy that may be changed."""
        found = self.wrap(self.row_of(obj))
        found._new = True
        return found

    def said(self, obj: Any) -> Iterator[tuple[str, Any]]:
        """Yield what the row holds, but for defaults that were only read."""
        fresh = obj._fresh or {}
        for key, value in obj._row.items():
            if key not in fresh or freeze(self.by_key[key].to_row(value)) != fresh[key]:
                yield key, value

    def fresh(self, obj: Any, field: Any, value: Any) -> Any:
        """Return a default; a mutable one is kept, so that filling it counts as a change."""
        if field.mutable and value is not None:
            obj._row[field.key] = value
            obj._fresh = {**(obj._fresh or {}), field.key: freeze(field.to_row(value))}
        return value

    def open_row(self, obj: Any) -> dict[str, Any]:
        """Return the row of *obj* without what is write-only."""
        hidden = {field.key for field in self.fields.values() if field.write_only}
        return {key: value for key, value in self.said(obj) if key not in hidden}

    def forget(self, obj: Any) -> None:
        """Take its secrets out, which the server has got."""
        for field in self.fields.values():
            if field.write_only:
                obj._row.pop(field.key, None)
            elif field.hides:
                field.forget(obj._row.get(field.key))

    def unwrap(self, obj: Any) -> dict[str, Any]:
        """Return its JSON as it is sent; keys that no field knows go along, or they would be lost."""
        found = {}
        for key, value in self.said(obj):
            field = self.by_key.get(key)
            if field is None:
                found[key] = value
            elif not field.read_only:
                found[field.write_key] = field.dump(value)
        return found

    def row_of(self, obj: Any) -> dict[str, Any]:
        """Return its JSON as it was read: all of it, under the names that the server says."""
        by_key = self.by_key
        return {
            key: by_key[key].to_row(value) if key in by_key else value
            for key, value in self.said(obj)
        }

    def check(self, obj: Any) -> list[str]:
        """Return what is wrong with a value object that would be sent."""
        said, messages = dict(self.said(obj)), []
        for field in self.fields.values():
            if field.key in said and not field.read_only:
                messages += [f"{field.name}: {text}" for text in field.check(said[field.key])]
            elif field.required:
                messages.append(f"{field.name}: Missing data for required field.")
        return messages


class EmbeddedMeta(type):
    """Turns a class body into a value object's fields."""

    __embedded__: EmbeddedMapper
    __fields__: dict[str, Field[Any]]

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any
    ) -> EmbeddedMeta:
        if not any(isinstance(base, EmbeddedMeta) for base in bases):
            return super().__new__(mcls, name, bases, namespace, **kwargs)
        declaration.slots(name, bases, namespace)
        fields = declaration.fields_of(name, bases, namespace)
        cls = super().__new__(mcls, name, bases, namespace, **kwargs)
        declaration.refuse_dict(cls)
        for key, field in fields.items():
            field.bind(cls, key, embedded=True)
            type.__setattr__(cls, key, field)
        cls.__fields__ = fields
        cls.__embedded__ = EmbeddedMapper(cls, fields)
        return cls

    def __setattr__(cls, name: str, value: Any) -> None:
        declaration.refuse_field(cls, name, value)
        super().__setattr__(name, value)


class _SchemaOf:
    """``Person.Schema``: the marshmallow Schema class, made when it is first asked for."""

    def __get__(self, instance: object, owner: type[Embedded]) -> type[marshmallow.Schema]:
        return wire.schema_class(owner.__embedded__)


class Embedded(metaclass=EmbeddedMeta):
    """A value object without an endpoint of its own, inside another object's row.

    >>> from objmapper import fields
    >>> class Person(Embedded):
    ...     username = fields.String()
    >>> Person(username="ann") == Person(username="ann")
    True

    Two are equal when their JSON is. It is part of the object that holds it: to change it changes
    that object. FieldDoesNotExist names a keyword that is no field, ReadOnlyFieldError one that only
    the server sets.
    """

    __slots__ = ("__weakref__", "_fresh", "_locked", "_new", "_row")
    _row: dict[str, Any]
    #: Whether its owner's field is read-only.
    _locked: bool
    #: Whether it was made here, not read from a row.
    _new: bool
    #: ``{wire name: JSON of a mutable default}`` of defaults that were read.
    _fresh: dict[str, bytes] | None

    #: The marshmallow Schema class of the fields, made when it is first asked for.
    Schema = _SchemaOf()

    def __init__(self, **values: Any) -> None:
        cls = type(self)
        self._row, self._locked, self._new, self._fresh = {}, False, True, None
        for name, value in values.items():
            field = cls.__fields__.get(name)
            if field is None:
                raise FieldDoesNotExist.of(cls.__name__, name, cls.__fields__, "constructor")
            if field.read_only:
                raise ReadOnlyFieldError(f"{field} is read-only: only the server sets it.")
            self._row[field.key] = field.store(value)
        for field in cls.__fields__.values():
            if field.has_default and not field.read_only and field.key not in self._row:
                self._row[field.key] = field.store(field.make_default())

    def to_dict(self) -> dict[str, Any]:
        """Return field names with JSON-ready values; write-only ones are left out."""
        said = dict(type(self).__embedded__.said(self))
        return {
            name: field.show(said[field.key])
            for name, field in type(self).__fields__.items()
            if field.key in said and not field.write_only
        }

    @property
    def extra(self) -> dict[str, Any]:
        """What came beside the declared fields."""
        known = type(self).__embedded__.by_key
        return {key: value for key, value in self._row.items() if key not in known}

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        row_of = type(self).__embedded__.row_of
        return row_of(self) == row_of(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.to_dict().items())
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> Any:
        row = type(self).__embedded__.open_row(self)
        return _made, (type(self), row, self._locked, self._new)

    def __copy__(self) -> Self:
        said = dict(type(self).__embedded__.said(self))
        copied: Self = type(self).__embedded__.over(said, self)
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        said = dict(type(self).__embedded__.said(self))
        copied: Self = type(self).__embedded__.over(copy.deepcopy(said, memo), self)
        return copied


def _made(cls: EmbeddedMeta, row: dict[str, Any], locked: bool, new: bool) -> Any:
    obj = cls.__embedded__.over(row)
    obj._locked, obj._new = locked, new
    return obj
