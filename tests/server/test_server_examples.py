"""Every example in a docstring of the server runs as it is written."""

import doctest
import importlib
import pkgutil

import pytest

import objmapper.server

MODULES = [
    each.name for each in pkgutil.walk_packages(objmapper.server.__path__, "objmapper.server.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    found = [doctest.testmod(importlib.import_module(name)).attempted for name in MODULES]
    assert sum(map(bool, found)) >= 8
