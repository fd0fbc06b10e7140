"""What is said of objects by a verb: an operation that goes at once, alone, after what is new."""

import shutil

import faultproxy
import faulty
import pytest

from objmapper import CommitError, Session, ValidationError, signals
from objmapper.server import serve
from objmapper.simvue import Artifact, Client, FileArtifact, Grid, Run, Tag, UserAlert
from objmapper.simvue.alerts import Standing

#: A token that is looked into and sent, and that nobody has to take.
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.c2lnbmF0dXJl"
KEY = "k" * 22


@pytest.fixture
def run(client):
    run = Run.new(folder="/")
    run.commit()
    return run


@pytest.fixture
def artifact(home):
    path = home / "data.txt"
    path.write_bytes(b"bytes")
    return FileArtifact.new(name="f", file_path=path)


@pytest.fixture
def raised(run):
    """An alert of the run."""
    alert = UserAlert.new(name="u")
    run.alerts = [alert]
    run.commit()
    return alert


def grid():
    return Grid.new(name="g", grid=[[0, 1]], labels=["x"])


# -- what is sent, and told -----------------------------------------------------------------------


def test_a_verb_is_one_request_and_returns_its_report(run, raised, artifact, asked):
    other = grid()
    for obj in (artifact, other):
        obj.commit()
    said = {
        f"alerts/{raised.id}/status/{run.id}": lambda: raised.set_status(run, "critical"),
        f"runs/{run.id}/abort": lambda: run.abort("too hot"),
        f"runs/{run.id}/heartbeat": run.send_heartbeat,
        f"runs/{run.id}/artifacts/{artifact.id}": lambda: artifact.attach_to_run(run, "input"),
        f"runs/{run.id}/grids/{other.id}": lambda: other.attach_metric_for_run(run.id, "A"),
    }
    for path, say in said.items():
        del asked[:]
        report = say()
        assert asked == [f"PUT /{path}"]
        assert (report.counts(), report.requests) == ({"created": 1}, 1)


def test_a_verb_sends_no_other_change(client, run, raised, asked):
    run.name, raised.description = "n", "d"
    client.session.add(Tag.new(name="t"))
    raised.set_status(run, "ok"), run.abort("why")
    assert [line.partition(" ")[0] for line in asked] == ["PUT", "PUT"]
    assert (list(run.changes), list(raised.changes)) == (["name"], ["description"])
    assert [type(obj) for obj in client.session.new] == [Tag]


def test_what_is_new_goes_before_what_is_said_of_it(client, artifact, asked):
    run = Run.new(folder="/")
    artifact.attach_to_run(run, "output")
    assert asked.pop(1).startswith("PUT /storage/")
    assert asked == [
        "POST /artifacts",
        f"PUT /artifacts/{artifact.id}",
        "POST /runs",
        f"PUT /runs/{run.id}/artifacts/{artifact.id}",
    ]
    assert dict(Artifact.from_run(run)) == {artifact.id: artifact}
    other, new = Run.new(folder="/"), grid()
    report = new.attach_metric_for_run(other, "A")
    assert report.counts() == {"created": 3}
    assert [told["id"] for told in other.grids] == [new.id]
    last = Run.new(folder="/")
    last.abort("at once")
    assert last.abort_trigger is True
    del asked[:]
    assert Run.new(folder="/").send_heartbeat().counts() == {"created": 2}
    assert [line.partition(" ")[0] for line in asked] == ["POST", "PUT"]


def test_an_upload_that_failed_is_done_before_the_artifact_is_attached(run, artifact, home, asked):
    (home / "data.txt").write_bytes(b"BYTES")
    for _ in range(2):
        with pytest.raises(CommitError, match="SHA256"):
            artifact.attach_to_run(run, "input")
    assert list(Artifact.from_run(run)) == []
    (home / "data.txt").write_bytes(b"bytes")
    artifact.attach_to_run(run, "input")
    assert artifact.uploaded is True
    assert artifact.get_category(run) == "input"


def test_what_a_verb_speaks_of_by_its_id_is_fetched_read_only(client, run, raised):
    key, run_id = raised.id, run.id
    client.session.close()
    UserAlert.objects.reference(key).set_status(run_id, "ok")
    assert Run(identifier=run_id).is_read_only


def test_a_heartbeat_has_no_body_and_is_said_of_what_is_read_only(client, run, asked):
    key = run.id
    client.session.close()
    sent = []

    def hear(sender, request):
        sent.append(request.shown_body())

    with signals.request_sent.connected_to(hear, sender=Client):
        Run(identifier=key).send_heartbeat()
    assert sent == [None, None]
    assert asked == [f"GET /runs/{key}", f"PUT /runs/{key}/heartbeat"]


def test_receivers_hear_of_it_and_may_refuse_it(client, run, raised, asked):
    heard = []

    def refuse(sender, instance, **said):
        heard.append(instance.status)
        raise signals.Veto("not now")

    with (
        signals.pre_create.connected_to(refuse, sender=Standing),
        pytest.raises(CommitError, match="not now") as refused,
    ):
        raised.set_status(run, "critical")
    assert refused.value.report.counts() == {"skipped": 1}
    assert (heard, asked) == (["critical"], [])
    assert client.session.commit().counts() == {}
    assert raised.get_status(run) is None


# -- what goes wrong ------------------------------------------------------------------------------


def test_what_is_wrong_is_told_before_anything_is_sent(client, run, asked):
    for wrong, field in (
        (lambda: grid().attach_metric_for_run(run, "bad|name"), "metric"),
        (lambda: run.abort(None), "reason"),
    ):
        with pytest.raises(ValidationError, match=field):
            wrong()
    with pytest.raises(ValueError, match="has no id"):
        grid().attach_metric_for_run("", "A")
    assert asked == []
    client.session.rollback()


def test_what_the_server_refuses_is_in_the_report_and_leaves_the_session(client, raised):
    stranger = Run.new(folder="/")
    stranger.commit()
    with pytest.raises(CommitError, match="has no alert") as refused:
        raised.set_status(stranger, "ok")
    (entry,) = refused.value.report.failed
    assert (type(entry.object), entry.answer.status) == (Standing, 404)
    assert not client.session.new
    assert client.session.commit().counts() == {}


def test_a_lost_answer_is_found_by_saying_it_again(faulty_server):
    with serve("simvue", check=True) as running:
        passed = faultproxy.passed_on(running.url)
        token = running.server.credentials["TOKEN"]
        faulty_server.then(passed, faultproxy.after(running.url, faulty.reset()), passed)
        with Client(faulty_server.url, token, settle_after=0, check_server_version=False):
            run = Run.new(folder="/")
            run.commit()
            report = run.abort("why")
            assert (report.counts(), report.requests) == ({"created": 1}, 2)
            assert run.abort_trigger is True


def test_what_is_of_unknown_fate_is_sent_by_no_later_commit(home, faulty_server):
    faulty_server.then(faulty.reset())
    options = {"settle_after": 0, "retries": 0, "check_server_version": False}
    with (
        Client(faulty_server.url, TOKEN, **options) as client,
        Session(client, journal=home / "it.journal") as session,
    ):
        alert = UserAlert.objects.using(session).reference(KEY)
        with pytest.raises(CommitError) as lost:
            alert.set_status(KEY, "critical")
        assert lost.value.report.counts() == {"uncertain": 1}
        faulty_server.then(faulty.say({}))
        assert alert.set_status(KEY, "ok").ok
        assert (session.uncertain, session.commit().requests) == ([], 0)
        assert session.recover().requests == 0
    assert [seen.json()["status"] for seen in faulty_server.seen] == ["critical", "ok"]


# -- in a journal ---------------------------------------------------------------------------------


def test_a_journal_has_it_and_a_program_run_again_says_it_again(client, home, run, raised, asked):
    for _ in range(2):
        with Session(client, journal=home / "it.journal") as session:
            other = UserAlert.objects.using(session).reference(raised.id)
            other.set_status(run.id, "critical"), other.set_status(run.id, "ok")
    assert asked == [f"PUT /alerts/{raised.id}/status/{run.id}"] * 4
    with Session(client, journal=home / "it.journal") as session:
        report = session.recover()
    assert (report.counts(), report.requests) == ({"created": 4}, 0)


def test_what_died_on_its_way_is_said_again_by_a_recovery(client, home, run, raised, asked):
    dead = home / "dead"
    dead.mkdir()

    def copy(sender, **said):
        """Keep what a process leaves that dies now."""
        for file in home.glob("it.journal*"):
            shutil.copy(file, dead)

    with Session(client, journal=home / "it.journal") as session:
        other = UserAlert.objects.using(session).reference(raised.id)
        with signals.request_sent.connected_to(copy, sender=Client):
            other.set_status(run.id, "critical")
    raised.set_status(run, "ok")
    del asked[:]
    with Session(client, journal=dead / "it.journal") as session:
        assert session.recover().counts() == {"created": 1}
    assert asked == [f"PUT /alerts/{raised.id}/status/{run.id}"]
    assert raised.get_status(run) == "critical"
