"""Whatever users set, give or ask for: it is refused before anything is sent, or it is sent."""

import datetime as dt
import decimal
import enum
import json
import uuid

import pytest
from everything import (
    JSON,
    MAPPER,
    SETTABLE,
    ById,
    ByName,
    ByUuid,
    Colour,
    Everything,
    Inner,
    Outer,
    attempt,
    page,
)

from objmapper import ObjMapperError, Session, ValidationError, fields


class Refusing:
    """What fails wherever it is looked at."""

    __hash__ = None

    def __repr__(self):
        raise ValueError("no repr")

    def __eq__(self, other):
        raise ValueError("no ==")

    def __bool__(self):
        raise ValueError("no truth")


class Arrays:
    """Compares as arrays do: item by item, without a truth value."""

    __hash__ = None

    def __eq__(self, other):
        return Refusing()


class Whole(enum.IntEnum):
    ONE = 1


class Text(str):
    pass


class Number(int):
    pass


class Listed(list):
    pass


class Mapped(dict):
    pass


ITSELF = []
ITSELF.append(ITSELF)
ITS_OWN = {}
ITS_OWN["a"] = ITS_OWN
FAR_WEST = dt.timezone(-dt.timedelta(hours=23, minutes=59))
USERS = (
    *JSON[::2], 10**5000, object(), object, Refusing(), Arrays(), ITSELF, ITS_OWN, [ITSELF], [Refusing()],
    Number(5), Text("x"), Listed([1]), Mapped(a=1), Whole.ONE, Colour.RED, Colour, b"x", bytearray(b"x"),
    {1, 2}, frozenset([3]), (1, 2), ({1},), range(3), 1j, decimal.Decimal("1.5"), decimal.Decimal("sNaN"),
    decimal.Decimal("NaN"), decimal.Decimal("-Infinity"), dt.datetime(2024, 1, 1),
    dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime.max, dt.datetime.max.replace(tzinfo=FAR_WEST),
    dt.datetime.min, dt.date(2024, 1, 1), dt.time(1, 2), dt.time(1, 2, tzinfo=dt.UTC), dt.timedelta.max,
    dt.timedelta.min, dt.timedelta(microseconds=-1), uuid.UUID(int=7), {1: 2}, {(1, 2): 3}, {None: 1},
    {True: 1}, {"a": object()}, {"a": {1, 2}}, [object()], [None], len, Everything, Everything.id,
    Inner(string="x"), Outer(), Inner(string=object()), Inner(any=ITSELF), Inner(moment="x"), [Inner()],
    {"inner": {"bogus": 1}}, {"bogus": 1}, {"string": "x"}, [{"string": "x"}], [{"bogus": 1}],
    {"inners": 5}, {"inners": [5]}, {"inner": 5}, {"a": {"string": 5}}, {"a": Inner(integer="x")},
    NotImplemented, ..., Exception("x"), "\udfff\ud800", ["\ud800"], {"a": "\ud800"}, "x" * 100_000,
)  # fmt: skip
GOOD = {
    "integer": 5, "number": 1.5, "decimal": "1.5", "boolean": True, "string": "s", "url": "http://x",
    "email": "a@b.c", "uuid": "550e8400-e29b-41d4-a716-446655440000", "moment": "2024-01-01T00:00:00Z",
    "naive": "2024-01-01T00:00:00", "day": "2024-01-01", "clock": "12:00:00", "seconds": 5, "iso": "P1D",
    "django": "1 02:00:00", "colour": "red",
}  # fmt: skip
LOADED = {
    "id": 1,
    **GOOD,
    **{f"{name}_or_null": None for name in GOOD},
    **{f"{name}_list": [value, None] for name, value in GOOD.items()},
    **{f"{name}_dict": {"k": value} for name, value in GOOD.items()},
    "any": [1, {"a": 2}], "dict": {"a": 1}, "lists": [[1], []], "dicts": {"a": [1]},
    "nested": {**GOOD, "inner": {"string": "x"}, "inners": [{"string": "y"}, {}]},
    "nested_list": [{"string": "y"}], "nested_dict": {"k": {"string": "z"}}, "locked": {},
    "by_id": 3, "by_name": "a", "by_uuid": {"id": GOOD["uuid"], "name": "u"},
}  # fmt: skip
NUMBERS = pytest.mark.parametrize("number", range(len(USERS)))


LISTS = (*(f"{name}_list" for name in GOOD), "lists", "nested_list", "any")
DICTS = (*(f"{name}_dict" for name in GOOD), "dict", "dicts", "nested_dict")


def invalid(obj):
    """Show an object in every way there is; return the names of the fields that are not valid."""
    for name in SETTABLE:
        attempt(getattr, obj, name)
    attempt(obj.to_dict)
    assert isinstance(obj.changes, dict)
    assert repr(obj)
    error = attempt(obj.validate)
    assert error is None or isinstance(error, ValidationError)
    return set(error.messages) if error else set()


def set_all(obj, names, value):
    """Set these fields; return the names of those that could be set."""
    done = []
    for name in names:
        error = attempt(setattr, obj, name, value)
        assert error is None or "has no field" in str(error)  # of a value object
        done += [name] * (error is None)
    return done


def is_kept(field):
    """Say whether what is set reads the same; in a Float, a number of too many digits does not."""
    return not (field.mutable or isinstance(field, fields.Float))


@pytest.mark.parametrize("known", [True, False], ids=["over a value", "over nothing"])
@NUMBERS
def test_what_users_set_is_refused_before_it_is_sent_or_sent(server, client, number, known):
    server.body = page(LOADED if known else {"id": 1})
    server.received.clear()
    with Session(client) as session:
        (obj,) = Everything.objects.all()
        done = set_all(obj, SETTABLE, USERS[number])
        wrong = invalid(obj)
        assert set_all(obj, SETTABLE, USERS[number]) == done
        assert invalid(obj) == wrong <= set(done)
        obj.revert()
        assert obj.changes == {}
        set_all(obj, [name for name in done if name not in wrong], USERS[number])
        changes = obj.changes
        told = {name: getattr(obj, name) for name in changes if is_kept(MAPPER.fields[name])}
        assert str(session.plan())
        json.dumps(session.plan().to_json())
        assert len(session.dirty) == bool(changes)
        report = session.commit()
        assert report.updated.objects == ([obj] if changes else [])
        assert [set(body) for body in server.received] == ([set(changes)] if changes else [])
        assert obj.changes == {}
        assert {name: getattr(obj, name) for name in told} == told  # as the server says it


@NUMBERS
def test_what_users_give_a_constructor_is_refused_or_sent(server, client, number):
    server.body, value = page(), USERS[number]
    server.received.clear()
    with Session(client) as session:
        given = {
            name: value
            for name in SETTABLE
            if not isinstance(attempt(Everything, **{name: value}), ObjMapperError)
        }
        obj = Everything(**given)
        session.add(obj)
        wrong = invalid(obj)
        report = attempt(session.commit)
        if wrong:
            assert isinstance(report, ValidationError)
            assert server.received == []
            session.expunge(obj)
            obj = Everything(**{name: value for name in given if name not in wrong})
            session.add(obj)
            report = session.commit()
        assert report.created.objects == [obj]
        assert [set(body) for body in server.received] == [set(given) - wrong]


@NUMBERS
def test_what_users_put_into_a_container_is_refused_or_sent(server, client, number):
    server.body, value = page(LOADED), USERS[number]
    with Session(client) as session:
        (obj,) = Everything.objects.all()
        fill(obj, {*LISTS, *DICTS}, value)
        assert obj.changes.keys() == {*LISTS, *DICTS}
        wrong = invalid(obj)
        if wrong:
            assert isinstance(attempt(session.commit), ValidationError)
        obj.revert()
        assert obj.changes == {}
        right = {*LISTS, *DICTS} - wrong
        fill(obj, right, value)
        report = session.commit()
        assert report.updated.objects == [obj] * bool(right)


def fill(obj, names, value):
    for name in names:
        if name in LISTS:
            getattr(obj, name).append(value)
        else:
            getattr(obj, name)["new"] = value


@pytest.mark.parametrize("model", [ById, ByName, ByUuid])
@NUMBERS
def test_what_users_ask_for_by_key_is_asked_or_refused(server, client, model, number):
    server.body, value = page(), USERS[number]
    with Session(client) as session:
        attempt(session.get, model, value)
        attempt(model.objects.reference, value)
        attempt(lambda: model.objects.get(id=value))
        attempt(lambda: list(model.objects.filter(id__in=[value])))
        attempt(lambda: list(model.objects.filter(id__gt=value)))
        attempt(lambda: model.objects.in_bulk([value]))
        attempt(lambda: model.objects.filter(name__contains=value).explain())


@NUMBERS
def test_what_users_filter_by_is_asked_or_refused(server, client, number):
    server.body = page()
    with Session(client):
        for name in SETTABLE[::3]:
            attempt(lambda: list(Everything.objects.filter(**{name: USERS[number]})))  # noqa: B023


def test_an_object_of_another_model_is_refused_where_a_relation_is_set():
    with pytest.raises(TypeError, match="takes a ById, its key or None"):
        Everything(by_id=ByName())
