"""Sending a wave: operations side by side on threads, outcomes back on the committing thread."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from objmapper.exceptions import ContractError, ObjMapperError, StatusError, TransportError
from objmapper.operation import Fate, Operation, Outcome, Response


def send(client: Any, operation: Operation) -> Outcome:
    """Send one operation; never raises, but for what is no Exception."""
    try:
        response: Response = client.send(operation.request)
    except ObjMapperError as error:
        return Outcome(operation, fate_of(error), error=error)
    except Exception as error:  # a hook of the user's own HTTP session, an auth callable
        return Outcome(operation, Fate.UNCERTAIN, error=error)
    return Outcome(operation, Fate.DONE, response)


def fate_of(error: ObjMapperError) -> Fate:
    """Say whether a write that failed may have been done all the same.

    A 4xx is the server's refusal, and what surely was not sent is not done. A redirect that is not
    followed may be either: "done, look there", or "not here".
    """
    if isinstance(error, StatusError):
        return Fate.FAILED if 400 <= error.status < 500 else Fate.UNCERTAIN
    if isinstance(error, TransportError):
        return Fate.UNCERTAIN if error.sent else Fate.FAILED
    return Fate.UNCERTAIN if isinstance(error, ContractError) else Fate.FAILED


class Sender:
    """Runs one wave; iterate it for the outcomes as they arrive.

    After ``stop()`` what is in flight ends and nothing more is sent; ``unsent`` has the rest.
    """

    def __init__(self, client: Any, operations: list[Operation], workers: int) -> None:
        self._client = client
        self._lanes = deque(_lanes(operations))
        self._outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._workers = max(1, min(workers, len(self._lanes)))
        self._taken: dict[int, Operation] = {}
        self._told: set[int] = set()
        self._all = operations

    def stop(self) -> None:
        self._stopped.set()

    @property
    def unsent(self) -> list[Operation]:
        """The operations that no thread has begun."""
        return [op for op in self._all if op.number not in self._taken]

    @property
    def in_flight(self) -> list[Operation]:
        """The operations that were begun and whose outcome was not told."""
        return [op for op in self._taken.values() if op.number not in self._told]

    def _work(self) -> Iterator[Outcome]:
        while not self._stopped.is_set():
            try:
                lane = self._lanes.popleft()
            except IndexError:
                return
            for operation in lane:
                if self._stopped.is_set():
                    return
                self._taken[operation.number] = operation
                yield send(self._client, operation)

    def _thread(self) -> None:
        try:
            for outcome in self._work():
                self._outcomes.put(outcome)
        finally:
            self._outcomes.put(None)

    def __iter__(self) -> Iterator[Outcome]:
        if self._workers == 1:
            for outcome in self._work():
                self._told.add(outcome.operation.number)
                yield outcome
            return
        for number in range(self._workers):
            threading.Thread(
                target=self._thread, name=f"objmapper-commit-{number}", daemon=True
            ).start()
        running = self._workers
        while running:
            outcome_or_end = self._outcomes.get()
            if outcome_or_end is None:
                running -= 1
            else:
                self._told.add(outcome_or_end.operation.number)
                yield outcome_or_end

    def drain(self) -> Iterator[Outcome]:
        """Wait for what is in flight after ``stop()``, and yield its outcomes."""
        while self._workers > 1 and self.in_flight:
            outcome = self._outcomes.get()
            if outcome is not None:
                self._told.add(outcome.operation.number)
                yield outcome


def _lanes(operations: list[Operation]) -> list[list[Operation]]:
    """Group operations that must not run side by side; each other one is a lane of its own."""
    lanes: list[list[Operation]] = []
    shared: dict[Any, list[Operation]] = {}
    for operation in operations:
        name = operation.draft.lane
        if name in shared:
            shared[name].append(operation)
            continue
        lanes.append([operation])
        if name is not None:
            shared[name] = lanes[-1]
    return lanes
