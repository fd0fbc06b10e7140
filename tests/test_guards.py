"""What reading, changing and sending cost, counted: calls, requests, bytes; never seconds.

A limit is what it takes now, or little more, so that it can't creep up unseen. What it takes in
seconds stands in the README; ``python -m benchmarks`` takes them.
"""

import gc
import json
import subprocess
import sys
import tracemalloc
import weakref
from collections import Counter
from pathlib import Path

import pytest
from smallserver import SmallDialect

import objmapper
from objmapper import Embedded, Model, Registry, Session, fields, wire
from objmapper.identity import Home, Ref
from objmapper.operation import Response

PACKAGE = Path(objmapper.__file__).parent
#: Not counted: bytes and sockets, which go by the size of an answer, and the server.
NEXT_DOOR = tuple(str(PACKAGE / name) for name in ("transport", "server"))
#: Calls of their own until Python 3.12, which runs them in place.
IN_PLACE = {"<listcomp>", "<setcomp>", "<dictcomp>"}

REGISTRY = Registry("guards")


class Person(Embedded):
    username = fields.String()


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    size = fields.Integer()
    created = fields.DateTime()
    tags = fields.List(fields.String())
    owner = fields.Nested(Person)

    class Meta:
        registry = REGISTRY


class Shape(Model):
    id = fields.Integer(primary_key=True)
    kind = fields.String()

    class Meta:
        registry = REGISTRY
        polymorphic_on = "kind"


class Circle(Shape):
    class Meta:
        polymorphic_identity = "circle"


def task_rows(count):
    return [
        {
            "id": number,
            "name": f"task {number}",
            "size": number,
            "created": "2026-05-06T07:08:09Z",
            "tags": ["day", "night"],
            "owner": {"username": "somebody"},
        }
        for number in range(1, count + 1)
    ]


def shape_rows(count):
    return [{"id": n, "kind": ("circle", "dot")[n % 2]} for n in range(1, count + 1)]


class Calls(Counter):
    """Counts calls of the package's Python functions; a generator that goes on is one more."""

    def __enter__(self):
        self.before = sys.getprofile()
        sys.setprofile(self.hear)
        return self

    def __exit__(self, *exc_info):
        sys.setprofile(self.before)

    def hear(self, frame, event, _):
        code = frame.f_code
        path = code.co_filename
        if event == "call" and path.startswith(str(PACKAGE)) and code.co_name not in IN_PLACE:
            self[code.co_qualname] += not path.startswith(NEXT_DOOR)


def traced(make):
    """Return the bytes of what *make* returns and what it leaves behind."""
    gc.collect()
    tracemalloc.start()
    try:
        made = make()
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        del made
        return size
    finally:
        tracemalloc.stop()


@pytest.fixture
def serve(small_server):
    """``serve(count)`` opens a session with a server of *count* tasks and shapes, on one page."""
    opened = []

    def open_(count, page_size=None):
        server = small_server(page_size=page_size or count)
        server.table("tasks", task_rows(count))
        server.table("shapes", shape_rows(count))
        opened.append(Session(server.client()))
        opened[-1].server = server
        return opened[-1]

    yield open_
    for session in opened:
        session.close()


@pytest.fixture
def task(serve):
    session = serve(1)
    (found,) = Task.objects.using(session).all()
    yield found
    session.close()


class TestLoading:
    @pytest.mark.parametrize("model", [Task, Shape])
    def test_a_page_takes_the_same_calls_however_many_rows_it_has(self, serve, model):
        def calls_for(rows):
            query = model.objects.using(serve(rows))
            with Calls() as calls:
                assert len(list(query.all())) == rows
            return calls

        calls_for(5)  # what is made once is made now
        assert calls_for(1000) == calls_for(10)

    def test_a_row_that_is_known_takes_one_call(self, serve):
        def calls_for(rows):
            query = Task.objects.using(serve(rows))
            kept = list(query.all())
            with Calls() as calls:
                assert list(query.all()) == kept
            return calls.total()

        calls_for(5)
        assert calls_for(1000) - calls_for(10) <= 1.05 * 990

    def test_to_iterate_takes_one_call_a_row(self, serve):
        def calls_for(rows):
            query = Task.objects.using(serve(rows))
            with Calls() as calls:
                assert sum(1 for _ in query.iterator()) == rows
            return calls.total()

        calls_for(5)
        assert calls_for(1000) - calls_for(10) <= 1.05 * 990

    def test_a_list_takes_a_request_a_page(self, serve):
        session = serve(1000, page_size=250)
        assert len(Task.objects.using(session).all()) == 1000
        assert len(session.server.seen) == 4

    def test_a_row_is_kept_as_it_came_and_not_copied(self, small):
        rows = []

        class Listening(SmallDialect):
            def read_page(self, query, request, response):
                page = super().read_page(query, request, response)
                rows.extend(page.rows)
                return page

        small.table("tasks", task_rows(10))
        tasks = list(Task.objects.using(Session(small.client(dialect=Listening()))).all())
        assert [id(task._row) for task in tasks] == [id(row) for row in rows]

    def test_the_collector_watches_an_object_and_its_reference_and_no_more(self, serve):
        session = serve(1000)

        def watched():
            gc.collect()
            # Rows are dicts; whether they are watched is a matter of what is in them.
            return Counter(type(o).__name__ for o in gc.get_objects() if type(o) is not dict)

        list(Shape.objects.using(session)[:1])
        before = watched()
        kept = list(Shape.objects.using(session).all())
        more = watched() - before
        assert len(kept) == 1000
        assert more["Ref"] == more["Circle"] + more["Shape"] == 999
        assert more.total() <= 2.1 * 999

    def test_an_object_is_its_row_its_state_and_a_place_for_weak_references(self):
        assert sys.getsizeof(object.__new__(Task)) <= 64
        assert not hasattr(object.__new__(Task), "__dict__")

    def test_an_object_and_all_that_keeps_it_takes_240_bytes_beside_its_row(self, serve):
        session = serve(1000)
        text = json.dumps(task_rows(1000)).encode()
        rows = traced(lambda: Response(200, {}, text).json())
        list(Task.objects.using(session)[:1])
        query = Task.objects.using(session)
        assert traced(lambda: list(query.all())) - rows <= 240 * 1000

    def test_a_session_needs_no_collection_to_go(self, small):
        small.page_size = 100
        small.table("tasks", task_rows(100))
        client = small.client()
        gc.collect()
        gc.disable()
        try:
            session = Session(client)
            survivor = list(Task.objects.using(session).all())[7]
            survivor.name = "renamed"
            gone = weakref.ref(session), weakref.ref(session.identity)
            del session
            assert [ref() for ref in gone] == [None, None]
            assert not [obj for obj in gc.get_objects() if type(obj) in (Home, Ref)]
        finally:
            gc.enable()


class TestAttributes:
    @pytest.mark.parametrize("name", ["id", "name", "size", "created", "tags", "owner"])
    def test_to_read_a_value_again_takes_one_call_and_no_bytes(self, task, name):
        getattr(task, name)
        with Calls() as calls:
            getattr(task, name)
        assert calls.total() == 1
        assert traced(lambda: [getattr(task, name) for _ in range(1000)][:0]) < 8 * 1000

    @pytest.mark.parametrize(("name", "limit"), [("created", 8), ("tags", 18), ("owner", 30)])
    def test_the_first_read_of_a_value_converts_it_once(self, serve, name, limit):
        other, task = Task.objects.using(serve(2)).all()
        getattr(other, name)  # what is found out of a class once is known by now
        with Calls() as calls:
            getattr(task, name)
        assert calls.total() <= limit

    def test_to_write_what_it_is_takes_one_call_and_no_bytes(self, task):
        with Calls() as calls:
            task.name = "task 1"
        assert calls.total() == 1
        assert type(task._state).__name__ == "Page"

    def test_to_write_again_takes_one_call_and_no_bytes(self, task):
        task.name = "another"
        with Calls() as calls:
            task.name = "yet another"
        assert calls.total() == 1

    def test_the_first_write_takes_few_calls(self, task):
        with Calls() as calls:
            task.name = "another"
        assert calls.total() <= 6

    def test_to_set_back_takes_few_calls(self, task):
        task.name = "another"
        with Calls() as calls:
            task.name = "task 1"
        assert calls.total() <= 3

    def test_what_a_changed_object_keeps_beside_its_row_is_less_than_500_bytes(self, serve):
        tasks = list(Task.objects.using(serve(1000)).all())

        def write():
            for task in tasks:
                task.name = "renamed"

        assert traced(write) <= 500 * 1000

    def test_neither_reads_nor_writes_send_anything(self, serve):
        session = serve(1)
        (task,) = Task.objects.using(session).all()
        task.name, task.size = "another", 7
        task.tags.append("dusk")
        assert task.owner.username
        assert task.changes.keys() == {"name", "size", "tags"}
        assert len(session.server.seen) == 1


class TestSending:
    def test_the_body_of_one_field_takes_few_calls(self, task):
        task.name = "another"
        task.validate()  # what checks a field is made once
        with Calls() as calls:
            change = wire.update(task)
            assert wire.problems(task, list(change.sent)) == []
            assert wire.body(change) == {"name": "another"}
        assert calls.total() <= 20

    @pytest.mark.parametrize(("verb", "limit"), [("plan", 40), ("commit", 95)])
    def test_an_operation_takes_the_same_calls_however_many_there_are(self, serve, verb, limit):
        def calls_for(rows):
            session = serve(rows)
            for task in Task.objects.using(session).all():
                task.name = "renamed"
            options = {"workers": 1} if verb == "commit" else {}
            with Calls() as calls:
                getattr(session, verb)(**options)
            session.rollback()
            return calls.total()

        calls_for(5)
        few, more, most = (calls_for(rows) for rows in (50, 100, 150))
        assert most - more == more - few <= limit * 50

    def test_a_commit_takes_a_request_for_each_object_and_sends_what_changed(self, serve):
        session = serve(20)
        tasks = list(Task.objects.using(session).all())
        for task in tasks[:7]:
            task.name, task.tags = "renamed", list(task.tags)
        report = session.commit()
        sent = session.server.seen[1:]
        assert report.requests == len(sent) == 7
        assert all((seen.method, seen.body) == ("PATCH", {"name": "renamed"}) for seen in sent)


@pytest.fixture(scope="module")
def imported():
    """What ``import objmapper`` imports that Python had not imported before."""
    script = (
        "import sys; before = set(sys.modules); import objmapper; "
        "print(*[n for n, m in sys.modules.items() if n not in before and hasattr(m, '__file__')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


class TestImport:
    def test_it_imports_its_four_packages_and_what_they_need(self, imported):
        strangers = {
            name
            for name in {module.partition(".")[0] for module in imported}
            if name not in sys.stdlib_module_names and not name.endswith("__mypyc")
        }
        four = {"requests", "marshmallow", "blinker", "cachetools"}
        theirs = {"urllib3", "certifi", "idna", "charset_normalizer", "typing_extensions"}
        assert four <= strangers
        assert strangers <= four | theirs | {"objmapper", "orjson"}

    @pytest.mark.parametrize(
        "heavy",
        "sqlite3 asyncio multiprocessing unittest xml tkinter werkzeug waitress jsonschema rich "
        "objmapper.server objmapper.cvat objmapper.cli".split(),
    )
    def test_it_leaves_out_what_is_heavy(self, imported, heavy):
        assert not {name for name in imported if f"{name}.".startswith(f"{heavy}.")}
