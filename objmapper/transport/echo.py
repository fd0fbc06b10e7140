"""Requests as they are logged: curl commands that can be pasted, with every credential masked."""

from __future__ import annotations

import json
import logging
import shlex
from typing import TYPE_CHECKING, Any

from objmapper.operation import MASK, Json, Later, Multipart, Request, Stream, shown
from objmapper.transport.masking import is_sensitive, masked_values

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger("objmapper.transport")

#: What curl and every HTTP library send anyway.
_USUAL = frozenset({"user-agent", "accept-encoding", "connection", "content-length"})


def show_echo() -> None:
    """Let the transport's records of level INFO be seen, on stderr if nobody handles them."""
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)


def as_curl(
    request: Request, method: str, shown_url: str, headers: Any, set_by_auth: Iterable[str]
) -> str:
    """Return the curl command that sends *request*; masked values read ``***``."""
    words = ["curl"]
    if method == "HEAD":
        words.append("-I")
    elif method != "GET":
        words += ["-X", method]
    words.append(shown_url)
    hidden = set(set_by_auth)
    multipart = isinstance(request.body, Multipart)
    for name, value in headers.items():
        low = name.lower()
        if low in _USUAL or (low, value) == ("accept", "*/*"):
            continue
        if low == "content-type" and multipart:
            continue  # curl chooses a boundary of its own
        words += ["-H", f"{name}: {MASK if low in hidden or is_sensitive(name) else value}"]
    return " ".join(shlex.quote(word) for word in [*words, *_body_words(request)])


def _body_words(request: Request) -> list[str]:
    body = request.body
    if body is None or isinstance(body, Later):
        return []
    if isinstance(body, Json):
        text = json.dumps(masked_values(shown(body.value)), ensure_ascii=False)
        return ["--data-raw", text]
    if isinstance(body, Multipart):
        words: list[str] = []
        for name, value in masked_values(shown(dict(body.fields))).items():
            for item in value if isinstance(value, list) else [value]:
                text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
                words += ["--form-string", f"{name}={text}"]
        for name, file in body.files.items():
            words += ["-F", f"{name}=@{file[0]}"]
        return words
    size = f"{body.length} bytes" if isinstance(body, Stream) else "msgpack"
    return ["--data-binary", f"@<{size}>"]
