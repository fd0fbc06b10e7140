"""Fields that lead to other objects: ForeignKey, and its reverse HasMany."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

import marshmallow

from objmapper.exceptions import ContractError, DeclarationError, ReadOnlyFieldError, cut
from objmapper.fields.base import Field, Options
from objmapper.fields.checking import Converted, not_json
from objmapper.operation import Pending
from objmapper.state import (
    Page,
    Stateful,
    absent,
    is_new,
    session_of,
)

if TYPE_CHECKING:
    from objmapper.queryset import RelatedManager

T = TypeVar("T")
M = TypeVar("M")


class _Relation(Field[T]):
    _target: Any

    @property
    def target(self) -> Any:
        """The model it leads to; a string is looked up in the registry of the field's own model.

        Raises DeclarationError where none, or more than one, is meant.
        """
        target = self._target
        if isinstance(target, str):
            if target == "self":
                return self.model
            self._target = target = self.model.__mapper__.registry.resolve(target, self)
        while target.__mapper__.replaced_by is not None:
            self._target = target = target.__mapper__.replaced_by
        return target


class ForeignKey(_Relation[T]):
    """A reference to one object of another model; to read its key sends nothing.

    *to* is a model, its name, or "self". It may be set to an object, to a key, or, with ``null``, to
    None; TypeError for an object of another model. In JSON it is a key, or a nested object. Raises
    DeclarationError for what can't be a target.
    """

    wire_types = (int, str, dict)
    python_type = Stateful

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: ForeignKey[M],
            to: type[M],
            *,
            null: Literal[False] = False,
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: ForeignKey[M | None],
            to: type[M],
            *,
            null: Literal[True],
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(self, to: str, *, null: bool = False, **options: Unpack[Options]) -> None: ...
        def __init__(self, to: Any, *, null: bool = False, **options: Any) -> None: ...
        def __set__(self, instance: object, value: T | int | str) -> None: ...

    else:

        def __init__(self, to, **options):
            super().__init__(**options)
            if not isinstance(to, str) and not hasattr(to, "__mapper__"):
                raise DeclarationError(f"ForeignKey takes a model or its name, not {to!r}.")
            self._target = to

    def bind(self, model: type, name: str, *, embedded: bool = False) -> None:
        if embedded:
            raise DeclarationError(f"{model.__name__}.{name}: an Embedded can't hold a ForeignKey.")
        super().bind(model, name)

    def getter(self) -> Any:
        field, key = self, self.key

        def get(obj: Any) -> Any:
            try:
                value = obj._row[key]
            except KeyError:
                return absent(obj, field)
            if value is None:
                return None
            if isinstance(value, Stateful) and value._state.session is not None:
                return value
            return field.follow(obj, value)

        return get

    @property
    def guarded(self) -> bool:
        return True

    @property
    def plain(self) -> bool:
        return False

    def follow(self, obj: Stateful, raw: Any) -> Any:
        """Return the object that a raw value refers to, of the session's identity map.

        The row holds it from now on, so that it lives as long as what refers to it. One that left
        the session since is replaced by the identity map's, unless the user set it.
        """
        session, originals = session_of(obj), obj._state.originals
        users_own = originals is not None and self.key in originals
        if session is not None and session.closed:
            session = None
        if isinstance(raw, Stateful):
            key = self.key_value(raw)
            if session is None or users_own or key is None:
                return raw
            raw = key
        self.load(obj, raw)
        if session is not None:
            found = session.related(obj, self, raw)
            if not users_own:
                obj._row[self.key] = found
            return found
        mapper = self.target.__mapper__
        row = dict(raw) if raw.__class__ is dict else {mapper.pk.key: self.key_value(raw)}
        page = Page(obj._state.session, mapper, [], full=False)
        return mapper.instance(row, page)

    def load(self, obj: Any, wire: Any) -> Any:
        super().load(obj, wire)
        return wire

    def to_python(self, wire: Any) -> Any:
        """Check a raw value: a key, or a nested row that has one."""
        self.key_value(wire)
        return wire

    def key_value(self, value: Any) -> Any:
        """Return the key of an object, a nested row or a raw key; None where there is none yet.

        Raises ValueError for what can't be a key.
        """
        pk = self.target.__mapper__.pk
        if isinstance(value, Stateful):
            return type(value).__mapper__.key_in(value._row)  # type: ignore[attr-defined]
        if value.__class__ is dict:
            if pk.key not in value:
                raise ValueError(f"the nested object {cut(value)} has no {pk.key!r}")
            value = value[pk.key]
        return None if value is None else pk.key_of(value)

    def key_told(self, obj: Any, base: Any) -> Any:
        """Return the key that a base tells, as ``key_value`` does. Raises ContractError."""
        told = base is None or isinstance(base, Stateful)
        return self.key_value(base if told else self.load(obj, base))

    def coerce(self, value: Any) -> Any:
        """Take an object, or a key, which the row keeps as JSON."""
        if value is None or self.accepts(value):
            return value
        if isinstance(value, Stateful):
            if isinstance(value, self.target):
                return value
            raise TypeError(
                f"{self} takes a {self.target.__name__}, its key or None, not {cut(value)}."
            )
        pk = self.target.__mapper__.pk
        with suppress(ValueError, TypeError):
            return pk.to_wire(pk.key_of(value))
        return value

    def value_in(self, row: dict[str, Any]) -> Any:
        """Return the key of the target."""
        return self.key_value(super().value_in(row))

    def shown(self, base: Any) -> Any:
        """Show a nested row by its key; an object, a key, None and what is malformed as they are."""
        with suppress(ValueError, TypeError):
            return self.key_value(base) if base.__class__ is dict else base
        return base

    def show(self, value: Any) -> Any:
        """Show the key; None while there is none."""
        wire = self.dump(value)
        return None if isinstance(wire, Pending) else wire

    def tolerant(self, wire: Any) -> Any:
        """Return what the server said, where the row holds the object that it leads to by now."""
        key = self.key_value(wire) if isinstance(wire, Stateful) else None
        return wire if key is None else self.target.__mapper__.pk.to_wire(key)

    def dump(self, value: Any) -> Any:
        """Return the target's key as JSON; Pending while the target is not on the server."""
        if value is None:
            return None
        pk = self.target.__mapper__.pk
        try:
            key = self.key_value(value)
        except (ValueError, TypeError):
            return value
        if key is None:
            return Pending(value, wire_key) if isinstance(value, Stateful) else value
        return pk.to_wire(key)

    def same(self, base: Any, value: Any) -> bool:
        if base is value and (value is None or isinstance(value, Stateful)):
            return True
        try:
            base, value = self.key_value(base), self.key_value(value)
        except (ValueError, TypeError):
            return False
        return base is not None and bool(base == value)

    def check(self, value: Any) -> list[str]:
        """Return what is wrong with a target or a key; validators see the key."""
        wire = self.dump(value)
        return [] if isinstance(wire, Pending) else super().check(wire)

    def refusal(self, wire: Any) -> str:
        return f"Not a {self.target.__name__}, nor the key of one: {self.told(wire)}."

    def faults(self, value: Any, wire: Any) -> list[str]:
        if isinstance(wire, dict):
            return [self.refusal(wire)]
        try:
            self.target.__mapper__.pk.key_of(wire)
        except (ValueError, TypeError):
            return [f"Not the key of a {self.target.__name__}: {self.told(wire)}."]
        return not_json(wire)

    def key_of(self, value: Any) -> Any:
        if isinstance(value, Stateful) and not isinstance(value, self.target):
            raise ValueError(f"{cut(value)} is no {self.target.__name__}")
        key = self.key_value(value)
        if key is None:
            raise ValueError(f"{value!r} has no key yet: it is not on the server")
        return key

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        return Converted(self, allow_none=self.null, **options)


def wire_key(obj: Any) -> Any:
    """Return the key that *obj* has got by now, as JSON. Raises ContractError where it has none."""
    mapper = type(obj).__mapper__
    key = mapper.key_in(obj._row)
    if key is None:  # null would be taken for "refers to nothing"
        raise ContractError(f"{obj!r} has no key: no answer has told it.")
    return mapper.pk.to_wire(key)


class HasMany(_Relation[T]):
    """The reverse of a ForeignKey: a manager, never a list.

    ``by`` names the ForeignKey of the other model. The target is taken from the annotation
    (``tasks: fields.HasMany["Task"] = ...``), or from ``to``. A constructor takes a list. To set it
    raises ReadOnlyFieldError.
    """

    #: The name of the other model's ForeignKey.
    by_name: str

    if TYPE_CHECKING:

        def __init__(
            self, to: str | type[T] | None = None, *, by: str, doc: str | None = None
        ) -> None: ...

        @overload  # type: ignore[override]
        def __get__(self, instance: None, owner: type) -> HasMany[T]: ...
        @overload
        def __get__(self, instance: object, owner: type | None = None) -> RelatedManager[T]: ...
        def __get__(self, instance: Any, owner: Any = None) -> Any: ...

    else:

        def __init__(self, to=None, *, by, doc=None):
            super().__init__(read_only=True, doc=doc)
            self._target = to
            self.by_name = by

    def bind(self, model: type, name: str, *, embedded: bool = False) -> None:
        if embedded:
            raise DeclarationError(f"{model.__name__}.{name}: an Embedded can't hold a HasMany.")
        super().bind(model, name)

    @property
    def by(self) -> Any:
        """The ForeignKey of the target that leads back. Raises DeclarationError if there is none."""
        target = self.target
        by = target.__mapper__.fields.get(self.by_name)
        if not isinstance(by, ForeignKey):
            raise DeclarationError(
                f"{self}: {target.__name__} has no ForeignKey named {self.by_name!r}."
            )
        return by

    def getter(self) -> Any:
        field = self

        def get(obj: Any) -> Any:
            return field.target.__mapper__.related_manager(obj, field)

        return get

    def guard(self, obj: Stateful, value: Any) -> None:
        raise ReadOnlyFieldError(
            f"{self} is a manager and can't be set; add objects with .create(...), or set "
            f"{self.by_name} on them"
            + (" (a list is taken by the constructor)." if is_new(obj) else ".")
        )


__all__ = ["ForeignKey", "HasMany"]
