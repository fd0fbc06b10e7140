"""Field: one typed attribute of a model, and the expressions it makes on the class.

A field is a ``property`` whose getter and setter are closures: ``property`` calls them from C and
answers itself on the class, so ``Task.name == "x"`` needs nothing else. A subclass names its Python
type, its JSON types and its marshmallow field::

    class Celsius(fields.Float):
        def to_python(self, wire):
            return wire - 273.15

        def to_wire(self, value):
            return value + 273.15
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    Self,
    TypedDict,
    TypeVar,
    overload,
)

import marshmallow

from objmapper.exceptions import (
    ContractError,
    DeclarationError,
    FieldNotLoaded,
    ReadOnlyFieldError,
    ValidationError,
)
from objmapper.fields import access
from objmapper.query import Q, Term
from objmapper.state import Stateful, freeze, fresh, is_new, same, thaw

T = TypeVar("T")
Validator = Callable[[Any], Any]
MarshmallowType = Callable[..., marshmallow.fields.Field[Any]]
MISSING: Any = marshmallow.missing


class Options(TypedDict, total=False):
    """The keywords that every field takes, beside ``null``."""

    data_key: str  #: the name on the wire; default: the field's name
    write_key: str  #: the name on the wire when sent, where it differs
    read_only: bool  #: only the server sets it
    write_once: bool  #: settable until the object exists on the server
    write_only: bool  #: sent, never expected back, shown nowhere
    required: bool  #: must have a value when the object is created
    default: Any  #: the value of a new object: a value, or a callable without arguments
    validate: Validator | Iterable[Validator]  #: marshmallow validators
    primary_key: bool  #: the object's key
    generated: Literal["server", "client"]  #: who chooses the primary key; default: the server
    doc: str  #: the attribute's docstring


#: marshmallow fields that check the type of a value and nothing else, beside their validators.
_TYPE_IS_ALL = {
    marshmallow.fields.String: (str,),
    marshmallow.fields.Integer: (int,),
    marshmallow.fields.Boolean: (bool,),
    marshmallow.fields.Raw: (object,),
}

if TYPE_CHECKING:

    class _Descriptor(Generic[T]):
        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type | None = None) -> T: ...
        def __get__(self, instance: Any, owner: Any = None) -> Any: ...
        def __set__(self, instance: object, value: T) -> None: ...

else:

    class _Descriptor(property):
        # `fields.HasMany["Task"]` in an annotation; property is not generic at run time.
        __class_getitem__ = classmethod(types.GenericAlias)


class Field(_Descriptor[T]):
    """One typed attribute of a model."""

    #: A row's value of exactly this class needs no conversion.
    python_type: ClassVar[type] = object
    #: What JSON has for it; any other kind of value is an error, bool is never a number.
    wire_types: ClassVar[tuple[type, ...]] = (object,)
    #: The marshmallow field that validates it.
    marshmallow_type: ClassVar[MarshmallowType] = marshmallow.fields.Raw
    #: Whether values can change in place.
    mutable: ClassVar[bool] = False
    #: Whether the row keeps a converted value (an unconverted one is converted at each read).
    keeps: ClassVar[bool] = True
    #: Whether a value of the right class may be stored without more ado; a class that coerces,
    #: compares or guards in its own way is asked each time, unless it says otherwise.
    fast: bool = True

    _init: tuple[tuple[Any, ...], dict[str, Any]]
    name: str
    key: str
    write_key: str
    model: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "fast" not in vars(cls) and not {"coerce", "same", "guard"}.isdisjoint(vars(cls)):
            cls.fast = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        self._init = (args, kwargs)
        return self

    def __init__(
        self,
        *,
        null: bool = False,
        data_key: str | None = None,
        write_key: str | None = None,
        read_only: bool = False,
        write_once: bool = False,
        write_only: bool = False,
        required: bool = False,
        default: Any = MISSING,
        validate: Validator | Iterable[Validator] | None = None,
        primary_key: bool = False,
        generated: Literal["server", "client"] = "server",
        doc: str | None = None,
    ) -> None:
        if sum((read_only, write_once, write_only)) > 1:
            raise DeclarationError("read_only, write_once and write_only exclude each other.")
        if read_only and required:
            raise DeclarationError("A read_only field can't be required: only the server sets it.")
        if generated not in ("server", "client"):
            raise DeclarationError(f"generated is 'server' or 'client', not {generated!r}.")
        if isinstance(default, list | dict | set):
            raise DeclarationError(
                f"default={default!r} would be shared by all objects; give a callable, as "
                f"default={type(default).__name__} or default=lambda: {default!r}."
            )
        self.null = null
        self.data_key = data_key
        self.declared_write_key = write_key
        self.primary_key = primary_key
        self.generated = generated
        self.read_only = read_only or (primary_key and generated == "server")
        self.write_once = write_once or (primary_key and generated == "client")
        self.write_only = write_only
        self.required = required
        self.default = default
        self.validators = _validators(validate)
        self.doc = doc
        self.embedded = False

    # -- declaration ------------------------------------------------------------------------------

    def clone(self) -> Self:
        """Return an unbound copy, as each class gets of the fields it inherits."""
        args, kwargs = self._init
        return type(self)(*args, **kwargs)

    def bind(self, model: type, name: str, *, embedded: bool = False) -> None:
        """Make this the field *name* of *model*: its wire names and its closures."""
        self.model, self.name, self.embedded = model, name, embedded
        self.key = self.data_key or name
        self.write_key = self.declared_write_key or self.key
        fget, fset = self.getter(), self.setter()
        if not TYPE_CHECKING:
            property.__init__(self, fget, fset, None, self.doc)
            self.__doc__ = self.doc

    def getter(self) -> access.Reader:
        """Return the closure that reads."""
        if self.embedded:
            return access.embedded_reader(self)
        return access.mutable_reader(self) if self.mutable else access.reader(self)

    def setter(self) -> access.Writer:
        """Return the closure that writes."""
        if self.embedded:
            return access.embedded_writer(self)
        if self.guarded or self.mutable:
            return access.guarded_writer(self)
        return access.writer(self)

    @property
    def guarded(self) -> bool:
        """Whether setting it always takes the general path."""
        return self.read_only or self.write_once

    # -- values -----------------------------------------------------------------------------------

    @cached_property
    def plain(self) -> bool:
        """Whether Python's value is the JSON value itself."""
        return type(self).to_python is Field.to_python and type(self).to_wire is Field.to_wire

    def to_python(self, wire: Any) -> Any:
        """Return the Python value of a JSON value, never None. Raises ValueError or TypeError."""
        return wire

    def to_wire(self, value: Any) -> Any:
        """Return the JSON value of a Python value, never None."""
        return value

    def load(self, obj: Any, wire: Any) -> Any:
        """Convert what the server sent. Raises ContractError, naming object and field."""
        accepted = self.accepts(wire)
        if not (accepted or self.primary_key):
            raise ContractError(
                f"{obj!r}: the server sent {self.told(wire)} for {self.name!r}, which is declared as "
                f"{type(self).__name__}."
            )
        try:  # a key has one form, whichever it comes in
            return self.to_python(wire) if accepted else self.key_of(wire)
        except MALFORMED as error:
            raise ContractError(
                f"{obj!r}: the server sent {self.told(wire)} for {self.name!r}, which is declared as "
                f"{type(self).__name__}: {error}"
            ) from None

    def value_in(self, row: dict[str, Any]) -> Any:
        """Return the Python value in a row that becomes no object; a default where it lacks."""
        if self.key not in row:
            return self.make_default() if self.has_default else None
        wire = row[self.key]
        return None if wire is None else self.load(_Row(self.model), wire)

    def accepts(self, wire: Any) -> bool:
        """Whether a JSON value is of a kind that this field reads."""
        if wire.__class__ is bool:
            return bool in self.wire_types or object in self.wire_types
        return isinstance(wire, self.wire_types)

    def tolerant(self, wire: Any) -> Any:
        """Convert what the server sent, or return it as it is when it is malformed."""
        converted = wire.__class__ is self.python_type and not self.mutable
        if wire is None or converted or not self.accepts(wire):
            return wire
        try:
            return self.to_python(wire)
        except (ValueError, TypeError, ArithmeticError, LookupError):
            return wire

    def coerce(self, value: Any) -> Any:
        """Return what the row keeps of a value that the user sets; validation comes later."""
        return value

    def dump(self, value: Any) -> Any:
        """Return the JSON value of what a row holds, converted already or not."""
        if value is None or not isinstance(value, self.python_type):
            return value
        return self.to_wire(value)

    def to_row(self, value: Any) -> Any:
        """Return the JSON of a value as rows have it: unlike ``dump``, with what is never sent."""
        return self.dump(value)

    def same(self, base: Any, value: Any) -> bool:
        """Whether *value* is no change of *base*; a mutable one is compared by what would be sent.

        The base of a mutable value is JSON.
        """
        if not self.mutable:
            return base.__class__ is value.__class__ and bool(base == value)
        if not self.plain:
            base = self.tolerant(thaw(freeze(base)))  # a copy, which it takes over
        return same(self.dump(base), self.dump(value))

    def shown(self, base: Any) -> Any:
        """Return what ``changes`` shows of the value that the server has."""
        return base

    def key_of(self, value: Any) -> Any:
        """Return the normalised form of a value that serves as a key: ``"42"`` and 42 are one."""
        return value

    # -- setting ----------------------------------------------------------------------------------

    def guard(self, obj: Stateful, value: Any) -> None:
        """Refuse what may not be set. Raises ReadOnlyFieldError, or ValidationError if asked to."""
        if self.read_only:
            raise ReadOnlyFieldError(f"{self} is read-only: only the server sets it.")
        if self.write_once and not is_new(obj):
            raise ReadOnlyFieldError(
                f"{self} can be set until the object exists on the server; {obj!r} does."
            )
        if self.model.__mapper__.validate_assignment:
            messages = self.check(self.dump(self.coerce(value)))
            if messages:
                raise ValidationError.of([(obj, self.name, messages)])

    @property
    def has_default(self) -> bool:
        return self.default is not MISSING

    def make_default(self) -> Any:
        """Return the value that a new object gets."""
        return self.default() if callable(self.default) else self.default

    def unset(self, obj: Any) -> Any:
        """Return what a new object has where nothing was set."""
        if self.has_default:
            return fresh(obj, self, self.make_default())
        if self.null or self.primary_key:
            return None
        raise FieldNotLoaded(f"{self} has no value yet: it was never set, and has no default.")

    def read_embedded(self, obj: Any, value: Any) -> Any:
        """Read a value of an embedded object that is not converted yet."""
        if value is MISSING:
            if self.has_default:
                value = obj._row[self.key] = self.make_default()
                return value
            if self.null:
                return None
            raise FieldNotLoaded(f"{self} has no value: the server's answer lacks {self.key!r}.")
        if value is None:
            return None
        converted = self.load(obj, value)
        if self.keeps:
            obj._row[self.key] = converted
        return converted

    # -- validation -------------------------------------------------------------------------------

    def check(self, wire: Any) -> list[str]:
        """Return what is wrong with a JSON value that would be sent; [] when it is valid."""
        if wire is None:
            return [] if self.null else ["May not be null."]
        if not self.accepts(wire):
            return [f"Not a valid {type(self).__name__.lower()}: {_cut(wire)}."]
        if self._checker is None:
            return []
        try:
            self._checker.deserialize(wire)
        except marshmallow.ValidationError as error:
            return _flat(error.messages)
        return []

    @cached_property
    def _checker(self) -> marshmallow.fields.Field[Any] | None:
        """The marshmallow field for what ``accepts`` leaves open; None where that is nothing."""
        found = self.marshmallow_field()
        settled = _TYPE_IS_ALL.get(type(found)) == self.wire_types
        return None if settled and not found.validators else found

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        """Return the marshmallow field that says the same."""
        return self.marshmallow_type(
            allow_none=self.null, validate=self.validators or None, **options
        )

    # -- expressions ------------------------------------------------------------------------------

    def __eq__(self, other: object) -> Q:  # type: ignore[override]
        return self._term("isnull", True) if other is None else self._term("exact", other)

    def __ne__(self, other: object) -> Q:  # type: ignore[override]
        return ~(self == other)

    def __gt__(self, other: Any) -> Q:
        return self._term("gt", other)

    def __ge__(self, other: Any) -> Q:
        return self._term("gte", other)

    def __lt__(self, other: Any) -> Q:
        return self._term("lt", other)

    def __le__(self, other: Any) -> Q:
        return self._term("lte", other)

    def in_(self, values: Iterable[Any]) -> Q:
        """Return the condition that the field is one of *values*."""
        return self._term("in", list(values))

    def contains(self, value: Any) -> Q:
        return self._term("contains", value)

    def icontains(self, value: Any) -> Q:
        return self._term("icontains", value)

    def startswith(self, value: str) -> Q:
        return self._term("startswith", value)

    def endswith(self, value: str) -> Q:
        return self._term("endswith", value)

    def regex(self, value: str) -> Q:
        return self._term("regex", value)

    def between(self, low: Any, high: Any) -> Q:
        """Return the condition that the field lies from *low* to *high*, both included."""
        return self._term("range", (low, high))

    def is_null(self, value: bool = True) -> Q:
        return self._term("isnull", value)

    def _term(self, lookup: str, value: Any) -> Q:
        return Q(Term(f"{self.name}__{lookup}", value, self.model))

    # Fields are compared by identity where they are keys: `==` makes an expression.
    __hash__ = object.__hash__

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __str__(self) -> str:
        model = getattr(self, "model", None)
        return f"{model.__name__}.{self.name}" if model else f"an unbound {type(self).__name__}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class _Row:
    """Stands in messages for a row that has no object."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __repr__(self) -> str:
        return f"a row of {self._model.__name__}"


def _validators(validate: Validator | Iterable[Validator] | None) -> list[Validator]:
    if validate is None:
        return []
    if callable(validate):
        return [validate]
    return list(validate)


def _flat(messages: Any) -> list[str]:
    """Return marshmallow's nested messages as a flat list."""
    if isinstance(messages, dict):
        return [f"{key}: {text}" for key, inner in messages.items() for text in _flat(inner)]
    if isinstance(messages, list):
        return [text for inner in messages for text in _flat(inner)]
    return [str(messages)]


def _cut(value: Any, width: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


__all__ = ["MISSING", "Field", "MarshmallowType", "Options", "Validator"]
