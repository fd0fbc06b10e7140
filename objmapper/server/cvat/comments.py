"""Comments: what is said of an issue. Whoever may see one may change and delete it."""

from __future__ import annotations

import sqlite3
from typing import Any

from objmapper.server.cvat import issues, users
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.context import asked
from objmapper.server.cvat.errors import Broken
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import JOB_TASK_STAFF, require, require_parent, visible
from objmapper.server.cvat.terms import Listing, Term
from objmapper.server.cvat.validation import Field, Key, Text, clean

COMMENT_STAFF = (
    "owner_id", "issue_owner_id", "issue_assignee_id", "job_assignee_id", *JOB_TASK_STAFF
)  # fmt: skip

_CHANGEABLE: dict[str, Field] = {"message": Text(None)}
_CREATABLE: dict[str, Field] = {"issue": Key(required=True), "message": Text(None, default="")}

LISTING = Listing(
    source=(
        "comment AS c JOIN issue AS i ON i.id = c.issue_id JOIN job AS j ON j.id = i.job_id"
        " JOIN task AS t ON t.id = j.task_id LEFT JOIN project AS p ON p.id = t.project_id"
        " LEFT JOIN user AS o ON o.id = c.owner_id"
    ),
    columns=(
        "c.*, t.organization_id, i.owner_id AS issue_owner_id, i.assignee_id AS issue_assignee_id,"
        " j.assignee_id AS job_assignee_id,"
        " t.owner_id AS task_owner_id, t.assignee_id AS task_assignee_id,"
        " p.owner_id AS project_owner_id, p.assignee_id AS project_assignee_id"
    ),
    key="c.id",
    terms={
        "id": Term("c.id", "integer"),
        "issue_id": Term("c.issue_id", "integer"),
        "job_id": Term("i.job_id", "integer"),
        "frame_id": Term("i.frame", "integer"),
        "owner": Term("o.username"),
    },
    simple=("frame_id", "issue_id", "job_id", "owner"),
    search=("owner",),
)


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Comments as CVAT shows them, with one query for all of a page."""
    who = users.people(call, [row["owner_id"] for row in rows])
    return [
        {
            "id": row["id"],
            "issue": row["issue_id"],
            "owner": who[row["owner_id"]],
            "message": row["message"],
            "created_date": row["created_date"],
            "updated_date": row["updated_date"],
        }
        for row in rows
    ]


def find(call: Call, key: str) -> sqlite3.Row:
    return call.find(f"SELECT {LISTING.columns} FROM {LISTING.source} WHERE c.id = ?", key)


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/comments."""
    columns = (
        "c.owner_id", "i.owner_id", "i.assignee_id", "j.assignee_id",
        "t.owner_id", "t.assignee_id", "p.owner_id", "p.assignee_id",
    )  # fmt: skip
    return page(call, LISTING, visible(call, *columns), represent)


def created(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/comments: the issue is not touched; there is no Location."""
    organization = asked(call).organization
    body = call.body()
    if not isinstance(body, dict):
        raise Broken("CVAT looks for the issue in the body")
    issue = call.referred("Issue", issues.find, body.get("issue"))
    require_parent(call, organization, issue, issues.ISSUE_STAFF, group="worker")
    given = clean(body, _CREATABLE, partial=False)
    key = issues.add_comment(call, issue["id"], given["message"])
    return Answer(represent(call, [find(call, str(key))])[0], 201)


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/comments/{id}."""
    row = find(call, path["key"])
    require(call, row, COMMENT_STAFF)
    return Answer(represent(call, [row])[0])


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/comments/{id}: an empty object still touches it, and only it."""
    row = find(call, path["key"])
    require(call, row, COMMENT_STAFF)
    given = clean(call.body(), _CHANGEABLE, partial=True)
    call.run(
        "UPDATE comment SET message = ?, updated_date = ? WHERE id = ?",
        (given.get("message", row["message"]), call.clock(), row["id"]),
    )
    return Answer(represent(call, [find(call, path["key"])])[0])


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/comments/{id}: the issue may be left without any."""
    row = find(call, path["key"])
    require(call, row, COMMENT_STAFF)
    call.run("DELETE FROM comment WHERE id = ?", (row["id"],))
    return Answer(status=204)
