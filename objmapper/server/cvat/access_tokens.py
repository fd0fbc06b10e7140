"""Personal access tokens: their own endpoints, and the requests that are signed with one.

Their keys and names are known from cvat-sdk 2.80.0; the rules are those of the server's application
``access_tokens``, read in files of versions after 2.15. 2.15 has none of it.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from objmapper.server.cvat import users
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.errors import Forbidden, Invalid, Unauthorized
from objmapper.server.cvat.pages import page
from objmapper.server.cvat.terms import Condition, Listing, Term
from objmapper.server.cvat.validation import Boolean, Field, Moment, Text, clean
from objmapper.server.storage import stamp

MOST = 50
_BY_ID = "SELECT k.* FROM access_token AS k WHERE k.id = ?"
_UNUSED_DAYS = 180
_NOTED_EVERY = timedelta(hours=2)
_FIELDS: dict[str, Field] = {
    "name": Text(50, required=True),
    "expiry_date": Moment(null=True),
    "read_only": Boolean(default=True),
}

LISTING = Listing(
    source="access_token AS k",
    columns="k.*",
    key="k.id",
    terms={
        "id": Term("k.id", "integer"),
        "name": Term("k.name"),
        "read_only": Term("k.read_only", "boolean"),
        "created_date": Term("k.created_date", "moment"),
        "updated_date": Term("k.updated_date", "moment"),
        "expiry_date": Term("k.expiry_date", "moment"),
        "last_used_date": Term("k.last_used_date", "moment"),
    },
    simple=("name", "read_only"),
    search=("name",),
)


def user_of(call: Call, value: str) -> sqlite3.Row | None:
    """The user whose token that is; when it was last used is noted every two hours."""
    condition, values = _usable()
    sql = f"SELECT k.* FROM access_token AS k WHERE k.hash = ? AND {condition}"
    token = call.row(sql, (_hash(value), *values))
    if token is None:
        return None
    now = datetime.now(UTC)
    if (token["last_used_date"] or "") <= stamp(now - _NOTED_EVERY):
        call.run(
            "UPDATE access_token SET last_used_date = ? WHERE id = ?", (stamp(now), token["id"])
        )
        token = call.row(_BY_ID, (token["id"],)) or token
    call.token = token
    return call.row("SELECT * FROM user WHERE id = ?", (token["user_id"],))


def represent(call: Call, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Tokens as CVAT shows them: never the value."""
    who = users.people(call, [row["user_id"] for row in rows])
    names = ("id", "name", "created_date", "updated_date", "expiry_date", "last_used_date")
    return [
        {name: row[name] for name in names}
        | {"read_only": bool(row["read_only"]), "owner": who[row["user_id"]]}
        for row in rows
    ]


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/auth/access_tokens: one's own, an administrator's are everybody's."""
    own: list[Condition] = [] if call.is_admin else [("k.user_id = ?", [call.actor["id"]])]
    return page(call, LISTING, [_usable(), *own], represent)


def created(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/auth/access_tokens: this once the value is told."""
    given = clean(call.body(), _FIELDS, partial=False)
    condition, values = _usable()
    sql = f"SELECT 1 FROM access_token AS k WHERE k.user_id = ? AND {condition}"
    if len(call.rows(sql, (call.actor["id"], *values))) >= MOST:
        text = "You have reached the maximum allowed number of Personal Access Tokens for a user"
        raise Invalid([text])
    key, value = add(call.connection, call.clock, call.actor["id"], **given)
    row = represent(call, [_find(call, str(key))])[0]
    return Answer(row | {"value": value}, 201)


def myself(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/auth/access_tokens/self: the token that the request is signed with."""
    if call.token is None:
        raise Unauthorized
    return Answer(represent(call, [call.token])[0])


def retrieved(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/auth/access_tokens/{id}."""
    return Answer(represent(call, [_find(call, path["key"])])[0])


def updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/auth/access_tokens/{id}: its name, when it expires, whether it only reads."""
    row = _find(call, path["key"])
    given = clean(call.body(), _FIELDS, partial=True) | {"updated_date": call.clock()}
    call.update("access_token", row["id"], given)
    return Answer(represent(call, call.rows(_BY_ID, (row["id"],)))[0])


def removed(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/auth/access_tokens/{id}: it is revoked."""
    row = _find(call, path["key"])
    values = (call.clock(), row["id"])
    call.run("UPDATE access_token SET revoked = 1, updated_date = ? WHERE id = ?", values)
    return Answer(status=204)


def add(
    connection: sqlite3.Connection,
    clock: Callable[[], str],
    user: int,
    *,
    name: str,
    expiry_date: str | None = None,
    read_only: bool = False,
    value: str | None = None,
) -> tuple[int, str]:
    """The key and the value of a new token; the value is made here unless it is given."""
    value = value or secrets.token_urlsafe(30)
    now = clock()
    connection.execute("DELETE FROM access_token WHERE hash = ?", (_hash(value),))
    done = connection.execute(
        "INSERT INTO access_token (hash, user_id, name, expiry_date, read_only, created_date,"
        " updated_date) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (_hash(value), user, name, expiry_date, read_only, now, now),
    )
    return done.lastrowid or 0, value


def _usable() -> Condition:
    """The condition of tokens that count: neither revoked nor expired nor long unused."""
    now = datetime.now(UTC)
    return (
        "k.revoked = 0 AND (k.expiry_date IS NULL OR k.expiry_date >= ?)"
        " AND coalesce(k.last_used_date, k.created_date) >= ?",
        [stamp(now), stamp(now - timedelta(days=_UNUSED_DAYS))],
    )


def _find(call: Call, key: str) -> sqlite3.Row:
    """A usable token of who asks. 404 where there is none, 403 for another user's."""
    condition, values = _usable()
    row = call.find(f"{_BY_ID} AND {condition}", key, *values)
    if not call.is_admin and row["user_id"] != call.actor["id"]:
        raise Forbidden
    return row


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
