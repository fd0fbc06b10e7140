"""A server's address as users write it: its scheme is found out where it has none.

https is asked first, then http: ``GET /server/about``, which no server lets only some users do. Of
the two the first one counts that answers 200, 401 or, as it is asked too much, 429. Nothing that
signs goes along. That http is the one that answered is no proof of anything: whoever sits in between
can bring it about. So an address that was found that way takes no credentials, unless it is on this
machine or they were let go there.
"""

from __future__ import annotations

import copy
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from objmapper.client import Client
from objmapper.cvat.dialect import CVAT
from objmapper.cvat.login import login_cookies
from objmapper.exceptions import ConnectError, ObjMapperError, StatusError, Timeout, TransportError
from objmapper.operation import Request
from objmapper.transport.masking import is_sensitive

if TYPE_CHECKING:
    import requests

EMBEDDED = "embedded://"
_ABOUT = Request("GET", "/server/about")
_ANSWERS = frozenset({200, 401, 429})
#: Seconds.
_PATIENCE = 5.0
#: Seconds for TLS on a port that is named: many a plain server waits for the rest of a greeting that
#: it does not understand until nobody wants to know any more. Who speaks it gets more time after that.
_GREETING = 0.5
_PROBE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server's API is."""

    #: The API's address.
    base_url: str
    #: Whether it is plain http on another machine, and nobody said so.
    guessed: bool = False

    def refuse_credentials(self) -> None:
        """Raise TransportError where credentials would go over an http that was only found."""
        if self.guessed:
            server = self.base_url.removesuffix("/api")
            error = TransportError(
                f"{server} was found by trying, as https does not answer there: no credentials are sent over "
                f"it, as who sits in between could read them. If plain http is meant, give {server!r} as "
                "the address, or Config(detect_scheme=True).",
                _ABOUT,
            )
            error.sent = False
            raise error


def address(
    url: str,
    *,
    detect_scheme: bool = False,
    verify: bool | str = True,
    http: requests.Session | None = None,
) -> Address:
    """Return where the API of the server at *url* is.

    Raises TypeError and ValueError for what is no address, ConnectError where no scheme is given and
    neither answers.
    """
    if not isinstance(url, str):
        raise TypeError(f"The address of a server is text; a {type(url).__name__} was given.")
    if url.startswith(EMBEDDED):
        return Address(url)
    scheme, separator, place = url.strip().rpartition("://")
    place = place.rstrip("/").removesuffix("/api").rstrip("/")
    parts = _parts(place)
    if "@" in parts.netloc:
        raise ValueError(
            "The address has a user in it; give credentials=(user, password) or login() instead."
        )
    if separator:
        if scheme not in ("https", "http"):
            raise ValueError(
                f"{scheme!r} is no scheme of an address: https, http, or none, which finds it out."
            )
        return Address(f"{scheme}://{place}/api")
    found = _found(place, verify, http)
    trusted = found.startswith("https:") or is_loopback(parts.hostname or "") or detect_scheme
    return Address(found, guessed=not trusted)


def with_port(host: str, port: int | str | None) -> str:
    """Return the address of *host* on *port*. Raises ValueError for what has one, and for none."""
    if port is None or not isinstance(host, str):
        return host
    text = str(port).strip()
    if isinstance(port, bool) or not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError(f"port={port!r} is no port: give a number from 1 to 65535.")
    scheme, separator, rest = host.strip().rpartition("://")
    place, slash, path = rest.partition("/")
    if scheme == "embedded" or _parts(place).port is not None:
        raise ValueError(
            f"port={port} is given, and {_shown(place)!r} says itself where it is: give one of them."
        )
    return f"{scheme}{separator}{place}:{int(text)}{slash}{path}"


def _shown(place: str) -> str:
    return place.rpartition("@")[2].partition("?")[0]


def _parts(place: str) -> SplitResult:
    """Return the parts of an address without a scheme. Raises ValueError for what is none."""
    parts = None
    try:
        parts = urlsplit(f"//{place}")
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, or half of an IPv6 address
        named = False
    if parts is None or not named:
        raise ValueError(
            f"{_shown(place)!r} names no server: give its host, as in 'cvat.example.com', "
            "'localhost:8080', '[::1]:8080' or 'https://cvat.example.com'."
        )
    return parts


def is_loopback(host: str) -> bool:
    """Whether *host* names this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _found(place: str, verify: bool | str, http: Any) -> str:
    """Return the base URL that answers. Raises ConnectError naming both where neither does."""
    bare = None if http is None else _unsigned(http)
    secure, plain = f"https://{place}/api", f"http://{place}/api"
    attempts = [(secure, _PATIENCE), (plain, _PATIENCE)]
    if _parts(place).port is not None:
        attempts = [(secure, _GREETING), *reversed(attempts)]
    silence: dict[str, Exception] = {}
    for base_url, patience in attempts:
        if base_url in silence and not isinstance(silence[base_url], Timeout):
            break  # it said what it had to say
        error = _silence(base_url, verify, bare, patience)
        if error is None:
            return base_url
        silence[base_url] = error
    raise _neither(place, silence)


def _neither(place: str, silence: dict[str, Exception]) -> ConnectError:
    told = " ".join(f"{base_url}: {_why(error)}." for base_url, error in silence.items())
    error = ConnectError(
        f"No CVAT answers at {place!r}, asked for /server/about. {told} Give the address with its "
        "scheme if it is another one.",
        _ABOUT,
    )
    error.sent = any(getattr(each, "sent", True) for each in silence.values())
    return error


def _why(error: Exception) -> str:
    if isinstance(error, StatusError):
        return f"it answered {error.status}"
    return str(error).rstrip(".")


def _silence(base_url: str, verify: bool | str, http: Any, patience: float) -> Exception | None:
    """Return why no CVAT answers there; None where one does."""
    with Client(
        base_url,
        dialect=CVAT(),
        http=http,
        verify=verify,
        timeout=patience,
        retries=0,
        max_response_bytes=_PROBE_BYTES,
    ) as client:
        try:
            client.send(_ABOUT)
        except StatusError as error:
            return None if error.status in _ANSWERS else error
        except ObjMapperError as error:
            return error
    return None


def _unsigned(http: Any) -> Any:
    """Return a session that goes the same ways without what signs or names somebody."""
    bare = copy.copy(http)
    bare.auth, bare.params, bare.cookies = None, {}, type(http.cookies)()
    bare.headers = type(http.headers)(
        {name: value for name, value in http.headers.items() if not is_sensitive(name)}
    )
    return bare


def signs(http: Any, headers: Any) -> bool:
    """Whether a session or headers that a user gave have credentials of their own."""
    if any(map(is_sensitive, headers or ())):
        return True
    if http is None:
        return False
    return (
        http.auth is not None
        or any(map(is_sensitive, http.headers))
        or bool(login_cookies(http.cookies))
    )
