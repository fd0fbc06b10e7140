"""What a journal tells people, to the letter: the command's text, refusals, and what is damaged."""

import json
import re
import sqlite3
import time
from contextlib import closing

import pytest

from objmapper import CommitError, JournalError, Model, Registry, Session, fields
from objmapper.cli import main
from objmapper.journal.store import FORMAT


class Run(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()

    class Meta:
        registry = Registry("told")
        natural_key = ["name"]


class Artifact(Model):
    """It lives below its run."""

    id = fields.Integer(primary_key=True)
    run = fields.ForeignKey(Run)
    name = fields.String()
    note = fields.String(null=True)

    class Meta:
        registry = Run.__mapper__.registry
        endpoint = "runs/{run}/artifacts"
        natural_key = ["run", "name"]


def edited(path, *statements):
    """Change what lies in a journal that nobody has open."""
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            assert database.execute(statement).rowcount > 0
        database.commit()


def refused(act, *args, **options):
    """Return what an act that is refused says."""
    with pytest.raises(JournalError) as caught:
        act(*args, **options)
    return str(caught.value)


def told(place, capsys, status):
    """Return the command's lines; when something was begun reads "then"."""
    assert main(["journal", str(place.path)]) == status
    said = capsys.readouterr().out
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "then", said).splitlines()


# -- the command ----------------------------------------------------------------------------------


def test_an_empty_journal(place, capsys):
    place.session().close()
    assert told(place, capsys, 0) == [
        "server    http://small.test/api",
        "dialect   drf",
        "models    none",
        "done      nothing",
        "not done  nothing",
    ]


def test_an_empty_journal_that_no_server_was_told(place, capsys):
    Session(offline=place.path).close()
    assert told(place, capsys, 0)[:3] == ["server    none", "dialect   none", "models    none"]


def test_all_that_there_can_be(place, models, capsys):
    server = place.server
    server.table("runs")
    server.table("runs/{run}/artifacts", [{"id": 5, "run": 1, "name": "five", "note": None}])
    row = {"note": None, "project": None, "tags": []}
    server.tables["tasks"].rows |= {n: {"id": n, "name": f"t{n}", **row} for n in (7, 8)}
    server.fail("PATCH", "/tasks/7", 400, {"note": ["no"]})
    server.fail("PATCH", "/runs/1/artifacts/5", 500)
    server.fail("POST", "/projects", 409, {"detail": "no"})
    with closing(place.session()) as session:
        run = Run(name="r")
        session.add(run)
        session.commit()
        Artifact.objects.using(session).get(run=run, id=5).note = "x"
        tasks = models.Task.objects.using(session)
        tasks.get(id=7).tags = ["a" * 60]
        session.delete(tasks.get(id=8))
        project = models.Project(name="p" * 70)
        session.add(models.Nameless(note="y"), tag='row "1"')
        session.add(models.Task(name="of it", project=project, secret="hunter2"))
        server.fail("POST", "/namelesses", 400, {"note": ["no"]})
        with pytest.raises(CommitError):
            session.commit(on_error="continue")
    lines = told(place, capsys, 3)
    assert lines[:6] == [
        "server    http://small.test/api",
        "dialect   drf",
        "models    Artifact, Nameless, Project, Run, Task",
        "done      1 created, 1 deleted",
        "not done  4 failed, 1 not sent",
        "",
    ]
    rows = [tuple(re.split(r" {2,}", line)[1:]) for line in lines[6:]]
    assert rows[:-1] == [
        ("what", "object", "sends", "fate", "begun"),
        ("------", "-" * 60, "-" * 21, "-" * 24, "-" * 20),
        ("create", "Nameless 'row \"1\"'", "note", "failed (BadRequest 400)", "then"),
        ("create", f"Project {'p' * 51}…", "name", "failed (Conflict 409)", "then"),
        ("update", "Artifact 1 5", "note", "failed (ServerError 500)", "then"),
        ("update", "Task 7", "tags", "failed (BadRequest 400)", "then"),
    ]
    what, of_it, sends, fate = rows[-1]
    assert (what, sends, fate) == ("create", "name, project, secret", "not sent")
    assert re.fullmatch(r"Task #\d+ of it", of_it)


def test_what_a_recovery_could_not_make_has_its_name_still(place, models, capsys):
    place.server.fail("POST", "/projects", 400, {"name": ["no"]}, times=2)
    with closing(place.session()) as session:
        session.add(models.Project(name="of many tasks"))
        with pytest.raises(CommitError):
            session.commit()
    with closing(place.session()) as session, pytest.raises(CommitError):
        session.recover()
    (row,) = told(place, capsys, 3)[8:]
    assert re.split(r" {2,}", row)[1:3] == ["create", "Project of many tasks"]


def test_what_is_referred_to_and_has_no_name(place, models, capsys):
    session = place.session()
    session.add(models.Task(name="a", project=models.Project(name="p")))
    place.die(session, 2, done=False)
    edited(place.path, "UPDATE intent SET name = NULL WHERE kind = 'create'")
    lines = told(place, capsys, 3)
    assert lines[3:5] == ["done      1 created", "not done  1 sent, no answer"]
    assert lines[8].startswith("2   create  Task #2  name, project  sent, no answer  then")


def test_a_model_that_the_journal_does_not_have(place, models, capsys):
    session = place.session()
    session.add(models.Project(name="p"))
    place.die(session, 1, done=False)
    edited(place.path, "DELETE FROM model")
    assert told(place, capsys, 3)[-1] == "1   create  ? p     name   sent, no answer  then"


@pytest.fixture
def far_east(monkeypatch):
    """The machine's clock is fourteen hours before that of UTC."""
    monkeypatch.setenv("TZ", "XYZ-14")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_when_something_was_sent_is_told_in_utc(place, models, capsys, far_east):
    session = place.session()
    session.add(models.Project(name="p"))
    place.die(session, 1, done=False)
    edited(place.path, "UPDATE event SET at = 1000000000 WHERE fate = 'sending'")
    assert main(["journal", str(place.path)]) == 3
    assert capsys.readouterr().out.splitlines()[-1].endswith("  2001-09-09 01:46:40Z")


# -- refusals -------------------------------------------------------------------------------------


def test_what_a_journal_is_refused_for(place, models, tmp_path):
    path = str(place.path)
    with place.session() as session:
        assert refused(place.session) == (
            f"The journal {path!r} is open in another session, of this process or of another one: two "
            "at once would send everything twice."
        )
        assert repr(session.journal) == f"<Journal {path!r}>"
    edited(path, "UPDATE meta SET value = 'http://other.test/api' WHERE name = 'server'")
    assert refused(place.session) == (
        f"The journal {path!r} is of the server 'http://other.test/api', and this session's is "
        "'http://small.test/api': what is done there is not done here. Give it a journal of its own."
    )
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    assert refused(place.session) == (
        f"The journal {path!r} has the format {FORMAT + 1}, and this objmapper knows {FORMAT}: a newer "
        "one has written it. Read it with that one."
    )
    place.path = tmp_path / "text"
    place.path.write_bytes(b"hello, I am a text\n" * 100)
    assert refused(place.session) == f"{str(place.path)!r} is not a journal of objmapper."
    place.path = tmp_path / "other"
    with closing(sqlite3.connect(place.path)) as database:
        database.execute("CREATE TABLE mine (number INTEGER)")
    assert refused(place.session) == (
        f"{str(place.path)!r} is a SQLite database, but no journal of objmapper."
    )
    place.path = tmp_path
    assert refused(place.session) == f"The journal {str(tmp_path)!r} can't be used: Is a directory."


def test_models_that_are_not_here(place, models):
    session = place.session()
    session.add(models.Project(name="p"))
    place.die(session, 1, done=False)
    path = str(place.path)
    edited(path, "UPDATE model SET name = 'far.away:Outer.Inner'")
    with closing(place.session()) as session:
        assert refused(session.recover) == (
            f"The journal {path!r} has objects of Outer.Inner, declared in 'far.away', which is not "
            "declared in this process: import the module that declares it, or run the program itself "
            "again."
        )
        assert session.new == []
    edited(path, "DELETE FROM model")
    with closing(place.session()) as session:
        assert refused(session.recover) == f"The journal {path!r} has no model 1."


def test_models_that_are_others_now(place, models):
    with place.session() as session:
        session.add(models.Project(name="p"))
        session.commit()
    path = str(place.path)
    edited(path, """UPDATE model SET fields = replace(fields, '"projects"', '"plans"')""")
    assert refused(place.session) == (
        f"The journal {path!r} was written with another Project: Meta.endpoint was 'plans'. Finish it "
        "with the models it was begun with, or begin another journal."
    )


def test_two_of_one_name(place, models):
    with closing(place.session()) as session:
        session.add(models.Project(name="p"))
        session.commit()
        session.add(models.Project(name="p"))
        assert refused(session.commit) == (
            "<Project name='p'> and <Project 1 name='p'> both have the natural key ['p']: run "
            "again, the program could not tell them apart. Give each a tag of its own: "
            "session.add(obj, tag=...)."
        )
        session.rollback()


def test_what_was_read_and_changed_before_it_is_made_again(place, models):
    with place.session() as session:
        session.add(models.Project(name="p"))
        session.commit()
    with closing(place.session()) as session:
        models.Project.objects.using(session).get(id=1).note = "x"
        session.add(models.Project(name="p"))
        assert refused(session.commit) == (
            "<Project name='p'> is what an earlier run has made, and <Project 1 name='p'> is in "
            "this session already, with changes: commit them first, or make them with the new object."
        )
        session.rollback()


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, " and 1 more")])
def test_what_was_never_written_is_counted(place, models, count, more):
    session = place.session()
    session.add_all(models.Task(name=f"t{n}", secret="hunter2") for n in range(count))
    place.die(session, 1, done=False)
    missing = ", ".join(f"<Task name='t{n}'>.secret" for n in range(5))
    with closing(place.session()) as session:
        assert refused(session.recover) == (
            "Values that are never written to disk are needed again: "
            f"{missing}{more}. Give session.recover(secrets=...) a callable that takes an object, "
            "a field's name and the object's tag, and returns the value; `dispatch` takes --secrets FILE. "
            "Nothing was sent."
        )


# -- what is damaged ------------------------------------------------------------------------------


DAMAGED = {
    "UPDATE intent SET sent = '{'": "a value in the journal is no JSON: Expecting ",
    "UPDATE intent SET sent = '[1]'": "an intent in the journal makes no sense: [1]",
    "UPDATE intent SET base = '7'": "an intent in the journal makes no sense: 7",
    "UPDATE intent SET refs = '\"x\"'": "an intent in the journal makes no sense: 'x'",
    "UPDATE intent SET tag = '7'": "a tag in the journal is no text: 7",
    "UPDATE intent SET hidden = '{'": "a value in the journal is no JSON: ",
    "UPDATE intent SET hidden = '7'": "an intent in the journal makes no sense: 7 is hidden",
    "UPDATE intent SET hidden = '\"x\"'": "an intent in the journal makes no sense: 'x' is hidden",
    "UPDATE intent SET hidden = '[7]'": "an intent in the journal makes no sense: [7] is hidden",
    "UPDATE intent SET key = '{'": "a key in the journal is no JSON: ",
    "UPDATE event SET detail = '{' WHERE fate = 'done'": "an outcome in the journal is no JSON: ",
    "UPDATE event SET detail = '7' WHERE fate = 'done'": "an outcome in the journal makes no sense: ",
    "UPDATE event SET fate = 'clock', detail = '{'": "a time in the journal is no JSON: ",
    "UPDATE event SET fate = 'clock', detail = '7'": "a time in the journal is none: fromisoformat",
    "UPDATE event SET fate = 'clock', detail = '\"x\"'": "a time in the journal is none: Invalid iso",
}


BEGIN_ANOTHER = (
    "Nothing of it is sent. Put back what was written, or keep the file, compare with what the server "
    "has, and begin another journal."
)


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_makes_no_sense_is_told(place, models, damage):
    with place.session() as session:
        session.add(models.Project(name="p"))
        session.commit()
    edited(place.path, damage)
    told = refused(place.session)
    assert told.startswith(f"The journal {str(place.path)!r} is damaged, or was edited: ")
    assert DAMAGED[damage] in told
    assert told.endswith(BEGIN_ANOTHER)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("event SET detail = '{' WHERE fate = 'failed'", "an outcome in the journal is no JSON: "),
        ("intent SET name = '{'", "a name in the journal is no JSON: "),
    ],
)
def test_the_command_tells_what_makes_no_sense(place, models, capsys, damage, why):
    place.server.fail("POST", "/projects", 400, {"name": ["no"]})
    with closing(place.session()) as session:
        session.add(models.Project(name="p"))
        with pytest.raises(CommitError):
            session.commit()
    edited(place.path, f"UPDATE {damage}")
    assert main(["journal", str(place.path)]) == 1
    assert why in capsys.readouterr().err


def test_nothing_of_what_can_not_be_written_whole_is_written(place, models):
    """More events than go in one statement, and no room for the last of them."""
    with closing(place.session()) as session:
        store = session.journal._store
        events = [value for number in range(30) for value in (number, "sending", 0.0, None)]
        with pytest.raises(JournalError, match="can't be used"):
            store.happened(events, (1, object(), 0.0, None))
        assert (store.events(), len(events)) == ([], 30 * 4)
        store.happened(events, (30, "sending", 0.0, None))
        assert events == []
        assert [event.operation for event in store.events()] == list(range(31))


@pytest.mark.parametrize(
    ("place_", "why"),
    [
        ("{", "a place in the journal is no JSON: "),
        ("7", "a place in the journal is none: 7"),
    ],
)
def test_a_place_that_makes_no_sense_is_told(place, models, place_, why):
    session = place.session()
    session.add(models.Project(name="p"))
    place.die(session, 1, done=False)
    edited(place.path, f"UPDATE intent SET place = '{place_}'")
    with closing(place.session()) as session:
        assert why in refused(session.recover)


def test_what_refers_to_nothing_is_told(place, models):
    session = place.session()
    session.add(models.Task(name="a", project=models.Project(name="p")))
    place.die(session, 2, done=False)
    edited(place.path, """UPDATE intent SET refs = '{"project": 9}' WHERE refs IS NOT NULL""")
    with closing(place.session()) as session:
        assert refused(session.recover) == (
            f"The journal {str(place.path)!r} is damaged, or was edited: object 9: it is referred to, and "
            f"the journal tells nothing of it. {BEGIN_ANOTHER}"
        )


def test_what_can_be_read_of_it_is_counted(place, models):
    with place.session() as session:
        session.add_all(models.Task(name=f"t{number}") for number in range(40))
        session.commit()
    with closing(sqlite3.connect(place.path)) as database:
        database.execute("DELETE FROM event WHERE fate = 'sending'")
        database.execute("UPDATE event SET fate = 'failed' WHERE operation = 7 AND fate = 'done'")
        database.commit()
        database.execute("VACUUM")
        (root,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'model'"
        ).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    content = bytearray(place.path.read_bytes())
    content[(root - 1) * size : root * size] = b"\xff" * size
    place.path.write_bytes(content)
    assert re.fullmatch(
        rf"The journal {re.escape(repr(str(place.path)))} is damaged \(.+\)\. 40 intents and 40 outcomes "
        r"can be read still, 39 of them done\. What is missing can't be told: keep the file, and compare "
        r"with what the server has\.",
        refused(place.session),
    )


# -- a plan, before anything is sent --------------------------------------------------------------


def test_a_plan_tells_what_an_earlier_run_has_sent(place, models):
    session = place.session()
    session.add(models.Project(name="p"))
    place.die(session, 1, done=False)
    with closing(place.session()) as session:
        session.add(models.Project(name="p"))
        plan = session.plan()
        said = "an earlier run has sent it, and has had no answer; a commit looks it up."
        assert str(plan) == f"Nothing to do.\nnot sent: <Project name='p'>: {said}"
        assert plan.to_json()["left_out"] == [
            {"object": "<Project name='p'>", "kind": "create", "error": said}
        ]
        assert session.uncertain == []
        session.rollback()
    assert json.dumps(plan.to_json())
