"""Requests that go side by side are answered in any order, and what users see is in plan order."""

import threading
from contextlib import contextmanager

import pytest
from smallserver import SmallDialect

from objmapper import CommitError, Model, Registry, Session, fields, signals

registry = Registry("order of answers")


class Base(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    tags = fields.List(fields.String())

    class Meta:
        abstract = True
        registry = registry
        natural_key = ["name"]


class Folder(Base):
    pass


class Task(Base):
    pass


class Note(Base):
    class Meta:
        version = "etag"


NAMES = ["first", "second", "third"]


@pytest.fixture
def server(small):
    small.table("folders")
    small.table("tasks")
    rows = [{"id": n, "name": name, "tags": []} for n, name in enumerate(NAMES, 1)]
    small.table("notes", rows, etags="strong")
    return small


@contextmanager
def session_of(server, **options):
    capabilities = {} if "dialect" in options else {"has_etag": True}
    client = server.client(**capabilities, **options)
    with Session(client) as session:
        yield session
        for obj in session.uncertain:
            session.expunge(obj)
        session.rollback()


def hold_the_first_back(server):
    """Have two workers meet the answer to the second write before the one to the first.

    It is there when the third one goes out, as a thread sends that when it has the other's answer.
    """
    third_goes_out = threading.Event()

    def hook(seen):
        if seen.method == "GET" or third_goes_out.is_set():
            return
        writes = [each for each in server.seen if each.method != "GET"]
        if len({str(each) + str(each.body) for each in writes}) == 3:
            third_goes_out.set()
        elif seen.body["name"].startswith("first"):
            assert third_goes_out.wait(20)

    server.hook = hook


def new(kinds=(Task, Task, Task)):
    return [kind(name=name, tags=[]) for kind, name in zip(kinds, NAMES, strict=True)]


def test_what_is_created_and_changes_unnoticed_goes_in_plan_order_again(server):
    with session_of(server) as session:
        tasks = new()
        tags = [task.tags for task in tasks]  # held: nobody notices when they change
        session.add_all(tasks)
        hold_the_first_back(server)
        session.commit(
            workers=2,
        )
        assert [task.id for task in tasks] != [1, 2, 3]
        for each in reversed(tags):
            each.append("x")
        assert session.dirty == tasks
        assert (
            session.commit(
                workers=2,
            ).updated.objects
            == tasks
        )


@pytest.mark.parametrize("kinds", [(Task, Task, Folder), (Folder, Task, Task)])
def test_a_session_has_what_was_created_in_plan_order(server, kinds):
    with session_of(server) as session:
        known = session.get(Note, 1)
        objects = new(kinds)
        session.add_all(objects)
        hold_the_first_back(server)
        session.commit(workers=2)
        assert list(session) == [known, *objects]


def test_what_has_no_key_yet_is_asked_for_in_plan_order(server):
    server.tables["tasks"].answers = "nothing"
    with session_of(server) as session:
        tasks = new()
        session.add_all(tasks)
        hold_the_first_back(server)
        session.commit(workers=2)
        assert sorted(task.id for task in tasks) == [1, 2, 3]
        (look,) = [seen.query for seen in server.seen if seen.method == "GET"]
        assert look.startswith("name__in=first,second,third")


@pytest.fixture
def conflicts(server):
    """A session with three notes that others have changed, the first of which is answered late."""
    with session_of(server) as session:
        notes = [session.get(Note, n) for n in (1, 2, 3)]
        for note in notes:
            note.name += "!"
            server.tables["notes"].rows[note.id]["name"] += "?"
        hold_the_first_back(server)
        yield session, notes


def test_conflicts_are_decided_and_told_in_plan_order(conflicts):
    session, notes = conflicts
    decided, told = [], []

    def decide(conflict):
        decided.append(conflict.object)
        return "overwrite"

    def hear(sender, instance, conflict, session):
        told.append(instance)

    with signals.conflict.connected_to(hear, Note):
        report = session.commit(workers=2, on_conflict=decide, on_error="continue")
    assert (decided, told) == (notes, notes)
    assert (report.resolved.objects, report.updated.objects) == (notes, notes)


def test_conflicts_that_nobody_decides_are_reported_in_plan_order(conflicts):
    session, notes = conflicts
    with pytest.raises(CommitError) as caught:
        session.commit(workers=2, on_error="continue")
    assert caught.value.report.conflicts.objects == notes


def test_what_is_of_unknown_fate_is_looked_up_in_plan_order(server):
    with session_of(server) as session:
        objects = new((Task, Folder, Note))
        session.add_all(objects)
        for obj in objects[:2]:
            server.fail("POST", f"/{type(obj).__mapper__.endpoint}/", done=True)
        hold_the_first_back(server)
        report = session.commit(workers=2, on_error="continue")
        planned = [type(obj).__mapper__.endpoint for obj in report.created.objects]
        looks = [seen.path.strip("/") for seen in server.seen if seen.method == "GET"]
        assert looks == [endpoint for endpoint in planned if endpoint != "notes"]


def test_what_an_earlier_commit_has_sent_is_told_in_plan_order_whatever_was_found_first(server):
    with session_of(server, retries=1) as session:
        folder, task = Folder(name="f", tags=[]), Task(name="t", tags=[])
        session.add_all([folder, task])
        for endpoint in ("folders", "tasks"):
            server.fail("POST", f"/{endpoint}/", done=True)
            server.fail("GET", f"/{endpoint}/", 403, times=2)
        with pytest.raises(CommitError) as caught:
            session.commit(workers=2, on_error="continue")
        assert caught.value.report.uncertain.objects == [folder, task]
        server.fail("GET", "/folders/", 503, times=2)  # so that it is asked for once more
        server.seen.clear()
        report = session.commit(
            workers=2,
        )
        looks = [seen.path for seen in server.seen]
        assert looks == ["/folders/", "/folders/", "/tasks/", "/folders/"]
        assert report.created.objects == [folder, task]


class OneLane(SmallDialect):
    """Nothing goes side by side."""

    def draft(self, change):
        return super().draft(change)._replace(lane="one")


def test_what_may_go_again_goes_before_the_rest_of_its_lane(server):
    dialect = OneLane(idempotent=frozenset())
    with session_of(server, dialect=dialect, retries=1) as session:
        tasks = new()
        session.add_all(tasks)
        session.commit(
            workers=2,
        )
        for task in tasks:
            task.name += "!"
        server.seen.clear()
        server.fail("PATCH", "/tasks/1/")
        assert session.commit(workers=2, on_error="continue").updated.objects == tasks
    asked = server.asked
    looked_up = asked.pop(1)
    assert looked_up.startswith("GET /tasks/")
    assert asked == ["PATCH /tasks/1/", *(f"PATCH /tasks/{n}/" for n in (1, 2, 3))]


# -- where objects lie in memory ------------------------------------------------------------------


class Team(Base):
    rival = fields.ForeignKey("Team", null=True)
    best = fields.ForeignKey("Cup", null=True)


class Cup(Base):
    """What it waits for is more than a set keeps in the order in which it was put in."""

    a = fields.ForeignKey(Team)
    b = fields.ForeignKey(Team)
    c = fields.ForeignKey(Team)
    d = fields.ForeignKey(Team)
    e = fields.ForeignKey(Team)
    f = fields.ForeignKey(Team)


def test_which_reference_of_a_circle_is_cut_is_the_same_each_time(small):
    def planned():
        with Session(small.client()) as session:
            teams = [Team(name=name) for name in "abcdef"]
            cup = Cup(name="cup", **{team.name: team for team in teams})
            for team, rival in zip(teams, [*teams[1:], teams[0]], strict=True):
                team.rival, team.best = rival, cup
            session.add_all([cup, *teams])
            text = str(session.plan())
            session.rollback()
            return text, teams

    plans = [planned() for _ in range(30)]  # all of them are there: no two have a place in common
    assert len({text for text, _ in plans}) == 1
