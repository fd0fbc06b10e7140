"""What must not be seen: which names mean a credential, and texts without their values."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from objmapper.operation import MASK, Secret

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


def secret_values(value: Any) -> Any:
    """Return *value* with what stands under sensitive names wrapped in Secret."""
    if isinstance(value, Mapping):
        return {
            name: Secret(item)
            if isinstance(name, str) and is_sensitive(name) and item is not None
            else secret_values(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [secret_values(item) for item in value]
    return value


def masked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return *headers* with the values of credentials masked."""
    if not any(is_sensitive(name) for name in headers):
        return headers
    return {name: MASK if is_sensitive(name) else value for name, value in headers.items()}


def scrubbed(content: bytes, secrets: Iterable[str]) -> bytes:
    """Return *content*, a server's answer, without *secrets* that it quotes.

    Values shorter than four characters stay: masking each "a" would hide the answer itself.
    """
    known = {secret for secret in secrets if len(secret) >= 4}
    forms = {form for secret in known for form in _written(secret)}
    for form in sorted(forms, key=len, reverse=True):
        content = content.replace(form.encode("utf-8", "replace"), MASK.encode())
    return content


def _written(secret: str) -> set[str]:
    """Return how *secret* reads in a text, an address, a form, JSON, and JSON inside of JSON."""
    encoded = {quote(secret, safe=safe, errors="replace") for safe in ("", "/", "$,:@/")}
    forms = {secret, quote_plus(secret, errors="replace"), *encoded}
    for _ in range(2):
        forms |= {
            json.dumps(form, ensure_ascii=ascii)[1:-1] for form in forms for ascii in (True, False)
        }
    return forms


def secrets_in(value: Any, hidden: bool = False) -> Iterator[str]:
    """Yield the texts of the Secret values in *value*, and of those with sensitive names.

    *hidden* says that all of it is secret.
    """
    if isinstance(value, Secret):
        yield from secrets_in(value.value, True)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from secrets_in(item, hidden or (isinstance(name, str) and is_sensitive(name)))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secrets_in(item, hidden)
    elif hidden and isinstance(value, str | int | float):
        yield str(value)


def secrets_in_url(url: str) -> Iterator[str]:
    """Yield the credentials in the query of *url*, as they stand there and decoded."""
    for name, value in _PAIR.findall(url):
        if is_sensitive(name):
            yield from (value, unquote(value))


def _mask_record(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(
            f"{arg.partition('?')[0]}?{MASK}" if isinstance(arg, str) and "?" in arg else arg
            for arg in record.args
        )
    return True


def guard_urllib3() -> None:
    """Mask the queries in what urllib3 logs at DEBUG; once, however often it is called.

    Which of them hold credentials only the transport knows, whose own log shows the others.
    """
    logging.getLogger("urllib3.connectionpool").addFilter(_mask_record)
