"""C1: a migration over a network that breaks: what is lost, what is there twice.

``python -m benchmarks.faults [N] [--seed S] [--rate R]`` makes about N creates and updates (10,000 unless
told) through a proxy that harms a share R of all requests, and compares what the server has then with
what it has after the same migration over a good network.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import NamedTuple

from benchmarks import migration, peers, served
from benchmarks.measure import Measure, Row, Samples
from benchmarks.migration import Work
from benchmarks.worlds import CVAT, OnKinto, Rows, World

#: How many operations the row of the table takes.
OPERATIONS = 1_000
RATE = 0.1


class Ended(NamedTuple):
    """How one migration ended."""

    lost: int
    duplicated: int
    uncertain: int
    #: How many requests came to the proxy, how many of them were harmed, and in which ways.
    requests: int
    harmed: Counter[str]
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.lost} lost, {self.duplicated} duplicated, {self.uncertain} uncertain; "
            f"{self.requests} requests, {self.harmed.total()} harmed, {self.seconds:.0f} s"
        )


def expected(world: World, work: Work) -> Rows:
    """Return what is there after the migration over a good network."""
    with world.serve() as url:
        reports = migration.committed(world, url, work)
        assert all(report.ok for report in reports)
        return world.rows(url)


def ended(way: str, world: World, work: Work, due: Rows, rate: float, seed: int) -> Ended:
    """Migrate through the proxy, and return how that ended."""
    proxy_of = served.of_tests("faultproxy").FaultyProxy
    with world.serve() as url:
        with proxy_of(url, rate=rate, seed=seed) as proxy:
            started = time.perf_counter()
            reports = migration.WAYS[way](world, proxy.url, work)
            seconds = time.perf_counter() - started
            requests, harmed = len(proxy.seen), proxy.harmed
        there = world.rows(url)
    uncertain = len(reports[-1].uncertain) if reports else 0
    lost, duplicated = there.lost(due), there.duplicated(due)
    return Ended(lost, duplicated, uncertain, requests, harmed, seconds)


def row(turns: int) -> Row:
    """Return the counts of a run or two, each of a seed of its own; they are none of time."""
    work = Work.of(OPERATIONS)
    measures, notes = [], []
    for world in worlds():
        due = expected(world, work)
        for way in ways(world):
            seeds = range(1, min(turns, 2) + 1)
            ends = [ended(way, world, work, due, RATE, seed) for seed in seeds]
            for what in ("lost", "duplicated", "uncertain"):
                counts = Samples(tuple(float(getattr(end, what)) for end in ends))
                goal = 0.0 if way == "objmapper" else None
                if goal is not None or what != "uncertain":
                    measures.append(Measure(f"{way}, {world.name}, {what}", "", counts, goal=goal))
            harmed, sent = (
                sum(end.harmed.total() for end in ends),
                sum(end.requests for end in ends),
            )
            notes.append(f"{way}, {world.name}: {harmed} of {sent} requests harmed")
    title = f"{OPERATIONS:,} creates and updates, {RATE:.0%} of all requests harmed"
    return Row("C1", title, measures, notes)


def ways(world: World) -> list[str]:
    """Return the ways to migrate to a server; a loop over requests makes no batches."""
    return ["objmapper"] if world.name.endswith("-batched") else list(migration.WAYS)


def worlds() -> list[World]:
    """Return the servers that are installed."""
    kinto = [OnKinto("kinto", max_batch=0), OnKinto("kinto-batched")]
    return [CVAT(), *([] if "kinto" in peers.MISSING else kinto)]


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.faults", description=__doc__)
    parser.add_argument("operations", nargs="?", type=int, default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=RATE)
    known = {world.name: world for world in worlds()}
    parser.add_argument("--server", choices=known, action="append", help="default: all")
    arguments = parser.parse_args()
    work = Work.of(arguments.operations)
    print(f"{work}, rate {arguments.rate}, seed {arguments.seed}", flush=True)
    for name in arguments.server or known:
        world = known[name]
        due = expected(world, work)
        print(f"{name}, over a good network: {due.total()} rows", flush=True)
        for way in ways(world):
            end = ended(way, world, work, due, arguments.rate, arguments.seed)
            print(f"{name}, {way}: {end}", flush=True)


if __name__ == "__main__":
    main()
