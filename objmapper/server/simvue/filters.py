"""Filter strings, as ``RunsFilter`` and ``FoldersFilter`` of the published client write them.

``has tag.X``, ``starred``, ``metadata.K exists``, ``name == a b``: a value is all that follows the
operator, without quotes. Those of one request are ANDed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from objmapper.server.simvue.call import Call
from objmapper.server.simvue.errors import Unprocessable
from objmapper.server.simvue.values import written

Condition = tuple[str, list[Any]]

_TAG = re.compile(r"has (not )?tag\.(.+)", re.DOTALL)
_STARRED = re.compile(r"(not )?starred")
_COMPARED = re.compile(r"(.+?) (==|!=|>=|<=|>|<|not contains|contains) (.*)", re.DOTALL)
_EXISTS = re.compile(r"(.+?) (not )?exists", re.DOTALL)
_AGO = re.compile(r"(\d{1,6})([hdy])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "y": timedelta(days=365)}
_SQL = {"==": "=", "!=": "<>"}


class Related(NamedTuple):
    """Other objects that a filter speaks of: all that one request says is said of one of them."""

    #: ``EXISTS (SELECT ... WHERE ... AND {})``.
    exists: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Terms:
    """What a listing can be filtered by: the name in a filter, and the SQL that it stands for."""

    key: str
    texts: Mapping[str, str]
    times: Mapping[str, str]
    #: Columns of JSON, whose keys follow a dot.
    documents: Mapping[str, str] = field(default_factory=dict)
    tags: str = ""
    related: Mapping[str, Related] = field(default_factory=dict)


def conditions(call: Call, terms: Terms) -> Iterator[Condition]:
    """What the ``filters`` of a request ask for."""
    related: dict[str, list[Condition]] = {}
    for text in _asked(call):
        compared = _COMPARED.fullmatch(text)
        kind, _, name = (compared[1] if compared else "").partition(".")
        if compared and kind in terms.related and name in terms.related[kind].columns:
            condition = _text(terms.related[kind].columns[name], compared[2], compared[3])
            if condition is None:
                raise _unknown(text)
            related.setdefault(kind, []).append(condition)
        else:
            yield _condition(call, terms, text, compared)
    for kind, found in related.items():
        inner = " AND ".join(f"({sql})" for sql, _ in found)
        values = [value for _, each in found for value in each]
        yield terms.related[kind].exists.format(inner), values


def _asked(call: Call) -> Iterator[str]:
    """Filters come as one JSON list, or each as a parameter of its own (``Artifact.runs``)."""
    for text in call.request.args.getlist("filters"):
        if text.lstrip().startswith("["):
            yield from call.names("filters")
        elif text:
            yield text


def _condition(call: Call, terms: Terms, text: str, compared: re.Match[str] | None) -> Condition:
    if compared:
        found = _comparison(call, terms, *compared.groups())
    elif match := _TAG.fullmatch(text):
        found = _tagged(terms, match[2], bool(match[1]))
    elif terms.key and (match := _STARRED.fullmatch(text)):
        inside = f"{terms.key} IN (SELECT key FROM star WHERE user_id = ?)"
        found = f"NOT {inside}" if match[1] else inside, [call.actor["id"]]
    elif match := _EXISTS.fullmatch(text):
        found = _exists(terms, match[1], bool(match[2]))
    else:
        found = None
    if found is None:
        raise _unknown(text)
    return found


def _unknown(text: str) -> Unprocessable:
    return Unprocessable.at("filter", f"Unknown filter {text!r}", "query", "filters")


def _comparison(call: Call, terms: Terms, name: str, operator: str, value: str) -> Condition | None:
    if name in terms.times:
        return _within(call, terms.times[name], operator, value)
    if name in terms.texts:
        wanted = call.actor["username"] if (name, value) == ("user", "self") else value
        return _text(terms.texts[name], operator, wanted)
    place = _place(terms, name)
    return None if place is None else _value(*place, operator, value)


def _text(sql: str, operator: str, value: str) -> Condition | None:
    if operator in _SQL:
        return f"coalesce({sql}, '') {_SQL[operator]} ?", [value]
    if operator.endswith("contains"):
        return f"instr(coalesce({sql}, ''), ?) {'=' if operator[0] == 'n' else '>'} 0", [value]
    return None


def _within(call: Call, sql: str, operator: str, value: str) -> Condition | None:
    """``created < 2h`` is what was created less than two hours ago, ``>`` what is older."""
    match = _AGO.fullmatch(value)
    if match is None or operator not in "<>":
        return None
    now = datetime.fromisoformat(call.now())
    try:
        since = written(now - int(match[1]) * _UNITS[match[2]])
    except OverflowError:
        since = written(datetime.min)
    return f"{sql} {'>' if operator == '<' else '<='} ?", [since]


def _tagged(terms: Terms, name: str, absent: bool) -> Condition | None:
    if not terms.tags:
        return None
    inside = f"EXISTS (SELECT 1 FROM json_each({terms.tags}) WHERE value = ?)"
    return f"NOT {inside}" if absent else inside, [name]


def _place(terms: Terms, name: str) -> tuple[str, list[str]] | None:
    """The column and the paths of a key: with its dots, and as keys of objects inside objects."""
    kind, _, key = name.partition(".")
    if kind not in terms.documents or not key or '"' in key:
        return None
    inside = ".".join(f'"{part}"' for part in key.split("."))
    return terms.documents[kind], [f'$."{key}"', f"$.{inside}"]


def _exists(terms: Terms, name: str, absent: bool) -> Condition | None:
    place = _place(terms, name)
    if place is None:
        return None
    column, paths = place
    sql = f"(json_type({column}, ?) IS NOT NULL OR json_type({column}, ?) IS NOT NULL)"
    return f"NOT {sql}" if absent else sql, paths


def _value(column: str, paths: list[str], operator: str, value: str) -> Condition:
    """A value in JSON compares as a number where both are numbers, else as Python writes it."""
    found = f"coalesce(json_extract({column}, ?), json_extract({column}, ?))"
    kind = f"coalesce(json_type({column}, ?), json_type({column}, ?))"
    text = f"CASE {kind} WHEN 'true' THEN 'True' WHEN 'false' THEN 'False' ELSE {found} END"
    number = _number(value)
    if operator in ("==", "!="):
        values: list[Any] = [*paths, *paths, value]
        sql = f"CAST({text} AS TEXT) = ?"
        if number is not None:
            sql = f"{sql} OR ({kind} IN ('integer', 'real') AND {found} = ?)"
            values += [*paths, *paths, number]
        return f"{'NOT ' if operator == '!=' else ''}coalesce({sql}, 0)", values
    if operator.endswith("contains"):
        sign = "=" if operator[0] == "n" else ">"
        return f"instr(coalesce({text}, ''), ?) {sign} 0", [*paths, *paths, value]
    if number is None:
        return f"CAST({text} AS TEXT) {operator} ?", [*paths, *paths, value]
    sql = f"{kind} IN ('integer', 'real') AND {found} {operator} ?"
    return sql, [*paths, *paths, number]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
