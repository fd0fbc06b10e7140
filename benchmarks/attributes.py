"""P3: an attribute is read, and written under tracking."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from typing import Any

from benchmarks import peers
from benchmarks.loading import Bare
from benchmarks.measure import Case, Measure, Row, Samples, in_turns, measured
from benchmarks.records import Task, loaded, record

LOOPS, UNROLLED = 10_000, 10
FRESH = 5_000


def nanoseconds(statement: str, **names: Any) -> Callable[[], float]:
    """Return a sampler of one run of *statement*, without the loop around it."""
    timer = timeit.Timer("\n".join([statement] * UNROLLED), globals=names, timer=time.process_time)
    loop = timeit.Timer("pass", globals=names, timer=time.process_time)
    return lambda: (timer.timeit(LOOPS) - loop.timeit(LOOPS)) * 1e9 / (LOOPS * UNROLLED)


class WithProperty(Bare):
    """What a hand-written class with one property costs; less is not possible in Python."""

    __slots__ = ()

    @property
    def name(self) -> Any:
        return self._row["name"]

    @name.setter
    def name(self, value: str) -> None:
        self._row["name"] = value


class Slots:
    __slots__ = ("name",)


def first_writes(given: tuple[Any, list[Task]]) -> None:
    for task in given[1]:
        task.name = "renamed"


def first_looks(given: tuple[Any, list[Task]]) -> None:
    for task in given[1]:
        task.tags  # noqa: B018


def row(turns: int) -> Row:
    unit, (task, clean, toggled, *_) = loaded(50)
    task.name = "renamed"
    assert task.created  # converted
    assert task.tags  # touched
    base = toggled.name
    bare, slots = WithProperty(), Slots()
    bare._row, slots.name = record(1), "x"
    samplers = {
        "read text": nanoseconds("o.name", o=task),
        "read a time, converted before": nanoseconds("o.created", o=task),
        "read a list, touched before": nanoseconds("o.tags", o=task),
        "write, after the first one": nanoseconds("o.name = a; o.name = b", o=task, a="a", b="b"),
        "write what it is already": nanoseconds("o.status = a", o=clean, a=clean.status),
        "write and set back": nanoseconds("o.name = a; o.name = b", o=toggled, a="a", b=base),
        "floor: property by hand, read": nanoseconds("o.name", o=bare),
        "floor: property by hand, write": nanoseconds("o.name = 'a'", o=bare),
        "floor: slot, read": nanoseconds("o.name", o=slots),
        "floor: slot, write": nanoseconds("o.name = 'a'", o=slots),
    }
    if "msgspec" not in peers.MISSING:
        struct = peers.row_makers()["msgspec.convert"](record(1))
        samplers["msgspec Struct, read"] = nanoseconds("o.name", o=struct)
        samplers["msgspec Struct, write"] = nanoseconds("o.name = 'a'", o=struct)
    halved = {"write, after the first one", "write and set back"}
    goals = {"read text": 60.0, "write, after the first one": 120.0}
    taken = in_turns(samplers, turns)
    measures = [
        Measure(
            name,
            "ns",
            Samples(tuple(v / 2 for v in s.values)) if name in halved else s,
            goal=goals.get(name),
        )
        for name, s in taken.items()
    ]
    cases = {
        "first write of an object": Case(first_writes, lambda: loaded(FRESH), FRESH),
        "first look at a list": Case(first_looks, lambda: loaded(FRESH), FRESH),
    }
    measures += measured(cases, turns, "µs", {})
    unit.close()
    return Row("P3", "attribute read; tracked write after the first", measures)
