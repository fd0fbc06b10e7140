"""Filling a task with data: what tasks have for that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from objmapper import reading
from objmapper.cvat import background
from objmapper.cvat.base import plain
from objmapper.cvat.data import Data, Meter, ResourceType
from objmapper.exceptions import CommitError, SessionError
from objmapper.progress import Progress, progress_bar
from objmapper.state import changed_keys, is_new, live_session, restore


class Filled:
    """What a task has to be filled with data."""

    __slots__ = ()

    def upload_data(
        self,
        resources: Iterable[str | os.PathLike[str]],
        *,
        resource_type: ResourceType | str = ResourceType.LOCAL,
        params: Mapping[str, Any] | None = None,
        pbar: Any = None,
        progress: bool | Progress = False,
        wait_for_completion: bool = True,
        status_check_period: float | None = None,
        timeout: float | None = None,
    ) -> None:
        """Upload the data of this task, now, and wait until CVAT has made frames of them.

        *resources*, *resource_type* and *params* are those of ``Data``. *progress*: True for a bar, or
        a callable that takes how many bytes of how many went out, and what that raises is raised when
        all of them have; *pbar* takes a progress bar of
        tqdm's, or a reporter of CVAT's own SDK. *timeout*: how many seconds CVAT may take for the
        frames. What else has changed of the task is not sent.

        Raises SessionError for a new task; TypeError, ValueError and OSError for what can't be
        uploaded; CommitError where the upload fails; BackgroundRequestError where CVAT can't make frames
        of it, BackgroundRequestTimeout.
        """
        if is_new(self):  # type: ignore[arg-type]
            raise SessionError(
                f"{self!r} is new: set its data, task.data = Data([...]), and commit it, or use "
                "client.tasks.create_from_data."
            )
        session = live_session(self, "upload_data()")  # type: ignore[arg-type]
        data = Data(resources, resource_type=resource_type, **plain(params or {}))
        task: Any = self
        task.data = data
        try:
            with metered(data, pbar, progress):
                session.commit_objects([self], fields=["data"])
        except CommitError:
            if not session.is_uncertain(self):
                restore(self, type(self).__mapper__.fields["data"])  # type: ignore[attr-defined, arg-type]
            raise
        if wait_for_completion:
            self.wait_for_data(timeout, status_check_period=status_check_period)

    def wait_for_data(
        self,
        timeout: float | None = None,
        *,
        progress: bool | Progress = False,
        status_check_period: float | None = None,
    ) -> None:
        """Return when CVAT has made frames of what was uploaded; the task is read anew then.

        A commit that uploads data ends when CVAT has them; this waits for what comes after. The
        arguments are those of ``Request.wait``. Changes of the task stay. Raises
        BackgroundRequestError, with what CVAT says, BackgroundRequestTimeout.
        """
        task: Any = self
        session = live_session(task, "wait_for_data()")
        background.watched(
            background.look_at_task(session, task),
            what=f"The data of {self!r}: making frames of them",
            request_id=task.data_request_id,
            transport=session.client.transport,
            timeout=timeout,
            period=background.period_of(session.client, status_check_period),
            progress=progress,
        )
        with session.using():
            reading.reload(session, self, overwrite=not changed_keys(self))  # type: ignore[arg-type]


@contextmanager
def metered(data: Data, pbar: Any, progress: bool | Progress) -> Iterator[None]:
    """Have the upload of data told to a bar, a reporter, or a callable.

    Raises TypeError for none; when the upload has gone well, what the callable has raised.
    """
    if pbar is not None and progress:
        raise TypeError("pbar= and progress= say the same: give one of them.")
    if pbar is not None:
        progress = _teller(pbar, data.size)
    with progress_bar(progress, data.size, "upload") as told:
        meter = data._meter = None if told is None else Meter(data.size, told)
        try:
            yield
        finally:
            data._meter = None
            finish = getattr(pbar, "finish", None)
            if callable(finish):
                finish()
        if meter is not None and meter.failure is not None:
            raise meter.failure


def _teller(pbar: Any, total: int) -> Callable[[int, int], None]:
    """Return what tells a progress bar of another kind how many bytes have gone out."""
    start, advance = getattr(pbar, "start2", None), getattr(pbar, "advance", None)
    if callable(start):
        start(total, desc="Uploading data", unit="B", unit_scale=True, unit_divisor=1024)
    elif callable(getattr(pbar, "reset", None)):
        pbar.reset(total)
    advance = advance if callable(advance) else getattr(pbar, "update", None)
    if not callable(advance):
        raise TypeError(
            f"pbar is a bar of tqdm's or a reporter of CVAT's SDK, not {type(pbar).__name__}; progress= "
            "takes a callable."
        )
    before = 0

    def tell(done: int, total: int) -> None:
        nonlocal before
        advance(done - before)
        before = done

    return tell
