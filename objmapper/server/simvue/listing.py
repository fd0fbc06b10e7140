"""A list is answered in part: ``count`` objects from ``start`` on, with the total beside them.

That the total is what ``count`` of an answer says is known from where the published client stops to
ask for more (``simvue.api.request.get_paginated``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from objmapper.server.simvue.call import Call
from objmapper.server.simvue.errors import Unprocessable
from objmapper.server.simvue.filters import Condition, Terms, conditions


def of_tenant(call: Call, table: str) -> Condition:
    """What the tenant of who asks has."""
    return f"{table}.tenant_id = ?", [call.tenant]


@dataclass(frozen=True)
class Listing:
    """How a kind is listed."""

    #: What stands behind FROM; the table of the kind goes by its own name.
    source: str
    table: str
    #: What it is sorted by, and the SQL.
    sorts: Mapping[str, str]
    #: What it is filtered by; other kinds take filters and heed none.
    terms: Terms | None = None
    #: What stands for a column that has a dot in it; None where there is none.
    dotted: Callable[[str], Condition | None] = field(default=lambda name: None)
    columns: str = ""
    visible: Callable[[Call, str], Condition] = of_tenant

    def column(self, name: str) -> Condition | None:
        return (self.sorts[name], []) if name in self.sorts else self.dotted(name)

    def rows(self, call: Call, *more: Condition) -> tuple[list[sqlite3.Row], int]:
        """The asked rows, and how many there are of them in all."""
        found = [self.visible(call, self.table), *more]
        if self.terms is not None:
            found += conditions(call, self.terms)
        where = " AND ".join(f"({sql})" for sql, _ in found)
        values = [value for _, each in found for value in each]
        total = call.rows(f"SELECT count(*) FROM {self.source} WHERE {where}", values)[0][0]
        by, sorting = _order(call, f"{self.table}.id", self.column)
        rows = call.rows(
            f"SELECT {self.table}.*{self.columns} FROM {self.source} WHERE {where}"
            f" ORDER BY {by} LIMIT ? OFFSET ?",
            [*values, *sorting, *call.part()],
        )
        return rows, total


def metadata(column: str) -> Callable[[str], Condition | None]:
    """A sort by what stands in a column of JSON: ``metadata.K``."""

    def column_of(name: str) -> Condition | None:
        kind, _, key = name.partition(".")
        if kind != "metadata" or not key or '"' in key:
            return None
        return f"json_extract({column}, ?)", [f'$."{key}"']

    return column_of


def _order(call: Call, key: str, column_of: Callable[[str], Condition | None]) -> Condition:
    """ORDER BY of the ``sorting`` of a request: ``[{"id": column, "desc": bool}]``.

    Ties, and all where nothing is asked, come newest first: so does ``test_folder.py`` expect it.
    """
    text = call.parameter("sorting") or "[]"
    try:
        asked = json.loads(text)
        if not isinstance(asked, list):
            raise TypeError("not a list")
        wanted = [(each["id"], each.get("desc", True)) for each in asked]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Unprocessable.at(
            "sorting", "Input should be a list of id and desc", "query", "sorting"
        ) from None
    parts, values = [], []
    for name, descending in wanted:
        column = column_of(name) if isinstance(name, str) else None
        if column is None:
            raise Unprocessable.at("sorting", f"Unknown column {name!r}", "query", "sorting")
        parts.append(f"{column[0]} {'DESC' if descending else 'ASC'} NULLS LAST")
        values += column[1]
    return ", ".join([*parts, f"{key} DESC"]), values


def page(data: list[dict[str, Any]], total: int) -> dict[str, Any]:
    return {"data": data, "count": total}
