"""What a body of annotations may say: tags, shapes, tracks (CVAT 2.15's serializers)."""

from __future__ import annotations

from typing import Any

from objmapper.server.cvat.call import Call
from objmapper.server.cvat.errors import Broken, Invalid
from objmapper.server.cvat.validation import (
    Boolean,
    Choice,
    Field,
    FieldError,
    Float,
    Integer,
    Many,
    Nested,
    Text,
    clean,
)

TYPES = "rectangle polygon polyline points ellipse cuboid mask skeleton".split()
#: What annotations consist of.
KINDS = ("tags", "shapes", "tracks")
_NUMBER = "[ErrorDetail(string='Value must be a float or an integer', code='invalid')]"

Annotations = dict[str, Any]


class _Points(Field):
    """Numbers, kept as they are."""

    def convert(self, value: Any, *, partial: bool) -> list[float]:
        try:
            items = list(value)
        except TypeError as error:
            raise Broken("CVAT goes through the points") from error
        wrong = [place for place, item in enumerate(items) if type(item) not in (int, float)]
        if wrong:
            raise FieldError({str(place): _NUMBER for place in wrong})
        return items


class _Within(Float):
    """A number within bounds."""

    def __init__(self, least: float, most: float, **options: Any) -> None:
        super().__init__(**options)
        self.least, self.most = least, most

    def convert(self, value: Any, *, partial: bool) -> float:
        number = super().convert(value, partial=partial)
        if number < self.least:
            raise FieldError(f"Ensure this value is greater than or equal to {self.least}.")
        if number > self.most:
            raise FieldError(f"Ensure this value is less than or equal to {self.most}.")
        return number


class _Attribute(Nested):
    """The value of an attribute; anything becomes text."""

    def __init__(self) -> None:
        fields = {"spec_id": Integer(required=True), "value": Text(4096, blank=True)}
        super().__init__(fields)

    def convert(self, value: Any, *, partial: bool) -> dict[str, Any]:
        if not isinstance(value, dict) or "value" not in value:
            raise Broken("CVAT looks for the value unguarded")
        told = value | {"value": str(value["value"])}
        return super().convert(told, partial=partial)


_ID = Integer(null=True, default=None)
_ATTRIBUTES = Many(_Attribute(), default=[])
_TAG: dict[str, Field] = {
    "id": _ID,
    "frame": Integer(required=True, least=0),
    "label_id": Integer(required=True, least=0),
    "group": Integer(null=True, least=0, default=None),
    "source": Text(None, default="manual"),
    "attributes": _ATTRIBUTES,
}
_FORM: dict[str, Field] = {
    "type": Choice(TYPES, required=True),
    "occluded": Boolean(default=False),
    "outside": Boolean(default=False),
    "z_order": Integer(default=0),
    "rotation": _Within(0, 360, default=0.0),
    "points": _Points(),
}
_TRACKED = _FORM | {
    "id": _ID,
    "frame": Integer(required=True, least=0),
    "attributes": _ATTRIBUTES,
}
_TRACK = _TAG | {"shapes": Many(Nested(_TRACKED), required=True)}


def _body(shape: dict[str, Field]) -> dict[str, Field]:
    return {
        "version": Integer(default=0),
        "tags": Many(Nested(_TAG), default=[]),
        "shapes": Many(Nested(shape | {"elements": Many(Nested(shape))}), default=[]),
        "tracks": Many(Nested(_TRACK | {"elements": Many(Nested(_TRACK))}), default=[]),
    }


_PLAIN = _body(_TAG | _FORM)
_SCORED = _body(_TAG | _FORM | {"score": _Within(0, 1, default=1.0)})


def given(call: Call) -> Annotations:
    """The cleaned body of a request; lists that are not there are empty."""
    body = call.body()
    if not call.version.scores:
        return _own(clean(body, _PLAIN, partial=False))
    if isinstance(body, dict) and body.get("intervals"):
        raise Invalid({"intervals": ["The embedded server has no sound to annotate."]})
    return _own(clean(body, _SCORED, partial=False))


def _own(found: Annotations) -> Annotations:
    """Lists of its own: those of the defaults are everybody's."""
    return found | {kind: list(found[kind]) for kind in KINDS}
