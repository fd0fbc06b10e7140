"""Typed fields; each says its Python type, its JSON types and its marshmallow field.

``from objmapper import fields`` and then ``fields.String(null=True)``. ``validate`` has
marshmallow's validators: ``validate.Length(max=256)``.
"""

from marshmallow import validate

from objmapper.fields.base import Field, Options
from objmapper.fields.containers import Dict, List, Nested
from objmapper.fields.relations import ForeignKey, HasMany
from objmapper.fields.scalars import (
    URL,
    UUID,
    Boolean,
    Decimal,
    Email,
    Enum,
    Float,
    Integer,
    Raw,
    String,
)
from objmapper.fields.temporal import Date, DateTime, Time, TimeDelta

__all__ = [
    "URL",
    "UUID",
    "Boolean",
    "Date",
    "DateTime",
    "Decimal",
    "Dict",
    "Email",
    "Enum",
    "Field",
    "Float",
    "ForeignKey",
    "HasMany",
    "Integer",
    "List",
    "Nested",
    "Options",
    "Raw",
    "String",
    "Time",
    "TimeDelta",
    "validate",
]
