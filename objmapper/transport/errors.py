"""What went wrong, said once: error answers of every shape, and every exception of the libraries."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from objmapper.exceptions import (
    BY_STATUS,
    ConnectError,
    ServerError,
    StatusError,
    Timeout,
    TooManyRequests,
    TransportError,
)
from objmapper.operation import Request, Response
from objmapper.transport.complaints import ErrorReader, Told, read_error

SAID_LIMIT = 300

_ADVICE = {
    401: "Check the client's credentials (auth=...).",
    403: "These credentials may not do that.",
    404: "There is no such thing, these credentials can't see it, or the base URL is wrong.",
    405: "The address does not take this verb.",
}


def status_error(
    request: Request,
    response: Response,
    read: ErrorReader = read_error,
    *,
    retry_after: float | None = None,
) -> StatusError:
    """Return the error for an answer with a status of 400 or more, or a redirect not followed."""
    told: Told | None = None
    # A dialect's reader that fails must not hide what the server said.
    with suppress(Exception):
        told = read(response)
    body, messages, errors = told or read_error(response)
    status = response.status
    kind = BY_STATUS.get(status) or (ServerError if status >= 500 else StatusError)
    text = f"{response.method} {response.url} answered {status}{_phrase(status)}"
    if response.retries:
        text += f", sent {response.retries + 1} times"
    if said := _said(messages, errors):
        text += f": {said}"
    advice = _ADVICE.get(status, "")
    if status == 429:
        advice = "Send less, or later."
        if retry_after is not None:
            advice = f"The server asks to wait {retry_after:g} s."
    elif status >= 500 and not request.may_repeat:
        advice = "Whether the server did it is unknown."
    if advice:
        text += f"{'' if text.endswith(('.', '!', '?')) else '.'} {advice}"
    error = kind(text, response, request, body=body, messages=messages, errors=errors)
    if isinstance(error, TooManyRequests):
        error.retry_after = retry_after
    return error


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _said(messages: list[str], errors: dict[str, list[str]]) -> str:
    named = [f"{name}: {' '.join(said)}" for name, said in errors.items()]
    told = {message for said in errors.values() for message in said}
    text = "; ".join([message for message in messages if message not in told] + named)
    text = " ".join(text.split())
    return text if len(text) <= SAID_LIMIT else text[: SAID_LIMIT - 1] + "…"


# What the TLS library says while hands are still being shaken, before any request is written.
_HANDSHAKE = (
    "CERTIFICATE_VERIFY_FAILED WRONG_VERSION_NUMBER UNSUPPORTED_PROTOCOL NO_PROTOCOLS_AVAILABLE "
    "HANDSHAKE_FAILURE PROTOCOL_VERSION UNRECOGNIZED_NAME NO_SHARED_CIPHER HTTP_REQUEST "
    "HANDSHAKE_OPERATION_TIMED_OUT"
).split()

_rq, _u3 = requests.exceptions, urllib3.exceptions
# The first row one of whose kinds is met tells: which error, in what words, and whether the server
# can have got the request (None: the words of the TLS library decide).
_FATES: tuple[
    tuple[tuple[type[BaseException], ...], type[TransportError], str, bool | None], ...
] = (
    ((_rq.InvalidProxyURL,), TransportError, "the proxy's address is not a URL", False),
    (
        (_rq.ProxyError, _u3.ProxyError),
        ConnectError,
        "the proxy did not let it through{why}",
        False,
    ),
    (
        (_u3.NameResolutionError,),
        ConnectError,
        "the name of {server} is not known here{why}",
        False,
    ),
    ((_u3.NewConnectionError,), ConnectError, "no connection to {server}{why}", False),
    (
        (_rq.ConnectTimeout, _u3.ConnectTimeoutError),
        Timeout,
        "{server} took no connection in time",
        False,
    ),
    (
        (ssl.SSLError, _rq.SSLError, _u3.SSLError),
        ConnectError,
        "no secure connection to {server}{why}",
        None,
    ),
    (
        (_rq.Timeout, _u3.TimeoutError, TimeoutError),
        Timeout,
        "{server} did not answer in time",
        None,
    ),
    (
        (_rq.ContentDecodingError, _u3.DecodeError),
        ConnectError,
        "the answer's compression is broken",
        True,
    ),
    ((_u3.ClosedPoolError,), ConnectError, "the connections were closed meanwhile", False),
    # Addresses and headers that requests and urllib3 refuse are ValueErrors.
    ((_rq.InvalidURL, _rq.InvalidSchema, _rq.MissingSchema), TransportError, "not a URL", False),
    ((_rq.InvalidHeader, _u3.LocationValueError), TransportError, "it can't be written", False),
    (
        (_rq.RequestException, _u3.HTTPError, http.client.HTTPException, OSError),
        ConnectError,
        "the connection to {server} broke{why}",
        True,
    ),
    (
        (Exception,),
        TransportError,
        "{name} in a hook, an adapter or an auth of requests",
        True,
    ),
)


def transport_error(error: Exception, request: Request, shown_url: str) -> TransportError:
    """Return the error of this tree for whatever requests, urllib3 or a socket raised.

    The message is built from what is known to be harmless: the libraries' own messages and
    exceptions hold URLs, proxies' credentials and headers.
    """
    chain = list(_causes(error))
    why = _why(chain)
    kind, text, sent = next(
        (kind, text, sent)
        for kinds, kind, text, sent in _FATES
        if any(isinstance(cause, kinds) for cause in chain)
    )
    if sent is None:
        sent = not any(word in why.upper().replace(" ", "_") for word in _HANDSHAKE)
    server = urlsplit(shown_url).netloc
    said = text.format(why=why, server=server, name=type(error).__name__)
    failure = kind(f"{request.method} {shown_url}: {said}.", request)
    failure.sent = sent
    return failure


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and everything it wraps, as attribute, argument or cause."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        # Not __context__: it also holds what the caller was handling, which is another story.
        waiting += [getattr(found, "reason", None), *found.args, found.__cause__]


def _why(chain: list[BaseException]) -> str:
    """Return " (reason)" in the words of the system or of the HTTP parser, cut."""
    for cause in reversed(chain):
        text = ""
        if isinstance(cause, http.client.BadStatusLine | http.client.IncompleteRead):
            text = _http_words(cause)
        elif isinstance(cause, http.client.HTTPException):
            text = type(cause).__name__
        elif isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
            text = cause.strerror or str(cause)
        if text:
            return f" ({' '.join(text.split())[:120]})"
    return ""


def _http_words(cause: http.client.HTTPException) -> str:
    if isinstance(cause, http.client.RemoteDisconnected):
        return "it was closed without an answer"
    if isinstance(cause, http.client.BadStatusLine):
        return f"the answer is not HTTP, it starts {str(cause)[:40]}"
    return "the answer's body was cut off"
