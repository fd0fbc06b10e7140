"""Projects: they own labels and tasks; an edit of their labels touches everything below."""

from __future__ import annotations

import sqlite3
from typing import Any

from objmapper.server.cvat import label_edits, storages, users
from objmapper.server.cvat.call import KEYS, Answer, Call
from objmapper.server.cvat.context import asked
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import (
    NOBODY,
    PROJECT_OWNER,
    PROJECT_STAFF,
    require,
    require_creator,
    require_known_people,
    require_move,
    visible,
)
from objmapper.server.cvat.terms import Listing, Term
from objmapper.server.cvat.validation import Field, Integer, Text, clean

STATUSES = ("annotation", "validation", "completed")

_CREATABLE: dict[str, Field] = {
    "name": Text(256, required=True),
    "owner_id": Integer(null=True),
    "assignee_id": Integer(null=True),
    "bug_tracker": Text(2000, blank=True),
    "labels": label_edits.FIELD,
    "target_storage": storages.field(null=False),
    "source_storage": storages.field(null=False),
}

_CHANGEABLE: dict[str, Field] = {**_CREATABLE, "organization_id": Integer(null=True)}

LISTING = Listing(
    source=(
        "project AS p LEFT JOIN user AS o ON o.id = p.owner_id"
        " LEFT JOIN user AS a ON a.id = p.assignee_id"
    ),
    columns="p.*, (SELECT id FROM guide WHERE project_id = p.id) AS guide_id",
    key="p.id",
    terms={
        "id": Term("p.id", "integer"),
        "name": Term("p.name"),
        "owner": Term("o.username"),
        "assignee": Term("a.username"),
        "status": Term("p.status", choices=STATUSES),
        "updated_date": Term("p.updated_date", "moment"),
    },
    simple=("assignee", "name", "owner", "status"),
    search=("assignee", "name", "owner"),
)


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Projects as CVAT shows them, with two queries for all of a page."""
    who = users.people(call, [row[name] for row in rows for name in PROJECT_STAFF])
    tasks = _tasks(call, [row["id"] for row in rows])
    return [_one(call.base, row, who, tasks.get(row["id"], [])) for row in rows]


def _tasks(call: Call, keys: list[int]) -> dict[int, list[sqlite3.Row]]:
    """Subset, number and dimension of the projects' tasks, in the order of their first task."""
    found: dict[int, list[sqlite3.Row]] = {}
    for row in call.rows_of(
        f"SELECT project_id, subset, dimension, count(*) AS number FROM task"
        f" WHERE project_id IN {KEYS} GROUP BY project_id, subset, dimension ORDER BY min(id)",
        keys,
    ):
        found.setdefault(row["project_id"], []).append(row)
    return found


def _one(
    base: str, row: sqlite3.Row, who: dict[int | None, Any], tasks: list[sqlite3.Row]
) -> dict[str, Any]:
    key = row["id"]
    return {
        "url": f"{base}/api/projects/{key}",
        "id": key,
        "name": row["name"],
        "owner": who[row["owner_id"]],
        "assignee": who[row["assignee_id"]],
        "guide_id": row["guide_id"],
        "bug_tracker": row["bug_tracker"],
        "task_subsets": list(dict.fromkeys(each["subset"] for each in tasks if each["subset"])),
        "created_date": row["created_date"],
        "updated_date": row["updated_date"],
        "status": row["status"],
        "dimension": tasks[0]["dimension"] if tasks else None,
        "organization": row["organization_id"],
        "organization_id": row["organization_id"],
        "target_storage": storages.shown(row["target_storage"]),
        "source_storage": storages.shown(row["source_storage"]),
        "tasks": {
            "count": sum(each["number"] for each in tasks),
            "url": f"{base}/api/tasks?project_id={key}",
        },
        "labels": {"url": f"{base}/api/labels?project_id={key}"},
        "assignee_updated_date": row["assignee_updated_date"],
    }


def find(call: Call, key: str) -> sqlite3.Row:
    return call.find(f"SELECT {LISTING.columns} FROM {LISTING.source} WHERE p.id = ?", key)


def touch(call: Call, key: int | None) -> None:
    """A project's updated_date follows what happens below it."""
    if key is not None:
        call.run("UPDATE project SET updated_date = ? WHERE id = ?", (call.clock(), key))


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/projects."""
    found = visible(call, "p.owner_id", "p.assignee_id", organization="p.organization_id")
    return page(call, LISTING, found, represent)


def created(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/projects."""
    organization = asked(call).organization
    require_creator(call, organization)
    given = clean(call.body(), _CREATABLE, partial=False)
    require_known_people(call, organization, given, "owner_id", "assignee_id")
    wanted = given.pop("labels", [])
    given |= storages.stored(call, given, {})
    now = call.clock()
    given.setdefault("owner_id", call.actor["id"])
    given |= {"organization_id": organization, "created_date": now, "updated_date": call.clock()}
    if given.get("assignee_id") is not None:
        given["assignee_updated_date"] = now
    key = call.insert("project", given)
    label_edits.create(call, wanted, {"project_id": key})
    row = represent(call, [find(call, str(key))])[0]
    return Answer(row, 201, (("Location", row["url"]),))


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/projects/{id}."""
    row = find(call, path["key"])
    require(call, row, PROJECT_STAFF)
    return Answer(represent(call, [row])[0])


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/projects/{id}: only the given keys change, an empty object still touches it."""
    row = find(call, path["key"])
    body = call.body()
    require(call, row, PROJECT_STAFF)
    if gives(body, row, "assignee_id"):
        require(call, row, PROJECT_OWNER)
    if gives(body, row, "owner_id"):
        require(call, row, NOBODY)
    given = clean(body, _CHANGEABLE, partial=True)
    require_move(call, row, given, PROJECT_OWNER)
    require_known_people(call, row["organization_id"], given, "owner_id", "assignee_id")
    if "organization_id" in given:
        pair = (given["organization_id"], row["id"])
        call.run("UPDATE task SET organization_id = ? WHERE project_id = ?", pair)
    wanted = given.pop("labels", None)
    label_edits.update(call, wanted or [], {"project_id": row["id"]})
    write(call, "project", row, given | storages.stored(call, given, dict(row)))
    if wanted is not None:
        label_edits.touch_below(call, {"project_id": row["id"]})
    return Answer(represent(call, [find(call, path["key"])])[0])


def gives(body: Any, row: sqlite3.Row, *names: str) -> bool:
    """Whether a PATCH says something new under one of the names."""
    return isinstance(body, dict) and any(
        name in body and body[name] != row[name] for name in names
    )


def write(call: Call, table: str, row: sqlite3.Row, given: dict[str, Any]) -> None:
    """The given columns of a row are written, with the dates that follow from them."""
    now = call.clock()
    if "assignee_id" in given and given["assignee_id"] != row["assignee_id"]:
        given["assignee_updated_date"] = now
    given["updated_date"] = now
    call.update(table, row["id"], given)


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/projects/{id}: its tasks, their jobs and all labels go with it."""
    row = find(call, path["key"])
    require(call, row, PROJECT_OWNER)
    call.run("DELETE FROM project WHERE id = ?", (row["id"],))
    return Answer(status=204)
