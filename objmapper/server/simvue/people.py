"""Users: administrators see and change all, managers those of their tenant.

Who may what is a choice: of the real server only the 403 on a creation is known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from objmapper.server.options import Options
from objmapper.server.simvue import tenants, tokens
from objmapper.server.simvue.call import Answer, Call, new_key
from objmapper.server.simvue.errors import Exists, Forbidden, NotFound, Refused
from objmapper.server.simvue.filters import Condition
from objmapper.server.simvue.listing import Listing, page
from objmapper.server.simvue.resources import Resource
from objmapper.server.simvue.validation import Nested, clean
from objmapper.server.simvue.values import Boolean, Field, Text
from objmapper.server.statements import Statements

ADMIN = "admin"
_HOME = "default"
_PERSON: dict[str, Field] = {
    "username": Text(required=True, least=1),
    "fullname": Text(null=True),
    "email": Text(null=True),
    "is_manager": Boolean(default=False),
    "is_admin": Boolean(default=False),
    "is_readonly": Boolean(default=False),
    "is_enabled": Boolean(default=True),
}
_USER = Resource("user", _PERSON)
# The published client says the fields twice: beside and inside ``user``.
_CREATED = {
    **_PERSON,
    "tenant": Text(null=True),
    "welcome": Boolean(),
    "offline": Boolean(),
    "user": Nested({**_PERSON, "tenant": Text(null=True), "welcome": Boolean()}),
}


def prepare(
    connection: sqlite3.Connection, clock: Callable[[], str], options: Options
) -> tuple[str, str]:
    """The users of the options exist, the first of them as administrator; its name and its token."""
    pairs = options.tokens
    if not pairs:
        pairs = ((ADMIN, tokens.new_token(ADMIN)),)
    row = connection.execute("SELECT id FROM tenant ORDER BY id").fetchone()
    home = int(row["id"]) if row else tenants.add(connection, clock, {"name": _HOME})[0]
    for number, (name, token) in enumerate(pairs):
        user = _user_called(connection, name)
        if user is None:
            user = _add_user(connection, clock, home, {"username": name})[0]
        if number == 0:
            connection.execute(
                "UPDATE user SET is_admin = 1, is_readonly = 0, is_enabled = 1 WHERE id = ?",
                (user,),
            )
        tokens.keep(connection, user, token)
    return pairs[0]


def add_token(connection: sqlite3.Connection, name: str, token: str | None = None) -> str:
    """A token of a user; made here unless it is given."""
    user = _user_called(connection, name)
    if user is None:
        raise ValueError(f"a token is given for {name!r}, who is not a user of this server")
    token = token or tokens.new_token(name)
    tokens.keep(connection, user, token)
    return token


def _user_called(connection: sqlite3.Connection, name: str) -> int | None:
    sql = "SELECT id FROM user WHERE username = ? AND NOT is_deleted"
    row = connection.execute(sql, (name,)).fetchone()
    return None if row is None else int(row["id"])


def _add_user(
    connection: sqlite3.Connection, clock: Callable[[], str], tenant: int, values: dict[str, Any]
) -> tuple[int, str]:
    key = new_key()
    base = {"key": key, "tenant_id": tenant, "created": clock().removesuffix("Z")}
    return Statements(connection).insert("user", base | values), key


def _seen(call: Call, table: str) -> Condition:
    if call.actor["is_admin"]:
        return "NOT user.is_deleted", []
    return "NOT user.is_deleted AND user.tenant_id = ?", [call.tenant]


_USERS = Listing(
    "user JOIN tenant ON tenant.id = user.tenant_id",
    "user",
    {"username": "user.username", "created": "user.created"},
    columns=", tenant.key AS tenant_key",
    visible=_seen,
)


def told(row: sqlite3.Row) -> dict[str, Any]:
    return _USER.told(row) | {"is_deleted": bool(row["is_deleted"]), "tenant": row["tenant_key"]}


def _manages(call: Call) -> None:
    if not call.manages:
        raise Forbidden


def users(call: Call) -> Answer:
    _manages(call)
    rows, total = _USERS.rows(call)
    return Answer(page([told(row) for row in rows], total))


def create_user(call: Call) -> Answer:
    """In the tenant that is named; one that is none is that of who asks (``test_user.py``)."""
    _manages(call)
    body = call.json()
    inner = body.get("user") if isinstance(body, dict) else None
    said = clean({**inner, **body} if isinstance(inner, dict) else body, _CREATED)
    values = {name: said.get(name, each.default) for name, each in _PERSON.items()}
    place = call.row("SELECT id FROM tenant WHERE key = :t OR name = :t", {"t": said.get("tenant")})
    home = call.tenant if place is None else int(place["id"])
    if not call.actor["is_admin"] and (values["is_admin"] or home != call.tenant):
        raise Forbidden
    row = call.row(
        "SELECT key FROM user WHERE username = ? AND NOT is_deleted", (values["username"],)
    )
    if row is not None:
        raise Exists("user", row["key"])
    return Answer({"id": _add_user(call.connection, call.clock, home, values)[1]})


def _user(call: Call, key: str) -> sqlite3.Row:
    if call.actor["key"] != key:
        _manages(call)
    visible, values = _seen(call, "user")
    row = call.row(
        "SELECT user.*, tenant.key AS tenant_key FROM user JOIN tenant ON tenant.id = tenant_id"
        f" WHERE user.key = ? AND {visible}",
        (key, *values),
    )
    if row is None:
        raise NotFound(f"No user with id '{key}'")
    return row


def user(call: Call, key: str) -> Answer:
    return Answer(told(_user(call, key)))


def update_user(call: Call, key: str) -> Answer:
    row = _user(call, key)
    values = _USER.changes(call.json(), row)
    _manages(call)
    if not call.actor["is_admin"] and (values.get("is_admin") or row["is_admin"]):
        raise Forbidden
    other = _user_called(call.connection, values.get("username", row["username"]))
    if other is not None and other != row["id"]:
        raise Exists("user", call.rows("SELECT key FROM user WHERE id = ?", (other,))[0]["key"])
    _USER.update(call, row, values)
    return Answer({"id": key})


def delete_user(call: Call, key: str) -> Answer:
    """Gone for everybody; what the user made stays."""
    row = _user(call, key)
    _manages(call)
    if row["id"] == call.actor["id"]:
        raise Refused("Who asks can't be deleted")
    if row["is_admin"] and not call.actor["is_admin"]:
        raise Forbidden
    call.run("UPDATE user SET is_deleted = 1 WHERE id = ?", (row["id"],))
    call.run("DELETE FROM token WHERE user_id = ?", (row["id"],))
    return Answer({})


def whoami(call: Call) -> Answer:
    return Answer(told(call.actor) | {"tenant_name": call.actor["tenant_name"]})
