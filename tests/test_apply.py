"""``session.apply(plan)`` sends exactly that plan, or refuses it as stale."""

import sys

import pytest

from objmapper import (
    CommitError,
    Model,
    Registry,
    Session,
    SessionError,
    StalePlanError,
    fields,
    signals,
)

registry = Registry("apply")
smallserver = sys.modules["smallserver"]


class Base(Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        abstract = True
        registry = registry


class Project(Base):
    name = fields.String(required=True)


class Task(Base):
    name = fields.String(required=True)
    size = fields.Integer(null=True)
    project = fields.ForeignKey(Project, null=True)
    tags = fields.List(fields.String())
    secret = fields.String(write_only=True)


@pytest.fixture
def server(small):
    small.table("projects", [{"id": 1, "name": "p"}])
    rows = [{"id": n, "name": f"t{n}", "size": 1, "project": 1, "tags": ["day"]} for n in (1, 2, 3)]
    small.table("tasks", rows, secret=("secret",))
    return small


@pytest.fixture
def session(server):
    with Session(server.client(recommended_workers=1)) as session:
        yield session
        session.rollback()


@pytest.fixture
def pending(session):
    """A new task in a new project, a changed one, a marked one."""
    project = Project(name="new")
    new = Task(name="task", project=project, secret="hunter2")
    session.add(new)
    changed, marked = session.get(Task, 1), session.get(Task, 2)
    changed.name = "renamed"
    changed.tags.append("night")
    session.delete(marked)
    return project, new, changed, marked


def writes(server):
    return [str(seen) for seen in server.seen if seen.method != "GET"]


def test_a_plan_that_is_applied_does_what_it_shows(server, session, pending):
    project, new, changed, marked = pending
    plan = session.plan()
    report = session.apply(plan)
    assert report.created.objects == [project, new]
    assert (report.updated.objects, report.deleted.objects) == ([changed], [marked])
    assert [entry.operation for entry in report.created] == [
        plan.operations[0],
        plan.operations[-1],
    ]
    assert session.new == session.dirty == session.deleted == []
    assert server.tables["tasks"].rows[1]["tags"] == ["day", "night"]


def test_what_changed_beside_the_plan_stays(server, session, pending):
    plan = session.plan()
    other = session.get(Task, 3)
    other.name = "later"
    session.apply(plan)
    assert session.dirty == [other]
    assert server.tables["tasks"].rows[3]["name"] == "t3"


def set_name(session, pending):
    pending[2].name = "renamed again"


def set_another_field(session, pending):
    pending[2].size = 7


def append(session, pending):
    pending[2].tags.append("noon")


def revert(session, pending):
    pending[2].revert()


def set_a_secret(session, pending):
    pending[1].secret = "hunter3"


def give_another_parent(session, pending):
    pending[1].project = Project(name="another")


def forget_the_new_one(session, pending):
    session.expunge(pending[1])


def keep_the_marked_one(session, pending):
    session.add(pending[3])


def mark_the_changed_one(session, pending):
    session.delete(pending[2])


def commit_one(session, pending):
    pending[2].commit()


STALE = [
    (set_name, 2),
    (set_another_field, 2),
    (append, 2),
    (revert, 2),
    (set_a_secret, 1),
    (give_another_parent, 1),
    (forget_the_new_one, 1),
    (keep_the_marked_one, 3),
    (mark_the_changed_one, 2),
    (commit_one, 2),
]


@pytest.mark.parametrize(("act", "which"), STALE, ids=lambda given: getattr(given, "__name__", ""))
def test_a_plan_whose_objects_changed_since_is_refused(server, session, pending, act, which):
    plan = session.plan()
    act(session, pending)
    before = writes(server)
    with pytest.raises(StalePlanError, match="changed since it was made") as caught:
        session.apply(plan)
    assert pending[which] in caught.value.objects
    assert writes(server) == before
    assert isinstance(caught.value, SessionError)
    assert "hunter" not in str(caught.value)
    assert session.apply(session.plan()).ok


def test_a_change_that_was_taken_back_is_none(session, pending):
    plan = session.plan()
    pending[2].name = "something"
    pending[2].name = "renamed"
    assert session.apply(plan).ok


def test_a_plan_is_applied_once(session, pending):
    plan = session.plan()
    session.apply(plan)
    with pytest.raises(StalePlanError):
        session.apply(plan)


def test_an_empty_plan_does_nothing(server, session):
    assert session.apply(session.plan()).requests == 0


def test_a_plan_of_another_session_is_refused(server, session, pending):
    plan = session.plan()
    with Session(server.client()) as other, pytest.raises(SessionError, match="another session"):
        other.apply(plan)
    assert writes(server) == []


@pytest.mark.parametrize("no_plan", [None, {"operations": []}, "plan"], ids=repr)
def test_what_is_no_plan_is_refused(server, session, pending, no_plan):
    with pytest.raises(TypeError, match=r"session\.plan\(\)"):
        session.apply(no_plan)
    assert writes(server) == []


def test_a_receiver_may_veto(server, session, pending):
    project, new, changed, marked = pending

    def veto(sender, instance, **_):
        raise signals.Veto("not now")

    with (
        signals.pre_create.connected_to(veto, sender=Project),
        pytest.raises(CommitError) as caught,
    ):
        session.apply(session.plan(), on_error="continue")
    report = caught.value.report
    assert report.skipped.objects == [new, project]
    assert (report.updated.objects, report.deleted.objects) == ([changed], [marked])


def test_a_receiver_may_not_change_what_is_sent(server, session, pending):
    def rename(sender, instance, **_):
        instance.name += "!"

    with (
        signals.pre_update.connected_to(rename, sender=Task),
        pytest.raises(StalePlanError, match="by a receiver that may only veto"),
    ):
        session.apply(session.plan())
    assert writes(server) == []


def test_its_options_are_those_of_a_commit(session, pending):
    told = []
    session.apply(session.plan(), workers=2, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (4, 4)
    with pytest.raises(ValueError, match="on_error is 'stop', 'continue' or 'undo'"):
        session.apply(session.plan(), on_error="go")


def test_a_circle_that_was_cut_is_applied(server):
    class Node(Base):
        next = fields.ForeignKey("self", null=True)

    server.table("nodes")
    with Session(server.client()) as session:
        first, second = Node(), Node()
        first.next, second.next = second, first
        session.add(first)
        assert session.apply(session.plan()).ok
        rows = server.tables["nodes"].rows
        assert (rows[first.id]["next"], rows[second.id]["next"]) == (second.id, first.id)
