"""The plain default: lists are JSON arrays, equality is ``?name=x``, the Link header leads on.

The next page is RFC 8288's ``Link: <...>; rel="next"``; a total is ``X-Total-Count``, where given.
"""

from __future__ import annotations

import re

from objmapper.dialects.base import Dialect, RowPage, rows_of, total_of
from objmapper.operation import Request, Response
from objmapper.query import Query

_VALUE = r'"[^"]*"|[^\s;,"]*'
_LINK = re.compile(rf"<([^<>]*)>((?:\s*;\s*[\w*]+(?:\s*=\s*(?:{_VALUE}))?)*)")
_TOTAL = re.compile(r"[0-9]{1,18}")
_REL = re.compile(rf";\s*rel\s*=\s*({_VALUE})", re.IGNORECASE)


def next_link(header: str) -> str | None:
    """Return the target of ``rel="next"`` in a Link header, or None."""
    for target, params in _LINK.findall(header):
        rel = _REL.search(params)
        if rel is not None and "next" in rel[1].strip('"').lower().split():
            return str(target)
    return None


class Rest(Dialect):
    """A service that keeps to HTTP and nothing else: lists are JSON arrays, equality is ``?name=x``.

    ``Link: <...>; rel="next"`` leads to the next page, ``X-Total-Count`` tells how many rows there are.
    """

    name = "rest"

    def read_page(self, query: Query, request: Request, response: Response) -> RowPage:
        rows = rows_of(response.json(), response)
        told = _TOTAL.fullmatch(response.headers.get("x-total-count", ""))
        total = None if told is None else total_of(int(told[0]), response)
        return RowPage(rows, total, next_link(response.headers.get("link", "")))
