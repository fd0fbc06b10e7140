"""Stats: how much there is, of who asks or of each user."""

from __future__ import annotations

from typing import Any

from objmapper.server.simvue.call import Answer, Call
from objmapper.server.simvue.errors import Forbidden
from objmapper.server.simvue.runs import STATUSES

_COUNTS = {
    "runs": "SELECT count(*) FROM run WHERE user_id = user.id",
    "alerts": "SELECT count(*) FROM alert WHERE tenant_id = user.tenant_id",
    "tags": "SELECT count(*) FROM tag WHERE tenant_id = user.tenant_id",
    "files": "SELECT count(*) FROM artifact WHERE user_id = user.id",
    "volume": "SELECT coalesce(sum(length(content)), 0) FROM artifact WHERE user_id = user.id",
    "events": "SELECT count(*) FROM event JOIN run ON run.id = run_id WHERE user_id = user.id",
    "metrics": "SELECT count(*) FROM metric JOIN run ON run.id = run_id WHERE user_id = user.id",
}


def stats(call: Call) -> Answer:
    """One's own; with ``single=False`` an administrator sees those of each user, of a ``tenant``."""
    if call.flag("single") is not False:
        return Answer({"runs": _runs(call)})
    if not call.actor["is_admin"]:
        raise Forbidden
    columns = ", ".join(f"({sql}) AS {name}" for name, sql in _COUNTS.items())
    tenant = call.parameter("tenant")
    rows = call.rows(
        f"SELECT username, {columns} FROM user JOIN tenant ON tenant.id = tenant_id"
        " WHERE NOT is_deleted AND (:t IS NULL OR tenant.key = :t OR tenant.name = :t)",
        {"t": tenant},
    )
    return Answer({row["username"]: {name: row[name] for name in _COUNTS} for row in rows})


def _runs(call: Call) -> dict[str, Any]:
    rows = call.rows(
        "SELECT status, count(*) AS n FROM run WHERE user_id = ? GROUP BY status",
        (call.actor["id"],),
    )
    found = {row["status"]: row["n"] for row in rows}
    volume = call.rows(
        "SELECT coalesce(sum(length(content)), 0) FROM artifact WHERE user_id = ?",
        (call.actor["id"],),
    )[0][0]
    return {status: found.get(status, 0) for status in STATUSES} | {"data": volume}
