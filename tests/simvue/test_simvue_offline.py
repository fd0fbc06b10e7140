"""Simvue's objects made offline: the journal keeps them, and a session that sends makes them.

What artifacts hold is in test_simvue_kept_contents.py.
"""

import datetime as dt
import gc
import weakref

import pytest

from objmapper import Client, JournalError, OfflineError, Session, inspect
from objmapper.simvue import (
    Artifact,
    Events,
    EventsAlert,
    FileArtifact,
    Folder,
    Grid,
    GridMetrics,
    Metrics,
    ObjectArtifact,
    Run,
    Tag,
    UserAlert,
    disconnect,
)
from objmapper.simvue.artifacts import Attachment

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def journal(home):
    return home / ".simvue" / "objmapper.journal"


def sent(client, journal, **options):
    """Send what is kept, from another session; return the report."""
    disconnect()
    with Session(client, journal=journal) as session:
        return session.recover(**options)


def test_a_run_is_made_offline_without_server_and_configuration(client, asked, journal):
    run = Run.new(folder="/", offline=True)
    run.name, run.metadata, run.tags = "my_run", {"x": 2}, ["a"]
    assert run.commit().counts() == {"pending": 1}
    run.metadata["y"] = [3]
    run.commit()
    assert asked == []
    assert sent(client, journal).counts() == {"created": 1}
    assert asked == ["POST /runs"]
    (found,) = Run.objects.all()
    assert (found.name, found.metadata, found.tags) == ("my_run", {"x": 2, "y": [3]}, ["a"])


def test_runs_folders_events_and_metrics_go_in_order_in_batches(client, asked, home):
    path = home / "it.journal"
    with Session(offline=path) as session:
        runs = [Run.new(folder="/sweep/a", name=f"r{n}") for n in range(3)]
        for run in runs:
            session.add(Events.new(run=run, events=[{"message": run.name, "timestamp": NOW}]))
            session.add(
                Metrics.new(
                    run=run, metrics=[{"time": 0, "timestamp": NOW, "step": 0, "values": {"x": 1}}]
                )
            )
        session.add(Folder.new(path="/sweep/a"))
        assert session.commit().counts() == {"pending": 10}
    assert asked == []
    assert sent(client, path).counts() == {"created": 10}
    assert asked[:2] == ["POST /folders", "POST /runs"]
    assert sorted(asked[2:]) == ["POST /events"] * 3 + ["POST /metrics"] * 3
    for run in Run.objects.all():
        assert [event.message for event in Events.get(run.id)] == [run.name]


def test_what_is_sent_twice_is_made_once(client, asked, journal):
    for name in ("a", "b"):
        Run.new(folder="/", name=name, offline=True).commit()
        disconnect()
    sent(client, journal)
    del asked[:]
    assert sent(client, journal).counts() == {"created": 2}
    assert asked == []


def test_a_star_and_tags_and_alerts_wait_as_well(client, journal):
    Run.new(folder="/", name="r", star=True, offline=True).commit()
    Tag.new(name="t", colour="#ff0000", offline=True).commit()
    EventsAlert.new(name="e", pattern="lost", frequency=1, offline=True).commit()
    assert sent(client, journal).counts() == {"created": 3, "updated": 1}
    assert Run.objects.get(name="r").star is True
    assert [tag.name for tag in Tag.objects.all()] == ["t"]
    assert [alert.alert.pattern for alert in EventsAlert.objects.all()] == ["lost"]


def test_an_alert_that_each_process_makes_is_one_and_its_words_are_any(client, journal):
    for name in ("a", "b"):
        alert = EventsAlert.new(
            name="e", pattern="überhitzt ⚠", frequency=1, description="zu heiß", offline=True
        )
        run = Run.new(folder="/größe", name=name, description="\N{SNOWMAN}", offline=True)
        folder = Folder.new(path="/größe", offline=True)
        run.alerts = [alert]
        inspect(folder).session.commit()
        disconnect()
    assert sent(client, journal).ok
    (alert,) = EventsAlert.objects.all()
    assert (alert.alert.pattern, alert.description) == ("überhitzt ⚠", "zu heiß")
    runs = [*Run.objects.all()]
    assert [(run.folder, run.description) for run in runs] == [("/größe", "\N{SNOWMAN}")] * 2
    assert [run.alerts for run in runs] == [[alert.id]] * 2


def test_a_file_is_read_when_it_is_sent(client, home, journal):
    path = home / "data.txt"
    path.write_bytes(b"bytes")
    FileArtifact.new(name="f", file_path=path, offline=True).commit()
    sent(client, journal)
    (found,) = Artifact.objects.all()
    assert found.uploaded is True
    assert b"".join(found.download_content()) == b"bytes"


def test_a_file_that_is_another_one_or_gone_is_told_and_can_be_given(client, home, journal, asked):
    path = home / "data.txt"
    path.write_bytes(b"bytes")
    FileArtifact.new(name="f", file_path=path, offline=True).commit()
    path.write_bytes(b"other")
    with pytest.raises(JournalError, match=r"data\.txt.*has changed since it was kept"):
        sent(client, journal)
    path.unlink()
    with pytest.raises(JournalError, match=r"data\.txt.*can't be read"):
        sent(client, journal)
    assert asked == []
    sent(client, journal, secrets=lambda obj, name, tag: b"bytes")
    assert [b"".join(found.download_content()) for found in Artifact.objects.all()] == [b"bytes"]


def test_what_is_said_of_two_objects_waits_for_both(client, asked, home, journal):
    path = home / "data.txt"
    path.write_bytes(b"bytes")
    run, alert = Run.new(folder="/", offline=True), UserAlert.new(name="u", offline=True)
    run.alerts = [alert]
    alert.set_status(run, "critical")
    FileArtifact.new(name="f", file_path=path, offline=True).attach_to_run(run, "input")
    grid = Grid.new(name="g", grid=[[0, 1]], labels=["x"], offline=True)
    point = {"time": 0, "timestamp": NOW, "step": 0, "array": [1, 2], "grid": grid, "metric": "A"}
    GridMetrics.new(run=run, data=[point], offline=True).commit()
    grid.attach_metric_for_run(run, "A")
    assert asked == []
    assert sent(client, journal).ok
    del asked[:]
    assert sent(client, journal).ok
    assert asked == []
    ((key, found),) = Run.get()
    ((_, alert),) = UserAlert.get()
    assert alert.get_status(key) == "critical"
    assert [kept.name for _, kept in Artifact.from_run(key, category="input")] == ["f"]
    (array,) = GridMetrics.get(runs=[key], metrics=["A"])
    assert array["array"] == [1, 2]
    assert [grid["metric"] for grid in found.grids] == ["A"]


def test_an_abort_waits_for_its_run(client, asked, journal):
    run, known = Run.new(folder="/", offline=True), Run.new(folder="/")
    run.abort("too hot")
    client.session.add(known)
    known.commit()
    Run.objects.using(inspect(run).session).reference(known.id).abort("so is this")
    del asked[:]
    assert sent(client, journal).counts() == {"created": 3}
    assert all(found.abort_trigger for found in Run.objects.all())
    del asked[:]
    assert sent(client, journal).counts() == {"created": 3}
    assert asked == []


@pytest.mark.parametrize("is_one_session", [True, False])
def test_of_what_is_said_twice_of_the_same_the_last_counts(client, home, is_one_session):
    known, alert = Run.new(folder="/"), UserAlert.new(name="u")
    artifact = ObjectArtifact.new(name="o", obj=1)
    known.alerts = [alert]
    artifact.attach_to_run(known, "code")
    sessions = [Session(offline=home / "it.journal")]
    said = zip(("input", "code", "output") * 3, ("ok", "critical", "ok") * 3, strict=True)
    for category, status in said:
        if not is_one_session:
            sessions[-1].close()
            sessions.append(Session(offline=home / "it.journal"))
        session = sessions[-1]
        Artifact.objects.using(session).reference(artifact.id).attach_to_run(known.id, category)
        UserAlert.objects.using(session).reference(alert.id).set_status(known.id, status)
    sessions[-1].close()
    report = sent(client, home / "it.journal")
    lanes = {}
    for operation in sorted(outcome.operation for outcome in report.outcomes):
        lanes.setdefault(operation.lane, []).append(*operation.request.body.value.values())
    categories, statuses = lanes.values()  # what is in one lane goes one after the other
    assert (categories, statuses) == (["input", "code", "output"] * 3, ["ok", "critical", "ok"] * 3)
    assert artifact.get_category(known) == "output"
    assert alert.get_status(known) == "ok"


def test_an_artifact_is_attached_when_it_is_uploaded(client, asked, journal):
    """Of an upload that failed no run is told, and another one's artifact waits for none."""
    run = Run.new(folder="/", offline=True)
    artifacts = [ObjectArtifact.new(name=name, obj=name, offline=True) for name in "ab"]
    for artifact in artifacts:
        artifact.attach_to_run(run, "input")
    session = inspect(run).session
    lines = {op.objects[0]: op for op in session.plan() if op.kind in ("upload", "uploaded")}
    attached = [op for op in session.plan() if type(op.objects[0]) is Attachment]
    assert len(attached) == len(lines) == 2
    for op in attached:
        (mine,) = {lines[obj].number for obj in lines} & op.after
        assert lines[op.objects[0].artifact].number == mine
    sent(client, journal)
    for artifact in Artifact.objects.all():
        told = [line for line in asked if artifact.id in line]
        assert told == [
            f"PUT /artifacts/{artifact.id}",
            f"PUT /runs/{Run.objects.get().id}/artifacts/{artifact.id}",
        ]


def beats(lines):
    return [line.split("/")[2] for line in lines if line.endswith("/heartbeat")]


def test_of_the_heartbeats_of_a_run_one_waits(client, asked, journal):
    one, other = (Run.new(folder="/", name=name, status="running", offline=True) for name in "ab")
    counts = [run.send_heartbeat().counts() for run in (one, other, one, one, other)]
    assert counts == [{"pending": 2}, {"pending": 2}, {}, {}, {}]
    inspect(one).session.rollback()
    assert asked == []
    assert sent(client, journal).counts() == {"created": 4}
    assert asked[0] == "POST /runs"
    assert sorted(beats(asked)) == sorted(run.id for run in Run.objects.all())
    del asked[:]
    sent(client, journal)
    assert asked == []


def test_what_waits_to_be_sent_keeps_no_run_alive_once_its_session_is_gone(home):
    with Session(offline=home / "it.journal"):
        run = Run.new(folder="/")
        run.send_heartbeat()
    gone = weakref.ref(run)
    del run
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("status", ["completed", "failed", "terminated", "lost"])
@pytest.mark.parametrize("count", [1, 2])
def test_no_heartbeat_goes_of_a_run_that_is_over(client, asked, journal, status, count):
    for _ in range(count):  # alone, and in a list
        run = Run.new(folder="/", status="running", offline=True)
        run.send_heartbeat()
        run.status, run.star = status, True
        run.commit()
    assert sent(client, journal).counts() == {"created": 2 * count, "updated": count}
    assert [line.partition(" ")[0] for line in asked] == ["POST"] + ["PUT"] * count
    assert beats(asked) == []
    assert {run.status for run in Run.objects.all()} == {status}
    assert sent(client, journal).counts() == {"created": 2 * count, "updated": count}


@pytest.mark.parametrize("is_over", [True, False])
def test_a_run_of_a_known_id_beats_until_it_is_over(client, asked, home, is_over):
    run = Run.new(folder="/", status="running")
    run.commit()
    del asked[:]
    with Session(offline=home / "it.journal") as session:
        known = Run.objects.using(session).reference(run.id)
        known.send_heartbeat()
        known.status = "completed" if is_over else "running"
        session.commit()
    sent(client, home / "it.journal")
    assert f"PUT /runs/{run.id}" in asked
    assert beats(asked) == ([] if is_over else [run.id])


def test_what_is_said_of_objects_of_known_ids_waits_as_well(client, asked, home):
    run, alert = Run.new(folder="/"), UserAlert.new(name="u")
    run.alerts = [alert]
    run.commit()
    del asked[:]
    with Session(offline=home / "it.journal") as session:
        other = UserAlert.objects.using(session).reference(alert.id)
        other.set_status(run.id, "ok")
        with pytest.raises(ValueError, match="terrible"):
            other.set_status(run.id, "terrible")
    assert asked == []
    sent(client, home / "it.journal")
    assert asked == [f"PUT /alerts/{alert.id}/status/{run.id}"]
    assert alert.get_status(run) == "ok"


def test_what_only_a_server_can_do_is_refused(client, asked):
    run = Run.new(folder="/", offline=True)
    run.commit()
    session = inspect(run).session
    artifact = ObjectArtifact.new(name="o", obj=1, offline=True)
    for act in (
        lambda: run.grids,
        artifact.load,
        lambda: list(Run.objects.using(session)),
    ):
        with pytest.raises(OfflineError, match="this session is offline"):
            act()
    session.expunge(artifact)
    with session, pytest.raises(OfflineError):
        Run(identifier="x")
    assert asked == []


def test_the_current_session_is_taken_if_it_is_offline(client, home, journal):
    with Session(offline=home / "it.journal") as session:
        run = Run.new(folder="/", offline=True)
        assert run in session
        other = Run.new(folder="/")
        other.commit()
        assert other in session
        session.commit()
    assert not journal.exists()
    assert sent(client, home / "it.journal").counts() == {"created": 2}


def test_the_cache_is_where_it_is_configured(client, home, monkeypatch):
    monkeypatch.setenv("SIMVUE_OFFLINE_DIRECTORY", str(home / "cache"))
    Run.new(folder="/", offline=True).commit()
    assert sent(client, home / "cache" / "objmapper.journal").counts() == {"created": 1}


def test_an_offline_object_names_no_server_and_no_id(client):
    for wrong in ({"identifier": "x"}, {"server_url": "https://host"}, {"server_token": "t"}):
        with pytest.raises(TypeError, match=r"offline=True.*dispatch"):
            Run(offline=True, **wrong)


def test_a_journal_of_simvue_is_no_other_servers(client, home, journal):
    Run.new(folder="/", offline=True).commit()
    disconnect()
    with Session(offline=journal) as session:
        assert session.dialect.name == "simvue"
    other = Client("http://host.invalid", dialect="drf")
    with other, pytest.raises(JournalError, match="dialect"):
        Session(other, journal=journal)
