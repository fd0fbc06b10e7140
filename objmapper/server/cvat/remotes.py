"""Remote files: those that this machine's loopback serves, where the option ``remote`` allows it.

Nothing else is ever fetched: no other host, no redirect, through no proxy.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing
from typing import IO, cast
from urllib.parse import SplitResult, unquote, urlsplit

from objmapper.server.cvat.data_fields import base_name
from objmapper.server.cvat.site import Site
from objmapper.server.cvat.sources import Failed, Source

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PATIENCE = 10


def fetched(site: Site, urls: list[str]) -> Iterator[Source]:
    """The files that addresses lead to, by the last part of their path."""
    seen = set()
    for url in urls:
        parts = _parts(url)
        if parts.scheme not in ("http", "https"):
            raise Failed(
                f"ValueError: Unsupported URL scheme: {parts.scheme}."
                " Only http and https are supported"
            )
        name = base_name(unquote(parts.path))
        if name in seen:
            raise Failed(f"Exception: filename collision: {name}")
        seen.add(name)
        if not site.remote:
            why = "an embedded server fetches nothing unless it has the option 'remote'"
            raise _failed(parts, f": {why}")
        if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
            raise _failed(parts, ": an embedded server fetches from this machine alone, by http")
        blob = _fetched(site, parts)
        yield Source(name, site.folder.path(blob), blob=blob)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise Failed("ValueError: an address of remote_files is none") from error
    return parts


def _failed(parts: SplitResult, why: str) -> Failed:
    """What went wrong, and where: without what may be a password in the address."""
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return Failed(f"Exception: Failed to download {shown}{why}")


def _fetched(site: Site, parts: SplitResult) -> str:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=_PATIENCE
    )
    try:
        with closing(connection):
            connection.request("GET", target)
            response = connection.getresponse()
            if response.status != 200:
                raise _failed(parts, f"; HTTP error {response.status}")
            return site.folder.add(cast("IO[bytes]", response))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _failed(parts, f": {error}") from error
