"""A journaled commit that is undone: nobody finishes what was taken back, and nothing goes twice."""

import enum
import shutil
from contextlib import closing

import pytest

from objmapper import (
    CommitError,
    JournalError,
    Model,
    Registry,
    Session,
    ValidationError,
    fields,
    inspect,
    signals,
    validate,
)
from objmapper.cvat import Client as CVATClient
from objmapper.cvat import Label, Project, Task


@pytest.fixture
def world(place, models):
    """A place where a task is known, and what refuses the task "b"."""
    place.server.tables["tasks"].rows[1] = {"id": 1, "name": "old", "note": None, "project": None}

    def refuse(sender, request):
        if request.method == "POST" and request.shown_body()["name"] == "b":
            place.server.fail("POST", "/tasks/", 400, {})

    signals.request_sent.connect(refuse)
    place.obey = lambda: signals.request_sent.disconnect(refuse)
    yield place
    place.obey()


def migrate(session, models):
    """Add a project with two tasks, and rename the known one."""
    project = models.Project(name="p")
    session.add_all(models.Task(name=name, project=project) for name in "ab")
    models.Task.objects.using(session).get(id=1).name = "renamed"


def before(place):
    return (place.names("projects"), place.names()) == ([], ["old"])


def after(place):
    return (place.names("projects"), place.names()) == (["p"], ["a", "b", "renamed"])


def undone(place, models):
    """Run the migration, whose last task is refused: what was done is taken back."""
    with place.session() as session:
        migrate(session, models)
        with pytest.raises(CommitError) as caught:
            session.commit(on_error="undo", workers=1)
        assert before(place)
        session.rollback()
    place.obey()
    return caught.value.report


def test_a_recovery_after_an_undo_sends_nothing(world, models):
    assert undone(world, models).undoing.ok
    since = len(world.writes())
    with world.session() as session:
        session.recover()
    assert world.writes()[since:] == []
    assert before(world)


@pytest.mark.parametrize("recovered", [True, False])
def test_the_program_run_again_after_an_undo_sends_all_of_it(world, models, recovered):
    undone(world, models)
    if recovered:
        with world.session() as session:
            session.recover()
    for _ in range(2):
        with world.session() as session:
            migrate(session, models)
            session.commit()
        assert after(world)


def test_what_is_sent_again_after_an_undo_is_known_when_the_program_runs_again(world, models):
    world.obey()
    with world.session() as session:
        migrate(session, models)
        session.commit().undo()
        assert before(world)
        session.commit()
        assert after(world)
    since = len(world.writes())
    with world.session() as session:
        migrate(session, models)
        session.commit()
    assert world.writes()[since:] == []


# The writes of the undo are the fifth to the seventh: project, rename, "a", "b" (refused) come before.
@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("at", [5, 6, 7])
def test_an_undo_that_died_is_finished_by_a_recovery(world, models, at, done):
    die_in_the_undo(world, models, at, done)
    with world.session() as session:
        session.recover()
        assert session.uncertain == []
    assert before(world)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("at", [5, 6, 7])
def test_after_an_undo_that_died_the_program_is_simply_run_again(world, models, at, done):
    die_in_the_undo(world, models, at, done)
    for _ in range(2):
        with world.session() as session:
            migrate(session, models)
            session.commit()
            assert all(inspect(obj).lifecycle == "persistent" for obj in session)
        assert after(world)
    with world.session() as session:
        session.recover()  # what was left of the undo is not finished any more
    assert after(world)


class Stage(enum.StrEnum):
    DONE = "done"


class Strict(Model):
    """Takes less than the server has."""

    id = fields.Integer(primary_key=True)
    name = fields.String(validate=validate.Length(max=3))
    stage = fields.Enum(Stage)
    tags = fields.List(fields.String(), validate=validate.Length(max=1))
    size = fields.Integer()
    late = fields.Boolean()

    class Meta:
        registry = Registry("strict")
        endpoint = "stricts"
        natural_key = ["name"]


HAD = {"id": 1, "name": "longer", "stage": "odd", "tags": ["a", "b"], "size": None, "late": "maybe"}


def died_giving_back(place, models, *, done):
    """Leave the journal of an undo that died when it gave back what the model's fields refuse."""
    table = place.server.table("stricts", [dict(HAD)])
    session = place.session()
    known = Strict.objects.using(session).get(id=1)
    known.name, known.stage, known.tags = "new", Stage.DONE, []
    known.size, known.late = 1, True
    session.add(models.Task(name="refused", project=models.Project(name="p")))
    place.server.fail("POST", "/tasks/", 400, {})
    place.die(session, 5, done=done, on_error="undo")
    assert table.rows[1]["name"] == ("longer" if done else "new")
    return table


@pytest.mark.parametrize("done", [True, False])
def test_a_recovery_gives_back_what_the_server_had_itself_whatever_the_fields_say(
    place, models, done
):
    table = died_giving_back(place, models, done=done)
    with place.session() as session:
        session.recover()
        assert session.uncertain == session.dirty == []
    assert table.rows == {1: HAD}


def test_what_a_receiver_says_instead_of_what_was_given_back_is_checked(place, models):
    table = died_giving_back(place, models, done=False)

    def say(sender, instance, changes, session):
        instance.name = "other"

    since = len(place.writes())
    with closing(place.session()) as session, signals.pre_update.connected_to(say, sender=Strict):
        with pytest.raises(ValidationError) as caught:
            session.recover()
        assert caught.value.messages.keys() == {"name"}
        session.rollback()
    assert place.writes()[since:] == []
    assert table.rows[1]["name"] == "new"


def said(place, models, note):
    """Return a session in which the program says a note of a task, and the report of its commit."""
    session = place.session()
    session.add(models.Task(name="t", note=note))
    return session, session.commit()


def noted(place):
    return [row["note"] for row in place.server.tables["tasks"].rows.values()]


def test_what_an_undo_took_back_goes_when_the_program_says_it_again(place, models):
    said(place, models, "first")[0].close()
    session, report = said(place, models, "second")
    report.undo()
    session.rollback()
    session.close()
    assert noted(place) == ["first"]
    said(place, models, "second")[0].close()
    assert noted(place) == ["second"]
    since = len(place.writes())
    said(place, models, "second")[0].close()
    assert place.writes()[since:] == []


# Its writes: a project, the note, a task that is refused; the undo's are the last two.
@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("at", [4, 5])
@pytest.mark.parametrize("note", ["first", "second"])
def test_the_program_is_right_whatever_an_undo_that_died_has_taken_back(
    place, models, note, at, done
):
    said(place, models, "first")[0].close()
    session = place.session()
    refused = models.Task(name="refused", project=models.Project(name="p"))
    session.add_all([models.Task(name="t", note="second"), refused])
    place.server.fail("POST", "/tasks/", 400, {})
    place.die(session, at, done=done, on_error="undo")
    said(place, models, note)[0].close()
    assert noted(place) == [note]
    with place.session() as session:
        session.recover()
    assert noted(place) == [note]


@pytest.mark.parametrize("done", [True, False])
def test_the_version_of_what_an_undo_that_died_has_taken_back_is_read_anew(place, models, done):
    table = place.server.table("versioned", etags="strong")

    def program(note):
        session = place.session(has_etag=True)
        session.add(models.Versioned(name="t", note=note))
        return session

    with program("first") as session:
        session.commit()
    session = program("second")
    session.add(models.Task(name="refused", project=models.Project(name="p")))
    place.server.fail("POST", "/tasks/", 400, {})
    place.die(session, 5, done=done, on_error="undo")
    with program("third") as session:
        session.commit()
    assert [row["note"] for row in table.rows.values()] == ["third"]


def die_in_the_undo(place, models, at, done):
    session = place.session()
    migrate(session, models)
    place.die(session, at, done=done, on_error="undo")
    place.obey()


class Killed(BaseException):
    """Stands for SIGKILL."""


def with_labels(session):
    session.add(Task(name="t", project=Project(name="p", labels=[Label(name="car")])))


def die_when_the_project_is_deleted(client, path, done):
    """Undo a commit, and die at its last request; return the journal as it lay on the disk."""
    dead = path.parent / "dead"

    def die(sender, request, **_):
        if (request.method, request.path) == ("DELETE", "/projects/1"):
            dead.mkdir()
            for file in path.parent.glob(f"{path.name}*"):
                shutil.copy(file, dead)
            raise Killed

    session = Session(client, journal=path)
    with_labels(session)
    report = session.commit()
    signal = signals.response_received if done else signals.request_sent
    with signal.connected_to(die), pytest.raises(Killed):
        report.undo(workers=1)
    session.members.clear()
    session.close()
    return dead / path.name


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("how", ["recovery", "another run"])
def test_labels_go_with_their_project_in_an_undo_that_died(tmp_path, how, done):
    """Of the labels of a project that is gone CVAT tells nothing: nobody is to ask for them."""
    with CVATClient("embedded://cvat?check=1") as client:
        path = die_when_the_project_is_deleted(client, tmp_path / "it.journal", done)
        with Session(client, journal=path) as session:
            if how == "recovery":
                session.recover()
            else:
                with_labels(session)
                session.commit()
            assert session.uncertain == session.new == session.dirty == []
            names = [[obj.name for obj in model.objects.all()] for model in (Project, Label, Task)]
        assert names == ([[], [], []] if how == "recovery" else [["p"], ["car"], ["t"]])
        assert client.server.violations == []


def test_an_undo_that_the_disk_has_no_room_for_sends_nothing_and_keeps_its_report(world, models):
    world.obey()
    with world.session() as session:
        session.add_all(models.Task(name=f"task {number}" * 50) for number in range(100))
        report = session.commit()
        since = len(world.writes())
        limit(session, pages=0)
        with pytest.raises(CommitError, match="full") as caught:
            report.undo()
        assert len(caught.value.report.failed) == len(report.created) == 100
        assert all(isinstance(entry.error, JournalError) for entry in caught.value.report.failed)
        assert world.writes()[since:] == []
        limit(session)
        assert len(report.undo().undone) == 100
        session.rollback()
    assert world.names() == ["old"]


def limit(session, pages=1 << 20):
    """Let SQLite have so many pages more, which is all that it notices of a disk that is full."""
    database = session.journal._store.database
    (used,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {used + pages}")
