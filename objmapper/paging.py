"""A query's rows, page by page: sliced as it says, fetched ahead if wished, refused where they loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from objmapper import verifying, versions
from objmapper.dialects import RowPage
from objmapper.exceptions import ContractError, NotFound, QueryError
from objmapper.operation import Request
from objmapper.query import Query
from objmapper.state import Page

#: This many pages in a row without a new row are taken for a server that never ends.
EMPTY_PAGES = 3


def query_page(session: Any, query: Query, *, full: bool | None = None) -> Page:
    """Return the shared state for the objects of one page of *query*."""
    dialect = session.dialect
    only = frozenset(f.key for f in query.only) if query.only and dialect.can_select else None
    known = dialect.lists_are_full if full is None else full
    return Page(
        session.ref, query.mapper, [], full=known and only is None, only=only, mode=query.fetch_mode
    )


def asked(session: Any, query: Query) -> Query:
    """Return the query as it is sent: ``only`` with key and version, where the server selects."""
    mapper = query.mapper
    if not query.only:
        return query
    if not session.dialect.can_select:
        return replace(query, only=())
    always = [mapper.pk] if mapper.has_key else []
    if mapper.version_field:
        always.append(mapper.fields[mapper.version_field])
    by_name = {field.name: field for field in (*always, *query.only)}
    return replace(query, only=tuple(by_name.values()))


def page_size(session: Any, query: Query) -> int | None:
    """Return how many rows to ask for in one page."""
    dialect = session.dialect
    size: int | None = query.page_size or dialect.page_size
    if query.limit is not None and not query.local:
        shown = query.limit if dialect.can_skip else query.offset + query.limit
        size = min(size, shown) if size is not None else shown
    if size is not None and dialect.max_page_size is not None:
        size = min(size, dialect.max_page_size)
    return size


def total(session: Any, query: Query) -> int:
    """Return how many rows match: what a page tells, else they are counted."""
    dialect = session.dialect
    versions.check(dialect, query.mapper)
    query = replace(query, order_by=(), reversed=False)
    if query.mapper.singleton:
        return sum(len(rows) for rows in row_pages(session, query))
    request = dialect.count_request(query)
    if request is not None:
        told: int = dialect.read_count(session.send(request))
        return told
    # Through the guard: the total of a query whose filter was ignored is another one's.
    first = next(_follow(session, query, dialect.list_request(query, 1), 0))
    if first.total is not None:
        return first.total
    if first.next is None:
        return len(first.rows)
    return sum(len(rows) for rows in row_pages(session, query))


def singleton_row(session: Any, query: Query) -> dict[str, Any]:
    """Return the row of a singleton, which is at the address of its collection."""
    if query.where is not None:
        raise QueryError(f"{query.mapper.model.__name__} is one object: there is none to filter.")
    request = session.dialect.detail_request(query.mapper, None, dict(query.path_values))
    row: dict[str, Any] = session.dialect.read_row(query.mapper, session.send(request))
    return row


def row_pages(session: Any, query: Query, ahead: int = 0) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a query page by page, sliced as it says.

    Raises ContractError for pages that loop, never end, or don't answer the query.
    """
    versions.check(session.dialect, query.mapper)
    query = asked(session, query)
    if query.finds_nothing:
        return
    if query.mapper.singleton:
        yield [singleton_row(session, query)][query.offset :]
        return
    size = page_size(session, query)
    local = bool(query.local)
    request, drop = session.dialect.skip(replace(query, offset=0) if local else query, size)
    left = None if local else query.limit
    begun = 1 + (query.offset - drop) // size if size and not local else 1
    wanted = None if left is None else drop + left
    for page in _follow(session, query, request, ahead, begun, wanted):
        rows = page.rows
        if drop:
            drop, rows = max(drop - len(rows), 0), rows[drop:]
        if left is not None:
            rows = rows[:left]
            left -= len(rows)
        if rows:
            yield rows
        if left == 0:
            return


def _follow(
    session: Any,
    query: Query,
    first: Request,
    ahead: int,
    begun: int = 1,
    wanted: int | None = None,
) -> Iterator[RowPage]:
    """Yield pages from *first* on, *ahead* of them fetched in the background.

    *first* is page number *begun*; no page is fetched ahead that lies beyond *wanted* rows.
    """
    if ahead == 0:
        yield from _guarded(session, query, _one_by_one(session, query, first))
        return
    pool = ThreadPoolExecutor(ahead, thread_name_prefix="objmapper-pages")
    try:
        pages = _fetch_ahead(session, query, first, pool, ahead, begun, wanted)
        yield from _guarded(session, query, pages)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read(session: Any, query: Query, request: Request, *, later: bool) -> RowPage:
    """Fetch one page; past the end, where rows went meanwhile, is an empty one."""
    try:
        response = session.send(request)
    except NotFound:
        if later:
            return RowPage([])
        raise
    page: RowPage = session.dialect.read_page(query, request, response)
    return page


def _next(session: Any, page: RowPage) -> Request | None:
    if isinstance(page.next, str):
        link: Request = session.client.transport.link(page.next)
        return link
    return page.next


def _one_by_one(
    session: Any, query: Query, first: Request, *, later: bool = False
) -> Iterator[RowPage]:
    request: Request | None = first
    later = later or query.offset > 0
    while request is not None:
        page = _read(session, query, request, later=later)
        yield page
        request, later = _next(session, page), True


def _fetch_ahead(
    session: Any,
    query: Query,
    first: Request,
    pool: ThreadPoolExecutor,
    ahead: int,
    begun: int,
    wanted: int | None,
) -> Iterator[RowPage]:
    """Fetch by page number where the server lets one jump, else the next page while one is used."""
    dialect = session.dialect
    page = _read(session, query, first, later=query.offset > 0)
    jumps = dialect.can_jump and page.total is not None and page.next is not None and page.rows
    if not jumps:
        seen = 0
        while True:
            seen += len(page.rows)
            request = _next(session, page) if wanted is None or seen < wanted else None
            coming = pool.submit(_read, session, query, request, later=True) if request else None
            yield page
            if coming is None:
                return
            page = coming.result()
    size = len(page.rows)
    last = -(-(page.total or 0) // size)
    if wanted is not None:
        last = min(last, begun - 1 + -(-wanted // size))
    numbers = iter(range(begun + 1, last + 1))
    waiting: deque[Future[RowPage]] = deque()

    def submit() -> None:
        number = next(numbers, None)
        request = dialect.page_request(first, number, query) if number else None
        if request is not None:
            waiting.append(pool.submit(_read, session, query, request, later=True))

    for _ in range(ahead):
        submit()
    yield page
    while waiting:
        page = waiting.popleft().result()
        submit()
        yield page
    rest = _next(session, page)
    if rest is not None:  # rows that were added meanwhile; what is wanted has been read
        yield from _one_by_one(session, query, rest, later=True)


def _guarded(session: Any, query: Query, pages: Iterator[RowPage]) -> Iterator[RowPage]:
    """Yield *pages*, refusing what loops, never ends, or answers another question."""
    links: set[str] = set()
    before: set[Any] = set()
    seen, idle = 0, 0
    pk = query.mapper.pk.key if query.mapper.has_key else None
    dialect = session.dialect
    tests = verifying.filter_tests(query) if dialect.ignores_unknown_filters else []
    keys_of_order = dialect.ordering(query) if dialect.ignores_unknown_orders else []
    for number, page in enumerate(pages):
        verifying.check_filter(tests, page.rows)
        verifying.check_order(query, keys_of_order, page.rows)
        if isinstance(page.next, str):
            if page.next in links:
                raise ContractError(f"the pages of {query.mapper.endpoint} loop: {page.next} again")
            links.add(page.next)
        keys = _keys_in(page.rows, pk) if pk else set()
        idle = idle + 1 if not page.rows or (pk and keys <= before) else 0
        seen += len(page.rows)
        too_many = page.total is not None and seen > 2 * page.total + 1000
        if page.next is not None and (idle >= EMPTY_PAGES or too_many):
            raise ContractError(
                f"the pages of {query.mapper.endpoint} don't end: after {number + 1} pages and "
                f"{seen} rows (of {page.total} told) there is still a next one, without new rows."
            )
        before = keys
        yield page


def _keys_in(rows: list[dict[str, Any]], pk: str) -> set[Any]:
    try:
        return {row[pk] for row in rows}
    except (KeyError, TypeError):  # lacking or malformed: who makes objects of them will say so
        return {repr(row.get(pk)) for row in rows}
