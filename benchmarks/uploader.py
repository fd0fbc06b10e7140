"""``python -m benchmarks.uploader WAY URL FOLDER``: the files of a folder become the data of a task, once.

Prints the seconds that it took, and how much memory beside what the process had before.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

USER = ("admin", "secret")
SPEC = {"name": "t", "labels": [{"name": "car"}]}


def memory(what: str) -> int:
    """Return what Linux tells of this process's memory, in bytes: VmRSS is now, VmHWM the most."""
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(rf"^{what}:\s*(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def by_objmapper(url: str) -> Callable[[list[Path]], None]:
    from objmapper.cvat import make_client  # noqa: PLC0415 - what is not measured is not imported

    client = make_client(url, credentials=USER)
    return lambda paths: client.tasks.create_from_data(SPEC, paths)


def by_sdk(url: str) -> Callable[[list[Path]], None]:
    from cvat_sdk import make_client  # noqa: PLC0415 - an optional peer

    client = make_client(url, credentials=USER)
    return lambda paths: client.tasks.create_from_data(SPEC, paths)


WAYS = {"objmapper": by_objmapper, "cvat sdk": by_sdk}


def main() -> None:
    way, url, folder = sys.argv[1:]
    paths = sorted(Path(folder).iterdir())
    WAYS[way](url)(paths[:1])  # what is made once is there
    upload = WAYS[way](url)
    before, started = memory("VmRSS"), time.perf_counter()
    upload(paths)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "memory": max(0, memory("VmHWM") - before)}))


if __name__ == "__main__":
    main()
