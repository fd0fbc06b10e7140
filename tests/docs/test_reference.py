"""What the reference says stands in the code: its tables, its tree of errors, what docstrings name.

That it is complete is seen when the site is built (docs/_ext/reference.py); what that asks is tested
here.
"""

import ast
import builtins
import configparser
import datetime as dt
import decimal
import doctest
import enum
import importlib.util
import inspect
import json
import pkgutil
import re
import textwrap
import uuid
from pathlib import Path

import pytest

import objmapper
from objmapper import Client, Embedded, cli, exceptions, fields, signals
from objmapper.cvat.dialect import CVAT
from objmapper.declaration import OPTIONS, RESERVED
from objmapper.dialects import DRF, Dialect, Kinto, Rest
from objmapper.fields.base import Field, Options
from objmapper.query import LOOKUPS
from objmapper.server import command, embedded, options, serve
from objmapper.server.options import Options as ServerOptions

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference"
_spec = importlib.util.spec_from_file_location("public", DOCS / "_ext" / "public.py")
public = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(public)
DIALECTS = {"`rest`": Rest, "`drf`": DRF, "`kinto`": Kinto, "`cvat`": CVAT}


def table(page, heading):
    """Return the first table below a heading: a dict for each row, keys as the head says."""
    text = (REFERENCE / f"{page}.md").read_text(encoding="utf-8")
    below = re.search(rf"^#+ {re.escape(heading)}$(.*)", text, re.MULTILINE | re.DOTALL)[1]
    lines = re.search(r"(?:^\|.*\|\n)+", below, re.MULTILINE)[0].splitlines()
    head, _, *rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines
    ]
    assert {len(row) for row in rows} == {len(head)}
    return [dict(zip(head, row, strict=True)) for row in rows]


def bare(cells):
    return [cell.strip("`") for cell in cells]


# -- dialects -------------------------------------------------------------------------------------


def test_the_table_of_lookups_has_every_lookup_and_says_who_has_it():
    rows = {row["lookup"].strip("`"): row for row in table("queries", "Lookups")}
    assert set(rows) == LOOKUPS
    for name, row in rows.items():
        assert {column: row[column] == "yes" for column in DIALECTS} == {
            column: name in dialect.lookups for column, dialect in DIALECTS.items()
        }, name


def capabilities(dialect):
    return {
        name
        for cls in dialect.__mro__
        for name, value in vars(cls).items()
        if not name.startswith("_") and not callable(value) and name != "name"
    }


def shown(value):
    if isinstance(value, frozenset) and value:
        return str(len(value))
    if isinstance(value, dict | frozenset):
        return ", ".join(f"`{name}`" for name in value) or "none"
    return f"`{value!r}`"


def test_the_table_of_capabilities_has_every_capability_and_its_values():
    rows = {row["capability"].strip("`"): row for row in table("dialects", "Capabilities")}
    assert set(rows) == set().union(*map(capabilities, DIALECTS.values()))
    for name, row in rows.items():
        assert {column: row[column] for column in DIALECTS} == {
            column: shown(getattr(dialect, name)) if hasattr(dialect, name) else ""
            for column, dialect in DIALECTS.items()
        }, name


@pytest.mark.parametrize("name", sorted(capabilities(Dialect)))
def test_a_capability_is_a_keyword_of_the_constructor(name):
    assert getattr(Dialect(**{name: getattr(Dialect, name)}), name) == getattr(Dialect, name)


# -- fields and models ----------------------------------------------------------------------------


class Stage(enum.Enum):
    DONE = "done"


class Person(Embedded):
    username = fields.String()


class Target(objmapper.Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        registry = objmapper.Registry()


ARGUMENTS = {
    "Enum": (Stage,),
    "ForeignKey": (Target,),
    "List": (fields.String(),),
    "Nested": (Person,),
}
PYTHON = {"the enum": Stage, "the model": Target, "the value object": Person, "any": object}
NAMES = {"dt": dt, "Decimal": decimal.Decimal, "UUID": uuid.UUID, "Stage": Stage, "Person": Person}
KINDS = {row["field"].strip("`"): row for row in table("fields", "Kinds")}


def bound(kind):
    """Return a field of that kind, of a model of its own."""

    class Holder(objmapper.Model):
        id = fields.Integer(primary_key=True)
        value = getattr(fields, kind)(*ARGUMENTS.get(kind, ()))

        class Meta:
            registry = objmapper.Registry()

    return Holder.value


def test_the_table_of_fields_has_every_kind():
    kinds = {
        name
        for name in fields.__all__
        if inspect.isclass(getattr(fields, name)) and issubclass(getattr(fields, name), Field)
    }
    assert set(KINDS) == kinds - {"Field"}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"HasMany"}))
def test_the_table_of_fields_says_what_a_field_reads_and_sends(kind):
    field, row = bound(kind), KINDS[kind]
    python = row["Python"].strip("`")
    if kind != "ForeignKey":  # what it holds is an object of the target
        assert field.python_type is PYTHON.get(python, field.python_type)
        assert python in PYTHON or field.python_type.__name__ == python
    read = (
        "any"
        if field.wire_types == (object,)
        else ", ".join(f"`{json_type.__name__}`" for json_type in field.wire_types)
    )
    assert row["JSON read"] == read
    value = eval(row["for example"].strip("`"), NAMES)
    sent = json.loads(row["is sent as"].strip("`"))
    assert field.dump(field.store(value)) == sent
    assert field.check(field.store(value)) == []


@pytest.mark.parametrize(
    "kind", sorted(kind for kind, row in KINDS.items() if row["checked by"].startswith("`"))
)
def test_the_table_of_fields_says_by_what_a_field_is_checked(kind):
    assert KINDS[kind]["checked by"] == f"`{type(bound(kind).marshmallow_field()).__name__}`"


def test_the_table_of_keywords_has_every_keyword_of_a_field_and_its_default():
    rows = table("fields", "Keywords of every field")
    assert set(bare(row["keyword"] for row in rows)) == {"null", *Options.__annotations__}
    signature = inspect.signature(Field.__init__)
    for row in rows:
        default = signature.parameters[row["keyword"].strip("`")].default
        if row["default"] == "not given":
            assert default is fields.base.MISSING
        else:
            assert ast.literal_eval(row["default"].strip("`")) == default


def test_the_table_of_meta_has_every_option_and_its_default():
    rows = table("models", "Options of class Meta")
    told = {row["option"].strip("`"): ast.literal_eval(row["default"].strip("`")) for row in rows}
    assert told == OPTIONS


def test_the_reserved_names_are_told():
    text = (REFERENCE / "models.md").read_text(encoding="utf-8")
    paragraph = re.search(r"## Reserved names\n\n(.*?)\n\n", text, re.DOTALL)[1]
    named = re.search(r"no field may take one:(.*?)\. A server's", paragraph, re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", named)) == RESERVED


# -- clients, servers, the command line -----------------------------------------------------------


def test_the_table_of_client_options_has_every_option_and_its_default():
    rows = table("client", "Options of a client")
    parameters = dict(inspect.signature(Client.__init__).parameters)
    del parameters["self"]
    assert bare(row["option"] for row in rows) == list(parameters)
    for row in rows:
        default = parameters[row["option"].strip("`")].default
        empty = default is inspect.Parameter.empty
        assert row["default"] == ("" if empty else f"`{default!r}`")


def test_the_table_of_server_options_has_every_option_of_every_door():
    rows = table("server", "Options")
    assert set(bare(row["in the address"] for row in rows)) == set(options.KNOWN)
    keywords = set(bare(row["keyword"] for row in rows))
    for door in (embedded, serve, ServerOptions.parse):
        known = set(inspect.signature(door).parameters) - {"target", "host", "port"}
        assert keywords == known, door


def words_of(parser):
    """Return what a parser of arguments takes, as a user types it."""
    return {
        max(action.option_strings, key=len, default=action.dest)
        for action in parser._actions
        if action.dest not in ("help", "command")
    }


def test_the_tables_of_arguments_have_every_argument():
    commands = next(action.choices for action in cli.parser()._actions if action.dest == "command")
    text = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (\w+)$", text, re.MULTILINE)) == set(commands)
    parsers = {**commands, "serve": command.parser()}
    for name, parser in parsers.items():
        assert set(bare(row["argument"] for row in table("command-line", name))) == words_of(parser)


# -- the house ------------------------------------------------------------------------------------


def test_the_floors_of_the_page_are_those_of_the_linter():
    setup = configparser.ConfigParser()
    setup.read(DOCS.parent / "setup.cfg", encoding="utf-8")
    layers = setup["importlinter:contract:floors"]["layers"].split()
    page = (DOCS / "explanation" / "house.md").read_text(encoding="utf-8")
    rooms = re.findall(r"`(\w+)`", re.search(r"\| roof \|.*?(?=\| next door)", page, re.DOTALL)[0])
    assert rooms == [layer for layer in layers if layer != "|"]


# -- errors and signals ---------------------------------------------------------------------------


def errors():
    return {
        name: value
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and issubclass(value, exceptions.ObjMapperError)
    }


def test_the_tree_of_errors_is_the_tree_of_the_classes():
    drawn, above = {}, []
    for line in exceptions.__doc__.splitlines():
        found = re.match(r"    ((?:[│├└] |  )*)(\w+)(?: \(([\w, ]+)\))?(?: |$)", line)
        if found is None:
            continue
        depth, name, builtin = len(found[1]) // 2, found[2], found[3]
        del above[depth:]
        drawn[name] = {*above[-1:], *(builtin.split(", ") if builtin else [])}
        above.append(name)
    assert drawn == {
        name: {base.__name__ for base in cls.__bases__} - {"Exception"}
        for name, cls in errors().items()
    }


def test_the_table_of_signals_has_every_signal():
    named = re.findall(r"^((?:\w+, )*\w+)(?: [(/\w]|  )", signals.__doc__, re.MULTILINE)
    told = {name for names in named for name in names.split(", ")}
    made = {
        name for name in signals.__all__ if isinstance(getattr(signals, name), signals.ModelSignal)
    }
    assert made <= told


# -- docstrings -----------------------------------------------------------------------------------


def functions():
    """Yield every public function and method of this package, with the class that it is of."""
    for dotted, thing in public.names():
        if inspect.isfunction(thing):
            yield dotted, thing, None
        elif inspect.isclass(thing):
            for name in public.members(thing):
                value = inspect.getattr_static(thing, name, None)
                value = value.fget if isinstance(value, property) else value
                value = inspect.unwrap(getattr(value, "__func__", value))
                if inspect.isfunction(value) and public.is_ours(value) and value.__name__ == name:
                    yield f"{dotted}.{name}", value, thing


FUNCTIONS = {name: (function, owner) for name, function, owner in functions()}


def told_of(function, owner):
    """Return the docstring of a function; that of what it overrides, where it has none."""
    if function.__doc__:
        return function.__doc__
    classes = owner.__mro__ if owner is not None else ()
    docs = (
        vars(cls)[function.__name__].__doc__ for cls in classes if function.__name__ in vars(cls)
    )
    return next(filter(None, docs), "")


def test_every_public_function_has_a_docstring():
    assert [name for name, each in FUNCTIONS.items() if not told_of(*each).strip()] == []


def test_every_docstring_begins_with_a_sentence():
    begun = {name: told_of(*each).strip().partition("\n\n")[0] for name, each in FUNCTIONS.items()}
    assert [name for name, text in begun.items() if not re.search(r"[.:`)]$", text)] == []


def raised_by(function):
    """Return the names of the errors that a function's own lines raise."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name))):
                yield name
            case ast.Raise(exc=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="of"))):
                yield name
            case ast.Raise(exc=ast.Call(func=ast.Attribute(attr=name))):
                yield name


def test_every_error_that_a_public_function_raises_is_told():
    untold = {}
    for name, (function, owner) in FUNCTIONS.items():
        text = told_of(function, owner) + (owner.__doc__ or "" if owner is not None else "")
        missing = {error for error in raised_by(function) if error not in text} - {"AssertionError"}
        if missing:
            untold[name] = missing
    assert untold == {}


def test_every_error_that_a_docstring_names_is_there():
    known = {*errors(), *dir(builtins), "Veto", "ArgumentTypeError"}
    wrong = {}
    for name, each in FUNCTIONS.items():
        named = set(
            re.findall(r"\b([A-Z][a-z]+[A-Za-z]*(?:Error|Exists?|Returned))\b", told_of(*each))
        )
        if named - known - {"DoesNotExist"}:
            wrong[name] = named - known
    assert wrong == {}


MODULES = [
    each.name
    for each in pkgutil.walk_packages(objmapper.__path__, "objmapper.")
    if not each.name.startswith(("objmapper.__main__", "objmapper.server"))
]


def test_every_example_in_a_docstring_runs():
    results = {name: doctest.testmod(importlib.import_module(name)) for name in MODULES}
    assert {name for name, result in results.items() if result.failed} == set()
    assert sum(result.attempted for result in results.values()) >= 7


# -- that it is complete --------------------------------------------------------------------------


def test_a_name_that_the_reference_lacks_is_found():
    everything = set()
    for dotted, thing in public.names():
        everything.add(dotted)
        if inspect.isclass(thing):
            everything |= {f"{dotted}.{name}" for name in public.members(thing)}
    assert set(public.missing(everything)) == set()
    for name in ("objmapper.connect", "objmapper.Session.plan", "objmapper.Session.client"):
        assert name in everything
        assert set(public.missing(everything - {name})) == {name}


def test_a_member_is_told_where_it_is_inherited_from():
    assert "filter" in set(public.members(objmapper.Manager))
    known = {
        f"objmapper.queryset.queryset.QuerySet.{name}"
        for name in public.members(objmapper.QuerySet)
    }
    lacking = set(public.missing(known))
    assert "objmapper.Manager" in lacking
    assert "objmapper.Manager.filter" not in set(public.missing({*known, "objmapper.Manager"}))


def test_what_is_private_is_not_asked_for():
    asked = [dotted for dotted, _ in public.names()]
    asked += [
        name
        for _, thing in public.names()
        if inspect.isclass(thing)
        for name in public.members(thing)
    ]
    assert [name for name in asked if re.search(r"(^|\.)_", name)] == []
