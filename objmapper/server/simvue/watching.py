"""Alerts are judged when what they watch arrives; the real server does so every ``frequency`` minutes.

An alert of events is critical from the first line that contains its pattern. One of a metric is
critical or not by the values of its last ``window`` minutes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from objmapper.server.simvue.call import Call
from objmapper.server.simvue.values import written

_AGGREGATES: dict[str, Callable[[list[float], Callable[[float], bool]], bool]] = {
    "average": lambda values, is_met: is_met(sum(values) / len(values)),
    "sum": lambda values, is_met: is_met(sum(values)),
    "at least one": lambda values, is_met: any(map(is_met, values)),
    "all": lambda values, is_met: all(map(is_met, values)),
}


def _watching(call: Call, run: int, source: str) -> Iterable[tuple[sqlite3.Row, dict[str, Any]]]:
    rows = call.rows(
        "SELECT alert.*, run_alert.status FROM run_alert JOIN alert ON alert.id = alert_id"
        " WHERE run_id = ? AND source = ? AND enabled",
        (run, source),
    )
    return [(row, json.loads(row["alert"])) for row in rows]


def events(call: Call, run: int, messages: Collection[str]) -> None:
    """Lines have arrived."""
    for row, said in _watching(call, run, "events"):
        critical = any(said["pattern"] in message for message in messages)
        _set(call, run, row, critical or row["status"] == "critical")


def metrics(call: Call, run: int, names: Collection[str]) -> None:
    """Values of these metrics have arrived."""
    for row, said in _watching(call, run, "metrics"):
        if said["metric"] in names:
            values = _recent(call, run, said["metric"], said["window"])
            _set(call, run, row, _AGGREGATES[said["aggregation"]](values, _rule(said)))


def _recent(call: Call, run: int, name: str, minutes: int) -> list[float]:
    """The values of a metric that are at most so much older than its newest."""
    sql = "SELECT timestamp, value FROM metric WHERE run_id = ? AND name = ?"
    rows = call.rows(sql, (run, name))
    newest = datetime.fromisoformat(max(row["timestamp"] for row in rows))
    try:
        since = written(newest - timedelta(minutes=minutes))
    except OverflowError:
        since = ""
    return [row["value"] for row in rows if row["timestamp"] >= since]


def _rule(said: dict[str, Any]) -> Callable[[float], bool]:
    if "threshold" in said:
        threshold = said["threshold"]
        if said["rule"] == "is above":
            return lambda value: value > threshold
        return lambda value: value < threshold
    low, high = said["range_low"], said["range_high"]
    inside = said["rule"] == "is inside range"
    return lambda value: (low <= value <= high) == inside


def _set(call: Call, run: int, row: sqlite3.Row, critical: bool) -> None:
    call.run(
        "UPDATE run_alert SET status = ? WHERE run_id = ? AND alert_id = ?",
        ("critical" if critical else "ok", run, row["id"]),
    )
    if critical and row["abort"]:
        call.run(
            "UPDATE run SET abort_reason = coalesce(abort_reason, ?) WHERE id = ?",
            (f"Alert '{row['name']}'", run),
        )
