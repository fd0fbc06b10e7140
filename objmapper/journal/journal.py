"""Journal: what a session means to send, and what became of it, on disk before and as it happens."""

from __future__ import annotations

import itertools
import os
import weakref
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

from objmapper import encoding
from objmapper.exceptions import JournalError
from objmapper.journal import telling
from objmapper.journal.binding import bind, bound
from objmapper.journal.contents import Contents
from objmapper.journal.history import CLOCK, DROPPED, SENDING, UNDOING, Book
from objmapper.journal.models import Models
from objmapper.journal.numbering import Names, Numbers
from objmapper.journal.opened import Opened
from objmapper.journal.recovery import recovered
from objmapper.journal.standing import named, stands
from objmapper.journal.store import Intent, Store
from objmapper.journal.times import Times
from objmapper.offline import Nowhere
from objmapper.operation import (
    CREATE,
    DELETE,
    DONE,
    Fate,
    Operation,
    Outcome,
)
from objmapper.planning import Chosen, by_object
from objmapper.replanning import Secrets
from objmapper.settling import Wait
from objmapper.state import Stateful, is_new


class Journal:
    """The record of a session's commits on disk; a program reads ``path``, a commit does the rest.

    The intents of a plan are written before its first request; that an operation is about to be
    sent, before it is; what became of it, before its thread begins another one. So at most
    ``workers`` operations are of unknown fate whenever the process dies.
    """

    def __init__(self, client: Any, path: str | os.PathLike[str]) -> None:
        self._client = client
        self._store = Store(path)
        try:
            self.check_server()
            self.models = Models(self._store)
            self.book: Book = Book(self._store)
            #: What is too large for it.
            self.contents: Contents = Contents(self._store, self.book)
        except BaseException:
            self._store.close()
            raise
        #: What is written as the time of an event.
        self.times = Times()
        self._operations = itertools.count(max(self.book.operations, default=0) + 1)
        self._objects = itertools.count(max(self.book.items, default=0) + 1)
        #: The numbers of this session's objects, but of those that their keys alone tell.
        self.numbers = Numbers()
        #: By id: the objects that have their number no more, until what was intended of them is let go.
        self._released: dict[int, Any] = {}
        #: The objects of earlier runs that are here again, by number.
        self.alive: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        #: What a recovery has made, rather than the program.
        self.rebuilt: weakref.WeakSet[Any] = weakref.WeakSet()
        #: What the program has made again, and no commit has bound yet.
        self.waiting: weakref.WeakSet[Any] = weakref.WeakSet()
        #: Whose the names of this run's new objects are.
        self.claims = Names(self.numbers)
        #: The numbers of what this run has created, or has made again and found created; and (``created``)
        #: of all that some run was to create.
        self.made: set[int] = set()
        #: The numbers of what this run has deleted: the server may give their keys to others.
        self.gone: set[int] = set()
        self.created: set[int] = set(self.book.named.values())
        #: The numbers of what the server has, by root class and key.
        self._by_key: dict[type, dict[str, int]] = defaultdict(dict)
        #: For how many models those of earlier runs stand there.
        self._indexed = 0
        #: By number: what new objects are known by when the program is run again.
        self.names: dict[int, str] = {}
        #: By number: what the program says anew of an object that an earlier run has made.
        self.again: dict[int, set[str]] = {}
        #: By number: the objects of operations, by number, that wrote more of them than are still open.
        self.meant: dict[int, list[int]] = {}
        self._open = Opened()
        self._marked: set[int] = set()
        #: By object: what an offline session has kept of it.
        self._kept: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        #: What happened and is not written yet, four values each: it goes with the next mark.
        self._happened: list[Any] = []
        self._closed = False

    @property
    def path(self) -> str:
        """Where the file lies."""
        return self._store.path

    def __repr__(self) -> str:
        return f"<Journal {self.path!r}>"

    def close(self, session: Any) -> None:
        """Write what is left of a session, and let go of the file; twice is harmless."""
        if self._closed:
            return
        self._closed = True
        if self._store.is_inherited:
            return
        try:
            self.reconcile(session)
            self._flush()
            with suppress(JournalError):  # what makes no sense is told when it is opened next
                self.contents.tidy()
        finally:
            self._store.close()

    def check_server(self) -> None:
        """Compare with what is written of the server, as far as it is known; else write it.

        Raises JournalError for a journal of another one.
        """
        facts, client = self._store.facts(), self._client
        if isinstance(client, Nowhere):
            mine = client.agree(facts)
        else:
            mine = {"server": client.base_url, "dialect": client.dialect.name}
        for name, value in mine.items():
            if name not in facts:
                self._store.remember(name, value)
            elif facts[name] != value:
                raise JournalError(
                    f"The journal {self.path!r} is of the {name} {facts[name]!r}, and this session's "
                    f"is {value!r}: what is done there is not done here. Give it a journal of its own."
                )

    # -- what a commit tells ----------------------------------------------------------------------

    def intend(
        self, session: Any, operations: Iterable[Operation], instead: Iterable[int] = ()
    ) -> None:
        """Write what is about to be sent. Raises JournalError, and then nothing may be sent.

        *instead*: the journal's numbers of operations that do not go any more.
        """
        tags, uncertain = session.members.tags, session.members.uncertain
        going: list[Operation] = []
        left_out: set[int] = set()
        for operation in operations:
            # What waits for an object that was vetoed can't go, and could not be recovered either.
            waits = any(id(obj) not in uncertain for obj in operation.held_by)
            if waits or (left_out and operation.after & left_out):
                left_out.add(operation.number)
            else:
                going.append(operation)
        if not any(operation.changes for operation in going):
            return
        numbers = list(itertools.islice(self._operations, len(going)))
        intents = telling.intents(self, self._client, zip(going, numbers, strict=True), tags)
        now = self.times.now()
        events = [(number, DROPPED, now, None) for number in instead]
        if any(change.undoes is not None for op in going for change in op.changes):
            events += [(number, UNDOING, now, None) for number in numbers]
        self._store.add(self.models.unwritten, intents, events)
        self.models.unwritten.clear()
        self._open.add_all(going, numbers)
        self.sync()

    def keep(self, session: Any, operations: Iterable[Operation]) -> list[Operation]:
        """Write what an offline session leaves to be sent; return what did not wait there as it is.

        An object stands with all that it has to say, in place of what was kept of it before. Raises
        JournalError, and then nothing of it was written.
        """
        operations, tags = list(operations), session.members.tags
        changes = [change for operation in operations for change in operation.changes]
        said = by_object(changes)
        fresh = {id(obj) for obj in self.unkept([change.object for change in changes], said)}
        found, numbered = [], []
        for operation in operations:
            parts = tuple(c for c in operation.changes if id(c.object) in fresh)
            for change in parts:
                number = next(self._operations)
                alone = Operation.of(number, operation.draft._replace(changes=(change,)))
                numbered.append((alone, number))
            if parts:
                found.append(operation.writing(parts))
        intents = telling.intents(self, self._client, numbered, tags)
        before = [operation for operation in self._open if id(operation.objects[0]) in fresh]
        now = self.times.now()
        dropped = [(self._open.numbers[id(op)], DROPPED, now, None) for op in before]
        self._store.add(self.models.unwritten, intents, dropped)
        self.models.unwritten.clear()
        for operation in before:
            self._open.take(operation)
        for alone, number in numbered:
            self._open.add(alone, number)
            self._kept[alone.objects[0]] = said[id(alone.objects[0])]
        self.sync()
        return found

    def unkept(self, objects: Iterable[Any], said: Mapping[int, Any]) -> list[Any]:
        """Return those objects of which something else is kept than *said* tells, by id, or nothing."""
        return [obj for obj in objects if self._kept.get(obj) != said[id(obj)]]

    def leave(self, session: Any) -> None:
        """Let go of what is kept: it stays written, whatever becomes of its objects here."""
        for operation in self._open:
            if operation.objects[0] in self._kept:
                self._open.take(operation)
        self._kept.clear()
        self.reread(session)

    def replace(self, session: Any, before: Operation, outcome: Outcome) -> None:
        """Write that an operation goes in another form than was intended, or turned out to be done.

        Raises JournalError, and then it may not be sent.
        """
        number = self._open.number(before)
        if number is None:
            return
        if outcome.fate is Fate.PENDING:
            self.intend(session, [outcome.operation], instead=(number,))
        elif not outcome.operation.changes:  # all of it was given up
            self._happened += (number, DROPPED, self.times.now(), None)
        else:
            if len(outcome.operation.changes) < len(before.changes):
                self.meant[number] = [self.number(change.object) for change in before.changes]
            self._open.add(outcome.operation, number)
        self._open.take(before)

    def begin(self, operations: Iterable[Operation]) -> None:
        """Write that operations are about to be sent, by the thread that sends them.

        Raises JournalError, and then they may not be sent.
        """
        now, known = self.times.now(), self._open.numbers
        marks: list[Any] = []
        for operation in operations:
            number = known.get(id(operation))
            if number is not None:
                marks += (number, SENDING, now, None)
        self._store.happened(self._happened, marks)
        self._marked.update(marks[::4])

    def _drop(self, operation: Operation) -> None:
        self._happened += (self._open.take(operation), DROPPED, self.times.now(), None)

    def drop(self, number: int) -> None:
        """Remember that an operation of an earlier process is not to be sent any more."""
        self._happened += (number, DROPPED, self.times.now(), None)

    def is_over(self, number: int) -> None:
        """Remember that an operation of an earlier process is done, without an answer of its own."""
        self._happened += (number, DONE.value, self.times.now(), "[0,[]]")

    def are_gone(self, intents: Iterable[Intent]) -> None:
        """Write that objects are gone which an earlier process was to delete along with others."""
        number = next(self._operations)
        alone = (intent._replace(operation=number) for intent in intents)
        self._store.add((), alone, [(number, DONE.value, self.times.now(), "[0,[]]")])

    def made_now(self, root: type, key: str) -> int | None:
        """Return the number of what this run has created, or found created, with a key."""
        number = self._by_key[root].get(key)
        return number if number in self.made else None

    def place(self, operation: int, fate: str) -> int | None:
        """Return the place among all events of the first of an operation that says so."""
        return self._store.first(operation, fate)

    def note(self, outcome: Outcome) -> None:
        """Remember what became of an operation; it is written before another one begins."""
        operation, fate, detail = outcome.operation, outcome.fate, None
        number = self._open.numbers.get(id(operation))
        if number is None:
            return
        if fate is DONE:
            self._open.take(operation)
            self._marked.discard(number)
            detail = telling.told(self, outcome, number)
        elif fate in (Fate.PENDING, Fate.SKIPPED) and number not in self._marked:
            return  # as it was intended, and no more
        elif outcome.error is not None:
            detail = encoding.dumps(named(outcome.error))
        self._happened += (number, str(fate), self.times.now(), detail)

    def there(self, obj: Any, key: str | None) -> None:
        """Remember what the server has of this run, by the key if it has told one."""
        number = self.number(obj)
        self.made.add(number)
        self.gone.discard(number)
        if key is not None:
            self._by_key[type(obj).__mapper__.root][key] = number

    def forget(self, obj: Any) -> None:
        """Let go of the name of an object that is deleted: another one may have it."""
        number = self.numbers.get(obj)
        if number is not None:
            self.names.pop(number, None)
            self.made.discard(number)
            self.gone.add(number)

    def give_up(self, operations: Iterable[Operation]) -> None:
        """Remember that operations are not to be sent any more, as the rest of their commit is undone."""
        for operation in operations:
            number = self._open.take(operation)
            if number is not None:
                self._marked.discard(number)
                self._happened += (number, DROPPED, self.times.now(), None)

    def sync(self) -> None:
        """Write what happened, and have all of it where a power failure leaves it."""
        there = self._client.server_time()
        if there is not None:
            self._happened += (0, CLOCK, self.times.now(), encoding.dumps(there.isoformat()))
        self._flush()
        self._store.sync()

    def _flush(self) -> None:
        if self._happened:
            self._store.happened(self._happened)

    # -- objects ----------------------------------------------------------------------------------

    def bind(self, session: Any, chosen: Chosen, wait: Wait) -> None:
        """Bind what is about to be committed to what earlier runs have done of it; nothing is sent."""
        self.reconcile(session)
        bind(self, session, chosen, wait)

    def bound(self, session: Any, objects: list[Any]) -> AbstractContextManager[None]:
        """Have objects as ``bind`` would make them while a plan is made."""
        return bound(self, session, objects)

    def recovered(
        self, session: Any, secrets: Secrets | None
    ) -> AbstractContextManager[tuple[Chosen, list[tuple[str, Any]]]]:
        """Give what is open to be committed, and what is done, as objects of the session."""
        return recovered(self, session, secrets)

    def reread(self, session: Any) -> None:
        """Read again what the journal tells, this session's own part too."""
        self.reconcile(session)
        self._flush()
        self.book = Book(self._store)
        self.contents.tidy()
        for operation in self._open:
            for obj in operation.objects:
                self.alive[self.number(obj)] = obj

    def adopt(self, obj: Any, number: int) -> None:
        """Let an object be that of a number."""
        self.numbers[obj] = number
        self.alive[number] = obj
        self._released.pop(id(obj), None)

    def release(self, obj: Any) -> None:
        """Forget which number an object has."""
        self._released[id(obj)] = obj
        number = self.numbers.pop(obj)
        if number is not None and self.alive.get(number) is obj:
            del self.alive[number]

    def reopen(self, operation: Operation, number: int) -> None:
        """Take an operation of an earlier run over: what becomes of it is written."""
        intents = self.book.operations[number]
        if len(operation.changes) < len(intents):
            self.meant[number] = [intent.object for intent in intents]
        self._open.add(operation, number)
        self._marked.add(number)

    def let_go(self, operation: Operation) -> None:
        """Take an operation of an earlier run no longer over, if it is not done."""
        number = self._open.take(operation)
        if number is not None:
            self._marked.discard(number)

    def wait(self, operation: Operation) -> int:
        """Keep an operation whose intent another one's answer tells; return its number."""
        number = next(self._operations)
        self._open.add(operation, number)
        return number

    def open_numbers(self) -> set[int]:
        """Return the numbers of this session's operations that are not done."""
        return {*self._open.numbers.values()}

    def number_of(self, field: Any, value: Any) -> int | None:
        """Return the number of what a relation leads to, if the journal has it as a new object."""
        found: int | None = None
        if isinstance(value, Stateful):
            found = self.numbers.get(value)
            key = None if found is not None or is_new(value) else encoding.key_of(value)
        else:
            key = f"[{encoding.dumps(field.dump(value))}]"
        if found is None and key is not None:
            found = self._with_key(field.target.__mapper__.root, key)
        return found if found in self.created else None

    def number(self, obj: Any) -> int:
        """Return the number of an object, which it gets when it is asked for first."""
        found = self.numbers.get(obj)
        if found is None:
            key = None if is_new(obj) else encoding.key_of(obj)
            found = self.fresh(obj, None if key is None else self.number_by(obj, key))
        return found

    def fresh(self, obj: Any, number: int | None = None) -> int:
        """Give an object that has none a number: one of its own, unless it is told."""
        found = next(self._objects) if number is None else number
        self.numbers[obj] = found
        if self._released:
            self._released.pop(id(obj), None)
        return found

    def number_by(self, obj: Any, key: str) -> int:
        """Return the number of an object that has a key, as long as it has that."""
        found = self.numbers.get(obj)
        if found is None:
            root = type(obj).__mapper__.root
            found = self._with_key(root, key)
            if found is None:
                found = self._by_key[root][key] = next(self._objects)
        return found

    def _with_key(self, root: type, key: str) -> int | None:
        """Return the number of what the server has by a root class and a key.

        A server may give the key of what was deleted to another object: the last one counts.
        """
        if self._indexed != len(self.models.here):
            self._indexed = len(self.models.here)
            for item in reversed(self.book.items.values()):
                if item.key and item.state != "gone" and item.model in self.models.here:
                    known = self.models.here[item.model].__mapper__.root
                    self._by_key[known].setdefault(item.key, item.number)
        found = self._by_key[root].get(key)
        return None if found in self.gone else found

    def catch_up(self, session: Any) -> None:
        """Write what became of open operations, now."""
        self.reconcile(session)
        self._flush()

    def reconcile(self, session: Any) -> None:
        """Write what became of open operations beside a commit: taken back, or settled by hand."""
        over: dict[str, set[int]] = {CREATE: self.made, DELETE: self.gone}
        released, self._released = self._released, {}
        for operation in self._open:
            if released and any(id(obj) in released for obj in operation.objects):
                # A recovery had made what the program makes itself now: it stands as it is written.
                self._open.take(operation)
                continue
            fates = {
                stands(session, c, self.numbers.get(c.object) in over.get(c.kind, ()))
                for c in operation.changes
            }
            if None in fates:
                continue
            if Fate.DONE.value in fates:
                self.note(Outcome(operation, Fate.DONE))
            else:
                self._drop(operation)


__all__ = ["Journal"]
