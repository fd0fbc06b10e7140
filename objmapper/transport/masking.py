"""What must not be seen: which names mean a credential, and texts without their values."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from typing import Any

from objmapper.operation import MASK

# Parts of names. A bare "key" or "token" in front of nothing else is left to _EXACT: `key` is an
# everyday column, and `page_token` or `$skiptoken` is where a list goes on.
_PARTS = (
    r"passw|passphrase|pwd|secret|credential|signature|authorization|cookie|session-?_?id|csrf|xsrf"
    r"|api[-_]?key|access[-_]?key|private[-_]?key|auth[-_]?key|security[-_]?token|jwt"
    r"|(?:access|auth|api|id|refresh|session|user|login|bearer|x-auth|private|deploy|job)[-_]?token"
)
_EXACT = "token|sig|auth|x-token"
_NAME = re.compile(rf"(?:{_PARTS})|^(?:{_EXACT})$", re.IGNORECASE)
_PAIR = re.compile(r"(?<=[?&;])([^=&;#\s\"']+)=([^&;#\s\"']*)")
_USERINFO = re.compile(r"(?<=://)[^/?#@\s]*(?:@[^/?#@\s]*)*@")


def is_sensitive(name: str) -> bool:
    """Return whether a parameter, header or key of that name holds a credential."""
    return _NAME.search(name) is not None


def masked_url(text: str) -> str:
    """Return *text*, a URL or one with URLs in it, without credentials."""
    if "@" in text:
        text = _USERINFO.sub("", text)
    if "?" not in text:
        return text
    return _PAIR.sub(lambda m: f"{m[1]}={MASK}" if is_sensitive(m[1]) else m[0], text)


def masked_values(value: Any) -> Any:
    """Return JSON-ready *value* with what stands under sensitive names masked."""
    if isinstance(value, dict):
        return {
            name: MASK if is_sensitive(name) and item is not None else masked_values(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [masked_values(item) for item in value]
    return value


def scrubbed(content: bytes, secrets: Iterable[str]) -> bytes:
    """Return *content*, a server's answer, without *secrets* that it quotes.

    Values shorter than four characters stay: masking each "a" would hide the answer itself.
    """
    for secret in sorted({s for s in secrets if len(s) >= 4}, key=len, reverse=True):
        for form in {
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
        }:
            content = content.replace(form.encode("utf-8", "replace"), MASK.encode())
    return content


def _mask_record(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(masked_url(a) if isinstance(a, str) else a for a in record.args)
    return True


def guard_urllib3() -> None:
    """Mask credentials in the request lines that urllib3 logs at DEBUG; once, however often called."""
    logging.getLogger("urllib3.connectionpool").addFilter(_mask_record)
