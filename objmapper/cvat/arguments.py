"""Clients of saved profiles, and of the arguments that CVAT's command line takes."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from objmapper.cvat.address import with_port
from objmapper.cvat.client import ACCESS_TOKEN, Client, Credentials
from objmapper.cvat.configuration import Config
from objmapper.cvat.login import AccessTokenCredentials, PasswordCredentials
from objmapper.cvat.profiles import AuthStore, ProfileEntry
from objmapper.exceptions import AuthStoreError, near_misses

#: The server of who names none, and has none saved.
DEFAULT_SERVER = "http://localhost"
#: Holds the password of ``--auth USER``.
PASSWORD = "PASS"


@dataclass
class ClientAuthParameters:
    """What a command line says of a server and of who asks it; what it does not say is None."""

    #: The name of a saved profile; it excludes server_host, server_port and auth.
    profile: str | None = None
    #: What returns credentials for a server's address.
    auth: Callable[[str], Credentials] | None = None
    #: The server's address, with or without scheme and port.
    server_host: str | None = None
    #: The server's port.
    server_port: int | None = None
    #: Whether certificates are left unchecked.
    insecure: bool = False
    #: The organization: a slug, or "" for what belongs to none.
    organization: str | None = None

    @classmethod
    def from_namespace(cls, parsed_args: argparse.Namespace) -> ClientAuthParameters:
        """Return what is said in arguments that were parsed."""
        return cls(
            profile=getattr(parsed_args, "profile", None),
            auth=getattr(parsed_args, "auth", None),
            server_host=getattr(parsed_args, "server_host", None),
            server_port=getattr(parsed_args, "server_port", None),
            insecure=getattr(parsed_args, "insecure", False),
            organization=getattr(parsed_args, "organization", None),
        )


def configure_client_auth_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments to *parser* that `make_client_from_cli` goes by.

    They are those of CVAT's command line: ``--profile``, ``--auth``, ``--server-host``,
    ``--server-port``, ``--insecure``, ``--organization`` (``--org``).
    """
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="a saved profile; excludes --auth, --server-host, --server-port",
    )
    parser.add_argument(
        "--auth",
        type=_asked,
        metavar="USER[:PASS]",
        help=f"who logs in; without a password, that in ${PASSWORD}, or a prompt. A personal access token "
        f"is read from ${ACCESS_TOKEN}, or saved in a profile",
    )
    parser.add_argument(
        "--server-host",
        metavar="HOST",
        help=f"the server (default: that of the default profile, the default server, or {DEFAULT_SERVER})",
    )
    parser.add_argument(
        "--server-port",
        type=int,
        metavar="PORT",
        help="its port (default: 443 for https, 80 for http)",
    )
    parser.add_argument("--insecure", action="store_true", help="check no certificates")
    parser.add_argument(
        "--organization",
        "--org",
        metavar="SLUG",
        help='the organization that requests speak of; "" for what belongs to none',
    )


def make_client_from_profile(
    profile: ProfileEntry,
    *,
    logger: logging.Logger | None = None,
    config: Config | None = None,
    check_server_version: bool = False,
    **options: Any,
) -> Client:
    """Return a client of a saved profile's server, logged in with its token.

    As with CVAT's SDK, nothing is asked of the server yet, so that a wrong token is told by the first
    request, and its version is not known unless *check_server_version* is True. *logger*, *config* and
    *options* are those of ``Client``, and it raises what that raises; TypeError for no profile.
    """
    if not isinstance(profile, ProfileEntry):
        raise TypeError(
            f"profile is a ProfileEntry; a {type(profile).__name__} was given. "
            "AuthStore().get_profile(name) returns one."
        )
    return _logged_in(
        profile.server,
        lambda _: AccessTokenCredentials(profile.token),
        logger=logger,
        config=config,
        check_server_version=check_server_version,
        **options,
    )


def make_client_from_cli(
    parsed_args: argparse.Namespace | ClientAuthParameters,
    *,
    logger: logging.Logger | None = None,
    config: Config | None = None,
    check_server_version: bool = False,
    store: AuthStore | None = None,
    **options: Any,
) -> Client:
    """Return a client as a command line asks for it, logged in::

        parser = argparse.ArgumentParser()
        configure_client_auth_arguments(parser)
        with make_client_from_cli(parser.parse_args()) as client:
            ...

    The profile that is named comes first; then a server or credentials that are given, the token in
    CVAT_ACCESS_TOKEN among them; then the default profile; then the default server of *store*, or
    ``http://localhost``. Who names no credentials is asked for a password. *config* is used as it is,
    but for ``--insecure``; *logger* and *options* are those of ``Client``. As with CVAT's SDK, the server
    is not asked for its version unless *check_server_version* is True.

    Raises AuthStoreError for a profile that is not there or is named beside a server or credentials,
    ValueError for a port that the host has already, and what ``Client`` and ``Client.login`` raise.
    """
    if isinstance(parsed_args, ClientAuthParameters):
        said = parsed_args
    else:
        said = ClientAuthParameters.from_namespace(parsed_args)
    store = store or AuthStore()
    if said.insecure:
        config = replace(config or Config(), verify_ssl=False)
    settings = {
        "logger": logger,
        "config": config,
        "check_server_version": check_server_version,
        **options,
    }
    profile = _profile(said, store)
    if profile is not None:
        client = make_client_from_profile(profile, **settings)
    else:
        host = said.server_host or store.get_default_server() or DEFAULT_SERVER
        auth = said.auth or _unasked()
        client = _logged_in(with_port(host, said.server_port), auth, **settings)
    if said.organization is not None:
        try:
            client.organization_slug = said.organization
        except BaseException:
            client.close()
            raise
    return client


def _profile(said: ClientAuthParameters, store: AuthStore) -> ProfileEntry | None:
    """Return the profile that is meant, None where a server or credentials are."""
    given = (said.server_host, said.server_port, said.auth)
    if said.profile is not None:
        if any(each is not None for each in given):
            raise AuthStoreError(
                "--profile excludes --server-host, --server-port and --auth: a profile has its server and "
                "its token."
            )
        found = store.get_profile(said.profile)
        if found is None:
            names = sorted(store.list_profiles())
            hint = near_misses(said.profile, names)
            known = f" There are: {', '.join(names)}." if names else " There are none."
            raise AuthStoreError(f"{store.path} has no profile {said.profile!r}.{hint or known}")
        return found
    if any(each is not None for each in given) or os.environ.get(ACCESS_TOKEN):
        return None
    default = store.get_default_profile()
    return None if default is None else default[1]


def _logged_in(url: str, auth: Callable[[str], Credentials], **settings: Any) -> Client:
    client = Client(url, **settings)
    try:
        client.login(auth(client.base_url.removesuffix("/api")))
    except BaseException:
        client.close()
        raise
    return client


def _asked(given: str) -> Callable[[str], Credentials]:
    """Return who logs in, for ``USER[:PASS]``; a password that is not there is asked for then."""
    user, _, password = given.partition(":")
    password = password or os.environ.get(PASSWORD, "")

    def credentials(url: str) -> Credentials:
        said = password or getpass.getpass(f"Password for {user} at {url}: ")
        return PasswordCredentials(user, said)

    return credentials


def _unasked() -> Callable[[str], Credentials]:
    """Return who logs in where nobody is named: whose token the environment has, or this user."""
    token = os.environ.get(ACCESS_TOKEN)
    if token:
        return lambda _: AccessTokenCredentials(token)
    return _asked(getpass.getuser())
