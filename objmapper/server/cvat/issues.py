"""Issues: what reviewers find in a job. Each begins with a comment, which its POST brings along."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from objmapper.server.cvat import jobs, users
from objmapper.server.cvat.call import KEYS, Answer, Call
from objmapper.server.cvat.context import asked
from objmapper.server.cvat.errors import Broken, Invalid
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import (
    JOB_STAFF,
    JOB_TASK_STAFF,
    require,
    require_known_people,
    require_parent,
    visible,
)
from objmapper.server.cvat.terms import Listing, Term
from objmapper.server.cvat.validation import Boolean, Field, Float, Integer, Key, Many, Text, clean

ISSUE_ADMIN = ("owner_id", *JOB_TASK_STAFF)
ISSUE_STAFF = ("assignee_id", "job_assignee_id", *ISSUE_ADMIN)

_LARGEST = 2**31 - 1
MESSAGE = Text(None, required=True)
_CHANGEABLE: dict[str, Field] = {
    "position": Many(Float(), empty=False, required=True),
    "assignee": Key(null=True),
    "resolved": Boolean(),
}
_CREATABLE: dict[str, Field] = {
    **_CHANGEABLE,
    "frame": Integer(required=True, least=0, most=_LARGEST),
    "job": Key(required=True),
    "message": MESSAGE,
}

LISTING = Listing(
    source=(
        "issue AS i JOIN job AS j ON j.id = i.job_id JOIN task AS t ON t.id = j.task_id"
        " LEFT JOIN project AS p ON p.id = t.project_id"
        " LEFT JOIN user AS o ON o.id = i.owner_id LEFT JOIN user AS a ON a.id = i.assignee_id"
    ),
    columns=(
        "i.*, t.organization_id, j.assignee_id AS job_assignee_id,"
        " t.owner_id AS task_owner_id, t.assignee_id AS task_assignee_id,"
        " p.owner_id AS project_owner_id, p.assignee_id AS project_assignee_id"
    ),
    key="i.id",
    terms={
        "id": Term("i.id", "integer"),
        "job_id": Term("i.job_id", "integer", table="job"),
        "task_id": Term("t.id", "integer"),
        "frame_id": Term("i.frame", "integer"),
        "resolved": Term("i.resolved", "boolean"),
        "owner": Term("o.username"),
        "assignee": Term("a.username"),
    },
    simple=("assignee", "frame_id", "job_id", "owner", "resolved", "task_id"),
    search=("assignee", "owner"),
)


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Issues as CVAT shows them, with two queries for all of a page."""
    who = users.people(call, [row[name] for row in rows for name in ("owner_id", "assignee_id")])
    counts = {
        row["issue_id"]: row["number"]
        for row in call.rows_of(
            "SELECT issue_id, count(*) AS number FROM comment"
            f" WHERE issue_id IN {KEYS} GROUP BY issue_id",
            [row["id"] for row in rows],
        )
    }
    return [_one(call.base, row, who, counts.get(row["id"], 0)) for row in rows]


def _one(base: str, row: sqlite3.Row, who: dict[int | None, Any], comments: int) -> dict[str, Any]:
    key = row["id"]
    return {
        "id": key,
        "frame": row["frame"],
        "position": json.loads(row["position"]),
        "job": row["job_id"],
        "owner": who[row["owner_id"]],
        "assignee": who[row["assignee_id"]],
        "created_date": row["created_date"],
        "updated_date": row["updated_date"],
        "resolved": bool(row["resolved"]),
        "comments": {"count": comments, "url": f"{base}/api/comments?issue_id={key}"},
    }


def find(call: Call, key: str) -> sqlite3.Row:
    return call.find(f"SELECT {LISTING.columns} FROM {LISTING.source} WHERE i.id = ?", key)


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/issues."""
    columns = (
        "i.owner_id", "i.assignee_id", "j.assignee_id",
        "t.owner_id", "t.assignee_id", "p.owner_id", "p.assignee_id",
    )  # fmt: skip
    return page(call, LISTING, visible(call, *columns), represent)


def created(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/issues: the message becomes the first comment; there is no Location."""
    organization = asked(call).organization
    body = call.body()
    if not isinstance(body, dict):
        raise Broken("CVAT looks for the job in the body")
    job = call.referred("Job", jobs.find, body.get("job"))
    require_parent(call, organization, job, JOB_STAFF, group="worker")
    given = clean(body, _CREATABLE, partial=False)
    _check_assignee(call, organization, given)
    now = call.clock()
    key = call.run(
        "INSERT INTO issue (job_id, owner_id, assignee_id, frame, position, resolved,"
        " created_date, updated_date) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            job["id"],
            call.actor["id"],
            given.get("assignee"),
            given["frame"],
            json.dumps(given["position"]),
            given.get("resolved", False),
            now,
            call.clock(),
        ),
    )
    add_comment(call, key, given["message"])
    return Answer(represent(call, [find(call, str(key))])[0], 201)


def _check_assignee(call: Call, organization: int | None, given: dict[str, Any]) -> None:
    """403 for whom one can't see, 400 for nobody."""
    require_known_people(call, organization, given, "assignee")
    key = given.get("assignee")
    if key is not None and call.row("SELECT 1 FROM user WHERE id = ?", (key,)) is None:
        raise Invalid({"assignee": [f'Invalid pk "{key}" - object does not exist.']})


def add_comment(call: Call, issue: int, message: str) -> int:
    """A comment of who asks is written under an issue; its id."""
    now = call.clock()
    return call.run(
        "INSERT INTO comment (issue_id, owner_id, message, created_date, updated_date)"
        " VALUES (?, ?, ?, ?, ?)",
        (issue, call.actor["id"], message, now, call.clock()),
    )


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/issues/{id}."""
    row = find(call, path["key"])
    require(call, row, ISSUE_STAFF)
    return Answer(represent(call, [row])[0])


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/issues/{id}: position, assignee (an id), resolved; nothing above is touched."""
    row = find(call, path["key"])
    require(call, row, ISSUE_STAFF)
    given = clean(call.body(), _CHANGEABLE, partial=True)
    _check_assignee(call, row["organization_id"], given)
    columns: dict[str, Any] = {"updated_date": call.clock()}
    if "position" in given:
        columns["position"] = json.dumps(given["position"])
    if "assignee" in given:
        columns["assignee_id"] = given["assignee"]
    if "resolved" in given:
        columns["resolved"] = given["resolved"]
    call.update("issue", row["id"], columns)
    return Answer(represent(call, [find(call, path["key"])])[0])


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/issues/{id}: its comments go with it."""
    row = find(call, path["key"])
    require(call, row, ISSUE_ADMIN)
    call.run("DELETE FROM issue WHERE id = ?", (row["id"],))
    return Answer(status=204)
