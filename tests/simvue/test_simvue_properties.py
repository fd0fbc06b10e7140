"""Every property of simvue 2.6.2's classes: it is here, of its kind, and set where it can be."""

import datetime as dt

import pytest

from objmapper import Embedded, ReadOnlyFieldError
from objmapper.simvue import (
    Alert,
    Artifact,
    EventsAlert,
    FileStorage,
    Folder,
    Grid,
    MetricsRangeAlert,
    MetricsThresholdAlert,
    ObjectArtifact,
    Run,
    S3Storage,
    Stats,
    Storage,
    Tag,
    Tenant,
    User,
    UserAlert,
)

TEXT, NUMBER, TRUTH, MOMENT = str, int, bool, dt.datetime
#: Class, property, what it is when it has a value, and whether it is set: "rw", "ro", "once" (before
#: the object exists), "ask" (the server is asked each time).
PROPERTIES = [
    (Run, "name", TEXT, "rw"),
    (Run, "tags", list, "rw"),
    (Run, "status", TEXT, "rw"),
    (Run, "ttl", NUMBER, "rw"),
    (Run, "folder", TEXT, "rw"),
    (Run, "metadata", dict, "rw"),
    (Run, "description", TEXT, "rw"),
    (Run, "system", dict, "rw"),
    (Run, "heartbeat_timeout", NUMBER, "rw"),
    (Run, "notifications", TEXT, "rw"),
    (Run, "alerts", list, "rw"),
    (Run, "created", MOMENT, "ro"),
    (Run, "started", MOMENT, "rw"),
    (Run, "endtime", MOMENT, "rw"),
    (Run, "runtime", dt.timedelta, "ro"),
    (Run, "user", TEXT, "ro"),
    (Run, "star", TRUTH, "rw"),
    (Run, "metrics", dict, "ro"),
    (Run, "events", dict, "ro"),
    (Run, "grids", list, "ask"),
    (Run, "abort_trigger", TRUTH, "ask"),
    (Run, "visibility", Embedded, "rw"),
    (Folder, "path", TEXT, "once"),
    (Folder, "name", TEXT, "rw"),
    (Folder, "description", TEXT, "rw"),
    (Folder, "metadata", dict, "rw"),
    (Folder, "tags", list, "rw"),
    (Folder, "ttl", NUMBER, "rw"),
    (Folder, "star", TRUTH, "rw"),
    (Folder, "created", MOMENT, "ro"),
    (Folder, "tree", dict, "ask"),
    (Tag, "name", TEXT, "rw"),
    (Tag, "colour", TEXT, "rw"),
    (Tag, "description", TEXT, "rw"),
    (Tag, "created", MOMENT, "ro"),
    *[
        (kind, name, what, how)
        for kind in (EventsAlert, MetricsThresholdAlert, MetricsRangeAlert, UserAlert)
        for name, what, how in [
            ("name", TEXT, "rw"),
            ("description", TEXT, "rw"),
            ("auto", TRUTH, "rw"),
            ("notification", TEXT, "rw"),
            ("enabled", TRUTH, "rw"),
            ("abort", TRUTH, "rw"),
            ("run_tags", list, "ro"),
            ("source", TEXT, "ro"),
            ("delay", NUMBER, "ro"),
            ("created", MOMENT, "ro"),
        ]
    ],
    (EventsAlert, "alert.pattern", TEXT, "ro"),
    (EventsAlert, "alert.frequency", NUMBER, "rw"),
    *[
        (kind, f"alert.{name}", what, how)
        for kind in (MetricsThresholdAlert, MetricsRangeAlert)
        for name, what, how in [
            ("aggregation", TEXT, "ro"),
            ("rule", TEXT, "ro"),
            ("window", NUMBER, "ro"),
            ("metric", TEXT, "ro"),
            ("frequency", NUMBER, "rw"),
        ]
    ],
    (MetricsThresholdAlert, "alert.threshold", float, "ro"),
    (MetricsRangeAlert, "alert.range_low", float, "ro"),
    (MetricsRangeAlert, "alert.range_high", float, "ro"),
    (Artifact, "checksum", TEXT, "once"),
    (Artifact, "original_path", TEXT, "once"),
    (Artifact, "storage_id", TEXT, "ro"),
    (Artifact, "mime_type", TEXT, "once"),
    (Artifact, "size", NUMBER, "once"),
    (Artifact, "name", TEXT, "once"),
    (Artifact, "metadata", dict, "once"),
    (Artifact, "created", MOMENT, "ro"),
    (Artifact, "download_url", TEXT, "ro"),
    (Artifact, "storage_url", TEXT, "ask"),
    (Artifact, "uploaded", TRUTH, "ro"),
    *[
        (kind, name, what, how)
        for kind in (FileStorage, S3Storage)
        for name, what, how in [
            ("name", TEXT, "rw"),
            ("is_default", TRUTH, "rw"),
            ("is_tenant_useable", TRUTH, "rw"),
            ("is_enabled", TRUTH, "rw"),
            ("backend", TEXT, "ro"),
            ("created", MOMENT, "ro"),
        ]
    ],
    (S3Storage, "config.endpoint_url", TEXT, "rw"),
    (S3Storage, "config.region_name", TEXT, "rw"),
    (S3Storage, "config.bucket", TEXT, "rw"),
    (Tenant, "name", TEXT, "rw"),
    (Tenant, "is_enabled", TRUTH, "rw"),
    (Tenant, "max_request_rate", NUMBER, "rw"),
    (Tenant, "max_runs", NUMBER, "rw"),
    (Tenant, "max_data_volume", NUMBER, "rw"),
    (Tenant, "created", MOMENT, "ro"),
    (User, "username", TEXT, "rw"),
    (User, "fullname", TEXT, "rw"),
    (User, "email", TEXT, "rw"),
    (User, "is_manager", TRUTH, "rw"),
    (User, "is_admin", TRUTH, "rw"),
    (User, "is_readonly", TRUTH, "rw"),
    (User, "enabled", TRUTH, "rw"),
    (User, "deleted", TRUTH, "ro"),
    (User, "created", MOMENT, "ro"),
    (Grid, "grid", list, "once"),
    (Grid, "name", TEXT, "once"),
    (Grid, "dimensions", NUMBER, "ro"),
]
METRIC = {"metric": "x", "window": 1, "frequency": 1}


def _run():
    run = Run.new(folder="/", name="r", tags=["t"], description="d", ttl=5, heartbeat_timeout=60)
    run.metadata, run.system, run.status = {"a": 1}, {"cwd": "/w"}, "running"
    run.started = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    run.endtime = dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC)
    return run


def _folder():
    values = {"description": "d", "metadata": {"a": 1}, "tags": ["t"], "ttl": 5, "name": "n"}
    return Folder.new(path="/a", **values)


def _user():
    told = {"fullname": "A", "email": "a@b.io", "is_manager": False, "is_admin": False}
    return User.new(username="ann", is_readonly=True, welcome=False, tenant="default", **told)


MAKE = {
    Run: _run,
    Folder: _folder,
    Tag: lambda: Tag.new(name="t", colour="red", description="d"),
    EventsAlert: lambda: EventsAlert.new(name="e", pattern="x", frequency=1, description="d"),
    MetricsThresholdAlert: lambda: MetricsThresholdAlert.new(
        name="t", rule="is above", threshold=0, description="d", **METRIC
    ),
    MetricsRangeAlert: lambda: MetricsRangeAlert.new(
        name="r", rule="is inside range", range_low=0, range_high=1, description="d", **METRIC
    ),
    UserAlert: lambda: UserAlert.new(name="u", description="d"),
    Artifact: lambda: ObjectArtifact.new(name="o", obj=[1], metadata={"a": 1}),
    FileStorage: lambda: FileStorage.new(name="f"),
    S3Storage: lambda: S3Storage.new(
        name="s",
        bucket="b",
        endpoint_url="https://s3.example",
        region_name="eu",
        access_key_id="k",
        secret_access_key="s",
    ),
    Tenant: lambda: Tenant.new(name="T"),
    User: _user,
    Grid: lambda: Grid.new(name="g", grid=[[0, 1]], labels=["x"]),
}
#: What a server may leave null, and leaves so in these objects.
UNSET = {"delay", "original_path"}


def reached(obj, name):
    """Return what a property stands on, and its own name."""
    *way, last = name.split(".")
    for each in way:
        obj = getattr(obj, each)
    return obj, last


@pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
def test_every_property_of_a_kind_is_read_as_what_it_is_and_set_where_it_can_be(
    client, asked, kind
):
    made = MAKE[kind]()
    made.commit()
    key = made.id
    client.session.close()
    fetched = kind(identifier=key)
    fetched.read_only(False)
    del asked[:]
    rows = [row for row in PROPERTIES if row[0] is kind]
    assert rows
    for _, name, what, how in rows:
        holder, last = reached(fetched, name)
        value = getattr(holder, last)
        assert isinstance(value, what) or (value is None and last in UNSET), name
        assert how == "ask" or asked == [], name
        del asked[:]
        if how == "rw":
            setattr(holder, last, value)
        else:
            with pytest.raises(AttributeError) as raised:
                setattr(holder, last, value)
            assert how == "ask" or last == "dimensions" or raised.type is ReadOnlyFieldError, name
    assert fetched.changes == {}
    assert asked == []


def test_every_class_that_has_properties_is_walked():
    assert {row[0] for row in PROPERTIES} == set(MAKE)
    assert len({row[:2] for row in PROPERTIES}) == len(PROPERTIES)


def test_the_factories_find_the_kind(client):
    for kind, root in [(EventsAlert, Alert), (S3Storage, Storage), (Artifact, Artifact)]:
        made = MAKE[kind]()
        made.commit()
        key = made.id
        client.session.close()
        assert isinstance(root(identifier=key), type(made))


def test_statistics_have_their_four_counts(client):
    MAKE[Run]().commit()
    runs = Stats().runs
    assert {name: getattr(runs, name) for name in ("created", "running")} == {
        "created": 0,
        "running": 1,
    }
    assert [name for name in ("completed", "data") if not hasattr(runs, name)] == []
    with pytest.raises(ReadOnlyFieldError):
        runs.running = 7
