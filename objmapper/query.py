"""What is asked, as frozen values that know no server: Query, Q, conditions, lookups.

``Q`` is what users write; a mapper resolves it to a tree of And, Or, Not and Condition, whose
fields exist and whose values are wire values. A dialect compiles that tree.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from objmapper.exceptions import cut

#: Every lookup that a query may name; a dialect says which of them its server can do.
LOOKUPS = frozenset(
    "exact iexact contains icontains startswith istartswith endswith iendswith "
    "regex iregex in gt gte lt lte range isnull within".split()
)


class FetchMode(enum.Enum):
    """What touching a relation or a field that is not loaded does."""

    #: It loads the one object.
    FETCH_ONE = "one"
    #: It loads the objects of the whole page, at most what fits one request.
    FETCH_PEERS = "peers"
    #: It raises FieldFetchBlocked.
    RAISE = "raise"

    def __repr__(self) -> str:
        return self.name


#: Touching what is not loaded loads it for the one object.
FETCH_ONE = FetchMode.FETCH_ONE
#: Touching what is not loaded loads it for the objects of the whole page; the default.
FETCH_PEERS = FetchMode.FETCH_PEERS
#: Touching what is not loaded raises FieldFetchBlocked.
RAISE = FetchMode.RAISE


class Term(NamedTuple):
    """One unresolved condition, as users write it."""

    #: Field names and a lookup, as ``project__name__in``.
    lookup: str
    #: What it is compared with, as the user gave it.
    value: Any
    #: The model of the field, where an expression tells it.
    model: Any = None


class Q:
    """Conditions joined by ``&``, ``|`` and ``~``.

    >>> Q(name="a") | ~Q(id__gt=7)
    Q(Q(name='a') | ~Q(id__gt=7))

    Keywords are ANDed. ``Task.id > 7`` makes one as well. It has no truth value: to ask for one, as
    ``and`` and chained comparisons do, raises TypeError, and so does a positional argument that is
    no condition.
    """

    __slots__ = ("children", "joiner", "negated")
    # A Q is a value: == on it would read as an expression and hide mistakes.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *children: Q | Term, _joiner: str = "and", **lookups: Any) -> None:
        for child in children:
            if not isinstance(child, Q | Term):
                raise TypeError(f"Q takes conditions and keywords, not {child!r}")
        terms = [Term(lookup, value) for lookup, value in lookups.items()]
        #: The conditions that are joined.
        self.children: tuple[Q | Term, ...] = (*children, *terms)
        #: "and" or "or".
        self.joiner: str = _joiner
        #: Whether the opposite is meant.
        self.negated: bool = False

    def __and__(self, other: Q) -> Q:
        return self._join(other, "and")

    def __or__(self, other: Q) -> Q:
        return self._join(other, "or")

    def __invert__(self) -> Q:
        inverse = Q(*self.children, _joiner=self.joiner)
        inverse.negated = not self.negated
        return inverse

    def said_of(self, model: Any) -> Q:
        """Return it in the field names of a model: a binding may have words of its own."""
        return self

    def _join(self, other: Q, joiner: str) -> Q:
        if not isinstance(other, Q):
            return NotImplemented
        if not self.children or not other.children:
            return other if not self.children else self
        return Q(self, other, _joiner=joiner)

    def __bool__(self) -> bool:
        raise TypeError(
            "A condition has no truth value before the server answers; join conditions with "
            "& | ~ instead of and, or, not, and don't chain comparisons."
        )

    def __repr__(self) -> str:
        inner = f" {'&' if self.joiner == 'and' else '|'} ".join(
            repr(child) if isinstance(child, Q) else f"{child.lookup}={cut(child.value, 1000)}"
            for child in self.children
        )
        return f"{'~' if self.negated else ''}Q({inner})"


class Condition(NamedTuple):
    """One resolved condition: a field, a lookup, a value."""

    #: The fields that lead through relations to the one that is compared.
    path: tuple[Any, ...]
    #: One of the lookups, as "exact".
    lookup: str
    #: What it is compared with, as JSON; a tuple for ``in`` and ``range``.
    value: Any

    @property
    def field(self) -> Any:
        """The field that is compared."""
        return self.path[-1]

    @property
    def name(self) -> str:
        """The field names, as ``project__name``."""
        return "__".join(f.name for f in self.path)

    def __str__(self) -> str:
        return f"{self.name}__{self.lookup}={cut(self.value, 1000)}"


@dataclass(frozen=True, slots=True)
class And:
    """Conditions all of which must be met."""

    #: The conditions that are joined.
    children: tuple[Node, ...]

    def __str__(self) -> str:
        return "(" + " & ".join(map(str, self.children)) + ")"


@dataclass(frozen=True, slots=True)
class Or:
    """Conditions one of which must be met."""

    #: The conditions that are joined.
    children: tuple[Node, ...]

    def __str__(self) -> str:
        return "(" + " | ".join(map(str, self.children)) + ")"


@dataclass(frozen=True, slots=True)
class Not:
    """A condition that must not be met."""

    #: The condition.
    child: Node

    def __str__(self) -> str:
        return f"~{self.child}"


Node = Condition | And | Or | Not

#: What no object meets: one of no values.
NOTHING = Or(())
#: What every object meets.
EVERYTHING = And(())


def conditions(node: Node | None) -> Iterator[Condition]:
    """Yield every condition of a tree."""
    if isinstance(node, Condition):
        yield node
    elif isinstance(node, Not):
        yield from conditions(node.child)
    elif node is not None:
        for child in node.children:
            yield from conditions(child)


class Order(NamedTuple):
    """One key of an ordering."""

    #: The fields that lead through relations to the one that is sorted by.
    path: tuple[Any, ...]
    #: Whether the highest comes first.
    descending: bool = False

    @property
    def name(self) -> str:
        """The field names, as ``-project__name``."""
        return ("-" if self.descending else "") + "__".join(f.name for f in self.path)


@dataclass(frozen=True, slots=True)
class Query:
    """All that a query says, resolved and checked; it knows no server and sends nothing."""

    #: The mapper of the model that is asked for.
    mapper: Any
    #: The tree of conditions; None asks for everything.
    where: Node | None = None
    #: None: the model's own order; empty: the server's.
    order_by: tuple[Order, ...] | None = None
    #: How many rows are left out at the beginning.
    offset: int = 0
    #: The most rows that are wanted; None is all.
    limit: int | None = None
    #: The fields that are asked for; empty is all.
    only: tuple[Any, ...] = ()
    #: The relations that are loaded with the objects, as ``project__owner``.
    prefetch: tuple[str, ...] = ()
    #: What touching something that is not loaded does.
    fetch_mode: FetchMode = FetchMode.FETCH_PEERS
    #: What is evaluated here, object by object.
    local: tuple[Callable[[Any], bool], ...] = ()
    #: How many rows a page has; None leaves it to the dialect.
    page_size: int | None = None
    #: Whether the opposite order is meant.
    reversed: bool = False
    #: Values of the endpoint's braces: ``runs/{run}/artifacts``.
    path_values: tuple[tuple[str, Any], ...] = field(default=())
    #: Where a server of several places is asked; None: wherever its dialect stands.
    place: Any = None

    def having(self, node: Node | None) -> Query:
        """Return the query with one more condition, ANDed."""
        if node is None or self.where == NOTHING:
            return self
        if self.where is None or node == NOTHING:
            return replace(self, where=node)
        left = self.where.children if isinstance(self.where, And) else (self.where,)
        right = node.children if isinstance(node, And) else (node,)
        return replace(self, where=And((*left, *right)))

    def sliced(self, start: int, stop: int | None) -> Query:
        """Return rows *start* to *stop* of this query's own rows."""
        limit = self.limit
        if stop is not None:
            size = max(stop - start, 0)
            limit = size if limit is None else min(size, max(limit - start, 0))
        elif limit is not None:
            limit = max(limit - start, 0)
        return replace(self, offset=self.offset + start, limit=limit)

    @property
    def is_sliced(self) -> bool:
        """Whether an offset or a limit is set."""
        return self.offset > 0 or self.limit is not None

    @property
    def finds_nothing(self) -> bool:
        """Whether it is known without asking that no object is found."""
        return self.limit == 0 or self.where == NOTHING


def only_key(query: Query) -> Any:
    """Return the key, when the key alone is what a query asks for; else None."""
    if type(query) is not Query:  # a binding's own kind asks for more
        return None
    node = query.where
    if query.local or query.is_sliced or query.only or not isinstance(node, Condition):
        return None
    return node.value if node.lookup == "exact" and node.path[0].primary_key else None


def take_path_values(mapper: Any, node: Node | None) -> tuple[Node | None, dict[str, Any]]:
    """Split off what an endpoint's braces need: ``filter(run=7)`` of ``runs/{run}/artifacts``."""
    if not mapper.path_fields or node is None or isinstance(node, Or):
        return node, {}
    names = {field.name for field in mapper.path_fields}
    children = node.children if isinstance(node, And) else (node,)
    taken, rest = {}, []
    for child in children:
        if isinstance(child, Condition) and child.lookup == "exact" and child.name in names:
            taken[child.name] = child.value
        else:
            rest.append(child)
    if not rest:
        return None, taken
    return rest[0] if len(rest) == 1 else And(tuple(rest)), taken
