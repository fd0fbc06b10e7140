"""The colour that CVAT gives to a label without one: made from its name, so it is always the same.

Observed on CVAT 2.15: ``x`` is #c60d67, ``lorry`` #0f8739. CVAT has a table of some 900 names
(``cat`` is #6080c0) that goes first; it is left out here, so such names get another colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import blake2s

Color = tuple[int, int, int]


def label_color(name: str, taken: Iterable[str]) -> str:
    """A colour for a name, other than those that are taken.

    >>> label_color("lorry", [])
    '#0f8739'
    """
    plain = re.sub(r"[-\s]+", "_", re.sub(r"[^\w\s-]", "", name.lower()).strip())
    color = _spread(int.from_bytes(blake2s(plain.encode(), digest_size=3).digest(), "big"))
    used = {_parsed(each) for each in taken}
    if color in used:
        color = next((each for each in _shades(color) if each not in used), color)
    return "#{:02x}{:02x}{:02x}".format(*color)


def _spread(number: int) -> Color:
    """The bits of a number dealt in turn to red, green and blue, from the highest bit down."""
    channels = [0, 0, 0]
    for bit in range(7, -1, -1):
        for channel in range(3):
            channels[channel] |= (number >> channel & 1) << bit
        number >>= 3
    return channels[0], channels[1], channels[2]


def _shades(color: Color) -> Iterator[Color]:
    """Lighter colours, then darker ones."""
    for target in (255, 0):
        for tenth in range(1, 10):
            red, green, blue = (int(each + (target - each) * tenth / 10) for each in color)
            yield red, green, blue


def _parsed(text: str) -> Color | None:
    digits = text.lstrip("#")
    if not re.fullmatch("[0-9a-fA-F]{6}", digits):
        return None
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
