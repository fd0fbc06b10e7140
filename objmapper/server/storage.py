"""A database is one SQLite connection that its requests take in turn.

SQLite writes one at a time in any case, and Python runs one thread at a time; a single connection
behind a lock is the arrangement that can neither deadlock nor answer "database is locked".
"""

from __future__ import annotations

import atexit
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache

#: Tell the files of embedded servers from each other and from those of other programs.
CVAT, SIMVUE = 0x6F6D6273, 0x6F6D6274


class Database:
    """A database in memory, or in a file that outlives the server.

    >>> database = Database(schema="CREATE TABLE IF NOT EXISTS t (x)", mark=CVAT)
    >>> with database.transaction() as connection:
    ...     connection.execute("SELECT * FROM t").fetchall()
    []
    >>> database.close()
    """

    def __init__(self, path: str | None = None, *, schema: str, mark: int) -> None:
        self._lock = threading.RLock()
        self._last = datetime.min.replace(tzinfo=UTC)
        try:
            self._connection = sqlite3.connect(
                path or ":memory:", isolation_level=None, check_same_thread=False, timeout=10
            )
        except sqlite3.Error as error:
            raise OSError(f"{path}: {error}") from error
        try:
            self._prepare(path, schema, mark)
        except sqlite3.Error as error:
            self._connection.close()
            raise OSError(f"{path}: {error}") from error
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: str | None, schema: str, mark: int) -> None:
        connection = self._connection
        connection.row_factory = sqlite3.Row
        connection.create_function("fold", 1, fold, deterministic=True)
        connection.execute("PRAGMA foreign_keys = ON")
        if path is None:
            _empty(schema, mark).backup(connection)
            return
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        if found != mark and connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
            raise OSError(f"{path}: a database of another program")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA application_id = {mark}")
        connection.executescript(schema)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: the block's changes are kept together or, if it raises, not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def now(self) -> str:
        """The time as text, strictly later than any time given before."""
        with self._lock:
            self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
            return stamp(self._last)

    def close(self) -> None:
        """The connection is closed once no request holds it."""
        with self._lock:
            self._connection.close()


@cache
def _empty(schema: str, mark: int) -> sqlite3.Connection:
    """A database that has its tables and no row: what is in memory begins as a copy of it.

    To copy it takes a fiftieth of what the tables take to be made.
    """
    made = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    atexit.register(made.close)
    made.create_function("fold", 1, fold, deterministic=True)
    made.execute(f"PRAGMA application_id = {mark}")
    made.executescript(schema)
    return made


def stamp(moment: datetime) -> str:
    """A moment as text: UTC, six digits of fraction, so that order of text is order of time.

    >>> stamp(datetime(2026, 1, 2, tzinfo=UTC))
    '2026-01-02T00:00:00.000000Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def fold(text: str | None) -> str | None:
    """Text as a search compares it, whatever its case."""
    return None if text is None else text.casefold()
