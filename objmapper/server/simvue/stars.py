"""Stars: each user marks runs and folders of their own liking."""

from __future__ import annotations

from collections.abc import Iterable

from objmapper.server.simvue.call import KEYS, Call
from objmapper.server.simvue.validation import clean
from objmapper.server.simvue.values import Boolean


def starred(call: Call, keys: Iterable[str]) -> set[str]:
    """Which of the objects who asks has starred."""
    sql = f"SELECT key FROM star WHERE user_id = {int(call.actor['id'])} AND key IN {KEYS}"
    return {row["key"] for row in call.rows_of(sql, keys)}


def star(call: Call, key: str) -> None:
    """The body of the request says whether: ``{"starred": true}``."""
    said = clean(call.json(), {"starred": Boolean(required=True)})
    mark = (call.actor["id"], key)
    if said["starred"]:
        call.run("INSERT INTO star (user_id, key) VALUES (?, ?) ON CONFLICT DO NOTHING", mark)
    else:
        call.run("DELETE FROM star WHERE user_id = ? AND key = ?", mark)
