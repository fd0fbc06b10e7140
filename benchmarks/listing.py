"""P2: the whole way of a list, from a socket to objects, against requests and a parser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import requests
import urllib3

from benchmarks import peers
from benchmarks.measure import Case, Measure, Row, Samples, in_turns, measured
from benchmarks.origin import origin
from objmapper import Client
from objmapper.operation import Request

ROWS, PAGE, REQUESTS = 100_000, 1_000, 200
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


def one_request(turns: int) -> list[Measure]:
    """Return what a request with a small answer takes: the share of a page that is not rows."""
    with origin(1, 1) as url, Client(url) as client, requests.Session() as http:
        pool, asked = urllib3.PoolManager(), Request("GET", "/tasks/", (("page", 1),))
        address = f"{url}/tasks/?page=1"
        ways: dict[str, Callable[[], object]] = {
            "objmapper Client.send": lambda: client.send(asked),
            "requests.Session.get": lambda: http.get(address, timeout=30).content,
            "urllib3 PoolManager.request": lambda: pool.request("GET", address).data,
        }
        cases = {name: Case(again(way), units=REQUESTS) for name, way in ways.items()}
        measures = measured(cases, turns, "µs", {})
        pool.clear()
    return [replace(measure, name=f"one request, {measure.name}") for measure in measures]


def again(way: Callable[[], object]) -> Callable[[Any], object]:
    return lambda _: [way() for _ in range(REQUESTS)]


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
    measures += one_request(turns)
    return Row("P2", f"list {ROWS:,} objects in pages of {PAGE:,}; µs a row", measures)
