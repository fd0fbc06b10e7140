"""Objects as bytes and back, by the media types of simvue 2.6.2.

Libraries are imported when an object of theirs comes, or bytes of theirs are read.
"""

from __future__ import annotations

import importlib
import io
import json
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

from objmapper.exceptions import cut

BYTES = "application/octet-stream"
JSON = "application/json"
NUMPY = "application/vnd.simvue.numpy.v1"
PANDAS = "application/vnd.simvue.df.v1"
PLOTLY = "application/vnd.plotly.v1+json"
TORCH = "application/vnd.simvue.torch.v1"
#: How every pickle of today begins.
_PICKLE = b"\x80"


def serialise(obj: Any, *, allow_pickling: bool = False) -> tuple[bytes, str]:
    """Return an object as bytes, with their media type.

    Arrays of NumPy, frames of pandas, figures of plotly and of matplotlib (``matplotlib.pyplot`` is the
    current one), tensors of torch, bytes, and whatever is JSON; anything else is pickled if that is
    allowed. Raises TypeError where it is not, ImportError where a figure of matplotlib comes and plotly
    is not installed.
    """
    if isinstance(obj, bytes | bytearray | memoryview):
        return bytes(obj), BYTES
    write = _writer(obj)
    if write is not None:
        return write(obj)
    try:
        told = json.dumps(obj, allow_nan=False).encode()
        if json.loads(told) == obj:  # a tuple, or a key that is no text, would come back as another
            return told, JSON
    except (TypeError, ValueError, RecursionError):
        pass
    if not allow_pickling:
        raise TypeError(
            f"{cut(obj)} can't be kept without pickling it. Say allow_pickling=True, or give bytes, JSON, "
            "an array, a frame, a figure or a tensor."
        )
    return pickle.dumps(obj), BYTES


def deserialise(content: bytes, mime_type: str, *, allow_pickling: bool = False) -> Any:
    """Return the object that bytes are; bytes themselves where nothing else is known of them.

    A pickle is read only where that is allowed, as it may run anything: else its bytes are returned.
    Raises ValueError for bytes that are not what the media type says, ImportError where the library
    that reads them is missing.
    """
    read = _READERS.get(mime_type)
    if read is not None:
        try:
            return read(content)
        except ImportError:
            raise
        except Exception as error:
            raise ValueError(f"The {len(content)} bytes are no {mime_type}: {error}") from None
    if mime_type == BYTES and allow_pickling and content.startswith(_PICKLE):
        return pickle.loads(content)
    return content


def _writer(obj: Any) -> Callable[[Any], tuple[bytes, str]] | None:
    """Return what writes an object of a library; told by the names of its classes."""
    for cls in type(obj).__mro__:
        home, name = cls.__module__.partition(".")[0], cls.__name__
        found = _WRITERS.get((home, name))
        if found is not None:
            return found
    if isinstance(obj, ModuleType) and obj.__name__ == "matplotlib.pyplot":
        return _pyplot
    is_state = type(obj).__name__ == "OrderedDict" and obj
    if is_state and all(_writer(value) is _torch for value in obj.values()):
        return _torch
    return None


def _numpy(obj: Any) -> tuple[bytes, str]:
    file = io.BytesIO()
    _library("numpy").save(file, obj, allow_pickle=False)
    return file.getvalue(), NUMPY


def _pandas(obj: Any) -> tuple[bytes, str]:
    return obj.to_csv().encode(), PANDAS


def _plotly(obj: Any) -> tuple[bytes, str]:
    told: str = _library("plotly.io").to_json(obj, engine="json")
    return told.encode(), PLOTLY


def _matplotlib(obj: Any) -> tuple[bytes, str]:
    return _plotly(_library("plotly.tools").mpl_to_plotly(obj))


def _pyplot(obj: Any) -> tuple[bytes, str]:
    return _matplotlib(obj.gcf())


def _torch(obj: Any) -> tuple[bytes, str]:
    torch, file = _library("torch"), io.BytesIO()
    # A view is kept with all that it is a view of, which nobody gave.
    is_view = getattr(obj, "layout", None) is torch.strided and (
        obj.untyped_storage().nbytes() > obj.nbytes
    )
    torch.save(obj.clone() if is_view else obj, file)
    return file.getvalue(), TORCH


_WRITERS: dict[tuple[str, str], Callable[[Any], tuple[bytes, str]]] = {
    ("numpy", "ndarray"): _numpy,
    ("pandas", "DataFrame"): _pandas,
    ("plotly", "Figure"): _plotly,
    ("matplotlib", "Figure"): _matplotlib,
    ("torch", "Tensor"): _torch,
}
_READERS: dict[str, Callable[[bytes], Any]] = {
    JSON: json.loads,
    NUMPY: lambda content: _library("numpy").load(io.BytesIO(content), allow_pickle=False),
    PANDAS: lambda content: _library("pandas").read_csv(io.BytesIO(content), index_col=0),
    PLOTLY: lambda content: _library("plotly.io").from_json(content.decode()),
    TORCH: lambda content: _library("torch").load(io.BytesIO(content), weights_only=True),
}


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise ImportError(f"This artifact needs {package}: pip install {package}") from None
