"""Rows become objects: the one instance per identity; what is dirty is never clobbered.

A clean object takes the new row. A dirty one keeps its base, and the newer row waits as ``theirs``.
A partial row updates what it carries and never takes away.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from objmapper import signals, versions
from objmapper.exceptions import ContractError
from objmapper.identity import IdentityMap, Ref
from objmapper.operation import Change, Pending, lifted, placed, resolve
from objmapper.state import (
    ABSENT,
    InstanceState,
    Lifecycle,
    OfDefault,
    Page,
    Stateful,
    changed_keys,
    copied,
    freeze,
    in_place,
    own,
    restore,
    revert,
    same,
    session_of,
    thaw,
    touch,
    unchanged,
)


def instances(
    identity: IdentityMap,
    mapper: Any,
    rows: list[dict[str, Any]],
    page: Page,
    path: dict[str, Any],
    *,
    deferred: bool = False,
) -> list[Any]:
    """Return the objects of *rows*; *page* becomes the state of the new and the clean ones.

    *deferred*: the rows were asked for to complete what is known, see ``join``.

    This loop is the read path: one dictionary look-up a row and nothing converted. Raises
    ContractError for a row without a key or with one that can't be, and for one whose class can't
    be told; then no object was touched.
    """
    if mapper.keyless:
        return [mapper.instance(row, page) for row in rows]
    keys = _identities(mapper, rows, path)
    page.keys = tuple(keys)  # which, of plain keys, the garbage collector need not walk through
    home = identity.home(mapper.root)
    died, new, found = home.died, object.__new__, []
    # `map` looks each key up when its turn comes, so a key that a page has twice is one object.
    refs = map(home.get, keys)
    for row, cls, key, ref in zip(rows, mapper.classes_of(rows), keys, refs, strict=True):
        if ref is None or (obj := ref()) is None:
            obj = new(cls)
            obj._row = row
            obj._state = page
            home[key] = ref = Ref(obj, died)
            ref.key = key
        else:
            if obj.__class__ is not cls:
                specialise(obj, cls)
            if deferred:
                join(obj, row, page)
            else:
                receive(obj, row, page)
        found.append(obj)
    return found


def _identities(mapper: Any, rows: list[dict[str, Any]], path: dict[str, Any]) -> list[Any]:
    """Return what tells each row's object from others. Raises ContractError where it is missing."""
    if mapper.has_key and not mapper.path_fields:
        pk = mapper.pk.key
        try:
            keys = [row[pk] for row in rows]
        except KeyError:
            keys = [None]
        if {*map(type, keys)} <= {mapper.key_class}:
            return keys
    for field in mapper.path_fields:
        for row in rows:
            row.setdefault(field.key, path.get(field.name))
    keys = [mapper.identity_in(row) for row in rows]
    for key, row in zip(keys, rows, strict=True):
        if key is None:
            known = ", ".join(list(map(str, row))[:8]) or "nothing"
            raise ContractError(
                f"a row of {mapper.endpoint} has no {mapper.pk.key!r}, the key of "
                f"{mapper.model.__name__}; it has {known}."
            )
    return keys


def specialise(obj: Any, cls: type) -> None:
    """Make an object that was known by its key alone, through its root class, one of its kind."""
    if issubclass(cls, type(obj)):
        obj.__class__ = cls


def join(obj: Any, row: dict[str, Any], page: Page) -> None:
    """Complete an object that was loaded in part: what it has stays, its version too.

    So nothing changes under the eyes of who touches a field, and a commit still tells what others
    changed since the object was read.
    """
    state, known = obj._state, obj._row
    versioned = page.mapper.is_versioned
    for key, value in (versions.of_base(page, obj, row) if versioned else row).items():
        if key not in known and not (state.originals and key in state.originals):
            known[key] = value
    if changed_keys(obj):
        newer = versions.of_whole(page, obj, row) if versioned else row
        state.theirs = {**(state.theirs or {}), **newer}
    if state.__class__ is not Page:
        state.full = state.full or page.full
    elif page.full or not state.full:
        obj._state = page


def receive(obj: Any, row: dict[str, Any], page: Page) -> None:
    """Give a known object a newer row, as the law "Loading never loses" says."""
    state = obj._state
    if page.mapper.is_versioned:
        row = versions.of_whole(page, obj, row)
    if state.__class__ is Page:
        obj._row.update(row)
        if page.full or not state.full:
            obj._state = page
        return
    if changed_keys(obj):
        join(obj, row, page)  # what was not loaded yet joins the base; what was, waits
        return
    catch_up(obj)
    merge_row(obj, row)
    state.full, state.age = state.full or page.full, page.age
    if len(page.keys) > len(state.page.keys):
        state.page = page


def merge_row(obj: Any, row: dict[str, Any]) -> None:
    """Move the base to *row*: what the user changed stays, the rest is the server's.

    Containers that are equal stay the same object, others are updated in place.
    """
    state, current = obj._state, obj._row
    by_key = type(obj).__mapper__.by_key
    originals, snapshots = state.originals, state.snapshots
    for key, value in row.items():
        if originals is not None and key in originals:
            field = by_key[key]
            originals[key] = value if field.mutable else field.tolerant(value)
            if field.same(originals[key], current.get(key)):
                restore(obj, field)
                originals = state.originals
        elif snapshots is not None and key in snapshots:
            _merge_container(by_key[key], snapshots, current, value)
        else:
            current[key] = value


def _merge_container(
    field: Any, snapshots: dict[str, bytes], current: dict[str, Any], value: Any
) -> None:
    key = field.key
    touched = key in current and not unchanged(field, snapshots[key], current[key])
    if touched:  # the base moves, the user's value stays
        converted = value if field.plain else field.tolerant(thaw(freeze(value)))
        snapshots[key] = freeze(field.to_row(converted))
        return
    if value is None or not field.accepts(value):
        del snapshots[key]
        current[key] = value
        return
    fresh = value if field.plain else field.tolerant(value)
    wire = field.to_row(fresh)
    if not same(thaw(snapshots[key]), wire):
        current[key] = in_place(current.get(key), fresh)
    snapshots[key] = freeze(wire)


def overwrite(obj: Any, row: dict[str, Any], page: Page) -> None:
    """Give an object the server's row whole: its changes and what waited are given up."""
    revert(obj)
    state = own(obj)
    state.theirs = state.prefetched = state.children = None
    merge_row(obj, row)
    if page.full or not state.full:
        state.page, state.full, state.age = page, page.full, page.age
    share(obj)


def acknowledge(
    obj: Any, sent: Mapping[str, Any], row: dict[str, Any] | None, rows: Mapping[str, Any]
) -> None:
    """Take in that the server has what was sent; edits made since stay changes.

    *sent* are the wire values as they were planned, *row* is the answer's row, if it had one; *rows*
    has what rows say of values that are sent otherwise.
    """
    by_key, current, state = type(obj).__mapper__.by_key, obj._row, own(obj)
    originals = state.originals if state.originals is not None else {}
    snapshots = state.snapshots if state.snapshots is not None else {}
    dropped = []
    for key, planned in sent.items():
        field = by_key[key]
        now = current.get(key)
        if field.as_is and now is planned:  # what all of the rest comes to, for most of a commit
            originals.pop(key, None)
            continue
        now = wire = field.dump(now)
        # What is as it was planned needs no look for what was filled in when it went out.
        as_sent = now is planned or same(now, planned)
        if not as_sent:
            wire = resolve(planned)
            as_sent = same(now, wire)
        if field.write_only:
            originals[key] = ABSENT
            if as_sent:
                dropped.append(key)
        elif field.mutable:
            originals.pop(key, None)
            if as_sent:
                field.forget(current[key])
                snapshots[key] = freeze(field.to_row(current[key]))
            else:
                snapshots[key] = resolve(rows[key]) if key in rows else freeze(wire)
        elif as_sent:
            originals.pop(key, None)
        else:
            originals[key] = field.tolerant(wire)
    state.originals, state.snapshots = originals or None, snapshots or None
    if state.theirs:  # older than what was sent, newer than all else that is known
        state.theirs = {key: value for key, value in state.theirs.items() if key not in sent}
        catch_up(obj)
    if row is not None:
        merge_row(obj, row)
    for key in dropped:  # last, as a server may echo it
        current.pop(key, None)
        restore(obj, by_key[key])


def renew(obj: Any, made: Change) -> None:
    """Make an object what it was before it was created: *made* has what was set then.

    What was set since stays, and nothing that the server said.
    """
    mapper, row = type(obj).__mapper__, obj._row
    edited = {key: row[key] for key in changed_keys(obj) if not mapper.by_key[key].read_only}
    kept = {key: _as_set(obj, mapper.by_key[key], made) for key in made.sent if key not in edited}
    for field in mapper.foreign_keys.values():
        if field.key in kept:
            kept[field.key] = _object_of(obj, field, kept[field.key])
    values = {key: edited.pop(key) if key in edited else kept[key] for key in made.sent} | edited
    obj._state = state = InstanceState(mapper.blank_page, Lifecycle.PENDING)
    state.originals, state.children = dict.fromkeys(values, ABSENT), made.children
    row.clear()
    row.update(values)


def _as_set(obj: Any, field: Any, made: Change) -> Any:
    """Return what the user had set of a field, in the same container where it still has that."""
    key, wire = field.key, made.sent[field.key]
    if isinstance(wire, Pending):
        return wire.of
    if field.refers:
        blank, inside = lifted(wire, lambda of: of)
        if inside:
            return field.tolerant(placed(blank, inside, lambda of: of))
    wire, current = resolve(wire), obj._row.get(key)
    watched = key in (obj._state.snapshots or ())
    if (watched or field.plain or not field.mutable) and same(field.dump(current), wire):
        held = field.mutable or isinstance(current, Stateful)
        return current if held else field.tolerant(current)
    if key in made.rows:
        wire = thaw(resolve(made.rows[key]))
    return field.tolerant(copied(wire) if field.mutable else wire)


def _object_of(obj: Any, field: Any, value: Any) -> Any:
    """Return the session's object that a key leads to; what leads to none of its objects as it is."""
    session, mapper = session_of(obj), field.target.__mapper__
    if session is None or value is None or isinstance(value, Stateful):
        return value
    identity = mapper.identity_in({mapper.pk.key: field.dump(value)})
    found = session.identity.get(mapper.root, identity)
    return value if found is None else found


def as_left(obj: Any, made: Change) -> None:
    """Have an object hold what it sent as a user would, before that becomes a change again.

    References lead to the objects that they were set to, not to keys that will be gone; values that
    change in place are watched. What was set since *made* was sent stays.
    """
    foreign_keys = type(obj).__mapper__.foreign_keys
    for key, wire in made.sent.items():
        field, value = type(obj).__mapper__.by_key[key], obj._row.get(key)
        if isinstance(wire, Pending):
            if same(field.dump(value), resolve(wire)):
                obj._row[key] = wire.of
        elif field.name in foreign_keys:
            if same(field.dump(value), wire):
                obj._row[key] = _object_of(obj, field, value)
        elif field.mutable and key not in (obj._state.snapshots or ()):
            with suppress(ContractError):
                touch(obj, field, value)


def catch_up(obj: Any) -> None:
    """Move the base of a dirty object to the newer row that waited; its changes stay."""
    state = obj._state
    if state.theirs:
        row, state.theirs = state.theirs, None
        merge_row(obj, row)


def rebase(obj: Any, row: dict[str, Any]) -> None:
    """Move the base of an object to *row*, which the server has now; its changes stay."""
    own(obj).theirs = None
    merge_row(obj, row)


def give_up(obj: Any, field: Any) -> None:
    """Take back what was changed of one field."""
    state, row, key = own(obj), obj._row, field.key
    restore(obj, field)
    if state.snapshots is not None and key in state.snapshots and key in row:
        row[key] = in_place(row[key], field.tolerant(thaw(state.snapshots[key])))


def settle(obj: Any) -> bool:
    """Stop watching an object that can't change unnoticed; say whether it is such a one.

    It has no changes, and nobody holds a list or dict of it: who wants to change one touches it
    first, and then it is watched again.
    """
    state = obj._state
    if state.__class__ is not InstanceState:
        return True
    if not state.originals and not state.snapshots:
        share(obj)
        return True
    if changed_keys(obj) or is_held(obj):
        return False
    by_key = type(obj).__mapper__.by_key
    for key, snapshot in (state.snapshots or {}).items():
        if isinstance(snapshot, OfDefault):
            obj._row.pop(key, None)
        elif key in obj._row and not by_key[key].plain:
            obj._row[key] = thaw(snapshot)
    state.originals = state.snapshots = None
    share(obj)
    return True


#: Asked for each object of a commit: Python 3.11 finds a member slowly through its class.
PERSISTENT = Lifecycle.PERSISTENT


def share(obj: Any) -> None:
    """Give an object its page's state back, if it has nothing of its own."""
    state = obj._state
    if (
        state.__class__ is InstanceState
        and state.lifecycle is PERSISTENT
        and state.full == state.page.full
        and state.session is state.page.session
        and not (state.originals or state.snapshots or state.children)
        and not (state.prefetched or state.theirs)
    ):
        obj._state = state.page


#: The references to a value that its container alone holds: that one, a local name, an argument.
_ALONE = 3


def is_held(obj: Any) -> bool:
    """Whether anybody holds a watched list, dict or value object of *obj*, or one inside it.

    Reference counts are CPython's; elsewhere whatever is watched counts as held.
    """
    waiting: list[Any] = [obj._row.get(key) for key in obj._state.snapshots or ()]
    while waiting:
        value = waiting.pop()
        embedded = hasattr(value, "__embedded__")
        if not embedded and value.__class__ not in (dict, list):
            continue
        if not hasattr(sys, "getrefcount") or sys.getrefcount(value) > _ALONE:
            return True
        if embedded:
            value = value._row
        waiting.extend(value if value.__class__ is list else value.values())
    return False


def release(objects: list[Any], touched: dict[int, Any]) -> None:
    """Hold weakly from now on what nobody can change unnoticed, though a value of it was touched."""
    for obj in objects if touched else ():
        if id(obj) in touched and settle(obj):
            del touched[id(obj)]


def announce(session: Any, objects: list[Any]) -> None:
    """Tell ``post_load`` of a page; nobody listening costs one look."""
    if not signals.post_load.receivers:
        return
    kinds: dict[type, list[Any]] = {}
    for obj in objects:
        kinds.setdefault(type(obj), []).append(obj)
    for kind, instances in kinds.items():
        signals.post_load.tell(kind, instances=instances, session=session)
