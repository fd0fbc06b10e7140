"""What a class statement says: its options, its fields, and every mistake told at once.

``ModelMeta`` and ``EmbeddedMeta`` read class bodies through these functions.
"""

from __future__ import annotations

import re
import types
from typing import Any

from objmapper.exceptions import DeclarationError, near_misses
from objmapper.fields import Field, HasMany

#: Names that every object has; a server's field of such a name is declared with an underscore.
RESERVED = frozenset(
    "objects commit delete refresh revert validate to_dict changes extra Schema Meta "
    "DoesNotExist MultipleObjectsReturned pk".split()
)

#: The options of ``class Meta`` and their defaults.
OPTIONS: dict[str, Any] = {
    "abstract": False,
    "endpoint": None,
    "ordering": (),
    "natural_key": (),
    "version": None,
    "version_field": None,
    "registry": None,
    "keyless": False,
    "singleton": False,
    "polymorphic_on": None,
    "polymorphic_identity": None,
    "validate_assignment": False,
    "dialect_options": None,
}
#: Options that speak of one class only and are not inherited.
OWN = ("abstract", "polymorphic_identity", "singleton", "keyless")


def slots(name: str, namespace: dict[str, Any]) -> None:
    """Give a class body its empty ``__slots__``. Raises DeclarationError for declared ones."""
    if namespace.get("__slots__"):
        raise DeclarationError(
            f"{name} declares __slots__ = {namespace['__slots__']!r}: objects keep nothing beside "
            "their fields. Declare a field, or keep the value elsewhere (a WeakKeyDictionary)."
        )
    namespace["__slots__"] = ()


def refuse_dict(cls: type) -> None:
    """Refuse a class whose objects have a ``__dict__``: any misspelt name would pass."""
    if cls.__dictoffset__ == 0:
        return
    culprits = [
        base.__name__
        for base in cls.__mro__[1:]
        if base.__dictoffset__ != 0 and "__slots__" not in vars(base)
    ]
    raise DeclarationError(
        f"{cls.__name__} would get a __dict__ from {', '.join(culprits) or 'a base'}, and then a "
        "misspelt attribute would pass unnoticed. Say `__slots__ = ()` in that mixin, or make it "
        "an abstract model (class Meta: abstract = True)."
    )


def own_fields(name: str, namespace: dict[str, Any]) -> dict[str, Field[Any]]:
    """Take the fields out of a class body. Raises DeclarationError for reserved names."""
    found: dict[str, Field[Any]] = {}
    annotations = namespace.get("__annotations__", {})
    for key, value in list(namespace.items()):
        if not isinstance(value, Field):
            if isinstance(value, type) and issubclass(value, Field):
                raise DeclarationError(
                    f"{name}.{key} = {value.__name__}: call it, {value.__name__}()."
                )
            continue
        if key in RESERVED:
            raise DeclarationError(
                f"{name}.{key}: the name is reserved on objects. Declare it as "
                f'`{key}_ = fields.{type(value).__name__}(data_key="{key}")`.'
            )
        if key.startswith("_") or "__" in key:
            raise DeclarationError(
                f"{name}.{key}: field names neither begin with an underscore nor hold two in a row "
                "(lookups are split there); use data_key for the wire name."
            )
        if isinstance(value, HasMany) and value._target is None:
            value = value.clone()
            value._target = target_of(name, key, annotations.get(key))
            value._init = ((value._target,), value._init[1])
        del namespace[key]
        found[key] = value
    return found


def target_of(name: str, key: str, annotation: Any) -> Any:
    """Return the target that ``tasks: fields.HasMany["Task"]`` names."""
    if isinstance(annotation, types.GenericAlias):
        target = annotation.__args__[0]
        return getattr(target, "__forward_arg__", target)
    match = re.search(r"HasMany\[\s*[\"']?([\w.]+)[\"']?\s*\]", str(annotation))
    if match is None:
        raise DeclarationError(
            f"{name}.{key}: which model? Annotate it, "
            f'`{key}: fields.HasMany["Task"] = fields.HasMany(by=...)`, or name it first.'
        )
    return match[1].rpartition(".")[2]


def inherited_fields(bases: tuple[type, ...]) -> dict[str, Field[Any]]:
    """Return copies of the fields of all bases, in the order of their declaration."""
    found: dict[str, Field[Any]] = {}
    for base in reversed(bases):
        for name, field in getattr(base, "__fields__", {}).items():
            found[name] = field.clone()
    return found


def options(name: str, meta: type | None, parents: list[Any]) -> dict[str, Any]:
    """Return the options of a class: its own Meta's, else the first parent's, else the default."""
    told: dict[str, Any] = {}
    for cls in reversed(meta.__mro__[:-1] if meta else ()):
        told.update({key: value for key, value in vars(cls).items() if not key.startswith("__")})
    unknown = sorted(set(told) - set(OPTIONS))
    if unknown:
        hint = near_misses(unknown[0], OPTIONS) or f" Known: {', '.join(OPTIONS)}."
        raise DeclarationError(f"{name}.Meta has no option {unknown[0]!r}.{hint}")
    found = dict(OPTIONS)
    for parent in reversed(parents):
        inherited = parent.__mapper__.options
        found.update({key: inherited[key] for key in OPTIONS if key not in OWN})
        if parent.__mapper__.abstract or inherited["polymorphic_on"] is None:
            found["endpoint"] = None  # another class is another endpoint
    for key in ("ordering", "natural_key"):
        if isinstance(told.get(key), str):
            raise DeclarationError(f"{name}.Meta.{key} is a list of field names, not a string.")
    if "abstract" not in told:
        found["abstract"] = False
    found.update(told)
    if found["endpoint"] is None:
        found["endpoint"] = plural(snake(name))
    found["endpoint"] = found["endpoint"].strip("/")
    found["schema"] = None
    return found


def snake(name: str) -> str:
    """Return ``TaskRun`` as ``task_run``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def plural(word: str) -> str:
    """Return the regular English plural."""
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    if re.search(r"(s|x|z|ch|sh)$", word):
        return word + "es"
    return word + "s"
