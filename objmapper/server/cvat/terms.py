"""A term is a name that a list can be filtered, searched or sorted by, and the SQL behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from objmapper.server.cvat.errors import Broken
from objmapper.server.storage import stamp

Kind = Literal["text", "integer", "moment", "boolean"]
Condition = tuple[str, list[Any]]

_LARGEST = 2**63 - 1
_TRUE = frozenset({True, "t", "True", "1"})
_FALSE = frozenset({False, "f", "False", "0"})


@dataclass(frozen=True)
class Term:
    """One name of a list; its simple parameter takes only ``choices``, or keys of ``table``.

    Without a table an integer takes any number: so CVAT looks for ids behind another object.
    """

    sql: str
    kind: Kind = "text"
    choices: tuple[str, ...] = ()
    table: str | None = None

    def value(self, value: Any, operator: str = "==") -> Any:
        """A JSON value for a comparison; one that CVAT's database refuses breaks the request."""
        try:
            return _CONVERT[self.kind](value, operator)
        except (TypeError, ValueError, OverflowError) as error:
            raise Broken(f"{value!r} is no {self.kind}") from error


@dataclass(frozen=True)
class Listing:
    """What a list is read from, and the names that it takes (2.80's, from cvat-sdk 2.80.0)."""

    source: str
    columns: str
    terms: dict[str, Term]
    simple: tuple[str, ...]
    search: tuple[str, ...]
    key: str
    order: str = "-id"
    #: Names that it is sorted by and not filtered.
    sorted_only: frozenset[str] = frozenset()
    #: Names that it is filtered by and not sorted.
    filtered_only: frozenset[str] = frozenset()

    @property
    def filtered(self) -> dict[str, Term]:
        """The terms that JSON Logic may name."""
        return {name: term for name, term in self.terms.items() if name not in self.sorted_only}

    @property
    def sorted(self) -> dict[str, Term]:
        """The terms that ``sort`` may name."""
        return {name: term for name, term in self.terms.items() if name not in self.filtered_only}


def _integer(value: Any, operator: str) -> int:
    if isinstance(value, float):
        # 5 is the first whole number from 4.5 on, and the last below 5.5.
        number = math.ceil(value) if operator in ("<", ">=") else math.floor(value)
    else:
        number = int(value)
    return max(-_LARGEST, min(_LARGEST, number))


def _text(value: Any, operator: str) -> str:
    return storable(str(value))


def storable(text: str) -> str:
    """Text that a database takes: no NUL (PostgreSQL), no half of a surrogate pair."""
    if "\x00" in text:
        raise ValueError("NUL")
    text.encode()
    return text


def joined(operator: str, parts: Sequence[Condition]) -> Condition:
    """Conditions under AND or OR, as a balanced tree: SQLite limits how deep one may be.

    >>> joined("OR", [("a", []), ("b", []), ("c", [])])
    ('(a OR (b OR c))', [])
    """
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    left, some = joined(operator, parts[:middle])
    right, more = joined(operator, parts[middle:])
    return f"({left} {operator} {right})", some + more


def _moment(value: Any, operator: str) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    moment = datetime.fromisoformat(value.strip())
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _boolean(value: Any, operator: str) -> int:
    if value in _TRUE:
        return 1
    if value in _FALSE:
        return 0
    raise ValueError(value)


_CONVERT = {"integer": _integer, "text": _text, "moment": _moment, "boolean": _boolean}
