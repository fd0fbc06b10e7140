"""What a stranger may rely on: the wheel, the sizes of the rooms, where imports stand."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "objmapper"
ROOMS = sorted(PACKAGE.rglob("*.py"))

# Imported where they are needed, as they may not be installed: the extras, and the embedded
# server, which needs one.
OPTIONAL = {"jsonschema", "objmapper.server", "orjson", "tqdm", "waitress", "werkzeug"}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the project, built from a copy: a build leaves folders beside the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("objmapper", "schemas"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", target, source]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = target.iterdir()
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(wheel.read(name))


def test_it_needs_four_packages_and_no_more(metadata):
    required = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    names = {re.match(r"[\w.-]+", line).group() for line in required}
    assert names == {"blinker", "cachetools", "marshmallow", "requests"}


def test_the_extras_are_the_documented_ones(metadata):
    assert set(metadata.get_all("Provides-Extra")) == {"dev", "docs", "progress", "server", "speed"}


def test_the_wheel_says_its_license_and_its_python(metadata, wheel):
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_the_wheel_has_every_room_the_types_and_the_contracts(wheel):
    wanted = {name_of(path) for path in ROOMS} | {"objmapper/py.typed"}
    contracts = {f"objmapper/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.json")}
    assert contracts
    assert wanted | contracts | {"objmapper/schemas/__init__.py"} <= set(wheel.namelist())


def test_the_wheel_has_nothing_else(wheel):
    strangers = [
        name
        for name in wheel.namelist()
        if not name.startswith("objmapper/") and ".dist-info/" not in name
    ]
    assert strangers == []


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
