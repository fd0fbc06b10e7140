"""What of CVAT's SDK the binding does: ``docs/reference/cvat-coverage.md``, made of the list beside this.

A line of the list is ``name | what it is here | what shows it``: the id of a test, ``refused: why`` or
``later: which part``. An empty middle is the same name. ``python docs/_ext/cvat_coverage.py`` writes the
page; a test holds it to the list, the list to the tests, and another one, which has the SDK, to that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).with_suffix(".txt")
PAGE = Path(__file__).parents[1] / "reference" / "cvat-coverage.md"
SDK = "cvat_sdk.core 2.80"
#: What the rest of CVAT is left for.
LATER = ("import", "export", "backup", "webhooks", "quality", "cloud storage")
_HEAD = """# What of CVAT's SDK is here

A row for each public name of `cvat_sdk.core` 2.80 and for what CVAT has beyond it: what it is here, where
that goes by another name, and the test that shows it. What is refused says why, what comes later
which part it belongs to. The page is made by `python docs/_ext/cvat_coverage.py`.
"""


class Row(NamedTuple):
    """One name, what it is here, and what shows it."""

    section: str
    name: str
    here: str
    shown: str

    @property
    def kind(self) -> str:
        """Whether a test shows it, or it is refused, or comes later."""
        word = self.shown.partition(":")[0]
        return word if word in ("refused", "later") else "shown"

    @property
    def reason(self) -> str:
        return self.shown.partition(": ")[2]


def rows() -> Iterator[Row]:
    """Yield the rows of the list. Raises ValueError for a line that is none."""
    section = ""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\) \| ?", line)]
        if len(cells) != 3 or not cells[0] or not cells[2]:
            raise ValueError(f"{LIST.name}: {line!r} is no `name | here | shown`.")
        yield Row(section, *cells)


def page() -> str:
    """Return the page that the list makes."""
    found = list(rows())
    counts = Counter(row.kind for row in found)
    told = (
        f"{len(found)} rows: {counts['shown']} are shown by a test, {counts['refused']} are refused, "
        f"{counts['later']} come later."
    )
    parts = [_HEAD, told]
    for section in dict.fromkeys(row.section for row in found):
        lines = [f"\n## {section}\n", "| of CVAT | here | shown by |", "| --- | --- | --- |"]
        for row in found:
            if row.section == section:
                name = f"`{row.name}`" if section == SDK else row.name
                lines.append(f"| {name} | {_here(row)} | {_shown(row)} |")
        parts.append("\n".join(lines))
    return "\n".join(parts) + "\n"


def _here(row: Row) -> str:
    return row.here or {"shown": "the same", "refused": "nothing", "later": "not yet"}[row.kind]


def _shown(row: Row) -> str:
    return f"`{row.shown}`" if row.kind == "shown" else f"*{row.kind}*: {row.reason}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
