"""A list is answered page by page: count, next, previous, results (observed on CVAT 2.15)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode

from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.errors import Broken, NotFound
from objmapper.server.cvat.filters import conditions
from objmapper.server.cvat.terms import Condition, Listing, joined

PAGE_SIZE = 10
# What SQLite takes for a number of rows.
_LARGEST = 2**63 - 1


def page(
    call: Call,
    listing: Listing,
    visible: list[Condition],
    represent: Callable[[Call, list[sqlite3.Row]], list[dict[str, Any]]],
) -> Answer:
    """The asked page of the rows that are visible and fit the query string."""
    listing = call.version.listing(call.kind, listing)
    where, values = joined("AND", [("1", []), *visible, *conditions(call, listing)])
    try:
        (total,) = call.rows(f"SELECT count(*) FROM {listing.source} WHERE {where}", values)
    except sqlite3.OperationalError as error:
        raise Broken("SQLite takes no condition so deep") from error
    count = int(total[0])
    size = _size(call)
    pages = max(1, -(-count // size))
    number = _number(call, pages)
    rows = call.rows(
        f"SELECT {listing.columns} FROM {listing.source} WHERE {where}"
        f" ORDER BY {_order(call, listing)} LIMIT ? OFFSET ?",
        [*values, size, (number - 1) * size],
    )
    return Answer(
        {
            "count": count,
            "next": _link(call, number + 1) if number < pages else None,
            "previous": _link(call, number - 1) if number > 1 else None,
            "results": represent(call, rows),
        }
    )


def _size(call: Call) -> int:
    """The page size; zero, a negative number or no number is the default."""
    most, text = call.version.max_page_size, call.parameter("page_size") or ""
    if text == "all" and most is None:
        return _LARGEST
    try:
        size = int(text)
    except ValueError:
        size = 0
    return min(size, most or _LARGEST) if size > 0 else PAGE_SIZE


def _number(call: Call, pages: int) -> int:
    text = call.parameter("page") or "1"
    if text == "last":
        return pages
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= pages:
        raise NotFound("Invalid page.")
    return number


def _link(call: Call, number: int) -> str:
    """An absolute link that keeps the query, its keys sorted; the first page has no number."""
    query = parse_qs(call.request.query_string.decode("latin-1"), keep_blank_values=True)
    query.pop("page", None)
    if number > 1:
        query["page"] = [str(number)]
    text = urlencode(sorted(query.items()), doseq=True)
    return f"{call.base}{call.request.path}" + (f"?{text}" if text else "")


def _order(call: Call, listing: Listing) -> str:
    """ORDER BY: known names of ``sort``, in their order; ties and nothing known: the default.

    Absent values come last going up and first going down, as in CVAT's PostgreSQL.
    """
    asked = [name.strip() for name in (call.parameter("sort") or "").split(",")]
    known = [name for name in asked if name.removeprefix("-") in listing.sorted]
    parts = []
    for name in [*known, listing.order]:
        plain = name.removeprefix("-")
        sql = listing.key if plain == "id" else listing.terms[plain].sql
        parts.append(f"{sql} DESC NULLS FIRST" if name != plain else f"{sql} ASC NULLS LAST")
    return ", ".join(parts)
