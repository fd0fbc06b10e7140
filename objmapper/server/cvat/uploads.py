"""Uploads: a task's data comes in one request, or by parts between Upload-Start and Upload-Finish.

Parts are forms with files (Upload-Multiple) or files in pieces (the TUS protocol: Upload-Length,
then PATCHes with an offset). All is read from the stream to a file, block by block.
"""

from __future__ import annotations

import base64
import sqlite3
import uuid
from typing import Any

from objmapper.server.cvat import background, data_fields, tasks
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.errors import Broken, Invalid
from objmapper.server.cvat.permissions import TASK_STAFF, require

LARGEST = 26_843_545_600
_EXPOSED = "Tus-Resumable,upload-length,upload-metadata,Location,Upload-Offset"
_TUS = (
    ("Tus-Resumable", "1.0.0"),
    ("Tus-Version", "1.0.0"),
    ("Tus-Extension", ""),
    ("Tus-Max-Size", str(LARGEST)),
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "PATCH,HEAD,GET,POST,OPTIONS"),
    ("Access-Control-Expose-Headers", _EXPOSED),
    ("Access-Control-Allow-Headers", f"{_EXPOSED},content-type"),
    ("Cache-Control", "no-store"),
)


def posted(call: Call, path: dict[str, str]) -> Answer:
    """POST /api/tasks/{id}/data: the headers say which part of an upload it is."""
    task = tasks.find(call, path["key"])
    require(call, task, TASK_STAFF)
    data = _data(call, task)
    headers = call.request.headers
    if "Upload-Finish" in headers:
        return _finished(call, task, data)
    if "Upload-Start" in headers:
        return Answer(status=202)
    if "Upload-Length" in headers:
        return _begun(call, data)
    if "Upload-Multiple" in headers:
        _append(call, data, data_fields.given(call)[1])
        return Answer(status=200)
    return _finished(call, task, data)


def refused_options(call: Call, path: dict[str, str]) -> Answer:
    """OPTIONS of the path fails on the real server (observed on CVAT 2.15)."""
    raise Broken("CVAT misspells a status")


def _data(call: Call, task: sqlite3.Row) -> int:
    """The key of a task's data, which are made with the first request; full ones stay as they are."""
    if task["data_id"] is not None:
        if task["size"]:
            raise Invalid("Adding more data is not supported")
        return int(task["data_id"])
    # Made-up tasks have data without a row.
    row = call.row(
        "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'data'), 0),"
        " coalesce((SELECT max(data_id) FROM task), 0)) AS last"
    )
    last = 0 if row is None else row["last"]
    key = call.insert("data", {"id": last + 1, "chunks_updated_date": call.clock()})
    call.update("task", task["id"], {"data_id": key, "size": 0})
    return key


def _append(call: Call, data: int, files: list[data_fields.File]) -> None:
    """Files of a form; a name that is there already breaks CVAT (its database, 2.15)."""
    for name, stream in files:
        blob = keep(call, data, call.site.folder.add(stream))
        call.insert("client_file", {"data_id": data, "name": name, "blob": blob})


def keep(call: Call, data: int, blob: str) -> str:
    """A file belongs to data and goes with them."""
    call.insert("blob", {"name": blob, "data_id": data})
    return blob


def _begun(call: Call, data: int) -> Answer:
    """A file is announced by its name and length; its pieces go to the address that is answered."""
    name = _metadata(call).get("filename", "")
    if name != data_fields.base_name(name):
        return _tus(400, f"File name {name} is not allowed")
    known = call.row("SELECT blob FROM client_file WHERE data_id = ? AND name = ?", (data, name))
    if not name or (known is not None and known["blob"] is not None):
        return _tus(409, "File with same name already exists")
    length = _number(call, "Upload-Length")
    if length > LARGEST:
        return _tus(413, f"File size exceeds max limit of {LARGEST} bytes")
    if length < 1:
        raise Broken("CVAT makes room for no bytes")
    key = str(uuid.uuid4())
    location = f"{_origin(call)}{call.request.path}{key}"
    blob = keep(call, data, call.site.folder.new())
    row = {"key": key, "data_id": data, "name": name, "blob": blob, "length": length}
    call.insert("upload", row)
    if known is None:
        call.insert("client_file", {"data_id": data, "name": name, "blob": None})
    return _tus(201, None, ("Location", location), ("Upload-Filename", name))


def _origin(call: Call) -> str:
    """Where the client says that it is; 2.15 fails if it doesn't (its code)."""
    if "X-Forwarded-Host" in call.request.headers or not call.version.tus_needs_origin:
        return call.base
    origin = call.request.headers.get("Origin")
    if origin is None:
        raise Broken("CVAT builds the address on the header Origin")
    return origin


def _metadata(call: Call) -> dict[str, str]:
    found = {}
    for pair in call.request.headers.get("Upload-Metadata", "").split(","):
        name, _, value = pair.strip().partition(" ")
        try:
            found[name] = base64.b64decode(value).decode()
        except ValueError as error:
            raise Broken("Upload-Metadata is no base64") from error
    return found


def _number(call: Call, header: str) -> int:
    try:
        return int(call.request.headers.get(header, "0"))
    except ValueError as error:
        raise Broken(f"{header} is no number") from error


def _upload(call: Call, path: dict[str, str]) -> sqlite3.Row | None:
    task = tasks.find(call, path["key"])
    require(call, task, TASK_STAFF)
    sql = "SELECT * FROM upload WHERE key = ? AND data_id = ?"
    return call.row(sql, (str(path["file"]), task["data_id"]))


def asked(call: Call, path: dict[str, str]) -> Answer:
    """HEAD /api/tasks/{id}/data/{file}: how much is there; a complete file is not known any more."""
    row = _upload(call, path)
    if row is None:
        return _tus(404)
    offset, length = str(row["offset"]), str(row["length"])
    return _tus(200, None, ("Upload-Offset", offset), ("Upload-Length", length))


def patched(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/tasks/{id}/data/{file}: a piece, from where the one before ended."""
    row = _upload(call, path)
    if row is None:
        raise Broken("CVAT looks for the offset of a file that it does not know")
    start = _number(call, "Upload-Offset")
    if start != row["offset"]:
        return _tus(409)
    written = call.site.folder.write(row["blob"], start, call.request.stream)
    end = start + written
    if end > row["length"]:
        return _tus(413)
    call.run("UPDATE upload SET offset = ? WHERE key = ?", (end, row["key"]))
    if end == row["length"]:
        call.run("DELETE FROM upload WHERE key = ?", (row["key"],))
        call.run(
            "UPDATE client_file SET blob = ? WHERE data_id = ? AND name = ? AND blob IS NULL",
            (row["blob"], row["data_id"], row["name"]),
        )
    return _tus(204, None, ("Upload-Offset", str(end)), ("Upload-Filename", row["name"]))


def _tus(status: int, body: str | None = None, *more: tuple[str, str]) -> Answer:
    return Answer(body, status, (*_TUS, *more))


def _finished(call: Call, task: sqlite3.Row, data: int) -> Answer:
    """All has been sent: what is to become of it is written down, and the work begins."""
    given, files = data_fields.given(call)
    _append(call, data, files)
    names = [
        row["name"]
        for row in call.rows("SELECT name FROM client_file WHERE data_id = ? ORDER BY id", (data,))
    ]
    order = given["upload_file_order"]
    if not (order and names and given.get("sorting_method") == "predefined"):
        order = names
    _require_same(names, order)
    columns = {name: given[name] for name in _STORED if name in given}
    if given["use_cache"]:
        columns["storage_method"] = "cache"
    if given["server_files"] and not given["copy_data"]:
        columns["storage"] = "share"
    call.update("data", data, columns)
    call.update("task", task["id"], {"updated_date": call.clock()})
    shown = _shown(call, data, given, names)
    key = background.start(call, task["id"], given | {"client_files": order})
    return Answer({"rq_id": key} if call.version.requests else shown, 202)


_STORED = (
    "chunk_size", "image_quality", "start_frame", "stop_frame", "frame_filter", "storage_method",
    "storage", "sorting_method",
)  # fmt: skip


def _require_same(names: list[str], order: list[str]) -> None:
    extra = [f"{name} (extra)" for name in names if name not in order]
    missing = [f"{name} (missing)" for name in order if name not in names]
    if extra or missing:
        told = ", ".join([*extra, *missing][:5])
        raise Invalid(
            [
                "Uploaded files do not match the 'upload_file_order' field contents. Please check"
                f" the uploaded data and the list of uploaded files. Mismatching files: {told}"
            ]
        )


def _shown(call: Call, data: int, given: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """What 2.15 answers; what it does not store has its default again."""
    row = call.find("SELECT * FROM data WHERE id = ?", str(data))
    return {name: row[name] for name in _STORED} | {
        # The answer is written before the storage and its method follow from the rest.
        "storage": given.get("storage", "local"),
        "storage_method": given.get("storage_method", "file_system"),
        "client_files": names,
        "server_files": given["server_files"],
        "remote_files": given["remote_files"],
        "use_zip_chunks": False,
        "server_files_exclude": [],
        "use_cache": False,
        "copy_data": False,
        "filename_pattern": None,
    }
