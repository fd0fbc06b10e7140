"""What comes page by page beside objects: metrics, arrays on grids; and lists in the server's own words."""

import datetime as dt
import json

import faulty
import pytest

from objmapper import ContractError, FieldDoesNotExist, QueryError
from objmapper.simvue import Client, Events, Folder, Grid, GridMetrics, Metrics, Run

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.c2lnbmF0dXJl"
KEY = "k" * 22


@pytest.fixture
def run(client):
    run = Run.new(folder="/", name="r", metadata={"a": 1}, tags=["t"])
    run.commit()
    return run


def record(run, there):
    points = [{"time": n, "timestamp": NOW, "step": n, "values": {"x": n}} for n in range(there)]
    Metrics.new(run=run, metrics=points).commit()


@pytest.mark.parametrize(
    ("there", "count", "offset", "steps", "requests"),
    [
        (0, None, None, range(0), 1),
        (99, None, None, range(99), 1),
        (100, None, None, range(100), 2),
        (101, None, None, range(101), 2),
        (150, 150, None, range(150), 2),
        (150, 101, None, range(101), 2),
        (150, 0, None, range(0), 0),
        (150, 7, 140, range(140, 147), 1),
        (150, None, 149, range(149, 150), 1),
    ],
)
def test_as_many_points_come_as_are_asked_for(
    client, run, asked, there, count, offset, steps, requests
):
    record(run, there)
    del asked[:]
    pages = list(Metrics.get(["x"], "step", [run], count=count, offset=offset))
    points = [point for page in pages for point in page.get(run.id, {}).get("x", [])]
    assert points == [{"step": step, "value": step} for step in steps]
    assert asked == ["GET /metrics"] * requests


def test_thinned_and_joined_points_are_one_answer_of_all(client, run, asked):
    record(run, 150)
    del asked[:]
    (thin,) = Metrics.get(["x"], "step", [run], max_points=3)
    assert [point["step"] for point in thin[run.id]["x"]] == [0, 74, 149]
    (joined,) = Metrics.get(["x"], "step", [run], aggregate=True)
    assert len(joined["x"]) == 150
    assert asked == ["GET /metrics"] * 2


def test_questions_below_nought_are_refused(client, run, asked):
    del asked[:]
    for wrong in ({"count": -1}, {"offset": -1}):
        with pytest.raises(ValueError, match="below 0"):
            Metrics.get(["x"], "step", [run], **wrong)
        with pytest.raises(ValueError, match="below 0"):
            Events.get(run, **wrong)
        with pytest.raises(ValueError, match="below 0"):
            GridMetrics.get(runs=[run], metrics=["x"], **wrong)
    assert asked == []


@pytest.mark.parametrize(("there", "count", "came"), [(101, None, 101), (101, 2, 2), (0, None, 0)])
def test_arrays_of_all_steps_come_page_by_page(client, run, asked, there, count, came):
    grid = Grid.new(name="g", grid=[[0, 1]], labels=["x"])
    grid.commit()
    grid.attach_metric_for_run(run, "A")
    told = {"time": 0, "timestamp": NOW, "array": [1.0, 2.0], "grid": grid.id, "metric": "A"}
    GridMetrics.new(run=run, data=[{**told, "step": n} for n in range(there)]).commit()
    del asked[:]
    found = list(GridMetrics.get(runs=[run], metrics=["A"], count=count))
    assert [array["step"] for array in found] == list(range(came))
    assert asked == [f"GET /runs/{run.id}/metrics/A/values"] * (2 if came > 100 else 1)


@pytest.mark.parametrize(
    ("body", "act"),
    [
        (
            {KEY: {"x": [{"step": 0, "value": 1}] * 100}},
            lambda: list(Metrics.get(["x"], "step", [KEY])),
        ),
        (
            {"data": [{"message": "m", "timestamp": "2026-01-01T00:00:00.0"}], "count": 10**9},
            lambda: list(Events.get(KEY)),
        ),
        (
            {"data": [{"step": 0}], "count": 10**9},
            lambda: list(GridMetrics.get(runs=[KEY], metrics=["x"])),
        ),
    ],
)
def test_a_server_that_heeds_no_start_is_left(faulty_server, body, act):
    with Client(faulty_server.url, TOKEN, check_server_version=False):
        faulty_server.then(*[faulty.say(body)] * 9)
        with pytest.raises(ContractError, match="don't end"):
            act()
    assert len(faulty_server.seen) == 3


@pytest.mark.parametrize("body", [[], {KEY: []}, {KEY: {"x": 7}}, {KEY: {"x": {}}}, 7])
def test_points_that_are_none_are_told(faulty_server, body):
    with Client(faulty_server.url, TOKEN, check_server_version=False):
        faulty_server.then(faulty.say(body))
        with pytest.raises(ContractError):
            list(Metrics.get(["x"], "step", [KEY]))


# -- lists in the server's own words --------------------------------------------------------------


def test_what_a_list_of_runs_is_to_have_is_said_and_the_rest_loads_when_it_is_touched(
    client, run, asked
):
    key = run.id
    record(run, 2)
    client.session.close()
    del asked[:]
    ((found, other),) = Run.get(return_metrics=True, return_basic=True)
    assert (found, other.name, other.metrics["x"]["count"]) == (key, "r", 2)
    assert asked == ["GET /runs"]
    assert other.metadata == {"a": 1}
    assert asked == ["GET /runs", f"GET /runs/{key}"]


def test_what_the_session_has_is_not_taken_away_by_a_thin_list(client, run):
    run.refresh()
    ((_, other),) = Run.get(return_basic=True)
    assert other is run
    assert run.metadata == {"a": 1}


def sent(query):
    return dict(query.session.dialect.list_request(query.query, None).params)


def test_the_words_go_as_the_published_client_says_them(client):
    said = sent(
        Run._chosen(
            None,
            None,
            None,
            None,
            None,
            {"return_alerts": False, "attributes": ["name", "id"], "return_system": None},
        )
    )
    assert (said["return_alerts"], said["attributes"]) == ("False", '["name", "id"]')
    assert "return_system" not in said


@pytest.mark.parametrize("told", [["has tag.t"], '["has tag.t"]'])
def test_filters_of_the_servers_own_stand_beside_lookups(client, run, told):
    Run.new(folder="/", name="other").commit()
    assert list(Run.ids(filters=told)) == [run.id]
    assert Run.count(filters=told, name="other") == 0
    query = Run._chosen(None, None, None, None, None, {"filters": told, "name": "r"})
    assert json.loads(sent(query)["filters"]) == ["name == r", "has tag.t"]
    ((_, root),) = Folder.get(filters=["path == /"])
    assert root.path == "/"


@pytest.mark.parametrize(
    "wrong",
    [
        {"return_metrics": "yes"},
        {"filters": "has tag.t"},
        {"filters": [1]},
        {"attributes": {"a": 1}},
    ],
)
def test_words_that_make_no_sense_are_refused(client, wrong):
    with pytest.raises(QueryError, match=next(iter(wrong))):
        Run.get(**wrong)


def test_words_that_a_kind_does_not_have_are_no_fields(client):
    with pytest.raises(FieldDoesNotExist):
        Folder.get(return_metrics=True)
    with pytest.raises(FieldDoesNotExist):
        Run.get(return_metrix=True)
