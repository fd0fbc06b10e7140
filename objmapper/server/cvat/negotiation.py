"""Which form an answer takes: CVAT's JSON, or a page for a browser (observed on CVAT 2.15).

``application/json`` is neither, and so is another version than 2.0.
"""

from __future__ import annotations

import html
import json
from typing import Any

from werkzeug.http import parse_options_header

from objmapper.server.cvat.errors import NotAcceptable

JSON = "application/vnd.cvat+json"
HTML = "text/html"


def negotiate(accept: str) -> str:
    """The media type of the answer; the most specific one that is accepted goes first.

    >>> negotiate("*/*"), negotiate("text/html, */*;q=0.8")
    ('application/vnd.cvat+json', 'text/html')
    """
    ranges = [parse_options_header(part.strip()) for part in (accept or "*/*").split(",")]
    for kind, parameters in sorted(ranges, key=_precision):
        for offered in (JSON, HTML):
            if kind in ("*/*", f"{offered.partition('/')[0]}/*", offered):
                if parameters.get("version", "2.0") != "2.0":
                    raise NotAcceptable('Invalid version in "Accept" header.')
                return offered
    raise NotAcceptable


def _precision(accepted: tuple[str, dict[str, str]]) -> int:
    kind, parameters = accepted
    if kind == "*/*":
        return 3
    if kind.endswith("/*"):
        return 2
    return 0 if set(parameters) - {"q"} else 1


def render(kind: str, body: Any) -> tuple[bytes, str]:
    """A body in the negotiated form, encoded, and its content type.

    Half of a surrogate pair, which a refusal may quote, stays the escape that JSON has for it.
    """
    if kind == HTML:
        text = json.dumps(body, ensure_ascii=False, indent=4)
        page = f"<!doctype html>\n<title>CVAT</title>\n<pre>{html.escape(text)}</pre>\n"
        return _encoded(page), "text/html; charset=utf-8"
    return _encoded(json.dumps(body, ensure_ascii=False, separators=(",", ":"))), JSON


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
