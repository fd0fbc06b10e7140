"""The public names, and what a reference lacks of them.

A name is public when a public module has it, or when an object that a program is given is of its
class. A member is public when its name does not begin with an underscore; attributes that only
``__init__`` sets count as well. Fields of models stand in the tables that ``modelfields`` makes.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

#: Where programs, and authors of dialects, import from.
MODULES = (
    "objmapper",
    "objmapper.fields",
    "objmapper.signals",
    "objmapper.dialects",
    "objmapper.cvat",
    "objmapper.cvat.models",
    "objmapper.simvue",
    "objmapper.server",
)
#: What they are given, or hand over, and don't import.
GIVEN = {
    "objmapper.connection": ("Connection", "SessionClient"),
    "objmapper.cvat.annotated": ("AnnotationList", "Annotations"),
    "objmapper.cvat.annotation_verbs": ("Annotated",),
    "objmapper.cvat.background": ("Operation", "Owner", "RequestStatus"),
    "objmapper.cvat.data": ("LocalFile",),
    "objmapper.cvat.filling": ("Filled",),
    "objmapper.cvat.media": ("Framed", "Previewed"),
    "objmapper.cvat.repositories": ("Repository", "Users"),
    "objmapper.cvat.tasks": ("Tasks",),
    "objmapper.mapper": ("Mapper",),
    "objmapper.models": ("IdentityKey", "Inspection"),
    "objmapper.operation": (
        "Change Draft Fate Json Kind LeftOut Look Msgpack Multipart Operation Outcome Pending Plan Request "
        "Response Secret Settle Stream"
    ).split(),
    "objmapper.query": ("And", "Condition", "FetchMode", "Not", "Or", "Order", "Query", "Term"),
    "objmapper.queryset": ("ManagerOf", "RelatedManager"),
    "objmapper.report": ("CommitReport", "Entries", "Entry"),
    "objmapper.server.options": ("Options",),
    "objmapper.state": ("Lifecycle",),
    "objmapper.transport": ("Transport",),
    "objmapper.transport.policy": ("Policy",),
}
#: What a class statement makes; described where models and errors are.
_OF_MODELS = frozenset({"DoesNotExist", "MultipleObjectsReturned", "Meta"})


def names() -> Iterator[tuple[str, Any]]:
    """Yield every public name, dotted, with what it stands for."""
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            if not inspect.ismodule(getattr(module, name)) and name != "__version__":
                yield f"{module_name}.{name}", getattr(module, name)
    for module_name, given in GIVEN.items():
        module = importlib.import_module(module_name)
        for name in given:
            yield f"{module_name}.{name}", getattr(module, name)


def is_ours(thing: Any) -> bool:
    """Whether a class or a function is of this package."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] == "objmapper"


def members(cls: type) -> Iterator[str]:
    """Yield the names of the public members of a class, those that this package inherits among them."""
    fields = getattr(cls, "__fields__", {})
    seen: set[str] = set()
    for owner in cls.__mro__:
        if not is_ours(owner):
            continue
        declared = [*vars(owner), *vars(owner).get("__annotations__", {}), *_set_by_init(owner)]
        gone = {name for base in owner.__mro__ for name in getattr(base, "__fields__", ())}
        for name in declared:
            if name.startswith("_") or name in seen or name in fields or name in _OF_MODELS:
                continue
            if name in gone:  # a field of a parent's, taken away
                continue
            seen.add(name)
            yield name


def _set_by_init(cls: type) -> Iterator[str]:
    init = vars(cls).get("__init__")
    if not inspect.isfunction(init) or issubclass(cls, enum.Enum):
        return
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(init)))
    except (OSError, SyntaxError):  # made by dataclass or NamedTuple
        return
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name


def missing(documented: Iterable[str]) -> Iterator[str]:
    """Yield the public names that *documented*, the dotted names of a built reference, lacks."""
    known = set(documented)
    for dotted, thing in names():
        home = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
        if dotted not in known and home not in known:
            yield dotted
        elif inspect.isclass(thing):
            for name in members(thing):
                homes = [f"{cls.__module__}.{cls.__qualname__}.{name}" for cls in thing.__mro__]
                if known.isdisjoint([f"{dotted}.{name}", *homes]):
                    yield f"{dotted}.{name}"
