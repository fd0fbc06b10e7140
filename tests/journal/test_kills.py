"""A journaled migration that SIGKILL ends at random instants, again and again, ends as an undisturbed one."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_whatever_kills_a_migration_recovery_and_another_run_end_alike():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kills", "6", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split(" kills with seed 3 in ")[0]) >= 6
    assert "0 rounds ended otherwise than an undisturbed run." in done.stdout
