"""Who asks: sessions, Token, Basic and Bearer credentials, as CVAT takes them.

The order and the words were observed on CVAT 2.15; Bearer tokens are newer (known from cvat-sdk
2.80). A login gives every time the same token of its user, and a logout ends it for all.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import sqlite3
from functools import lru_cache

from objmapper.server.cvat import access_tokens, sessions
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.errors import Invalid, Unauthorized
from objmapper.server.cvat.validation import Text, clean
from objmapper.server.environ import in_process

_ROUNDS = 10_000
_LOGIN = {
    "username": Text(150, blank=True),
    "email": Text(254, blank=True),
    "password": Text(128, required=True),
}


def authenticate(call: Call, public: bool) -> sqlite3.Row | None:
    """The user of the request's credentials; None when it has none, 401 when they are wrong.

    In process no credentials are needed for what is not public: it is the superuser who asks.
    """
    header = call.request.headers.get("Authorization", "")
    scheme = header.partition(" ")[0].lower()
    if scheme == "token":
        return _by_token(call, header)
    if scheme == "bearer" and call.version.access_tokens:
        return _known(access_tokens.user_of(call, _credential(header, "token")))
    user = sessions.user_of(call)
    if user is None and scheme == "basic":
        return _by_password(call, header)
    bare = not header and sessions.SESSION not in call.request.cookies
    if bare and not public and in_process(call.request.environ):
        return call.row("SELECT * FROM user WHERE is_superuser ORDER BY id LIMIT 1")
    return user


def _by_token(call: Call, header: str) -> sqlite3.Row:
    user = _known(call.row(_BY_TOKEN, (_credential(header, "token"),)))
    if call.version.token_starts_session and not sessions.belongs(call):
        sessions.start(call, user)
    return user


_BY_TOKEN = "SELECT user.* FROM user JOIN login_token AS t ON t.user_id = user.id WHERE t.key = ?"


def _known(user: sqlite3.Row | None) -> sqlite3.Row:
    """The user of a token."""
    if user is None:
        raise Unauthorized("Invalid token.")
    return _active(user)


def _active(user: sqlite3.Row) -> sqlite3.Row:
    if not user["is_active"]:
        raise Unauthorized("User inactive or deleted.")
    return user


def _credential(header: str, kind: str) -> str:
    """What follows the scheme; the words are those of Django REST framework."""
    parts = header.split()
    if len(parts) == 1:
        raise Unauthorized(f"Invalid {kind} header. No credentials provided.")
    if len(parts) > 2:
        what = "Token string" if kind == "token" else "Credentials string"
        raise Unauthorized(f"Invalid {kind} header. {what} should not contain spaces.")
    return parts[1]


def _by_password(call: Call, header: str) -> sqlite3.Row:
    try:
        text = base64.b64decode(_credential(header, "basic"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        problem = "Invalid basic header. Credentials not correctly base64 encoded."
        raise Unauthorized(problem) from None
    name, _, password = text.partition(":")
    user = _with_password(call, name, password)
    if user is None:
        raise Unauthorized("Invalid username/password.")
    return _active(user)


def _with_password(call: Call, name: str, password: str) -> sqlite3.Row | None:
    user = call.row("SELECT * FROM user WHERE username = ?", (name,))
    return user if user is not None and _matches(password, user["password"]) else None


def login(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/auth/login: a token and a session; a wrong password is a 400 (observed on 2.15)."""
    given = clean(call.body(), _LOGIN, partial=False)
    name = given.get("username", "")
    if not name and given.get("email"):
        row = call.row("SELECT username FROM user WHERE email = ?", (given["email"],))
        name = row["username"] if row else ""
    if not name:
        raise Invalid({"non_field_errors": ['Must include "username" and "password".']})
    user = _with_password(call, name, given["password"])
    if user is None or not user["is_active"]:
        raise Invalid({"non_field_errors": ["Unable to log in with provided credentials."]})
    token = call.row("SELECT key FROM login_token WHERE user_id = ?", (user["id"],))
    key = token["key"] if token else secrets.token_hex(20)
    if token is None:
        call.run("INSERT INTO login_token (key, user_id) VALUES (?, ?)", (key, user["id"]))
    sessions.start(call, user)
    return Answer({"key": key})


def logout(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/auth/logout: the session ends, and the token of its user for every client."""
    if call.user is not None:
        call.run("DELETE FROM login_token WHERE user_id = ?", (call.user["id"],))
    sessions.end(call)
    return Answer({"detail": "Successfully logged out."})


@lru_cache(maxsize=64)
def hashed(password: str) -> str:
    """A salted hash of a password, as it is stored; in one process it is the same every time.

    Remembered, as tests start a server for each of them, with the same users.
    """
    salt = secrets.token_hex(8)
    return f"{salt}${_derive(salt, password)}"


def _matches(password: str, stored: str) -> bool:
    salt, _, wanted = stored.partition("$")
    return hmac.compare_digest(_derive(salt, password), wanted)


@lru_cache(maxsize=64)
def _derive(salt: str, password: str) -> str:
    """Remembered, as Basic credentials come with every request (160 ms each on CVAT 2.15)."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), _ROUNDS).hex()
