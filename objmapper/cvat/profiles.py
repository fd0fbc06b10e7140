"""Saved profiles: a server and a personal access token under a name, in ``auth.json``.

The file is that of CVAT's own SDK and command line, 2.80: what one writes the other reads. Its folder
is its user's alone, and so is it: where others could read it, it is refused.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from objmapper.exceptions import AuthStoreError
from objmapper.transport.auth import checked_header, refuse_pickle

if sys.platform != "win32":
    import fcntl

#: Elsewhere there are no such permissions.
_POSIX = os.name == "posix"
VERSION = 1
_FILE_MODE, _FOLDER_MODE, _OTHERS = 0o600, 0o700, 0o077


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class ProfileEntry:
    """A saved profile; its token is shown nowhere, and goes into no pickle.

    Raises TypeError and ValueError for what can't be one.
    """

    #: The server's address, as "https://cvat.example.com".
    server: str
    #: The personal access token; it is not in the repr.
    token: str = field(repr=False)
    #: When it was saved: ISO 8601, now by default.
    created_date: str = field(default_factory=_now)

    def __post_init__(self) -> None:
        for name in ("server", "token", "created_date"):
            given = getattr(self, name)
            if not isinstance(given, str):
                raise TypeError(f"{name} is text; a {type(given).__name__} was given.")
        if not self.server.strip() or not self.token:
            raise ValueError("A profile has a server and a token; one of them is empty.")
        checked_header("Authorization", self.token)

    def __reduce__(self) -> NoReturn:
        refuse_pickle(self)


def get_auth_store_path() -> Path:
    """Return where ``auth.json`` is: in the folder that CVAT's SDK keeps its configuration in.

    That is ``cvat-sdk`` in ``$XDG_CONFIG_HOME``, else in ``~/.config``; on macOS in
    ``~/Library/Application Support``, on Windows in ``%LOCALAPPDATA%\\CVAT.ai``.
    """
    return store_path(sys.platform, os.environ)


def store_path(platform: str, environ: Mapping[str, str]) -> Path:
    """Return what `get_auth_store_path` does on a platform."""
    if platform == "win32":
        local = environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "CVAT.ai" / "cvat-sdk" / "auth.json"
    usual = "Library/Application Support" if platform == "darwin" else ".config"
    told = Path(environ.get("XDG_CONFIG_HOME", "").strip())
    # A relative one is to be ignored, says the XDG Base Directory Specification.
    return (told if told.is_absolute() else Path.home() / usual) / "cvat-sdk" / "auth.json"


class AuthStore:
    """The saved profiles of a user::

        store = AuthStore()
        store.put_profile("work", ProfileEntry("https://cvat.example.com", token))
        client = make_client_from_profile(store.get_profile("work"))

    *path* is that of the file, by default what `get_auth_store_path` returns; it need not be there.
    Each call reads it anew, and each change is written as a whole or not at all; what is not known of
    in it stays. On POSIX the folder gets the permissions 0700 when something is written, the file
    0600, and neither is read when others have any.

    Raises AuthStoreError for a file that can't be read or written, or is no such store.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        #: Where the file is.
        self.path: Path = get_auth_store_path() if path is None else Path(path)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def list_profiles(self) -> dict[str, ProfileEntry]:
        """Return all profiles by their names."""
        profiles = self._read()["profiles"]
        return {name: self._entry(name, profiles[name]) for name in profiles}

    def get_profile(self, name: str) -> ProfileEntry | None:
        """Return a profile, None without one of that name."""
        profiles = self._read()["profiles"]
        return self._entry(name, profiles[name]) if name in profiles else None

    def put_profile(self, name: str, entry: ProfileEntry, *, set_default: bool = False) -> None:
        """Save a profile in the place of one of that name; the first one becomes the default.

        Raises TypeError and ValueError for what is no profile or no name.
        """
        _named("The name of a profile", name)
        if not isinstance(entry, ProfileEntry):
            raise TypeError(f"A profile is a ProfileEntry; a {type(entry).__name__} was given.")
        with self._changed() as document:
            first = not document["profiles"]
            document["profiles"][name] = {
                "server": entry.server,
                "token": entry.token,
                "created_date": entry.created_date,
            }
            if set_default or first:
                document["default_profile"] = name

    def remove_profile(self, name: str) -> None:
        """Remove a profile; there is no default one when it was that. Raises KeyError."""
        with self._changed() as document:
            del document["profiles"][name]
            if document.get("default_profile") == name:
                del document["default_profile"]

    def get_default_profile(self) -> tuple[str, ProfileEntry] | None:
        """Return the name of the default profile and it, None without one."""
        document = self._read()
        name = document.get("default_profile")
        if name is None or name not in document["profiles"]:
            return None
        return name, self._entry(name, document["profiles"][name])

    def set_default_profile(self, name: str) -> None:
        """Make a profile the default one. Raises KeyError without one of that name."""
        with self._changed() as document:
            if name not in document["profiles"]:
                raise KeyError(name)
            document["default_profile"] = name

    def clear_default_profile(self) -> None:
        """Have no default profile."""
        with self._changed() as document:
            document.pop("default_profile", None)

    def get_default_server(self) -> str | None:
        """Return the server of who names none, None without one."""
        found: str | None = self._read().get("default_server")
        return found

    def set_default_server(self, server: str) -> None:
        """Set the server of who names none. Raises TypeError and ValueError for what is no address."""
        _named("A server's address", server)
        with self._changed() as document:
            document["default_server"] = server

    def clear_default_server(self) -> None:
        """Have no default server."""
        with self._changed() as document:
            document.pop("default_server", None)

    # -- the file ---------------------------------------------------------------------------------

    def _entry(self, name: str, row: Any) -> ProfileEntry:
        """Return a profile of the file. Raises AuthStoreError without showing what it has."""
        try:
            return ProfileEntry(row["server"], row["token"], row.get("created_date", ""))
        except (TypeError, ValueError, KeyError, AttributeError):
            fault = f"its profile {name!r} has not a server and a token as text"
        raise self._refused(fault)

    def _read(self) -> dict[str, Any]:
        """Return what the file has. Raises AuthStoreError without showing it."""
        try:
            with self.path.open("rb") as file:
                self._check_private(self.path.parent, os.stat(self.path.parent), _FOLDER_MODE)
                self._check_private(self.path, os.fstat(file.fileno()), _FILE_MODE)
                content = file.read()
        except FileNotFoundError:
            return {"version": VERSION, "profiles": {}}
        except AuthStoreError:
            raise
        except OSError as error:
            raise self._refused(f"it can't be read: {error.strerror or error}") from None
        document, fault = _parsed(content)
        if fault:
            raise self._refused(fault)
        return document

    @contextmanager
    def _changed(self) -> Iterator[dict[str, Any]]:
        """Let what the file has be changed, by one process at a time, and write it."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self._make_private(folder)
        except AuthStoreError:
            raise
        except OSError as error:
            fault = f"its folder can't be made or taken: {error.strerror or error}"
            raise self._refused(fault) from None
        with _lock(folder):
            document = self._read()
            yield document
            self._write(document)

    def _write(self, document: dict[str, Any]) -> None:
        temporary = None
        try:
            # It is made readable for its user alone.
            handle, temporary = tempfile.mkstemp(
                dir=self.path.parent, prefix=".auth.", suffix=".tmp"
            )
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except BaseException as error:
            if temporary is not None:
                with suppress(OSError):
                    os.unlink(temporary)
            if isinstance(error, OSError):
                raise self._refused(f"it can't be written: {error.strerror or error}") from None
            raise

    def _make_private(self, folder: Path) -> None:
        """Take the folder from all others. What is everybody's, as /tmp is, stays so: it is refused."""
        found = os.stat(folder)
        if not _POSIX or not found.st_mode & _OTHERS:
            return
        if found.st_uid != os.getuid() or found.st_mode & 0o1000:
            self._check_private(folder, found, _FOLDER_MODE)
        os.chmod(folder, _FOLDER_MODE)

    def _check_private(self, path: Path, found: os.stat_result, wanted: int) -> None:
        if _POSIX and found.st_mode & _OTHERS:
            mode = found.st_mode & 0o777
            raise self._refused(
                f"others may use '{path}', whose permissions are {mode:04o}. Run: "
                f"chmod {wanted:o} '{path}'"
            )

    def _refused(self, fault: str) -> AuthStoreError:
        return AuthStoreError(f"The saved profiles in {self.path} can't be used: {fault}.")


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep other processes that change what is in *folder* waiting, as far as they are ours."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _named(what: str, given: Any) -> None:
    if not isinstance(given, str):
        raise TypeError(f"{what} is text; a {type(given).__name__} was given.")
    if not given.strip():
        raise ValueError(f"{what} is empty.")


def _parsed(content: bytes) -> tuple[dict[str, Any], str]:
    """Return a file's document, and what is wrong with it.

    The errors of the parser are let go here: they carry the text along, and the tokens in it.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}, "it is not JSON"
    if not isinstance(document, dict) or "version" not in document:
        return {}, 'it is not a JSON object with a "version"'
    version = document["version"]
    if type(version) is not int or version != VERSION:
        shown = version if type(version) in (int, float) else type(version).__name__
        return {}, f"it is of version {shown}, and this reads version {VERSION}"
    document.setdefault("profiles", {})
    for name, holds in _HOLDS.items():
        if not holds(document.get(name)):
            return {}, f"its {name!r} is {type(document[name]).__name__}"
    return document, ""


_HOLDS: dict[str, Callable[[Any], bool]] = {
    "profiles": lambda value: isinstance(value, dict),
    "default_profile": lambda value: value is None or isinstance(value, str),
    "default_server": lambda value: value is None or isinstance(value, str),
}
