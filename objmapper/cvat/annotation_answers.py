"""Which of the annotations that an answer tells is which of those that were sent.

CVAT answers with what was sent, each with its id: a task's in the order of its jobs, those of no
frame left out without a word. What says the same is one as good as the other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from objmapper.exceptions import ContractError

Item = Mapping[str, Any]
_DEFAULTS: dict[str, Any] = {
    "group": None,
    "source": "manual",
    "occluded": False,
    "outside": False,
    "z_order": 0,
    "rotation": 0.0,
}


def _content(item: Item) -> Any:
    """Return all that an item says, ids apart, in a form that its answer has as well.

    Raises ContractError for what is no annotation.
    """
    try:
        return _said(item)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ContractError(f"an annotation makes no sense: {error!r}") from error


def _said(item: Item) -> Any:
    said = {key: item.get(key, default) for key, default in _DEFAULTS.items()}
    said |= {key: item.get(key) for key in ("type", "frame", "label_id", "start", "stop")}
    said["points"] = [float(each) for each in item.get("points") or ()]
    values = [(each["spec_id"], str(each["value"])) for each in item.get("attributes") or ()]
    said["attributes"] = sorted(values)
    for part in ("shapes", "elements"):
        said[part] = sorted(json.dumps(_content(each)) for each in item.get(part) or ())
    return said


def whole(item: Item) -> Hashable:
    """Return all that an annotation says. Raises ContractError for one of no frame or label."""
    for name in ("frame" if "start" not in item else "start", "label_id"):
        if not isinstance(item.get(name), int):
            raise ContractError(f"an annotation has {item.get(name)!r:.40} as its {name}")
    return json.dumps(_content(item), sort_keys=True)


def drawn(item: Item) -> Hashable:
    """What is drawn: the server may say more of the rest, as attributes that have a default."""
    first = min(item.get("shapes") or [item], key=lambda shape: shape.get("frame") or 0)
    said, begun = _content(item), _content(first)
    return json.dumps(
        [
            *(said[name] for name in ("label_id", "frame", "start", "stop")),
            *(begun[name] for name in ("frame", "type", "points")),
        ]
    )


def labelled(item: Item) -> Hashable:
    """The label and the type: where a track begins, and on which frames it is, may be moved."""
    return item.get("label_id"), item.get("type")


def paired(sent: Sequence[Item], rows: Sequence[Item], url: str) -> list[Any]:
    """Return the row of each item. Raises ContractError where one has none.

    By their ids, then by all that they say, then by ever less of it where as many items say it as
    rows do.
    """
    found: dict[int, Any] = {}
    left = dict(enumerate(rows))
    by_id = {row.get("id"): place for place, row in left.items()}
    for number, item in enumerate(sent):
        place = by_id.get(item["id"]) if item.get("id") is not None else None
        if place is not None and place in left:
            found[number] = left.pop(place)
    for says in (whole, drawn, labelled):
        if len(found) < len(sent):
            _pair(sent, left, found, says)
    missing = [item for number, item in enumerate(sent) if number not in found]
    if missing:
        frames = ", ".join(str(item.get("frame", item.get("start"))) for item in missing[:5])
        raise ContractError(
            f"{url} answered without {len(missing)} of {len(sent)} annotations that were sent, on the "
            f"frames {frames}: CVAT drops what is on a frame that it does not have."
        )
    return [found[number] for number in range(len(sent))]


def _pair(
    sent: Sequence[Item],
    left: dict[int, Item],
    found: dict[int, Any],
    says: Callable[[Item], Hashable],
) -> None:
    """Pair what says the same, where as many items say it as rows do."""
    items: dict[Hashable, list[int]] = defaultdict(list)
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for number, item in enumerate(sent):
        if number not in found:
            items[says(item)].append(number)
    for place, row in left.items():
        rows[says(row)].append(place)
    for said, numbers in items.items():
        places = rows.get(said, ())
        if len(places) == len(numbers):
            for number, place in zip(numbers, places, strict=True):
                found[number] = left.pop(place)


def made(sent: Sequence[Item], rows: Sequence[Item]) -> list[Any] | None:
    """Return which rows items are that may have been made; None: none of them was.

    Raises ContractError where only some were, or more rows than items say the same.
    """
    found: dict[int, Any] = {}
    left = dict(enumerate(rows))
    for says in (whole, drawn):
        _pair(sent, left, found, says)
    if len(found) == len(sent):
        return [found[number] for number in range(len(sent))]
    alike = {drawn(item) for item in sent} & {drawn(row) for row in rows}
    if not found and not alike:
        return None
    raise ContractError(
        f"{len(found)} of {len(sent)} annotations that were sent are there; others are alike, and CVAT "
        "lets several be so"
    )


__all__ = ["made", "paired"]
