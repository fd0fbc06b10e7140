"""S1 and V1: lists through objmapper, and through the clients that its bindings replace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmarks import served
from benchmarks.measure import Measure, Row, in_turns

RUNS, TASKS = 1_000, 10_000
#: A turn of cvat-sdk takes half a minute.
MOST_TURNS = 3


def sampler(way: str, count: int, *server: str) -> Callable[[], float]:
    """Return what lists everything once, in another process: microseconds of its CPU a row."""
    command = [sys.executable, "-m", "benchmarks.reader", way, *server]

    def sample() -> float:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds, found = done.stdout.split()
        assert int(found) == count, f"{way}: {found} of {count}"
        return float(seconds) * 1e6 / count

    return sample


def compared(
    kind: str, peer: str, goal: float, count: int, turns: int, *server: str
) -> list[Measure]:
    """Return how much less a row takes with objmapper than with *peer*, and what with each client."""
    names = {
        f"{kind}, objmapper": "objmapper",
        f"{kind}, its own": peer,
        f"{kind}, requests": "requests + json.loads",
    }
    found = in_turns({way: sampler(way, count, *server) for way in names}, turns)
    ratio = found[f"{kind}, its own"].over(found[f"{kind}, objmapper"])
    return [
        Measure(f"{peer} / objmapper", "x", ratio, goal=goal, at_least=True),
        *(Measure(names[way], "µs", samples) for way, samples in found.items()),
    ]


def runs(turns: int) -> Row:
    """Return how much less CPU a list of runs takes than with simvue."""
    with served.simvue(seed=f"10x{RUNS // 10}") as (url, token):
        measures = compared("simvue", "simvue", 10.0, RUNS, turns, url, token)
    return Row("S1", f"list {RUNS:,} runs of a Simvue and read their names; µs a row", measures)


def tasks(turns: int) -> Row:
    """Return how much less CPU a list of tasks takes than with cvat-sdk."""
    with served.cvat(seed=f"20x{TASKS // 20}") as url:
        measures = compared("cvat", "cvat-sdk", 20.0, TASKS, min(turns, MOST_TURNS), url)
    return Row("V1", f"list {TASKS:,} tasks of a CVAT and read their names; µs a row", measures)
