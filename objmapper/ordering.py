"""In which order changes go: parents before children, deletes the other way, cycles cut or refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from objmapper.exceptions import CircularDependencyError
from objmapper.operation import Change, Draft, Kind, Operation, Pending, has_pending


def cut_cycles(changes: list[Change]) -> list[Change]:
    """Split creates that need each other into a create without the reference and an update.

    Raises CircularDependencyError where no reference of the cycle may be null.
    """
    creates = {id(change.object): change for change in changes if change.kind == Kind.CREATE}
    if not _classes_refer_in_a_circle(creates.values()):
        return changes
    later: list[Change] = []
    while True:
        sorter: TopologicalSorter[int] = TopologicalSorter()
        for number, change in creates.items():
            sorter.add(number, *(id(obj) for obj in _needs(change) if id(obj) in creates))
        try:
            sorter.prepare()
        except CycleError as error:
            ring = [creates[number] for number in error.args[1]]
            number, without, update = _cut(ring)
            creates[number] = without
            later.append(update)
            continue
        others = [change for change in changes if change.kind != Kind.CREATE]
        return [*creates.values(), *others, *later]


def _classes_refer_in_a_circle(creates: Iterable[Change]) -> bool:
    """Order classes first: objects need ordering only where a class leads back to itself."""
    graph: dict[type, set[type]] = {}
    for change in creates:
        needed = graph.setdefault(type(change.object), set())
        for wire in change.sent.values():
            if wire.__class__ is Pending:
                needed.add(type(wire.of))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return True
    return any(cls in needed for cls, needed in graph.items())


def _needs(change: Change) -> Iterable[Any]:
    for wire in change.sent.values():
        yield from has_pending(wire)


def _cut(ring: list[Change]) -> tuple[int, Change, Change]:
    """Return the create to change, without its reference, and the update that sets it later."""
    members = {id(change.object) for change in ring}
    for change in ring:
        by_key = type(change.object).__mapper__.by_key
        for key, wire in change.sent.items():
            field = by_key[key]
            if not isinstance(wire, Pending) or id(wire.of) not in members:
                continue
            if field.null and not field.required and not field.write_once:
                rest = {name: value for name, value in change.sent.items() if name != key}
                shown = {field.name: change.changes[field.name]}
                update = Change(Kind.UPDATE, change.object, {key: wire}, shown)
                return id(change.object), change._replace(sent=rest), update
    path = " -> ".join(repr(change.object) for change in ring)
    raise CircularDependencyError(
        f"These objects each need another one to exist first: {path}. Make one of the references "
        "nullable (null=True), so that it can be set in a second step. Nothing was sent."
    )


def ordered(drafts: list[Draft]) -> tuple[Operation, ...]:
    """Number the drafts and put them in waves: what an operation waits for is in an earlier one."""
    creates: dict[int, int] = {}
    deletes: dict[Any, int] = {}
    first: dict[int, int] = {}
    for number, draft in enumerate(drafts, 1):
        for change in draft.changes:
            if change.kind == Kind.CREATE:
                creates[id(change.object)] = number
            elif change.kind == Kind.DELETE:
                deletes[identity(change.object)] = number
            first.setdefault(id(change.object), number)
    after: defaultdict[int, set[int]] = defaultdict(set)
    for number, draft in enumerate(drafts, 1):
        for awaited in _awaited(draft) if creates else ():
            if creates.get(awaited, number) != number:
                after[number].add(creates[awaited])
        for change in draft.changes:
            earlier = first[id(change.object)]
            if earlier != number and change.kind != Kind.CREATE:  # the second half of a cut cycle
                after[number].add(earlier)
            for parent in referred(change) if deletes else ():
                if deletes.get(parent, number) != number:
                    after[deletes[parent]].add(number)
    return _in_waves(drafts, after)


def _awaited(draft: Draft) -> Iterable[int]:
    """Yield the ids of the objects whose keys a request needs, or that it is told to wait for."""
    request = draft.request
    parts = [request.path, *(value for _, value in request.params)]
    parts.append(getattr(request.body, "value", None))
    yield from map(id, has_pending(parts))
    yield from map(id, draft.after)


def identity(obj: Any) -> tuple[Any, Any]:
    mapper = type(obj).__mapper__
    return mapper.root, mapper.key_in(obj._row)


def referred(change: Change) -> Iterable[tuple[Any, Any]]:
    """Yield the identities that an object refers to, or referred to before its change."""
    obj = change.object
    for field in type(obj).__mapper__.foreign_keys.values():
        values = [obj._row.get(field.key), (obj._state.originals or {}).get(field.key)]
        for value in values:
            try:
                key = field.key_value(value) if value else None
            except (ValueError, TypeError):
                continue
            if key is not None:
                yield field.target.__mapper__.root, key


def _in_waves(drafts: list[Draft], after: Mapping[int, set[int]]) -> tuple[Operation, ...]:
    sorter = TopologicalSorter(after)
    try:
        sorter.prepare()
    except CycleError as error:
        ring = " -> ".join(repr(drafts[n - 1].changes[0].object) for n in error.args[1])
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
    # What neither waits nor is waited for is not in the graph: it goes first.
    operations = [
        Operation(number, draft, frozenset(after[number]), waves[number])
        if number in waves
        else Operation(number, draft)
        for number, draft in enumerate(drafts, 1)
    ]
    operations.sort(key=lambda op: (op.wave, op.number))
    return tuple(operations)
