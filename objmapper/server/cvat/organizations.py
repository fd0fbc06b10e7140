"""Organizations: who makes one owns it; only its members know of it (recorded from CVAT 2.15)."""

from __future__ import annotations

import json
import sqlite3
import sys
from typing import Any

from objmapper.server.cvat import users
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.context import asked, has_group, role_in
from objmapper.server.cvat.errors import Forbidden, Invalid, NotFound
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.terms import Condition, Listing, Term
from objmapper.server.cvat.validation import Field, Text, clean

_SLUG = (
    r"[-a-zA-Z0-9_]+",
    'Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.',
)
_FIELDS: dict[str, Field] = {
    "slug": Text(16, required=True, pattern=_SLUG),
    "name": Text(64, blank=True),
    "description": Text(sys.maxsize, blank=True),
    "contact": Field(),
}

LISTING = Listing(
    source="organization AS g LEFT JOIN user AS o ON o.id = g.owner_id",
    columns="g.*",
    key="g.id",
    terms={
        "id": Term("g.id", "integer"),
        "slug": Term("g.slug"),
        "name": Term("g.name"),
        "owner": Term("o.username"),
    },
    simple=("name", "owner", "slug"),
    search=("name", "owner", "slug"),
)


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Organizations as CVAT shows them, with one query for all of a page."""
    who = users.people(call, [row["owner_id"] for row in rows])
    return [
        {
            "id": row["id"],
            "slug": row["slug"],
            "name": row["name"],
            "description": row["description"],
            "created_date": row["created_date"],
            "updated_date": row["updated_date"],
            "contact": json.loads(row["contact"]),
            "owner": who[row["owner_id"]],
        }
        for row in rows
    ]


def _visible(call: Call) -> list[Condition]:
    """Those that one owns or is a member of; an invitation that waits shows nothing yet."""
    if call.is_admin:
        return []
    me = call.actor["id"]
    mine = "SELECT organization_id FROM membership WHERE user_id = ? AND is_active"
    return [(f"(g.owner_id IS ? OR g.id IN ({mine}))", [me, me])]


def _find(call: Call, key: str) -> sqlite3.Row:
    """The organization, 404 for who may not even see it."""
    row = call.find("SELECT * FROM organization WHERE id = ?", key)
    known = call.is_admin or owns(call, row) or role_in(call, row["id"]) is not None
    if not known:
        raise NotFound
    return row


def owns(call: Call, row: sqlite3.Row) -> bool:
    """Whether who asks is the owner that an organization's own row names."""
    return bool(row["owner_id"] == call.actor["id"])


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/organizations: the context is looked at, and changes nothing."""
    asked(call)
    return page(call, LISTING, _visible(call), represent)


def created(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/organizations: without a name it is named by its slug; no Location is told."""
    if not has_group(call, "user"):
        raise Forbidden
    given = clean(call.body(), _FIELDS, partial=False)
    _check_slug(call, given, 0)
    given["name"] = given.get("name") or given["slug"]
    now = call.clock()
    given |= {"owner_id": call.actor["id"], "created_date": now, "updated_date": call.clock()}
    columns = _columns(given)
    key = call.insert("organization", columns)
    call.run(
        "INSERT INTO membership (user_id, organization_id, role, is_active, joined_date)"
        " VALUES (?, ?, 'owner', 1, ?)",
        (call.actor["id"], key, now),
    )
    return Answer(represent(call, [_find(call, str(key))])[0], 201)


def _columns(given: dict[str, Any]) -> dict[str, Any]:
    return given | ({"contact": json.dumps(given["contact"])} if "contact" in given else {})


def _check_slug(call: Call, given: dict[str, Any], key: int) -> None:
    sql = "SELECT 1 FROM organization WHERE slug = ? AND id <> ?"
    if "slug" in given and call.row(sql, (given["slug"], key)):
        raise Invalid({"slug": ["organization with this slug already exists."]})


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/organizations/{id}."""
    return Answer(represent(call, [_find(call, path["key"])])[0])


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/organizations/{id}: by its owner and its maintainers; the owner stays the owner."""
    row = _find(call, path["key"])
    may = owns(call, row) or role_in(call, row["id"]) == "maintainer"
    if not (call.is_admin or (may and has_group(call, "worker"))):
        raise Forbidden
    given = clean(call.body(), _FIELDS, partial=True)
    _check_slug(call, given, row["id"])
    columns = _columns(given) | {"updated_date": call.clock()}
    call.update("organization", row["id"], columns)
    return Answer(represent(call, [_find(call, path["key"])])[0])


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/organizations/{id}: by its owner; what belonged to it belongs to none then."""
    row = _find(call, path["key"])
    if not (call.is_admin or (owns(call, row) and has_group(call, "worker"))):
        raise Forbidden
    call.run("DELETE FROM organization WHERE id = ?", (row["id"],))
    return Answer(status=204)
