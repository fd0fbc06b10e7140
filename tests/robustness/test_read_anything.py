"""Any JSON where a value, a key, a row or a page was expected: a value or an error of ours."""

import copy
import json
import os

import pytest
from everything import (
    DEEP,
    JSON,
    KEYS,
    MAPPER,
    SETTABLE,
    ById,
    ByName,
    ByUuid,
    Everything,
    Inner,
    Plain,
    attempt,
    page,
    use,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from objmapper import (
    Client,
    ContractError,
    ObjMapperError,
    Session,
    ValidationError,
    fields,
    inspect,
)
from objmapper.cvat.dialect import CVAT
from objmapper.dialects import Rest

EXAMPLES = int(os.environ.get("OBJMAPPER_EXAMPLES", "40"))
FIXED = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)


def of_inner(value):
    """Return the row of a value object all of whose fields have one value."""
    return dict.fromkeys(Inner.__fields__, value)


NESTED = ["nested", "nested_list", "nested_dict", "locked"]
OF_EACH_SORT = {"string", "string_list", "string_dict", "any", "lists", "by_id", "nested"}
#: Where a value stands, and which fields may be expected to look there.
PLACES = {
    "as it is": (KEYS, lambda value: value),
    "in a list": (KEYS, lambda value: [value]),
    "in a dict": (KEYS, lambda value: {"a": value, "id": value}),
    "in a value object": (NESTED, of_inner),
    "in a list of value objects": (NESTED, lambda value: [of_inner(value)]),
    "in a value object's own": (NESTED, lambda value: {"inner": of_inner(value)}),
    "in a value object's list": (NESTED, lambda value: {"inners": [value, {"any": value}]}),
    "in a value object in a dict": (NESTED, lambda value: {"a": of_inner(value)}),
}


def test_every_class_of_fields_is_among_these():
    kinds = {
        getattr(fields, name) for name in fields.__all__ if name not in ("Options", "validate")
    }
    used = {type(field) for field in MAPPER.fields.values()}
    assert kinds - used == {fields.Field, fields.HasMany}


@pytest.mark.parametrize("place", PLACES)
def test_any_json_in_any_field_is_read_or_refused(server, client, place):
    keys, put = PLACES[place]
    for value in JSON:
        assert read(server, client, {"id": 1, **dict.fromkeys(keys, put(value))})


@pytest.mark.parametrize("place", PLACES)
def test_json_as_deep_as_it_may_be_is_read_or_refused(server, client, place):
    keys, put = PLACES[place]
    for value in DEEP:
        # What is deeper than the parser follows is no JSON to it.
        read(server, client, {"id": 1, **dict.fromkeys(set(keys) & OF_EACH_SORT, put(value))})


def read(server, client, row):
    """Read a row in every way there is; say whether a page of it is one."""
    server.body = json.dumps(page(row)).encode()
    with Session(client):
        objects = read_or_refused(Everything)
        for obj in objects:
            use(obj)
            assert obj.changes == {}
            server.body = json.dumps(row).encode()
            attempt(obj.refresh)
            attempt(Everything.objects.get, id=1)
            server.body = json.dumps(page(row)).encode()
            attempt(Everything.objects.values)
            attempt(Everything.objects.values_list, "by_id", "by_name", "by_uuid", "nested")
            attempt(Everything.objects.in_bulk, [1])
    return bool(objects)


@pytest.mark.parametrize("place", PLACES)
def test_what_was_read_may_be_set_again_and_taken_back(server, client, place):
    keys, put = PLACES[place]
    for value in JSON[::3]:
        server.body = json.dumps(page({"id": 1, **dict.fromkeys(keys, put(value))})).encode()
        with Session(client):
            for obj in read_or_refused(Everything):
                for name in SETTABLE:
                    found = attempt(getattr, obj, name)
                    if not isinstance(found, ObjMapperError):
                        setattr(obj, name, found)
                attempt(lambda: obj.changes)  # noqa: B023
                attempt(obj.revert)
                assert obj.changes == {}


def read_or_refused(model):
    found = attempt(list, model.objects.all())
    return [] if isinstance(found, ObjMapperError) else found


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.integers(0, len(JSON) - 1).map(JSON.__getitem__)
)
names = st.sampled_from(["id", "name", "inner", "inners", *Inner.__fields__]) | st.text(max_size=3)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)
rows = st.dictionaries(st.sampled_from(KEYS), values, max_size=15).map(lambda row: {"id": 1, **row})


@FIXED
@given(rows, rows, st.lists(st.sampled_from(SETTABLE), max_size=5))
def test_any_subset_of_keys_is_read_and_read_again(server, client, first, second, changed):
    server.body = page(first)
    with Session(client) as session:
        objects = read_or_refused(Everything)
        if not objects:
            return
        (obj,) = objects
        use(obj)
        assert obj.changes == {}
        server.body = page(second)
        attempt(list, Everything.objects.all())
        use(obj)
        assert obj.changes == {}
        for name in changed:
            attempt(setattr, obj, name, attempt(getattr, obj, name))
        server.body = page(first)
        attempt(list, Everything.objects.all())
        use(obj)
        attempt(lambda: str(session.plan()))
        use(copy.copy(obj))
        server.body = first
        attempt(obj.refresh)
        use(obj)
        session.rollback()
        assert obj.changes == {}


@pytest.mark.parametrize("model", [ById, ByName, ByUuid])
def test_any_json_where_a_key_was_expected(server, client, model):
    read = 0
    for value in JSON:
        for body in ({"id": value}, {"id": value, "name": "x"}, {"name": "x"}):
            server.body = json.dumps(page(body)).encode()
            with Session(client):
                for obj in read_or_refused(model):
                    read += 1
                    assert inspect(obj).identity.key is not None
                    use(obj)
                    server.body = json.dumps(body).encode()
                    attempt(obj.refresh)
                    attempt(obj.delete)
                attempt(model.objects.get, id=1)
                attempt(model.objects.values)
    assert read


@FIXED
@given(
    st.sampled_from([Plain(), Rest(), CVAT()]),
    values
    | st.fixed_dictionaries(
        {}, optional={"count": leaves, "next": leaves, "previous": leaves, "results": values}
    )
    | st.lists(rows, max_size=3)
    | st.binary(max_size=20),
)
def test_any_body_where_a_page_was_expected(server, connect, dialect, body):
    server.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    with Session(connect(dialect)) as session:
        objects = ById.objects
        for ask in (list, len, lambda found: found[5:7] and list(found[5:7])):
            attempt(ask, objects.all())
        for ask in (objects.count, objects.exists, objects.first, objects.values):
            attempt(ask)
        attempt(objects.get, id=1)
        attempt(objects.get, name="x")
        attempt(objects.in_bulk, [1, 2])
        attempt(lambda: list(objects.iterator(page_size=2, prefetch_pages=2)))
        attempt(session.get, ById, 3)
        attempt(objects.create, name="x")
        session.rollback()


@FIXED
@given(rows, st.sampled_from([True, False]))
def test_any_answer_to_a_write_leaves_an_object_that_can_be_used(client, row, keyed):
    """What the answer says is taken in, or the write is uncertain; nothing breaks."""
    answer = {key: value for key, value in row.items() if keyed or key != "id"}

    class Answering(Plain):
        def read_row(self, mapper, response):
            return copy.deepcopy(answer)

    http = client.transport.http
    with Session(Client(client.base_url, dialect=Answering(), http=http)) as session:
        obj = Everything.objects.reference(1)
        obj.string, obj.any, obj.integer_list = "x", [1], [1]
        report = attempt(session.commit)
        assert not isinstance(report, ValidationError)
        use(obj)
        session.rollback()


def test_a_detail_of_another_object_is_refused_and_changes_nothing(server, client):
    server.body = page({"id": 1, "string": "before"})
    with Session(client):
        (obj,) = Everything.objects.all()
        for wrong in (2, "x", True, [], {}):
            server.body = {"id": wrong, "string": "after"}
            with pytest.raises(ContractError):
                obj.refresh()
            with pytest.raises(ContractError):
                Everything.objects.get(id=1)
            assert (obj.id, obj.string) == (1, "before")
