"""Tenants, whom administrators alone see and change; each has a root of folders and a storage."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from objmapper.server.simvue import storages
from objmapper.server.simvue.call import Answer, Call, new_key
from objmapper.server.simvue.errors import Exists, Forbidden, NotFound, Refused
from objmapper.server.simvue.filters import Condition
from objmapper.server.simvue.listing import Listing, page
from objmapper.server.simvue.resources import Resource
from objmapper.server.simvue.values import Boolean, Integer, Text
from objmapper.server.statements import Statements

_TENANT = Resource(
    "tenant",
    {
        "name": Text(required=True, least=1),
        "is_enabled": Boolean(default=True),
        "max_request_rate": Integer(least=0, default=0),
        "max_runs": Integer(least=0, default=0),
        "max_data_volume": Integer(least=0, default=0),
    },
)


def add(
    connection: sqlite3.Connection, clock: Callable[[], str], values: dict[str, Any]
) -> tuple[int, str]:
    """A tenant with the root of its folders and a storage of files."""
    statements = Statements(connection)
    key, now = new_key(), clock().removesuffix("Z")
    tenant = statements.insert("tenant", {"key": key, "created": now, **values})
    base = {"tenant_id": tenant, "created": now}
    statements.insert("folder", {**base, "key": new_key(), "path": "/", "modified": now})
    statements.insert("storage", {**base, "key": new_key(), **storages.FIRST})
    return tenant, key


def _administers(call: Call) -> None:
    if not call.actor["is_admin"]:
        raise Forbidden


def _every(call: Call, table: str) -> Condition:
    return "1", []


_TENANTS = Listing(
    "tenant", "tenant", {"name": "tenant.name", "created": "tenant.created"}, visible=_every
)


def listed(call: Call) -> Answer:
    _administers(call)
    rows, total = _TENANTS.rows(call)
    return Answer(page([_TENANT.told(row) for row in rows], total))


def created(call: Call) -> Answer:
    _administers(call)
    values = _TENANT.new(call.json())
    row = call.row("SELECT key FROM tenant WHERE name = ?", (values["name"],))
    if row is not None:
        raise Exists("tenant", row["key"])
    return Answer({"id": add(call.connection, call.clock, values)[1]})


def _tenant(call: Call, key: str) -> sqlite3.Row:
    _administers(call)
    row = call.row("SELECT * FROM tenant WHERE key = ?", (key,))
    if row is None:
        raise NotFound(f"No tenant with id '{key}'")
    return row


def retrieved(call: Call, key: str) -> Answer:
    return Answer(_TENANT.told(_tenant(call, key)))


def updated(call: Call, key: str) -> Answer:
    row = _tenant(call, key)
    values = _TENANT.changes(call.json(), row)
    other = call.row("SELECT key FROM tenant WHERE name = ?", (values.get("name"),))
    if other is not None and other["key"] != key:
        raise Exists("tenant", other["key"])
    _TENANT.update(call, row, values)
    return Answer({"id": key})


def deleted(call: Call, key: str) -> Answer:
    """With all that it has; not the one of who asks."""
    row = _tenant(call, key)
    if row["id"] == call.tenant:
        raise Refused("The tenant of who asks can't be deleted")
    call.run("DELETE FROM tenant WHERE id = ?", (row["id"],))
    return Answer({})
