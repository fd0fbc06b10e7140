"""Value classes: the request models of CVAT's own SDK, as dicts whose names are checked.

``models.TaskWriteRequest(name="t")`` is a dict, so it is taken wherever one is. The names are those
of cvat-sdk 2.80.0; what the server does not know is refused when it is made. Values are checked
where any dict's are: by the object that is made of it, or by the server.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, dataclass_transform

from objmapper.cvat.base import plain
from objmapper.exceptions import FieldDoesNotExist

#: What a name without a value has; it never is a value itself.
UNSET: Any = inspect.Parameter.empty
Items = Sequence[Mapping[str, Any]]


class ShapeType(enum.StrEnum):
    """What a shape is drawn as."""

    RECTANGLE = "rectangle"
    POLYGON = "polygon"
    POLYLINE = "polyline"
    POINTS = "points"
    ELLIPSE = "ellipse"
    CUBOID = "cuboid"
    MASK = "mask"
    SKELETON = "skeleton"


class LabelType(enum.StrEnum):
    """What a label is put on; ``INTERVAL`` is newer than 2.15."""

    ANY = "any"
    CUBOID = "cuboid"
    ELLIPSE = "ellipse"
    MASK = "mask"
    POINTS = "points"
    POLYGON = "polygon"
    POLYLINE = "polyline"
    RECTANGLE = "rectangle"
    SKELETON = "skeleton"
    INTERVAL = "interval"
    TAG = "tag"


class InputType(enum.StrEnum):
    """How the value of an attribute is given."""

    CHECKBOX = "checkbox"
    RADIO = "radio"
    NUMBER = "number"
    TEXT = "text"
    SELECT = "select"


class SortingMethod(enum.StrEnum):
    """In which order the files of a task become its frames."""

    LEXICOGRAPHICAL = "lexicographical"
    NATURAL = "natural"
    PREDEFINED = "predefined"
    RANDOM = "random"


class _Entry:
    """Reads one name of a value class."""

    def __init__(self, name: str) -> None:
        self.entry_of = name

    def __get__(self, value: Any, owner: type) -> Any:
        if value is None:
            return self
        try:
            return value[self.entry_of]
        except KeyError:
            raise AttributeError(f"{owner.__name__}.{self.entry_of} was not set.") from None


@dataclass_transform(kw_only_default=True)
class Value(dict[str, Any]):
    """A dict of the names that one kind of request has; the parent of all value classes.

    >>> from objmapper.cvat import models
    >>> spec = models.TaskWriteRequest(name="t")
    >>> spec.name, spec == {"name": "t"}, hasattr(spec, "project_id")
    ('t', True, False)

    What is not set is not there: reading it raises AttributeError. A name that the request lacks is
    refused with FieldDoesNotExist, a missing one that it needs with TypeError.
    """

    #: The names that it knows, and which of them it needs.
    __fields__: ClassVar[Mapping[str, bool]] = {}

    def __init_subclass__(cls) -> None:
        known = dict(cls.__fields__)
        for name in inspect.get_annotations(cls):
            known[name] = name not in vars(cls)
            setattr(cls, name, _Entry(name))
        cls.__fields__ = known

    def __init__(self, **values: Any) -> None:
        super().__init__()
        for name, value in values.items():
            self[name] = value
        lacking = [name for name, needed in self.__fields__.items() if needed and name not in self]
        if lacking:
            raise TypeError(f"{type(self).__name__} needs {', '.join(lacking)}.")

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self.__fields__:
            raise FieldDoesNotExist.of(type(self).__name__, name, self.__fields__)
        if value is not UNSET:
            super().__setitem__(name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dict, all value classes in it plain dicts as well."""
        return plain(self)

    def __dir__(self) -> list[str]:
        return [*{*super().__dir__(), *self.__fields__}]

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.items())
        return f"{type(self).__name__}({told})"


__all__ = [
    "InputType",
    "LabelType",
    "ShapeType",
    "SortingMethod",
    "Value",
]
