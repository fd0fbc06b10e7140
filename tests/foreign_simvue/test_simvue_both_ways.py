"""What the published client writes objmapper reads, and the reverse, for every kind."""

import datetime as dt
import enum
import itertools
from operator import attrgetter

import pytest
from simvue.api import objects as theirs
from simvue.exception import ObjectNotFoundError

from objmapper import Session
from objmapper import simvue as ours

NOON = "2026-01-31T12:00:00.000000"
USUAL = {"description": "d", "notification": "email", "enabled": False}
METRIC = {"metric": "m", "aggregation": "at least one", "window": 2, "frequency": 3}
TICKET = itertools.count()

#: For each kind what one is made with, what is set on it then, and what is read of it by other names.
KINDS = {
    "Run": (
        {"folder": "/"},
        {
            "name": "n",
            "description": "d",
            "tags": ["a", "b"],
            "metadata": {"x": 2, "deep": [1]},
            "system": {"cwd": "/w"},
            "status": "running",
            "ttl": 5,
            "heartbeat_timeout": 60,
            "notifications": "all",
            "star": True,
        },
        {},
    ),
    "Folder": (
        {"path": "/both/{}"},
        {"name": "n", "description": "d", "tags": ["a"], "metadata": {"x": 1}, "ttl": 9},
        {},
    ),
    "Tag": ({"name": "tag {}"}, {"description": "d", "colour": "red"}, {}),
    "EventsAlert": (
        {"name": "events {}", "pattern": "*.log", "frequency": 2, **USUAL},
        {"abort": True},
        {"source": "events", "alert.pattern": "*.log", "alert.frequency": 2},
    ),
    "MetricsThresholdAlert": (
        {"name": "threshold {}", "rule": "is below", "threshold": -1, **METRIC, **USUAL},
        {},
        {"source": "metrics", "alert.rule": "is below", "alert.threshold": -1, "alert.window": 2},
    ),
    "MetricsRangeAlert": (
        {"name": "range {}", "rule": "is inside range", "range_low": 0, "range_high": 2.5}
        | METRIC
        | USUAL,
        {},
        {"source": "metrics", "alert.range_low": 0, "alert.range_high": 2.5},
    ),
    "UserAlert": ({"name": "user {}", **USUAL}, {}, {"source": "user"}),
    "FileStorage": (
        {
            "name": "file {}",
            "disable_check": True,
            "is_tenant_useable": True,
            "is_enabled": False,
            "is_default": False,
        },
        {},
        {"backend": "File"},
    ),
    "S3Storage": (
        {
            "name": "s3 {}",
            "bucket": "b",
            "endpoint_url": "https://s3.example.com/",
            "region_name": "eu",
            "access_key_id": "k",
            "secret_access_key": "s",
            "ca_cert": None,
            "disable_check": True,
            "is_tenant_useable": False,
            "is_enabled": False,
            "is_default": False,
        },
        {},
        {
            "backend": "S3",
            "config.bucket": "b",
            "config.region_name": "eu",
            "config.endpoint_url": "https://s3.example.com/",
        },
    ),
    "Grid": ({"name": "grid {}", "grid": [[0, 1], [0, 1, 2]], "labels": ["x", "y"]}, {}, {}),
    "Tenant": (
        {"name": "tenant {}", "max_runs": 5, "max_request_rate": 6, "max_data_volume": 7},
        {"is_enabled": False},
        {},
    ),
    "User": (
        {
            "username": "user{}",
            "fullname": "Ann",
            "email": "ann{}@simvue.io",
            "is_manager": False,
            "is_admin": False,
            "is_readonly": True,
            "welcome": False,
            "tenant": "default",
        },
        {"enabled": False},
        {"deleted": False},
    ),
}
#: What is only sent, what is in another object there, or what the published client has no name for.
UNREAD = {
    *("disable_check", "welcome", "tenant", "labels", "pattern", "frequency", "threshold", "rule"),
    *("metric", "aggregation", "window", "range_low", "range_high", "bucket", "endpoint_url"),
    *("region_name", "access_key_id", "secret_access_key", "ca_cert"),
}


BOTH_WAYS = pytest.mark.parametrize(
    ("writer", "reader"),
    [
        pytest.param(theirs, ours, id="read-by-objmapper"),
        pytest.param(ours, theirs, id="written-by-objmapper"),
    ],
)


@pytest.fixture(scope="module")
def client(running):
    with ours.Client(running.url, running.server.credentials["TOKEN"]) as client:
        yield client


@pytest.fixture
def run(client):
    """A run that both know by its id."""
    run = ours.Run.new(folder="/")
    run.commit()
    return run


def filled(values, ticket):
    return {
        name: value.format(ticket) if isinstance(value, str) else value
        for name, value in values.items()
    }


def plain(value):
    """A value as both say it."""
    if isinstance(value, enum.Enum):
        return value.value
    if type(value).__name__ == "RGBA":
        return "#" + "".join(f"{round(part * 255):02x}" for part in value[:3])
    return value


def shared(kind):
    """The class that all kinds of a thing are asked for by."""
    return next((name for name in ("Alert", "Storage") if kind.endswith(name)), kind)


@pytest.mark.parametrize("kind", KINDS)
@BOTH_WAYS
def test_what_one_writes_the_other_reads(client, kind, writer, reader):
    given, set_then, read_too = KINDS[kind]
    given = filled(given, next(TICKET))
    made = getattr(writer, kind).new(**given)
    if kind in ("Folder", "Run"):  # a star needs something that is there
        made.commit()
    for name, value in set_then.items():
        setattr(made, name, value)
    made.commit()

    said = {**given, **set_then, **read_too}
    expected = {name: value for name, value in said.items() if name not in UNREAD}
    expected |= {"colour": "#f00" if reader is ours else "#ff0000"} if kind == "Tag" else {}
    with Session(client):  # ours asks the server, too
        read = getattr(reader, shared(kind))(identifier=made.id)
        assert type(read).__name__ == kind
        assert {name: plain(attrgetter(name)(read)) for name in expected} == expected
        if (reader, kind) != (theirs, "Grid"):  # which lists none
            assert made.id in dict(getattr(reader, shared(kind)).get(count=100))


def test_a_threshold_of_zero_is_one_for_objmapper(client):
    """The published client reads an alert on a range."""
    given = filled(KINDS["MetricsThresholdAlert"][0] | {"threshold": 0}, next(TICKET))
    made = theirs.MetricsThresholdAlert.new(**given)
    made.commit()
    read = ours.Alert(identifier=made.id)
    assert (type(read), read.alert.threshold) == (ours.MetricsThresholdAlert, 0)


@BOTH_WAYS
def test_who_sees_a_run_and_what_watches_it(client, writer, reader):
    alert = writer.UserAlert.new(
        name=f"watch {next(TICKET)}", description=None, notification="none"
    )
    alert.commit()
    run = writer.Run.new(folder="/")
    run.alerts = [alert.id]
    run.commit()
    run.visibility.public = True
    run.commit()
    alert.set_status(run.id, "critical")
    run.send_heartbeat()
    run.abort("why")

    with Session(client):
        read = reader.Run(identifier=run.id)
        assert read.alerts == [alert.id]
        assert read.visibility.public
        assert read.abort_trigger
        assert plain(reader.Alert(identifier=alert.id).get_status(run.id)) == "critical"
        (detail,) = read.get_alert_details()
        assert (detail["alert"] if reader is ours else detail)["id"] == alert.id


@BOTH_WAYS
@pytest.mark.parametrize("backend", ["File", "S3"])
def test_a_file_of_a_run(client, run, tmp_path, writer, reader, backend):
    if backend == "S3":
        given = filled(KINDS["S3Storage"][0], next(TICKET))
        storage = ours.S3Storage.new(**{**given, "is_enabled": True, "is_default": True})
        storage.commit()
    path = tmp_path / "grüße.txt"
    path.write_bytes(b"Hello")
    artifact = writer.FileArtifact.new(
        name="f", storage=None, file_path=path, mime_type="text/plain", metadata={"a": 1}
    )
    artifact.attach_to_run(run.id, "input")

    with Session(client):
        read = reader.Artifact(identifier=artifact.id)
        assert type(read).__name__ == "FileArtifact"
        assert (read.name, read.size, read.mime_type) == ("f", 5, "text/plain")
        assert (read.original_path, read.checksum) == (str(path), artifact.checksum)
        assert read.uploaded
        assert list(read.runs) == [run.id]
        assert b"".join(read.download_content()) == b"Hello"
        assert artifact.id in dict(reader.Artifact.from_run(run.id, category="input"))
        assert artifact.id in dict(reader.Artifact.get(count=100))
        assert reader.Artifact.from_name(run.id, "f").id == artifact.id
    if backend == "S3":
        storage.is_default = storage.is_enabled = False
        storage.commit()


@BOTH_WAYS
def test_events_of_a_run(client, run, writer, reader):
    told = [
        {"message": "begun", "log_level": "info", "timestamp": NOON},
        {"message": "Größe", "log_level": None, "timestamp": NOON},
    ]
    writer.Events.new(run=run.id, events=told).commit()
    read = list(reader.Events.get(run.id, count=9))
    assert [(event.message, plain(event.log_level)) for event in read] == [
        ("begun", "info"),
        ("Größe", None),
    ]
    if reader is ours:
        assert {event.timestamp for event in read} == {dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)}


@BOTH_WAYS
def test_metrics_of_a_run(client, run, writer, reader):
    sets = [
        {"time": 0.5 * step, "timestamp": NOON, "step": step, "values": {"x": step, "y": step / 2}}
        for step in range(3)
    ]
    writer.Metrics.new(run=run.id, metrics=sets).commit()
    (page,) = reader.Metrics.get(metrics=["x", "y"], xaxis="step", runs=[run.id])
    assert page[run.id]["y"] == [{"step": step, "value": step / 2} for step in range(3)]
    asked = ours.Metrics if reader is ours else theirs.Metrics.new(run=run.id, metrics=sets)
    assert sorted(asked.names([run.id])) == ["x", "y"]
    assert asked.span([run.id])["max_step"] == 2
    with Session(client):
        assert dict(reader.Run(identifier=run.id).metrics)["x"]["count"] == 3


@BOTH_WAYS
def test_metrics_of_a_run_over_a_grid(client, run, writer, reader):
    grid = writer.Grid.new(name=f"of {next(TICKET)}", grid=[[0, 1], [0, 1]], labels=["x", "y"])
    grid.commit()
    grid.attach_metric_for_run(run.id, "A")
    point = {"time": 0.0, "timestamp": NOON, "step": 0, "array": [[1.0, 2.0], [3.0, 4.0]]}
    writer.GridMetrics.new(run=run.id, data=[{**point, "grid": grid.id, "metric": "A"}]).commit()

    with Session(client):
        (values,) = reader.GridMetrics.get(runs=[run.id], metrics=["A"], step=0)
        assert "[[1.0, 2.0], [3.0, 4.0]]" in repr(values)
        read = reader.Grid(identifier=grid.id)
        asked = {"run_id": run.id, "metric_name": "A"}
        assert read.get_run_metric_values(**asked, step=0) == values
        assert read.get_run_metric_span(**asked)["max_timestamp"] == NOON
        assert [each["id"] for each in reader.Run(identifier=run.id).grids] == [grid.id]


def test_statistics_are_the_same(client):
    mine, their = ours.Stats(), theirs.Stats()
    assert mine.whoami() == their.whoami()
    assert {name: told["runs"] for name, told in mine.admin_stats().items()} == {
        name: told.runs for name, told in their.admin_stats().items()
    }
    assert (mine.runs.created, mine.runs.running) == (their.runs.created, their.runs.running)


@BOTH_WAYS
def test_what_one_deletes_the_other_misses(client, writer, reader):
    run = writer.Run.new(folder="/")
    run.commit()
    run.delete()
    with Session(client), pytest.raises((ours.Run.DoesNotExist, ObjectNotFoundError)):
        reader.Run(identifier=run.id)
