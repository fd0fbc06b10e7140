"""Pictures: their size, their compressed form, chunks and previews, made by Pillow.

Pillow is imported with the first picture: it would take longer than all else of a server's start.
What is made is the same each time, byte for byte, and so nothing is kept.
"""

from __future__ import annotations

import io
import mimetypes
import zipfile
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

_ROTATION = 274
_UNKNOWN = "PIL.UnidentifiedImageError: cannot identify image file"
_PREVIEW = (256, 256)
# A date that a ZIP file can have, always the same.
_DATE = (1980, 1, 1, 0, 0, 0)
#: The size of the pictures that made-up tasks have.
MADE_UP = (64, 48)


@cache
def _image() -> Any:
    return import_module("PIL.Image")


@cache
def _ops() -> Any:
    return import_module("PIL.ImageOps")


class Unreadable(Exception):
    """A file is no picture."""


class Frame(NamedTuple):
    """One frame of a task's data."""

    number: int
    name: str
    width: int
    height: int
    #: None for a picture that is made up.
    path: Path | None

    def read(self) -> bytes:
        """The picture as it was uploaded."""
        return _painted(self.number) if self.path is None else self.path.read_bytes()


def is_picture(name: str) -> bool:
    """Whether a file's name says that it is a picture.

    >>> is_picture("a/b.PNG"), is_picture("a.svg"), is_picture("a.txt")
    (True, False, False)
    """
    kind = kind_of(name)
    return kind.startswith("image/") and not kind.startswith("image/svg")


def kind_of(name: str) -> str:
    """The media type that a file's name says; empty for none."""
    return mimetypes.guess_type(name)[0] or ""


def measure(path: Path) -> tuple[int, int]:
    """Width and height of a picture as it is shown, without decoding it."""
    with _open(path) as image:
        width, height = image.size
        # 5 to 8 lie on their side.
        return (height, width) if _rotation(image) > 4 else (width, height)


def _rotation(image: Any) -> int:
    """How a picture lies; 1 is upright. Of a PNG file, Pillow would decode all to find nothing."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        found = image.getexif().get(_ROTATION, 1)
    except (OSError, ValueError, SyntaxError) as error:
        raise Unreadable(_UNKNOWN) from error
    return found if isinstance(found, int) else 1


def compressed(picture: bytes, quality: int) -> bytes:
    """A JPEG of a quality, upright."""
    with _open(io.BytesIO(picture)) as image:
        return _jpeg(image, quality=quality, optimize=True)


def preview(frame: Frame, quality: int) -> bytes:
    """A small JPEG of a frame."""
    with _open(io.BytesIO(compressed(frame.read(), quality))) as image:
        image.thumbnail(_PREVIEW)
        return _jpeg(image)


def original(frame: Frame) -> bytes:
    """A frame as it was uploaded; one that lies on its side is set upright."""
    picture = frame.read()
    with _open(io.BytesIO(picture)) as image:
        form = image.format
        if form != "TIFF" and _rotation(image) == 1:
            return picture
        buffer = io.BytesIO()
        options = {"compression": "tiff_lzw"} if form == "TIFF" else {"quality": 100}
        _ops().exif_transpose(image).save(buffer, format=form, **options)
        return buffer.getvalue()


def shown(frame: Frame, quality: int | None) -> tuple[bytes, str]:
    """A frame, compressed or as it was uploaded, and the ending of its name."""
    if quality is None:
        return original(frame), Path(frame.name).suffix.removeprefix(".")
    return compressed(frame.read(), quality), "jpeg"


def chunk(frames: Iterable[Frame | None], quality: int | None) -> bytes:
    """A ZIP file of frames, numbered from 0 on; None is a frame that is left out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for index, frame in enumerate(frames):
            picture, ending = _left_out() if frame is None else shown(frame, quality)
            file.writestr(zipfile.ZipInfo(f"{index:06d}.{ending}", _DATE), picture)
    return buffer.getvalue()


def _left_out() -> tuple[bytes, str]:
    return _jpeg(_image().new("RGB", (1, 1))), "jpeg"


def _painted(number: int) -> bytes:
    """The picture of a frame that is made up: of one colour, each its own."""
    color = (number * 37 % 256, number * 101 % 256, 128)
    buffer = io.BytesIO()
    _image().new("RGB", MADE_UP, color).save(buffer, format="PNG")
    return buffer.getvalue()


def _jpeg(image: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    _ops().exif_transpose(image).convert("RGB").save(buffer, format="JPEG", **options)
    return buffer.getvalue()


def _open(source: Path | IO[bytes]) -> Any:
    try:
        return _image().open(source)
    except _image().DecompressionBombError as error:
        raise Unreadable(f"PIL.Image.DecompressionBombError: {error}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise Unreadable(_UNKNOWN) from error
