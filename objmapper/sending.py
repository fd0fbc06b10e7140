"""Sending a wave: operations side by side on threads, outcomes back on the committing thread."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from objmapper.exceptions import JournalError, NotFound, StatusError, TransportError
from objmapper.operation import Fate, Kind, Operation, Outcome, Response
from objmapper.state import ages


def send(by: Any, operation: Operation) -> Outcome:
    """Send one operation by a session or a client; never raises, but for what is no Exception."""
    begun, age = time.time(), next(ages)
    response: Response | None = None
    error: Exception | None = None
    try:
        response = by.send(operation.request)
        fate, sent, retries = Fate.DONE, True, response.retries
    except TransportError as failure:
        error, sent, retries = failure, failure.sent, failure.retries
        fate = Fate.UNCERTAIN if sent else Fate.FAILED
        if isinstance(failure, StatusError):
            response, fate = failure.response, fate_of_status(failure, operation)
            error = None if failure.status in operation.draft.found else failure
    except Exception as failure:  # the client's word: it was raised before anything was sent
        error, fate, sent, retries = failure, Fate.FAILED, False, 0
    requests = sent + retries
    ended = time.time()
    return Outcome(operation, fate, response, error, (), requests, retries, begun, ended, age)


def fate_of_status(error: StatusError, operation: Operation) -> Fate:
    """Say whether a write may have been done although the answer is no success.

    A 4xx is the server's refusal. A 5xx may be anything, and so may a redirect that is not followed:
    "done, look there", or "not here". A refusal that meets an own repeat may well be about what the
    first attempt has done; a deletion that finds nothing left to delete is, and so is a create that
    finds what it was to make, where the draft says so. One that may be for the version of an object
    is looked into.
    """
    if error.status in operation.draft.found:
        return Fate.DONE
    if error.doubtful and isinstance(error, NotFound) and operation.kind == Kind.DELETE:
        return Fate.DONE
    if is_contested(operation, error) and not error.doubtful:
        return Fate.CONFLICT
    refused = 400 <= error.status < 500 and not error.doubtful
    return Fate.FAILED if refused else Fate.UNCERTAIN


#: Statuses of what may be refused because somebody else has changed or deleted the object.
_CONTESTED = frozenset({404, 409, 410, 412, 428})


def is_contested(operation: Operation, error: BaseException | None) -> bool:
    """Whether an operation that minds versions was refused as if for one."""
    guarded = operation.draft.guard is not None
    return guarded and isinstance(error, StatusError) and error.status in _CONTESTED


#: Seconds between two looks of who waits at whether it was stopped.
_GLANCE = 0.05


class Sender:
    """Sends operations, *workers* side by side, and gives back what became of each.

    After ``stop()`` nothing more is begun, and what is in flight ends; *stops*: the first failure
    does that, and the first unknown fate until ``resume()``; *deadline*: so many seconds from now.
    """

    def __init__(
        self, session: Any, workers: int, *, stops: bool, deadline: float | None = None
    ) -> None:
        self._session, self._workers, self.stops = session, workers, stops
        self._deadline = None if deadline is None else time.monotonic() + deadline
        # Reentrant: a signal handler may stop in the middle of a beginning.
        self._lock = threading.RLock()
        self._paused = False
        #: Whether nothing more is begun, for good.
        self.stopped: bool = False
        #: Numbers of the operations that were begun, whatever became of them.
        self.begun: set[int] = set()
        self._journal = session.journal
        #: What is wrong with the journal, so that nothing more could be begun.
        self.broken: JournalError | None = None
        #: With a journal a thread begins nothing before an outcome is written down that came.
        self._taken = threading.Semaphore(0)

    def stop(self) -> None:
        """Begin nothing more, for good; who waits goes on."""
        with self._lock:
            self.stopped = True

    def pause(self) -> None:
        """Begin nothing more for now."""
        with self._lock:
            self._paused = True

    def resume(self) -> None:
        with self._lock:
            self._paused = False

    def wait(self, seconds: float) -> bool:
        """Wait that long, or until it is stopped; say whether it goes on."""
        end = time.monotonic() + seconds
        # Not an Event: a signal handler that stops must not meet its lock.
        while not self.stopped and not self._is_late() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _GLANCE))
        return not self.stopped and not self._is_late()

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

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
        try:
            while running:
                outcome = outcomes.get()
                if outcome is None:
                    running -= 1
                else:
                    yield outcome
                    if self._journal is not None:
                        self._taken.release()
        finally:
            if running:  # who takes the outcomes has gone
                self._taken.release(running)

    def _thread(
        self, lanes: deque[list[Operation]], outcomes: queue.SimpleQueue[Outcome | None]
    ) -> None:
        try:
            for outcome in self._work(lanes):
                outcomes.put(outcome)
                if self._journal is not None:
                    self._taken.acquire()
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
                outcome = send(self._session, operation)
                # Here, on the thread that sent it, or another one would go out meanwhile.
                if self.stops and outcome.fate in (Fate.UNCERTAIN, Fate.CONFLICT):
                    self.pause()
                elif self.stops and outcome.fate is not Fate.DONE:
                    self.stop()
                yield outcome

    def _begin(self, operation: Operation) -> bool:
        with self._lock:
            if self._deadline is not None and self._is_late():
                self.stop()
            if self.stopped or self._paused:
                return False
            self.begun.add(operation.number)
        return self._journal is None or self._is_marked(operation)

    def _is_marked(self, operation: Operation) -> bool:
        """Write that an operation is about to be sent; what can't be written is not begun."""
        try:
            self._journal.begin([operation])
        except JournalError as error:
            with self._lock:
                self.begun.discard(operation.number)
                self.broken = error
            self.stop()
            return False
        return True


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
