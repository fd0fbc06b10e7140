"""A journaled commit that is undone: nobody finishes what was taken back, and nothing goes twice."""

import pytest

from objmapper import CommitError, JournalError, inspect, signals


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


def die_in_the_undo(place, models, at, done):
    session = place.session()
    migrate(session, models)
    place.die(session, at, done=done, on_error="undo")
    place.obey()


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
