"""What runs the documents' blocks, by path: no folder of tests is a package."""

import importlib.util
import sys
from pathlib import Path

import pytest
from blinker import Signal

from objmapper import signals

if "blocks" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("blocks", Path(__file__).with_name("blocks.py"))
    assert _spec
    assert _spec.loader
    sys.modules["blocks"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["blocks"])


@pytest.fixture(autouse=True)
def no_receiver_is_left():
    yield
    # blinker keeps what is disconnected from a sender alone; to who comes after it is a receiver.
    ours = {name: each for name, each in vars(signals).items() if isinstance(each, Signal)}
    assert [name for name, signal in ours.items() if signal.receivers] == []
