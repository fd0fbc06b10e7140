"""Whatever a model declares is written down and comes to life again as it was."""

import datetime as dt
import enum
import threading
import uuid

import pytest

from objmapper import Embedded, Model, Registry, fields

registry = Registry("anything")


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Place(Embedded):
    street = fields.String()
    opened = fields.DateTime(null=True)
    key = fields.String(write_only=True)


class Base(Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        abstract = True
        registry = registry


class Rich(Base):
    name = fields.String(required=True)
    at = fields.DateTime(null=True)
    day = fields.Date(null=True)
    mark = fields.UUID(null=True)
    size = fields.Enum(Size, null=True)
    bare = fields.Nested(Place, null=True)
    data = fields.Dict(data_key="payload")
    times = fields.List(fields.DateTime())

    class Meta:
        endpoint = "rich"
        natural_key = ["name"]


class Book(Model):
    key = fields.UUID(primary_key=True, generated="client")
    title = fields.String()

    class Meta:
        registry = registry
        endpoint = "books"
        natural_key = ["title"]


class Code(Model):
    code = fields.String(primary_key=True, generated="client")
    text = fields.String(null=True)

    class Meta:
        registry = registry
        endpoint = "codes"


class Run(Base):
    name = fields.String(required=True)

    class Meta:
        endpoint = "runs"
        natural_key = ["name"]


class Artifact(Base):
    run = fields.ForeignKey(Run, read_only=False)
    name = fields.String(required=True)

    class Meta:
        endpoint = "runs/{run}/artifacts"
        natural_key = ["run", "name"]


class Node(Base):
    name = fields.String(required=True)
    buddy = fields.ForeignKey("Node", null=True)

    class Meta:
        endpoint = "nodes"
        natural_key = ["name"]


@pytest.fixture
def served(place):
    for endpoint in ("rich", "runs", "nodes"):
        place.server.table(endpoint)
    place.server.table("books", key="key")
    place.server.table("codes", key="code")
    place.server.table("runs/{run}/artifacts")
    return place


def rich():
    at = dt.datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=dt.UTC)
    return Rich(
        name="naïve ☃ 𝄞",
        at=at,
        day=dt.date(2026, 5, 6),
        mark=uuid.UUID(int=7),
        size=Size.LARGE,
        bare=Place(street="s", opened=at),
        data={"a": [1, 2.5, None, {"b": "ü"}]},
        times=[at],
    )


def bodies(place, verb="POST"):
    return [seen.body for seen in place.server.seen if seen.method == verb]


def test_each_kind_of_value_is_sent_as_the_dead_process_would_have_sent_it(served):
    session = served.session()
    session.add(rich())
    plan = session.plan()
    served.die(session, 1, done=False)
    first = bodies(served)
    served.server.seen.clear()
    with served.session() as session:
        report = session.recover(secrets=lambda obj, name, tag: Place(street="s", key="told"))
        (made,) = report.created.objects
        assert (made.at, made.size, made.mark, made.data) == (
            rich().at,
            Size.LARGE,
            uuid.UUID(int=7),
            rich().data,
        )
    (again,) = bodies(served)
    assert {key: again[key] for key in again if key != "bare"} == {
        key: first[0][key] for key in first[0] if key != "bare"
    }
    assert again["bare"] == {"street": "s", "key": "told"}
    assert len(plan) == 1


def test_each_kind_of_change_is_compared_with_what_there_was(served):
    row = {
        "id": 1,
        "name": "a",
        "at": "2026-05-06T07:08:09Z",
        "day": "2026-05-06",
        "mark": str(uuid.UUID(int=1)),
        "size": "small",
        "payload": {"a": 1},
        "times": ["2026-05-06T07:08:09Z"],
    }
    served.server.table("rich", [row])
    session = served.session()
    one = Rich.objects.using(session).get(id=1)
    one.at = one.at.replace(year=2027)
    one.data["a"] = 2
    one.times.append(one.at)
    one.mark = None
    served.die(session, 1, done=True)
    with served.session() as session:
        assert len(session.recover().updated) == 1
    assert len(bodies(served, "PATCH")) == 1


# The server shows no field that was never set: whether the last step was not done can't be seen.
@pytest.mark.parametrize(("at", "done"), [(1, False), (1, True), (2, False), (2, True), (3, True)])
def test_a_circle_is_closed_by_the_recovery(served, at, done):
    session = served.session()
    one, two = Node(name="one"), Node(name="two")
    one.buddy, two.buddy = two, one
    session.add_all([one, two])
    served.die(session, at, done=done)
    with served.session() as session:
        assert session.recover().ok
    rows = served.server.tables["nodes"].rows.values()
    assert sorted(row["name"] for row in rows) == ["one", "two"]
    keys = {row["name"]: row["id"] for row in rows}
    assert {row["name"]: row["buddy"] for row in rows} == {"one": keys["two"], "two": keys["one"]}


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("again", ["recover", "run"])
def test_what_lives_below_another_object_is_made_there(served, at, done, again):
    def made():
        run = Run(name="r")
        return [Artifact(run=run, name=name) for name in "ab"]

    session = served.session()
    session.add_all(made())
    served.die(session, at, done=done)
    with served.session() as session:
        if again == "run":
            session.add_all(made())
            session.commit()
        else:
            session.recover()
    assert [row["name"] for row in served.server.tables["runs"].rows.values()] == ["r"]
    rows = served.server.tables["runs/{run}/artifacts"].rows.values()
    assert sorted(row["name"] for row in rows) == ["a", "b"]


@pytest.mark.parametrize("done", [False, True])
def test_a_key_that_the_client_chose_stays_the_one(served, done):
    session = served.session()
    book = Book(title="t")
    session.add(book)
    served.die(session, 1, done=done)
    with served.session() as session:
        assert [made.key for made in session.recover().created.objects] == [book.key]
        again = Book(title="t")
        session.add(again)
        session.commit()
        assert again.key == book.key
    assert list(served.server.tables["books"].rows) == [str(book.key)]


@pytest.mark.parametrize("done", [False, True])
def test_a_key_that_the_program_says_itself_is_a_name(served, done):
    session = served.session()
    session.add(Code(code="x", text="t"))
    served.die(session, 1, done=done)
    with served.session() as session:
        again = Code(code="x", text="t")
        session.add(again)
        session.commit()
    assert list(served.server.tables["codes"].rows) == ["x"]


def test_what_was_read_before_another_field_was_changed_is_written_as_it_was(served):
    row = {
        "id": 1,
        "name": "a",
        "at": "2026-05-06T07:08:09Z",
        "size": "small",
        "times": [],
        "day": None,
    }
    served.server.table("rich", [row, {**row, "id": 2}])
    session = served.session()
    one, two = Rich.objects.using(session).order_by("id")
    assert (one.at.year, two.at.year, one.size, one.times) == (2026, 2026, Size.SMALL, [])
    one.day = two.day = dt.date(2026, 1, 1)
    served.die(session, 1, done=False)
    with served.session() as session:
        report = session.recover()
        assert {obj.at for obj in report.updated.objects} == {one.at}
    assert bodies(served, "PATCH")[-2:] == [{"day": "2026-01-01"}] * 2


def test_no_more_operations_are_of_unknown_fate_than_there_are_workers(place, models):
    most = 0

    def slow(through, of):
        nonlocal most
        fates = {}
        for event in session.journal._store.events():
            fates[event.operation] = event.fate
        most = max(most, sum(fate == "sending" for fate in fates.values()))
        arrived.wait(0.05)

    arrived = threading.Event()
    with place.session() as session:
        session.add_all(models.Task(name=f"t{number}") for number in range(30))
        session.commit(workers=3, progress=slow)
    assert 1 <= most <= 3
