"""Every Python block of README.md and docs/ runs, each document in a namespace of its own."""

import re
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# What Sybil does not run. A Python block under another name (`py`, `pycon`) would be skipped
# without a word, so every name is either "python" or one of these.
NOT_RUN = {"console", "ini", "json", "text", "{eval-rst}", "{toctree}"}

sybil = Sybil([PythonCodeBlockParser(), SkipParser()], path=str(ROOT))
each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


@each_document
def test_every_block_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a block may write files
    for example in sybil.parse(path).examples():
        example.evaluate()


@each_document
def test_every_block_says_what_it_is(path):
    fences = re.findall(r"^ *```(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    openings = fences[::2]
    assert {fence.strip() for fence in openings} <= {"python", *NOT_RUN}
