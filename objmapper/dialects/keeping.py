"""What a dialect says of values that are in no journal: how they are kept, and told again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from objmapper.operation import Change


class Keeping:
    """The part of a dialect that is about hidden values; by default nothing of them is kept."""

    def contents(self, change: Change) -> Mapping[str, Any]:
        """Return what is hidden of a change and kept beside a journal: a ``checksum``, and ``open()``."""
        return {}

    def manner(self, change: Change) -> Mapping[str, Any]:
        """Return how what is hidden of a change is sent, as JSON by wire name; a journal keeps that."""
        return {}

    def retold(self, obj: Any, field: Any, kept: Path | None) -> Any:
        """Return a value that is in no journal, of the file beside it if there is one, or of others."""
        return None

    def in_manner(self, field: Any, value: Any, manner: Any) -> Any:
        """Return a value that was told again, to be sent as ``manner`` said."""
        return value


__all__ = ["Keeping"]
