"""Background requests: work that CVAT does after its answer, and that is waited for.

CVAT 2.80 gives each a name, and tells of it under ``/requests``; 2.15 tells of a task's under
``/tasks/{id}/status``. Both are waited for in the same way.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from objmapper import Embedded, fields
from objmapper.cvat.base import CVATModel, registry
from objmapper.dialects.base import unwrap
from objmapper.exceptions import (
    BackgroundRequestError,
    BackgroundRequestTimeout,
    ContractError,
    ObjectDoesNotExist,
    cut,
)
from objmapper.operation import Request as HTTPRequest
from objmapper.progress import Progress, progress_bar
from objmapper.state import live_session
from objmapper.transport.masking import masked_url

#: Seconds before the second look; each one after it waits twice as long, up to the ceiling.
_FIRST = 0.1
#: Seconds between two looks at most: as often as the published client looks.
CEILING = 5.0
_WHOLE = 100
#: How much of the server's reason a message tells: the last lines of a traceback say most.
_TOLD = 600


class RequestStatus(enum.StrEnum):
    """How a background request stands."""

    QUEUED = "queued"
    STARTED = "started"
    FAILED = "failed"
    FINISHED = "finished"


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


def watched(
    look: Callable[[], Told],
    *,
    what: str,
    request_id: str | None,
    sleep: Callable[[float], None],
    timeout: float | None,
    period: float | None,
    progress: bool | Progress,
) -> None:
    """Look until the work is finished, at once first, then ever more rarely.

    Raises BackgroundRequestError, BackgroundRequestTimeout, ValueError for times that make no sense.
    """
    ceiling = _seconds("status_check_period", CEILING if period is None else period)
    end = None if timeout is None else time.monotonic() + _seconds("timeout", timeout)
    pause = min(_FIRST, ceiling)
    with progress_bar(progress, _WHOLE, what) as tell:
        while True:
            told = look()
            if told.status == RequestStatus.FINISHED:
                if tell is not None:
                    tell(_WHOLE, _WHOLE)
                return
            if told.status in (RequestStatus.FAILED, "cancelled"):
                raise _failure(what, request_id, told)
            if tell is not None and told.progress is not None:
                tell(int(max(0.0, min(1.0, told.progress)) * _WHOLE), _WHOLE)
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise BackgroundRequestTimeout(
                    f"{what} is {told.status} after {timeout:g} s, and was waited for no longer. The "
                    "server goes on with it: wait() again, or cancel() it.",
                    request_id=request_id,
                    status=told.status,
                    reason=told.message,
                )
            sleep(pause if left is None else min(pause, left))
            pause = min(2 * pause, ceiling)


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
            sleep=session.client.transport.wait,
            timeout=timeout,
            period=period_of(session.client, status_check_period),
            progress=progress,
        )
        return self

    def _look(self) -> Told:
        try:
            self.refresh()
        except ObjectDoesNotExist:
            return Told("cancelled", None, "")
        return Told(str(self.status), self.progress, self.message or "")

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


def look_at_task(session: Any, task: Any) -> Callable[[], Told]:
    """Return what looks at how far a task's data are, by the request's name or, without, as 2.15 does."""
    name = task._row.get("rq_id")
    if name is not None:
        request: Request = session.reference(Request.__mapper__, name, ())
        return request._look
    *path, _ = session.dialect.address(task)

    def look() -> Told:
        with session.using():
            response = session.send(HTTPRequest("GET", (*path, "/status")))
        body = response.json()
        state, message = unwrap(body, "state", response), body.get("message")
        if not isinstance(state, str):
            raise ContractError(f"{response.url} tells {cut(state)} as a state.")
        progress = body.get("progress")
        known = progress if isinstance(progress, int | float) else None
        return Told(state.lower(), known, message if isinstance(message, str) else "")

    return look


__all__ = ["Operation", "Owner", "Request", "RequestStatus", "registry"]
