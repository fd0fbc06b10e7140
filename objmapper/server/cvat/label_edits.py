"""The edits of labels: in the body of their project or task, or by themselves.

A list of labels in the parent's PATCH adds, edits and deletes one by one and replaces nothing; a
label added so has the type null; an edit without a colour makes the colour anew from the name (all
observed on CVAT 2.15).
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from objmapper.server.cvat import label_moves
from objmapper.server.cvat.call import Call
from objmapper.server.cvat.colors import label_color
from objmapper.server.cvat.errors import Broken, Invalid, NotFound
from objmapper.server.cvat.validation import Boolean, Choice, Field, Integer, Many, Nested, Text

_INPUTS = ("checkbox", "radio", "number", "text", "select")
_NO_COLUMNS = ("id", "values", "deleted")
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
        "deleted": Boolean(),
    }
)
_PLAIN: dict[str, Field] = {
    "id": Integer(),
    "name": Text(64, required=True),
    "color": Text(8, blank=True),
    "type": Text(32, blank=True),
    "attributes": Many(_ATTRIBUTE, default=[]),
}
LABEL: dict[str, Field] = {
    **_PLAIN,
    "deleted": Boolean(),
    "svg": Text(1_000_000, blank=True),
    "sublabels": Many(Nested(_PLAIN)),
}
FIELD = Many(Nested(LABEL, validate=_deletable))


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
    """An attribute with a known id or name is changed, or deleted by 2.80; another one is added."""
    names = [each["name"] for each in wanted if "name" in each]
    for name in names:
        if names.count(name) > 1:
            raise Invalid([f"Duplicate attribute with name '{name}' exists"])
    for each in wanted:
        columns = {name: value for name, value in each.items() if name not in _NO_COLUMNS}
        if "values" in each:
            columns["choices"] = json.dumps(each["values"])
        row = _known_attribute(call, label, each)
        if row is not None:
            if each.get("deleted") and call.version.attributes_go:
                label_moves.forget(call, row["id"])
            elif columns:
                call.update("attribute", row["id"], columns)
            continue
        if not {"name", "mutable", "input_type"} <= set(columns):
            raise Broken("an attribute that lacks a column")
        call.insert("attribute", {"label_id": label, **columns})


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


def touch(call: Call, parent: Parent) -> None:
    """The parent of edited labels is touched, and all below it."""
    column, owner = next(iter(parent.items()))
    table = column.removesuffix("_id")
    call.run(f"UPDATE {table} SET updated_date = ? WHERE id = ?", (call.clock(), owner))
    touch_below(call, parent)
