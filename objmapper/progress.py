"""How far a commit is: a bar of rich's, or whatever the user wants to be told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Takes how many operations of how many are through.
Progress = Callable[[int, int], None]


@contextmanager
def progress_bar(
    progress: bool | Progress, total: int, what: str = "commit"
) -> Iterator[Progress | None]:
    """Give what a commit tells its progress to: a bar of rich's, the user's callable, or nothing."""
    if callable(progress):
        yield progress
        return
    if not progress:
        yield None
        return
    with _bar() as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, of: bar.update(task, completed=done)


def _bar() -> Any:
    """Return a bar on standard error. Where that is no terminal, its end is one line.

    What the program prints meanwhile goes above the bar, unless it goes elsewhere.
    """
    try:
        from rich import progress as parts  # noqa: PLC0415 - an optional extra
        from rich.console import Console  # noqa: PLC0415 - an optional extra
        from rich.table import Column  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise ImportError(
            'progress=True needs rich: pip install "objmapper[progress]", or give a callable.'
        ) from None

    class Rate(parts.ProgressColumn):
        def render(self, task: Any) -> str:
            speed = task.finished_speed or task.speed
            return "" if speed is None else f"{speed:.{0 if speed >= 10 else 1}f}/s"

    return parts.Progress(
        parts.TextColumn("{task.description}"),
        parts.BarColumn(),
        parts.TaskProgressColumn(),
        # In a narrow terminal it is the bar that is short, and no number that is cut.
        parts.MofNCompleteColumn(table_column=Column(no_wrap=True)),
        Rate(table_column=Column(no_wrap=True)),
        parts.TimeRemainingColumn(elapsed_when_finished=True, table_column=Column(no_wrap=True)),
        console=Console(stderr=True),
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )
