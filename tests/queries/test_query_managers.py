"""Managers: of the other side of a relation, and of one's own."""

import gc
import pickle

import pytest
from query_models import Board, LiveManager, Note, Page, Project, Task, Team

from objmapper import (
    CommitError,
    DetachedError,
    Manager,
    QueryError,
    QuerySet,
    ReadOnlyFieldError,
    Session,
    ValidationError,
    inspect,
)


def ids(objects) -> list[int]:
    return [obj.id for obj in objects]


# -- the manager of the other side ----------------------------------------------------------------


def test_a_relation_to_many_is_a_manager_of_what_the_server_has(server, session):
    project = Project.objects.reference(1)
    assert isinstance(project.tasks, Manager)
    assert not isinstance(project.tasks, list)
    assert repr(project.tasks) == "<tasks of <Project 1>>"
    assert isinstance(project.tasks.all(), QuerySet)
    assert server.asked == []
    assert ids(project.tasks.all()) == ids(project.tasks) == [1, 2]
    assert server.asked == ["GET /tasks/?project=1"] * 2


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda tasks: ids(tasks.filter(name="beta")), [2]),
        (lambda tasks: ids(tasks.filter(size__gt=0).order_by("-id")), [2, 1]),
        (lambda tasks: tasks.get(name="beta").id, 2),
        (lambda tasks: tasks.get(id=2).id, 2),
        (lambda tasks: tasks.count(), 2),
        (lambda tasks: tasks.exists(), True),
        (lambda tasks: bool(tasks), True),
        (lambda tasks: tasks.first().id, 1),
        (lambda tasks: tasks.last().id, 2),
        (lambda tasks: list(tasks.in_bulk([1, 2, 3])), [1, 2]),
        (lambda tasks: list(tasks.in_bulk()), [1, 2]),
        (lambda tasks: tasks.values_list("id", flat=True), [1, 2]),
        (lambda tasks: ids(tasks.iterator(page_size=1)), [1, 2]),
        (lambda tasks: ids(tasks.order_by("id")[1:]), [2]),
        (lambda tasks: tasks.all()[1].id, 2),
        (lambda tasks: tasks[1].id, 2),
        (lambda tasks: ids(tasks.prefetch_related("assignee")), [1, 2]),
        (lambda tasks: ids(tasks.filter_locally(lambda task: task.done)), [1]),
        (lambda tasks: ids(tasks.only("id")), [1, 2]),
        (lambda tasks: tasks.get_or_create(name="beta")[1], False),
    ],
)
def test_every_question_is_about_the_one_object(server, session, ask, answer):
    assert ask(Project.objects.reference(1).tasks) == answer
    own = [line for line in server.asked if line.startswith("GET /tasks/")]
    assert own
    assert all("project=1" in line for line in own)


def test_explain_is_about_the_one_object(server, session):
    assert "/tasks/?project=1\n" in Project.objects.reference(1).tasks.explain() + "\n"


def test_an_object_of_another_parent_is_not_found(session):
    with pytest.raises(Task.DoesNotExist):
        Project.objects.reference(1).tasks.get(id=5)


def test_creating_through_a_manager_refers_to_the_object(server, session):
    project = Project.objects.get(id=2)
    task = project.tasks.create(name="new")
    assert (task.id, task.project) == (7, project)
    assert server.seen[-1].method == "POST"
    assert server.seen[-1].body == {"name": "new", "stage": "draft", "project": 2}
    made, created = project.tasks.get_or_create(name="newer", defaults={"size": 3})
    assert (made.project, made.size, created) == (project, 3, True)
    both = project.tasks.bulk_create([Task(name="x", project=project)])
    assert both[0].project is project


def test_updating_and_deleting_through_a_manager_keep_to_the_object(server, session):
    project = Project.objects.reference(1)
    assert project.tasks.update(size=99) == 2
    assert sorted(str(seen) for seen in server.seen if seen.method == "PATCH") == [
        *("PATCH /tasks/1/", "PATCH /tasks/2/")
    ]
    assert project.tasks.all().delete() == 2
    assert sorted(server.tables["tasks"].rows) == [3, 4, 5, 6]


def test_deleting_all_is_said_in_full(server, session):
    for manager in (Task.objects, Project.objects.reference(1).tasks):
        with pytest.raises(QueryError, match=r"\.all\(\)\.delete\(\)"):
            manager.delete()
    assert server.asked == []


def test_a_manager_has_no_length_of_its_own(server, session):
    for manager in (Task.objects, Project.objects.reference(1).tasks):
        with pytest.raises(TypeError, match=r"\.count\(\)"):
            len(manager)
    assert server.asked == []


def test_adding_through_a_manager_is_one_commit_of_these_objects(server, session):
    project, task, other = Project.objects.get(id=1), Task.objects.get(id=5), Task.objects.get(id=6)
    untouched = Task.objects.get(id=3)
    untouched.name = "pending"
    report = project.tasks.add(task, other, new := Task(name="new"))
    assert [obj.project for obj in (task, other, new)] == [project] * 3
    assert sorted(map(str, server.seen[-3:])) == [
        *("PATCH /tasks/5/", "PATCH /tasks/6/", "POST /tasks/")
    ]
    assert (len(report.created), len(report.updated)) == (1, 2)
    assert session.dirty == [untouched]


def test_adding_takes_objects_of_the_right_model_only(server, session):
    project = Project.objects.reference(1)
    for wrong in (Team(name="x"), 5, None, [Task(name="x")]):
        with pytest.raises(TypeError, match="Task objects"):
            project.tasks.add(Task(name="fine"), wrong)
    assert server.asked == []
    assert session.new == []


def test_a_new_parent_has_nothing_on_the_server(server, session):
    project = Project(name="new")
    for ask in (
        lambda: list(project.tasks.all()),
        lambda: project.tasks.filter(name="x"),
        lambda: project.tasks.count(),
        lambda: list(project.tasks.iterator()),
        lambda: project.tasks.explain(),
        lambda: project.tasks.values("id"),
    ):
        with pytest.raises(QueryError, match=r"<Project.*not on the server yet"):
            ask()
    assert server.asked == []


def test_creating_below_a_new_parent_creates_the_parent_first(server, session):
    project = Project(name="new")
    task = project.tasks.create(name="first")
    assert server.asked == ["POST /projects/", "POST /tasks/"]
    assert server.seen[1].body["project"] == project.id == task.project.id == 4
    assert ids(project.tasks.all()) == [task.id]
    pending = Project(name="newer")
    session.add(pending)
    assert pending.tasks.add(Task(name="second")).created.objects[0] is pending


def test_a_manager_can_not_be_set(session):
    project = Project.objects.reference(1)
    with pytest.raises(ReadOnlyFieldError, match=r"manager.*create"):
        project.tasks = []


def test_a_manager_asks_the_session_of_its_object(server, session):
    other = Session(server.client())
    project = Project.objects.using(other).get(id=1)
    assert all(inspect(task).session is other for task in project.tasks.all())
    assert inspect(project.tasks.create(name="x")).session is other
    assert inspect(project.tasks.using(session).first()).session is session
    other.close()


def test_a_manager_of_an_object_without_a_session_raises(server, session):
    with Session(server.client()):
        project = Project.objects.prefetch_related("tasks").get(id=1)
        bare = Project.objects.get(id=2)
    assert ids(project.tasks.all()) == [1, 2]
    asked = len(server.asked)
    for ask in (
        lambda: list(bare.tasks.all()),
        lambda: bare.tasks.count(),
        lambda: bare.tasks.create(name="x"),
        lambda: list(project.tasks.filter(name="beta")),
    ):
        with pytest.raises(DetachedError, match="closed"):
            ask()
    copy = pickle.loads(pickle.dumps(Project.objects.get(id=1)))
    with pytest.raises(DetachedError):
        list(copy.tasks.all())
    assert len(server.asked) == asked + 1


def test_a_manager_of_a_session_that_is_gone_raises(server):
    session = Session(server.client())
    project = session.get(Project, 1)
    del session
    gc.collect()
    with Session(server.client()):
        with pytest.raises(DetachedError):
            list(project.tasks.all())
        with pytest.raises(DetachedError):
            project.tasks.create(name="x")


# -- managers of one's own ------------------------------------------------------------------------


def test_a_query_set_of_ones_own_makes_a_manager(server, session):
    assert ids(Note.objects.short()) == [1]
    assert ids(Note.objects.filter(size__gt=0).short().order_by("-id")) == [1]
    assert server.asked[0] == "GET /notes/?size__lt=10"
    assert Note.objects.get(id=3).size == 21
    assert type(Note.objects.all()).__name__ == "NoteQuerySet"


def test_a_manager_of_ones_own_begins_with_its_filter(server, session):
    assert ids(Page.objects.all()) == ids(Page.objects) == [1, 3, 4]
    assert Page.objects.count() == 3
    assert ids(Page.objects.named("n3")) == [3]
    assert server.asked[0] == "GET /pages/?live=true"
    with pytest.raises(Page.DoesNotExist):
        Page.objects.get(id=2)


def test_related_managers_are_made_of_the_targets_own(server, session):
    board = Board.objects.reference(1)
    assert ids(board.notes.short()) == [1]
    assert ids(board.notes.all()) == [1, 2]
    assert ids(board.notes.filter(size__gt=0).short()) == [1]
    assert ids(board.pages.all()) == [1, 3]
    assert ids(board.pages.named("n3")) == [3]
    assert isinstance(board.pages, LiveManager)
    assert "GET /notes/?project=1&size__lt=10" in server.asked
    assert "GET /pages/?live=true&board=1&name=n3" in server.asked


def test_a_manager_is_inherited(server, session):
    class Special(Note):
        class Meta:
            endpoint = "notes2"
            registry = Note.__mapper__.registry

    server.table("notes2", [{"id": 1, "size": 5, "project": None}])
    (found,) = Special.objects.short()
    assert type(found) is Special


# -- what fails leaves nothing behind -------------------------------------------------------------


def test_what_a_manager_could_not_create_is_not_sent_later(server, session):
    project = Project.objects.get(id=1)
    with pytest.raises(ValidationError, match=r"name.*[Rr]equired|Missing"):
        project.tasks.create()
    server.fail("POST", "/tasks/", 400, {"name": ["Taken."]})
    with pytest.raises(CommitError) as caught:
        project.tasks.create(name="x")
    assert caught.value.report.failed[0].error.errors == {"name": ["Taken."]}
    assert session.new == []
