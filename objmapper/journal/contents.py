"""Contents: what is too large for a journal lies in files beside it, each named by its SHA-256.

A file is whole, and on the disk, before the intent that needs it is written; it goes when what became
of the last such intent is on the disk, too. So a process may die at any time: what nobody needs then
is taken out when the journal is opened next.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from objmapper.encoding import dumps, loads
from objmapper.exceptions import JournalError
from objmapper.journal.history import DROPPED, Book
from objmapper.journal.store import Store
from objmapper.operation import Fate

_NAME = re.compile(r"[0-9a-f]{64}\Z")
#: How a file is called while it is written.
_UNDER_WAY = "unfinished-"
_PIECE = 2**20
_OVER = frozenset({Fate.DONE.value, DROPPED})


class Contents:
    """The files beside a journal, and which operations need them."""

    def __init__(self, store: Store, book: Book) -> None:
        self._store = store
        #: Where the files lie: beside the journal, by its name, wherever the process goes.
        self.folder: Path = Path(f"{os.path.abspath(store.path)}.contents")
        #: By operation: the names of what it needs.
        self._needed: dict[int, tuple[str, ...]] = {}
        #: The names of what lies there.
        self._there: set[str] = set()
        self._adopt(book)
        store.listener = self

    def path(self, name: str) -> Path:
        """Return where the content of a name lies. Raises JournalError for what is no name."""
        if _NAME.match(name) is None:
            raise JournalError(f"a content in the journal makes no sense: {name!r:.80}")
        return self.folder / name

    def _adopt(self, book: Book) -> None:
        """Know what is open, whoever wrote it; the next sweep takes out what lies there beside that."""
        if not self.folder.is_dir():
            return
        parts = [part for item in book.open() for part in item.open if part.contents]
        self._needed = {part.intent.operation: (*part.contents.values(),) for part in parts}
        names = (path.name for path in self.folder.iterdir())
        self._there = {n for n in names if _NAME.match(n) or n.startswith(_UNDER_WAY)}

    def keep(
        self, operation: int, found: Mapping[str, Any], hidden: str, manner: Mapping[str, Any]
    ) -> str:
        """Write what an operation needs, by wire name; return *hidden*, with the names of the files.

        *manner*: how some of it is sent, which is returned as well. Raises JournalError where the disk
        does not take it.
        """
        if not found and not manner:
            return hidden
        names = {key: content.checksum for key, content in found.items()}
        for key, content in found.items():
            path = self.path(names[key])
            self._there.add(path.name)
            try:
                if not _has(path, path.name):
                    self._write(path, content)
            except OSError as error:
                raise JournalError(
                    f"What is to be sent can't be kept in {str(self.folder)!r}: "
                    f"{error.strerror or error}. Nothing of this commit was kept or sent."
                ) from error
        if names:
            self._needed[operation] = (*names.values(),)
        told = {key: names.get(key) for key in loads(hidden)}
        return dumps(told | {key: [names.get(key), how] for key, how in manner.items()})

    def _write(self, path: Path, content: Any) -> None:
        # What a journal has is nobody else's business.
        self.folder.mkdir(mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_UNDER_WAY, dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file, content.open() as source:
                while piece := source.read(_PIECE):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        for place in (self.folder, self.folder.parent):
            _settle(place)

    def over(self, events: Sequence[Any]) -> None:
        """Know what became of operations: those that are done, or dropped, need nothing any more.

        *events*: four values of each, as they are written.
        """
        if self._needed:
            for number, fate in zip(events[::4], events[1::4], strict=True):
                if fate in _OVER:
                    self._needed.pop(number, None)

    def pass_on(self, operation: int, to: int) -> None:
        """Have another operation need what one needs."""
        if operation in self._needed:
            self._needed[to] = self._needed[operation]

    def sweep(self) -> None:
        """Take out what nobody needs any more; that nobody does is on the disk by now."""
        if not self._there:
            return
        gone = self._there.difference(*self._needed.values())
        for name in gone:
            with suppress(OSError):
                (self.folder / name).unlink()
        self._there -= gone
        if not self._there:
            with suppress(OSError):
                self.folder.rmdir()

    def tidy(self) -> None:
        """Take out what nothing open needs, by all that is written."""
        if self._there:
            self._adopt(Book(self._store))
            self._store.sync()


def _has(path: Path, name: str) -> bool:
    """Whether a file is there, and is what its name says."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == name
    except FileNotFoundError:
        return False


def _settle(folder: Path) -> None:
    """Move the names of a folder's files to the disk itself, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


__all__ = ["Contents"]
