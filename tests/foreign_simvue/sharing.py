"""A plugin of pytest that shares the collected tests among forked processes.

``pytest -p sharing --outcomes FILE`` writes a line of JSON for each part of a test: its name, its module,
its outcome. Simvue's own tests sleep most of the time, and what they import takes longer than they do: so
many of them run at once, and everything is imported once.
"""

import json
import os
from pathlib import Path

#: How many processes there are.
AT_ONCE = 6
#: These make what has one name, so one waits for the other.
ONE_BY_ONE = {"test_user.py"}


def pytest_addoption(parser):
    parser.addoption("--outcomes", type=Path)


def pytest_configure(config):
    config.pluginmanager.register(Told(config.getoption("--outcomes")))


class Told:
    """Writes what becomes of each test."""

    def __init__(self, path):
        self.path = path

    def pytest_runtest_logreport(self, report):
        module = report.location[0]
        line = json.dumps([report.location[2], module, report.outcome])
        with self.path.open("a") as file:  # small enough to be written at once
            file.write(f"{line}\n")


def pytest_runtestloop(session):
    """Run every test in one of the processes; each goes on to a summary of its own."""
    shares = {}
    for item in reversed(session.items):  # the longest are the last
        shares.setdefault(item.path if item.path.name in ONE_BY_ONE else item, []).append(item)
    waiting, told = os.pipe()
    os.write(told, bytes(range(len(shares))))
    os.close(told)
    children = []
    while len(children) < AT_ONCE and (child := os.fork()):
        children.append(child)
    if len(children) == AT_ONCE:
        for child in children:
            os.waitpid(child, 0)
        return True
    taken = list(shares.values())
    while number := os.read(waiting, 1):
        for item in reversed(taken[number[0]]):
            session.ihook.pytest_runtest_protocol(item=item, nextitem=None)
    return True
