"""What one object has loaded, changed and committed.

All clean objects of a page share one Page as their state. An object gets an InstanceState at its first
write, or when a mutable value is first touched: the list in the row *is* the user's list.

The row dict is the storage and is changed in place. ``originals`` keeps what a changed key had
before; ``snapshots`` keeps the JSON of every mutable value that was touched.
"""

from __future__ import annotations

import enum
import itertools
import marshal
import weakref
from typing import Any, Final, cast

from objmapper.exceptions import ContractError, DetachedError, FieldNotLoaded
from objmapper.query import FetchMode


class Absent(enum.Enum):
    """The type of ABSENT: a row had no such key."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT


class Lifecycle(enum.StrEnum):
    """Where an object stands between the program and the server."""

    TRANSIENT = "transient"  #: Made here, and of no session.
    PENDING = "pending"  #: New in a session: the next commit creates it.
    PERSISTENT = "persistent"  #: The server has it, and a session knows it.
    DELETED = "deleted"  #: The next commit deletes it.
    DETACHED = "detached"  #: The server has or had it, and no open session knows it.


_NEW = (Lifecycle.TRANSIENT, Lifecycle.PENDING)

SessionRef = weakref.ref[Any]
#: What is read later has the higher number.
ages = itertools.count()


class Stateful:
    """The three slots of every model object; nothing else may be stored on one.

    Reads go straight to ``_row``: any other layout that was measured is slower or bigger.
    """

    __slots__ = ("__weakref__", "_row", "_state")
    _row: dict[str, Any]
    _state: Page | InstanceState


class Page:
    """The shared state of a page's clean objects.

    It holds keys, never rows or objects, and the session weakly: nothing keeps all alive.
    """

    __slots__ = "age", "full", "keys", "made", "mapper", "mode", "only", "related", "session", "via"

    originals = None
    snapshots = None
    theirs = None
    children = None
    prefetched = None
    lifecycle = Lifecycle.PERSISTENT

    def __init__(
        self,
        session: SessionRef | None,
        mapper: Any,
        keys: list[Any] | tuple[Any, ...],
        *,
        full: bool = True,
        only: frozenset[str] | None = None,
        mode: FetchMode = FetchMode.FETCH_PEERS,
        via: tuple[Any, Any, Any] | None = None,
        age: int | None = None,
    ) -> None:
        #: Which of two pages is the newer one: the higher number.
        self.age = next(ages) if age is None else age
        self.session = session
        self.mapper = mapper
        #: What tells the page's objects from others: ``identity_in`` of each row.
        self.keys = keys
        #: Whether the rows have all that the server would say of an object.
        self.full = full
        self.only = only
        self.mode = mode
        self.made = False  # whether this session has created the object: no other new one is it
        #: For objects known through a relation: its field, and mapper and keys of what refers.
        self.via = via
        #: ``{wire name of a relation: page of what it leads to}``
        self.related: dict[str, Page] | None = None

    @property
    def page(self) -> Page:
        return self


class InstanceState:
    """One object's own state."""

    __slots__ = (
        "age",
        "children",
        "full",
        "lifecycle",
        "originals",
        "page",
        "prefetched",
        "session",
        "snapshots",
        "theirs",
    )

    def __init__(self, page: Page, lifecycle: Lifecycle = Lifecycle.PERSISTENT) -> None:
        self.page = page
        #: The age of its row, which may be newer than its page.
        self.age = page.age
        self.session = page.session
        self.full = page.full
        self.lifecycle = lifecycle
        #: ``{wire name: value before the first change, or ABSENT}``
        self.originals: dict[str, Any] | None = None
        #: ``{wire name: marshalled JSON at first touch}``
        self.snapshots: dict[str, bytes] | None = None
        #: A newer row that came while the object was dirty.
        self.theirs: dict[str, Any] | None = None
        #: ``{HasMany name: [objects]}`` given to the constructor and not yet created.
        self.children: dict[str, list[Any]] | None = None
        #: ``{HasMany name: [objects]}`` loaded by prefetch_related.
        self.prefetched: dict[str, Any] | None = None


def own(obj: Stateful) -> InstanceState:
    """Return the state of *obj*, giving it one of its own if it shares its page's."""
    state = obj._state
    if state.__class__ is InstanceState:
        return state
    obj._state = state = InstanceState(cast(Page, state))
    return state


def session_of(obj: Stateful) -> Any | None:
    """Return the session of *obj*, or None; a closed session is returned as it is."""
    ref = obj._state.session
    return None if ref is None else ref()


def live_session(obj: Stateful, wanted: str) -> Any:
    """Return the open session of *obj*. Raises DetachedError, saying what was *wanted*."""
    session = session_of(obj)
    if session is None or session.closed:
        why = "its session is closed" if obj._state.session is not None else "it has no session"
        raise DetachedError(
            f"{wanted} of {obj!r} can't be had: {why}. Add it to an open session (or merge it), or "
            "load what is needed before the session is closed."
        )
    return session


def lifecycle(obj: Stateful) -> Lifecycle:
    """Return where *obj* stands; an object whose session is closed or gone is detached."""
    found = obj._state.lifecycle
    if found is Lifecycle.TRANSIENT:
        return found
    session = session_of(obj)
    return Lifecycle.DETACHED if session is None or session.closed else found


def is_new(obj: Stateful) -> bool:
    """Whether the server has never seen *obj*."""
    return obj._state.lifecycle in _NEW


def touched(obj: Stateful) -> None:
    """Tell the session of *obj* that it may have changes."""
    ref = obj._state.session
    if ref is not None and (session := ref()) is not None:
        session.touched(obj)


class OfDefault(bytes):
    """The snapshot of a default that stands in the row although the server has no such value."""


def freeze(wire: Any) -> bytes:
    """Return a snapshot of a JSON value. Raises ValueError for anything that is not JSON.

    Version 2 of the format has no back-references, so equal values give equal bytes.
    """
    try:
        return marshal.dumps(wire, 2)
    except ValueError:
        return marshal.dumps(_exact(wire), 2)


def _exact(value: Any) -> Any:
    """Return a JSON value whose parts are of JSON's own classes: a member of a StrEnum is text."""
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            return getattr(kind, f"__{kind.__name__}__")(value)
    try:
        if isinstance(value, list | tuple):
            return [_exact(item) for item in value]
        if isinstance(value, dict):
            return {_exact(key): _exact(item) for key, item in value.items()}
    except RecursionError:
        raise ValueError("it holds itself, or is nested too deeply for JSON") from None
    return value


def thaw(snapshot: bytes) -> Any:
    """Return the JSON value of a snapshot."""
    return marshal.loads(snapshot)


def copied(wire: Any) -> Any:
    """Return a copy of a JSON value; what is none, which validation will say, is returned itself."""
    try:
        return thaw(freeze(wire))
    except ValueError:
        return wire


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; unlike ``==``, True is not 1 and NaN is itself.

    It needs no recursion: a server may nest as deeply as its parser here permits.
    """
    waiting = [(one, other)]
    while waiting:
        one, other = waiting.pop()
        if one is other:
            continue
        kinds = (one.__class__, other.__class__)
        if kinds in _LISTS:
            if len(one) != len(other):
                return False
            waiting += [pair for pair in zip(one, other, strict=True) if pair[0] is not pair[1]]
        elif kinds == (dict, dict):
            if one.keys() != other.keys():
                return False
            waiting += [(value, other[key]) for key, value in one.items()]
        elif not _equal(one, other):
            return False
    return True


_LISTS = {(one, other) for one in (list, tuple) for other in (list, tuple)}


def _equal(one: Any, other: Any) -> bool:
    if one.__class__ is not other.__class__ and {one.__class__, other.__class__} != {int, float}:
        return False
    return bool(one == other) or (one != one and other != other)


def assign(obj: Stateful, field: Any, value: Any) -> None:
    """Set a field, keeping what it had before; setting it back ends the change."""
    field.guard(obj, value)
    value = field.store(value)
    key, row, state = field.key, obj._row, own(obj)
    originals = state.originals
    if originals is not None and key in originals:
        row[key] = value
        if originals[key] is not ABSENT and field.same(originals[key], value):
            restore(obj, field)
        return
    base = base_value(obj, field)
    if base is not ABSENT and field.same(base, value):
        if field.mutable:  # an equal container is taken, the snapshot still tells what it was
            snapshot_of(obj, field)
            row[key] = value
        return
    if state.snapshots is not None:
        state.snapshots.pop(key, None)
    change(obj, key, base)
    row[key] = value


def change(obj: Stateful, key: str, base: Any) -> None:
    """Keep what *key* had before its first change."""
    state = own(obj)
    if state.originals is None:
        state.originals = {key: base}
    else:
        state.originals[key] = base
    touched(obj)


def restore(obj: Stateful, field: Any) -> None:
    """End the change of *field*: the value is the base again."""
    state = own(obj)
    originals = state.originals
    if originals is None or field.key not in originals:
        return
    base = originals.pop(field.key)
    if not originals:
        state.originals = None
    if base is ABSENT:
        obj._row.pop(field.key, None)
    elif not field.mutable:
        obj._row[field.key] = base
    else:
        # The user's container stays; what it was before is its snapshot from now on.
        if state.snapshots is None:
            state.snapshots = {}
        state.snapshots[field.key] = freeze(base)


def base_value(obj: Stateful, field: Any) -> Any:
    """What the server has of *field*: JSON for mutable values, else the Python value, or ABSENT."""
    state, key = obj._state, field.key
    if state.originals is not None and key in state.originals:
        return state.originals[key]
    if state.snapshots is not None and key in state.snapshots:
        snapshot = state.snapshots[key]
        return ABSENT if isinstance(snapshot, OfDefault) else thaw(snapshot)
    raw = obj._row.get(key, ABSENT)
    if raw is ABSENT or raw is None:
        return raw
    if field.mutable:
        return copied(raw)
    return field.tolerant(raw)


def watch(obj: Stateful, key: str, snapshot: bytes) -> None:
    """Keep what a mutable value is now, so that in-place changes can be found."""
    state = own(obj)
    if state.snapshots is None:
        state.snapshots = {key: snapshot}
    else:
        state.snapshots[key] = snapshot
    touched(obj)


def snapshot_of(obj: Stateful, field: Any) -> None:
    """Watch a mutable value of the row from now on, if it is not watched yet."""
    snapshots = obj._state.snapshots
    if snapshots is None or field.key not in snapshots:
        watch(obj, field.key, freeze(field.to_row(obj._row[field.key])))


def touch(obj: Stateful, field: Any, value: Any) -> Any:
    """First read of a mutable value: snapshot it, convert it, keep the conversion in the row."""
    state, key = obj._state, field.key
    if value is None or (state.originals is not None and key in state.originals):
        return value
    converted = field.load(obj, value)  # before the snapshot: a malformed value changes nothing
    try:
        snapshot = freeze(value if field.plain else field.to_row(converted))
    except ValueError as error:
        raise ContractError(f"{obj!r}: what the server sent for {field.name!r}: {error}") from None
    watch(obj, key, snapshot)
    if not field.plain:
        obj._row[key] = converted
    return converted


def convert(obj: Stateful, field: Any, value: Any) -> Any:
    """First read of a value that is not yet what Python wants: convert it and keep it."""
    if value is None:
        return None
    originals = obj._state.originals
    if originals is not None and field.key in originals:
        return field.shown(value)  # the user's own value, right or wrong: validation will say
    if field.is_users_own(value):
        return value
    converted = field.load(obj, value)
    if field.keeps:
        obj._row[field.key] = converted
    return converted


def absent(obj: Stateful, field: Any) -> Any:
    """Read a field that the row lacks: load it once, else default, None, or FieldNotLoaded."""
    state, key = obj._state, field.key
    if is_new(obj):
        return field.unset(obj)
    if not state.full and not field.write_only:
        live_session(obj, f"The field {field.name!r}").load_field(obj, field)
        if key in obj._row:
            return field.__get__(obj)
    if field.has_default and not field.write_only:
        return fresh(obj, field, field.make_default())
    if field.null:
        return None
    if field.write_only:
        raise FieldNotLoaded(f"{field} is write-only: the server never shows it.")
    raise FieldNotLoaded(
        f"{obj!r} has no {field.name!r}: the server's full answer lacks {key!r}. Declare it with "
        "null=True or a default if that is usual."
    )


def fresh(obj: Stateful, field: Any, value: Any) -> Any:
    """Return a default; a mutable one is kept in the row, so that filling it counts as a change."""
    if field.mutable and value is not None:
        state = own(obj)
        if state.snapshots is None:
            state.snapshots = {}
        obj._row[field.key] = value = field.store(value)
        state.snapshots[field.key] = OfDefault(freeze(field.to_row(value)))
        touched(obj)
    return value


def changed_keys(obj: Stateful) -> list[str]:
    """Return the wire names whose values differ from what the server has."""
    state = obj._state
    keys: list[str] = []
    by_key = type(obj).__mapper__.by_key  # type: ignore[attr-defined]
    if state.originals:
        for key, base in state.originals.items():
            field = by_key[key]
            # What was new when it was referred to may turn out to be what the server has there.
            if field.as_is or base is ABSENT or not field.same(base, obj._row.get(key)):
                keys.append(key)
    if state.snapshots:
        for key, snapshot in state.snapshots.items():
            if key in obj._row and not unchanged(by_key[key], snapshot, obj._row[key]):
                keys.append(key)
    return keys


def unchanged(field: Any, snapshot: bytes, value: Any) -> bool:
    """Whether a mutable value still is what its snapshot says."""
    try:
        if freeze(value if field.plain else field.to_row(value)) == snapshot:
            return True
    except ValueError:  # holds what is not JSON: certainly the user's doing
        return False
    return bool(field.same(thaw(snapshot), value))


def is_dirty(obj: Stateful) -> bool:
    """Whether *obj* has changes that a commit would send."""
    return bool(changed_keys(obj))


def revert(obj: Stateful) -> None:
    """Take back every change of *obj*, in place; what was set unread is what has been read of it since."""
    state, row = obj._state, obj._row
    if state.__class__ is not InstanceState:
        return
    by_key = type(obj).__mapper__.by_key  # type: ignore[attr-defined]
    assigned, state.originals, state.children = state.originals or {}, None, None
    for key, snapshot in (state.snapshots or {}).items():
        field = by_key[key]
        if key not in row or not unchanged(field, snapshot, row[key]):
            row[key] = in_place(row.get(key), field.tolerant(thaw(snapshot)))
    told = copied(state.theirs or {})
    row.update({key: told.get(key) if base is ABSENT else base for key, base in assigned.items()})
    for key in [key for key, base in assigned.items() if base is ABSENT and key not in told]:
        del row[key]


def in_place(current: Any, wanted: Any, levels: int = 100) -> Any:
    """Return *wanted* in the container *current*, where both are of one kind; users may hold it.

    So do containers inside it, as deep as *levels*; an item of a list is told by its value alone.
    """
    if current.__class__ is not wanted.__class__ or not levels:
        return wanted
    if current.__class__ is list:
        current[:] = [
            old if same(old, new) else new
            for old, new in itertools.zip_longest(current[: len(wanted)], wanted)
        ]
    elif current.__class__ is dict:
        levels -= 1
        merged = {key: in_place(current.get(key), value, levels) for key, value in wanted.items()}
        current.clear()
        current.update(merged)
    elif hasattr(current, "__embedded__"):
        in_place(current._row, wanted._row, levels)
        current._fresh = None
    else:
        return wanted
    return current
