"""Undo: what a commit did is taken back as far as that can be, and the rest is told with its reason."""

import os
import signal
import sys
from contextlib import contextmanager

import pytest

from objmapper import (
    CommitError,
    CommitInterrupted,
    DetachedError,
    Embedded,
    Model,
    Registry,
    Session,
    SessionError,
    UndoError,
    fields,
    inspect,
    signals,
)
from objmapper.cvat import Client as CVATClient
from objmapper.cvat import Job, Label
from objmapper.cvat import Project as CVATProject
from objmapper.cvat import Task as CVATTask
from objmapper.cvat.models import Attribute

registry = Registry("undo")
SmallDialect = sys.modules["smallserver"].SmallDialect


class Base(Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        abstract = True
        registry = registry


class Size(Embedded):
    width = fields.Integer()
    height = fields.Integer(null=True)


class Project(Base):
    name = fields.String(required=True)
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")

    class Meta:
        natural_key = ["name"]


class Task(Base):
    name = fields.String(required=True)
    note = fields.String(null=True)
    due = fields.DateTime(null=True)
    project = fields.ForeignKey(Project, data_key="project_id", null=True)
    tags = fields.List(fields.String())
    size = fields.Nested(Size, null=True)
    created = fields.String(read_only=True, null=True)
    secret = fields.String(write_only=True)

    class Meta:
        natural_key = ["name"]


class Area(Embedded):
    width = fields.Integer()
    square = fields.Integer(read_only=True, null=True)


class Lock(Embedded):
    width = fields.Integer()
    code = fields.String(write_only=True, null=True)


class Field(Base):
    area = fields.Nested(Area, null=True)
    lock = fields.Nested(Lock, null=True)


class Part(Base):
    """What a server makes along with its project."""

    project = fields.ForeignKey(Project, write_once=True, required=True)

    class Meta:
        natural_key = ["project"]


class Node(Base):
    name = fields.String()
    next = fields.ForeignKey("self", null=True)


class Event(Model):
    message = fields.String()

    class Meta:
        registry = registry
        keyless = True


class Book(Model):
    key = fields.UUID(primary_key=True, generated="client")
    title = fields.String()

    class Meta:
        registry = registry


@pytest.fixture
def server(small):
    small.table("projects", [{"id": n, "name": f"p{n}"} for n in (1, 2)])
    rows = [
        {
            "id": n,
            "name": f"t{n}",
            "note": None,
            "due": "2026-01-02T03:04:05Z",
            "project_id": 1,
            "tags": ["day"],
            "size": {"width": n, "height": None},
            "created": "today",
        }
        for n in (1, 2, 3)
    ]
    small.table("tasks", rows, secret=("secret",))
    for endpoint in ("nodes", "events"):
        small.table(endpoint)
    small.table("books", key="key")
    return small


@contextmanager
def session_of(client):
    """A session that may be left with what was not sent."""
    with Session(client) as session:
        yield session
        for obj in session.uncertain:
            session.expunge(obj)
        session.rollback()


@pytest.fixture
def client(server):
    return server.client(
        retries=2, lookups=frozenset({"exact", "in"}), max_keys=50, lists_are_full=True
    )


@pytest.fixture
def session(client):
    with session_of(client) as session:
        yield session


def failing(do, *arguments, **options):
    """Return the report of what does not do everything."""
    with pytest.raises(CommitError) as caught:
        do(*arguments, **options)
    return caught.value.report


def writes(server, since=0):
    return [str(seen) for seen in server.seen[since:] if seen.method != "GET"]


def reads(server, since=0):
    return [str(seen) for seen in server.seen[since:] if seen.method == "GET"]


def content(server):
    return {
        name: {key: dict(row) for key, row in table.rows.items()}
        for name, table in server.tables.items()
    }


def only(entries):
    (entry,) = entries
    return entry


def marked(session):
    """A new project with a new task, and two tasks that are changed, one of them by moving there."""
    project = Project(name="new")
    task = Task(name="task", project=project, tags=["a"], size=Size(width=7), secret="hunter2")
    session.add(task)
    moved, renamed = session.get(Task, 1), session.get(Task, 2)
    moved.project = project
    renamed.name = "renamed"
    renamed.tags.append("night")
    renamed.size.height = 4
    renamed.due = None
    return project, task, moved, renamed


# -- all of it ------------------------------------------------------------------------------------


def test_an_undo_leaves_the_server_as_it_was(server, session):
    project, task, moved, renamed = marked(session)
    before = content(server)
    report = session.commit()
    assert content(server) != before
    undone = report.undo()
    assert content(server) == before
    assert set(undone.undone.objects) == {project, task, moved, renamed}
    assert undone.counts() == {"undone": 4}
    assert undone.ok


def test_an_undo_leaves_the_session_as_it_was(server, session):
    objects = project, task, moved, renamed = marked(session)
    plan = session.plan()
    dirty, values = set(session.dirty), [obj.to_dict() for obj in objects]
    changes = [obj.changes for obj in (moved, renamed)]
    session.commit().undo()
    assert (session.new, set(session.dirty)) == ([project, task], dirty)
    assert [obj.to_dict() for obj in objects] == values
    assert [obj.changes for obj in (moved, renamed)] == changes
    assert [inspect(obj).lifecycle for obj in objects] == ["pending"] * 2 + ["persistent"] * 2
    assert (project.id, task.id, task.created) == (None, None, None)
    assert moved.project is task.project is project
    assert str(session.plan()) == str(plan)


def test_what_is_sent_again_is_what_was_sent(server, session):
    project, task, moved, renamed = marked(session)
    report = session.commit(workers=1)
    sent = [(seen.method, seen.path, seen.body) for seen in server.seen if seen.method != "GET"]
    done = content(server)
    report.undo()
    since = len(server.seen)
    again = session.commit(workers=1)
    now = server.seen[since:]
    assert [(seen.method, seen.path, seen.body) for seen in now if seen.method != "GET"] == sent
    assert content(server) == done
    assert again.created.objects == [project, task]
    assert set(again.updated.objects) == {moved, renamed}


def test_children_go_before_their_parents_and_what_refers_to_them_lets_go_first(server, session):
    marked(session)
    report = session.commit()
    since = len(server.seen)
    report.undo(workers=1)
    assert writes(server, since)[-1] == "DELETE /projects/3/"
    assert sorted(writes(server, since)) == [
        "DELETE /projects/3/",
        "DELETE /tasks/4/",
        "PATCH /tasks/1/",
        "PATCH /tasks/2/",
    ]


def test_what_has_changed_meanwhile_is_asked_for_many_in_one_request(server, session):
    marked(session)
    report = session.commit()
    since = len(server.seen)
    report.undo()
    asked = [seen.partition("?")[0] for seen in reads(server, since)]
    assert sorted(asked) == ["GET /projects/3/", "GET /tasks/"]


def test_a_commit_that_fails_takes_back_what_is_done(server, session):
    project, task, _, renamed = marked(session)
    before = content(server)
    plan = session.plan()
    server.fail("POST", "/tasks/", 400, {"name": ["No."]})
    report = failing(session.commit, on_error="undo", workers=1)
    assert content(server) == before
    assert report.failed.objects == [task]
    assert report.created == report.updated == []
    assert {*report.undone.objects} >= {project, renamed}
    assert report.undoing.ok
    assert str(session.plan()) == str(plan)
    assert "undone" in str(report)
    assert len(session.commit().created) == 2


def test_a_commit_where_nothing_fails_undoes_nothing(server, session):
    objects = marked(session)
    report = session.commit(on_error="undo")
    assert (len(report.created) + len(report.updated), report.undone) == (len(objects), [])
    assert report.undoing is None


def test_where_nothing_was_done_there_is_nothing_to_undo(server, session):
    session.add(Task(name="t"))
    server.fail("POST", "/tasks/", 400, {})
    report = failing(session.commit, on_error="undo")
    assert (report.undone, report.undoing) == ([], None)
    assert reads(server) == []


def test_a_veto_is_no_failure_and_undoes_nothing(server, session):
    def veto(sender, instance, session):
        if instance.name == "no":
            raise signals.Veto("not this one")

    yes, no = Task(name="yes"), Task(name="no")
    session.add_all([yes, no])
    with signals.pre_create.connected_to(veto, Task):
        report = failing(session.commit, on_error="undo")
    assert (report.created.objects, report.skipped.objects, report.undone) == ([yes], [no], [])


def test_what_a_deadline_kept_from_being_sent_is_a_failure(server, session, clock):
    tasks = [Task(name=f"t{n}") for n in range(2)]
    session.add_all(tasks)
    before = content(server)
    server.hook = lambda seen: clock.set_forward()
    report = failing(session.commit, on_error="undo", workers=1, deadline=100)
    assert (report.undone.objects, report.pending.objects) == (tasks[:1], tasks[1:])
    assert content(server) == before


@pytest.mark.parametrize("on_error", ["stop", "undo"])
def test_what_was_created_in_a_circle_goes_too(server, session, on_error):
    first, second = Node(name="first"), Node(name="second")
    first.next, second.next = second, first
    session.add_all([first, second])
    before = content(server)
    plan = str(session.plan())
    if on_error == "stop":
        undone = session.commit().undo()
        assert set(undone.undone.objects) == {first, second}
    else:
        session.add(Node(name="bad", next=first))
        plan = str(session.plan())
        server.hook = lambda seen: refuse_bad(server, seen)
        report = failing(session.commit, on_error="undo", workers=1)
        assert set(report.undone.objects) == {first, second}
    assert content(server) == before
    assert (first.next, second.next) == (second, first)
    assert str(session.plan()) == plan


def refuse_bad(server, seen):
    if seen.method == "POST" and seen.body["name"] == "bad":
        server.fail("POST", seen.path, 400, {})


def test_an_object_whose_key_the_client_chose_keeps_it(server, session):
    book = Book(title="b")
    key = book.key
    session.add(book)
    session.commit().undo()
    assert server.tables["books"].rows == {}
    assert (book.key, session.new) == (key, [book])
    assert session.commit().created.objects == [book]


# -- edits ----------------------------------------------------------------------------------------


def test_edits_made_since_the_commit_survive_the_undo(server, session):
    _, task, moved, renamed = marked(session)
    report = session.commit()
    task.name, task.note = "task, edited", "new"
    renamed.name = "renamed again"
    renamed.tags.append("later")
    moved.project = 2
    report.undo()
    assert (task.name, task.note, task.tags) == ("task, edited", "new", ["a"])
    assert renamed.changes["name"] == ("t2", "renamed again")
    assert renamed.changes["tags"] == (["day"], ["day", "night", "later"])
    assert moved.project.id == 2
    session.commit()
    rows = server.tables["tasks"].rows
    assert (rows[4]["name"], rows[4]["note"]) == ("task, edited", "new")
    assert (rows[2]["name"], rows[2]["tags"]) == ("renamed again", ["day", "night", "later"])
    assert rows[1]["project_id"] == 2


def test_edits_made_while_the_undo_is_in_flight_survive_it(server, session):
    _, task, _, renamed = marked(session)
    report = session.commit()

    def edit(seen):
        if (seen.method, seen.path) == ("DELETE", "/tasks/4/"):
            task.note = "now"
        if (seen.method, seen.path) == ("PATCH", "/tasks/2/"):
            renamed.note = "now"

    server.hook = edit
    report.undo(workers=1)
    assert (task.note, renamed.note) == ("now", "now")
    assert renamed.changes["note"] == (None, "now")
    assert renamed.changes["name"] == ("t2", "renamed")


def test_edits_made_while_a_commit_that_is_undone_was_in_flight_survive(server, session):
    first, second = session.get(Task, 1), Task(name="new")
    first.name = "renamed"
    session.add(second)

    def edit(seen):
        if seen.method == "PATCH" and seen.path == "/tasks/1/" and first.name == "renamed":
            first.name = "edited"
            server.fail("POST", "/tasks/", 400, {})

    server.hook = edit
    third = Task(name="third", project=Project(name="p"))
    session.add(third)
    report = failing(session.commit, on_error="undo", workers=1)
    assert report.failed
    assert first.changes == {"name": ("t1", "edited")}
    assert server.tables["tasks"].rows[1]["name"] == "t1"


def test_setting_back_what_was_committed_leaves_nothing_to_send_after_the_undo(server, session):
    task = session.get(Task, 1)
    task.name = "renamed"
    report = session.commit()
    task.name = "t1"
    report.undo()
    assert (task.changes, session.dirty) == ({}, [])


def test_a_list_that_the_program_holds_stays_the_objects_own(server, session):
    new, known = Task(name="n", tags=["a"]), session.get(Task, 1)
    tags, theirs = new.tags, known.tags
    theirs.append("b")
    session.add(new)
    session.commit().undo()
    assert (new.tags is tags, known.tags is theirs) == (True, True)
    tags.append("c")
    theirs.append("d")
    session.commit()
    assert server.tables["tasks"].rows[new.id]["tags"] == ["a", "c"]
    assert server.tables["tasks"].rows[1]["tags"] == ["day", "b", "d"]


def test_what_a_value_object_is_never_sent_is_not_lost(server, session):
    row = {"id": 1, "area": {"width": 1, "square": 1}}
    server.table("fields", [row], answers="nothing")
    field = session.get(Field, 1)
    field.area.width = 7
    report = session.commit()
    server.tables["fields"].rows[1]["area"] = {"width": 7, "square": 49}
    report.undo()
    assert server.tables["fields"].rows[1]["area"] == {"width": 1}
    assert field.area.width == 7
    assert list(field.changes) == ["area"]
    field.revert()
    assert (field.area.width, field.area.square) == (1, 1)


def test_a_secret_is_sent_again_and_shown_nowhere(server, session):
    task = Task(name="t", secret="hunter2")
    session.add(task)
    report = session.commit()
    undone = report.undo()
    for shown in (report, undone, report.to_json(), undone.to_json(), repr(undone.undone)):
        assert "hunter2" not in str(shown)
    assert "hunter2" not in repr([entry.operation.changes for entry in undone.undone])
    session.commit()
    assert server.tables["tasks"].rows[task.id]["secret"] == "hunter2"


def test_a_secret_inside_a_value_object_is_sent_again_too(server, session):
    server.table("fields")
    field = Field(lock=Lock(width=1, code="hunter2"))
    session.add(field)
    session.commit().undo()
    session.commit()
    assert server.tables["fields"].rows[field.id]["lock"] == {"width": 1, "code": "hunter2"}


def test_children_given_to_the_constructor_come_along_again(server, session):
    project = Project(name="p", tasks=[Task(name="child")])
    session.add(project)
    (child,) = [obj for obj in session.new if obj is not project]
    session.commit().undo()
    session.expunge(child)
    assert project.commit().created.objects == [project, child]


def test_what_refers_to_an_object_follows_it_when_that_is_undone_later(server, session):
    project = Project(name="later undone")
    session.add(project)
    first = session.commit()
    task, known = Task(name="n", project=project), session.get(Task, 1)
    known.project = project
    session.add(task)
    second = session.commit()
    old = project.id
    second.undo()
    first.undo()
    assert task.project is known.project is project
    server.table("projects", [{"id": old, "name": "somebody else's"}])
    session.commit()
    assert project.id != old
    rows = server.tables["tasks"].rows
    assert rows[known.id]["project_id"] == rows[task.id]["project_id"] == project.id


def test_a_key_that_the_server_gives_again_is_believed(server, session):
    task = Task(name="n")
    session.add(task)
    session.commit().undo()
    lost(server, "POST", "/tasks", done=True)
    assert session.commit().created.objects == [task]
    assert [row["name"] for row in server.tables["tasks"].rows.values()].count("n") == 1


def test_what_was_marked_for_deletion_since_stays_marked(server, session):
    new, known = Task(name="n"), session.get(Task, 1)
    known.name = "renamed"
    session.add(new)
    report = session.commit()
    session.delete(new)
    session.delete(known)
    report.undo()
    assert server.tables["tasks"].rows[1]["name"] == "t1"
    assert session.deleted == [known]
    assert inspect(new).lifecycle == "detached"
    assert session.new == []


# -- what can't be undone -------------------------------------------------------------------------


def test_what_was_deleted_stays_deleted_and_is_told(server, session):
    gone, new = session.get(Task, 1), Task(name="n")
    session.delete(gone)
    session.add(new)
    report = session.commit()
    undone = failing(report.undo)
    assert undone.undone.objects == [new]
    entry = only(undone.failed)
    assert entry.object is gone
    assert isinstance(entry.error, UndoError)
    assert "was deleted" in str(entry.error)
    assert 1 not in server.tables["tasks"].rows
    assert report.deleted.objects == [gone]
    assert report.undone.objects == [new]
    assert not report.ok


def test_what_was_never_read_can_not_be_restored(server, session):
    task = Task.objects.reference(1)
    task.name = "blind"
    report = session.commit()
    undone = failing(report.undo)
    assert "'name' was before is not known" in str(only(undone.failed).error)
    assert server.tables["tasks"].rows[1]["name"] == "blind"
    assert task.changes == {}


def test_what_the_server_never_shows_can_not_be_restored(server, session):
    task = session.get(Task, 1)
    task.name, task.secret = "renamed", "hunter2"
    report = session.commit()
    undone = failing(report.undo)
    assert "'secret' was before is not known" in str(only(undone.failed).error)
    assert server.tables["tasks"].rows[1]["name"] == "renamed"


def test_what_has_no_key_can_not_be_deleted(server, session):
    session.add(Event(message="m"))
    undone = failing(session.commit().undo)
    assert "has no key" in str(only(undone.failed).error)


@pytest.mark.parametrize("column", ["name", "note"])
def test_what_somebody_changed_since_is_not_overwritten(server, session, column):
    new, known, other = Task(name="n", note="x"), session.get(Task, 1), session.get(Task, 2)
    known.name = known.note = "mine"
    other.name = "other"
    session.add(new)
    report = session.commit()
    for key in (1, new.id):
        server.tables["tasks"].rows[key][column] = "theirs"
    undone = failing(report.undo)
    assert undone.undone.objects == [other]
    assert set(undone.failed.objects) == {new, known}
    for entry in undone.failed:
        assert f"({column!r} is not as the commit left it)" in str(entry.error)
    assert server.tables["tasks"].rows[1][column] == "theirs"
    assert new.id in server.tables["tasks"].rows
    assert (new in session, new.changes, known.changes) == (True, {}, {})
    assert set(report.created.objects + report.updated.objects) == {new, known}


@pytest.mark.parametrize("said", ["theirs", None])
def test_what_somebody_says_of_what_an_answer_left_out_is_not_deleted(server, session, said):
    """The service keeps what it is sent, and shows no more: a field without a value is not in its rows."""
    task = Task(name="x")
    session.add(task)
    report = session.commit()
    row = server.tables["tasks"].rows[task.id]
    assert "note" not in row
    row["note"] = said
    if said is None:
        assert report.undo().undone.objects == [task]
    else:
        undo = failing(report.undo)
        assert undo.failed.objects == [task]
        assert "'note' is not as the commit left it" in str(undo.failed[0].error)
        assert server.tables["tasks"].rows[task.id] is row


def test_a_change_to_what_was_not_sent_is_in_the_way_of_no_restoring(server, session):
    task = session.get(Task, 1)
    task.name = "mine"
    report = session.commit()
    server.tables["tasks"].rows[1]["note"] = "theirs"
    report.undo()
    row = server.tables["tasks"].rows[1]
    assert (row["name"], row["note"]) == ("t1", "theirs")
    assert task.note == "theirs"


def test_a_parent_stays_while_a_child_stays(server, session):
    project, task, moved, renamed = marked(session)
    report = session.commit()
    server.tables["tasks"].rows[task.id]["tags"] = ["theirs"]
    undone = failing(report.undo)
    assert undone.failed.objects == [task]
    entry = only(undone.skipped)
    assert (entry.object, entry.waited_for) == (project, (task,))
    assert set(undone.undone.objects) == {moved, renamed}
    assert project.id in server.tables["projects"].rows


def test_a_parent_stays_while_what_moved_there_stays(server, session):
    project, task, moved, renamed = marked(session)
    report = session.commit()
    server.tables["tasks"].rows[1]["project_id"] = 2
    undone = failing(report.undo)
    assert undone.failed.objects == [moved]
    assert undone.skipped.objects == [project]
    assert set(undone.undone.objects) == {task, renamed}


@pytest.mark.parametrize("how", ["made", "moved", "read"])
def test_a_parent_stays_while_it_has_what_the_session_knows_of(server, session, how):
    project, task = Project(name="new"), Task(name="t")
    session.add(project)
    report = session.commit()
    if how == "made":
        task.project = project
        session.add(task)
    elif how == "moved":
        task = session.get(Task, 1)
        task.project = project
    else:
        server.tables["tasks"].rows[3]["project_id"] = project.id
        task = session.get(Task, 3)
    session.commit()
    undone = failing(report.undo)
    entry = only(undone.skipped)
    assert (entry.object, entry.waited_for) == (project, (task,))
    assert project.id in server.tables["projects"].rows
    task.project = None
    task.commit()
    assert report.undo().undone.objects == [project]


def test_what_the_server_has_made_along_goes_along(server, session):
    """Of what may not be moved only those are in the way that this session has made."""
    server.table("parts", foreign={"project": "projects"})
    project = Project(name="new")
    session.add(project)
    report = session.commit()
    server.tables["parts"].rows[7] = {"id": 7, "project": project.id}
    theirs, ours = session.get(Part, 7), Part(project=project)
    session.add(ours)
    session.commit()
    assert list(Part.objects.all()) == [theirs, ours]  # it stands on a page now
    undone = failing(report.undo)
    assert only(undone.skipped).waited_for == (ours,)
    ours.delete()
    assert report.undo().undone.objects == [project]


def test_a_parent_does_not_stay_for_what_is_to_go_or_is_not_there_yet(server, session):
    project = Project(name="new")
    session.add(project)
    report = session.commit()
    doomed, pending = session.get(Task, 1), session.get(Task, 2)
    doomed.project = project
    doomed.commit()
    session.delete(doomed)
    pending.project = project
    assert report.undo().undone.objects == [project]


def test_what_is_gone_meanwhile_is_told(server, session):
    new, known = Task(name="n"), session.get(Task, 1)
    known.name = "renamed"
    session.add(new)
    report = session.commit()
    del server.tables["tasks"].rows[1], server.tables["tasks"].rows[new.id]
    undone = failing(report.undo)
    assert [str(entry.error) for entry in undone.failed] == [
        f"{new!r} can't be undone: it is gone.",
        f"{known!r} can't be undone: it is gone.",
    ]


def test_what_was_committed_again_since_is_left_as_it_is(server, session):
    task = session.get(Task, 1)
    task.name = "once"
    report = session.commit()
    task.name = "twice"
    session.commit()
    undone = failing(report.undo)
    assert "changed since" in str(only(undone.failed).error)
    assert server.tables["tasks"].rows[1]["name"] == "twice"


@pytest.mark.parametrize("leave", ["delete", "expunge"])
def test_what_left_the_session_since_is_told(server, session, leave):
    new = Task(name="n")
    session.add(new)
    report = session.commit()
    if leave == "delete":
        new.delete()
    else:
        session.expunge(new)
    undone = failing(report.undo)
    assert "has left the session since" in str(only(undone.failed).error)


def test_what_the_server_refuses_to_take_back_is_told_and_can_be_tried_again(server, session):
    new, known = Task(name="n"), session.get(Task, 1)
    known.name = "renamed"
    session.add(new)
    report = session.commit()
    server.fail("DELETE", f"/tasks/{new.id}/", 403, {"detail": "Locked."})
    undone = failing(report.undo)
    assert (undone.undone.objects, undone.failed.objects) == ([known], [new])
    assert (report.undone.objects, report.created.objects) == ([known], [new])
    assert report.undo().undone.objects == [new]
    assert (set(report.undone.objects), report.created) == ({known, new}, [])


def test_what_can_not_be_compared_is_not_touched(server, session):
    task = session.get(Task, 1)
    task.name = "renamed"
    report = session.commit()
    server.fail("GET", "/tasks/1/", 503, times=3)
    undone = failing(report.undo)
    assert only(undone.failed).error.status == 503
    assert server.tables["tasks"].rows[1]["name"] == "renamed"
    report.undo()
    assert server.tables["tasks"].rows[1]["name"] == "t1"


def test_a_commit_that_fails_tells_what_it_could_not_take_back(server, session):
    gone, project = session.get(Task, 1), Project(name="p")
    task = Task(name="n", project=project)
    session.delete(gone)
    session.add(task)
    server.fail("POST", "/tasks/", 400, {"name": ["No."]})
    report = failing(session.commit, on_error="undo", workers=1)
    assert report.counts() == {"deleted": 1, "undone": 1, "failed": 1}
    assert report.undoing.counts() == {"undone": 1, "failed": 1}
    lines = str(report).splitlines()
    assert lines[0].startswith("1 deleted, 1 undone, 1 failed; 3 requests")
    assert lines[2].startswith("  undo: 1 undone, 1 failed; 1 request")
    assert lines[3].startswith(f"  undo: failed: {gone!r}: {gone!r} was deleted")
    told = report.to_json()
    assert [each["object"] for each in told["undone"]] == [repr(project)]
    assert [each["object"] for each in told["undoing"]["failed"]] == [repr(gone)]


def test_a_report_is_undone_once(server, session):
    session.add(Task(name="n"))
    report = session.commit()
    report.undo()
    with pytest.raises(SessionError, match="was undone already"):
        report.undo()
    session.commit()
    with pytest.raises(SessionError, match="was undone already"):
        report.undo()
    assert len(server.tables["tasks"].rows) == 4


def test_the_report_of_nothing_is_undone_for_nothing(server, session):
    assert session.commit().undo().counts() == {}
    assert writes(server) == []


def test_the_report_of_an_undo_is_not_undone(server, session):
    session.add(Task(name="n"))
    undone = session.commit().undo()
    with pytest.raises(SessionError, match="is of an undo"):
        undone.undo()


def test_a_report_of_another_session_is_refused(server, client, session):
    session.add(Task(name="n"))
    report = session.commit()
    with session_of(client) as other, pytest.raises(SessionError, match="another session"):
        other.undo(report)


def test_what_is_no_report_is_refused(session):
    with pytest.raises(TypeError, match="by its report"):
        session.undo(session.plan())


def test_a_report_of_a_session_that_is_closed_or_gone_is_refused(server, client):
    with session_of(client) as opened:
        opened.add(Task(name="n"))
        report = opened.commit()
    with pytest.raises(DetachedError):
        report.undo()
    del opened
    with pytest.raises(SessionError, match="session of this commit is gone"):
        report.undo()
    assert len(server.tables["tasks"].rows) == 4


# -- the other verbs ------------------------------------------------------------------------------


def test_an_objects_own_commit_is_undone_by_its_report(server, session):
    task, other = session.get(Task, 1), session.get(Task, 2)
    task.name, other.name = "renamed", "other"
    task.commit().undo()
    assert task.changes == {"name": ("t1", "renamed")}
    assert server.tables["tasks"].rows[1]["name"] == "t1"
    assert set(session.dirty) == {other, task}


def test_only_the_fields_that_were_sent_are_restored(server, session):
    task = session.get(Task, 1)
    task.name, task.note = "renamed", "kept"
    since = len(server.seen)
    session.commit_objects([task], fields=["name"]).undo()
    assert [seen.body for seen in server.seen[since:] if seen.method == "PATCH"] == [
        {"name": "renamed"},
        {"name": "t1"},
    ]
    assert task.changes == {"name": ("t1", "renamed"), "note": (None, "kept")}


@pytest.mark.parametrize("verb", ["apply", "commit_objects"])
def test_each_way_to_commit_undoes_what_failed(server, session, verb):
    known, project = session.get(Task, 1), Project(name="p")
    known.name, new = "renamed", Task(name="n", project=project)
    session.add(new)
    before = content(server)
    server.fail("POST", "/tasks/", 400, {})
    given = session.plan() if verb == "apply" else [known, new]
    report = failing(getattr(session, verb), given, on_error="undo", workers=1)
    assert report.failed.objects == [new]
    assert set(report.undone.objects) == {known, project}
    assert content(server) == before


def test_deletions_that_fail_half_way_are_told(server, session):
    first, second = session.get(Task, 1), session.get(Task, 2)
    server.fail("DELETE", "/tasks/2/", 403, {})
    report = failing(session.delete_objects, [first, second], on_error="undo", workers=1)
    assert (report.deleted.objects, report.failed.objects) == ([first], [second])
    assert report.undoing.failed.objects == [first]


# -- unknown fates --------------------------------------------------------------------------------


def lost(server, method, path, *, done, times=1):
    """Have the answer to a write lost, which was *done* or not."""
    server.fail(method, path, 502, "<html>", done=done, times=times)


@pytest.mark.parametrize("done", [True, False])
def test_what_becomes_of_an_undo_is_found_out_too(server, session, done):
    new, known = Task(name="n"), session.get(Task, 1)
    known.name = "renamed"
    session.add(new)
    before = content(server)
    report = session.commit()
    lost(server, "DELETE", f"/tasks/{new.id}", done=done)
    lost(server, "PATCH", "/tasks/1", done=done)
    report.undo()
    assert content(server) == before
    assert known.changes == {"name": ("t1", "renamed")}
    assert session.new == [new]


@pytest.mark.parametrize("done", [True, False])
def test_what_a_commit_left_uncertain_is_settled_before_it_is_undone(server, session, done):
    new, known = Task(name="n"), session.get(Task, 1)
    known.name = "renamed"
    session.add(new)
    before = content(server)
    lost(server, "POST", "/tasks", done=done)
    server.fail("GET", "/tasks", 503, times=9)
    report = failing(session.commit)
    assert report.uncertain.objects == [new]
    report.undo()
    assert content(server) == before
    assert (report.uncertain, session.uncertain, session.new) == ([], [], [new])
    assert (new in report.undone, new in report.pending) == (done, not done)


def test_what_stays_uncertain_is_told_and_what_it_may_refer_to_stays(server, session):
    project = Project(name="p")
    new = Task(name="n", project=project)
    other = session.get(Task, 1)
    other.name = "renamed"
    session.add(new)
    lost(server, "POST", "/tasks", done=True)
    server.fail("GET", "/tasks", 503, times=99)
    report = failing(session.commit, on_error="undo", workers=1)
    assert report.uncertain.objects == [new]
    assert report.undone.objects == [other]
    assert report.created.objects == [project]
    assert report.undoing.uncertain.objects == [new]
    entry = only(report.undoing.skipped)
    assert (entry.object, entry.waited_for) == (project, (new,))
    assert session.uncertain == [new]
    server.faults.clear()
    report.undo()
    assert set(report.undone.objects) == {other, project, new}
    assert [row["name"] for row in server.tables["projects"].rows.values()] == ["p1", "p2"]


def test_what_two_commits_have_sent_of_an_object_is_taken_back_to_what_was_before_both(
    server, session
):
    task = session.get(Task, 1)
    task.name = "once"
    lost(server, "PATCH", "/tasks/1", done=True)
    server.fail("GET", "/tasks/1", 503, times=99)
    assert failing(session.commit).uncertain.objects == [task]
    server.faults.clear()
    task.name = "twice"
    report = session.commit()
    assert report.updated.objects == [task, task]
    report.undo()
    assert server.tables["tasks"].rows[1]["name"] == "t1"
    assert task.changes == {"name": ("t1", "twice")}


def test_what_was_settled_in_between_is_not_guessed(server, session):
    new = Task(name="n")
    session.add(new)
    lost(server, "POST", "/tasks", done=False)
    server.fail("GET", "/tasks", 503, times=9)
    report = failing(session.commit)
    server.faults.clear()
    session.commit()
    undone = failing(report.undo)
    assert "can't be told" in str(only(undone.failed).error)
    assert new.id in server.tables["tasks"].rows


@pytest.mark.parametrize("later", ["report.undo()", 'on_error="undo"'])
def test_what_is_made_again_after_its_undo_was_settled_is_taken_back_as_well(
    server, session, later
):
    new = Task(name="n")
    session.add(new)
    report = session.commit()
    key = new.id
    server.hook = lambda seen: (
        seen.method == "DELETE" and server.fail("GET", f"/tasks/{key}", 503, times=99)
    )
    lost(server, "DELETE", f"/tasks/{key}", done=True)
    assert failing(report.undo).uncertain.objects == [new]
    server.hook = lambda seen: None
    server.faults.clear()
    if later == "report.undo()":
        again = session.commit()
        again.undo()
    else:
        session.add(Task(name="refused", project=Project(name="p")))
        session.client.workers = 1
        server.hook = lambda seen: (
            seen.body is not None
            and seen.body["name"] == "refused"
            and server.fail("POST", "/tasks", 400)
        )
        again = failing(session.commit, on_error="undo")
    assert again.created == []
    assert new in again.undone
    assert "n" not in {row["name"] for row in server.tables["tasks"].rows.values()}
    session.rollback()


@pytest.mark.parametrize("done", [True, False])
def test_an_undo_of_unknown_fate_is_settled_by_the_next_commit(server, session, done):
    new, known = Task(name="n"), session.get(Task, 1)
    known.name = "renamed"
    session.add(new)
    report = session.commit()
    key = new.id
    server.hook = lambda seen: (
        seen.method == "DELETE" and server.fail("GET", f"/tasks/{key}", 503, times=99)
    )
    lost(server, "DELETE", f"/tasks/{key}", done=done)
    undone = failing(report.undo, workers=1)
    assert (undone.uncertain.objects, undone.undone.objects) == ([new], [known])
    assert session.uncertain == [new]
    again = failing(report.undo)
    assert again.uncertain.objects == [new]
    assert failing(session.commit).uncertain.objects == [new]
    server.hook = lambda seen: None
    server.faults.clear()
    since = len(server.seen)
    session.commit()
    assert session.uncertain == []
    assert [row["name"] for row in server.tables["tasks"].rows.values()].count("n") == 1
    assert ("POST /tasks/" in writes(server, since)) is done


@pytest.mark.parametrize("found", [None, "key"])
def test_an_undo_of_unknown_fate_is_settled_by_hand(server, session, found):
    new = Task(name="n")
    session.add(new)
    report = session.commit()
    key = new.id
    server.hook = lambda seen: (
        seen.method == "DELETE" and server.fail("GET", f"/tasks/{key}", 503, times=99)
    )
    lost(server, "DELETE", f"/tasks/{key}", done=found is None)
    failing(report.undo)
    server.faults.clear()
    assert session.settle(new, found=None if found is None else key)
    assert (inspect(new).lifecycle, new.id) == (
        ("pending", None) if found is None else ("persistent", key)
    )


# -- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c():
    """What presses Ctrl-C; in a program that raises KeyboardInterrupt, workers of a test run ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("explicit", [True, False])
def test_ctrl_c_in_an_undo_reports_what_is_left(server, session, ctrl_c, explicit):
    known = [session.get(Task, key) for key in (1, 2, 3)]
    for task in known:
        task.name = f"renamed {task.id}"
    undoing = []

    def press(seen):
        if seen.method == "PATCH" and "renamed" not in seen.body["name"]:
            undoing.append(seen)
            if len(undoing) == 2:
                ctrl_c()

    server.hook = press
    if explicit:
        report = session.commit()
        with pytest.raises(CommitInterrupted) as caught:
            report.undo(workers=1)
        undone = caught.value.report
    else:
        session.add(Task(name="bad", project=Project(name="p")))
        server.fail("POST", "/tasks/", 400, {})
        with pytest.raises(CommitInterrupted) as caught:
            session.commit(on_error="undo", workers=1)
        report = caught.value.report
        undone = report.undoing
        assert report.failed
    assert len([task for task in known if task in undone.undone]) == 2
    (left,) = [task for task in known if task in undone.pending]
    names = [row["name"] for row in server.tables["tasks"].rows.values()]
    assert [name for name in names if "renamed" in name] == [left.name]
    server.hook = lambda seen: None
    report.undo()
    assert not any("ren" in row["name"] for row in server.tables["tasks"].rows.values())


def test_ctrl_c_while_an_undo_asks_what_has_changed_takes_nothing_back(server, session, ctrl_c):
    task = session.get(Task, 1)
    task.name = "renamed"
    report = session.commit()
    server.hook = lambda seen: seen.method == "GET" and ctrl_c()
    with pytest.raises(CommitInterrupted) as caught:
        report.undo()
    assert caught.value.report.pending.objects == [task]
    assert server.tables["tasks"].rows[1]["name"] == "renamed"


def test_ctrl_c_in_a_commit_begins_no_undo(server, session, ctrl_c):
    tasks = [Task(name=f"t{n}") for n in range(2)]
    session.add_all(tasks)
    server.hook = lambda seen: ctrl_c() if seen.method == "POST" else None
    with pytest.raises(CommitInterrupted) as caught:
        session.commit(on_error="undo", workers=1)
    report = caught.value.report
    assert (report.created.objects, report.undoing) == (tasks[:1], None)
    server.hook = lambda seen: None
    report.undo()
    assert report.undone.objects == tasks[:1]


# -- what is told ---------------------------------------------------------------------------------


def test_receivers_hear_an_undo_as_the_writes_that_it_sends(server, session):
    heard = []

    def hear(name):
        def receiver(sender, instance, session, changes=None):
            heard.append((name, instance, changes))

        return receiver

    new, known = Task(name="n"), session.get(Task, 1)
    known.name = "renamed"
    session.add(new)
    report = session.commit()
    names = ["pre_create", "pre_update", "pre_delete", "post_create", "post_update", "post_delete"]
    receivers = {name: hear(name) for name in names}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver, Task)
    report.undo()
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver, Task)
    assert sorted(heard, key=lambda each: each[0]) == [
        ("post_delete", new, None),
        ("post_update", known, {"name": ("renamed", "t1")}),
        ("pre_delete", new, None),
        ("pre_update", known, {"name": ("renamed", "t1")}),
    ]


@pytest.mark.parametrize("raised", [signals.Veto("keep it"), RuntimeError("broken")])
def test_what_a_receiver_raises_keeps_its_object_and_nothing_else(server, session, raised):
    def refuse(sender, instance, session):
        raise raised

    new, known = Task(name="n"), session.get(Task, 1)
    known.name = "renamed"
    session.add(new)
    report = session.commit()
    with signals.pre_delete.connected_to(refuse, Task):
        undone = failing(report.undo)
    assert (undone.undone.objects, undone.skipped.objects) == ([known], [new])
    assert only(undone.skipped).error is raised
    assert new.id in server.tables["tasks"].rows


def test_the_end_of_a_commit_is_told_after_its_undo(server, session):
    told = []

    def ended(sender, session, report):
        told.append((report, report.undoing))

    known = session.get(Task, 1)
    known.name = "renamed"
    session.add(Task(name="n", project=Project(name="p")))
    server.fail("POST", "/tasks/", 400, {})
    with signals.post_commit.connected_to(ended):
        report = failing(session.commit, on_error="undo")
        assert told == [(report, report.undoing)]
        assert report.undoing is not None
        report = session.commit()
        undone = report.undo()
    assert [each for each, _ in told[1:]] == [report, undone]


def test_progress_is_told_of_the_undo_as_well(server, session):
    told = []
    project = Project(name="p")
    session.add(Task(name="n", project=project))
    server.fail("POST", "/tasks/", 400, {})
    failing(session.commit, on_error="undo", progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2), (1, 1)]
    report = session.commit()
    told.clear()
    report.undo(progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]


# -- CVAT -----------------------------------------------------------------------------------------


@pytest.fixture
def cvat(request):
    version = getattr(request, "param", "2.80")
    with CVATClient(f"embedded://cvat?seed=2x3&check=1&version={version}") as client:
        yield client
        client.session.rollback()
        assert client.server.violations == []


def everything(client):
    """All that the server has, but for the times of the last changes."""
    kinds = ("projects", "tasks", "jobs", "labels", "issues", "comments")
    return {
        kind: [
            {k: v for k, v in row.items() if not k.endswith("updated_date")}
            for row in client.request("GET", f"/{kind}?page_size=100").json()["results"]
        ]
        for kind in kinds
    }


def test_a_cvat_migration_is_taken_back_whole(cvat):
    session = cvat.session
    parked = {"name": "parked", "input_type": "checkbox", "mutable": True, "values": ["false"]}
    labels = [{"name": "car", "attributes": [parked]}, {"name": "person"}, {"name": "tree"}]
    project = CVATProject(name="new", labels=labels)
    moved, renamed = cvat.tasks.get(id=1), cvat.tasks.get(id=2)
    moved.project = project
    renamed.name = "renamed"
    known = CVATProject.objects.get(id=2)
    session.add(Label(name="tram", project=known))
    session.add(CVATTask(name="a copy", project=project))
    job = Job.objects.filter(task=4).first()
    job.assignee = cvat.users.retrieve_current_user()
    before, plan = everything(cvat), str(session.plan())
    report = session.commit()
    assert everything(cvat) != before
    undone = report.undo()
    assert everything(cvat) == before
    assert undone.counts() == {"undone": 9}
    assert str(session.plan()) == plan
    assert session.commit().counts() == {"created": 6, "updated": 3}


def test_what_was_put_into_a_cvat_project_since_is_not_deleted_with_it(cvat):
    session, project = cvat.session, CVATProject(name="new", labels=[{"name": "car"}])
    session.add(project)
    first = session.commit()
    task, tram = CVATTask(name="since", project=project), Label(name="tram", project=project)
    session.add_all([task, tram])
    second, before = session.commit(), everything(cvat)
    assert {label.name for label in project.labels.all()} == {"car", "tram"}  # it has its key now
    undone = failing(first.undo)
    assert {*undone.skipped[0].waited_for} == {task, tram}
    assert everything(cvat) == before
    assert second.undo().ok
    assert first.undo().ok
    assert len(session.new) == 4


def test_labels_go_with_the_project_in_whose_request_they_were_made(cvat):
    project = CVATProject(name="new", labels=[{"name": "car"}])
    cvat.session.add(project)
    report = cvat.session.commit()
    sent = []

    def hear(sender, request):
        if request.method != "GET":
            sent.append(f"{request.method} {request.shown_path}")

    key = project.id
    with signals.request_sent.connected_to(hear):
        undone = report.undo()
    assert sent == [f"DELETE /projects/{key}"]
    assert undone.undone.objects == report.undone.objects
    assert len(undone.undone) == 2
    again = cvat.session.commit()
    assert [type(obj) for obj in again.created.objects] == [CVATProject, Label]
    assert [label.name for label in project.labels] == ["car"]


@pytest.mark.parametrize("cvat", ["2.15"], indirect=True)
def test_what_a_dialect_can_not_say_is_told_and_the_rest_is_undone(cvat):
    label, task = Label.objects.filter(name="car").first(), cvat.tasks.get(id=1)
    label.attributes.append(Attribute(name="x", input_type="text", mutable=False, values=[""]))
    task.name = "renamed"
    report = cvat.session.commit()
    undone = failing(report.undo)
    assert (undone.undone.objects, undone.failed.objects) == ([task], [label])
    assert "CVAT takes attributes out of a label from 2.80 on" in str(only(undone.failed).error)
