"""C2 and C3: many updates to a server that takes its time, one by one and in batches: how many a second."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmarks import peers, served
from benchmarks.measure import Measure, Row, Samples, in_turns
from benchmarks.origin import origin, relayed
from benchmarks.worlds import OnKinto
from objmapper import Session

UPDATES, DELAY = 2_000, 0.005
#: A loop takes as long for each; so many tell how long.
LOOPED = 400
#: A turn takes half a minute.
MOST_TURNS = 3
PLAIN = ("objmapper", "requests")
CVAT = ("cvat objmapper", "cvat requests", "cvat sdk")
#: Kinto's changes over requests: a request each, and in batches.
BY_HAND = ("kinto by hand", "kinto batches by hand")
#: What each way is called in the table.
NAMES = {
    "objmapper": "objmapper, 8 workers",
    "requests": "ThreadPoolExecutor(8) on requests.Session",
    "cvat objmapper": "objmapper, 8 workers, on CVAT",
    "cvat requests": "ThreadPoolExecutor(8) on requests.Session, on CVAT",
    "cvat sdk": "loop over cvat-sdk's task.update, on CVAT",
}


def sampler(way: str, url: str, updates: int, workers: int = 8) -> Callable[[], float]:
    """Return what makes the updates once, in another process: how many a second."""
    arguments = [way, url, str(updates), str(workers)]
    command = [sys.executable, "-m", "benchmarks.updater", *arguments]

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


def batches(turns: int) -> Row:
    """Return how much faster Kinto is told of the same updates by batches of 25."""
    world = OnKinto("kinto")
    with world.serve() as server, relayed(server, DELAY) as url:
        with world.client(server, timeout=60) as client, Session(client) as session:
            session.add_all(world.Task(name=f"t{number}") for number in range(UPDATES))
            session.commit()
        ways = [(way, workers) for way in ("kinto alone", "kinto batched") for workers in (1, 8)]
        ways += [(way, 8) for way in BY_HAND]
        samplers = {(way, workers): sampler(way, url, UPDATES, workers) for way, workers in ways}
        found = in_turns(samplers, min(turns, MOST_TURNS))
    measures = [
        Measure(
            f"objmapper in batches / a request each, workers: {workers}",
            "x",
            found["kinto batched", workers].over(found["kinto alone", workers]),
            goal=4.0,
            at_least=True,
        )
        for workers in (1, 8)
    ]
    alone, batched = (found[way, 8] for way in BY_HAND)
    measures.append(
        Measure("by hand in batches / a request each, 8 threads", "x", batched.over(alone))
    )
    measures += [
        Measure(f"objmapper, {way.removeprefix('kinto ')}, workers: {workers}", "/s", samples)
        for (way, workers), samples in found.items()
        if way not in BY_HAND
    ]
    measures += [
        Measure(f"requests on a pool of 8 threads, {what}", "/s", samples)
        for what, samples in (("alone", alone), ("batched", batched))
    ]
    note = "with 8 workers Kinto itself is busy all the time, in batches and without"
    return Row("C3", f"{UPDATES:,} updates of a Kinto, {DELAY * 1e3:.0f} ms away", measures, [note])
