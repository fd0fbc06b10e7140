"""Validation and dump of what is sent, field by field, through marshmallow's field objects.

``dump()`` of a marshmallow Schema does not validate, and costs ten times a field's own check; the
Schema is made for who wants one, and runs where a model declares schema-level validators.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import marshmallow

from objmapper.fields.checking import flat
from objmapper.operation import CREATE, MASK, UPDATE, Change, Kind, Pending, Secret
from objmapper.state import ABSENT, base_value, changed_keys, copied, freeze, is_new

Problem = tuple[object, str | None, list[str]]
#: Of most changes: a value whose JSON is another one when it is sent is rare.
_NO_ROWS: Mapping[str, Any] = MappingProxyType({})


def wire_value(field: Any, value: Any) -> Any:
    """Return what a request carries for a value; a write-only one is wrapped as Secret.

    A container is copied: what is sent stays what it was, while the user goes on changing his own.
    """
    wire = field.dump(value)
    if field.mutable:
        wire = copied(wire)
    return Secret(wire) if field.hides and wire is not None else wire


def problems(obj: Any, keys: list[str] | None = None) -> list[Problem]:
    """Return what is wrong with *obj*: all of a new one, else what changed."""
    mapper, row, new = type(obj).__mapper__, obj._row, is_new(obj)
    found: list[Problem] = []
    keys = changed_keys(obj) if keys is None else keys
    for key in keys:
        field = mapper.by_key[key]
        if field.read_only and not (new and _is_discriminator(mapper, field)):
            found.append((obj, field.name, ["Is read-only, and was changed in place."]))
            continue
        messages = field.check(row.get(key))
        if messages:
            found.append((obj, field.name, messages))
    if new:
        for field in mapper.by_key.values():
            if field.required and field.key not in keys:
                found.append((obj, field.name, ["Missing data for required field."]))
        if mapper.chooses_keys and mapper.pk.key not in row:
            found.append((obj, mapper.pk.name, ["Has no value: the client chooses this key."]))
    if not found and mapper.schema_base is not None:
        found += _schema_problems(obj, mapper)
    return found


def _is_discriminator(mapper: Any, field: Any) -> bool:
    return bool(mapper.polymorphic_on == field.name)


def _schema_problems(obj: Any, mapper: Any) -> list[Problem]:
    data, pending = {}, []
    for key, value in obj._row.items():
        field = mapper.by_key.get(key)
        if field is None or field.read_only:
            continue
        data[key] = field.to_row(value)
        if isinstance(data[key], Pending):  # told by the time it is sent
            pending.append(field.name)
            del data[key]
    schema = schema_class(mapper)(unknown=marshmallow.EXCLUDE)
    errors = schema.validate(data, partial=pending if is_new(obj) else True)
    names = {key: field.name for key, field in mapper.by_key.items()}
    return [
        (obj, None if key == "_schema" else names.get(key, key), flat(messages))
        for key, messages in errors.items()
    ]


def creation(obj: Any) -> Change:
    """Return what creating *obj* sends: everything that was set."""
    return _change(CREATE, obj)


def update(obj: Any) -> Change:
    """Return what updating *obj* sends: what changed, nothing else."""
    return _change(UPDATE, obj)


def _change(kind: Kind, obj: Any) -> Change:
    by_key, row, originals = type(obj).__mapper__.by_key, obj._row, obj._state.originals
    sent, base = {}, {}
    told: tuple[Any, ...] = ()
    rows: Mapping[str, Any] = _NO_ROWS
    for key in changed_keys(obj):
        field = by_key[key]
        if field.as_is:  # what the calls below would return: most values of a large commit
            sent[key] = value = row.get(key)
            old = originals[key]
            told += (field.name, None if old is ABSENT else old, value)
        else:
            sent[key] = wire_value(field, row.get(key))
            old = base_value(obj, field)
            told += (field.name, *_shown_change(obj, field, old))
        if kind is UPDATE:
            base[key] = ABSENT if field.hides else old
        if field.mutable and not field.plain:
            with suppress(ValueError):
                frozen = freeze(field.to_row(row.get(key)))
                rows = {**rows, key: Secret(frozen) if field.hides else frozen}
    values = (kind, obj, sent, told, rows, base or _NO_ROWS, obj._state.children, None, None)
    return tuple.__new__(Change, values)  # all of them: half the time of a call of the class


def body(change: Change) -> dict[str, Any]:
    """Return a change's JSON body, under the names that the server reads."""
    mapper = type(change.object).__mapper__
    if not mapper.renamed:
        return dict(change.sent)
    by_key = mapper.by_key
    return {by_key[key].write_key: value for key, value in change.sent.items()}


def shown_changes(obj: Any) -> dict[str, tuple[Any, Any]]:
    """Return ``{field name: (old, new)}``."""
    by_key = type(obj).__mapper__.by_key
    return {by_key[key].name: shown_change(obj, by_key[key]) for key in changed_keys(obj)}


def shown_change(obj: Any, field: Any) -> tuple[Any, Any]:
    """Return a field's old and new value; what was never set before is None; secrets are masked."""
    return _shown_change(obj, field, base_value(obj, field))


def _shown_change(obj: Any, field: Any, old: Any) -> tuple[Any, Any]:
    if field.write_only:
        return None, MASK
    return None if old is ABSENT else field.shown(old), field.shown(obj._row.get(field.key))


def to_dict(obj: Any) -> dict[str, Any]:
    """Return what *obj* holds: field names, JSON-ready values; write-only ones are left out."""
    mapper, row = type(obj).__mapper__, obj._row
    found = {}
    for name, field in mapper.fields.items():
        if name in mapper.has_many or field.write_only or field.key not in row:
            continue
        found[name] = field.show(row[field.key])
    return found


def schema_class(mapper: Any) -> type[marshmallow.Schema]:
    """Return the marshmallow Schema of a model: field names, with the wire names as data_key.

    That of a value object loads value objects, whatever else a server says of them.
    """
    if mapper.schema is None:
        declared: dict[str, Any] = {}
        for name, field in mapper.fields.items():
            if name in mapper.has_many:
                continue
            options: dict[str, Any] = {"data_key": field.key if field.key != name else None}
            if field.read_only:
                options["dump_only"] = True
            elif field.write_only:
                options["load_only"] = True
            else:
                options["required"] = field.required
            declared[name] = field.marshmallow_field(validate=field.validators or None, **options)
        bases = (mapper.schema_base or marshmallow.Schema,)
        if not issubclass(bases[0], marshmallow.Schema):
            bases = (bases[0], marshmallow.Schema)  # type: ignore[assignment]
        # register=False: marshmallow's registry is process-wide and by bare class name.
        told: dict[str, Any] = {"register": False}
        if mapper.schema_makes_objects:
            told["unknown"] = marshmallow.EXCLUDE
            declared["make"] = marshmallow.post_load(lambda _, data, **how: mapper.model(**data))
        declared["Meta"] = type("Meta", (getattr(bases[0], "Meta", object),), told)
        mapper.schema = type(f"{mapper.model.__name__}Schema", bases, declared)
    schema: type[marshmallow.Schema] = mapper.schema
    return schema
