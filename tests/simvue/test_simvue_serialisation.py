"""Objects as bytes and back."""

import io
import subprocess
import sys

import numpy
import pandas
import pytest

from objmapper.simvue.serialisation import deserialise, serialise


def round_trip(obj, **options):
    content, mime_type = serialise(obj, **options)
    assert isinstance(content, bytes)
    return deserialise(content, mime_type, **options), mime_type


class Thing:
    """What only a pickle keeps."""

    def __eq__(self, other):
        return isinstance(other, Thing)

    __hash__ = None


@pytest.mark.parametrize("content", [b"", b"bytes", b"\x80 no pickle", bytearray(b"x")])
def test_bytes_stay_bytes(content):
    assert round_trip(content) == (bytes(content), "application/octet-stream")


@pytest.mark.parametrize("obj", [{"a": [1, 2.5, None, True]}, "text", [], 7, None])
def test_what_is_json_is_kept_as_json(obj):
    assert round_trip(obj) == (obj, "application/json")


@pytest.mark.parametrize("obj", [Thing(), {1: "a"}, (1, 2), float("nan"), {"a": {1}}])
def test_what_is_neither_is_pickled_only_where_that_is_allowed(obj):
    with pytest.raises(TypeError, match="allow_pickling"):
        serialise(obj)
    found, mime_type = round_trip(obj, allow_pickling=True)
    assert mime_type == "application/octet-stream"
    assert found == obj or obj != obj
    assert type(found) is type(obj)


def test_a_pickle_is_not_read_unless_it_is_allowed():
    content, mime_type = serialise(Thing(), allow_pickling=True)
    assert deserialise(content, mime_type) == content


@pytest.mark.parametrize("dtype", ["float64", "int8", "complex128", "U3"])
def test_an_array_of_numpy(dtype):
    array = numpy.array([[1, 2], [3, 4]]).astype(dtype)
    found, mime_type = round_trip(array)
    assert mime_type == "application/vnd.simvue.numpy.v1"
    assert found.dtype == array.dtype
    assert (found == array).all()


def test_an_array_of_objects_is_no_array_of_numbers():
    with pytest.raises(ValueError, match="pickle"):
        serialise(numpy.array([Thing()]))


def test_a_frame_of_pandas():
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=["r", "s"])
    found, mime_type = round_trip(frame)
    assert mime_type == "application/vnd.simvue.df.v1"
    assert found.equals(frame)


@pytest.mark.parametrize("mime_type", ["application/json", "application/vnd.simvue.numpy.v1"])
def test_bytes_that_are_something_else_are_an_error(mime_type):
    with pytest.raises(ValueError, match="are no application"):
        deserialise(b"\x00\x01", mime_type)


def test_a_pickle_in_an_array_is_not_read():
    content = io.BytesIO()
    numpy.save(content, numpy.array([Thing()]), allow_pickle=True)
    with pytest.raises(ValueError, match="are no application"):
        deserialise(content.getvalue(), "application/vnd.simvue.numpy.v1", allow_pickling=True)


def test_bytes_of_an_unknown_kind_are_bytes():
    assert deserialise(b"x", "image/png") == b"x"


def test_no_library_is_imported_before_an_object_of_its_comes():
    code = (
        "import sys, objmapper.simvue.serialisation as s; s.serialise(b'x'); s.serialise({}); "
        "names = 'numpy pandas plotly matplotlib torch msgpack'.split(); "
        "print([name for name in names if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
