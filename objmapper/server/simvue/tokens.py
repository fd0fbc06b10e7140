"""Tokens are JSON Web Tokens that expire: the published client reads when, before it asks anything.

What they are compared by is a hash: a file that keeps the state lends no one a token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import sqlite3
import time
from typing import Any

from objmapper.server.environ import in_process
from objmapper.server.simvue.call import Call
from objmapper.server.simvue.errors import Forbidden, Unauthorized

_LASTS = 10 * 365 * 24 * 3600


def new_token(name: str) -> str:
    """A signed token of a user, good for ten years; nobody else has the key."""
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": name, "exp": int(time.time()) + _LASTS}]
    said = b".".join(_encoded(json.dumps(part).encode()) for part in parts)
    sign = hmac.digest(secrets.token_bytes(32), said, "sha256")
    return b".".join([said, _encoded(sign)]).decode()


def keep(connection: sqlite3.Connection, user: int, token: str) -> None:
    """A token is taken for a user's from now on."""
    connection.execute(
        "INSERT INTO token (hash, user_id, expires) VALUES (?, ?, ?)"
        " ON CONFLICT (hash) DO UPDATE SET user_id = excluded.user_id",
        (_hashed(token), user, _expiry(token)),
    )


def authenticate(call: Call) -> sqlite3.Row:
    """The user of the request's token. In process none is needed: it is the administrator then."""
    header = call.request.headers.get("Authorization", "")
    if not header and in_process(call.request.environ):
        found = call.row(_USER + "WHERE user.is_admin AND NOT user.is_deleted ORDER BY user.id")
    else:
        scheme, _, token = header.partition(" ")
        found = call.row(_USER + _BY_TOKEN, (_hashed(token.strip()),))
        if scheme.lower() != "bearer" or found is None:
            raise Unauthorized("Could not validate credentials")
        if found["expires"] is not None and found["expires"] <= time.time():
            raise Unauthorized("Token has expired")
    if found is None or not found["is_enabled"] or not found["tenant_is_enabled"]:
        raise Forbidden("This account is not enabled")
    return found


_USER = (
    "SELECT user.*, tenant.is_enabled AS tenant_is_enabled, tenant.name AS tenant_name,"
    " tenant.key AS tenant_key, token.expires"
    " FROM user JOIN tenant ON tenant.id = user.tenant_id"
    " LEFT JOIN token ON token.user_id = user.id "
)
_BY_TOKEN = "WHERE token.hash = ? AND NOT user.is_deleted"


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def _expiry(token: str) -> float | None:
    """When a token ends, by what it says itself; None for one that is no JSON Web Token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        said: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(said["exp"])
    except (binascii.Error, ValueError, TypeError, KeyError):
        return None
