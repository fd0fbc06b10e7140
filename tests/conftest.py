"""What every test folder needs: parts that lack an outside tool are left out, by name."""

import gc
import importlib.util
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

# Thousands of tests are a million objects, which the collector would walk through again and again while
# they are made: a fifth of that time. pytest_collection_finish has it on again.
gc.disable()

# By path: no folder of tests is a package, and none of them is importable by accident.
for _name in ("smallserver", "faulty", "faultproxy", "kintoserver"):
    _spec = importlib.util.spec_from_file_location(_name, Path(__file__).with_name(f"{_name}.py"))
    assert _spec
    assert _spec.loader
    if _name not in sys.modules:
        sys.modules[_name] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules[_name])

#: Folders whose tests need what not everybody installs: the module that has to be there, who has it.
FOREIGN = {
    "foreign": ("cvat_sdk", "foreign,foreign215"),
    "foreign_simvue": ("simvue", "simvue,simvue253"),
    "torch": ("torch", "torch"),
}
LEFT = {
    folder: environments
    for folder, (module, environments) in FOREIGN.items()
    if importlib.util.find_spec(module) is None
}


def pytest_report_header() -> list[str]:
    left = [f"tests/{folder}: left to `tox -e {names}`" for folder, names in LEFT.items()]
    if importlib.util.find_spec("schemathesis") is None:
        left.append("tests/robustness/test_schemathesis*.py: left to `tox -e robustness`")
    return left


def pytest_ignore_collect(collection_path) -> bool | None:
    # Asked for by its path, a folder is not left out.
    return True if collection_path.name in {"packaging", *LEFT} else None


def pytest_collection_finish() -> None:
    # They stay: none of the collections of the tests needs to look at them.
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("npm") and shutil.which("npm") is None:
        pytest.skip("npm is missing")


@pytest.fixture
def lines_of():
    """``lines_of(do, ours)`` tells how many lines of files ``do()`` runs: of those whose path is *ours*."""

    def lines_of(do, ours):
        count = 0

        def line(frame, event, arg):
            nonlocal count
            count += event == "line"
            return line

        def call(frame, event, arg):
            return line if ours(frame.f_code.co_filename.replace("\\", "/")) else None

        before = sys.gettrace()
        sys.settrace(call)
        try:
            do()
        finally:
            sys.settrace(before)
        return count

    return lines_of


@pytest.fixture
def small_server():
    """``small_server(**options)`` opens a SmallServer, whose clients are closed at the end."""
    opened = []

    def open_(**options):
        opened.append(sys.modules["smallserver"].SmallServer(**options))
        return opened[-1]

    yield open_
    for server in opened:
        server.close()


@pytest.fixture
def small(small_server):
    """A small JSON service over tables of dicts; see smallserver.py."""
    return small_server()


class Clock:
    """What deadlines are read from: it can be set forward, so that one passes between two steps.

    A deadline that is far away is not met any earlier, then, however busy the machine is.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self._timers: list[threading.Timer] = []

    def ahead_of(self, read: Callable[[], float]) -> Callable[[], float]:
        return lambda: read() + self._ahead

    def set_forward(self) -> None:
        self._ahead += 1000

    def set_forward_soon(self) -> None:
        """Set it forward while somebody waits; where nobody does yet, that makes no difference."""
        self._timers.append(threading.Timer(0.05, self.set_forward))
        self._timers[-1].start()

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
            timer.join()


@pytest.fixture
def clock(monkeypatch):
    """The clock of this process, which the test can set forward."""
    clock = Clock()
    for name in ("monotonic", "perf_counter"):
        monkeypatch.setattr(time, name, clock.ahead_of(getattr(time, name)))
    yield clock
    clock.close()


@pytest.fixture
def faulty_server():
    """A server on a socket that breaks as it is told; see faulty.py."""
    server = sys.modules["faulty"].FaultyServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def kinto_server(tmp_path_factory):
    """A real Kinto, one a test process; a test takes a fresh bucket of it. See kintoserver.py."""
    server = sys.modules["kintoserver"].KintoServer(tmp_path_factory.mktemp("kinto"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody signed, with its key."""
    tmp_path = tmp_path_factory.mktemp("tls")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing")
    pair = tmp_path / "pair.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {pair} -out {tmp_path / 'crt.pem'}"
    subprocess.run(command.split(), check=True, capture_output=True)
    pair.write_text(pair.read_text() + (tmp_path / "crt.pem").read_text())
    return pair


@pytest.fixture
def tls_server(certificate):
    """The same behind TLS, with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = sys.modules["faulty"].FaultyServer(context)
    yield server
    server.close()
