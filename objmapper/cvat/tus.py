"""TUS, the protocol of uploads that can be taken up again, as CVAT speaks it.

A POST names the file and its length and is answered with an address; PATCHes bring the pieces, each
with the offset that it begins at; where one is lost, HEAD tells how much is there. CVAT forgets the
address with the last byte.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

from objmapper.cvat.data import LocalFile, Meter, unchanged
from objmapper.exceptions import (
    Conflict,
    ConnectError,
    ContractError,
    NotFound,
    ServerError,
    StatusError,
    Timeout,
    TransportError,
)
from objmapper.operation import Request, Response, Stream

#: What goes in one PATCH: CVAT holds a piece in memory, and its own client sends them so long.
PIECE = 10 * 2**20
_VERSION = {"Tus-Resumable": "1.0.0"}
_NUMBER = re.compile(r"[0-9]{1,18}")


def upload(
    by: Any,
    path: str,
    file: LocalFile,
    *,
    piece: int = PIECE,
    may_be_there: bool = False,
    meter: Meter | None = None,
) -> Response | None:
    """Upload one file below *path*, so many bytes a *piece*; return the last answer.

    None where the server had it.

    Raises ContractError for an address that is another host's, Conflict for a file of that name
    unless it *may be there*, ValidationError for one that has changed, TransportError.
    """
    return _Upload(by, path, file, piece, meter).run(may_be_there=may_be_there)


class _Upload:
    """One file on its way."""

    def __init__(self, by: Any, path: str, file: LocalFile, most: int, meter: Meter | None) -> None:
        self.by, self.path, self.file, self.most, self.meter = by, path, file, most, meter
        self.retries: int = by.client.retries

    def run(self, *, may_be_there: bool) -> Response | None:
        failures = 0
        while True:
            begun = self.begun(may_be_there=may_be_there)
            if begun is None:
                return None
            answer = self.sent(begun)
            if answer is not None:
                return answer
            # The address is not known any more: all of it is there, or nothing.
            may_be_there, failures = True, failures + 1
            if failures > self.retries:
                raise ContractError(f"{self.path}: the server forgets each upload that it begins.")

    def begun(self, *, may_be_there: bool) -> str | None:
        """Announce the file and return where its pieces go; None where the server has it."""
        unchanged([self.file])
        name = base64.b64encode(self.file.name.encode("utf-8", "surrogateescape")).decode()
        headers = {
            **_VERSION,
            "Upload-Length": str(self.file.size),
            "Upload-Metadata": f"filename {name}",
            # 2.15 makes the address of it, and fails without one.
            "Origin": origin(self.by.client.base_url),
        }
        # Announced twice, a file is there once: the first address is never asked again.
        request = Request("POST", self.path, headers=headers, repeatable=True)
        try:
            response = self.by.send(request)
        except Conflict as error:
            if may_be_there or error.doubtful:
                return None
            raise
        location = response.headers.get("location")
        if not location:
            raise ContractError(f"{response.url} tells no address to upload {self.file.name!r} to.")
        # Scheme and port may be a proxy's; another host is refused.
        link: Request = self.by.client.transport.link(location, response.url)
        return str(link.path)

    def sent(self, address: str) -> Response | None:
        """Send the pieces; return the last answer, None where the server knows the address no more."""
        offset = failures = 0
        is_sure = True
        while True:
            try:
                if not is_sure:
                    found = self.asked(address)
                    if found is None:
                        return None
                    failures = 0 if found > offset else failures
                    offset, is_sure = found, True
                response = self.piece(address, offset)
            except (Conflict, ConnectError, Timeout, ServerError, NotFound) as error:
                failures += 1
                if failures > self.retries or not self.pause(error, failures):
                    raise
                is_sure = False
                continue
            reached = told_offset(response.headers, self.file.size)
            if reached is None or reached <= offset:
                told = response.headers.get("upload-offset")
                raise ContractError(
                    f"{response.url} took a piece from byte {offset} of {self.file.name!r} on, and tells "
                    f"{told!r} as what is there."
                )
            if reached == self.file.size:
                return response
            offset, failures = reached, 0

    def piece(self, address: str, offset: int) -> Response:
        """Send one piece. It is never sent again unasked: the server may have got a part of it."""
        unchanged([self.file])
        length = min(self.most, self.file.size - offset)
        body = Stream(lambda: self.opened(offset), length, "application/offset+octet-stream")
        headers = {**_VERSION, "Upload-Offset": str(offset)}
        request = Request("PATCH", address, headers=headers, body=body, repeatable=False)
        response: Response = self.by.send(request)
        return response

    def opened(self, offset: int) -> BinaryIO:
        """Open the file at a piece."""
        return self.file.open(offset) if self.meter is None else self.meter.over(self.file, offset)

    def asked(self, address: str) -> int | None:
        """Ask how much is there; None where the server knows the address no more."""
        try:
            response = self.by.send(Request("HEAD", address, headers=dict(_VERSION)))
        except NotFound:
            return None
        found = told_offset(response.headers, self.file.size)
        if found is None:
            told = response.headers.get("upload-offset")
            raise ContractError(f"{response.url} tells {told!r} as what is there of an upload.")
        return None if found == self.file.size else found

    def pause(self, error: TransportError, failures: int) -> bool:
        """Give a server that breaks some time, and say whether to go on; one that only counts otherwise
        needs none.
        """
        transport, policy = self.by.client.transport, self.by.client.transport.policy
        counts = isinstance(error, StatusError) and error.status == 409
        seconds = 0 if counts else min(policy.max_backoff, policy.backoff * 2**failures / 4)
        return bool(transport.waits_to_repeat(seconds))


def told_offset(headers: Mapping[str, str], size: int) -> int | None:
    """Return the offset that an answer tells; None for what can't be one."""
    told = headers.get("upload-offset", "")
    found = int(told) if _NUMBER.fullmatch(told) else -1
    return found if 0 <= found <= size else None


def origin(base_url: str) -> str:
    """Return scheme, host and port of an address.

    >>> origin("https://cvat.example:8080/api")
    'https://cvat.example:8080'
    """
    return "/".join(base_url.split("/", 3)[:3])


__all__ = ["upload"]
