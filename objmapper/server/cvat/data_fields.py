"""What the POST of a task's data may say: JSON, or a form with the files themselves."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import IO, Any

from objmapper.server.cvat.call import Call
from objmapper.server.cvat.errors import Broken, Invalid
from objmapper.server.cvat.validation import (
    Boolean,
    Choice,
    Field,
    FieldError,
    Integer,
    Many,
    Text,
    clean,
)

SORTINGS = ("lexicographical", "natural", "predefined", "random")
STORAGES = ("cloud_storage", "local", "share")
METHODS = ("cache", "file_system")
_LARGEST = 2**31 - 1
_STEP = re.compile(r"step\s*=\s*([1-9]\d*)")
_ITEM = re.compile(r"(\w+)\[(\d+)\]")
_LISTS = ("server_files", "remote_files", "server_files_exclude", "upload_file_order")

File = tuple[str, IO[bytes]]


class _ChunkSize(Integer):
    def convert(self, value: Any, *, partial: bool) -> int:
        size = super().convert(value, partial=partial)
        if size <= 0:
            raise FieldError("Chunk size must be a positive integer")
        return size


class _Filter(Text):
    def convert(self, value: Any, *, partial: bool) -> str:
        text = super().convert(value, partial=partial)
        if not _STEP.search(text):
            raise FieldError("Invalid frame filter expression")
        return text


class _Mapping(Many):
    def convert(self, value: Any, *, partial: bool) -> list[Any]:
        jobs = super().convert(value, partial=partial)
        names = [name for job in jobs for name in job]
        for name in names:
            if names.count(name) > 1:
                text = f"The same file '{name}' cannot be used multiple times in the"
                raise FieldError(f"{text} job file mapping")
        return jobs


_NAMES = Many(Text(1024), default=[])
_FIELDS: dict[str, Field] = {
    "chunk_size": _ChunkSize(null=True, least=0, most=_LARGEST),
    "image_quality": Integer(least=0, most=100, required=True),
    "start_frame": Integer(least=0, most=_LARGEST),
    "stop_frame": Integer(least=0, most=_LARGEST),
    "frame_filter": _Filter(256, blank=True),
    "server_files": _NAMES,
    "remote_files": _NAMES,
    "server_files_exclude": _NAMES,
    "upload_file_order": _NAMES,
    "use_zip_chunks": Boolean(default=False),
    "use_cache": Boolean(default=False),
    "copy_data": Boolean(default=False),
    "cloud_storage_id": Integer(null=True),
    "storage_method": Choice(METHODS),
    "storage": Choice(STORAGES),
    "sorting_method": Choice(SORTINGS),
    "filename_pattern": Text(None, null=True),
    "job_file_mapping": _Mapping(Many(Text(1024), empty=False), empty=False),
    "validation_params": Field(null=True),
}


def step_of(frame_filter: str) -> int:
    """Every how manieth frame a filter leaves.

    >>> step_of("step=3"), step_of("")
    (3, 1)
    """
    match = _STEP.search(frame_filter)
    return int(match[1]) if match else 1


def given(call: Call) -> tuple[dict[str, Any], list[File]]:
    """The cleaned parameters of a request, and the files that came with them.

    2.15 wants a quality; cvat-sdk 2.80 may leave it out.
    """
    raw, files = _form(call) if _is_form(call) else (call.body(), [])
    if not call.version.data_needs_quality and isinstance(raw, dict):
        raw = {"image_quality": 70} | raw
    found = clean(raw, _FIELDS, partial=False)
    _check(found)
    return found, files


def _check(found: dict[str, Any]) -> None:
    if "start_frame" in found and found["start_frame"] > found.get("stop_frame", _LARGEST):
        text = "Stop frame must be more or equal start frame"
        raise Invalid({"non_field_errors": [text]})
    if found.get("filename_pattern"):
        if not all(name.endswith(".jsonl") for name in found["server_files"]):
            text = "The filename_pattern can only be used with specified manifest or without"
            raise Invalid({"non_field_errors": [f"{text} server_files"]})
        if found["server_files_exclude"]:
            text = "The filename_pattern and server_files_exclude cannot be used together"
            raise Invalid({"non_field_errors": [text]})
    if found.get("validation_params") is not None:
        text = "The embedded server makes no validation set with the data."
        raise Invalid({"validation_params": [f"{text} POST a ground truth job instead."]})
    if found.get("cloud_storage_id") is not None:
        raise Broken("there are no cloud storages here")


def _is_form(call: Call) -> bool:
    return call.request.mimetype in ("multipart/form-data", "application/x-www-form-urlencoded")


def _form(call: Call) -> tuple[dict[str, Any], list[File]]:
    """A form's values, lists as ``name[0]``, ``name[1]`` or under one name, and its files."""
    # CVAT has lifted the limits of its framework: a form has as many files as it likes, and 100 MiB of
    # all else (settings/base.py).
    call.request.max_form_parts, call.request.max_form_memory_size = sys.maxsize, 100 * 2**20
    form = call.request.form
    found: dict[str, Any] = {name: form.getlist(name)[-1] for name in form}
    found |= {name: form.getlist(name) for name in _LISTS if name in form}
    for name, items in _listed({name: form[name] for name in form}).items():
        found[name] = items
    files = call.request.files
    each = {name: files[name] for name in files}
    uploads = [*files.getlist("client_files"), *_listed(each).get("client_files", [])]
    named = [(base_name(upload.filename or ""), upload.stream) for upload in uploads]
    return found, [(name, stream) for name, stream in named if name]


def _listed(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of ``name[N]``, in the order of N."""
    found: dict[str, dict[int, Any]] = {}
    for key, value in values.items():
        match = _ITEM.fullmatch(key)
        if match and len(match[2]) < 10:
            found.setdefault(match[1], {})[int(match[2])] = value
    return {name: [items[n] for n in sorted(items)] for name, items in found.items()}


def base_name(name: str) -> str:
    """What follows the last slash of a name, of either kind: no path of a client's machine.

    >>> base_name("/home/me/a.png"), base_name("C:\\\\b.png"), base_name("..")
    ('a.png', 'b.png', '')
    """
    name = re.split(r"[/\\]", name)[-1].replace("\x00", "")
    return "" if name in (".", "..") else name
