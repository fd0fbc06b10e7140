"""Bad input: each ends in a clear error, and nothing is lost.

The words of the one parametrised test say what is bad. Around every case stand a new object and a
changed one: whatever goes wrong, they are still there, and a commit sends them once it is over.
"""

import contextvars
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from urllib.parse import unquote

import faulty
import pytest

from objmapper import (
    Client,
    CommitError,
    Conflict,
    ConnectError,
    ContractError,
    DeclarationError,
    FieldDoesNotExist,
    Forbidden,
    Model,
    NoActiveSession,
    NotAuthenticated,
    NotFound,
    QueryError,
    ReadOnlyFieldError,
    Registry,
    ResponseTooLarge,
    ServerError,
    Session,
    SessionError,
    SessionThreadError,
    Timeout,
    TooManyRequests,
    UnsupportedLookup,
    ValidationError,
    fields,
)
from objmapper.cvat.dialect import CVAT

registry = Registry("bad input")


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    size = fields.Integer(null=True)
    created = fields.DateTime(read_only=True, null=True)
    source = fields.String(write_once=True)

    class Meta:
        registry = registry


class Folder(Model):
    path = fields.String(primary_key=True)
    note = fields.String(null=True)

    class Meta:
        registry = registry


class Store:
    """Rows by path, over a socket: what a test does not break, works."""

    def __init__(self):
        self.lock = threading.Lock()
        self.rows = {
            "tasks": {str(n): {"id": n, "name": f"t{n}", "size": n} for n in (1, 2, 3)},
            "folders": {},
        }

    def __call__(self, to):
        with self.lock:
            answer = self.answer(to.seen)
        return answer(to)

    def answer(self, seen):
        _, _, endpoint, *rest = seen.path.split("/")
        table, key = self.rows[endpoint], unquote(rest[0]) if rest[0] else None
        if key is None and seen.method == "GET":
            return page(list(table.values()))
        if key is None:
            row = {"id": len(table) + 1, **seen.json()}
            table[str(row["id"])] = row
            return faulty.say(row, 201)
        if key not in table:
            return faulty.say({"detail": "Not found."}, 404)
        if seen.method == "DELETE":
            del table[key]
            return faulty.answer(status=204)
        if seen.method == "PATCH":
            table[key].update(seen.json())
        return faulty.say(table[key])


def page(rows, **more):
    return faulty.say({"count": len(rows), "next": None, "previous": None, "results": rows} | more)


class World:
    """A server, a session with it, a new object and a changed one."""

    def __init__(self, server, tmp_path):
        self.server, self.tmp_path = server, tmp_path
        self.store = Store()
        self.heal()
        self.client = self.connect()
        self.session = Session(self.client)
        self.new = Task(name="new")
        self.session.add(self.new)
        self.changed = self.session.get(Task, 1)
        self.changed.name = "changed"

    def connect(self, **options):
        options = {"dialect": "drf", "retries": 0, "timeout": 5.0, "workers": 1} | options
        return Client(f"{self.server.url}/api", **options)

    def then(self, *acts):
        """Break the next answers, then work again."""
        self.server.then(*acts, self.store)

    def heal(self):
        self.server.then(self.store)

    @contextmanager
    def refused(self, error, *words, sends=0):
        """What is done inside raises *error*, whose message has *words*, after so many requests."""
        before = len(self.server.seen)
        with pytest.raises(error) as caught:
            yield caught
        for word in words:
            assert word in str(caught.value)
        assert len(self.server.seen) - before == sends

    def nothing_is_lost(self):
        """What was pending still is, and a commit sends it."""
        session = self.session
        assert (session.new, session.dirty) == ([self.new], [self.changed])
        assert self.changed.changes == {"name": ("t1", "changed")}
        self.heal()
        report = session.commit()
        assert (report.created.objects, report.updated.objects) == ([self.new], [self.changed])
        assert self.store.rows["tasks"]["1"]["name"] == "changed"
        assert [row["name"] for row in self.store.rows["tasks"].values()].count("new") == 1

    def nothing_is_sent_again(self, *uncertain):
        """Nobody knows what became of these: they are kept, and not sent by themselves."""
        session = self.session
        assert session.uncertain == list(uncertain)
        self.heal()
        for _ in range(2):
            before = len(self.server.seen)
            with pytest.raises(CommitError) as caught:
                session.commit(on_error="continue")
            assert caught.value.report.uncertain.objects == list(uncertain)
            rest = {self.new, self.changed} - set(uncertain)
            assert len(self.server.seen) - before == (len(rest) if _ == 0 else 0)
        for obj in uncertain:
            session.expunge(obj)
        assert session.commit().requests == 0


@pytest.fixture
def world(faulty_server, tmp_path):
    world = World(faulty_server, tmp_path)
    with world.session:
        yield world
        world.session.rollback()
    world.client.close()


CASES = {}


def bad(words):
    """Enter a case; one that says nothing else about it loses nothing."""

    def enter(case):
        assert words not in CASES
        CASES[words] = case
        return case

    return enter


@pytest.mark.parametrize("words", CASES)
def test_bad_input(words, world):
    CASES[words](world)


# Queries: nothing is asked.


@bad("unknown field in filter")
def _(w):
    with w.refused(FieldDoesNotExist, "Task has no field 'nmae'", "Did you mean 'name'?"):
        Task.objects.filter(nmae="x")
    with w.refused(AttributeError, "Its fields: created, id, name, size, source."):
        Task.objects.exclude(zzz__in=[1])
    w.nothing_is_lost()


@bad("unknown field in order_by")
def _(w):
    with w.refused(FieldDoesNotExist, "Task has no field 'nmae'", "Did you mean 'name'?"):
        Task.objects.order_by("-nmae")
    w.nothing_is_lost()


@bad("unknown field in constructor")
def _(w):
    with w.refused(FieldDoesNotExist, "Task has no field 'nmae'", "Did you mean 'name'?"):
        Task(nmae="x")
    with w.refused(TypeError):
        Task(nmae="x")
    with w.refused(AttributeError, "nmae"):
        w.changed.nmae = "x"
    w.nothing_is_lost()


@bad("unknown lookup")
def _(w):
    with w.refused(QueryError, "'nope' is no lookup of Task.name", "Lookups: contains, endswith"):
        Task.objects.filter(name__nope="x")
    with w.refused(QueryError, "Did you mean 'contains'"):
        Task.objects.filter(name__contain="x")
    with (
        w.connect(dialect="rest") as client,
        Session(client),
        w.refused(
            UnsupportedLookup, "name__contains", "has exact for name", ".filter_locally(lambda"
        ),
    ):
        list(Task.objects.filter(name__contains="x"))
    w.nothing_is_lost()


@bad("wrong type")
def _(w):
    for condition in ({"id": "x"}, {"size": "x"}, {"size": [1]}, {"name": 5}, {"name__in": 5}):
        with w.refused(QueryError, next(iter(condition)), repr(next(iter(condition.values())))):
            Task.objects.filter(**condition)
    wrong = Task(name=5, size="big")
    w.session.add(wrong)
    w.changed.size = 1.5
    with w.refused(ValidationError, "2 objects are not valid; nothing was sent:", "1.5") as caught:
        w.session.commit()
    told = [(obj, name) for obj, name, _ in caught.value.errors]
    assert told == [(wrong, "name"), (wrong, "size"), (w.changed, "size")]
    assert w.session.new == [w.new, wrong]
    w.session.expunge(wrong)
    w.changed.size = 1
    w.nothing_is_lost()


@bad("filter after slice")
def _(w):
    for then in (
        lambda tasks: tasks.filter(name="x"),
        lambda tasks: tasks.exclude(name="x"),
        lambda tasks: tasks.order_by("name"),
    ):
        with w.refused(QueryError, "after a slice", "slice last"):
            then(Task.objects.all()[:5])
    w.nothing_is_lost()


@bad("negative slice")
def _(w):
    for cut in (slice(-1), slice(-2, None), slice(1, -1)):
        with w.refused(QueryError, "Negative slices", "reverse()", "last()"):
            Task.objects.all()[cut]
    with w.refused(QueryError, "Negative indexes", "last()"):
        Task.objects.all()[-1]
    w.nothing_is_lost()


# Declarations and objects.


@bad("read-only set")
def _(w):
    for name in ("created", "id"):
        for obj in (w.new, w.changed):
            with w.refused(
                ReadOnlyFieldError, f"Task.{name} is read-only: only the server sets it"
            ):
                setattr(obj, name, 7)
    with w.refused(AttributeError):
        Task(id=7)
    w.nothing_is_lost()


@bad("write-once set")
def _(w):
    with w.refused(
        ReadOnlyFieldError,
        "Task.source can be set until the object exists",
        "<Task 1 name='changed'>",
    ):
        w.changed.source = "x"
    w.new.source = "x"
    w.nothing_is_lost()
    assert w.store.rows["tasks"]["4"]["source"] == "x"


@bad("two models on one endpoint")
def _(w):
    with w.refused(DeclarationError, "Intruder", "Task", "'tasks'", "registry = Registry()"):

        class Intruder(Model):
            id = fields.Integer(primary_key=True)

            class Meta:
                endpoint = "tasks"
                registry = Task.__mapper__.registry

    assert registry["tasks"] is Task
    w.nothing_is_lost()


@bad("a mixin with `__dict__`")
def _(w):
    class Mixin:
        def shout(self):
            return self.name.upper()

    with w.refused(DeclarationError, "a __dict__ from Mixin", "`__slots__ = ()`", "abstract"):

        class Loud(Mixin, Model):
            id = fields.Integer(primary_key=True)

            class Meta:
                registry = registry

    assert "louds" not in registry
    w.nothing_is_lost()


# Sessions.


@bad("no session")
def _(w):
    def without(do):
        return contextvars.Context().run(do)

    for do in (
        lambda: list(Task.objects.all()),
        lambda: Task.objects.get(id=1),
        lambda: Task.objects.create(name="x"),
        lambda: Task(name="x").commit(),
    ):
        with w.refused(NoActiveSession, "There is no current session", "with Session(client)"):
            without(do)
    assert without(lambda: Task.objects.using(w.session).get(id=1)) is w.changed
    w.nothing_is_lost()


@bad("session of another thread")
def _(w):
    inside, go_on, found = threading.Event(), threading.Event(), []

    def wait(to):
        inside.set()
        go_on.wait(20)
        return w.store(to)

    w.then(wait)
    thread = threading.Thread(target=lambda: found.append(w.session.get(Task, 2)))
    thread.start()
    assert inside.wait(20)
    for use in (
        w.session.commit,
        w.session.rollback,
        lambda: w.session.get(Task, 1),
        lambda: w.session.add(Task(name="x")),
    ):
        with w.refused(SessionThreadError, "Another thread", "give each thread one of its own"):
            use()
    go_on.set()
    thread.join()
    assert found[0].name == "t2"
    w.nothing_is_lost()


@bad("object of another session added")
def _(w):
    with Session(w.client) as other:
        for obj in (w.new, w.changed):
            for use in (other.add, other.delete, lambda obj: other.commit_objects([obj])):
                with w.refused(SessionError, repr(obj), "belongs to another session", "merge(obj)"):
                    use(obj)
        assert (other.new, other.dirty, other.deleted) == ([], [], [])
    w.nothing_is_lost()


# Pages.


@bad("a page that is not JSON")
def _(w):
    w.then(faulty.answer("<html><title>Log in</title></html>", kind="text/html"))
    with w.refused(
        ContractError,
        *(f"GET {w.server.url}/api/tasks/", "200", "not JSON", "text/html", "<title>Log in"),
        sends=1,
    ):
        list(Task.objects.all())
    w.nothing_is_lost()


@bad("a page that is a list")
def _(w):
    w.then(faulty.say([{"id": 1, "name": "x"}]))
    with (
        w.connect(dialect=CVAT()) as client,
        Session(client),
        w.refused(
            ContractError,
            f"{w.server.url}/api/tasks",
            "a list where an object was expected",
            sends=1,
        ),
    ):
        list(Task.objects.all())
    w.then(page([]))
    with (
        w.connect(dialect="rest") as client,
        Session(client),
        w.refused(ContractError, "an object where a list of objects was expected", sends=1),
    ):
        list(Task.objects.all())
    w.nothing_is_lost()


@bad("a page that lacks keys")
def _(w):
    w.then(faulty.say({"count": 1, "next": None}))
    with w.refused(ContractError, "answered without 'results'; it has count, next", sends=1):
        list(Task.objects.all())
    w.then(page([{"id": 1, "name": "theirs"}, {"name": "x", "size": 1}]))
    with w.refused(ContractError, "a row of tasks has no 'id'", "it has name, size", sends=1):
        list(Task.objects.all())
    assert w.changed.changes == {"name": ("t1", "changed")}
    w.then(faulty.say({"name": "x"}))
    with w.refused(ContractError, "has no 'id'", sends=1):
        Task.objects.get(id=2)
    w.nothing_is_lost()


@bad("a page that has wrong types")
def _(w):
    for more, words in (
        ({"results": {"id": 1}}, "an object where a list of objects was expected"),
        ({"results": [1]}, "item 0 of the page is a number"),
        ({"results": [None]}, "item 0 of the page is null"),
        ({"count": "many"}, "tells 'many' as the total"),
        ({"count": -1}, "tells -1 as the total"),
        ({"next": 5}, "gives 5 as the link to the next page"),
        ({"results": [{"id": [1]}]}, "[1] is no key"),
        ({"results": [{"id": True}]}, "True is no key"),
    ):
        w.then(page([], **more))
        with w.refused(ContractError, words, sends=1):
            list(Task.objects.all())
    w.then(page([{"id": 7, "name": 5, "size": "big", "created": "someday"}]))
    (task,) = Task.objects.all()
    for name, value in (("name", "5"), ("size", "'big'"), ("created", "'someday'")):
        with w.refused(ContractError, "<Task 7", f"sent {value} for {name!r}", "declared as"):
            getattr(task, name)
    assert task.changes == {}
    w.nothing_is_lost()


@bad("a page that is cut")
def _(w):
    for act, error, word in (
        (faulty.cut(b'{"count": 1, "results": [', 100), ConnectError, "broke"),
        (faulty.cut_chunks(b'{"count": 1,'), ConnectError, "broke"),
        (faulty.answer('{"count": 1, "results": ['), ContractError, "not JSON"),
    ):
        w.then(act)
        with w.refused(error, f"GET {w.server.url}/api/tasks/", word, sends=1):
            list(Task.objects.all())
        second = page([{"id": 2, "name": "x"}], next=f"{w.server.url}/api/tasks/?page=2")
        w.then(second, act)
        with w.refused(error, "?page=2", word, sends=2):
            list(Task.objects.all())
    w.nothing_is_lost()


@bad("a page that is endless")
def _(w):
    number = 0

    def again(to):
        nonlocal number
        number += 1
        following = f"{w.server.url}/api/tasks/?page={number + 1}"
        return page([{"id": 2, "name": "x"}], next=following)(to)

    w.server.then(again)
    with pytest.raises(ContractError, match=r"the pages of tasks don't end.*without new rows"):
        list(Task.objects.all())
    assert number < 10
    w.server.then(faulty.drip(faulty.head(headers=[("Content-Type", "application/json")]), b" "))
    with w.connect(timeout=0.06) as client, Session(client), pytest.raises(Timeout):
        list(Task.objects.all())
    w.nothing_is_lost()


@bad("`next` to another host")
def _(w):
    elsewhere = faulty.FaultyServer()
    try:
        for link in (
            f"http://localhost:{elsewhere.port}/api/tasks/?page=2",
            f"//localhost:{elsewhere.port}/api/tasks/?page=2",
            "http://example.invalid/",
        ):
            w.then(page([{"id": 2, "name": "x"}], next=link))
            with w.refused(ContractError, "points to another host than 127.0.0.1", sends=1):
                list(Task.objects.all())
        assert elsewhere.connections == 0
    finally:
        elsewhere.close()
    w.nothing_is_lost()


@bad("`next` in a loop")
def _(w):
    first, second = (f"{w.server.url}/api/tasks/?page={n}" for n in (1, 2))
    loop = page([{"id": 2, "name": "x"}], next=second)
    back = page([{"id": 3, "name": "y"}], next=first)
    w.server.then(loop, back, loop, back)
    with pytest.raises(ContractError, match=r"the pages of tasks loop: .*page=2 again"):
        list(Task.objects.all())
    w.server.then(page([{"id": 2, "name": "x"}], next=f"{w.server.url}/api/tasks/"))
    with w.refused(ContractError, "loop", sends=2):
        list(Task.objects.all())
    w.nothing_is_lost()


# Keys that look like something else in a URL.


def written(w, *keys):
    """Every verb reaches the object of each key: one segment of the path, that reads as the key."""
    for key in keys:
        w.store.rows["folders"] = {key: {"path": key, "note": "old"}, "other": {"path": "other"}}
        folder = Folder.objects.get(path=key)
        assert (folder.path, w.session.get(Folder, key)) == (key, folder)
        folder.note = "new"
        folder.commit()
        folder.refresh()
        assert w.store.rows["folders"][key] == {"path": key, "note": "new"}
        folder.delete()
        assert w.store.rows["folders"] == {"other": {"path": "other"}}
        for seen in w.server.seen[-4:]:
            assert seen.path.count("/") == 4
            assert unquote(seen.path.split("/")[3]) == key
            assert seen.target.isascii()
        with w.refused(Folder.DoesNotExist, repr(key), sends=1):
            Folder.objects.get(path=key)
    w.nothing_is_lost()


@bad("ids with slashes")
def _(w):
    written(w, "a/b", "/a", "a//", "/", "a\\b", "http://other.invalid/x")


@bad("ids with dots")
def _(w):
    written(w, ".", "..", "../tasks/1", "a.b", "...", "%2e%2e")


@bad("ids with spaces")
def _(w):
    written(w, "a b", " ", " a ", "a+b", "a\tb")


@bad("ids with unicode")
def _(w):
    written(w, "ünï çødé", "日本", "🦊", "a?b#c&d=e;f", "100%", "é", "e\u0301")


# Answers that refuse.


def refused_read_and_write(w, status, error, builtin, body, *words):
    """A read raises the error; a commit reports it, and keeps what was not written."""
    w.then(faulty.say(body, status))
    with w.refused(error, f"GET {w.server.url}/api/tasks/ answered {status}", *words, sends=1) as e:
        list(Task.objects.all())
    assert isinstance(e.value, builtin)
    assert (e.value.status, e.value.body) == (status, body)
    w.then(faulty.say(body, status))
    with w.refused(CommitError, *words, sends=1) as caught:
        w.session.commit()
    report = caught.value.report
    assert (report.failed.objects, report.pending.objects) == ([w.new], [w.changed])
    assert isinstance(report.failed[0].error, error)
    w.nothing_is_lost()


@bad("401")
def _(w):
    body = {"detail": "Invalid token."}
    words = "Invalid token. Check the client's credentials (auth=...)."
    refused_read_and_write(w, 401, NotAuthenticated, PermissionError, body, words)


@bad("403")
def _(w):
    words = ("No such permission", "These credentials may not do that.")
    refused_read_and_write(
        w, 403, Forbidden, PermissionError, {"detail": "No such permission"}, *words
    )


@bad("404")
def _(w):
    refused_read_and_write(
        w, 404, NotFound, LookupError, {"detail": "Not found."}, "or the base URL is wrong"
    )
    with w.refused(Task.DoesNotExist, "Task 99", "does not exist on the server", sends=1):
        Task.objects.get(id=99)
    assert w.session.get(Task, 99) is None


@bad("409")
def _(w):
    refused_read_and_write(
        w, 409, Conflict, OSError, {"detail": "Taken already."}, "Taken already."
    )


@bad("429")
def _(w):
    w.then(faulty.say({"detail": "Throttled."}, 429, Retry_After="7"))
    with w.refused(TooManyRequests, "Throttled.", "The server asks to wait 7 s.", sends=1) as e:
        list(Task.objects.all())
    assert e.value.retry_after == 7
    refused_read_and_write(w, 429, TooManyRequests, OSError, {"detail": "Throttled."}, "later")


@bad("500 with HTML")
def _(w):
    html = "<html><head><title>Server Error (500)</title></head><body>" + "x" * 9999
    broken = faulty.answer(html, 500, "text/html")
    w.then(broken)
    with w.refused(ServerError, "answered 500", "Server Error (500)", sends=1) as caught:
        list(Task.objects.all())
    assert "<" not in str(caught.value)
    w.then(broken)
    with w.refused(CommitError, "Whether the server did it is unknown.", sends=1) as caught:
        w.session.commit()
    assert caught.value.report.uncertain.objects == [w.new]
    w.nothing_is_sent_again(w.new)


# Connections that break.


@bad("connection refused")
def _(w):
    with faulty.closed_port() as port:
        client = Client(f"http://127.0.0.1:{port}", dialect="drf", retries=0)
        with client, Session(client) as session:
            task = Task(name="x")
            session.add(task)
            with w.refused(ConnectError, f"GET http://127.0.0.1:{port}/tasks/", "refused"):
                list(Task.objects.all())
            with w.refused(CommitError, f"POST http://127.0.0.1:{port}/tasks/") as caught:
                session.commit()
            assert caught.value.report.failed.objects == [task]
            assert (caught.value.report.requests, session.new, session.uncertain) == (0, [task], [])
            session.rollback()
    w.nothing_is_lost()


@bad("connection reset")
def _(w):
    w.then(faulty.reset())
    with w.refused(ConnectError, f"GET {w.server.url}/api/tasks/", "broke", sends=1):
        list(Task.objects.all())
    w.then(faulty.reset())
    with w.refused(CommitError, "POST", "broke", sends=1) as caught:
        w.session.commit()
    assert caught.value.report.uncertain.objects == [w.new]
    assert caught.value.report.pending.objects == [w.changed]
    w.nothing_is_sent_again(w.new)


@bad("connection stalled")
def _(w):
    w.client.close()
    with w.connect(timeout=(5, 0.2)) as client:
        w.session.client = client
        for stall in (faulty.stall(), faulty.stall(faulty.head(length=100) + b"{")):
            w.then(stall)
            with w.refused(Timeout, f"GET {w.server.url}/api/tasks/", "in time", sends=1):
                list(Task.objects.all())
        w.then(faulty.stall())
        with w.refused(CommitError, "POST", "in time", sends=1) as caught:
            w.session.commit()
        assert caught.value.report.uncertain.objects == [w.new]
        w.nothing_is_sent_again(w.new)


@bad("a response over the limit")
def _(w):
    w.client.close()
    with w.connect(max_response_bytes=1000) as client:
        w.session.client = client
        large = {"id": 9, "name": "x" * 2000}
        for act in (page([large]), faulty.gzip_bomb(10**6)):
            w.then(act)
            with w.refused(
                ResponseTooLarge,
                f"GET {w.server.url}/api/tasks/",
                "1000",
                "max_response_bytes",
                sends=1,
            ):
                list(Task.objects.all())
        w.then(faulty.say(large, 201))
        with w.refused(CommitError, "max_response_bytes", sends=1) as caught:
            w.session.commit()
        assert caught.value.report.uncertain.objects == [w.new]
        w.nothing_is_sent_again(w.new)


PROGRAM = """
import json, signal, sys
from objmapper import Client, CommitInterrupted, Model, Session, fields

class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()

signal.signal(signal.SIGINT, signal.default_int_handler)
client = Client(sys.argv[1], dialect="drf", retries=0)
with client, Session(client) as session:
    tasks = [Task(name=f"n{n}") for n in range(6)]
    session.add_all(tasks)
    try:
        session.commit(workers=int(sys.argv[2]))
    except KeyboardInterrupt as interrupt:
        assert isinstance(interrupt, CommitInterrupted)
        print(json.dumps([str(interrupt), interrupt.report.to_json(), len(session.new)]))
    print(json.dumps(session.commit().to_json()))
"""


@bad("Ctrl-C in a commit")
def _(w):
    for workers in (1, 2):
        interrupted(w, workers)
    w.nothing_is_lost()


def interrupted(w, workers):
    """A program meets a real SIGINT while its third request is under way."""
    before = len(w.server.seen)

    third = threading.Lock()

    def strike(to):
        if len(w.server.seen) - before >= 3 and third.acquire(blocking=False):
            os.kill(program.pid, signal.SIGINT)
        return w.store(to)

    w.server.then(strike)
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, f"{w.server.url}/api", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = program.communicate(timeout=60)
    assert (program.returncode, err) == (0, "")
    (text, report, left), rest = map(json.loads, out.splitlines())
    done = len(report["created"])
    # With one worker nothing else can be under way; with two the other one goes on until it hears.
    assert done == 3 if workers == 1 else done >= 3
    assert len(report.get("pending", ())) == left == 6 - done
    assert "uncertain" not in report
    assert (report["requests"], rest["requests"]) == (done, left)
    assert text.startswith(f"The commit was interrupted: {done} created")
    posted = [seen.json()["name"] for seen in w.server.seen[before:]]
    assert sorted(posted) == [f"n{n}" for n in range(6)]
