"""Labels belong to a project or to a task without one; a task in a project shows the project's."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from objmapper.server.cvat import label_edits
from objmapper.server.cvat.call import KEYS, Answer, Call
from objmapper.server.cvat.errors import Broken, Invalid, NotFound
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import JOB_STAFF, TASK_STAFF, in_context, require, visible
from objmapper.server.cvat.terms import Condition, Listing, Term
from objmapper.server.cvat.validation import (
    clean,
)

TYPES = "any cuboid ellipse mask points polygon polyline rectangle skeleton interval tag".split()
_ORGANIZATION = "coalesce(t.organization_id, p.organization_id)"
LISTING = Listing(
    source=(
        "label AS l LEFT JOIN task AS t ON t.id = l.task_id"
        " LEFT JOIN project AS p ON p.id = l.project_id LEFT JOIN label AS u ON u.id = l.parent_id"
    ),
    columns=(
        f"l.*, {_ORGANIZATION} AS organization_id,"
        " t.owner_id, t.assignee_id,"
        " p.owner_id AS project_owner_id, p.assignee_id AS project_assignee_id"
    ),
    key="l.id",
    order="id",
    terms={
        "id": Term("l.id", "integer"),
        "name": Term("l.name"),
        "color": Term("l.color"),
        "type": Term("l.type", choices=tuple(TYPES)),
        "parent": Term("u.name"),
        "parent_id": Term("l.parent_id", "integer", table="label"),
    },
    simple=("color", "name", "parent", "parent_id", "type"),
    search=("name", "parent"),
)


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Labels as CVAT shows them; the key of the parent that a label has not is absent, not null."""
    below = call.rows_of(
        f"SELECT * FROM label WHERE parent_id IN {KEYS} ORDER BY id", [row["id"] for row in rows]
    )
    attributes: dict[int, list[dict[str, Any]]] = {}
    for row in call.rows_of(
        f"SELECT * FROM attribute WHERE label_id IN {KEYS} ORDER BY id",
        [row["id"] for row in [*rows, *below]],
    ):
        attributes.setdefault(row["label_id"], []).append(_attribute(row))
    children: dict[int, list[dict[str, Any]]] = {}
    for row in below:
        shown = _plain(row, attributes) | {"has_parent": True}
        children.setdefault(row["parent_id"], []).append(shown)
    return [_one(row, attributes, children.get(row["id"], [])) for row in rows]


def _attribute(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "mutable": bool(row["mutable"]),
        "input_type": row["input_type"],
        "default_value": row["default_value"],
        "values": json.loads(row["choices"]),
    }


def _plain(row: sqlite3.Row, attributes: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "color": row["color"],
        "attributes": attributes.get(row["id"], []),
        "type": row["type"],
    }


def _one(
    row: sqlite3.Row,
    attributes: dict[int, list[dict[str, Any]]],
    children: list[dict[str, Any]],
) -> dict[str, Any]:
    shown = _plain(row, attributes) | {"sublabels": children}
    shown |= {name: row[name] for name in ("project_id", "task_id") if row[name] is not None}
    shown |= {"parent_id": row["parent_id"], "has_parent": row["parent_id"] is not None}
    return shown | ({"svg": row["svg"]} if row["type"] == "skeleton" else {})


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/labels: of at most one task, project or job; sublabels stand inside their label."""
    asked = {
        name: call.parameter(name)
        for name in ("job_id", "task_id", "project_id")
        if call.parameter(name) is not None
    }
    if len(asked) > 1:
        raise Invalid(["job_id, task_id and project_id parameters cannot be used together"])
    own: list[Condition] = [("l.parent_id IS NULL", [])]
    name, key = next(iter(asked.items()), ("", None))
    if key:
        own += in_context(call, _ORGANIZATION) + _of_parent(call, name, key)
    else:
        columns = ("t.owner_id", "t.assignee_id", "p.owner_id", "p.assignee_id")
        own += visible(call, *columns, organization=_ORGANIZATION)
    return page(call, LISTING, own, represent)


_PARENTS = {
    "job_id": (
        "SELECT t.organization_id, j.assignee_id,"
        " t.owner_id AS task_owner_id, t.assignee_id AS task_assignee_id,"
        " t.project_id, t.id AS task_id, p.owner_id AS project_owner_id,"
        " p.assignee_id AS project_assignee_id FROM job AS j JOIN task AS t ON t.id = j.task_id"
        " LEFT JOIN project AS p ON p.id = t.project_id WHERE j.id = ?",
        JOB_STAFF,
    ),
    "task_id": (
        "SELECT t.organization_id, t.owner_id, t.assignee_id, t.project_id, t.id AS task_id,"
        " p.owner_id AS project_owner_id, p.assignee_id AS project_assignee_id FROM task AS t"
        " LEFT JOIN project AS p ON p.id = t.project_id WHERE t.id = ?",
        TASK_STAFF,
    ),
    "project_id": (
        "SELECT organization_id, owner_id, assignee_id, id AS project_id, NULL AS task_id"
        " FROM project WHERE id = ?",
        ("owner_id", "assignee_id"),
    ),
}


def _of_parent(call: Call, name: str, text: str) -> list[Condition]:
    """The labels of one parent; an unknown one breaks CVAT (observed on 2.15 for task_id)."""
    sql, staff = _PARENTS[name]
    try:
        row = call.find(sql, text)
    except NotFound as error:
        raise Broken(f"{name}={text} is unknown") from error
    require(call, row, staff)
    if row["project_id"] is not None:
        return [("l.project_id = ?", [row["project_id"]])]
    return [("l.task_id = ?", [row["task_id"]])]


def _find(call: Call, key: str) -> sqlite3.Row:
    row = call.find(f"SELECT {LISTING.columns} FROM {LISTING.source} WHERE l.id = ?", key)
    require(call, row, TASK_STAFF)
    return row


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/labels/{id}."""
    return Answer(represent(call, [_find(call, path["key"])])[0])


def _parent(row: sqlite3.Row) -> label_edits.Parent:
    name = "task_id" if row["project_id"] is None else "project_id"
    return {name: row[name]}


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/labels/{id}: the same as in the PATCH of its parent, but it can't delete."""
    row = _find(call, path["key"])
    given = clean(call.body(), label_edits.LABEL, partial=True)
    if given.get("deleted"):
        text = (
            "Labels cannot be deleted by updating in this endpoint. "
            "Please use the DELETE method instead."
        )
        raise Invalid({"non_field_errors": [text]})
    if row["parent_id"] is not None:
        raise Invalid(
            [
                "Sublabels cannot be modified this way. "
                "Please send a PATCH request with updated parent label data instead."
            ]
        )
    label_edits.update(call, [given | {"id": row["id"]}], _parent(row))
    label_edits.touch(call, _parent(row))
    return Answer(represent(call, [_find(call, path["key"])])[0])


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/labels/{id}."""
    row = _find(call, path["key"])
    if row["parent_id"] is not None:
        raise Invalid(
            [
                "Sublabels cannot be deleted this way. "
                "Please send a PATCH request with updated parent label data instead."
            ]
        )
    call.run("DELETE FROM label WHERE id = ?", (row["id"],))
    label_edits.touch(call, _parent(row))
    return Answer(status=204)
