"""How far a commit is: a bar of tqdm's, or whatever the user wants to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Takes how many operations of how many are through.
Progress = Callable[[int, int], None]


@contextmanager
def progress_bar(progress: bool | Progress, total: int) -> Iterator[Progress | None]:
    """Give what a commit tells its progress to: a bar of tqdm's, the user's callable, or nothing."""
    if callable(progress):
        yield progress
        return
    if not progress:
        yield None
        return
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise ImportError(
            'progress=True needs tqdm: pip install "objmapper[progress]", or give a callable.'
        ) from None
    with tqdm(total=total, unit="request") as bar:

        def tell(done: int, of: int) -> None:
            bar.update(done - bar.n)

        yield tell
