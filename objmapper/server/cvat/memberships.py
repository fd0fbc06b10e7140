"""Memberships: who is in an organization and what they are there; they come from invitations."""

from __future__ import annotations

import sqlite3
from typing import Any

from objmapper.server.cvat import users
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.context import ROLES, asked, has_group, role_in
from objmapper.server.cvat.errors import Forbidden
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import in_context
from objmapper.server.cvat.terms import Condition, Listing, Term
from objmapper.server.cvat.validation import Choice, Field, clean

_FIELDS: dict[str, Field] = {"role": Choice(ROLES)}

LISTING = Listing(
    source=(
        "membership AS m JOIN user AS u ON u.id = m.user_id"
        " LEFT JOIN invitation AS i ON i.membership_id = m.id"
    ),
    columns="m.*, i.key AS invitation",
    key="m.id",
    terms={
        "id": Term("m.id", "integer"),
        "role": Term("m.role", choices=ROLES),
        "user": Term("u.username"),
    },
    simple=("role", "user"),
    search=("role", "user"),
)


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Memberships as CVAT shows them; that of who made the organization has no invitation."""
    who = users.people(call, [row["user_id"] for row in rows])
    return [
        {
            "id": row["id"],
            "user": who[row["user_id"]],
            "organization": row["organization_id"],
            "is_active": bool(row["is_active"]),
            "joined_date": row["joined_date"],
            "role": row["role"],
            "invitation": row["invitation"],
        }
        for row in rows
    ]


def staff_role(call: Call, organization: int | None) -> str | None:
    """``owner`` for the owner, ``maintainer`` for a maintainer, else None.

    The role of an owner is nothing without being the one that the organization names as such.
    """
    role = role_in(call, organization)
    if role == "owner":
        row = call.row("SELECT owner_id FROM organization WHERE id = ?", (organization,))
        return role if row is not None and row["owner_id"] == call.actor["id"] else None
    return role if role == "maintainer" else None


def _visible(call: Call) -> list[Condition]:
    """In an organization its members, outside one's own; who has not accepted only staff sees."""
    found = in_context(call, "m.organization_id")
    organization = asked(call).organization
    if call.is_admin or staff_role(call, organization):
        return found
    found.append(("m.is_active", []))
    return found if organization else [*found, ("m.user_id = ?", [call.actor["id"]])]


def _find(call: Call, key: str) -> sqlite3.Row:
    return call.find(f"SELECT {LISTING.columns} FROM {LISTING.source} WHERE m.id = ?", key)


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/memberships."""
    return page(call, LISTING, _visible(call), represent)


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/memberships/{id}: 403 outside of its organization."""
    row = _find(call, path["key"])
    organization = row["organization_id"]
    fellow = row["is_active"] and role_in(call, organization) is not None
    if not (call.is_admin or fellow or staff_role(call, organization)):
        raise Forbidden
    return Answer(represent(call, [row])[0])


def _require_power(call: Call, row: sqlite3.Row) -> None:
    """403 but for the owner and maintainers, over whom they are above: never over themselves."""
    role = staff_role(call, row["organization_id"])
    above = {"owner": ("owner",), "maintainer": ("owner", "maintainer")}.get(role or "", ROLES)
    if not call.is_admin and (row["role"] in above or not has_group(call, "user")):
        raise Forbidden


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/memberships/{id}: the role, and nothing else."""
    row = _find(call, path["key"])
    _require_power(call, row)
    given = clean(call.body(), _FIELDS, partial=True)
    role = given.get("role", row["role"])
    call.run("UPDATE membership SET role = ? WHERE id = ?", (role, row["id"]))
    return Answer(represent(call, [_find(call, path["key"])])[0])


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/memberships/{id}: who is no owner may leave, too."""
    row = _find(call, path["key"])
    mine = row["user_id"] == call.actor["id"] and row["is_active"]
    leaves = mine and row["role"] != "owner" and has_group(call, "worker")
    if not leaves:
        _require_power(call, row)
    call.run("DELETE FROM membership WHERE id = ?", (row["id"],))
    return Answer(status=204)
