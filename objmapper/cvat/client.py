"""Client of a CVAT server: it logs in, keeps a session for each thread, and has the repositories."""

from __future__ import annotations

import logging
import os
import re
from contextlib import AbstractContextManager
from typing import Any

from objmapper.connection import SessionClient
from objmapper.cvat import login, places
from objmapper.cvat.address import EMBEDDED, address, signs, with_port
from objmapper.cvat.configuration import Config, checked_logger
from objmapper.cvat.dialect import CVAT, OLDEST
from objmapper.cvat.models import (
    Comment,
    Guide,
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
from objmapper.cvat.models import (
    Request as BackgroundRequest,
)
from objmapper.cvat.repositories import Repository, Users
from objmapper.cvat.tasks import Tasks
from objmapper.dialects.base import unwrap
from objmapper.exceptions import ContractError, NotAuthenticated, StatusError
from objmapper.operation import Request, Response
from objmapper.transport.auth import as_auth

Credentials = tuple[str, str] | login.PasswordCredentials | login.AccessTokenCredentials
#: The binding was written for OLDEST, this, and what lies between.
NEWEST = (2, 81)
#: Holds a personal access token, for who gives no other credentials.
ACCESS_TOKEN = "CVAT_ACCESS_TOKEN"


class Client(SessionClient):
    """A CVAT server::

        with Client("https://cvat.example.com") as client:
            client.login(("user", "password"))
            client.tasks.filter(status="annotation")

    *url* is the server's address, without ``/api``; ``embedded://cvat?seed=2x3`` opens an embedded
    server in this process and is its superuser. Where an address has no scheme, https is asked for
    ``/server/about`` and, if it does not answer with 200 or 401, http. On another machine an http that
    was found so takes no credentials unless ``config.detect_scheme`` is True: ``login`` raises
    TransportError. *options* are those of ``objmapper.Client``; *logger* is where it warns.

    While ``with client:`` lasts, its session is the current one, and each thread finds its own.
    Leaving it closes the sessions and the connections, forgets the credentials, and ends the session
    that a password began where nobody else holds it. On CVAT 2.15 somebody does: there a logout ends the
    one token that all logins of a user share, so nobody is logged out; nor where the server's version
    is not known. ``config.logout_on_exit`` decides otherwise. A logout that fails then is warned of. What
    was only forgotten ends by itself after two weeks, and so does what ``close()`` left.

    Unless *check_server_version* is False the version is asked for at once: a server that the binding
    was not written for is warned of, or refused with ContractError, as *config* says. Otherwise it is
    asked for when something depends on it: names that CVAT 2.15 neither filters nor sorts by, its
    background requests, scores, attributes that are taken out of a label.

    Raises TypeError and ValueError for what is no address or option, ConnectError where no server
    answers at an address without a scheme, TransportError and its kin.
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
        if config is not None and not isinstance(config, Config):
            raise TypeError(f"config is a Config; a {type(config).__name__} was given.")
        checked_logger("logger", logger)
        #: What was set before it was made.
        self.config: Config = config or Config()
        #: Where it warns: of a server that the binding was not written for, of a logout that failed.
        self.logger: logging.Logger = (
            logger or self.config.logger or logging.getLogger("objmapper.cvat")
        )
        if self.config.verify_ssl is not None:
            options["verify"] = self.config.verify_ssl
        http = options["http"] = options.get("http") or self.config.http
        self._address = address(
            url,
            detect_scheme=self.config.detect_scheme,
            verify=options.get("verify", True),
            http=http,
        )
        if signs(http, options.get("headers")):
            self._address.refuse_credentials()
        self._signature = login.Signature(as_auth(http.auth) if http is not None else None)
        self._cookies: set[login.Cookie] = set()
        base_url = self._address.base_url
        if base_url.startswith("https:"):
            # Django compares it with the host before it takes a session's unsafe request. Origin
            # would be compared too, and behind a proxy that ends TLS it differs in its scheme.
            options["headers"] = {"Referer": base_url, **(options.get("headers") or {})}
        self._speaks = CVAT()
        if not check_server_version:
            self._speaks._ask_version = self._found_version
        self._context = self._speaks.context
        super().__init__(base_url, dialect=self._speaks, auth=self._signature, **options)
        if check_server_version:
            try:
                self.check_server_version()
            except BaseException:
                self.close()
                raise

    def _leave(self) -> None:
        try:
            if self._logs_out():
                self.logout()
        except Exception as error:  # whatever it is, it must not hide what the block raised
            self.logger.warning(
                "The login could not be ended, and ends by itself after two weeks: %s", error
            )
        finally:
            self.close()

    def _logs_out(self) -> bool:
        """Whether a logout that nobody asked for ends a login, and only this client's own."""
        told, version = self.config.logout_on_exit, self._speaks.version
        if told is not None:
            return told
        return self._signature.scheme == "session" and version is not None and version > OLDEST

    def close(self) -> None:
        """Close the sessions and the connections; the credentials are forgotten.

        The server is told nothing: ``logout()`` does that, and leaving ``with client:``.
        """
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
        if signs(None, options.get("headers")):
            self._address.refuse_credentials()
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
    def guides(self) -> Repository[Guide]:
        """The guides of projects and tasks."""
        return Repository(Guide, self)

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
    def requests(self) -> Repository[BackgroundRequest]:
        """What the server does in the background: of CVAT 2.80; older ones tell of none."""
        return Repository(BackgroundRequest, self)

    @property
    def tasks(self) -> Tasks:
        """The tasks."""
        return Tasks(Task, self)

    @property
    def users(self) -> Users:
        """The users."""
        return Users(User, self)

    # -- who is logged in -------------------------------------------------------------------------

    def login(
        self,
        credentials: Credentials,
    ) -> None:
        """Log in with ``(user, password)``, or with AccessTokenCredentials, which asks nothing.

        Who was logged in before is logged out first where leaving ``with client:`` would do so, else
        forgotten. Raises TypeError and ValueError for what are no credentials, TransportError for an
        address that takes none, BadRequest for a wrong password, ContractError for an answer that
        is none to a login.
        """
        given = login.as_credentials(credentials)
        self._address.refuse_credentials()
        if self._logs_out():
            self.logout()
        self._forget()
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
        known = _numbers(version)
        if known is not None:
            self._speaks.version = known
            if OLDEST <= known <= NEWEST:
                return
        told = (
            f"{self.base_url} is CVAT {version[:40]!r}; this binding was written for "
            f"{'.'.join(map(str, OLDEST))} to {'.'.join(map(str, NEWEST))}."
        )
        if fail_if_unsupported:
            raise ContractError(told)
        self.logger.warning("%s Some of it may not work.", told)

    def _found_version(self) -> tuple[int, int] | None:
        """Ask for the version, as something depends on it; None where the server does not tell."""
        try:
            return _numbers(self.get_server_version())
        except StatusError as error:
            self.logger.debug("The server does not tell its version: %s", error)
            return None


def _numbers(version: str) -> tuple[int, int] | None:
    match = re.match(r"(\d{1,9})\.(\d{1,9})", version)
    return (int(match[1]), int(match[2])) if match else None


def make_client(
    host: str,
    *,
    port: int | str | None = None,
    credentials: Credentials | None = None,
    access_token: str | None = None,
    config: Config | None = None,
    logger: logging.Logger | None = None,
    **options: Any,
) -> Client:
    """Return a client that is logged in.

    *credentials* are ``(user, password)``, PasswordCredentials or AccessTokenCredentials;
    *access_token* is a personal access token. Without either, the one that the environment has in
    CVAT_ACCESS_TOKEN is taken if it is not empty, but for an embedded server; without that, nobody is
    logged in. *config*, *logger* and *options* are those of ``Client``.

    Raises ValueError for both credentials and access_token, and for a port that *host* has already;
    BadRequest for a wrong password; whatever ``Client`` and ``Client.login`` raise.
    """
    given = _credentials(host, credentials, access_token)
    client = Client(with_port(host, port), config=config, logger=logger, **options)
    if given is not None:
        try:
            client.login(given)
        except BaseException:
            client.close()
            raise
    return client


def _credentials(
    host: str, credentials: Credentials | None, access_token: str | None
) -> Credentials | None:
    """Return what is logged in with, looked at before a server is asked."""
    if credentials is not None and access_token is not None:
        raise ValueError("credentials and access_token exclude each other: give one of them.")
    if credentials is not None:
        return login.as_credentials(credentials)
    if access_token is None and not str(host).startswith(EMBEDDED):
        access_token = os.environ.get(ACCESS_TOKEN) or None
    if access_token is None:
        return None
    return login.as_credentials(login.AccessTokenCredentials(access_token))
