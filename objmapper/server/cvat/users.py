"""Users: an administrator sees all of everybody, others see themselves (observed on CVAT 2.15)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from objmapper.server.cvat.call import KEYS, Answer, Call
from objmapper.server.cvat.context import asked, role_in
from objmapper.server.cvat.errors import Forbidden, Invalid
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.permissions import require_member
from objmapper.server.cvat.terms import Condition, Listing, Term
from objmapper.server.cvat.validation import Boolean, Choice, Field, Many, Text, clean

_NAME = (
    r"[\w.@+-]+",
    "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ "
    "characters.",
)
EMAIL = (r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", "Enter a valid email address.")
_BASIC: dict[str, Field] = {
    "username": Text(150, pattern=_NAME),
    "first_name": Text(150, blank=True),
    "last_name": Text(150, blank=True),
}
_FULL: dict[str, Field] = {
    **_BASIC,
    "email": Text(254, blank=True, pattern=EMAIL),
    "groups": Many(Choice(("admin", "business", "user", "worker"))),
    "is_staff": Boolean(),
    "is_superuser": Boolean(),
    "is_active": Boolean(),
}
_GUARDED = frozenset({"is_staff", "is_superuser", "groups"})

LISTING = Listing(
    source="user AS u",
    columns="u.*",
    key="u.id",
    terms={
        "id": Term("u.id", "integer"),
        "username": Term("u.username"),
        "first_name": Term("u.first_name"),
        "last_name": Term("u.last_name"),
        "is_active": Term("u.is_active", "boolean"),
    },
    simple=("first_name", "is_active", "last_name", "username"),
    search=("first_name", "last_name", "username"),
)


def basic(call: Call, row: sqlite3.Row) -> dict[str, Any]:
    """A user as everybody may see them, and as tasks and projects name them."""
    return {
        "url": f"{call.base}/api/users/{row['id']}",
        "id": row["id"],
        "username": row["username"],
        "first_name": row["first_name"],
        "last_name": row["last_name"],
    }


def full(call: Call, row: sqlite3.Row) -> dict[str, Any]:
    """A user as they themselves and administrators see them."""
    return basic(call, row) | {
        "email": row["email"],
        "groups": row["roles"].split(",") if row["roles"] else [],
        "is_staff": bool(row["is_staff"]),
        "is_superuser": bool(row["is_superuser"]),
        "is_active": bool(row["is_active"]),
        "last_login": row["last_login"],
        "date_joined": row["date_joined"],
        "has_analytics_access": bool(row["is_superuser"]),
    }


def people(call: Call, keys: Iterable[int | None]) -> dict[int | None, dict[str, Any] | None]:
    """Users by key, as :func:`basic` shows them, in one query; no key is nobody."""
    wanted = {key for key in keys if key is not None}
    rows = call.rows_of(f"SELECT * FROM user WHERE id IN {KEYS}", wanted) if wanted else []
    found: dict[int | None, dict[str, Any] | None] = {row["id"]: basic(call, row) for row in rows}
    found[None] = None
    return found


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/users: full for staff, otherwise basic: oneself, or who is in the organization."""
    show = full if call.actor["is_staff"] else basic
    return page(call, LISTING, _visible(call), lambda _, rows: [show(call, row) for row in rows])


def _visible(call: Call) -> list[Condition]:
    """The members of the asked organization, invited ones among them; outside, only oneself.

    An empty name asks for who is in no organization at all (CVAT 2.15's code).
    """
    context = asked(call)
    if context.organization is not None:
        require_member(call, context.organization)
        members = "SELECT user_id FROM membership WHERE organization_id = ?"
        return [(f"u.id IN ({members})", [context.organization])]
    found: list[Condition] = []
    if context.given:
        found.append(("u.id NOT IN (SELECT user_id FROM membership)", []))
    if not call.is_admin:
        found.append(("u.id = ?", [call.actor["id"]]))
    return found


def myself(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/users/self."""
    row = call.row("SELECT * FROM user WHERE id = ?", (call.actor["id"],))
    return Answer(full(call, row or call.actor))


def _find(call: Call, key: str) -> sqlite3.Row:
    row = call.find("SELECT * FROM user WHERE id = ?", key)
    if not call.is_admin and row["id"] != call.actor["id"]:
        raise Forbidden
    return row


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/users/{id}: who asks as a member of an organization sees everybody's names."""
    row = call.find("SELECT * FROM user WHERE id = ?", path["key"])
    mine = row["id"] == call.actor["id"]
    if not mine and not call.is_admin and role_in(call, asked(call).organization) is None:
        raise Forbidden
    return Answer((full if mine or call.actor["is_staff"] else basic)(call, row))


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/users/{id}: staff write all of a user, others their own names."""
    row = _find(call, path["key"])
    staff = bool(call.actor["is_staff"])
    body = call.body()
    if not staff and isinstance(body, dict):
        _refuse_unknown(body)
    given = clean(body, _FULL if staff else _BASIC, partial=True)
    name = given.get("username")
    if name and call.row("SELECT 1 FROM user WHERE username = ? AND id <> ?", (name, row["id"])):
        raise Invalid({"username": ["A user with that username already exists."]})
    if "groups" in given:
        given["roles"] = ",".join(given.pop("groups"))
    if given:
        call.update("user", row["id"], given)
    row = call.find("SELECT * FROM user WHERE id = ?", path["key"])
    return Answer(full(call, row) if staff else basic(call, row))


def _refuse_unknown(body: dict[str, Any]) -> None:
    """Only here an unknown key is refused: others must not even try (CVAT 2.15's serializer)."""
    unknown = set(body) - {"url", "id", *_BASIC}
    if unknown & _GUARDED:
        text = f"You do not have permissions to access some of these fields: {unknown}"
        raise Invalid({"non_field_errors": [text]})
    if unknown:
        raise Invalid({"non_field_errors": [f"Got unknown fields: {unknown}"]})


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/users/{id}: what they owned or were assigned to stays, without them."""
    row = _find(call, path["key"])
    call.run("DELETE FROM user WHERE id = ?", (row["id"],))
    return Answer(status=204)
