"""Every block of README.md and docs/ is run, each document in a folder and a namespace of its own."""

import re

import blocks
import pytest

# A block of any other kind would be run by nobody, without a word.
KINDS = {"python", "console", "{code-block} python", "ini", "json", "text"}
#: What Sphinx and MyST read.
DIRECTIVES = {"{eval-rst}", "{toctree}"}

each_document = pytest.mark.parametrize(
    "path", blocks.DOCUMENTS, ids=lambda path: path.relative_to(blocks.ROOT).as_posix()
)


@each_document
def test_every_block_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks.run(path, tmp_path)


@each_document
def test_every_block_says_what_it_is(path):
    fences = re.findall(r"^ *```(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    openings = {fence.strip() for fence in fences[::2]}
    assert openings <= KINDS | DIRECTIVES
