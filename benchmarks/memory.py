"""P4: the bytes of an object, and with all that keeps it in its place."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

from benchmarks import peers
from benchmarks.loading import bare, kept
from benchmarks.measure import Measure, Row, Samples
from benchmarks.records import Task, loaded, pages_of, text_of

PAGE = 500


def bytes_of(make: Callable[[Any], Any], rows: int) -> float:
    """Return the bytes a row that *make* adds to rows that are there already."""
    pages = pages_of(text_of(rows), PAGE)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    made = make(pages)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    del made, pages
    return size / rows


def written(pages: Any) -> Any:
    unit, tasks = listed(pages)
    for task in tasks:
        task.name = "renamed"
    return unit, tasks


def looked_at(pages: Any) -> Any:
    unit, tasks = listed(pages)
    for task in tasks:
        assert task.tags
    return unit, tasks


listed: Callable[[Any], Any] = kept(Task)


def row(turns: int) -> Row:
    """Bytes are counted, not measured: one turn tells them."""
    task = loaded(1)[1][0]

    def sure(name: str, size: float, goal: float | None = None) -> Measure:
        return Measure(name, "B", Samples((size,)), goal=goal)

    measures = [sure("objmapper, the object alone", sys.getsizeof(task), 64.0)]
    measures += [
        sure(f"objmapper, all in, {rows:,} kept", bytes_of(listed, rows), 200.0)
        for rows in (1_000, 20_000, 100_000)
    ]
    measures += [
        sure("objmapper, all in, after a first write", bytes_of(written, 20_000)),
        sure("objmapper, all in, after a first look at a list", bytes_of(looked_at, 20_000)),
        sure("floor: object.__new__, row, state", bytes_of(bare, 20_000)),
        sure("floor: dict(row)", bytes_of(lambda p: [dict(r) for rows in p for r in rows], 20_000)),
        sure("the row itself, as json.loads makes it", row_bytes(20_000)),
    ]
    makers = peers.row_makers()
    measures += [
        sure(name, bytes_of(lambda p, m=make: [m(r) for rows in p for r in rows], 20_000))
        for name, make in makers.items()
    ]
    return Row(
        "P4",
        "bytes of an object; with its place in the map (weak reference, entry, key, list)",
        measures,
        ["what is added to decoded rows that are there already; tracemalloc, the sizes are exact"],
    )


def row_bytes(rows: int) -> float:
    text = text_of(rows)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    made = pages_of(text, PAGE)
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    del made
    return size / rows
