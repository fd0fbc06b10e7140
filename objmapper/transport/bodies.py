"""Bodies as they travel: JSON and msgpack as bytes, files and multipart read while they are sent."""

from __future__ import annotations

import importlib
import json
import mimetypes
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from io import BytesIO
from typing import Any, BinaryIO

from objmapper.exceptions import ValidationError
from objmapper.operation import Body, Json, Later, Msgpack, Multipart, Stream

# Not orjson: it would send NaN as null and encode types that json refuses, so that what is sent
# would depend on what happens to be installed. Bodies are small; answers are not.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


#: What a body is read from: bytes, an open file, or what opens one when its turn comes.
Source = bytes | BinaryIO | Callable[[], BinaryIO]


class Streamed:
    """A body of known length that is read piece by piece, from several sources after each other.

    It never gives more bytes than it promised, and ends with OSError when a source has fewer:
    either would break the connection's framing for what follows.
    """

    def __init__(self, sources: list[Source], lengths: list[int]) -> None:
        # Not in pairs: thousands of small tuples are what garbage is collected for.
        self._sources = zip(sources, lengths, strict=True)
        self._length = self._all_left = sum(lengths)
        # The file at hand, what reads it, and how much is to come of it.
        self._file: BinaryIO = BytesIO()
        self._read_into: Callable[[memoryview], int | None] = self._file.readinto
        self._left = 0

    def __len__(self) -> int:
        return self._length

    def read(self, size: int = -1) -> bytes:
        """Return as many bytes as are asked for, of several sources if need be; all for -1."""
        room = self._all_left if size < 0 else min(size, self._all_left)
        return b"".join(self.pieces(room, room)) if room else b""

    def pieces(self, size: int, most: int | None = None) -> Iterator[memoryview]:
        """Yield what is left, or so much of it *at most*, *size* bytes at a time.

        All are one piece of memory, and each is good until the next one is asked for.
        """
        room = self._all_left if most is None else most
        memory = memoryview(bytearray(min(size, room)))
        while room:
            filled = memory if room >= len(memory) else memory[:room]
            self._fill(filled)
            room -= len(filled)
            yield filled

    def _fill(self, memory: memoryview) -> None:
        """Read so much as there is room for, of as many sources as that takes."""
        at, end = 0, len(memory)
        self._all_left -= end
        while at < end:
            left = self._left
            if not left:
                self._go_on()
                continue
            count = self._read_into(memory[at : at + left])
            if not count:
                raise OSError(f"A file ended {left} bytes before its promised length.")
            at += count
            self._left = left - count

    def _go_on(self) -> None:
        """Begin the next source; many files are not open at once."""
        with suppress(OSError):
            self._file.close()
        source, self._left = next(self._sources)
        file = self._file = _file(source)
        # Not what a wrapper passes on to the file within: that is not what its own read() gives.
        own = hasattr(type(file), "readinto") and getattr(file, "readinto", None)
        self._read_into = own or partial(_copy, file)

    def close(self) -> None:
        for file in (self._file, *(source for source, _ in self._sources)):
            if hasattr(file, "close"):
                with suppress(OSError):
                    file.close()


def _file(source: Any) -> Any:
    if isinstance(source, bytes):
        return BytesIO(source)
    return source if hasattr(source, "close") else source()


def _copy(file: Any, memory: memoryview) -> int:
    """Read what cannot be read straight to where it goes."""
    data = file.read(len(memory))
    if len(data) > len(memory):
        raise OSError(f"A file gave {len(data)} bytes where {len(memory)} were asked for.")
    memory[: len(data)] = data
    return len(data)


class Payload:
    """A body ready to be sent as often as needed: bytes once made, files opened anew each time."""

    def __init__(
        self,
        content_type: str | None = None,
        content: bytes | None = None,
        opener: Callable[[], Streamed] | None = None,
    ) -> None:
        self.content_type = content_type
        self.content = content
        self._opener = opener

    def open(self) -> bytes | Streamed | None:
        """Return the body for one attempt; a Streamed must be closed after it."""
        return self._opener() if self._opener else self.content

    @classmethod
    def of(cls, body: Body | Later | None) -> Payload:
        """Encode *body*. Raises ValidationError for values that its format can't carry."""
        match body:
            case None | Later():  # what is to be made later is made by then
                return cls()
            case Json(value):
                return cls("application/json", encode_json(value))
            case Msgpack(value):
                return cls("application/msgpack", _pack(value))
            case Stream(opener, length, content_type):
                return cls(content_type, opener=lambda: Streamed([opener()], [length]))
            case Multipart():
                boundary = uuid.uuid4().hex
                return cls(
                    f"multipart/form-data; boundary={boundary}",
                    opener=lambda: _multipart(body, boundary),
                )


def encode_json(value: Any) -> bytes:
    """Return *value* as compact JSON in UTF-8.

    Raises ValidationError for NaN, infinity, lone surrogates and types that JSON lacks.
    """
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        why = "a text has a character that is not Unicode (a lone surrogate)"
    except ValueError:
        why = "NaN and infinity are no JSON numbers"
    except TypeError as error:
        why = str(error)
    except RecursionError:
        why = "the values are nested too deeply"
    raise ValidationError(f"The values can't be sent as JSON: {why}. Nothing was sent.")


def _pack(value: Any) -> bytes:
    try:
        msgpack = importlib.import_module("msgpack")
    except ImportError:
        raise ImportError(
            "A body in msgpack needs the package msgpack: pip install msgpack"
        ) from None
    try:
        packed: bytes = msgpack.packb(value, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        why = type(error).__name__ if isinstance(error, UnicodeError) else error
        raise ValidationError(
            f"The values can't be sent as msgpack: {why}. Nothing was sent."
        ) from None
    return packed


def _multipart(body: Multipart, boundary: str) -> Streamed:
    """Open the files of *body* and lay its parts out in order: fields first."""
    sources: list[Source] = []
    lengths: list[int] = []
    kind_of = cache(_kind)
    # What stands before the next file, and after the last one.
    between = b"".join(
        _head(boundary, name) + value + b"\r\n" for name, value in _fields(body.fields)
    )
    try:
        for name, (file_name, opener, *told) in body.files.items():
            base_name = file_name.replace("\\", "/").rpartition("/")[2]
            # The kind follows from the last two endings: x.tar.gz is another than x.gz.
            kind = kind_of(".".join(["", *base_name.split(".")[1:][-2:]]))
            between += _head(boundary, name, base_name, kind)
            sources += (between, opener if told else opener())
            lengths += (len(between), told[0] if told else _length(sources[-1]))
            between = b"\r\n"
    except BaseException:
        Streamed(sources, [0] * len(sources)).close()
        raise
    between += f"--{boundary}--\r\n".encode()
    return Streamed([*sources, between], [*lengths, len(between)])


def _length(file: Any) -> int:
    start = file.tell()
    end: int = file.seek(0, os.SEEK_END)
    file.seek(start)
    return end - int(start)


def _fields(fields: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the plain fields: a list repeats its name, None is left out, the rest reads as JSON."""
    for name, value in fields.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            if item is None:
                continue
            if isinstance(item, bytes):
                yield name, item
            else:
                yield name, item.encode() if isinstance(item, str) else encode_json(item)


def _kind(endings: str) -> str:
    return mimetypes.guess_type(f"x{endings}")[0] or "application/octet-stream"


def _head(boundary: str, name: str, file_name: str | None = None, kind: str = "") -> bytes:
    lines = f'--{boundary}\r\nContent-Disposition: form-data; name="{_escaped(name)}"'
    if file_name is not None:
        lines += f'; filename="{_escaped(file_name)}"\r\nContent-Type: {kind}'
    return f"{lines}\r\n\r\n".encode("utf-8", "replace")


def _escaped(text: str) -> str:
    """Return *text* as browsers write it between quotes."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
