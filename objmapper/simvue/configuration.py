"""Where a Simvue user's server, token and certificates stand: environment, arguments, simvue.toml.

Read as simvue 2.6.2 reads them: the environment comes before arguments, arguments before the file.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import time
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from objmapper.exceptions import near_misses

NAMES = ("simvue.toml", ".simvue.toml")
_TABLES = frozenset("server profiles client run offline metrics eco current_profile".split())
_SERVER = frozenset("url token env certificates".split())
_CERTIFICATES = frozenset("storage_ca_cert server_ca_cert client_cert client_key".split())
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Configuration:
    """What a Simvue user has configured; the token is in no repr."""

    #: The address of the API, which ends in ``/api``; None where none is named.
    url: str | None = None
    #: The token; None where none is named.
    token: str | None = field(default=None, repr=False)
    #: Whether the server's certificate is checked, or the path of a CA bundle.
    verify: bool | str = True
    #: The same for storages, where artifacts lie.
    verify_storage: bool | str = True
    #: The certificate that this client shows, and its key if that is in another file.
    certificate: str | tuple[str, str] | None = field(default=None, repr=False)
    #: The profile of the file that was chosen.
    profile: str | None = None
    #: The file that was read; None where there is none.
    path: Path | None = None
    #: Where the original keeps what was made offline.
    offline_cache: Path = field(default_factory=lambda: Path.home() / ".simvue")

    @classmethod
    def fetch(
        cls, url: str | None = None, token: str | None = None, *, profile: str | None = None
    ) -> Configuration:
        """Read it now, from the environment, the arguments, ``simvue.toml``, in that order.

        The file is the first ``simvue.toml`` or ``.simvue.toml`` from here upwards, else in the home
        folder; ``[tool.simvue]`` of the nearest ``pyproject.toml`` may say the rest, but neither an
        address nor a token. What ``[server.env]`` names is put into the environment, as the original
        does. Raises ValueError for what can't be read, for unknown names, and for a token that is
        none or has expired.
        """
        path, said = _said()
        profile = os.environ.get("SIMVUE_SERVER_PROFILE", profile)
        server = _server(said, profile, path)
        certificates = _table(server, "certificates", path)
        _check(certificates, _CERTIFICATES, path)
        for name, value in _table(server, "env", path).items():
            os.environ[name] = str(value)
        url = os.environ.get("SIMVUE_URL") or url or server.get("url")
        token = os.environ.get("SIMVUE_TOKEN") or token or server.get("token")
        return cls(
            None if not url else api_url(_text(url, "url", path)),
            None if not token else checked_token(_text(token, "token", path)),
            _verify(certificates, "server", path),
            _verify(certificates, "storage", path),
            _certificate(certificates, path),
            profile,
            path,
            _cache(path, said),
        )

    @staticmethod
    def offline() -> Path:
        """Return where the original keeps what was made offline; nothing is read of servers."""
        return _cache(*_said())


def _said() -> tuple[Path | None, dict[str, Any]]:
    """Return what the files say, and where ``simvue.toml`` is."""
    path = _first(NAMES, home=True)
    said = {**_of_project(), **(_read(path) if path is not None else {})}
    _check(said, _TABLES, path)
    return path, said


def _cache(path: Path | None, said: dict[str, Any]) -> Path:
    named = _table(said, "offline", path).get("cache")
    cache = os.environ.get("SIMVUE_OFFLINE_DIRECTORY") or named
    return Path(_text(cache, "cache", path)).expanduser() if cache else Path.home() / ".simvue"


def api_url(url: str) -> str:
    """Return the address of the API: ``/api`` is put behind it unless it ends so."""
    place = url.strip().rstrip("/")
    return place if place.endswith("/api") else f"{place}/api"


def checked_token(token: str) -> str:
    """Return *token*. Raises ValueError, which does not show it, for one that is none or has expired.

    It is a JWT; who signed it is the server's business.
    """
    parts = token.strip().split(".")
    try:
        payload = parts[1] + "=" * (-len(parts[1]) % 4)
        told = json.loads(base64.urlsafe_b64decode(payload))
        expires = float(told["exp"])
    except (IndexError, binascii.Error, ValueError, TypeError, KeyError):
        raise ValueError(
            "The Simvue token is none: it is a JWT with a time of expiry. Copy it anew from the "
            "server's pages."
        ) from None
    if expires < time.time():
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(max(0.0, expires)))
        raise ValueError(
            f"The Simvue token has expired, {when} UTC. Make a new one on the server's pages."
        )
    return token.strip()


def _first(names: Iterable[str], *, home: bool) -> Path | None:
    """Return the first file of these names from the working folder upwards, else in the home folder."""
    here = Path.cwd()
    places = [here, *here.parents, *([Path.home()] if home else [])]
    return next((p for place in places for name in names if (p := place / name).is_file()), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        # What is wrong is told by its place: the line may have the token in it.
        where = str(error).rpartition("(")[2].rstrip(")") if "(" in str(error) else ""
        told = f": {where}" if where.startswith("at line") else ""
        raise ValueError(f"{path} is not a file of TOML{told}.") from None


def _of_project() -> dict[str, Any]:
    path = _first(("pyproject.toml",), home=False)
    if path is None:
        return {}
    said = _read(path).get("tool", {}).get("simvue", {})
    server, offline = _table(said, "server", path), _table(said, "offline", path)
    for name, value in (("url", server), ("token", server), ("cache", offline)):
        if value.get(name):
            raise ValueError(
                f"{path}: [tool.simvue] says {name!r}, which is not allowed in a project's file. Say "
                "it in simvue.toml, or in the environment."
            )
    return dict(said)


def _server(said: dict[str, Any], profile: str | None, path: Path | None) -> dict[str, Any]:
    profiles = _table(said, "profiles", path)
    if profile is None:
        server = _table(said, "server", path)
    elif profile in profiles:
        server = _table(profiles, profile, path)
    else:
        known = ", ".join(sorted(profiles)) or "none"
        raise ValueError(
            f"There is no Simvue profile {profile!r} in {path or 'any simvue.toml'}."
            f"{near_misses(profile, profiles)} Known: {known}."
        )
    _check(server, _SERVER, path)
    return server


def _table(said: Mapping[str, Any], name: str, path: Path | None) -> dict[str, Any]:
    found = said.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{path}: {name!r} is not a table.")
    return found


def _check(said: Mapping[str, Any], known: frozenset[str], path: Path | None) -> None:
    for name in said:
        if name not in known:
            hint = near_misses(name, known) or f" Known: {', '.join(sorted(known))}."
            raise ValueError(f"{path}: {name!r} means nothing there.{hint}")


def _text(value: Any, name: str, path: Path | None) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{path}: {name!r} is not text.")
    return value


def _verify(certificates: Mapping[str, Any], of: str, path: Path | None) -> bool | str:
    name = f"{of}_ca_cert"
    said = os.environ.get(f"SIMVUE_{of.upper()}_CA_CERTIFICATE", certificates.get(name, True))
    if isinstance(said, bool):
        return said
    text = _text(said, name, path)
    return _TRUTHS[text.lower()] if text.lower() in _TRUTHS else _file(text, name, path)


def _certificate(
    certificates: Mapping[str, Any], path: Path | None
) -> str | tuple[str, str] | None:
    said = os.environ.get("SIMVUE_SERVER_CLIENT_CERTIFICATE") or certificates.get("client_cert")
    if not said:
        return None
    shown = _file(_text(said, "client_cert", path), "client_cert", path)
    key = certificates.get("client_key")
    return (shown, _file(_text(key, "client_key", path), "client_key", path)) if key else shown


def _file(text: str, name: str, path: Path | None) -> str:
    found = Path(text).expanduser()
    if not found.is_file():
        raise ValueError(f"{path or 'The environment'}: {name!r} names no file: {text}.")
    return str(found)
