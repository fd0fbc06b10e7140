"""A plan is written as JSON and read back, by another process maybe; what changed since is met."""

import json
import subprocess
import sys

import pytest

from objmapper import (
    Model,
    Registry,
    Session,
    SessionError,
    StalePlanError,
    fields,
)
from objmapper.cvat import Label, Project, Task, make_client
from objmapper.operation import Plan
from objmapper.server import serve

registry = Registry("saved plans")


class Owner(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)

    class Meta:
        registry = registry
        natural_key = ["name"]


class Note(Model):
    id = fields.Integer(primary_key=True)
    text = fields.String(required=True)
    owner = fields.ForeignKey(Owner, null=True)
    tags = fields.List(fields.String())
    due = fields.DateTime(null=True)
    secret = fields.String(write_only=True)

    class Meta:
        registry = registry
        natural_key = ["text"]


def rows():
    return [
        {"id": n, "text": f"n{n}", "owner": None, "tags": ["a"], "due": "2026-05-06T07:08:09Z"}
        for n in (1, 2, 3)
    ]


@pytest.fixture
def small(small):
    small.table("owners")
    small.table("notes", rows(), foreign={"owner": "owners"}, secret=("secret",))
    return small


def changed(session, **more):
    """Make all kinds of changes, and return their plan as text."""
    one, two, three = Note.objects.using(session).order_by("id")
    owner = Owner(name="o")
    one.owner = owner
    two.tags.append("b")
    session.delete(three)
    session.add(Note(text="new", owner=owner, **more), tag="row-1")
    return json.dumps(session.plan().to_json())


def made(small, **more):
    with Session(small.client()) as session:
        text = changed(session, **more)
        session.rollback()
    return json.loads(text)


def test_a_plan_that_is_read_back_sends_what_was_planned(small):
    data = made(small)
    with Session(small.client()) as session:
        plan = Plan.from_json(data, session)
        assert [op.to_json() for op in plan] == data["operations"]
        assert len(session.new) == 2
        assert len(session.dirty) == 2
        report = session.apply(plan)
        assert {name: len(getattr(report, name)) for name in ("created", "updated", "deleted")} == {
            "created": 2,
            "updated": 2,
            "deleted": 1,
        }
    has = small.tables["notes"].rows.values()
    assert sorted((row["text"], row.get("owner"), row.get("tags")) for row in has) == [
        ("n1", 1, ["a"]),
        ("n2", None, ["a", "b"]),
        ("new", 1, None),
    ]
    assert [row["name"] for row in small.tables["owners"].rows.values()] == ["o"]


def test_objects_that_the_session_has_are_the_ones(small):
    data = made(small)
    with Session(small.client()) as session:
        one = Note.objects.using(session).get(id=1)
        plan = Plan.from_json(data, session)
        assert one.owner.name == "o"
        assert one in [obj for op in plan for obj in op.objects]
        session.rollback()


@pytest.mark.parametrize(
    "change",
    [
        {"tags": ["c"]},
        {"tags": None},
    ],
)
def test_an_object_that_was_read_otherwise_since_is_stale(small, change):
    data = made(small)
    small.tables["notes"].rows[2].update(change)
    with Session(small.client()) as session:
        two = Note.objects.using(session).get(id=2)
        with pytest.raises(StalePlanError, match="changed since it was made") as error:
            Plan.from_json(data, session)
        assert error.value.objects == [two]
        assert session.new == session.dirty == session.deleted == []
    assert [seen.method for seen in small.seen if seen.method != "GET"] == []


def test_an_object_that_was_changed_here_is_stale(small):
    data = made(small)
    with Session(small.client()) as session:
        two = Note.objects.using(session).get(id=2)
        two.text = "mine"
        with pytest.raises(StalePlanError, match="PATCH /notes/2/, has another body here"):
            Plan.from_json(data, session)
        assert session.dirty == [two]
        assert session.new == []
        session.rollback()


@pytest.mark.parametrize("session", [None, "a session", Note])
def test_a_plan_is_read_by_a_session_and_nothing_else(small, session):
    with pytest.raises(TypeError, match=r"needs the session whose apply\(\) .* not "):
        Plan.from_json(made(small), session)


def test_a_value_that_was_never_written_is_asked_for(small):
    data = made(small, secret="hunter2")
    assert "hunter2" not in json.dumps(data)
    with Session(small.client()) as session:
        with pytest.raises(SessionError, match=r"needed again: <Note .*'new'>\.secret"):
            Plan.from_json(data, session)
        assert session.new == []
        asked = []

        def secrets(obj, field, tag):
            asked.append((obj.text, field, tag))
            return "hunter3"

        session.apply(Plan.from_json(data, session, secrets=secrets))
    assert asked == [("new", "secret", "row-1")]
    bodies = [seen.body for seen in small.seen if str(seen) == "POST /notes/"]
    assert [body["secret"] for body in bodies] == ["hunter3"]


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"operations": []}, {"saved": None}, {"saved": {"format": "x"}}, {"saved": []}],
)
def test_what_is_no_plan_is_refused(small, data):
    with Session(small.client()) as session, pytest.raises(SessionError, match="no plan that"):
        Plan.from_json(data, session)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda saved: saved["objects"][0].pop("model"),
        lambda saved: saved["objects"][0].update(base=7),
        lambda saved: saved["objects"][0].update(sent={"nonsense": 1}),
        lambda saved: saved["objects"][0].update(refs={"owner": 99}),
        lambda saved: saved.update(objects={"a": 1}),
        lambda saved: saved.update(models={}),
        lambda saved: saved["models"].update({saved["objects"][0]["model"]: 99}),
    ],
)
def test_a_plan_that_was_spoilt_is_refused_and_leaves_nothing_behind(small, spoil):
    data = made(small)
    spoil(data["saved"])
    with Session(small.client()) as session:
        with pytest.raises(SessionError, match="no plan that"):
            Plan.from_json(data, session)
        assert session.new == session.dirty == session.deleted == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"server": "http://other.test/api"}, "is of the server"),
        ({"dialect": "rest"}, "is of the dialect"),
        ({"format": 99}, "has the format 99"),
        ({"models": {"nowhere:Thing": "{}"}}, "not declared in this process"),
    ],
)
def test_a_plan_of_something_else_is_refused(small, change, why):
    data = made(small)
    data["saved"].update(change)
    with Session(small.client()) as session, pytest.raises(SessionError, match=why):
        Plan.from_json(data, session)


READER = """
import json, sys
from objmapper import Session
from objmapper.cvat import Client
from objmapper.operation import Plan
import objmapper

with objmapper.Client(sys.argv[1], dialect="cvat", auth=("admin", "secret")) as client:
    with Session(client) as session:
        report = session.apply(Plan.from_json(json.load(sys.stdin), session))
        print(report.counts())
"""


def test_another_process_applies_a_plan_to_the_same_server():
    with serve("cvat", users=[("admin", "secret")], seed="1x3") as running:
        user = ("admin", "secret")
        with make_client(running.url, credentials=user) as client:
            task = client.tasks.get(id=1)
            task.name = "renamed"
            project = Project(name="p", labels=[Label(name="car")])
            client.session.add(Task(name="new", project=project))
            client.session.delete(client.tasks.get(id=2))
            text = json.dumps(client.session.plan().to_json())
            client.session.rollback()
            address = client.base_url
        told = subprocess.run(
            [sys.executable, "-c", READER, address],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        assert told.stdout.strip() == "{'created': 3, 'updated': 1, 'deleted': 1}"
        with make_client(running.url, credentials=user) as client:
            project = client.projects.get(name="p")
            assert [task.name for task in project.tasks.all()] == ["new"]
            assert client.tasks.get(id=1).name == "renamed"
            assert [label.name for label in project.labels.all()] == ["car"]
