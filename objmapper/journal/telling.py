"""What a journal writes of operations: intents before they are sent, rows when they are done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from objmapper import answering, encoding
from objmapper.dialects import Dialect
from objmapper.operation import (
    CREATE,
    DELETE,
    UPDATE,
    Change,
    Draft,
    Operation,
    Outcome,
    Request,
)
from objmapper.state import Lifecycle

#: Of one object, which the server has as it was before but for what was sent; asked once.
_NOTHING = "[1,[null]]"


def intents(
    journal: Any, client: Any, numbered: Iterable[tuple[Operation, int]], tags: Mapping[Any, str]
) -> Iterator[tuple[Any, ...]]:
    """Yield what is written of operations, by the journal's numbers; see ``store.Intent``."""
    header, dialect, names = client.idempotency_header, client.dialect, journal.names
    tagged = bool(tags)
    # A request is put together from the parts of its operation only where a dialect reads it.
    has_places = type(dialect).place_in is not Dialect.place_in
    for operation, number in numbered:
        place = dialect.place_in(operation.request) if has_places else None
        where = None if place is None else encoding.dumps(place)
        token = None if header is None else operation.headers.get(header)
        for change in operation.changes:
            obj, kind = change.object, str(change.kind)
            key, name, base, again = encoding.key_of(obj), None, None, None
            if key is None or kind != UPDATE or operation.rekeys:
                known = journal.number(obj)
            else:
                known = journal.number_by(obj, key)
            if kind == CREATE:
                name = names.get(known)
                key = key if name is None else None
            else:
                base = encoding.row_of(obj)
                if known in journal.again:
                    again = encoding.dumps(sorted(journal.again[known] & change.sent.keys()))
            sent, refs, hidden = encoding.sent_of(change, journal.number)
            if hidden is not None:
                kept, manner = dialect.contents(change), dialect.manner(change)
                hidden = journal.contents.keep(number, kept, hidden, manner)
            tag = encoding.quoted(tags[obj]) if tagged and obj in tags else None
            model = journal.models.number(type(obj))
            what = number, known, kind, model, name, tag, key, base
            yield (*what, sent, refs, hidden, again, token, where)


def told(journal: Any, outcome: Outcome, number: int) -> str:
    """Return what the server has of the objects of an operation that is done, and how often it was asked."""
    rows = []
    meant = journal.meant.get(number) if journal.meant else None
    written = (
        [journal.number(change.object) for change in outcome.operation.changes] if meant else []
    )
    for change in outcome.operation.changes:
        obj, kind = change.object, change.kind
        if kind == CREATE:
            left = answering.not_taken(outcome, change) if outcome.operation.found else ()
            rows.append(_row(journal, obj, _left(journal, change, left, number) if left else ""))
            continue
        if kind == DELETE:
            journal.forget(obj)
        elif journal.again:
            _said_again(journal, obj, change)
        versioned = kind != DELETE and type(obj).__mapper__.is_versioned
        rows.append(_row(journal, obj) if versioned else "null")
    if meant:
        by_number = dict(zip(written, rows, strict=True))
        rows = [by_number.get(each, "null") for each in meant]
    if rows == ["null"] and outcome.requests == 1:
        return _NOTHING
    return f"[{outcome.requests},[{','.join(rows)}]]"


def _row(journal: Any, obj: Any, more: str = "") -> str:
    """Return an object's key, what the server has of it, and if that is all that it would tell."""
    key = encoding.key_of(obj)
    journal.there(obj, key)
    shown = "null" if key is None else encoding.quoted(key)
    return f"[{shown},{encoding.row_of(obj)},{int(obj._state.full)}{more}]"


def _left(journal: Any, change: Change, keys: Sequence[str], number: int) -> str:
    """Return what of an object that was there already was not taken, and as which operation it waits.

    Where it was let go for another object that says the same, that one's has it: it is none.
    """
    obj, waits = change.object, 0
    if obj._state.lifecycle is Lifecycle.PERSISTENT:
        rest = Change(UPDATE, obj, {key: change.sent[key] for key in keys})
        waits = journal.wait(Operation.of(0, Draft(UPDATE, (rest,), Request("PATCH", ""))))
        journal.contents.pass_on(number, waits)
        journal.again.setdefault(journal.number(obj), set()).update(keys)
    return f",{encoding.dumps(keys)},{waits}"


def _said_again(journal: Any, obj: Any, change: Change) -> None:
    """Let it be known that what the program says anew of an object is done."""
    number = journal.number(obj)
    left = journal.again.pop(number, set()) - change.sent.keys()
    if left:
        journal.again[number] = left


__all__ = ["intents", "told"]
