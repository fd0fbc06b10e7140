"""The file of a journal: a SQLite database that is only ever added to.

Intents are written before anything is sent, events as it goes: that a request is about to be sent,
and what became of it. Nothing that was written is changed, so that a process may die at any time.
What a process has written outlives its death at once, and a power failure as soon as ``sync`` has
returned.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import itemgetter
from typing import Any, NamedTuple

from objmapper.exceptions import JournalError
from objmapper.journal import checking

#: The format that is written; a file of a higher number is refused. What 1 tells of an object that the
#: server had already is that it has all that was said of it.
FORMAT = 2
#: Tells a journal from other SQLite databases: "objm".
_APPLICATION = 0x6F626A6D
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE model (number INTEGER PRIMARY KEY, name TEXT, fields TEXT);
CREATE TABLE intent (
    number INTEGER PRIMARY KEY, operation INTEGER, object INTEGER, kind TEXT, model INTEGER,
    name TEXT, tag TEXT, key TEXT, base TEXT, sent TEXT, refs TEXT, hidden TEXT, again TEXT,
    token TEXT, place TEXT
);
CREATE TABLE event (number INTEGER PRIMARY KEY, operation INTEGER, fate TEXT, at REAL, detail TEXT);
"""
#: Several events in one statement, by how many.
_MANY = 20
_EVENTS = [
    "INSERT INTO event VALUES " + ", ".join(["(NULL, ?, ?, ?, ?)"] * count)
    for count in range(_MANY + 1)
]
#: Intents that are in memory at once: so many that the garbage collector does not notice.
_SOME = 200
#: Bytes of a page: each transaction writes one at least.
_PAGE = 1024
#: Pages of the log that gather before they are moved into the file.
_LOG_PAGES = 16_000


class Intent(NamedTuple):
    """One object's part of an operation, as it is written before anything is sent; JSON is text."""

    #: The operation's number in the journal.
    operation: int
    #: The object's number in the journal.
    object: int
    #: Create, update, delete, or an action's name; "known" for what is only referred to.
    kind: str
    #: The model's number in the journal.
    model: int
    #: What a new object is known by when the program is run again; None for others.
    name: str | None
    #: The user's own name for it, a JSON string: any text may be one.
    tag: str | None
    #: What tells it from others on the server; None while it is new.
    key: str | None
    #: What the server had of it.
    base: str | None
    #: ``{wire name: value}``, as rows have it.
    sent: str | None
    #: ``{wire name: number of the object whose key is sent}``
    refs: str | None
    #: The wire names of values that are never written.
    hidden: str | None
    #: The wire names of what the program says anew of an object that it had made before.
    again: str | None
    #: The idempotency key of the request.
    token: str | None
    #: Which of the server's places the request is about, as a JSON list; None where it says nothing.
    place: str | None


class Event(NamedTuple):
    """What happened to an operation."""

    operation: int
    #: "sending", or a Fate's value; "dropped" for what was taken back; "clock" for the server's time.
    fate: str
    #: When, by this machine's clock.
    at: float
    #: JSON: what the server has of each object, and how often it was asked.
    detail: str | None


def _absolute(path: str) -> str:
    """Return a path from the root. Raises JournalError for what can't be the path of any file."""
    found = os.path.abspath(path)
    try:
        if "\0" not in found:
            os.fsencode(found)
            return found
        why = "it has a NUL in it"
    except ValueError as error:
        why = str(error)
    raise JournalError(f"{path!r} can't be the path of a journal: {why}. Give another one.")


def _file_at(path: str) -> tuple[int, int] | None:
    """Return what tells the file at a path from all others; None where there is none."""
    try:
        told = os.stat(path)
    except FileNotFoundError:
        return None
    return told.st_dev, told.st_ino


#: What is open in this process.
_OPEN: weakref.WeakSet[Store] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """Keep what was inherited open for ever: closed by a fork, SQLite would delete its parent's log."""
    for store in list(_OPEN):
        store.is_inherited = True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(store.database))


if hasattr(os, "register_at_fork"):  # nothing forks on Windows
    os.register_at_fork(after_in_child=_leave_to_parent)


def _inserting(intents: list[tuple[Any, ...]]) -> tuple[str, Iterable[tuple[Any, ...]]]:
    """Return the statement that writes intents, and its values.

    What none of them says is left out: to write a column costs more than what most of them hold.
    """
    said = [
        place
        for place, values in enumerate(zip(*intents, strict=True))
        if any(value is not None for value in values)
    ]
    names = ", ".join(Intent._fields[place] for place in said)
    statement = f"INSERT INTO intent ({names}) VALUES ({', '.join('?' * len(said))})"
    return statement, map(itemgetter(*said), intents)


class Store:
    """The file, open for this process alone. Raises JournalError for one that can't serve.

    *readonly*: nothing is written, and a file that is not there is not made.
    """

    def __init__(self, path: str | os.PathLike[str], *, readonly: bool = False) -> None:
        #: Where the file lies.
        self.path: str = os.fsdecode(path)
        #: Whether another process has opened it, which this one was forked off.
        self.is_inherited: bool = False
        self.lock = threading.Lock()
        #: Is told which events are written, and that all of them are on the disk.
        self.listener: Any = None
        self._place = _absolute(self.path)
        with self._told():
            if not readonly:
                # Rows of a server are nobody else's business.
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            elif not os.path.isfile(self.path):
                raise JournalError(f"There is no journal at {self.path!r}.")
            # An absolute path is nothing but a path, whatever SQLite makes of ":memory:".
            self.database = sqlite3.connect(
                self._place, timeout=0, isolation_level=None, check_same_thread=False
            )
            #: Which file it is, whatever lies at its path later.
            self._file = _file_at(self._place)
        self._cursor = self.database.cursor()
        _OPEN.add(self)
        try:
            with self._told():
                self._open(readonly)
        except BaseException:
            self.database.close()
            raise

    def _open(self, readonly: bool) -> None:
        self.database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.database.execute("PRAGMA synchronous = NORMAL")
        self.database.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        (application,) = self.database.execute("PRAGMA application_id").fetchone()
        (written,) = self.database.execute("PRAGMA user_version").fetchone()
        (tables,) = self.database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != _APPLICATION and (tables or application or readonly):
            raise JournalError(f"{self.path!r} is a SQLite database, but no journal of objmapper.")
        if written > FORMAT:
            raise JournalError(
                f"The journal {self.path!r} has the format {written}, and this objmapper knows "
                f"{FORMAT}: a newer one has written it. Read it with that one."
            )
        if not readonly:
            if not tables:
                self.database.execute(f"PRAGMA page_size = {_PAGE}")
            self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("BEGIN IMMEDIATE")  # from here on nobody else has it
        if not tables:
            for statement in _TABLES.split(";"):
                self.database.execute(statement)
            self.database.execute(f"PRAGMA application_id = {_APPLICATION}")
        if written != FORMAT and not readonly:
            self.database.execute(f"PRAGMA user_version = {FORMAT}")
        self.database.execute("COMMIT")
        problem = self.database.execute("PRAGMA quick_check(1)").fetchone()[0] if tables else "ok"
        if problem != "ok":
            raise self._damaged(problem.replace("\n", " "))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what SQLite and the disk say into JournalError."""
        try:
            yield
        except JournalError:
            raise
        except (sqlite3.Error, OSError) as error:
            raise self.error(error) from error

    def error(self, error: sqlite3.Error | OSError) -> JournalError:
        """Return what is told of an error of SQLite, or of the disk."""
        if isinstance(error, OSError):
            why = error.strerror or str(error)
        elif "locked" in str(error):
            return JournalError(
                f"The journal {self.path!r} is open in another session, of this process or of another "
                "one: two at once would send everything twice."
            )
        elif "not a database" in str(error):
            return JournalError(f"{self.path!r} is not a journal of objmapper.")
        elif isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError):
            why = str(error)
        else:
            return self._damaged(str(error))
        return JournalError(f"The journal {self.path!r} can't be used: {why.rstrip('.')}.")

    def _damaged(self, problem: str) -> JournalError:
        """Return the error for a file that is damaged, with what can be read of it still."""
        sent: dict[Any, str] = {}
        intents = 0
        with suppress(sqlite3.DatabaseError):
            for _ in self.database.execute("SELECT operation FROM intent"):
                intents += 1
        with suppress(sqlite3.DatabaseError):
            for operation, fate in self.database.execute("SELECT operation, fate FROM event"):
                sent[operation] = fate
        done = sum(fate == "done" for fate in sent.values())
        return JournalError(
            f"The journal {self.path!r} is damaged ({problem}). {intents} intents and {len(sent)} "
            f"outcomes can be read still, {done} of them done. What is missing can't be told: keep "
            "the file, and compare with what the server has."
        )

    def _inherited(self) -> JournalError:
        return JournalError(
            f"The journal {self.path!r} was opened before this process was forked off: a process "
            "opens a journal of its own."
        )

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        """Have the database while nobody else uses it."""
        if self.is_inherited:
            raise self._inherited()
        try:
            with self.lock:
                yield self.database
        except sqlite3.Error as error:
            raise self.error(error) from error

    # -- writing ----------------------------------------------------------------------------------

    def remember(self, name: str, value: str) -> None:
        """Keep a fact about the whole journal."""
        with self._used() as database:
            database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def add(
        self,
        models: Iterable[tuple[int, str, str]],
        intents: Iterator[tuple[Any, ...]],
        events: Sequence[tuple[int, str, float, str | None]] = (),
    ) -> None:
        """Write intents, and the models and events that go with them: all of it or nothing.

        Intents are made while they are written, and what models they need turns out then.
        """
        with self._used() as database, _whole(database):
            while some := list(itertools.islice(intents, _SOME)):
                database.executemany(*_inserting(some))
            database.executemany("INSERT INTO model VALUES (?, ?, ?)", models)
            database.executemany(_EVENTS[1], events)
        if self.listener is not None:
            self.listener.over([value for event in events for value in event])

    def happened(self, waiting: list[Any], marks: Sequence[Any] = ()) -> None:
        """Write what waits to be written, and *marks* after it: all of it or nothing.

        Of each event there are the four values, one after the other. What is written waits no more;
        others may add to it meanwhile.
        """
        if self.is_inherited:
            raise self._inherited()
        try:
            with self.lock:
                values = waiting[:]
                count = len(values)
                values += marks
                events = len(values) >> 2
                if events > _MANY:
                    with _whole(self.database):
                        some = zip(*[iter(values)] * 4, strict=True)
                        self.database.executemany(_EVENTS[1], some)
                elif events:  # one statement is one transaction
                    self._cursor.execute(_EVENTS[events], values)
                del waiting[:count]
        except sqlite3.Error as error:
            raise self.error(error) from error
        if self.listener is not None:
            self.listener.over(values)

    def sync(self) -> None:
        """Move what was written to the disk itself, where a power failure leaves it.

        Raises JournalError where its file is not at its path any more: nobody would find it there.
        """
        with self._told(), self._used() as database:
            if _file_at(self._place) != self._file:
                raise JournalError(
                    f"The journal {self.path!r} was deleted, moved or replaced while it was open: what is "
                    "written now would be lost with the process. Nothing more is sent. Put the file back "
                    "where it was moved; else begin another journal, once what was sent is seen to."
                )
            database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        if self.listener is not None:
            self.listener.sweep()

    # -- reading ----------------------------------------------------------------------------------

    def facts(self) -> dict[str, str]:
        """Return what is known about the whole journal."""
        return dict(self._rows("meta", ("name", "value"), "name"))

    def models(self) -> list[tuple[int, str, str]]:
        """Return number, full name and fields of each model."""
        return self._rows("model", ("number", "name", "fields"))

    def intents(self) -> list[Intent]:
        """Return all intents in the order in which they were written."""
        return [Intent(*row) for row in self._rows("intent", Intent._fields)]

    def events(self) -> list[Event]:
        """Return all events in the order in which they happened."""
        return [Event(*row) for row in self._rows("event", Event._fields)]

    def first(self, operation: int, fate: str) -> int | None:
        """Return the place among all events of the first of an operation that says so."""
        with self._used() as database:
            statement = "SELECT min(number) FROM event WHERE operation = ? AND fate = ?"
            found: int | None = database.execute(statement, (operation, fate)).fetchone()[0]
        return found

    def _rows(self, table: str, names: tuple[str, ...], by: str = "number") -> list[Any]:
        """Return the rows of a table. Raises JournalError for one that nobody writes so."""
        with self._used() as database:
            found = database.execute(
                f"SELECT {', '.join(names)} FROM {table} ORDER BY {by}"
            ).fetchall()
        for place, row in enumerate(found, 1):
            problem = checking.problem(table, names, row)
            if problem is not None:
                where = f"row {place} of its table {table}"
                raise checking.senseless(self.path, where, problem)
        return found

    def close(self) -> None:
        """Let go of the file; twice is harmless, and so is a fork's."""
        if self.is_inherited:
            return
        with suppress(sqlite3.Error):
            self.database.close()


@contextmanager
def _whole(database: sqlite3.Connection) -> Iterator[None]:
    """Have what the block writes written whole, or nothing of it."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
