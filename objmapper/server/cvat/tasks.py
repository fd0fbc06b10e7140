"""Tasks: with labels of their own or in a project, with data or without."""

from __future__ import annotations

import sqlite3
from typing import Any

from objmapper.server.cvat import label_edits, label_moves, projects, storages, users
from objmapper.server.cvat.call import KEYS, Answer, Call
from objmapper.server.cvat.context import asked
from objmapper.server.cvat.errors import Broken, Invalid
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import (
    PROJECT_STAFF,
    TASK_OWNERS,
    TASK_STAFF,
    require,
    require_creator,
    require_known_people,
    require_move,
    require_parent,
    visible,
)
from objmapper.server.cvat.terms import Listing, Term
from objmapper.server.cvat.validation import Field, Integer, Text, clean

DIMENSIONS = ("1d", "2d", "3d")
MODES = ("annotation", "interpolation")
MEDIA = ("image", "point_cloud", "audio")
#: What the data of made-up tasks have.
CHUNK_SIZE, QUALITY = 72, 70
_LARGEST = 2**31 - 1
_APART = "The task and its project should be in the same organization."

_COMMON: dict[str, Field] = {
    "name": Text(256, required=True),
    "project_id": Integer(null=True),
    "owner_id": Integer(null=True),
    "assignee_id": Integer(null=True),
    "bug_tracker": Text(2000, blank=True),
    "subset": Text(64, blank=True),
    "labels": label_edits.FIELD,
    "target_storage": storages.field(null=True),
    "source_storage": storages.field(null=True),
}
_CREATABLE: dict[str, Field] = {
    **_COMMON,
    "overlap": Integer(null=True, least=0, most=_LARGEST),
    "segment_size": Integer(least=0, most=_LARGEST),
    "initial_replicas": Integer(least=0, most=_LARGEST),
}
_CHANGEABLE: dict[str, Field] = {**_COMMON, "organization_id": Integer(null=True)}

LISTING = Listing(
    source=(
        "task AS t LEFT JOIN project AS p ON p.id = t.project_id"
        " LEFT JOIN data AS d ON d.id = t.data_id"
        " LEFT JOIN user AS o ON o.id = t.owner_id LEFT JOIN user AS a ON a.id = t.assignee_id"
    ),
    columns=(
        "t.*, p.name AS project_name, d.image_quality, d.start_frame, d.stop_frame,"
        " (SELECT id FROM guide WHERE task_id = t.id) AS guide_id,"
        # Made-up tasks have data without a row.
        f" iif(d.id IS NULL, {CHUNK_SIZE}, d.chunk_size) AS data_chunk_size,"
        " p.owner_id AS project_owner_id, p.assignee_id AS project_assignee_id"
    ),
    key="t.id",
    terms={
        "id": Term("t.id", "integer"),
        "name": Term("t.name"),
        "project_id": Term("t.project_id", "integer", table="project"),
        "project_name": Term("p.name"),
        "owner": Term("o.username"),
        "assignee": Term("a.username"),
        "status": Term("t.status", choices=projects.STATUSES),
        "subset": Term("t.subset"),
        "mode": Term("t.mode", choices=MODES),
        "dimension": Term("t.dimension", choices=DIMENSIONS),
        "media_type": Term("iif(t.data_id IS NULL, NULL, 'image')", choices=MEDIA),
        "tracker_link": Term("t.bug_tracker"),
        "validation_mode": Term(
            "(SELECT 'gt' FROM job WHERE task_id = t.id AND type = 'ground_truth')",
            choices=("gt", "gt_pool"),
        ),
        "created_date": Term("t.created_date", "moment"),
        "updated_date": Term("t.updated_date", "moment"),
    },
    simple=(
        "assignee",
        "dimension",
        "media_type",
        "mode",
        "name",
        "owner",
        "project_id",
        "project_name",
        "status",
        "subset",
        "tracker_link",
        "validation_mode",
    ),
    search=("assignee", "name", "owner", "project_name", "subset", "tracker_link"),
)


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Tasks as CVAT shows them, with two queries for all of a page."""
    who = users.people(call, [row[name] for row in rows for name in PROJECT_STAFF])
    jobs = {
        row["task_id"]: row
        for row in call.rows_of(
            "SELECT task_id, count(*) AS number, sum(stage = 'validation') AS validation,"
            " sum(stage = 'acceptance' AND state = 'completed') AS completed,"
            " sum(type = 'ground_truth') AS truths"
            f" FROM job WHERE task_id IN {KEYS} GROUP BY task_id",
            [row["id"] for row in rows],
        )
    }
    return [_one(call.base, row, who, jobs.get(row["id"])) for row in rows]


def _one(
    base: str, row: sqlite3.Row, who: dict[int | None, Any], jobs: sqlite3.Row | None
) -> dict[str, Any]:
    key = row["id"]
    return {
        "url": f"{base}/api/tasks/{key}",
        "id": key,
        "name": row["name"],
        "project_id": row["project_id"],
        "project_name": row["project_name"],
        "mode": row["mode"],
        "owner": who[row["owner_id"]],
        "assignee": who[row["assignee_id"]],
        "bug_tracker": row["bug_tracker"],
        "created_date": row["created_date"],
        "updated_date": row["updated_date"],
        "overlap": row["overlap"],
        "segment_size": row["segment_size"],
        "initial_replicas": row["initial_replicas"],
        "status": row["status"],
        "guide_id": row["guide_id"],
        **(_data(row, jobs) if row["data_id"] is not None else {}),
        "dimension": row["dimension"],
        "subset": row["subset"],
        "organization": row["organization_id"],
        "organization_id": row["organization_id"],
        "target_storage": storages.shown(row["target_storage"]),
        "source_storage": storages.shown(row["source_storage"]),
        "jobs": {
            "count": jobs["number"] if jobs else 0,
            "completed": jobs["completed"] if jobs else 0,
            "validation": jobs["validation"] if jobs else 0,
            "url": f"{base}/api/jobs?task_id={key}",
        },
        "labels": {"url": f"{base}/api/labels?task_id={key}"},
        "assignee_updated_date": row["assignee_updated_date"],
    }


def _data(row: sqlite3.Row, jobs: sqlite3.Row | None) -> dict[str, Any]:
    """The keys that a task without data lacks altogether (observed on CVAT 2.15)."""
    return {
        "data_chunk_size": row["data_chunk_size"],
        "data_compressed_chunk_type": "imageset",
        "data_original_chunk_type": "imageset",
        "data_cloud_storage_id": None,
        "size": row["size"],
        "image_quality": QUALITY if row["image_quality"] is None else row["image_quality"],
        "data": row["data_id"],
        "media_type": "image",
        "validation_mode": "gt" if jobs and jobs["truths"] else None,
    }


def find(call: Call, key: str) -> sqlite3.Row:
    return call.find(f"SELECT {LISTING.columns} FROM {LISTING.source} WHERE t.id = ?", key)


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/tasks."""
    columns = ("t.owner_id", "t.assignee_id", "p.owner_id", "p.assignee_id")
    return page(call, LISTING, visible(call, *columns), represent)


def created(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/tasks: labels of its own or a project, never both and never neither."""
    organization = asked(call).organization
    body = call.body()
    if not isinstance(body, dict):
        raise Broken("CVAT looks for project_id in the body (observed on 2.15)")
    if not body.get("project_id"):
        require_creator(call, organization)
    given = clean(body, _CREATABLE, partial=False)
    require_known_people(call, organization, given, "owner_id", "assignee_id")
    wanted = given.pop("labels", [])
    given["organization_id"] = organization
    _check_parent(call, given, wanted)
    given |= storages.stored(call, given, {})
    now = call.clock()
    given.setdefault("owner_id", call.actor["id"])
    given |= {"created_date": now, "updated_date": call.clock()}
    if given.get("assignee_id") is not None:
        given["assignee_updated_date"] = now
    key = call.insert("task", given)
    label_edits.create(call, wanted, {"task_id": key})
    projects.touch(call, given.get("project_id"))
    row = represent(call, [find(call, str(key))])[0]
    return Answer(row, 201, (("Location", row["url"]),))


def _check_parent(call: Call, given: dict[str, Any], wanted: list[dict[str, Any]]) -> None:
    project = given.get("project_id")
    if not wanted and not project:
        raise Invalid(["Label set or project_id must be present"])
    if wanted and project:
        raise Invalid(["Project must have only one of Label set or project_id"])
    if project:
        row = call.row("SELECT * FROM project WHERE id = ?", (project,))
        if row is None:
            raise Invalid([f"The specified project #{project} does not exist."])
        require_parent(call, given["organization_id"], row)
        if row["organization_id"] != given["organization_id"]:
            raise Invalid([_APART])
    else:
        require_creator(call, given["organization_id"])
        given["project_id"] = None


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/tasks/{id}."""
    row = find(call, path["key"])
    require(call, row, TASK_STAFF)
    return Answer(represent(call, [row])[0])


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/tasks/{id}: only the given keys change, an empty object still touches it."""
    row = find(call, path["key"])
    body = call.body()
    require(call, row, TASK_STAFF)
    if projects.gives(body, row, "owner_id", "assignee_id", "project_id"):
        require(call, row, TASK_OWNERS)
    given = clean(body, _CHANGEABLE, partial=True)
    require_move(call, row, given, TASK_OWNERS)
    if row["project_id"] is not None and projects.gives(given, row, "organization_id"):
        raise Invalid(["Cannot change the organization for a task inside a project"])
    require_known_people(call, row["organization_id"], given, "owner_id", "assignee_id")
    wanted = given.pop("labels", None)
    if row["project_id"] is None and wanted:
        label_edits.update(call, wanted, {"task_id": row["id"]})
    if "project_id" in given:
        _move(call, row, given["project_id"])
    projects.write(call, "task", row, given | storages.stored(call, given, dict(row)))
    if wanted is not None and row["project_id"] is None and not given.get("project_id"):
        label_edits.touch_below(call, {"task_id": row["id"]})
    for project in {row["project_id"], given.get("project_id")}:
        projects.touch(call, project)
    return Answer(represent(call, [find(call, path["key"])])[0])


def _move(call: Call, row: sqlite3.Row, project: int | None) -> None:
    """A task can go to a project that has all of its labels, by name; it takes those."""
    if project is None:
        raise Broken("CVAT looks for the project's labels (observed on 2.15)")
    target = call.row("SELECT * FROM project WHERE id = ?", (project,))
    if target is None:
        raise Invalid({"non_field_errors": [f"Cannot find project with ID {project}"]})
    require_parent(call, row["organization_id"], target)
    if target["organization_id"] != row["organization_id"]:
        raise Invalid([_APART])
    own = ("task_id", row["id"]) if row["project_id"] is None else ("project_id", row["project_id"])
    if call.row(
        f"SELECT 1 FROM label WHERE {own[0]} = ? AND parent_id IS NULL AND name NOT IN"
        " (SELECT name FROM label WHERE project_id = ? AND parent_id IS NULL)",
        (own[1], project),
    ):
        text = "All task or project label names must be mapped to the target project"
        raise Invalid({"non_field_errors": [text]})
    label_moves.carry(call, row, project)
    call.run("DELETE FROM label WHERE task_id = ?", (row["id"],))


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/tasks/{id}: its jobs and its own labels go with it; its project is touched."""
    row = find(call, path["key"])
    require(call, row, TASK_OWNERS)
    call.run("DELETE FROM task WHERE id = ?", (row["id"],))
    projects.touch(call, row["project_id"])
    return Answer(status=204)
