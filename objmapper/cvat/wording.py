"""What CVAT's own words of a list mean: ``task_id=7`` is ``task=7``, ``owner="admin"`` is a user name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def condition(model: Any, name: str, value: Any) -> tuple[str, Any]:
    """Return a condition of CVAT's names, or of field names, as one of field names.

    >>> from objmapper.cvat import Job
    >>> condition(Job, "task_id__in", [7]), condition(Job, "assignee", "admin")
    (('task__in', [7]), ('assignee__username', 'admin'))
    """
    field, *lookup = name.split("__", 1)
    if isinstance(value, str) and f"{field}__username" in _asked(model):
        field = f"{field}__username"
    elif field not in model.__mapper__.fields:
        field = _paths(model).get(field, field)
    return "__".join([field, *lookup]), value


def order(model: Any, name: str) -> str:
    """Return one name of CVAT's ``sort`` as one of ``order_by``."""
    bare = name.strip().removeprefix("-")
    return ("-" if name.strip().startswith("-") else "") + _paths(model).get(bare, bare)


def _asked(model: Any) -> Mapping[str, str]:
    """Return what an endpoint can be asked for: paths of field names, with CVAT's names for them."""
    options = model.__mapper__.options.get("dialect_options") or {}
    return {**options.get("parameters", {}), **options.get("filters", {})}


def _paths(model: Any) -> Mapping[str, str]:
    """Return the paths of field names by CVAT's names for them; of several the shortest."""
    longest_first = sorted(_asked(model).items(), key=lambda pair: -len(pair[0]))
    return {name: path for path, name in longest_first}


__all__ = ["condition", "order"]
