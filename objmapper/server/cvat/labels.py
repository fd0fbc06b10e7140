"""Labels belong to a project or to a task without one, and are edited through that parent.

A list of labels in the parent's PATCH adds, edits and deletes one by one and replaces nothing; a
label added so has the type null; an edit without a colour makes the colour anew from the name (all
observed on CVAT 2.15).
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from objmapper.server.cvat.auth import check_organization
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.colors import label_color
from objmapper.server.cvat.errors import Broken, Invalid, NotFound
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import JOB_STAFF, TASK_STAFF, require, visible
from objmapper.server.cvat.terms import Condition, Listing, Term
from objmapper.server.cvat.validation import (
    Boolean,
    Choice,
    Field,
    Integer,
    Many,
    Nested,
    Text,
    clean,
)

TYPES = "any cuboid ellipse mask points polygon polyline rectangle skeleton interval tag".split()
_INPUTS = ("checkbox", "radio", "number", "text", "select")
_UNIQUE = "All label names must be unique"

Parent = dict[str, int]


def _deletable(given: dict[str, Any]) -> None:
    if given.get("deleted") and given.get("id") is None:
        raise Invalid({"non_field_errors": ["Deleted label must have an ID"]})


_ATTRIBUTE = Nested(
    {
        "id": Integer(),
        "name": Text(64, required=True),
        "mutable": Boolean(required=True),
        "input_type": Choice(_INPUTS, required=True),
        "default_value": Text(128, blank=True),
        "values": Many(Text(200, blank=True), required=True),
    }
)
_PLAIN: dict[str, Field] = {
    "id": Integer(),
    "name": Text(64, required=True),
    "color": Text(8, blank=True),
    "type": Text(32, blank=True),
    "attributes": Many(_ATTRIBUTE, default=[]),
}
_LABEL: dict[str, Field] = {
    **_PLAIN,
    "deleted": Boolean(),
    "svg": Text(1_000_000, blank=True),
    "sublabels": Many(Nested(_PLAIN)),
}
FIELD = Many(Nested(_LABEL, validate=_deletable))

LISTING = Listing(
    source=(
        "label AS l LEFT JOIN task AS t ON t.id = l.task_id"
        " LEFT JOIN project AS p ON p.id = l.project_id LEFT JOIN label AS u ON u.id = l.parent_id"
    ),
    columns=(
        "l.*, t.owner_id, t.assignee_id,"
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
    keys = json.dumps([row["id"] for row in rows])
    below = call.rows(
        "SELECT * FROM label WHERE parent_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (keys,),
    )
    keys = json.dumps([row["id"] for row in [*rows, *below]])
    attributes: dict[int, list[dict[str, Any]]] = {}
    for row in call.rows(
        "SELECT * FROM attribute WHERE label_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (keys,),
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


def create(
    call: Call, wanted: list[dict[str, Any]], parent: Parent, above: int | None = None
) -> None:
    """Labels of a new project or task; their type is ``any`` unless they name one."""
    for given in wanted:
        _insert(call, given | {"type": given.get("type", "any")}, parent, above)


def update(call: Call, wanted: list[dict[str, Any]], parent: Parent) -> None:
    """Labels in the PATCH of their parent: with an id changed or deleted, without one added."""
    for given in wanted:
        key = given.get("id")
        if key is None:
            _insert(call, given, parent, None)
            continue
        column, owner = next(iter(parent.items()))
        row = call.row(f"SELECT * FROM label WHERE id = ? AND {column} = ?", (key, owner))
        if row is None:
            raise NotFound(f"Not found label with id #{key} to change")
        if given.get("deleted"):
            call.run("DELETE FROM label WHERE id = ?", (key,))
        else:
            _change(call, row, given, parent)


def _insert(call: Call, given: dict[str, Any], parent: Parent, above: int | None) -> None:
    column, owner = next(iter(parent.items()))
    name = given.get("name")
    if name is None or _taken(call, name, parent, above):
        raise Invalid([_UNIQUE])
    color = given.get("color") or label_color(name, _colors(call, parent, 0))
    key = call.run(
        f"INSERT INTO label ({column}, parent_id, name, color, type) VALUES (?, ?, ?, ?, ?)",
        (owner, above, name, color, given.get("type")),
    )
    _write_attributes(call, key, given.get("attributes", []))
    create(call, given.get("sublabels", []), parent, key)
    if given.get("type") == "skeleton":
        _draw(call, key, given.get("svg", ""))


def _draw(call: Call, key: int, svg: str) -> None:
    """A skeleton's drawing names its points by label; stored, it names them by label id."""
    for row in call.rows("SELECT id, name FROM label WHERE parent_id = ?", (key,)):
        svg = svg.replace(f'data-label-name="{row["name"]}"', f'data-label-id="{row["id"]}"')
    call.run("UPDATE label SET svg = ? WHERE id = ?", (svg, key))


def _change(call: Call, row: sqlite3.Row, given: dict[str, Any], parent: Parent) -> None:
    name = given.get("name") or row["name"]
    if name != row["name"] and _taken(call, name, parent, row["parent_id"]):
        raise Invalid([_UNIQUE])
    kind = given.get("type") or row["type"]
    if "skeleton" in (kind, row["type"]):
        kind = row["type"]
    color = given.get("color") or label_color(name, _colors(call, parent, row["id"]))
    call.run(
        "UPDATE label SET name = ?, type = ?, color = ? WHERE id = ?",
        (name, kind, color, row["id"]),
    )
    _write_attributes(call, row["id"], given.get("attributes", []))


def _taken(call: Call, name: str, parent: Parent, above: int | None) -> bool:
    column, owner = next(iter(parent.items()))
    sql = f"SELECT 1 FROM label WHERE {column} = ? AND name = ? AND parent_id IS ?"
    return call.row(sql, (owner, name, above)) is not None


def _colors(call: Call, parent: Parent, but: int) -> list[str]:
    column, owner = next(iter(parent.items()))
    sql = f"SELECT color FROM label WHERE {column} = ? AND id <> ?"
    return [row["color"] for row in call.rows(sql, (owner, but))]


def _write_attributes(call: Call, label: int, wanted: list[dict[str, Any]]) -> None:
    """An attribute with a known id or name is changed, another one is added; none is removed."""
    names = [each["name"] for each in wanted if "name" in each]
    for name in names:
        if names.count(name) > 1:
            raise Invalid([f"Duplicate attribute with name '{name}' exists"])
    for each in wanted:
        columns = {name: value for name, value in each.items() if name not in ("id", "values")}
        if "values" in each:
            columns["choices"] = json.dumps(each["values"])
        row = _known_attribute(call, label, each)
        if row is not None:
            pairs = ", ".join(f"{column} = ?" for column in columns)
            if columns:
                call.run(
                    f"UPDATE attribute SET {pairs} WHERE id = ?", [*columns.values(), row["id"]]
                )
            continue
        if not {"name", "mutable", "input_type"} <= set(columns):
            raise Broken("an attribute that lacks a column")
        marks = ", ".join("?" * (len(columns) + 1))
        call.run(
            f"INSERT INTO attribute (label_id, {', '.join(columns)}) VALUES ({marks})",
            [label, *columns.values()],
        )


def _known_attribute(call: Call, label: int, given: dict[str, Any]) -> sqlite3.Row | None:
    key = given.get("id")
    if key is None:
        sql = "SELECT id FROM attribute WHERE label_id = ? AND name = ?"
        return call.row(sql, (label, given.get("name")))
    row = call.row("SELECT id FROM attribute WHERE label_id = ? AND id = ?", (label, key))
    if row is None:
        raise NotFound(f"Attribute with id #{key} does not exist")
    return row


def touch_below(call: Call, parent: Parent) -> None:
    """An edit of labels gives the parent's updated_date to tasks and jobs (observed on 2.15)."""
    column, owner = next(iter(parent.items()))
    own = "project_id = ?" if column == "project_id" else "id = ?"
    table = column.removesuffix("_id")
    row = call.row(f"SELECT updated_date FROM {table} WHERE id = ?", (owner,))
    moment = row["updated_date"] if row else call.clock()
    call.run(f"UPDATE task SET updated_date = ? WHERE {own}", (moment, owner))
    call.run(
        f"UPDATE job SET updated_date = ? WHERE task_id IN (SELECT id FROM task WHERE {own})",
        (moment, owner),
    )


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/labels: of at most one task, project or job; sublabels stand inside their label."""
    check_organization(call)
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
        own += _of_parent(call, name, key)
    else:
        own += visible(call, "t.owner_id", "t.assignee_id", "p.owner_id", "p.assignee_id")
    return page(call, LISTING, own, represent)


_PARENTS = {
    "job_id": (
        "SELECT j.assignee_id, t.owner_id AS task_owner_id, t.assignee_id AS task_assignee_id,"
        " t.project_id, t.id AS task_id, p.owner_id AS project_owner_id,"
        " p.assignee_id AS project_assignee_id FROM job AS j JOIN task AS t ON t.id = j.task_id"
        " LEFT JOIN project AS p ON p.id = t.project_id WHERE j.id = ?",
        JOB_STAFF,
    ),
    "task_id": (
        "SELECT t.owner_id, t.assignee_id, t.project_id, t.id AS task_id,"
        " p.owner_id AS project_owner_id, p.assignee_id AS project_assignee_id FROM task AS t"
        " LEFT JOIN project AS p ON p.id = t.project_id WHERE t.id = ?",
        TASK_STAFF,
    ),
    "project_id": (
        "SELECT owner_id, assignee_id, id AS project_id, NULL AS task_id FROM project WHERE id = ?",
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


def _parent(row: sqlite3.Row) -> Parent:
    name = "task_id" if row["project_id"] is None else "project_id"
    return {name: row[name]}


def _touch(call: Call, parent: Parent) -> None:
    column, owner = next(iter(parent.items()))
    table = column.removesuffix("_id")
    call.run(f"UPDATE {table} SET updated_date = ? WHERE id = ?", (call.clock(), owner))
    touch_below(call, parent)


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/labels/{id}: the same as in the PATCH of its parent, but it can't delete."""
    row = _find(call, path["key"])
    given = clean(call.body(), _LABEL, partial=True)
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
    update(call, [given | {"id": row["id"]}], _parent(row))
    _touch(call, _parent(row))
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
    _touch(call, _parent(row))
    return Answer(status=204)
