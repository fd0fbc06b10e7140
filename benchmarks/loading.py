"""P1: a decoded row becomes an object in the identity map."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from typing import Any

from benchmarks import peers
from benchmarks.measure import Case, Row, measured
from benchmarks.records import Event, Task, pages_of, session, text_of
from objmapper import Model

ROWS, PAGE = 20_000, 500
#: Rows for what takes a hundred times as long.
FEW = 1_000


def kept(model: type[Model]) -> Callable[[Any], object]:
    """Return what lists all objects, which the caller keeps."""

    def work(pages: Any) -> object:
        unit = session(pages)
        return [unit, list(model.objects.using(unit).all())]

    return work


def dropped(pages: Any) -> object:
    """List all objects, none of which the caller keeps."""
    unit = session(pages)
    for _ in Task.objects.using(unit).iterator(prefetch_pages=0):
        pass
    return unit


class Bare:
    __slots__ = ("__weakref__", "_row", "_state")


def bare(pages: list[list[dict[str, Any]]]) -> list[Bare]:
    """Make objects that keep their row and a state, and nothing else."""
    new, state, found = object.__new__, object(), []
    for rows in pages:
        for row in rows:
            obj = new(Bare)
            obj._row = row
            obj._state = state
            found.append(obj)
    return found


def bare_in_a_map(pages: list[list[dict[str, Any]]]) -> list[Any]:
    """Make them, and keep them in a dict of weak references by key."""
    new, state, home, dead, found = object.__new__, object(), {}, [].append, []
    for rows in pages:
        for row in rows:
            obj = new(Bare)
            obj._row = row
            obj._state = state
            home[row["id"]] = weakref.ref(obj, dead)
            found.append(obj)
    return [home, found]


def each(make: Any) -> Any:
    return lambda pages: [make(row) for rows in pages for row in rows]


def row(turns: int) -> Row:
    text, few = text_of(ROWS), text_of(FEW)

    def pages() -> list[list[dict[str, Any]]]:
        return pages_of(text, PAGE)

    cases = {
        "objmapper, objects kept": Case(kept(Task), pages, ROWS),
        "objmapper, objects dropped": Case(dropped, pages, ROWS),
        "objmapper, class told by the row": Case(kept(Event), pages, ROWS),
        "floor: object.__new__, row, state": Case(bare, pages, ROWS),
        "floor: the same in a map of weakref.ref": Case(bare_in_a_map, pages, ROWS),
        "floor: dict(row)": Case(each(dict), pages, ROWS),
        "floor: json.loads": Case(json.loads, lambda: text, ROWS),
    }
    if "orjson" not in peers.MISSING:
        import orjson  # noqa: PLC0415 - an extra

        cases["floor: orjson.loads"] = Case(orjson.loads, lambda: text, ROWS)
    for name, make in peers.row_makers().items():
        cases[name] = Case(each(make), pages, ROWS)
    schema = peers.TaskSchema()
    cases["marshmallow Schema.load"] = Case(each(schema.load), lambda: pages_of(few, PAGE), FEW)
    goals = dict.fromkeys(list(cases)[:3], 0.5)
    return Row(
        "P1",
        "decoded row -> object in the identity map",
        measured(cases, turns, "µs", goals),
        ["goals are for gc off; msgspec, cattrs, pydantic, marshmallow convert and check all"],
    )
