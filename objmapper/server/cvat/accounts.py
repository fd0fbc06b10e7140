"""The users and tokens that a server is started with."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from objmapper.server.cvat import access_tokens
from objmapper.server.cvat.auth import hashed
from objmapper.server.options import Options


def prepare(connection: sqlite3.Connection, clock: Callable[[], str], options: Options) -> None:
    """The users exist with these passwords, the first of them as superuser; others are kept."""
    for number, (name, password) in enumerate(options.users):
        roles = "admin" if number == 0 else "user"
        connection.execute(
            "INSERT INTO user (username, password, email, roles, is_staff, is_superuser,"
            " date_joined) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (username) DO UPDATE SET password = excluded.password",
            (
                name,
                hashed(password),
                f"{name}@example.com",
                roles,
                number == 0,
                number == 0,
                clock(),
            ),
        )
    connection.execute(
        "UPDATE user SET is_staff = 1, is_superuser = 1, is_active = 1, roles = 'admin'"
        " WHERE username = ?",
        (options.users[0][0],),
    )
    for name, token in options.tokens:
        add_token(connection, clock, name, token)


def add_token(
    connection: sqlite3.Connection, clock: Callable[[], str], name: str, token: str | None = None
) -> str:
    """A personal access token of a user; made here unless it is given."""
    row = connection.execute("SELECT id FROM user WHERE username = ?", (name,)).fetchone()
    if row is None:
        raise ValueError(f"a token is given for {name!r}, who is not a user of this server")
    _, value = access_tokens.add(connection, clock, row["id"], name="given", value=token)
    return value
