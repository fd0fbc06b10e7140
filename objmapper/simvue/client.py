"""Client of a Simvue server, as its user has configured it; and the one that scripts need not open."""

from __future__ import annotations

import os
import re
import threading
from typing import Any

from objmapper import offline, scope
from objmapper.connection import SessionClient
from objmapper.dialects.base import unwrap
from objmapper.exceptions import ContractError, NoActiveSession
from objmapper.operation import Request
from objmapper.session import Session
from objmapper.simvue.configuration import Configuration
from objmapper.simvue.dialect import Simvue
from objmapper.transport.auth import BearerAuth

#: Servers from this version on, and below that one, are those that the binding was written for.
OLDEST, BELOW = (1, 1, 0), (2, 0, 0)
_EMBEDDED = "embedded://"
#: What says which server is meant; the default client is made anew when it changes.
_VARIABLES = ("SIMVUE_URL", "SIMVUE_TOKEN", "SIMVUE_SERVER_PROFILE")


class Client(SessionClient):
    """A Simvue server::

        with Client() as client:
            Run.objects.filter(status="running")

    Address and token are found as Simvue's own client finds them: in SIMVUE_URL and SIMVUE_TOKEN, else
    in *url* and *token*, else in ``simvue.toml``; *profile* chooses one of the file's profiles.
    ``embedded://simvue`` opens an embedded server in this process, and is its administrator unless
    *token* says otherwise. *options* are those of ``objmapper.Client``; ``verify`` is what the
    configuration says of certificates.

    While ``with client:`` lasts, its session is the current one, and each thread finds its own.

    Unless *check_server_version* is False, or SIMVUE_NO_SERVER_CHECK is set, the version is asked for
    once: ContractError tells of a server that the binding was not written for, NotAuthenticated of a
    token that the server does not take. NoActiveSession says what is not configured, ValueError what
    is configured wrongly.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        profile: str | None = None,
        check_server_version: bool = True,
        **options: Any,
    ) -> None:
        for name in ("auth", "dialect"):
            if name in options:
                raise TypeError(
                    f"A Simvue client takes no {name}=: it speaks Simvue's dialect, and token= takes the "
                    "credentials."
                )
        if url is not None and url.startswith(_EMBEDDED):
            #: What it was made of; None for an embedded server.
            self.configuration: Configuration | None = None
            super().__init__(url, dialect=Simvue(), auth=(auth := BearerAuth("none")), **options)
            auth.token = token or self.server.credentials["TOKEN"]
        else:
            self.configuration = found = Configuration.fetch(url, token, profile=profile)
            if found.url is None or found.token is None:
                raise NoActiveSession(_lacking(found))
            options.setdefault("verify", found.verify)
            super().__init__(found.url, dialect=Simvue(), auth=BearerAuth(found.token), **options)
            self.transport.trust_outside(found.verify_storage)
            if found.certificate is not None:
                self.transport.http.cert = found.certificate
        if check_server_version and not os.environ.get("SIMVUE_NO_SERVER_CHECK"):
            try:
                self.check_server_version()
            except BaseException:
                self.close()
                raise

    def get_server_version(self) -> str:
        """Return the version that the server tells, as "1.5.0". Raises ContractError."""
        response = self.send(Request("GET", "/version"))
        version = unwrap(response.json(), "version", response)
        if not isinstance(version, str):
            raise ContractError(f"{response.url} tells {version!r} as its version.")
        return version

    def check_server_version(self) -> None:
        """Raise ContractError for a server that the binding was not written for."""
        told = self.get_server_version()
        match = re.match(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", told)
        version = tuple(map(int, match.groups())) if match else ()
        if not OLDEST <= version < BELOW:
            raise ContractError(
                f"{self.base_url} is Simvue {told[:40]!r}; this binding was written for versions from "
                f"{'.'.join(map(str, OLDEST))} on and below {'.'.join(map(str, BELOW))}. Set "
                "SIMVUE_NO_SERVER_CHECK to use it all the same."
            )


def _lacking(found: Configuration) -> str:
    names = [name for name in ("url", "token") if getattr(found, name) is None]
    told = " and ".join(f"no {name}" for name in names)
    where = f"{found.path} says none" if found.path else "there is no simvue.toml"
    return (
        f"There is {told} of a Simvue server: {where}. Set "
        f"{' and '.join(f'SIMVUE_{name.upper()}' for name in names)}, write simvue.toml, or open one: "
        "`with objmapper.simvue.Client(url, token): ...`."
    )


_clients: dict[tuple[str | None, ...], Client] = {}
_lock = threading.Lock()


def default_session(url: str | None = None, token: str | None = None) -> Session:
    """Return this thread's session of the user's own server, whose configuration is read once.

    *url* and *token* are what the environment does not say. Raises as Client does.
    """
    told = (url, token, *map(os.environ.get, _VARIABLES))
    with _lock:
        found = _clients.get(told)
        if found is None or found.transport.closed:
            found = _clients[told] = Client(url, token)
    return found.session


_offline: dict[str | None, Session] = {}
#: The journal of what is made offline, in the folder where the original keeps such things.
OFFLINE_JOURNAL = "objmapper.journal"


def offline_session() -> Session:
    """Return the current session if it is offline, else the one of the user's own offline journal.

    That is ``objmapper.journal`` in the configured cache. A process has one of it, until
    ``disconnect()``. Raises JournalError where another process has it open.
    """
    found: Session = scope.session(_suits_offline, _own_offline)
    offline.speak(found, Simvue.name)
    return found


def _own_offline() -> Session:
    told = os.environ.get("SIMVUE_OFFLINE_DIRECTORY")
    with _lock:
        found = _offline.get(told)
        if found is None or found.closed:
            folder = Configuration.offline()
            folder.mkdir(parents=True, exist_ok=True)
            found = _offline[told] = Session(offline=folder / OFFLINE_JOURNAL)
    return found


def disconnect() -> None:
    """Close the clients and the offline journal that were opened without being asked for.

    The next use opens one anew.
    """
    with _lock:
        opened: list[Client | Session] = [*_clients.values(), *_offline.values()]
        _clients.clear()
        _offline.clear()
    for each in opened:
        each.close()


def suits(session: Any) -> bool:
    """Whether a session is one of a Simvue server, or may become one as it is offline."""
    return isinstance(session.dialect, Simvue) or offline.is_open(session)


def _suits_offline(session: Any) -> bool:
    return session.offline and suits(session)


def session_for(url: str | None = None, token: str | None = None) -> Any:
    """Return the current session of a Simvue server, or that of the user's own.

    Where *url* or *token* are given, it is that of the server which they name.
    """
    if url is not None or token is not None:
        return default_session(url, token)
    found = scope.session(suits, default_session)
    if found.offline:
        offline.speak(found, Simvue.name)
    return found
