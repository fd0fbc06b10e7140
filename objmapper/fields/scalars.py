"""Fields of one value: numbers, text, choices."""

from __future__ import annotations

import decimal
import enum
import inspect
import uuid
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, Unpack, overload

import marshmallow

from objmapper.exceptions import DeclarationError, cut
from objmapper.fields.base import Field, Options
from objmapper.fields.checking import WIDEST, MarshmallowType, is_unicode, not_json

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    Int = DefaultTypeVar("Int", default=int)
    Flt = DefaultTypeVar("Flt", default=float)
    Dec = DefaultTypeVar("Dec", default=decimal.Decimal)
    Bool = DefaultTypeVar("Bool", default=bool)
    Str = DefaultTypeVar("Str", default=str)
    Uid = DefaultTypeVar("Uid", default=uuid.UUID)
else:  # no run-time dependency for the defaults that only checkers read
    Int = Flt = Dec = Bool = Str = Uid = TypeVar("Value")

V = TypeVar("V")
E = TypeVar("E", bound=enum.Enum)


def _outside() -> int:
    """Return the stack level of the code that called into this package."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith("objmapper."):
        frame, level = frame.f_back, level + 1
    return level


class Integer(Field[Int]):
    """A whole number.

    True, 1.0 and "1" are none, neither from the server nor set; as a primary key "42" is 42.
    """

    python_type = int
    wire_types = (int,)
    marshmallow_type = staticmethod(
        lambda **options: marshmallow.fields.Integer(strict=True, **options)
    )

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Integer[int], *, null: Literal[False] = False, **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: Integer[int | None], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(self, *, null: bool, **options: Unpack[Options]) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def faults(self, value: Any, wire: Any) -> list[str]:
        return not_json(wire) or super().faults(value, wire)

    def key_of(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError(f"{cut(value)} is no key of {self}: it takes whole numbers")
        key = int(value)
        if key.bit_length() > WIDEST:
            raise ValueError(f"a number of so many digits is no key of {self}")
        return key


class Float(Field[Flt]):
    """A number with a fraction; a whole number on the wire reads as a float."""

    python_type = float
    keeps = True  # to convert a float again changes nothing
    fast = False  # NaN is not equal to itself, and is no change all the same
    wire_types = (float, int)
    marshmallow_type = marshmallow.fields.Float

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Float[float], *, null: Literal[False] = False, **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: Float[float | None], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(self, *, null: bool, **options: Unpack[Options]) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def to_python(self, wire: Any) -> Any:
        return float(wire)

    def coerce(self, value: Any) -> Any:
        return float(value) if value.__class__ is int and abs(value) < 2**53 else value


class Decimal(Field[Dec]):
    """An exact number, decimal.Decimal: sent as a string, read from a string or a number.

    NaN and infinity are none.
    """

    python_type = decimal.Decimal
    wire_types = (str, int, float)
    fast = True
    marshmallow_type = staticmethod(
        lambda **options: marshmallow.fields.Decimal(allow_nan=False, **options)
    )

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Decimal[decimal.Decimal],
            *,
            null: Literal[False] = False,
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Decimal[decimal.Decimal | None],
            *,
            null: Literal[True],
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(self, *, null: bool, **options: Unpack[Options]) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def to_python(self, wire: Any) -> Any:
        found = decimal.Decimal(str(wire))
        if not found.is_finite():
            raise ValueError("not a finite number")
        return found

    def to_wire(self, value: Any) -> Any:
        return str(value)

    def coerce(self, value: Any) -> Any:
        if isinstance(value, decimal.Decimal) and value.is_snan():
            return decimal.Decimal("NaN")  # a signalling one raises wherever it is compared
        return self.tolerant(value)

    @property
    def guarded(self) -> bool:
        return True


class Boolean(Field[Bool]):
    """True or False; 0, 1 and "true" are neither."""

    python_type = bool
    wire_types = (bool,)
    marshmallow_type = marshmallow.fields.Boolean

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Boolean[bool], *, null: Literal[False] = False, **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: Boolean[bool | None], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(self, *, null: bool, **options: Unpack[Options]) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...


class String(Field[Str]):
    """Text: str. What has a lone surrogate can't be sent, and validation says so."""

    python_type = str
    wire_types = (str,)
    marshmallow_type: ClassVar[MarshmallowType] = marshmallow.fields.String

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: String[str], *, null: Literal[False] = False, **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: String[str | None], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(self, *, null: bool, **options: Unpack[Options]) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def faults(self, value: Any, wire: Any) -> list[str]:
        wrong = [] if wire.isascii() else not_json(wire)
        return wrong or super().faults(value, wire)

    def key_of(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(f"{cut(value)} is no key of {self}: it takes text")
        key = str(value)
        if not is_unicode(key):
            raise ValueError(f"{cut(value)} is no key of {self}: it has a lone surrogate")
        return key


class URL(String[Str]):
    """An absolute URL, as text; http, https, ftp and ftps, also of hosts without a dot."""

    marshmallow_type = staticmethod(
        lambda **options: marshmallow.fields.Url(require_tld=False, **options)
    )

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: URL[str], *, null: Literal[False] = False, **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: URL[str | None], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(self, *, null: bool, **options: Unpack[Options]) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...


class Email(String[Str]):
    """An e-mail address, as text."""

    marshmallow_type = marshmallow.fields.Email

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Email[str], *, null: Literal[False] = False, **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: Email[str | None], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(self, *, null: bool, **options: Unpack[Options]) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...


class UUID(Field[Uid]):
    """A UUID, sent in its canonical form; text that is one may be set."""

    python_type = uuid.UUID
    wire_types = (str,)
    fast = True
    marshmallow_type = marshmallow.fields.UUID

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: UUID[uuid.UUID], *, null: Literal[False] = False, **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self: UUID[uuid.UUID | None], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(self, *, null: bool, **options: Unpack[Options]) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def to_python(self, wire: Any) -> Any:
        return uuid.UUID(wire)

    def to_wire(self, value: Any) -> Any:
        return str(value)

    def coerce(self, value: Any) -> Any:
        return self.tolerant(value)


class Enum(Field[V]):
    """One of the members of an ``enum.Enum``, by value.

    A value that the enum does not know reads as the raw value, with one warning per value; to set
    one does not pass validation. A member, or its value, may be set. Raises DeclarationError for what
    is no enum.
    """

    wire_types = (str, int, float)
    keeps = fast = True
    #: The enum.
    of: type[enum.Enum]
    #: Its members by value.
    members: dict[Any, enum.Enum]
    #: The values of the server that were warned of.
    warned: set[Any]

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Enum[E],
            of: type[E],
            *,
            null: Literal[False] = False,
            **options: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Enum[E | None], of: type[E], *, null: Literal[True], **options: Unpack[Options]
        ) -> None: ...
        def __init__(self, of: Any, *, null: bool = False, **options: Any) -> None: ...

    else:

        def __init__(self, of, **options):
            super().__init__(**options)
            if not (isinstance(of, type) and issubclass(of, enum.Enum)):
                raise DeclarationError(f"Enum takes an enum.Enum class, not {of!r}.")
            self.of = of
            self.python_type = of
            self.members = {member.value: member for member in of}
            self.warned = set()

    def to_python(self, wire: Any) -> Any:
        member = self.members.get(wire)
        if member is not None:
            return member
        if wire not in self.warned:
            self.warned.add(wire)
            known = ", ".join(map(repr, self.members))
            warnings.warn(
                f"{self} is {wire!r} on the server, which {self.of.__name__} does not know "
                f"({known}); it reads as the raw value.",
                stacklevel=_outside(),
            )
        return wire

    def to_wire(self, value: Any) -> Any:
        return value.value

    def coerce(self, value: Any) -> Any:
        return self.members.get(value, value) if isinstance(value, self.wire_types) else value

    def tolerant(self, wire: Any) -> Any:
        return self.coerce(wire)

    def refusal(self, wire: Any) -> str:
        return f"Not one of {', '.join(map(repr, self.members))}: {self.told(wire)}."

    def faults(self, value: Any, wire: Any) -> list[str]:
        return [] if wire in self.members else [self.refusal(wire)]

    def marshmallow_field(self, **options: Any) -> marshmallow.fields.Field[Any]:
        return marshmallow.fields.Enum(self.of, by_value=True, allow_none=self.null, **options)


class Raw(Field[V]):
    """Any JSON value, as it is; changes inside it are found."""

    mutable = True

    def inside(self, key: str) -> Field[Any]:
        found: Raw[Any] = Raw()
        found.write_only = self.write_only
        found.bind(self.model, key, embedded=True)
        return found

    def faults(self, value: Any, wire: Any) -> list[str]:
        return not_json(wire)

    if TYPE_CHECKING:

        def __init__(self: Raw[Any], *, null: bool = False, **options: Unpack[Options]) -> None: ...


__all__ = [
    "URL",
    "UUID",
    "Boolean",
    "Decimal",
    "Email",
    "Enum",
    "Float",
    "Integer",
    "Raw",
    "String",
]
