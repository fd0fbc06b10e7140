"""One sample of P2, in a process of its own, so that no way inherits the memory of another.

``python -m benchmarks.lister WAY KEEP PARSER COLLECT URL PAGE`` lists everything below URL and prints
the CPU seconds that took: the imports are not counted.
"""

from __future__ import annotations

import sys

WAY, KEEP, PARSER, COLLECT, URL, PAGE = sys.argv[1:]
if PARSER == "json":  # before anything is imported that would take it
    sys.modules["orjson"] = None  # type: ignore[assignment]

import gc  # noqa: E402
import importlib  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

import requests  # noqa: E402

from benchmarks.records import Task  # noqa: E402
from objmapper import Client, Session  # noqa: E402
from objmapper.dialects.drf import DRF  # noqa: E402

loads = importlib.import_module(PARSER).loads


def with_requests() -> list[Any]:
    """List with requests and a parser alone, as one would without a library."""
    kept: list[Any] = []
    with requests.Session() as http:
        page: str | None = f"{URL}/tasks/?page_size={PAGE}"
        while page is not None:
            answer = http.get(page, timeout=30)
            answer.raise_for_status()
            body = loads(answer.content)
            page = body["next"]
            if KEEP == "kept":
                kept += body["results"]
    return kept


def with_objmapper() -> list[Any]:
    """List with objmapper."""
    with Client(URL, dialect=DRF(page_size=int(PAGE))) as client, Session(client):
        if KEEP == "kept":
            return list(Task.objects.all())
        for _ in Task.objects.iterator(prefetch_pages=0):
            pass
    return []


ways = {"requests": with_requests, "objmapper": with_objmapper}
gc.collect()
if COLLECT == "off":
    gc.disable()
started = time.process_time()
found = ways[WAY]()
print(time.process_time() - started, len(found))
