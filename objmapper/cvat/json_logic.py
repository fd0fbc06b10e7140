"""CVAT's ``filter`` parameter: a subset of JSON Logic.

Observed on CVAT 2.15: ``== < > <= >= in and or ! var``, a three-part ``<=`` for ranges, ``in`` with a
list for membership and with a string first for a case-sensitive substring; ``{"var": x}`` alone is
"is not null". ``!=``, prefixes and regular expressions are not implemented, so they are not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from objmapper.query import And, Condition, Node, Not, Or

LOOKUPS = frozenset("exact in contains gt gte lt lte range isnull".split())
_OPERATORS = {"exact": "==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def compile_node(node: Node, name: Callable[[Condition], str]) -> dict[str, Any]:
    """Return a tree of conditions as JSON Logic; *name* gives the server's name of a condition."""
    match node:
        case And(children):
            return {"and": [compile_node(child, name) for child in children]}
        case Or(children):
            return {"or": [compile_node(child, name) for child in children]}
        case Not(child):
            return {"!": compile_node(child, name)}
        case Condition():
            return compile_condition(node, {"var": name(node)})


def compile_condition(condition: Condition, var: dict[str, str]) -> dict[str, Any]:
    """Return one condition; ``isnull`` is "is not null" or its negation."""
    value = condition.value
    match condition.lookup:
        case "isnull":
            return {"!": var} if value else dict(var)
        case "in":
            return {"in": [var, list(value)]}
        case "contains":
            return {"in": [value, var]}
        case "range":
            return {"<=": [value[0], var, value[1]]}
        case lookup:
            return {_OPERATORS[lookup]: [var, value]}
