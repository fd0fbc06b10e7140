"""Credentials: what puts them into a request, what renews them, and what they are worth hiding."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from requests.auth import AuthBase, HTTPBasicAuth

from objmapper.operation import MASK
from objmapper.transport.masking import is_sensitive

if TYPE_CHECKING:
    from requests import PreparedRequest

    from objmapper.transport.transport import Transport

Auth = Callable[["PreparedRequest"], Any]


def checked_header(name: str, value: Any) -> str:
    """Return *value* as text that fits in a header.

    Raises ValueError otherwise, naming the header only: its value may be a credential, and the
    libraries below would quote it in theirs.
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise TypeError(f"The header {name} is not text but {type(value).__name__}.")
    if not (name + text).isprintable() or text != text.strip():
        raise ValueError(
            f"The header {name} has a line break, a control character or white space around it."
        )
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"The header {name} has a character that headers can't carry.") from None
    return text


def check_headers(headers: Mapping[str, Any]) -> None:
    """Raise ValueError for a header that can't be sent; see `checked_header`."""
    try:
        text = "".join(headers.values())
    except TypeError:
        text = "\n"
    # One look at all of them, as this is done for each request.
    if not (text.isascii() and text.isprintable()):
        for name, value in headers.items():
            checked_header(name, value)


def refuse_pickle(credentials: object) -> NoReturn:
    """Raise TypeError: what is secret goes into no file and to no other process."""
    raise TypeError(
        f"{type(credentials).__name__} can't be pickled or copied: it is secret. Make one where it is "
        "needed."
    )


class TokenAuth(AuthBase):
    """A token sent with each request: ``Authorization: Token abc``, or another scheme or header.

    An empty *scheme* sends the token alone. A subclass may have a method ``renew(transport) ->
    bool``: it is called once when the server answers 401, sets ``self.token`` and says whether the
    request is worth sending again. What it sends through *transport* carries no credentials.

    The token is in no repr, log or message. Raises ValueError for one that does not fit in a header.
    """

    def __init__(self, token: str, scheme: str = "Token", header: str = "Authorization") -> None:
        #: The token; setting it changes what the next request carries.
        self.token: str = token
        #: The word in front of the token.
        self.scheme: str = scheme
        #: The header that carries it.
        self.header: str = header
        checked_header(header, token)
        checked_header(header, self._value)

    @property
    def _value(self) -> str:
        return f"{self.scheme} {self.token}" if self.scheme else self.token

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers[self.header] = self._value
        return r

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK!r})"

    def __reduce__(self) -> NoReturn:
        refuse_pickle(self)


class BearerAuth(TokenAuth):
    """A token sent as ``Authorization: Bearer abc``."""

    def __init__(self, token: str) -> None:
        super().__init__(token, scheme="Bearer")


def as_auth(auth: Any) -> Auth | None:
    """Return what the user gave as an auth callable: a pair becomes Basic.

    Raises TypeError for what can't be called, without showing it.
    """
    if auth is None:
        return None
    if callable(auth):
        called: Auth = auth
        return called
    if isinstance(auth, tuple | list) and len(auth) == 2:
        user, password = auth
        if not (isinstance(user, str | bytes) and isinstance(password, str | bytes)):
            raise TypeError("auth=(user, password) is not two texts.")
        # requests would encode text as latin-1; servers of today read UTF-8.
        return HTTPBasicAuth(_utf8(user), _utf8(password))
    raise TypeError(
        f"auth is a {type(auth).__name__}; give (user, password), a TokenAuth, a BearerAuth "
        "or any auth of requests."
    )


def _utf8(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


class Renewal:
    """Renews credentials once for all threads that saw the same old ones."""

    def __init__(self, auth: Auth | None) -> None:
        self._renew: Callable[[Transport], bool] | None = getattr(auth, "renew", None)
        self._lock = threading.Lock()
        self._worker: int | None = None
        self._worked = False
        #: How often the credentials were renewed, or the attempt failed.
        self.count = 0

    @property
    def is_mine(self) -> bool:
        """Whether this very thread renews now: what it sends then carries no credentials."""
        return self._worker == threading.get_ident()

    def after(self, count: int, transport: Transport) -> bool:
        """Return whether there are newer credentials than those of *count*, renewing if not yet."""
        if self._renew is None or self.is_mine:
            return False
        with self._lock:
            if self.count == count:
                self._worker = threading.get_ident()
                try:
                    self._worked = bool(self._renew(transport))
                finally:
                    self._worker = None
                self.count += 1
            return self._worked


def credentials_in(headers: Any, set_by_auth: frozenset[str] | set[str]) -> Iterator[str]:
    """Yield the credentials that *headers* carry, as the server could quote them."""
    for name, raw in headers.items():
        if name.lower() not in set_by_auth and not is_sensitive(name):
            continue
        value = raw.decode("latin-1") if isinstance(raw, bytes) else str(raw)
        yield value
        scheme, _, rest = value.partition(" ")
        yield rest
        if scheme.lower() == "basic":
            try:
                yield base64.b64decode(rest).decode("utf-8", "replace").partition(":")[2]
            except binascii.Error:
                continue
        if name.lower() == "cookie":
            yield from (pair.partition("=")[2] for pair in value.split("; "))
