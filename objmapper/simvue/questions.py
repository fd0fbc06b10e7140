"""What is asked of what has no key: one answer, or pages by count and start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from objmapper.dialects.base import rows_of, total_of, unwrap
from objmapper.exceptions import ContractError
from objmapper.operation import Request, Response
from objmapper.simvue.client import session_for
from objmapper.simvue.dialect import PAGE_SIZE
from objmapper.state import session_of

#: So many pages in a row that are the same to the byte are those of a server that heeds no start.
_SAME = 3


class Came(NamedTuple):
    """What a page has brought."""

    #: How many entries.
    entries: int
    #: How many there are in all; None where that is not told.
    total: int | None = None


def session_about(obj: Any) -> Any:
    """Return the session of an object, else the current one."""
    return session_of(obj) or session_for()


def ask(
    session: Any, method: str, path: str, *params: tuple[str, Any], body: Any = None
) -> Response:
    """Send a question, and return the answer."""
    request = Request(method, path, params, body=body)
    with session.using():
        response: Response = session.send(request)
    return response


def refuse_negative(count: int | None, offset: int | None) -> None:
    """Raise ValueError for a count or an offset below 0."""
    for name, number in (("count", count), ("offset", offset)):
        if number is not None and number < 0:
            raise ValueError(f"{name}={number} is below 0.")


def pages(
    session: Any,
    path: str,
    params: tuple[tuple[str, Any], ...],
    count: int | None,
    offset: int | None,
    read: Callable[[Response], Came],
) -> Iterator[Response]:
    """Yield the pages of a list, up to *count* entries from *offset* on; the first one in any case.

    *read* tells what has come. Raises ContractError for pages that don't end, ValueError for numbers
    below 0.
    """
    start, left, first = offset or 0, count, True
    before, same = b"", 1
    while left is None or left > 0:
        size = PAGE_SIZE if left is None else min(left, PAGE_SIZE)
        page = ask(session, "GET", path, *params, ("count", size), ("start", start))
        came, total = read(page)
        same = same + 1 if page.content == before else 1
        if same >= _SAME and came:
            raise ContractError(
                f"{page.url}: the pages don't end, {_SAME} in a row are the same one."
            )
        before = page.content
        if came or first:
            yield page
        start, first = start + came, False
        left = None if left is None else left - came
        if not came or (came < size if total is None else start >= total):
            return


def rows_in(page: Response) -> list[dict[str, Any]]:
    """Return the rows of a page. Raises ContractError."""
    return rows_of(unwrap(page.json(), "data", page), page)


def rows_came(page: Response) -> Came:
    """Return how many rows a page has, and what it tells of all. Raises ContractError."""
    return Came(len(rows_in(page)), total_of(page.json().get("count"), page))


__all__ = [
    "Came",
    "ask",
    "pages",
    "refuse_negative",
    "rows_came",
    "rows_in",
    "session_about",
]
