"""Jobs: the parts of a task with data. They come with the data and go with their task.

A ground truth job is made beside them, of chosen frames, and can be deleted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from objmapper.server.cvat import projects, storages, users
from objmapper.server.cvat.call import KEYS, Answer, Call
from objmapper.server.cvat.errors import Invalid
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import (
    JOB_STAFF,
    JOB_TASK_STAFF,
    require,
    require_known_people,
    visible,
)
from objmapper.server.cvat.tasks import CHUNK_SIZE, DIMENSIONS, MEDIA, MODES
from objmapper.server.cvat.terms import Listing, Term
from objmapper.server.cvat.validation import Choice, Field, Integer, clean

STAGES = ("annotation", "validation", "acceptance")
STATES = ("new", "in progress", "completed", "rejected")
TYPES = ("annotation", "ground_truth", "replica")

_FIELDS: dict[str, Field] = {
    "assignee": Integer(null=True),
    "stage": Choice(STAGES),
    "state": Choice(STATES),
}

LISTING = Listing(
    source=(
        "job AS j JOIN task AS t ON t.id = j.task_id LEFT JOIN project AS p ON p.id = t.project_id"
        " LEFT JOIN data AS d ON d.id = t.data_id"
        " LEFT JOIN user AS a ON a.id = j.assignee_id"
    ),
    columns=(
        f"j.*, iif(d.id IS NULL, {CHUNK_SIZE}, d.chunk_size) AS data_chunk_size, t.data_id, t.size,"
        " t.organization_id, t.name AS task_name, t.project_id, t.dimension, t.mode,"
        " t.bug_tracker AS task_bug_tracker, t.target_storage, t.source_storage,"
        " t.owner_id AS task_owner_id, t.assignee_id AS task_assignee_id,"
        # A guide is of the project, where there is one.
        " (SELECT id FROM guide WHERE project_id = t.project_id"
        "  OR (t.project_id IS NULL AND task_id = t.id)) AS guide_id,"
        " p.name AS project_name, p.bug_tracker AS project_bug_tracker,"
        " p.owner_id AS project_owner_id, p.assignee_id AS project_assignee_id"
    ),
    key="j.id",
    terms={
        "id": Term("j.id", "integer"),
        "task_id": Term("j.task_id", "integer", table="task"),
        "task_name": Term("t.name"),
        "project_id": Term("t.project_id", "integer", table="project"),
        "project_name": Term("p.name"),
        "assignee": Term("a.username"),
        "stage": Term("j.stage", choices=STAGES),
        "state": Term("j.state", choices=STATES),
        "type": Term("j.type", choices=TYPES),
        "dimension": Term("t.dimension", choices=DIMENSIONS),
        "mode": Term("t.mode", choices=MODES),
        "media_type": Term("'image'", choices=MEDIA),
        "parent_job_id": Term("NULL", "integer", table="job"),
        "updated_date": Term("j.updated_date", "moment"),
    },
    simple=(
        "assignee",
        "dimension",
        "media_type",
        "mode",
        "parent_job_id",
        "project_id",
        "project_name",
        "stage",
        "state",
        "task_id",
        "task_name",
        "type",
    ),
    search=("assignee", "project_name", "task_name"),
)


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Jobs as CVAT shows them, with two queries for all of a page."""
    who = users.people(call, [row["assignee_id"] for row in rows])
    issues = {
        row["job_id"]: row["number"]
        for row in call.rows_of(
            f"SELECT job_id, count(*) AS number FROM issue WHERE job_id IN {KEYS} GROUP BY job_id",
            [row["id"] for row in rows],
        )
    }
    return [_one(call.base, row, who, issues.get(row["id"], 0)) for row in rows]


def _one(base: str, row: sqlite3.Row, who: dict[int | None, Any], issues: int) -> dict[str, Any]:
    key = row["id"]
    return {
        "url": f"{base}/api/jobs/{key}",
        "id": key,
        "task_id": row["task_id"],
        "task_name": row["task_name"],
        "project_id": row["project_id"],
        "project_name": row["project_name"],
        "assignee": who[row["assignee_id"]],
        "guide_id": row["guide_id"],
        "dimension": row["dimension"],
        # Without a project an empty link is null, not "" (observed on CVAT 2.15).
        "bug_tracker": row["task_bug_tracker"] or row["project_bug_tracker"],
        "status": row["status"],
        "stage": row["stage"],
        "state": row["state"],
        "mode": row["mode"],
        "media_type": "image",
        "frame_count": len(frames_of(row)),
        "start_frame": row["start_frame"],
        "stop_frame": row["stop_frame"],
        "data_chunk_size": row["data_chunk_size"],
        "data_compressed_chunk_type": "imageset",
        "data_original_chunk_type": "imageset",
        "created_date": row["created_date"],
        "updated_date": row["updated_date"],
        "issues": {"url": f"{base}/api/issues?job_id={key}", "count": issues},
        "labels": {"url": f"{base}/api/labels?job_id={key}"},
        "type": row["type"],
        "organization": row["organization_id"],
        "target_storage": storages.shown(row["target_storage"]),
        "source_storage": storages.shown(row["source_storage"]),
        "assignee_updated_date": row["assignee_updated_date"],
        "parent_job_id": None,
        "replicas_count": 0,
    }


def frames_of(row: sqlite3.Row) -> Sequence[int]:
    """The numbers of a job's frames in its task."""
    if row["frames"] is None:
        return range(row["start_frame"], row["stop_frame"] + 1)
    frames: list[int] = json.loads(row["frames"])
    return frames


def find(call: Call, key: str) -> sqlite3.Row:
    return call.find(f"SELECT {LISTING.columns} FROM {LISTING.source} WHERE j.id = ?", key)


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/jobs."""
    columns = ("j.assignee_id", "t.owner_id", "t.assignee_id", "p.owner_id", "p.assignee_id")
    return page(call, LISTING, visible(call, *columns), represent)


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/jobs/{id}."""
    row = find(call, path["key"])
    require(call, row, JOB_STAFF)
    return Answer(represent(call, [row])[0])


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/jobs/{id}: assignee (an id), stage, state; the task's status follows.

    A new stage without a state starts at ``new`` (CVAT 2.15's serializer).
    """
    row = find(call, path["key"])
    body = call.body()
    require(call, row, JOB_STAFF)
    if isinstance(body, dict) and ("stage" in body or _assigns(body, row)):
        require(call, row, JOB_TASK_STAFF)
    given = clean(body, _FIELDS, partial=True)
    require_known_people(call, row["organization_id"], given, "assignee")
    if "assignee" in given:
        given["assignee_id"] = given.pop("assignee")
    if "stage" in given or "state" in given:
        stage = given.get("stage", row["stage"])
        state = given.get("state", row["state"] if stage == row["stage"] else "new")
        given |= {"stage": stage, "state": state, "status": status_of(stage, state)}
    projects.write(call, "job", row, given)
    _follow(call, row["task_id"])
    return Answer(represent(call, [find(call, path["key"])])[0])


def _assigns(body: dict[str, Any], row: sqlite3.Row) -> bool:
    return "assignee" in body and body["assignee"] != row["assignee_id"]


def status_of(stage: str, state: str) -> str:
    """The status that a stage and a state amount to (CVAT 2.15's serializer).

    >>> status_of("acceptance", "completed"), status_of("acceptance", "new")
    ('completed', 'validation')
    """
    if stage == "annotation":
        return "annotation"
    return "completed" if (stage, state) == ("acceptance", "completed") else "validation"


def _follow(call: Call, task: int) -> None:
    """A task's status is that of its job that is furthest behind; a new one touches the task."""
    found = {
        row["status"] for row in call.rows("SELECT status FROM job WHERE task_id = ?", (task,))
    }
    status = next(name for name in projects.STATUSES if name in found)
    call.run(
        "UPDATE task SET status = ?, updated_date = ? WHERE id = ? AND status <> ?",
        (status, call.clock(), task, status),
    )


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/jobs/{id}: of a ground truth job only, and nothing above it is touched."""
    row = find(call, path["key"])
    require(call, row, JOB_TASK_STAFF, group="user", role="supervisor")
    if row["type"] != "ground_truth":
        raise Invalid(["Only ground truth jobs can be removed"])
    call.run("DELETE FROM job WHERE id = ?", (row["id"],))
    return Answer(status=204)
