"""Logging in to CVAT: what signs the requests of a client, and how a server answers a login.

CVAT 2.15 and newer start a session: two cookies, and unsafe requests repeat one of them in
``X-CSRFToken``. A server that sets no cookies is signed with the token of its answer. Which of the
two it is, is read from the answer, never from a version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from objmapper.exceptions import ContractError
from objmapper.operation import Json, Request, Response, Secret
from objmapper.transport.auth import checked_header, refuse_pickle

if TYPE_CHECKING:
    from requests import PreparedRequest

_COOKIES = frozenset({"sessionid", "csrftoken"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(frozen=True, slots=True)
class PasswordCredentials:
    """A user's name and password; the password is shown nowhere."""

    #: The name.
    user: str
    #: The password; it is not in the repr.
    password: str = field(repr=False)

    def __reduce__(self) -> NoReturn:
        refuse_pickle(self)


@dataclass(frozen=True, slots=True)
class AccessTokenCredentials:
    """A personal access token; it is shown nowhere."""

    #: The token; it is not in the repr.
    token: str = field(repr=False)

    def __reduce__(self) -> NoReturn:
        refuse_pickle(self)


def as_credentials(given: Any) -> PasswordCredentials | AccessTokenCredentials:
    """Return what a user logs in with: ``(user, password)``, or one of the two classes above.

    Raises TypeError for anything else, without showing it.
    """
    if isinstance(given, PasswordCredentials | AccessTokenCredentials):
        parts = tuple(getattr(given, name) for name in given.__slots__)
    elif isinstance(given, tuple) and len(given) == 2:
        parts = given
        given = PasswordCredentials(*given)
    else:
        parts = (None,)
    if not all(isinstance(part, str) for part in parts):
        raise TypeError(
            "credentials are (user, password), PasswordCredentials or AccessTokenCredentials, of "
            f"text; a {type(given).__name__} was given."
        )
    credentials: PasswordCredentials | AccessTokenCredentials = given
    return credentials


class Signature:
    """Signs requests as requests' auths do: with a token, or with the session's CSRF token.

    *otherwise* signs while nobody is logged in: the auth of a requests.Session that the user gave.
    """

    def __init__(self, otherwise: Callable[[Any], Any] | None = None) -> None:
        self._otherwise = otherwise
        self._authorization = ""
        #: "Token", "Bearer" or "session"; None while nobody is logged in.
        self.scheme: str | None = None

    def with_token(self, scheme: str, token: str) -> None:
        """Sign with ``Authorization: scheme token``. Raises ValueError for what no header holds."""
        self._authorization = checked_header("Authorization", f"{scheme} {token}")
        self.scheme = scheme

    def with_session(self) -> None:
        """Leave it to the cookies, and repeat the CSRF token of unsafe requests."""
        self._authorization, self.scheme = "", "session"

    def forget(self) -> None:
        self._authorization, self.scheme = "", None

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        if self._authorization:
            r.headers["Authorization"] = self._authorization
            return r
        # Whoever's session it is: a jar that was lent may hold one too.
        if r.method not in _SAFE and (token := _csrf_token(r.headers.get("Cookie", ""))):
            r.headers["X-CSRFToken"] = token
        if self.scheme is None and self._otherwise is not None:
            signed: PreparedRequest = self._otherwise(r)
            return signed
        return r

    def renew(self, transport: Any) -> bool:
        """Let the auth of a lent session renew itself, as long as that is what signs."""
        renew = getattr(self._otherwise, "renew", None) if self.scheme is None else None
        return renew is not None and bool(renew(transport))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.scheme or 'nobody'}>"


def _csrf_token(header: str) -> str | None:
    """Return the CSRF token that goes along as a cookie: the two must be the same."""
    # By hand: the parser of http.cookies gives up at the first name that it finds illegal.
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == "csrftoken":
            return value.strip('"')
    return None


#: What tells a cookie from all others of a jar: domain, path, name; and its value.
Cookie = tuple[str, str, str, str | None]


def login_cookies(jar: Any) -> set[Cookie]:
    """Return the cookies in *jar* that are named as those of CVAT's sessions are."""
    return {(c.domain, c.path, c.name, c.value) for c in list(jar) if c.name in _COOKIES}


def starts_session(cookies: set[Cookie]) -> bool:
    """Whether the cookies that a login set are those of a session."""
    return {name for _, _, name, _ in cookies} == _COOKIES


def drop_cookies(jar: Any, cookies: set[Cookie]) -> None:
    """Take *cookies* out of *jar*, as far as they are there and were not replaced by others."""
    for domain, path, name, _ in cookies & login_cookies(jar):
        jar.clear(domain, path, name)


def login_request(credentials: PasswordCredentials) -> Request:
    body = {"username": credentials.user, "password": Secret(credentials.password)}
    return Request("POST", "/auth/login", body=Json(body))


def token_in(response: Response) -> str:
    """Return the token of a login's answer, or "". Raises ContractError without quoting it."""
    try:
        body = response.json()
    except ContractError:
        body = None
    key = body.get("key", "") if isinstance(body, dict) else None
    if not isinstance(key, str) or not _fits_in_header(key):
        kind = response.headers.get("content-type", "no content type")
        raise ContractError(
            f"{response.method} {response.url} answered {response.status} ({kind}) with something "
            'that is no answer to a login: {"key": "..."} was expected. Is it a CVAT server?'
        )
    return key


def _fits_in_header(token: str) -> bool:
    try:
        checked_header("Authorization", token)
    except ValueError:
        return False
    return True
