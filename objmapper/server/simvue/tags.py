"""Tags: a row for each name that a run or a folder has been tagged with, and for those made here."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from objmapper.server.simvue.call import Answer, Call, new_key
from objmapper.server.simvue.errors import Exists
from objmapper.server.simvue.listing import Listing, page
from objmapper.server.simvue.resources import Resource
from objmapper.server.simvue.values import Text

_TAG = Resource(
    "tag",
    {
        "name": Text(required=True, least=1),
        "colour": Text(pattern=r"^#([0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$"),
        "description": Text(null=True),
    },
)
_LISTING = Listing("tag", "tag", {"name": "tag.name", "created": "tag.created"})


def _colour(name: str) -> str:
    """The colour of a tag that was given none: always the same for one name."""
    return f"#{zlib.crc32(name.encode()) & 0xFFFFFF:06x}"


def ensure(call: Call, names: Iterable[str]) -> None:
    """The tags exist."""
    for name in names:
        call.run(
            "INSERT INTO tag (key, tenant_id, name, colour, created) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (tenant_id, name) DO NOTHING",
            (new_key(), call.tenant, name, _colour(name), call.now()),
        )


def _free(call: Call, name: str | None, key: str | None = None) -> None:
    sql = "SELECT key FROM tag WHERE tenant_id = ? AND name = ? AND key IS NOT ?"
    row = call.row(sql, (call.tenant, name, key))
    if row is not None:
        raise Exists("tag", row["key"])


def listed(call: Call) -> Answer:
    rows, total = _LISTING.rows(call)
    return Answer(page([_TAG.told(row) for row in rows], total))


def created(call: Call) -> Answer:
    values = _TAG.new(call.json())
    _free(call, values["name"])
    values["colour"] = values["colour"] or _colour(values["name"])
    return Answer({"id": _TAG.insert(call, values)[1]})


def retrieved(call: Call, key: str) -> Answer:
    return Answer(_TAG.told(call.find("tag", key)))


def updated(call: Call, key: str) -> Answer:
    row = call.find("tag", key)
    values = _TAG.changes(call.json(), row)
    _free(call, values.get("name"), key)
    _TAG.update(call, row, values)
    return Answer({"id": key})


def deleted(call: Call, key: str) -> Answer:
    """What bears the tag keeps its name."""
    call.run("DELETE FROM tag WHERE id = ?", (call.find("tag", key)["id"],))
    return Answer({})
