"""C4: 2,000 files become the data of a task: how fast they go out, and what that takes of memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.measure import Measure, Row, Samples
from benchmarks.sink import sink

FILES, SIZE = 2_000, 50_000
MIB = 2**20
#: A turn takes some seconds.
MOST_TURNS = 9


def files(folder: Path, count: int, size: int) -> None:
    """Write files that no compression makes smaller."""
    for number in range(count):
        (folder / f"{number:06}.jpg").write_bytes(os.urandom(size))


def once(way: str, url: str, folder: Path) -> dict[str, Any]:
    """Upload the files in a process of its own; return its seconds, and bytes beside the idle one."""
    command = [sys.executable, "-m", "benchmarks.uploader", way, url, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(turns: int) -> Row:
    ways = ["objmapper"] + ["cvat sdk"] * ("cvat-sdk" not in peers.MISSING)
    told: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name, sink() as url:
        folder = Path(name)
        files(folder, FILES, SIZE)
        for _ in range(min(turns, MOST_TURNS)):
            for way in ways:
                told[way].append(once(way, url, folder))
    megabytes = FILES * SIZE / 1e6
    speed = {way: Samples(tuple(megabytes / each["seconds"] for each in told[way])) for way in ways}
    memory = {way: Samples(tuple(each["memory"] / MIB for each in told[way])) for way in ways}
    measures = [
        Measure("objmapper, memory beside the idle process", "MiB", memory["objmapper"], goal=32.0)
    ]
    if "cvat sdk" in speed:
        ratio = speed["objmapper"].over(speed["cvat sdk"])
        measures.append(
            Measure("objmapper / cvat-sdk, MB a second", "x", ratio, goal=2.0, at_least=True)
        )
        measures.append(
            Measure("cvat-sdk, memory beside the idle process", "MiB", memory["cvat sdk"])
        )
    measures += [Measure(f"{way}, MB a second", "/s", speed[way]) for way in ways]
    title = (
        f"upload of {FILES:,} files of {SIZE // 1000} kB to a server that only reads; by the clock"
    )
    return Row("C4", title, measures)
