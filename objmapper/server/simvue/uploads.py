"""The bytes of artifacts: sent and fetched by who knows the address, without a token."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.exceptions import ClientDisconnected

from objmapper.server.simvue.call import Answer, Call
from objmapper.server.simvue.errors import NotFound, Refused, Unprocessable

# The published client's tests look for this sentence.
_MISMATCH = "The SHA256 you specified did not match the calculated checksum."


def put(call: Call, place: str) -> Answer:
    """The bytes are the body."""
    with _whole():
        content = call.request.get_data()
    _keep(call, place, content)
    return Answer(status=200)


def post(call: Call, place: str) -> Answer:
    """The bytes are the part ``file`` of a form, beside the fields that were told.

    simvue 2.5.3 sends a form whatever was told.
    """
    with _whole():
        form, file = call.request.form, call.request.files.get("file")
    if file is None:
        raise Unprocessable.at("missing", "Field required", "body", "file")
    if form.get("key", place) != place:
        raise Unprocessable.at("key", "Input should be the key that was told", "body", "key")
    _keep(call, place, file.read())
    return Answer(status=204)


@contextmanager
def _whole() -> Iterator[None]:
    """A body that ends before the length that it announced is refused."""
    try:
        yield
    except ClientDisconnected:
        raise Refused("The body ended before its Content-Length") from None


def _keep(call: Call, place: str, content: bytes) -> None:
    row = call.row("SELECT id, checksum FROM artifact WHERE place = ?", (place,))
    if row is None:
        raise NotFound
    if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), row["checksum"]):
        raise Refused(_MISMATCH)
    call.update("artifact", row["id"], {"content": content})


def get(call: Call, place: str) -> Answer:
    row = call.row("SELECT content FROM artifact WHERE place = ?", (place,))
    if row is None or row["content"] is None:
        raise NotFound
    return Answer(bytes(row["content"]))
