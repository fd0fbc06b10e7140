"""Each public name of the published SDK's core has its row in the table of what is here, and no other."""

import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path
from typing import TypeVar

import cvat_sdk.core
import pytest

pytestmark = pytest.mark.foreign

_path = Path(__file__).parents[2] / "docs" / "_ext" / "cvat_coverage.py"
_spec = importlib.util.spec_from_file_location("cvat_coverage", _path)
coverage = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(coverage)


def names():
    """Yield what each module defines, and what its classes have of the SDK's own."""
    below = pkgutil.walk_packages(cvat_sdk.core.__path__, "cvat_sdk.core.")
    for module_name in ["cvat_sdk.core", *(each.name for each in below)]:
        for name, thing in vars(importlib.import_module(module_name)).items():
            if name.startswith("_") or isinstance(thing, TypeVar):
                continue
            if getattr(thing, "__module__", None) != module_name:
                continue  # a module, or what another one defines
            yield name
            for member in dir(thing) if inspect.isclass(thing) else ():
                owner = next((cls for cls in thing.__mro__ if member in vars(cls)), object)
                if not member.startswith("_") and owner.__module__.startswith("cvat_sdk.core"):
                    yield f"{name}.{member}"


def test_each_public_name_has_a_row_and_each_row_a_name():
    listed = {row.name for row in coverage.rows() if row.section == coverage.SDK}
    assert len(listed) > 300
    assert set(names()) - listed == set()
    assert listed - set(names()) == set()
