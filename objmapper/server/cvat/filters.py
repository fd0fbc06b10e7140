"""JSON Logic, search and simple parameters become SQL conditions, with CVAT's refusals.

What each odd filter answers was observed on CVAT 2.15: a 400 as a list of one sentence where CVAT
looks, a 500 where its own code fails. Every condition here is true or false, never NULL, so that
``!`` turns it round: a row without a value is in the negation, as in CVAT.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from objmapper.server.cvat.call import KEYS, Call, key_in
from objmapper.server.cvat.errors import Broken, Invalid
from objmapper.server.cvat.terms import Condition, Listing, Term, joined, storable
from objmapper.server.storage import fold

_COMPARISONS = {"==": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_BLANK = ("", None)
_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*", re.ASCII)


def conditions(call: Call, listing: Listing) -> list[Condition]:
    """All that the query string asks of the rows; the conditions are ANDed."""
    found = simple(call, listing)
    found += search(call.parameter("search") or "", listing)
    text = call.parameter("filter")
    if text:
        found.append(json_logic(text, listing.filtered))
    return found


def json_logic(text: str, terms: Mapping[str, Term]) -> Condition:
    """A JSON Logic filter as SQL.

    >>> json_logic('{"==": [{"var": "name"}, "x"]}', {"name": Term("t.name")})
    ('(t.name IS NOT NULL AND t.name = ?)', ['x'])
    """
    try:
        rules = json.loads(text)
    except ValueError:
        raise Invalid(["filter: Json syntax should be used"]) from None
    except RecursionError as error:
        raise Broken("nested too deep") from error
    if not isinstance(rules, dict | list | str):
        raise Broken("a filter without a length")
    if not rules:
        raise Invalid(["filter shouldn't be empty"])
    try:
        return _rule(rules, terms)
    except RecursionError as error:
        raise Broken("nested too deep") from error
    except _UnknownTermError as error:
        raise Invalid([f"filter: {error.args[0]!r} term is not supported"]) from None
    except (AttributeError, TypeError, IndexError, KeyError, StopIteration, ValueError) as error:
        raise Broken(f"filter {text!r}: {error!r}") from error


class _UnknownTermError(Exception):
    """A filter names something that the list can't be filtered by."""


def _rule(rules: Any, terms: Mapping[str, Term]) -> Condition:
    """One rule: an operator, which is the first key, and its arguments."""
    operator, arguments = next(iter(rules.items()))
    if operator in ("and", "or"):
        return _joined(operator, [_rule(each, terms) for each in arguments])
    if operator == "!":
        sql, values = _rule(arguments, terms)
        return f"NOT ({sql})", values
    if operator == "!!":
        return _rule(arguments, terms)
    if operator == "var":
        return f"({terms[arguments].sql} IS NOT NULL)", []
    if operator in _COMPARISONS and len(arguments) == 2:
        term = _term(arguments[0], terms)
        return _compare(term, operator, arguments[1])
    if operator == "in":
        return _contained(arguments, terms)
    if operator == "<=" and len(arguments) == 3:
        term = _term(arguments[1], terms)
        low = _compare(term, ">=", arguments[0])
        return _joined("and", [low, _compare(term, "<=", arguments[2])])
    raise Invalid([f"filter: {operator} operation with {arguments} arguments is not implemented"])


def _joined(operator: str, parts: list[Condition]) -> Condition:
    if not parts:
        raise Broken(f"{operator} of nothing")
    return joined(operator.upper(), parts)


def _term(argument: Any, terms: Mapping[str, Term]) -> Term:
    if isinstance(argument, dict) and "var" not in argument:
        raise _UnknownTermError("var")
    name = argument["var"]
    if name not in terms:
        raise _UnknownTermError(name)
    return terms[name]


def _compare(term: Term, operator: str, value: Any) -> Condition:
    if value is None:
        if operator != "==":
            raise Broken("null has no order")
        return f"({term.sql} IS NULL)", []
    sql = f"({term.sql} IS NOT NULL AND {term.sql} {_COMPARISONS[operator]} ?)"
    return sql, [term.value(value, operator)]


def _contained(arguments: Any, terms: Mapping[str, Term]) -> Condition:
    """``in`` with the variable first is membership; with the variable second, a substring."""
    if isinstance(arguments[0], dict):
        term = _term(arguments[0], terms)
        values = [term.value(each) for each in arguments[1] if each is not None]
        return f"({term.sql} IS NOT NULL AND {term.sql} IN {KEYS})", [json.dumps(values)]
    term = _term(arguments[1], terms)
    return f"({term.sql} IS NOT NULL AND instr({term.sql}, ?) > 0)", [storable(str(arguments[0]))]


def search(text: str, listing: Listing) -> list[Condition]:
    """Each word, parted by spaces or commas, is in one of the searched names; case is ignored."""
    found: list[Condition] = []
    for word in text.replace("\x00", "").replace(",", " ").split():
        # SQLite's own lower() knows ASCII only, which is enough for a word of ASCII.
        lower, folded = ("lower", word.lower()) if word.isascii() else ("fold", fold(word))
        parts: list[Condition] = [
            (f"coalesce(instr({lower}({listing.terms[name].sql}), ?), 0)", [folded])
            for name in listing.search
        ]
        found.append(joined("OR", parts))
    return found


def simple(call: Call, listing: Listing) -> list[Condition]:
    """``name=value`` parameters: equality; an unknown name or an empty value is ignored."""
    found: list[Condition] = []
    problems: dict[str, list[str]] = {}
    for name in listing.simple:
        value, term = call.parameter(name), listing.terms[name]
        if value in _BLANK or value is None:
            continue
        problem = _unacceptable(call, term, value)
        if problem:
            problems[name] = [problem]
        elif term.kind == "text":
            found.append((f"{term.sql} = ?", [value]))
        elif term.kind == "integer":
            found.append((f"{term.sql} = ?", [int(value) if term.table else float(value)]))
        elif value.lower() in ("true", "false"):
            found.append((f"{term.sql} = ?", [int(value.lower() == "true")]))
    if problems:
        raise Invalid(problems)
    return found


def _unacceptable(call: Call, term: Term, value: str) -> str | None:
    """Why a simple parameter's value is refused; the words are those of django-filter."""
    if "\x00" in value:
        return "Null characters are not allowed."
    if term.choices and value not in term.choices:
        return f"Select a valid choice. {value} is not one of the available choices."
    if term.kind == "integer" and term.table is None:
        return None if _NUMBER.fullmatch(value) else "Enter a number."
    sql = f"SELECT 1 FROM {term.table} WHERE id = ?"
    if term.kind == "integer" and not call.row(sql, (key_in(value),)):
        return "Select a valid choice. That choice is not one of the available choices."
    return None
