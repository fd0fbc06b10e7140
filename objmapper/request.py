"""What travels: a Request with its body, and the Response, as frozen values that know no server.

A request may hold values that are not known yet, or that must not be seen: Pending and Secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any, BinaryIO, NamedTuple

from objmapper.exceptions import ContractError

_loads: Callable[[bytes], Any]
try:  # the extra "speed"
    import orjson

    _loads = orjson.loads
except ImportError:  # pragma: no cover - one of the two is there, each tox environment has its own
    _loads = json.loads

MASK = "***"
#: What holds no other value: most values are of these, and to know that is quicker than to ask.
_SCALARS = frozenset({str, int, float, bool, NoneType})
#: The classes that most values with others in them have come first: an abstract one is asked slowly.
_LISTS, _MAPPINGS = (list, tuple), (dict, Mapping)


@dataclass(frozen=True, slots=True)
class Pending:
    """A value that is known once another operation of the plan is done: a new object's key.

    It stands in bodies, parameters, headers and paths until the request goes out.
    """

    #: The object that is waited for.
    of: Any
    #: Reads the value of the object.
    key: Callable[[Any], Any]

    def __str__(self) -> str:
        return f"<key of {self.of!r}>"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is sent and shown nowhere: a ``write_only`` field's, a credential.

    A pickle has the mask in its place.
    """

    #: What is sent.
    value: Any

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__

    def __reduce__(self) -> Any:
        return Secret, (MASK,)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


class Json(NamedTuple):
    """A JSON body."""

    #: The value; it may hold Pending and Secret until the request goes out.
    value: Any


class Msgpack(NamedTuple):
    """A body in msgpack (needs the package ``msgpack``)."""

    #: The value; it may hold Pending and Secret until the request goes out.
    value: Any


class Multipart(NamedTuple):
    """A multipart/form-data body: plain fields, and files."""

    #: Plain fields by name.
    fields: Mapping[str, Any] = MappingProxyType({})
    #: ``(file name, opener)`` by field name; the opener is called for each attempt. With its length
    #: in bytes as a third a file is opened when its turn comes, and many are never open at once.
    files: Mapping[
        str, tuple[str, Callable[[], BinaryIO]] | tuple[str, Callable[[], BinaryIO], int]
    ] = MappingProxyType({})


class Stream(NamedTuple):
    """A body that is read while it is sent."""

    #: Opens the body anew; it is called for each attempt.
    open: Callable[[], BinaryIO]
    #: How long the body is, in bytes.
    length: int
    #: What the body is, for the header of that name.
    content_type: str = "application/octet-stream"


Body = Json | Msgpack | Multipart | Stream


class Later(NamedTuple):
    """Stands in place of a body where all of a request is known only when it goes out."""

    #: Makes the request that is sent instead.
    make: Callable[[], Request]


class Request(NamedTuple):
    """What is sent: a verb, a path below the client's base URL, and what goes with it."""

    #: The verb.
    method: str
    #: The path below the base URL, percent-encoded; or its parts, keys that are not known yet among
    #: them.
    path: str | tuple[Any, ...]
    #: Query parameters, in order.
    params: tuple[tuple[str, Any], ...] = ()
    #: Headers beside those of the client; one that turns out to be None is left out.
    headers: Mapping[str, Any] = MappingProxyType({})
    #: The body: Json, Msgpack, Multipart, Stream, or None; Later for a request that is made later.
    body: Body | Later | None = None
    #: Whether sending it twice does what sending it once does; None: the verb decides.
    repeatable: bool | None = None
    #: Whether the path is a whole address elsewhere, as a storage's: it is asked without the client's
    #: credentials and cookies.
    outside: bool = False
    #: Opens what the body of an answer is written to, while it comes, where its status is below 300:
    #: anew for each attempt. Its ``content`` is empty then.
    into: Callable[[], BinaryIO] | None = None
    #: Seconds for the connection and for each read; None: the client's.
    timeout: tuple[float, float] | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent twice: what ``repeatable`` says, else GET, HEAD, OPTIONS may."""
        if self.repeatable is None:
            return self.method in ("GET", "HEAD", "OPTIONS")
        return self.repeatable

    @property
    def shown_path(self) -> str:
        """The path as a plan shows it: what is not known yet reads ``<key of ...>``."""
        if isinstance(self.path, str):
            return self.path
        return "".join(str(part) for part in self.path)

    @property
    def shown_url(self) -> str:
        """The path with its parameters, as a plan shows them: secrets masked."""
        said = "&".join(f"{name}={shown(value)}" for name, value in self.params)
        return f"{self.shown_path}?{said}" if said else self.shown_path

    def resolved(self) -> Request:
        """Return the request with every Pending value filled in and every Secret uncovered."""
        body = self.body
        if isinstance(body, Later):
            return body.make().resolved()
        path = self.path
        if not isinstance(path, str):
            path = "".join(str(resolve(part)) for part in path)
        if isinstance(body, Json):
            body = Json(resolve(body.value))
        elif isinstance(body, Msgpack):
            body = Msgpack(resolve(body.value))
        elif isinstance(body, Multipart):
            body = Multipart(resolve(body.fields), body.files)
        params = tuple((name, resolve(value)) for name, value in self.params)
        headers = self.headers
        if headers:
            told = {name: resolve(value) for name, value in headers.items()}
            headers = {name: value for name, value in told.items() if value is not None}
        return self._replace(path=path, params=params, headers=headers, body=body)

    def __reduce__(self) -> tuple[Any, ...]:
        """A request may be copied and pickled; what headers are by default may not."""
        return Request, (*self[:3], dict(self.headers), *self[4:])

    def shown_body(self) -> Any:
        """The body as plans and logs show it, JSON-ready: secrets masked, files by name."""
        match self.body:
            case None | Later():
                return None
            case Json(value) | Msgpack(value):
                return shown(value)
            case Multipart(fields, files):
                return shown(dict(fields)) | {name: f"<file {f[0]}>" for name, f in files.items()}
            case Stream(_, length, content_type):
                return f"<{length} bytes of {content_type}>"


def whole(path: tuple[Any, ...]) -> str | tuple[Any, ...]:
    """Return a path in one piece, as soon as all of it is known."""
    try:
        return "".join(path)
    except TypeError:  # a key that is waited for
        return path


def resolve(value: Any) -> Any:
    """Return *value* with Pending and Secret replaced, through lists and dicts."""
    if value.__class__ in _SCALARS:
        return value
    if isinstance(value, _MAPPINGS):
        return {key: resolve(item) for key, item in value.items()}
    if isinstance(value, _LISTS):
        # A plan may have thousands of scalars in lists, which need no call.
        return [item if item.__class__ in _SCALARS else resolve(item) for item in value]
    if isinstance(value, Pending):
        return value.key(value.of)
    if isinstance(value, Secret):
        return resolve(value.value)
    return value


def shown(value: Any) -> Any:
    """Return *value* JSON-ready for plans and logs: secrets masked, what is pending described."""
    if isinstance(value, Pending | Secret):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def has_pending(value: Any) -> Iterator[Any]:
    """Yield the objects whose keys *value* waits for."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if value.__class__ in _SCALARS:
            continue
        if isinstance(value, _LISTS):
            waiting += value
        elif isinstance(value, _MAPPINGS):
            waiting += value.values()
        elif isinstance(value, Pending):
            yield value.of
        elif isinstance(value, Secret):
            waiting.append(value.value)


def is_flat(value: Any) -> bool:
    """Whether *value* holds nothing but texts, numbers and the like, as most bodies do."""
    return value.__class__ is dict and _SCALARS.issuperset(map(type, value.values()))


def lifted(value: Any, take: Callable[[Any], Any]) -> tuple[Any, list[Any]]:
    """Return JSON with null for each Pending in it, and ``[place, take(object)]`` of each of them.

    A place is the keys and indices that lead there. ``placed`` is the way back.
    """
    if not any(True for _ in has_pending(value)):
        return value, []
    found: list[Any] = []

    def without(part: Any, place: list[Any]) -> Any:
        if isinstance(part, Pending):
            found.append([place, take(part.of)])
            return None
        if isinstance(part, _LISTS):
            return [without(item, [*place, index]) for index, item in enumerate(part)]
        if isinstance(part, _MAPPINGS):
            return {key: without(item, [*place, key]) for key, item in part.items()}
        return part

    return without(value, []), found


def placed(value: Any, found: Iterable[Any], give: Callable[[Any], Any]) -> Any:
    """Return JSON of its own with what *give* makes of what ``lifted`` took, each in its place.

    Raises LookupError, TypeError and ValueError for places that are none.
    """
    whole = [_own(value)]
    for place, taken in found:
        path: list[Any] = [0, *place]
        part: Any = whole
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = give(taken)
    return whole[0]


def _own(value: Any) -> Any:
    if isinstance(value, _LISTS):
        return [_own(item) for item in value]
    return {k: _own(v) for k, v in value.items()} if isinstance(value, _MAPPINGS) else value


class Response(NamedTuple):
    """What came back: an answer, read whole."""

    #: The status, as 200.
    status: int
    #: The headers by name, in lower case.
    headers: Mapping[str, str]
    #: The body. It is not in the repr: a login's answer holds a key.
    content: bytes
    #: The verb that was sent.
    method: str = ""
    #: The address that was asked, without credentials.
    url: str = ""
    #: How long the last attempt took, in seconds.
    seconds: float = 0.0
    #: How often the request was sent again before this answer.
    retries: int = 0

    def __repr__(self) -> str:
        return f"<Response: {self.method} {self.url} answered {self.status}>"

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Parse the body. Raises ContractError when it is not JSON."""
        try:
            return _loads(self.content)
        except (ValueError, RecursionError):
            return self._read_otherwise()

    def _read_otherwise(self) -> Any:
        """Parse a body with a byte order mark, NaN, a lone surrogate, or a number beyond all floats.

        What may be installed makes reading faster and refuses these, which the standard library
        reads. Raises ContractError.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "no content type")
            start = self.text[:120]
            raise ContractError(
                f"{self.method} {self.url} answered {self.status} with a body that is not JSON "
                f"({kind}, {len(self.content)} bytes, starting {start!r}): {error}"
            ) from None
