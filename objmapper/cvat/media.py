"""The frames of tasks and jobs: looked at, loaded as they are, and deleted."""

from __future__ import annotations

import io
import mimetypes
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from objmapper import Embedded, fields
from objmapper.cvat.base import listed
from objmapper.dialects.base import row_of
from objmapper.exceptions import (
    BadRequest,
    ContractError,
    ServerError,
    StatusError,
    TooManyRequests,
    TransportError,
    cut,
)
from objmapper.operation import Json, Request, Response
from objmapper.progress import Progress, progress_bar
from objmapper.state import live_session

QUALITIES = ("original", "compressed")
#: How many seconds a frame or a chunk may be "not ready" before that is an error.
PATIENCE = 120.0
#: What a frame is called, if nothing else is said.
PATTERN = "frame_{frame_id:06d}{frame_ext}"


class FrameInfo(Embedded):
    """What is told of one frame."""

    name = fields.String()
    width = fields.Integer()
    height = fields.Integer()
    related_files = fields.Integer(null=True)
    has_related_context = fields.Boolean(null=True)


class DataMeta(Embedded):
    """What is told of the data of a task or a job."""

    chunks_updated_date = fields.DateTime(null=True)
    chunk_size = fields.Integer(null=True)
    size = fields.Integer(null=True)
    image_quality = fields.Integer(null=True)
    start_frame = fields.Integer(null=True)
    stop_frame = fields.Integer(null=True)
    frame_filter = fields.String(null=True)
    frames = fields.List(fields.Nested(FrameInfo), null=True)
    chapters = fields.Raw(null=True)
    deleted_frames = fields.List(fields.Integer(), null=True)
    included_frames = fields.List(fields.Integer(), null=True)
    storage = fields.String(null=True)
    cloud_storage_id = fields.Integer(null=True)


class Previewed:
    """What a project, a task and a job have to be shown by."""

    __slots__ = ()

    def get_preview(self) -> io.BytesIO:
        """Return a small picture: of the first frame, or of that of a project's newest task.

        Raises NotFound where there is none to show.
        """
        return io.BytesIO(_sent(self, Request("GET", _path(self, "/preview"))).content)


class Framed(Previewed):
    """What a task and a job have to look at their frames.

    Frames are numbered from 0 in their task, also those of its jobs.
    """

    __slots__ = ()

    def get_meta(self) -> DataMeta:
        """Return what the server tells of the data: frames, chunks, deleted frames.

        Raises ValueError for a task without frames.
        """
        return _meta(self, "GET")

    def get_frames_info(self) -> list[FrameInfo]:
        """Return name and size of each frame, in their order."""
        return list(self.get_meta().frames or ())

    def get_frame(self, frame_id: int, *, quality: str | None = None) -> io.BytesIO:
        """Return one frame's bytes, as the server keeps them.

        *quality* is "original" or "compressed"; None leaves it to the server. A frame that is not
        ready yet is waited for. Raises BadRequest for a number that there is not, in the server's
        words; ValueError for what is none, and for a task without frames; TooManyRequests where it is
        not ready for long.
        """
        response = _sent(self, _asked(self, "frame", frame_id, quality))
        return io.BytesIO(response.content)

    def download_chunk(
        self,
        chunk_id: int,
        output_file: str | os.PathLike[str] | BinaryIO,
        *,
        quality: str | None = None,
    ) -> None:
        """Write a chunk, an archive of frames, to a path or an open binary file.

        A file at that path is there whole or as it was. Raises as ``get_frame``, TypeError for what can't
        be written to, and OSError.
        """
        request = _asked(self, "chunk", chunk_id, quality)
        if isinstance(output_file, str | os.PathLike):
            with _whole(Path(output_file)) as path:
                _sent(self, request, path)
            return
        if not callable(getattr(output_file, "write", None)):
            raise TypeError(
                f"output_file is a path or an open binary file, not {cut(output_file)}."
            )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "chunk")
            _sent(self, request, path)
            with path.open("rb") as file:
                shutil.copyfileobj(file, output_file)

    def download_frames(
        self,
        frame_ids: Iterable[int],
        *,
        image_extension: str | None = None,
        outdir: str | os.PathLike[str] = ".",
        quality: str = "original",
        filename_pattern: str = PATTERN,
        workers: int | None = None,
        progress: bool | Progress = False,
    ) -> list[Path]:
        """Write frames to files, several at once, and return their paths in the order of *frame_ids*.

        They are written as the server sends them: an *image_extension* of another kind of picture is a
        ValueError. The pattern may name ``frame_id`` and ``frame_ext``. Each file is there whole or
        as it was. *workers*: how many are loaded at once, else as many as the client's. *progress*:
        True for a bar, or a callable that takes how many frames of how many are there.

        Raises as ``get_frame``, and OSError; what is loaded by then stays, and of nothing no folder.
        """
        numbers = [_number("frame_id", each) for each in listed("frame_ids", frame_ids)]
        _check_pattern(filename_pattern, numbers)
        client = live_session(self, "download_frames()").client  # type: ignore[arg-type]

        def load(number: int) -> Path:
            request = _asked(self, "frame", number, quality)
            return _load(self, request, folder, filename_pattern, number, image_extension)

        with (
            _folder(Path(outdir)) as folder,
            progress_bar(progress, len(numbers), "frames") as tell,
        ):
            return side_by_side(load, numbers, workers or client.workers, tell)

    def remove_frames_by_ids(self, ids: Iterable[int]) -> None:
        """Delete frames, now; those that are deleted already stay so.

        Raises ValueError for a frame that there is not, before anything is deleted.
        """
        numbers = {_number("A frame's id", each) for each in listed("ids", ids)}
        if not numbers:
            return
        meta = self.get_meta()
        deleted = set(meta.deleted_frames or ())
        known = _stretch(self, meta)
        unknown = sorted(number for number in numbers if number not in known)
        if unknown:
            raise ValueError(
                f"{self!r} has no frame {', '.join(map(str, unknown[:5]))}: its frames are "
                f"{known.start} to {known.stop - 1}. Nothing was deleted."
            )
        if not numbers <= deleted:
            # What is sent replaces what there is.
            _meta(self, "PATCH", Json({"deleted_frames": sorted(deleted | numbers)}))


def _path(obj: Any, rest: str) -> tuple[Any, ...]:
    *path, _ = live_session(obj, "The frames").dialect.address(obj)
    return (*path, rest)


def _asked(obj: Any, kind: str, number: int, quality: str | None) -> Request:
    """Return the request of a frame or a chunk. Raises ValueError for what can't be asked for."""
    if quality is not None and quality not in QUALITIES:
        raise ValueError(f"quality is one of {', '.join(QUALITIES)}, or None, not {cut(quality)}.")
    number = _number(f"{kind}_id", number)
    params = (("type", kind), ("number", number), ("quality", quality))
    rest = "/data/" if type(obj).__mapper__.endpoint == "tasks" else "/data"
    return Request("GET", _path(obj, rest), tuple(p for p in params if p[1] is not None))


def _number(name: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is a whole number from 0, not {cut(value)}.")
    return value


def _sent(obj: Any, request: Request, path: Path | None = None) -> Response:
    """Send a request, until what it asks for is ready; *path* is where the answer is written."""
    session = live_session(obj, "The frames")
    if path is not None:
        request = Request("GET", request.path, request.params, into=lambda: path.open("wb"))
    end = time.monotonic() + PATIENCE
    while True:
        try:
            response: Response = session.send(request)
        except TooManyRequests as error:
            if error.retry_after is None or time.monotonic() + error.retry_after > end:
                raise
            session.client.transport.wait(error.retry_after)
        except (BadRequest, ServerError) as error:
            _refuse_without_frames(obj, error)
            raise
        else:
            return response


def _meta(obj: Any, method: str, body: Json | None = None) -> DataMeta:
    session = live_session(obj, "The frames")
    request = Request(method, _path(obj, "/data/meta"), body=body, repeatable=True)
    try:
        response = session.send(request)
    except (BadRequest, ServerError) as error:
        _refuse_without_frames(obj, error)
        raise
    found: DataMeta = DataMeta.__embedded__.wrap(row_of(response.json(), response), locked=True)
    return found


def _refuse_without_frames(obj: Any, error: StatusError) -> None:
    """Raise ValueError where it is for want of frames that CVAT, in no words of its own, has failed."""
    mapper = type(obj).__mapper__
    if mapper.endpoint != "tasks" or obj._row.get("size"):
        return
    session = live_session(obj, "The frames")
    try:
        request = session.dialect.detail_request(mapper, mapper.key_in(obj._row), {})
        row = session.dialect.read_row(mapper, session.send(request))
    except TransportError:
        return
    if not row.get("size"):
        raise ValueError(
            f"{obj!r} has no frames: CVAT has made none yet. Give it data with task.upload_data([...]), "
            "or wait for those that it has with task.wait_for_data()."
        ) from error


def _stretch(obj: Any, meta: DataMeta) -> range:
    """Return the numbers of the frames of a task or a job."""
    if type(obj).__mapper__.endpoint == "jobs":
        return range(obj.start_frame, obj.stop_frame + 1)
    return range(meta.size or 0)


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Give a path to write to; what is written there is *target* then, unless something fails."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    path = Path(name)
    try:
        yield path
        path.replace(target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def _folder(target: Path) -> Iterator[Path]:
    """Give a folder to write to; where something fails before anything is in it, what was made goes."""
    made = [each for each in (target, *target.parents) if not each.exists()]
    target.mkdir(parents=True, exist_ok=True)
    try:
        yield target
    except BaseException:
        with suppress(OSError):  # one that has something in it stays, and those above it
            for each in made:
                each.rmdir()
        raise


def _load(
    obj: Any, request: Request, folder: Path, pattern: str, number: int, extension: str | None
) -> Path:
    """Write a frame to the file that the pattern and its kind say."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".frame.")
    os.close(handle)
    path = Path(name)
    try:
        response = _sent(obj, request, path)
        ext = _extension(response, extension)
        target = folder / pattern.format(frame_id=number, frame_ext=ext)
        target.parent.mkdir(parents=True, exist_ok=True)
        return path.replace(target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _extension(response: Response, wanted: str | None) -> str:
    """Return the end of a frame's name. Raises ValueError where another kind of picture is wanted."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    found = ".jpg" if kind in ("image/jpeg", "image/jpg") else mimetypes.guess_extension(kind)
    if not kind.startswith("image/") or found is None:
        raise ContractError(f"{response.url} answered {cut(kind)} where a picture was expected.")
    if wanted is None:
        return found
    told = f".{wanted.removeprefix('.')}"
    if mimetypes.guess_type(f"x{told.lower()}")[0] != mimetypes.guess_type(f"x{found}")[0]:
        raise ValueError(
            f"image_extension={wanted!r}: the frame is {kind}, and frames are written as they are. "
            "Leave it out, or convert the file."
        )
    return told


def _check_pattern(pattern: str, numbers: list[int]) -> None:
    """Raise ValueError for a pattern that can't name files, or names two frames alike."""
    try:
        names = {pattern.format(frame_id=number, frame_ext=".png") for number in (0, 1)}
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ValueError(
            f"filename_pattern={pattern!r} is no pattern of frame_id and frame_ext: {error}."
        ) from None
    if len(names) < 2 and len(numbers) > 1:
        raise ValueError(f"filename_pattern={pattern!r} has no frame_id: all frames get one name.")


def side_by_side(
    do: Callable[[int], Path],
    numbers: list[int],
    workers: int,
    tell: Progress | None,
) -> list[Path]:
    """Do something for each number, so many at once; after what fails nothing more is begun."""
    found: dict[int, Path] = {}
    waiting = iter(numbers)
    with ThreadPoolExecutor(workers, "objmapper-frames") as pool:
        running: dict[Future[Path], int] = {}
        try:
            while True:
                while len(running) < 2 * workers and (n := next(waiting, None)) is not None:
                    running[pool.submit(do, n)] = n
                if not running:
                    return [found[number] for number in numbers]
                ended = wait(running, return_when=FIRST_COMPLETED).done
                for done in sorted(ended, key=running.__getitem__):
                    found[running.pop(done)] = done.result()
                    if tell is not None:
                        tell(len(found), len(numbers))
        except BaseException:
            for future in running:
                future.cancel()
            raise


__all__ = ["DataMeta", "FrameInfo", "Framed"]
