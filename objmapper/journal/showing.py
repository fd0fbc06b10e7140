"""What a journal holds, as text for people; no model need be declared."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime

from objmapper.encoding import loads
from objmapper.journal import checking
from objmapper.journal.history import SENDING, Book, Item, Part
from objmapper.journal.store import Store
from objmapper.tables import shortened, table

_FATES = {None: "not sent", SENDING: "sent, no answer"}


def facts(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return what is known about a whole journal: its server and dialect, if somebody has told.

    Raises JournalError, for one that a session has open too.
    """
    store = Store(path, readonly=True)
    try:
        return store.facts()
    finally:
        store.close()


def shown(path: str | os.PathLike[str]) -> tuple[str, int]:
    """Return what the journal at *path* holds, and how many operations of it are not done.

    Raises JournalError, for one that a session has open too.
    """
    store = Store(path, readonly=True)
    try:
        facts, models, book = store.facts(), store.models(), Book(store)
    finally:
        store.close()
    names = {number: name.partition(":")[2] for number, name, _ in models}
    open_ = [(item, part) for item in book.open() for part in item.open]
    count = len({part.intent.operation for _, part in open_})
    done = Counter(f"{each.kind}d" for each in book.done)
    fates = Counter(_fate(part) for _, part in open_)
    lines = [
        f"server    {facts.get('server', 'none')}",
        f"dialect   {facts.get('dialect', 'none')}",
        f"models    {', '.join(sorted(names.values())) or 'none'}",
        f"done      {_counted(done)}",
        f"not done  {_counted(fates)}",
    ]
    if open_:
        rows: list[tuple[str, ...]] = [("no", "what", "object", "sends", "fate", "begun")]
        rows += [_row(book, item, part, names) for item, part in open_]
        lines += ["", table(rows)]
    return "\n".join(lines), count


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "nothing"


def _fate(part: Part) -> str:
    return _FATES.get(part.fate, str(part.fate))


def _row(book: Book, item: Item, part: Part, names: dict[int, str]) -> tuple[str, ...]:
    number = part.intent.operation
    begun = book.begun.get(number)
    event = book.fates.get(number)
    error = loads(event.detail, "an outcome") if event is not None else None
    told = f"{_fate(part)} ({error})" if isinstance(error, str) else _fate(part)
    when = "" if begun is None else f"{datetime.fromtimestamp(begun, UTC):%Y-%m-%d %H:%M:%S}Z"
    what = f"{names.get(item.model, '?')} {_label(item)}"
    sends = shortened(", ".join(sorted(part.keys)), 40)
    return str(number), part.intent.kind, shortened(what, 60), sends, told, when


def _label(item: Item) -> str:
    """Return how an object is told from others: by its tag, its key, or its natural key."""
    if item.tag is not None:
        return repr(item.tag)
    if item.key:
        return " ".join(map(str, checking.parts(item.key, "a key")))
    if item.name is None:
        return f"#{item.number}"
    parts = checking.parts(item.name, "a name")
    return " ".join(f"#{part['#']}" if isinstance(part, dict) else str(part) for part in parts[1:])


__all__ = ["facts", "shown"]
