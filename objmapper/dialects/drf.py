"""Django REST framework, with django-filter's parameters.

Read from the framework's documentation and from version 3.18: page-number and limit/offset
pagination answer ``{count, next, previous, results}``, cursor pagination the same without a count,
no pagination a bare list. A page past the end is a 404. Unknown parameters are ignored, so pages are
checked against the query.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from objmapper.dialects.base import (
    Dialect,
    RowPage,
    link_of,
    rows_of,
    total_of,
    unwrap,
)
from objmapper.exceptions import UnsupportedLookup
from objmapper.operation import Request, Response
from objmapper.query import LOOKUPS, Condition, Order, Query


class DRF(Dialect):
    """A Django REST framework service, with django-filter; which lookups a view has is its own choice.

    Pages are checked against their query, as such a service ignores parameters that it does not know.
    """

    name = "drf"
    lookups = LOOKUPS - {"within"}
    can_join = True
    can_order = True
    lists_are_full = True
    answers_are_full = True
    trims_text = True
    ignores_unknown_filters = True
    ignores_unknown_orders = True
    max_keys = 100
    trailing_slash = True
    #: The name of the page size parameter (``page_size_query_param``; views have none by default).
    page_size_param: str = "page_size"
    #: The name of the ordering parameter (``ORDERING_PARAM``).
    ordering_param: str = "ordering"

    def parameter(self, condition: Condition) -> tuple[str, Any]:
        self.require(condition)
        name, value = self.wire_name(condition), condition.value
        if condition.lookup in ("in", "range"):
            texts = [str(self.text(item)) for item in value]
            if any("," in text for text in texts):
                raise UnsupportedLookup(
                    f"{condition}: django-filter separates values by commas, so that one with a "
                    "comma in it can't be said. Ask for each value with its own query."
                )
            value = ",".join(texts)
        if condition.lookup != "exact":
            name = f"{name}__{condition.lookup}"
        return name, self.text(value)

    def order_parameter(self, keys: Any) -> tuple[str, Any]:
        def text(key: Order) -> str:
            return ("-" if key.descending else "") + self.wire_name(key)

        return self.ordering_param, ",".join(map(text, keys))

    def paging(self, query: Query, page_size: int | None) -> Iterator[tuple[str, Any]]:
        if page_size is not None:
            yield self.page_size_param, page_size

    def read_page(self, query: Query, request: Request, response: Response) -> RowPage:
        body = response.json()
        if isinstance(body, list):
            return RowPage(rows_of(body, response), len(body))
        rows = rows_of(unwrap(body, "results", response), response)
        total = total_of(body.get("count"), response)
        return RowPage(rows, total, link_of(unwrap(body, "next", response), response))
