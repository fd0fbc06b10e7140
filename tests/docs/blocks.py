"""The blocks of a document, run as a reader runs them, one after the other.

===================================  ===============================================================
block                                what is done with it
===================================  ===============================================================
``python``                           run in the document's namespace
``python``, beginning with ``>>>``   typed at the prompt; what is shown must be what is printed
``{code-block} python`` + caption    written to the file that the caption names
``console``                          lines after ``$`` are typed into one bash, in the document's
                                     folder; each must succeed and show what is printed, if anything;
                                     one with ``serve`` or ``start`` in it is left running
===================================  ===============================================================

Two things differ from run to run and are not compared: seconds, as ``0.02 s``, and what ``...`` stands
for. Served servers listen on free ports in the places of 8080 and 8081. Loaded by path; see conftest.py.
"""

import doctest
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sybil import Document, Region
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.myst.lexers import DirectiveLexer

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PORTS = ("8080", "8081")

#: What installs: newcomer.py runs the tutorial's in a fresh environment, .ci/run runs ``make test``.
INSTALLING = ("make ", "mkdir ", "python3 -m venv ", ". .venv/bin/activate", "pip install ")


class Checker(doctest.OutputChecker):
    """Compares what is shown with what is printed."""

    _seconds = re.compile(r"\b\d+\.\d+ ?s\b")

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        want, got = (
            "".join(line.rstrip() + "\n" for line in self._seconds.sub("0 s", text).splitlines())
            for text in (want, got)
        )
        return super().check_output(want, got, optionflags | doctest.ELLIPSIS)


def difference(want: str, got: str) -> str | None:
    """Return what differs, None if nothing does."""
    if Checker().check_output(want, got, 0):
        return None
    return Checker().output_difference(doctest.Example("", want), got, doctest.REPORT_NDIFF)


class Shell:
    """A bash that is typed into, with this Python as ``python``."""

    _END = "--- the command has ended: "

    def __init__(self, folder: Path) -> None:
        told = {name: text for name, text in os.environ.items() if not name.endswith("_COLOR")}
        told["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env={**told, "PYTHONUNBUFFERED": "1", "COLUMNS": "80", "PY_COLORS": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _type(self, line: str) -> None:
        self._bash.stdin.write(line + "\n")
        self._bash.stdin.flush()

    def run(self, command: str) -> tuple[str, int]:
        """Return what *command* shows and its exit status."""
        self._type(f"{command}\nprintf '\\n%s%s\\n' '{self._END}' $?")
        shown: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(self._END):
                return "".join(shown).removesuffix("\n"), int(line.removeprefix(self._END))
            shown.append(line)
        raise EOFError(f"The shell has ended after {command!r}: {''.join(shown)}")

    def serve(self, command: str, last: str) -> str:
        """Leave *command* running, and return what it shows up to the line *last*."""
        self._type(f"{command} &")
        shown: list[str] = []
        for line in self._bash.stdout:
            shown.append(line)
            if line.strip() == last:
                break
        return "".join(shown)

    def close(self) -> None:
        """End what runs, as its user does, and the shell."""
        with suppress(BrokenPipeError):  # the shell has ended already
            self._type("kill $(jobs -p) 2>/dev/null; wait; exit")
        self._bash.communicate()


def commands(block: str) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with what is printed after it."""
    found: list[tuple[str, str]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), ""))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def check_command(shell: Shell, command: str, want: str) -> None:
    """Type *command* into *shell*; it must succeed and show what is printed, if anything is."""
    if re.search(r"\b(serve|start)\b", command):
        shown, status = shell.serve(command, want.splitlines()[-1]), 0
    else:
        shown, status = shell.run(command)
    assert status == 0, f"$ {command}\n{shown}"
    wrong = difference(want, shown) if want else None
    assert wrong is None, f"$ {command}\n{wrong}"


def free_ports() -> list[int]:
    """Return ports that nobody listens on, one for each of `PORTS`."""
    return [free_port() for _ in PORTS]


def free_port() -> int:
    """Return a port that nobody listens on, below those that connections are given.

    Its server is started later: a process that runs tests beside this one takes other ports.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw9").removeprefix("gw")) % 10
    while True:
        port = 20_000 + 1000 * worker + random.randrange(1000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


class ConsoleParser(CodeBlockParser):
    """Blocks that are typed into a shell."""

    language = "console"

    def evaluate(self, example) -> None:
        for command, want in commands(example.parsed):
            if not command.startswith(INSTALLING):
                check_command(example.namespace["__shell__"], command, want)


class FileParser:
    """Blocks that are files."""

    _lexer = DirectiveLexer(directive="code-block", arguments="python")

    def __call__(self, document):
        for region in self._lexer(document):
            name, source = region.lexemes["options"]["caption"], region.lexemes["source"]
            yield Region(region.start, region.end, (name, source), self.write)

    def write(self, example) -> None:
        name, source = example.parsed
        (example.namespace["__folder__"] / name).write_text(source, encoding="utf-8")


def _python() -> PythonCodeBlockParser:
    parser = PythonCodeBlockParser()
    runner = doctest.DocTestRunner(checker=Checker(), verbose=False)
    parser.doctest_parser.evaluator.runner = runner
    return parser


def parsed(path: Path, ports: Sequence[int | str] = PORTS) -> Document:
    """Return the document with its blocks; *ports* take the places of 8080 and 8081."""
    text = path.read_text(encoding="utf-8")
    for written, port in zip(PORTS, ports, strict=True):
        text = text.replace(written, str(port))
    document = Document(text, str(path))
    for parser in (_python(), FileParser(), ConsoleParser(), SkipParser()):
        for region in parser(document):
            document.add(region)
    return document


def run(path: Path, folder: Path) -> None:
    """Run every block of a document in *folder*."""
    document, shell = parsed(path, free_ports()), Shell(folder)
    document.namespace |= {"__name__": "__main__", "__folder__": folder, "__shell__": shell}
    sys.path.insert(0, str(folder))  # as at the prompt
    try:
        for example in document.examples():
            example.evaluate()
    finally:
        shell.close()
        sys.path.remove(str(folder))
        document.namespace.clear()  # or its functions, receivers among them, stay as long as it likes
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None)).startswith(str(folder)):
                del sys.modules[name]
