"""Sending a wave: operations side by side on threads, outcomes back on the committing thread."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from objmapper.exceptions import NotFound, StatusError, TransportError
from objmapper.operation import Fate, Kind, Operation, Outcome, Response


def send(client: Any, operation: Operation) -> Outcome:
    """Send one operation; never raises, but for what is no Exception."""
    try:
        response: Response = client.send(operation.request)
    except StatusError as error:
        return Outcome(operation, fate_of_status(error, operation), error.response, error)
    except TransportError as error:
        return Outcome(operation, Fate.UNCERTAIN if error.sent else Fate.FAILED, error=error)
    except Exception as error:  # the client's word: it was raised before anything was sent
        return Outcome(operation, Fate.FAILED, error=error)
    return Outcome(operation, Fate.DONE, response)


def fate_of_status(error: StatusError, operation: Operation) -> Fate:
    """Say whether a write may have been done although the answer is no success.

    A 4xx is the server's refusal. A 5xx may be anything, and so may a redirect that is not followed:
    "done, look there", or "not here". A refusal that meets an own repeat may well be about what the
    first attempt has done; a deletion that finds nothing left to delete is.
    """
    if error.doubtful and isinstance(error, NotFound) and operation.kind == Kind.DELETE:
        return Fate.DONE
    refused = 400 <= error.status < 500 and not error.doubtful
    return Fate.FAILED if refused else Fate.UNCERTAIN


class Sender:
    """Sends operations, *workers* side by side, and gives back what became of each.

    After ``stop()`` nothing more is begun, and what is in flight ends; *stops*: the first failure
    does that.
    """

    def __init__(self, client: Any, workers: int, *, stops: bool) -> None:
        self._client, self._workers, self._stops = client, workers, stops
        # Reentrant: a signal handler may stop in the middle of a beginning.
        self._lock = threading.RLock()
        self.stopped = False
        #: Numbers of the operations that were begun, whatever became of them.
        self.begun: set[int] = set()

    def stop(self) -> None:
        with self._lock:
            self.stopped = True

    def send(self, operations: list[Operation]) -> Iterator[Outcome]:
        """Yield the outcomes as they come, on the thread that iterates."""
        lanes = deque(_lanes(operations))
        running = min(self._workers, len(lanes))
        if running < 2:
            yield from self._work(lanes)
            return
        outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        for number in range(running):
            name = f"objmapper-commit-{number}"
            threading.Thread(
                target=self._thread, args=(lanes, outcomes), name=name, daemon=True
            ).start()
        while running:
            outcome = outcomes.get()
            if outcome is None:
                running -= 1
            else:
                yield outcome

    def _thread(
        self, lanes: deque[list[Operation]], outcomes: queue.SimpleQueue[Outcome | None]
    ) -> None:
        try:
            for outcome in self._work(lanes):
                outcomes.put(outcome)
        finally:
            outcomes.put(None)

    def _work(self, lanes: deque[list[Operation]]) -> Iterator[Outcome]:
        while True:
            try:
                lane = lanes.popleft()
            except IndexError:
                return
            for operation in lane:
                if not self._begin(operation):
                    return
                outcome = send(self._client, operation)
                # Here, on the thread that sent it, or another one would go out meanwhile.
                if self._stops and outcome.fate is not Fate.DONE:
                    self.stop()
                yield outcome

    def _begin(self, operation: Operation) -> bool:
        with self._lock:
            if not self.stopped:
                self.begun.add(operation.number)
            return not self.stopped


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
