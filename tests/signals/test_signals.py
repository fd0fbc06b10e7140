"""Announcements: who is told what, when, on which thread, and what it costs."""

import gc
import sys
import threading

import pytest
from ears import KINDS, Alert, Named, Project, Task, UserAlert, writes

from objmapper import (
    Client,
    CommitError,
    Model,
    Session,
    inspect,
    signals,
)

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
