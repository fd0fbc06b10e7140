"""One sample of S1 or V1, in a process of its own: everything there is of a kind is listed, and named.

``python -m benchmarks.reader WAY URL [TOKEN]`` prints the CPU seconds that took, and how many there are.
What a client does once, as to log in and to ask for the server's version, is done before.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import requests

from benchmarks.served import USER
from objmapper import Client


def timed(work: Callable[[], list[Any]]) -> tuple[float, int]:
    started = time.process_time()
    found = work()
    return time.process_time() - started, len(found)


def simvue_with_objmapper(url: str, token: str) -> tuple[float, int]:
    """List the runs of a Simvue with objmapper, as its users are used to."""
    binding = importlib.import_module("objmapper.simvue")
    with binding.Client(url, token):
        return timed(lambda: [run.name for _, run in binding.Run.get()])


def simvue_with_its_own(url: str, token: str) -> tuple[float, int]:
    """The same with the published client; a first object has it read its configuration."""
    os.environ |= {"SIMVUE_URL": url, "SIMVUE_TOKEN": token}
    run = importlib.import_module("simvue.api.objects").Run
    list(run.get(count=1))
    return timed(lambda: [each.name for _, each in run.get()])


def simvue_by_hand(url: str, token: str) -> tuple[float, int]:
    """The same with requests."""
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {token}"

        def work() -> list[Any]:
            names: list[Any] = []
            while True:
                asked = {"count": 100, "start": len(names)}
                page = http.get(f"{url}/api/runs", params=asked, timeout=30).json()
                names += [row["name"] for row in page["data"]]
                if len(names) >= page["count"]:
                    return names

        return timed(work)


def cvat_with_objmapper(url: str, token: str) -> tuple[float, int]:
    """List the tasks of a CVAT with objmapper."""
    binding = importlib.import_module("objmapper.cvat")
    with binding.make_client(url, credentials=USER) as client:
        return timed(lambda: [task.name for task in client.tasks.list()])


def cvat_with_its_own(url: str, token: str) -> tuple[float, int]:
    """The same with cvat-sdk."""
    make_client = importlib.import_module("cvat_sdk").make_client
    with make_client(url, credentials=USER) as client:
        return timed(lambda: [task.name for task in client.tasks.list()])


def cvat_by_hand(url: str, token: str) -> tuple[float, int]:
    """The same with requests, in pages as large as objmapper's."""
    with requests.Session() as http, Client(f"{url}/api", dialect="cvat") as client:
        http.auth = USER

        def work() -> list[Any]:
            names: list[Any] = []
            page: str | None = f"{url}/api/tasks?page_size={client.dialect.page_size}"
            while page is not None:
                answer = http.get(page, timeout=60).json()
                names += [row["name"] for row in answer["results"]]
                page = answer["next"]
            return names

        return timed(work)


WAYS: dict[str, Callable[[str, str], tuple[float, int]]] = {
    "simvue, objmapper": simvue_with_objmapper,
    "simvue, its own": simvue_with_its_own,
    "simvue, requests": simvue_by_hand,
    "cvat, objmapper": cvat_with_objmapper,
    "cvat, its own": cvat_with_its_own,
    "cvat, requests": cvat_by_hand,
}

if __name__ == "__main__":
    print(*WAYS[sys.argv[1]](sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""))
