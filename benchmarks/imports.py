"""P9: what ``import objmapper`` takes, against importing the four packages that it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

from benchmarks.measure import Measure, Row, in_turns

FOUR = "requests, marshmallow, blinker, cachetools"
CHILD = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"


def sampler(modules: str, environment: dict[str, str]) -> Callable[[], float]:
    command = [sys.executable, "-c", CHILD.format(modules)]

    def sample() -> float:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, env=environment
        )
        return float(done.stdout) * 1e3

    return sample


def row(turns: int) -> Row:
    with tempfile.TemporaryDirectory() as cache:
        # Byte code for all alike, whatever the user's own settings and rights are.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = cache
        taken = in_turns(
            {name: sampler(name, environment) for name in ("objmapper", FOUR)}, 3 * turns
        )
    return Row(
        "P9",
        "import objmapper",
        [
            Measure(
                "objmapper / its four packages",
                "x",
                taken["objmapper"].over(taken[FOUR]),
                goal=1.25,
            ),
            Measure("import objmapper", "ms", taken["objmapper"]),
            Measure(f"import {FOUR}", "ms", taken[FOUR]),
        ],
    )
