"""How runs are found: who may see and change which, and what lists are asked by."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from objmapper.server.simvue.call import KEYS, Call
from objmapper.server.simvue.errors import Forbidden, NotFound, Unprocessable
from objmapper.server.simvue.filters import Condition, Related, Terms
from objmapper.server.simvue.listing import Listing, metadata

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


LISTING = Listing(
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
