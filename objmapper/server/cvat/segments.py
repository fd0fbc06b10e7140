"""Segments: how the frames of a task are dealt out to its jobs (CVAT 2.15's code)."""

from __future__ import annotations

from itertools import accumulate, chain
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from objmapper.server.cvat.sources import Failed, Source

Mapping = list[list[str]]


class Jobs(NamedTuple):
    """Where a task's jobs begin and end, and what its segments are told to be."""

    stretches: list[tuple[int, int]]
    segment_size: int
    overlap: int


def dealt(size: int, segment_size: int, overlap: int | None, mapping: Mapping | None) -> Jobs:
    """How frames are dealt out to jobs.

    >>> dealt(10, 4, 1, None)
    Jobs(stretches=[(0, 3), (3, 6), (6, 9)], segment_size=4, overlap=1)
    """
    if mapping is not None:
        ends = [*accumulate(map(len, mapping))]
        return Jobs(
            [(end - len(job), end - 1) for end, job in zip(ends, mapping, strict=True)], 0, 0
        )
    if segment_size == 0 or segment_size > size:
        segment_size = size
    overlap = min(overlap or 0, segment_size // 2)
    starts = range(0, size - overlap, segment_size - overlap)
    stretches = [(start, min(start + segment_size, size) - 1) for start in starts]
    return Jobs(stretches, segment_size, overlap)


def check(segment_size: int, start_frame: int, work: dict[str, Any]) -> None:
    """What can't be said beside a mapping of files to jobs."""
    sorting = work.get("sorting_method", "lexicographical")
    others = {
        "segment_size": segment_size,
        "sorting_method": sorting != "lexicographical",
        "start_frame": start_frame,
        "stop_frame": work.get("stop_frame"),
        "frame_filter": work.get("frame_filter"),
        "filename_pattern": work.get("filename_pattern"),
        "server_files_exclude": work["server_files_exclude"],
    }
    for name, value in others.items():
        if value:
            raise Failed(f"ValidationError: job_file_mapping cannot be used with {name}")


def mapped(files: list[Source], mapping: Mapping) -> list[Source]:
    known = {source.name: source for source in files}
    for name in chain.from_iterable(mapping):
        if name not in known:
            raise Failed(
                f"ValidationError: Can't find file '{PurePosixPath(name).name}' in the input files"
            )
    return [known[name] for name in chain.from_iterable(mapping)]
