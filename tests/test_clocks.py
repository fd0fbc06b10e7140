"""This machine's clock is set while a commit runs, or between two processes: nothing is lost, nothing twice.

The server's clock stands at noon, for minutes if need be: what was made ten of them later was made since.
"""

import os
import signal
import sqlite3
import time
from contextlib import closing, contextmanager

import faulty
import pytest

from objmapper import (
    Client,
    CommitError,
    CommitInterrupted,
    Model,
    Registry,
    Session,
    clock,
    fields,
)
from objmapper.dialects import DRF
from objmapper.transport.policy import Policy

NOON = {"Date": "Wed, 03 Jan 2001 12:00:00 GMT"}
HOUR = 3600.0


class Dated(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    size = fields.Integer(null=True)
    created = fields.DateTime(read_only=True)

    class Meta:
        registry = Registry("clocks")
        natural_key = ["name"]
        created_field = "created"


def row(key, created="12:00:00", **more):
    return {"id": key, "name": "x", "size": 1, "created": f"2001-01-03T{created}Z", **more}


def page(*rows):
    return faulty.say({"count": len(rows), "next": None, "results": rows}, **NOON)


lost = faulty.answer("<html>", 502, "text/html", **NOON)
silent = faulty.answer("<html>", 500, "text/html", **NOON)


@pytest.fixture
def setting(monkeypatch):
    """Return an act before which somebody sets this machine's clock, by so many seconds."""
    real = time.time

    def setting(seconds, act):
        def done(to):
            monkeypatch.setattr(time, "time", lambda: real() + seconds)
            return act(to)

        return done

    return setting


@contextmanager
def session_of(server, *, settle_after=0.0, retries=1, journal=None):
    client = Client(server.url, dialect=DRF(trailing_slash=True), settle_after=settle_after)
    client.transport.policy = Policy(retries, backoff=0)
    with client, closing(Session(client, journal=journal)) as session:
        yield session


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
@pytest.mark.parametrize(("created", "key"), [("12:10:00", 7), ("11:30:00", 8)])
def test_what_a_lost_create_made_is_found_whatever_the_clock_is_set_to(
    faulty_server, setting, seconds, created, key
):
    """What was made half an hour before is another's, whose name is the same."""
    faulty_server.then(setting(seconds, lost), page(row(7, created)), faulty.say(row(8), 201))
    with session_of(faulty_server) as session:
        obj = Dated(name="x", size=1)
        session.add(obj)
        assert session.commit().created.objects == [obj]
    assert obj.id == key


@pytest.fixture
def ctrl_c():
    """Return what presses it, wherever the tests run."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_a_server_gets_the_time_that_it_is_given_though_the_clock_is_set_forth(
    faulty_server, setting, ctrl_c
):
    """What is not done yet may still come: Ctrl-C finds the commit waiting for that."""

    def interrupting(to):
        ctrl_c()
        return page()(to)

    faulty_server.then(lost, setting(HOUR, interrupting))
    with session_of(faulty_server, settle_after=60) as session:
        obj = Dated(name="x", size=1)
        session.add(obj)
        with pytest.raises(CommitInterrupted) as caught:
            session.commit()
    assert caught.value.report.uncertain.objects == [obj]


def test_a_server_gets_no_more_time_than_that_though_the_clock_is_set_back(faulty_server, setting):
    faulty_server.then(lost, setting(-HOUR, page()), faulty.say(row(8), 201))
    with session_of(faulty_server) as session:
        obj = Dated(name="x", size=1)
        session.add(obj)
        session.commit(deadline=60)
    assert obj.id == 8


def left(server, path, act):
    """Leave a journal in which an operation is of unknown fate: *act* answered it."""
    server.then(act, silent)
    with session_of(server, retries=0, journal=path) as session:
        session.add(Dated(name="x", size=1))
        with pytest.raises(CommitError) as caught:
            session.commit()
    assert len(caught.value.report.uncertain) == 1


def recovered(server, path, created, size=1):
    """Return the key of what a recovery finds, which is 7, or makes: 8."""
    server.then(page(row(7, created, size=size)), faulty.say(row(8), 201, **NOON))
    with session_of(server, journal=path) as session:
        (obj,) = session.recover().created.objects
    return obj.id


TOLD_ONCE = (
    "DELETE FROM event WHERE fate = 'clock' "
    "AND number > (SELECT min(number) FROM event WHERE fate = 'clock')"
)


def edited(path, *statements):
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            assert database.execute(statement).rowcount > 0
        database.commit()


@pytest.mark.parametrize(("created", "key"), [("11:55:00", 7), ("11:30:00", 8)])
def test_a_clock_that_is_put_right_between_two_processes_moves_nothing(
    faulty_server, tmp_path, created, key
):
    """The first lived a year ahead, and sent at 11:50; the second has told the server's clock, and died."""
    path = tmp_path / "it.journal"
    left(faulty_server, path, lost)
    later = "'\"2001-01-03T12:05:00+00:00\"'"
    edited(
        path,
        TOLD_ONCE,
        "UPDATE event SET at = at + 31536000 - 600 * (fate = 'sending')",
        f"INSERT INTO event SELECT NULL, 0, 'clock', max(at) - 31536000 + 300, {later} FROM event",
    )
    assert recovered(faulty_server, path, created) == key


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
@pytest.mark.parametrize(("created", "key"), [("12:10:00", 7), ("11:30:00", 8)])
def test_a_clock_that_is_set_within_a_wave_moves_nothing(
    faulty_server, tmp_path, setting, seconds, created, key
):
    """The process died before it told the server's clock again."""
    path = tmp_path / "it.journal"
    faulty_server.then(
        page(), setting(seconds, faulty.say(row(6, name="y"), 201, **NOON)), lost, silent
    )
    with session_of(faulty_server, retries=0, journal=path) as session:
        assert not Dated.objects.using(session).all()
        session.add_all([Dated(name="y"), Dated(name="x", size=1)])
        with pytest.raises(CommitError):
            session.commit(workers=1)
    edited(path, TOLD_ONCE)
    faulty_server.then(page(row(7, created)), faulty.say(row(8), 201, **NOON))
    with session_of(faulty_server, journal=path) as session:
        assert [obj.id for obj in session.recover().created.objects] == [6, key]


def test_what_was_begun_in_time_to_come_must_be_as_it_was_sent(faulty_server, tmp_path):
    """This machine's clock was set back between two processes, and nothing was told of the server's."""
    path = tmp_path / "it.journal"
    left(faulty_server, path, faulty.reset())
    edited(path, "UPDATE event SET at = at + 3600")
    with closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM event WHERE fate = 'clock'")
        database.commit()
    assert recovered(faulty_server, path, "11:30:00") == 7


def test_the_clock_that_nobody_sets_goes_on():
    first = clock.now()
    while clock.now() == first:
        pass
    assert clock.now() > first
