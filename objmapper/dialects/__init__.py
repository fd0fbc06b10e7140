"""Dialects: how each kind of server says it.

``Client(url, dialect="drf")`` takes a name, a Dialect class or an instance. Others register theirs
under the entry point group ``objmapper.dialects``.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from objmapper.dialects.base import Dialect, RowPage, quote_key
from objmapper.dialects.drf import DRF
from objmapper.dialects.kinto import Kinto
from objmapper.dialects.rest import Rest
from objmapper.exceptions import near_misses

GROUP = "objmapper.dialects"
_BUILT_IN: dict[str, type[Dialect]] = {dialect.name: dialect for dialect in (Rest, DRF, Kinto)}


def find_dialect(wanted: str | Dialect | type[Dialect]) -> Dialect:
    """Return the dialect of that name, class or instance. Raises LookupError, naming what there is."""
    if isinstance(wanted, Dialect):
        return wanted
    if isinstance(wanted, type) and issubclass(wanted, Dialect):
        return wanted()
    if wanted in _BUILT_IN:
        return _BUILT_IN[wanted]()
    others = {entry.name: entry for entry in entry_points(group=GROUP)}
    if wanted in others:
        found: Any = others[wanted].load()
        return find_dialect(found)
    known = sorted({*_BUILT_IN, *others})
    raise LookupError(
        f"there is no dialect {wanted!r}.{near_misses(str(wanted), known)} Known: {', '.join(known)}."
    )


__all__ = ["DRF", "Dialect", "Kinto", "Rest", "RowPage", "find_dialect", "quote_key"]
