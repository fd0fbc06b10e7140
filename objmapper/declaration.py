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
    "created_field": None,
    "registry": None,
    "keyless": False,
    "singleton": False,
    "polymorphic_on": None,
    "polymorphic_identity": None,
    "validate_assignment": False,
    "dialect_options": None,
}
#: Options that speak of one class only; another class is another endpoint.
OWN = ("abstract", "endpoint", "polymorphic_identity")


def slots(name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
    """Give a class body its empty ``__slots__``. Raises DeclarationError for declared ones."""
    mixins = {base: vars(base) for base in bases if type(base) is type}
    for cls, body in [(name, namespace), *((base.__name__, mixins[base]) for base in mixins)]:
        if body.get("__slots__"):
            raise DeclarationError(
                f"{cls} declares __slots__ = {body['__slots__']!r}: objects keep nothing beside "
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


def fields_of(
    name: str, bases: tuple[type, ...], namespace: dict[str, Any]
) -> dict[str, Field[Any]]:
    """Return the fields of a class, unbound: those of its bases, plain mixins too, then its own.

    Taken out of the class body; what a method or a plain value overrides is dropped.
    """
    own = own_fields(name, namespace)
    found: dict[str, Field[Any]] = {}
    for base in reversed(bases):
        fields = getattr(base, "__fields__", None)
        if fields is None:  # a plain mixin, or Model itself
            fields = {}
            for cls in reversed(base.__mro__):
                fields.update(own_fields(cls.__name__, dict(vars(cls))))
        found.update(fields)
    for key in found.keys() & namespace.keys():
        del found[key]
    found.update(own)
    return {
        key: field.clone() if hasattr(field, "model") else field for key, field in found.items()
    }


def by_key(name: str, fields: dict[str, Field[Any]]) -> dict[str, Field[Any]]:
    """Return the bound fields of a row by wire name. Raises DeclarationError for two of one name."""
    found: dict[str, Field[Any]] = {}
    written: dict[str, str] = {}
    for field in fields.values():
        if isinstance(field, HasMany):
            continue
        if found.setdefault(field.key, field) is not field:
            raise DeclarationError(
                f"{name}: {found[field.key].name} and {field.name} both have the data_key "
                f"{field.key!r}."
            )
        first = field.name if field.read_only else written.setdefault(field.write_key, field.name)
        if first != field.name:
            raise DeclarationError(
                f"{name}: {first} and {field.name} are both sent as {field.write_key!r}."
            )
    return found


def refuse_field(cls: type, name: str, value: Any) -> None:
    """Refuse a field that is put on a class after its statement."""
    if isinstance(value, Field) and "__fields__" in vars(cls):
        raise DeclarationError(f"{cls.__name__}.{name}: fields are declared in the class body.")


def told(name: str, meta: type | None, parents: list[Any]) -> dict[str, Any]:
    """Return what the Meta of a class says, and what its parents' said; the first parent's counts."""
    found: dict[str, Any] = {}
    for parent in reversed(parents):
        found.update({key: value for key, value in parent.__told__.items() if key not in OWN})
        if parent.__mapper__.is_polymorphic:
            found["endpoint"] = parent.__mapper__.endpoint
    for cls in reversed(meta.__mro__[:-1] if meta else ()):
        said = {key: value for key, value in vars(cls).items() if not key.startswith("__")}
        found.update({key: said[key] for key in said if cls is meta or key not in OWN})
    unknown = sorted(set(found) - set(OPTIONS))
    if unknown:
        hint = near_misses(unknown[0], OPTIONS) or f" Known: {', '.join(OPTIONS)}."
        raise DeclarationError(f"{name}.Meta has no option {unknown[0]!r}.{hint}")
    for key in ("ordering", "natural_key"):
        if isinstance(found.get(key), str):
            raise DeclarationError(f"{name}.Meta.{key} is a list of field names, not a string.")
    return found


def options(name: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return all options of a class: what was said, else the defaults."""
    found = {**OPTIONS, **said}
    if found["endpoint"] is None:
        found["endpoint"] = plural(snake(name))
    found["endpoint"] = found["endpoint"].strip("/")
    if found["version"] not in (None, "etag"):
        raise DeclarationError(
            f"{name}.Meta.version is 'etag' or None, not {found['version']!r}; a field that tells the "
            "version is named by version_field."
        )
    if found["version"] is not None and found["version_field"] is not None:
        raise DeclarationError(
            f"{name}.Meta says both version and version_field: one of them tells the version, say None "
            "for the other."
        )
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
