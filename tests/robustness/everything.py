"""A model with every kind of field, a server for it, and what is done with any object."""

import enum
import json
import math

import pytest

from objmapper import Embedded, Model, ObjMapperError, Registry, fields, inspect
from objmapper.dialects import DRF

registry = Registry("robustness")


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


def scalars(**options):
    """Return a field of each scalar kind, by name."""
    return {
        "integer": fields.Integer(**options),
        "number": fields.Float(**options),
        "decimal": fields.Decimal(**options),
        "boolean": fields.Boolean(**options),
        "string": fields.String(**options),
        "url": fields.URL(**options),
        "email": fields.Email(**options),
        "uuid": fields.UUID(**options),
        "moment": fields.DateTime(**options),
        "naive": fields.DateTime(assume=None, **options),
        "day": fields.Date(**options),
        "clock": fields.Time(**options),
        "seconds": fields.TimeDelta(**options),
        "iso": fields.TimeDelta(format="iso", **options),
        "django": fields.TimeDelta(format="django", **options),
        "colour": fields.Enum(Colour, **options),
    }


def declared(base, name, body):
    """Return a class as a class statement would make it."""
    return type(base)(name, (base,), {"__module__": __name__, "__qualname__": name, **body})


class Meta:
    registry = registry


Inner = declared(Embedded, "Inner", scalars(null=True) | {"any": fields.Raw(null=True)})
Outer = declared(
    Embedded,
    "Outer",
    scalars() | {"inner": fields.Nested(Inner), "inners": fields.List(fields.Nested(Inner))},
)
ById, ByName, ByUuid = (
    declared(Model, name, {"id": key, "name": fields.String(null=True), "Meta": Meta})
    for name, key in (
        ("ById", fields.Integer(primary_key=True)),
        ("ByName", fields.String(primary_key=True)),
        ("ByUuid", fields.UUID(primary_key=True)),
    )
)
Everything = declared(
    Model,
    "Everything",
    {
        "id": fields.Integer(primary_key=True),
        **scalars(),
        **{f"{name}_or_null": field for name, field in scalars(null=True).items()},
        **{f"{name}_list": fields.List(field) for name, field in scalars(null=True).items()},
        **{f"{name}_dict": fields.Dict(field) for name, field in scalars().items()},
        "any": fields.Raw(),
        "dict": fields.Dict(),
        "lists": fields.List(fields.List(fields.Integer())),
        "dicts": fields.Dict(fields.List(fields.Raw())),
        "nested": fields.Nested(Outer),
        "nested_list": fields.List(fields.Nested(Outer)),
        "nested_dict": fields.Dict(fields.Nested(Inner)),
        "locked": fields.Nested(Outer, read_only=True),
        "by_id": fields.ForeignKey(ById),
        "by_name": fields.ForeignKey(ByName, null=True),
        "by_uuid": fields.ForeignKey(ByUuid, null=True),
        "Meta": Meta,
    },
)
MAPPER = Everything.__mapper__
KEYS = [key for key in MAPPER.by_key if key != "id"]
SETTABLE = [name for name, field in MAPPER.fields.items() if not field.read_only]


def deep(levels, kind=list):
    value = 1
    for _ in range(levels):
        value = [value] if kind is list else {"a": value}
    return value


#: JSON of every kind, and what has some meaning to one field or another.
JSON = (
    None, True, False, 0, 1, -1, 2**53 + 1, 2**63, 10**400, 0.0, -0.0, 1.0, 5e-324, 1e308, 1e20, -1e20,
    math.nan, math.inf, 86_399_999_913_601, "", " ", "x", "red", "0", " 42 ", "1_000", "\u0661\u0662",
    "9" * 5000, "\x00", "\ud800", "2024-01-01T00:00:00Z", "2024-01-01", "2024-02-30", "12:00:00",
    "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00", "2024-01-01T00:00:00+25:00",
    "2024-01-01T00:00:00+23:59:59.999999", "24:00:00", "12:00:00+14:00", "P1D", "P", "PT", "-P1DT2H",
    "P9999999999999D", "1 02:00:00", "99999999999 02:00:00", "1 99:99:99", "-", "NaN", "sNaN",
    "-sNaN123", "Infinity", "1e999999999", "1E+1000000", "http://a/b", "http://[::1", "a@b.c",
    "550e8400-e29b-41d4-a716-446655440000", "{550e8400e29b41d4a716446655440000}", [], {}, [[]],
    [None], ["x"], [1, "x", None, {}], {"a": None}, {"id": 1}, {"id": "x"}, {"id": None}, {"id": []},
    {"id": True}, {"id": 1, "name": []}, {"": 1}, {"inner": {}}, {"inners": [1]}, {"\ud800": 1},
    deep(50),
)  # fmt: skip
#: As deep as parsers go; to walk it is slow.
DEEP = (deep(400), {"id": deep(900, dict)})


class Server:
    """Answers every GET with ``body``, and what is written with the row that was written."""

    def __init__(self):
        self.body, self.received = None, []

    def __call__(self, environ, start_response):
        body, method = self.body, environ["REQUEST_METHOD"]
        if method == "DELETE":
            body = b""
        elif method != "GET":
            sent = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
            self.received.append(json.loads(sent.decode(), parse_constant=pytest.fail))
            body = {"id": 1, **self.received[-1]}
        start_response("200 OK", [("Content-Type", "application/json")])
        return [body if isinstance(body, bytes) else json.dumps(body).encode()]


class Plain(DRF):
    """What the server speaks; it sends what it likes, whatever is asked."""

    ignores_unknown_filters = ignores_unknown_orders = False


def page(*rows):
    return {"count": len(rows), "next": None, "previous": None, "results": list(rows)}


def attempt(action, *args, **kwargs):
    """Do it; return the result, or the error of ours, which must be fit to be shown."""
    try:
        found = action(*args, **kwargs)
    except ObjMapperError as error:
        found = error
    if isinstance(found, ObjMapperError):
        assert str(found)
        assert repr(found)
    return found


def use(obj):
    """Read all of an object, twice: the second time is as the first."""
    for name, field in type(obj).__mapper__.fields.items():
        value = attempt(getattr, obj, name)
        again = attempt(getattr, obj, name)
        if isinstance(value, ObjMapperError):
            assert type(again) is type(value)
        elif isinstance(field, fields.ForeignKey):  # without a session nothing keeps what it made
            assert again is value or inspect(obj).session is None
        elif not isinstance(field, fields.Float | fields.DateTime):
            assert again is value or again == value
        for each in value_objects(value):
            use_embedded(each)
    attempt(obj.to_dict)
    attempt(obj.validate)
    attempt(lambda: obj.changes)
    assert repr(obj)
    seen = inspect(obj)
    attempt(lambda: (seen.changes, seen.loaded_fields, seen.theirs, seen.identity, repr(seen)))


def value_objects(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [
        each
        for each in (value if isinstance(value, list) else [value])
        if isinstance(each, Embedded)
    ]


def use_embedded(obj):
    for name in type(obj).__fields__:
        for each in value_objects(attempt(getattr, obj, name)):
            use_embedded(each)
    assert repr(obj)
    assert obj == obj
    attempt(obj.to_dict)
    assert isinstance(obj.extra, dict)
