"""Real servers, each in a process of its own, and the proxy of the tests that harms requests."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import ModuleType

USER = ("admin", "secret")
TESTS = Path(__file__).parents[1] / "tests"


@contextmanager
def _running(kind: str, *arguments: str, **options: str) -> Iterator[dict[str, str]]:
    """Run ``serve``; yield what it says. *options* are those of the command line."""
    told = [part for name, value in options.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-m", "objmapper", "serve", kind, *arguments, *told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield dict(
                line.strip().partition("=")[::2]
                # Of a server that can't start there is nothing, and an end.
                for line in takewhile(lambda line: line != "READY\n", process.stdout)
            )
        finally:
            process.terminate()


@contextmanager
def cvat(**options: str) -> Iterator[str]:
    """Serve the embedded CVAT; yield its address. *options* are those of ``serve cvat``."""
    with _running("cvat", "--user", ":".join(USER), **options) as said:
        yield said["CVAT_URL"]


@contextmanager
def simvue(**options: str) -> Iterator[tuple[str, str]]:
    """Serve the embedded Simvue; yield its address and a token."""
    with _running("simvue", **options) as said:
        yield said["SIMVUE_URL"], said["SIMVUE_TOKEN"]


@cache
def of_tests(name: str) -> ModuleType:
    """Return a module of tests/, by path: that folder is no package."""
    if name == "faultproxy":
        of_tests("faulty")
    spec = importlib.util.spec_from_file_location(name, TESTS / f"{name}.py")
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
