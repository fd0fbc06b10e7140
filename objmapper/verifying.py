"""Whether a page answers its query, for servers that ignore filters and orders they don't know.

A misspelt filter returns every row, and what is done to the rows of a query must not be done to all.
What a page shows is compared leniently: a row that meets a condition by any usual collation, or but
for digits that were rounded away, is believed.
"""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

from objmapper.exceptions import ContractError, FilterIgnored
from objmapper.fields import ForeignKey
from objmapper.query import And, Condition, Query

Row = dict[str, Any]
Test = Callable[[Any], bool]


def filter_tests(query: Query) -> list[tuple[Condition, Test]]:
    """Return what each row of the query's pages must pass, as far as a row tells it."""
    tops = query.where.children if isinstance(query.where, And) else (query.where,)
    found = []
    for condition in tops:
        if isinstance(condition, Condition):
            test = _test(condition)
            if test is not None:
                found.append((condition, test))
    return found


def check_filter(tests: list[tuple[Condition, Test]], rows: list[Row]) -> None:
    """Raise FilterIgnored for a row that shows that a filter was ignored."""
    for condition, test in tests:
        keys = [field.key for field in condition.path]
        for shown in _shown(keys, rows):
            if not test(_value(condition.field, shown)):
                name = "__".join(keys)
                raise FilterIgnored(
                    f"the server ignored the filter {condition}: it sent a row whose {name!r} is "
                    f"{shown!r}. Does its view filter by {name!r}? "
                    "(Evaluate it here with .filter_locally(...).)"
                )


def _shown(keys: list[str], rows: list[Row]) -> Iterable[Any]:
    """Return the values that rows have, each but once where they can be told apart so."""
    *relations, key = keys
    for name in relations:  # nested rows; plain keys tell nothing of their targets
        rows = [row[name] for row in rows if isinstance(row.get(name), dict)]
    values = [row[key] for row in rows if key in row]
    try:
        return dict.fromkeys(values)
    except TypeError:  # nested objects
        return values


def check_order(query: Query, keys: list[Any], rows: list[Row]) -> None:
    """Raise ContractError for rows that are not sorted by the first key: numbers and times only."""
    field = keys[0].path[0] if keys and len(keys[0].path) == 1 else None
    if field is None or isinstance(field, ForeignKey):  # Django sorts by the target's own order
        return
    values: list[Any] = [row.get(field.key) for row in rows]
    if {*map(type, values)} == {int} and values == sorted(values, reverse=keys[0].descending):
        return
    values = [_value(field, value) for value in values]
    for one, other in pairwise(value for value in values if _is_measure(value)):
        low, high = (other, one) if keys[0].descending else (one, other)
        if not _ordered(low, high):
            raise ContractError(
                f"the server ignored the order {keys[0].name!r}: {one} comes before {other}. Does "
                f"its view sort {query.mapper.endpoint} by {field.key!r}?"
            )


def _test(condition: Condition) -> Test | None:
    """Return what the value of a row must pass, None where that can't be told here."""
    field, lookup = condition.field, condition.lookup
    if lookup == "isnull":
        return lambda value: value in (None, "") if condition.value else value is not None
    if field.mutable:
        return None
    several = lookup in ("in", "range")
    wanted = [_value(field, item) for item in (condition.value if several else [condition.value])]
    first, last = wanted[0], wanted[-1]
    tests: dict[str, Test] = {
        "exact": lambda value: _equal(value, first),
        "iexact": lambda value: _equal(value, first),
        "in": lambda value: any(_equal(value, item) for item in wanted),
        "gt": lambda value: _above(value, first),
        "gte": lambda value: _at_least(value, first),
        "lt": lambda value: _above(first, value),
        "lte": lambda value: _at_least(first, value),
        "range": lambda value: _at_least(value, first) and _at_least(last, value),
    }
    texts: dict[str, Test] = {
        "contains": lambda value: _plain(first) in _plain(value),
        "startswith": lambda value: _plain(value).startswith(_plain(first)),
        "endswith": lambda value: _plain(value).endswith(_plain(first)),
    }
    if lookup in tests:
        return tests[lookup]
    text = texts.get(lookup.removeprefix("i"))
    return None if text is None else lambda value: isinstance(value, str) and text(value)


def _value(field: Any, wire: Any) -> Any:
    """Return the value that a row shows, or a condition names, in one form."""
    try:
        return field.key_value(wire) if isinstance(field, ForeignKey) else field.tolerant(wire)
    except (ValueError, TypeError):
        return wire


def _is_measure(value: Any) -> bool:
    return isinstance(value, int | float | dt.date | dt.timedelta) and not isinstance(value, bool)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == other or _plain(one) == _plain(other)
    return bool(one == other) or _close(one, other)


def _above(one: Any, other: Any) -> bool:
    """Whether *one* is above *other*, or may have been before it was rounded."""
    return _at_least(one, other) and (one != other or isinstance(one, float | dt.datetime))


def _at_least(one: Any, other: Any) -> bool:
    """Whether *one* is not below *other*; text may be, as no two collations agree."""
    if one is None or other is None:
        return False
    if not (_is_measure(one) and _is_measure(other)):
        return True
    return _ordered(other, one) or _close(one, other)


def _ordered(low: Any, high: Any) -> bool:
    try:
        return bool(low <= high)
    except TypeError:  # an aware and a naive time
        return True


def _close(one: Any, other: Any) -> bool:
    """Whether two values may be one that was rounded."""
    if isinstance(one, float) or isinstance(other, float):
        return _is_measure(one) and _is_measure(other) and math.isclose(one, other, rel_tol=1e-6)
    if isinstance(one, dt.datetime) and isinstance(other, dt.datetime):
        return (one.tzinfo is None) != (other.tzinfo is None) or abs(one - other) <= dt.timedelta(
            seconds=1
        )
    return False


def _plain(text: str) -> str:
    """Return *text* as the most tolerant collation compares it: no case, no accents."""
    return "".join(_letters(text.strip().casefold()))


def _letters(text: str) -> Iterator[str]:
    return (char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
