"""Runs: who may see and change them, what is said of them, and what follows from it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from objmapper.server.simvue import folders, tags
from objmapper.server.simvue.call import KEYS, Answer, Call
from objmapper.server.simvue.errors import Forbidden, NotFound, Unprocessable
from objmapper.server.simvue.filters import Condition, Related, Terms
from objmapper.server.simvue.listing import Listing, metadata, page
from objmapper.server.simvue.resources import Resource
from objmapper.server.simvue.run_views import told
from objmapper.server.simvue.validation import (
    Boolean,
    Integer,
    Many,
    Moment,
    Nested,
    Object,
    Text,
)

#: ``simvue.models.NAME_REGEX``.
NAME = r"^[a-zA-Z0-9\-\_\s\/\.:]+$"
ENDED = ("lost", "failed", "completed", "terminated")
STATUSES = (*ENDED, "running", "created")
_VISIBILITY = {
    "users": Many(Text(), default=[]),
    "public": Boolean(default=False),
    "tenant": Boolean(default=False),
}
_RUN = Resource(
    "run",
    {
        "name": Text(pattern=NAME),
        "description": Text(null=True),
        "status": Text(choices=STATUSES, default="created"),
        "tags": Many(Text(least=1), default=[]),
        "metadata": Object(default={}),
        "system": Object(null=True),
        "ttl": Integer(least=0, null=True),
        "heartbeat_timeout": Integer(null=True),
        "notifications": Nested(
            {"state": Text(required=True, choices=("none", "all", "error", "lost"))},
            default={"state": "none"},
        ),
        "visibility": Nested(
            _VISIBILITY, default={name: each.default for name, each in _VISIBILITY.items()}
        ),
        "started": Moment(null=True),
        "endtime": Moment(null=True),
    },
)
_PARTS = ("basic", "timing", "system", "metrics", "alerts", "metadata")
# What a body says, and other tables hold.
_ELSEWHERE = Resource(
    "run",
    {
        **_RUN.fields,
        "folder": Text(required=True, pattern=folders.PATH),
        "alerts": Many(Text(), default=[]),
    },
)
_MANAGED = "(run.tenant_id = ? AND (run.user_id = ? OR ?))"
_SEEN = (
    f"({_MANAGED} OR json_extract(run.visibility, '$.public')"
    " OR (run.tenant_id = ? AND json_extract(run.visibility, '$.tenant'))"
    " OR EXISTS (SELECT 1 FROM json_each(run.visibility, '$.users') WHERE value = ?))"
)
_SOURCE = "run JOIN folder ON folder.id = run.folder_id JOIN user ON user.id = run.user_id"
_COLUMNS = ", folder.path AS folder, user.username AS user"


def _seen(call: Call, table: str) -> Condition:
    """One's own, and what is shared; managers see all of their tenant."""
    actor = call.actor
    return _SEEN, [call.tenant, actor["id"], call.manages, call.tenant, actor["username"]]


def _sorted(name: str) -> Condition | None:
    """``metadata.K``, and ``metrics.NAME`` by the largest value or by another figure of it."""
    kind, _, rest = name.partition(".")
    if kind != "metrics" or not rest:
        return metadata("run.metadata")(name)
    metric, _, figure = rest.rpartition(".")
    figures = {"min": "min", "max": "max", "average": "avg", "count": "count"}
    if figure not in figures or not metric:
        metric, figure = rest, "max"
    sql = f"SELECT {figures[figure]}(value) FROM metric WHERE run_id = run.id AND name = ?"
    return f"({sql})", [metric]


_LISTING = Listing(
    _SOURCE,
    "run",
    {name: f"run.{name}" for name in ("name", "created", "modified", "started", "endtime")},
    Terms(
        "run.key",
        texts={
            **{name: f"run.{name}" for name in ("name", "description", "status")},
            "user": "user.username",
            "folder.path": "folder.path",
        },
        times={
            **{name: f"run.{name}" for name in ("created", "modified", "started")},
            "ended": "run.endtime",
            "endtime": "run.endtime",
        },
        documents={"metadata": "run.metadata", "system": "run.system"},
        tags="run.tags",
        related={
            "alert": Related(
                "EXISTS (SELECT 1 FROM run_alert JOIN alert ON alert.id = alert_id"
                " WHERE run_id = run.id AND {})",
                {"name": "alert.name", "status": "run_alert.status", "id": "alert.key"},
            ),
            "artifact": Related(
                "EXISTS (SELECT 1 FROM run_artifact JOIN artifact ON artifact.id = artifact_id"
                " WHERE run_id = run.id AND {})",
                {"name": "artifact.name", "id": "artifact.key"},
            ),
        },
    ),
    dotted=_sorted,
    columns=_COLUMNS,
    visible=_seen,
)


def visible(call: Call, key: str) -> sqlite3.Row:
    """The run of a key, if who asks may see it."""
    sql, values = _seen(call, "run")
    row = call.row(
        f"SELECT run.*{_COLUMNS} FROM {_SOURCE} WHERE run.key = ? AND {sql}", [key, *values]
    )
    if row is None:
        raise NotFound(f"No run with id '{key}'")
    return row


def writable(call: Call, key: str) -> sqlite3.Row:
    """The run of a key, if who asks may change it: its owner, and managers of its tenant."""
    row = visible(call, key)
    mine = row["user_id"] == call.actor["id"] or call.manages
    if row["tenant_id"] != call.tenant or not mine:
        raise Forbidden
    return row


def named(call: Call, keys: Iterable[str], *place: str | int) -> dict[str, int]:
    """The ids of the runs that a query or a body names; 422 for one that is none."""
    keys = list(keys)
    sql, values = _seen(call, "run")
    rows = call.rows(
        f"SELECT id, key FROM run WHERE key IN {KEYS} AND {sql}", [json.dumps(keys), *values]
    )
    found = {row["key"]: int(row["id"]) for row in rows}
    for key in keys:
        if key not in found:
            raise Unprocessable.at("run", f"No run with id '{key}'", *place)
    return {key: found[key] for key in keys}


def listed(call: Call) -> Answer:
    rows, total = _LISTING.rows(call)
    return Answer(page(told(call, rows, _parts(call)), total))


def _parts(call: Call) -> frozenset[str] | None:
    """The parts that the ``return_`` flags of a request name; None, as none is said, for all."""
    flags = {name: call.flag(f"return_{name}") for name in _PARTS}
    if all(said is None for said in flags.values()):
        return None
    return frozenset(name for name, said in flags.items() if said) | {"basic"}


def created(call: Call) -> Answer:
    """A run, or a list of runs: all of them or none."""
    body = call.json()
    if isinstance(body, list):
        return Answer([{"id": _create(call, each, at)} for at, each in enumerate(body)])
    return Answer({"id": _create(call, body)})


def _create(call: Call, body: Any, *at: int) -> str:
    values = _ELSEWHERE.new(body, place=("body", *at))
    folder = folders.known(call, values.pop("folder"), *at, "folder")
    watched = _alerts(call, values.pop("alerts"), *at, "alerts")
    tags.ensure(call, values["tags"])
    values |= _moments(call, values, {})
    run, key = _RUN.insert(
        call,
        values | {"name": values["name"] or ""},
        user_id=call.actor["id"],
        folder_id=folder,
        modified=call.now(),
    )
    if not values["name"]:
        # A run without a name is given one by the server (``simvue.Run.init``).
        call.update("run", run, {"name": f"run-{key[:8].lower()}"})
    _watch(call, run, watched)
    return key


def _moments(call: Call, values: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, str]:
    """A run that runs has started, and one that is over has ended."""
    status, found = values.get("status"), {}
    if status == "running" and not (values.get("started") or row.get("started")):
        found["started"] = call.now()
    if status in ENDED and not (values.get("endtime") or row.get("endtime")):
        found["endtime"] = call.now()
    return found


def _alerts(call: Call, keys: list[str], *place: str | int) -> list[int]:
    rows = call.rows(
        f"SELECT id, key FROM alert WHERE tenant_id = {call.tenant} AND key IN {KEYS}",
        (json.dumps(keys),),
    )
    unknown = set(keys) - {row["key"] for row in rows}
    if unknown:
        raise Unprocessable.at("alert", f"No alert with id '{min(unknown)}'", "body", *place)
    return [int(row["id"]) for row in rows]


def _watch(call: Call, run: int, alerts: list[int]) -> None:
    """These are the alerts of a run; what one that stays has found stays too."""
    call.rows(
        f"DELETE FROM run_alert WHERE run_id = {run} AND alert_id NOT IN {KEYS}",
        (json.dumps(alerts),),
    )
    for alert in alerts:
        call.run(
            "INSERT INTO run_alert (run_id, alert_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (run, alert),
        )


def retrieved(call: Call, key: str) -> Answer:
    return Answer(told(call, [visible(call, key)])[0])


def updated(call: Call, key: str) -> Answer:
    """What is said changes, the rest stays."""
    row = writable(call, key)
    values = _ELSEWHERE.changes(call.json(), row)
    more: dict[str, Any] = {"modified": call.now()}
    if "folder" in values:
        more["folder_id"] = folders.known(call, values.pop("folder"), "folder")
    if "alerts" in values:
        _watch(call, row["id"], _alerts(call, values.pop("alerts"), "alerts"))
    tags.ensure(call, values.get("tags", ()))
    _RUN.update(call, row, values | _moments(call, values, dict(row)), **more)
    return Answer({"id": key})


def deleted(call: Call, key: str) -> Answer:
    row = writable(call, key)
    call.run("DELETE FROM run WHERE id = ?", (row["id"],))
    call.run("DELETE FROM star WHERE key = ?", (key,))
    return Answer({})
