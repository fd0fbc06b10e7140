"""From what users write to what dialects compile: Q and names become a tree of checked conditions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from objmapper.exceptions import FieldDoesNotExist, QueryError, cut
from objmapper.exceptions import near_misses as near
from objmapper.fields import DateTime, Enum, ForeignKey, HasMany
from objmapper.query import (
    EVERYTHING,
    LOOKUPS,
    NOTHING,
    And,
    Condition,
    Node,
    Not,
    Or,
    Order,
    Q,
    Term,
)


def find(mapper: Any, text: str) -> tuple[tuple[Any, ...], str]:
    """Split ``project__name__in`` into its fields and what is left: ``"in"``, or "".

    At each step the longest field name that fits is taken, so ``changes___in`` finds ``changes_``.
    Raises FieldDoesNotExist, naming near misses.
    """
    path: list[Any] = []
    rest = text
    while rest:
        names = [n for n in mapper.fields if rest == n or rest.startswith(n + "__")]
        if mapper.has_key and (rest == "pk" or rest.startswith("pk__")):
            names, field = ["pk"], mapper.pk
        elif names:
            field = mapper.fields[max(names, key=len)]
        else:
            if path:
                hint = near(rest.partition("__")[0], [*mapper.fields, *LOOKUPS])
                raise QueryError(
                    f"{text!r}: {path[-1]} is followed by {rest!r}, which is no field of "
                    f"{mapper.model.__name__}, and no lookup.{hint} "
                    f"Lookups: {', '.join(sorted(LOOKUPS))}."
                )
            raise FieldDoesNotExist.of(mapper.model.__name__, rest, mapper.fields, text)
        name = max(names, key=len)
        path.append(field)
        rest = rest[len(name) + 2 :]
        if not isinstance(field, ForeignKey | HasMany):
            rest = _inside(path, rest)
            break
        mapper = field.target.__mapper__
        if rest in LOOKUPS and rest not in mapper.fields:
            break
    if rest and rest not in LOOKUPS:
        raise QueryError(
            f"{text!r}: {rest!r} is no lookup of {path[-1]}.{near(rest, LOOKUPS)} "
            f"Lookups: {', '.join(sorted(LOOKUPS))}."
        )
    return tuple(path), rest


def _inside(path: list[Any], rest: str) -> str:
    """Follow ``gpu__name__contains`` into the JSON of the last field; return the lookup that is left.

    A key that is called as a lookup is followed by one: ``metadata__range__exact``.
    """
    keys = rest.split("__") if rest else []
    lookup = keys.pop() if keys and keys[-1] in LOOKUPS else ""
    for index, key in enumerate(keys):
        field = path[-1].inside(key) if key else None
        if field is None:
            return "__".join(filter(None, [*keys[index:], lookup]))
        path.append(field)
    return lookup


def resolve(mapper: Any, q: Q) -> Node | None:
    """Return the checked tree of *q*; None when it says nothing, NOTHING when nothing meets it."""
    node = _resolve(mapper, q)
    return None if node == EVERYTHING else node


def _resolve(mapper: Any, q: Q) -> Node | None:
    q = q.said_of(mapper.model)
    children: list[Node] = []
    for child in q.children:
        node = _resolve(mapper, child) if isinstance(child, Q) else condition(mapper, child)
        if node is not None:
            children.append(node)
    if not children:
        return None
    joined = _joined(children, And, EVERYTHING, NOTHING)
    if q.joiner == "or":
        joined = _joined(children, Or, NOTHING, EVERYTHING)
    if not q.negated:
        return joined
    if joined in (NOTHING, EVERYTHING):
        return NOTHING if joined == EVERYTHING else EVERYTHING
    return Not(joined)


def _joined(children: list[Node], join: type[And] | type[Or], idle: Node, final: Node) -> Node:
    """Join conditions; one that is *final* decides for all, those that are *idle* say nothing."""
    if final in children:
        return final
    left = [child for child in children if child != idle]
    if len(left) < 2:
        return left[0] if left else idle
    return join(tuple(left))


def condition(mapper: Any, term: Term) -> Node:
    """Return one checked condition, its value as JSON."""
    if term.model is not None and not issubclass(mapper.model, term.model):
        if not issubclass(term.model, mapper.model):
            raise QueryError(
                f"{term.model.__name__}.{term.lookup.rpartition('__')[0]} is no field of "
                f"{mapper.model.__name__}, which is asked for."
            )
        mapper = term.model.__mapper__
    path, lookup = find(mapper, term.lookup)
    lookup, field, value = lookup or "exact", path[-1], term.value
    if isinstance(field, HasMany):
        raise QueryError(
            f"{term.lookup!r}: {field} is a reverse relation; ask from the other side: "
            f"{field.target.__name__}.objects.filter({field.by_name}=...)."
        )
    if any(each.write_only for each in path):
        raise QueryError(f"{field} is write-only: the server never shows it, nor filters by it.")
    if lookup == "exact" and value is None:
        lookup, value = "isnull", True
    wire = _value(field, lookup, value, term.lookup)
    # Servers read an empty list of values as no filter at all.
    return NOTHING if lookup == "in" and not wire else Condition(path, lookup, wire)


def _value(field: Any, lookup: str, value: Any, text: str) -> Any:
    if lookup == "isnull":
        if not isinstance(value, bool):
            raise QueryError(f"{text!r} takes True or False, not {cut(value)}.")
        return value
    if lookup == "within":
        if not isinstance(value, dt.timedelta) or not isinstance(field, DateTime):
            raise QueryError(
                f"{text!r} asks a time for one that is younger: it takes a timedelta, and a "
                f"DateTime field, not {cut(value)} of {field}."
            )
        return value.total_seconds()
    if lookup == "in":
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            raise QueryError(f"{text!r} takes several values, not {cut(value)}.")
        return tuple(_one(field, item, text) for item in value)
    if lookup == "range":
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise QueryError(f"{text!r} takes two values, low and high, not {cut(value)}.")
        return tuple(_one(field, item, text) for item in value)
    if lookup in ("exact", "gt", "gte", "lt", "lte"):
        return _one(field, value, text)
    if field.mutable:  # contains on a list or a dict: a part of it
        return value
    if not isinstance(value, str):
        raise QueryError(f"{text!r} takes text, not {cut(value)}.")
    return value


def _one(field: Any, value: Any, text: str) -> Any:
    """Return one value as JSON. Raises QueryError for one of the wrong type."""
    try:
        if isinstance(field, ForeignKey):
            return field.target.__mapper__.pk.to_wire(field.key_of(value))
        if field.primary_key:
            return field.to_wire(field.key_of(value))
        wire = field.dump(field.store(value))
        if wire is None or not field.accepts(wire):
            raise ValueError(f"{field} is {type(field).__name__}")
        if not field.mutable and not isinstance(field, Enum):  # a server may know more members
            field.to_python(wire)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise QueryError(f"{text}={cut(value)}: {error}.") from None
    return wire


def order(mapper: Any, names: Iterable[str]) -> tuple[Order, ...]:
    """Return the checked keys of an ordering: ``"-id"``, ``"project__name"``."""
    keys = []
    for name in names:
        if not isinstance(name, str):
            raise QueryError(f"order_by takes field names, '-' in front to reverse, not {name!r}.")
        path, lookup = find(mapper, name.removeprefix("-"))
        if lookup:
            raise QueryError(f"order_by({name!r}): {lookup!r} is a lookup, not a field.")
        if isinstance(path[-1], HasMany):
            raise QueryError(f"order_by({name!r}): {path[-1]} is a reverse relation.")
        if any(each.write_only for each in path):
            raise QueryError(f"order_by({name!r}): {path[-1]} is write-only, no order shows it.")
        keys.append(Order(path, name.startswith("-")))
    return tuple(keys)
