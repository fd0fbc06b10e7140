"""A source is a file that becomes a frame: uploaded, unpacked, or on the share."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Failed(Exception):
    """A background request fails; the text is the message that it is told with."""


class Source(NamedTuple):
    """A file, the name by which the task's frame goes, and where it is kept."""

    name: str
    path: Path
    #: Its name in the server's folder; None for one on the share.
    blob: str | None = None
    #: Its path below the share.
    shared: str | None = None
