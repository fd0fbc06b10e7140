"""What a server deletes along with its parent is made again with it, and what it leaves is said again.

The small server keeps what refers to a deleted row; ``along`` says what becomes of that otherwise.
"""

import itertools
from contextlib import closing
from functools import partial

import pytest

from objmapper import (
    Client,
    JournalError,
    Model,
    OfflineError,
    Registry,
    Session,
    fields,
    inspect,
)
from objmapper.cvat import Label
from objmapper.cvat import Project as CvatProject
from objmapper.cvat import Task as CvatTask

registry = Registry("went along")


class Box(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)

    class Meta:
        registry = registry
        endpoint = "boxes"
        natural_key = ["name"]


class Ball(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    box = fields.ForeignKey(Box, null=True)
    within = fields.ForeignKey("self", null=True)

    class Meta:
        registry = registry
        endpoint = "balls"
        natural_key = ["box", "name"]


class Sealed(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    box = fields.ForeignKey(Box, null=True)

    class Meta:
        registry = registry
        endpoint = "sealed"
        natural_key = ["box", "name"]
        version = "etag"


class Note(Model):
    id = fields.Integer(primary_key=True)
    box = fields.ForeignKey(Box)
    text = fields.String()

    class Meta:
        registry = registry
        endpoint = "boxes/{box}/notes"
        natural_key = ["text"]


def cascade(rows, key, column):
    for number in [number for number, row in rows.items() if row[column] == key]:
        del rows[number]


def set_null(rows, key, column):
    for row in rows.values():
        row[column] = None if row[column] == key else row[column]


def keep(rows, key, column):
    """Leave what refers to nothing now."""


@pytest.fixture
def room(place):
    """A place for boxes and balls; ``room.along`` says what becomes of a ball when its box is deleted."""
    small = place.server
    small.table("boxes")
    small.table("balls", foreign={"box": "boxes", "within": "balls"})
    small.table("sealed", foreign={"box": "boxes"}, etags="strong")
    place.balls, place.along = small.tables["balls"].rows, cascade
    place.session = partial(place.session, has_etag=True)
    for table in small.tables.values():
        table.next_key = partial(next, itertools.count(1))  # no key is given twice

    def hook(seen):
        if seen.method == "DELETE" and seen.path.startswith("/boxes/"):
            for endpoint in ("balls", "sealed"):
                place.along(small.tables[endpoint].rows, int(seen.path.split("/")[2]), "box")

    small.hook = hook
    return place


def run(place, model=Ball, *, tag=None, delete=True):
    """Make a box with a ball, each with a commit of its own, and delete the box."""
    with place.session() as session:
        box = Box(name="b")
        session.add(box)
        session.commit()
        ball = model(name="red", box=box)
        session.add(ball, tag=tag)
        session.commit()
        assert inspect(ball).lifecycle == "persistent"
        rows = place.server.tables[model.__mapper__.endpoint].rows.values()
        found = {row["name"]: row["box"] for row in rows}, box.id
        if delete:
            session.delete(box)
            session.commit()
    return found


def since(place, start):
    return [str(seen) for seen in place.server.seen[start:]]


@pytest.mark.parametrize("model", [Ball, Sealed])
@pytest.mark.parametrize("along", [cascade, set_null, keep])
def test_the_program_ends_alike_whatever_the_server_does_with_what_belonged_to_it(
    room, along, model
):
    room.along = along
    for number in range(1, 4):
        assert run(room, model) == ({"red": number}, number)
    rows = room.server.tables[model.__mapper__.endpoint].rows
    assert list(rows) == ([] if along is cascade else [1])
    assert run(room, model, delete=False) == ({"red": 4}, 4)
    start = len(room.server.seen)
    assert run(room, model, delete=False) == ({"red": 4}, 4)
    assert since(room, start) == []


def test_many_are_asked_for_at_once_and_then_what_belonged_to_them(room):
    def program():
        with room.session() as session:
            box = Box(name="b")
            outer = [Ball(name=f"outer {n}", box=box) for n in range(3)]
            inner = [Ball(name=f"inner {n}", within=ball) for n, ball in enumerate(outer)]
            session.add_all([*outer, *inner])
            made = session.commit().created.objects
            session.delete(box)
            session.commit()
        return len(made)

    room.along = lambda rows, key, column: rows.clear()
    assert program() == 7
    start = len(room.server.seen)
    assert program() == 7
    asked = [each for each in since(room, start) if each.startswith("GET")]
    assert asked == [
        "GET /balls/?id__in=1,2,3&page_size=3",
        "GET /balls/?id__in=4,5,6&page_size=3",
    ]


@pytest.mark.parametrize("along", [cascade, keep])
def test_the_share_of_each_of_many_that_belonged_to_it_does_not_grow(room, lines_of, along):
    def program(count, delete):
        with room.session() as session:
            box = Box(name=f"b{count}")
            session.add_all([Ball(name=f"{n}", box=box) for n in range(count)])
            lines = lines_of(session.commit, lambda path: "/objmapper/journal/" in path)
            if delete:
                session.delete(box)
                session.commit()
        return lines / count

    room.along, shares = along, []
    for count in (20, 120):
        program(count, True)
        shares.append(program(count, False))
    small, large = shares
    assert large < small * 1.3


def test_what_cannot_be_asked_for_now_is_not_sent(room):
    run(room)
    room.server.fail("GET", "/balls/1", 503)
    with closing(room.session()) as session:
        box = Box(name="b")
        ball = Ball(name="red", box=box)
        session.add_all([box, ball])
        start = len(room.writes())
        with pytest.raises(
            JournalError, match=r"went along is not known: asking for it failed"
        ) as e:
            session.commit()
        assert str(e.value).endswith(
            " Nothing was sent; commit again when the server can tell. Where another object has its key "
            "by now, have the program give this one another tag, session.add(obj, tag=...): so it is made."
        )
        assert room.writes()[start:] == []
        assert session.commit().created.objects == [box, ball]


def test_what_somebody_else_has_under_the_key_is_not_taken_for_it(room):
    run(room)
    room.balls[1] = {"id": 1, "name": "blue", "box": None, "within": None}
    start = len(room.writes())
    with pytest.raises(JournalError, match=r"has another 'name'.*another tag, session\.add"):
        run(room)
    assert room.writes()[start:] == ["POST /boxes/"]
    assert run(room, tag="the red one") == ({"blue": None, "red": 2}, 2)


def test_what_this_journal_has_made_under_the_key_since_is_not_asked_for(room):
    run(room)
    room.server.tables["balls"].next_key = partial(next, itertools.count(1))
    with room.session() as session:
        session.add(Ball(name="blue", box=None))
        session.commit()
    start = len(room.server.seen)
    assert run(room, delete=False) == ({"blue": None, "red": 2}, 2)
    assert [asked.split()[0] for asked in since(room, start)] == ["POST", "POST"]


def test_what_was_made_after_its_parents_namesake_was_deleted_is_not_asked_for(room):
    room.server.tables["boxes"].next_key = lambda: 1
    with room.session() as session:
        first = Box(name="first")
        session.add(first)
        session.commit()
        session.delete(first)
        session.commit()
        second = Box(name="b")
        session.add_all([second, Ball(name="red", box=second)])
        session.commit()
    start = len(room.server.seen)
    assert run(room, delete=False) == ({"red": 1}, 1)
    assert since(room, start) == []


def test_what_was_moved_to_another_box_went_along_with_that_one(room):
    def program(*, delete):
        with room.session() as session:
            boxes = [Box(name=name) for name in "ab"]
            ball = Ball(name="red", box=boxes[0])
            session.add_all([*boxes, ball])
            session.commit()
            ball.box = boxes[1]
            session.commit()
            if delete is not None:
                session.delete(boxes[delete])
                session.commit()

    program(delete=0)
    start = len(room.server.seen)
    program(delete=1)
    assert [each for each in since(room, start) if each.startswith("GET")] == []
    assert room.balls == {}
    program(delete=None)
    assert [(row["name"], row["box"]) for row in room.balls.values()] == [("red", 4)]


def test_a_plan_shows_what_a_commit_will_ask_for_and_asks_nothing(room):
    run(room)
    start = len(room.server.seen)
    with closing(room.session()) as session:
        box = Box(name="b")
        ball = Ball(name="red", box=box)
        session.add_all([box, ball])
        plan = session.plan()
        assert [change.object for change in plan.changes] == [box]
        (left_out,) = plan.left_out
        assert left_out.change.object is ball
        assert "what it belonged to was deleted since; a commit looks it up" in str(left_out.error)
        assert since(room, start) == []
        assert session.commit().created.objects == [box, ball]


def test_offline_nobody_can_be_asked(room):
    run(room)
    with closing(Session(offline=room.path)) as session:
        box = Box(name="b")
        session.add_all([box, Ball(name="red", box=box)])
        with pytest.raises(OfflineError, match="whether it went along has to be asked"):
            session.commit()


def test_what_lives_below_what_is_gone_is_made_again_without_a_question(room):
    notes = room.server.table("boxes/{box}/notes")

    def program():
        with room.session() as session:
            box = Box(name="b")
            session.add_all([box, Note(box=box, text="n")])
            made = len(session.commit().created)
            session.delete(box)
            session.commit()
            notes.rows.clear()
        return made

    assert program() == 2
    start = len(room.server.seen)
    assert program() == 2
    assert [asked.split()[0] for asked in since(room, start)] == ["POST", "POST", "DELETE"]


@pytest.mark.parametrize("made", [1, 2])
def test_a_run_that_died_over_what_it_made_again_is_recovered_and_run_again(room, made):
    """Its box is there again, under another key than the ball knew that went with the one before it."""
    run(room)
    along = room.server.hook
    session = room.session()
    box = Box(name="b")
    session.add(box)
    if made == 1:
        session.commit()
    session.add(Ball(name="red", box=box))
    room.die(session, made, done=False)
    room.server.hook = along
    with room.session() as session:
        session.recover()
        assert session.uncertain == []
    assert run(room, delete=False) == ({"red": 2}, 2)
    start = len(room.server.seen)
    assert run(room, delete=False) == ({"red": 2}, 2)
    assert since(room, start) == []


def test_a_box_that_was_there_twice_is_known_by_both_its_keys(room):
    """One run makes the box anew, and another one the ball, which knew the key of the first."""
    run(room)
    with room.session() as session:
        session.add(Box(name="b"))
        session.commit()
    assert run(room, delete=False) == ({"red": 2}, 2)
    start = len(room.server.seen)
    assert run(room, delete=False) == ({"red": 2}, 2)
    assert since(room, start) == []


@pytest.mark.parametrize("done", [True, False])
def test_what_a_killed_run_was_to_give_its_new_parent_is_looked_up(room, done):
    """What the server had of the reference was read: a run that is killed leaves it written."""
    room.along = set_null
    run(room)
    along = room.server.hook
    session = room.session()
    box = Box(name="b")
    session.add_all([box, Ball(name="red", box=box)])
    room.die(session, 2, done=done)
    room.server.hook = along
    with room.session() as session:
        session.recover()
        assert session.uncertain == []
    assert [row["box"] for row in room.balls.values()] == [2]
    assert run(room, delete=False) == ({"red": 2}, 2)


@pytest.mark.parametrize("reuses", [True, False])
def test_what_was_moved_to_what_went_along_is_made_again_before_that(room, reuses):
    """The ball is made first, and moved into another, whose box is deleted with all that is in it."""

    def program(delete):
        with room.session() as session:
            inner, box = Ball(name="inner"), Box(name="b")
            session.add(inner)
            session.commit()
            outer = Ball(name="outer", box=box)
            session.add(outer)
            inner.within = outer
            session.commit()
            if delete:
                session.delete(box)
                session.commit()
        return {row["name"]: row.get("within") for row in room.balls.values()}, outer.id

    room.along = lambda rows, key, column: rows.clear()
    assert program(True) == ({}, 2)
    room.server.tables["balls"].next_key = partial(next, itertools.count(1 if reuses else 3))
    made, outer = program(False)
    assert made == {"inner": outer, "outer": None}
    start = len(room.server.seen)
    assert program(False) == (made, outer)
    assert since(room, start) == []


def test_a_plan_shows_that_what_belongs_to_what_may_be_gone_is_looked_up(room):
    room.along = lambda rows, key, column: rows.clear()
    with room.session() as session:
        box = Box(name="b")
        outer = Ball(name="outer", box=box)
        session.add(Ball(name="inner", within=outer))
        session.commit()
        session.delete(box)
        session.commit()
    with closing(room.session()) as session:
        box = Box(name="b")
        outer = Ball(name="outer", box=box)
        inner = Ball(name="inner", within=outer)
        session.add(inner)
        plan = session.plan()
        assert [change.object for change in plan.changes] == [box]
        assert {out.change.object for out in plan.left_out} == {outer, inner}


# -- on CVAT --------------------------------------------------------------------------------------


@pytest.mark.parametrize("parent", [CvatProject, CvatTask])
def test_labels_are_made_with_what_they_are_of_again(tmp_path, parent):
    """CVAT takes labels in the request of what they are of, and deletes them with it."""

    def program(session):
        made = parent(name="m", labels=[Label(name="car"), Label(name="bus")])
        session.add(made, tag="m")
        session.commit()
        first = {label.name for label in made.labels.all()}
        session.delete(made)
        session.commit()
        return first

    with Client("embedded://cvat?check=1") as client:
        for _ in range(3):
            with Session(client, journal=tmp_path / "it.journal") as session:
                assert program(session) == {"car", "bus"}
                assert parent.objects.count() == Label.objects.count() == 0


def test_tasks_and_late_labels_go_with_their_project_on_cvat_and_are_made_with_it_again(tmp_path):
    def program(session):
        project = CvatProject(name="p", labels=[Label(name="car")])
        session.add(project, tag="p")
        session.commit()
        session.add(CvatTask(name="t", project=project), tag="t")
        session.add(Label(name="bus", project=project), tag="bus")
        session.commit()
        names = [{obj.name for obj in model.objects.all()} for model in (CvatTask, Label)]
        session.delete(project)
        session.commit()
        return names

    with Client("embedded://cvat?check=1") as client:
        for _ in range(3):
            with Session(client, journal=tmp_path / "it.journal") as session:
                assert program(session) == [{"t"}, {"car", "bus"}]
                assert CvatTask.objects.count() == Label.objects.count() == 0
