"""What artifacts hold in memory alone lies beside the journal until it is sent."""

import hashlib
import json
import shutil
import sqlite3
import stat
from contextlib import closing

import faultproxy
import faulty
import numpy
import pytest

from objmapper import CommitError, JournalError, Session, Timeout, inspect, signals
from objmapper.server import serve
from objmapper.simvue import Artifact, Client, FileArtifact, ObjectArtifact, Run, disconnect

ARRAY = numpy.arange(6.0).reshape(2, 3)


@pytest.fixture
def journal(home):
    return home / ".simvue" / "objmapper.journal"


@pytest.fixture
def kept(journal):
    return journal.with_name(f"{journal.name}.contents")


@pytest.fixture
def path(home):
    path = home / "data.txt"
    path.write_bytes(b"as it was")
    return path


def offline(name, obj, **options):
    return ObjectArtifact.new(name=name, obj=obj, offline=True, **options)


def sent(client, journal, **options):
    """Send what is kept, from another session; return the report."""
    disconnect()
    with Session(client, journal=journal) as session:
        return session.recover(**options)


def held():
    """What the server has of each artifact."""
    return {found.name: b"".join(found.download_content()) for found in Artifact.objects.all()}


def names(folder):
    return {file.name for file in folder.iterdir()} if folder.exists() else set()


# -- what is sent ---------------------------------------------------------------------------------


def test_objects_are_kept_and_sent_as_they_were(client, asked, journal, kept):
    run, values = Run.new(folder="/", offline=True), [1, 2]
    offline("json", values).attach_to_run(run, "input")
    values.append(3)
    offline("array", ARRAY).commit()
    offline("pickle", {1, 2}, allow_pickling=True).commit()
    assert asked == []
    assert len(names(kept)) == 3
    assert sent(client, journal).ok
    found = {each.name: each for each in Artifact.objects.all()}
    assert found["json"].load() == [1, 2]
    assert found["json"].get_category(Run.objects.get()) == "input"
    assert (found["array"].load() == ARRAY).all()
    assert found["pickle"].load(allow_pickling=True) == {1, 2}
    assert all(each.uploaded for each in found.values())
    assert not kept.exists()


def test_it_lies_beside_the_journal_wherever_the_program_goes(client, home, monkeypatch):
    monkeypatch.chdir(home)
    with Session(offline="it.journal") as session:
        monkeypatch.chdir("/")
        session.add(ObjectArtifact.new(name="a", obj=b"kept"))
        session.commit()
    assert len(names(home / "it.journal.contents")) == 1
    monkeypatch.chdir(home)
    assert sent(client, "it.journal").ok
    assert held() == {"a": b"kept"}
    assert not (home / "it.journal.contents").exists()


def test_a_snapshot_is_what_the_file_was_whatever_becomes_of_that(client, path, journal, kept):
    FileArtifact.new(name="now", file_path=path, snapshot=True, offline=True).commit()
    path.unlink()
    (file,) = kept.iterdir()
    assert file.name == hashlib.sha256(b"as it was").hexdigest()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    sent(client, journal)
    assert held() == {"now": b"as it was"}
    assert Artifact.objects.get().original_path == str(path)
    assert not kept.exists()


def test_a_file_of_the_users_own_is_not_kept_a_second_time(client, path, journal, kept):
    FileArtifact.new(name="f", file_path=path, offline=True).commit()
    assert not kept.exists()


def test_what_could_only_be_pickled_is_refused_at_once(client, journal):
    with pytest.raises(TypeError, match="allow_pickling=True"):
        offline("set", {1, 2})
    assert not journal.exists()


def test_it_is_kept_once_and_no_longer_than_it_is_needed(client, journal, kept):
    first, second, third = (offline(name, b"the same") for name in ("a", "b", "c"))
    for artifact in (first, second, third):
        artifact.commit()
    assert len(names(kept)) == 1
    session = inspect(first).session
    session.delete(first)
    session.commit()
    assert len(names(kept)) == 1
    session.expunge(second), session.expunge(third)
    disconnect()
    assert not kept.exists()


def test_what_nobody_needs_goes_and_what_is_somebody_elses_stays(client, journal, kept):
    offline("o", b"x").commit()
    disconnect()
    needed = names(kept)
    (kept / ("0" * 64)).write_bytes(b"of a process that died before it had written its intent")
    (kept / "unfinished-1").write_bytes(b"of one that died before that")
    (kept / "notes.txt").write_bytes(b"the user's")
    Run.new(folder="/", offline=True).commit()
    assert names(kept) == {"notes.txt", *needed}
    sent(client, journal)
    assert names(kept) == {"notes.txt"}


# -- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("made", ["object", "snapshot"])
def test_what_is_gone_or_another_one_is_told_and_can_be_given(
    client, path, journal, kept, asked, made
):
    if made == "object":
        offline("o", b"as it was").commit()
    else:
        FileArtifact.new(name="o", file_path=path, snapshot=True, offline=True).commit()
    (file,) = kept.iterdir()
    file.write_bytes(b"something")
    for wrong in ("has changed since it was kept", "can't be read"):
        with pytest.raises(JournalError, match=f"Artifact.*{file.name}.*the journal keeps") as told:
            sent(client, journal)
        assert wrong in str(told.value)
        file.unlink(missing_ok=True)
    assert asked == []
    sent(client, journal, secrets=lambda obj, name, tag: b"as it was")
    assert held() == {"o": b"as it was"}


def test_what_lies_there_and_is_another_one_is_written_anew(client, journal, kept):
    offline("a", b"as it was").commit()
    (file,) = kept.iterdir()
    file.write_bytes(b"something")
    offline("b", b"as it was").commit()
    assert sent(client, journal).ok
    assert held() == dict.fromkeys("ab", b"as it was")


def test_what_the_disk_does_not_take_is_kept_in_no_part(client, journal, kept):
    run = Run.new(folder="/", offline=True)
    session = inspect(run).session
    kept.write_text("no folder")
    artifact = offline("o", b"x")
    with pytest.raises(
        JournalError, match=r"can't be kept in .*contents': \w[\w ]+\. Nothing of this"
    ):
        session.commit()
    session.expunge(artifact)
    assert session.commit().counts() == {"pending": 1}
    assert sent(client, journal).counts() == {"created": 1}


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "", 7])
def test_a_journal_that_names_another_file_reads_none(client, journal, name):
    offline("o", b"x").commit()
    disconnect()
    with Session(client, journal=journal) as session:
        store = session.journal._store
        hidden = json.dumps({"content": name})
        store.database.execute("UPDATE intent SET hidden = ? WHERE hidden IS NOT NULL", [hidden])
        with pytest.raises(JournalError, match="makes no sense"):
            session.recover()


def test_an_upload_that_the_storage_refuses_is_sent_later(home, faulty_server):
    path = home / "it.journal"
    with Session(offline=path):
        ObjectArtifact.new(name="o", obj=b"x").commit()
    with serve("simvue", check=True) as running:
        passed = faultproxy.passed_on(running.url)
        faulty_server.then(passed, faulty.say({"detail": "full"}, 413), *[passed] * 9)
        token = running.server.credentials["TOKEN"]
        with Client(faulty_server.url, token, check_server_version=False) as client:
            session = Session(client, journal=path)
            with closing(session), pytest.raises(CommitError, match="full"):
                session.recover()
            assert len(names(home / "it.journal.contents")) == 1
            with Session(client, journal=path) as session:
                assert session.recover().ok
            assert held() == {"o": b"x"}
    assert not (home / "it.journal.contents").exists()


@pytest.fixture
def died(client, home):
    """``died(act, verb, part)`` is the journal of a process that dies with such a request on its way."""
    path, dead = home / "live" / "it.journal", home / "dead" / "it.journal"
    path.parent.mkdir()

    def die(act, verb, part):
        def copy(sender, request):
            about = request.method == verb and part in f"{request.shown_path}/"
            if about and not dead.parent.exists():
                shutil.copytree(path.parent, dead.parent)

        with signals.request_sent.connected_to(copy, sender=Client):
            act(path)
        assert not path.with_name("it.journal.contents").exists()
        return dead

    return die


def commit_online(client, path):
    """An online session keeps in its journal what its artifacts hold, as it might die."""
    with Session(client, journal=path) as session:
        session.add(ObjectArtifact.new(name="o", obj=b"x"), tag="o")
        session.commit()


def dispatch(client, path):
    with Session(offline=path):
        ObjectArtifact.new(name="o", obj=b"x").commit()
    with Session(client, journal=path) as session:
        session.recover()


@pytest.mark.parametrize("act", [commit_online, dispatch])
@pytest.mark.parametrize("part", ["/storage/", "/artifacts/"])
def test_what_a_dead_process_left_is_uploaded_by_another(client, died, asked, act, part):
    dead = died(lambda path: act(client, path), "PUT", part)
    del asked[:]
    for _ in range(2):
        with Session(client, journal=dead) as session:
            assert session.recover().ok
    requests = ["PUT /storage", "PUT /artifacts"]
    assert [line.rpartition("/")[0] for line in asked] == requests[part == "/artifacts/" :]
    assert held() == {"o": b"x"}
    assert Artifact.objects.get().uploaded is True
    assert not dead.with_name("it.journal.contents").exists()


def test_that_it_is_uploaded_is_said_by_another_process_if_nobody_heard_it(home, faulty_server):
    with serve("simvue", check=True) as running:
        passed = faultproxy.passed_on(running.url)
        faulty_server.then(passed, passed, faulty.reset(), *[passed] * 9)
        options = {"check_server_version": False, "retries": 0, "settle_after": 0}
        token = running.server.credentials["TOKEN"]
        with Client(faulty_server.url, token, **options) as client:
            with closing(Session(client, journal=home / "it.journal")) as session:
                session.add(ObjectArtifact.new(name="o", obj=b"x"), tag="o")
                with pytest.raises(CommitError) as unsure:
                    session.commit()
            assert unsure.value.report.counts() == {"created": 1, "actions": 1, "uncertain": 1}
            with Session(client, journal=home / "it.journal") as session:
                assert session.recover().ok
            assert Artifact.objects.get().uploaded is True


def test_what_nobody_knows_to_be_made_stays_until_somebody_does(client, died):
    dead = died(lambda path: commit_online(client, path), "POST", "/artifacts")
    with Session(client, journal=dead) as session:
        with pytest.raises(CommitError) as unsure:
            session.recover()
        assert names(dead.with_name("it.journal.contents"))
        (entry,) = unsure.value.report.uncertain
        session.settle(entry.object, found=None)
        assert session.commit().ok
    assert [each.load() for each in Artifact.objects.all()] == [b"x", b"x"]
    assert not dead.with_name("it.journal.contents").exists()


@pytest.mark.parametrize("kind", ["file", "object"])
def test_how_long_an_upload_may_take_is_kept(home, path, faulty_server, kind):
    journal = home / "it.journal"
    with Session(offline=journal):
        if kind == "file":
            FileArtifact.new(name="f", file_path=path, upload_timeout=0.1).commit()
        else:
            ObjectArtifact.new(name="o", obj=1, upload_timeout=0.1).commit()
    where = f"{faulty_server.url}/storage/x"
    faulty_server.then(faulty.say({"id": "k" * 22, "url": where}), faulty.stall())
    token = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.c2lnbmF0dXJl"
    options = {"retries": 0, "settle_after": 0, "check_server_version": False}
    with Client(faulty_server.url, token, **options) as client:
        session = Session(client, journal=journal)
        with closing(session), pytest.raises(CommitError) as slow:
            session.recover()
    (entry,) = slow.value.report.uncertain
    assert isinstance(entry.error, Timeout)
    assert entry.error.request.timeout == (0.1, 0.1)


@pytest.mark.parametrize("wrong", ["{}", '{"timeout": 0}', '{"timeout": null}', "7", "[]", '"x"'])
def test_a_way_to_upload_that_a_journal_can_not_have_is_told(client, asked, home, path, wrong):
    journal = home / "it.journal"
    with Session(offline=journal):
        FileArtifact.new(name="f", file_path=path, upload_timeout=5).commit()
    with closing(sqlite3.connect(journal)) as database:
        (hidden,) = database.execute(
            "SELECT hidden FROM intent WHERE hidden IS NOT NULL"
        ).fetchone()
        assert json.loads(hidden) == {"content": [None, {"timeout": 5}]}
        edit = "UPDATE intent SET hidden = ? WHERE hidden IS NOT NULL"
        database.execute(edit, (f'{{"content":[null,{wrong}]}}',))
        database.commit()
    with Session(client, journal=journal) as session:
        with pytest.raises(JournalError, match=r"is no way to send FileArtifact\.content"):
            session.recover()
        session.members.clear()
    assert asked == []
