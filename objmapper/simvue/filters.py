"""Conditions as Simvue says them: ``name contains x``, ``metadata.rate > 0.5``, ``has tag.night``.

The operators are those of RunsFilter and FoldersFilter in simvue 2.6.2; others are refused before
anything is sent, as nobody knows what the server would make of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from objmapper.exceptions import UnsupportedLookup, cut
from objmapper.query import And, Condition, Node, Not

_HOUR = 3600


class Asked(NamedTuple):
    """How a field is asked for: its name there, and each lookup as the server says it."""

    name: str
    #: ``{lookup, or "not" and a lookup: what is said}``; a lookup of ``None`` asks inside it.
    says: Mapping[str, str]


_EQUAL = {"exact": "{name} == {value}", "not exact": "{name} != {value}"}
_PART = {"contains": "{name} contains {value}"}

#: What each kind of field is asked by.
TEXT = {**_EQUAL, **_PART}
PATH = {"exact": "{name} == {value}", **_PART}
DESCRIPTION = {**_PART, "not contains": "{name} not contains {value}"}
TAGS = {"contains": "has tag.{value}", "not contains": "has not tag.{value}"}
STAR = {"exact": "starred"}
AGE = {"within": "{name} < {value}"}
STATUS = {"exact": "{name} == {value}"}
OWNER = _EQUAL
SYSTEM = _EQUAL
VALUES = {
    **_EQUAL,
    "gt": "{name} > {value}",
    "gte": "{name} >= {value}",
    "lt": "{name} < {value}",
    "lte": "{name} <= {value}",
    "isnull": "{name} not exists",
    "not isnull": "{name} exists",
}

#: Fields whose JSON is asked, not they themselves.
INSIDE = frozenset({"metadata", "system", "alerts"})


def lookups_of(asked: Mapping[str, Asked], path: tuple[Any, ...]) -> frozenset[str]:
    """Return the lookups that the server has for a path of fields."""
    found = asked.get(path[0].name)
    if found is None or (len(path) > 1) != (path[0].name in INSIDE):
        return frozenset()
    return frozenset(lookup for lookup in found.says if not lookup.startswith("not "))


def compiled(asked: Mapping[str, Asked], node: Node | None, endpoint: str) -> Iterator[str]:
    """Yield what is ANDed, each as the server says it. Raises UnsupportedLookup."""
    if isinstance(node, And):
        for child in node.children:
            yield from compiled(asked, child, endpoint)
    elif isinstance(node, Condition):
        yield _said(asked, node, endpoint, negated=False)
    elif isinstance(node, Not) and isinstance(node.child, Condition):
        yield _said(asked, node.child, endpoint, negated=True)
    elif isinstance(node, Not) and isinstance(node.child, Not):
        yield from compiled(asked, node.child.child, endpoint)
    elif node is not None:
        raise UnsupportedLookup(
            f"{node}: Simvue ANDs conditions, each of which may be negated; it neither ORs them nor "
            "negates several. Ask for more and use .filter_locally(lambda obj: ...), or ask twice."
        )


def _said(asked: Mapping[str, Asked], condition: Condition, endpoint: str, *, negated: bool) -> str:
    path, lookup, value = condition
    found = asked.get(path[0].name)
    if found is None or (len(path) > 1) != (path[0].name in INSIDE):
        raise _unknown(asked, condition, endpoint)
    if lookup == "isnull":
        negated, value = negated == value, None  # one that is not null is there
    word = f"not {lookup}" if negated else lookup
    if word not in found.says:
        known = ", ".join(sorted(found.says))
        said = f"not {condition}" if negated else str(condition)
        raise UnsupportedLookup(
            f"{said}: Simvue has {known} for {path[0].name}. Evaluate it here with "
            ".filter_locally(lambda obj: ...), page by page."
        )
    name = ".".join([found.name, *(field.name for field in path[1:])])
    return found.says[word].format(name=name, value=_text(condition, lookup, value))


def _text(condition: Condition, lookup: str, value: Any) -> str:
    """Return a value as it stands behind an operator: nothing is quoted. Raises UnsupportedLookup."""
    if lookup == "within":
        hours, rest = divmod(value, _HOUR)
        if rest or hours <= 0:
            raise UnsupportedLookup(
                f"{condition}: Simvue asks for ages in whole hours, days or years."
            )
        return f"{int(hours) // 24}d" if hours % 24 == 0 else f"{int(hours)}h"
    if condition.path[0].name == "star" and value is not True:
        raise UnsupportedLookup(
            f"{condition}: Simvue is asked for what has a star, not for the rest."
        )
    if value is None:
        return ""
    if not isinstance(value, str | int | float) or (isinstance(value, str) and not value):
        raise UnsupportedLookup(
            f"{condition}: Simvue compares with text and numbers, not with {cut(value)}."
        )
    return str(value)


def _unknown(asked: Mapping[str, Asked], condition: Condition, endpoint: str) -> UnsupportedLookup:
    known = ", ".join(f"{n}__..." if n in INSIDE else n for n in sorted(asked)) or "nothing"
    return UnsupportedLookup(
        f"{condition}: Simvue does not filter {endpoint} by {condition.name}; it does by {known}. "
        "Evaluate it here with .filter_locally(lambda obj: ...), page by page."
    )
