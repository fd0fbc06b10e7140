"""Client of a CVAT server: it logs in, keeps a session for each thread, and has the repositories."""

from __future__ import annotations

import ipaddress
import logging
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from objmapper.client import Client as HttpClient
from objmapper.connection import SessionClient
from objmapper.cvat import login, places
from objmapper.cvat.dialect import CVAT, OLDEST
from objmapper.cvat.models import (
    Comment,
    Invitation,
    Issue,
    Job,
    Label,
    Membership,
    Organization,
    Project,
    Task,
    User,
)
from objmapper.cvat.repositories import Repository, Users
from objmapper.dialects.base import unwrap
from objmapper.exceptions import (
    ContractError,
    NotAuthenticated,
    StatusError,
    TransportError,
)
from objmapper.operation import Request, Response
from objmapper.transport.auth import as_auth

#: The binding was written for OLDEST, this, and what lies between.
NEWEST = (2, 81)
_EMBEDDED = "embedded://"
_PROBE_SECONDS = 5.0
_BAD_REQUEST = 400


@dataclass
class Config:
    """What can be set before a client is made."""

    #: Whether a server of a version that the binding was not written for is only warned of.
    allow_unsupported_server: bool = True
    #: Whether certificates are checked; None leaves it to ``verify``, which is True by default.
    verify_ssl: bool | None = None


class Client(SessionClient):
    """A CVAT server::

        with Client("https://cvat.example.com") as client:
            client.login(("user", "password"))
            client.tasks.filter(status="annotation")

    *url* is the server's address, without ``/api``; ``embedded://cvat?seed=2x3`` opens an embedded
    server in this process and is its superuser. An address without a scheme is https; on this
    machine alone, http where https does not answer. *options* are those of ``objmapper.Client``.

    While ``with client:`` lasts, its session is the current one, and each thread finds its own.
    Leaving it closes the sessions and the connections and forgets the credentials. It logs nobody
    out, as a logout ends the token that all logins of a user share: ``logout()`` does where that is
    wanted, and a session that was only forgotten ends by itself after two weeks.

    Unless *check_server_version* is False the version is asked for once: a server that the binding
    was not written for is warned of, or refused with ContractError, as *config* says. What a server
    of that version can't sort by is refused then, too.
    """

    def __init__(
        self,
        url: str,
        *,
        config: Config | None = None,
        logger: logging.Logger | None = None,
        check_server_version: bool = True,
        **options: Any,
    ) -> None:
        for name in ("auth", "dialect"):
            if name in options:
                raise TypeError(
                    f"A CVAT client takes no {name}=: it speaks CVAT's dialect, and login() or "
                    "make_client() take the credentials."
                )
        #: What was set before it was made.
        self.config: Config = config or Config()
        #: Where it warns of a server that the binding was not written for.
        self.logger: logging.Logger = logger or logging.getLogger("objmapper.cvat")
        if self.config.verify_ssl is not None:
            options["verify"] = self.config.verify_ssl
        http = options.get("http")
        self._signature = login.Signature(as_auth(http.auth) if http is not None else None)
        self._cookies: set[login.Cookie] = set()
        base_url = url if url.startswith(_EMBEDDED) else api_url(url, options.get("verify", True))
        if base_url.startswith("https:"):
            # Django compares it with the host before it takes a session's unsafe request. Origin
            # would be compared too, and behind a proxy that ends TLS it differs in its scheme.
            options["headers"] = {"Referer": base_url, **(options.get("headers") or {})}
        self._speaks = CVAT()
        self._context = self._speaks.context
        super().__init__(base_url, dialect=self._speaks, auth=self._signature, **options)
        if check_server_version:
            try:
                self.check_server_version()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the sessions and the connections; the credentials are forgotten."""
        super().close()
        self._forget()

    # -- which organization it speaks of ----------------------------------------------------------

    @property
    def organization_slug(self) -> str | None:
        """The organization that requests speak of: a slug, "" for what belongs to none, or None.

        With None, lists show all that is visible, and what is made belongs to no organization. Set
        inside ``organization_context`` it holds for the rest of that; set outside, for all threads.
        What is read for an object (its children, its relations) is asked where the object lives.
        Raises TypeError and ValueError for what can't be a slug.
        """
        return self._context.slug

    @organization_slug.setter
    def organization_slug(self, slug: str | None) -> None:
        self._context.slug = slug

    def organization_context(self, slug: str | None) -> AbstractContextManager[None]:
        """Speak of another organization for a while, in this thread alone::

            with client.organization_context("myorg"):
                client.tasks.create({"name": "t", "labels": [{"name": "car"}]})

        Requests say where they are about when they are made: a query when it is iterated, an
        object when it is committed.
        """
        return self._context.within(places.checked(slug))

    def request(self, method: str, path: str, **options: Any) -> Response:
        """Send any request below the base URL, as ``objmapper.Client.request`` does.

        It goes out in the organization context, unless it names an organization itself.
        """
        slug, headers = self.organization_slug, options.get("headers") or {}
        if slug is not None and not places.names_one(path, options.get("params") or {}, headers):
            options["headers"] = {**headers, places.HEADER: slug}
        return super().request(method, path, **options)

    # -- repositories -----------------------------------------------------------------------------

    @property
    def comments(self) -> Repository[Comment]:
        """The comments of issues."""
        return Repository(Comment, self)

    @property
    def invitations(self) -> Repository[Invitation]:
        """The invitations to organizations."""
        return Repository(Invitation, self)

    @property
    def issues(self) -> Repository[Issue]:
        """The issues of jobs."""
        return Repository(Issue, self)

    @property
    def jobs(self) -> Repository[Job]:
        """The jobs."""
        return Repository(Job, self)

    @property
    def labels(self) -> Repository[Label]:
        """The labels."""
        return Repository(Label, self)

    @property
    def memberships(self) -> Repository[Membership]:
        """The memberships of organizations."""
        return Repository(Membership, self)

    @property
    def organizations(self) -> Repository[Organization]:
        """The organizations."""
        return Repository(Organization, self)

    @property
    def projects(self) -> Repository[Project]:
        """The projects."""
        return Repository(Project, self)

    @property
    def tasks(self) -> Repository[Task]:
        """The tasks."""
        return Repository(Task, self)

    @property
    def users(self) -> Users:
        """The users."""
        return Users(User, self)

    # -- who is logged in -------------------------------------------------------------------------

    def login(
        self,
        credentials: tuple[str, str] | login.PasswordCredentials | login.AccessTokenCredentials,
    ) -> None:
        """Log in with ``(user, password)``, or with AccessTokenCredentials, which asks nothing.

        Who was logged in before is logged out first. Raises TypeError for what are no credentials,
        BadRequest for a wrong password, ContractError for an answer that is none to a login.
        """
        given = login.as_credentials(credentials)
        self.logout()
        if isinstance(given, login.AccessTokenCredentials):
            self._signature.with_token("Bearer", given.token)
            return
        try:
            self._start_session(given)
        except BaseException:
            self._forget()
            raise

    def _start_session(self, given: Any) -> None:
        before = login.login_cookies(self.transport.http.cookies)
        response = self.send(login.login_request(given))
        self._cookies = login.login_cookies(self.transport.http.cookies) - before
        token = login.token_in(response)
        if login.starts_session(self._cookies):
            self._signature.with_session()
        elif token:
            self._signature.with_token("Token", token)
        else:
            raise ContractError(
                f"POST {response.url} answered {response.status} with neither a token nor the "
                "cookies of a session."
            )

    def has_credentials(self) -> bool:
        """Whether somebody is logged in."""
        return self._signature.scheme is not None

    def logout(self) -> None:
        """End the login of this client; without one nothing is sent.

        The server ends the session, and with it the user's token, which all logins of one user
        share: scripts that are signed with it are cut off. A personal access token is only
        forgotten.
        """
        try:
            if self._signature.scheme in ("session", "Token"):
                self.send(Request("POST", "/auth/logout"))
        except NotAuthenticated:
            self.logger.debug("The login had ended before: another client has logged out.")
        finally:
            self._forget()

    def _forget(self) -> None:
        self._signature.forget()
        login.drop_cookies(self.transport.http.cookies, self._cookies)
        self._cookies = set()

    # -- which server it is -----------------------------------------------------------------------

    def get_server_version(self) -> str:
        """Return the version that the server tells, as "2.80.0". Raises ContractError."""
        response = self.send(Request("GET", "/server/about"))
        version = unwrap(response.json(), "version", response)
        if not isinstance(version, str):
            raise ContractError(f"{response.url} tells {version!r} as its version.")
        return version

    def check_server_version(self, fail_if_unsupported: bool | None = None) -> None:
        """Warn of a server that the binding was not written for.

        Raises ContractError instead if *fail_if_unsupported*, whose default is the config's
        ``allow_unsupported_server``. A server that can't be reached, or whose answer is not
        CVAT's, is an error in any case.
        """
        if fail_if_unsupported is None:
            fail_if_unsupported = not self.config.allow_unsupported_server
        try:
            version = self.get_server_version()
        except StatusError as error:
            if fail_if_unsupported:
                raise
            self.logger.warning("The server does not tell its version: %s", error)
            return
        match = re.match(r"(\d{1,9})\.(\d{1,9})", version)
        if match:
            self._speaks.version = int(match[1]), int(match[2])
            if OLDEST <= self._speaks.version <= NEWEST:
                return
        told = (
            f"{self.base_url} is CVAT {version[:40]!r}; this binding was written for "
            f"{'.'.join(map(str, OLDEST))} to {'.'.join(map(str, NEWEST))}."
        )
        if fail_if_unsupported:
            raise ContractError(told)
        self.logger.warning("%s Some of it may not work.", told)


def make_client(
    host: str,
    *,
    port: int | str | None = None,
    credentials: tuple[str, str] | None = None,
    access_token: str | None = None,
) -> Client:
    """Return a client that is logged in.

    *credentials* are ``(user, password)``; *access_token* is a personal access token; without
    either nobody is logged in. Raises ValueError for both, and for a port that *host* has already;
    BadRequest for a wrong password; TransportError and its kin.
    """
    if credentials is not None and access_token is not None:
        raise ValueError("credentials and access_token exclude each other: give one of them.")
    client = Client(_with_port(host, port))
    try:
        if credentials is not None:
            client.login(credentials)
        elif access_token is not None:
            client.login(login.AccessTokenCredentials(access_token))
    except BaseException:
        client.close()
        raise
    return client


def _with_port(host: str, port: int | str | None) -> str:
    if port is None:
        return host
    scheme, separator, rest = host.rpartition("://")
    place, slash, path = rest.partition("/")
    if scheme == "embedded" or urlsplit(f"//{place}").port is not None:
        raise ValueError(f"{place!r} can't have port={port} beside what it says itself.")
    return f"{scheme}{separator}{place}:{int(port)}{slash}{path}"


def api_url(url: str, verify: bool | str = True) -> str:
    """Return the address of the server's API, its scheme found out where *url* has none.

    Raises ValueError for what is no address of a server.
    """
    scheme, separator, place = url.strip().rpartition("://")
    place = place.rstrip("/").removesuffix("/api")
    if "@" in urlsplit(f"//{place}").netloc:
        raise ValueError(
            "The address has a user in it; give credentials=(user, password) or login() instead."
        )
    if separator:
        return f"{scheme}://{place}/api"
    secure, plain = f"https://{place}/api", f"http://{place}/api"
    parts = urlsplit(secure)
    # Elsewhere plain http is never guessed: whoever sits between could get the credentials.
    if not is_loopback(parts.hostname or "") or (said := status_of(plain, verify)) is None:
        return secure
    # One port speaks one of the two, and many a plain server waits for the rest of a TLS greeting
    # until nobody wants to know any more. With 400 a TLS server may refuse plain http.
    if parts.port is not None and said != _BAD_REQUEST:
        return plain
    return plain if status_of(secure, verify) is None else secure


def is_loopback(host: str) -> bool:
    """Whether *host* names this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def status_of(base_url: str, verify: bool | str) -> int | None:
    """Return the status with which an HTTP server answers there; None where none does."""
    options: dict[str, Any] = {"timeout": _PROBE_SECONDS, "retries": 0, "verify": verify}
    with HttpClient(base_url, dialect=CVAT(), **options) as client:
        try:
            return client.send(Request("GET", "/server/about")).status
        except StatusError as error:
            return error.response.status
        except TransportError:
            return None
