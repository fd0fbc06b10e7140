"""Objects, keys and changes as JSON text: what a journal and a saved plan are written in.

Values stand as rows have them. What is write-only is left out, other objects that are not on the
server yet are told by number.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from types import NoneType
from typing import Any

from objmapper.exceptions import JournalError
from objmapper.fields import ForeignKey
from objmapper.models import Model
from objmapper.operation import Change, Pending, Secret, lifted
from objmapper.state import ABSENT, base_value, session_of, thaw


def _encoder() -> Callable[[Any], str]:
    """Return what encodes: ASCII, as text may hold halves of surrogate pairs."""
    plain = json.JSONEncoder(separators=(",", ":"), check_circular=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    quote = json.encoder.encode_basestring_ascii
    # Made once: ``encode`` makes one for each value, which costs as much again.
    pieces = make(None, plain.default, quote, None, ":", ",", False, False, True)
    return lambda value: "".join(pieces(value, 0))


#: The classes of a row's values before anybody has touched them.
_PLAIN = frozenset({str, int, float, bool, NoneType, list, dict})
dumps = _encoder()
#: What `dumps` makes of text, at a tenth of the cost.
quoted: Callable[[str], str] = json.encoder.encode_basestring_ascii
_JSON = (str, int, float, bool, type(None))

_quick: Callable[[dict[str, Any]], bytes] | None
try:  # the extra "speed"
    import orjson

    _STRICTLY = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME
    _quick = partial(orjson.dumps, option=_STRICTLY | orjson.OPT_PASSTHROUGH_DATACLASS)
except ImportError:  # pragma: no cover - one of the two is there, each tox environment has its own
    _quick = None


def _quickly(row: dict[str, Any]) -> str | None:
    """Return a row's JSON at an eighth of the cost; None for what would read otherwise then.

    NaN would be null, and what is no JSON may pass for text.
    """
    values = row.values()
    if _quick is None or not _PLAIN.issuperset(map(type, values)):
        return None
    try:
        text = _quick(row).decode()
    except TypeError:
        return None
    if "null" in text and text.count("null") != [*values].count(None):
        return None
    return text


def loads(text: str | None, what: str = "a value") -> Any:
    """Return the JSON of a text, None of None. Raises JournalError for what is none."""
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError, TypeError) as error:
        raise JournalError(f"{what} in the journal is no JSON: {error}.") from None


def full_name(model: type) -> str:
    """Return module and qualified name."""
    return f"{model.__module__}:{model.__qualname__}"


def fingerprint(model: Any) -> str:
    """Return what must not change between writing and reading: the names and kinds of the fields."""
    mapper = model.__mapper__
    fields = {
        name: [type(field).__name__, field.key, field.write_key] + ["hidden"] * field.hides
        for name, field in sorted(mapper.fields.items())
        if name not in mapper.has_many
    }
    return dumps(
        {"endpoint": mapper.endpoint, "natural_key": list(mapper.natural_key), "fields": fields}
    )


def difference(model: Any, written: str) -> str | None:
    """Say how a model differs from its fingerprint of then; None where it does not."""
    now = fingerprint(model)
    if now == written:
        return None
    then, has = loads(written, "a model"), loads(now)
    try:
        told, known = dict(then["fields"]), has["fields"]
        gone = [f"{name!r} is gone" for name in told if name not in known]
        new = [f"{name!r} is new" for name in known if name not in told]
        other = [f"{n!r} is another one" for n in told if n in known and told[n] != known[n]]
        meta = [
            f"Meta.{name} was {then[name]!r}"
            for name in ("endpoint", "natural_key")
            if then[name] != has[name]
        ]
    except (TypeError, KeyError, ValueError):
        return "what is written of it makes no sense"
    return ", ".join([*gone, *new, *other, *meta]) or "its fields are in another form"


def declared() -> dict[str, Any]:
    """Return all models that are declared in this process, by full name."""
    found: dict[str, Any] = {}
    waiting: list[Any] = [Model]
    for model in waiting:  # grows on the way; of two classes of one name the later one counts
        waiting += type.__subclasses__(model)
        mapper = vars(model).get("__mapper__")
        if mapper is not None and not mapper.abstract and mapper.replaced_by is None:
            found[full_name(model)] = model
    return found


@cache
def _open_fields(mapper: Any) -> dict[str, Any]:
    return {key: field for key, field in mapper.by_key.items() if not field.hides}


def row_of(obj: Any) -> str:
    """Return what the server has of an object, as far as it is known and may be written."""
    mapper, state, row = type(obj).__mapper__, obj._state, obj._row
    fields = _open_fields(mapper)
    whole = fields.keys() >= row.keys()
    found = row.copy() if whole else {key: row[key] for key in fields if key in row}
    if mapper.version is not None and (session := session_of(obj)) is not None:
        tag = session.dialect.etag_key
        if tag in row:
            found[tag] = row[tag]
    for key in (*(state.originals or ()), *(state.snapshots or ())):
        if key in fields:
            _tell(found, key, fields[key], base_value(obj, fields[key]))
    text = _quickly(found)
    if text is not None:
        return text
    try:
        return dumps(found)
    except (TypeError, ValueError):  # some of it is converted already
        for key, value in list(found.items()):
            if value.__class__ not in _JSON:
                _tell(found, key, fields[key], value)
    return _written(found, obj)


def _tell(row: dict[str, Any], key: str, field: Any, base: Any) -> None:
    """Put into a row what the server has of a field; a key that was never told is left out."""
    wire = ABSENT if base is ABSENT else field.to_row(base)
    if wire is ABSENT or wire.__class__ is Pending:
        row.pop(key, None)
    else:
        row[key] = wire


def _written(value: Any, obj: Any) -> str:
    try:
        return dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"{obj!r} can't be written: {error}.") from None


def key_of(obj: Any) -> str | None:
    """Return what tells an object from others of its root class; None while that is not known."""
    mapper, row = type(obj).__mapper__, obj._row
    key = mapper.key_in(row)
    if not mapper.path_fields and key.__class__ is int:
        return f"[{key}]"
    if key is None or not (mapper.has_key or mapper.singleton):
        return None
    path = [field.dump(row.get(field.key)) for field in mapper.path_fields]
    if any(value is None or isinstance(value, Pending) for value in path):
        return None
    return dumps([*path, mapper.pk.to_wire(key)] if mapper.has_key else path)


def sent_of(
    change: Change, number: Callable[[Any], int]
) -> tuple[str | None, str | None, str | None]:
    """Return what a change sends: values, objects whose keys are sent by number, names of secrets.

    Of objects inside a value, the places are told with the numbers.
    """
    values: dict[str, Any] = {}
    refs: dict[str, Any] = {}
    hidden = []
    rows, referring = change.rows, type(change.object).__mapper__.referring
    for key, wire in change.sent.items():
        kind = wire.__class__
        if kind is Pending:
            refs[key] = number(wire.of)
        elif kind is Secret:
            hidden.append(key)
        else:
            values[key] = thaw(rows[key]) if key in rows else wire  # type: ignore[arg-type]
    for field in referring:
        if field.key in values:
            values[field.key], inside = lifted(values[field.key], number)
            if inside:
                refs[field.key] = inside
    return (
        _written(values, change.object),
        dumps(refs) if refs else None,
        dumps(hidden) if hidden else None,
    )


def is_drawn(pk: Any) -> bool:
    """Whether a key that the client chooses may be another one at each run."""
    return pk.has_default or type(pk).__name__ == "UUID"


def name_of(obj: Any, tag: str | None, number: Callable[[Any, Any], int | None]) -> str | None:
    """Return what a new object is known by when the program is run again: its tag, or natural key.

    A natural key tells it from others of one address, so where it lives is a part. *number* tells that
    of an object in the journal, by a relation's field and value. None where nothing tells the object
    from others.
    """
    if tag is not None:
        return f'["tag",{quoted(tag)}]'
    mapper, row = type(obj).__mapper__, obj._row
    fields: list[Any] = [mapper.fields[name] for name in mapper.natural_key]
    if not fields and not mapper.singleton:
        if not mapper.chooses_keys or is_drawn(mapper.pk):
            return None
        fields = [mapper.pk]
    parts: list[Any] = ["key" if fields else "singleton"]
    names = {field.name for field in fields}
    for field in (*(field for field in mapper.path_fields if field.name not in names), *fields):
        if field.hides:
            return None
        value = row.get(field.key)
        if value is not None and isinstance(field, ForeignKey):
            found = number(field, value)
            if found is not None:
                parts.append({"#": found})
                continue
        parts.append(field.dump(value))
    try:
        return dumps(parts)
    except (TypeError, ValueError):  # a new object that is in no journal, or what is no JSON
        return None


def told(name: str | None) -> str:
    """Return a name as messages show it."""
    parts = loads(name, "a name")
    if not isinstance(parts, list) or not parts:
        return "no name"
    if parts[0] == "tag":
        return f"the tag {parts[-1]!r}"
    return f"the natural key {parts[1:]!r}"
