"""What a journal tells of the past: each object as the last event left it, and what is open."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from objmapper.encoding import dumps, loads
from objmapper.exceptions import JournalError
from objmapper.journal import checking
from objmapper.journal.store import Event, Intent, Store
from objmapper.operation import Fate, Kind, placed

#: What is written of an operation before its request goes out.
SENDING = "sending"
#: What is written of an operation that the program has taken back.
DROPPED = "dropped"
#: What is written of no operation, but of the server's clock.
CLOCK = "clock"
#: What is written of an operation that takes back what was done, before it is sent.
UNDOING = "undoing"
#: What is something to do whatever is sent with it.
_WHOLE = frozenset({Kind.CREATE.value, Kind.DELETE.value})
_UNKNOWN = frozenset({SENDING, Fate.UNCERTAIN.value})
_FATES = frozenset({*(fate.value for fate in Fate), SENDING, DROPPED, CLOCK, UNDOING})


@dataclass(slots=True)
class Part:
    """What of one object an operation sends, and has not done."""

    intent: Intent
    #: What became of the operation last; None for one that was never sent.
    fate: str | None
    values: dict[str, Any]
    #: Objects by number: of a whole value, or ``[place, number]`` of each inside one.
    refs: dict[str, Any]
    #: What is never written here; and in which files beside the journal some of it lies.
    hidden: list[str]
    contents: dict[str, str] = field(default_factory=dict)
    #: How some of that is sent, as the dialect has told it.
    manner: dict[str, Any] = field(default_factory=dict)
    #: Whether it takes back what was done.
    undoes: bool = False

    @property
    def is_unknown(self) -> bool:
        """Whether it was sent, and nobody knows whether the server has done it."""
        return self.fate in _UNKNOWN

    @property
    def is_lost_deletion(self) -> bool:
        """Whether it is a deletion of unknown fate."""
        return self.is_unknown and self.deletes

    @property
    def deletes(self) -> bool:
        """Whether it is a deletion, whatever became of it."""
        return self.intent.kind == Kind.DELETE

    @property
    def keys(self) -> set[str]:
        """The wire names of what it sends."""
        return {*self.values, *self.refs, *self.hidden}

    def keys_sent(self, known: Mapping[int, Any]) -> dict[str, Any]:
        """Return the values that had keys of other objects in them, as rows have them."""
        found = {}
        for name, said in self.refs.items():
            if name in self.values:
                found[name] = placed(self.values[name], said, known.get)
            elif said in known:
                found[name] = known[said]
        return found

    def without(self, keys: set[str], operation: int, fate: str | None) -> Part:
        """Take *keys* out, which the server has not taken; return what waits of them to be sent."""
        intent = self.intent._replace(
            operation=operation,
            kind=Kind.UPDATE.value,
            name=None,
            base=None,
            again=None,
            token=None,
        )
        hidden = self.hidden, self.contents, self.manner
        rest = Part(intent, fate, {**self.values}, {**self.refs}, *hidden)
        rest.leave_out(self.keys - keys)
        self.leave_out(keys)
        return rest

    def leave_out(self, keys: set[str]) -> None:
        """Forget what was sent later as well."""
        for kept in (self.values, self.refs):
            for key in keys & kept.keys():
                del kept[key]
        self.hidden = [key for key in self.hidden if key not in keys]
        self.contents = {key: name for key, name in self.contents.items() if key not in keys}
        self.manner = {key: how for key, how in self.manner.items() if key not in keys}


@dataclass(slots=True)
class Item:
    """One object of the journal."""

    number: int
    model: int
    name: str | None = None
    tag: str | None = None
    key: str | None = None
    #: "new", "there", "gone", or "dropped": the program has taken its creation back.
    state: str = "new"
    #: What the server has of it, as far as it was told.
    row: dict[str, Any] = field(default_factory=dict)
    #: Whether that is all that the server would say.
    full: bool = False
    #: What the program said when it made the object: values, references, what was never written.
    values: dict[str, Any] = field(default_factory=dict)
    refs: dict[str, Any] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    #: What is not done of it.
    open: list[Part] = field(default_factory=list)
    #: The operation that has created it, as far as that is told.
    made_by: int = 0
    #: By wire name: the operations that have said it since.
    moved: dict[str, int] | None = None

    def take(self, part: Part, row: dict[str, Any], keys: dict[int, Any]) -> None:
        """Bring the next operation in; of one that is done, *row* is what its answer told."""
        intent, kind, done = part.intent, part.intent.kind, part.fate == Fate.DONE
        if intent.base is not None:
            self.row |= checking.mapping(intent.base)
        self.key = intent.key or self.key
        self.tag = self.tag if intent.tag is None else _text(intent.tag)
        if kind == Kind.CREATE:
            self.name, self.open = intent.name, []
        elif kind == Kind.DELETE and part.fate != DROPPED:
            self.open = []
        elif part.fate != DROPPED:  # what is said of it since says that it is to stay
            self.open = [e for e in self.open if not e.deletes or (e.is_unknown and not done)]
        for earlier in self.open:
            earlier.leave_out(part.keys)
        # Steps of actions that say nothing of their own go with what is said later.
        self.open = [each for each in self.open if each.keys or each.intent.kind in _WHOLE]
        if part.fate == DROPPED:
            if kind == Kind.CREATE:
                self.state = DROPPED
        elif not done:
            self.state = "new" if kind == Kind.CREATE else self.state
            self.state = "there" if kind != Kind.CREATE and self.key else self.state
            self.open.append(part)
        elif kind == Kind.DELETE:
            self.state = "gone"
        else:
            self.state = "there"
            self.row |= part.values | part.keys_sent(keys) | row
            said = {*part.keys} if kind == Kind.CREATE else {*checking.names(intent.again)}
            if part.undoes:  # what the program said is so no longer
                said |= part.keys & {*self.values, *self.refs, *self.hidden}
            self._say(part, said)
            if kind != Kind.CREATE:
                self.moved = {**(self.moved or {}), **dict.fromkeys(part.keys, intent.operation)}

    def forget(self, keys: set[str]) -> None:
        """Know of what was said no longer whether it is so: said again, it goes again."""
        self.full = False
        for kept in (self.values, self.refs, self.row):
            for key in keys & kept.keys():
                del kept[key]
        self.hidden -= keys

    def _say(self, part: Part, keys: set[str]) -> None:
        """Remember what the program said when it made the object."""
        if part.intent.kind == Kind.CREATE:
            self.values, self.refs, self.hidden = {}, {}, set()
        for key in keys:
            self.values.pop(key, None)
            self.refs.pop(key, None)
        self.values |= {key: value for key, value in part.values.items() if key in keys}
        self.refs |= {key: number for key, number in part.refs.items() if key in keys}
        self.hidden |= keys & {*part.hidden}


class Departed(NamedTuple):
    """An object that was there once, and is gone; it may have been made anew since."""

    model: int
    #: The operations that had created it, and that has deleted it or made it anew; None: one of this run.
    made_by: int
    gone_by: int | None


@dataclass(slots=True)
class Done:
    """What is done of one object by one operation."""

    kind: str
    number: int


class Book:
    """All that a journal tells, read once."""

    def __init__(self, store: Store) -> None:
        self.items: dict[int, Item] = {}
        #: The numbers of new objects by model and name; the last one of a name counts.
        self.named: dict[tuple[int, str], int] = {}
        #: What is done, in the order in which it was intended.
        self.done: list[Done] = []
        #: The objects of each operation, in its order.
        self.operations: dict[int, list[Intent]] = defaultdict(list)
        #: By operation: what became of it last; and when it was sent first, by this machine's clock
        #: and, as far as that was told, by the server's.
        self.fates: dict[int, Event] = {}
        self.begun: dict[int, float] = {}
        self.begun_there: dict[int, datetime] = {}
        #: The operations that take back what was done.
        self.undoing: set[int] = set()
        #: When the server's clock was told last, by both; and what was sent before it was told first.
        self._clock: tuple[float, datetime] | None = None
        self._early: list[int] = []
        #: The keys of the objects that are on the server, by number.
        self.keys: dict[int, Any] = {}
        #: What was created, by the key that it got.
        self._made: defaultdict[str, list[Item]] = defaultdict(list)
        #: What is gone, by the key that it had.
        self._departed: dict[str, list[Departed]] = {}
        self._path = store.path
        for event in store.events():
            try:
                self._happened(event)
            except JournalError as error:
                where = f"what became of operation {event.operation}"
                raise checking.senseless(store.path, where, error) from error
        intents = store.intents()
        meant = Counter(intent.operation for intent in intents)
        for intent in intents:
            try:
                self._intended(intent, meant[intent.operation])
            except JournalError as error:
                raise self.senseless(intent.object, error, intent) from error
        for item in self.items.values():
            if item.key and item.made_by:
                self._made[item.key].append(item)

    def senseless(self, number: int, why: object, intent: Intent | None = None) -> JournalError:
        """Return the error for an object, or an intent of one, that makes no sense."""
        where = f"object {number}"
        if intent is not None:
            where += f" in operation {intent.operation}, {intent.kind!r:.20}"
        return checking.senseless(self._path, where, why)

    def _happened(self, event: Event) -> None:
        if event.fate not in _FATES:
            raise JournalError(f"{event.fate!r:.60} is nothing that becomes of an operation")
        if event.fate == CLOCK:
            self._clock = event.at, checking.clock(event.detail)
            while self._early:
                self._tell_time(self._early.pop())
            return
        if event.fate == UNDOING:
            self.undoing.add(event.operation)
            return
        self.fates[event.operation] = event
        if event.fate == SENDING and event.operation not in self.begun:
            self.begun[event.operation] = event.at
            self._tell_time(event.operation)

    def _tell_time(self, operation: int) -> None:
        """Find out what the server's clock showed when an operation was begun.

        What was written just before tells it: this machine's clock may have been set since, and before.
        """
        if self._clock is None:
            self._early.append(operation)
            return
        heard, there = self._clock
        since = timedelta(seconds=self.begun[operation] - heard)
        self.begun_there[operation] = (there + since).replace(microsecond=0)

    def _intended(self, intent: Intent, meant: int) -> None:
        """Bring an intent in, of an operation that has so many of them."""
        place = len(self.operations[intent.operation])
        self.operations[intent.operation].append(intent)
        event = self.fates.get(intent.operation)
        item = self.items.get(intent.object)
        if item is None:
            item = self.items[intent.object] = Item(intent.object, intent.model)
        fate = None if event is None else event.fate
        # What is made again was gone, though nobody may have deleted it here.
        again = intent.kind == Kind.CREATE and fate != DROPPED and item.state == "there"
        if again or (intent.kind == Kind.DELETE and fate == Fate.DONE):
            self._departs(item, intent.operation)
        row: dict[str, Any] = {}
        left: set[str] = set()
        waits = 0
        if event is not None and event.fate == Fate.DONE:
            key, row, full, left, waits = self._told(event, intent.kind, place, meant)
            item.key, item.full = key or item.key, full or item.full
            if intent.kind != Kind.DELETE or item.state != "gone":  # it may have been told of alone
                self.done.append(Done(intent.kind, intent.object))
            item.made_by = intent.operation if intent.kind == Kind.CREATE else item.made_by
        sent = checking.mapping(intent.sent)
        part = Part(
            intent,
            fate,
            sent,
            _refs(intent.refs, sent),
            *_hidden(intent.hidden),
            undoes=intent.operation in self.undoing,
        )
        later = self.fates.get(waits)
        rest = part.without(left, waits, later and later.fate) if left else None
        item.take(part, row, self.keys)
        if rest is not None and waits:
            self.operations[waits].append(rest.intent)
            item.take(rest, {}, self.keys)
        if item.key:
            self.keys[intent.object] = checking.parts(item.key, "a key")[-1]
        if item.name is not None:
            self.named[item.model, item.name] = item.number

    def _told(
        self, event: Event, kind: str, place: int, meant: int
    ) -> tuple[str | None, dict[str, Any], bool, set[str], int]:
        """Return the key and the row that an answer had for one of its objects, and if it had all.

        Of an object that was there already, also what of it was not taken, and the number of the
        operation as which that waits; 0 where another object says the same.
        """
        detail = loads(event.detail, "an outcome")
        try:
            _, rows = detail  # before them stands how often the server was asked
            if len(rows) != meant and (rows or kind != Kind.DELETE):
                raise TypeError(f"it tells of {len(rows)} objects, and {meant} were meant")
            if kind == Kind.CREATE and not rows[place]:
                raise TypeError("it tells nothing of what was created")
            told = rows[place] if rows and rows[place] else (None, {}, 0)
            key, row, full, left, waits = told if len(told) > 3 else (*told, [], 0)
            if {*map(type, left)} - {str} or waits.__class__ is not int:
                raise TypeError(f"{left!r:.60} waits as {waits!r:.60}")
            if row.__class__ is not dict or not isinstance(key, str | None):
                raise TypeError(f"{key!r:.60} has {row!r:.60}")
            return key, row, bool(full), {*left}, waits
        except (TypeError, ValueError, KeyError) as error:
            raise JournalError(f"an outcome in the journal makes no sense: {error}.") from None

    def parts(self, operation: int) -> list[tuple[Item, Part]]:
        """Return what is not done of an operation, with the objects."""
        items = [self.items[intent.object] for intent in self.operations[operation]]
        return [(i, part) for i in items for part in i.open if part.intent.operation == operation]

    def leaves(self, item: Item, operation: int | None = None) -> None:
        """Take an object for gone; *operation*: what has deleted it, as far as that is known."""
        item.state, item.open = "gone", []
        self._departs(item, operation)

    def _departs(self, item: Item, operation: int | None) -> None:
        """Remember that what has an item's key is not that object any more."""
        if item.number in self.keys:
            gone = Departed(item.model, item.made_by, operation)
            self._departed.setdefault(dumps(self.keys[item.number]), []).append(gone)

    def made_with(self, key: str) -> list[Item]:
        """Return what was created and has, or had, a key, of any model."""
        return self._made.get(key, [])

    @property
    def has_gone(self) -> bool:
        """Whether anything of it is gone."""
        return bool(self._departed)

    def gone_with(self, key: Any) -> list[Departed]:
        """Return what is gone of a key, of any model."""
        return self._departed.get(dumps(key), [])

    def is_over(self, item: Item, operation: int) -> None:
        """Take an object for gone that was to be deleted."""
        self.leaves(item, operation)
        self.done.append(Done(Kind.DELETE, item.number))

    def open(self) -> Iterator[Item]:
        """Yield the objects of which something is not done."""
        return (item for item in self.items.values() if item.open)


def _text(text: str) -> str:
    found = loads(text)
    if not isinstance(found, str):
        raise JournalError(f"a tag in the journal is no text: {found!r:.60}")
    return found


def _refs(text: str | None, sent: dict[str, Any]) -> dict[str, Any]:
    """Return the objects that an intent refers to. Raises JournalError for what makes no sense."""
    found = checking.mapping(text)
    for name, said in found.items():
        try:
            if name in sent:
                placed(sent[name], said, int)
            elif said.__class__ is not int:
                raise TypeError
        except (TypeError, ValueError, LookupError):
            raise JournalError(
                f"an intent in the journal makes no sense: {name!r} refers to {said!r:.60}"
            ) from None
    return found


def _hidden(text: str | None) -> tuple[list[str], dict[str, str], dict[str, Any]]:
    """Return the names of what is hidden, the files that have it, and how it is sent; of most neither."""
    found = [] if text is None else loads(text)
    if isinstance(found, list) and not {*map(type, found)} - {str}:
        return found, {}, {}
    names: dict[str, str] = {}
    manner: dict[str, Any] = {}
    for key, said in found.items() if isinstance(found, dict) else (("", found),):
        name = said
        if key and isinstance(said, list) and len(said) == 2:
            name, manner[key] = said
        if not key or not isinstance(name, str | None):
            raise JournalError(f"an intent in the journal makes no sense: {said!r:.60} is hidden")
        if name is not None:
            names[key] = name
    return list(found), names, manner
