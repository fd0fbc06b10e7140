"""Batches on a real Kinto: many operations in one request, each judged by its own answer."""

import json
import threading
import uuid

import pytest
from faultproxy import FaultyProxy

from objmapper import (
    BadRequest,
    CommitError,
    Conflict,
    ContractError,
    Model,
    NotFound,
    Registry,
    RequestBudgetExceeded,
    Session,
    fields,
    signals,
)
from objmapper.dialects import Kinto
from objmapper.request import Json, Request, Response
from objmapper.transport.policy import Policy

registry = Registry("batches on Kinto")


class Project(Model):
    id = fields.String(primary_key=True)
    name = fields.String()

    class Meta:
        registry = registry


class Task(Model):
    id = fields.String(primary_key=True)
    name = fields.String()
    size = fields.Integer()
    project = fields.ForeignKey(Project)
    secret = fields.String(write_only=True)

    class Meta:
        registry = registry
        natural_key = ["name"]


class Book(Model):
    id = fields.UUID(primary_key=True, generated="client")
    title = fields.String()

    class Meta:
        registry = registry


TASKS = {
    "type": "object",
    "properties": {"size": {"type": "integer", "minimum": 0}, "name": {"type": "string"}},
}


@pytest.fixture
def bucket(kinto_server):
    return kinto_server.bucket("projects", "books", tasks=TASKS)


@pytest.fixture
def session(kinto_server, bucket):
    with kinto_server.client(bucket) as client, Session(client) as session:
        yield session
        session.rollback()


@pytest.fixture
def rows(kinto_server, bucket):
    """``rows("tasks")`` is what the server has."""
    return lambda name: kinto_server.ask("GET", f"/buckets/{bucket}/collections/{name}/records")


def sent_by(session):
    return session.client.transport.requests_sent


def tasks(count, **more):
    return [Task(name=f"t{n}", **more) for n in range(count)]


# -- plans ----------------------------------------------------------------------------------------


def test_a_plan_says_which_operations_share_a_request(session):
    project = Project(name="p")
    session.add_all(tasks(30, project=project))
    plan = session.plan()
    assert [op.batch for op in plan] == [None, *[1] * 25, *[2] * 5]
    assert len(plan) == 3
    assert len(plan.operations) == 31
    assert repr(plan) == "<Plan: 3 requests in 2 waves>"
    assert [op["batch"] for op in plan.to_json()["operations"]] == [None, *[1] * 25, *[2] * 5]
    head, _, first, second, *_ = str(plan).splitlines()
    place = head.index("batch")
    assert (first[place : place + 5].strip(), second[place : place + 5].strip()) == ("", "1")


def test_waves_share_no_request(session):
    projects = [Project(name=f"p{n}") for n in range(3)]
    session.add_all(Task(name=f"t{n}", project=project) for n, project in enumerate(projects))
    assert [(op.wave, op.batch) for op in session.plan()] == [(1, 1)] * 3 + [(2, 2)] * 3
    assert session.commit().requests == 2


def test_a_dialect_without_batches_sends_each_alone(kinto_server, bucket):
    dialect = Kinto(bucket=bucket, max_batch=0)
    with kinto_server.client(bucket, dialect=dialect) as client, Session(client) as session:
        session.add_all(tasks(3))
        plan = session.plan()
        assert ([op.batch for op in plan], len(plan)) == ([None] * 3, 3)
        assert session.commit().requests == 3


# -- what goes out --------------------------------------------------------------------------------


def test_a_thousand_creates_are_forty_requests(session, kinto_server, bucket):
    session.add_all(tasks(1000))
    report = session.commit()
    assert len(report.created) == 1000
    assert report.requests == 40
    assert sent_by(session) == 40
    assert {task.name for task in report.created.objects} == {f"t{n}" for n in range(1000)}
    assert Task.objects.count() == 1000
    names = {task.id: task.name for task in Task.objects.all()}
    assert {task.id: task.name for task in report.created.objects} == names


def test_creates_updates_and_deletes_share_a_request(session, rows):
    session.add_all(tasks(4))
    session.commit()
    first, second, third, _ = Task.objects.order_by("name")
    first.size = 7
    session.delete(second)
    third.name = "renamed"
    session.add(Book(id=uuid.uuid4(), title="Emma"))
    report = session.commit()
    assert (report.requests, len(report.updated), len(report.deleted)) == (1, 2, 1)
    assert sorted(row["name"] for row in rows("tasks")) == ["renamed", "t0", "t3"]
    assert [row["title"] for row in rows("books")] == ["Emma"]
    assert session.commit().requests == 0


def test_who_goes_alone_is_in_no_batch(session):
    heard = []
    with signals.request_sent.connected_to(lambda *_, request: heard.append(request)):
        Task.objects.create(name="alone")
    (request,) = heard
    assert request.shown_path.endswith("/collections/tasks/records")


def test_query_sets_write_in_batches(session):
    Task.objects.bulk_create(tasks(50))
    assert sent_by(session) == 2
    assert Task.objects.filter(name__in=["t1", "t2", "t3"]).update(size=3) == 3
    assert sent_by(session) == 4
    assert Task.objects.filter(size=3).count() == 3


def test_several_batches_are_sent_side_by_side(session):
    session.add_all(tasks(60))
    names = set()

    def hear(*_, **__):
        names.add(threading.current_thread().name)

    with signals.request_sent.connected_to(hear):
        session.commit(workers=3)
    assert names <= {f"objmapper-commit-{n}" for n in range(3)}
    assert sent_by(session) == 3


# -- each by its own answer -----------------------------------------------------------------------


def test_what_is_refused_in_a_batch_is_refused_as_if_it_had_gone_alone(
    session, kinto_server, bucket
):
    there, gone = uuid.uuid4(), Task(name="gone")
    path = f"/buckets/{bucket}/collections/books/records/{there}"
    kinto_server.ask("PUT", path, {"title": "theirs"})
    session.add(gone)
    session.commit()
    kinto_server.ask("DELETE", f"/buckets/{bucket}/collections/tasks/records/{gone.id}")
    good, bad, mine = tasks(3), Task(name="bad", size=-1), Book(id=there, title="mine")
    gone.size = 1
    session.add_all([good[0], bad, good[1], mine, good[2]])
    with pytest.raises(CommitError) as caught:
        session.commit(on_error="continue")
    report = caught.value.report
    assert report.requests == 1
    assert report.created.objects == good
    errors = {entry.object: entry.error for entry in report.failed}
    assert {obj: type(error) for obj, error in errors.items()} == {
        gone: NotFound,
        bad: BadRequest,
        mine: Conflict,
    }
    assert list(errors[bad].errors) == ["size"]
    assert errors[mine].body["details"]["existing"]["title"] == "theirs"
    assert errors[mine].url == kinto_server.url + path
    assert (session.new, session.dirty) == ([bad, mine], [gone])
    bad.size = 1
    bad.commit()
    session.expunge(mine)
    session.expunge(gone)


def test_stop_begins_no_more_batches(session):
    session.add_all([Task(name="bad", size=-1), *tasks(60)])
    with pytest.raises(CommitError) as caught:
        session.commit(workers=1)
    report = caught.value.report
    assert [len(part) for part in (report.failed, report.created, report.pending)] == [1, 24, 36]
    assert report.requests == 1


def test_progress_counts_operations(session):
    session.add_all(tasks(30))
    told = []
    session.commit(progress=lambda done, of: told.append((done, of)))
    assert told == [(n, 30) for n in range(1, 31)]


def test_what_waits_for_what_failed_drops_out_of_its_batch(session):
    good, bad = Task(name="good"), Task(name="bad", size=-1)

    class Part(Model):
        id = fields.String(primary_key=True)
        task = fields.ForeignKey(Task)

        class Meta:
            endpoint = "books"
            registry = Registry()

    parts = [Part(task=good), Part(task=bad), Part(task=good)]
    session.add_all(parts)
    with pytest.raises(CommitError) as caught:
        session.commit(on_error="continue")
    report = caught.value.report
    assert report.skipped.objects == [parts[1]]
    assert report.created.objects == [good, parts[0], parts[2]]
    assert report.requests == 2


def test_a_budget_counts_requests_not_operations(session):
    session.add_all(tasks(50))
    with session.request_budget(1), pytest.raises(CommitError) as caught:
        session.commit(workers=1, on_error="continue")
    report = caught.value.report
    assert (len(report.created), len(report.failed), report.requests) == (25, 25, 1)
    assert {type(entry.error) for entry in report.failed} == {RequestBudgetExceeded}
    with session.request_budget(1):
        assert len(session.commit().created) == 25


def test_interrupted_between_batches_the_rest_is_pending(session):
    session.add_all(tasks(75))

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(CommitError) as caught:
        session.commit(workers=1, progress=stop)
    report = caught.value.report
    assert (len(report.created), len(report.pending), report.requests) == (25, 50, 1)
    assert session.commit().requests == 2


# -- batches that fail as such --------------------------------------------------------------------


def test_a_batch_that_is_too_large_is_sent_in_halves(kinto_server, bucket):
    dialect = Kinto(bucket=bucket, max_batch=60)  # the server takes 25
    with kinto_server.client(bucket, dialect=dialect) as client, Session(client) as session:
        session.add_all(tasks(60))
        assert len(session.plan()) == 1
        report = session.commit()
        assert len(report.created) == 60
        assert report.requests == 1 + 2 + 4
        assert Task.objects.count() == 60


def through(proxy, bucket, kinto_server, retries):
    client = kinto_server.client(bucket, settle_after=0.05, timeout=5)
    through = type(client)(
        f"{proxy.url}/v1", dialect=client.dialect, auth=kinto_server.auth, settle_after=0.05
    )
    client.close()
    through.transport.policy = Policy(retries, backoff=0.01)
    return through


@pytest.mark.parametrize(
    "way", ["reset before", "reset after", "cut", "500 before", "502 after", "garbage after", "429"]
)
def test_each_operation_of_a_batch_of_unknown_fate_is_settled(kinto_server, bucket, rows, way):
    upstream = kinto_server.url.removesuffix("/v1")
    with (
        FaultyProxy(upstream, rate=1.0, only=[way], most=1) as proxy,
        through(proxy, bucket, kinto_server, retries=2) as client,
        Session(client) as session,
    ):
        books = [Book(id=uuid.uuid4(), title=f"b{n}") for n in range(3)]
        session.add_all([*tasks(5), *books])
        report = session.commit(workers=1)
        assert len(report.created) == 8
        assert sum(proxy.harmed.values()) == 1
        again = "after" not in way and way != "cut"
        assert (report.requests, report.retries) == (1 + again, int(again))
    assert sorted(row["name"] for row in rows("tasks")) == [f"t{n}" for n in range(5)]
    assert sorted(row["title"] for row in rows("books")) == ["b0", "b1", "b2"]


def test_what_was_lost_is_asked_for_together(kinto_server, bucket):
    upstream = kinto_server.url.removesuffix("/v1")
    with (
        FaultyProxy(upstream, rate=1.0, only=["reset after"], most=1) as proxy,
        through(proxy, bucket, kinto_server, retries=2) as client,
        Session(client) as session,
    ):
        session.add_all(tasks(20))
        before = client.transport.requests_sent
        assert len(session.commit(workers=1).created) == 20
        assert client.transport.requests_sent == before + 1 + 1


# -- how Kinto says it ----------------------------------------------------------------------------

REQUESTS = [
    Request("PUT", "/buckets/b/collections/c/records/1", body=Json({"data": {"n": 1}})),
    Request("PUT", "/buckets/b/collections/c/records/2", body=Json({"data": {"n": 2}})),
]


def answered(*items, body=None):
    content = json.dumps({"responses": list(items)}).encode() if body is None else body
    return Response(200, {}, content, "POST", "http://h/v1/batch")


def item(key, status=201, **more):
    path = f"/v1/buckets/b/collections/c/records/{key}"
    return {
        "status": status,
        "path": path,
        "headers": {},
        "body": {"data": {"id": str(key)}},
    } | more


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (answered(item(1)), "was sent 2 requests in one, and answered 1"),
        (answered(item(1), item(2), item(3)), "answered 3"),
        (answered(item(2), item(1)), "another order"),
        (answered(item(1), {"status": 201}), "to one of several requests"),
        (answered(item(1), item(2, status="201")), "to one of several requests"),
        (answered(item(1), item(2, headers=[])), "to one of several requests"),
        (answered(item(1), "x"), "item 1 of the page is text"),
        (answered(body=b'{"responses": {}}'), "a list of objects was expected"),
        (answered(body=b"[]"), "an object was expected"),
        (answered(body=b"{"), "not JSON"),
        (answered(body=b""), "not JSON"),
    ],
)
def test_an_answer_that_can_t_be_told_apart_is_refused(response, why):
    with pytest.raises(ContractError, match=why):
        Kinto().batch_answers(response, REQUESTS)


def test_what_all_requests_have_is_said_once():
    body = Kinto().batch_request([*REQUESTS, Request("DELETE", REQUESTS[0].path)]).body.value
    assert body["defaults"] == {}
    body = Kinto().batch_request(REQUESTS).body.value
    assert body["defaults"] == {"method": "PUT"}
    assert [sorted(part) for part in body["requests"]] == [["body", "path"]] * 2


def test_a_conflict_in_a_batch_leaves_its_successes_in_doubt():
    response = answered(item(1), item(2, status=409, body={"code": 409}))
    first, second = Kinto().batch_answers(response, REQUESTS)
    assert isinstance(first, ContractError)
    assert second.status == 409


def test_no_secret_of_a_batch_is_told(session, caplog):
    caplog.set_level("DEBUG")
    session.add_all([Task(name="a", secret="hunter2"), Task(name="b", size=-1, secret="hunter3")])
    with pytest.raises(CommitError) as caught:
        session.commit(on_error="continue")
    (entry,) = caught.value.report.failed
    told = f"{caplog.text} {caught.value} {entry!r} {entry.error!r} {entry.error.body} {session.plan()}"
    assert "hunter" not in told
    assert entry.error.request.shown_body()["data"]["secret"] == "***"
    session.rollback()
