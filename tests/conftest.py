"""What every test folder needs: parts that lack an outside tool are left out, by name."""

import importlib.util
import shutil

import pytest

FOREIGN = importlib.util.find_spec("cvat_sdk") is not None


def pytest_report_header() -> str | None:
    return None if FOREIGN else "tests/foreign: left to `tox -e foreign`, which has cvat-sdk"


def pytest_ignore_collect(collection_path) -> bool | None:
    return True if collection_path.name == "foreign" and not FOREIGN else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("npm") and shutil.which("npm") is None:
        pytest.skip("npm is missing")
