"""Guides: what annotators of a project, or of a task without one, are to know. None is listed.

Read from CVAT 2.15's code; what a guide shows beside its text (its assets) is not served.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from objmapper.server.cvat import projects, tasks
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.errors import Broken, Invalid
from objmapper.server.cvat.permissions import PROJECT_STAFF, require
from objmapper.server.cvat.validation import Field, Integer, Text, clean

_FIELDS: dict[str, Field] = {
    "project_id": Integer(null=True),
    "task_id": Integer(null=True),
    "markdown": Text(None, blank=True),
}
_TARGET = "coalesce(p.owner_id, t.owner_id) AS owner_id, coalesce(p.assignee_id, t.assignee_id)"
_SQL = (
    f"SELECT g.*, {_TARGET} AS assignee_id,"
    " coalesce(p.organization_id, t.organization_id) AS organization_id,"
    # A guide is read by whoever works on what it is of.
    " (SELECT j.assignee_id FROM job AS j JOIN task AS o ON o.id = j.task_id WHERE j.assignee_id = ?"
    "  AND (o.id = g.task_id OR o.project_id = g.project_id)) AS job_assignee_id"
    " FROM guide AS g LEFT JOIN project AS p ON p.id = g.project_id"
    " LEFT JOIN task AS t ON t.id = g.task_id WHERE g.id = ?"
)


def _find(call: Call, key: str) -> sqlite3.Row:
    found = call.find("SELECT id FROM guide WHERE id = ?", key)
    row = call.row(_SQL, (call.actor["id"], found["id"]))
    assert row is not None
    return row


def _told(row: sqlite3.Row) -> dict[str, Any]:
    """A guide as it answers a write: without its dates (CVAT 2.15's serializers)."""
    return {name: row[name] for name in ("id", "task_id", "project_id", "markdown")}


def _touch(call: Call, row: sqlite3.Row) -> None:
    """What a guide is of is touched with it."""
    for name in ("project", "task"):
        if row[f"{name}_id"] is not None:
            call.update(name, row[f"{name}_id"], {"updated_date": call.clock()})


def created(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/guides: of a project or of a task, which have one guide at most."""
    body = call.body()
    if not isinstance(body, dict):
        raise Broken("CVAT looks for the project in the body")
    if body.get("project_id") is not None:
        target = call.referred("Project", projects.find, body["project_id"])
    elif body.get("task_id") is not None:
        target = call.referred("Task", tasks.find, body["task_id"])
    else:
        raise Broken("CVAT looks for the owner of nothing")
    require(call, target, PROJECT_STAFF, group="user")
    given = clean(body, _FIELDS, partial=False)
    if given.get("project_id") is not None and given.get("task_id") is not None:
        raise Invalid(["Both project_id and task_id must not be specified"])
    now = call.clock()
    key = call.insert("guide", given | {"created_date": now, "updated_date": now})
    row = _find(call, str(key))
    _touch(call, row)
    return Answer(_told(row), 201)


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/guides/{id}."""
    row = _find(call, path["key"])
    require(call, row, (*PROJECT_STAFF, "job_assignee_id"))
    return Answer({**_told(row), **{name: row[name] for name in ("created_date", "updated_date")}})


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/guides/{id}: it may be given to another project or task."""
    row = _find(call, path["key"])
    require(call, row, PROJECT_STAFF, group="user")
    given = clean(call.body(), _FIELDS, partial=True)
    call.update("guide", row["id"], given | {"updated_date": call.clock()})
    row = _find(call, path["key"])
    _touch(call, row)
    return Answer(_told(row))


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/guides/{id}."""
    row = _find(call, path["key"])
    require(call, row, PROJECT_STAFF, group="user")
    _touch(call, row)
    call.run("DELETE FROM guide WHERE id = ?", (row["id"],))
    return Answer(status=204)
