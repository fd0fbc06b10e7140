"""In which order changes go: parents before children, deletes the other way, cycles cut or refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from objmapper.exceptions import CircularDependencyError
from objmapper.operation import (
    CREATE,
    DELETE,
    UPDATE,
    Change,
    Draft,
    Kind,
    LeftOut,
    Operation,
    Pending,
    has_pending,
    is_flat,
    told,
)
from objmapper.state import ABSENT, base_value


class Need(NamedTuple):
    """One change waits for another one, because of a reference: the field *key* of *holder*."""

    waiting: int
    awaited: int
    holder: Any
    key: str

    @property
    def can_be_cut(self) -> bool:
        """Whether the reference may be null for a while."""
        field = type(self.holder).__mapper__.by_key.get(self.key)
        if field is None or field.required or field.write_once or field.read_only:
            return False
        return bool(field.null)


def cut_cycles(changes: list[Change]) -> list[Change]:
    """Return the changes with those that wait for each other in a circle split in two steps.

    A create goes without the reference, which an update sets afterwards; before a delete, an update
    takes the reference away. Raises CircularDependencyError where no reference may be null.
    """
    creates = {id(change.object): change for change in changes if change.kind == CREATE}
    deletes = {id(change.object): change for change in changes if change.kind == DELETE}
    first: list[Change] = []
    later: list[Change] = []
    for holder, keys in _to_cut(_needed_by_creates(creates), creates):
        change = creates[id(holder)]
        by_key = type(holder).__mapper__.by_key
        was = change.changes
        shown = told({by_key[key].name: was[by_key[key].name] for key in keys})
        later.append(Change(Kind.UPDATE, holder, {key: change.sent[key] for key in keys}, shown))
        rest = {key: value for key, value in change.sent.items() if key not in keys}
        creates[id(holder)] = change._replace(sent=rest)
    for holder, keys in _to_cut(_needed_by_deletes(deletes), deletes):
        by_key = type(holder).__mapper__.by_key
        shown = told({by_key[key].name: (by_key[key].__get__(holder), None) for key in keys})
        base = {key: base_value(holder, by_key[key]) for key in keys}
        first.append(Change(Kind.UPDATE, holder, dict.fromkeys(keys), shown, base=base))
        # For `ordered`: what the object no longer refers to when its delete goes.
        deletes[id(holder)] = deletes[id(holder)]._replace(sent=dict.fromkeys(keys))
    if not first and not later:
        return changes
    split = {**creates, **deletes}
    whole = [c if c.kind == Kind.UPDATE else split[id(c.object)] for c in changes]
    return [*first, *whole, *later]


def _needed_by_creates(creates: Mapping[int, Change]) -> Iterator[Need]:
    """Yield what each create waits for: the keys of others that are new."""
    for number, change in creates.items():
        mapper = type(change.object).__mapper__
        for key, wire in change.sent.items() if mapper.foreign_keys or mapper.referring else ():
            if wire.__class__ is Pending and id(wire.of) in creates:
                yield Need(number, id(wire.of), change.object, key)


def _needed_by_deletes(deletes: Mapping[int, Change]) -> Iterator[Need]:
    """Yield what each delete waits for: that nothing refers to the object any more."""
    if len(deletes) < 2:
        return
    known = {identity(change.object): number for number, change in deletes.items()}
    for number, change in deletes.items():
        for key, referred in references(change):
            awaiting = known.get(referred, number)
            if awaiting != number:
                yield Need(awaiting, number, change.object, key)


def _to_cut(
    needs: Iterator[Need], changes: Mapping[int, Change]
) -> Iterable[tuple[Any, list[str]]]:
    """Return which references of which objects to cut, so that no circle is left.

    Raises CircularDependencyError for a circle without a reference that may be null.
    """
    needs_ = list(needs)
    if not needs_ or not _classes_in_a_circle(needs_, changes):
        return ()
    tied = _tied(needs_)
    graph = _graph(need for need in tied if not need.can_be_cut)
    for need in tied:
        graph.setdefault(need.waiting, {})
        graph.setdefault(need.awaited, {})
    try:
        order = {n: place for place, n in enumerate(TopologicalSorter(graph).static_order())}
    except CycleError as error:
        ring = " -> ".join(repr(changes[number].object) for number in error.args[1])
        raise CircularDependencyError(
            f"These objects wait for each other in a circle, none can go first: {ring}. Make one of "
            "the references nullable (null=True), so that it can be set in a step of its own. "
            "Nothing was sent."
        ) from None
    cut: dict[int, tuple[Any, list[str]]] = {}
    for need in tied:
        if order[need.awaited] >= order[need.waiting] and need.can_be_cut:
            keys = cut.setdefault(id(need.holder), (need.holder, []))[1]
            if need.key not in keys:
                keys.append(need.key)
    return cut.values()


def _classes_in_a_circle(needs: list[Need], changes: Mapping[int, Change]) -> bool:
    """Look at classes first: objects need it only where a class leads back to itself."""
    graph: dict[type, set[type]] = defaultdict(set)
    for need in needs:
        graph[type(changes[need.waiting].object)].add(type(changes[need.awaited].object))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return True
    return False


#: What waits, with what it waits for: in an order that does not change with where objects lie in memory.
_Graph = dict[int, dict[int, None]]


def _graph(needs: Iterable[Need]) -> _Graph:
    graph: _Graph = {}
    for need in needs:
        graph.setdefault(need.waiting, {})[need.awaited] = None
    return graph


def _tied(needs: list[Need]) -> list[Need]:
    """Return the needs that are part of a circle, or lie between two circles."""
    for _ in range(2):  # first what can be done before the circles, then what can be done after
        free = _free(_graph(needs))
        needs = [need for need in needs if need.awaited not in free and need.waiting not in free]
        needs = [Need(need.awaited, need.waiting, need.holder, need.key) for need in needs]
    return needs


def _free(graph: _Graph) -> set[int]:
    sorter = TopologicalSorter(graph)
    found: set[int] = set()
    with suppress(CycleError):  # the sorter still gives what no circle holds up
        sorter.prepare()
    while ready := sorter.get_ready():
        found.update(ready)
        sorter.done(*ready)
    return found


def ordered(drafts: Iterable[Draft], left_out: Sequence[LeftOut] = ()) -> tuple[Operation, ...]:
    """Number the drafts and put them in waves: what an operation waits for is in an earlier one.

    What needs something that is left out is told so (``held_by``), and can't go.
    """
    operations: list[Operation] = []
    creates: dict[int, int] = {}
    deletes: dict[Any, int] = {}
    latest: dict[int, int] = {}
    after: defaultdict[int, set[int]] = defaultdict(set)
    # A draft ends here, and where they come one by one no two of them are there at a time.
    for number, draft in enumerate(drafts, 1):
        operations.append(Operation.of(number, draft))
        for change in draft.changes:
            known = id(change.object)
            earlier = latest.setdefault(known, number)
            if earlier != number:  # the second half of a cut cycle, or what follows a create
                after[number].add(earlier)
                latest[known] = number
            if change.kind == CREATE:
                creates[known] = number
            elif change.kind == DELETE:
                deletes[identity(change.object)] = number
    if creates:
        _wait_for_keys(operations, creates, after)
    if deletes:
        _wait_for_references(operations, deletes, after)
    _wait_for_steps(operations, after)
    _let_go(operations, after)
    held = _held(operations, left_out, deletes) if left_out else {}
    return _in_waves(operations, after, held)


def _wait_for_keys(
    operations: Iterable[Operation], creates: Mapping[int, int], after: defaultdict[int, set[int]]
) -> None:
    """Have operations wait for the creates whose keys they need."""
    for operation in operations:
        for awaited in needs_of(operation):
            number = operation.number
            if creates.get(id(awaited), number) != number:
                after[number].add(creates[id(awaited)])


def _wait_for_references(
    operations: Iterable[Operation], deletes: Mapping[Any, int], after: defaultdict[int, set[int]]
) -> None:
    """Have deletes wait for all that is done to what refers to their objects."""
    for operation in operations:
        for change in operation.changes:
            for _, parent in references(change):
                number = operation.number
                if deletes.get(parent, number) != number:
                    after[deletes[parent]].add(number)


def _wait_for_steps(operations: Sequence[Operation], after: defaultdict[int, set[int]]) -> None:
    """Have operations that are told to wait for objects wait for their uploads as well."""
    waiting = [operation for operation in operations if operation.needs]
    if not waiting:
        return
    steps = {
        id(change.object): operation.number
        for operation in operations
        for change in operation.changes
        if change.kind not in (CREATE, UPDATE, DELETE)
    }
    for operation in waiting:
        for obj in operation.needs:
            if steps.get(id(obj), operation.number) != operation.number:
                after[operation.number].add(steps[id(obj)])


def _let_go(operations: Sequence[Operation], after: defaultdict[int, set[int]]) -> None:
    """Have operations that go beside each other wait for what the first of them waits for."""
    if all(operation.beside is None for operation in operations):
        return
    first: dict[int, int] = {}
    groups: dict[int, set[int]] = {}
    for operation in operations:
        number, beside = operation.number, operation.beside
        earlier = [n for n in after[number] if n in groups] if number in after else []
        for n in earlier:
            if beside is not None and operations[n - 1].beside == beside:
                head = first[n]
                after[number] = (after[number] - {n}) | after[head]
                first[number], groups[number] = head, groups[n]
                groups[n].add(number)
            else:
                after[number] |= groups[n]
        if beside is not None and number not in groups:
            first[number], groups[number] = number, {number}


def _held(
    operations: Iterable[Operation], left_out: Sequence[LeftOut], deletes: Mapping[Any, int]
) -> dict[int, dict[int, Any]]:
    """Return, by number, the objects that an operation needs and that are left out."""
    held: defaultdict[int, dict[int, Any]] = defaultdict(dict)
    missing = {id(out.change.object) for out in left_out}
    for operation in operations:
        for awaited in needs_of(operation):
            if id(awaited) in missing:
                held[operation.number][id(awaited)] = awaited
    for change, *_ in left_out if deletes else ():
        for _, parent in references(change):
            if parent in deletes:
                held[deletes[parent]][id(change.object)] = change.object
    return held


def needs_of(operation: Operation) -> Iterable[Any]:
    """Return the objects whose keys a request needs, or that it is told to wait for."""
    body = operation.body
    if not operation.is_json:
        body = getattr(body, "value", None)
    known = operation.path.__class__ is str and not operation.params
    if known and (body is None or is_flat(body)):
        return operation.needs
    parts = [operation.path, *(value for _, value in operation.params), body]
    return (*has_pending(parts), *operation.needs)


def identity(obj: Any) -> tuple[Any, Any]:
    """Return what an object is referred to by: its root class and its key."""
    mapper = type(obj).__mapper__
    return mapper.root, mapper.key_in(obj._row)


def target(field: Any, value: Any) -> tuple[Any, Any] | None:
    """Return the identity that a reference's value leads to; None where it leads to none yet."""
    try:
        key = None if value is ABSENT else field.key_value(value)
    except (ValueError, TypeError, AttributeError):
        return None
    return None if key is None else (field.target.__mapper__.root, key)


def references(change: Change) -> Iterable[tuple[str, tuple[Any, Any]]]:
    """Yield the wire names and identities that an object refers to, or referred to before its change.

    What an update takes away ahead of a delete counts no longer.
    """
    obj = change.object
    originals = obj._state.originals or {}
    for field in type(obj).__mapper__.foreign_keys.values():
        if change.kind == Kind.DELETE and field.key in change.sent:
            continue
        for value in (obj._row.get(field.key), originals.get(field.key)):
            found = target(field, value)
            if found is not None:
                yield field.key, found
    if change.undoes is not None and change.kind == DELETE:
        for key, wire in change.undoes.sent.items():  # lists, too, hold what it was created after
            for other in () if wire.__class__ is Pending else has_pending([wire]):
                yield key, identity(other)


def _in_waves(
    operations: list[Operation],
    after: Mapping[int, set[int]],
    held: Mapping[int, Mapping[int, Any]],
) -> tuple[Operation, ...]:
    if not after and not held:
        return tuple(operations)
    sorter = TopologicalSorter(after)
    try:
        sorter.prepare()
    except CycleError as error:
        ring = " -> ".join(repr(operations[n - 1].changes[0].object) for n in error.args[1])
        raise CircularDependencyError(
            f"These operations each wait for another one: {ring}. Nothing was sent."
        ) from None
    waves: dict[int, int] = {}
    wave = 0
    while sorter.is_active():
        wave += 1
        ready = sorter.get_ready()
        for number in ready:
            waves[number] = wave
        sorter.done(*ready)
    # What neither waits nor is waited for is not in the graph. Numbers go as the plan is read.
    order = sorted(range(1, len(operations) + 1), key=lambda number: waves.get(number, 1))
    place = {number: index for index, number in enumerate(order, 1)}
    return tuple(
        operations[number - 1].at(
            place[number],
            frozenset([place[before] for before in after.get(number, ())]),
            waves.get(number, 1),
            tuple(held[number].values()) if number in held else (),
        )
        for number in order
    )
