"""Objects that a program makes again are bound to what an earlier run has made of them.

They are known by their tags, else by their natural keys. What is done is not sent again: the object
becomes the persistent one, and only what the program says otherwise than then is a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from objmapper import answering, encoding, offline, planning, versions
from objmapper.exceptions import JournalError, TransportError
from objmapper.journal import orphans
from objmapper.journal.history import Item
from objmapper.journal.restoring import Restorer
from objmapper.operation import (
    Change,
    Draft,
    Fate,
    Kind,
    Operation,
    Outcome,
    Pending,
    Request,
    placed,
)
from objmapper.settling import Wait
from objmapper.state import (
    InstanceState,
    Lifecycle,
    Page,
    Stateful,
    changed_keys,
    copied,
    is_new,
    same,
)


def number_new(journal: Any, session: Any, objects: list[Any]) -> list[Any]:
    """Give new objects their numbers, those of earlier runs where they are known; return these.

    Raises JournalError for one that nothing tells from others, or two that nothing tells apart.
    """
    new = [obj for obj in objects if is_new(obj)]
    nameless = [obj for obj in new if not _is_named(journal, session, obj)]
    while nameless:  # in a circle, the name of one may take that of another which comes later
        still = [obj for obj in nameless if not _is_named(journal, session, obj)]
        if len(still) == len(nameless):
            break
        nameless = still
    if nameless and not session.offline:
        more = f" and {len(nameless) - 3} more" if len(nameless) > 3 else ""
        raise JournalError(
            f"Nothing tells {', '.join(map(repr, nameless[:3]))}{more} from others when the program "
            "is run again: give a tag, session.add(obj, tag=...), or declare Meta.natural_key. "
            "Nothing was sent."
        )
    for obj in nameless:  # offline it waits whole: no run is told it again
        journal.created.add(journal.number(obj))
    return [obj for obj in new if obj in journal.waiting]


def _is_named(journal: Any, session: Any, obj: Any) -> bool:
    """Say whether a new object has its number, or gets it now by its name."""
    if obj in journal.numbers:
        return True
    tags = session.members.tags
    name = encoding.name_of(obj, tags.get(obj) if tags else None, journal.number_of)
    if name is None:
        return False
    journal.claims.claim(session, obj, name, journal.made)
    found = _number(journal, session, obj, name)
    journal.claims.hold(obj, name, found)
    journal.names[found] = name
    return True


def _number(journal: Any, session: Any, obj: Any, name: str) -> int:
    named = journal.book.named
    found: int | None = named.get((journal.models.number(type(obj)), name)) if named else None
    if found is None:
        found = journal.fresh(obj)
        journal.created.add(found)
        return found
    other = journal.alive.get(found)
    if other is not None and other in journal.rebuilt and other in session.members:
        # A recovery has made it, of what the program makes itself now.
        session.members.expunge(other)
        journal.release(other)
    journal.adopt(obj, found)
    journal.waiting.add(obj)
    return found


def bind(journal: Any, session: Any, chosen: planning.Chosen, wait: Wait) -> None:
    """Bind what is about to be committed to what the journal knows of it; nothing is written.

    Whether a deletion is done, of which no answer is known, is asked: what is gone is made again.
    """
    objects, _ = chosen()
    restorer, doubtful = Restorer(journal, session), set()
    known = number_new(journal, session, planning.closure(session, objects))
    items = [(obj, journal.book.items[journal.numbers[obj]]) for obj in known]
    restorer.given_away([item for _, item in items if item.open])
    lost = [item for _, item in items if any(part.is_lost_deletion for part in item.open)]
    if lost:
        offline.refuse(session, f"Whether {known[0]!r} is deleted has to be asked of the server")
    gone = restorer.deleted(lost, wait) if lost else ()
    for _, item in items:
        if item.number in gone or item.number in journal.gone:
            journal.book.leaves(item)
    if journal.book.undoing:
        _give_up_undo(journal, session.dialect, {item.number for _, item in items})
    orphans.take_along(restorer, [item for _, item in items], wait)
    _give_up_deletions(journal, [item for _, item in items if item.open])
    for obj, item in items:
        _keep_key(obj, item)
        if item.state == "there":
            _enter(restorer, obj, item)
        doubtful |= _doubtful(item)
    restorer.doubtful(sorted(doubtful))
    for obj in known:
        journal.waiting.discard(obj)


def _give_up_undo(journal: Any, dialect: Any, known: set[int]) -> None:
    """Leave undone what an earlier run was about to take back: the program says all of it again.

    *known*: the numbers of what it has made again. Whether something else is deleted stays to be asked.
    """
    book = journal.book
    for number in sorted(book.undoing):
        parts = book.parts(number)
        if any(part.is_lost_deletion and item.number not in known for item, part in parts):
            continue
        book.undoing.discard(number)
        if parts:
            journal.drop(number)
        for item, part in parts:
            item.open.remove(part)
            if part.is_unknown and part.intent.kind == Kind.UPDATE:
                mapper = journal.models.model(item.model).__mapper__
                version = versions.key_of(dialect, mapper) if mapper.is_versioned else None
                item.forget(part.keys if version is None else {*part.keys, version})


def _give_up_deletions(journal: Any, items: list[Item]) -> None:
    """Leave undeleted what an earlier run was about to delete, and the program makes again."""
    for item in items:
        for part in [part for part in item.open if part.deletes and not part.is_unknown]:
            journal.drop(part.intent.operation)
            for other, each in journal.book.parts(part.intent.operation):
                other.open.remove(each)


@contextmanager
def bound(journal: Any, session: Any, objects: list[Any]) -> Iterator[None]:
    """Have *objects* as ``bind`` would make them while a plan is made; then they are as before."""
    members = session.members
    known = number_new(journal, session, planning.closure(session, objects))
    before = [(obj, obj._row, obj._state) for obj in known]
    uncertain, touched = members.uncertain, members.touched
    members.uncertain, members.touched = dict(uncertain), dict(touched)
    restorer = Restorer(journal, session)
    items = [(obj, journal.book.items[journal.numbers[obj]]) for obj in known]
    doubtful = orphans.doubtful(restorer, [item for _, item in items])
    try:
        for obj, item in items:
            lost = item.number in doubtful or any(part.is_lost_deletion for part in item.open)
            if item.state == "there" and not lost:
                _become(restorer, obj, item)
            if lost or any(part.is_unknown for part in item.open):
                members.uncertain[id(obj)] = obj, _sent_before(obj, item)
        yield
    finally:
        members.uncertain, members.touched = uncertain, touched
        for obj, row, state in before:
            obj._row, obj._state = row, state


def _doubtful(item: Item) -> set[int]:
    """Return the operations of unknown fate that are to be settled; deletions are by then."""
    return {
        part.intent.operation for part in item.open if part.is_unknown and not part.is_lost_deletion
    }


def _sent_before(obj: Any, item: Item) -> Outcome:
    """Return what a plan shows of an object that an earlier run has sent, and a commit looks up."""
    number, kind, why = item.made_by, Kind.CREATE.value, "what it belonged to was deleted since"
    if item.open:
        intent, why = item.open[-1].intent, "and has had no answer"
        number, kind = intent.operation, intent.kind
    draft = Draft(kind, (Change(kind, obj),), Request("POST", ""))
    error = TransportError(f"an earlier run has sent it, {why}; a commit looks it up.")
    return Outcome(Operation.of(number, draft), Fate.UNCERTAIN, error=error)


def _enter(restorer: Restorer, obj: Any, item: Item) -> None:
    """Make a new object the session's persistent one."""
    session, members = restorer.session, restorer.session.members
    mapper = type(obj).__mapper__
    children = [child for group in (obj._state.children or {}).values() for child in group]
    identity = mapper.identity_in(item.row)
    other = None if identity is None else session.identity.get(mapper.root, identity)
    if other is not None and other is not obj and other._state.page.made:
        _enter_second(restorer, obj, item, other)
        return
    if other is not None and other is not obj and changed_keys(other):
        raise JournalError(
            f"{obj!r} is what an earlier run has made, and {other!r} is in this session already, with "
            "changes: commit them first, or make them with the new object."
        )
    changed = _become(restorer, obj, item)
    restorer.journal.made.add(item.number)
    obj._state.children = None
    for child in children:
        members.add(child)
    tag = members.tags.get(obj)
    members.born(obj, identity)
    if tag is not None:
        members.tags[obj] = tag
    if changed:
        restorer.journal.again[item.number] = changed
    for part in item.open:
        if part.is_unknown and not part.is_lost_deletion:
            restorer.change(obj, restorer.values(mapper, part))
    if obj._state.originals:
        session.touched(obj)


def _enter_second(restorer: Restorer, obj: Any, item: Item, other: Any) -> None:
    """Let go of a new object that an earlier run has found to be the same as *other*, with its key.

    Raises JournalError where the program says something else of it now.
    """
    before, journal = (obj._row, obj._state), restorer.journal
    names = answering.said_otherwise(obj, other) if _become(restorer, obj, item) else []
    # What was sent then was never written: a secret that the other one has sent may be this one's.
    sent = journal.book.items[journal.number(other)].hidden
    by_name = type(obj).__mapper__.fields
    if any(by_name[name].key not in sent for name in names):
        obj._row, obj._state = before
        raise JournalError(
            f"{obj!r} and {other!r} are one object of the server, as an earlier run has found, and the "
            "program says now something else of the first. Say it of the second: session.expunge() "
            "lets go of the first."
        )
    journal.made.add(item.number)
    restorer.session.members.forget(obj)


def _keep_key(obj: Any, item: Item) -> None:
    """Let a new object have the key that an earlier run has chosen for it, and maybe sent.

    Raises JournalError where the program says another one.
    """
    mapper = type(obj).__mapper__
    if not mapper.chooses_keys:
        return
    pk, now = mapper.pk, mapper.key_in(obj._row)
    unknown = (part.values for part in item.open if part.is_unknown)
    then = item.row if item.state == "there" else next(unknown, {})
    if mapper.key_in(then) in (None, now):
        return
    if now is not None and not encoding.is_drawn(pk):
        raise JournalError(
            f"{obj!r} is what an earlier run has made with the key {then[pk.key]!r}, by "
            f"{encoding.told(item.name)}: a key does not change. Give it that key, or another tag."
        )
    obj._row[pk.key] = pk.tolerant(then[pk.key])


def _become(restorer: Restorer, obj: Any, item: Item) -> set[str]:
    """Give a new object the row that the server has; return what it says otherwise than then."""
    mapper, said = type(obj).__mapper__, obj._row
    row, known = copied(item.row), mapper.pk.key if mapper.has_key else None
    other = {
        key
        for key in changed_keys(obj)
        if key != known and not _as_then(restorer.journal, obj, key, item)
    }
    identity = mapper.identity_in(row)
    keys = [] if identity is None else [identity]
    page = Page(restorer.session.ref, mapper, keys, full=item.full)
    page.made = True
    children = obj._state.children
    obj._row, obj._state = row, InstanceState(page, Lifecycle.PERSISTENT)
    obj._state.children = children
    for key, value in said.items():
        field = mapper.by_key.get(key)
        if field is not None and isinstance(value, Stateful) and field.same(row.get(key), value):
            row[key] = value
    restorer.change(obj, {key: said[key] for key in sorted(other)})
    return other


def _as_then(journal: Any, obj: Any, key: str, item: Item) -> bool:
    """Whether a new object says of a field what it said when it was made first."""
    field = type(obj).__mapper__.by_key[key]
    if field.primary_key:  # one that the client chooses, maybe by chance: it is known by its name
        return True
    if field.hides:  # what was sent then was never written
        return key in item.hidden
    now = obj._row.get(key)
    if isinstance(item.refs.get(key), list):
        then = placed(item.values[key], item.refs[key], journal.book.keys.get)
        return same(field.dump(now), then)
    if key in item.refs:
        return isinstance(now, Stateful) and journal.number_of(field, now) == item.refs[key]
    if key not in item.values:
        return False
    wire, then = field.dump(now), field.dump(field.tolerant(copied(item.values[key])))
    return wire.__class__ is not Pending and same(wire, then)


__all__ = ["bind", "bound"]
