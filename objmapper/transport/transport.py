"""Transport: sends a Request under a policy and returns the Response, or raises one tree of errors."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from objmapper import clock, signals
from objmapper.exceptions import ContractError, StatusError, TransportError, ValidationError
from objmapper.operation import Request, Response, Secret
from objmapper.transport import patience
from objmapper.transport.auth import Renewal, as_auth, checked_header
from objmapper.transport.bodies import Payload
from objmapper.transport.complaints import ErrorReader, read_error
from objmapper.transport.echo import logger, show_echo
from objmapper.transport.errand import Errand, told
from objmapper.transport.errors import status_error, transport_error
from objmapper.transport.exchange import Exchange, close_body
from objmapper.transport.masking import (
    guard_urllib3,
    masked_url,
)
from objmapper.transport.policy import Policy, checked_timeout, parsed_date, retry_after
from objmapper.transport.urls import Base, joined, quoted_path, with_params

if TYPE_CHECKING:
    import requests
    from requests.adapters import BaseAdapter

#: 100 MiB, counted after decompression.
MAX_RESPONSE_BYTES = 100 * 2**20
MAX_REDIRECTS = 5
_READS = ("GET", "HEAD", "OPTIONS")
_NOT_MODIFIED = 304


class Transport:
    """Sends requests below one base URL, with one set of credentials; threads may share it.

    Times are in seconds. *timeout* is for the connection and for each read, or a pair of both; the
    body of an answer may take ten times as long in all. *retries*, *backoff* and *max_retry_after*
    are those of `Policy`. *http* is a requests.Session of the user: its adapters, proxies,
    certificates, hooks, headers, cookies and auth are honoured, and it is not closed. *adapter*
    carries what goes to the base URL's origin. *errors* reads an error answer as `read_error` does.

    A connection that the server closed while it lay idle is noticed and replaced before it is used.
    In the instant between, the server closes and the request is under way; then nobody here can know
    whether a write was done, and it ends in a ConnectError with ``sent`` True.

    Whatever `send` raises that is no TransportError was raised before anything was sent.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Any = None,
        headers: Mapping[str, str | None] | None = None,
        timeout: float | tuple[float, float] = 30.0,
        retries: int = 3,
        backoff: float = 0.5,
        max_retry_after: float = 120.0,
        http: requests.Session | None = None,
        adapter: BaseAdapter | None = None,
        verify: bool | str = True,
        pool_size: int = 10,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        errors: ErrorReader = read_error,
        sender: type | None = None,
        echo: bool = False,
    ) -> None:
        self._base = Base.of(base_url)
        if self._base.userinfo is not None:
            if auth is not None:
                raise ValueError("The base URL has a user in it, and auth= is given: which one?")
            auth = self._base.userinfo
        if retries < 0:
            raise ValueError(f"retries={retries} is below 0.")
        #: When a request is sent again, and after how long.
        self.policy: Policy = Policy(retries, backoff, max_retry_after=max_retry_after)
        self._auth = as_auth(auth)
        self._mount = (self._base.origin + "/", adapter) if adapter is not None else None
        self._limits: dict[str, Any] = {
            "timeout": checked_timeout(timeout),
            "max_response_bytes": max_response_bytes,
            "verify": verify,
            "pool_size": pool_size,
            "adapter": self._mount,
        }
        self._exchange = Exchange(
            self._base.url,
            auth=self._auth,
            headers={
                n: v if v is None else checked_header(n, v) for n, v in (headers or {}).items()
            },
            http=http,
            **self._limits,
        )
        self._outside = Exchange(None, auth=None, headers={}, **self._limits)
        self._outside.refuse_cookies()
        self._read_error = errors
        self._sender = sender or type(self)
        self._echo = echo
        if echo:
            show_echo()
        guard_urllib3()
        #: How many requests were really sent, those that were sent again included.
        self.requests_sent: int = 0
        #: How many requests were sent again.
        self.retries_made: int = 0
        #: The last ``Date`` of an answer, and when it came.
        self._heard: tuple[str, float] | None = None
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._renewal = Renewal(self._auth)

    def trust_outside(self, verify: bool | str) -> None:
        """Check the certificates of other addresses, as a storage's, by *verify* from now on."""
        self._outside.close()
        self._outside = Exchange(None, auth=None, headers={}, **{**self._limits, "verify": verify})
        self._outside.refuse_cookies()

    @property
    def base_url(self) -> str:
        """The base URL, without credentials."""
        return self._base.url

    @property
    def http(self) -> requests.Session:
        """The requests.Session that carries everything."""
        return self._exchange.http

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds for the connection, and for each read."""
        timeout: tuple[float, float] = self._limits["timeout"]
        return timeout

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return self._closed.is_set()

    def __repr__(self) -> str:
        return f"<Transport {self.base_url}{' closed' if self.closed else ''}>"

    def close(self) -> None:
        """Close the connections; whoever waits to send again is woken and gets an error."""
        self._closed.set()
        self._exchange.close()
        self._outside.close()

    def send(self, request: Request) -> Response:
        """Send *request* below the base URL and return the answer, whose status is below 400.

        Pending and Secret values are filled in here; errors keep the request as it was given, but
        for credentials in its headers.
        Raises TransportError and its kin, ContractError for a path of another origin, and
        ValidationError for values that can't be written.
        """
        return self._run(self._errand(request))

    def judged(self, request: Request, response: Response) -> Response:
        """Return an answer to *request* that came as a part of another one: a batch's.

        Raises StatusError and its kin, as `send` would for it; credentials are masked in them.
        """
        if _is_success(request.method, response.status):
            return response
        errand = self._errand(request)
        try:
            prepared = errand.prepared(trusted=True)
            response = errand.scrubbed(response, prepared)
            close_body(prepared)
        except Exception:  # somebody's auth; what it would have signed with can't be told then
            response = response._replace(content=b"")
        refusal = self._refusal(errand.told, response)
        raise refusal

    def wait(self, seconds: float) -> None:
        """Wait that long, or until the transport is closed."""
        self._closed.wait(seconds)

    def waits_to_repeat(self, seconds: float) -> bool:
        """Wait before a request is sent again, and say whether that is wanted still.

        It is not where `patience.until` says that it is over.
        """
        return patience.wait(seconds, self._closed)

    def _errand(self, request: Request) -> Errand:
        """Return *request* with all its values, on its way below the base URL."""
        try:
            resolved = request.resolved()
        except RecursionError:
            raise ValidationError(
                "A value of the request refers to itself, or is nested too deeply. Nothing was sent."
            ) from None
        shown = told(request)
        if resolved.timeout is not request.timeout:  # it was made by now
            shown = shown._replace(timeout=resolved.timeout)
        if resolved.outside:
            return self._elsewhere(resolved, shown)
        path = str(resolved.path)
        url = with_params(self._base.below(path), resolved.params)
        shown_url = masked_url(url)
        if any(isinstance(value, Secret) for _, value in request.params):
            shown_url = masked_url(with_params(self._base.below(path), request.params, show=True))
        payload = Payload.of(resolved.body)
        return Errand(self._exchange, resolved, shown, url, shown_url, payload)

    def server_time(self, ago: float = 0.0) -> datetime | None:
        """Return what the server's clock showed *ago* seconds before now, to the second and not later.

        None as long as no answer has told its ``Date``.
        """
        heard = self._heard
        date = None if heard is None else parsed_date(heard[0])
        if heard is None or date is None:
            return None
        # It was told in whole seconds, and took its time to come: this is never too late.
        since = clock.now() - heard[1]
        return (date + timedelta(seconds=since - ago)).replace(microsecond=0)

    def link(self, url: str, base: str = "") -> Request:
        """Return the request for a page's *url*, with path and query taken to the own origin.

        A relative one is joined to *base* (a Response's ``url``), else to the base URL as a folder.
        Raises ContractError if it points to another host.
        """
        return Request("GET", self._base.relative(self._base.taken_home(url, base)))

    def follow(self, url: str) -> Response:
        """Get *url*, wherever it is, with neither credentials nor cookies; redirects are followed.

        Raises as `send` does, and ContractError for what is no http address.
        """
        return self.send(Request("GET", url, outside=True))

    def _elsewhere(self, request: Request, shown: Request) -> Errand:
        """Return the errand of a request to any address. Raises ContractError for what is none."""
        url = str(request.path)
        target = joined(self._base.url + "/", url)
        parts = urlsplit(target)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ContractError(f"The link {masked_url(url)!r} is not an http address.")
        host = parts.netloc.rpartition("@")[2]
        query = f"?{parts.query}" if parts.query else ""
        target = f"{parts.scheme}://{host}{quoted_path(parts.path) or '/'}{query}"
        shown_url = masked_url(target)
        shown = shown._replace(path=shown_url)
        payload = Payload.of(request.body)
        return Errand(
            self._outside, request._replace(path=target), shown, target, shown_url, payload
        )

    def _run(self, errand: Errand) -> Response:
        """Return the answer that counts; an error tells of the attempts before the last, too."""
        try:
            return self._tried(errand)
        except TransportError as error:
            error.retries, error.doubtful = errand.again, errand.doubtful
            error.sent = error.sent or errand.doubtful
            raise

    def _tried(self, errand: Errand) -> Response:
        """Send under the policy until there is an answer that counts."""
        request = errand.told
        tried = hops = 0
        renewed = False
        while True:
            seen = self._renewal.count
            try:
                response = self._attempt(errand)
            except TransportError as error:
                pause = self.policy.pause_after_error(request, error, tried)
                if pause is None or not self.waits_to_repeat(pause):
                    raise
                errand.goes_again(sent=error.sent, doubtful=error.sent)
            else:
                if errand.again:
                    response = response._replace(retries=errand.again)
                status = response.status
                if _is_success(request.method, status):
                    return response
                if status < 400:
                    errand.go_to(self._redirected(errand, response, hops))
                    hops += 1
                    continue
                if status == 401 and not renewed and errand.exchange is self._exchange:
                    renewed = self._renewal.after(seen, self)
                    if renewed:
                        errand.goes_again()
                        continue
                pause = self.policy.pause_after_answer(request, response, tried)
                if pause is None or not self.waits_to_repeat(pause):
                    raise self._refusal(request, response)
                errand.goes_again(doubtful=status >= 500)
            tried += 1
            with self._lock:
                self.retries_made += 1

    def _refusal(self, request: Request, response: Response) -> StatusError:
        wait = retry_after(response.headers)
        return status_error(request, response, self._read_error, retry_after=wait)

    def _attempt(self, errand: Errand) -> Response:
        """Send once. Raises TransportError, and what goes wrong before the first attempt is sent."""
        self._check_open(errand)
        trusted = errand.exchange is self._exchange and not self._renewal.is_mine
        try:
            prepared = errand.prepared(trusted=trusted)
        except Exception as error:
            if not errand.attempts:
                raise
            what = f"{errand.told.method} {errand.shown_url}"
            why = type(error).__name__
            raise TransportError(f"{what}: it can't be sent again ({why}).", errand.told) from None
        errand.attempts += 1
        level = logging.INFO if self._echo else logging.DEBUG
        logged = logger.isEnabledFor(level)
        if logged:
            logger.log(level, errand.curl(prepared))
        if signals.request_sent.receivers:
            self._announce(signals.request_sent, request=errand.told)
        result = self._answer(errand, prepared)
        if not isinstance(result, TransportError) or result.sent:
            with self._lock:
                self.requests_sent += 1
        if isinstance(result, TransportError):
            if logged:
                logger.log(level, "%s", result)
            raise result
        if errand.exchange is self._exchange and (date := result.headers.get("date")):
            self._heard = date, clock.now()
        if result.status >= 400:
            result = errand.scrubbed(result, prepared)
        if logged:
            size, ms = len(result.content), result.seconds * 1000
            logger.log(level, "-> %d, %d bytes, %.1f ms", result.status, size, ms)
        if signals.response_received.receivers:
            self._announce(signals.response_received, request=errand.told, response=result)
        return result

    def _answer(self, errand: Errand, prepared: Any) -> Response | TransportError:
        """Return the error rather than raise it here: the one below must not be its context."""
        try:
            return errand.exchange.answer(prepared, errand.told, errand.shown_url)
        except TransportError as error:
            return error
        except Exception as error:
            return transport_error(error, errand.told, errand.shown_url)
        finally:
            close_body(prepared)

    def _announce(self, signal: signals.ModelSignal, **kwargs: Any) -> None:
        for error in signal.announce(self._sender, **kwargs):
            # An answer must not be lost because somebody who listens fails.
            logger.error("A receiver of a transport's signal failed.", exc_info=error)

    def _check_open(self, errand: Errand) -> None:
        if self._pid != os.getpid():
            self._start()
            self._exchange.after_fork()
            self._outside.after_fork()
        if self.closed:
            error = TransportError(f"The client of {self.base_url} is closed.", errand.told)
            # Closed while an earlier attempt's fate is open, it stays open.
            error.sent = errand.attempts > 0
            raise error

    def _redirected(self, errand: Errand, response: Response, hops: int) -> str:
        """Return where a redirect leads, if it may be followed; else raise StatusError.

        Reads go on within the own host; a write goes on, as it is, after 307 and 308 only.
        """
        location = response.headers.get("location", "")
        target = ""
        if response.status == _NOT_MODIFIED:
            why = "answers no write"
        elif not location:
            why = "names no address that it could mean"
        elif errand.told.method not in _READS and response.status not in (307, 308):
            why = f"points to {masked_url(location)}, and a write is not sent elsewhere"
        else:
            why = f"points to {masked_url(location)}, which leads in a circle from {self.base_url}"
            try:
                target = self._target(errand, location)
            except ContractError as error:
                why = f"points elsewhere: {error}"
        if target and target != errand.url and hops < MAX_REDIRECTS:
            return target
        if location:
            headers = {**response.headers, "location": masked_url(location)}
            response = response._replace(headers=headers)
        refusal = status_error(errand.told, response, self._read_error)
        refusal.args = (f"{refusal.args[0].rstrip('.')}. It {why}.",)
        raise refusal

    def _target(self, errand: Errand, location: str) -> str:
        if errand.exchange is self._exchange:
            return self._base.taken_home(location, errand.url)
        target = joined(errand.url, location)
        if urlsplit(target).scheme not in ("http", "https"):
            raise ContractError(f"{masked_url(location)!r} is not an http address.")
        return target


def _is_success(method: str, status: int) -> bool:
    """Whether a request was answered with what it asked for; that nothing changed is news of a read alone."""
    return status < 300 or (status == _NOT_MODIFIED and method in _READS)
