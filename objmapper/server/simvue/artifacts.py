"""Artifacts: what is told of a file first, then its bytes, then that they are there.

The address of the bytes is signed by its own name: it is followed without a token.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from objmapper.server.simvue import run_search, storages
from objmapper.server.simvue.call import Answer, Call, new_key
from objmapper.server.simvue.errors import NotFound, Refused
from objmapper.server.simvue.filters import Condition
from objmapper.server.simvue.listing import Listing, metadata, page
from objmapper.server.simvue.resources import Resource
from objmapper.server.simvue.validation import Object, clean, clean_one
from objmapper.server.simvue.values import Boolean, Integer, Text

CATEGORIES = ("code", "input", "output")
_ARTIFACT = Resource(
    "artifact",
    {"uploaded": Boolean(default=False)},
    fixed={
        "name": Text(required=True, least=1),
        "original_path": Text(null=True),
        "size": Integer(required=True, least=0),
        "mime_type": Text(null=True),
        "checksum": Text(required=True, pattern="^[0-9a-f]{64}$"),
        "metadata": Object(null=True),
    },
)
_SHOWN = ", storage.key AS storage_key, user.username AS user"
_SOURCE = (
    "artifact JOIN user ON user.id = artifact.user_id"
    " LEFT JOIN storage ON storage.id = artifact.storage_id"
)
_COLUMNS = ", ".join(
    f"artifact.{name}"
    for name in ("id", "key", "created", "uploaded", "place", "tenant_id", *_ARTIFACT.fixed)
)
_LISTING = Listing(
    _SOURCE,
    "artifact",
    {"name": "artifact.name", "created": "artifact.created"},
    dotted=metadata("artifact.metadata"),
    columns=_SHOWN,
)


def _told(call: Call, row: sqlite3.Row) -> dict[str, Any]:
    url = f"{call.base}/storage/{row['place']}"
    return _ARTIFACT.told(row) | {
        "storage_id": row["storage_key"],
        "user": row["user"],
        "url": url,
    }


def listed(call: Call) -> Answer:
    rows, total = _LISTING.rows(call)
    return Answer(page([_told(call, row) for row in rows], total))


def created(call: Call) -> Answer:
    """Where to send the bytes is told; a storage of kind S3 takes a form with ``fields``."""
    said = call.json()
    named = said.pop("storage", None) if isinstance(said, dict) else None
    values = _ARTIFACT.new(said)
    storage = storages.named(call, clean_one(named, Text(null=True), ("body", "storage")))
    place = new_key()
    _, key = _ARTIFACT.insert(
        call, values, user_id=call.actor["id"], storage_id=storage["id"], place=place
    )
    answer = {"id": key, "url": f"{call.base}/storage/{place}"}
    return Answer(answer | ({"fields": {"key": place}} if storage["backend"] == "S3" else {}))


def _found(call: Call, key: str) -> sqlite3.Row:
    row = call.row(
        f"SELECT {_COLUMNS}{_SHOWN} FROM {_SOURCE}"
        " WHERE artifact.key = ? AND artifact.tenant_id = ?",
        (key, call.tenant),
    )
    if row is None:
        raise NotFound(f"No artifact with id '{key}'")
    return row


def retrieved(call: Call, key: str) -> Answer:
    return Answer(_told(call, _found(call, key)))


def updated(call: Call, key: str) -> Answer:
    """An artifact is written once: all that is said later is that its bytes are there."""
    row = _found(call, key)
    values = _ARTIFACT.changes(call.json(), row)
    kept = call.row("SELECT 1 FROM artifact WHERE id = ? AND content IS NOT NULL", (row["id"],))
    if values.get("uploaded") and kept is None:
        raise Refused("Nothing was uploaded for this artifact")
    _ARTIFACT.update(call, row, values)
    return Answer({"id": key})


def deleted(call: Call, key: str) -> Answer:
    call.run("DELETE FROM artifact WHERE id = ?", (_found(call, key)["id"],))
    return Answer({})


# -- of a run -------------------------------------------------------------------------------------


def of_run(call: Call, key: str) -> Answer:
    """A bare list: all of a run's, or those of a ``name`` or a ``category``."""
    run = run_search.visible(call, key)
    found: list[Condition] = [("run_artifact.run_id = ?", [run["id"]])]
    for name, column in (("name", "artifact.name"), ("category", "run_artifact.category")):
        text = call.parameter(name)
        if text is not None:
            found.append((f"{column} = ?", [text]))
    where = " AND ".join(sql for sql, _ in found)
    rows = call.rows(
        f"SELECT {_COLUMNS}{_SHOWN}, run_artifact.category FROM {_SOURCE}"
        f" JOIN run_artifact ON artifact_id = artifact.id WHERE {where} ORDER BY artifact.id",
        [value for _, values in found for value in values],
    )
    return Answer([_told(call, row) | {"category": row["category"]} for row in rows])


def attached(call: Call, key: str, artifact: str) -> Answer:
    """An artifact of a run, with its category there."""
    run, row = run_search.visible(call, key), _found(call, artifact)
    found = call.row(
        "SELECT category FROM run_artifact WHERE run_id = ? AND artifact_id = ?",
        (run["id"], row["id"]),
    )
    if found is None:
        raise NotFound(f"Run '{key}' has no artifact '{artifact}'")
    return Answer(_told(call, row) | {"category": found["category"]})


def attach(call: Call, key: str, artifact: str) -> Answer:
    run, row = run_search.writable(call, key), _found(call, artifact)
    said = clean(call.json(), {"category": Text(required=True, choices=CATEGORIES)})
    call.run(
        "INSERT INTO run_artifact (run_id, artifact_id, category) VALUES (?, ?, ?)"
        " ON CONFLICT (run_id, artifact_id) DO UPDATE SET category = excluded.category",
        (run["id"], row["id"], said["category"]),
    )
    return Answer({"id": artifact, "category": said["category"]})
