"""The upload of a task's data, as operations: it is announced, files go side by side, it is finished.

Small files go in forms of so many bytes at most, larger ones in pieces (TUS). Whoever takes an upload
up again asks of each file whether the server has it: CVAT refuses a name that it has. What was
finished, and nobody heard of it, is looked up and never said twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from objmapper.cvat import tus
from objmapper.cvat.data import Data, LocalFile, Meter, ResourceType, unchanged
from objmapper.dialects.base import row_of, rows_of, unwrap
from objmapper.exceptions import ContractError, NotFound
from objmapper.operation import (
    Change,
    Draft,
    Json,
    Kind,
    Multipart,
    Request,
    Response,
    Secret,
    Settle,
)

#: How many bytes of files go in one form at most; a larger file goes in pieces.
FORM = 100 * 2**20
#: The kind of the operations.
UPLOAD = "upload"
#: The row's key of what is to be uploaded, and of what the server makes of it in the background.
DATA, REQUEST_ID = "data_to_upload", "rq_id"


@dataclass(slots=True, eq=False)
class Upload:
    """One task's upload, as its operations know it."""

    task: Any
    data: Data
    #: The path of the task's data, in parts.
    path: tuple[Any, ...]
    #: Whether the task was there before the plan, so that an earlier upload may have begun.
    is_known: bool
    #: Whether it may have been said already that all has been sent.
    is_finished: bool = False
    #: Whether each file is asked for before it is sent.
    is_resumed: bool = False
    #: Is told of the bytes that go out, where somebody wants to know.
    meter: Meter | None = None
    #: How many bytes of files go in one form at most, and how many in one piece.
    form: int = FORM
    piece: int = tus.PIECE

    @property
    def address(self) -> str:
        """The path of the task's data, as soon as the task has a key."""
        return str(Request("POST", self.path).resolved().path)

    # -- the operations ---------------------------------------------------------------------------

    def drafts(self, change: Change) -> Iterator[Draft]:
        """Yield the operations; the last one takes the data off the task's changes."""
        sent = dict(change.sent)
        if self.data.has_secrets:
            sent = {DATA: Secret(sent[DATA])}
        step, last = Change(UPLOAD, self.task), change._replace(kind=UPLOAD, sent=sent)
        if self.data.resource_type is not ResourceType.LOCAL:
            yield self.finish(last, {})
            return
        if self.is_finished:
            yield self.finish(last, {"Upload-Finish": ""})
            return
        start = Request("POST", self.path, headers={"Upload-Start": ""}, repeatable=True)
        yield Draft(UPLOAD, (step,), start, True, Settle.REPEAT, run=partial(self.start, start))
        for group in grouped(self.data.files, self.form):
            yield self.send(step, group)
        yield self.finish(last, {"Upload-Finish": ""})

    def send(self, step: Change, group: list[LocalFile]) -> Draft:
        """Return the operation that sends a group of files, or one in pieces."""
        if group[0].size > self.form:
            headers = {"Upload-Length": str(group[0].size)}
            request = Request("POST", self.path, headers=headers)
        else:
            quality = self.data.body["image_quality"]
            files = {
                f"client_files[{place}]": (file.name, self.opener(file), file.size)
                for place, file in enumerate(group)
            }
            body = Multipart({"image_quality": quality}, files)
            request = Request("POST", self.path, headers={"Upload-Multiple": ""}, body=body)
        run = _Group(self, request, group).run
        return Draft(UPLOAD, (step,), request, True, Settle.REPEAT, run=run, beside=id(self))

    def opener(self, file: LocalFile) -> Callable[[], BinaryIO]:
        """Return what opens a file for one attempt to send it."""
        meter = self.meter
        return file.open if meter is None else lambda: meter.over(file)

    def finish(self, last: Change, headers: dict[str, str]) -> Draft:
        """Return the operation that says what is to become of the files."""
        request = Request("POST", self.path, headers=headers, body=Json(self.data.body))
        run = partial(self.finished, request)
        return Draft(UPLOAD, (last,), request, True, Settle.REPEAT, read=_read, run=run)

    # -- what they do -----------------------------------------------------------------------------

    def start(self, request: Request, by: Any) -> Response:
        """Announce the upload; of a task that was there before find out what was begun of it."""
        if self.is_known:
            row = self.asked(by)
            # A task that nothing was ever sent to tells no data.
            self.is_resumed = row.get("data") is not None and not row.get("size")
        response: Response = by.send(request)
        return response

    def finished(self, request: Request, by: Any) -> Response:
        """Say what is to become of the files; if that was said before, unheard, find that out."""
        if self.is_finished:
            found = self.accepted(by)
            if found is not None:
                return found
        self.is_finished = True
        response: Response = by.send(request)
        return response

    def asked(self, by: Any) -> dict[str, Any]:
        """Return the task's row."""
        path = Request("GET", self.path).resolved().path
        response = by.send(Request("GET", str(path).removesuffix("/data/")))
        return row_of(response.json(), response)

    def accepted(self, by: Any) -> Response | None:
        """Return the answer to what was finished before, as far as it can be told; None for nothing."""
        key = type(self.task).__mapper__.key_in(self.task._row)
        params = (("task_id", key), ("action", "create"), ("target", "task"))
        try:
            response: Response = by.send(Request("GET", "/requests", params))
        except NotFound:  # 2.15
            return self.accepted_unnamed(by)
        rows = rows_of(unwrap(response.json(), "results", response), response)
        if rows:
            return _answer(response, {REQUEST_ID: rows[0].get("id")})
        return _answer(response, {}) if self.asked(by).get("size") else None

    def accepted_unnamed(self, by: Any) -> Response | None:
        """Find the same out on a server that gives background requests no names."""
        path = str(Request("GET", self.path).resolved().path).removesuffix("/data/")
        response: Response = by.send(Request("GET", f"{path}/status"))
        state = unwrap(response.json(), "state", response)
        # "Finished" is said of a task that nothing was sent to, too.
        known = state in ("Queued", "Started", "Failed") or self.asked(by).get("size")
        return _answer(response, {}) if known else None


@dataclass(slots=True, eq=False)
class _Group:
    """Files that go in one form, or one that goes in pieces."""

    upload: Upload
    request: Request
    files: list[LocalFile]
    is_begun: bool = False

    def run(self, by: Any) -> Response:
        """Send them; those that the server may have are asked for one by one."""
        unchanged(self.files)
        again, self.is_begun = self.is_begun or self.upload.is_resumed, True
        if not again and self.request.body is not None:
            response: Response = by.send(self.request)
            return response
        address, answer = self.upload.address, None
        for file in self.files:
            sent = tus.upload(
                by,
                address,
                file,
                piece=self.upload.piece,
                may_be_there=again,
                meter=self.upload.meter,
            )
            answer = sent or answer
        return answer or Response(200, {}, b"", "POST", by.client.base_url + address)


def grouped(files: Sequence[LocalFile], most: int) -> Iterator[list[LocalFile]]:
    """Yield files that go together, in their order: so many bytes at most; larger ones alone."""
    group: list[LocalFile] = []
    size = 0
    for file in files:
        if file.size > most:
            continue
        if size + file.size > most:
            yield group
            group, size = [], 0
        group.append(file)
        size += file.size
    if group:
        yield group
    yield from ([file] for file in files if file.size > most)


def split(changes: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    """Return what goes in objects' own requests, and what is uploaded after them."""
    now, later = [], []
    for change in changes:
        if DATA not in change.sent or change.kind == Kind.DELETE:
            # A step of an upload that says nothing of its own is no request by itself.
            if change.kind != UPLOAD:
                now.append(change)
            continue
        later.append(change._replace(sent={DATA: change.sent[DATA]}))
        rest = {key: value for key, value in change.sent.items() if key != DATA}
        if change.kind == Kind.CREATE or rest:
            now.append(change._replace(sent=rest))
    return now, later


def drafts(dialect: Any, later: Sequence[Change]) -> Iterator[Draft]:
    """Yield the operations of the uploads."""
    for change in later:
        task, wire = change.object, change.sent[DATA]
        data = Data.from_wire(wire.value if isinstance(wire, Secret) else wire)
        path = (*dialect.address(task), "/data/")
        is_known = type(task).__mapper__.key_in(task._row) is not None
        # What a journal tells of an upload that was finished, and whose answer nobody has heard.
        is_finished = change.kind == UPLOAD
        meter = getattr(task._row.get(DATA), "_meter", None)
        upload = Upload(task, data, path, is_known, is_finished, meter=meter)
        upload.form, upload.piece = dialect.form_bytes, dialect.piece_bytes
        yield from upload.drafts(change)


def _read(response: Response) -> list[Any]:
    """Return what the answer to a finished upload tells of the task: the request, if it has a name."""
    row = row_of(response.json(), response) if response.content.strip() else {}
    found = row.get(REQUEST_ID)
    if found is not None and (not isinstance(found, str) or not found):
        raise ContractError(f"{response.url} answered {found!r} as the name of a request.")
    return [{REQUEST_ID: found}]


def _answer(response: Response, row: dict[str, Any]) -> Response:
    """Return an answer as if it were the one to what was looked up."""
    content = json.dumps(row).encode()
    return Response(202, {}, content, "POST", response.url, response.seconds, response.retries)


__all__ = ["DATA", "REQUEST_ID", "UPLOAD", "drafts", "split"]
