"""Background requests: work that CVAT does after its answer, and that is waited for.

CVAT 2.80 gives each a name, and tells of it under ``/requests``; 2.15 tells of a task's under
``/tasks/{id}/status``. Both are waited for in the same way.
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from objmapper import Embedded, fields, reading
from objmapper.cvat.base import CVATModel, registry
from objmapper.dialects.base import unwrap
from objmapper.exceptions import (
    BackgroundRequestError,
    BackgroundRequestTimeout,
    ConnectError,
    ContractError,
    ObjectDoesNotExist,
    ServerError,
    Timeout,
    TooManyRequests,
    cut,
)
from objmapper.operation import Request as HTTPRequest
from objmapper.progress import Progress, progress_bar
from objmapper.state import live_session
from objmapper.transport import patience
from objmapper.transport.masking import masked_url

#: Seconds before the second look; each one after it waits twice as long, up to the ceiling.
_FIRST = 0.1
#: Seconds between two looks at most: as often as the published client looks.
CEILING = 5.0
_WHOLE = 100
#: Seconds that a look may take at least, when the time to wait is over sooner.
_LEAST = 1.0
#: How much of the server's reason a message tells: the last lines of a traceback say most.
_TOLD = 600


class RequestStatus(enum.StrEnum):
    """How a background request stands."""

    QUEUED = "queued"
    STARTED = "started"
    FAILED = "failed"
    FINISHED = "finished"


#: What a server may say of work in the background; "cancelled" is said of what it knows no more.
_KNOWN = frozenset({*RequestStatus, "cancelled"})


class Operation(Embedded):
    """What a background request does, and to what."""

    type = fields.String(null=True)
    target = fields.String(null=True)
    project_id = fields.Integer(null=True)
    task_id = fields.Integer(null=True)
    job_id = fields.Integer(null=True)
    org_id = fields.Integer(null=True)
    format = fields.String(null=True)
    function_id = fields.String(null=True)
    lightweight = fields.Boolean(null=True)


class Owner(Embedded):
    """Who began a background request."""

    id = fields.Integer(null=True)
    username = fields.String()


class Told(NamedTuple):
    """What a look at work in the background has told."""

    status: str
    #: From 0 to 1; None where it is not told.
    progress: float | None
    message: str

    @classmethod
    def of(cls, status: Any, progress: Any, message: Any) -> Told:
        """Take what a server says; what is no number and no text says nothing."""
        known = isinstance(progress, int | float) and progress == progress
        return cls(
            str(status), progress if known else None, message if isinstance(message, str) else ""
        )


#: Looks once, in so many seconds for the connection and for the answer.
Look = Callable[[tuple[float, float]], Told]


def watched(
    look: Look,
    *,
    what: str,
    request_id: str | None,
    transport: Any,
    timeout: float | None,
    period: float | None,
    progress: bool | Progress,
) -> None:
    """Look until the work is finished, at once first, then ever more rarely.

    A server that does not answer, or asks to be asked later, is waited for no longer than the work.

    Raises BackgroundRequestError, BackgroundRequestTimeout, ContractError, ValueError for times that
    make no sense.
    """
    ceiling = _seconds("status_check_period", CEILING if period is None else period)
    watch = _Watch(look, what, request_id, transport.timeout, timeout)
    pause = min(_FIRST, ceiling)
    with progress_bar(progress, _WHOLE, what) as tell:
        while True:
            told = watch.told()
            if told.status == RequestStatus.FINISHED:
                if tell is not None:
                    tell(_WHOLE, _WHOLE)
                return
            if told.status in (RequestStatus.FAILED, "cancelled"):
                raise _failure(what, request_id, told)
            if tell is not None and told.progress is not None:
                tell(int(max(0.0, min(1.0, told.progress)) * _WHOLE), _WHOLE)
            if watch.is_over():
                raise watch.expired()
            transport.wait(min(pause, watch.left()))
            pause = min(2 * pause, ceiling)


class _Watch:
    """Work that is looked at, and how long that may take."""

    def __init__(
        self,
        look: Look,
        what: str,
        request_id: str | None,
        limits: tuple[float, float],
        timeout: float | None,
    ) -> None:
        self.look, self.what, self.request_id = look, what, request_id
        self.limits, self.timeout = limits, timeout
        self.end = math.inf
        if timeout is not None:
            self.end = time.monotonic() + _seconds("timeout", timeout)
        self.last: Told | None = None

    def left(self) -> float:
        return self.end - time.monotonic()

    def is_over(self) -> bool:
        return self.left() <= 0

    def told(self) -> Told:
        """Look once; what goes wrong as the time is over says only that it is."""
        connect, read = (min(each, max(_LEAST, self.left())) for each in self.limits)
        try:
            if self.timeout is None:
                told = self.look((connect, read))
            else:
                with patience.until(self.is_over):
                    told = self.look((connect, read))
        except (ConnectError, Timeout, TooManyRequests, ServerError) as error:
            if not self.is_over():
                raise
            raise self.expired(error) from error
        if told.status not in _KNOWN:
            raise ContractError(
                f"{self.what}: the server tells {cut(told.status)} of how it stands."
            )
        self.last = told
        return told

    def expired(self, error: Exception | None = None) -> BackgroundRequestTimeout:
        """Return the error that says that the time is over."""
        last = self.last or Told("", None, "")
        said = f" is {last.status}" if last.status else ", of which the server has told nothing,"
        why = f" The last look at it failed: {error}" if error is not None else ""
        return BackgroundRequestTimeout(
            f"{self.what}{said} after {self.timeout:g} s, and was waited for no longer. The server "
            f"goes on with it: wait() again, or cancel() it.{why}",
            request_id=self.request_id,
            status=last.status,
            reason=masked_url(last.message),
        )


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ValueError(f"{name} is a number of seconds above 0, not {cut(value)}.")
    return float(value)


def _failure(what: str, request_id: str | None, told: Told) -> BackgroundRequestError:
    # A server quotes the address of what it could not fetch.
    reason = masked_url(told.message.strip())
    shown = reason if len(reason) <= _TOLD else f"…{reason[-_TOLD:]}"
    said = f": {shown}" if shown else "; the server does not say why."
    return BackgroundRequestError(
        f"{what} {'has failed' if told.status == RequestStatus.FAILED else 'was cancelled'}{said}",
        request_id=request_id,
        status=told.status,
        reason=reason,
    )


def completed(row: dict[str, Any]) -> None:
    """Put what a request's operation tells into its row, under the names that lists are asked by."""
    told = row.get("operation")
    if not isinstance(told, dict):
        return
    for name in ("target", "format", "project_id", "task_id", "job_id"):
        row.setdefault(name, told.get(name))
    kind = told.get("type")
    if isinstance(kind, str):
        row.setdefault("action", kind.partition(":")[0])


class Request(CVATModel):
    """Work that the server does in the background: of CVAT 2.80; older ones have none of them.

    ``client.requests.retrieve(id).wait(timeout=60)`` returns when it is done.
    """

    id = fields.String(primary_key=True)
    status = fields.Enum(RequestStatus, read_only=True)
    #: What the server says about it.
    message = fields.String(read_only=True, null=True)
    operation = fields.Nested(Operation, read_only=True)
    #: From 0 to 1.
    progress = fields.Float(read_only=True, null=True)
    created_date = fields.DateTime(read_only=True, null=True)
    started_date = fields.DateTime(read_only=True, null=True)
    finished_date = fields.DateTime(read_only=True, null=True)
    expiry_date = fields.DateTime(read_only=True, null=True)
    owner = fields.Nested(Owner, read_only=True, null=True)
    result_url = fields.String(read_only=True, null=True)
    result_id = fields.Integer(read_only=True, null=True)
    # What lists are asked by; rows tell it in their operation.
    action = fields.String(read_only=True, null=True)
    target = fields.String(read_only=True, null=True)
    format = fields.String(read_only=True, null=True)
    project_id = fields.Integer(read_only=True, null=True)
    task_id = fields.Integer(read_only=True, null=True)
    job_id = fields.Integer(read_only=True, null=True)

    class Meta:
        ordering = ("-created_date",)
        dialect_options = {
            "unsearched": True,
            "context": "none",
            "newer than 2.15": "task.wait_for_data() waits for the data of a task.",
            "completed by": completed,
            "sorts": {name: name for name in ("created_date", "status", "action")},
            "filters": {
                name: name
                for name in ("status action target format project_id task_id job_id".split())
            },
        }

    def wait(
        self,
        timeout: float | None = None,
        *,
        progress: bool | Progress = False,
        status_check_period: float | None = None,
    ) -> Self:
        """Return when it is finished; it is asked for ever more rarely.

        *timeout*: after so many seconds BackgroundRequestTimeout is raised, and the server goes on.
        *progress*: True for a bar (extra ``progress``), or a callable that takes how many per cent of
        100 are done. *status_check_period*: the most seconds between two looks, 5 by default.

        Raises BackgroundRequestError where it fails, or is cancelled meanwhile.
        """
        session = live_session(self, "wait()")
        watched(
            self._look,
            what=f"The request {self.id!r}",
            request_id=self.id,
            transport=session.client.transport,
            timeout=timeout,
            period=period_of(session.client, status_check_period),
            progress=progress,
        )
        return self

    def _look(self, timeout: tuple[float, float]) -> Told:
        session = live_session(self, "wait()")
        try:
            with session.using():
                reading.reload(session, self, overwrite=True, timeout=timeout)
        except ObjectDoesNotExist:
            return Told("cancelled", None, "")
        return Told.of(self.status, self.progress, self.message)

    def cancel(self) -> None:
        """Cancel it, now; CVAT cancels what has not begun yet, and knows it no more then.

        Raises BadRequest for what has begun, NotFound for what is not known.
        """
        session = live_session(self, "cancel()")
        with session.using():
            session.send(session.dialect.action(self, "cancel"))
            session.members.forget(self)


def period_of(client: Any, given: float | None) -> float | None:
    """Return the most seconds between two looks: what was given, else what the client's Config says."""
    if given is not None:
        return given
    found: float | None = getattr(getattr(client, "config", None), "status_check_period", None)
    return found


def look_at_task(session: Any, task: Any) -> Look:
    """Return what looks at how far a task's data are, by the request's name or, without, as 2.15 does."""
    name = task._row.get("rq_id")
    if name is not None:
        request: Request = session.reference(Request.__mapper__, name, ())
        return request._look
    *path, _ = session.dialect.address(task)

    def look(timeout: tuple[float, float]) -> Told:
        with session.using():
            response = session.send(HTTPRequest("GET", (*path, "/status"), timeout=timeout))
        body = response.json()
        state = unwrap(body, "state", response)
        if not isinstance(state, str):
            raise ContractError(f"{response.url} tells {cut(state)} as a state.")
        return Told.of(state.lower(), body.get("progress"), body.get("message"))

    return look


__all__ = ["Operation", "Owner", "Request", "RequestStatus", "registry"]
