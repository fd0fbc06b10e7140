"""Invitations to an organization, by e-mail; who can log in already is a member at once.

Nothing is mailed here. Somebody unknown becomes a user without a password, whose invitation waits
until it is accepted or declined (CVAT 2.15's code; that of a known user was recorded).
"""

from __future__ import annotations

import secrets
import sqlite3
import string
from datetime import datetime, timedelta
from typing import Any

from objmapper.server.cvat import users
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.context import ROLES, asked, has_group
from objmapper.server.cvat.errors import Broken, Forbidden, Invalid, NotFound
from objmapper.server.cvat.memberships import staff_role
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import in_context
from objmapper.server.cvat.terms import Condition, Listing, Term
from objmapper.server.cvat.validation import Choice, Field, Text, clean
from objmapper.server.storage import stamp

_DAYS = 7
_LETTERS = string.ascii_letters + string.digits
#: What no password is hashed to.
UNUSABLE = "!"

_FIELDS: dict[str, Field] = {
    "role": Choice(ROLES, required=True),
    "email": Text(254, required=True, pattern=users.EMAIL),
}

LISTING = Listing(
    source=(
        "invitation AS i JOIN membership AS m ON m.id = i.membership_id"
        " JOIN organization AS g ON g.id = m.organization_id"
        " LEFT JOIN user AS o ON o.id = i.owner_id"
    ),
    columns="i.*, m.user_id, m.organization_id, m.role, m.is_active, g.slug",
    key="i.key",
    order="-created_date",
    terms={
        "id": Term("i.key"),
        "owner": Term("o.username"),
        "user_id": Term("m.user_id", "integer"),
        "accepted": Term("m.is_active", "boolean"),
        "created_date": Term("i.created_date", "moment"),
    },
    simple=("accepted", "owner", "user_id"),
    search=("owner",),
    sorted_only=frozenset({"created_date"}),
)


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Invitations as CVAT shows them; the e-mail address is not told."""
    who = users.people(call, [row[name] for row in rows for name in ("owner_id", "user_id")])
    return [
        {
            "key": row["key"],
            "created_date": row["created_date"],
            "owner": who[row["owner_id"]],
            "role": row["role"],
            "user": who[row["user_id"]],
            "organization": row["organization_id"],
            "expired": _expired(call, row),
            "accepted": bool(row["is_active"]),
            "organization_info": {"id": row["organization_id"], "slug": row["slug"]},
        }
        for row in rows
    ]


def _expired(call: Call, row: sqlite3.Row) -> bool | None:
    """Whether it was sent too long ago; None for one that was accepted without being sent."""
    if row["sent_date"] is None:
        return None
    last = datetime.fromisoformat(row["sent_date"]) + timedelta(days=_DAYS)
    return stamp(last) <= call.clock()


def _visible(call: Call, organization: int | None) -> list[Condition]:
    """Those that one sent or got; staff sees all of the organization."""
    staff = staff_role(call, organization) and has_group(call, "user")
    if call.is_admin or staff:
        return []
    me = call.actor["id"]
    return [("(i.owner_id IS ? OR m.user_id = ?)", [me, me])]


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/invitations."""
    conditions = in_context(call, "m.organization_id")
    return page(call, LISTING, conditions + _visible(call, asked(call).organization), represent)


def _find(call: Call, key: str) -> sqlite3.Row:
    """An invitation by its key, 404 where a list would not show it either."""
    organization = asked(call).organization
    parts: list[Condition] = [("i.key = ?", [key]), *_visible(call, organization)]
    if organization is not None:
        parts.append(("m.organization_id = ?", [organization]))
    where = " AND ".join(sql for sql, _ in parts)
    values = [value for _, found in parts for value in found]
    row = call.row(f"SELECT {LISTING.columns} FROM {LISTING.source} WHERE {where}", values)
    if row is None:
        raise NotFound
    return row


def _require_sender(call: Call, row: sqlite3.Row) -> None:
    """403 but for who sent it, and the organization's staff."""
    staff = staff_role(call, row["organization_id"]) and has_group(call, "user")
    sender = row["owner_id"] == call.actor["id"] and has_group(call, "worker")
    if not (call.is_admin or staff or sender):
        raise Forbidden


def _require_invitee(call: Call, row: sqlite3.Row) -> None:
    if not call.is_admin and row["user_id"] != call.actor["id"]:
        raise Forbidden


def created(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/invitations: into the context's organization, to a role below one's own."""
    organization = asked(call).organization
    body = call.body()
    _require_inviter(call, organization, body.get("role") if isinstance(body, dict) else None)
    given = clean(body, _FIELDS, partial=False)
    if organization is None:
        raise Broken("an administrator invites to no organization (code of CVAT 2.15)")
    user = _invitee(call, given["email"])
    if call.row(
        "SELECT 1 FROM membership WHERE user_id = ? AND organization_id = ?",
        (user["id"], organization),
    ):
        raise Invalid(["The user is a member of the organization already."])
    waits = user["password"] == UNUSABLE
    key = "".join(secrets.choice(_LETTERS) for _ in range(64))
    now = call.clock()
    member = call.run(
        "INSERT INTO membership (user_id, organization_id, role) VALUES (?, ?, ?)",
        (user["id"], organization, given["role"]),
    )
    call.run(
        "INSERT INTO invitation (key, membership_id, owner_id, created_date, sent_date)"
        " VALUES (?, ?, ?, ?, ?)",
        (key, member, call.actor["id"], now, now if waits else None),
    )
    if not waits:
        _accept(call, member)
    return Answer(represent(call, [_find(call, key)])[0], 201)


def _require_inviter(call: Call, organization: int | None, role: Any) -> None:
    """The owner invites to any role but an owner's, maintainers to those below their own."""
    if call.is_admin:
        return
    beyond = {"owner": ("owner",), "maintainer": ("owner", "maintainer")}
    mine = staff_role(call, organization)
    if mine is None or role in beyond[mine] or not has_group(call, "user"):
        raise Forbidden


def _invitee(call: Call, email: str) -> sqlite3.Row:
    """The user of an address, whatever its case; a new one, without a password, if it is nobody's."""
    found = call.row("SELECT * FROM user WHERE email = ? COLLATE NOCASE", (email,))
    if found is not None:
        return found
    key = call.run(
        "INSERT INTO user (username, password, email, roles, is_staff, is_superuser, date_joined)"
        " VALUES (?, ?, ?, 'user', 0, 0, ?)",
        (email, UNUSABLE, email, call.clock()),
    )
    return call.find("SELECT * FROM user WHERE id = ?", str(key))


def _accept(call: Call, membership: int) -> None:
    call.run(
        "UPDATE membership SET is_active = 1, joined_date = ? WHERE id = ?",
        (call.clock(), membership),
    )


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/invitations/{key}."""
    return Answer(represent(call, [_find(call, path["key"])])[0])


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/invitations/{key}: the membership that it made stays, active or not."""
    row = _find(call, path["key"])
    _require_sender(call, row)
    call.run("DELETE FROM invitation WHERE key = ?", (row["key"],))
    return Answer(status=204)


def accepted(call: Call, path: dict[str, str]) -> Answer:
    """POST /api/invitations/{key}/accept: by who was invited, once, and in time."""
    row = _find(call, path["key"])
    _require_invitee(call, row)
    if _expired(call, row):
        raise Invalid("Your invitation is expired. Please contact organization owner to renew it.")
    if row["is_active"]:
        raise Invalid("Your invitation is already accepted.")
    _accept(call, row["membership_id"])
    return Answer({"organization_slug": row["slug"]})


def declined(call: Call, path: dict[str, str]) -> Answer:
    """POST /api/invitations/{key}/decline: invitation and membership are gone."""
    row = _find(call, path["key"])
    _require_invitee(call, row)
    call.run("DELETE FROM membership WHERE id = ?", (row["membership_id"],))
    return Answer(status=204)


def resent(call: Call, path: dict[str, str]) -> Answer:
    """POST /api/invitations/{key}/resend: it can be accepted for another while."""
    row = _find(call, path["key"])
    _require_sender(call, row)
    if row["is_active"]:
        raise Invalid("This invitation is already accepted.")
    call.run("UPDATE invitation SET sent_date = ? WHERE key = ?", (call.clock(), row["key"]))
    return Answer(status=204)
