"""Batches of other shapes than Kinto's, and answers to them that make no sense."""

import json

import pytest
import requests
from smallserver import SmallDialect
from werkzeug.test import Client as Caller
from werkzeug.wrappers import Request as Incoming
from werkzeug.wrappers import Response as Outgoing

from objmapper import (
    BadRequest,
    Client,
    CommitError,
    Model,
    QueryError,
    Registry,
    Session,
    TooManyRequests,
    fields,
)
from objmapper.dialects.base import rows_of
from objmapper.dialects.batches import paired, refuse_other_order
from objmapper.operation import Kind
from objmapper.request import Json, Pending, Request, Response

registry = Registry("batches")


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()

    class Meta:
        registry = registry
        natural_key = ["name"]


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    size = fields.Integer()
    project = fields.ForeignKey(Project, null=True)

    class Meta:
        registry = registry
        natural_key = ["name"]


def tasks(*names):
    return [Task(name=name) for name in names]


# -- a list of new rows ---------------------------------------------------------------------------


class ListPosts(SmallDialect):
    """New rows of one endpoint go as a list, and come back as one."""

    max_batch = 10

    def company(self, draft):
        return draft.request.shown_path if draft.kind == Kind.CREATE else None

    def batch_request(self, requests):
        bodies = [request.body.value for request in requests]
        return Request("POST", requests[0].path, body=Json(bodies))

    def batch_answers(self, response, requests):
        rows = rows_of(response.json(), response)
        refuse_other_order(rows, requests, response, ["name"])
        return [
            Response(response.status, {}, json.dumps(row).encode(), request.method, response.url)
            for row, request in paired(rows, requests, response)
        ]


@pytest.fixture
def lists(small):
    """A session of a service that takes lists, whose tasks need a name."""
    small.table("projects")
    small.table("tasks", foreign={"project": "projects"}, required=("name",))
    with Session(small.client(dialect=ListPosts())) as session:
        yield session
        session.rollback()


def test_new_rows_of_one_endpoint_go_as_a_list(small, lists):
    projects = [Project(name=f"p{n}") for n in range(3)]
    made = [Task(name=f"t{n}", project=projects[n % 3]) for n in range(25)]
    lists.add_all(made)
    assert len(lists.plan()) == 1 + 3
    report = lists.commit(workers=1)
    assert (len(report.created), report.requests) == (28, 4)
    assert small.asked == ["POST /projects/", *["POST /tasks/"] * 3]
    assert [len(seen.body) for seen in small.seen] == [3, 10, 10, 5]
    assert {t.id: (t.name, t.project.id) for t in made} == {
        row["id"]: (row["name"], row["project"]) for row in small.tables["tasks"].rows.values()
    }


def test_what_is_no_create_goes_alone(small, lists):
    small.table("tasks", [{"id": n, "name": f"t{n}"} for n in (1, 2)])
    first, second = Task.objects.order_by("id")
    first.name = "renamed"
    lists.delete(second)
    lists.add_all(tasks("a", "b"))
    small.seen.clear()
    assert lists.commit().requests == 3
    assert sorted(small.asked) == ["DELETE /tasks/2/", "PATCH /tasks/1/", "POST /tasks/"]


def test_a_list_that_is_refused_for_one_row_is_sent_in_halves(small, lists):
    good, bad = tasks(*"abcdefg"), Task(size=1)
    lists.add_all([*good[:5], bad, *good[5:]])
    with pytest.raises(CommitError) as caught:
        lists.commit(on_error="continue")
    report = caught.value.report
    assert report.created.objects == good
    (entry,) = report.failed
    assert entry.object is bad
    assert isinstance(entry.error, BadRequest)
    assert list(entry.error.errors) == ["name"]
    # 8, its halves, those of the second one, and of the one with the bad row.
    assert [len(s.body) if isinstance(s.body, list) else 1 for s in small.seen] == [
        *(8, 4, 4, 2, 1, 1, 2)
    ]
    assert report.requests == 7


@pytest.mark.parametrize("answers", ["nothing", "keyless"])
def test_a_list_that_is_answered_otherwise_is_settled_row_by_row(small, lists, answers):
    small.tables["tasks"].answers = answers
    made = tasks("a", "b", "c")
    lists.add_all(made)
    assert lists.commit().created.objects == made
    assert [row["name"] for row in small.tables["tasks"].rows.values()] == ["a", "b", "c"]
    assert [task.id for task in made] == [1, 2, 3]


def test_a_list_that_is_answered_in_another_order_is_settled_row_by_row(small, lists):
    inner = small.app

    def turned_round(environ, start_response):
        answer = inner(environ, start_response)
        if environ["REQUEST_METHOD"] != "POST":
            return answer
        return [json.dumps(json.loads(b"".join(answer))[::-1]).encode()]

    small.app = turned_round
    made = tasks("a", "b", "c")
    with Session(small.client(dialect=ListPosts())) as session:
        session.add_all(made)
        assert session.commit().created.objects == made
    rows = small.tables["tasks"].rows.values()
    assert {task.name: task.id for task in made} == {row["name"]: row["id"] for row in rows}
    assert [row["name"] for row in rows] == ["a", "b", "c"]


# -- an endpoint for batches ----------------------------------------------------------------------


class Parcels(SmallDialect):
    """``POST /parcels`` takes requests and answers each of them."""

    max_batch = 10

    def company(self, draft):
        return "parcel"

    def batch_request(self, requests):
        items = [
            {"method": r.method, "path": r.path, "body": r.body and r.body.value} for r in requests
        ]
        return Request("POST", "/parcels", body=Json(items))

    def batch_answers(self, response, requests):
        answers = []
        for item, request in paired(response.json(), requests, response):
            content = json.dumps(item["body"]).encode()
            answers.append(
                Response(item["status"], item["headers"], content, request.method, "item")
            )
        return answers


class Front:
    """Takes parcels apart for a small server, and distorts the answer as a test says."""

    def __init__(self, app):
        self._caller, self._app = Caller(app), app
        self.parcels = []
        self.distort = lambda answers: answers

    def __call__(self, environ, start_response):
        incoming = Incoming(environ)
        if not incoming.path.endswith("/parcels"):
            return self._app(environ, start_response)
        items = json.loads(incoming.get_data())
        self.parcels.append(items)
        answers = [self._answer(item) for item in items]
        told = self.distort(answers)
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        return Outgoing(content, 200, mimetype="application/json")(environ, start_response)

    def _answer(self, item):
        answer = self._caller.open(f"/api{item['path']}", method=item["method"], json=item["body"])
        headers = {name.lower(): text for name, text in answer.headers.items()}
        return {
            "status": answer.status_code,
            "headers": headers,
            "body": json.loads(answer.data) if answer.data else None,
        }


@pytest.fixture
def front(small):
    """The service of a small server that takes parcels, too."""
    small.table("projects")
    small.table("tasks", foreign={"project": "projects"}, required=("name",))
    front = Front(small.app)
    small.app = front
    return front


@pytest.fixture
def session(small, front):
    with Session(small.client(dialect=Parcels(), retries=3)) as session:
        yield session
        session.rollback()


def stored(small):
    return sorted(row["name"] for row in small.tables["tasks"].rows.values())


def test_what_is_refused_for_now_goes_again_with_others_of_its_kind(small, front, session):
    small.fail("POST", "/tasks/", 429, headers={"Retry-After": "0"}, times=2)
    made = tasks(*"abcde")
    session.add_all(made)
    report = session.commit()
    assert report.created.objects == made
    assert stored(small) == list("abcde")
    assert [len(items) for items in front.parcels] == [5, 2]
    assert (report.requests, report.retries) == (2, 1)


def test_the_last_one_that_is_refused_for_now_goes_alone(small, front, session):
    small.fail("POST", "/tasks/", 429, headers={"Retry-After": "0"})
    session.add_all(tasks("a", "b"))
    assert session.commit().requests == 2
    assert [len(items) for items in front.parcels] == [2]
    assert stored(small) == ["a", "b"]


def test_what_is_refused_for_now_is_not_waited_for_beyond_the_deadline(
    small, front, session, clock
):
    small.fail("POST", "/tasks/", 429, headers={"Retry-After": "100"}, times=2)
    made = tasks(*"abc")
    session.add_all(made)
    small.hook = lambda seen: clock.set_forward_soon()
    with pytest.raises(CommitError) as caught:
        session.commit(deadline=100)
    small.hook = lambda seen: None
    report = caught.value.report
    assert (report.failed.objects, report.created.objects) == (made[:2], made[2:])
    assert [len(items) for items in front.parcels] == [3]
    assert session.commit().created.objects == made[:2]


def test_what_is_refused_for_too_long_is_failed(small, front, session):
    small.fail("POST", "/tasks/", 429, {"detail": "Later."}, headers={"Retry-After": "9999"})
    late, good = tasks("late", "good")
    session.add_all([late, good])
    with pytest.raises(CommitError) as caught:
        session.commit(on_error="continue")
    report = caught.value.report
    assert report.created.objects == [good]
    (entry,) = report.failed
    assert isinstance(entry.error, TooManyRequests)
    assert entry.error.retry_after == 9999
    assert report.requests == 1


def test_an_error_of_the_server_leaves_one_operation_in_doubt(small, front, session):
    small.fail("POST", "/tasks/", 500, done=True)
    small.fail("POST", "/tasks/", 500)
    made = tasks(*"abcd")
    session.add_all(made)
    small.seen.clear()
    report = session.commit()
    assert report.created.objects == made
    assert stored(small) == list("abcd")
    looked_up = [line for line in small.asked if line.startswith("GET")]
    assert len(looked_up) == 1
    assert (report.requests, report.retries) == (2, 1)


DISTORTED = {
    "fewer": lambda answers: answers[:-1],
    "more": lambda answers: [*answers, answers[0]],
    "none": lambda answers: [],
    "another shape": lambda answers: {"answers": answers},
    "a number": lambda answers: 7,
    "not JSON": lambda answers: b"<html>",
    "empty": lambda answers: b"",
    "an item that is none": lambda answers: [None, *answers[1:]],
    "an item without a status": lambda answers: [{}, *answers[1:]],
}


@pytest.mark.parametrize("distort", DISTORTED.values(), ids=DISTORTED)
def test_an_answer_that_makes_no_sense_leaves_all_in_doubt_and_is_settled(
    small, front, session, distort
):
    small.tables["tasks"].rows[1] = {"id": 1, "name": "old"}
    small.tables["tasks"].rows[2] = {"id": 2, "name": "older"}
    old, older = Task.objects.order_by("id")
    old.name, older.name = "new", "newer"
    made = tasks("a", "b")
    session.add_all(made)
    front.distort = distort
    report = session.commit()
    assert (report.created.objects, report.updated.objects) == (made, [old, older])
    assert report.requests == 1
    assert stored(small) == ["a", "b", "new", "newer"]
    assert {t.id: t.name for t in (*made, old, older)} == {
        row["id"]: row["name"] for row in small.tables["tasks"].rows.values()
    }


def test_what_nothing_tells_apart_stays_uncertain(small, front, session):
    class Note(Model):
        id = fields.Integer(primary_key=True)
        text = fields.String()

        class Meta:
            registry = Registry()

    small.table("notes")
    front.distort = lambda answers: b""
    notes = [Note(text="a"), Note(text="b")]
    session.add_all(notes)
    with pytest.raises(CommitError) as caught:
        session.commit()
    report = caught.value.report
    assert report.uncertain.objects == notes
    assert session.uncertain == notes
    session.settle(notes[0], found=1)
    session.settle(notes[1], found=None)
    front.distort = lambda answers: answers
    assert session.commit().created.objects == [notes[1]]


def test_a_request_that_can_t_be_made_fails_alone(small, front):
    def fails(obj):
        raise QueryError("there is no such place")

    class Odd(Parcels):
        def draft_create(self, change, mapper):
            draft = super().draft_create(change, mapper)
            if change.object.name == "odd":
                path = (*draft.request.path, Pending(change.object, fails))
                draft = draft._replace(request=draft.request._replace(path=path))
            return draft

    with Session(small.client(dialect=Odd())) as session:
        made = tasks("a", "odd", "b")
        session.add_all(made)
        with pytest.raises(CommitError, match="no such place") as caught:
            session.commit(on_error="continue")
        report = caught.value.report
        assert report.failed.objects == [made[1]]
        assert report.created.objects == [made[0], made[2]]
        session.rollback()


def test_operations_of_one_lane_share_requests_with_their_own_only(small, front):
    class Laned(Parcels):
        def draft(self, change):
            return super().draft(change)._replace(lane=change.object.name[0])

    names = ["a1", "b1", "a2", "b2", "a3"]
    with Session(small.client(dialect=Laned())) as session:
        session.add_all(tasks(*names))
        assert [op.batch for op in session.plan()] == [1, 2, 1, 2, 1]
        assert session.commit(workers=4).requests == 2
    shared = sorted([item["body"]["name"] for item in items] for items in front.parcels)
    assert shared == [["a1", "a2", "a3"], ["b1", "b2"]]


def test_a_dialect_with_batches_and_no_word_for_them_says_so(small, front):
    dialect = SmallDialect(max_batch=5)
    with pytest.raises(NotImplementedError, match=r"max_batch=5.*batch_request"):
        dialect.batch_request([])
    with pytest.raises(NotImplementedError, match=r"max_batch=5.*batch_answers"):
        dialect.batch_answers(Response(200, {}, b""), [])
    with Session(small.client(dialect=dialect)) as session:  # it names no company: all go alone
        session.add_all(tasks("a", "b"))
        assert session.commit().requests == 2


def test_answers_that_a_dialect_does_not_count_are_counted(small, front):
    class Careless(Parcels):
        def batch_answers(self, response, requests):
            return super().batch_answers(response, requests)[:-1]

    with Session(small.client(dialect=Careless())) as session:
        made = tasks("a", "b", "c")
        session.add_all(made)
        assert session.commit().created.objects == made
    assert [row["name"] for row in small.tables["tasks"].rows.values()] == ["a", "b", "c"]


def test_a_reader_that_fails_leaves_all_in_doubt(small, front):
    class Failing(Parcels):
        def batch_answers(self, response, requests):
            raise KeyError("hunter2")

    with Session(small.client(dialect=Failing())) as session:
        made = tasks("a", "b")
        session.add_all(made)
        assert session.commit().created.objects == made
    assert stored(small) == ["a", "b"]


def test_a_repeated_batch_of_deletes_meets_what_it_has_deleted(small, front):
    """The first answer is lost; what is gone when it goes again was deleted by the first one."""
    small.tables["tasks"].rows.update({n: {"id": n, "name": f"t{n}"} for n in (1, 2, 3)})
    lost = []

    def lose(answers):
        if len(lost) < 1:
            lost.append(answers)
            raise requests.ConnectionError("the connection broke")
        return answers

    dialect = Parcels(idempotent=frozenset({Kind.DELETE}))
    front.distort = lose
    with Session(small.client(dialect=dialect, retries=2)) as session:
        for task in Task.objects.all():
            session.delete(task)
        report = session.commit()
    assert len(report.deleted) == 3
    assert (report.requests, report.retries, len(lost)) == (2, 1, 1)
    assert [item["status"] for item in lost[0]] == [204] * 3
    assert small.asked[-3:] == ["DELETE /tasks/1/", "DELETE /tasks/2/", "DELETE /tasks/3/"]


def test_a_batch_that_surely_never_left_has_failed(small):
    client = Client("http://127.0.0.1:1/api", dialect=Parcels(), retries=0)
    with client, Session(client) as session:
        made = tasks("a", "b")
        session.add_all(made)
        with pytest.raises(CommitError) as caught:
            session.commit(on_error="continue")
        report = caught.value.report
        assert (report.failed.objects, report.requests) == (made, 0)
        assert session.new == made
        session.rollback()


def test_a_batch_that_is_forbidden_has_failed(small):
    small.fail("POST", "/parcels", 403, {"detail": "Not you."})
    with Session(small.client(dialect=Parcels())) as session:
        made = tasks("a", "b")
        session.add_all(made)
        with pytest.raises(CommitError, match="Not you") as caught:
            session.commit(on_error="continue")
        report = caught.value.report
        assert (report.failed.objects, report.requests) == (made, 1)
        session.rollback()


def test_a_secret_that_the_server_quotes_of_one_of_a_batch_is_not_told(small, front):
    class Login(Model):
        id = fields.Integer(primary_key=True)
        code = fields.String(write_only=True)

        class Meta:
            registry = Registry()

    small.table("logins", secret=("code",))
    small.fail("POST", "/logins/", 400, {"code": ["hunter2 is too short."]})
    with Session(small.client(dialect=Parcels())) as session:
        session.add_all([Login(code="hunter2"), Login(code="hunter3")])
        with pytest.raises(CommitError) as caught:
            session.commit(on_error="continue")
        (entry,) = caught.value.report.failed
        assert "hunter" not in f"{entry.error} {entry.error.body} {entry.error.response.content}"
        assert entry.error.errors == {"code": ["*** is too short."]}
        session.rollback()
