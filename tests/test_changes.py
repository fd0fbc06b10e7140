"""Changes: what counts as one, also in place; what is sent of it; what a refresh and a revert keep."""

import copy
import datetime as dt
import decimal
import gc
import json
import math
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smallserver import SmallServer

from objmapper import (
    ContractError,
    Embedded,
    Model,
    Registry,
    Session,
    ValidationError,
    fields,
    inspect,
)

registry = Registry("changes")


class Place(Embedded):
    street = fields.String()
    tags = fields.List(fields.String(), default=list)


class Person(Embedded):
    id = fields.Integer(read_only=True)
    name = fields.String()
    mail = fields.String(data_key="email", write_key="new_email", null=True)
    born = fields.Date(null=True)
    home = fields.Nested(Place, null=True)
    places = fields.List(Place, default=list)


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    status = fields.String(null=True)
    size = fields.Integer(null=True)
    ratio = fields.Float(null=True)
    price = fields.Decimal(null=True)
    done = fields.Boolean(null=True)
    due = fields.DateTime(null=True)
    tags = fields.List(fields.String(), null=True)
    days = fields.List(fields.Date(), null=True)
    metadata = fields.Dict(null=True)
    raw = fields.Raw(null=True)
    owner = fields.Nested(Person, null=True)
    members = fields.List(Person, null=True)
    by_role = fields.Dict(Person, null=True)
    history = fields.List(fields.Dict(), read_only=True)

    class Meta:
        registry = registry


def row(**values: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "name": "old",
        "status": "open",
        "size": 1,
        "ratio": 0.5,
        "price": "1.50",
        "done": True,
        "due": "2024-05-06T07:08:09Z",
        "tags": ["day"],
        "days": ["2024-05-06"],
        "metadata": {"place": {"city": "Bonn", "floors": [1, 2]}, "n": 1},
        "raw": [{"a": [1]}],
        "owner": {
            "id": 7,
            "name": "x",
            "email": "x@host",
            "born": "2000-01-01",
            "home": {"street": "Way", "tags": ["a"]},
            "places": [{"street": "Road", "tags": []}],
            "url": "http://host/7",
        },
        "members": [{"id": 8, "name": "y"}, {"id": 9, "name": "z"}],
        "by_role": {"lead": {"id": 8, "name": "y"}},
        "history": [{"at": 1}],
        "beside": {"unknown": True},
        **values,
    }


@pytest.fixture
def session(small):
    small.table("tasks", [row()])
    with Session(small.client()) as session:
        yield session
        session.rollback()


@pytest.fixture
def task(session):
    return Task.objects.get(id=1)


@pytest.fixture
def sent(small):
    """``sent()`` returns the bodies of the writes so far."""
    return lambda: [seen.body for seen in small.seen if seen.method in ("PATCH", "POST")]


# -- the five probes ------------------------------------------------------------------------------


def test_list_append_is_a_change(task, sent):
    task.tags.append("night")
    assert task.changes == {"tags": (["day"], ["day", "night"])}
    task.commit()
    assert sent() == [{"tags": ["day", "night"]}]


def test_a_change_deep_inside_a_dict_is_a_change(task, sent):
    task.metadata["place"]["city"] = "Köln"
    old, new = row()["metadata"], {"place": {"city": "Köln", "floors": [1, 2]}, "n": 1}
    assert task.changes == {"metadata": (old, new)}
    task.commit()
    assert sent() == [{"metadata": new}]


def test_only_reading_is_no_change(task, session, sent):
    for name in Task.__fields__:
        getattr(task, name)
    assert list(task.tags) == ["day"]
    assert task.metadata["place"]["floors"][0] == 1
    assert task.owner.home.tags == ["a"]
    assert [person.name for person in task.members] == ["y", "z"]
    assert task.changes == {}
    assert session.dirty == []
    session.commit()
    assert sent() == []


@pytest.mark.parametrize("read_first", [False, True], ids=["unread", "read"])
@pytest.mark.parametrize(
    "name", [name for name in Task.__fields__ if name not in ("id", "history")]
)
def test_setting_an_equal_value_is_no_change(task, session, small, sent, name, read_first):
    other = Session(small.client())
    equal = getattr(other.get(Task, 1), name)
    if read_first:
        getattr(task, name)
    setattr(task, name, equal)
    assert task.changes == {}
    session.commit()
    assert sent() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "new"),
        ("status", None),
        ("size", 2),
        ("ratio", 1.5),
        ("price", decimal.Decimal(2)),
        ("done", False),
        ("due", dt.datetime(2025, 1, 1, tzinfo=dt.UTC)),
        ("tags", []),
        ("days", [dt.date(2025, 1, 1)]),
        ("metadata", {}),
        ("raw", 5),
        ("owner", None),
        ("owner", Person(name="new")),
        ("members", []),
        ("by_role", {"lead": Person(name="new")}),
    ],
    ids=str,
)
@pytest.mark.parametrize("read_first", [False, True], ids=["unread", "read"])
def test_setting_and_setting_back_is_no_change(task, session, sent, name, value, read_first):
    if read_first:
        getattr(task, name)
    old = copy.deepcopy(getattr(task, name))
    setattr(task, name, value)
    assert task.changes == {name: (old, value)}
    assert session.dirty == [task]
    setattr(task, name, old)
    assert task.changes == {}
    assert session.dirty == []
    session.commit()
    assert sent() == []
    assert getattr(task, name) == old


# -- in place -------------------------------------------------------------------------------------

IN_PLACE = {
    "append": ("tags", lambda t: t.tags.append("x"), lambda t: t.tags.pop()),
    "extend": ("tags", lambda t: t.tags.extend(["x"]), lambda t: t.tags.pop()),
    "item of a list": (
        "tags",
        lambda t: t.tags.__setitem__(0, "x"),
        lambda t: t.tags.__setitem__(0, "day"),
    ),
    "clear": ("tags", lambda t: t.tags.clear(), lambda t: t.tags.append("day")),
    "reverse": ("members", lambda t: t.members.reverse(), lambda t: t.members.reverse()),
    "a converted item": (
        "days",
        lambda t: t.days.append(dt.date(2025, 1, 1)),
        lambda t: t.days.pop(),
    ),
    "a dict's key": (
        "metadata",
        lambda t: t.metadata.update(x=1),
        lambda t: t.metadata.pop("x"),
    ),
    "a dict in a dict": (
        "metadata",
        lambda t: t.metadata["place"].update(city="x"),
        lambda t: t.metadata["place"].update(city="Bonn"),
    ),
    "a list in a dict": (
        "metadata",
        lambda t: t.metadata["place"]["floors"].append(3),
        lambda t: t.metadata["place"]["floors"].pop(),
    ),
    "a list in raw JSON": ("raw", lambda t: t.raw[0]["a"].append(2), lambda t: t.raw[0]["a"].pop()),
    "a field of a value object": (
        "owner",
        lambda t: setattr(t.owner, "name", "new"),
        lambda t: setattr(t.owner, "name", "x"),
    ),
    "a converted field of a value object": (
        "owner",
        lambda t: setattr(t.owner, "born", dt.date(2001, 1, 1)),
        lambda t: setattr(t.owner, "born", dt.date(2000, 1, 1)),
    ),
    "a value object in a value object": (
        "owner",
        lambda t: setattr(t.owner.home, "street", "new"),
        lambda t: setattr(t.owner.home, "street", "Way"),
    ),
    "a list in a value object's value object": (
        "owner",
        lambda t: t.owner.home.tags.append("b"),
        lambda t: t.owner.home.tags.pop(),
    ),
    "a list of value objects in a value object": (
        "owner",
        lambda t: t.owner.places.append(Place(street="x")),
        lambda t: t.owner.places.pop(),
    ),
    "an item of that list": (
        "owner",
        lambda t: setattr(t.owner.places[0], "street", "x"),
        lambda t: setattr(t.owner.places[0], "street", "Road"),
    ),
    "a value object in a list": (
        "members",
        lambda t: setattr(t.members[1], "name", "new"),
        lambda t: setattr(t.members[1], "name", "z"),
    ),
    "one more value object": (
        "members",
        lambda t: t.members.append(Person(name="new")),
        lambda t: t.members.pop(),
    ),
    "a value object in a dict": (
        "by_role",
        lambda t: setattr(t.by_role["lead"], "name", "new"),
        lambda t: setattr(t.by_role["lead"], "name", "y"),
    ),
    "one more value object in a dict": (
        "by_role",
        lambda t: t.by_role.update(second=Person(name="new")),
        lambda t: t.by_role.pop("second"),
    ),
}
in_place = pytest.mark.parametrize(("name", "do", "undo"), IN_PLACE.values(), ids=IN_PLACE)


@in_place
def test_a_change_in_place_is_one(task, session, sent, name, do, undo):
    do(task)
    assert set(task.changes) == {name}
    assert session.dirty == [task]
    task.commit()
    assert [set(body) for body in sent()] == [{name}]
    assert task.changes == {}
    assert session.dirty == []


@in_place
def test_a_change_in_place_that_is_undone_is_none(task, session, sent, name, do, undo):
    do(task)
    undo(task)
    assert task.changes == {}
    assert session.dirty == []
    session.commit()
    assert sent() == []


@in_place
def test_a_change_in_place_counts_again_after_a_commit(task, sent, name, do, undo):
    do(task)
    task.commit()
    undo(task)
    assert set(task.changes) == {name}
    task.commit()
    assert len(sent()) == 2
    assert task.changes == {}


@in_place
def test_a_change_in_place_is_reverted(task, name, do, undo):
    before = copy.deepcopy(getattr(task, name))
    shown = task.to_dict()
    do(task)
    task.revert()
    assert getattr(task, name) == before
    assert task.changes == {}
    assert task.to_dict() == shown
    do(task)  # and it is watched on
    assert set(task.changes) == {name}


@in_place
def test_a_change_in_place_after_an_equal_value_was_set_is_one(task, name, do, undo):
    setattr(task, name, copy.deepcopy(getattr(task, name)))
    assert task.changes == {}
    do(task)
    assert set(task.changes) == {name}
    undo(task)
    assert task.changes == {}


@in_place
def test_what_was_set_and_is_edited_back_in_place_is_no_change(task, session, name, do, undo):
    do(task)
    other = copy.deepcopy(getattr(task, name))
    undo(task)
    setattr(task, name, other)
    assert set(task.changes) == {name}
    undo(task)
    assert task.changes == {}
    assert session.dirty == []


@in_place
def test_a_change_in_place_of_what_was_set_is_sent_as_it_is_then(task, sent, name, do, undo):
    value = copy.deepcopy(getattr(task, name))
    setattr(task, name, None)
    setattr(task, name, value)
    do(task)
    assert set(task.changes) == {name}
    undo(task)
    assert task.changes == {}
    task.commit()
    assert sent() == []


def test_what_is_changed_is_kept_alive_though_nobody_holds_it(session, sent):
    Task.objects.get(id=1).tags.append("night")
    gc.collect()
    session.commit()
    assert sent() == [{"tags": ["day", "night"]}]


def test_a_container_taken_out_of_an_object_still_belongs_to_it(session, sent):
    tags = Task.objects.get(id=1).tags
    gc.collect()
    tags.append("night")
    session.commit()
    assert sent() == [{"tags": ["day", "night"]}]


def test_a_value_object_taken_out_of_an_object_still_belongs_to_it(session, sent):
    member = Task.objects.get(id=1).members[1]
    gc.collect()
    member.name = "new"
    session.commit()
    assert sent() == [{"members": [{"name": "y"}, {"name": "new"}]}]


# -- what is the same -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", True),
        ("done", 1),
        ("raw", [{"a": [True]}]),
        ("metadata", {"place": {"city": "Bonn", "floors": [True, 2]}, "n": 1}),
        ("metadata", {"place": {"city": "Bonn", "floors": [1, 2]}, "n": True}),
    ],
    ids=str,
)
def test_true_is_not_one(task, name, value):
    setattr(task, name, value)
    assert set(task.changes) == {name}


def test_true_is_not_one_in_place(task):
    task.metadata["n"] = True
    task.raw[0]["a"][0] = True
    assert set(task.changes) == {"metadata", "raw"}


def test_a_whole_number_is_the_same_with_and_without_a_fraction(task):
    task.metadata["n"] = 1.0
    assert task.changes == {}


def test_nan_is_itself():
    mapper = Task.__mapper__  # over a row that a lenient parser read
    values = row(ratio=math.nan, raw=[math.nan], metadata={"n": math.nan})
    task = mapper.instance(values, mapper.blank_page)
    task.ratio = math.nan
    task.raw = [math.nan]
    task.metadata["n"] = math.nan
    assert task.changes == {}
    task.ratio = 1.0
    assert set(task.changes) == {"ratio"}
    task.ratio = math.nan
    assert task.changes == {}
    task.raw[0] = 1.0
    assert set(task.changes) == {"raw"}


def test_nan_is_no_number(task):
    number = task.ratio
    task.ratio = math.nan
    assert set(task.changes) == {"ratio"}
    task.ratio = number
    assert task.changes == {}


@pytest.mark.parametrize("value", ["soon", ["soon"]], ids=repr)
def test_what_can_t_be_a_value_reads_as_it_was_set_and_is_refused_when_it_is_checked(task, value):
    task.due = value
    assert task.due == value
    with pytest.raises(ValidationError, match="due"):
        task.validate()
    assert inspect(task).changes["due"][1] == value


@pytest.mark.parametrize("value", ["1.5", "1.500", 1.5, decimal.Decimal("1.50")], ids=repr)
def test_equal_decimals_are_the_same(task, value):
    task.price = value
    assert task.changes == {}


def test_the_same_moment_in_another_zone_is_the_same(task):
    task.due = dt.datetime(2024, 5, 6, 9, 8, 9, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert task.changes == {}


def test_the_order_of_keys_is_none_and_the_order_of_items_is_one(task):
    task.metadata = {"n": 1, "place": {"floors": [1, 2], "city": "Bonn"}}
    assert task.changes == {}
    task.metadata["place"]["floors"].reverse()
    assert set(task.changes) == {"metadata"}


def test_what_no_field_knows_is_no_change(task):
    task.owner = Person(name="x")
    assert set(task.changes) == {"owner"}
    task.revert()
    assert task.owner.extra == {"url": "http://host/7"}
    assert task.extra == {"beside": {"unknown": True}}


# -- changes, as they are shown -------------------------------------------------------------------


def test_changes_tell_old_and_new_as_python_values(task):
    task.size = 2
    task.due = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    task.days.append(dt.date(2025, 1, 1))
    task.owner.name = "new"
    old = Person(name="x")
    changes = task.changes
    assert changes["size"] == (1, 2)
    assert changes["due"] == (
        dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC),
        dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
    )
    assert changes["days"] == ([dt.date(2024, 5, 6)], [dt.date(2024, 5, 6), dt.date(2025, 1, 1)])
    before, after = changes["owner"]
    assert isinstance(before, type(old))
    assert (before.id, before.name) == (7, "x")
    assert (after.id, after.name) == (7, "new")


def test_changes_are_a_copy(task):
    task.tags.append("night")
    task.owner.name = "new"
    changes = task.changes
    task.tags.append("dawn")
    task.owner.name = "newer"
    assert changes["tags"] == (["day"], ["day", "night"])
    assert changes["owner"][1].name == "new"
    changes["tags"][1].append("x")
    changes["owner"][1].name = "x"
    assert task.tags == ["day", "night", "dawn"]
    assert task.owner.name == "newer"


def test_the_first_value_is_the_old_one_however_often_it_is_set(task):
    for name in ("a", "b", "c"):
        task.name = name
        assert task.changes == {"name": ("old", name)}
    task.revert()
    before = task.status
    for status in ("a", None, "b", None):
        task.status = status
        assert task.changes == {"status": (before, status)}


def test_inspect_tells_the_same_changes(task):
    task.name = "new"
    task.tags.append("night")
    assert inspect(task).changes == task.changes


def test_a_new_object_s_changes_are_what_it_was_given():
    one = Task(name="a", tags=["x"], owner=Person(name="y"))
    assert one.changes == {
        "name": (None, "a"),
        "tags": (None, ["x"]),
        "owner": (None, Person(name="y")),
    }
    one.tags.append("y")
    assert one.changes["tags"] == (None, ["x", "y"])


def test_a_new_object_set_back_to_nothing_says_so():
    one = Task(name="a")
    one.status = "open"
    one.status = None
    assert one.changes == {"name": (None, "a"), "status": (None, None)}


# -- what is sent ---------------------------------------------------------------------------------


def test_only_what_changed_is_sent(task, sent):
    task.name = "new"
    task.tags.append("night")
    task.size = 1
    task.commit()
    assert sent() == [{"name": "new", "tags": ["day", "night"]}]


def test_a_value_object_is_sent_whole_but_for_what_is_read_only(task, sent):
    task.owner.mail = "new@host"
    task.commit()
    assert sent() == [
        {
            "owner": {
                "name": "x",
                "new_email": "new@host",
                "born": "2000-01-01",
                "home": {"street": "Way", "tags": ["a"]},
                "places": [{"street": "Road", "tags": []}],
                "url": "http://host/7",
            }
        }
    ]


def test_value_objects_in_lists_and_dicts_are_sent_whole_too(task, sent):
    task.members[0].mail = "y@host"
    task.by_role["second"] = Person(name="new", born=dt.date(2002, 2, 2))
    task.commit()
    assert sent() == [
        {
            "members": [{"name": "y", "new_email": "y@host"}, {"name": "z"}],
            "by_role": {
                "lead": {"name": "y"},
                "second": {"name": "new", "born": "2002-02-02", "places": []},
            },
        }
    ]


def test_what_was_read_only_and_changed_in_place_is_refused(task, sent):
    task.history[0]["at"] = 2
    with pytest.raises(ValidationError, match="read-only, and was changed in place"):
        task.commit()
    assert sent() == []
    task.revert()
    assert task.history == [{"at": 1}]


def test_what_has_no_json_form_is_refused_and_told_as_a_change(task, sent):
    task.metadata["x"] = {1, 2}
    assert set(task.changes) == {"metadata"}
    with pytest.raises(ValidationError, match="has no JSON form"):
        task.commit()
    assert sent() == []
    del task.metadata["x"]
    assert task.changes == {}


# -- edits while a commit is in flight ------------------------------------------------------------


@pytest.mark.parametrize("answers", ["row", "nothing"])
def test_an_edit_in_flight_stays_a_change(task, small, sent, answers):
    small.tables["tasks"].answers = answers

    def edit(seen):
        if len(sent()) == 1:
            task.tags.append("dawn")
            task.owner.mail = "newer@host"
            task.size = 3

    small.hook = edit
    task.tags.append("night")
    task.owner.mail = "new@host"
    task.size = 2
    task.commit()
    assert sent()[0]["tags"] == ["day", "night"]
    assert sent()[0]["size"] == 2
    assert task.tags == ["day", "night", "dawn"]
    assert task.changes["tags"] == (["day", "night"], ["day", "night", "dawn"])
    assert task.changes["size"] == (2, 3)
    assert task.owner.mail == "newer@host"
    assert "owner" in task.changes
    task.commit()
    assert set(sent()[1]) == {"tags", "owner", "size"}
    assert sent()[1]["owner"]["new_email"] == "newer@host"


def test_an_edit_in_flight_that_is_taken_back_is_no_change(task, small, sent):
    small.tables["tasks"].answers = "nothing"

    def edit(seen):
        if len(sent()) == 1:
            task.owner.mail = "newer@host"

    small.hook = edit
    task.owner.mail = "new@host"
    task.commit()
    task.owner.mail = "new@host"
    assert task.changes == {}


# -- containers are kept --------------------------------------------------------------------------


def held(task: Task) -> dict[str, Any]:
    return {
        "tags": task.tags,
        "days": task.days,
        "metadata": task.metadata,
        "metadata.place": task.metadata["place"],
        "metadata.place.floors": task.metadata["place"]["floors"],
        "raw": task.raw,
        "owner": task.owner,
        "owner.home": task.owner.home,
        "owner.home.tags": task.owner.home.tags,
        "owner.places": task.owner.places,
        "owner.places.0": task.owner.places[0],
        "members": task.members,
        "members.0": task.members[0],
        "by_role": task.by_role,
        "by_role.lead": task.by_role["lead"],
    }


def same_objects(one: dict[str, Any], other: dict[str, Any]) -> dict[str, bool]:
    return {name: one[name] is other[name] for name in one}


def test_containers_that_are_equal_stay_the_same_object_over_a_refresh(task):
    before = held(task)
    task.refresh()
    assert all(same_objects(before, held(task)).values())


@pytest.mark.parametrize("how", ["refresh", "query", "commit"])
def test_containers_are_updated_in_place(task, small, session, how):
    before = held(task)
    stored = small.tables["tasks"].rows[1]
    stored.update(
        tags=["day", "later"],
        days=["2025-01-01"],
        metadata={"place": {"city": "Köln", "floors": [1, 2, 3]}},
        owner={
            "id": 7,
            "name": "renamed",
            "home": {"street": "Way", "tags": ["a", "b"]},
            "places": [{"street": "Road", "tags": []}, {"street": "x"}],
        },
        members=[{"id": 8, "name": "y"}, {"id": 10, "name": "w"}],
        by_role={"lead": {"id": 8, "name": "promoted"}},
    )
    if how == "refresh":
        task.refresh()
    elif how == "query":
        assert Task.objects.get(id=1) is task
    else:
        task.name = "new"
        task.commit()
    assert task.changes == {}
    assert same_objects(before, held(task)) == dict.fromkeys(before, True)
    assert before["tags"] == ["day", "later"]
    assert before["days"] == [dt.date(2025, 1, 1)]
    assert before["metadata"] == {"place": {"city": "Köln", "floors": [1, 2, 3]}}
    assert before["owner"].name == "renamed"
    assert before["owner.home.tags"] == ["a", "b"]
    assert [place.street for place in before["owner.places"]] == ["Road", "x"]
    assert [person.name for person in before["members"]] == ["y", "w"]
    assert before["by_role.lead"].name == "promoted"


def nested(depth, leaf):
    for _ in range(depth):
        leaf = {"in": leaf}
    return leaf


def at(value, depth):
    for _ in range(depth):
        value = value["in"]
    return value


@pytest.mark.parametrize(("depth", "held"), [(4, 4), (100, 99), (700, 99)])
def test_containers_deep_in_others_are_updated_in_place_and_no_depth_is_too_much(
    task, small, depth, held
):
    stored = small.tables["tasks"].rows[1]
    stored["metadata"] = nested(depth, {"leaf": "old"})
    task.refresh()
    before = at(task.metadata, held)
    stored["metadata"] = nested(depth, {"leaf": "new"})
    task.refresh()
    assert at(task.metadata, held) is before
    assert at(task.metadata, depth) == {"leaf": "new"}
    assert task.changes == {}


def test_what_is_nested_too_deeply_to_be_watched_is_the_server_s_fault(task, small):
    metadata = {}
    for _ in range(3000):
        metadata = {"in": metadata}
    broken = Task.__mapper__.instance(row(metadata=metadata), task._state.page)
    with pytest.raises(ContractError) as caught:
        broken.metadata  # noqa: B018
    assert str(caught.value) == (
        "<Task 1 name='old'>: what the server sent for 'metadata': it holds itself, or is nested too "
        "deeply for JSON"
    )


@pytest.mark.parametrize("how", ["refresh", "query", "commit", "revert"])
def test_a_held_container_is_still_the_object_s_own(task, small, sent, how):
    before = held(task)
    if how == "refresh":
        task.refresh()
    elif how == "query":
        Task.objects.get(id=1)
    elif how == "commit":
        task.name = "new"
        task.commit()
    else:
        task.tags.append("x")
        task.owner.home.street = "x"
        task.members[0].name = "x"
        task.by_role["lead"].name = "x"
        task.metadata["place"]["floors"].append("x")
        task.revert()
    assert task.changes == {}
    before["tags"].append("night")
    before["days"].clear()
    before["metadata.place.floors"].append(3)
    before["owner.home.tags"].append("b")
    before["by_role.lead"].name = "new"
    assert set(task.changes) == {"tags", "days", "metadata", "owner", "by_role"}
    task.commit()
    body = sent()[-1]
    assert body["tags"] == ["day", "night"]
    assert body["days"] == []
    assert body["metadata"]["place"]["floors"] == [1, 2, 3]
    assert body["owner"]["home"]["tags"] == ["a", "b"]
    assert body["by_role"] == {"lead": {"name": "new"}}


def test_a_list_that_was_set_is_the_object_s_own(task, sent):
    mine = ["a"]
    task.tags = mine
    assert task.tags is mine
    task.commit()
    assert task.tags is mine
    mine.append("b")
    assert task.changes == {"tags": (["a"], ["a", "b"])}


def test_an_equal_list_that_was_set_is_the_object_s_own(task):
    mine = ["day"]
    task.tags = mine
    assert task.changes == {}
    mine.append("night")
    assert task.changes == {"tags": (["day"], ["day", "night"])}


def test_a_refresh_gives_changes_up_and_keeps_containers(task, small):
    tags, owner = task.tags, task.owner
    tags.append("night")
    owner.name = "new"
    task.name = "new"
    task.refresh()
    assert task.changes == {}
    assert (tags, owner.name, task.name) == (["day"], "x", "old")
    assert task.tags is tags
    assert task.owner is owner


def test_what_became_null_on_the_server_is_none(task, small):
    tags, owner = task.tags, task.owner
    small.tables["tasks"].rows[1].update(tags=None, owner=None)
    task.refresh()
    assert task.tags is None
    assert task.owner is None
    assert task.changes == {}
    tags.append("x")
    owner.name = "y"  # nobody's any more
    assert task.changes == {}
    task.tags = ["x"]
    assert task.changes == {"tags": (None, ["x"])}


# -- revert ---------------------------------------------------------------------------------------


def test_revert_takes_every_change_back_and_sends_nothing(task, small, sent):
    shown = task.to_dict()
    asked = len(small.seen)
    task.name = "new"
    task.size = None
    task.tags = ["x"]
    task.members.append(Person(name="new"))
    task.metadata.clear()
    task.owner = None
    task.revert()
    assert task.changes == {}
    assert task.to_dict() == shown
    assert len(small.seen) == asked


def test_revert_of_what_was_only_read_changes_nothing(task):
    before = held(task)
    task.revert()
    assert same_objects(before, held(task)) == dict.fromkeys(before, True)
    assert task.changes == {}


def test_revert_leaves_what_was_only_read_however_deep_it_is(task, small):
    small.tables["tasks"].rows[1]["metadata"] = nested(700, {"leaf": "old"})
    task.refresh()
    deepest = at(task.metadata, 700)
    task.tags.append("x")
    task.revert()
    assert at(task.metadata, 700) is deepest
    deepest["leaf"] = "new"
    assert set(task.changes) == {"metadata"}


def test_revert_twice_is_revert_once(task):
    task.tags.append("x")
    task.revert()
    task.revert()
    assert task.tags == ["day"]


def test_what_the_row_lacked_lacks_it_again_after_a_revert(small):
    small.table("tasks", [{"id": 1, "name": "x"}])
    with Session(small.client()):
        task = Task.objects.get(id=1)
        task.status, task.tags, task.owner = "open", ["a"], Person(name="y")
        task.revert()
        assert task.to_dict() == {"id": 1, "name": "x"}
        assert task.changes == {}


@pytest.mark.parametrize("how", ["revert", "rollback"])
def test_what_was_set_before_it_was_read_is_what_was_read_since(small, how):
    row = {"id": 1, "name": "a", "status": "theirs", "tags": ["theirs"]}
    small.table("tasks", [row])
    with Session(small.client()) as session:
        task = Task.objects.only("name").get(name="a")
        task.status, task.tags = "mine", ["mine"]
        assert Task.objects.get(id=1) is task
        assert task.changes == {"status": (None, "mine"), "tags": (None, ["mine"])}
        if how == "revert":
            task.revert()
        else:
            session.rollback()
        small.seen.clear()
        assert (task.status, task.tags, task.changes) == ("theirs", ["theirs"], {})
        task.tags.append("x")
        assert task.changes == {"tags": (["theirs"], ["theirs", "x"])}
        assert inspect(task).theirs["tags"] == ["theirs"]
        task.revert()
        assert (task.tags, small.asked) == (["theirs"], [])


def test_revert_of_a_new_object_leaves_it_as_empty_as_can_be():
    one = Task(name="a", tags=["x"])
    one.revert()
    assert one.to_dict() == {}
    assert one.changes == {}


# -- the whole, at random -------------------------------------------------------------------------

words = st.text("ab", max_size=2)
EXAMPLES = int(os.environ.get("OBJMAPPER_EXAMPLES", "300"))
OPERATIONS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(["name", "status"]), words),
    st.tuples(st.just("set"), st.just("size"), st.none() | st.integers(0, 2)),
    st.tuples(st.just("set"), st.just("tags"), st.none() | st.lists(words, max_size=2)),
    st.tuples(
        st.just("set"), st.just("days"), st.lists(st.dates(max_value=dt.date(1, 1, 2)), max_size=2)
    ),
    st.tuples(st.just("set"), st.just("owner"), st.none() | st.builds(Person, name=words)),
    st.tuples(
        st.just("set"), st.just("members"), st.lists(st.builds(Person, name=words), max_size=2)
    ),
    st.tuples(st.just("append"), st.just("tags"), words),
    st.tuples(st.just("append"), st.just("days"), st.dates(max_value=dt.date(1, 1, 2))),
    st.tuples(st.just("append"), st.just("members"), st.builds(Person, name=words)),
    st.tuples(st.just("pop"), st.sampled_from(["tags", "days", "members"]), st.none()),
    st.tuples(st.just("rename"), st.sampled_from(["owner", "members"]), words),
    st.tuples(st.just("read"), st.sampled_from(list(Task.__fields__)), st.none()),
    st.tuples(
        st.sampled_from(["revert", "commit", "refresh", "query", "foreign write"]),
        st.just(""),
        words,
    ),
)


def perform(task: Task, stored: dict[str, Any], operation: tuple[str, str, Any]) -> None:
    verb, name, value = operation
    value = copy.deepcopy(value)
    if verb == "set":
        setattr(task, name, value)
    elif verb == "append" and getattr(task, name) is not None:
        getattr(task, name).append(value)
    elif verb == "pop" and getattr(task, name):
        getattr(task, name).pop(0)
    elif verb == "rename" and getattr(task, name):
        target = getattr(task, name)
        (target[0] if isinstance(target, list) else target).name = value
    elif verb == "read":
        getattr(task, name)
    elif verb == "foreign write" and not task.changes:
        stored["tags"] = [value]
        stored["owner"] = {"name": value}
        task.refresh()
    elif verb == "query":
        assert Task.objects.get(id=1) is task
    elif verb in ("revert", "commit", "refresh"):
        getattr(task, verb)()


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
@given(st.lists(OPERATIONS, max_size=12))
def test_whatever_is_done_changes_are_the_difference_to_the_server(operations):
    server = SmallServer()
    server.table("tasks", [row(owner={"name": "x", "places": []}, members=[{"name": "y"}])])
    stored = server.tables["tasks"].rows[1]
    with Session(server.client()) as session:
        task = Task.objects.get(id=1)
        for operation in operations:
            perform(task, stored, operation)
            mine, theirs = task.to_dict(), as_loaded(stored)
            different = {name for name in theirs if mine[name] != theirs[name]}
            assert set(task.changes) == different, operation
            assert (session.dirty == [task]) == bool(different)
            assert json.dumps(mine)
        task.commit()
        assert task.to_dict() == as_loaded(stored)
        assert task.changes == {}
    server.close()


def as_loaded(stored: dict[str, Any]) -> dict[str, Any]:
    """Return what a fresh object over the server's row shows."""
    mapper = Task.__mapper__
    return mapper.instance(copy.deepcopy(stored), mapper.blank_page).to_dict()
