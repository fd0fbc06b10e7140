"""One request, one answer: written through requests, read within limits of bytes and time."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.auth import HTTPBasicAuth
from requests.structures import CaseInsensitiveDict

from objmapper.exceptions import ResponseTooLarge, Timeout, TransportError
from objmapper.operation import Request, Response
from objmapper.transport.auth import (
    Auth,
    BearerAuth,
    TokenAuth,
    as_auth,
    check_headers,
)
from objmapper.transport.bodies import Payload, Streamed
from objmapper.transport.deadline import ANSWER_TIMES, DeadlineAdapter
from objmapper.transport.urls import with_params

_PIECE = 65536
_LENGTH = re.compile(r"[0-9]{1,18}")
_BODYLESS = ("GET", "HEAD")


class Exchange:
    """A requests.Session with all that one attempt needs; knows nothing of policies.

    Proxies, CA bundle and certificates for *url* are those of the environment when it was made;
    with *url* None, for any address, they are asked each time. ``~/.netrc`` never has a say.
    """

    def __init__(
        self,
        url: str | None,
        *,
        auth: Auth | None,
        headers: Mapping[str, str | None],
        timeout: tuple[float, float],
        max_response_bytes: int,
        http: requests.Session | None = None,
        adapter: tuple[str, BaseAdapter] | None = None,
        verify: bool | str = True,
        pool_size: int = 10,
        pid: int | None = None,
    ) -> None:
        self.auth = auth
        self._headers = headers
        self.timeout = timeout
        self.max_response_bytes = max_response_bytes
        self._given = http
        self._adapter = adapter
        self._pool_size = pool_size
        self._pid = pid or os.getpid()
        self.http = http if http is not None else self._own_session()
        if http is not None and verify is True:
            # The user's own setting wins over REQUESTS_CA_BUNDLE; requests has it the other way.
            verify = True if http.verify is None else http.verify
        self._verify = verify
        self._settings = None if url is None else self._environment(url)
        if http is None and url is not None:
            self.http.trust_env = False

    def _environment(self, url: str) -> dict[str, Any]:
        return dict(self.http.merge_environment_settings(url, {}, True, self._verify, None))

    def _own_session(self) -> requests.Session:
        http = requests.Session()
        for prefix in ("http://", "https://"):
            http.mount(prefix, DeadlineAdapter(pool_maxsize=self._pool_size))
        if self._adapter is not None:
            http.mount(*self._adapter)
        http.headers["User-Agent"] = f"objmapper ({requests.utils.default_user_agent()})"
        _lay_over(http.headers, self._headers)
        return http

    def refuse_cookies(self) -> None:
        """Keep no cookie of any answer."""
        self.http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def after_fork(self) -> None:
        """Give a forked child connections of its own; the parent's belong to the parent."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        if self._given is None:
            old, self.http = self.http, self._own_session()
            self.http.cookies = old.cookies.copy()
            self.http.trust_env = old.trust_env
        else:
            self._given.close()

    def close(self) -> None:
        """Close the connections; a session that the user gave stays the user's to close."""
        if self._given is None:
            self.http.close()

    def plain_headers(self, request: Request, payload: Payload) -> CaseInsensitiveDict[Any]:
        """Return the headers without credentials of auth and cookies."""
        headers: CaseInsensitiveDict[Any] = CaseInsensitiveDict(self.http.headers)
        if self._given is not None:
            _lay_over(headers, self._headers)
        if payload.content_type is not None:
            headers["Content-Type"] = payload.content_type
        _lay_over(headers, request.headers)
        return headers

    def prepared(
        self, request: Request, url: str, payload: Payload, *, trusted: bool
    ) -> requests.PreparedRequest:
        """Return the request as requests sends it; the body is open and must be closed.

        Filled by hand: `prepare_request` would take half of the time of a small request, and would
        decode ``%2E`` in the path. *trusted* says whether credentials and cookies come along.
        """
        prepared = requests.PreparedRequest()
        prepared.method = request.method.upper()
        prepared.headers = self.plain_headers(request, payload)
        own_params: Any = self.http.params
        prepared.url = with_params(url, dict(own_params).items()) if own_params else url
        hooks = self.http.hooks.get("response", [])
        prepared.hooks = {
            "response": [*([hooks] if callable(hooks) else hooks), _set_location_aside]
        }
        body: Any = payload.open()
        prepared.body = body
        if body is not None:
            prepared.headers["Content-Length"] = str(len(body))
        elif prepared.method not in _BODYLESS:
            prepared.headers["Content-Length"] = "0"
        try:
            if trusted:
                self._add_credentials(prepared, request)
            check_headers(prepared.headers)
        except BaseException:
            close_body(prepared)
            raise
        return prepared

    def _add_credentials(self, prepared: requests.PreparedRequest, request: Request) -> None:
        auth = self.auth if self.auth is not None else as_auth(self.http.auth)
        simple = auth is None or type(auth) in (TokenAuth, BearerAuth, HTTPBasicAuth)
        # Other auths, Digest for one, look for the jar, be it empty.
        if not simple or next(iter(self.http.cookies), None) is not None:
            prepared.prepare_cookies(self.http.cookies)
        if auth is not None and not any(n.lower() == "authorization" for n in request.headers):
            if simple:
                auth(prepared)
            else:
                prepared.prepare_auth(auth, prepared.url or "")

    def answer(
        self, prepared: requests.PreparedRequest, request: Request, shown_url: str
    ) -> Response:
        """Send *prepared* once and read the answer whole.

        Raises ResponseTooLarge, Timeout, and whatever requests and urllib3 raise.
        """
        started = time.perf_counter()
        settings = self._settings or self._environment(prepared.url or "")
        timeout = request.timeout or self.timeout
        answer = self.http.send(prepared, timeout=timeout, allow_redirects=False, **settings)
        try:
            content = self._content(answer, request, shown_url)
        except BaseException:
            # Half read, so not fit to carry another request.
            answer.close()
            raise
        headers = {name.lower(): value for name, value in answer.headers.items()}
        # Cookies are in the jar; here they would be credentials in an error's attributes.
        headers.pop("set-cookie", None)
        if location := getattr(answer, "location_set_aside", None):
            headers["location"] = location
        return Response(
            answer.status_code,
            headers,
            content,
            prepared.method or "",
            shown_url,
            time.perf_counter() - started,
        )

    def _content(self, answer: requests.Response, request: Request, shown_url: str) -> bytes:
        what = f"{request.method} {shown_url}"
        if request.into is not None and answer.status_code < 300:
            with _writing(what, request):
                file = request.into()
            try:
                for piece in _pieces(answer):
                    with _writing(what, request):
                        file.write(piece)
            finally:
                with _writing(what, request):
                    file.close()
            return b""
        limit = self.max_response_bytes
        declared = answer.headers.get("content-length", "")
        if _LENGTH.fullmatch(declared) and int(declared) > limit and request.method != "HEAD":
            raise ResponseTooLarge(
                f"{what}: the answer has {declared} bytes, the client's limit is {limit} "
                "(max_response_bytes).",
                request,
            )
        # The own adapter ends in time by itself; a session that the user gave has others.
        seconds = ANSWER_TIMES * (request.timeout or self.timeout)[1]
        end = time.perf_counter() + seconds
        pieces: list[bytes] = []
        size = 0
        for piece in _pieces(answer):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise ResponseTooLarge(
                    f"{what}: the answer has more than {limit} bytes, the client's limit "
                    "(max_response_bytes).",
                    request,
                )
            if time.perf_counter() > end:
                raise Timeout(
                    f"{what}: the answer's body was not complete after {seconds:g} s "
                    f"({ANSWER_TIMES:g} times the read timeout).",
                    request,
                )
        return b"".join(pieces)

    def set_by_auth(
        self, prepared: requests.PreparedRequest, request: Request, payload: Payload
    ) -> set[str]:
        """Return the lower-case names of the headers that hold credentials of this request."""
        plain = self.plain_headers(request, payload)
        return {
            name.lower()
            for name, value in prepared.headers.items()
            if plain.get(name) != value and name.lower() != "content-length"
        }


def _lay_over(headers: MutableMapping[str, Any], others: Mapping[str, str | bytes | None]) -> None:
    """Set *others* in *headers*; None takes a header away."""
    for name, value in others.items():
        if value is None:
            headers.pop(name, None)
        else:
            headers[name] = value


def close_body(prepared: requests.PreparedRequest) -> None:
    """Close the files of a request's body."""
    body: Any = prepared.body
    if isinstance(body, Streamed):
        body.close()


@contextmanager
def _writing(what: str, request: Request) -> Iterator[None]:
    """Raise TransportError where an answer can't be kept: it is no fault of the connection's."""
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise TransportError(f"{what}: the answer can't be written: {why}.", request) from None


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """Yield the decoded body in what each look at the network brings, so that a drip shows."""
    raw: Any = answer.raw
    by_look = isinstance(raw, urllib3.HTTPResponse)
    yield from iter(partial(raw.read1, _PIECE, True), b"") if by_look else answer.iter_content(8192)


def _set_location_aside(answer: Any, **_: Any) -> Any:
    """Hide a redirect from requests: it would read its body, without limit, to prepare the next."""
    if answer.is_redirect:
        answer.location_set_aside = answer.headers.pop("location")
    return answer
