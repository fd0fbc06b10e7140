"""A folder keeps the files of an embedded server, under names that are made here.

What a client calls a file stands in the database: no name of a client becomes a path.
"""

from __future__ import annotations

import re
import shutil
import threading
import uuid
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

_BLOCK = 1 << 20
# How a name is made here: nothing else in a folder is touched.
_MADE = re.compile("[0-9a-f]{32}")


class Folder:
    """A folder that is made with its first file: a given one, or one that ends with the server.

    >>> import io
    >>> folder = Folder()
    >>> name = folder.add(io.BytesIO(b"abc"))
    >>> folder.path(name).read_bytes()
    b'abc'
    >>> folder.close()
    """

    def __init__(self, path: str | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._made = False
        self._lock = threading.Lock()
        self._open = ExitStack()

    def path(self, name: str) -> Path:
        """Where the file of a name is."""
        with self._lock:
            if self._path is None:
                temporary = TemporaryDirectory(prefix="embedded-")
                self._path = Path(self._open.enter_context(temporary))
            if not self._made:
                self._path.mkdir(parents=True, exist_ok=True)
                self._made = True
            return self._path / name

    def add(self, stream: IO[bytes]) -> str:
        """A new file with what a stream has; its name. No more than a block is in memory."""
        name = self.new()
        with self.path(name).open("wb") as file:
            shutil.copyfileobj(stream, file, _BLOCK)
        return name

    def new(self) -> str:
        """The name of a new, empty file."""
        name = uuid.uuid4().hex
        self.path(name).touch(exist_ok=False)
        return name

    def write(self, name: str, offset: int, stream: IO[bytes]) -> int:
        """A file is overwritten from an offset on; how many bytes there were."""
        with self.path(name).open("r+b") as file:
            file.seek(offset)
            shutil.copyfileobj(stream, file, _BLOCK)
            return file.tell() - offset

    def strays(self, known: Iterable[str]) -> list[str]:
        """The files that are none of the known ones: what a process that died has left."""
        if self._path is None or not self._path.is_dir():
            return []
        found = {each.name for each in self._path.iterdir() if _MADE.fullmatch(each.name)}
        return sorted(found.difference(known))

    def remove(self, names: Iterable[str]) -> None:
        """Files are deleted; one that is gone already is none."""
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """A folder that was not given is deleted."""
        self._open.close()
