"""C2: many updates, a request each, to a server that takes its time: how many a second."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmarks import peers, served
from benchmarks.measure import Measure, Row, Samples, in_turns
from benchmarks.origin import origin, relayed

UPDATES, DELAY = 2_000, 0.005
#: A loop takes as long for each; so many tell how long.
LOOPED = 400
#: A turn takes half a minute.
MOST_TURNS = 3
PLAIN = ("objmapper", "requests")
CVAT = ("cvat objmapper", "cvat requests", "cvat sdk")
#: What each way is called in the table.
NAMES = {
    "objmapper": "objmapper, 8 workers",
    "requests": "ThreadPoolExecutor(8) on requests.Session",
    "cvat objmapper": "objmapper, 8 workers, on CVAT",
    "cvat requests": "ThreadPoolExecutor(8) on requests.Session, on CVAT",
    "cvat sdk": "loop over cvat-sdk's task.update, on CVAT",
}


def sampler(way: str, url: str, updates: int) -> Callable[[], float]:
    """Return what makes the updates once, in another process: how many a second."""
    command = [sys.executable, "-m", "benchmarks.updater", way, url, str(updates)]

    def sample() -> float:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return float(done.stdout)

    return sample


def taken(turns: int) -> dict[str, Samples]:
    """Return the updates a second of every way that is installed, all taken in turns."""
    ways = [way for way in (*PLAIN, *CVAT) if way != "cvat sdk" or "cvat-sdk" not in peers.MISSING]
    with (
        origin(UPDATES, UPDATES, DELAY) as plain,
        served.cvat(seed=f"20x{UPDATES // 20}") as server,
        relayed(server, DELAY) as cvat,
    ):
        samplers = {
            way: sampler(
                way, plain if way in PLAIN else cvat, LOOPED if way == "cvat sdk" else UPDATES
            )
            for way in ways
        }
        return in_turns(samplers, min(turns, MOST_TURNS))


def row(turns: int) -> Row:
    found = taken(turns)
    measures = [
        Measure(
            "objmapper / ThreadPoolExecutor on requests.Session",
            "x",
            found["objmapper"].over(found["requests"]),
            goal=0.95,
            at_least=True,
        )
    ]
    if "cvat sdk" in found:
        ratio = found["cvat objmapper"].over(found["cvat sdk"])
        measures.append(
            Measure("objmapper / cvat-sdk's update loop", "x", ratio, goal=10.0, at_least=True)
        )
    measures += [Measure(NAMES[way], "/s", samples) for way, samples in found.items()]
    return Row(
        "C2", f"{UPDATES:,} updates, {DELAY * 1e3:.0f} ms on the way; by the clock", measures
    )
