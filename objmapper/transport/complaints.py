"""What an error answer says: bodies of every usual shape become messages, some of them by field."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

from objmapper.exceptions import ContractError
from objmapper.operation import Response

#: What an error answer says: the parsed body, all messages, and those that name a field.
Told = tuple[Any, list[str], dict[str, list[str]]]
#: Reads an error answer; None leaves it to `read_error`.
ErrorReader = Callable[[Response], Told | None]

#: Characters of a page without a title.
_WORDS_LIMIT = 300
_TEXT_LIMIT = 65536
_DEPTH_LIMIT = 8

# Keys whose text speaks for the whole answer; in this order the first is the most telling.
_SPOKEN = (
    "detail",
    "message",
    "error_description",
    "description",
    "error",
    "title",
    "msg",
    "reason",
)
# Keys beside them that say nothing to a person.
_SILENT = frozenset(
    "status code errno type instance id timestamp path traceId trace_id requestId request_id "
    "statusCode status_code @timestamp".split()
)
_WHOLE = frozenset({"", "non_field_errors", "__all__", "_schema", "errors"})


def read_error(response: Response) -> Told:
    """Read an error answer of any usual shape: ``(body, messages, errors by wire name)``.

    It knows dicts of lists (nested ones by dotted name), ``detail``, ``non_field_errors``,
    JSON:API's and FastAPI's lists, OData's and PocketBase's envelopes, lists, bare texts, HTML
    (its title, or its first words) and nothing at all.
    """
    if not response.content.strip():
        return None, [], {}
    kind = response.headers.get("content-type", "").lower()
    start = response.content[:200].lstrip().lower()
    if "html" in kind or start.startswith((b"<!doctype", b"<html")):
        return response.text, _page_words(response.text[:_TEXT_LIMIT]), {}
    try:
        body = response.json()
    except ContractError:
        return response.text, [response.text[:_TEXT_LIMIT].strip()], {}
    messages: list[str] = []
    errors: dict[str, list[str]] = {}
    for name, message in _told(body, "", 0):
        if message and message not in messages:
            messages.append(message)
        if name not in _WHOLE:
            errors.setdefault(name, []).append(message)
    return body, messages, errors


# A pattern that may begin anywhere must not run on to the end: what is no page may be all "<".
_CODE = re.compile(r"<(?:script|style)\b", re.IGNORECASE)
_CODE_ENDS = re.compile(r"</(?:script|style)\b[^<>]*>", re.IGNORECASE)


def _page_words(page: str) -> list[str]:
    for tag in ("title", "h1"):
        opened = re.search(rf"<{tag}\b[^<>]*>(.*)", page, re.IGNORECASE | re.DOTALL)
        inside, *closed = re.split(rf"(?i)</{tag}\b", opened[1], maxsplit=1) if opened else [""]
        if closed and (words := _words(inside)):
            return [words]
    shown, *pieces = _CODE.split(page)
    ends = [(piece, _CODE_ENDS.search(piece)) for piece in pieces]
    words = _words(" ".join([shown, *(piece[end.end() :] for piece, end in ends if end)]))
    return [words[:_WORDS_LIMIT]] if words else []


def _words(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^<>]*>", " ", markup)).split())


def _told(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield ``(dotted name, message)`` of everything that *value* says."""
    if depth > _DEPTH_LIMIT or value is None:
        return
    if isinstance(value, dict):
        yield from _told_by_dict(value, name, depth)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            # A list of dicts answers a list of rows (or of forms): their place is part of the name.
            inner = _dotted(name, str(index)) if isinstance(item, dict) else name
            yield from _told_by_entry(item, name, inner, depth)
    else:
        yield name, value if isinstance(value, str) else str(value)


def _told_by_entry(item: Any, name: str, inner: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield what one entry of a list says: a plain message, or an error that points to its field."""
    if isinstance(item, dict):
        field = _pointed_at(item)
        text = next((item[key] for key in _SPOKEN if isinstance(item.get(key), str)), None)
        if text is not None and (field is not None or _is_envelope(item)):
            whole = name.rsplit(".", 1)[-1] in ("errors", "detail", "details", "")
            yield _dotted("" if whole else name, field or ""), text
            return
    yield from _told(item, inner, depth + 1)


def _pointed_at(entry: dict[str, Any]) -> str | None:
    """Return the field that an entry of an error list means: JSON:API, FastAPI, OData, Kinto."""
    source = entry.get("source")
    if isinstance(source, dict):
        pointer = source.get("pointer")
        if isinstance(pointer, str):
            parts = pointer.strip("/").split("/")
            names = ("data", "attributes", "relationships")
            while parts and parts[0] in names:
                parts.pop(0)
            return ".".join(parts)
        parameter = source.get("parameter")
        return parameter if isinstance(parameter, str) else None
    place = entry.get("loc")
    if isinstance(place, list):
        where = ("body", "query", "path", "header")
        return ".".join(
            str(part) for part in (place[1:] if place[:1] and place[0] in where else place)
        )
    for key in ("target", "field", "name"):
        if isinstance(entry.get(key), str):
            return str(entry[key])
    return None


def _is_envelope(value: dict[str, Any]) -> bool:
    """Return whether a dict is about one error and not about the fields of a row."""
    return any(isinstance(value.get(key), str) for key in _SPOKEN) and not any(
        isinstance(item, list) and key not in ("errors", "details", "detail")
        for key, item in value.items()
    )


def _told_by_dict(value: dict[str, Any], name: str, depth: int) -> Iterator[tuple[str, str]]:
    envelope = _is_envelope(value)
    for key in _SPOKEN:
        if isinstance(value.get(key), str):
            yield name, value[key]
    for key, item in value.items():
        if key in _SPOKEN and isinstance(item, str):
            continue
        if key in _SILENT and not isinstance(item, list | dict):
            continue
        if key in _SILENT and envelope:
            continue
        silent_level = (
            key in _WHOLE
            or (
                isinstance(item, dict)
                and (key == "error" or (envelope and key in ("data", "details")))
            )
            or (key in ("detail", "details") and isinstance(item, list | dict))
        )
        yield from _told(item, name if silent_level else _dotted(name, key), depth + 1)


def _dotted(name: str, key: str) -> str:
    return f"{name}.{key}" if name and key else name or key
