"""Threads share a client and not a session; forks and thousands of sessions leave nothing behind."""

import contextlib
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from objmapper import (
    Client,
    DetachedError,
    Model,
    NoActiveSession,
    ObjMapperError,
    Registry,
    Session,
    SessionThreadError,
    connect,
    fields,
    inspect,
    scope,
    signals,
)
from objmapper import cvat as cvat_binding
from objmapper.connection import ThreadSessions
from objmapper.cvat import Project as CVATProject
from objmapper.cvat import Task as CVATTask
from objmapper.cvat import make_client
from objmapper.server import serve

THREADS = 16
registry = Registry("concurrency")


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()

    class Meta:
        registry = registry


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    tags = fields.List(fields.String())
    project = fields.ForeignKey(Project, null=True)

    class Meta:
        registry = registry


def together(work, count=THREADS):
    """Run ``work(number)`` on *count* threads that begin at the same time; return the results."""
    barrier = threading.Barrier(count, timeout=60)

    def run(number):
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def in_thread(work):
    """Run *work* on a thread that ends with it; return its result, or raise what it raised."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@pytest.fixture
def server(small):
    small.table("projects", [{"id": n, "name": f"p{n}"} for n in range(THREADS)])
    rows = [
        {"id": n, "name": f"t{n}", "tags": [str(n)], "project": n % THREADS} for n in range(320)
    ]
    small.table("tasks", rows, foreign={"project": "projects"})
    return small


@pytest.fixture
def client(server):
    return server.client()


# -- one client, sessions of their own ------------------------------------------------------------


@pytest.mark.parametrize("door", ["in process", "socket"])
def test_sixteen_threads_share_a_client_and_each_does_its_own_work(request, door, caplog):
    running = serve("cvat", users=["admin:secret"], check=True)
    request.addfinalizer(running.close)
    if door == "socket":
        client = make_client(running.url, credentials=("admin", "secret"))
        server = running.server
    else:
        client = cvat_binding.Client("embedded://cvat?check=1")
        server = client.server
    sent_before, came_before = client.transport.requests_sent, server.requests

    def work(number):
        with Session(client) as session:
            project = CVATProject(name=f"p{number}")
            tasks = [CVATTask(name=f"{number}-{n}", project=project) for n in range(4)]
            session.add_all(tasks)
            reports = [session.commit(workers=2)]
            for task in CVATTask.objects.filter(project=project):
                assert task.project is project
                task.name = task.name.replace("-", "+")
            session.delete(tasks.pop())
            reports.append(session.commit(workers=2))
            for obj in session:
                assert inspect(obj).session is session
            names = CVATTask.objects.filter(project=project).values_list("name", flat=True)
            assert sorted(names) == [task.name for task in tasks]
            assert [task.name for task in tasks] == [f"{number}+{n}" for n in range(3)]
        assert [len(report.created) for report in reports] == [5, 0]
        assert [len(report.updated) for report in reports] == [0, 3]
        assert [len(report.deleted) for report in reports] == [0, 1]
        return project.id, {task.id for task in tasks}, sum(report.requests for report in reports)

    with caplog.at_level(logging.WARNING):
        done = together(work)
    assert len({key for key, _, _ in done}) == THREADS
    assert len(set().union(*(keys for _, keys, _ in done))) == 3 * THREADS
    # 5 creations; 3 updates and a deletion; two lists of one page.
    assert {count for _, _, count in done} == {9}
    assert client.transport.requests_sent - sent_before == THREADS * 11
    assert server.requests - came_before == THREADS * 11
    assert server.violations == []
    assert caplog.records == []  # urllib3 warns of connections that its pool has no place for
    client.close()


def test_answers_come_to_the_thread_that_asked(server, client):
    everybody = threading.Barrier(THREADS, timeout=60)

    def answer_together(seen):
        everybody.wait()  # no answer is given before all have asked

    server.hook = answer_together

    def work(number):
        with Session(client):
            found = [Task.objects.get(id=number + THREADS * n) for n in range(10)]
            return [(task.id, task.name, task.tags) for task in found]

    for number, rows in enumerate(together(work)):
        keys = [number + THREADS * n for n in range(10)]
        assert rows == [(key, f"t{key}", [str(key)]) for key in keys]
    assert len(server.seen) == 10 * THREADS
    assert client.transport.requests_sent == 10 * THREADS
    by_thread = {}
    for seen in server.seen:
        by_thread.setdefault(seen.thread, set()).add(int(seen.path.split("/")[2]) % THREADS)
    assert sorted(by_thread.values(), key=min) == [{number} for number in range(THREADS)]


def test_each_session_has_an_object_of_its_own_for_the_same_row(client):
    def work(number):
        with Session(client) as session:
            task = Task.objects.get(id=7)
            task.name = f"of {number}"
            assert inspect(task).session is session
            assert session.dirty == [task]
            session.rollback()
            return task

    found = together(work)
    assert len(set(map(id, found))) == THREADS


def test_what_one_session_has_changed_is_no_change_of_another(server, client):
    """All write different fields of the same object; nobody's body has another one's change."""

    def work(number):
        with Session(client) as session:
            task = Task.objects.get(id=number % 2)
            task.tags.append(f"by {number}")
            session.commit()

    together(work)
    bodies = [seen.body for seen in server.seen if seen.method == "PATCH"]
    assert len(bodies) == THREADS
    for body in bodies:
        assert body.keys() == {"tags"}
    assert {body["tags"][-1] for body in bodies} == {f"by {number}" for number in range(THREADS)}


def test_reports_count_their_own_requests_while_others_send(client):
    def work(number):
        with Session(client) as session:
            session.add_all(Task(name=f"{number}", tags=[]) for _ in range(number))
            return session.commit().requests

    assert together(work) == list(range(THREADS))


def test_receivers_hear_the_session_that_commits(client):
    heard = []

    def on_create(sender, instance, session):
        heard.append((instance.name, inspect(instance).session is session, threading.get_ident()))

    signals.post_create.connect(on_create, sender=Task)
    try:

        def work(number):
            with Session(client) as session:
                session.add(Task(name=str(number), tags=[]))
                session.commit(workers=2)
            return str(number), True, threading.get_ident()

        done = together(work)
    finally:
        signals.post_create.disconnect(on_create, sender=Task)
    assert sorted(heard) == sorted(done)


# -- one session, one thread at a time ------------------------------------------------------------


@pytest.fixture
def busy(server, client):
    """``busy(session)`` keeps *session* busy on another thread while the block lasts."""

    @contextlib.contextmanager
    def busy(session):
        asked, go_on = threading.Event(), threading.Event()

        def wait(seen):
            asked.set()
            assert go_on.wait(60)

        server.hook = wait
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(session.get, Project, 3)
            assert asked.wait(60)
            server.hook = lambda seen: None
            try:
                yield
            finally:
                go_on.set()
            assert found.result().name == "p3"

    return busy


USES = {
    "a query": lambda s, task: list(Task.objects.using(s)),
    "get by key": lambda s, task: Task.objects.using(s).get(id=2),
    "count": lambda s, task: Task.objects.using(s).count(),
    "in_bulk": lambda s, task: Task.objects.using(s).in_bulk([1, 2]),
    "iterator": lambda s, task: list(Task.objects.using(s).iterator()),
    "reference": lambda s, task: Task.objects.using(s).reference(77),
    "session.get": lambda s, task: s.get(Task, 1),
    "a lazy relation": lambda s, task: task.project,
    "refresh": lambda s, task: task.refresh(),
    "add": lambda s, task: s.add(Task(name="x")),
    "add_all": lambda s, task: s.add_all([Task(name="x")]),
    "delete": lambda s, task: s.delete(task),
    "expunge": lambda s, task: s.expunge(task),
    "merge": lambda s, task: s.merge(Task(name="x")),
    "rollback": lambda s, task: s.rollback(),
    "plan": lambda s, task: s.plan(),
    "commit": lambda s, task: s.commit(),
    "an object's commit": lambda s, task: task.commit(),
    "an object's delete": lambda s, task: task.delete(),
    "create": lambda s, task: Task.objects.using(s).create(name="x"),
    "update": lambda s, task: Task.objects.using(s).filter(id=1).update(name="x"),
}


@pytest.mark.parametrize("use", USES)
def test_a_session_that_is_busy_refuses_a_second_thread(server, client, busy, use):
    with Session(client) as session:
        task = Task.objects.get(id=1)
        task.name = "changed"
        with busy(session):
            before = [request for request in server.asked if not request.startswith("GET")]
            with pytest.raises(SessionThreadError, match="one of its own"):
                USES[use](session, task)
            assert before == [request for request in server.asked if not request.startswith("GET")]
        # Nothing is lost or left half done.
        assert session.new == session.deleted == []
        assert task.changes == {"name": ("t1", "changed")}
        assert next(iter(session.plan())).request.shown_body() == {"name": "changed"}
        session.rollback()


def test_values_that_are_loaded_are_read_by_any_thread(client, busy):
    with Session(client) as session:
        task = Task.objects.get(id=1)
        with busy(session):
            assert (task.id, task.name, repr(task)) == (1, "t1", "<Task 1 name='t1'>")
            assert len(session) == 1


def test_a_session_passes_from_thread_to_thread(client):
    session = Session(client)
    task = in_thread(lambda: Task.objects.using(session).get(id=1))
    task.name = "by another"
    assert in_thread(session.commit).updated.objects == [task]
    assert in_thread(lambda: task.project.name) == "p1"
    session.close()


def test_a_receiver_may_use_the_session_that_calls_it(client):
    """It is on the same thread: to be called back is no second use."""
    heard = []

    def on_load(sender, instances, session):
        heard.append(session.get(Project, 1).name)

    signals.post_load.connect(on_load, sender=Task)
    try:
        with Session(client):
            list(Task.objects.filter(id=1))
    finally:
        signals.post_load.disconnect(on_load, sender=Task)
    assert heard == ["p1"]


# -- connect(): a session for each thread ---------------------------------------------------------


@pytest.fixture
def connected(server):
    with connected_to(server) as connection:
        yield connection


def connected_to(server):
    """What ``connect`` does, for a server that is reached through an adapter."""
    mounted = server.client()
    return connect(server.url, dialect=mounted.dialect, http=mounted.transport.http, retries=0)


def test_many_threads_work_on_the_connected_client(server, connected):
    def work(number):
        task = Task.objects.get(id=number)
        task.name = f"by {number}"
        assert inspect(task).session is connected.session
        task.commit()
        return connected.session

    sessions = together(work, 48)
    assert len(set(map(id, sessions))) == 48
    written = {seen.path: seen.body for seen in server.seen if seen.method == "PATCH"}
    assert written == {f"/tasks/{n}/": {"name": f"by {n}"} for n in range(48)}


def test_threads_that_connect_at_once_leave_one_default(server):
    connections = together(lambda number: connected_to(server))
    assert scope.session().client in [connection.client for connection in connections]
    for connection in connections:
        connection.close()
    with pytest.raises(NoActiveSession):
        scope.session()


def test_sessions_of_threads_that_ended_do_not_pile_up(connected):
    sessions, highest = weakref.WeakSet(), 0

    def work():
        list(Task.objects.filter(id=1))
        sessions.add(connected.session)

    for _ in range(500):
        in_thread(work)
        highest = max(highest, len(sessions))
    assert highest < 100


def test_sessions_that_a_thread_closed_itself_do_not_pile_up(connected):
    sessions, highest = weakref.WeakSet(), 0
    for _ in range(500):
        sessions.add(connected.session)
        connected.session.close()
        highest = max(highest, len(sessions))
    assert highest < 100


def test_what_an_ended_thread_has_found_still_loads(server, connected):
    tasks = [in_thread(lambda n=n: Task.objects.get(id=n)) for n in range(200)]
    gc.collect()
    assert [task.project.name for task in tasks] == [f"p{n % THREADS}" for n in range(200)]


def test_what_an_ended_thread_has_not_sent_is_told_at_the_end(server):
    def change():
        Task.objects.get(id=1).name = "never sent"

    def add():
        connection.session.add(Task(name="never sent"))

    def mark():
        connection.session.delete(Task.objects.get(id=2))

    def look():
        list(Task.objects.filter(id=3))

    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(connected_to(server))
        for work in (change, add, mark, *[look] * 200):
            in_thread(work)
        with pytest.warns(UserWarning, match="pending changes") as warned:
            stack.close()
    told = sorted(str(warning.message).partition("(")[2].partition(")")[0] for warning in warned)
    assert told == ["1 deleted", "1 dirty", "1 new"]


def test_a_session_that_an_ended_thread_handed_on_is_kept_and_closed_with_the_rest(server):
    with connected_to(server) as connection:
        handed = in_thread(lambda: connection.session)
        for _ in range(200):
            in_thread(lambda: connection.session)
        assert Task.objects.using(handed).get(id=1).name == "t1"
    assert handed.closed
    with pytest.raises(DetachedError):
        Task.objects.using(handed).get(id=1)


@pytest.mark.parametrize("closes", ["the sessions", "the client as well"])
def test_what_is_closed_while_threads_work_stops_them_with_an_error_of_ours(server, closes):
    begun = threading.Semaphore(0)

    def work(number):
        try:
            for n in range(10_000):
                task = Task.objects.get(id=n % 320)
                task.tags.append("x")
                task.project.name  # noqa: B018
                connection.session.add(Task(name="new", tags=[]))
                connection.session.commit(workers=2)
                begun.release()
        except ObjMapperError as error:
            return error
        return None

    connection = connected_to(server)
    with ThreadPoolExecutor(THREADS) as pool:
        found = [pool.submit(work, number) for number in range(THREADS)]
        for _ in range(2 * THREADS):
            begun.acquire()
        if closes == "the sessions":
            while not all(future.done() for future in found):
                ThreadSessions.close(connection)
        else:
            connection.close()
        for future in found:
            assert isinstance(future.result(), ObjMapperError)
    connection.close()


# -- fork -----------------------------------------------------------------------------------------

FORKED = """
import os, sys, threading, traceback
from objmapper import Client, Model, Session, fields

class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    note = fields.String(null=True)

client = Client(sys.argv[1], dialect="rest", retries=0)
session = Session(client)
busy = Session(client)
with session:
    task = Task.objects.get(id=1)
    task.name = "changed"
    asked = threading.Event()

    def ask():
        with busy.using():
            asked.set()
            found.append(busy.get(Task, 2).name)

    found = []
    other = threading.Thread(target=ask)
    other.start()
    asked.wait(60)
    Task.objects.get(id=6)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert task.changes == {"name": ("one", "changed")}, task.changes
            task.commit()
            assert busy.get(Task, 3).name == "three"
            with Session(client):
                assert Task.objects.get(id=4).name == "four"
            session.close()
            client.close()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert task.changes == {"name": ("one", "changed")}, task.changes
    Task.objects.get(id=5)
    other.join()
    assert found == ["two"], found
    session.rollback()
client.close()
print("done")
"""


def test_a_forked_child_has_connections_and_locks_of_its_own(faulty_server, tmp_path):
    names = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
    under_way, parent_went_on = threading.Event(), threading.Event()
    say = sys.modules["faulty"].say

    def act(to):
        key = int(to.seen.path.rpartition("/")[2])
        if key == 2:  # under way while the fork is made, and until the child has ended
            under_way.set()
            assert parent_went_on.wait(60)
        if key == 6:
            assert under_way.wait(60)
        if key == 5:
            parent_went_on.set()
        return say({"id": key, "name": names[key]} | (to.seen.json() if to.seen.body else {}))(to)

    faulty_server.then(act)
    script = tmp_path / "forked.py"
    script.write_text(FORKED)
    ran = subprocess.run(
        [sys.executable, script, faulty_server.url],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert (ran.stdout, ran.returncode) == ("done\n", 0), ran.stderr
    asked = {}
    for seen in faulty_server.seen:
        asked.setdefault(f"{seen.method} {seen.path}", []).append(seen.connection)
    assert sorted(asked) == [
        "GET /tasks/1",
        *(f"GET /tasks/{n}" for n in (2, 3, 4, 5, 6)),
        "PATCH /tasks/1",
    ]
    assert all(len(connections) == 1 for connections in asked.values())
    in_parent = {asked[f"GET /tasks/{n}"][0] for n in (1, 2, 5, 6)}
    in_child = {asked[what][0] for what in ("PATCH /tasks/1", "GET /tasks/3", "GET /tasks/4")}
    assert not in_parent & in_child
    assert asked["GET /tasks/5"] == asked["GET /tasks/6"]  # the child has not closed the parent's


# -- thousands of sessions ------------------------------------------------------------------------

ROWS = [{"id": n, "name": f"t{n}", "tags": [], "project": n} for n in range(20)]
PAGE = json.dumps({"count": 20, "next": None, "previous": None, "results": ROWS}).encode()


@pytest.fixture
def canned():
    """A client of a server on a socket that gives one page and keeps nothing."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            # In one piece, or the system waits for more before it sends the second.
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PAGE) + PAGE)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    with Client(f"http://127.0.0.1:{server.server_port}", dialect="drf") as client:
        yield client
    server.shutdown()
    serving.join()
    server.server_close()


def open_files():
    return len(os.listdir("/dev/fd"))


def one_session(client, *, asks, plans):
    with Session(client) as session:
        if asks:
            first, second, *_ = Task.objects.order_by("id")
            first.name = "changed"
            second.tags.append("changed")
            assert first.project.id == 0
            assert len(session.dirty) == 2
        session.add(Task(name="new", project=Project(name="new")))
        if plans:
            assert len(session.plan()) == (4 if asks else 2)
        session.rollback()


def test_ten_thousand_sessions_leave_memory_and_sockets_as_they_were(canned):
    def some(count):
        for number in range(count):
            one_session(canned, asks=number % 25 == 0, plans=number % 5 == 0)
        gc.collect()
        return len(gc.get_objects()), sys.getallocatedblocks(), open_files()

    objects, blocks, files = some(500)
    for _ in range(4):
        more_objects, more_blocks, more_files = some(2500)
        # Not one object in ten sessions.
        assert more_objects - objects < 250
        assert more_blocks - blocks < 2500
        assert more_files <= files


def test_a_session_goes_with_its_last_user_without_waiting_for_a_collection(canned):
    gc.disable()
    try:
        with Session(canned) as session:
            first, *_ = Task.objects.order_by("id")
            first.name = "changed"
            assert first.project.id == 0
            session.rollback()
        gone = weakref.ref(session)
        del session
        assert gone() is None
        assert first.name == "t0"
    finally:
        gc.enable()


def test_clients_that_were_closed_leave_no_sockets(canned):
    before = open_files()
    for _ in range(200):
        with Client(canned.base_url, dialect="drf") as client, Session(client):
            assert len(Task.objects.all()) == 20
    # A thread of the server ends when the other end of its connection is closed.
    for thread in threading.enumerate():
        if thread.name.endswith("(process_request_thread)"):
            thread.join(60)
            assert not thread.is_alive()
    assert open_files() <= before
