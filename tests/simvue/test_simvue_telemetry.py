"""Events, metrics, grids, statistics, tenants and users."""

import datetime as dt

import msgpack
import pytest

from objmapper import CommitError, QueryError, UnsupportedLookup, ValidationError
from objmapper.operation import Msgpack
from objmapper.simvue import (
    Events,
    FileStorage,
    Grid,
    GridMetrics,
    Metrics,
    Run,
    S3Storage,
    Stats,
    Storage,
    Tenant,
    User,
)

NOW = dt.datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=dt.UTC)
MOMENT = "2026-01-01T12:00:00.250000"


@pytest.fixture
def run(client):
    run = Run.new(folder="/", status="running")
    run.commit()
    return run


def metric(step, **values):
    return {"time": float(step), "timestamp": NOW, "step": step, "values": values}


def test_events_go_as_msgpack_and_come_back(client, run, asked):
    told = [{"message": f"m{n}", "log_level": "info", "timestamp": NOW} for n in range(3)]
    client.session.add(events := Events.new(run=run, events=told))
    body = client.session.plan().operations[0].request.body
    assert isinstance(body, Msgpack)
    assert msgpack.unpackb(msgpack.packb({"run": run.id, "events": body.value["events"]})) == {
        "run": run.id,
        "events": [{**one, "timestamp": MOMENT} for one in told],
    }
    del asked[:]
    events.commit()
    assert asked == ["POST /events"]
    found = list(Events.get(run.id))
    assert [(event.message, event.log_level, event.timestamp) for event in found] == [
        (f"m{n}", "info", NOW) for n in range(3)
    ]
    assert [event.message for event in Events.get(run, count=1, offset=1)] == ["m1"]
    assert list(Events.get(run, count=0)) == []


@pytest.mark.parametrize(("there", "requests"), [(100, 1), (101, 2)])
def test_events_are_read_in_as_few_pages_as_there_are(client, run, asked, there, requests):
    told = [{"message": f"m{n}", "timestamp": NOW} for n in range(there)]
    Events.new(run=run, events=told).commit()
    del asked[:]
    assert len(list(Events.get(run))) == there
    assert len(asked) == requests


def test_a_run_and_what_it_tells_go_in_one_commit(client, asked):
    run = Run.new(folder="/")
    client.session.add(Events.new(run=run, events=[{"message": "m", "timestamp": NOW}]))
    client.session.add(Metrics.new(run=run, metrics=[metric(0, x=1)]))
    report = client.session.commit()
    assert asked[0] == "POST /runs"
    assert sorted(asked[1:]) == ["POST /events", "POST /metrics"]
    assert run in report.created
    assert Metrics.names([run]) == ["x"]


def test_events_of_a_run_that_is_none_are_refused_with_the_servers_words(client):
    with pytest.raises(CommitError, match="422"):
        Events.new(run="x" * 22, events=[{"message": "m", "timestamp": NOW}]).commit()
    client.session.rollback()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda run: Events.new(run=run, events=[{"timestamp": NOW}]), "message"),
        (
            lambda run: Events.new(run=run, events=[{"message": "m", "timestamp": "soon"}]),
            "timestamp",
        ),
        (
            lambda run: Events.new(
                run=run, events=[{"message": "m", "timestamp": NOW, "log_level": "loud"}]
            ),
            "log_level",
        ),
        (lambda run: Metrics.new(run=run, metrics=[metric(-1, x=1)]), "step"),
        (lambda run: Metrics.new(run=run, metrics=[metric(0, x="1")]), "Not a number"),
        (lambda run: Metrics.new(run=run, metrics=[metric(0, x=float("nan"))]), "metrics"),
        (lambda run: Metrics.new(run=run, metrics=[metric(0, **{"a&b": 1})]), "name of a metric"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_sent(client, run, asked, make, said):
    del asked[:]
    with pytest.raises(ValidationError, match=said):
        make(run).commit()
    assert asked == []
    client.session.rollback()


def test_metrics_come_back(client, run):
    Metrics.new(run=run, metrics=[metric(n, x=n / 2, y=n) for n in range(4)]).commit()
    (page,) = Metrics.get(["x"], "step", [run])
    assert [(point["step"], point["value"]) for point in page[run.id]["x"]] == [
        (0, 0.0),
        (1, 0.5),
        (2, 1.0),
        (3, 1.5),
    ]
    assert sorted(Metrics.names([run.id])) == ["x", "y"]
    assert isinstance(Metrics.span([run]), dict)
    run.refresh()
    assert run.metrics["x"]["count"] == 4
    with pytest.raises(ValueError, match="xaxis"):
        list(Metrics.get(["x"], "place", [run]))


def test_what_has_no_key_is_only_sent(client, run):
    events = Events.new(run=run, events=[{"message": "m", "timestamp": NOW}])
    events.commit()
    for question in (lambda: Events.objects.in_bulk(["a"]), lambda: Events.objects.all().delete()):
        with pytest.raises(QueryError):
            question()
    for kind in (Events, Metrics, GridMetrics):
        with pytest.raises(UnsupportedLookup, match=rf"{kind.__name__}\.get"):
            list(kind.objects.filter(run=run))


def test_metrics_over_grids(client, run, asked):
    grid = Grid.new(name="g", grid=[[0, 1], [0, 1]], labels=["x", "y"])
    grid.commit()
    grid.attach_metric_for_run(run, "A")
    point = {"time": 0.0, "timestamp": NOW, "step": 0, "array": [[1.0, 2.0], [3.0, 4.0]]}
    GridMetrics.new(run=run, data=[{**point, "grid": grid.id, "metric": "A"}]).commit()
    assert f"POST /runs/{run.id}/metrics" in asked
    (values,) = GridMetrics.get(runs=[run], metrics=["A"], step=0)
    assert values == grid.get_run_metric_values(run.id, "A", 0)
    assert "[[1.0, 2.0], [3.0, 4.0]]" in repr(values)
    assert set(grid.get_run_metric_span(run, "A")) >= {"min_timestamp", "max_timestamp"}
    assert len(run.grids) == 1
    grid.refresh()
    assert (grid.dimensions, grid.name, grid.grid) == (2, "g", [[0.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("axes", "labels", "said"),
    [
        ([], [], "one or two"),
        ([[0]], ["x", "y"], "label"),
        ([[1, 0]], ["x"], "ascends"),
        ([[0]] * 3, "xyz", "two"),
    ],
)
def test_what_makes_no_grid_is_refused(axes, labels, said):
    with pytest.raises(ValueError, match=said):
        Grid.new(name="g", grid=axes, labels=labels)


def test_statistics_are_one_request(client, run, asked):
    del asked[:]
    runs = Stats().runs
    assert (runs.created, runs.running) == (0, 1)
    assert asked == ["GET /stats"]
    assert Stats().whoami()["username"] == "admin"
    assert isinstance(Stats().admin_stats(), dict)
    with pytest.raises(AttributeError):
        Stats.new()


def test_tenants_and_users(client):
    tenant = Tenant.new(name="t", max_runs=5)
    assert tenant.commit().created.objects == [tenant]
    told = {"fullname": "A", "email": "a@b.io", "is_manager": False, "is_admin": False}
    user = User.new(username="ann", is_readonly=True, welcome=False, tenant=tenant.id, **told)
    client.session.add(user)
    body = client.session.plan().operations[0].request.body.value
    assert body["user"]["username"] == body["username"] == "ann"
    user.commit()
    user.refresh()
    assert (user.enabled, user.deleted, user.is_readonly) == (True, False, True)
    user.fullname = "Ann"
    user.enabled = False
    user.commit()
    user.refresh()
    assert (user.fullname, user.enabled) == ("Ann", False)
    tenant.refresh()
    assert (tenant.max_runs, tenant.is_enabled) == (5, True)
    user.delete()
    with pytest.raises(User.DoesNotExist):
        User(identifier=user.id)


def test_storages_are_of_their_kind_in_one_request(client, asked):
    file = FileStorage.new(name="f")
    bucket = S3Storage.new(
        name="s",
        bucket="b",
        endpoint_url="https://s3.example",
        access_key_id="k",
        secret_access_key="s",
    )
    file.commit(), bucket.commit()
    keys = file.id, bucket.id
    client.session.close()
    del asked[:]
    found = [Storage(identifier=key) for key in keys]
    assert [type(each) for each in found] == [FileStorage, S3Storage]
    assert len(asked) == 2
    assert found[1].config.bucket == "b"
    assert {storage.name for _, storage in Storage.get()} >= {"f", "s"}
    assert [storage for _, storage in S3Storage.get()] == [found[1]]
    assert found[0] in FileStorage.objects.all()
    assert [storage.backend for storage in found] == ["File", "S3"]
    found[1].read_only(False)
    found[1].config.region_name = "eu"
    found[1].commit()
    found[1].refresh()
    assert (found[1].config.region_name, found[1].config.bucket) == ("eu", "b")
