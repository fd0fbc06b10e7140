"""The figures as text for a terminal, and as Markdown for the README."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import peers
from benchmarks.measure import Measure, Row, Samples

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
NAMED = "requests marshmallow blinker cachetools orjson msgspec pydantic cattrs cvat-sdk kinto simvue".split()


def number(value: float) -> str:
    """Return *value* with three digits that count."""
    if abs(value) >= 100 or not value:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(samples: Samples | None) -> str:
    """Return low, median and high; one number where they are one."""
    if samples is None:
        return ""
    if samples.low == samples.high:
        return number(samples.median)
    return f"{number(samples.low)} - {number(samples.median)} - {number(samples.high)}"


def machine(turns: int) -> str:
    """Return what the figures were taken with."""
    installed = []
    for name in NAMED:
        try:
            installed.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    missing = f"; not installed: {', '.join(peers.MISSING)}" if peers.MISSING else ""
    # One that is compiled at home is, as a rule, without profiles, and slower by a sixth or more.
    whose = ", the system's own" if sys.base_prefix == "/usr" else ""
    return (
        f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()}"
        f", {platform.machine()}{whose}), {os.cpu_count()} cores, load {load} while measuring, {turns} "
        f"turns; {', '.join(installed)}{missing}"
    )


def aligned(lines: list[tuple[str, ...]]) -> str:
    """Return *lines* as columns; the first one is the head."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def text_of(row: Row) -> str:
    """Return all of one row for a terminal."""
    lines = [("", "unit", "low - median - high", "gc off", "goal", "met")]
    lines += [
        (
            measure.name,
            measure.unit,
            spread(measure.samples),
            spread(measure.gc_off),
            f"{measure.bound} {number(measure.goal)}" if measure.goal is not None else "",
            measure.met,
        )
        for measure in row.measures
    ]
    notes = "".join(f"\n  {note}" for note in row.notes)
    return f"{row.code}  {row.title}\n{aligned(lines)}{notes}\n"


def markdown(rows: list[Row], turns: int) -> str:
    """Return the claims, a line each, and beside them what was measured in the same run."""
    lines = [
        "| | measured | goal | low - median - high | gc off | met | beside it, in the same run |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        beside = "; ".join(
            f"{measure.name.removeprefix('floor: ')} {number(measure.samples.median)}"
            f" {measure.unit}"
            for measure in row.measures
            if measure.goal is None and not measure.name.startswith("objmapper")
        )
        for index, measure in enumerate(m for m in row.measures if m.goal is not None):
            lines.append(_line(row if index == 0 else None, measure, beside if index == 0 else ""))
    return "\n".join([*lines, "", f"Taken with {machine(turns)}."])


def _line(row: Row | None, measure: Measure, beside: str) -> str:
    unit = measure.unit if measure.unit in ("", "x") else f" {measure.unit}"
    assert measure.goal is not None
    cells = [
        f"**{row.code}**" if row else "",
        measure.name.removeprefix("objmapper, "),
        f"{measure.bound} {number(measure.goal)}{unit}",
        spread(measure.samples),
        spread(measure.gc_off),
        measure.met,
        beside,
    ]
    return f"| {' | '.join(cells)} |"


def write(path: Path, text: str) -> None:
    """Put *text* between the marks of a Markdown file. Raises ValueError where they are missing."""
    old = path.read_text(encoding="utf-8")
    new, count = re.subn(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}",
        lambda _: f"{BEGIN}\n\n{text}\n\n{END}",
        old,
        flags=re.DOTALL,
    )
    if not count:
        raise ValueError(f"{path} has no {BEGIN} ... {END} to write the figures between.")
    path.write_text(new, encoding="utf-8")
