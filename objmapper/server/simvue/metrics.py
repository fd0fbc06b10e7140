"""Metrics: values of runs by step and time; read one by one, thinned out, or over several runs."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from objmapper.server.simvue import run_search, watching
from objmapper.server.simvue.call import KEYS, Answer, Call
from objmapper.server.simvue.errors import Unprocessable
from objmapper.server.simvue.validation import Many, Nested, Object, clean, clean_one
from objmapper.server.simvue.values import Integer, Moment, Number, Text

_AXES = ("step", "time", "timestamp")
_METRICS = {
    "run": Text(required=True),
    "metrics": Many(
        Nested(
            {
                "time": Number(required=True),
                "timestamp": Moment(null=True),
                "step": Integer(required=True, least=0),
                "values": Object(Number(boolean=True), required=True),
            }
        ),
        required=True,
    ),
}


def recorded(call: Call) -> Answer:
    said = clean(call.packed(), _METRICS)
    (run,) = run_search.named(call, [said["run"]], "body", "run").values()
    run_search.writable(call, said["run"])
    values = [
        (run, name, each["step"], each["time"], each["timestamp"] or call.now(), value)
        for each in said["metrics"]
        for name, value in each["values"].items()
    ]
    call.connection.executemany(
        "INSERT INTO metric (run_id, name, step, time, timestamp, value) VALUES (?, ?, ?, ?, ?, ?)",
        values,
    )
    watching.metrics(call, run, {name for _, name, *_ in values})
    return Answer({})


def listed(call: Call) -> Answer:
    """``{run: {metric: [{axis, value}]}}``; with ``aggregate`` the figures over all of the runs."""
    axis = call.parameter("xaxis") or "step"
    if axis not in _AXES:
        raise Unprocessable.at(
            "literal_error", f"Input should be {' or '.join(map(repr, _AXES))}", "query", "xaxis"
        )
    asked = run_search.named(call, call.names("runs"), "query", "runs")
    names = call.names("metrics")
    count, start = call.number("count") or None, call.number("start") or 0
    points = call.number("max_points", None, least=1)
    if call.flag("aggregate"):
        if axis == "timestamp":
            text = "Timestamps of different runs can't be aggregated"
            raise Unprocessable.at("literal_error", text, "query", "xaxis")
        found = _aggregated(call, list(asked.values()), names, axis)
        return Answer({name: _thinned(rows, points) for name, rows in found.items()})
    answer = {}
    for key, run in asked.items():
        values = _values(call, run, names, axis)
        answer[key] = {
            name: _thinned(rows[start:][:count], points) for name, rows in values.items()
        }
    return Answer(answer)


def _values(call: Call, run: int, names: list[str], axis: str) -> dict[str, list[dict[str, Any]]]:
    rows = call.rows_of(
        f"SELECT name, {axis} AS x, value FROM metric WHERE run_id = {run} AND name IN {KEYS}"
        " ORDER BY x, id",
        names,
    )
    found = defaultdict(list)
    for row in rows:
        found[row["name"]].append({axis: row["x"], "value": row["value"]})
    return {name: found[name] for name in names if name in found}


def _aggregated(
    call: Call, asked: list[int], names: list[str], axis: str
) -> dict[str, list[dict[str, Any]]]:
    rows = call.rows(
        f"SELECT name, {axis} AS x, avg(value) AS average, min(value) AS min, max(value) AS max"
        f" FROM metric WHERE run_id IN {KEYS} AND name IN {KEYS} GROUP BY name, x ORDER BY x",
        (json.dumps(asked), json.dumps(names)),
    )
    found = defaultdict(list)
    for row in rows:
        figures = {name: row[name] for name in ("average", "min", "max")}
        found[row["name"]].append({axis: row["x"], **figures})
    return {name: found[name] for name in names if name in found}


def _thinned(rows: list[dict[str, Any]], points: int | None) -> list[dict[str, Any]]:
    """At most so many points, evenly spread: the first and the last of all are among them.

    >>> [row["x"] for row in _thinned([{"x": x} for x in range(7)], 3)]
    [0, 3, 6]
    """
    if points is None or len(rows) <= points:
        return rows
    if points == 1:
        return rows[-1:]
    last = len(rows) - 1
    return [rows[at * last // (points - 1)] for at in range(points)]


def names(call: Call) -> Answer:
    asked = run_search.named(call, call.names("runs"), "query", "runs")
    rows = call.rows_of(
        f"SELECT DISTINCT name FROM metric WHERE run_id IN {KEYS} ORDER BY name", asked.values()
    )
    return Answer([row["name"] for row in rows])


def span(call: Call) -> Answer:
    """From where to where the values of the runs go; the body of this GET is a list of runs."""
    keys = clean_one(call.json(absent="[]"), Many(Text()))
    asked = run_search.named(call, keys, "body")
    (row,) = call.rows_of(
        "SELECT min(step) AS min_step, max(step) AS max_step, min(time) AS min_time,"
        " max(time) AS max_time, min(timestamp) AS min_timestamp, max(timestamp) AS max_timestamp"
        f" FROM metric WHERE run_id IN {KEYS}",
        asked.values(),
    )
    return Answer(dict(row))
