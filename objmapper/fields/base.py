"""Field: one typed attribute of a model, and the expressions it makes on the class.

A field is a ``property`` whose getter and setter are closures: ``property`` calls them from C and
answers itself on the class, so ``Task.name == "x"`` needs nothing else. A subclass names its Python
type, its JSON types and its marshmallow field::

    class Celsius(fields.Float):
        def to_python(self, wire):
            return wire - 273.15

        def to_wire(self, value):
            return value + 273.15

A value goes through three forms: JSON as it travels, what the row keeps (the Python value where the
class keeps conversions), and the Python value that users see.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
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
    cut,
)
from objmapper.fields import access
from objmapper.fields.checking import (
    MALFORMED,
    Converted,
    MarshmallowType,
    Validator,
    checker,
    refused,
    validators,
)
from objmapper.fields.expressions import Expressions
from objmapper.operation import MASK
from objmapper.state import Stateful, copied, fresh, is_new, same

T = TypeVar("T")
MISSING: Any = marshmallow.missing


class Options(TypedDict, total=False):
    """The keywords that every field takes, beside ``null``."""

    data_key: str  #: The name in JSON; the field's name by default.
    write_key: str  #: The name in the JSON that is sent, where it differs from ``data_key``.
    read_only: bool  #: Whether only the server sets it.
    write_once: bool  #: Whether it is settable only until the object exists on the server.
    write_only: bool  #: Whether it is sent, never expected back, and shown nowhere.
    required: bool  #: Whether it must have a value when the object is created.
    default: Any  #: The value of a new object: a value, or a callable without arguments.
    validate: Validator | Iterable[Validator]  #: A validator of marshmallow's kind, or several.
    primary_key: bool  #: Whether it is the object's key.
    generated: Literal["server", "client"]  #: Who chooses the primary key; the server by default.
    doc: str  #: The attribute's docstring.


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


class Field(Expressions, _Descriptor[T]):
    """One typed attribute of a model; the parent of all kinds of fields.

    Its keywords are ``null`` and those of ``Options``. Raises DeclarationError for keywords that
    exclude each other, and for a default that all objects would share.
    """

    #: A row's value of exactly this class needs no conversion.
    python_type: ClassVar[type] = object
    #: What JSON has for it; any other kind of value is an error, bool is never a number.
    wire_types: ClassVar[tuple[type, ...]] = (object,)
    #: The marshmallow field that validates it.
    marshmallow_type: ClassVar[MarshmallowType] = marshmallow.fields.Raw
    #: Whether values can change in place.
    mutable: ClassVar[bool] = False
    #: Whether the row keeps converted values. Where JSON is of the class that it converts to, the two
    #: can't be told apart: then the row keeps JSON, and each read converts it.
    keeps: ClassVar[bool] = True
    #: Whether a value of the right class may be stored without more ado; a class that coerces,
    #: compares or guards in its own way is asked each time, unless it says otherwise.
    fast: bool = True

    _init: tuple[tuple[Any, ...], dict[str, Any]]
    #: The name in JSON.
    key: str
    #: The name in the JSON that is sent.
    write_key: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "fast" not in vars(cls) and not {"coerce", "same", "guard"}.isdisjoint(vars(cls)):
            cls.fast = False
        if "keeps" not in vars(cls) and "to_python" in vars(cls):
            cls.keeps = not any(issubclass(kind, cls.python_type) for kind in cls.wire_types)

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
        if isinstance(default, list | dict | set) or hasattr(type(default), "__embedded__"):
            raise DeclarationError(
                f"default={default!r} would be shared by all objects; give a callable, as "
                f"default={type(default).__name__} or default=lambda: {default!r}."
            )
        #: Whether it may be None.
        self.null: bool = null
        #: The name in JSON that was declared, or None.
        self.data_key: str | None = data_key
        #: The name in the JSON that is sent that was declared, or None.
        self.declared_write_key: str | None = write_key
        #: Whether it is the object's key.
        self.primary_key: bool = primary_key
        #: Who chooses the primary key: "server" or "client".
        self.generated: Literal["server", "client"] = generated
        #: Whether only the server sets it.
        self.read_only: bool = read_only or (primary_key and generated == "server")
        #: Whether it is settable only until the object exists on the server.
        self.write_once: bool = write_once or (primary_key and generated == "client")
        #: Whether it is sent and never expected back.
        self.write_only: bool = write_only
        #: Whether it must have a value when the object is created.
        self.required: bool = required
        #: The value of a new object, or a callable that makes it; MISSING without one.
        self.default: Any = default
        #: What checks its values, beside its type.
        self.validators: list[Validator] = validators(validate)
        #: The attribute's docstring, or None.
        self.doc: str | None = doc
        #: Whether it is a value object's.
        self.embedded: bool = False

    # -- declaration ------------------------------------------------------------------------------

    def clone(self) -> Self:
        """Return an unbound copy, as each class gets of the fields it inherits."""
        args, kwargs = self._init
        return type(self)(*args, **kwargs)

    def bind(self, model: type, name: str, *, embedded: bool = False) -> None:
        """Make this the field *name* of *model*: its wire names and its closures.

        Raises DeclarationError for values that change in place and can't be told from JSON.
        """
        if self.mutable and not self.keeps:
            raise DeclarationError(
                f"{model.__name__}.{name}: values of {type(self).__name__} change in place, so they must "
                "be told from JSON: give it a python_type of its own, or say keeps = True if "
                "converting twice does no harm."
            )
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
        if self.guarded or self.mutable or not self.keeps:
            return access.guarded_writer(self)
        return access.writer(self)

    @cached_property
    def hides(self) -> bool:
        """Whether its values are secrets, or hold some."""
        return self.write_only

    #: Whether its values may hold objects in the place of keys that are not known yet.
    refers: bool = False

    @property
    def guarded(self) -> bool:
        """Whether setting it always takes the general path."""
        return self.read_only or self.write_once

    # -- values -----------------------------------------------------------------------------------

    @cached_property
    def plain(self) -> bool:
        """Whether what the row keeps is the JSON value itself."""
        cls = type(self)
        return not self.keeps or (cls.to_python is Field.to_python and cls.to_wire is Field.to_wire)

    @cached_property
    def as_is(self) -> bool:
        """Whether a row's value is what is sent and shown as well: no conversion, nothing to hide."""
        cls, names = type(self), ("to_python", "to_wire", "dump", "shown")
        converts = any(getattr(cls, name) is not getattr(Field, name) for name in names)
        return not (converts or self.mutable or self.hides)

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

    def told(self, value: Any) -> str:
        """Return a value as messages show it; a secret is masked."""
        return MASK if self.write_only else cut(value)

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
        """Return what the row keeps of JSON; what is malformed is kept as it is."""
        converted = wire.__class__ is self.python_type and not self.mutable
        if wire is None or not self.keeps or converted or not self.accepts(wire):
            return wire
        try:
            return self.to_python(wire)
        except MALFORMED:
            return wire

    def coerce(self, value: Any) -> Any:
        """Return the Python value that is meant by one that the user sets; validation comes later."""
        return value

    def store(self, value: Any) -> Any:
        """Return what the row keeps of a value that the user sets."""
        value = self.coerce(value)
        if self.keeps or value is None:
            return value
        try:
            return self.to_wire(value)
        except MALFORMED:
            return value

    def dump(self, value: Any) -> Any:
        """Return the JSON value of what a row keeps, converted already or not."""
        if value is None or self.plain or not isinstance(value, self.python_type):
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
            if base.__class__ is not value.__class__:
                return False
            return bool(base == value or (base != base and value != value))  # NaN is NaN again
        if not self.plain:
            base = self.tolerant(copied(base))  # which it takes over
        return same(self.dump(base), self.dump(value))

    def shown(self, value: Any) -> Any:
        """Return what ``changes`` shows of a value that the row keeps, or of a base: a copy of it."""
        if self.mutable:
            return self.tolerant(copied(self.to_row(value)))
        if self.keeps or value is None or not self.accepts(value):
            return value
        try:
            return self.to_python(value)
        except MALFORMED:
            return value

    def show(self, value: Any) -> Any:
        """Return what ``to_dict`` shows: JSON of its own, with field names and without secrets."""
        wire = self.dump(value)
        return copied(wire) if self.mutable else wire

    def forget(self, value: Any) -> None:
        """Take the secrets out of a value that the server has got."""

    def key_of(self, value: Any) -> Any:
        """Return the normalised form of a value that serves as a key: ``"42"`` and 42 are one.

        Raises ValueError for what is none.
        """
        found = self.tolerant(value)
        if self.keeps and not isinstance(found, self.python_type):
            raise ValueError(f"{cut(value)} is no key of {self}")
        return found

    def inside(self, key: str) -> Field[Any] | None:
        """Return the field of what *key* leads to inside a value, None where nothing does."""
        return None

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
            messages = self.check(self.store(value))
            if messages:
                raise ValidationError.of([(obj, self.name, messages)])

    @property
    def has_default(self) -> bool:
        """Whether a new object has a value without being given one."""
        return self.default is not MISSING

    def make_default(self) -> Any:
        """Return the value that a new object gets."""
        return self.coerce(self.default() if callable(self.default) else self.default)

    def unset(self, obj: Any) -> Any:
        """Return what a new object has where nothing was set. Raises FieldNotLoaded."""
        if self.has_default:
            return fresh(obj, self, self.make_default())
        if self.null or self.primary_key:
            return None
        raise FieldNotLoaded(f"{self} has no value yet: it was never set, and has no default.")

    def read_embedded(self, obj: Any, value: Any) -> Any:
        """Read a value of an embedded object that is not converted yet.

        Raises FieldNotLoaded where there is none, ContractError for one that is malformed.
        """
        if value is MISSING:
            if self.has_default:
                return obj.__embedded__.fresh(obj, self, self.make_default())
            if self.null:
                return None
            if obj._new:
                return self.unset_embedded(obj)
            raise FieldNotLoaded(f"{self} has no value: the server's answer lacks {self.key!r}.")
        if value is None or self.is_users_own(value):
            return value
        converted = self.load(obj, value)
        if self.keeps:
            obj._row[self.key] = converted
        return converted

    def unset_embedded(self, obj: Any) -> Any:
        """Return what a new value object has where nothing was set. Raises FieldNotLoaded."""
        raise FieldNotLoaded(f"{self} has no value yet: it was never set, and has no default.")

    def is_users_own(self, value: Any) -> bool:
        """Whether a value can't be the server's: a Python value of a subclass, kept as it is."""
        own = isinstance(value, self.python_type) and not isinstance(value, bool)
        return self.keeps and own and not self.accepts(value)

    # -- validation -------------------------------------------------------------------------------

    def check(self, value: Any) -> list[str]:
        """Return what is wrong with a value of a row that would be sent; [] when it is valid.

        Validators see the Python value.
        """
        wire = self.dump(value)
        if wire is None:
            return [] if self.null else ["May not be null."]
        if not self.accepts(wire):
            return [self.refusal(wire)]
        found = self.faults(value, wire)
        if found or not self.validators:
            return found
        seen = value if self.keeps else self.to_python(wire)
        return [text for validator in self.validators for text in refused(validator, seen)]

    def refusal(self, wire: Any) -> str:
        """Return what is said of a value that is of the wrong type."""
        return f"Not a valid {type(self).__name__.lower()}: {self.told(wire)}."

    def faults(self, value: Any, wire: Any) -> list[str]:
        """Return what is wrong with a value whose JSON is of the right type, validators aside."""
        return [] if self._checker is None else refused(self._checker.deserialize, wire)

    @cached_property
    def _checker(self) -> marshmallow.fields.Field[Any] | None:
        return checker(self)

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        """Return the marshmallow field that says the same; it has the validators that it is given."""
        if not self.keeps:
            return Converted(self, allow_none=self.null, **options)
        return self.marshmallow_type(allow_none=self.null, **options)

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


__all__ = ["MISSING", "Field", "MarshmallowType", "Options", "Validator"]
