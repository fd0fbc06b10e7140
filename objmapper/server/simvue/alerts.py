"""Alerts: what a run is watched for; what an alert says depends on its source."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from objmapper.server.simvue import run_search
from objmapper.server.simvue.call import Answer, Call
from objmapper.server.simvue.errors import Exists, NotFound, Unprocessable
from objmapper.server.simvue.listing import Listing, page
from objmapper.server.simvue.resources import Resource
from objmapper.server.simvue.validation import Many, Object, clean
from objmapper.server.simvue.values import Boolean, Field, Integer, Number, Text

#: ``simvue.models.NAME_REGEX``.
NAME = r"^[a-zA-Z0-9\-\_\s\/\.:]+$"
STATUSES = ("ok", "critical")
_ALERT = Resource(
    "alert",
    {
        "name": Text(required=True, pattern=NAME),
        "description": Text(null=True),
        "notification": Text(choices=("none", "email"), default="none"),
        "enabled": Boolean(default=True),
        "abort": Boolean(default=False),
        "auto": Boolean(default=False),
        "delay": Integer(least=0, null=True),
        "run_tags": Many(Text(), default=[]),
        "alert": Object(null=True),
    },
    fixed={"source": Text(required=True, choices=("events", "metrics", "user"))},
)
_EVENTS: dict[str, Field] = {
    "pattern": Text(required=True),
    "frequency": Integer(required=True, least=1),
}
_METRICS: dict[str, Field] = {
    "metric": Text(required=True),
    "aggregation": Text(required=True, choices=("average", "sum", "at least one", "all")),
    "window": Integer(required=True, least=1),
    "frequency": Integer(required=True, least=1),
}
_THRESHOLD: dict[str, Field] = {
    **_METRICS,
    "rule": Text(required=True, choices=("is above", "is below")),
    "threshold": Number(required=True),
}
_RANGE: dict[str, Field] = {
    **_METRICS,
    "rule": Text(required=True, choices=("is inside range", "is outside range")),
    "range_low": Number(required=True),
    "range_high": Number(required=True),
}
_LISTING = Listing("alert", "alert", {"name": "alert.name", "created": "alert.created"})


def _definition(source: str, said: Any) -> dict[str, Any] | None:
    """What is watched, cleaned; a user's alert says nothing."""
    place = ("body", "alert")
    if source == "user":
        return clean(said or {}, {}, place=place) or None
    fields: Mapping[str, Field] = _EVENTS
    if source == "metrics":
        fields = _RANGE if isinstance(said, dict) and "range_low" in said else _THRESHOLD
    found = clean({} if said is None else said, fields, place=place)
    if fields is _RANGE and found["range_low"] >= found["range_high"]:
        raise Unprocessable.at("range", "range_low should be below range_high", *place)
    return found


def told(row: sqlite3.Row) -> dict[str, Any]:
    found = _ALERT.told(row)
    return found | {"alert": found["alert"] or {}}


def listed(call: Call) -> Answer:
    rows, total = _LISTING.rows(call)
    return Answer(page([told(row) for row in rows], total))


def created(call: Call) -> Answer:
    """With ``deduplicate``, an alert that says the same already is the one."""
    values = _ALERT.new(call.json())
    values["alert"] = _definition(values["source"], values["alert"])
    if call.flag("deduplicate"):
        stored = _ALERT.stored(values)
        row = call.row(
            "SELECT key FROM alert WHERE tenant_id = ? AND name = ? AND source = ?"
            " AND notification = ? AND description IS ? AND alert IS ?",
            (
                call.tenant,
                *(stored[name] for name in ("name", "source", "notification", "description")),
                stored["alert"],
            ),
        )
        if row is not None:
            raise Exists("alert", row["key"])
    return Answer({"id": _ALERT.insert(call, values)[1]})


def retrieved(call: Call, key: str) -> Answer:
    return Answer(told(call.find("alert", key)))


def updated(call: Call, key: str) -> Answer:
    row = call.find("alert", key)
    values = _ALERT.changes(call.json(), row)
    if "alert" in values:
        values["alert"] = _definition(row["source"], values["alert"])
    _ALERT.update(call, row, values)
    return Answer({"id": key})


def deleted(call: Call, key: str) -> Answer:
    call.run("DELETE FROM alert WHERE id = ?", (call.find("alert", key)["id"],))
    return Answer({})


def _watched(call: Call, key: str, run: str, *, write: bool) -> sqlite3.Row:
    """An alert's place at a run."""
    alert = call.find("alert", key)
    found = run_search.writable(call, run) if write else run_search.visible(call, run)
    row = call.row(
        "SELECT * FROM run_alert WHERE alert_id = ? AND run_id = ?", (alert["id"], found["id"])
    )
    if row is None:
        raise NotFound(f"Run '{run}' has no alert '{key}'")
    return row


def status(call: Call, key: str, run: str) -> Answer:
    return Answer({"status": _watched(call, key, run, write=False)["status"]})


def set_status(call: Call, key: str, run: str) -> Answer:
    """For alerts of users alone; the others are set by what a run sends."""
    row = _watched(call, key, run, write=True)
    said = clean(call.json(), {"status": Text(required=True, choices=STATUSES)})
    if call.find("alert", key)["source"] != "user":
        raise Unprocessable.at("alert", "Only a user alert is set by a request", "body", "status")
    call.run(
        "UPDATE run_alert SET status = ? WHERE alert_id = ? AND run_id = ?",
        (said["status"], row["alert_id"], row["run_id"]),
    )
    return Answer({"status": said["status"]})
