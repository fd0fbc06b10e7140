"""How runs are answered: with their alerts and the figures of their metrics, a page in few queries."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from objmapper.server.simvue import stars
from objmapper.server.simvue.call import KEYS, Call

_ALERTS = (
    "SELECT run_alert.run_id, run_alert.status, alert.* FROM run_alert"
    f" JOIN alert ON alert.id = alert_id WHERE run_id IN {KEYS} ORDER BY alert.id"
)
_METRICS = (
    "SELECT run_id, name, count(*) AS count, min(value) AS min, max(value) AS max,"
    f" avg(value) AS average FROM metric WHERE run_id IN {KEYS} GROUP BY run_id, name"
)


def told(
    call: Call, rows: list[sqlite3.Row], parts: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Runs as they are answered: all of them, or the parts that a list asks for."""
    keys = [row["id"] for row in rows]
    has = (lambda part: True) if parts is None else parts.__contains__
    starred = stars.starred(call, [row["key"] for row in rows])
    alerts = _alerts(call, keys) if has("alerts") else {}
    metrics = _metrics(call, keys) if has("metrics") else {}
    found = []
    for row in rows:
        run = _basic(row) | {"starred": row["key"] in starred}
        if has("timing"):
            run |= _timing(row)
        if has("metadata"):
            run["metadata"] = json.loads(row["metadata"])
        if has("system"):
            run["system"] = json.loads(row["system"] or "null")
        if has("alerts"):
            run["alerts"] = alerts.get(row["id"], [])
        if has("metrics"):
            run |= {"metrics": metrics.get(row["id"], {}), "events": {}}
        found.append(run)
    return found


def _basic(row: sqlite3.Row) -> dict[str, Any]:
    plain = ("name", "description", "status", "folder", "user", "ttl", "heartbeat_timeout")
    return {
        "id": row["key"],
        **{name: row[name] for name in plain},
        **{name: json.loads(row[name]) for name in ("tags", "notifications", "visibility")},
        "created": row["created"],
    }


def _timing(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "started": row["started"],
        "endtime": row["endtime"],
        "modified": row["modified"],
        "runtime": _runtime(row["started"], row["endtime"]),
    }


def _runtime(started: str | None, ended: str | None) -> str | None:
    """How long a run that is over has run, as the published client reads it: at most a day."""
    if started is None or ended is None:
        return None
    lasted = datetime.fromisoformat(ended) - datetime.fromisoformat(started)
    seconds = max(lasted.total_seconds(), 0.0)
    hours, rest = divmod(int(seconds), 3600)
    fraction = f"{seconds % 1:.6f}"[1:]
    return f"{hours:02}:{rest // 60:02}:{rest % 60:02}{fraction}"


def _alerts(call: Call, keys: list[int]) -> dict[int, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in call.rows_of(_ALERTS, keys):
        alert = {
            "id": row["key"],
            "name": row["name"],
            "description": row["description"],
            "source": row["source"],
            "notification": row["notification"],
            "enabled": bool(row["enabled"]),
            "alert": json.loads(row["alert"] or "{}"),
        }
        found[row["run_id"]].append({"alert": alert, "status": row["status"]})
    return found


def _metrics(call: Call, keys: list[int]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for row in call.rows_of(_METRICS, keys):
        figures = ("count", "min", "max", "average")
        found[row["run_id"]][row["name"]] = {name: row[name] for name in figures}
    return found
