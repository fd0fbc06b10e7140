"""Receivers: what they may change, what they may veto, what becomes of one that fails."""

import pytest
from ears import Project, Task, writes

from objmapper import (
    CommitError,
    DetachedError,
    Session,
    ValidationError,
    signals,
)

# -- a receiver may change ------------------------------------------------------------------------


def test_a_receiver_may_change_the_object_before_it_is_sent(server, session, ear):
    def fill(instance, session):
        instance.size = 42

    ear.hear("pre_create", then=fill)
    task = Task.objects.create(name="x")
    assert server.seen[-1].body == {"name": "x", "size": 42}
    assert (task.size, task.changes) == (42, {})


def test_pre_signals_fire_before_validation(server, session, ear):
    def fill(instance, session):
        instance.name = "filled"

    ear.hear("pre_create", sender=Task, then=fill)
    assert Task.objects.create().name == "filled"
    with pytest.raises(ValidationError):
        Project.objects.create()
    assert writes(server) == ["POST /tasks/"]


def test_a_receiver_may_change_back(server, session, ear):
    def back(instance, changes, session):
        instance.revert()

    ear.hear("pre_update", then=back)
    task = Task.objects.get(id=1)
    task.name = "renamed"
    report = session.commit()
    assert (writes(server), report.ok, task.name) == ([], True, "t1")


def test_what_a_receiver_touches_goes_with_the_sessions_commit_and_is_told_too(
    server, session, ear
):
    other = Task.objects.get(id=2)

    def touch(instance, session, **_):
        if instance is not other:
            other.size = 99
            session.add(Project(name=f"of {instance.name}"))

    ear.hear("pre_create", "pre_update", sender=Task, then=touch)
    task = Task(name="new")
    session.add(task)
    report = session.commit()
    assert sorted(writes(server)) == ["PATCH /tasks/2/", "POST /projects/", "POST /tasks/"]
    assert ear.about() == [("pre_create", task), ("pre_update", other)]
    assert len(report.created) == 2


def test_what_a_receiver_touches_beside_a_commit_of_one_object_stays_pending(server, session, ear):
    other = Task.objects.get(id=2)

    def touch(instance, session):
        other.size = 99

    ear.hear("pre_create", then=touch)
    Task.objects.create(name="new")
    assert writes(server) == ["POST /tasks/"]
    assert session.dirty == [other]


def test_a_change_made_after_the_answer_stays_a_change(server, session, ear):
    def stamp(instance, changes, session):
        instance.size = 77

    ear.hear("post_update", then=stamp)
    task = Task.objects.get(id=1)
    task.name = "renamed"
    task.commit()
    assert server.seen[-1].body == {"name": "renamed"}
    assert task.changes == {"size": (1, 77)}
    assert session.dirty == [task]


def test_a_receiver_may_write_an_audit_line_at_once(server, session, ear):
    server.table("projects", server.tables["projects"].rows.values())

    def audit(instance, changes, session):
        Project.objects.create(name=f"{instance.name} was {changes['name'][0]}")

    ear.hear("post_update", then=audit)
    for task in Task.objects.all():
        task.name = task.name.upper()
    report = session.commit()
    assert report.errors == []
    assert [seen.body["name"] for seen in server.seen if seen.method == "POST"] == [
        *("T1 was t1", "T2 was t2", "T3 was t3")
    ]
    assert (session.new, session.dirty) == ([], [])


def test_a_receiver_can_not_send_twice_what_is_under_way(server, session, ear):
    ear.hear("post_create", sender=Project, then=lambda instance, session: session.commit())
    parent = Project(name="p")
    session.add(Task(name="child", project=parent))
    report = session.commit()
    assert writes(server) == ["POST /projects/", "POST /tasks/"]
    assert len(report.created) == 2
    assert ["would be sent twice" in str(error) for error in report.errors] == [True]


# -- a receiver may veto --------------------------------------------------------------------------


def veto(**told):
    raise signals.Veto("Not this one.")


def veto_named(name):
    def check(instance, **_):
        if instance.name == name:
            raise signals.Veto(f"Not {name}.")

    return check


def test_a_veto_skips_the_object_and_sends_the_rest(server, session, ear):
    ear.hear("pre_create", then=veto_named("b"))
    tasks = [Task(name=name) for name in "abc"]
    session.add_all(tasks)
    with pytest.raises(CommitError, match="Not b") as caught:
        session.commit()
    report = caught.value.report
    assert report.created.objects == [tasks[0], tasks[2]]
    (entry,) = report.skipped
    assert (entry.object, str(entry.error)) == (tasks[1], "Not b.")
    assert session.new == [tasks[1]]
    assert len(writes(server)) == 2


def test_what_depends_on_a_vetoed_object_is_skipped(server, session, ear):
    ear.hear("pre_create", sender=Project, then=veto)
    parent = Project(name="p")
    child, other = Task(name="child", project=parent), Task(name="other")
    session.add_all([child, other])
    with pytest.raises(CommitError) as caught:
        session.commit(on_error="continue")
    report = caught.value.report
    assert report.created.objects == [other]
    assert sorted(obj.name for obj in report.skipped.objects) == ["child", "p"]
    (entry,) = (entry for entry in report.skipped if entry.object is child)
    assert entry.waited_for == (parent,)
    assert child in session.new
    ear.close()
    assert session.commit().created.objects == [parent, child]


def test_a_change_of_a_known_object_that_refers_to_a_vetoed_one_is_skipped(server, session, ear):
    ear.hear("pre_create", sender=Project, then=veto)
    task = Task.objects.get(id=1)
    task.project = Project(name="p")
    with pytest.raises(CommitError) as caught:
        session.commit()
    assert task in caught.value.report.skipped
    assert writes(server) == []


def test_a_parent_is_not_deleted_when_the_deletion_of_a_child_is_vetoed(server, session, ear):
    ear.hear("pre_delete", sender=Task, then=veto_named("t1"))
    project, first, second = session.get(Project, 1), session.get(Task, 1), session.get(Task, 2)
    for obj in (project, first, second):
        session.delete(obj)
    with pytest.raises(CommitError) as caught:
        session.commit(on_error="continue")
    report = caught.value.report
    assert report.deleted.objects == [second]
    assert writes(server) == ["DELETE /tasks/2/"]
    (entry,) = (entry for entry in report.skipped if entry.object is project)
    assert entry.waited_for == (first,)


def test_a_parent_is_not_deleted_when_the_move_of_a_child_is_vetoed(server, session, ear):
    ear.hear("pre_update", sender=Task, then=veto)
    project, task, other = session.get(Project, 2), session.get(Task, 3), session.get(Project, 1)
    task.project = other
    session.delete(project)
    with pytest.raises(CommitError) as caught:
        session.commit(on_error="continue")
    assert sorted(caught.value.report.skipped.objects, key=id) == sorted([project, task], key=id)
    assert writes(server) == []


def test_a_vetoed_update_and_a_vetoed_delete_stay_pending(server, session, ear):
    ear.hear("pre_update", "pre_delete", then=veto)
    task, other = Task.objects.get(id=1), Task.objects.get(id=2)
    task.name = "renamed"
    session.delete(other)
    with pytest.raises(CommitError):
        session.commit()
    assert (session.dirty, session.deleted, writes(server)) == ([task], [other], [])
    ear.close()
    assert session.commit().ok
    assert sorted(writes(server)) == ["DELETE /tasks/2/", "PATCH /tasks/1/"]


def test_an_objects_own_verbs_can_be_vetoed(server, session, ear):
    ear.hear("pre_create", "pre_update", "pre_delete", then=veto)
    task = Task.objects.get(id=1)
    task.name = "renamed"
    for verb in (task.commit, task.delete, Task(name="x").commit):
        with pytest.raises(CommitError, match="Not this one"):
            verb()
    with pytest.raises(CommitError, match="Not this one"):
        Task.objects.create(name="y")
    assert writes(server) == []
    assert [obj.name for obj in session.new] == ["x"]


def test_every_receiver_is_told_even_after_a_veto(server, session, ear):
    ear.hear("pre_create", then=veto)
    ear.hear("pre_create", then=veto)
    with pytest.raises(CommitError) as caught:
        Task.objects.create(name="x")
    assert ear.names == ["pre_create", "pre_create"]
    assert len(caught.value.report.skipped) == 1


def test_a_veto_of_the_whole_commit_sends_nothing(server, session, ear):
    ear.hear("pre_commit", then=veto)
    task = Task(name="x")
    session.add(task)
    with pytest.raises(signals.Veto, match="Not this one"):
        session.commit()
    assert (writes(server), session.new) == ([], [task])


def test_a_vetoed_object_is_not_validated(server, session, ear):
    ear.hear("pre_create", then=lambda instance, session: instance.name or veto())
    bad, good = Task(name=""), Task(name="good")
    bad.size = "big"
    session.add_all([bad, good])
    with pytest.raises(CommitError) as caught:
        session.commit()
    assert caught.value.report.created.objects == [good]


# -- receivers that fail --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pre_commit", "pre_create"])
def test_a_commit_whose_session_a_receiver_closes_is_no_success(server, ear, name):
    def close(session, **told):
        session.close()

    ear.hear(name, then=close)
    with Session(server.client()) as session:
        session.add(Task(name="x"))
        with pytest.raises(DetachedError, match="nothing was sent"):
            session.commit()
    assert writes(server) == []


def fail(**told):
    raise RuntimeError("broken receiver")


def test_a_pre_receiver_that_fails_stops_the_commit_before_anything_is_sent(server, session, ear):
    ear.hear("pre_create", then=fail)
    task = Task(name="x")
    session.add(task)
    with pytest.raises(RuntimeError, match="broken receiver"):
        session.commit()
    assert (writes(server), session.new) == ([], [task])


@pytest.mark.parametrize("name", ["post_create", "post_commit"])
def test_a_post_receiver_that_fails_is_reported_and_undoes_nothing(server, session, ear, name):
    ear.hear(name, then=fail)
    ear.hear(name)
    tasks = [Task(name="a"), Task(name="b")]
    session.add_all(tasks)
    report = session.commit()
    assert report.ok
    assert report.created.objects == tasks
    assert {str(error) for error in report.errors} == {"broken receiver"}
    assert len(report.errors) == (2 if name == "post_create" else 1)
    assert len(ear.heard) == 2 * len(report.errors)
    assert "a receiver raised RuntimeError('broken receiver')" in str(report)
    assert [task.id for task in tasks] == [4, 5]


def test_a_veto_after_the_fact_is_only_reported(server, session, ear):
    ear.hear("post_create", then=veto)
    report = Task(name="x").commit()
    assert report.ok
    assert [type(error) for error in report.errors] == [signals.Veto]


def test_a_receiver_of_loading_that_fails_is_heard_of(server, session, ear):
    ear.hear("post_load", then=fail)
    with pytest.raises(RuntimeError, match="broken receiver"):
        Task.objects.get(id=1)
    ear.close()
    assert len(session) == 1
    assert Task.objects.get(id=1).name == "t1"


def test_a_receiver_of_a_rollback_that_fails_is_heard_of_after_it(server, session, ear):
    ear.hear("post_rollback", then=fail)
    session.add(Task(name="x"))
    with pytest.raises(RuntimeError, match="broken receiver"):
        session.rollback()
    ear.close()
    assert session.new == []


def test_a_receiver_of_requests_that_fails_loses_no_answer(server, session, ear, caplog):
    ear.hear("request_sent", "response_received", then=fail)
    assert Task.objects.get(id=1).name == "t1"
    assert caplog.text.count("RuntimeError: broken receiver") == 2
