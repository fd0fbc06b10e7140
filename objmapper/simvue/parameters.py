"""What is asked in the server's own words, beside lookups: which parts a list has, filter strings.

They are the parameters that the published client's ``get`` passes on: ``Run.get(return_metrics=True)``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from objmapper.exceptions import QueryError, cut
from objmapper.query import Query

#: The parameter whose strings stand beside those that lookups become.
FILTERS = "filters"


@dataclass(frozen=True, slots=True)
class Asked(Query):
    """A query with parameters of the server's own."""

    #: Names and values, as they are sent; those of FILTERS are a tuple of strings.
    parameters: tuple[tuple[str, Any], ...] = ()


def asked(query: Query, parameters: Mapping[str, Any]) -> Query:
    """Return the query with these parameters."""
    if not parameters:
        return query
    values = {field.name: getattr(query, field.name) for field in dataclasses.fields(Query)}
    return Asked(**values, parameters=tuple(parameters.items()))


def of(query: Query) -> dict[str, Any]:
    """Return the parameters of a query."""
    return dict(query.parameters) if isinstance(query, Asked) else {}


def split(
    known: Mapping[str, Taken], said: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the lookups and the parameters among keywords. Raises QueryError for what can't be one."""
    lookups, parameters = {}, {}
    for name, value in said.items():
        if name not in known:
            lookups[name] = value
        elif value is not None:
            parameters[name] = known[name](name, value)
    return lookups, parameters


#: Checks the value of a parameter and returns it as it is sent.
Taken = Callable[[str, Any], Any]


def flag(name: str, value: Any) -> str:
    """Take True or False."""
    if not isinstance(value, bool):
        raise QueryError(f"{name} is True or False, not {cut(value)}.")
    return str(value)


def strings(name: str, value: Any) -> tuple[str, ...]:
    """Take strings, or the JSON of a list of them, as the published client wants it."""
    found = value
    if isinstance(value, str):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
        raise QueryError(f"{name} is a list of strings, or the JSON of one, not {cut(value)}.")
    return tuple(found)


def names(name: str, value: Any) -> str:
    """Take strings that are sent as a parameter of their own."""
    return json.dumps(strings(name, value))


__all__ = [
    "FILTERS",
    "Asked",
    "Taken",
    "asked",
    "flag",
    "names",
    "of",
    "split",
    "strings",
]
