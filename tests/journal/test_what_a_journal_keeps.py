"""What a journal keeps for the next run: fates, tags, references, and whose an object is."""

import gc
import sys
from contextlib import closing
from datetime import UTC, datetime

import pytest

from objmapper import (
    CommitError,
    CommitInterrupted,
    Embedded,
    JournalError,
    Model,
    OfflineError,
    Registry,
    Session,
    fields,
    inspect,
)
from objmapper.cli import main
from objmapper.cvat import Client as CVATClient
from objmapper.cvat import Label, Project
from objmapper.operation import Json, Kind


def told(place, capsys):
    """Return what the command says is not done, as ``count fate``, and of its rows the fates."""
    assert main(["journal", str(place.path)]) == 3
    return capsys.readouterr().out.splitlines()[4].removeprefix("not done  ")


@pytest.fixture
def stored(place):
    """Tasks and versioned notes that the server has."""
    rows = [{"id": n, "name": f"t{n}", "note": None, "project": None, "tags": []} for n in (1, 2)]
    place.server.table("tasks", rows, secret=("secret",), foreign={"project": "projects"})
    notes = [{"id": n, "name": f"v{n}", "note": None, "size": 1} for n in (1, 2)]
    place.server.table("versioned", notes, etags="strong")
    return place


# -- what was read before -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["recover", "run again"])
def test_what_was_read_before_a_recovery_may_be_what_the_dead_process_has_made(place, models, how):
    session = place.session()
    session.add(models.Task(name="a"))
    place.die(session, 1, done=True)
    with place.session() as session:
        (read,) = models.Task.objects.using(session).all()
        task = models.Task(name="a")
        if how == "run again":
            session.add(task)
            session.commit()
        else:
            (task,) = session.recover().created.objects
        assert task.id == 1
        assert inspect(task).lifecycle == "persistent"
        assert read is task or inspect(read).lifecycle == "detached"
    assert place.writes() == ["POST /tasks/"]


def test_what_was_read_before_and_is_changed_is_not_let_go(place, models):
    session = place.session()
    session.add(models.Task(name="a"))
    place.die(session, 1, done=True)
    with place.session() as session:
        (read,) = models.Task.objects.using(session).all()
        read.note = "x"
        with pytest.raises(CommitError, match="has changes here: commit or revert them first"):
            session.recover()
        assert read.changes == {"note": (None, "x")}
        read.revert()
        assert [task.id for task in session.recover().created.objects] == [1]
    assert place.writes() == ["POST /tasks/"]


# -- fates ----------------------------------------------------------------------------------------


def test_what_was_interrupted_and_is_not_done_is_pending(stored, models, capsys):
    def strike(through, of):
        raise KeyboardInterrupt

    with closing(stored.session(retries=2, idempotent=frozenset())) as session:
        tasks = models.Task.objects.using(session)
        first, second = tasks.get(id=1), tasks.get(id=2)
        first.note = second.note = "x"
        stored.server.fail("PATCH", "/tasks/1", 500)
        stored.server.fail("PATCH", "/tasks/2", 500, done=True)
        with pytest.raises(CommitInterrupted):
            session.commit(workers=1, on_error="continue", progress=strike)
    assert told(stored, capsys) == "1 pending"
    with stored.session() as session:
        assert session.recover().counts() == {"updated": 2}


def test_what_was_not_sent_for_a_conflict_is_one(stored, models, capsys):
    client = stored.server.client(has_etag=True)
    with closing(Session(client, journal=stored.path)) as session:
        note = models.Versioned.objects.using(session).get(id=1)
        note.note = "mine"
        stored.server.tables["versioned"].rows[1]["note"] = "theirs"
        with pytest.raises(CommitError):
            session.commit()
    assert told(stored, capsys) == "1 conflict"


def test_a_deletion_that_was_settled_by_hand_is_done(stored, models):
    session = stored.session(idempotent=frozenset())
    with closing(session):
        task = models.Task.objects.using(session).get(id=1)
        session.delete(task)
        stored.server.fail("DELETE", "/tasks/1", 500, done=True)
        stored.server.fail("GET", "/tasks/1", 500)
        with pytest.raises(CommitError):
            session.commit()
        assert session.is_uncertain(task)
        session.settle(task, found=None)
    seen = len(stored.server.seen)
    with stored.session() as session:
        assert session.recover().counts() == {"deleted": 1}
    assert len(stored.server.seen) == seen


def test_what_stays_unknown_tells_why(place, models):
    session = place.session()
    session.add(models.Nameless(note="x"), tag="row-1")
    place.die(session, 1, done=True)
    with closing(place.session()) as session, pytest.raises(CommitError) as caught:
        session.recover()
    (entry,) = caught.value.report.uncertain
    assert str(entry.error) == "POST /namelesses/: the process ended before an answer."
    assert entry.error.request.method == "POST"


# -- names ----------------------------------------------------------------------------------------


def test_a_tag_stays_with_what_a_recovery_has_made(place, models):
    place.server.fail("POST", "/tasks", 400, {"name": ["no"]}, times=2)
    with closing(place.session()) as session:
        session.add(models.Task(name="a"), tag="row-1")
        with pytest.raises(CommitError):
            session.commit()
    with closing(place.session()) as session:
        with pytest.raises(CommitError):
            session.recover()
        assert [obj["tag"] for obj in session.plan().to_json()["saved"]["objects"]] == ["row-1"]


def test_what_a_failed_recovery_has_made_is_made_anew(place, models):
    session = place.session()
    session.add(models.Task(name="a", secret="hunter2"))
    place.die(session, 1, done=False)
    held = []

    def nobody_knows(obj, field, tag):
        held.append(obj)

    with place.session() as session:
        with pytest.raises(JournalError, match="needed again"):
            session.recover(secrets=nobody_knows)
        assert session.new == []
        (task,) = session.recover(secrets=lambda *asked: "hunter2").created.objects
        assert task is not held[0]
        assert inspect(held[0]).lifecycle == "transient"
    assert place.names() == ["a"]


def test_a_reference_that_another_run_has_changed_is_what_the_program_says(place, models):
    def program(parent):
        with place.session() as session:
            session.add(models.Task(name="a", project=models.Project(name=parent)), tag="row-1")
            return session.commit().counts()

    assert program("p") == {"created": 2}
    assert program("p") == {}
    assert program("q") == {"created": 1, "updated": 1}
    assert program("q") == {}
    assert program("p") == {"updated": 1}
    assert place.server.tables["tasks"].rows[1]["project"] == 1


def test_a_value_that_gives_way_to_a_reference_is_said_no_more(place, models):
    place.server.tables["projects"].rows[7] = {"id": 7, "name": "seven", "note": None}

    def program(project):
        with place.session() as session:
            session.add(models.Task(name="a", project=project), tag="row-1")
            return session.commit().counts()

    assert program(7) == {"created": 1}
    assert program(models.Project(name="p")) == {"created": 1, "updated": 1}
    assert program(models.Project(name="p")) == {}
    assert program(7) == {"updated": 1}
    assert program(7) == {}
    assert place.server.tables["tasks"].rows[1]["project"] == 7


def test_a_secret_is_said_once_and_again_by_every_run(place, models):
    def program(**values):
        with place.session() as session:
            session.add(models.Task(name="a", **values))
            return session.commit().counts()

    assert program() == {"created": 1}
    assert program(secret="hunter2") == {"updated": 1}
    assert program(secret="hunter2") == {}


def test_children_that_a_later_run_adds_are_made(tmp_path):
    def program(*names):
        with Session(client, journal=tmp_path / "it.journal") as session:
            session.add(Project(name="p", labels=[Label(name=name) for name in names]))
            report = session.commit()
            return sorted(obj.name for obj in report.created.objects)

    with CVATClient("embedded://cvat?check=1") as client:
        assert program("car") == ["car", "p"]
        assert program("car", "bus") == ["bus"]
        assert program("car", "bus") == []
        assert len(client.request("GET", "/labels").json()["results"]) == 2


def test_whether_it_is_deleted_is_nothing_that_an_offline_session_can_ask(place, models):
    session = place.session(idempotent=frozenset())
    with closing(session):
        task = models.Task(name="a")
        session.add(task)
        session.commit()
        session.delete(task)
        place.die(session, 1, done=True)
    with closing(Session(offline=place.path)) as session:
        session.add(models.Task(name="a"))
        with pytest.raises(
            OfflineError, match=r"^Whether <Task name='a'> is deleted has to be asked of"
        ):
            session.commit()


# -- what is known of an object -------------------------------------------------------------------


@pytest.mark.parametrize("how", ["recover", "run again"])
def test_what_the_server_leaves_out_is_not_asked_for(place, models, how):
    with place.session() as session:
        session.add(models.Task(name="a"))
        session.commit()
    assert set(place.server.tables["tasks"].rows[1]) == {"id", "name"}
    seen = len(place.server.seen)
    with place.session() as session:
        task = models.Task(name="a")
        if how == "run again":
            session.add(task)
            session.commit()
        else:
            (task,) = session.recover().created.objects
        assert (task.id, task.note, task.project) == (1, None, None)
    assert len(place.server.seen) == seen


def test_the_unknown_change_of_an_earlier_run_is_told_as_a_change_of_this_one(stored, models):
    session = stored.session(idempotent=frozenset())
    tasks = models.Task.objects.using(session)
    tasks.get(id=1).note = "mine"
    stored.die(session, 1, done=False)
    stored.server.tables["tasks"].rows[1]["note"] = "theirs"
    with closing(stored.session(idempotent=frozenset())) as session:
        with pytest.raises(CommitError) as caught:
            session.recover()
        (entry,) = caught.value.report.uncertain
        (change,) = entry.operation.changes
        assert (change.kind, change.sent) == ("update", {"note": "mine"})
        assert change.changes == {"note": (None, "mine")}
        told = entry.operation.to_json()
        assert (told["kind"], told["method"], told["path"]) == ("update", "PATCH", "/tasks/1/")
        assert told["body"] == {"note": "mine"}
        assert entry.outcome.why == "'note' is neither as it was sent nor as it was before"


class Person(Embedded):
    name = fields.String()
    mail = fields.String(data_key="email", write_key="new_email", null=True)


class Dated(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    when = fields.DateTime(null=True)
    owner = fields.Nested(Person, null=True)
    crew = fields.List(fields.Nested(Person))

    class Meta:
        registry = Registry("kept")
        natural_key = ["name"]


NOON = datetime(2001, 1, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("new", [True, False])
def test_values_that_are_no_plain_json_are_the_same_after_a_recovery(place, new, done):
    row = {"id": 1, "name": "a", "when": None, "owner": None, "crew": []}
    place.server.table("dateds", [] if new else [row])
    session = place.session(idempotent=frozenset())
    obj = Dated(name="a") if new else Dated.objects.using(session).get(id=1)
    obj.when, obj.owner, obj.crew = NOON, Person(name="x"), [Person(name="y")]
    session.add(obj)
    place.die(session, 1, done=done)
    with place.session(idempotent=frozenset()) as session:
        report = session.recover()
        (obj,) = (report.created if new else report.updated).objects
        assert (obj.when, obj.owner.name, [each.name for each in obj.crew]) == (NOON, "x", ["y"])
        assert (obj.changes, session.dirty) == ({}, [])
        obj.crew[0].name = "z"
        assert set(obj.changes) == {"crew"}
        session.commit()
    row = place.server.tables["dateds"].rows[1]
    assert (row["when"], row["owner"], row["crew"]) == (
        "2001-01-03T12:00:00Z",
        {"name": "x"},
        [{"name": "z"}],
    )
    assert len(place.writes()) == (2 if done else 3)


def test_an_edit_in_flight_of_a_recovery_that_is_taken_back_is_no_change(place):
    row = {"id": 1, "name": "a", "when": None, "owner": None, "crew": []}
    place.server.table("dateds", [row]).answers = "nothing"
    session = place.session()
    Dated.objects.using(session).get(id=1).crew = [Person(name="x", mail="x@host")]
    place.die(session, 1, done=False)
    with place.session() as session:
        obj = Dated.objects.using(session).get(id=1)

        def hook(seen):
            if seen.method == "PATCH":
                obj.crew[0].name = "y"

        place.server.hook = hook
        session.recover()
        assert set(obj.changes) == {"crew"}
        obj.crew[0].name = "x"
        assert obj.changes == {}
    assert len(place.writes()) == 2


def test_an_edit_while_a_recovery_sends_the_dead_request_again_goes_after_it(place):
    row = {"id": 1, "name": "a", "when": None, "owner": None, "crew": []}
    place.server.table("dateds", [row]).answers = "nothing"
    options = {"idempotency_header": "Idempotency-Key"}
    session = place.session(**options)
    Dated.objects.using(session).get(id=1).crew = [Person(name="x", mail="x@host")]
    place.die(session, 1, done=False)
    with place.session(**options) as session:
        obj = Dated.objects.using(session).get(id=1)

        def hook(seen):
            obj.crew[0].name = "y"

        place.server.hook = hook
        report = session.recover()
    then, now = (entry.operation.changes[0].changes["crew"] for entry in report.updated)
    assert then[1] == now[0] == [Person(name="x", mail="x@host")]
    assert now[1] == [Person(name="y", mail="x@host")]
    sent = [seen.body for seen in place.server.seen if seen.method == "PATCH"]
    assert sent[1:] == [{"crew": [{"name": name, "new_email": "x@host"}]} for name in "xy"]


class Guarded(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    crew = fields.List(fields.Nested(Person), write_only=True)

    class Meta:
        registry = Registry("guarded")
        endpoint = "guarded"
        natural_key = ["name"]


def test_no_secret_that_a_recovery_sends_again_is_shown_with_what_it_has_sent(place):
    place.server.table("guarded", secret=("crew",))
    options = {"idempotency_header": "Idempotency-Key"}
    session = place.session(**options)
    session.add(Guarded(name="a", crew=[Person(name="secret-1", mail="x@host")]))
    place.die(session, 1, done=False)
    with place.session(**options) as session:
        (entry,) = session.recover(
            secrets=lambda obj, name, tag: [Person(name="secret-1", mail="x@host")]
        ).created
    assert place.server.seen[-1].body["crew"] == [{"name": "secret-1", "new_email": "x@host"}]
    assert "secret-1" not in repr(entry.operation)


def test_the_version_that_an_answer_has_told_is_that_of_the_next_run(stored, models):
    def program(note):
        with Session(stored.server.client(has_etag=True), journal=stored.path) as session:
            session.add(models.Versioned(name="new", note=note))
            return session.commit().counts()

    assert program("x") == {"created": 1}
    assert program("y") == program("z") == {"updated": 1}
    assert [str(seen) for seen in stored.server.seen] == [
        "POST /versioned/",
        "PATCH /versioned/3/",
        "PATCH /versioned/3/",
    ]


def test_what_both_have_changed_to_the_same_is_done(stored, models, capsys):
    client = stored.server.client(has_etag=True)
    with Session(client, journal=stored.path) as session:
        note = models.Versioned.objects.using(session).get(id=1)
        note.note = "same"
        stored.server.tables["versioned"].rows[1]["note"] = "same"
        assert session.commit().updated.objects == [note]
    assert main(["journal", str(stored.path)]) == 0
    assert "done      1 updated\n" in capsys.readouterr().out


def test_what_was_given_up_is_not_open(stored, models, capsys):
    client = stored.server.client(has_etag=True)
    with Session(client, journal=stored.path) as session:
        note = models.Versioned.objects.using(session).get(id=1)
        note.note = "mine"
        stored.server.tables["versioned"].rows[1]["note"] = "theirs"
        assert session.commit(on_conflict="theirs").resolved.objects == [note]
    assert main(["journal", str(stored.path)]) == 0
    assert "done      nothing\nnot done  nothing" in capsys.readouterr().out


def test_objects_that_are_there_are_known_by_what_they_refer_to(place, models):
    """The task of a project that is there already is found by the project's key."""
    place.server.tables["projects"].rows[7] = {"id": 7, "name": "seven", "note": None}

    def program():
        with place.session() as session:
            project = models.Project.objects.using(session).get(id=7)
            tasks = [models.Task(name=name, project=project) for name in "ab"]
            session.add_all(tasks)
            counts = session.commit().counts()
            return counts, [(task.id, task.project is project) for task in tasks]

    assert program() == ({"created": 2}, [(1, True), (2, True)])
    assert program() == ({}, [(1, True), (2, True)])
    assert place.writes() == ["POST /tasks/"] * 2


def test_an_update_that_was_refused_and_said_otherwise_goes_once(stored, models, capsys):
    stored.server.fail("PATCH", "/tasks/1", 400, {"note": ["no"]})
    with closing(stored.session()) as session:
        task = models.Task.objects.using(session).get(id=1)
        task.note, task.tags = "bad", ["x"]
        with pytest.raises(CommitError):
            session.commit()
        task.note = "good"
        session.commit(on_error="continue")
    assert main(["journal", str(stored.path)]) == 0
    with stored.session() as session:
        assert session.recover().counts() == {"updated": 1}
    row = stored.server.tables["tasks"].rows[1]
    assert (row["note"], row["tags"]) == ("good", ["x"])
    assert len(stored.writes()) == 2


def test_of_what_was_refused_what_was_not_said_again_is_open_still(stored, models, capsys):
    stored.server.fail("PATCH", "/tasks/1", 400, {"note": ["no"]})
    with closing(stored.session()) as session:
        task = models.Task.objects.using(session).get(id=1)
        task.note, task.tags, task.secret = "bad", ["x"], "hunter2"
        with pytest.raises(CommitError):
            session.commit()
        session.commit_objects([task], fields=["note"])
    assert main(["journal", str(stored.path)]) == 3
    assert "update  Task 1  secret, tags  failed (BadRequest 400)" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["recover", "all again", "the second again"])
def test_what_an_earlier_run_has_made_is_not_taken_for_another(place, models, how):
    session = place.session()
    session.add(models.Task(name="a"), tag="row-1")
    session.commit()
    session.add(models.Task(name="a"), tag="row-2")
    place.die(session, 1, done=False)
    with place.session() as session:
        if how == "recover":
            session.recover()
        else:
            for tag in ["row-1", "row-2"][how == "the second again" :]:
                session.add(models.Task(name="a"), tag=tag)
            session.commit()
    assert place.names() == ["a", "a"]


def test_a_plan_leaves_out_what_was_sent_with_what_is_known_of_it(place, models):
    session = place.session()
    session.add(models.Project(name="p"))
    place.die(session, 1, done=False)
    with closing(place.session()) as session:
        project = models.Project(name="p")
        session.add(project)
        ((change, error, outcome),) = session.plan().left_out
        assert (change.kind, change.object) == ("create", project)
        assert (outcome.fate, outcome.error) == ("uncertain", error)
        assert (outcome.operation.kind, outcome.operation.objects) == ("create", (project,))
        assert (outcome.operation.number, outcome.operation.request.method) == (1, "POST")
        session.rollback()


def test_what_was_not_told_is_loaded_when_it_is_read(place, models):
    with place.session(answers_are_full=False) as session:
        session.add(models.Task(name="a"))
        session.commit()
    place.server.tables["tasks"].rows[1]["note"] = "by the server"
    with place.session(answers_are_full=False) as session:
        task = models.Task(name="a")
        session.add(task)
        session.commit()
        assert task.note == "by the server"
    assert str(place.server.seen[-1]) == "GET /tasks/1/"


class Lists(sys.modules["smallserver"].SmallDialect):
    """New objects of one kind go in one list, whose answer is a list."""

    def operations(self, changes):
        drafts = list(super().operations(changes))
        if len(drafts) < 2 or any(draft.kind != Kind.CREATE for draft in drafts):
            return drafts
        first = drafts[0]
        body = Json([draft.request.body.value for draft in drafts])
        request = first.request._replace(body=body)
        sent = tuple(change for draft in drafts for change in draft.changes)
        return [first._replace(changes=sent, request=request, read=lambda answer: answer.json())]


def test_all_that_one_answer_has_told_is_known(place, models):
    def journaled():
        dialect = Lists(trailing_slash=True)
        return Session(place.server.client(dialect=dialect), journal=place.path)

    def program(session):
        tasks = [models.Task(name=name) for name in "abc"]
        session.add_all(tasks)
        session.commit()
        return [task.id for task in tasks]

    with journaled() as session:
        assert program(session) == [1, 2, 3]
        gc.collect()
        session.add(models.Task(name="c"))
        with pytest.raises(JournalError, match="both have the natural key"):
            session.commit()
        session.rollback()
    assert place.writes() == ["POST /tasks/"]
    with journaled() as session:
        assert program(session) == [1, 2, 3]
    with journaled() as session:
        assert [task.id for task in session.recover().created.objects] == [1, 2, 3]
    assert len(place.server.seen) == 1


@pytest.mark.parametrize("how", ["read", "recovered", "read and recovered"])
def test_an_object_is_the_same_one_in_every_run(stored, models, how):
    """What an earlier run could not change is not changed any more, when a later one has."""
    stored.server.fail("PATCH", "/tasks/1", 400, {"note": ["no"]}, times=1 + ("recovered" in how))
    with closing(stored.session()) as session:
        models.Task.objects.using(session).get(id=1).note = "bad"
        with pytest.raises(CommitError):
            session.commit()
    with closing(stored.session()) as session:
        tasks = models.Task.objects.using(session)
        task = tasks.get(id=1) if "read" in how else None
        if "recovered" in how:
            with pytest.raises(CommitError):
                session.recover()
        task = task or tasks.get(id=1)
        task.note = "good"
        session.commit()
    with stored.session() as session:
        assert session.recover().counts() == {"updated": 1}
    assert stored.server.tables["tasks"].rows[1]["note"] == "good"
