"""Grids: axes that values of a run stand on, as arrays by step."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from objmapper.server.simvue import run_search
from objmapper.server.simvue.call import Answer, Call
from objmapper.server.simvue.errors import NotFound, Unprocessable
from objmapper.server.simvue.listing import Listing, page
from objmapper.server.simvue.resources import Resource
from objmapper.server.simvue.validation import Many, Nested, clean, clean_one
from objmapper.server.simvue.values import Field, Integer, Moment, Number, Text

_GRID = Resource(
    "grid",
    {},
    fixed={
        "name": Text(required=True, least=1),
        "grid": Many(Many(Number(), least=1), required=True, least=1, most=2),
        "labels": Many(Text(), required=True, least=1, most=2),
    },
)
_LISTING = Listing("grid", "grid", {"name": "grid.name", "created": "grid.created"})
_VALUES = Many(
    Nested(
        {
            "time": Number(required=True),
            "timestamp": Moment(null=True),
            "step": Integer(required=True, least=0),
            "array": Field(required=True),
            "grid": Text(required=True),
            "metric": Text(required=True),
        }
    )
)


def listed(call: Call) -> Answer:
    rows, total = _LISTING.rows(call)
    return Answer(page([_GRID.told(row) for row in rows], total))


def created(call: Call) -> Answer:
    values = _GRID.new(call.json())
    if len(values["labels"]) != len(values["grid"]):
        text = f"There should be {len(values['grid'])} labels, one for each axis"
        raise Unprocessable.at("labels", text, "body", "labels")
    return Answer({"id": _GRID.insert(call, values)[1]})


def retrieved(call: Call, key: str) -> Answer:
    return Answer(_GRID.told(call.find("grid", key)))


def deleted(call: Call, key: str) -> Answer:
    call.run("DELETE FROM grid WHERE id = ?", (call.find("grid", key)["id"],))
    return Answer({})


# -- of a run -------------------------------------------------------------------------------------


def of_run(call: Call, key: str) -> Answer:
    """A bare list of the grids that metrics of a run stand on."""
    rows = call.rows(
        "SELECT grid.*, run_grid.metric FROM run_grid JOIN grid ON grid.id = grid_id"
        " WHERE run_id = ? ORDER BY grid.id, metric",
        (run_search.visible(call, key)["id"],),
    )
    return Answer([_GRID.told(row) | {"metric": row["metric"]} for row in rows])


def attach(call: Call, key: str, grid: str) -> Answer:
    """A metric of a run stands on a grid."""
    run, row = run_search.writable(call, key), call.find("grid", grid)
    said = clean(call.json(), {"metric": Text(required=True, least=1)})
    call.run(
        "INSERT INTO run_grid (run_id, grid_id, metric) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (run["id"], row["id"], said["metric"]),
    )
    return Answer({"id": grid, "metric": said["metric"]})


def recorded(call: Call, key: str) -> Answer:
    """Arrays of a run; each fits the grid that its metric stands on."""
    run = run_search.writable(call, key)
    for at, each in enumerate(clean_one(call.packed(), _VALUES)):
        grid = call.row(
            "SELECT grid.* FROM run_grid JOIN grid ON grid.id = grid_id"
            " WHERE run_id = ? AND metric = ? AND key = ?",
            (run["id"], each["metric"], each["grid"]),
        )
        if grid is None:
            text = f"Metric '{each['metric']}' of this run stands on no grid '{each['grid']}'"
            raise Unprocessable.at("grid", text, "body", at, "grid")
        sizes = [len(axis) for axis in json.loads(grid["grid"])]
        if not _fits(each["array"], sizes):
            shape = " x ".join(map(str, sizes))
            text = f"Input should be an array of {shape} numbers"
            raise Unprocessable.at("array", text, "body", at, "array")
        call.insert(
            "grid_metric",
            {
                "run_id": run["id"],
                "grid_id": grid["id"],
                **{name: each[name] for name in ("metric", "step", "time")},
                "timestamp": each["timestamp"] or call.now(),
                "value": json.dumps(each["array"]),
            },
        )
    return Answer({})


def _fits(array: Any, sizes: list[int]) -> bool:
    """Whether an array has these sizes, by rows or by columns, and numbers."""
    return _shaped(array, sizes) or _shaped(array, sizes[::-1])


def _shaped(array: Any, sizes: list[int]) -> bool:
    if not sizes:
        return isinstance(array, int | float)
    return (
        isinstance(array, list)
        and len(array) == sizes[0]
        and all(_shaped(each, sizes[1:]) for each in array)
    )


_SELECTED = (
    "SELECT grid_metric.*, grid.key AS grid FROM grid_metric JOIN grid ON grid.id = grid_id"
    " WHERE run_id = ? AND metric = ?"
)


def _told(row: sqlite3.Row) -> dict[str, Any]:
    plain = {name: row[name] for name in ("metric", "grid", "step", "time", "timestamp")}
    return plain | {"array": json.loads(row["value"])}


def values(call: Call, key: str, metric: str) -> Answer:
    """The array of a ``step``, else a page of all."""
    run, step = run_search.visible(call, key), call.number("step")
    if step is None:
        total = call.rows(f"SELECT count(*) FROM ({_SELECTED})", (run["id"], metric))[0][0]
        rows = call.rows(
            f"{_SELECTED} ORDER BY step, grid_metric.id LIMIT ? OFFSET ?",
            (run["id"], metric, *call.part()),
        )
        return Answer(page([_told(row) for row in rows], total))
    row = call.row(
        f"{_SELECTED} AND step = ? ORDER BY grid_metric.id DESC", (run["id"], metric, step)
    )
    if row is None:
        raise NotFound(f"Metric '{metric}' of this run has no array at step {step}")
    return Answer(_told(row))


def span(call: Call, key: str, metric: str) -> Answer:
    """From where to where the arrays of a metric go: a list of one, of none without arrays."""
    rows = call.rows(
        "SELECT min(step) AS min_step, max(step) AS max_step, min(time) AS min_time,"
        " max(time) AS max_time, min(timestamp) AS min_timestamp, max(timestamp) AS max_timestamp"
        f" FROM ({_SELECTED}) HAVING count(*) > 0",
        (run_search.visible(call, key)["id"], metric),
    )
    return Answer([dict(row) for row in rows])
