"""One sample of C2 or C3, in a process of its own: tasks are renamed.

``python -m benchmarks.updater WAY URL COUNT [WORKERS]`` renames the first COUNT tasks and prints how many
that were a second, by the clock; they are read before. WAY is one of WAYS; the first word of some names
the server that they speak to.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import requests

from benchmarks.records import Task
from benchmarks.served import USER
from benchmarks.worlds import OnKinto
from objmapper import Client, Session
from objmapper.dialects.drf import DRF

WORKERS = int(sys.argv[4]) if len(sys.argv) > 4 else 8
#: No task is called so yet, or a commit would have nothing to send.
NAME = f"renamed at {time.time_ns()}"


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def with_objmapper(url: str, count: int) -> float:
    """Rename tasks of a plain REST service by a commit."""
    with Client(url, dialect=DRF(page_size=count)) as client, Session(client) as session:
        return committed(session, Task, count)


def with_requests(url: str, count: int) -> float:
    """The same by hand: requests on a pool of threads."""
    with requests.Session() as http:
        return by_hand(http, f"{url}/tasks/", "/", list(range(1, count + 1)))


def cvat_with_objmapper(url: str, count: int) -> float:
    """Rename tasks of a CVAT by a commit."""
    models = importlib.import_module("objmapper.cvat")
    client = Client(f"{url}/api", dialect="cvat", auth=USER)
    with client, Session(client) as session:
        return committed(session, models.Task, count)


def cvat_with_requests(url: str, count: int) -> float:
    """The same by hand."""
    with requests.Session() as http:
        http.auth = USER
        keys = []
        page: str | None = f"{url}/api/tasks?page_size=500"
        while page is not None:
            answer = http.get(page, timeout=30).json()
            keys += [row["id"] for row in answer["results"]]
            page = answer["next"]
        return by_hand(http, f"{url}/api/tasks/", "", keys[:count])


def cvat_with_sdk(url: str, count: int) -> float:
    """The same with cvat-sdk, as its users write it: each task is updated in a loop."""
    make_client = importlib.import_module("cvat_sdk").make_client
    with make_client(url, credentials=USER) as client:
        tasks = client.tasks.list()[:count]

        def work() -> None:
            for task in tasks:
                task.update({"name": NAME})

        return timed(work)


def kinto_alone(url: str, count: int) -> float:
    """Change records of a Kinto by a commit, a request each."""
    return _on_kinto(url, count, max_batch=0)


def kinto_batched(url: str, count: int) -> float:
    """The same in as few requests as Kinto permits."""
    return _on_kinto(url, count)


def kinto_by_hand(url: str, count: int) -> float:
    """The same by requests on a pool of threads, a request each."""
    with requests.Session() as http:
        keys = _kinto_keys(http, url, count)
        return timed(lambda: _pooled(partial(_kinto_change, http, url), keys))


def kinto_batches_by_hand(url: str, count: int) -> float:
    """The same in batches of 25 by hand."""
    with requests.Session() as http:
        keys = _kinto_keys(http, url, count)
        groups = [keys[start : start + 25] for start in range(0, count, 25)]
        return timed(lambda: _pooled(partial(_kinto_batch, http, url), groups))


def _kinto_keys(http: requests.Session, url: str, count: int) -> list[str]:
    world = OnKinto("kinto")
    http.auth = world.auth
    return [row["id"] for row in islice(world.every(http, url, "tasks"), count)]


def _kinto_change(http: requests.Session, url: str, key: str) -> None:
    path, body = OnKinto("kinto").place("tasks", key), {"data": {"name": NAME}}
    answer = http.patch(f"{url}{path}", json=body, timeout=60)
    answer.raise_for_status()
    assert answer.json()["data"]["name"] == NAME


def _kinto_batch(http: requests.Session, url: str, keys: list[str]) -> None:
    world = OnKinto("kinto")
    body = {"data": {"name": NAME}}
    parts = [{"method": "PATCH", "path": world.place("tasks", key), "body": body} for key in keys]
    answer = http.post(f"{url}/v1/batch", json={"requests": parts}, timeout=60)
    answer.raise_for_status()
    for part in answer.json()["responses"]:
        assert part["body"]["data"]["name"] == NAME, part


def _pooled(work: Callable[[Any], None], items: Sequence[Any]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(work, items):
            pass


def _on_kinto(url: str, count: int, **capabilities: Any) -> float:
    world = OnKinto("kinto", **capabilities)
    with world.client(url, timeout=60) as client, Session(client) as session:
        return committed(session, world.Task, count)


def committed(session: Session, model: Any, count: int) -> float:
    tasks = list(model.objects.using(session).all()[:count])

    def work() -> None:
        for task in tasks:
            task.name = NAME
        report = session.commit(workers=WORKERS)
        assert len(report.updated) == count

    return timed(work)


def by_hand(http: requests.Session, url: str, slash: str, keys: list[int]) -> float:
    def rename(key: int) -> Any:
        answer = http.patch(f"{url}{key}{slash}", json={"name": NAME}, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def work() -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            for row in pool.map(rename, keys):
                assert row["name"] == NAME

    return timed(work)


WAYS: dict[str, Callable[[str, int], float]] = {
    "objmapper": with_objmapper,
    "requests": with_requests,
    "cvat objmapper": cvat_with_objmapper,
    "cvat requests": cvat_with_requests,
    "cvat sdk": cvat_with_sdk,
    "kinto alone": kinto_alone,
    "kinto batched": kinto_batched,
    "kinto by hand": kinto_by_hand,
    "kinto batches by hand": kinto_batches_by_hand,
}

if __name__ == "__main__":
    print(int(sys.argv[3]) / WAYS[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
