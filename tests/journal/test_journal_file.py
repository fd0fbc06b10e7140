"""A journal's file: whose it is, who may open it, and what is said of one that can't serve."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from objmapper import (
    Client,
    CommitError,
    JournalError,
    Model,
    Registry,
    Session,
    SessionError,
    fields,
)
from objmapper.journal.showing import shown
from objmapper.journal.store import FORMAT


def filled(place, models, count=3):
    with place.session() as session:
        session.add_all(models.Task(name=f"t{number}") for number in range(count))
        session.commit()


def test_a_second_session_on_one_journal_is_refused(place):
    with place.session(), pytest.raises(JournalError, match="open in another session"):
        place.session()


def test_a_second_process_on_one_journal_is_refused(place):
    script = (
        "import sys; from objmapper import Client, JournalError, Session\n"
        "try: Session(Client('http://small.test/api', dialect='drf'), journal=sys.argv[1])\n"
        "except JournalError as error: print(error)"
    )
    with place.session():
        told = subprocess.run(
            [sys.executable, "-c", script, place.path], capture_output=True, text=True, check=True
        )
    assert "open in another session, of this process or of another one" in told.stdout


def test_a_closed_session_lets_go_of_its_journal(place):
    place.session().close()
    place.session().close()


def test_what_a_closed_journal_is_asked_for_is_told(place):
    session = place.session()
    session.close()
    with pytest.raises(JournalError) as caught:
        session.journal.check_server()
    assert str(caught.value) == (
        f"The journal {str(place.path)!r} can't be used: Cannot operate on a closed database."
    )


def test_a_journal_lies_where_it_was_opened_whatever_its_name_is(place, models, monkeypatch):
    folder = place.path.parent
    monkeypatch.chdir(folder)
    with Session(place.server.client(), journal=":memory:") as session:
        session.add(models.Project(name="p"))
        monkeypatch.chdir("/")
        session.commit()
    place.path = folder / ":memory:"
    with place.session() as session:
        assert session.recover().counts() == {"created": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.parametrize("ends", ["session.close()", "del session", "sys.exit()"])
def test_a_fork_leaves_the_journal_to_its_parent(place, ends):
    script = (
        "import os, sys, warnings; from objmapper import Client, Session\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "session = Session(Client('http://small.test/api', dialect='drf'), journal=sys.argv[1])\n"
        "log = sys.argv[1] + '-wal'\n"
        "before = os.stat(log)\n"
        "child = os.fork()\n"
        f"if not child:\n    {ends}\n    sys.exit()\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert os.path.samestat(before, os.stat(log))\n"
        "session.close()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, place.path], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_journal_is_readable_by_its_owner_alone(place):
    place.session().close()
    assert stat.S_IMODE(os.stat(place.path).st_mode) == 0o600


@pytest.mark.parametrize("content", [b"hello, I am a text\n" * 100, b"\0" * 5000])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(place, content):
    place.path.write_bytes(content)
    with pytest.raises(JournalError, match=r"is not a journal of objmapper"):
        place.session()
    assert place.path.read_bytes() == content


def test_a_database_of_something_else_is_refused_and_left_as_it_is(place):
    database = sqlite3.connect(place.path)
    database.execute("CREATE TABLE mine (number INTEGER)")
    database.close()
    before = place.path.read_bytes()
    with pytest.raises(JournalError, match="a SQLite database, but no journal"):
        place.session()
    assert place.path.read_bytes() == before


def test_an_empty_file_becomes_a_journal(place, models):
    place.path.touch()
    filled(place, models)
    with place.session() as session:
        assert len(session.recover().created) == 3


def test_a_folder_that_is_not_there_is_told(place):
    place.path = place.path.parent / "nowhere" / "it.journal"
    with pytest.raises(JournalError, match=r"nowhere.*No such file or directory"):
        place.session()


@pytest.mark.parametrize("path", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize(
    "use",
    [
        lambda path: Session(offline=path),
        lambda path: Session(Client("http://a.test"), journal=path),
        shown,
    ],
)
def test_what_can_not_be_a_path_is_told(path, use):
    with pytest.raises(JournalError, match=r"can't be the path of a journal: .*Give another one"):
        use(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are open")
@pytest.mark.parametrize("by", [os.unlink, lambda path: os.replace(path, f"{path}.old")])
def test_a_journal_that_is_gone_is_noticed_before_anything_more_is_sent(place, models, by):
    with closing(place.session()) as session:
        session.add(models.Project(name="p"))
        session.commit()
        start = len(place.writes())
        by(place.path)
        session.add(models.Project(name="q"))
        with pytest.raises(JournalError, match="was deleted, moved or replaced while it was open"):
            session.commit()
        assert place.writes()[start:] == []
        session.rollback()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are open")
def test_a_journal_that_is_replaced_in_the_middle_stops_the_commit_after_its_wave(place, models):
    def replace(seen):
        os.unlink(place.path)
        place.path.write_bytes(b"")
        place.server.hook = lambda seen: None

    with closing(place.session()) as session:
        project = models.Project(name="p")
        task = models.Task(name="t", project=project)
        session.add(task)
        place.server.hook = replace
        with pytest.raises(CommitError, match="was deleted, moved or replaced") as caught:
            session.commit()
        report = caught.value.report
        assert (report.created.objects, report.pending.objects) == ([project], [task])
        assert place.writes() == ["POST /projects/"]
        session.rollback()


def test_a_newer_format_is_refused(place):
    place.session().close()
    database = sqlite3.connect(place.path)
    database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    database.close()
    with pytest.raises(JournalError, match=f"has the format {FORMAT + 1}.*knows {FORMAT}"):
        place.session()


def test_to_look_at_a_journal_of_an_older_format_writes_nothing(place, models):
    with place.session() as session:
        session.add(models.Task(name="a"))
        session.commit()
    with closing(sqlite3.connect(place.path)) as database:
        database.execute(f"PRAGMA user_version = {FORMAT - 1}")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = place.path.read_bytes()
    assert shown(place.path)[1] == 0
    assert place.path.read_bytes() == before
    assert [path.name for path in place.path.parent.glob("it.journal*")] == ["it.journal"]


def test_a_truncated_journal_is_refused_and_what_can_be_read_is_told(place, models):
    filled(place, models, 200)
    place.path.write_bytes(place.path.read_bytes()[:-8192])
    with pytest.raises(JournalError, match=r"is damaged .* can be read still, \d+ of them done"):
        place.session()


def test_a_journal_of_another_server_is_refused_without_credentials(place, models):
    filled(place, models)
    client = Client("http://admin:hidden@other.test/api", dialect="drf")
    with pytest.raises(JournalError, match=r"is of the server .*small\.test") as error:
        Session(client, journal=place.path)
    assert "http://other.test/api" in str(error.value)
    assert "hidden" not in str(error.value)


def test_a_journal_of_another_dialect_is_refused(place, models):
    filled(place, models)
    with pytest.raises(JournalError, match="is of the dialect 'drf', and this session's is 'rest'"):
        Session(Client(place.server.url, dialect="rest"), journal=place.path)


changing_registry = Registry("changing")


def changing(**body):
    """Return a model that is declared anew with other fields in each test."""
    meta = type("Meta", (), {"registry": changing_registry, "natural_key": ["name"]})
    names = {"__module__": __name__, "__qualname__": "Changing", "Meta": meta}
    base = {"id": fields.Integer(primary_key=True), "name": fields.String()}
    return type(Model)("Changing", (Model,), {**names, **base, **body})


@pytest.mark.parametrize(
    ("then", "now", "why"),
    [
        ({"size": fields.Integer()}, {}, "'size' is gone"),
        ({}, {"size": fields.Integer()}, "'size' is new"),
        ({"size": fields.Integer()}, {"size": fields.String()}, "'size' is another one"),
        ({"a": fields.Integer()}, {"a": fields.Integer(data_key="b")}, "'a' is another one"),
        ({"a": fields.String()}, {"a": fields.String(write_only=True)}, "'a' is another one"),
    ],
)
def test_a_journal_of_models_whose_fields_changed_is_refused_with_the_reason(
    place, small, then, now, why
):
    small.table("changings")
    with place.session() as session:
        session.add(changing(**then)(name="a"))
        session.commit()
    again = changing(**now)  # keeps it alive
    with pytest.raises(JournalError, match=f"another Changing: {why}"):
        place.session()
    assert again.__name__ == "Changing"


def test_a_full_disk_is_told_before_anything_is_sent(place, models):
    with place.session() as session:
        limit(session, pages=0)
        session.add_all(models.Task(name=f"task {number}" * 50) for number in range(100))
        with pytest.raises(JournalError, match="full"):
            session.commit()
        assert place.writes() == []
        assert len(session.new) == 100
        limit(session)
        assert len(session.commit().created) == 100
    assert len(place.writes()) == 100


def test_a_disk_that_fills_in_the_middle_stops_the_commit_and_loses_nothing(place, models):
    def fill(through, of):
        if through == 20:
            limit(session, pages=0)

    with closing(place.session()) as session:
        session.add_all(models.Task(name=f"t{number:03}") for number in range(500))
        with pytest.raises(CommitError, match="full") as error:
            session.commit(progress=fill)
        report = error.value.report
        assert 20 <= len(report.created) < 500
        assert len(report.created) + len(report.pending) == 500
        assert len(place.writes()) == len(report.created)
        limit(session)
    with place.session() as session:
        report = session.recover()
    assert len(report.created) == 500
    assert len(place.writes()) == 500
    assert place.names() == [f"t{number:03}" for number in range(500)]


def test_a_disk_that_is_full_when_the_last_answer_is_there_is_told(place, models):
    def fill(through, of):
        limit(session, pages=0)

    with place.session() as session:
        task = models.Task(name="a", note="long" * 10_000)
        session.add(task)
        with pytest.raises(CommitError, match="full") as error:
            session.commit(progress=fill)
        assert error.value.report.created.objects == [task]
        limit(session)
    with place.session() as session:
        assert len(session.recover().created) == 1
    assert len(place.writes()) == 1


def limit(session, pages=2**30):
    """Let SQLite have so many pages more, which is all that it notices of a disk that is full."""
    store = session.journal._store
    (used,) = store.database.execute("PRAGMA page_count").fetchone()
    store.database.execute(f"PRAGMA max_page_count = {used + pages}")


def test_what_is_write_only_is_never_written(place, models):
    with place.session() as session:
        project = models.Project(name="p")
        session.add(models.Task(name="a", secret="hunter2", project=project))
        session.commit()
        task = models.Task.objects.using(session).get(name="a")
        task.secret = "hunter3"
        session.commit()
        for file in place.path.parent.iterdir():
            assert b"hunter" not in file.read_bytes()
    for file in place.path.parent.iterdir():
        assert b"hunter" not in file.read_bytes()


def test_a_session_without_a_journal_has_nothing_to_recover(small):
    with Session(small.client()) as session, pytest.raises(SessionError, match="no journal"):
        session.recover()
