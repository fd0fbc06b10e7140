"""Objects that were written down come to life again in a session: rows, and changes upon them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from objmapper.operation import placed
from objmapper.state import ABSENT, InstanceState, Lifecycle, Page, copied, own


def values(
    mapper: Any, sent: Mapping[str, Any], refs: Mapping[str, Any], of: Callable[[int], Any]
) -> dict[str, Any]:
    """Return what an object keeps of values as rows have them, and of the objects that it refers to.

    *refs* tells those by number, as ``encoding.sent_of`` does. Raises LookupError for an unknown name.
    """
    found = {}
    for key, value in sent.items():
        inside = refs.get(key)
        value = copied(value) if inside is None else placed(value, inside, of)
        found[key] = mapper.by_key[key].tolerant(value)
    found |= {key: of(number) for key, number in refs.items() if key not in sent}
    return found


def pending(session: Any, model: Any) -> Any:
    """Return an object that waits for its creation, and has nothing yet; see ``fill``."""
    obj = object.__new__(model)
    obj._row = {}
    obj._state = state = InstanceState(model.__mapper__.blank_page, Lifecycle.PENDING)
    state.session = session.ref
    session.members.new[id(obj)] = obj
    return obj


def fill(obj: Any, said: Mapping[str, Any]) -> None:
    """Give a new object values, as if its constructor had been given them."""
    obj._row |= said
    obj._state.originals = dict.fromkeys(obj._row, ABSENT)


def persistent(session: Any, model: Any, row: dict[str, Any], *, full: bool = False) -> Any:
    """Return an object over a row that the server has told, in the place of any other of its key."""
    mapper = model.__mapper__
    identity = mapper.identity_in(row)
    obj = object.__new__(model)
    obj._row = row
    page = Page(session.ref, mapper, [] if identity is None else [identity], full=full)
    obj._state = page
    if identity is not None:
        session.identity.add(mapper.root, identity, obj)
    elif mapper.has_key:
        own(obj).lifecycle = page.lifecycle
        session.members.keyless[obj] = None
    return obj


def change(session: Any, obj: Any, said: Mapping[str, Any]) -> None:
    """Give a persistent object changes; what it has changed already stays as it is."""
    state, by_key = own(obj), type(obj).__mapper__.by_key
    originals = {} if state.originals is None else state.originals
    for key, value in said.items():
        field, base = by_key[key], obj._row.get(key, ABSENT)
        if key in originals:
            continue
        if base is not ABSENT and not field.mutable:
            base = field.tolerant(base)
        if base is not ABSENT and field.same(base, value):
            continue
        if state.snapshots is not None:
            state.snapshots.pop(key, None)
        originals[key], obj._row[key] = base, value
    state.originals = originals or None
    session.touched(obj)
