"""Objects of a journal come to life again: rows, changes, and what became of their operations."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from objmapper import ordering, planning, reviving, settling, wire
from objmapper.exceptions import JournalError, TransportError
from objmapper.journal import checking
from objmapper.journal.history import SENDING, Item, Part
from objmapper.journal.store import Intent
from objmapper.judging import Verdict
from objmapper.operation import (
    LOOK_UP,
    Change,
    Draft,
    Fate,
    Kind,
    Operation,
    Outcome,
    Request,
    Secret,
)
from objmapper.state import (
    ABSENT,
    InstanceState,
    Lifecycle,
    Page,
    copied,
    freeze,
)


class Restorer:
    """Makes the objects of a journal's items in a session, each of them once."""

    def __init__(self, journal: Any, session: Any) -> None:
        self.journal, self.session = journal, session
        #: What it has made, in order.
        self.made: list[Any] = []

    # -- objects ----------------------------------------------------------------------------------

    def object(self, number: int) -> Any:
        """Return the object of a number: the session's, else one that is made anew."""
        obj = self.journal.alive.get(number)
        if obj is None:
            item = self.journal.book.items.get(number)
            if item is None:
                raise self.journal.book.senseless(
                    number, "it is referred to, and the journal tells nothing of it"
                )
            makers = {"new": self._new, "there": self._there}
            obj = makers.get(item.state, self._gone)(item)
        return obj

    def model(self, item: Item) -> Any:
        """Return the class of an item. Raises JournalError where the two don't go together."""
        model = self.journal.models.model(item.model)
        why = checking.mistaken(model.__mapper__, item, self.session.dialect.etag_key)
        if why is not None:
            raise self.journal.book.senseless(item.number, why)
        return model

    def undo(self) -> None:
        """Take what was made out of the session."""
        for obj in self.made:
            if obj in self.session.members:
                self.session.members.expunge(obj)
            self.journal.release(obj)

    def _alive(self, obj: Any, item: Item) -> None:
        self.journal.adopt(obj, item.number)
        self.journal.rebuilt.add(obj)
        self.made.append(obj)

    def _gone(self, item: Item) -> Any:
        """Return a detached object: it was deleted, or its creation was taken back."""
        model = self.model(item)
        obj = object.__new__(model)
        obj._row = copied(item.row)
        page = Page(None, model.__mapper__, [], full=False)
        obj._state = InstanceState(page, Lifecycle.DETACHED)
        self._alive(obj, item)
        return obj

    def _new(self, item: Item) -> Any:
        """Return a new object that waits for its creation."""
        model = self.model(item)
        obj = reviving.pending(self.session, model)
        self._alive(obj, item)  # before its references: they may lead back
        for part in item.open:
            reviving.fill(obj, self.values(model.__mapper__, part))
            self.session.members.places[obj] = checking.place(part.intent.place)
        if item.tag is not None:
            self.session.members.tags[obj] = item.tag
        if item.name is not None:
            self.journal.names[item.number] = item.name
        return obj

    def _there(self, item: Item) -> Any:
        """Return an object that the server has, with the changes that wait to be sent."""
        model = self.model(item)
        mapper, session = model.__mapper__, self.session
        row = copied(item.row)
        identity = mapper.identity_in(row)
        obj = None if identity is None else session.identity.get(mapper.root, identity)
        if obj is None:
            obj = self._over(model, row, item)
            self._alive(obj, item)
        elif obj in self.journal.numbers:  # two objects of a program that turned out to be one
            self.journal.alive[item.number] = obj
        else:
            self.journal.adopt(obj, item.number)
        for part in item.open:
            session.members.places[obj] = checking.place(part.intent.place)
            if part.intent.kind == Kind.DELETE:
                session.members.mark_deleted(obj)
            else:
                values = self.values(mapper, part)
                self.change(obj, values)
                if part.undoes:
                    sent = {key: wire.wire_value(mapper.by_key[key], values[key]) for key in values}
                    session.members.given_back.setdefault(obj, {}).update(sent)
                if part.intent.again is not None:
                    said = self.journal.again.setdefault(item.number, set())
                    said |= {*checking.names(part.intent.again)}
        return obj

    def _over(self, model: Any, row: dict[str, Any], item: Item) -> Any:
        """Return a persistent object of the session over a row."""
        self._claim(model.__mapper__, row)
        return reviving.persistent(self.session, model, row, full=item.full)

    def _claim(self, mapper: Any, row: dict[str, Any]) -> None:
        """Have it known that a row is of an object that was made, and of no other one of its name."""
        identity = mapper.identity_in(row)
        if mapper.natural_key and identity is not None:
            self.session.members.created.setdefault(mapper.root, set()).add(identity)

    def change(self, obj: Any, values: Mapping[str, Any]) -> None:
        """Give a persistent object changes that it does not have yet."""
        reviving.change(self.session, obj, values)

    def values(self, mapper: Any, part: Part) -> dict[str, Any]:
        """Return what a part sends, as objects keep it; secrets as somebody has told them."""
        why = checking.unsaid(mapper, part)
        if why is None:
            found = reviving.values(mapper, part.values, part.refs, self.object)
            why = checking.misled(mapper, found, part.refs.keys() - part.values.keys())
            if why is None:
                return found
        raise self.journal.book.senseless(part.intent.object, why, part.intent)

    def deleted(self, items: Sequence[Item], wait: settling.Wait) -> set[int]:
        """Return the numbers of those objects whose deletion, of unknown fate, turns out to be done.

        Raises JournalError where nobody can tell: what is taken for there might be lost.
        """
        with self._standing_in([(item, ()) for item in items]) as stand_ins:
            numbers = {
                part.intent.operation
                for item in items
                for part in item.open
                if part.is_lost_deletion
            }
            outcomes = [found for n in sorted(numbers) for found in self._outcomes(n, stand_ins)]
            gone, unsure = self._looked_up(stand_ins, outcomes, wait)
        for outcome in outcomes:
            self.journal.let_go(outcome.operation)
        if unsure is not None:
            obj, why = unsure
            raise JournalError(
                f"An earlier run has asked the server to delete {obj!r}, which the program makes again, "
                f"and whether it is gone is not known: {why}. "
                "Nothing was sent; commit again when the server can tell. Or have a "
                "session recover() first, whose session.settle(obj, found=...) takes what you know of it."
            )
        return gone

    def went_along(
        self, lost: Sequence[tuple[Item, Collection[str]]], wait: settling.Wait
    ) -> dict[int, Mapping[str, Any] | None]:
        """Return the rows of those objects that may be gone with what they belonged to; None: it is gone.

        *lost*: each with the wire names of what led there, which may lead nowhere by now. Nothing is
        deleted to find that out. Raises JournalError where nobody can tell.
        """
        rows: dict[int, Mapping[str, Any] | None] = {}
        with self._standing_in(lost) as stand_ins:
            numbers = {id(obj): number for number, obj in stand_ins.items()}
            outcomes = [self._as_deleted(stand_ins[item.number], item) for item, _ in lost]
            for outcome, finding in settling.settled(self.session, outcomes, wait):
                (obj,) = outcome.operation.objects
                if finding.verdict not in (Verdict.DONE, Verdict.NOT_DONE):
                    raise JournalError(
                        f"What {obj!r} belonged to was deleted by this journal's commits, the program makes "
                        f"both again, and whether {obj!r} went along is not known: {finding.why}. Nothing "
                        "was sent; commit again when the server can tell. Where another object has its "
                        "key by now, have the program give this one another tag, session.add(obj, "
                        "tag=...): so it is made."
                    )
                (rows[numbers[id(obj)]],) = finding.rows
                if finding.verdict is Verdict.DONE:
                    self.session.members.forget(obj)
        return rows

    @contextmanager
    def _standing_in(
        self, items: Iterable[tuple[Item, Collection[str]]]
    ) -> Iterator[dict[int, Any]]:
        """Have objects in the session, by number and each without some keys, while it is asked for them."""
        session, stand_ins, before = self.session, {}, []
        for item, keys in items:
            model = self.model(item)
            row = copied({key: value for key, value in item.row.items() if key not in keys})
            root, identity = model.__mapper__.root, model.__mapper__.identity_in(row)
            before.append((root, identity, session.identity.get(root, identity)))
            stand_ins[item.number] = self._over(model, row, item)
        try:
            yield stand_ins
        finally:
            for obj in stand_ins.values():
                if obj in session.members:
                    session.members.expunge(obj)
            for root, identity, other in before:
                if other is not None:
                    session.identity.add(root, identity, other)

    def _looked_up(
        self, stand_ins: Mapping[int, Any], outcomes: Iterable[Outcome], wait: settling.Wait
    ) -> tuple[set[int], tuple[Any, str] | None]:
        """Return the numbers of what turns out to be gone, and one of which that is not known, if any."""
        session, book, gone = self.session, self.journal.book, set()
        for outcome in outcomes:
            for obj in outcome.operation.objects:
                session.members.uncertain[id(obj)] = obj, outcome
        for outcome in settling.first(session, stand_ins.values(), wait):
            operation = outcome.operation
            if len(operation.changes) == len(book.operations.get(operation.number, ())):
                self.journal.note(outcome)
            gone |= {id(obj) for obj in outcome.operation.objects}
        known = session.members.uncertain
        unsure = [known[id(obj)] for obj in stand_ins.values() if id(obj) in known]
        told = [(obj, o.why or "it was not looked up in time") for obj, o in unsure[:1]]
        numbers = {number for number, obj in stand_ins.items() if id(obj) in gone}
        return numbers, told[0] if told else None

    def _as_deleted(self, obj: Any, item: Item) -> Outcome:
        """Return what a deletion of unknown fate would be, which is looked up and never goes."""
        intents = self.journal.book.operations[item.made_by]
        for intent in intents:
            if intent.object == item.number:
                self.session.members.places[obj] = checking.place(intent.place)
        changes = (Change(Kind.DELETE, obj),)
        draft = Draft(Kind.DELETE, changes, Request("DELETE", ""), settle=LOOK_UP)
        opened = self.journal.times.opened
        return Outcome(Operation.of(0, draft), Fate.UNCERTAIN, begun=None, ended=opened)

    def given_away(self, items: Iterable[Item]) -> None:
        """Take for gone what was to be deleted, where the server has given its key to another object.

        That one is not what was meant, whatever became of the deletion.
        """
        journal, over = self.journal, dict[int, list[Intent]]()
        for item in items:
            part = next((part for part in item.open if part.deletes), None)
            if part is not None and self.is_given_away(item, part.intent.operation):
                journal.book.is_over(item, part.intent.operation)
                over.setdefault(part.intent.operation, []).append(part.intent)
        for number, intents in sorted(over.items()):
            if journal.book.parts(number):  # what is left of it may go as another one, or never
                journal.are_gone(intents)
            else:
                journal.is_over(number)

    def is_given_away(self, item: Item, since: int) -> bool:
        """Whether another object was created with an item's key after an operation was begun."""
        journal, here = self.journal, self.journal.models.here
        if item.key is None or item.model not in here:
            return False
        root = here[item.model].__mapper__.root
        if journal.made_now(root, item.key) not in (None, item.number):
            return True
        others = [
            other.made_by
            for other in journal.book.made_with(item.key)
            if other is not item
            if other.model in here and here[other.model].__mapper__.root is root
        ]
        return any(self._is_later(made, since) for made in others)

    def _is_later(self, made: int, since: int) -> bool:
        """Whether a creation was done after an operation was sent; of one never sent, planned after it."""
        sent = self.journal.place(since, SENDING)
        done = self.journal.place(made, Fate.DONE.value)
        return made > since if sent is None or done is None else bool(done > sent)

    # -- operations -------------------------------------------------------------------------------

    def doubtful(self, operations: Iterable[int]) -> None:
        """Let the session know which operations of unknown fate its objects have.

        What they may have made is nothing that the journal knows to be another object's.
        """
        known, here = self.session.members.uncertain, self.journal.models.here
        operations = list(operations)
        for item in self.journal.book.items.values() if operations else ():
            if item.state == "there" and item.model in here:
                self._claim(here[item.model].__mapper__, item.row)
        for operation in operations:
            for outcome in self._outcomes(operation):
                for obj in outcome.operation.objects:
                    known[id(obj)] = obj, outcome

    def _outcomes(self, number: int, only: Mapping[int, Any] | None = None) -> list[Outcome]:
        """Return what became of an operation; *only*: of these objects, by number."""
        book, places = self.journal.book, self.session.members.places
        changes, before = [], []
        for intent in book.operations[number]:
            item = book.items[intent.object]
            if only is not None and item.number not in only:
                continue
            obj = self.object(item.number) if only is None else only[item.number]
            parts = [part for part in item.open if part.intent.operation == number]
            changes += [self._change(obj, part) for part in parts]
            before.append((obj, places.get(obj, ABSENT)))
            places[obj] = checking.place(intent.place)
        drafts = planning.drafts_of(self.session, _together(changes))
        for obj, place in before:  # where the program makes it now is for the program to say
            if place is ABSENT:
                del places[obj]
        return [self._outcome(number, draft) for draft in drafts]

    def _outcome(self, number: int, draft: Draft) -> Outcome:
        journal, book = self.journal, self.journal.book
        if not any(part.is_unknown for _, part in book.parts(number)):
            return self._not_done(number, draft)
        token = book.operations[number][0].token
        if token is not None:
            header = self.session.client.idempotency_header
            if header is None:
                raise JournalError(
                    f"The journal {journal.path!r} was written by a client with an "
                    "idempotency_header: this one needs it, too, or what was sent could not be "
                    "repeated."
                )
            draft = planning.known_again(draft, header, token)
        operation = Operation.of(number, draft)
        journal.reopen(operation, number)
        text = f"{draft.request.method} {draft.request.shown_path}: the process ended before an answer."
        return Outcome(
            operation,
            Fate.UNCERTAIN,
            error=TransportError(text, draft.request),
            requests=1,
            begun=journal.times.since(book.begun.get(number)),
            begun_there=book.begun_there.get(number),
            # What the dead process had sent may have been on its way until the journal was free.
            ended=journal.times.opened,
            age=0,  # all that this session has read may be what it has done
        )

    def _not_done(self, number: int, draft: Draft) -> Outcome:
        """Return the outcome of a deletion that never went, or was refused.

        What it would delete is looked at first. Then it goes anew: a server may answer a repeat of what
        it has refused as it did before.
        """
        draft = draft._replace(settle=LOOK_UP, repeatable=False)
        operation = Operation.of(number, draft)
        self.journal.reopen(operation, number)
        text = f"{draft.request.method} {draft.request.shown_path}: the process ended before it was done."
        error = TransportError(text, draft.request)
        return Outcome(operation, Fate.UNCERTAIN, error=error, begun=None, ended=-math.inf)

    def _change(self, obj: Any, part: Part) -> Change:
        """Return the change that was sent, whatever the object holds by now."""
        mapper, kind = type(obj).__mapper__, part.intent.kind
        values = {} if kind == Kind.DELETE else self.values(mapper, part)
        for key in part.hidden:
            if key in obj._row:
                values.setdefault(key, obj._row[key])
        sent, rows = {}, {}
        told: tuple[Any, ...] = ()
        for key, value in values.items():
            field = mapper.by_key[key]
            sent[key] = wire.wire_value(field, value)
            told += (field.name, *wire.shown_change(obj, field))
            if field.mutable and not field.plain:
                frozen = freeze(field.to_row(value))
                rows[key] = Secret(frozen) if field.hides else frozen
        return Change(kind, obj, sent, told, rows)


def _together(changes: list[Change]) -> list[Change]:
    """Return the changes of one operation; what an undo deletes with its root goes in the same request."""
    if len(changes) < 2 or any(change.kind != Kind.DELETE for change in changes):
        return changes
    root, *others = changes
    told = ordering.identity(root.object)
    if all(parent != told for other in others for _, parent in ordering.references(other)):
        return changes
    return [root, *(other._replace(within=root.object) for other in others)]
