"""``python -m benchmarks``: all figures of the README, in one run."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import (
    attributes,
    bodies,
    commits,
    faults,
    imports,
    listing,
    loading,
    memory,
    peers,
    replaced,
    table,
    updates,
    uploads,
)

ROWS = {
    "P1": loading.row,
    "P2": listing.row,
    "P3": attributes.row,
    "P4": memory.row,
    "P5": bodies.row,
    "P6": commits.row,
    "P9": imports.row,
    "C1": faults.row,
    "C2": updates.row,
    "C3": updates.batches,
    "C4": uploads.row,
    "S1": replaced.runs,
    "V1": replaced.tasks,
}
#: Rows that are nothing without a peer.
NEEDS = {"C3": "kinto", "S1": "simvue", "V1": "cvat-sdk"}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("row", nargs="*", help=f"which of {', '.join(ROWS)} (default: all)")
    parser.add_argument("--turns", type=int, default=5, help="samples of each case (default: 5)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a Markdown file to put them in")
    arguments = parser.parse_args()
    unknown = set(arguments.row) - set(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    rows = []
    for code in arguments.row or ROWS:
        if NEEDS.get(code) in peers.MISSING:
            continue
        rows.append(ROWS[code](arguments.turns))
        print(table.text_of(rows[-1]), flush=True)
    print(table.machine(arguments.turns))
    if arguments.write:
        table.write(arguments.write, table.markdown(rows, arguments.turns))


if __name__ == "__main__":
    main()
