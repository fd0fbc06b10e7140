"""A call is one request on its way through the views: who asks, what is said, the transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Request

from objmapper.server.cvat.errors import Broken, Invalid, NotFound, Unsupported
from objmapper.server.cvat.site import Site
from objmapper.server.cvat.versions import Version
from objmapper.server.statements import Statements

#: The keys of a JSON array, as one parameter: a statement takes only so many.
KEYS = "(SELECT value FROM json_each(?))"
# Primary keys are 64 bits: more digits than these are no object's, and no error.
_MOST_DIGITS = 19


@dataclass
class Call(Statements):
    """One request, inside its transaction."""

    request: Request
    clock: Callable[[], str]
    version: Version
    site: Site
    user: sqlite3.Row | None = None
    # The personal access token that signs the request, if one does.
    token: sqlite3.Row | None = None
    # Cookies that the answer sets: name to value, None to delete.
    cookies: dict[str, str | None] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """Scheme and host by which the client reached this server; links are built on it."""
        return f"{self.request.scheme}://{self.request.host}"

    @property
    def kind(self) -> str:
        """What the path is about: tasks, projects, server ..."""
        return self.request.path.split("/", 3)[2]

    @property
    def actor(self) -> sqlite3.Row:
        """The user who asks; only views that need a login may ask for it."""
        if self.user is None:
            raise LookupError("nobody is logged in")
        return self.user

    @property
    def is_admin(self) -> bool:
        return bool(self.actor["is_superuser"]) or "admin" in self.actor["roles"].split(",")

    def parameter(self, name: str) -> str | None:
        """A query parameter; of several the last counts, as in Django."""
        values = self.request.args.getlist(name)
        return values[-1] if values else None

    def rows_of(self, sql: str, keys: Iterable[int]) -> list[sqlite3.Row]:
        """The rows of a statement that asks for ``KEYS`` and nothing else."""
        return self.rows(sql, (json.dumps([*keys]),))

    def run(self, sql: str, parameters: Any = ()) -> int:
        """A statement is run; the id of what it inserted, if it did."""
        try:
            return super().run(sql, parameters)
        except (sqlite3.IntegrityError, OverflowError) as error:
            # A reference to nothing: CVAT leaves that to its database (observed on 2.15).
            raise Broken(str(error)) from error

    def find(self, sql: str, text: str, *more: Any) -> sqlite3.Row:
        """The row of the key in the path; anything that is no key is not found either."""
        row = self.row(sql, (key_in(text), *more))
        if row is None:
            raise NotFound
        return row

    def referred(self, name: str, find: Find, value: Any) -> sqlite3.Row:
        """The row that a key in the body leads to; CVAT looks for it before it reads the rest.

        None is a 400 as a list, what no key can be breaks it (CVAT 2.15's permissions).
        """
        try:
            key = 0 if value is None else int(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise Broken(f"{value!r} is no key") from error
        try:
            return find(self, str(key))
        except NotFound:
            raise Invalid([f"{name} matching query does not exist."]) from None

    def body(self) -> Any:
        """The JSON body; an absent one is an empty object.

        The words of a parse error are Python's own, in CVAT too (observed on 2.15).
        """
        raw = self.request.get_data()
        if not raw:
            return {}
        if self.request.mimetype != "application/json":
            raise Unsupported(self.request.content_type or "")
        try:
            body = json.loads(raw.decode("utf-8"), parse_constant=_refuse)
        except ValueError as error:
            raise Invalid({"detail": f"JSON parse error - {error}"}) from None
        except RecursionError as error:
            raise Broken("nested too deep") from error
        return self.version.heard(self.kind, body)


def key_in(text: str) -> int:
    """The key that a text says; 0, which no object has, for what can be none.

    >>> key_in("42"), key_in("-1"), key_in("9" * 5000)
    (42, 0, 0)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0


def _refuse(constant: str) -> Any:
    raise ValueError(f"Out of range float values are not JSON compliant: {constant}")


@dataclass(frozen=True)
class Content:
    """A body that is no JSON, and is made when the transaction is over."""

    kind: str
    make: Callable[[], bytes]


@dataclass(frozen=True)
class Answer:
    """What a view says: a status, a body that becomes JSON or none, headers of its own."""

    body: Any = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content: Content | None = None


View = Callable[[Call, dict[str, str]], Answer]
Find = Callable[[Call, str], sqlite3.Row]
