"""What every test folder needs: parts that lack an outside tool are skipped, by name."""

import importlib.util
import shutil

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("npm") and shutil.which("npm") is None:
        pytest.skip("npm is missing")


def pytest_ignore_collect(collection_path, config) -> bool | None:
    """tests/foreign needs the published clients, which have an environment of their own."""
    if collection_path.name == "foreign" and importlib.util.find_spec("cvat_sdk") is None:
        return True
    return None
