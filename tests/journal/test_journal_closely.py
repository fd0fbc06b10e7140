"""A journal looked at closely: secrets, clocks, deletions, and what its errors say to the last word."""

import gc
import sqlite3
from contextlib import closing

import faulty
import pytest

from objmapper import Client, CommitError, JournalError, Model, Registry, Session, fields, inspect
from objmapper.cli import main
from objmapper.cvat import Client as CVATClient
from objmapper.cvat import Label, Project
from objmapper.dialects import DRF
from objmapper.transport.policy import Policy


def edited(path, *statements):
    """Change what lies in a journal that nobody has open."""
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            assert database.execute(statement).rowcount > 0
        database.commit()


# -- secrets --------------------------------------------------------------------------------------


@pytest.fixture
def stored(place):
    """A task that the server has."""
    row = {"id": 1, "name": "a", "note": None, "project": None, "tags": []}
    place.server.table("tasks", [row], secret=("secret",), foreign={"project": "projects"})
    return place


def bodies(place, method):
    return [seen.body for seen in place.server.seen if seen.method == method]


def test_a_changed_secret_is_asked_for_and_sent(stored, models):
    session = stored.session()
    models.Task.objects.using(session).get(id=1).secret = "hunter2"
    stored.server.fail("PATCH", "/tasks/1", 400, {"secret": ["no"]})
    with closing(session), pytest.raises(CommitError):
        session.commit()
    with stored.session() as session:
        assert len(session.recover(secrets=lambda obj, field, tag: "hunter3").updated) == 1
    assert bodies(stored, "PATCH")[1:] == [{"secret": "hunter3"}]


def test_a_repeat_with_an_idempotency_key_has_the_secret_too(place, models):
    session = place.session(idempotency_header="Idempotency-Key")
    session.add(models.Task(name="a", secret="hunter2"))
    place.die(session, 1, done=False)
    with place.session(idempotency_header="Idempotency-Key") as session:
        session.recover(secrets=lambda obj, field, tag: "hunter2")
    first, second = bodies(place, "POST")
    assert first == second
    assert second["secret"] == "hunter2"


def test_a_secret_that_is_sent_again_is_open_once(stored, models, capsys):
    stored.server.fail("PATCH", "/tasks/1", 400, {"secret": ["no"]}, times=2)
    with closing(stored.session()) as session:
        task = models.Task.objects.using(session).get(id=1)
        for _ in range(2):
            task.secret = "hunter2"
            with pytest.raises(CommitError):
                session.commit()
    assert main(["journal", str(stored.path)]) == 3
    assert "not done  1 failed\n" in capsys.readouterr().out


# -- deletions, and what is made again ------------------------------------------------------------


def test_what_was_deleted_and_is_made_again_is_recovered(place, models):
    with place.session() as session:
        task = models.Task(name="a")
        session.add(task)
        session.commit()
        session.delete(task)
        session.commit()
    session = place.session()
    session.add(models.Task(name="a"))
    place.die(session, 1, done=False)
    with place.session() as session:
        session.recover()
    assert place.names() == ["a"]


def test_the_name_of_what_was_deleted_is_free_in_the_same_run(place, models):
    with place.session() as session:
        for _ in range(2):
            task = models.Task(name="a")
            session.add(task)
            session.commit()
            session.delete(task)
            session.commit()
            del task
            gc.collect()
    assert place.writes() == ["POST /tasks/", "DELETE /tasks/1/"] * 2


def test_all_deletions_without_an_answer_are_looked_up(place, models):
    with place.session() as session:
        tasks = [models.Task(name=name) for name in "ab"]
        session.add_all(tasks)
        session.commit()
        for task in tasks:
            session.delete(task)
        session.commit()
    deletions = "(SELECT operation FROM intent WHERE kind = 'delete')"
    edited(place.path, f"DELETE FROM event WHERE fate = 'done' AND operation IN {deletions}")
    with place.session() as session:
        session.add_all(models.Task(name=name) for name in "ab")
        assert len(session.commit().created) == 2
    assert place.names() == ["a", "b"]


def deleted_without_an_answer(place, models, *, done):
    """The next session makes again what the last one was to delete, when it died."""
    options = {"idempotent": frozenset()}
    with place.session(**options) as session:
        task = models.Task(name="a")
        session.add(task)
        session.commit()
        session.delete(task)
        place.die(session, 1, done=done)
    session = place.session(**options, settle_after=600)
    session.add(models.Task(name="a"))
    return closing(session)


def test_what_may_be_deleted_is_not_taken_for_there(place, models):
    with deleted_without_an_answer(place, models, done=True) as session:
        place.server.fail("GET", "/tasks/1", 500)
        with pytest.raises(
            JournalError, match=r"delete <Task 1 name='a'>.* answered 500 "
        ) as caught:
            session.commit()
        assert str(caught.value).endswith(
            " Nothing was sent; commit again when the server can tell. Or have a session recover() "
            "first, whose session.settle(obj, found=...) takes what you know of it."
        )
        assert len(session.commit().created) == 1
    assert place.names() == ["a"]


def test_whether_something_is_deleted_is_looked_up_until_the_deadline(place, models, clock):
    with deleted_without_an_answer(place, models, done=False) as session:
        read = models.Task.objects.using(session).get(id=1)
        place.server.hook = lambda seen: clock.set_forward_soon()
        with pytest.raises(JournalError, match="it is not done, and the server had little time"):
            session.commit(deadline=100)
        place.server.hook = lambda seen: None
        assert len(session.new) == 1
        assert session.get(models.Task, 1) is read
        assert inspect(read).lifecycle == "persistent"
        session.rollback()
    assert place.writes() == ["POST /tasks/", "DELETE /tasks/1/"]


def test_a_deletion_that_was_taken_back_is_not_recovered(stored, models):
    stored.server.fail("DELETE", "/tasks/1", 403, {"detail": "no"})
    with closing(stored.session()) as session:
        session.delete(models.Task.objects.using(session).get(id=1))
        with pytest.raises(CommitError):
            session.commit()
        session.rollback()
    with stored.session() as session:
        assert session.recover().counts() == {}
    assert stored.names() == ["a"]


def test_what_was_deleted_is_reported_as_detached(stored, models):
    with stored.session() as session:
        session.delete(models.Task.objects.using(session).get(id=1))
        session.commit()
    with stored.session() as session:
        (task,) = session.recover().deleted.objects
        assert inspect(task).lifecycle == "detached"


# -- whose an object is ---------------------------------------------------------------------------


def test_a_recovery_takes_the_object_that_was_read_before(stored, models):
    session = stored.session()
    models.Task.objects.using(session).get(id=1).note = "x"
    stored.die(session, 1, done=False)
    with stored.session() as session:
        task = models.Task.objects.using(session).get(id=1)
        assert session.recover().updated.objects == [task]
        assert task.note == "x"
    assert stored.server.tables["tasks"].rows[1]["note"] == "x"


def test_all_that_one_request_has_made_is_known_to_the_next_run(tmp_path):
    def journaled():
        return Session(client, journal=tmp_path / "it.journal")

    with CVATClient("embedded://cvat?seed=1x1&check=1") as client:
        with journaled() as session:
            labels = [Label(name=name) for name in ("car", "bus", "tram")]
            session.add(Project(name="p", labels=labels))
            session.commit()
            made = {label.name: label.id for label in labels}
        with journaled() as session:
            found = [obj for obj in session.recover().created.objects if isinstance(obj, Label)]
            assert {label.name: label.id for label in found} == made


late = Registry("late")


def declared_late():
    meta = type("Meta", (), {"registry": late, "natural_key": ["name"], "endpoint": "lates"})
    names = {"__module__": __name__, "__qualname__": "Late", "Meta": meta}
    own = {"id": fields.Integer(primary_key=True), "name": fields.String()}
    return type(Model)("Late", (Model,), {**names, **own})


def test_a_model_may_be_declared_after_its_journal_was_opened(place, small):
    small.table("lates")
    with place.session() as session:
        session.add(declared_late()(name="a"))
        session.commit()
    gc.collect()
    with place.session() as session:
        session.add(declared_late()(name="a"))
        assert session.commit().counts() == {}
    assert place.writes() == ["POST /lates/"]


# -- the server's clock ---------------------------------------------------------------------------


class Dated(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    size = fields.Integer(null=True)
    created = fields.DateTime(read_only=True)

    class Meta:
        registry = Registry("dated and journaled")
        natural_key = ["name"]
        created_field = "created"


@pytest.mark.parametrize(
    ("created", "whose", "heard_once"),
    [
        ("2001-01-03T11:59:55Z", 7, False),
        ("2001-01-03T11:59:45Z", 8, False),
        ("2001-01-03T11:59:45Z", 8, True),
    ],
)
def test_the_clock_of_the_server_is_what_the_dead_process_heard(
    faulty_server, tmp_path, created, whose, heard_once
):
    """It was asked at 11:59:50, and its answer came at 12:00; the next process hears of no clock."""
    path, heard = tmp_path / "it.journal", "Wed, 03 Jan 2001 12:00:00 GMT"
    row = {"id": 7, "name": "x", "size": 1, "created": created}

    def journaled():
        client = Client(faulty_server.url, dialect=DRF(trailing_slash=True), settle_after=0)
        client.transport.policy = Policy(0, backoff=0)
        return client, Session(client, journal=path)

    gone = faulty.answer("<html>", 502, "text/html", Date=heard)
    faulty_server.then(gone, faulty.answer("<html>", 500, "text/html", Date=heard))
    client, session = journaled()
    session.add(Dated(name="x", size=2))
    with client, closing(session), pytest.raises(CommitError):
        session.commit()
    edited(path, "UPDATE event SET at = at + 10 WHERE fate = 'clock'")
    if heard_once:
        last = "(SELECT max(number) FROM event WHERE fate = 'clock')"
        edited(path, f"DELETE FROM event WHERE fate = 'clock' AND number < {last}")
    page = faulty.say({"count": 1, "next": None, "results": [row]}, Date="whenever")
    faulty_server.then(page, faulty.say({**row, "id": 8, "size": 2}, 201, Date="whenever"))
    client, session = journaled()
    with client, session:
        (obj,) = session.recover().created.objects
        assert obj.id == whose


# -- words ----------------------------------------------------------------------------------------


def test_an_object_that_is_gone_from_the_journal_is_told(place, models):
    session = place.session()
    session.add(models.Task(name="a", project=models.Project(name="p")))
    place.die(session, 1, done=False)
    edited(place.path, "DELETE FROM intent WHERE refs IS NULL OR refs = '{}'")
    with (
        place.session() as session,
        pytest.raises(JournalError, match="the journal tells nothing of it"),
    ):
        session.recover()


def test_what_can_be_read_of_a_damaged_journal_is_counted(place, models):
    with place.session() as session:
        session.add_all(models.Task(name=f"t{number}") for number in range(200))
        session.commit()
    whole = place.path.read_bytes()
    place.path.write_bytes(whole[:-2048] + b"\xff" * 2048)  # the last outcomes lie there
    with pytest.raises(JournalError) as caught:
        place.session()
    told = str(caught.value)
    assert "200 intents and " in told
    assert "(None)" not in told
    assert told.endswith(
        " What is missing can't be told: keep the file, and compare with what the server has."
    )


@pytest.mark.parametrize(("count", "told"), [(1, ""), (3, ""), (4, " and 1 more")])
def test_what_nothing_tells_from_others_is_counted(place, models, count, told):
    named = ", ".join(["<Nameless new>"] * min(count, 3))
    with closing(place.session()) as session:
        session.add_all(models.Nameless() for _ in range(count))
        with pytest.raises(JournalError) as caught:
            session.commit()
    said = str(caught.value)
    assert said.startswith(
        f"Nothing tells {named}{told} from others when the program is run again:"
    )
    assert said.endswith(" Nothing was sent.")


def test_how_to_give_what_is_missing_is_told(place, models):
    session = place.session(idempotency_header="Idempotency-Key")
    session.add(models.Task(name="a", secret="hunter2"))
    place.die(session, 1, done=False)
    with closing(place.session()) as session:
        with pytest.raises(JournalError) as caught:
            session.recover()
        assert str(caught.value).endswith(
            " Give session.recover(secrets=...) a callable that takes an object, a field's name and "
            "the object's tag, and returns the value; `dispatch` takes --secrets FILE. Nothing was sent."
        )
        with pytest.raises(JournalError) as caught:
            session.recover(secrets=lambda obj, field, tag: "hunter2")
        assert str(caught.value).endswith(
            " was written by a client with an idempotency_header: this one needs it, too, or what "
            "was sent could not be repeated."
        )
        with pytest.raises(JournalError) as caught:
            place.session()
        assert str(caught.value).endswith(
            " is open in another session, of this process or of another one: two at once would "
            "send everything twice."
        )
