"""What can be set before a client is made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from objmapper.exceptions import near_misses

if TYPE_CHECKING:
    import requests


@dataclass
class Config:
    """What can be set before a client is made, all at once or one by one::

        config = Config(allow_unsupported_server=False)
        config.verify_ssl = False
        client = Client("https://cvat.example.com", config=config)

    Raises TypeError and ValueError for what can't be a value, AttributeError for what is no option.
    """

    #: The longest pause between two looks at a background request, in seconds.
    status_check_period: float = 5.0
    #: Whether a server of a version that the binding was not written for is only warned of.
    allow_unsupported_server: bool = True
    #: Whether certificates are checked; None leaves it to ``verify``, which is True by default.
    verify_ssl: bool | None = None
    #: None: objmapper keeps no copies of a server's data on disk. CVAT's SDK keeps its datasets there.
    cache_dir: None = None
    #: Whether credentials may go to plain http on another machine where an address has no scheme and
    #: https does not answer there. Who sits in between can bring that about, and read them.
    detect_scheme: bool = False
    #: Whether leaving ``with client:`` logs out. None: where the login is this client's alone.
    logout_on_exit: bool | None = None
    #: An own requests.Session that carries everything, where ``Client(http=...)`` names none.
    http: requests.Session | None = None
    #: Where the client warns, where ``Client(logger=...)`` names none.
    logger: logging.Logger | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        check = _CHECKS.get(name)
        if check is None:
            hint = near_misses(name, _CHECKS) or f" Its options: {', '.join(_CHECKS)}."
            raise AttributeError(f"Config has no option {name!r}.{hint}")
        check(name, value)
        object.__setattr__(self, name, value)


def _period(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds; {value!r} was given.")
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} is a number of seconds above 0; {value!r} was given.")


def _yes_or_no(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False; {value!r} was given.")


def _yes_no_or_none(name: str, value: Any) -> None:
    if not (value is None or isinstance(value, bool)):
        hint = " Client(verify=...) takes the path of a bundle." if name == "verify_ssl" else ""
        raise TypeError(f"{name} is True, False or None; {value!r} was given.{hint}")


def _nothing(name: str, value: Any) -> None:
    if value is not None:
        raise ValueError(
            f"{name} is None: objmapper keeps no copies of a server's data on disk, and cvat_sdk.datasets, "
            "which does, is no part of it. Leave it out."
        )


def _session(name: str, value: Any) -> None:
    # requests itself lives in another room.
    if value is not None and not (hasattr(value, "adapters") and hasattr(value, "cookies")):
        raise TypeError(f"{name} is a requests.Session; a {type(value).__name__} was given.")


def checked_logger(name: str, value: Any) -> None:
    """Raise TypeError for what can't be warned through."""
    if value is not None and not isinstance(value, logging.Logger | logging.LoggerAdapter):
        raise TypeError(f"{name} is a logging.Logger; a {type(value).__name__} was given.")


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "status_check_period": _period,
    "allow_unsupported_server": _yes_or_no,
    "verify_ssl": _yes_no_or_none,
    "cache_dir": _nothing,
    "detect_scheme": _yes_or_no,
    "logout_on_exit": _yes_no_or_none,
    "http": _session,
    "logger": checked_logger,
}
