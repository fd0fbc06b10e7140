"""P6: what a commit does for an operation beside HTTP and validation."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from benchmarks.measure import Measure, Row, Samples, in_turns
from benchmarks.records import Nowhere, Task, loaded
from objmapper import Session
from objmapper.operation import Request, Response

SIZES = (1_000, 10_000, 100_000)


class Numbering(Nowhere):
    """A client whose server gives every new object the next number."""

    def __init__(self) -> None:
        super().__init__([])
        self.last = 0

    def send(self, request: Request) -> Response:
        self.last += 1
        return Response(201, {}, b'{"id": %d}' % self.last, request.method)


def updates(count: int) -> tuple[Session, list[Any]]:
    """Return a session with *count* renamed tasks, and the tasks."""
    unit, tasks = loaded(count)
    for task in tasks:
        task.name = "renamed"
    return unit, tasks


def creations(count: int) -> tuple[Session, list[Any]]:
    """Return a session with *count* new tasks, and the tasks."""
    unit = Session(Numbering())
    tasks = [Task(name=f"task {number}", size=number) for number in range(count)]
    unit.add_all(tasks)
    return unit, tasks


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
    return ((ended - valid) - (valid - started)) * 1e6 / count


def row(turns: int) -> Row:
    samplers = {}
    for count in SIZES:
        for on in (True, False):
            samplers["updates", count, on] = lambda c=count, on=on: sample(updates, c, collect=on)
    for on in (True, False):
        samplers["creations", SIZES[1], on] = lambda on=on: sample(creations, SIZES[1], collect=on)
    taken: dict[Any, Samples] = in_turns(samplers, turns)
    measures = [
        Measure(
            f"objmapper, {count:,} {what}",
            "µs",
            taken[what, count, True],
            taken[what, count, False],
            20.0,
        )
        for what, count, on in taken
        if on
    ]
    return Row("P6", "commit bookkeeping, an operation", measures)
