"""When a journal is written: before what it tells of goes on, and to the disk itself after each wave."""

import sqlite3
import subprocess
import threading
from contextlib import closing


def told_by(path, folder):
    """Return how many intents and outcomes lie in the file itself: what a power failure leaves."""
    copy = folder / "copy"
    # By another process: to close a file here would let go of its lock.
    subprocess.run(["cp", str(path), str(copy)], check=True)
    with closing(sqlite3.connect(copy)) as database:
        (intents,) = database.execute("SELECT count(*) FROM intent").fetchone()
        (done,) = database.execute("SELECT count(*) FROM event WHERE fate = 'done'").fetchone()
    return intents, done


def test_a_power_failure_leaves_the_intents_and_every_wave_that_is_over(place, models, tmp_path):
    told = {}
    with place.session() as session:
        project = models.Project(name="p")
        session.add_all(models.Task(name=f"t{n}", project=project) for n in range(3))

        def look(seen):
            if seen.method == "POST" and seen.path not in told:
                told[seen.path] = told_by(place.path, tmp_path)

        place.server.hook = look
        session.commit(workers=1)
        assert told_by(place.path, tmp_path) == (4, 4)
    assert told == {"/projects/": (4, 0), "/tasks/": (4, 1)}


def test_no_thread_goes_on_before_what_became_of_its_operation_is_known(place, models):
    """So a process that is killed leaves no more of unknown fate than it has workers."""
    begun, third = [], threading.Event()

    def count(seen):
        begun.append(seen)
        if len(begun) > 2:
            third.set()

    def hold(done, of):
        if done == 1:
            assert not third.wait(0.05)

    with place.session() as session:
        session.add_all(models.Task(name=f"t{n}") for n in range(8))
        place.server.hook = count
        report = session.commit(workers=2, progress=hold)
    assert (report.errors, len(report.created)) == ([], 8)
