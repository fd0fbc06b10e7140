"""Announcements: who is told what, when, on which thread; who may change, who may veto."""

import gc
import sys
import threading

import pytest

from objmapper import (
    Client,
    CommitError,
    Model,
    Registry,
    Session,
    ValidationError,
    fields,
    inspect,
    signals,
)

registry = Registry("signals")


class Named(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)

    class Meta:
        abstract = True
        registry = registry


class Project(Named):
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")


class Task(Named):
    size = fields.Integer(null=True)
    project = fields.ForeignKey(Project, null=True)


class Alert(Named):
    source = fields.String()

    class Meta:
        polymorphic_on = "source"


class UserAlert(Alert):
    class Meta:
        polymorphic_identity = "user"


ALL = [
    getattr(signals, name)
    for name in signals.__all__
    if isinstance(getattr(signals, name), signals.ModelSignal)
]


@pytest.fixture(autouse=True)
def no_receiver_is_left():
    yield
    assert [signal for signal in ALL if signal.receivers] == []


@pytest.fixture
def server(small):
    small.table("projects", [{"id": 1, "name": "p1"}, {"id": 2, "name": "p2"}])
    small.table(
        "tasks",
        [{"id": n, "name": f"t{n}", "size": n, "project": 1 + n // 3} for n in (1, 2, 3)],
        foreign={"project": "projects"},
    )
    small.table(
        "alerts", [{"id": n, "name": "a", "source": s} for n, s in enumerate(("user", "x", "user"))]
    )
    return small


@pytest.fixture
def session(server):
    with Session(server.client(recommended_workers=1)) as session:
        yield session
        session.rollback()


def writes(server) -> list[str]:
    return [str(seen) for seen in server.seen if seen.method != "GET"]


class Ear:
    """Hears signals and keeps what it is told: ``(name, sender, what)``."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, type, dict]] = []
        self.connected: list[tuple] = []

    def hear(self, *names: str, sender=signals.ANY, then=None) -> None:
        for name in names:

            def receiver(sender, name=name, **told):
                self.heard.append((name, sender, told))
                if then is not None:
                    then(**told)

            signal = getattr(signals, name)
            signal.connect(receiver, sender, weak=False)
            self.connected.append((signal, receiver))

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.heard]

    def about(self) -> list[tuple]:
        return [(name, told["instance"]) for name, _, told in self.heard if "instance" in told]

    def close(self) -> None:
        for signal, receiver in self.connected:
            signal.disconnect(receiver)


@pytest.fixture
def ear():
    ear = Ear()
    yield ear
    ear.close()


KINDS = [f"{when}_{what}" for when in ("pre", "post") for what in ("create", "update", "delete")]


# -- what is told ---------------------------------------------------------------------------------


def test_create_is_told_before_and_after(server, session, ear):
    def unsent(instance, session):
        assert (writes(server), instance.id) == ([], None)

    def sent(instance, session):
        assert (writes(server), instance.id) == (["POST /tasks/"], 4)

    ear.hear("pre_create", then=unsent)
    ear.hear("post_create", then=sent)
    task = Task(name="new")
    session.add(task)
    report = session.commit()
    told = {"instance": task, "session": session}
    assert ear.heard == [("pre_create", Task, told), ("post_create", Task, told)]
    assert report.errors == []


def test_update_is_told_with_its_changes(server, session, ear):
    ear.hear("pre_update", "post_update")
    task = Task.objects.get(id=1)
    task.name, task.size = "renamed", 9
    task.commit()
    told = {
        "instance": task,
        "changes": {"name": ("t1", "renamed"), "size": (1, 9)},
        "session": session,
    }
    assert ear.heard == [("pre_update", Task, told), ("post_update", Task, told)]
    assert task.changes == {}


def test_delete_is_told_before_and_after(server, session, ear):
    ear.hear("pre_delete", then=lambda instance, session: writes(server) == [] or 1 / 0)
    ear.hear("post_delete")
    task = Task.objects.get(id=1)
    task.delete()
    told = {"instance": task, "session": session}
    assert ear.heard == [("pre_delete", Task, told), ("post_delete", Task, told)]
    assert inspect(task).lifecycle == "detached"
    assert task.name == "t1"


def test_every_verb_is_told_the_same_way(server, session, ear):
    ear.hear(*KINDS)
    task = Task.objects.create(name="a")
    Task.objects.filter(id=task.id).update(name="b")
    Task.objects.update_or_create(id=task.id, defaults={"name": "c"})
    Project.objects.reference(1).tasks.add(task)
    Task.objects.filter(id=task.id).delete()
    assert ear.about() == [
        (f"{when}_{what}", task)
        for what in ("create", "update", "update", "update", "delete")
        for when in ("pre", "post")
    ]


def test_a_commit_is_told_before_and_after(server, session, ear):
    ear.hear("pre_commit", then=lambda session: session.add(Task(name="late")))
    ear.hear("post_commit")
    report = session.commit()
    assert ear.heard == [
        ("pre_commit", Session, {"session": session}),
        ("post_commit", Session, {"session": session, "report": report}),
    ]
    assert [obj.name for obj in report.created.objects] == ["late"]


def test_the_end_of_a_commit_is_told_whatever_became_of_it(server, session, ear):
    ear.hear("post_commit")
    server.fail("POST", "/tasks/", 400, {"name": ["Taken."]})
    with pytest.raises(CommitError) as caught:
        Task.objects.create(name="x")
    assert [told["report"] for _, _, told in ear.heard] == [caught.value.report]


def test_what_failed_is_not_told_as_done(server, session, ear):
    ear.hear(*KINDS)
    server.fail("POST", "/tasks/", 400, {}, times=1)
    first, second = Task(name="first"), Task(name="second")
    session.add_all([first, second])
    with pytest.raises(CommitError):
        session.commit(on_error="continue")
    assert ear.about() == [
        ("pre_create", first),
        ("pre_create", second),
        ("post_create", second),
    ]


def test_what_did_not_change_is_not_told(server, session, ear):
    ear.hear(*KINDS)
    task = Task.objects.get(id=1)
    task.name = "renamed"
    task.name = "t1"
    session.commit()
    Task.objects.filter(id=1).update(size=1)
    assert ear.heard == []


def test_loading_is_told_once_a_page(server, session, ear):
    ear.hear("post_load")
    server.page_size = 2
    tasks = list(Task.objects.order_by("id"))
    assert ear.heard == [
        ("post_load", Task, {"instances": tasks[:2], "session": session}),
        ("post_load", Task, {"instances": tasks[2:], "session": session}),
    ]
    ear.heard.clear()
    task = Task.objects.get(id=1)
    task.refresh()
    assert tasks[0].project.name == "p1"
    assert [(sender, told["instances"]) for _, sender, told in ear.heard] == [
        (Task, [task]),
        (Task, [task]),
        (Project, [Project.objects.reference(1)]),
    ]


def test_loading_is_told_to_those_who_hear_the_kind(server, session, ear):
    ear.hear("post_load", sender=UserAlert)
    alerts = list(Alert.objects.order_by("id"))
    assert [type(alert) for alert in alerts] == [UserAlert, Alert, UserAlert]
    assert ear.heard == [
        ("post_load", UserAlert, {"instances": [alerts[0], alerts[2]], "session": session})
    ]


def test_values_and_counts_load_nothing(server, session, ear):
    ear.hear("post_load")
    Task.objects.values("id")
    Task.objects.count()
    Task.objects.reference(1)
    assert ear.heard == []


def test_a_rollback_is_told(server, session, ear):
    new = Task(name="new")
    session.add(new)
    ear.hear("post_rollback", then=lambda session: session.new and 1 / 0)
    session.rollback()
    assert ear.heard == [("post_rollback", Session, {"session": session})]


def test_requests_and_answers_are_told_of_the_client(server, ear):
    class Special(Client):
        pass

    ear.hear("request_sent", "response_received")
    with Session(server.client()):
        Task.objects.get(id=1)
        with pytest.raises(Task.DoesNotExist):
            Task.objects.get(id=99)
    assert ear.names == ["request_sent", "response_received"] * 2
    assert {sender for _, sender, _ in ear.heard} == {Client}
    (_, _, asked), (_, _, answered), _, (_, _, missing) = ear.heard
    assert asked["request"].method == "GET"
    assert answered["request"] is asked["request"]
    assert (answered["response"].status, answered["response"].json()["id"]) == (200, 1)
    assert missing["response"].status == 404


def test_every_request_is_told_whatever_asks(server, session, ear):
    ear.hear("request_sent")
    list(Task.objects.prefetch_related("project"))
    Task.objects.count()
    Task.objects.create(name="x")
    session.client.request("GET", "/tasks/1/")
    assert len(ear.heard) == len(server.asked) == 5


# -- who is told ----------------------------------------------------------------------------------


def test_a_receiver_hears_the_class_it_is_connected_to(server, session, ear):
    ear.hear("post_create", sender=Task)
    Task.objects.create(name="t")
    Project.objects.create(name="p")
    assert [sender for _, sender, _ in ear.heard] == [Task]


def test_a_receiver_connected_to_a_base_class_hears_its_subclasses(server, session, ear):
    ear.hear("post_create", sender=Named)
    Task.objects.create(name="t")
    Project.objects.create(name="p")
    UserAlert.objects.create(name="a")
    assert [sender for _, sender, _ in ear.heard] == [Task, Project, UserAlert]


def test_a_receiver_connected_to_no_class_hears_all(server, session, ear):
    ear.hear("post_create")
    Task.objects.create(name="t")
    Project.objects.create(name="p")
    assert [sender for _, sender, _ in ear.heard] == [Task, Project]


def test_a_receiver_is_called_once_however_often_it_is_connected(server, session):
    heard = []

    def receiver(sender, instance, session):
        heard.append(sender)

    class Listener:
        def receive(self, sender, instance, session):
            heard.append(sender)

    listener = Listener()
    for one in (receiver, listener.receive):
        for sender in (Model, Named, Task, signals.ANY):
            signals.post_create.connect(one, sender)
    Task.objects.create(name="t")
    assert heard == [Task, Task]
    for one in (receiver, listener.receive):
        signals.post_create.disconnect(one)


def test_connect_via_is_the_decorator_of_the_tour(server, session):
    heard = []

    @signals.post_update.connect_via(Task)
    def on_update(sender, instance, changes, session):
        heard.append((sender, changes))

    Task.objects.filter(id=1).update(name="x")
    assert heard == [(Task, {"name": ("t1", "x")})]
    signals.post_update.disconnect(on_update)


def test_a_connected_lambda_vanishes(server, session):
    heard = []
    signals.post_create.connect(lambda sender, **told: heard.append(sender))
    gc.collect()
    Task.objects.create(name="t")
    assert heard == []
    assert not signals.post_create.receivers


# -- order and thread -----------------------------------------------------------------------------


def test_receivers_run_on_the_committing_thread(server, ear):
    threads = set()
    ear.hear(
        *KINDS, "pre_commit", "post_commit", then=lambda **_: threads.add(threading.get_ident())
    )
    with Session(server.client(recommended_workers=4)) as session:
        session.add_all(Task(name=f"n{n}") for n in range(8))
        Task.objects.get(id=1).name = "renamed"
        session.delete(Task.objects.get(id=2))
        session.commit()
    assert threads == {threading.get_ident()}
    assert {seen.thread for seen in server.seen if seen.method != "GET"} != {
        threading.current_thread().name
    }
    assert len(ear.about()) == 20


def test_receivers_are_told_in_plan_order_within_a_wave_whatever_came_first(server, ear):
    last_is_answered = threading.Event()

    def hook(seen):
        if seen.body and seen.body["name"] == "n0":
            assert last_is_answered.wait(10)
        if seen.body and seen.body["name"] == "n2":
            last_is_answered.set()

    server.hook = hook
    ear.hear("pre_create", "post_create")
    with Session(server.client(recommended_workers=3)) as session:
        tasks = [Task(name=f"n{n}") for n in range(3)]
        session.add_all(tasks)
        planned = [op.objects[0] for op in session.plan()]
        session.commit()
    assert planned == tasks
    assert ear.about() == [
        *(("pre_create", task) for task in tasks),
        *(("post_create", task) for task in tasks),
    ]


def test_a_wave_is_told_before_the_next_one_is_sent(server, session, ear):
    sent = []
    ear.hear("post_create", then=lambda instance, session: sent.append(len(writes(server))))
    parent = Project(name="p")
    session.add_all([Task(name="a", project=parent), Task(name="b", project=parent)])
    session.commit()
    assert ear.about()[0] == ("post_create", parent)
    assert sent == [1, 3, 3]


def test_all_pre_signals_fire_before_anything_is_sent(server, session, ear):
    ear.hear("pre_create", "pre_update", "pre_delete", then=lambda **_: writes(server) and 1 / 0)
    parent = Project(name="p")
    session.add(Task(name="a", project=parent))
    Task.objects.get(id=1).name = "renamed"
    session.delete(Task.objects.get(id=2))
    session.commit()
    assert sorted(ear.names) == ["pre_create", "pre_create", "pre_delete", "pre_update"]


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


# -- what it costs --------------------------------------------------------------------------------


def test_without_receivers_a_signal_costs_nothing(server):
    """Neither our room of signals nor blinker is entered, whatever is done."""
    entered: list[str] = []

    def profile(frame, event, arg):
        path = frame.f_code.co_filename.replace("\\", "/")
        if event == "call" and (path.endswith("objmapper/signals.py") or "/blinker/" in path):
            entered.append(frame.f_code.co_name)

    with Session(server.client(recommended_workers=2)) as session:
        threading.setprofile(profile)
        sys.setprofile(profile)
        try:
            tasks = list(Task.objects.prefetch_related("project"))
            tasks[0].name = "renamed"
            session.add_all(Task(name=f"n{n}") for n in range(5))
            session.delete(tasks[1])
            session.commit()
            session.rollback()
            Task.objects.get(id=1).refresh()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    assert len(writes(server)) == 7
    assert entered == []
