"""The command line: ``python -m objmapper demo | serve | journal | dispatch``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import objmapper
from objmapper.cli import demo, dispatch, journal
from objmapper.exceptions import ObjMapperError

#: What a shell makes of a program that Ctrl-C has ended.
_INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """Return the arguments of every command but those of ``serve``, which has a parser of its own."""
    arguments = argparse.ArgumentParser(
        prog="python -m objmapper", description="Objects of a REST server, committed as one."
    )
    arguments.add_argument(
        "--version", action="version", version=f"objmapper {objmapper.__version__}"
    )
    commands = arguments.add_subparsers(dest="command", metavar="COMMAND", required=True)
    demo.add_arguments(
        commands.add_parser("demo", help="a data migration: query, change, plan, commit, check")
    )
    commands.add_parser(
        "serve", add_help=False, help="an embedded server on this machine: serve cvat --port 8080"
    )
    journal.add_arguments(
        commands.add_parser("journal", help="what a journal holds, and whether all of it is done")
    )
    dispatch.add_arguments(
        commands.add_parser("dispatch", help="send what an offline session has left in a journal")
    )
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    It is 0 when all is done, 1 when it failed, 2 for wrong arguments, 3 for a journal of which
    something is not done.
    """
    arguments = parser()
    given, rest = arguments.parse_known_args(argv)
    if given.command != "serve" and rest:
        arguments.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if given.command == "serve":
            return _serve(rest)
        if given.command == "journal":
            return journal.main(given.path)
        if given.command == "dispatch":
            told = (given.url, given.user, given.dialect, given.modules, given.secrets)
            return dispatch.main(given.path, *told)
        if (given.url is None) != (given.user is None):
            arguments.error("demo: --url and --user go together.")
        return demo.main(given.url, given.user)
    except KeyboardInterrupt as error:
        print(str(error) or "Interrupted.", file=sys.stderr)
        return _INTERRUPTED
    except (ObjMapperError, ImportError, ValueError) as error:
        print(f"python -m objmapper {given.command}: {error}", file=sys.stderr)
        return 1


def _serve(argv: list[str]) -> int:
    try:
        from objmapper.server import main as serve  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ImportError(
            f'it needs the extra "server": pip install "objmapper[server]" ({error}).'
        ) from None
    return serve(argv)


__all__ = ["main", "parser"]
