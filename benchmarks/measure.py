"""Samples of CPU time, taken in turns, and what they are worth: low, median, high.

Other work comes and goes on a machine. Cases that are to be compared are therefore measured in
turns, a sample each, again and again, and ratios are taken turn by turn.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Samples:
    """What one case took, once for each turn."""

    values: tuple[float, ...]

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def over(self, other: Samples) -> Samples:
        """Return the ratios to *other*, turn by turn."""
        return Samples(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def less(self, other: Samples) -> Samples:
        """Return the differences to *other*, turn by turn."""
        return Samples(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True)
class Measure:
    """One line of the table; only what objmapper claims has a goal, with the collector on or off."""

    name: str
    unit: str
    samples: Samples
    gc_off: Samples | None = None
    goal: float | None = None
    #: Whether the goal is the least, not the most.
    at_least: bool = False

    @property
    def met(self) -> str:
        """Whether the median keeps to the goal: with the collector on as well as off, or only off."""
        if self.goal is None:
            return ""
        if self._keeps(self.samples):
            return "yes"
        return "with gc off" if self.gc_off and self._keeps(self.gc_off) else "no"

    @property
    def bound(self) -> str:
        """The sign before the goal."""
        return ">=" if self.at_least else "<="

    def _keeps(self, samples: Samples) -> bool:
        assert self.goal is not None
        found = samples.median
        return found >= self.goal if self.at_least else found <= self.goal


@dataclass(frozen=True)
class Row:
    """One claim, with what stands beside it in the same run."""

    code: str
    title: str
    measures: list[Measure]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """Something to be timed: *work* on what *prepare* made, which is not timed.

    A sample is CPU time in microseconds, of one of *units*.
    """

    work: Callable[[Any], object]
    prepare: Callable[[], Any] = lambda: None
    units: int = 1

    def sample(self, *, collect: bool) -> float:
        """Return one sample, with the garbage collector on (as users have it) or off."""
        given = self.prepare()
        gc.collect()
        if not collect:
            gc.disable()
        try:
            started = time.process_time()
            result = self.work(given)
            seconds = time.process_time() - started
        finally:
            gc.enable()
        del result, given
        return seconds * 1e6 / self.units


def in_turns(samplers: Mapping[K, Callable[[], float]], turns: int) -> dict[K, Samples]:
    """Return a sample of each for each turn; a first turn warms up and is thrown away."""
    taken: dict[K, list[float]] = {name: [] for name in samplers}
    names = list(samplers)
    for turn in range(turns + 1):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            taken[name].append(samplers[name]())
    return {name: Samples(tuple(values[1:])) for name, values in taken.items()}


def measured(
    cases: Mapping[str, Case], turns: int, unit: str, goals: Mapping[str, float]
) -> list[Measure]:
    """Return a measure of each case, with the collector on and off, all taken in turns."""
    taken = in_turns(
        {
            (name, collect): lambda case=case, collect=collect: case.sample(collect=collect)
            for name, case in cases.items()
            for collect in (True, False)
        },
        turns,
    )
    return [
        Measure(name, unit, taken[name, True], taken[name, False], goals.get(name))
        for name in cases
    ]
