"""P6: what a commit does for an operation beside HTTP: bookkeeping, validation, the journal."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Case, Measure, Row, Samples, in_turns
from benchmarks.records import Nowhere, Task, loaded
from objmapper import Session
from objmapper.operation import Json, Request, Response

SIZES = (1_000, 10_000, 100_000)


class Numbering(Nowhere):
    """A client whose server gives every new object the next number."""

    def __init__(self) -> None:
        super().__init__([])
        self.last = 0

    def send(self, request: Request) -> Response:
        self.last += 1
        return Response(201, {}, b'{"id": %d}' % self.last, request.method)


def updates(count: int, **options: Any) -> tuple[Session, list[Any]]:
    """Return a session with *count* renamed tasks, and the tasks."""
    unit, tasks = loaded(count, **options)
    for task in tasks:
        task.name = "renamed"
    return unit, tasks


def creations(count: int, **options: Any) -> tuple[Session, list[Any]]:
    """Return a session with *count* new tasks, and the tasks."""
    unit = Session(Numbering(), **options)
    tasks = [Task(name=f"task {number}", size=number) for number in range(count)]
    for number, task in enumerate(tasks):
        unit.add(task, tag=f"row {number}" if options else None)
    return unit, tasks


def journaled(make: Callable[..., Any], count: int, *, collect: bool) -> float:
    """Return what `sample` does, of a commit whose intents and outcomes are written to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "commit.journal"))
        return sample(partial(make, journal=path), count, collect=collect)


def validation(count: int, *, collect: bool) -> float:
    """Return the microseconds that the check of a changed field takes."""
    unit, tasks = updates(count)
    gc.collect()
    if not collect:
        gc.disable()
    try:
        started = time.process_time()
        for task in tasks:
            task.validate()
        return (time.process_time() - started) * 1e6 / count
    finally:
        gc.enable()
        unit.close()


def sample(make: Callable[[int], Any], count: int, *, collect: bool) -> float:
    """Return the microseconds an operation of one commit, less what ``validate()`` takes."""
    unit, tasks = make(count)
    gc.collect()
    if not collect:
        gc.disable()
    try:
        started = time.process_time()
        for task in tasks:
            task.validate()
        valid = time.process_time()
        report = unit.commit(workers=1)
        ended = time.process_time()
    finally:
        gc.enable()
    assert report.requests == count
    unit.close()
    return ((ended - valid) - (valid - started)) * 1e6 / count


def by_hand(rows: list[dict[str, Any]]) -> list[Any]:
    """Create the rows in a loop, and keep of each what was sent and what became of it."""
    client = Numbering()
    outcomes = []
    for row in rows:
        request = Request("POST", "tasks", body=Json(dict(row)))
        response = client.send(request)
        row["id"] = response.json()["id"]
        outcomes.append((row, request, response.status))
    return outcomes


def rows_of(count: int) -> list[dict[str, Any]]:
    """Return what `creations` creates, as rows."""
    return [{"name": f"task {number}", "size": number} for number in range(count)]


def row(turns: int) -> Row:
    samplers: dict[Any, Callable[[], float]] = {}
    middle = SIZES[1]
    loop = Case(by_hand, partial(rows_of, middle), units=middle)
    for on in (True, False):
        for count in SIZES:
            for make in (updates, creations):
                samplers[make.__name__, count, on] = partial(sample, make, count, collect=on)
        samplers["by hand", middle, on] = lambda on=on: loop.sample(collect=on)
        samplers["field", middle, on] = lambda on=on: validation(middle, collect=on)
        for make in (updates, creations):
            name = f"journaled {make.__name__}"
            samplers[name, middle, on] = lambda m=make, on=on: journaled(m, middle, collect=on)
    taken: dict[Any, Samples] = in_turns(samplers, turns)
    measures = [
        Measure(f"objmapper, {count:,} {what}", "µs", taken[key], taken[what, count, False], 20.0)
        for key in taken
        for what, count, on in [key]
        if on and what in ("updates", "creations")
    ]
    least = taken["by hand", middle, True], taken["by hand", middle, False]
    measures.append(Measure(f"floor: a loop that keeps {middle:,} outcomes", "µs", *least))
    checked = taken["field", middle, True], taken["field", middle, False]
    measures.append(Measure("objmapper, a field checked", "µs", *checked, goal=3.0))
    for what in ("updates", "creations"):
        more = [
            taken[f"journaled {what}", middle, on].less(taken[what, middle, on])
            for on in (True, False)
        ]
        name = f"objmapper, the journal's share of {middle:,} {what}"
        measures.append(Measure(name, "µs", *more, goal=25.0))
    return Row("P6", "commit bookkeeping, an operation", measures)
