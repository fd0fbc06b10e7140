"""Alerts, events and metrics: what is watched, what arrives, what is found."""

import json

import msgpack
import pytest

NOON = "2026-01-31T12:00:00.000000"
THRESHOLD = {
    "metric": "m",
    "aggregation": "average",
    "window": 1,
    "frequency": 1,
    "rule": "is above",
    "threshold": 0,
}
RANGE = {
    "metric": "m",
    "aggregation": "all",
    "window": 1,
    "frequency": 1,
    "rule": "is inside range",
    "range_low": 1,
    "range_high": 3,
}


def alert(door, source, definition=None, **values):
    body = {"name": "watch", "source": source, **values}
    return door.post("/alerts", body if definition is None else {**body, "alert": definition})["id"]


def log(door, run, *messages, at=NOON):
    events = [{"message": each, "log_level": None, "timestamp": at} for each in messages]
    return packed(door, "/events", {"run": run, "events": events})


def send(door, run, *values, name="m", at=NOON, step=0):
    sets = [
        {"step": step + n, "time": float(step + n), "timestamp": at, "values": {name: value}}
        for n, value in enumerate(values)
    ]
    return packed(door, "/metrics", {"run": run, "metrics": sets})


def packed(door, path, body, status=200):
    headers = {"Content-Type": "application/msgpack"}
    answer = door("POST", path, data=msgpack.packb(body, use_bin_type=True), headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


# -- alerts ---------------------------------------------------------------------------------------


def test_an_alert_says_what_its_source_wants(door):
    for source, said in (
        ("events", {"pattern": "x", "frequency": 1}),
        ("metrics", THRESHOLD),
        ("metrics", RANGE),
        ("user", None),
    ):
        row = door.get(f"/alerts/{alert(door, source, said)}")
        assert (row["source"], row["alert"]) == (source, said or {})
        assert (row["notification"], row["enabled"], row["abort"]) == ("none", True, False)


@pytest.mark.parametrize(
    ("source", "said", "faults"),
    [
        ("events", None, {"body.alert.pattern": "missing", "body.alert.frequency": "missing"}),
        (
            "events",
            {"pattern": "x", "frequency": 0},
            {"body.alert.frequency": "greater_than_equal"},
        ),
        ("metrics", {**THRESHOLD, "rule": "is inside range"}, {"body.alert.rule": "literal_error"}),
        ("metrics", {**THRESHOLD, "threshold": "0"}, {"body.alert.threshold": "float_type"}),
        ("metrics", {**RANGE, "range_high": 1}, {"body.alert": "range"}),
        ("metrics", {**RANGE, "threshold": 1}, {"body.alert.threshold": "extra_forbidden"}),
        ("user", {"pattern": "x"}, {"body.alert.pattern": "extra_forbidden"}),
        ("metrics", "text", {"body.alert": "dict_type"}),
        ("cron", None, {"body.source": "literal_error"}),
    ],
)
def test_an_alert_that_says_something_else_is_refused(door, source, said, faults):
    body = {"name": "watch", "source": source, "alert": said}
    assert door.faults("/alerts", body) == faults


def test_an_alert_that_says_the_same_is_the_one_if_that_is_asked_for(door):
    key = alert(door, "metrics", THRESHOLD)
    same = {"name": "watch", "source": "metrics", "alert": THRESHOLD}
    assert door.post("/alerts?deduplicate=True", same, status=409)["id"] == key
    assert door.post("/alerts", same)["id"] != key
    other = {**same, "alert": {**THRESHOLD, "threshold": 1}}
    assert door.post("/alerts?deduplicate=True", other)["id"] != key
    assert door.post("/alerts?deduplicate=True", {**same, "description": "d"})["id"] != key


def test_an_alert_changes_but_for_its_source(door):
    key = alert(door, "events", {"pattern": "x", "frequency": 1})
    said = {"source": "events", "alert": {"pattern": "x", "frequency": 5}, "enabled": False}
    door.put(f"/alerts/{key}?deduplicate=True", said)
    row = door.get(f"/alerts/{key}")
    assert (row["alert"]["frequency"], row["enabled"]) == (5, False)
    assert door.faults(f"/alerts/{key}", {"source": "user"}, "put") == {
        "body.source": "frozen_field"
    }
    assert door.faults(f"/alerts/{key}", {"alert": {"frequency": 1}}, "put") == {
        "body.alert.pattern": "missing"
    }


def test_a_user_sets_an_alert_of_a_run(door):
    key, other = alert(door, "user"), alert(door, "events", {"pattern": "x", "frequency": 1})
    run = door.run(alerts=[key])
    assert door.get(f"/alerts/{key}/status/{run}") == {"status": None}
    door.put(f"/alerts/{key}/status/{run}", {"status": "critical"})
    assert door.get(f"/alerts/{key}/status/{run}") == {"status": "critical"}
    assert [each["alert"]["id"] for each in door.get(f"/runs/{run}")["alerts"]] == [key]
    door.put(f"/runs/{run}", {"alerts": [key, other]})
    assert door.get(f"/alerts/{key}/status/{run}") == {"status": "critical"}
    assert door.faults(f"/alerts/{other}/status/{run}", {"status": "ok"}, "put") == {
        "body.status": "alert"
    }
    assert door.faults(f"/alerts/{key}/status/{run}", {"status": "bad"}, "put") == {
        "body.status": "literal_error"
    }
    door.put(f"/runs/{run}", {"alerts": [other]})
    door.get(f"/alerts/{key}/status/{run}", status=404)
    door.delete(f"/alerts/{other}")
    assert door.get(f"/runs/{run}")["alerts"] == []


def test_a_line_with_the_pattern_is_critical_from_then_on(door):
    key = alert(door, "events", {"pattern": "went wrong", "frequency": 1})
    run = door.run(alerts=[key])
    log(door, run, "all is well")
    assert door.get(f"/alerts/{key}/status/{run}") == {"status": "ok"}
    log(door, run, "it went wrong", "again")
    log(door, run, "all is well")
    assert door.get(f"/alerts/{key}/status/{run}") == {"status": "critical"}


@pytest.mark.parametrize(
    ("definition", "values", "critical"),
    [
        (THRESHOLD, [-1, 2], True),
        (THRESHOLD, [0], False),
        (THRESHOLD | {"rule": "is below"}, [-3, 2], True),
        (THRESHOLD | {"aggregation": "sum", "threshold": 5}, [2, 4], True),
        (THRESHOLD | {"aggregation": "at least one", "threshold": 5}, [9, 0], True),
        (THRESHOLD | {"aggregation": "all", "threshold": 5}, [9, 0], False),
        (RANGE, [1, 3], True),
        (RANGE, [1, 4], False),
        (RANGE | {"rule": "is outside range", "aggregation": "at least one"}, [2, 4], True),
    ],
)
def test_a_metric_is_judged_by_its_rule(door, definition, values, critical):
    key = alert(door, "metrics", definition)
    run = door.run(alerts=[key])
    send(door, run, *values)
    status = "critical" if critical else "ok"
    assert door.get(f"/alerts/{key}/status/{run}") == {"status": status}


def test_a_metric_is_judged_by_what_is_in_the_window_alone(door):
    key = alert(door, "metrics", THRESHOLD | {"aggregation": "at least one"})
    run = door.run(alerts=[key])
    send(door, run, 9)
    send(door, run, -1, at="2026-01-31T12:00:59.000000")
    assert door.get(f"/alerts/{key}/status/{run}") == {"status": "critical"}
    send(door, run, -1, at="2026-01-31T12:02:00.000000")
    assert door.get(f"/alerts/{key}/status/{run}") == {"status": "ok"}


def test_a_window_may_reach_further_back_than_time_itself(door):
    key = alert(door, "metrics", THRESHOLD | {"window": 2**40})
    run = door.run(alerts=[key])
    send(door, run, 9)
    assert door.get(f"/alerts/{key}/status/{run}") == {"status": "critical"}


def test_an_alert_may_ask_a_run_to_end_and_one_that_is_off_asks_nothing(door):
    ends = alert(door, "metrics", THRESHOLD, abort=True)
    off = alert(door, "metrics", THRESHOLD, abort=True, enabled=False)
    one, two = door.run(alerts=[off]), door.run(alerts=[ends])
    for run in (one, two):
        send(door, run, 9)
    assert door.get(f"/alerts/{off}/status/{one}") == {"status": None}
    assert door.get(f"/runs/{one}/abort") == {"status": False}
    assert door.get(f"/runs/{two}/abort") == {"status": True}


# -- events ---------------------------------------------------------------------------------------


def test_events_are_read_in_their_order_page_by_page(door):
    run = door.run()
    log(door, run, "late", at="2026-01-31T13:00:00.000000")
    log(door, run, "early", "next")
    page = door.get("/events", run=run, count=2, start=0)
    assert page == {
        "data": [
            {"message": text, "log_level": None, "timestamp": NOON} for text in ("early", "next")
        ],
        "count": 3,
    }
    assert [each["message"] for each in door.get("/events", run=run, start=2)["data"]] == ["late"]
    filters = json.dumps(["event.message contains a"])
    assert door.get("/events", run=run, filters=filters, count=0)["count"] == 2
    assert door.get("/events", run=run, filters="", count=0)["count"] == 3
    door.get("/events", run=run, filters='["starred"]', status=422)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"run": "none", "events": []}, {"body.run": "run"}),
        ({"run": 1, "events": []}, {"body.run": "string_type"}),
        ({"events": []}, {"body.run": "missing"}),
        ([], {"body": "dict_type"}),
        (
            {"run": "x", "events": [{"message": "m", "timestamp": "now", "log_level": "loud"}]},
            {
                "body.events.0.timestamp": "datetime_parsing",
                "body.events.0.log_level": "literal_error",
            },
        ),
    ],
)
def test_events_that_are_none_are_refused(door, body, fault):
    detail = packed(door, "/events", body, status=422)["detail"]
    assert {".".join(map(str, each["loc"])): each["type"] for each in detail} == fault


@pytest.mark.parametrize(
    "content", [b"", b"\xc1", b"\x81\x01\x02", b"\x91" * 5000, b"\xdf\xff\xff"]
)
def test_what_is_no_msgpack_is_a_422(door, content):
    headers = {"Content-Type": "application/msgpack"}
    answer = door("POST", "/metrics", data=content, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "msgpack_invalid"


def test_a_histogram_counts_by_windows(door):
    run = door.run()
    log(door, run, "a", "b")
    log(door, run, "c", at="2026-01-31T12:01:30.000000")
    asked = {"run": run, "timestamp_begin": NOON, "timestamp_end": "2026-01-31T12:03:00.000000"}
    data = door.get("/events/histogram", **asked, window=60)["data"]
    assert [each["count"] for each in data] == [2, 1, 0]
    assert data[1]["timestamp"] == "2026-01-31T12:01:00.000000"
    for wrong in ({"window": 0}, {}, {"window": 60, "timestamp_end": NOON}, {"window": 10**15}):
        status = 200 if wrong == {"window": 10**15} else 422
        door.get("/events/histogram", status=status, **asked | wrong)


# -- metrics --------------------------------------------------------------------------------------


def test_metrics_are_read_by_run_and_name(door):
    one, two = door.run(), door.run()
    send(door, one, 1, 2.5)
    send(door, one, True, name="aB0-_/.:=><+()")
    send(door, two, 7)
    asked = {"runs": json.dumps([two, one]), "metrics": '["m", "none"]'}
    assert door.get("/metrics", xaxis="step", **asked) == {
        one: {"m": [{"step": 0, "value": 1}, {"step": 1, "value": 2.5}]},
        two: {"m": [{"step": 0, "value": 7}]},
    }
    assert door.get("/metrics", xaxis="time", **asked)[two] == {"m": [{"time": 0.0, "value": 7}]}
    assert door.get("/metrics", xaxis="timestamp", **asked)[two] == {
        "m": [{"timestamp": NOON, "value": 7}]
    }
    assert door.get("/metrics/names", runs=json.dumps([one])) == ["aB0-_/.:=><+()", "m"]
    assert door.get(f"/runs/{one}")["metrics"]["m"] == {
        "count": 2,
        "min": 1,
        "max": 2.5,
        "average": 1.75,
    }


def test_metrics_of_several_runs_become_one(door):
    one, two = door.run(), door.run()
    send(door, one, 1, 2)
    send(door, two, 3)
    asked = {"runs": json.dumps([one, two]), "metrics": '["m"]', "aggregate": True}
    assert door.get("/metrics", xaxis="step", **asked) == {
        "m": [
            {"step": 0, "average": 2, "min": 1, "max": 3},
            {"step": 1, "average": 2, "min": 2, "max": 2},
        ]
    }
    door.get("/metrics", xaxis="timestamp", status=422, **asked)


@pytest.mark.parametrize(
    ("points", "steps"),
    [(1, [6]), (2, [0, 6]), (3, [0, 3, 6]), (7, [*range(7)]), (99, [*range(7)])],
)
def test_metrics_are_thinned_out(door, points, steps):
    run = door.run()
    send(door, run, *range(7))
    asked = {"runs": json.dumps([run]), "metrics": '["m"]', "max_points": points}
    found = door.get("/metrics", xaxis="step", **asked)[run]["m"]
    assert [each["step"] for each in found] == steps
    aggregated = door.get("/metrics", xaxis="step", aggregate=True, **asked)["m"]
    assert [each["step"] for each in aggregated] == steps


def test_a_part_of_the_values_is_read(door):
    run = door.run()
    send(door, run, *range(5))
    asked = {"runs": json.dumps([run]), "metrics": '["m"]', "count": 2, "start": 1}
    assert [each["value"] for each in door.get("/metrics", **asked)[run]["m"]] == [1, 2]


def test_the_span_is_asked_for_in_the_body_of_a_get(door):
    run = door.run()
    send(door, run, 5, 6, step=3)
    assert door("GET", "/metrics/span", json=[run]).json() == {
        "min_step": 3,
        "max_step": 4,
        "min_time": 3.0,
        "max_time": 4.0,
        "min_timestamp": NOON,
        "max_timestamp": NOON,
    }
    assert door("GET", "/metrics/span", json=["none"]).status_code == 422
    assert door("GET", "/metrics/span", json={"a": 1}).status_code == 422


@pytest.mark.parametrize(
    "asked",
    [
        {"runs": '["none"]'},
        {"runs": "none"},
        {"xaxis": "space"},
        {"max_points": 0},
        {"aggregate": "perhaps"},
        {"metrics": "[1]"},
    ],
)
def test_metrics_that_are_none_are_refused(door, asked):
    (place,) = asked
    assert door.get("/metrics", status=422, **asked)["detail"][0]["loc"] == ["query", place]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "5", None, [1]])
def test_a_value_that_is_no_number_is_refused(door, value):
    run = door.run()
    sets = [{"step": 0, "time": 0, "timestamp": NOON, "values": {"m": value}}]
    if value == 10**400:
        answer = door("POST", "/metrics", json={"run": run, "metrics": sets})
        assert answer.status_code == 422
        detail = answer.json()["detail"]
    else:
        detail = packed(door, "/metrics", {"run": run, "metrics": sets}, status=422)["detail"]
    assert detail[0]["loc"] == ["body", "metrics", 0, "values", "m"]
    assert door.get(f"/runs/{run}")["metrics"] == {}


# -- grids ----------------------------------------------------------------------------------------


def test_arrays_stand_on_a_grid(door):
    run = door.run()
    grid = door.post("/grids", {"name": "g", "grid": [[0, 1.5], [0, 1, 2]], "labels": ["x", "y"]})
    key, name = grid["id"], "a/b"
    assert door.get(f"/grids/{key}")["grid"] == [[0, 1.5], [0, 1, 2]]
    array = {"time": 0, "timestamp": NOON, "step": 4, "array": [[1, 2, 3], [4, 5, 6]], "grid": key}
    wrong = packed(door, f"/runs/{run}/metrics", [{**array, "metric": name}], status=422)
    assert wrong["detail"][0]["loc"] == ["body", 0, "grid"]
    door.put(f"/runs/{run}/grids/{key}", {"metric": name})
    assert [(each["id"], each["metric"]) for each in door.get(f"/runs/{run}/grids")] == [
        (key, name)
    ]
    packed(door, f"/runs/{run}/metrics", [{**array, "metric": name}])
    assert door.get(f"/runs/{run}/metrics/{name}/values", step=4) == {**array, "metric": name}
    assert door.get(f"/runs/{run}/metrics/{name}/values")["count"] == 1
    door.get(f"/runs/{run}/metrics/{name}/values", step=5, status=404)
    (span,) = door.get(f"/runs/{run}/metrics/{name}/span")
    assert (span["min_step"], span["max_timestamp"]) == (4, NOON)
    assert door.get(f"/runs/{run}/metrics/none/span") == []
    bad = {**array, "metric": name, "array": [[1, 2], [3]]}
    wrong = packed(door, f"/runs/{run}/metrics", [bad], status=422)
    assert wrong["detail"][0]["loc"] == ["body", 0, "array"]
    assert door.delete(f"/grids/{key}") == {}


@pytest.mark.parametrize(
    ("grid", "labels", "fault"),
    [
        ([], [], {"body.grid": "too_short", "body.labels": "too_short"}),
        ([[]], ["x"], {"body.grid.0": "too_short"}),
        ([[1], [1], [1]], ["x", "y"], {"body.grid": "too_long"}),
        ([[1]], ["x", "y"], {"body.labels": "labels"}),
        ([["a"]], ["x"], {"body.grid.0.0": "float_type"}),
    ],
)
def test_a_grid_that_is_none_is_refused(door, grid, labels, fault):
    assert door.faults("/grids", {"name": "g", "grid": grid, "labels": labels}) == fault
