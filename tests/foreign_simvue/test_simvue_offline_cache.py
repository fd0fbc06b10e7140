"""What the published client keeps offline, objmapper sends: what its own sender would have made is there."""

import pytest
import simvue
from simvue.api import objects as theirs

from objmapper import Session
from objmapper import simvue as ours

NOON = "2026-01-31T12:00:00.000000"
POINT = {"time": 0.5, "timestamp": NOON, "step": 1}
USUAL = {"description": "d", "notification": "none", "offline": True}
METRIC = {"metric": "x", "aggregation": "average", "window": 1, "frequency": 1, **USUAL}


@pytest.fixture
def cache(running, tmp_path, monkeypatch):
    """Where the published client keeps things."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SIMVUE_OFFLINE_DIRECTORY", str(folder))
    return folder


@pytest.fixture
def client(running):
    with ours.Client(running.url, running.server.credentials["TOKEN"]) as client:
        yield client


def left(cache):
    """The files of objects that are still there."""
    return [path.name for path in cache.glob("*/offline_*.json")]


def kept(obj):
    obj.commit()
    return obj


def test_objects_of_every_kind_that_were_kept_are_sent(cache, client, tmp_path, wire):
    path = tmp_path / "f.txt"
    path.write_text("Hello")
    kept(theirs.Folder.new(path="/off", offline=True))
    kept(
        theirs.FileStorage.new(
            name="off",
            disable_check=True,
            is_tenant_useable=True,
            is_enabled=False,
            is_default=False,
            offline=True,
        )
    )
    kept(theirs.Tenant.new(name="off", max_runs=7, offline=True))
    kept(
        theirs.User.new(
            username="off",
            fullname="Off",
            email="off@simvue.io",
            is_manager=False,
            is_admin=False,
            is_readonly=True,
            welcome=False,
            tenant="default",
            offline=True,
        )
    )
    tag = theirs.Tag.new(name="off", offline=True)
    tag.colour = "red"
    kept(tag)
    alerts = [
        kept(theirs.EventsAlert.new(name="e", pattern="m", frequency=1, **USUAL)),
        kept(theirs.MetricsThresholdAlert.new(name="t", rule="is above", threshold=0.5, **METRIC)),
        kept(
            theirs.MetricsRangeAlert.new(
                name="r", rule="is inside range", range_low=1, range_high=3, **METRIC
            )
        ),
        kept(theirs.UserAlert.new(name="u", **USUAL)),
    ]
    run = theirs.Run.new(folder="/off", offline=True)
    run.name, run.metadata, run.tags, run.ttl = "kept", {"x": 2}, ["off"], 60
    run.alerts = [alert.id for alert in alerts]
    kept(run)
    alerts[-1].set_status(run.id, "critical")
    kept(alerts[-1])
    grid = theirs.Grid.new(name="g", grid=[[0, 1], [0, 1]], labels=["x", "y"], offline=True)
    grid.attach_metric_for_run(run.id, "A")
    kept(grid)
    array = {**POINT, "array": [[1.0, 2.0], [3.0, 4.0]], "grid": grid.id, "metric": "A"}
    kept(theirs.GridMetrics.new(run=run.id, data=[array], offline=True))
    told = [{"message": "m", "log_level": "info", "timestamp": NOON}]
    kept(theirs.Events.new(run=run.id, events=told, offline=True))
    points = [{**POINT, "values": {"x": 2}}]
    kept(theirs.Metrics.new(run=run.id, metrics=points, offline=True))
    file = theirs.FileArtifact.new(
        name="f",
        storage=None,
        file_path=path,
        mime_type="text/plain",
        metadata={"a": 1},
        offline=True,
    )
    file.attach_to_run(run.id, "input")
    obj = theirs.ObjectArtifact.new(name="o", storage=None, obj=[1, 2], metadata=None, offline=True)
    obj.attach_to_run(run.id, "output")
    assert len(left(cache)) == 16

    imported = ours.import_cache(cache, client=client)
    assert imported.left == {}
    assert left(cache) == []

    ((key, run),) = ours.Run.get(name="kept")
    assert (run.folder, run.metadata, run.tags, run.ttl) == ("/off", {"x": 2}, ["off"], 60)
    found = [ours.Alert(identifier=alert) for alert in run.alerts]
    assert sorted(alert.name for alert in found) == ["e", "r", "t", "u"]
    assert {type(alert).__name__ for alert in found} == {type(alert).__name__ for alert in alerts}
    (raised,) = (alert for alert in found if alert.name == "u")
    assert raised.get_status(key) == "critical"
    assert wire("/events", run=key)["data"] == told
    assert wire(f"/runs/{key}/metrics/A/values", step=1)
    assert wire(f"/runs/{key}")["metrics"]["x"]["count"] == 1
    assert {row["name"]: row["category"] for row in wire(f"/runs/{key}/artifacts")} == {
        "f": "input",
        "o": "output",
    }
    assert b"".join(ours.Artifact.from_name(key, "f").download_content()) == b"Hello"
    assert ours.Artifact.from_name(key, "o").load() == [1, 2]
    assert "#f00" in {each["colour"] for each in wire("/tags", count=100)["data"]}

    assert ours.import_cache(cache, client=client).ok
    assert ours.Run.count(name="kept") == 1
    (storage,) = (storage for _, storage in ours.Storage.get() if storage.name == "off")
    assert (type(storage), storage.is_enabled) == (ours.FileStorage, False)
    (tenant,) = (tenant for _, tenant in ours.Tenant.get() if tenant.name == "off")
    assert tenant.max_runs == 7
    (user,) = (user for _, user in ours.User.get() if user.username == "off")
    assert (user.fullname, user.is_readonly) == ("Off", True)


def test_a_run_of_the_high_level_client_is_sent(cache, client, tmp_path, wire):
    path = tmp_path / "result.txt"
    path.write_text("42")
    with simvue.Run(mode="offline") as run:
        run.config(disable_resources_metrics=True, suppress_errors=False)
        run.init(name="by night", folder="/night", tags=["night"], metadata={"a": 1}, no_color=True)
        run.log_event("begun")
        run.log_metrics({"loss": 0.5}, step=1)
        run.save_file(path, category="output")
    assert ours.import_cache(cache, client=client).left == {}
    with Session(client):
        ((key, found),) = ours.Run.get(name="by night")
        assert (found.folder, found.tags, found.status) == ("/night", ["night"], "completed")
        assert found.metadata["a"] == 1
        assert "begun" in [event.message for event in ours.Events.get(key)]
        assert ours.Metrics.names([key]) == ["loss"]
        (artifact,) = (found for _, found in ours.Artifact.from_run(key, category="output"))
        assert b"".join(artifact.download_content()) == b"42"
