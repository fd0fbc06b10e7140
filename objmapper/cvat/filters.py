"""Conditions in CVAT's own words: ``F.owner == "admin"``, JSON Logic, and what lists search for.

They are conditions as all others are: joined by ``& | ~``, checked before anything is sent, and taken
wherever a query takes one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from objmapper.cvat import wording
from objmapper.exceptions import QueryError, cut
from objmapper.query import Q, Query, Term

#: So deep a filter may be nested: each level is one of Python's calls, here and in who asks.
_DEEPEST = 100
_COMPARED = {"==": "", "<": "__lt", "<=": "__lte", ">": "__gt", ">=": "__gte"}


class Worded(Q):
    """One condition in CVAT's words, which are those of a model as soon as one is asked."""

    __slots__ = ()

    def __invert__(self) -> Q:
        inverse = Q(self)
        inverse.negated = True
        return inverse

    def said_of(self, model: Any) -> Q:
        [term] = self.children
        assert isinstance(term, Term)
        return wording.condition(model, term.lookup, term.value)


def worded(name: str, value: Any) -> Q:
    """Return the condition of a keyword of CVAT's: ``worded("task_id__in", [7])``."""
    return Worded(Term(name, value))


class Field:
    """What CVAT filters by, under CVAT's name for it."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __eq__(self, other: object) -> Q:  # type: ignore[override]
        return worded(self._name, other)

    def __ne__(self, other: object) -> Q:  # type: ignore[override]
        return ~(self == other)

    def __lt__(self, other: Any) -> Q:
        return self._said("lt", other)

    def __le__(self, other: Any) -> Q:
        return self._said("lte", other)

    def __gt__(self, other: Any) -> Q:
        return self._said("gt", other)

    def __ge__(self, other: Any) -> Q:
        return self._said("gte", other)

    def one_of(self, values: Iterable[Any]) -> Q:
        """Return the condition that it is one of *values*."""
        return self._said("in", list(values))

    def contains(self, substring: str) -> Q:
        """Return the condition that the text has *substring* in it."""
        return self._said("contains", substring)

    def between(self, low: Any, high: Any) -> Q:
        """Return the condition that it lies from *low* to *high*, both included."""
        return self._said("between", (low, high))

    def is_set(self) -> Q:
        """Return the condition that it is not null."""
        return self._said("isset", True)

    def _said(self, lookup: str, value: Any) -> Q:
        return worded(f"{self._name}__{lookup}", value)

    # `==` makes a condition, so it can't be a key.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"F.{self._name}"


class _Fields:
    """Makes a Field of any name."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Field:
        if name.startswith("_"):
            raise AttributeError(name)
        return Field(name)

    def __getitem__(self, name: str) -> Field:
        return Field(name)

    def __repr__(self) -> str:
        return "F"


#: What CVAT filters by, under CVAT's names: ``F.owner == "admin"``, ``F["project_id"].one_of([1, 2])``.
F: _Fields = _Fields()


def all_(*conditions: Any) -> Q:
    """Return the condition that all of them are met. Raises ValueError for none of them."""
    return _joined("all_", "and", conditions)


def any_(*conditions: Any) -> Q:
    """Return the condition that one of them is met. Raises ValueError for none of them."""
    return _joined("any_", "or", conditions)


def not_(condition: Any) -> Q:
    """Return the condition that one is not met."""
    return ~as_condition(condition)


def _joined(name: str, joiner: str, conditions: tuple[Any, ...]) -> Q:
    if not conditions:
        raise ValueError(f"{name}() joins conditions; none was given.")
    return Q(*map(as_condition, conditions), _joiner=joiner)


def as_condition(given: Any) -> Q:
    """Return what is given as a filter: a condition, JSON Logic, its JSON, or the SDK's own Filter.

    Raises QueryError for what is none, and for what CVAT's JSON Logic has no word for.
    """
    if isinstance(given, Q):
        return given
    logic = given.to_json_logic() if hasattr(given, "to_json_logic") else given
    if isinstance(logic, str):
        try:
            logic = json.loads(logic)
        except ValueError:
            raise QueryError(f"filter={cut(given)} is no JSON.") from None
        except RecursionError:
            raise _too_deep() from None
    return _read(logic)


def _too_deep() -> QueryError:
    return QueryError(f"filter is nested too deep: conditions go {_DEEPEST} deep into each other.")


def _read(logic: Any, depth: int = 0) -> Q:
    """Return JSON Logic as a condition, which says the same when it is sent."""
    if depth > _DEEPEST:
        raise _too_deep()
    if isinstance(logic, Mapping) and len(logic) == 1:
        [(word, said)] = logic.items()
        if word == "var" and isinstance(said, str):
            return worded(f"{said}__isset", True)
        if word == "!":
            return ~_read(said, depth + 1)
        if isinstance(said, list | tuple) and said:
            if word in ("and", "or"):
                return Q(*(_read(each, depth + 1) for each in said), _joiner=str(word))
            found = _compared(word, said)
            if found is not None:
                return found
    raise QueryError(
        f"filter has {cut(logic)}, which says nothing to CVAT. It knows {', '.join(_COMPARED)}, in, and, "
        'or, !, var, as {"==": [{"var": "name"}, "x"]}.'
    )


def _compared(word: Any, said: Any) -> Q | None:
    """Return a comparison; None for what is none."""
    names = [_name(each) for each in said]
    match said, names:
        case [_, value], [str(name), None] if word in _COMPARED:
            return worded(name + _COMPARED[word], value)
        case [low, _, high], [None, str(name), None] if word == "<=":
            return worded(f"{name}__between", (low, high))
        case [_, list(values)], [str(name), None] if word == "in":
            return worded(f"{name}__in", values)
        case [str(text), _], [None, str(name)] if word == "in":
            return worded(f"{name}__contains", text)
    return None


def _name(said: Any) -> str | None:
    found = said.get("var") if isinstance(said, Mapping) and len(said) == 1 else None
    return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Searched(Query):
    """A query for what CVAT finds of a text, in whatever it searches."""

    #: Words, all of which are found, in whatever case.
    text: str = ""


def searched(query: Query, text: Any) -> Query:
    """Return the query for what CVAT finds of a text. Raises QueryError for what is none."""
    if not isinstance(text, str):
        raise QueryError(f"search is a text, not {cut(text)}.")
    values = {each.name: getattr(query, each.name) for each in dataclasses.fields(Query)}
    return Searched(**values, text=text) if text.strip() else query


__all__ = ["F", "Field", "all_", "any_", "not_"]
