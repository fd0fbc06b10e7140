"""What a process left behind that died in the middle of a commit is finished, nothing twice."""

import subprocess
import sys
from contextlib import closing

import pytest

from objmapper import CommitError, JournalError, inspect, signals


def tasks(models, count=5):
    project = models.Project(name="p")
    return [models.Task(name=f"t{number}", project=project, tags=["a"]) for number in range(count)]


NAMES = [f"t{number}" for number in range(5)]


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, 7))
def test_a_commit_is_finished_wherever_it_died(place, models, at, done):
    session = place.session()
    session.add_all(tasks(models))
    place.die(session, at, done=done)
    with place.session() as session:
        report = session.recover()
        assert (
            sorted(type(obj).__name__ for obj in report.created.objects)
            == ["Project"] + ["Task"] * 5
        )
        assert session.new == session.dirty == []
    assert place.names() == NAMES
    assert place.names("projects") == ["p"]
    assert {row["project"] for row in place.server.tables["tasks"].rows.values()} == {1}
    assert all(row["tags"] == ["a"] for row in place.server.tables["tasks"].rows.values())


def test_a_finished_journal_is_reported_and_nothing_is_sent(place, models):
    with place.session() as session:
        session.add_all(tasks(models))
        session.commit()
    asked = len(place.server.seen)
    with place.session() as session:
        report = session.recover()
        assert report.counts() == {"created": 6}
        assert {inspect(obj).lifecycle for obj in report.created.objects} == {"persistent"}
        assert sorted(obj.id for obj in report.created.objects) == [1, 1, 2, 3, 4, 5]
    assert len(place.server.seen) == asked


def test_an_empty_journal_gives_an_empty_report(place):
    with place.session() as session:
        assert session.recover().counts() == {}
    assert place.server.seen == []


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_changes_and_deletions_are_finished(place, models, at, done):
    rows = [{"id": n, "name": f"t{n}", "note": None, "tags": ["day"]} for n in (1, 2, 3)]
    place.server.table("tasks", rows, secret=("secret",), foreign={"project": "projects"})
    session = place.session()
    first, second, third = models.Task.objects.using(session).order_by("id")
    first.note = "x"
    second.tags.append("night")
    session.delete(third)
    place.die(session, at, done=done)
    with place.session() as session:
        report = session.recover()
        assert [obj.id for obj in report.updated.objects] == [1, 2]
        assert [obj.id for obj in report.deleted.objects] == [3]
    has = place.server.tables["tasks"].rows
    assert {key: (row["note"], row["tags"]) for key, row in has.items()} == {
        1: ("x", ["day"]),
        2: (None, ["day", "night"]),
    }


def test_what_the_server_refused_is_sent_again_and_stays_open_if_it_is_refused_again(place, models):
    place.server.fail("POST", "/tasks", 400, {"name": ["no"]}, times=2)
    with closing(place.session()) as session:
        session.add(models.Task(name="a"))
        with pytest.raises(CommitError):
            session.commit()
    with closing(place.session()) as session, pytest.raises(CommitError) as error:
        session.recover()
    assert len(error.value.report.failed) == 1
    with place.session() as session:
        assert len(session.recover().created) == 1
    assert place.names() == ["a"]


def test_a_recovery_that_fails_is_finished_by_the_next_in_the_same_session(place, models):
    session = place.session()
    session.add_all(tasks(models))
    place.die(session, 3, done=True)
    place.server.fail("POST", "/tasks", 503, times=1)
    with place.session() as session:
        with pytest.raises(CommitError):
            session.recover()
        assert session.recover().counts() == {"created": 6}
    assert place.names() == NAMES


def test_what_was_rolled_back_is_not_recovered(place, models):
    place.server.fail("POST", "/tasks", 400, {"name": ["no"]})
    with place.session() as session:
        session.add(models.Task(name="a"))
        with pytest.raises(CommitError):
            session.commit()
        session.rollback()
        assert [event.fate for event in session.journal._store.events()][-1] == "dropped"
    with place.session() as session:
        assert session.recover().counts() == {}
    assert place.names() == []


@pytest.mark.parametrize("way", ["revert", "refresh", "expunge"])
def test_a_change_that_was_taken_back_is_not_recovered(place, models, way):
    place.server.tables["tasks"].rows[1] = {"id": 1, "name": "a", "note": "old"}
    place.server.fail("PATCH", "/tasks/1", 400, {"note": ["no"]})
    with place.session() as session:
        task = models.Task.objects.using(session).get(id=1)
        task.note = "x"
        with pytest.raises(CommitError):
            session.commit()
        if way == "expunge":
            session.expunge(task)
        else:
            getattr(task, way)()
    with place.session() as session:
        assert session.recover().counts() == {}
    assert place.server.tables["tasks"].rows[1]["note"] == "old"


def test_what_was_settled_by_hand_is_done(place, models):
    place.server.fail("POST", "/tasks", 500, done=True)
    rows = {7: {"id": 7, "name": "a"}}
    place.server.tables["tasks"].rows.update(rows)
    with place.session() as session:
        task = models.Task(name="a")
        session.add(task)
        with pytest.raises(CommitError):
            session.commit()
        session.settle(task, found=8)
    with place.session() as session:
        report = session.recover()
        assert [obj.id for obj in report.created.objects] == [8]
    assert place.names() == ["a", "a"]


def test_a_secret_that_was_never_written_is_asked_for(place, models):
    session = place.session()
    session.add(models.Task(name="a", secret="hunter2"), tag="row-1")
    session.add(models.Task(name="b"))
    place.die(session, 1, done=False)
    with place.session() as session:
        with pytest.raises(JournalError, match=r"needed again: <Task .*'a'>\.secret"):
            session.recover()
        assert session.new == []
        assert place.names() == []
        asked = []

        def secrets(obj, field, tag):
            asked.append((obj.name, field, tag))
            return "hunter3"

        report = session.recover(secrets=secrets)
    assert asked == [("a", "secret", "row-1")]
    assert len(report.created) == 2
    assert [seen.body.get("secret") for seen in place.server.seen if seen.method == "POST"][
        -2:
    ] == [
        "hunter3",
        None,
    ]


def test_an_idempotency_key_is_the_same_in_the_repeat(place, models):
    place.server.hook = lambda seen: None
    session = place.session(idempotency_header="Idempotency-Key")
    session.add(models.Task(name="a"))
    place.die(session, 1, done=False)
    with place.session() as session, pytest.raises(JournalError, match="idempotency_header"):
        session.recover()
    with place.session(idempotency_header="Idempotency-Key") as session:
        session.recover()
    keys = [seen.headers["Idempotency-Key"] for seen in place.server.seen if seen.method == "POST"]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_model_that_is_not_declared_here_is_told(place, models):
    session = place.session()
    session.add_all(tasks(models))
    place.die(session, 2, done=False)
    script = (
        "import sys; from objmapper import Client, JournalError, Session\n"
        "from objmapper.dialects import DRF\n"
        "session = Session(Client('http://small.test/api', dialect=DRF()), journal=sys.argv[1])\n"
        "try: session.recover()\n"
        "except JournalError as error: print(error)\n"
        "session.close()"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, place.path], capture_output=True, text=True, check=True
    )
    assert "import the module that declares it" in told.stdout
    assert "Project" in told.stdout


def test_what_waits_for_a_vetoed_object_is_no_part_of_the_journal(place, models):
    def veto(sender, instance, session):
        raise signals.Veto("not now")

    with closing(place.session()) as session, signals.pre_create.connected_to(veto, models.Project):
        session.add_all([*tasks(models), models.Task(name="alone")])
        with pytest.raises(CommitError):
            session.commit(on_error="continue")
    with place.session() as session:
        assert [obj.name for obj in session.recover().created.objects] == ["alone"]


def test_the_version_that_an_object_had_is_kept(place, models):
    rows = [
        {"id": 1, "name": "a", "note": "old", "size": 1},
        {"id": 2, "name": "b", "note": "old", "size": 1},
    ]
    place.server.table("versioned", rows, etags="strong")
    session = place.session(has_etag=True)
    objects = models.Versioned.objects.using(session)
    first, second = objects.get(id=1), objects.get(id=2)
    second.note = first.note = "mine"
    place.die(session, 1, done=False)
    place.server.tables["versioned"].rows[1]["note"] = "theirs"
    with closing(place.session(has_etag=True)) as session:
        with pytest.raises(CommitError) as error:
            session.recover(on_error="continue")
        report = error.value.report
        assert [entry.object.id for entry in report.conflicts] == [1]
        assert [obj.id for obj in report.updated.objects] == [2]
    with place.session(has_etag=True) as session:
        assert session.recover(on_conflict="overwrite").ok
    assert place.server.tables["versioned"].rows[1]["note"] == "mine"


@pytest.mark.parametrize("done", [False, True])
def test_what_a_merge_made_of_a_change_is_what_is_recovered(place, models, done):
    rows = [{"id": 1, "name": "a", "note": "old", "size": 1}]
    place.server.table("versioned", rows, etags="strong")
    session = place.session(has_etag=True)
    one = models.Versioned.objects.using(session).get(id=1)
    one.note, one.size = "mine", 2
    place.server.tables["versioned"].rows[1].update(note="theirs", size=3)
    place.die(session, 2, done=done, on_conflict={"note": "mine", "size": "theirs"})
    with place.session(has_etag=True) as session:
        assert session.recover().ok
    row = place.server.tables["versioned"].rows[1]
    assert (row["note"], row["size"]) == ("mine", 3)
