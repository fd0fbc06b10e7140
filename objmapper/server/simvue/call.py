"""A call is one request on its way through the views: who asks, what is said, the transaction."""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgpack
from werkzeug.wrappers import Request

from objmapper.server.simvue.errors import NotFound, Unprocessable
from objmapper.server.statements import Statements

#: The keys of a JSON array, as one parameter: a statement takes only so many.
KEYS = "(SELECT value FROM json_each(?))"
MSGPACK = "application/msgpack"
#: What a list that is asked for no count answers.
PAGE = 100
_LETTERS = string.ascii_letters + string.digits
_KEY_LENGTH = 22


@dataclass
class Call(Statements):
    """One request, inside its transaction."""

    request: Request
    clock: Callable[[], str]
    user: sqlite3.Row | None = None

    @property
    def base(self) -> str:
        """Scheme and host by which the client reached this server; links are built on it."""
        return f"{self.request.scheme}://{self.request.host}"

    @property
    def actor(self) -> sqlite3.Row:
        """The user who asks; only views that need a token may ask for it."""
        if self.user is None:
            raise LookupError("nobody asks")
        return self.user

    @property
    def tenant(self) -> int:
        """The tenant of who asks: what others have is not there."""
        return int(self.actor["tenant_id"])

    @property
    def manages(self) -> bool:
        return bool(self.actor["is_admin"] or self.actor["is_manager"])

    def now(self) -> str:
        """The time as Simvue writes it, later than any given before."""
        return self.clock().removesuffix("Z")

    def find(self, table: str, key: str) -> sqlite3.Row:
        """The row of a key in the tenant of who asks."""
        sql = f"SELECT * FROM {table} WHERE key = ? AND tenant_id = ?"
        row = self.row(sql, (key, self.tenant))
        if row is None:
            raise NotFound(f"No {table} with id '{key}'")
        return row

    def rows_of(self, sql: str, keys: Iterable[int | str]) -> list[sqlite3.Row]:
        """The rows of a statement that asks for ``KEYS`` and nothing else."""
        return self.rows(sql, (json.dumps([*keys]),))

    def parameter(self, name: str) -> str | None:
        """A query parameter; of several the last counts."""
        values = self.request.args.getlist(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool | None:
        """A boolean parameter, which Python clients write as True and False."""
        text = self.parameter(name)
        if text is None:
            return None
        if text.lower() not in ("true", "false"):
            raise Unprocessable.at("bool_parsing", "Input should be a valid boolean", "query", name)
        return text.lower() == "true"

    def number(self, name: str, default: int | None = None, *, least: int = 0) -> int | None:
        text = self.parameter(name)
        if text is None:
            return default
        # Not every digit of Unicode is one of int(), and a longer number is none of SQLite's.
        if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) >= least):
            raise Unprocessable.at(
                "int_parsing", f"Input should be a valid integer from {least} on", "query", name
            )
        return int(text)

    def part(self) -> tuple[int, int]:
        """LIMIT and OFFSET of a list: ``count``, where 0 is no limit, from ``start`` on."""
        count = self.number("count", PAGE)
        return count or -1, self.number("start") or 0

    def names(self, name: str) -> list[str]:
        """A parameter that is a JSON list of strings."""
        found = self._loaded(self.parameter(name) or "[]", "query", name)
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise Unprocessable.at(
                "list_type", "Input should be a valid list of strings", "query", name
            )
        return found

    def json(self, *, absent: str = "{}") -> Any:
        """The JSON body; an absent one is an empty object, as the client sends none for that."""
        raw = self.request.get_data()
        if not raw:
            return json.loads(absent)
        if self.request.mimetype != "application/json":
            text = f"Content type should be application/json, not {self.request.mimetype!r}"
            raise Unprocessable.at("content_type", text, "body")
        return self._loaded(raw, "body")

    def packed(self) -> Any:
        """The msgpack body; JSON is taken as well."""
        if self.request.mimetype != MSGPACK:
            return self.json()
        try:
            return msgpack.unpackb(self.request.get_data(), strict_map_key=True)
        except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
            raise Unprocessable.at(
                "msgpack_invalid", f"msgpack decode error: {error}", "body"
            ) from None

    def _loaded(self, text: str | bytes, *place: str) -> Any:
        try:
            return json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise Unprocessable.at("json_invalid", f"JSON decode error: {error}", *place) from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def new_key() -> str:
    """An id as Simvue's are: 22 letters and digits (``simvue.models.OBJECT_ID``)."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_KEY_LENGTH))


@dataclass(frozen=True)
class Answer:
    """What a view says: a body that becomes JSON, or bytes."""

    body: Any = None
    status: int = 200


View = Callable[..., Answer]
