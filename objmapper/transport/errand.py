"""A request on its way: what is sent, and what may be told of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from objmapper.operation import Request, Response, Stream
from objmapper.transport.auth import credentials_in
from objmapper.transport.bodies import Payload
from objmapper.transport.echo import as_curl
from objmapper.transport.exchange import Exchange
from objmapper.transport.masking import (
    masked_headers,
    masked_url,
    scrubbed,
    secrets_in,
    secrets_in_url,
)

if TYPE_CHECKING:
    import requests


@dataclass(slots=True)
class Errand:
    """One request and its attempts.

    ``sent`` has every value filled in; ``told`` is what errors, signals and logs get: Secret values
    covered, no credentials in headers and address.
    """

    exchange: Exchange
    sent: Request
    told: Request
    url: str
    shown_url: str
    payload: Payload
    attempts: int = 0
    #: How many attempts reached the server and were followed by another one.
    again: int = 0
    #: Whether the server may have done what one of those asked.
    doubtful: bool = False

    def goes_again(self, *, sent: bool = True, doubtful: bool = False) -> None:
        """Remember what the last attempt leaves behind, before the next one."""
        self.again += sent
        self.doubtful = self.doubtful or doubtful

    def go_to(self, url: str) -> None:
        """Take another address, as a redirect says."""
        self.url = url
        self.shown_url = masked_url(url)

    def prepared(self, *, trusted: bool) -> requests.PreparedRequest:
        """Return the request for one attempt; its body is open."""
        return self.exchange.prepared(self.sent, self.url, self.payload, trusted=trusted)

    def curl(self, prepared: requests.PreparedRequest) -> str:
        """Return the curl command for the log, credentials masked."""
        hidden = self.exchange.set_by_auth(prepared, self.sent, self.payload)
        method = prepared.method or ""
        return as_curl(self.told, method, self.shown_url, prepared.headers, hidden)

    def scrubbed(self, response: Response, prepared: requests.PreparedRequest) -> Response:
        """Return an error answer without the credentials that it quotes."""
        hidden = self.exchange.set_by_auth(prepared, self.sent, self.payload)
        secrets = [*credentials_in(prepared.headers, hidden), *self._secrets()]
        return response._replace(content=scrubbed(response.content, secrets))

    def _secrets(self) -> Iterator[str]:
        yield from secrets_in_url(self.url)
        yield from secrets_in(dict(self.told.params))
        body = self.told.body
        for part in ("value", "fields"):
            yield from secrets_in(getattr(body, part, None))
        if isinstance(body, Stream) and body.content_type == "application/x-www-form-urlencoded":
            with body.open() as form:
                yield from secrets_in(dict(parse_qsl(form.read().decode())))


def told(request: Request) -> Request:
    """Return *request* without credentials in its headers and its address."""
    headers = masked_headers(request.headers) if request.headers else request.headers
    path = request.path
    if isinstance(path, str) and ("?" in path or "@" in path):
        path = masked_url(path)
    if headers is request.headers and path == request.path:
        return request
    return request._replace(headers=headers, path=path)
