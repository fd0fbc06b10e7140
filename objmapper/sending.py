"""Sending a wave: requests side by side on threads, outcomes back on the committing thread."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from objmapper import batching, clock, interrupt
from objmapper.exceptions import (
    JournalError,
    NotFound,
    RequestBudgetExceeded,
    StatusError,
    TooManyRequests,
    TransportError,
)
from objmapper.operation import (
    CONFLICT,
    DONE,
    UNCERTAIN,
    Fate,
    Kind,
    Operation,
    Outcome,
    Request,
    Response,
)
from objmapper.state import ages
from objmapper.transport import patience


def send(by: Any, operation: Operation) -> Outcome:
    """Send one operation by a session or a client; never raises, but for what is no Exception."""
    begun, age = clock.now(), next(ages)
    if operation.run is not None:
        return _run(by, operation, operation.run, begun, age)
    try:
        answer: Response | Exception = by.send(operation.request)
    except Exception as failure:
        answer = failure
    return _outcome(operation, answer, begun, age)


#: What shares a request.
Parcel = Sequence[Operation]
#: What goes one after the other: parcels, or one operation that goes alone.
Lane = Operation | list[Parcel]


class Counted:
    """Sends as a session or a client does, and counts what goes out."""

    def __init__(self, by: Any) -> None:
        self._by = by
        #: How many requests went out, and how many of them again.
        self.requests: int = 0
        self.retries: int = 0

    @property
    def client(self) -> Any:
        """The client of what sends."""
        return getattr(self._by, "client", self._by)

    def send(self, request: Request) -> Response:
        """Send a request; raises as what sends does."""
        try:
            response: Response = self._by.send(request)
        except TransportError as error:
            self._count(error.sent, error.retries)
            raise
        self._count(True, response.retries)
        return response

    def _count(self, sent: bool, retries: int) -> None:
        self.requests += sent + retries
        self.retries += retries


def _run(
    by: Any, operation: Operation, run: Callable[[Any], Response], begun: float, age: int
) -> Outcome:
    """Send an operation that knows itself how; what it raises is told of the request that met it."""
    counted = Counted(by)
    try:
        answer: Response | Exception = run(counted)
    except Exception as failure:
        answer = failure
    outcome = _outcome(operation, answer, begun, age)
    return outcome._replace(requests=counted.requests, retries=counted.retries)


def _outcome(operation: Operation, answer: Response | Exception, begun: float, age: int) -> Outcome:
    """Return what became of an operation that was sent alone, by its answer or by what was raised."""
    response: Response | None = None
    error: Exception | None = None
    if isinstance(answer, Response):
        response, fate, sent, retries = answer, DONE, True, answer.retries
    elif isinstance(answer, TransportError):
        error, sent, retries = answer, answer.sent, answer.retries
        fate = Fate.UNCERTAIN if sent else Fate.FAILED
        if isinstance(answer, StatusError):
            response, fate = answer.response, fate_of_status(answer, operation)
    else:  # the client's word: it was raised before anything was sent
        error, fate, sent, retries = answer, Fate.FAILED, False, 0
    requests, ended = sent + retries, clock.now()
    return Outcome.of(operation, fate, response, error, requests, retries, begun, ended, age)


def send_together(by: Any, operations: Sequence[Operation]) -> list[Outcome]:
    """Send operations in one request by a session; never raises, but for what is no Exception.

    What the server refuses for now goes again when its time has come, with others of its kind.
    """
    outcomes: dict[int, Outcome] = {}
    waiting, tried = list(operations), 0
    while waiting:
        refused, pause = [], 0.0
        for outcome in _parcel(by, waiting):
            number = outcome.operation.number
            outcomes[number] = _sent_again(outcomes.get(number), outcome)
            wait = _pause(by.client, outcome, tried) if len(waiting) > 1 else None
            if wait is not None:
                refused.append(outcome.operation)
                pause = max(pause, wait)
        waiting, tried = refused, tried + 1
        if waiting and not by.client.transport.waits_to_repeat(pause):
            break
    return [outcomes[operation.number] for operation in operations]


def _parcel(by: Any, operations: list[Operation]) -> list[Outcome]:
    """Send operations in one request, or in halves where that is too much for the server."""
    if len(operations) == 1:
        return [send(by, operations[0])]
    begun, age = clock.now(), next(ages)
    try:
        requests = [batching.addressed(operation.request) for operation in operations]
        answers, whole = batching.exchange(by, requests)
    except TransportError as failure:
        sent = failure.sent + failure.retries
        if isinstance(failure, StatusError) and batching.is_too_much(failure):
            half = len(operations) // 2
            outcomes = [*_parcel(by, operations[:half]), *_parcel(by, operations[half:])]
            return _counted(outcomes, sent, failure.retries)
        fate = batching.fate_of_all(failure)
        outcomes = [_outcome(operation, failure, begun, age) for operation in operations]
        outcomes = [outcome._replace(fate=fate) for outcome in outcomes]
        return _shared(outcomes, sent, failure.retries)
    except RequestBudgetExceeded as failure:
        return [_outcome(operation, failure, begun, age) for operation in operations]
    except Exception:  # one of them can't be sent, whatever the others are
        return [send(by, operation) for operation in operations]
    pairs = zip(operations, answers, strict=True)
    outcomes = [
        _outcome(operation, answer, begun, age)
        if isinstance(answer, Response | TransportError)
        else Outcome.of(operation, UNCERTAIN, None, answer, 1, 0, begun, clock.now(), age)
        for operation, answer in pairs
    ]
    return _shared(outcomes, 1 + whole.retries, whole.retries)


def _shared(outcomes: list[Outcome], sent: int, retries: int) -> list[Outcome]:
    """Return the outcomes of operations that shared a request, which counts as that of the first."""
    joined = int(sent > 0)
    alone = [outcome._replace(requests=0, retries=0, joined=joined) for outcome in outcomes]
    alone[0] = alone[0]._replace(joined=0)
    return _counted(alone, sent, retries)


def _counted(outcomes: list[Outcome], sent: int, retries: int) -> list[Outcome]:
    """Return the outcomes with requests that went out for them all counted at the first."""
    first, *others = outcomes
    first = first._replace(requests=first.requests + sent, retries=first.retries + retries)
    return [first, *others]


def _pause(client: Any, outcome: Outcome, tried: int) -> float | None:
    """Return after how many seconds an operation goes again that is refused for now, if it does."""
    if not isinstance(outcome.error, TooManyRequests):
        return None
    error, request = outcome.error, outcome.operation.request
    pause: float | None = client.transport.policy.pause_after_answer(
        request, error.response, max(tried, error.retries)
    )
    return pause


def _sent_again(earlier: Outcome | None, outcome: Outcome) -> Outcome:
    """Return what became of an operation that the server had refused for now."""
    if earlier is None:
        return outcome
    return outcome._replace(
        requests=earlier.requests + outcome.requests,
        joined=earlier.joined + outcome.joined,
        retries=earlier.retries + outcome.retries + min(1, outcome.requests),
        begun=earlier.begun,
        age=earlier.age,
    )


def fate_of_status(error: StatusError, operation: Operation) -> Fate:
    """Say whether a write may have been done although the answer is no success.

    A 4xx is the server's refusal. A 5xx may be anything, and so may a redirect that is not followed:
    "done, look there", or "not here". A refusal that meets an own repeat may well be about what the
    first attempt has done; a deletion that finds nothing left to delete is, and so is a create that
    finds what it was to make, where the draft says so. One that may be for the version of an object
    is looked into.
    """
    if error.status in operation.found:
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
    guarded = operation.guard is not None
    return guarded and isinstance(error, StatusError) and error.status in _CONTESTED


class Sender:
    """Sends operations, *workers* side by side, and gives back what became of each.

    After ``stop()`` nothing more is begun, and what is in flight ends; *stops*: the first failure
    does that, and the first unknown fate until ``resume()``; *deadline*: so does that instant of
    ``time.monotonic()``.
    """

    def __init__(
        self, session: Any, workers: int, *, stops: bool, deadline: float | None = None
    ) -> None:
        self._session, self._workers, self.stops = session, workers, stops
        self._deadline = deadline
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
        return interrupt.wait(seconds, lambda: self.stopped or self.is_late())

    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def send(self, operations: list[Operation]) -> Iterator[Outcome]:
        """Yield the outcomes as they come, on the thread that iterates."""
        lanes = deque(_lanes(batching.grouped(self._session.dialect, operations)))
        running = min(self._workers, len(lanes))
        if running < 2:
            yield from self._work(lanes)
            return
        outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        over = patience.asked()
        for number in range(running):
            name = f"objmapper-commit-{number}"
            threading.Thread(
                target=self._thread, args=(lanes, outcomes, over), name=name, daemon=True
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
        self,
        lanes: deque[Lane],
        outcomes: queue.SimpleQueue[Outcome | None],
        over: patience.Over | None,
    ) -> None:
        try:
            with patience.until(over):
                for outcome in self._work(lanes):
                    outcomes.put(outcome)
                    if self._journal is not None:
                        self._taken.acquire()
        finally:
            outcomes.put(None)

    def _work(self, lanes: deque[Lane]) -> Iterator[Outcome]:
        by = self._session
        while True:
            try:
                lane = lanes.popleft()
            except IndexError:
                return
            for parcel in lane if isinstance(lane, list) else ((lane,),):
                if not self._begin(parcel):
                    return
                is_open = False
                # Here, on the thread that sent it, or another one would go out meanwhile.
                alone = len(parcel) == 1
                sent = (send(by, parcel[0]),) if alone else send_together(by, parcel)
                for outcome in sent:
                    if outcome.fate in (UNCERTAIN, CONFLICT):
                        is_open = True
                        if self.stops:
                            self.pause()
                    elif self.stops and outcome.fate is not DONE:
                        self.stop()
                    yield outcome
                if is_open:  # it may go again, and then before the rest of its lane
                    break

    def _begin(self, parcel: Parcel) -> bool:
        """Say whether operations may go out in one request now; if so, they count as begun."""
        with self._lock:
            if self._deadline is not None and self.is_late():
                self.stop()
            if self.stopped or self._paused:
                return False
            for operation in parcel:
                self.begun.add(operation.number)
        return self._journal is None or self._is_marked(parcel)

    def _is_marked(self, parcel: Parcel) -> bool:
        """Write that operations are about to be sent; what can't be written is not begun."""
        try:
            self._journal.begin(parcel)
        except JournalError as error:
            with self._lock:
                self.begun.difference_update(operation.number for operation in parcel)
                self.broken = error
            self.stop()
            return False
        return True


def _lanes(parcels: Iterable[Parcel]) -> list[Lane]:
    """Group what must not go side by side; each other request is a lane of its own."""
    lanes: list[Lane] = []
    shared: dict[Any, list[Parcel]] = {}
    for parcel in parcels:
        name = parcel[0].lane
        if name in shared:
            shared[name].append(parcel)
        elif name is not None:
            shared[name] = [parcel]
            lanes.append(shared[name])
        else:
            lanes.append(parcel[0] if len(parcel) == 1 else [parcel])
    return lanes
