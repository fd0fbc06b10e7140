"""The page of what the binding does of CVAT's SDK: it is the list's, and what the list names stands."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location(
    "cvat_coverage", ROOT / "docs" / "_ext" / "cvat_coverage.py"
)
coverage = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(coverage)
ROWS = list(coverage.rows())


def names_in(path):
    """The ids, below their file, of the tests that a file has."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        where = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {f"{where}{each.name}" for each in inner if isinstance(each, ast.FunctionDef)}
    return found


def test_the_page_is_what_the_list_makes():
    told = "run `python docs/_ext/cvat_coverage.py` and look at what has changed"
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page(), told


def test_no_name_has_two_rows():
    names = [(row.section, row.name) for row in ROWS]
    assert len(names) == len(set(names))


def test_each_test_that_is_named_is_there():
    known = {}
    for row in ROWS:
        if row.kind == "shown":
            file, _, name = row.shown.partition("::")
            if file not in known:
                known[file] = names_in(ROOT / file)
            assert name.startswith(("test_", "Test")), row
            assert name in known[file], row


def test_what_is_refused_says_why_and_what_comes_later_is_one_of_the_parts_left_out():
    for row in ROWS:
        if row.kind == "refused":
            assert len(row.reason.split()) > 2, row
        if row.kind == "later":
            assert set(row.reason.split(", ")) <= set(coverage.LATER), row


def test_a_line_that_is_no_row_is_told(tmp_path, monkeypatch):
    bad = tmp_path / "list.txt"
    bad.write_text("## a\nTask.fetch | |\n", encoding="utf-8")
    monkeypatch.setattr(coverage, "LIST", bad)
    with pytest.raises(ValueError, match=r"Task\.fetch"):
        list(coverage.rows())
