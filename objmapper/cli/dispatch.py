"""Send what an offline session has left in a journal, or what a process that died has not done.

A folder is taken for the offline cache of simvue's own client, with the journal that objmapper has there.

The server is the journal's own, unless it has none yet: then ``--url`` names it. A Simvue server and its
token are those of the environment and of simvue.toml. It may be ended and run again at any time; while it
runs, nobody else has the journal. The exit status is 0 when all is done, 3 when something is not.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from objmapper import client as http_client
from objmapper import simvue
from objmapper.cli.demo import name_and_password
from objmapper.cli.journal import OPEN
from objmapper.cvat import make_client
from objmapper.exceptions import CommitError, CommitInterrupted
from objmapper.journal.showing import facts
from objmapper.report import CommitReport
from objmapper.session import Session
from objmapper.simvue.client import OFFLINE_JOURNAL


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    arguments.description = __doc__
    arguments.add_argument(
        "path", help="the file, as Session(offline=path) was given it, or Simvue's cache"
    )
    arguments.add_argument("--url", help="the server, where the journal has none yet")
    arguments.add_argument(
        "--user",
        type=name_and_password,
        metavar="NAME:PASSWORD",
        help="who sends it, but to Simvue",
    )
    arguments.add_argument(
        "--dialect", help="how the server says it, where the journal has none yet"
    )
    arguments.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module that declares models of the journal; may be repeated",
    )
    arguments.add_argument(
        "--secrets",
        type=secrets_in,
        metavar="FILE",
        help="JSON of what is never written to disk; - is the standard input",
    )


class Secrets:
    """Values that no journal has: by class and field, ``{"Task.secret": ...}``, or by tag, then field."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    def __call__(self, obj: Any, name: str, tag: str | None) -> Any:
        own = None if tag is None else self._told.get(tag)
        if isinstance(own, dict) and name in own:
            return own[name]
        return self._told.get(f"{type(obj).__name__}.{name}")


def secrets_in(path: str) -> Secrets:
    """Return the values of a file. Raises ArgumentTypeError, without showing any of them."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        told = json.loads(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path!r} can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise argparse.ArgumentTypeError(
            f'{path!r} is no JSON object, as {{"Task.secret": "..."}} or {{"tag": {{"secret": "..."}}}}'
        )
    return Secrets(told)


def main(
    path: str,
    url: str | None = None,
    user: tuple[str, str] | None = None,
    dialect: str | None = None,
    modules: Sequence[str] = (),
    secrets: Secrets | None = None,
) -> int:
    """Send what the journal holds and return the exit status. Raises JournalError, and as a commit."""
    for module in modules:
        importlib.import_module(module)
    if Path(path).is_dir():
        with closing(connected({"dialect": "simvue"}, url, user, dialect)) as client:
            imported = simvue.import_cache(path, client=client)
            print(imported)
            own = Path(path) / OFFLINE_JOURNAL
            status = sent(client, own, secrets) if own.exists() else 0
        return status if imported.ok else OPEN
    with closing(connected(facts(path), url, user, dialect)) as client:
        return sent(client, path, secrets)


def sent(client: http_client.Client, path: str | Path, secrets: Secrets | None) -> int:
    """Send what a journal holds, say what became of it and return the exit status."""
    with closing(Session(client, journal=path)) as session:
        try:
            say(session.recover(secrets=secrets, on_error="continue"))
            if (
                session.dirty
            ):  # the server had it already, and otherwise: that waits for another commit
                say(session.commit(on_error="continue"))
        except CommitInterrupted:
            raise
        except CommitError as error:
            say(error.report)
            return OPEN
    return 0


def connected(
    known: dict[str, str],
    url: str | None,
    user: tuple[str, str] | None,
    dialect: str | None,
) -> http_client.Client:
    """Return a client of the journal's server. Raises ValueError where nobody says which that is."""
    server = url or known.get("server")
    speaks = known.get("dialect") or dialect or "rest"
    if speaks == "simvue":
        if user is not None:
            raise ValueError("Simvue takes a token, not --user: set SIMVUE_TOKEN.")
        return simvue.Client(server)
    if server is None:
        raise ValueError("The journal does not say which server it is for: give --url.")
    if speaks == "cvat":
        host = server if server.startswith("embedded://") else server.removesuffix("/api")
        return make_client(host, credentials=user)
    return http_client.Client(server, dialect=speaks, auth=user)


def say(report: CommitReport) -> None:
    """Print what became of it."""
    done = [*report.created, *report.existing, *report.updated, *report.deleted, *report.actions]
    before = sum(entry.operation is None for entry in done)
    print(f"done before  {before}")
    print(f"done now     {len(done) - before}")
    if not report.ok:
        print(report)
