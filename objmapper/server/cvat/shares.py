"""The share: a folder of this machine whose files a task can take without an upload."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from objmapper.server.cvat import pictures
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.errors import Invalid
from objmapper.server.cvat.sources import Failed, Source


def shared(share: Path | None, wanted: list[str], without: list[str]) -> list[Source]:
    """The files of a share by name, those of folders, too; raises Failed for what is not below it."""
    if share is None:
        raise Failed("ValueError: This server has no file share: start it with the option 'share'")
    return [
        Source(name, share / name, shared=name)
        for each in wanted
        for name in _below(share, each)
        if not _left_out(name, without)
    ]


def _below(share: Path, wanted: str) -> Iterator[str]:
    """The paths of files below the share, as it writes them."""
    name = posixpath.normpath(wanted).lstrip("/")
    if ".." in name.split("/"):
        raise Failed("ValueError: Don't use '..' inside file paths")
    path = (share / name).resolve()
    if not path.is_relative_to(share):
        raise Failed(f"ValueError: Bad file path: {wanted}")
    if path.is_dir():
        for each in sorted(path.rglob("*")):
            if each.is_file() and each.resolve().is_relative_to(share):
                yield each.relative_to(share).as_posix()
    elif path.is_file():
        yield name
    else:
        raise Failed(f"FileNotFoundError: [Errno 2] No such file or directory: '{wanted}'")


def _left_out(name: str, without: list[str]) -> bool:
    above = {f"{each}/" for each in PurePosixPath(name).parents}
    return name in without or not above.isdisjoint(without)


def listed(call: Call, _: dict[str, str]) -> Answer:
    """GET /api/server/share: a folder's files and folders, folders first; without a share, none."""
    asked = (call.parameter("directory") or "/").removeprefix("/")
    share = call.site.share
    if share is None:
        return Answer([])
    folder = (share / asked).resolve()
    if not (folder.is_relative_to(share) and folder.is_dir()):
        raise Invalid(f"{asked} is an invalid directory")
    begins = call.parameter("search") or ""
    rows = [_entry(each) for each in folder.iterdir() if each.name.startswith(begins)]
    return Answer(sorted(rows, key=lambda row: (row["type"], row["name"])))


def _entry(path: Path) -> dict[str, Any]:
    if path.is_dir():
        return {"name": path.name, "type": "DIR", "mime_type": "DIR"}
    return {"name": path.name, "type": "REG", "mime_type": _kind(path.name)}


def _kind(name: str) -> str:
    """What CVAT takes a file for, by its name."""
    if pictures.is_picture(name):
        return "image"
    if name.lower().endswith(".zip"):
        return "archive"
    return "video" if pictures.kind_of(name).startswith("video/") else "unknown"
