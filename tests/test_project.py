"""What a reader may rely on: the sizes of the rooms, where imports stand, the changelog."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "objmapper"
ROOMS = sorted(PACKAGE.rglob("*.py"))

# Imported where they are needed, as they may not be installed: the extras, and the embedded
# server, which needs one.
OPTIONAL = {
    *("jsonschema", "msgpack", "objmapper.server", "orjson", "rich", "waitress", "werkzeug"),
    "objmapper.journal",  # SQLite, which not every Python has
}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", ROOMS, ids=name_of)
def test_a_room_has_at_most_500_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def imports_in_functions(tree):
    """Yield the modules that are imported anywhere below a function."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module


@pytest.mark.parametrize("path", ROOMS, ids=name_of)
def test_only_what_may_be_missing_is_imported_in_a_function(path):
    imported = set(imports_in_functions(ast.parse(path.read_text(encoding="utf-8"))))
    assert {
        name
        for name in imported
        if not any(name == known or name.startswith(f"{known}.") for known in OPTIONAL)
    } == set()


def test_a_line_of_the_changelog_begins_with_its_room():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    rooms = {path.stem for path in PACKAGE.iterdir()} | {"benchmarks", "docs", "project", "schemas"}
    entries = re.findall(r"^[-*] +(.*)$", text, re.MULTILINE)
    assert entries
    for entry in entries:
        room = re.match(r"\[(\w+)\] \S", entry)
        assert room, f"no room: {entry}"
        assert room[1] in rooms, f"no such room: {entry}"
