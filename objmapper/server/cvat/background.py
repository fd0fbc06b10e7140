"""Background requests: work that goes on after its answer, and what is told of it meanwhile.

Here it is done by who asks for it: at once, or at the request that asks one time more than the
option ``lag`` says. So each step can be seen, and none depends on time.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from objmapper.server.cvat import processing, tasks, users
from objmapper.server.cvat.call import Answer, Call, Content
from objmapper.server.cvat.errors import Forbidden
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import TASK_STAFF, require
from objmapper.server.cvat.terms import Listing, Term

STATUSES = ("queued", "started", "failed", "finished")
_UNDONE = ("queued", "started")
# What CVAT's older address calls them.
_STATES = dict(zip(STATUSES, ("Queued", "Started", "Failed", "Finished"), strict=True))

LISTING = Listing(
    source=(
        "request AS r LEFT JOIN task AS t ON t.id = r.task_id"
        " LEFT JOIN organization AS o ON o.id = t.organization_id"
    ),
    columns="r.*",
    key="r.id",
    order="-created_date",
    terms={
        "status": Term("r.status", choices=STATUSES),
        "action": Term("r.action"),
        "target": Term("r.target"),
        "subresource": Term("NULL"),
        "format": Term("NULL"),
        "project_id": Term("NULL", "integer"),
        "task_id": Term("r.task_id", "integer"),
        "job_id": Term("NULL", "integer"),
        "org": Term("o.slug"),
        "org_id": Term("t.organization_id", "integer"),
        "created_date": Term("r.created_date", "moment"),
    },
    simple=tuple(
        "action format job_id org org_id project_id status subresource target task_id".split()
    ),
    search=(),
    sorted_only=frozenset({"created_date"}),
    filtered_only=frozenset(
        {"format", "job_id", "org", "org_id", "project_id", "subresource", "target", "task_id"}
    ),
)


def start(call: Call, task: int, work: dict[str, Any]) -> str:
    """The data of a task are to be made; the request's id. One that was there before is forgotten."""
    key = f"action=create&target=task&id={task}"
    call.run("DELETE FROM request WHERE id = ?", (key,))
    call.insert(
        "request",
        {
            "id": key,
            "action": "create",
            "target": "task",
            "task_id": task,
            "owner_id": call.actor["id"],
            "work": json.dumps(work),
            "created_date": call.clock(),
        },
    )
    if not call.site.lag:
        _run(call, key)
    return key


def _run(call: Call, key: str) -> None:
    """The work is done, or fails before it has written more than files."""
    row = _row(call, key)
    now = call.clock()
    try:
        message = call.site.failure()
        if message is not None:
            raise processing.Failed(message)
        processing.run(call, row["task_id"], json.loads(row["work"]))
        result = {"status": "finished", "progress": 1.0, "message": ""}
    except processing.Failed as error:
        result = {"status": "failed", "message": str(error)}
    dates = {"started_date": row["started_date"] or now, "finished_date": call.clock()}
    _set(call, key, result | dates)


def _row(call: Call, key: str) -> sqlite3.Row:
    return call.rows(f"SELECT {LISTING.columns} FROM {LISTING.source} WHERE r.id = ?", (key,))[0]


def _set(call: Call, key: str, columns: dict[str, Any]) -> None:
    pairs = ", ".join(f"{column} = ?" for column in columns)
    call.run(f"UPDATE request SET {pairs} WHERE id = ?", [*columns.values(), key])


def _look(call: Call, row: sqlite3.Row) -> sqlite3.Row:
    """Who looks at a request brings it one step forward; what is told is where it has come to."""
    if row["status"] not in _UNDONE:
        return row
    looks = row["looks"] + 1
    if looks > call.site.lag:
        _run(call, row["id"])
    elif looks == 1:
        _set(call, row["id"], {"looks": looks})
    else:
        done = (looks - 1) / call.site.lag
        begun = row["started_date"] or call.clock()
        told = {"message": "CVAT is preparing data chunks", "progress": done}
        _set(call, row["id"], {"status": "started", "looks": looks, "started_date": begun} | told)
    return _row(call, row["id"])


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Requests as CVAT shows them."""
    who = users.people(call, [row["owner_id"] for row in rows])
    return [_one(row, who[row["owner_id"]]) for row in rows]


def _one(row: sqlite3.Row, owner: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "status": row["status"],
        "message": row["message"],
        "operation": {
            "type": f"{row['action']}:{row['target']}",
            "target": row["target"],
            "project_id": None,
            "task_id": row["task_id"],
            "job_id": None,
            "lightweight": None,
        },
        "progress": row["progress"],
        "created_date": row["created_date"],
        "started_date": row["started_date"],
        "finished_date": row["finished_date"],
        "expiry_date": None,
        "owner": {"id": owner["id"], "username": owner["username"]},
    }


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/requests: one's own; a list looks at none."""
    return page(call, LISTING, [("r.owner_id = ?", [call.actor["id"]])], represent)


def _find(call: Call, key: str) -> sqlite3.Row | None:
    row = call.row("SELECT * FROM request WHERE id = ?", (key,))
    if row is not None and row["owner_id"] != call.actor["id"] and not call.is_admin:
        raise Forbidden
    return row


def _plain(status: int, text: str) -> Answer:
    content = Content("text/html; charset=utf-8", text.encode)
    return Answer(status=status, content=content)


_UNKNOWN = "There is no request with specified id"


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/requests/{id}."""
    row = _find(call, path["key"])
    if row is None:
        return _plain(404, _UNKNOWN)
    return Answer(represent(call, [_look(call, row)])[0])


def cancelled(call: Call, path: dict[str, str]) -> Answer:
    """POST /api/requests/{id}/cancel: of one that waits; it is not known any more afterwards."""
    row = _find(call, path["key"])
    if row is None:
        return _plain(404, _UNKNOWN)
    if row["status"] != "queued":
        return _plain(400, "Only requests that have not yet been started can be cancelled")
    call.run("DELETE FROM request WHERE id = ?", (row["id"],))
    return Answer(status=200)


def status(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/tasks/{id}/status: finished, too, where nothing was begun (observed on 2.15)."""
    task = tasks.find(call, path["key"])
    require(call, task, TASK_STAFF)
    row = call.row("SELECT * FROM request WHERE task_id = ?", (task["id"],))
    if row is None:
        return Answer({"state": "Finished", "message": "", "progress": 0.0})
    row = _look(call, row)
    progress = row["progress"] if row["status"] == "started" else 0.0
    return Answer(
        {"state": _STATES[row["status"]], "message": row["message"], "progress": progress}
    )
