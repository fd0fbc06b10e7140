"""Sessions: Django's two cookies, one that says who asks and one against forged requests.

The rules and the words are Django's 4.2, as CVAT 2.15 has them. What it asks of a Referer counts
under https only, which is not spoken here.
"""

from __future__ import annotations

import hmac
import secrets
import sqlite3
import string
from datetime import UTC, datetime, timedelta

from werkzeug.wrappers import Response

from objmapper.server.cvat.call import Call
from objmapper.server.cvat.errors import Forbidden
from objmapper.server.storage import stamp

SESSION, TOKEN = "sessionid", "csrftoken"
_SECONDS = {SESSION: 14 * 24 * 3600, TOKEN: 364 * 24 * 3600}
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_CHARACTERS = string.ascii_letters + string.digits
_LENGTH = 32


def user_of(call: Call) -> sqlite3.Row | None:
    """The user of the session that a request belongs to, whose unsafe requests need its token.

    The cookie of a session that has ended, or was never one here, is taken back.
    """
    key = _cookie(call, SESSION)
    if not key:
        return None
    session = _find(call, key)
    if session is None:
        call.cookies[SESSION] = None
        return None
    user = call.row("SELECT * FROM user WHERE id = ? AND is_active", (session["user_id"],))
    if user is not None:
        _check_token(call)
    return user


def belongs(call: Call) -> bool:
    """Whether a request belongs to a session, whoever's it is."""
    return _find(call, _cookie(call, SESSION)) is not None


def start(call: Call, user: sqlite3.Row) -> None:
    """A new session begins, with a new token; the one that the request came with is over."""
    now = datetime.now(UTC)
    key = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(_LENGTH))
    ends = stamp(now + timedelta(seconds=_SECONDS[SESSION]))
    call.run("DELETE FROM session WHERE key = ? OR ends <= ?", (_cookie(call, SESSION), stamp(now)))
    call.run("INSERT INTO session (key, user_id, ends) VALUES (?, ?, ?)", (key, user["id"], ends))
    call.run("UPDATE user SET last_login = ? WHERE id = ?", (call.clock(), user["id"]))
    call.cookies |= {SESSION: key, TOKEN: _new_token()}


def end(call: Call) -> None:
    """The session of a request is over, and its cookie is taken back."""
    came = _cookie(call, SESSION)
    call.run("DELETE FROM session WHERE key IN (?, ?)", (came, call.cookies.pop(SESSION, None)))
    if came is not None:
        call.cookies[SESSION] = None


def replace_bad_token(call: Call) -> None:
    """A token that can't be one is replaced, whatever else is asked."""
    token = _cookie(call, TOKEN)
    if token is not None and _fault(token):
        call.cookies[TOKEN] = _new_token()


def set_cookies(call: Call, response: Response) -> None:
    """The cookies that an answer sets and takes back."""
    for name, value in call.cookies.items():
        response.set_cookie(
            name,
            value or "",
            max_age=0 if value is None else _SECONDS[name],
            expires=0 if value is None else None,
            httponly=name == SESSION and value is not None,
            samesite="Lax",
        )


def _find(call: Call, key: str | None) -> sqlite3.Row | None:
    now = stamp(datetime.now(UTC))
    return call.row("SELECT * FROM session WHERE key = ? AND ends > ?", (key, now))


def _cookie(call: Call, name: str) -> str | None:
    """A cookie's value; of several the last counts."""
    values = call.request.cookies.getlist(name)
    return values[-1] if values else None


def _check_token(call: Call) -> None:
    """403 for an unsafe request from elsewhere, or without the token of its cookie."""
    request = call.request
    if request.method in SAFE:
        return
    origin, cookie = request.headers.get("Origin"), _cookie(call, TOKEN)
    header = request.headers.get("X-CSRFToken")
    if origin is not None and origin != call.base:
        raise _forged(f"Origin checking failed - {origin} does not match any trusted origins.")
    if cookie is None:
        raise _forged("CSRF cookie not set.")
    if fault := _fault(cookie):
        raise _forged(f"CSRF cookie {fault}.")
    if header is None:
        raise _forged("CSRF token missing.")
    fault = _fault(header)
    if not fault and not hmac.compare_digest(_plain(cookie), _plain(header)):
        fault = "incorrect"
    if fault:
        raise _forged(f"CSRF token from the 'X-Csrftoken' HTTP header {fault}.")


def _forged(reason: str) -> Forbidden:
    return Forbidden(f"CSRF Failed: {reason}")


def _new_token() -> str:
    return "".join(secrets.choice(_CHARACTERS) for _ in range(_LENGTH))


def _fault(token: str) -> str:
    """Why a text is no token; empty for one that may be."""
    if len(token) not in (_LENGTH, 2 * _LENGTH):
        return "has incorrect length"
    return "" if set(token) <= set(_CHARACTERS) else "has invalid characters"


def _plain(token: str) -> str:
    """A token without its mask: pages show it masked, the first half over the second."""
    if len(token) == _LENGTH:
        return token
    mask, masked = token[:_LENGTH], token[_LENGTH:]
    at = _CHARACTERS.index
    return "".join(_CHARACTERS[at(b) - at(a)] for a, b in zip(mask, masked, strict=True))
