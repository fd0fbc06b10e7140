"""What annotations say of labels and attributes follows these: to another project, and away.

Read from CVAT 2.15's code; that attributes can be deleted is known from cvat-sdk 2.80.0.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from objmapper.server.cvat.call import Call
from objmapper.server.cvat.errors import Invalid

_LABELS = "label AS l LEFT JOIN label AS u ON u.id = l.parent_id"
_HOLDERS = ("tag", "shape", "track")
_IN_TASK = "job_id IN (SELECT id FROM job WHERE task_id = ?)"


def carry(call: Call, task: sqlite3.Row, project: int) -> None:
    """The annotations of a task take the labels of the project that it goes to, by their names."""
    column = "task_id" if task["project_id"] is None else "project_id"
    own = task["id"] if task["project_id"] is None else task["project_id"]
    sql = f"SELECT l.*, u.name AS above FROM {_LABELS} WHERE l.{column} = ?"
    for old in call.rows(sql, (own,)):
        sql = f"SELECT l.* FROM {_LABELS} WHERE l.project_id = ? AND l.name = ? AND u.name IS ?"
        new = call.row(sql, (project, old["name"], old["above"]))
        if new is None:
            text = f'Target project does not have label with name "{old["name"]}"'
            raise Invalid({"non_field_errors": [text]})
        specs = _matched(call, old, new)
        for table in _HOLDERS:
            _say(call, table, f"label_id = ? AND {_IN_TASK}", (old["id"], task["id"]), specs)
        of_tracks = f"track_id IN (SELECT id FROM track WHERE label_id = ? AND {_IN_TASK})"
        _say(call, "tracked_shape", of_tracks, (old["id"], task["id"]), specs)
        for table in _HOLDERS:
            call.run(
                f"UPDATE {table} SET label_id = ? WHERE label_id = ? AND {_IN_TASK}",
                (new["id"], old["id"], task["id"]),
            )


def _matched(call: Call, old: sqlite3.Row, new: sqlite3.Row) -> dict[int, int | None]:
    """The attributes of the new label by those of the old one: of one name, input and choice."""
    found: dict[int, int | None] = {}
    for spec in call.rows("SELECT * FROM attribute WHERE label_id = ?", (old["id"],)):
        match = call.row(
            "SELECT id FROM attribute WHERE label_id = ? AND name = ? AND choices = ?"
            " AND input_type = ?",
            (new["id"], spec["name"], spec["choices"], spec["input_type"]),
        )
        if match is None:
            told = f'"{old["name"]}" label with "{spec["name"]}" attribute'
            raise Invalid([f"Target project does not have {told}"])
        found[spec["id"]] = match["id"]
    return found


def forget(call: Call, attribute: int) -> None:
    """An attribute goes, and with it what annotations say of it."""
    for table in (*_HOLDERS, "tracked_shape"):
        _say(call, table, "instr(attributes, ?)", (f'"spec_id": {attribute}',), {attribute: None})
    call.run("DELETE FROM attribute WHERE id = ?", (attribute,))


def _say(
    call: Call,
    table: str,
    where: str,
    parameters: tuple[object, ...],
    specs: Mapping[int, int | None],
) -> None:
    """Annotations name other attributes from now on; None takes one away."""
    sql = f"SELECT id, attributes FROM {table} WHERE attributes <> '[]' AND {where}"
    for row in call.rows(sql, parameters) if specs else ():
        said = [
            each | {"spec_id": key}
            for each in json.loads(row["attributes"])
            if (key := specs.get(each["spec_id"], each["spec_id"])) is not None
        ]
        call.update(table, row["id"], {"attributes": json.dumps(said)})
