"""What a task's data are made of: files, where they lie, and how the server is to take them.

``Data(["a.jpg", "b.jpg"], image_quality=90)`` is a value; ``Task.data`` takes one.
"""

from __future__ import annotations

import enum
import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import FileIO
from typing import Any, BinaryIO, NamedTuple

from objmapper.exceptions import ValidationError, cut, near_misses
from objmapper.fields.base import Field
from objmapper.operation import Secret
from objmapper.state import restore
from objmapper.transport.masking import masked_url


class ResourceType(enum.Enum):
    """Where the files of a task's data lie."""

    #: On this machine: they are uploaded.
    LOCAL = "local"
    #: In the folder that the server shares: they are named by their paths there.
    SHARE = "share"
    #: Anywhere on the net: the server fetches them.
    REMOTE = "remote"

    def __str__(self) -> str:
        return self.name.lower()


def _whole(least: int, most: int | None = None) -> Any:
    told = f"a whole number from {least}" + ("" if most is None else f" to {most}")

    def check(value: Any) -> str | None:
        fits = type(value) is int and least <= value and (most is None or value <= most)
        return None if fits else told

    return check


def _kind(kind: type, told: str) -> Any:
    return lambda value: None if isinstance(value, kind) else told


def _names(value: Any) -> str | None:
    fits = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
    return None if fits else "a list of file names"


def _jobs(value: Any) -> str | None:
    fits = isinstance(value, list | tuple) and all(job and not _names(job) for job in value)
    return None if fits and value else "a list with a list of file names for each job"


#: What no form brings whole: a server gets another name, and so may two files get one.
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_SORTING = ("lexicographical", "natural", "predefined", "random")

#: All that may be said of data, and what says how a value is to be.
PARAMETERS: Mapping[str, Any] = {
    "chunk_size": _whole(1),
    "cloud_storage_id": _whole(1),
    "copy_data": _kind(bool, "True or False"),
    "filename_pattern": _kind(str, "text"),
    "frame_filter": lambda value: (
        None
        if isinstance(value, str) and re.fullmatch(r"\s*step\s*=\s*[1-9]\d*\s*", value)
        else "text as 'step=5'"
    ),
    "frame_step": _whole(1),
    "image_quality": _whole(0, 100),
    "job_file_mapping": _jobs,
    "server_files_exclude": _names,
    "sorting_method": lambda value: None if value in _SORTING else f"one of {', '.join(_SORTING)}",
    "start_frame": _whole(0),
    "stop_frame": _whole(0),
    "upload_file_order": _names,
    "use_cache": _kind(bool, "True or False"),
    "use_zip_chunks": _kind(bool, "True or False"),
    "validation_params": _kind(Mapping, "a dict"),
}
#: What the published client asks for where nothing is said.
IMAGE_QUALITY = 70


class LocalFile(NamedTuple):
    """A file on this machine, as it was when it was given."""

    #: Its absolute path.
    path: str
    #: How long it was, in bytes.
    size: int
    #: When it was changed last, in nanoseconds since the epoch.
    changed: int

    @property
    def name(self) -> str:
        """Its base name: all that a server is told of where it lies."""
        return os.path.basename(self.path)

    @classmethod
    def of(cls, given: Any) -> LocalFile:
        """Look at a file.

        Raises TypeError for what is no path, IsADirectoryError and OSError for what is no file that can
        be read, ValueError for an empty one and for a name that would arrive as another.
        """
        path = given if isinstance(given, str) else _path_of(given)
        path = os.path.abspath(os.path.expanduser(path) if path.startswith("~") else path)
        strange = _UNNAMEABLE.search(path, path.rindex(os.sep) + 1)
        if strange is not None:
            raise ValueError(
                f"{path!r} has {strange[0]!r} in its name, and would have another name on the server: "
                "rename it, without backslashes, control characters and bytes that are no text."
            )
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(f"{path!r} is a folder: give the files in it.")
        if not found.st_size:
            raise ValueError(f"{path!r} is empty: CVAT takes no file without a byte in it.")
        return cls(path, found.st_size, found.st_mtime_ns)

    def fault(self) -> str | None:
        """Say why it is not what it was; None where it is."""
        try:
            found = os.stat(self.path)
        except OSError as error:
            return f"{self.path!r} can't be read any more: {error.strerror}."
        if (found.st_size, found.st_mtime_ns) != (self.size, self.changed):
            sizes = f"{self.size} bytes then, {found.st_size} now"
            return f"{self.path!r} has changed since it was given: {sizes}."
        return None

    def open(self, start: int = 0) -> BinaryIO:
        """Open it at a place."""
        file = FileIO(self.path)  # who sends it closes it
        if start:
            file.seek(start)
        return file


def _path_of(given: Any) -> str:
    path = given.__fspath__() if isinstance(given, os.PathLike) else given
    if not isinstance(path, str):
        raise TypeError(f"A local file is given by its path, as text, not by {cut(given)}.")
    return path


class Meter:
    """Tells how many bytes of files have gone out, of how many; what goes again counts once."""

    def __init__(self, total: int, told: Callable[[int, int], None]) -> None:
        self.total = total
        #: What the one who is told has raised; it is told no more then, and no request fails for it.
        self.failure: Exception | None = None
        self._told = told
        self._lock = threading.Lock()
        self._sent: dict[str, int] = {}
        self._all = 0

    def over(self, file: LocalFile, start: int = 0) -> BinaryIO:
        """Open a file at a place; what is read of it counts as sent."""
        return _Metered(file.open(start), self, file, start)  # type: ignore[return-value]

    def reached(self, file: LocalFile, offset: int) -> None:
        """Take in how far a file was read, and tell of it."""
        with self._lock:
            before = self._sent.get(file.path, 0)
            if offset <= before:
                return
            self._sent[file.path] = offset
            self._all += offset - before
            if self.failure is not None:
                return
            try:
                self._told(self._all, self.total)
            except Exception as error:
                self.failure = error


class _Metered:
    """An open file that tells a meter what is read of it."""

    def __init__(self, file: BinaryIO, meter: Meter, of: LocalFile, start: int) -> None:
        self._file, self._meter, self._of, self._at = file, meter, of, start
        self.close = file.close

    def readinto(self, memory: memoryview) -> int:
        count = self._file.readinto(memory)  # type: ignore[attr-defined]
        self._at += count
        self._meter.reached(self._of, self._at)
        return int(count)


class Data:
    """The data of a task: files, and how the server is to take them.

    *resources* are paths of files here (``ResourceType.LOCAL``), paths in the server's shared folder
    (SHARE), or addresses that the server fetches (REMOTE). *params* are CVAT's: image_quality (70 if
    it is not given), chunk_size, sorting_method, start_frame, stop_frame, frame_step or frame_filter,
    use_cache, use_zip_chunks, copy_data, job_file_mapping, filename_pattern, cloud_storage_id,
    server_files_exclude, validation_params, and upload_file_order, which follows from the resources
    where sorting_method is "predefined". One that is None is not said.

    Files are looked at now and read when they are sent. Raises TypeError and ValueError for what
    can't be, OSError for a file that can't be read.
    """

    __slots__ = ("_files", "_meter", "_params", "_resource_type", "_told")

    _files: tuple[Any, ...]
    #: The files as they are written: what they are compared by, so it is made once.
    _told: tuple[Any, ...]
    #: Is told of the bytes that go out, where somebody wants to know; no part of the value.
    _meter: Meter | None

    def __init__(
        self,
        resources: Iterable[str | os.PathLike[str]],
        *,
        resource_type: ResourceType | str = ResourceType.LOCAL,
        **params: Any,
    ) -> None:
        if isinstance(resources, str | bytes | os.PathLike):
            raise TypeError(f"resources is a list of files; of one write [{str(resources)!r}].")
        if not isinstance(resources, Iterable):
            raise TypeError(
                f"resources is a list of files, as ['a.jpg', 'b.jpg'], not {cut(resources)}."
            )
        self._meter = None
        self._resource_type = _resource_type(resource_type)
        if self._resource_type is ResourceType.LOCAL:
            self._files = tuple(map(LocalFile.of, resources))
            self._told = tuple(map(tuple, self._files))
        else:
            self._files = self._told = tuple(map(_address, resources))
        self._params = _checked(params)
        fault = self._fault()
        if fault:
            raise ValueError(fault)

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Data:
        """Return the data that ``to_wire`` wrote; nothing is looked at. Raises ValueError, TypeError."""
        self = object.__new__(cls)
        self._meter = None
        try:
            self._resource_type = ResourceType(wire["resource_type"])
            if self._resource_type is ResourceType.LOCAL:
                self._files = tuple(map(_known_file, wire["files"]))
                self._told = tuple(map(tuple, self._files))
            else:
                self._files = self._told = tuple(map(str, wire["files"]))
            self._params = _checked(dict(wire["params"]))
        except (KeyError, IndexError) as error:
            raise ValueError(f"these are no data: {error} is missing") from None
        return self

    def to_wire(self) -> dict[str, Any]:
        """Return it JSON-ready: of files their paths, and what tells whether they have changed."""
        return {
            "resource_type": self._resource_type.value,
            "files": self._told,
            "params": dict(self._params),
        }

    @property
    def resource_type(self) -> ResourceType:
        """Where the files lie."""
        return self._resource_type

    @property
    def files(self) -> tuple[Any, ...]:
        """The files: what was seen of local ones, the paths or addresses of others."""
        return self._files

    @property
    def params(self) -> dict[str, Any]:
        """How the server is to take them, as it was said."""
        return dict(self._params)

    @property
    def size(self) -> int:
        """How many bytes are uploaded."""
        return sum(each.size for each in self._files if isinstance(each, LocalFile))

    @property
    def has_secrets(self) -> bool:
        """Whether an address holds a credential."""
        remote = self._resource_type is ResourceType.REMOTE
        return remote and any(masked_url(each) != each for each in self._files)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON that says how the server is to take the files, and which, if they are elsewhere."""
        said = {"image_quality": IMAGE_QUALITY, **self._params}
        step = said.pop("frame_step", None)
        if step is not None:
            said["frame_filter"] = f"step={step}"
        if self._resource_type is ResourceType.LOCAL:
            if said.get("sorting_method") == "predefined":
                said.setdefault("upload_file_order", [each.name for each in self._files])
        elif self._resource_type is ResourceType.SHARE:
            said["server_files"] = list(self._files)
        else:
            said["remote_files"] = [
                each if masked_url(each) == each else Secret(each) for each in self._files
            ]
        return said

    def faults(self) -> list[str]:
        """Return what keeps it from being sent: files that are not what they were."""
        local = (each for each in self._files if isinstance(each, LocalFile))
        return [fault for fault in (each.fault() for each in local) if fault]

    def _fault(self) -> str | None:
        """Return what can't be of all of it together."""
        names = [each.name if isinstance(each, LocalFile) else each for each in self._files]
        seen: dict[str, int] = {}
        for place, name in enumerate(names):
            if name in seen:
                both = f"{_told(self._files[seen[name]])} and {_told(self._files[place])}"
                return (
                    f"Two files are called {masked_url(name)!r}: {both}. A task has one file of a name, "
                    "without the folders."
                )
            seen[name] = place
        params = self._params
        if not names and not {"cloud_storage_id", "filename_pattern"} & params.keys():
            return "Data of no files: resources is empty."
        if "frame_step" in params and "frame_filter" in params:
            return "frame_step=n is short for frame_filter='step=n': give one of them."
        if params.get("start_frame", 0) > params.get("stop_frame", params.get("start_frame", 0)):
            return "start_frame is behind stop_frame: there is no frame between them."
        order = params.get("upload_file_order")
        if order is not None and sorted(order) != sorted(names):
            return "upload_file_order names each uploaded file once, and no other."
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Data) and self.to_wire() == other.to_wire()

    def __hash__(self) -> int:
        return hash((self._resource_type, self._files))

    def __repr__(self) -> str:
        count = len(self._files)
        params = "".join(f", {name}={cut(value, 40)}" for name, value in self._params.items())
        return f"<Data: {count} {self._resource_type} file{'s' * (count != 1)}{params}>"


def _known_file(told: Any) -> LocalFile:
    path, size, changed = told
    if not isinstance(path, str) or type(size) is not int or type(changed) is not int:
        raise ValueError(f"{cut(told)} is no file")
    return LocalFile(path, size, changed)


def _told(file: Any) -> str:
    return repr(file.path) if isinstance(file, LocalFile) else repr(masked_url(file))


def _resource_type(given: Any) -> ResourceType:
    try:
        return ResourceType(given.lower() if isinstance(given, str) else given)
    except ValueError:
        known = ", ".join(f"ResourceType.{each.name}" for each in ResourceType)
        raise ValueError(f"resource_type is one of {known}, not {cut(given)}.") from None


def _address(given: Any) -> str:
    if not isinstance(given, str | os.PathLike) or not str(given):
        raise TypeError(f"A file is given by its path or address, not by {cut(given)}.")
    return str(given)


def _checked(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said of data. Raises TypeError for an unknown name, ValueError for a value."""
    for name in params:
        if name not in PARAMETERS:
            hint = near_misses(name, PARAMETERS) or f" There are {', '.join(PARAMETERS)}."
            raise TypeError(f"Data have no parameter {name!r}.{hint}")
    found = {name: value for name, value in params.items() if value is not None}
    for name, value in found.items():
        told = PARAMETERS[name](value)
        if told:
            raise ValueError(f"{name} is {told}, not {cut(value)}.")
    return found


class DataField(Field[Data | None]):
    """What a task's data are to be made of; it goes in requests of its own.

    It is dropped when it was sent, as what is write-only is, but it is no secret: a journal has the
    paths of the files, and never what is in them.
    """

    python_type = Data
    wire_types = (dict,)
    hides = False

    def setter(self) -> Callable[[Any, Any], None]:
        write = super().setter()

        def set_or_withdraw(obj: Any, value: Any) -> None:
            if value is not None:
                write(obj, value)
                return
            # A task's data can't be taken away: None is what nothing waits to be sent of.
            restore(obj, self)
            obj._row.pop(self.key, None)

        return set_or_withdraw

    def to_python(self, wire: Any) -> Data:
        return Data.from_wire(wire)

    def to_wire(self, value: Any) -> dict[str, Any]:
        found: dict[str, Any] = value.to_wire()
        return found

    def refusal(self, wire: Any) -> str:
        return f"Not the data of a task: a {type(wire).__name__}. Give Data([...]), as Data(['a.jpg'])."

    def faults(self, value: Any, wire: Any) -> list[str]:
        return [*_few(value.faults())] if isinstance(value, Data) else []


def _few(faults: list[str]) -> Iterator[str]:
    yield from faults[:3]
    if len(faults) > 3:
        yield f"And {len(faults) - 3} more files."


def unchanged(files: Iterable[LocalFile]) -> None:
    """Raise ValidationError for a file that is not what it was when it was given."""
    for file in files:
        fault = file.fault()
        if fault:
            raise ValidationError(fault)


__all__ = ["Data", "ResourceType"]
