"""What the published client writes is on the server as it said, and it reads what is there."""

import datetime

import pytest
from simvue.api.objects import (
    Alert,
    Artifact,
    Events,
    EventsAlert,
    FileArtifact,
    FileStorage,
    Folder,
    Grid,
    Metrics,
    MetricsRangeAlert,
    MetricsThresholdAlert,
    Run,
    S3Storage,
    Stats,
    Tag,
    UserAlert,
)
from simvue.api.objects.administrator import Tenant, User
from simvue.exception import ObjectNotFoundError

NOON = "2026-01-31T12:00:00.000000"


@pytest.fixture
def run(running):
    run = Run.new(folder="/")
    run.name = "mine"
    run.commit()
    return run


def test_a_run_is_written_and_read(run, wire):
    run.tags, run.metadata, run.ttl = ["a"], {"x": 2, "deep": [1]}, 5
    run.notifications = "all"
    run.status = "running"
    run.commit()
    row = wire(f"/runs/{run.id}")
    assert (row["name"], row["folder"], row["tags"]) == ("mine", "/", ["a"])
    assert (row["metadata"], row["ttl"]) == ({"x": 2, "deep": [1]}, 5)
    assert (row["notifications"], row["status"]) == ({"state": "all"}, "running")
    other = Run(identifier=run.id)
    assert (other.name, other.metadata, other.status) == ("mine", row["metadata"], "running")
    assert other.started.isoformat() == f"{row['started']}+00:00"
    run.delete()
    with pytest.raises(ObjectNotFoundError):
        Run(identifier=run.id)


def test_stars_aborts_and_visibility(run, wire):
    run.star = True
    run.visibility.public = True
    run.commit()
    row = wire(f"/runs/{run.id}")
    assert row["starred"]
    assert row["visibility"]["public"]
    run.send_heartbeat()
    assert not run.abort_trigger
    run.abort("why")
    assert run.abort_trigger


def test_all_of_the_runs_are_read(running, wire):
    for number in range(3):
        Run.new(folder="/", name=f"r{number}").commit()
    assert [run.name for _, run in Run.get()][:3] == ["r2", "r1", "r0"]
    assert Run.count() == wire("/runs")["count"]


def test_a_folder_that_is_there_is_the_one(running, wire):
    first, second = Folder.new(path="/a/b"), Folder.new(path="/a/b")
    first.commit()
    second.commit()
    assert first.id == second.id
    first.description, first.metadata = "d", {"k": 1}
    first.commit()
    row = wire(f"/folders/{first.id}")
    assert (row["path"], row["description"], row["metadata"]) == ("/a/b", "d", {"k": 1})


def test_a_tag_has_a_colour(running, wire):
    tag = Tag.new(name="t")
    tag.colour = "red"
    tag.commit()
    assert wire(f"/tags/{tag.id}")["colour"] == "#f00"
    assert (Tag(tag.id).colour.r, Tag(tag.id).colour.g) == (1.0, 0.0)


def test_alerts_are_of_their_kind(run, wire):
    usual = {"description": None, "notification": "none"}
    metric = {"metric": "m", "aggregation": "average", "window": 1, "frequency": 1}
    made = [
        EventsAlert.new(name="e", pattern="wrong", frequency=1, **usual),
        MetricsThresholdAlert.new(name="t", rule="is above", threshold=3, **metric, **usual),
        MetricsRangeAlert.new(
            name="r", rule="is inside range", range_low=1, range_high=3, **metric, **usual
        ),
        UserAlert.new(name="u", **usual),
    ]
    for alert in made:
        alert.commit()
        assert type(Alert(identifier=alert.id)) is type(alert)
        assert wire(f"/alerts/{alert.id}")["name"] == alert.name
    run.alerts = [alert.id for alert in made]
    run.commit()
    assert sorted(run.alerts) == sorted(alert.id for alert in made)
    made[-1].set_status(run.id, "critical")
    Events.new(
        run=run.id, events=[{"message": "it went wrong", "log_level": "error", "timestamp": NOON}]
    ).commit()
    assert [alert.get_status(run.id) for alert in made] == ["critical", None, None, "critical"]


def test_events_and_metrics_are_read_back(run, wire):
    events = [{"message": "m", "log_level": "info", "timestamp": NOON}]
    Events.new(run=run.id, events=events).commit()
    assert [event.message for event in Events.get(run.id, count=9)] == ["m"]
    assert wire("/events", run=run.id)["data"] == events
    sets = [{"time": 0.5, "timestamp": NOON, "step": 1, "values": {"x": 2, "y": 2.5}}]
    Metrics.new(run=run.id, metrics=sets).commit()
    (found,) = Metrics.get(metrics=["x", "y"], xaxis="step", runs=[run.id])
    assert found == {run.id: {"x": [{"step": 1, "value": 2}], "y": [{"step": 1, "value": 2.5}]}}
    assert dict(Run(run.id).metrics)["x"]["count"] == 1


def test_a_histogram_and_a_span_are_read(run):
    events = Events.new(run=run.id, events=[{"message": "m", "log_level": None, "timestamp": NOON}])
    events.commit()
    begin = datetime.datetime(2026, 1, 31, 11, tzinfo=datetime.UTC)
    asked = Events.new(run=run.id, events=[])
    data = asked.histogram(begin, begin + datetime.timedelta(hours=2), window=3600, filters=None)
    assert [each["count"] for each in data] == [0, 1]
    sets = [{"time": 0.5, "timestamp": NOON, "step": 1, "values": {"x": 2}}]
    metrics = Metrics.new(run=run.id, metrics=sets)
    metrics.commit()
    assert metrics.span([run.id])["max_step"] == 1


@pytest.mark.parametrize("backend", ["File", "S3"])
def test_a_file_is_sent_and_fetched(run, wire, tmp_path, backend):
    if backend == "S3":
        S3Storage.new(
            name="s3",
            bucket="b",
            endpoint_url="https://s3.example.com",
            region_name="eu",
            access_key_id="k",
            secret_access_key="s",
            ca_cert=None,
            disable_check=True,
            is_tenant_useable=True,
            is_enabled=True,
            is_default=True,
        ).commit()
    path = tmp_path / "a.txt"
    path.write_text("Hello")
    artifact = FileArtifact.new(
        name="a", storage=None, file_path=path, mime_type="text/plain", metadata={"a": 1}
    )
    artifact.attach_to_run(run.id, "input")
    row = wire(f"/runs/{run.id}/artifacts")[0]
    assert (row["id"], row["category"], row["uploaded"]) == (artifact.id, "input", True)
    assert b"".join(Artifact(artifact.id).download_content()) == b"Hello"
    (found,) = Artifact.from_run(run.id, category="input")
    assert found[0] == artifact.id


def test_the_rest_is_written_and_read(running, wire):
    grid = Grid.new(name="g", grid=[[0, 1], [0, 1, 2]], labels=["x", "y"])
    grid.commit()
    assert Grid(grid.id).grid == [[0, 1], [0, 1, 2]]
    storage = FileStorage.new(
        name="s", disable_check=True, is_tenant_useable=True, is_enabled=True, is_default=False
    )
    storage.commit()
    assert wire(f"/storage/{storage.id}")["backend"] == "File"
    tenant = Tenant.new(name="t")
    tenant.commit()
    user = User.new(
        username="ann",
        fullname="Ann",
        email="ann@simvue.io",
        is_manager=False,
        is_admin=False,
        is_readonly=True,
        welcome=False,
        tenant=tenant.id,
    )
    user.commit()
    row = wire(f"/users/{user.id}")
    assert (row["username"], row["email"], row["tenant"]) == ("ann", "ann@simvue.io", tenant.id)
    assert Stats().whoami()["username"] == "admin"
    assert {"admin", "ann"} <= set(Stats().admin_stats())


def test_a_refusal_is_told_in_the_servers_words(running):
    with pytest.raises(ValueError, match="No run with id"):
        Metrics.new(
            run="none", metrics=[{"time": 0, "timestamp": NOON, "step": 0, "values": {"x": 1}}]
        ).commit()
    with pytest.raises(ValueError, match="No folder with path"):
        Run.new(folder="/nowhere").commit()
