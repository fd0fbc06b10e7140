"""An embedded server is a whole server inside this process: its state, its users, its doors."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from types import TracebackType
from typing import Protocol, Self

from werkzeug.wrappers import Request, Response

from objmapper.server.adapter import WSGIAdapter
from objmapper.server.contract import contract
from objmapper.server.cvat.app import Cvat
from objmapper.server.front import Front
from objmapper.server.options import Options, Pair

_numbers = itertools.count(1)


class Application(Protocol):
    """What a kind of server has to be: the way of a request through it, and its database."""

    #: What a client needs beside the address, by the last word of its name in the environment.
    credentials: dict[str, str]
    #: Content type and body of the answer where its code fails.
    fault: tuple[str, str]

    def answer(self, request: Request) -> Response: ...

    def create_token(self, name: str, token: str | None = None) -> str: ...

    def close(self) -> None: ...


def _application(options: Options) -> Application:
    if options.kind == "simvue":
        from objmapper.server.simvue.app import Simvue  # noqa: PLC0415 - nobody else needs msgpack

        return Simvue(options)
    return Cvat(options)


class EmbeddedServer:
    """A server with a database of its own, spoken to in process or through a socket.

    >>> import requests
    >>> with embedded("embedded://cvat?seed=1x2") as server, requests.Session() as session:
    ...     session.mount(server.base_url, server.adapter())
    ...     session.get(server.base_url + "/api/tasks").json()["count"]
    2
    """

    def __init__(self, options: Options) -> None:
        #: What it was started with.
        self.options: Options = options
        #: ``(name, password)`` of each user; the first is the superuser. None of Simvue.
        self.users: list[Pair] = list(options.users)
        #: Its address: a host of its own, as a requests.Session keeps adapters and cookies by host.
        self.base_url = f"http://{options.kind}-{next(_numbers)}.embedded"
        self._application = _application(options)
        checked = contract(options.kind, options.version) if options.check else None
        #: The WSGI application.
        self.app: Front = Front(self._application.answer, checked, self._application.fault)

    def adapter(self) -> WSGIAdapter:
        """An adapter for ``session.mount(server.base_url, ...)``: the in-process door."""
        return WSGIAdapter(self.app)

    def fail_next_request(self, message: str) -> None:
        """The next background request that is worked on fails, with this message.

        Each call is good for one request. Raises ValueError where there are none.
        """
        hook = getattr(self._application, "fail_next_request", None)
        if hook is None:
            raise ValueError(f"an embedded {self.options.kind} has no background requests")
        hook(message)

    def create_token(self, name: str, token: str | None = None) -> str:
        """A token of one user, for ``Authorization: Bearer``."""
        return self._application.create_token(name, token)

    @property
    def credentials(self) -> dict[str, str]:
        """What ``serve`` prints beside the address: a name and a password, or Simvue's ``TOKEN``."""
        return dict(self._application.credentials)

    @property
    def requests(self) -> int:
        """How many requests came in by any door."""
        return self.app.requests

    @property
    def violations(self) -> list[str]:
        """What was against the contract; always empty without ``check``."""
        return self.app.violations

    def close(self) -> None:
        """The database is closed; what is in a file stays. A second call does nothing."""
        self._application.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def embedded(
    target: str,
    *,
    seed: str | None = None,
    users: Iterable[Pair | str] | None = None,
    tokens: Iterable[Pair | str] | None = None,
    path: str | None = None,
    version: str | None = None,
    throttle: bool | None = None,
    check: bool | None = None,
    share: str | None = None,
    lag: int | None = None,
    busy: int | None = None,
    remote: bool | None = None,
) -> EmbeddedServer:
    """A fresh embedded server: ``embedded("embedded://cvat?seed=4x50")``, or keywords.

    Raises ValueError for options that can't be.
    """
    return EmbeddedServer(
        Options.parse(
            target,
            seed=seed,
            users=users,
            tokens=tokens,
            path=path,
            version=version,
            throttle=throttle,
            check=check,
            share=share,
            lag=lag,
            busy=busy,
            remote=remote,
        )
    )
