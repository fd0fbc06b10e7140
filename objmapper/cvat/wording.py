"""What CVAT's own words of a list mean: ``task_id=7`` is ``task=7``, ``owner="admin"`` is a user name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from objmapper.query import Q, Term

#: CVAT's lookups that go by another name here.
_LOOKUPS = {"between": "range", "ne": "exact", "isset": "isnull"}
#: What is asked of people by their names, whatever it is compared with.
_OF_NAMES = frozenset({"contains", "isnull"})


def condition(model: Any, name: str, value: Any) -> Q:
    """Return a condition of CVAT's names, or of field names, as one of field names.

    >>> from objmapper.cvat import Job
    >>> condition(Job, "task_id__in", [7]), condition(Job, "assignee__ne", "admin")
    (Q(task__in=[7]), ~Q(assignee__username__exact='admin'))
    """
    field, *lookups = name.split("__", 1)
    said = lookups[0] if lookups else "exact"
    lookup = _LOOKUPS.get(said, said)
    if said == "isset" and isinstance(value, bool):
        value = not value
    if f"{field}__username" in _asked(model) and _is_of_names(lookup, value):
        field = f"{field}__username"
    elif field not in model.__mapper__.fields:
        field = _paths(model).get(field, field)
    found = Q(Term(f"{field}__{lookup}" if lookups else field, value))
    return ~found if said == "ne" else found


def order(model: Any, name: str) -> str:
    """Return one name of CVAT's ``sort`` as one of ``order_by``."""
    bare = name.strip().removeprefix("-")
    return ("-" if name.strip().startswith("-") else "") + _paths(model).get(bare, bare)


def _is_of_names(lookup: str, value: Any) -> bool:
    """Whether people are asked for by their names, as CVAT does, and not by their ids."""
    if lookup in _OF_NAMES or value is None:
        return True
    several = value if isinstance(value, list | tuple | set | frozenset) else (value,)
    return bool(several) and all(isinstance(each, str) for each in several)


def _asked(model: Any) -> Mapping[str, str]:
    """Return what an endpoint can be asked for: paths of field names, with CVAT's names for them."""
    options = model.__mapper__.options.get("dialect_options") or {}
    return {**options.get("parameters", {}), **options.get("filters", {})}


def _paths(model: Any) -> Mapping[str, str]:
    """Return the paths of field names by CVAT's names for them; of several the shortest."""
    longest_first = sorted(_asked(model).items(), key=lambda pair: -len(pair[0]))
    return {name: path for path, name in longest_first}


__all__ = ["condition", "order"]
