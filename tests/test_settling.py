"""Writes of unknown fate are settled: repeated where they may be, else looked up, else left to people."""

import gc
import os
import signal
import sys
import uuid
from contextlib import contextmanager

import faulty
import pytest

from objmapper import (
    Client,
    CommitError,
    CommitInterrupted,
    Model,
    NotFound,
    ObjectDoesNotExist,
    Registry,
    ServerError,
    Session,
    SessionError,
    fields,
    inspect,
    signals,
)
from objmapper.operation import Json
from objmapper.transport.policy import Policy

registry = Registry("settling")
SmallDialect = sys.modules["smallserver"].SmallDialect
HTML = "<html><title>Bad Gateway</title></html>"


class Base(Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        abstract = True
        registry = registry


class Project(Base):
    name = fields.String(required=True)

    class Meta:
        natural_key = ["name"]


class Task(Base):
    name = fields.String(required=True)
    note = fields.String(null=True)
    project = fields.ForeignKey(Project, null=True)
    tags = fields.List(fields.String())
    secret = fields.String(write_only=True)

    class Meta:
        natural_key = ["project", "name"]


class Nameless(Base):
    """Nothing tells one from another."""

    note = fields.String(null=True)


class Event(Model):
    message = fields.String()

    class Meta:
        registry = registry
        keyless = True


class Book(Model):
    key = fields.UUID(primary_key=True, generated="client")
    title = fields.String()

    class Meta:
        registry = registry


class Dated(Base):
    name = fields.String()
    size = fields.Integer(null=True)
    created = fields.DateTime(read_only=True)

    class Meta:
        natural_key = ["name"]
        created_field = "created"


@pytest.fixture
def server(small):
    small.table("projects", [{"id": 1, "name": "p"}])
    rows = [
        {"id": n, "name": f"t{n}", "note": None, "project": 1, "tags": ["day"]} for n in (1, 2, 3)
    ]
    small.table("tasks", rows, foreign={"project": "projects"}, secret=("secret",))
    small.table("namelesses", [{"id": 1, "note": None}])
    small.table("books", key="key")
    return small


@contextmanager
def session_of(client):
    """A session that may be left with what was not sent."""
    with Session(client) as session:
        yield session
        for obj in session.uncertain:
            session.expunge(obj)
        session.rollback()


@pytest.fixture
def session(server):
    with session_of(server.client(retries=2)) as session:
        yield session


def failing(session, **options):
    """Return the report of a commit that does not do everything."""
    with pytest.raises(CommitError) as caught:
        session.commit(**options)
    return caught.value.report


def asked(server, method):
    return [str(seen) for seen in server.seen if seen.method == method]


def rows(server, endpoint, column="name"):
    return [row[column] for row in server.tables[endpoint].rows.values()]


def only(entries):
    (entry,) = entries
    return entry


def lost(server, method, path, *, done, times=1, status=502):
    """Have the answer to a write harmed, which was *done* or not."""
    server.fail(method, path, status, HTML, done=done, times=times)


# -- updates and deletes --------------------------------------------------------------------------


def test_an_update_whose_answer_was_lost_is_found_done(server, session):
    task = session.get(Task, 1)
    task.name, task.note = "new", "x"
    lost(server, "PATCH", "/tasks/1", done=True)
    report = session.commit()
    assert report.updated.objects == [task]
    assert (task.changes, session.uncertain, session.dirty) == ({}, [], [])
    assert len(asked(server, "PATCH")) == 1
    assert (report.requests, report.retries) == (1, 0)


def test_an_update_that_was_not_done_is_sent_again(server, session):
    task = session.get(Task, 1)
    task.tags.append("night")
    lost(server, "PATCH", "/tasks/1", done=False)
    report = session.commit()
    assert (report.updated.objects, report.requests, report.retries) == ([task], 2, 1)
    assert server.tables["tasks"].rows[1]["tags"] == ["day", "night"]


def test_what_is_never_done_is_failed_after_as_many_attempts_as_the_client_has(server, session):
    task = session.get(Task, 1)
    task.name = "new"
    lost(server, "PATCH", "/tasks/1", done=False, times=9)
    report = failing(session)
    entry = only(report.failed)
    assert isinstance(entry.error, ServerError)
    assert (len(asked(server, "PATCH")), report.requests, report.retries) == (3, 3, 2)
    assert (session.uncertain, session.dirty) == ([], [task])
    # The error is of one request, and of that nobody knew; by now somebody does.
    assert str(report).endswith("is unknown. (the server was asked since: it is not done)")


def test_a_field_that_somebody_else_changed_meanwhile_leaves_it_uncertain(server, session):
    task = session.get(Task, 1)
    task.name = "mine"
    lost(server, "PATCH", "/tasks/1", done=False)
    server.tables["tasks"].rows[1]["name"] = "theirs"
    report = failing(session)
    assert report.uncertain.objects == [task]
    assert "'name' is neither as it was sent nor as it was before" in str(report)
    assert len(asked(server, "PATCH")) == 1


def test_half_of_an_update_leaves_it_uncertain(server, session):
    task = session.get(Task, 1)
    task.name, task.note = "new", "x"
    lost(server, "PATCH", "/tasks/1", done=False)
    server.tables["tasks"].rows[1]["note"] = "x"
    report = failing(session)
    assert only(report.uncertain).outcome.why == "note as sent, name as before"


def test_a_value_that_the_server_never_shows_leaves_it_uncertain(server, session):
    task = session.get(Task, 1)
    task.secret = "hunter2"
    lost(server, "PATCH", "/tasks/1", done=True)
    report = failing(session)
    assert only(report.uncertain).outcome.why == "the server does not show 'secret'"


def test_updates_of_one_wave_are_looked_up_in_one_request(server, session):
    tasks = list(Task.objects.all())
    for task in tasks:
        task.note = "x"
        lost(server, "PATCH", f"/tasks/{task.id}", done=True)
    server.seen.clear()
    report = session.commit(on_error="continue")
    assert report.updated.objects == tasks
    (question,) = asked(server, "GET")
    assert {*question.partition("id__in=")[2].partition("&")[0].split(",")} == {"1", "2", "3"}


def test_an_update_of_what_is_gone_fails_as_not_found(server, session):
    task = session.get(Task, 1)
    task.name = "new"
    lost(server, "PATCH", "/tasks/1", done=False)
    server.hook = lambda seen: seen.method == "PATCH" and server.tables["tasks"].rows.pop(1, None)
    report = failing(session)
    assert isinstance(only(report.failed).error, NotFound)


def test_a_deletion_whose_answer_was_lost_is_found_done(server, session):
    task = session.get(Task, 1)
    session.delete(task)
    lost(server, "DELETE", "/tasks/1", done=True)
    report = session.commit()
    assert report.deleted.objects == [task]
    assert inspect(task).lifecycle == "detached"
    assert len(asked(server, "DELETE")) == 1


def test_a_deletion_that_was_not_done_is_sent_again(server, session):
    session.delete(session.get(Task, 1))
    lost(server, "DELETE", "/tasks/1", done=False)
    assert session.commit().retries == 1
    assert rows(server, "tasks") == ["t2", "t3"]


# -- new objects ----------------------------------------------------------------------------------


def test_a_new_object_whose_answer_was_lost_is_found_by_its_natural_key(server, session):
    project = Project(name="q")
    task = Task(name="t", project=project)
    session.add(task)
    lost(server, "POST", "/projects", done=True)
    lost(server, "POST", "/tasks", done=True)
    report = session.commit()
    assert report.created.objects == [project, task]
    assert (project.id, task.id) == (2, 4)
    assert session.get(Task, 4) is task
    assert (rows(server, "projects"), len(asked(server, "POST"))) == (["p", "q"], 2)


def test_a_new_object_that_was_not_created_is_sent_again(server, session):
    task = Task(name="t")
    session.add(task)
    lost(server, "POST", "/tasks", done=False)
    report = session.commit()
    assert (report.created.objects, report.requests, report.retries) == ([task], 2, 1)
    assert rows(server, "tasks").count("t") == 1


def test_new_objects_that_differ_in_one_part_are_looked_for_in_one_request(server, session):
    project = session.get(Project, 1)
    tasks = [Task(name=name, project=project) for name in "abc"]
    session.add_all(tasks)
    lost(server, "POST", "/tasks", done=True, times=3)
    server.seen.clear()
    assert session.commit(on_error="continue").created.objects == tasks
    assert len(asked(server, "GET")) == 1
    there = Task.objects.filter(id__in=[task.id for task in tasks])
    assert sorted(task.name for task in there) == [*"abc"]


def test_one_that_was_read_before_is_not_taken_for_the_new_one(server, session):
    known = session.get(Task, 1)
    task = Task(name="t1", project=1)
    session.add(task)
    lost(server, "POST", "/tasks", done=False)
    session.commit()
    assert task.id == 4 != known.id
    assert rows(server, "tasks") == ["t1", "t2", "t3", "t1"]


def test_one_that_this_session_has_created_is_not_taken_for_another(server, session):
    first, second = Task(name="t", project=1, note="x"), Task(name="t", project=1, note="x")
    session.add(first)
    session.commit()
    session.add(second)
    lost(server, "POST", "/tasks", done=False)
    session.commit()
    assert (first.id, second.id) == (4, 5)


def test_one_that_this_session_has_created_and_nobody_holds_is_not_taken_for_another(server):
    with Session(server.client(retries=2), keep=0) as session:
        session.add(Task(name="t", project=1, note="x"))
        session.commit()
        gc.collect()
        assert [*session] == []
        second = Task(name="t", project=1, note="x")
        session.add(second)
        lost(server, "POST", "/tasks", done=False)
        session.commit()
        assert second.id == 5
    assert rows(server, "tasks") == ["t1", "t2", "t3", "t", "t"]


def test_a_key_that_the_server_gives_again_may_be_that_of_the_new_one(server, session):
    first = Task(name="first")
    session.add(first)
    session.commit()
    key = first.id
    first.delete()
    task = Task(name="second")
    session.add(task)
    lost(server, "POST", "/tasks", done=True)
    assert session.commit().created.objects == [task]
    assert task.id == key
    assert rows(server, "tasks").count("second") == 1


def given_away(server, session):
    """Return an object of the session that somebody has deleted: its key is the next one's."""
    known = Task(name="known", project=1)
    session.add(known)
    session.commit()
    del server.tables["tasks"].rows[known.id]
    return known


@pytest.mark.parametrize("told", [True, False])
def test_what_has_the_key_of_one_of_another_name_is_not_made_a_second_time(server, session, told):
    """That one may have got this name, or be gone and have left its key to the new one."""
    known = given_away(server, session)
    task = Task(name="new", project=1)
    session.add(task)
    if not told:
        lost(server, "POST", "/tasks", done=True)
    for _ in range(2):
        with pytest.raises(
            CommitError, match=r"4 has its natural key, and was <Task 4 name='known'>"
        ):
            session.commit()
    assert session.uncertain == [task]
    assert rows(server, "tasks").count("new") == 1
    session.settle(task, found=4)
    assert (task.id, session.get(Task, 4) is task, known in session) == (4, True, False)


def test_one_of_its_name_that_this_session_has_renamed_is_another(server, session):
    known = session.get(Task, 1)
    known.name = "new"
    session.add(Task(name="new", project=1))
    lost(server, "POST", "/tasks", done=False)
    lost(server, "PATCH", "/tasks/1", done=True)
    assert session.commit(workers=1).counts() == {"created": 1, "updated": 1}
    assert rows(server, "tasks") == ["new", "t2", "t3", "new"]


@pytest.mark.parametrize("done", [(True, False), (False, True), (False, False)])
def test_what_the_server_has_once_is_not_two_objects(server, session, done):
    tasks = [Task(name="x", project=1), Task(name="x", project=1)]
    session.add_all(tasks)
    for each in done:
        lost(server, "POST", "/tasks", done=each)
    assert session.commit(workers=1).created.objects == tasks
    assert sorted(task.id for task in tasks) == [4, 5]
    assert rows(server, "tasks").count("x") == 2


def test_of_two_the_one_is_found_that_says_what_the_server_has(faulty_server):
    first, second = Dated(name="x", size=1), Dated(name="x", size=2)
    report = both_dated(faulty_server, first, second)
    assert report.created.objects == [first, second]
    assert (first.id, second.id) == (8, 7)


def test_two_stay_uncertain_where_one_of_them_was_made_and_nothing_tells_which(faulty_server):
    first, second = Dated(name="x"), Dated(name="x", size=2)
    report = both_dated(faulty_server, first, second)
    assert report.uncertain.objects == [first, second]
    why = {entry.outcome.why for entry in report.uncertain}
    assert why == {"7 is one object, and could be any of 2 that were sent"}


def test_one_of_other_values_may_be_somebody_elses(server, session):
    task = Task(name="t1", project=1, note="mine")
    session.add(task)
    lost(server, "POST", "/tasks", done=False)
    report = failing(session)
    assert only(report.uncertain).outcome.why == "1 has its natural key, and may be another's"
    assert (session.uncertain, session.new) == ([task], [task])


def test_one_whose_natural_key_the_server_filled_in_may_be_somebody_elses(server, session):
    task = Task(name="t1")  # in no project, and the one there is
    session.add(task)
    lost(server, "POST", "/tasks", done=False)
    assert failing(session).uncertain.objects == [task]


def test_several_that_could_be_it_leave_it_uncertain(server, session):
    server.tables["tasks"].rows[7] = {**server.tables["tasks"].rows[1], "id": 7}
    task = Task(name="t1", project=1, tags=["day"])
    session.add(task)
    lost(server, "POST", "/tasks", done=False)
    report = failing(session)
    assert only(report.uncertain).outcome.why == "2 objects could be it: 1, 7"


def test_text_is_compared_as_the_server_keeps_it(server, session):
    task = Task(name="  t ", note=" x", project=1)
    session.add(task)

    def trim(seen):
        if seen.method == "POST":
            seen.body.update({key: v.strip() for key, v in seen.body.items() if isinstance(v, str)})

    server.hook = trim
    lost(server, "POST", "/tasks", done=True)
    report = session.commit()
    assert (report.created.objects, task.id) == ([task], 4)
    assert len(asked(server, "POST")) == 1


def test_without_a_natural_key_nothing_is_asked_and_nothing_sent_again(server, session):
    session.add(Nameless(note="x"))
    lost(server, "POST", "/namelesses", done=True)
    report = failing(session)
    assert only(report.uncertain).outcome.why == "it can't be looked up"
    assert (asked(server, "GET"), len(asked(server, "POST"))) == ([], 1)
    assert failing(session).requests == 0


@pytest.mark.parametrize("done", [True, False])
def test_an_object_whose_key_the_client_chose_is_looked_up_by_it(server, session, done):
    book = Book(key=uuid.uuid4(), title="x")
    session.add(book)
    lost(server, "POST", "/books", done=done)
    report = session.commit()
    assert (report.created.objects, report.retries) == ([book], 0 if done else 1)
    assert rows(server, "books", "title") == ["x"]


class Batch(SmallDialect):
    """All changes travel in one request."""

    def operations(self, changes):
        drafts = list(super().operations(changes))
        body = Json([draft.request.body.value for draft in drafts])
        request = drafts[0].request._replace(body=body)
        return [drafts[0]._replace(changes=tuple(changes), request=request)]


@pytest.mark.parametrize(("there", "fate"), [("", "failed"), ("a", "uncertain"), ("ab", "created")])
def test_the_objects_of_one_request_have_one_fate(server, there, fate):
    with session_of(server.client(dialect=Batch(trailing_slash=True))) as session:
        tasks = [Task(name="a"), Task(name="b")]
        session.add_all(tasks)
        lost(server, "POST", "/tasks", done=False)

        def arrive(seen):
            if seen.method == "GET":
                for key, name in enumerate(there, 10):
                    row = {"id": key, "name": name, "project": None}
                    server.tables["tasks"].rows[key] = row

        server.hook = arrive
        try:
            report = session.commit()
        except CommitError as error:
            report = error.report
        assert report.counts() == {fate: 2}
        if fate == "uncertain":
            why = report.uncertain[0].outcome.why
            assert why == "a part of it is done (<Task name='a'>), and a part is not"


def test_an_object_without_a_key_that_has_a_twin_is_not_sent(server):
    server.table("tags", answers="keyless")

    class Tag(Base):
        name = fields.String()
        note = fields.String(null=True)

        class Meta:
            natural_key = ["name"]

    with session_of(server.client()) as session:
        tag = Tag(name="x")
        session.add(tag)
        session.commit()
        tag.note = "y"
        server.tables["tags"].rows[7] = {"id": 7, "name": "x", "note": None}
        report = failing(session)
        assert report.counts() == {"skipped": 1}


# -- when it was made, by the server's clock ------------------------------------------------------


def dated(faulty_server, server_time, created):
    """Commit a Dated whose answer is lost, on a server where one of its name was made then."""
    row = {"id": 7, "name": "x", "size": 1, "created": created}
    page = faulty.say({"count": 1, "next": None, "results": [row]}, Date=server_time)
    gone = faulty.answer(HTML, 502, "text/html", Date=server_time)
    again = faulty.say({**row, "id": 8, "size": 2}, 201, Date=server_time)
    faulty_server.then(gone, page, again)
    dialect = SmallDialect(trailing_slash=True)
    with Client(faulty_server.url, dialect=dialect, settle_after=0) as client:
        client.transport.policy = Policy(1, backoff=0)
        with session_of(client) as session:
            obj = Dated(name="x", size=2)
            session.add(obj)
            try:
                report = session.commit()
            except CommitError as error:
                report = error.report
    return obj, report


def both_dated(faulty_server, first, second):
    """Commit two of one name whose answers are lost, where the server has made one, of size 2."""
    row = {"id": 7, "name": "x", "size": 2, "created": "2001-01-03T12:00:01Z"}
    page = faulty.say({"count": 1, "next": None, "results": [row]}, Date=NOW)
    gone = faulty.answer(HTML, 502, "text/html", Date=NOW)
    again = faulty.say({**row, "id": 8, "size": first.size}, 201, Date=NOW)
    faulty_server.then(gone, gone, page, again)
    dialect = SmallDialect(trailing_slash=True)
    with Client(faulty_server.url, dialect=dialect, settle_after=0) as client:
        client.transport.policy = Policy(1, backoff=0)
        with session_of(client) as session:
            session.add_all([first, second])
            try:
                return session.commit(workers=1, on_error="continue")
            except CommitError as error:
                return error.report


# The clock of this machine has no say: the server lives in the past.
NOW = "Wed, 03 Jan 2001 12:00:00 GMT"


@pytest.mark.parametrize("created", ["2001-01-03T12:00:00Z", "2001-01-03T12:00:05.25Z"])
def test_what_was_made_since_is_the_new_one_whatever_its_values(faulty_server, created):
    obj, report = dated(faulty_server, NOW, created)
    assert (report.created.objects, obj.id, report.requests) == ([obj], 7, 1)
    assert (obj.size, obj.changes) == (1, {})


def test_what_was_made_before_is_somebody_elses(faulty_server):
    obj, report = dated(faulty_server, NOW, "2001-01-03T11:59:50Z")
    assert (report.created.objects, obj.id, report.requests) == ([obj], 8, 2)


@pytest.mark.parametrize("created", [None, "yesterday"])
def test_what_does_not_tell_when_it_was_made_must_be_as_it_was_sent(faulty_server, created):
    obj, report = dated(faulty_server, NOW, created)
    assert (report.uncertain.objects, obj.id) == ([obj], None)


def test_without_the_servers_clock_it_must_be_as_it_was_sent(faulty_server):
    _, report = dated(faulty_server, "whenever", "2001-01-03T12:00:00Z")
    assert len(report.uncertain) == 1


# -- time, and answers that don't come -------------------------------------------------------------


def test_a_server_that_is_late_is_waited_for(server):
    with session_of(server.client(settle_after=0.3)) as session:
        task = Task(name="t")
        session.add(task)
        lost(server, "POST", "/tasks", done=False)
        late = []

        def do_it_late(seen):
            if late:
                server.tables["tasks"].rows[9] = {"id": 9, "name": "t", "project": None}
            late.extend([seen] * (seen.method == "GET"))

        server.hook = do_it_late
        assert session.commit().created.objects == [task]
        assert (task.id, len(asked(server, "GET")), len(asked(server, "POST"))) == (9, 2, 1)


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize("late", [True, False])
def test_what_a_late_server_has_made_is_found_where_it_refuses_another_of_that_name(
    server, session, status, late
):
    """A proxy gave up, the server went on, and was done when what was not there yet was sent again."""
    project = Project(name="new")
    session.add(project)
    lost(server, "POST", "/projects", done=False, status=504)
    server.fail(
        "POST", "/projects", status, {"name": ["There is one already, or it is none."]}, done=late
    )
    report = session.commit() if late else failing(session)
    assert report.counts() == {"created" if late else "failed": 1}
    assert (len(asked(server, "POST")), len(asked(server, "GET"))) == (2, 2)
    assert rows(server, "projects") == ["p", "new"][: 1 + late]


def test_a_question_that_gets_no_answer_is_asked_again(server, session):
    task = Task(name="t")
    session.add(task)
    lost(server, "POST", "/tasks", done=True)
    lost(server, "GET", "/tasks", done=False, status=500)
    report = session.commit()
    assert (report.created.objects, len(asked(server, "GET"))) == ([task], 2)


def test_what_could_not_be_looked_up_is_looked_up_by_the_next_commit(server, session):
    task = Task(name="t")
    session.add(task)
    lost(server, "POST", "/tasks", done=True)
    lost(server, "GET", "/tasks", done=False, status=500, times=3)
    report = failing(session)
    assert only(report.uncertain).outcome.why.startswith("asking for it failed: GET ")
    task.note = "edited since"
    heard = []

    def hear(sender, instance, **_):
        heard.append(instance)

    with signals.post_create.connected_to(hear, sender=Task):
        report = session.commit()
    assert (report.created.objects, report.updated.objects, heard) == ([task], [task], [task])
    assert (report.requests, report.retries, len(asked(server, "POST"))) == (1, 0, 1)
    assert server.tables["tasks"].rows[task.id]["note"] == "edited since"


@pytest.mark.parametrize("key", ["seven", [1], {"a": 1}], ids=str)
def test_a_row_whose_key_is_none_tells_nothing_and_the_report_is_not_lost(faulty_server, key):
    page = {"count": 1, "next": None, "previous": None, "results": [{"id": key, "name": "p"}]}
    faulty_server.then(faulty.say({"detail": "Oops."}, 500), faulty.say(page))
    client = Client(f"{faulty_server.url}/api", dialect="drf", retries=0, settle_after=0.0)
    with client, Session(client) as session:
        project = Project(name="p")
        session.add(project)
        entry = only(failing(session).uncertain)
        assert entry.outcome.why.startswith("asking for it failed: Project: ")
        assert session.uncertain == [project]
        session.expunge(project)


def test_what_turns_out_not_done_is_sent_by_the_next_commit_as_it_is_then(server, session):
    task = Task(name="t")
    session.add(task)
    lost(server, "POST", "/tasks", done=False)
    lost(server, "GET", "/tasks", done=False, status=500, times=3)
    failing(session)
    task.note = "edited since"
    assert session.commit().created.objects == [task]
    assert server.tables["tasks"].rows[task.id]["note"] == "edited since"


def test_an_objects_own_commit_asks_about_that_one_alone(server, session):
    one, other = Task(name="one"), Task(name="other")
    session.add_all([one, other])
    lost(server, "POST", "/tasks", done=True, times=2)
    lost(server, "GET", "/tasks", done=False, status=500, times=9)
    failing(session, on_error="continue")
    server.faults.clear()
    server.seen.clear()
    assert one.commit().created.objects == [one]
    assert session.uncertain == [other]
    assert len(asked(server, "GET")) == 1


# -- the rest of the commit -----------------------------------------------------------------------


@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_what_comes_after_goes_on_when_it_is_settled(server, on_error):
    with session_of(server.client(retries=1, recommended_workers=1)) as session:
        tasks = [Task(name=name) for name in "abc"]
        session.add_all(tasks)
        lost(server, "POST", "/tasks", done=True)
        report = session.commit(on_error=on_error)
    assert (report.created.objects, report.requests) == (tasks, 3)
    verbs = [seen.method for seen in server.seen]
    # Where a failure stops the commit, nothing is begun while a fate is open.
    expected = {
        "stop": ["POST", "GET", "POST", "POST"],
        "continue": ["POST", "POST", "POST", "GET"],
    }
    assert verbs == expected[on_error]


def test_what_stays_uncertain_stops_a_commit_that_stops_at_errors(server):
    with session_of(server.client(recommended_workers=1)) as session:
        unsure, task = Nameless(note="x"), Task(name="t")
        session.add_all([unsure, task])
        lost(server, "POST", "/namelesses", done=True)
        report = failing(session)
        assert (report.uncertain.objects, report.pending.objects) == ([unsure], [task])


def test_nothing_is_begun_after_the_deadline(server, clock):
    with session_of(server.client(settle_after=600)) as session:
        session.add(Task(name="t"))
        lost(server, "POST", "/tasks", done=False)
        pass_after(server, clock, "GET")
        report = failing(session, deadline=100)
        why = "it is not done, and the server had little time to do it"
        assert only(report.uncertain).outcome.why == why
    assert [seen.method for seen in server.seen] == ["POST", "GET"]


def pass_after(server, clock, verb):
    """Have deadlines pass a little after the next request by *verb*."""

    def hook(seen):
        if seen.method == verb:
            server.hook = lambda seen: None
            clock.set_forward_soon()

    server.hook = hook


def refused_for_now(server, method, path, status=429):
    """Have requests answered with a time after which they may come again, which is long."""
    server.fail(method, path, status, headers={"Retry-After": "100"}, times=9)


@pytest.mark.parametrize("workers", [1, 4])
def test_what_may_come_again_later_is_not_waited_for_beyond_the_deadline(server, clock, workers):
    with session_of(server.client(retries=2)) as session:
        session.add_all([Project(name="a"), Task(name="t")])
        refused_for_now(server, "POST", "/projects")
        refused_for_now(server, "POST", "/tasks")
        pass_after(server, clock, "POST")
        report = failing(session, deadline=100, workers=workers, on_error="continue")
        assert len(report.failed) + len(report.pending) == 2
        assert {entry.error.status for entry in report.failed} == {429}
        assert len(server.seen) == report.requests == len(report.failed)  # each of them once
        server.faults.clear()
        assert len(session.commit().created) == 2


@contextmanager
def interrupting(server):
    """The first request that asks for something, or comes again, meets Ctrl-C on its way."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    met = []

    def hook(seen):
        if not met and (seen.method == "GET" or server.seen[0] is not seen):
            met.append(seen)
            os.kill(os.getpid(), signal.SIGINT)

    server.hook = hook
    try:
        yield
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        server.hook = lambda seen: None
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_time_that_a_server_is_given(server):
    with session_of(server.client(settle_after=600)) as session:
        task = Task(name="t")
        session.add(task)
        lost(server, "POST", "/tasks", done=False)
        with interrupting(server), pytest.raises(CommitInterrupted) as caught:
            session.commit()
        assert caught.value.report.uncertain.objects == [task]


def test_ctrl_c_ends_the_time_after_which_a_look_may_come_again(server):
    with session_of(server.client(retries=2)) as session:
        task = Task(name="t")
        session.add(task)
        lost(server, "POST", "/tasks", done=True)
        refused_for_now(server, "GET", "/tasks", status=503)
        with interrupting(server), pytest.raises(CommitInterrupted) as caught:
            session.commit()
        assert caught.value.report.uncertain.objects == [task]
        assert len(asked(server, "GET")) == 1


def test_the_look_at_what_was_sent_before_is_not_waited_for_beyond_the_deadline(server, clock):
    with unsettled(server) as (session, task, _):
        session.client.transport.policy = Policy(2, backoff=0)
        refused_for_now(server, "GET", "/tasks")
        pass_after(server, clock, "GET")
        report = failing(session, deadline=100)
        assert report.uncertain.objects == [task]
        assert len(asked(server, "GET")) == 2


@contextmanager
def unsettled(server, **options):
    """A session with a task that an earlier commit has sent, and the server may have."""
    with session_of(server.client(settle_after=600, **options)) as session:
        task = Task(name="t")
        session.add(task)
        lost(server, "POST", "/tasks", done=False)
        server.fail("GET", "/tasks", 403)  # nobody may look
        report = failing(session)
        assert session.uncertain == [task]
        yield session, task, report


def test_what_an_earlier_commit_has_sent_is_looked_up_until_the_deadline(server, clock):
    with unsettled(server) as (session, task, _):
        other = session.get(Task, 1)
        other.name = "new"
        pass_after(server, clock, "GET")
        report = failing(session, deadline=100, on_error="continue")
        assert (report.uncertain.objects, report.pending.objects) == ([task], [other])
        assert (session.uncertain, session.dirty) == ([task], [other])
    assert [seen.method for seen in server.seen if seen.method != "GET"] == ["POST"]


@pytest.mark.parametrize("verb", ["commit", "undo"])
def test_ctrl_c_ends_the_look_at_what_an_earlier_commit_has_sent(server, verb):
    with unsettled(server) as (session, task, report):
        with interrupting(server), pytest.raises(CommitInterrupted) as caught:
            session.commit() if verb == "commit" else session.undo(report)
        assert caught.value.report.uncertain.objects == [task]
        assert session.uncertain == [task]


def test_what_may_be_repeated_is_not_after_ctrl_c(server):
    client = server.client(idempotency_header="Idempotency-Key")
    with session_of(client) as session:
        session.add_all([Nameless(note="a"), Nameless(note="b")])
        for _ in range(2):
            lost(server, "POST", "/namelesses", done=False)
        report = failing(session, workers=1, on_error="continue")
        first, second = report.uncertain.objects
        sent = len(server.seen)
        with interrupting(server), pytest.raises(CommitInterrupted) as caught:
            session.commit()
        report = caught.value.report
        assert len(server.seen) == sent + 1
        assert (report.created.objects, report.uncertain.objects) == ([first], [second])


def test_what_an_earlier_commit_has_sent_again_is_not_counted_twice(server):
    client = server.client(retries=1, idempotency_header="Idempotency-Key")
    with session_of(client) as session:
        project = Project(name="q")
        session.add(project)
        for _ in range(8):
            lost(server, "POST", "/projects", done=False)
        report = failing(session)
        assert report.retries > 0
        server.faults.clear()
        server.seen.clear()
        report = session.commit()
        assert report.created.objects == [project]
        assert [seen.method for seen in server.seen] == ["POST"]
        assert (report.requests, report.retries) == (1, 1)


def struck(server, method):
    """Have somebody's own KeyboardInterrupt, as a second Ctrl-C raises, meet requests of a verb."""

    def hook(seen):
        if seen.method == method:
            raise KeyboardInterrupt

    server.hook = hook


def test_a_request_that_is_cut_by_an_interrupt_is_of_unknown_fate(server):
    with session_of(server.client(recommended_workers=1)) as session:
        task, other = Task(name="t"), Task(name="u")
        session.add_all([task, other])
        struck(server, "POST")
        with pytest.raises(CommitInterrupted) as caught:
            session.commit(progress=lambda through, of: None)
        report = caught.value.report
        assert (report.uncertain.objects, report.pending.objects) == ([task], [other])
        told = "POST /tasks/: interrupted before an answer came."
        assert str(only(report.uncertain).error) == told
        assert only(report.uncertain).error.request == only(report.uncertain).request
        assert only(report.pending).error is None
        assert report.errors == []


def test_a_look_that_is_cut_by_an_interrupt_leaves_what_was_known(server):
    with session_of(server.client(recommended_workers=1)) as session:
        task, other = Task(name="t"), Task(name="u")
        session.add_all([task, other])
        lost(server, "POST", "/tasks", done=False)
        struck(server, "GET")
        told = []
        with pytest.raises(CommitInterrupted) as caught:
            session.commit(progress=lambda through, of: told.append(through))
        report = caught.value.report
        assert (report.uncertain.objects, report.pending.objects) == ([task], [other])
        assert isinstance(only(report.uncertain).error, ServerError)
        assert (told, report.errors) == ([], [])
        server.hook = lambda seen: None
        assert session.commit().created.objects == [task, other]


def test_what_is_not_done_and_never_goes_again_is_still_pending(server):
    def strike(through, of):
        raise KeyboardInterrupt  # when the other one is found done

    with session_of(server.client(retries=2)) as session:
        first, second = session.get(Task, 1), session.get(Task, 2)
        first.name = second.name = "new"
        lost(server, "PATCH", "/tasks/1", done=False)
        lost(server, "PATCH", "/tasks/2", done=True)
        with pytest.raises(CommitInterrupted) as caught:
            session.commit(workers=1, on_error="continue", progress=strike)
        report = caught.value.report
        assert (report.pending.objects, report.updated.objects) == ([first], [second])
        assert (session.uncertain, session.dirty) == ([], [first])
        assert session.commit().updated.objects == [first]


@pytest.mark.parametrize(
    "deadline", [0, -1, float("nan"), "soon", pytest.param(10**5000, id="endless")]
)
def test_a_deadline_is_a_time_to_come(session, deadline):
    with pytest.raises(ValueError, match="deadline is a number of seconds above 0"):
        session.commit(deadline=deadline)


# -- a header by which the server knows a write again ---------------------------------------------


def test_each_write_has_a_key_of_its_own_and_keeps_it_when_it_is_repeated(server):
    client = server.client(retries=2, idempotency_header="Idempotency-Key", recommended_workers=1)
    with session_of(client) as session:
        task = session.get(Task, 1)
        task.note = "x"
        session.add_all([Nameless(note="a"), Nameless(note="b")])
        lost(server, "POST", "/namelesses", done=False)
        report = session.commit()
    assert (report.requests, report.retries) == (4, 1)
    keys = [seen.headers.get("Idempotency-Key") for seen in server.seen]
    assert keys[0] is None  # a read
    assert keys[1] == keys[2]
    assert len({*keys[1:]}) == 3
    assert asked(server, "GET") == ["GET /tasks/1/"]


def test_a_later_commit_repeats_the_very_request(server):
    client = server.client(idempotency_header="Idempotency-Key")
    with session_of(client) as session:
        thing = Nameless(note="a")
        session.add(thing)
        lost(server, "POST", "/namelesses", done=False)
        failing(session)
        thing.note = "edited since"
        report = session.commit()
        assert (report.created.objects, report.updated.objects) == ([thing], [thing])
    first, second, third = server.seen
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert (first.body, second.body, third.method) == ({"note": "a"}, {"note": "a"}, "PATCH")


def test_a_repeat_that_is_refused_tells_nothing_of_the_first(server):
    client = server.client(retries=1, idempotency_header="Idempotency-Key")
    with session_of(client) as session:
        session.add(Nameless(note="a"))
        lost(server, "POST", "/namelesses", done=True)
        server.fail("POST", "/namelesses", 400, {"note": ["No."]})
        assert len(failing(session).uncertain) == 1


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_later_repeat_that_is_refused_tells_nothing_of_the_first_either(server, status):
    with session_of(server.client(idempotency_header="Idempotency-Key")) as session:
        thing = Nameless(note="a")
        session.add(thing)
        lost(server, "POST", "/namelesses", done=True)
        failing(session)
        server.fail("POST", "/namelesses", status, {"note": ["No."]})
        for _ in range(2):
            assert failing(session).uncertain.objects == [thing]
        assert len({seen.headers["Idempotency-Key"] for seen in server.seen}) == 1
        assert rows(server, "namelesses", "note") == [None, "a"]


def test_a_later_repeat_that_does_not_go_out_leaves_it_uncertain(server):
    with session_of(server.client(idempotency_header="Idempotency-Key")) as session:
        thing = Nameless(note="a")
        session.add(thing)
        lost(server, "POST", "/namelesses", done=True)
        failing(session)
        with session.request_budget(0):
            assert failing(session).uncertain.objects == [thing]
        assert session.uncertain == [thing]
        assert len(asked(server, "POST")) == 1


# -- a repeat of our own meets what the first attempt has done ------------------------------------


class Noted(Base):
    name = fields.String()
    note = fields.String(null=True)

    class Meta:
        version = "etag"


def test_a_repeat_that_is_refused_for_what_others_have_changed_is_merged(server):
    server.table("noteds", [{"id": 1, "name": "a", "note": None}], etags="strong")
    options = {"idempotent": {"update"}, "has_etag": True}
    with session_of(server.client(retries=1, **options)) as session:
        noted = session.get(Noted, 1)
        noted.name = "mine"
        lost(server, "PATCH", "/noteds/1", done=False, status=503)
        server.tables["noteds"].rows[1]["note"] = "theirs"
        assert session.commit(on_conflict="merge").updated.objects == [noted]
    assert server.tables["noteds"].rows[1] == {"id": 1, "name": "mine", "note": "theirs"}


@pytest.mark.parametrize(
    ("now", "fate"), [("new", "updated"), ("t1", "failed"), ("y", "uncertain")]
)
@pytest.mark.parametrize("status", [404, 409, 412])
def test_a_repeat_that_is_refused_is_compared_with_what_was_sent(server, status, now, fate):
    dialect = {"idempotent": {"update"}}
    with session_of(server.client(retries=1, **dialect)) as session:
        task = session.get(Task, 1)
        task.name = "new"
        lost(server, "PATCH", "/tasks/1", done=False, status=503)
        server.fail("PATCH", "/tasks/1", status, {"detail": "No."})
        server.tables["tasks"].rows[1]["name"] = now
        try:
            report = session.commit()
        except CommitError as error:
            report = error.report
        assert report.counts() == {fate: 1}
        assert len(asked(server, "PATCH")) == 2


def test_what_was_taken_back_is_as_it_was_sent_if_it_was_done(server, session):
    project = Project(name="new")
    task = Task(name="t", project=project, tags=["a"])
    session.add(task)
    lost(server, "POST", "/projects", done=True)
    lost(server, "GET", "/projects", done=False, status=500, times=6)
    failing(session)
    server.faults.clear()
    project.name, task.name = "edited", "edited too"
    session.rollback()
    report = session.commit()
    assert (report.created.objects, report.updated.objects) == ([project], [])
    assert (project.name, project.changes, task in session) == ("new", {}, False)
    assert rows(server, "projects") == ["p", "new"]


# -- answers that tell little ---------------------------------------------------------------------


@pytest.mark.parametrize("done", [True, False])
def test_a_write_that_is_answered_with_not_modified_is_looked_up(server, session, done):
    task = session.get(Task, 1)
    task.note = "x"
    session.add(Project(name="new"))
    server.fail("PATCH", "/tasks/1", 304, done=done)
    server.fail("POST", "/projects", 304, done=done)
    assert session.commit().counts() == {"created": 1, "updated": 1}
    assert server.tables["tasks"].rows[1]["note"] == "x"
    assert rows(server, "projects") == ["p", "new"]


def test_a_key_that_is_null_takes_no_key_away(server, session):
    task, project = session.get(Task, 1), Project(name="new")
    task.note = "x"
    session.add(project)
    server.fail("PATCH", "/tasks/1", 200, {"id": None, "note": "x"}, done=True)
    server.fail("POST", "/projects", 201, {"id": None, "name": "new"}, done=True)
    session.commit()
    assert (task.id, project.id) == (1, 2)
    assert (session.get(Task, 1), session.get(Project, 2)) == (task, project)
    server.fail("GET", "/tasks/1", 200, {"id": None, "note": "theirs"})
    task.refresh()
    assert (task.id, task.note) == (1, "theirs")


# -- by hand --------------------------------------------------------------------------------------


@pytest.fixture
def unsure(server, session):
    """A new object that may be there or not."""
    thing = Nameless(note="x")
    session.add(thing)
    lost(server, "POST", "/namelesses", done=True)
    failing(session)
    server.seen.clear()
    return thing


@pytest.mark.parametrize("found", ["key", "text", "object"])
def test_what_was_found_by_hand_is_the_object(server, session, unsure, found):
    known = {"key": 2, "text": "2", "object": Nameless.objects.get(id=2)}[found]
    assert session.settle(unsure, found=known)
    assert (unsure.id, inspect(unsure).lifecycle) == (2, "persistent")
    assert session.get(Nameless, 2) is unsure
    assert (session.uncertain, session.new, session.dirty) == ([], [], [])


def test_what_was_not_found_by_hand_is_sent_again(server, session, unsure):
    assert session.settle(unsure, found=None)
    assert session.uncertain == []
    assert session.commit().created.objects == [unsure]
    assert unsure.id == 3


def test_edits_made_since_stay_when_it_is_settled_by_hand(server, session, unsure):
    unsure.note = "edited"
    session.settle(unsure, found=2)
    assert unsure.changes == {"note": ("x", "edited")}
    session.commit()
    assert server.tables["namelesses"].rows[2]["note"] == "edited"


def test_a_key_that_is_not_there_settles_nothing(session, unsure):
    with pytest.raises(ObjectDoesNotExist):
        session.settle(unsure, found=99)
    assert session.uncertain == [unsure]


def test_settling_asks_the_server_again(server, session):
    task = Task(name="t")
    session.add(task)
    lost(server, "POST", "/tasks", done=True)
    lost(server, "GET", "/tasks", done=False, status=500, times=6)
    failing(session)
    assert not session.settle(task)
    assert session.settle(task)
    assert (task.id, session.uncertain) == (4, [])


def test_a_deletion_is_settled_by_hand(server, session):
    task, other = session.get(Task, 1), session.get(Task, 2)
    for obj in (task, other):
        session.delete(obj)
        lost(server, "DELETE", f"/tasks/{obj.id}", done=False)
        lost(server, "GET", f"/tasks/{obj.id}", done=False, status=500, times=3)
    lost(server, "GET", "/tasks", done=False, status=500, times=3)
    failing(session, on_error="continue")
    assert session.settle(task, found=None)
    assert inspect(task).lifecycle == "detached"
    assert session.settle(other, found=other)
    assert session.deleted == [other]


def test_what_has_no_key_is_settled_by_hand_as_itself(server, session):
    server.table("events", key="number")
    events = [Event(message=text) for text in "ab"]
    session.add_all(events)
    lost(server, "POST", "/events", done=True, times=2)
    failing(session, on_error="continue", workers=1)
    with pytest.raises(SessionError, match="keyless: found=obj says that the server has it"):
        session.settle(events[0], found=7)
    assert session.uncertain == events
    assert session.settle(events[0], found=events[0])
    assert session.settle(events[1], found=None)
    assert session.commit().created.objects == [events[1]]
    assert rows(server, "events", "message") == ["a", "b", "b"]


def test_a_change_can_not_be_settled_by_what_was_found(server, session):
    task = session.get(Task, 1)
    task.secret = "x"
    lost(server, "PATCH", "/tasks/1", done=True)
    failing(session)
    with pytest.raises(SessionError, match=r"what is unknown is its change: session.settle\(obj\)"):
        session.settle(task, found=1)
    assert not session.settle(task)
    task.refresh()
    assert session.uncertain == []


def test_there_is_nothing_to_settle_of_what_is_certain(session):
    with pytest.raises(SessionError, match="of no unknown fate"):
        session.settle(session.get(Task, 1))
