"""Where a project's or task's files go: a small object inside it; there are no cloud storages."""

from __future__ import annotations

import json
from typing import Any

from objmapper.server.cvat.call import Call
from objmapper.server.cvat.errors import Invalid
from objmapper.server.cvat.validation import Choice, Field, Integer, Nested

NAMES = ("target_storage", "source_storage")
_LOCATIONS = ("cloud_storage", "local")


def field(*, null: bool) -> Field:
    """The field of a storage; a task takes null, a project does not (CVAT 2.15's serializers)."""
    return Nested(
        {"location": Choice(_LOCATIONS), "cloud_storage_id": Integer(null=True)}, null=null
    )


def stored(call: Call, given: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The columns of the given storages, as JSON text; an absent or empty one stays as it is."""
    columns: dict[str, Any] = {}
    for name in NAMES:
        wanted = given.pop(name, None)
        if not wanted:
            continue
        key = wanted.get("cloud_storage_id")
        if key:
            raise Invalid([f"The specified cloud storage {key} does not exist."])
        if wanted.get("location") == "cloud_storage":
            raise Invalid(["Cloud storage was selected as location but its id was not specified"])
        kept = json.loads(before.get(name) or "null")
        # Both storages of a parent that is not stored yet need ids of their own.
        number = kept["id"] if kept else _next(call) + len(columns)
        value = {"id": number, "location": "local", "cloud_storage_id": None}
        columns[name] = json.dumps(value)
    return columns


def _next(call: Call) -> int:
    """The next storage id: one above all that are stored."""
    parts = [
        f"SELECT max(json_extract({name}, '$.id')) AS n FROM {kind}"
        for kind in ("project", "task")
        for name in NAMES
    ]
    row = call.row(f"SELECT coalesce(max(n), 0) + 1 FROM ({' UNION ALL '.join(parts)})")
    return int(row[0]) if row else 1


def shown(text: str | None) -> Any:
    """A stored storage, as the answer has it."""
    return None if text is None else json.loads(text)
