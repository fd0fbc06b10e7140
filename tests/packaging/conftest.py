"""One build of a copy of the project, and environments that have nothing but what was asked for."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Found beside the sources after work on them; a clone has none of it.
LEFT_OVERS = shutil.ignore_patterns(
    *(".git", ".venv", ".tox", ".*_cache", ".hypothesis", ".coverage*", "__pycache__"),
    *("*.egg-info", "build", "dist", "_build", "htmlcov", "node_modules"),
)


def call(*command, cwd=None, status=0):
    """Run a program that sees nothing of the project's folder; return what it printed."""
    surroundings = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "COVERAGE"))
    }
    # An interpreter is given by its path; none is to be brought from elsewhere.
    surroundings["UV_PYTHON_DOWNLOADS"] = "never"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@dataclass
class Environment:
    """A virtual environment without pip or anything else that nobody asked for."""

    folder: Path

    def install(self, *what):
        call(
            sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", self.python, *what
        )
        return self

    @property
    def python(self):
        return self.folder / "bin" / "python"

    def installed(self):
        """Return each package with its version, and say so if one lacks what it needs."""
        uv = (sys.executable, "-m", "uv", "pip")
        call(*uv, "check", "--python", self.python)
        told = call(*uv, "freeze", "--python", self.python).stdout.splitlines()
        return {line for line in told if not line.startswith("objmapper")}

    def run(self, *arguments, status=0):
        """Run its Python, warnings as errors, where the project can't be found by accident."""
        return call(self.python, "-W", "error", *arguments, cwd=self.folder, status=status)


@dataclass(frozen=True)
class Built:
    source: Path
    #: The archive of the sources, the wheel made from it, and that made from the folder itself.
    sdist: Path
    wheel: Path
    direct: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """What is published. Built from a copy: a build leaves folders beside the sources."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=LEFT_OVERS)
    build = (sys.executable, "-m", "build", "--installer", "uv", "--outdir")
    call(*build, folder / "dist", source)
    call(*build, folder / "direct", "--wheel", source)
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    (direct,) = (folder / "direct").glob("*.whl")
    return Built(source, sdist, wheel, direct)


@pytest.fixture(scope="session")
def new_environment(tmp_path_factory):
    """``new_environment(name)`` makes an empty one."""

    def make(name):
        folder = tmp_path_factory.mktemp(name)
        call(
            sys.executable,
            "-m",
            "uv",
            "venv",
            "--quiet",
            "--clear",
            "--python",
            sys.executable,
            folder,
        )
        return Environment(folder)

    return make


@pytest.fixture(scope="session")
def bare(built, new_environment):
    """An environment into which the wheel was installed, without an extra."""
    return new_environment("bare").install(built.wheel)


@pytest.fixture(scope="session")
def with_extra(built, new_environment):
    """``with_extra(name)`` makes an environment with the wheel and that extra alone."""
    return lambda name: new_environment(name).install(f"{built.wheel}[{name}]")
