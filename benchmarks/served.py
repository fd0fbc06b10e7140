"""Real servers, each in a process of its own, and the proxy of the tests that harms requests."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

USER = ("admin", "secret")
TESTS = Path(__file__).parents[1] / "tests"


@contextmanager
def cvat(**options: str) -> Iterator[str]:
    """Serve the embedded CVAT; yield its address. *options* are those of ``serve cvat``."""
    told = [part for name, value in options.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-m", "objmapper", "serve", "cvat", "--user", ":".join(USER), *told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = dict(
                line.strip().partition("=")[::2]
                for line in iter(process.stdout.readline, "READY\n")
            )
            yield said["CVAT_URL"]
        finally:
            process.terminate()


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
