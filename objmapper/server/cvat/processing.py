"""The work of a background request: uploaded files become the frames of a task, and its jobs."""

from __future__ import annotations

import random
import re
import zipfile
from typing import Any

from objmapper.server.cvat import pictures, remotes, segments
from objmapper.server.cvat.call import Call
from objmapper.server.cvat.data_fields import step_of
from objmapper.server.cvat.shares import shared
from objmapper.server.cvat.sources import Failed, Source

__all__ = ["Failed", "run"]


def run(call: Call, task: int, work: dict[str, Any]) -> None:
    """Images, jobs, and all that a task shows of them; raises Failed, with CVAT's reason."""
    row = call.find("SELECT * FROM task WHERE id = ?", str(task))
    data = call.find("SELECT * FROM data WHERE id = ?", str(row["data_id"]))
    mapping = work.get("job_file_mapping")
    if mapping is not None:
        segments.check(row["segment_size"], data["start_frame"], work)
    files = _pictures(call, data["id"], _given(call, data["id"], work))
    if mapping is not None:
        frames = list(enumerate(segments.mapped(files, mapping)))
        step = 1
    else:
        ordered = _ordered(files, data["sorting_method"])
        step = step_of(data["frame_filter"])
        chosen = _chosen(len(ordered), data["start_frame"], work.get("stop_frame"), step)
        frames = [(index, ordered[index]) for index in chosen]
    sizes = [_measured(source) for _, source in frames]
    for number, ((frame, source), (width, height)) in enumerate(zip(frames, sizes, strict=True)):
        call.insert(
            "image",
            {
                "data_id": data["id"],
                "number": number,
                "frame": frame,
                "name": source.name,
                "width": width,
                "height": height,
                "blob": source.blob,
                "shared": source.shared,
            },
        )
    size, start = len(frames), data["start_frame"]
    stop = start + (size - 1) * step
    call.update(
        "data",
        data["id"],
        {
            "size": size,
            "chunk_size": data["chunk_size"] or _chunk_size(*sizes[0]),
            "stop_frame": min(data["stop_frame"], stop) if data["stop_frame"] else stop,
            "chunks_updated_date": call.clock(),
        },
    )
    jobs = segments.dealt(size, row["segment_size"], row["overlap"], mapping)
    call.update(
        "task",
        task,
        {
            "size": size,
            "mode": "annotation",
            "segment_size": jobs.segment_size,
            "overlap": jobs.overlap,
            "updated_date": call.clock(),
        },
    )
    for first, last in jobs.stretches:
        now = call.clock()
        stretch = {"task_id": task, "start_frame": first, "stop_frame": last}
        call.insert("job", stretch | {"created_date": now, "updated_date": call.clock()})


def _given(call: Call, data: int, work: dict[str, Any]) -> list[Source]:
    """All files that are to be the task's data."""
    blobs = {
        row["name"]: row["blob"]
        for row in call.rows("SELECT name, blob FROM client_file WHERE data_id = ?", (data,))
    }
    found = []
    for name in work["client_files"]:
        if blobs[name] is None:
            raise Failed(f"FileNotFoundError: [Errno 2] No such file or directory: '{name}'")
        found.append(Source(name, call.site.folder.path(blobs[name]), blob=blobs[name]))
    for source in remotes.fetched(call.site, work["remote_files"]):
        call.insert("blob", {"name": source.blob, "data_id": data})
        found.append(source)
    wanted, without = work["server_files"], work["server_files_exclude"]
    return [*found, *(shared(call.site.share, wanted, without) if wanted else ())]


def _pictures(call: Call, data: int, given: list[Source]) -> list[Source]:
    """The pictures among the files, or in the one archive; what is neither is passed over."""
    images = [source for source in given if pictures.is_picture(source.name)]
    archives = [source for source in given if source.name.lower().endswith(".zip")]
    for source in given:
        if pictures.kind_of(source.name).startswith("video/"):
            raise Failed(f"ValueError: The embedded server reads no video: {source.name}")
        if source.name.endswith(".jsonl"):
            raise Failed(f"ValueError: The embedded server reads no manifest: {source.name}")
    if len(archives) > 1 or (archives and images):
        raise Failed(
            "ValueError: Only one archive, zip, video, pdf or many images can be used"
            f" simultaneously, but {len(archives)} zip(s), {len(images)} image(s) found."
        )
    if archives:
        images = _unpacked(call, data, archives[0])
    if not images:
        raise Failed("ValueError: No media data found")
    return images


def _unpacked(call: Call, data: int, archive: Source) -> list[Source]:
    try:
        with zipfile.ZipFile(archive.path) as file:
            found = []
            for name in file.namelist():
                if pictures.is_picture(name) and "__MACOSX" not in name:
                    with file.open(name) as stream:
                        blob = call.site.folder.add(stream)
                    call.insert("blob", {"name": blob, "data_id": data})
                    found.append(Source(name, call.site.folder.path(blob), blob=blob))
            return found
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Failed(f"zipfile.BadZipFile: {archive.name}: {error}") from error


def _ordered(files: list[Source], method: str) -> list[Source]:
    if method == "random":
        return random.sample(files, len(files))
    if method == "predefined":
        return files
    natural = method == "natural"
    return sorted(files, key=lambda source: _natural(source.name) if natural else (source.name,))


def _natural(name: str) -> tuple[Any, ...]:
    """A key by which file 10 comes after file 9.

    >>> sorted(["b10", "b9", "a"], key=_natural)
    ['a', 'b9', 'b10']
    """
    parts = re.split(r"([0-9]+)", name.casefold())
    return tuple((int(part), "") if index % 2 else (0, part) for index, part in enumerate(parts))


def _chosen(number: int, start: int, stop: int | None, step: int) -> range:
    """Which files become frames; a stop of 0 is none (CVAT 2.15's readers)."""
    end = min(number, stop + 1) if stop else number
    if end <= start:
        raise Failed("AssertionError")
    return range(start, end, step)


def _measured(source: Source) -> tuple[int, int]:
    try:
        return pictures.measure(source.path)
    except pictures.Unreadable as error:
        raise Failed(f"{error} '{source.name}'") from error


def _chunk_size(width: int, height: int) -> int:
    """How many frames a chunk has, by the size of the first one.

    >>> _chunk_size(1920, 1080), _chunk_size(120, 80), _chunk_size(20000, 20000)
    (36, 72, 2)
    """
    return max(2, min(72, 36 * 1920 * 1080 // (width * height)))
