"""Simvue's own tests, unmodified, with the published client against the embedded server.

``tox -e simvue,simvue253`` fetches them: the source archive of 2.6.2 has them, that of 2.5.3 has none.
So both versions are put to the tests of 2.6.2, and of 2.5.3 is told which it can't pass, as it lacks
what they ask for.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from objmapper.server import serve

INSTALLED = importlib.metadata.version("simvue")
ARCHIVE = os.environ.get("SIMVUE_TESTS")
#: How many pass, those of the command line's sender included.
PASSED = {"2.6.2": 124, "2.5.3": 118}
#: The tests that ask for what a version has not, and what that is.
LACKS = {
    "2.6.2": {},
    "2.5.3": {
        "test_get_run_count[subset]": "has_metadata_value is called metadata_eq",
        "test_sender_version_get": "the sender does not ask for the version of noSim",
        "test_stats": "base_url is called _base_url",
        "test_post_retry_rewinds_file_stream[file-object]": "what is sent again is not rewound",
        "test_post_retry_rewinds_file_stream[tuple]": "what is sent again is not rewound",
        "test_put_retry_rewinds_data_stream": "what is sent again is not rewound",
    },
}
#: These want torch.
SKIPPED = {
    "test_pytorch_tensor_mime_type",
    "test_pytorch_tensor_serialization",
}


@pytest.fixture
def folder(tmp_path):
    """The tests beside their configuration, as the archive has them."""
    if ARCHIVE is None:
        pytest.fail("SIMVUE_TESTS is the folder of the source archive: tox -e simvue fetches it")
    (archive,) = Path(ARCHIVE).glob("simvue-*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    (top,) = tmp_path.glob("simvue-*")
    # Not the client of the archive is tested, but the one that is installed.
    (top / "simvue").rename(top / "left out")
    return top


def run(folder, running):
    """What was told of each test, by its name and module; and what was printed."""
    surroundings = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SIMVUE_", "PYTEST_", "COVERAGE"))
    }
    surroundings |= {f"SIMVUE_{name}": value for name, value in running.server.credentials.items()}
    surroundings |= {
        "SIMVUE_URL": running.url,
        "SIMVUE_OFFLINE_DIRECTORY": str(folder / "cache"),
        "HOME": str(folder),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    told = folder / "outcomes"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "sharing", "--outcomes", str(told)),
            *("tests/unit", "tests/cli/test_sender_command.py"),
            *("--ignore", "tests/unit/test_ecoclient.py", "--override-ini", "addopts="),
            *("-p", "no:warnings", "-p", "no:cacheprovider", "--capture", "sys", "--tb", "short"),
        ],
        cwd=folder,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.exists(), done.stdout + done.stderr
    outcomes = {}
    for line in told.read_text().splitlines():
        name, module, outcome = json.loads(line)
        outcomes.setdefault((name, module), set()).add(outcome)
    return outcomes, done.stdout


@pytest.mark.timeout(600)
def test_its_own_tests_pass(folder):
    with serve("simvue", check=True) as running:
        outcomes, text = run(folder, running)
    skipped = {name for (name, _), found in outcomes.items() if "skipped" in found}
    failed = {name for (name, _), found in outcomes.items() if "failed" in found}
    passed = {test for test, found in outcomes.items() if found == {"passed"}}
    assert failed == set(LACKS[INSTALLED]), text
    assert skipped == SKIPPED, text
    assert len(passed) == PASSED[INSTALLED], text
    assert ("test_sender_command", "tests/cli/test_sender_command.py") in passed
    assert running.server.violations == []


def test_what_does_not_pass_is_told_in_the_documents():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "server.md").read_text("utf-8")
    told = page.partition("## The embedded Simvue")[2].partition("\n## ")[0]
    names = {name.partition("[")[0] for name in SKIPPED | set(LACKS["2.5.3"])}
    for name in names:
        assert name in told
    for version, passed in PASSED.items():
        assert f"{passed} " in told or f"{passed};" in told, version
