"""One parser reads the options of every door: the embedded URL, the keywords, the command line."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SCHEME = "embedded"
REPEATABLE = frozenset({"token", "user"})

_YES = frozenset({"", "1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})
_NAME = re.compile(r"[\w.@+-]{1,150}")
_SEED = re.compile(r"(\d{1,6})x(\d{1,6})")

Pair = tuple[str, str]


@dataclass(frozen=True)
class Kind:
    """What servers of one kind can be started with."""

    title: str
    #: The versions that are spoken, from the oldest on; the last is the default.
    spoken: tuple[str, ...]
    #: The names of its options.
    known: tuple[str, ...]
    #: What the two numbers of a seed count.
    seeded: str


KINDS = {
    "cvat": Kind(
        "CVAT",
        spoken=("2.15", "2.80"),
        known=tuple("busy check lag path remote seed share throttle token user version".split()),
        seeded="PROJECTSxTASKS",
    ),
    "simvue": Kind(
        "Simvue",
        spoken=("1.5",),
        known=("check", "path", "seed", "token", "version"),
        seeded="FOLDERSxRUNS",
    ),
}
#: The options of all kinds.
KNOWN = tuple(sorted({name for kind in KINDS.values() for name in kind.known}))


@dataclass(frozen=True)
class Options:
    """What an embedded server is started with.

    >>> Options.parse("embedded://cvat?seed=4x50&user=admin:secret").seed
    (4, 50)
    """

    #: Which server: "cvat" or "simvue".
    kind: str
    #: The version that is spoken, as "2.80".
    version: str
    #: ``(name, password)`` of each user; the first is the superuser. Simvue has none: its users
    #: have tokens.
    users: tuple[Pair, ...] = field(repr=False)
    #: ``(name, token)`` of each token; in Simvue the first is the administrator's.
    tokens: tuple[Pair, ...] = field(default=(), repr=False)
    #: How many projects it begins with, and how many tasks each of them has; folders and runs.
    seed: tuple[int, int] | None = None
    #: The SQLite file that keeps the state; None keeps it in memory.
    path: str | None = None
    #: Whether more than 100 requests a minute without credentials are refused.
    throttle: bool = False
    #: Whether requests and answers are held against the written contract.
    check: bool = False
    #: The folder that is the server's file share; None for none.
    share: str | None = None
    #: How many times a background request is asked for before it is done.
    lag: int = 0
    #: How many times each chunk and frame is refused as not ready before it is sent.
    busy: int = 0
    #: Whether remote_files of this machine's loopback are fetched.
    remote: bool = False

    @classmethod
    def parse(
        cls,
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
    ) -> Options:
        """Options come from ``embedded://cvat?...`` or from a bare kind and keywords.

        Raises ValueError for what is unknown, can't be, or is given both ways.
        """
        kind, query = _split(target)
        given: dict[str, Any] = {
            "seed": seed,
            "user": None if users is None else list(users),
            "token": None if tokens is None else list(tokens),
            "path": path,
            "version": version,
            "throttle": throttle,
            "check": check,
            "share": share,
            "lag": lag,
            "busy": busy,
            "remote": remote,
        }
        both = sorted(name for name in query if given[name] is not None)
        if both:
            raise ValueError(f"given both in the URL and as keywords: {', '.join(both)}")
        given = {name: value for name, value in given.items() if value is not None} | query
        known = KINDS[kind]
        for name in given:
            if name not in known.known:
                raise ValueError(_unknown(name, known.known))
        return cls(
            kind=kind,
            version=_version(known, given.get("version")),
            users=_users(given.get("user", ())) if "user" in known.known else (),
            tokens=_named("token", given.get("token", ())),
            seed=_seed(known, given.get("seed")),
            path=_path(given.get("path")),
            throttle=_flag("throttle", given.get("throttle", False)),
            check=_flag("check", given.get("check", False)),
            share=_share(given.get("share")),
            lag=_number("lag", given.get("lag", 0)),
            busy=_number("busy", given.get("busy", 0)),
            remote=_flag("remote", given.get("remote", False)),
        )


def _split(target: str) -> tuple[str, dict[str, Any]]:
    """A target is a bare kind or an embedded URL; its query becomes a dict of option values."""
    if "://" not in target:
        return _kind(target), {}
    parts = urlsplit(target)
    if parts.scheme != SCHEME:
        raise ValueError(f"{_shown(target)!r} is not an {SCHEME}:// URL")
    if parts.path not in ("", "/") or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            f"{_shown(target)!r} has more than a kind and options; a file is ?path=..."
        )
    kind = _kind(parts.netloc)
    query: dict[str, Any] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in KINDS[kind].known:
            raise ValueError(_unknown(name, KINDS[kind].known))
        if name in REPEATABLE:
            query.setdefault(name, []).append(value)
        elif name in query:
            raise ValueError(f"option {name!r} is given twice")
        else:
            query[name] = value
    return kind, query


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"unknown option {name!r}; known are: {', '.join(known)}"


def _kind(kind: str) -> str:
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise ValueError(f"no embedded server of kind {_shown(kind)!r}; known are: {known}")
    return kind


def _shown(target: str) -> str:
    """A target without what may be a password in it."""
    return re.split("[?#]", target)[0].rpartition("@")[2]


def _users(items: Iterable[Pair | str]) -> tuple[Pair, ...]:
    users = _named("user", items)
    names = [name for name, _ in users]
    if len(set(names)) != len(names):
        raise ValueError(f"a user is given twice: {', '.join(names)}")
    return users or (("admin", secrets.token_urlsafe(12)),)


def _named(option: str, items: Iterable[Pair | str]) -> tuple[Pair, ...]:
    return tuple(_pair(option, item) for item in items)


def _pair(option: str, item: Pair | str) -> Pair:
    name, _, word = item.partition(":") if isinstance(item, str) else (item[0], ":", item[1])
    if not _NAME.fullmatch(name) or not word:
        secret = "PASSWORD" if option == "user" else "TOKEN"
        raise ValueError(f"option {option!r} is NAME:{secret}; the name here is {name!r}")
    return name, word


def _seed(kind: Kind, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _SEED.fullmatch(text)
    if match is None:
        raise ValueError(f"option 'seed' is {kind.seeded}, such as 4x50, not {text!r}")
    return int(match[1]), int(match[2])


def _path(text: str | None) -> str | None:
    if text == "":
        raise ValueError("option 'path' is empty")
    return text


def _share(text: str | None) -> str | None:
    if text is not None and not Path(text).is_dir():
        raise ValueError(f"option 'share' is a folder, and {text!r} is none")
    return text


def _number(name: str, value: int | str) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,6}", str(value), re.ASCII):
        raise ValueError(f"option {name!r} is a number from 0 on, not {value!r}")
    return int(value)


def _version(kind: Kind, text: str | None) -> str:
    """A version by its first two numbers, whatever follows them."""
    if text is None:
        return kind.spoken[-1]
    version = ".".join(text.split(".")[:2])
    if version not in kind.spoken:
        spoken = " and ".join(kind.spoken)
        raise ValueError(
            f"version {text} is not spoken here: the embedded {kind.title} speaks {spoken}"
        )
    return version


def _flag(name: str, value: bool | str) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError(f"option {name!r} is yes or no, not {value!r}")


def from_arguments(arguments: Mapping[str, Any]) -> Options:
    """Command-line values become options; a name means the same as in the embedded URL."""
    return Options.parse(
        arguments["kind"],
        seed=arguments["seed"],
        users=arguments["user"],
        tokens=arguments["token"],
        path=arguments["path"],
        version=arguments["version"],
        throttle=arguments["throttle"],
        check=arguments["check"],
        share=arguments["share"],
        lag=arguments["lag"],
        busy=arguments["busy"],
        remote=arguments["remote"],
    )
