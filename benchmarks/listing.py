"""P2: the whole way of a list, from a socket to objects, against requests and a parser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks import peers
from benchmarks.measure import Measure, Row, Samples, in_turns
from benchmarks.origin import origin

ROWS, PAGE = 100_000, 1_000
GOALS = {"json": 1.20, "orjson": 1.25}


def sampler(way: str, keep: str, parser: str, collect: str, url: str) -> Callable[[], float]:
    """Return what lists everything once, in another process: microseconds a row."""
    arguments = [way, keep, parser, collect, url, str(PAGE)]

    def sample() -> float:
        command = [sys.executable, "-m", "benchmarks.lister", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds, count = done.stdout.split()
        assert int(count) == (ROWS if keep == "kept" else 0)
        return float(seconds) * 1e6 / ROWS

    return sample


def row(turns: int) -> Row:
    parsers = ["json"] + ["orjson"] * ("orjson" not in peers.MISSING)
    with origin(ROWS, PAGE) as url:
        taken: dict[Any, Samples] = in_turns(
            {
                (way, keep, parser, collect): sampler(way, keep, parser, collect, url)
                for way in ("objmapper", "requests")
                for keep in ("kept", "dropped")
                for parser in parsers
                for collect in ("on", "off")
            },
            turns,
        )
    measures = []
    for parser in parsers:
        for keep in ("kept", "dropped"):
            on, off = (
                taken["objmapper", keep, parser, collect].over(
                    taken["requests", keep, parser, collect]
                )
                for collect in ("on", "off")
            )
            name = f"objmapper / requests + {parser}.loads, {keep}"
            measures.append(Measure(name, "x", on, off, GOALS[parser]))
    measures += [
        Measure(
            f"{way} + {parser}.loads, {keep}",
            "µs",
            samples,
            taken[way, keep, parser, "off"],
        )
        for (way, keep, parser, collect), samples in taken.items()
        if collect == "on"
    ]
    return Row("P2", f"list {ROWS:,} objects in pages of {PAGE:,}; µs a row", measures)
