"""Ctrl-C in a commit: no answer is lost, the report says what went, a second commit sends the rest."""

import os
import signal
import threading
import time
from itertools import count

import pytest
import requests

from objmapper import CommitInterrupted, Model, Registry, Session, fields, inspect, signals
from objmapper.client import Client
from objmapper.cvat import Client as CVATClient
from objmapper.cvat import Project, Task
from objmapper.server import WSGIAdapter

MANY = 12


@pytest.fixture(autouse=True)
def python_s_own_handler():
    """Ctrl-C raises KeyboardInterrupt, as in a program; workers of a test run ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def client():
    with CVATClient(f"embedded://cvat?seed=1x{MANY}&check=1") as client:
        yield client
        assert client.server.violations == []


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def until_it_is_heard():
    """Wait for the main thread, which may have much to do, to handle Ctrl-C."""
    end = time.monotonic() + 30
    while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        assert time.monotonic() < end
        time.sleep(0.001)


def names(client):
    rows = client.request("GET", "/tasks?page_size=100").json()["results"]
    return {row["id"]: row["name"] for row in rows}


def rename_all():
    tasks = list(Task.objects.order_by("id"))
    for task in tasks:
        task.name = f"renamed {task.id}"
    return tasks


@pytest.mark.parametrize("workers", [1, 4])
def test_what_is_in_flight_ends_and_the_report_says_what_went(client, workers):
    tasks, numbers, sent = rename_all(), count(1), []

    def strike(sender, request):
        number = next(numbers)  # no two threads get the same one
        sent.append(request)
        if number == 3:
            ctrl_c()
        if number >= 3:
            until_it_is_heard()

    with signals.request_sent.connected_to(strike), pytest.raises(CommitInterrupted) as caught:
        client.session.commit(workers=workers)
    report = caught.value.report
    assert isinstance(caught.value, KeyboardInterrupt)
    done, pending = report.updated.objects, report.pending.objects
    assert len(done) == len(sent) == report.requests
    assert 3 <= len(done) < MANY
    assert done + pending == tasks
    assert not report.uncertain
    told = names(client)
    assert {task.id for task in done} == {key for key, name in told.items() if "renamed" in name}
    assert client.session.dirty == pending
    again = client.session.commit()
    assert again.updated.objects == pending
    assert set(names(client).values()) == {f"renamed {task.id}" for task in tasks}


def test_later_waves_are_pending(client):
    project = Project(name="p", labels=[{"name": "car"}])
    tasks = [Task(name=f"t{n}", project=project) for n in range(3)]
    client.session.add_all(tasks)
    with signals.request_sent.connected_to(Once()), pytest.raises(CommitInterrupted) as caught:
        client.session.commit()
    assert project in caught.value.report.created
    assert caught.value.report.pending.objects == tasks
    assert client.session.commit().created.objects == tasks


class Once:
    """A receiver that presses Ctrl-C at the first call."""

    done = False

    def __call__(self, *_, **__):
        if not self.done:
            self.done = True
            ctrl_c()


def test_an_interrupt_after_the_last_answer_is_one_all_the_same(client):
    tasks = rename_all()
    with signals.post_commit.connected_to(Once()), pytest.raises(CommitInterrupted) as caught:
        client.session.commit()
    assert caught.value.report.updated.objects == tasks
    assert caught.value.report.ok


def test_one_raised_by_the_progress_callback_counts_too(client):
    tasks = rename_all()

    def progress(done, of):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(CommitInterrupted) as caught:
        client.session.commit(workers=3, progress=progress)
    report = caught.value.report
    assert len(report.updated) + len(report.pending) == MANY
    assert report.updated.objects + report.pending.objects == tasks
    assert len(report.updated) == sum("renamed" in name for name in names(client).values())
    client.session.rollback()


def test_the_second_one_does_not_wait_and_what_is_in_flight_is_uncertain():
    class Thing(Model):
        id = fields.Integer(primary_key=True)
        name = fields.String()

        class Meta:
            registry = Registry("interrupted")

    released, struck, both = threading.Event(), threading.Lock(), threading.Barrier(2)

    def stalls(environ, start_response):
        both.wait()
        if struck.acquire(blocking=False):
            ctrl_c()
            while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
                time.sleep(0.01)  # the first one is not held back any more once it was heard
            ctrl_c()
        released.wait(60)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"id": 1, "name": "x"}']

    http = requests.Session()
    http.mount("http://stalls.example", WSGIAdapter(stalls))
    with Client("http://stalls.example", http=http) as client, Session(client) as session:
        things = [Thing(name=f"n{n}") for n in range(4)]
        session.add_all(things)
        with pytest.raises(CommitInterrupted) as caught:
            session.commit(workers=2)
        report = caught.value.report
        released.set()
        assert report.uncertain.objects == things[:2]
        assert report.pending.objects == things[2:]
        assert session.uncertain == things[:2]
        assert [op.objects[0] for op in session.plan()] == things[2:]
        session.rollback()
    http.close()


def test_who_handles_it_in_a_way_of_their_own_is_left_alone(client):
    came = []
    signal.signal(signal.SIGINT, handler := lambda *_: came.append(True))
    try:
        tasks = rename_all()
        with signals.request_sent.connected_to(Once()):
            assert client.session.commit().updated.objects == tasks
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert came == [True]


def test_a_commit_in_another_thread_leaves_the_handler_alone(client):
    seen = []

    def work():
        with Session(client), signals.request_sent.connected_to(Look(seen)):
            Task.objects.get(id=1).update({"name": "x"})

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert set(seen) == {signal.default_int_handler}


class Look:
    def __init__(self, seen):
        self.seen = seen

    def __call__(self, *_, **__):
        self.seen.append(signal.getsignal(signal.SIGINT))


def test_objects_of_an_interrupted_commit_are_what_they_were(client):
    task = Task.objects.get(id=1)
    task.name = "x"
    with signals.request_sent.connected_to(Once()), pytest.raises(CommitInterrupted):
        task.commit()
    assert inspect(task).lifecycle == "persistent"
    assert task.changes == {}
    assert names(client)[1] == "x"
