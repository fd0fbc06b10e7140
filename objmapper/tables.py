"""Rows of text as people read them: aligned, under a head."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(text: str, width: int) -> str:
    """Return *text*, cut to *width* characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return *rows* as aligned text; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(line.rstrip() for line in lines)
