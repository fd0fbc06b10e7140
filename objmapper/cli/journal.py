"""What a journal holds: its server, its models, what is done, and each operation that is not.

It only reads. While a session has the journal open it is refused. The exit status is 0 when all is
done, 3 when something is not.
"""

from __future__ import annotations

import argparse

from objmapper.journal.showing import shown

#: The exit status where something is not done.
OPEN = 3


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    arguments.description = __doc__
    arguments.add_argument("path", help="the file, as Session(client, journal=path) was given it")


def main(path: str) -> int:
    """Print what the journal holds and return the exit status."""
    text, count = shown(path)
    print(text)
    return OPEN if count else 0
