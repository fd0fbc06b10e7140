"""What runs the documents' blocks, by path: no folder of tests is a package."""

import importlib.util
import sys
from pathlib import Path

if "blocks" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("blocks", Path(__file__).with_name("blocks.py"))
    assert _spec
    assert _spec.loader
    sys.modules["blocks"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["blocks"])
