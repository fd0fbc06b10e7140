"""Expressions: ``Task.name == "x"`` is a condition, as Q(name="x") is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from objmapper.query import Q, Term


class Expressions:
    """What a field on the class says in a query: ``Task.id > 7``, ``Task.name.contains("x")``.

    ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=`` make conditions; ``== None`` asks for null.
    """

    #: The attribute's name.
    name: str
    #: The class that it is a field of.
    model: Any

    def __eq__(self, other: object) -> Q:  # type: ignore[override]
        return self._term("isnull", True) if other is None else self._term("exact", other)

    def __ne__(self, other: object) -> Q:  # type: ignore[override]
        return ~(self == other)

    def __gt__(self, other: Any) -> Q:
        return self._term("gt", other)

    def __ge__(self, other: Any) -> Q:
        return self._term("gte", other)

    def __lt__(self, other: Any) -> Q:
        return self._term("lt", other)

    def __le__(self, other: Any) -> Q:
        return self._term("lte", other)

    def in_(self, values: Iterable[Any]) -> Q:
        """Return the condition that the field is one of *values*."""
        return self._term("in", list(values))

    def contains(self, value: Any) -> Q:
        """Return the condition that the text, or the list, has *value* in it."""
        return self._term("contains", value)

    def icontains(self, value: Any) -> Q:
        """Return the condition that the text has *value* in it, in whatever case."""
        return self._term("icontains", value)

    def startswith(self, value: str) -> Q:
        """Return the condition that the text starts with *value*."""
        return self._term("startswith", value)

    def endswith(self, value: str) -> Q:
        """Return the condition that the text ends with *value*."""
        return self._term("endswith", value)

    def regex(self, value: str) -> Q:
        """Return the condition that the regular expression *value*, the server's kind, finds a match."""
        return self._term("regex", value)

    def between(self, low: Any, high: Any) -> Q:
        """Return the condition that the field lies from *low* to *high*, both included."""
        return self._term("range", (low, high))

    def is_null(self, value: bool = True) -> Q:
        """Return the condition that the field is null; with False that it is not."""
        return self._term("isnull", value)

    def _term(self, lookup: str, value: Any) -> Q:
        return Q(Term(f"{self.name}__{lookup}", value, self.model))

    # Fields are compared by identity where they are keys: `==` makes an expression.
    __hash__ = object.__hash__


__all__ = ["Expressions"]
