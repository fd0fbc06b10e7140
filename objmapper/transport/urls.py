"""Addresses: requests below a base URL, links of pages, and paths that nobody on the way rewrites."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from objmapper.exceptions import ContractError, ValidationError
from objmapper.operation import MASK, Secret
from objmapper.transport.masking import masked_url

_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOTS = re.compile(r"(?<=/)(?:\.|%2e){1,2}(?=/|$)", re.IGNORECASE)
_DEFAULT_PORT = {"http": 80, "https": 443}


class Base(NamedTuple):
    """A client's base URL, taken apart; credentials in it stand beside."""

    origin: str
    host: str
    path: str
    userinfo: tuple[str, str] | None

    @classmethod
    def of(cls, base_url: str) -> Base:
        """Parse *base_url*. Raises ValueError when it is none, without showing credentials."""
        shown = masked_url(str(base_url))
        try:
            parts = urlsplit(base_url)
            port = parts.port
            host = _ascii_host(parts.hostname or "")
        except (ValueError, UnicodeError):
            raise ValueError(f"{shown!r} is not a URL.") from None
        if parts.scheme not in _DEFAULT_PORT or not host:
            raise ValueError(f"{shown!r} is not a URL of a server: it reads https://host/path.")
        if parts.query or parts.fragment:
            raise ValueError(f"The base URL {shown!r} has a query or a fragment; it is a path.")
        userinfo = None
        if parts.username is not None:
            userinfo = (unquote(parts.username), unquote(parts.password or ""))
        shown_host = f"[{host}]" if ":" in host else host
        origin = f"{parts.scheme}://{shown_host}" + (f":{port}" if port is not None else "")
        return cls(origin, host, quoted_path(parts.path.rstrip("/")), userinfo)

    @property
    def url(self) -> str:
        return self.origin + self.path

    def below(self, path: str) -> str:
        """Return the URL of *path* below the base, percent-encoded, its query untouched.

        An absolute URL is allowed when it is of this origin. Raises ContractError otherwise.
        """
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
            target = _split(path)
            if not self._is_own(target):
                raise ContractError(
                    f"{masked_url(path)} is not of {self.origin}: this client talks to that only."
                )
            return self.origin + _encoded(target.path or "/", target.query)
        path, _, query = path.partition("#")[0].partition("?")
        if path and not path.startswith("/"):
            path = "/" + path
        return self.origin + _encoded(self.path + path or "/", query)

    def _is_own(self, target: SplitResult) -> bool:
        own = urlsplit(self.origin)
        return (target.scheme, _ascii_host(target.hostname or ""), _port(target)) == (
            own.scheme,
            self.host,
            _port(own),
        )

    def taken_home(self, url: str, base: str = "") -> str:
        """Return *url*'s path and query on the own origin: a TLS proxy may change scheme and port.

        A relative *url* is joined to *base*, else to the base URL as a folder. Raises ContractError
        for another host, and for what is no http address.
        """
        target = _split(joined(base or self.url + "/", url.strip()))
        if target.scheme not in _DEFAULT_PORT:
            raise ContractError(f"The link {masked_url(url)!r} is not an http address.")
        if _ascii_host(target.hostname or "") != self.host:
            raise ContractError(
                f"The link {masked_url(url)!r} points to another host than {self.host}; "
                "it is not followed with this client's credentials."
            )
        return self.origin + _encoded(target.path or "/", target.query)

    def relative(self, url: str) -> str:
        """Return *url* of the own origin as a path below the base, or whole if it is not below."""
        if url == self.url or url.startswith((self.url + "/", self.url + "?")):
            return url[len(self.url) :]
        return url


def joined(base: str, url: str) -> str:
    """Return *url* as seen from *base*. Raises ContractError for what is no URL."""
    try:
        return urljoin(base, url)
    except ValueError:
        raise ContractError(f"{masked_url(url)!r} is not a URL.") from None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port, _ascii_host(parts.hostname or "")
    except ValueError:
        raise ContractError(f"{masked_url(url)!r} is not a URL.") from None
    return parts


def _port(parts: SplitResult) -> int | None:
    return parts.port if parts.port is not None else _DEFAULT_PORT.get(parts.scheme)


def _ascii_host(host: str) -> str:
    host = host.rstrip(".")
    return host if host.isascii() else host.encode("idna").decode()


def quoted_path(path: str) -> str:
    """Return *path* percent-encoded, leaving encoded characters as they are.

    A segment that is one or two dots stays a segment: written as ``%2E`` no library on our side
    takes it for a step up.
    """
    path = _quoted(path, safe="/%:@!$&'()*+,;=~")
    return _DOTS.sub(lambda m: unquote(m[0]).replace(".", "%2E"), path)


def _encoded(path: str, query: str) -> str:
    path = quoted_path(path)
    if not query:
        return path
    query = _quoted(query, safe="/%:@!$&'()*+,;=~?[]")
    return f"{path}?{query}"


def _quoted(text: str, safe: str) -> str:
    try:
        return quote(_LONE_PERCENT.sub("%25", text), safe=safe)
    except UnicodeEncodeError:
        raise ContractError("An address has a character that is not Unicode.") from None


def with_params(url: str, params: Iterable[tuple[str, Any]], *, show: bool = False) -> str:
    """Return *url* with *params* added: None is left out, a list repeats its name.

    *show* masks Secret values, for messages.
    """
    pairs = [
        f"{quote(str(name), safe='$,:@/')}={MASK if show and isinstance(value, Secret) else text}"
        for name, value in params
        for text in _texts(value)
    ]
    if not pairs:
        return url
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(pairs)}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Secret):
        value = value.value
    if isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif value is not None:
        try:
            # %20 and not "+": OData servers take a plus for a plus.
            yield quote(str(value), safe="$,:@/")
        except UnicodeEncodeError:
            raise ValidationError(
                "A query parameter has a character that is not Unicode."
            ) from None
        except ValueError:
            raise ValidationError("A query parameter is a number of too many digits.") from None
