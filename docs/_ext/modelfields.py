"""Tables of a model's fields, made of the class: below the docstring of each model and value object."""

from __future__ import annotations

from typing import Any

from objmapper import Embedded, Model, fields
from objmapper.cvat.values import Value


def field_table(cls: Any) -> list[str]:
    """Return the fields of a model or a value object as lines of a reStructuredText table."""
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: auto",
        "",
        "   * - attribute",
        "     - type",
        "     - in JSON",
        "     - remarks",
    ]
    for name, field in cls.__fields__.items():
        lines += [
            f"   * - ``{name}``",
            f"     - {_type(field)}",
            f"     - {_wire(field)}",
            f"     - {', '.join(_remarks(field))}",
        ]
    return [*lines, ""]


def _type(field: Any) -> str:
    kind = _kind(field)
    inside = ""
    if kind in ("ForeignKey", "HasMany"):
        inside = f" of {_class(field.target)}"
    elif kind in ("Enum", "Nested"):
        inside = f" of {_class(field.of)}"
    elif getattr(field, "of", None) is not None:
        inside = f" of {_type(field.of)}"
    return f":class:`~objmapper.fields.{kind}`{inside}"


def _kind(field: Any) -> str:
    """Return the kind of a field; of a binding's own kind, the one that it is made of."""
    names = (cls.__name__ for cls in type(field).__mro__ if cls.__name__ in fields.__all__)
    return next(names)


def _class(cls: Any) -> str:
    return f":class:`~{cls.__module__}.{cls.__name__}`"


def _wire(field: Any) -> str:
    if type(field).__name__ == "HasMany":
        return "not in the row"
    if field.write_key != field.key:
        return f"``{field.key}``, sent as ``{field.write_key}``"
    return f"``{field.key}``"


def _remarks(field: Any) -> list[str]:
    if type(field).__name__ == "HasMany":
        return [f"by ``{field.by_name}``"]
    flags = ["primary_key", "read_only", "write_once", "write_only", "required", "null"]
    told = [flag for flag in flags if getattr(field, flag)]
    if field.primary_key:
        told.remove("read_only" if field.read_only else "write_once")
    if field.has_default:
        told.append(f"default ``{field.default!r}``")
    return [text.replace("_", " ") for text in told]


def asked_by(mapper: Any) -> list[str]:
    """Return what a model's endpoint filters by, as lines of reStructuredText."""
    told = mapper.options["dialect_options"] or {}
    lines = []
    if told.get("filters"):
        names = ", ".join(f"``{name}``" for name in sorted(told["filters"]))
        lines += [f"Filters and orders: {names}.", ""]
    if told.get("parameters"):
        names = ", ".join(f"``{name}``" for name in sorted(told["parameters"]))
        lines += [f"Filters by equality alone: {names}.", ""]
    if mapper.natural_key:
        names = ", ".join(f"``{name}``" for name in mapper.natural_key)
        lines += [f"Natural key: {names}.", ""]
    return lines


def names_of(cls: Any) -> str:
    """Return the names that a value class has, as a line of reStructuredText."""
    told = [
        f"``{name}``" + (" (needed)" if needed else "") for name, needed in cls.__fields__.items()
    ]
    return f"Names: {', '.join(told)}."


def _add(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if what == "class" and issubclass(obj, Value) and obj is not Value:
        lines += ["", names_of(obj), ""]
    if what != "class" or obj in (Model, Embedded) or not issubclass(obj, Model | Embedded):
        return
    lines.append("")
    if issubclass(obj, Model) and not obj.__mapper__.abstract:
        lines += [f"Endpoint: ``{obj.__mapper__.endpoint}``.", "", *asked_by(obj.__mapper__)]
    if obj.__fields__:
        lines += field_table(obj)


def _leave_out(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what the tables tell, and a model's own error classes: they stand with the errors."""
    if name in ("DoesNotExist", "MultipleObjectsReturned", "Meta") and what == "class":
        return True
    told = hasattr(obj, "entry_of") or (hasattr(obj, "model") and hasattr(obj, "key"))
    return True if what == "class" and told else None


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", _add)
    app.connect("autodoc-skip-member", _leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
