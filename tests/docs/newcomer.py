"""The newcomer's path: install as the tutorial says, and type it in, in a fresh environment.

It installs packages, so it is run where it is named: ``pytest tests/docs/newcomer.py``, as
``tox -e docs`` does.
"""

import os
import shutil
import subprocess
from doctest import Example

import blocks
import pytest

TUTORIAL = blocks.ROOT / "docs" / "tutorial" / "index.md"


class Prompt:
    """An interactive Python that is typed into."""

    def __init__(self, python, folder) -> None:
        self._process = subprocess.Popen(
            [python, "-i", "-q", "-u"],
            cwd=folder,
            env={**os.environ, "PYTHON_BASIC_REPL": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._shown()

    def _shown(self) -> str:
        """Return what is shown up to the next prompt."""
        shown = b""
        while not shown.endswith(b">>> "):
            more = os.read(self._process.stdout.fileno(), 4096)
            assert more, f"Python has ended: {shown.decode()}"
            shown += more
        return shown.decode().removesuffix(">>> ")

    def type(self, source: str) -> str:
        """Return what is shown when *source* is typed in, a block with the empty line after it."""
        lines = source.splitlines()
        lines += [""] * (len(lines) > 1 and lines[-1] != "")
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self._process.stdin.flush()
        shown = self._shown()
        for _ in lines[1:]:
            shown = shown.removeprefix("... ")
        return shown

    def close(self) -> None:
        self._process.communicate(b"exit()\n")


def check(example: Example, shown: str) -> None:
    want = example.want
    if example.exc_msg is not None:  # the lines between are of Python's own making
        assert shown.startswith("Traceback"), shown
        want, shown = example.exc_msg, shown[-len(example.exc_msg) :]
    wrong = blocks.difference(want, shown)
    assert wrong is None, f">>> {example.source}{wrong}"


@pytest.fixture
def checkout(tmp_path):
    """A checkout of the repository, with what is changed here."""
    names = subprocess.check_output(["git", "ls-files", "-z"], cwd=blocks.ROOT, text=True)
    for name in names.split("\0")[:-1]:
        if (blocks.ROOT / name).exists():
            (tmp_path / "objmapper" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(blocks.ROOT / name, tmp_path / "objmapper" / name)
    return tmp_path / "objmapper"


@pytest.mark.timeout(600)
def test_the_tutorial_is_typed_in_line_by_line(checkout):
    start, folder = checkout.parent, checkout.parent / "migration"
    document, shell = blocks.parsed(TUTORIAL, blocks.free_ports()), blocks.Shell(start)
    prompt = None
    document.namespace |= {"__folder__": folder}
    typed = 0
    try:
        for example in document.examples():
            if isinstance(example.parsed, Example):
                prompt = prompt or Prompt(folder / ".venv" / "bin" / "python", folder)
                check(example.parsed, prompt.type(example.parsed.source))
                typed += 1
            elif isinstance(example.parsed, tuple):
                example.evaluate()
            else:
                for command, want in blocks.commands(example.parsed):
                    blocks.check_command(shell, command, want)
    finally:
        if prompt:
            prompt.close()
        shell.close()
    assert typed == document.text.count("\n>>> ") > 0
