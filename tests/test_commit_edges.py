"""What a commit meets at its edges: tokens that expire, clocks that are wrong, receivers that commit."""

import sys
import threading

import faulty
import pytest

from objmapper import (
    Client,
    CommitError,
    Model,
    Registry,
    Session,
    SessionError,
    TokenAuth,
    ValidationError,
    fields,
    inspect,
    signals,
)
from objmapper.operation import Json, Request
from objmapper.transport.policy import Policy

registry = Registry("commit edges")
SmallDialect = sys.modules["smallserver"].SmallDialect


class Base(Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        abstract = True
        registry = registry


class Project(Base):
    name = fields.String(required=True)


class Task(Base):
    name = fields.String(required=True)
    project = fields.ForeignKey(Project, null=True)
    tags = fields.List(fields.String())


class Dated(Base):
    name = fields.String()
    created = fields.DateTime(read_only=True)

    class Meta:
        natural_key = ["name"]
        created_field = "created"


@pytest.fixture
def server(small):
    small.table("projects", [{"id": 1, "name": "p"}])
    rows = [{"id": n, "name": f"t{n}", "project": 1, "tags": []} for n in (1, 2, 3)]
    small.table("tasks", rows)
    return small


@pytest.fixture
def session(server):
    with Session(server.client()) as opened:
        yield opened
        opened.rollback()


def writes(server):
    return [str(seen) for seen in server.seen if seen.method != "GET"]


# -- a token that expires -------------------------------------------------------------------------


class Renewing(TokenAuth):
    """Logs in again when it is asked to."""

    renewed = 0

    def renew(self, transport):
        self.renewed += 1
        self.token = transport.send(Request("POST", "/login/", body=Json({}))).json()["key"]
        return True


class Expiring:
    """Takes tasks over a socket; after *lives* of them the first token is good for nothing."""

    def __init__(self, lives):
        self.lives, self.lock = lives, threading.Lock()
        self.rows, self.logins, self.refused = {}, 0, 0

    def __call__(self, to):
        with self.lock:
            act = self.answer(to.seen)
        return act(to)

    def answer(self, seen):
        given = seen.headers.get("authorization")
        if seen.path.endswith("/login/"):
            self.logins += 1
            return faulty.say({"key": "second"})
        if given != ("Token first" if len(self.rows) < self.lives else "Token second"):
            self.refused += 1
            return faulty.say({"detail": "Invalid token."}, 401)
        key = len(self.rows) + 1
        self.rows[key] = {"id": key, **seen.json()}
        return faulty.say(self.rows[key], 201)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_token_that_expires_in_a_commit_is_renewed_once(faulty_server, workers):
    service, auth = Expiring(lives=5), Renewing("first")
    faulty_server.then(service)
    dialect = SmallDialect(trailing_slash=True)
    with (
        Client(faulty_server.url, dialect=dialect, auth=auth) as client,
        Session(client) as session,
    ):
        tasks = [Task(name=f"t{n}") for n in range(20)]
        session.add_all(tasks)
        report = session.commit(workers=workers)
    assert report.created.objects == tasks
    assert sorted(row["name"] for row in service.rows.values()) == sorted(t.name for t in tasks)
    assert (auth.renewed, service.logins) == (1, 1)
    assert 1 <= service.refused <= workers
    assert (report.retries, report.requests) == (service.refused, 20 + service.refused)


def test_a_token_that_can_not_be_renewed_stops_the_commit_and_shows_nothing(faulty_server):
    faulty_server.then(Expiring(lives=2))
    dialect = SmallDialect(trailing_slash=True)
    auth = TokenAuth("first")
    with (
        Client(faulty_server.url, dialect=dialect, auth=auth) as client,
        Session(client) as session,
    ):
        tasks = [Task(name=f"t{n}") for n in range(4)]
        session.add_all(tasks)
        with pytest.raises(CommitError) as caught:
            session.commit(workers=1)
        session.rollback()
    report = caught.value.report
    assert (report.created.objects, report.failed.objects) == (tasks[:2], tasks[2:3])
    assert (report.failed[0].error.status, report.pending.objects) == (401, tasks[3:])
    assert "first" not in str(caught.value)


# -- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", [1999, 2037])
@pytest.mark.parametrize(("made", "key"), [("12:00:03", 7), ("11:59:30", 8)])
def test_a_server_whose_clock_is_wrong_is_believed(faulty_server, year, made, key):
    clock = f"Thu, 01 Jan {year} 12:00:00 GMT"
    row = {"id": 7, "name": "x", "created": f"{year}-01-01T{made}Z"}
    page = faulty.say({"count": 1, "next": None, "results": [row]}, Date=clock)
    gone = faulty.answer("<html>", 502, "text/html", Date=clock)
    faulty_server.then(gone, page, faulty.say({**row, "id": 8}, 201, Date=clock))
    dialect = SmallDialect(trailing_slash=True)
    with Client(faulty_server.url, dialect=dialect, settle_after=0) as client:
        client.transport.policy = Policy(1, backoff=0)
        with Session(client) as session:
            obj = Dated(name="x")
            session.add(obj)
            assert session.commit().created.objects == [obj]
    assert obj.id == key


# -- who commits in the middle of a commit --------------------------------------------------------


def test_a_progress_callback_that_commits_sends_nothing_twice(server, session):
    session.add_all(Task(name=f"n{n}") for n in range(3))
    report = session.commit(workers=1, progress=lambda done, of: session.commit())
    assert len(report.created) == 3
    assert writes(server) == ["POST /tasks/"] * 3
    assert ["would be sent twice" in str(error) for error in report.errors] == [True]


def test_a_progress_callback_may_commit_something_else(server, session):
    def tell(done, of):
        session.commit_objects([other])

    session.add(Task(name="a"))
    other = Project(name="b")
    report = session.commit_objects(session.new, progress=tell)
    assert (len(report.created), report.errors, session.new) == (1, [], [])
    assert writes(server) == ["POST /tasks/", "POST /projects/"]


@pytest.mark.parametrize("name", ["pre_create", "pre_update", "pre_delete", "pre_commit"])
def test_a_pre_receiver_that_commits_what_it_is_told_of_is_refused(server, session, name):
    def commit(sender, session, **told):
        session.commit()

    first, second = session.get(Task, 1), session.get(Task, 2)
    session.add(Task(name="new"))
    first.name = "renamed"
    session.delete(second)
    signal = getattr(signals, name)
    with (
        signal.connected_to(commit),
        pytest.raises(SessionError, match="commits what it is told of"),
    ):
        session.commit()
    assert writes(server) == []
    assert len(session.commit().created) == 1


def test_a_pre_receiver_may_commit_something_else(server, session):
    def audit(sender, instance, session):
        Project(name=f"audit of {instance.name}").commit()

    session.add(Task(name="a"))
    with session, signals.pre_create.connected_to(audit, Task):
        session.commit()
    assert writes(server) == ["POST /projects/", "POST /tasks/"]


def test_a_receiver_of_the_end_may_commit_the_rest(server, session):
    told = []

    def again(sender, session, report):
        told.append(report)
        session.commit()

    task = Task(name="a")
    session.add(task)
    server.fail("POST", "/tasks/", 400, {})
    with signals.post_commit.connected_to(again), pytest.raises(CommitError) as caught:
        session.commit()
    assert told == [caught.value.report]
    assert inspect(task).lifecycle == "persistent"
    assert writes(server) == ["POST /tasks/"] * 2


def test_a_receiver_that_makes_its_object_invalid_stops_the_commit(server, session):
    def spoil(sender, instance, session):
        instance.tags.append(7)

    task = Task(name="a")
    session.add_all([task, Task(name="b")])
    with (
        signals.pre_create.connected_to(spoil, Task),
        pytest.raises(ValidationError, match="tags"),
    ):
        session.commit()
    assert writes(server) == []
    assert len(session.new) == 2


def test_a_parent_that_was_deleted_leaves_its_pending_children_to_the_server(server, session):
    project = session.get(Project, 1)
    task = Task(name="orphan", project=project)
    session.add(task)
    project.delete()
    server.fail("POST", "/tasks/", 400, {"project": ["Invalid pk."]})
    with pytest.raises(CommitError) as caught:
        session.commit()
    assert caught.value.report.failed[0].error.errors == {"project": ["Invalid pk."]}
    task.project = None
    assert session.commit().created.objects == [task]
