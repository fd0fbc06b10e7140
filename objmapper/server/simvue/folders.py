"""Folders: a folder's parents exist when it does (``test_folder.py``), and go last."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from objmapper.server.simvue import stars, tags
from objmapper.server.simvue.call import KEYS, Answer, Call
from objmapper.server.simvue.errors import Exists, Refused, Unprocessable
from objmapper.server.simvue.filters import Terms
from objmapper.server.simvue.listing import Listing, metadata, page
from objmapper.server.simvue.resources import Resource
from objmapper.server.simvue.validation import Many, Object
from objmapper.server.simvue.values import Integer, Text

#: ``simvue.models.FOLDER_REGEX``.
PATH = "^/.*"
_FOLDER = Resource(
    "folder",
    {
        "name": Text(null=True),
        "description": Text(null=True),
        "tags": Many(Text(least=1), default=[]),
        "metadata": Object(default={}),
        "ttl": Integer(least=0, null=True),
    },
    fixed={"path": Text(required=True, pattern=PATH)},
)
_LISTING = Listing(
    "folder",
    "folder",
    {name: f"folder.{name}" for name in ("created", "modified", "path")},
    Terms(
        "folder.key",
        texts={name: f"folder.{name}" for name in ("path", "name", "description")},
        times={name: f"folder.{name}" for name in ("created", "modified")},
        documents={"metadata": "folder.metadata"},
        tags="folder.tags",
    ),
    dotted=metadata("folder.metadata"),
)


def _normal(path: str) -> str:
    """A path without the slashes that say nothing."""
    return "/" + "/".join(part for part in path.split("/") if part)


def at(call: Call, path: str) -> sqlite3.Row | None:
    """The folder of a path."""
    sql = "SELECT * FROM folder WHERE tenant_id = ? AND path = ?"
    return call.row(sql, (call.tenant, _normal(path)))


def known(call: Call, path: str, *place: str | int) -> int:
    """The id of a folder that a body names, where it has to be there already."""
    row = at(call, path)
    if row is None:
        raise Unprocessable.at("folder", f"No folder with path '{path}'", "body", *place)
    return int(row["id"])


def _told(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    starred = stars.starred(call, [row["key"] for row in rows])
    return [_FOLDER.told(row) | {"starred": row["key"] in starred} for row in rows]


def listed(call: Call) -> Answer:
    rows, total = _LISTING.rows(call)
    return Answer(page(_told(call, rows), total))


def created(call: Call) -> Answer:
    values = _FOLDER.new(call.json())
    values["path"] = path = _normal(values["path"])
    row = at(call, path)
    if row is not None:
        raise Exists("folder", row["key"])
    parts = path.split("/")[1:]
    for size in range(1, len(parts)):
        parent = "/" + "/".join(parts[:size])
        if at(call, parent) is None:
            _FOLDER.insert(call, {"path": parent}, modified=call.now())
    tags.ensure(call, values["tags"])
    return Answer({"id": _FOLDER.insert(call, values, modified=call.now())[1]})


def retrieved(call: Call, key: str) -> Answer:
    return Answer(_told(call, [call.find("folder", key)])[0])


def updated(call: Call, key: str) -> Answer:
    row = call.find("folder", key)
    values = _FOLDER.changes(call.json(), row)
    tags.ensure(call, values.get("tags", ()))
    _FOLDER.update(call, row, values, modified=call.now())
    return Answer({"id": key})


def starred(call: Call, key: str) -> Answer:
    stars.star(call, call.find("folder", key)["key"])
    return Answer({"id": key})


def deleted(call: Call, key: str) -> Answer:
    """``recursive`` takes the folders below along, ``runs`` the runs, ``runs_only`` leaves folders."""
    row = call.find("folder", key)
    recursive, runs = call.flag("recursive"), call.flag("runs")
    runs_only = call.flag("runs_only")
    path = row["path"].rstrip("/") + "/"
    below = call.rows(
        "SELECT id, key FROM folder WHERE tenant_id = ? AND substr(path, 1, ?) = ? AND id <> ?",
        (call.tenant, len(path), path, row["id"]),
    )
    taken = [row, *below] if recursive else [row]
    found = call.rows_of(
        f"SELECT id, key FROM run WHERE folder_id IN {KEYS}", [each["id"] for each in taken]
    )
    if found and not (runs or runs_only):
        raise Refused("The folder has runs: delete them first, or with it")
    if not runs_only:
        if below and not recursive:
            raise Refused("The folder has folders below it: delete them first, or with it")
        if path == "/":
            raise Refused("The root can't be deleted")
    _delete(call, "run", found)
    if not runs_only:
        _delete(call, "folder", taken)
    return Answer(
        {
            "folders": [] if runs_only else [each["key"] for each in taken],
            "runs": [each["key"] for each in found],
        }
    )


def _delete(call: Call, table: str, rows: Iterable[sqlite3.Row]) -> None:
    rows = list(rows)
    call.rows_of(f"DELETE FROM {table} WHERE id IN {KEYS}", [row["id"] for row in rows])
    call.rows_of(f"DELETE FROM star WHERE key IN {KEYS}", [row["key"] for row in rows])
