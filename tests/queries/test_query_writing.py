"""What a query set writes: each verb is a commit of its own objects, and touches nothing else."""

import pytest
from query_models import Artifact, Event, Project, Stage, Task, User

from objmapper import (
    CommitError,
    FieldDoesNotExist,
    QueryError,
    ReadOnlyFieldError,
    Session,
    SessionError,
    ValidationError,
    inspect,
)


def ids(objects) -> list[int]:
    return [obj.id for obj in objects]


def writes(server) -> list[str]:
    return [str(seen) for seen in server.seen if seen.method != "GET"]


@pytest.fixture
def others(session):
    """Pending work of the session that no verb of a query set may touch."""
    changed, gone, new = Task.objects.get(id=5), Task.objects.get(id=6), Task(name="later")
    changed.name = "pending"
    session.delete(gone)
    session.add(new)
    yield
    assert (session.dirty, session.deleted, session.new) == ([changed], [gone], [new])


# -- create ---------------------------------------------------------------------------------------


def test_create_sends_one_object_and_nothing_else(server, session, others):
    task = Task.objects.create(name="new", stage=Stage.DONE, tags=["x"])
    assert (task.id, task.name) == (7, "new")
    assert inspect(task).lifecycle == "persistent"
    assert task in session
    assert writes(server) == ["POST /tasks/"]
    assert server.seen[-1].body == {"name": "new", "stage": "done", "tags": ["x"]}
    assert Task.objects.get(id=7) is task


def test_create_writes_under_the_names_that_the_server_reads(server, session):
    user = User.objects.reference(2)
    task = Task.objects.create(name="new", assignee=user, changes_={"a": 1}, secret="s")
    assert server.seen[-1].body == {
        "name": "new",
        "stage": "draft",
        "assignee_id": 2,
        "changes": {"a": 1},
        "secret": "s",
    }
    assert task.assignee is user


def test_create_sends_the_pending_parents_it_refers_to_first(server, session, others):
    parent = Project(name="parent")
    task = Task.objects.create(name="child", project=parent)
    assert writes(server) == ["POST /projects/", "POST /tasks/"]
    assert task.project is parent
    assert parent.id == 4
    assert inspect(parent).lifecycle == "persistent"


def test_create_below_another_takes_what_the_query_says(server, session):
    made = Artifact.objects.filter(task=2).create(name="new")
    assert server.asked == ["POST /tasks/2/artifacts/"]
    assert made.task.id == 2
    assert Artifact.objects.filter(task=2).get(name="new") is made


def test_creating_what_has_no_key(server, session):
    server.table("events", key="message")
    assert Event.objects.create(message="happened").message == "happened"
    assert server.seen[-1].body == {"message": "happened"}


@pytest.mark.parametrize(
    ("error", "message", "values"),
    [
        (FieldDoesNotExist, "Did you mean 'name'", {"nam": "x"}),
        (ReadOnlyFieldError, "read-only", {"name": "x", "id": 5}),
        (ValidationError, "name", {}),
        (ValidationError, "size", {"name": "x", "size": "big"}),
        (ValidationError, "project", {"name": "x", "project": "y"}),
    ],
)
def test_what_can_not_be_created_is_not_sent_then_nor_later(
    server, session, others, error, message, values
):
    with pytest.raises(error, match=message):
        Task.objects.create(**values)
    assert writes(server) == []


def test_what_the_server_refuses_is_not_sent_again_later(server, session, others):
    server.fail("POST", "/tasks/", 400, {"name": ["Taken."]})
    with pytest.raises(CommitError) as caught:
        Task.objects.create(name="x")
    (entry,) = caught.value.report.failed
    assert entry.error.errors == {"name": ["Taken."]}
    assert inspect(entry.object).lifecycle == "transient"
    assert entry.object.commit()
    assert [inspect(entry.object).lifecycle, entry.object.id] == ["persistent", 7]


def test_what_met_an_unknown_fate_is_uncertain_and_not_sent_again(server, session):
    server.fail("POST", "/tasks/", 500, "broken", done=True)
    with pytest.raises(CommitError) as caught:
        Task.objects.create(name="x")
    (entry,) = caught.value.report.uncertain
    assert session.uncertain == [entry.object]
    with pytest.raises(CommitError, match="uncertain"):
        session.commit()
    assert writes(server) == ["POST /tasks/"]


# -- bulk_create ----------------------------------------------------------------------------------


def test_bulk_create_returns_what_it_was_given_with_keys(server, session, others):
    parent = Project(name="parent")
    given = [Task(name=f"t{n}", project=parent) for n in range(5)]
    assert Task.objects.bulk_create(iter(given)) == given
    assert sorted(ids(given)) == [7, 8, 9, 10, 11]
    assert writes(server) == ["POST /projects/", *["POST /tasks/"] * 5]
    assert {
        seen.body["project"] for seen in server.seen if seen.path == "/tasks/" and seen.body
    } == {parent.id}


def test_bulk_create_of_nothing_sends_nothing(server, session):
    assert Task.objects.bulk_create([]) == []
    assert server.asked == []


def test_bulk_create_checks_all_before_anything_is_sent(server, session, others):
    good, bad, worse = Task(name="x"), Task(), Task(name="y", size="big")
    with pytest.raises(ValidationError) as caught:
        Task.objects.bulk_create([good, bad, worse])
    assert {(obj, name) for obj, name, _ in caught.value.errors} == {(bad, "name"), (worse, "size")}
    assert writes(server) == []
    assert [inspect(obj).lifecycle for obj in (good, bad, worse)] == ["transient"] * 3


def test_bulk_create_that_fails_in_part_keeps_what_was_created(server, session, others):
    given = [Task(name=f"t{n}") for n in range(3)]
    server.hook = lambda seen: (
        seen.body == {"name": "t1", "stage": "draft"} and server.fail("POST", "/tasks/", 400, {})
    )
    with pytest.raises(CommitError) as caught:
        Task.objects.bulk_create(given, workers=1, on_error="continue")
    report = caught.value.report
    assert (report.created.objects, report.failed.objects) == ([given[0], given[2]], [given[1]])
    assert [inspect(obj).lifecycle for obj in given] == ["persistent", "transient", "persistent"]


def test_bulk_create_that_fails_leaves_what_was_pending_before_pending(server, session):
    before, given = Task(name="before"), Task(name="given")
    session.add(before)
    server.fail("POST", "/tasks/", 400, {}, times=2)
    with pytest.raises(CommitError):
        Task.objects.bulk_create([before, given], on_error="continue")
    assert session.new == [before]


def test_bulk_create_takes_objects_of_its_model_only(server, session):
    for wrong in (Project(name="x"), {"name": "x"}, None):
        with pytest.raises(TypeError, match="Task objects"):
            Task.objects.bulk_create([Task(name="x"), wrong])
    assert server.asked == []
    assert session.new == []


# -- get_or_create, update_or_create --------------------------------------------------------------


def test_get_or_create_gets_what_there_is(server, session, others):
    asked = len(server.asked)
    task, created = Task.objects.get_or_create(name="beta", defaults={"size": 99})
    assert (task.id, task.size, created) == (2, 7, False)
    assert server.asked[asked:] == ["GET /tasks/?name=beta&page_size=2"]


def test_get_or_create_creates_with_its_lookups_and_defaults(server, session, others):
    project = Project.objects.reference(1)
    task, created = Task.objects.get_or_create(
        name="new", project=project, size__gt=3, defaults={"size": 5, "note": "x"}
    )
    assert created
    assert server.seen[-1].body == {
        "name": "new",
        "project": 1,
        "size": 5,
        "note": "x",
        "stage": "draft",
    }
    assert Task.objects.get_or_create(name="new", project=project)[0] is task


def test_get_or_create_of_several_raises(server, session):
    with pytest.raises(Task.MultipleObjectsReturned):
        Task.objects.get_or_create(stage="draft")
    assert writes(server) == []


def test_get_or_create_refuses_defaults_that_are_no_fields(server, session):
    with pytest.raises(FieldDoesNotExist, match="Did you mean 'note'"):
        Task.objects.get_or_create(name="new", defaults={"notes": "x"})
    assert writes(server) == []


def test_update_or_create_sends_what_differs(server, session, others):
    task, created = Task.objects.update_or_create(
        name="beta", defaults={"size": 99, "note": "x", "done": False}
    )
    assert (task.id, task.size, created) == (2, 99, False)
    assert writes(server) == ["PATCH /tasks/2/"]
    assert server.seen[-1].body == {"size": 99}


def test_update_or_create_of_what_is_so_already_sends_nothing(server, session):
    assert Task.objects.update_or_create(name="beta", defaults={"size": 7})[1] is False
    assert Task.objects.update_or_create(name="beta")[1] is False
    assert writes(server) == []


def test_update_or_create_leaves_other_changes_of_the_object_pending(server, session):
    task = Task.objects.get(id=2)
    task.note = "pending"
    Task.objects.update_or_create(name="beta", defaults={"size": 99})
    assert server.seen[-1].body == {"size": 99}
    assert task.changes == {"note": ("x", "pending")}


def test_update_or_create_creates(server, session, others):
    task, created = Task.objects.update_or_create(name="new", defaults={"size": 9})
    assert (task.size, created) == (9, True)
    assert writes(server) == ["POST /tasks/"]


# -- update ---------------------------------------------------------------------------------------


def test_update_sets_fields_of_all_that_match(server, session, others):
    assert Task.objects.filter(size__lt=10).update(stage="done", note="z") == 3
    assert {str(seen): seen.body for seen in server.seen if seen.method != "GET"} == {
        "PATCH /tasks/1/": {"stage": "done", "note": "z"},
        "PATCH /tasks/2/": {"note": "z"},
        "PATCH /tasks/3/": {"stage": "done", "note": "z"},
    }
    assert Task.objects.get(id=1).stage is Stage.DONE


def test_update_sends_nothing_for_what_is_so_already(server, session):
    assert Task.objects.filter(id__in=[2, 4]).update(stage=Stage.DONE) == 2
    assert writes(server) == []


def test_update_of_a_relation_takes_an_object_or_a_key(server, session):
    project = Project.objects.reference(3)
    assert Task.objects.filter(id=1).update(project=project) == 1
    assert server.seen[-1].body == {"project": 3}
    assert Task.objects.filter(id=1).update(project=2) == 1
    assert server.seen[-1].body == {"project": 2}
    assert Task.objects.filter(id=1).update(project=None) == 1
    assert server.seen[-1].body == {"project": None}


def test_update_to_a_new_object_creates_it_first(server, session):
    project = Project(name="new")
    assert Task.objects.filter(size__lt=8).update(project=project) == 2
    assert writes(server)[0] == "POST /projects/"
    assert {seen.body["project"] for seen in server.seen if seen.method == "PATCH"} == {project.id}


def test_update_leaves_other_changes_of_its_objects_pending(server, session):
    task = Task.objects.get(id=2)
    task.note = "pending"
    Task.objects.filter(id=2).update(size=99)
    assert server.seen[-1].body == {"size": 99}
    assert task.changes == {"note": ("x", "pending")}


def test_update_gives_each_object_a_list_of_its_own(server, session):
    shared = ["x"]
    assert Task.objects.filter(id__in=[1, 2]).update(tags=shared) == 2
    one, two = Task.objects.get(id=1), Task.objects.get(id=2)
    one.tags.append("y")
    shared.append("z")
    assert (one.tags, two.tags) == (["x", "y"], ["x"])
    assert session.dirty == [one]


def test_update_keeps_to_slices_and_local_filters(server, session):
    assert Task.objects.order_by("id")[1:3].update(size=99) == 2
    assert sorted(writes(server)) == ["PATCH /tasks/2/", "PATCH /tasks/3/"]
    assert Task.objects.filter_locally(lambda task: task.id > 5).update(size=98) == 1
    assert writes(server)[-1] == "PATCH /tasks/6/"


def test_update_of_nothing_sends_nothing(server, session):
    assert Task.objects.filter(size__lt=10).update() == 0
    assert server.asked == []
    assert Task.objects.none().update(size=1) == 0
    assert server.asked == []
    assert Task.objects.filter(name="gone").update(size=1) == 0
    assert writes(server) == []


@pytest.mark.parametrize(
    ("error", "message", "values"),
    [
        (FieldDoesNotExist, "Did you mean 'name'", {"size": 1, "nam": "x"}),
        (ReadOnlyFieldError, "id", {"size": 1, "id": 5}),
        (ReadOnlyFieldError, "created", {"size": 1, "created": "2026-01-01"}),
        (ReadOnlyFieldError, "steps", {"size": 1, "steps": []}),
        (ValidationError, "size", {"name": "x", "size": "big"}),
        (ValidationError, "name", {"size": 1, "name": None}),
        (ValidationError, "stage", {"stage": "gone"}),
        (TypeError, "takes a Project", {"size": 1, "project": User(name="x")}),
    ],
)
def test_an_update_that_can_not_be_is_refused_before_anything_is_asked_or_changed(
    server, session, error, message, values
):
    task = Task.objects.get(id=1)
    with pytest.raises(error, match=message):
        Task.objects.filter(id=1).update(**values)
    assert server.asked == ["GET /tasks/1/"]
    assert task.changes == {}


def test_an_update_that_fails_in_part_reports_it(server, session):
    server.fail("PATCH", "/tasks/2/", 400, {"size": ["Too large."]})
    with pytest.raises(CommitError) as caught:
        Task.objects.filter(size__lt=10).update(size=99)
    (entry,) = caught.value.report.failed
    assert (entry.object.id, entry.error.errors) == (2, {"size": ["Too large."]})
    assert entry.object in session.dirty


# -- delete ---------------------------------------------------------------------------------------


def test_delete_deletes_all_that_match(server, session, others):
    query = Task.objects.filter(size__lt=10)
    found = list(query)
    assert query.delete() == 3
    assert sorted(writes(server)) == ["DELETE /tasks/1/", "DELETE /tasks/2/", "DELETE /tasks/3/"]
    assert [inspect(task).lifecycle for task in found] == ["detached"] * 3
    assert [task.name for task in found] == ["alpha", "beta", "gamma"]
    assert list(query) == []


def test_delete_of_nothing_sends_nothing(server, session):
    assert Task.objects.filter(name="gone").delete() == 0
    assert Task.objects.none().delete() == 0
    assert Task.objects.filter(id__in=[]).delete() == 0
    assert writes(server) == []
    assert len(server.asked) == 1


def test_delete_keeps_to_slices_and_local_filters(server, session):
    assert Task.objects.order_by("id")[:2].delete() == 2
    assert Task.objects.filter_locally(lambda task: task.id > 5).delete() == 1
    assert sorted(server.tables["tasks"].rows) == [3, 4, 5]


def test_delete_that_fails_in_part_reports_it_and_marks_nothing(server, session):
    server.fail("DELETE", "/tasks/2/", 403, {"detail": "No."})
    with pytest.raises(CommitError) as caught:
        Task.objects.filter(size__lt=10).delete()
    (entry,) = caught.value.report.failed
    assert (entry.object.id, entry.error.status) == (2, 403)
    assert inspect(entry.object).lifecycle == "persistent"
    assert session.deleted == []


def test_delete_where_the_server_takes_no_such_verb(server, session):
    server.fail("DELETE", "/tasks/1/", 405, {"detail": "Method not allowed."})
    with pytest.raises(CommitError, match="405"):
        Task.objects.filter(id=1).delete()


# -- whose session --------------------------------------------------------------------------------


def test_every_verb_writes_through_the_session_that_was_named(server, session):
    other = Session(server.client())
    named = Task.objects.using(other)
    assert named.create(name="new") in other
    assert named.get_or_create(name="newer")[0] in other
    assert named.update_or_create(name="newer", defaults={"size": 1})[0] in other
    assert named.bulk_create([Task(name="newest")])[0] in other
    assert named.filter(name="newer").update(size=5) == 1
    assert named.filter(name="newer").delete() == 1
    assert (len(session), session.new) == (0, [])
    other.close()


def test_an_object_of_another_session_is_not_taken(server, session):
    other = Session(server.client())
    task = Task(name="x")
    other.add(task)
    with pytest.raises(SessionError, match="another session"):
        Task.objects.bulk_create([task])
    with pytest.raises(SessionError, match="another session"):
        Project.objects.reference(1).tasks.add(task)
    assert (other.new, server.asked) == ([task], [])
    other.close()


def test_creating_in_a_slice_or_below_nothing_makes_no_difference(session):
    with pytest.raises(QueryError, match="which task"):
        Artifact.objects.create(name="x")
