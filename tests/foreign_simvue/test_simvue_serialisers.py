"""Objects of the libraries that Simvue knows: what one keeps, the other loads, and it is the same.

Here are those libraries that the published client comes with, figures among them.
"""

import json
import subprocess
import sys
from collections import OrderedDict

import matplotlib.pyplot as plt
import numpy
import pandas
import pytest
from plotly import graph_objects
from simvue.api import objects as theirs
from simvue.serialization import deserialize_data, serialize_object

from objmapper import Session
from objmapper import simvue as ours
from objmapper.simvue.serialisation import deserialise, serialise

PLOTLY = "application/vnd.plotly.v1+json"


def drawn():
    """A figure of matplotlib with one line; it is the current one until it is made one of plotly."""
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3], [4.0, 5.5, 4.5])
    axes.set_title("a title")
    return figure


#: Each object, its media type, and what is compared of what comes back.
OBJECTS = {
    "numpy": (
        numpy.arange(6.0).reshape(2, 3),
        "application/vnd.simvue.numpy.v1",
        numpy.ndarray.tolist,
    ),
    "numpy of texts": (
        numpy.array(["a", "bc"]),
        "application/vnd.simvue.numpy.v1",
        numpy.ndarray.tolist,
    ),
    "pandas": (
        pandas.DataFrame({"a": [1, 2], "b": ["x", "ü"]}, index=["r", "s"]),
        "application/vnd.simvue.df.v1",
        pandas.DataFrame.to_dict,
    ),
    "plotly": (
        graph_objects.Figure(graph_objects.Scatter(x=[1, 2], y=[3, 4], name="line")),
        PLOTLY,
        lambda figure: json.loads(figure.to_json()),  # in whichever order
    ),
    "json": ({"a": [1, None, "ü"]}, "application/json", lambda value: value),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_kept_as_the_published_client_keeps_it(name):
    obj, kind, told = OBJECTS[name]
    content, mime_type = serialise(obj)
    assert mime_type == kind
    written, kind = serialize_object(obj, allow_pickle=False)
    assert mime_type == kind
    assert content == written or name == "plotly"  # whose keys come in any order
    for back in (
        deserialise(content, mime_type),
        deserialise(written, mime_type),
        deserialize_data(content, mime_type, allow_pickle=False),
    ):
        assert type(back) is type(obj)
        assert told(back) == told(obj)


@pytest.mark.parametrize("is_module", [False, True])
def test_a_figure_of_matplotlib_is_kept_as_one_of_plotly(is_module):
    def given():
        figure = drawn()
        return plt if is_module else figure  # the module is its current figure

    content, mime_type = serialise(given())
    back = deserialise(content, mime_type)
    assert (mime_type, type(back)) == (PLOTLY, graph_objects.Figure)
    (trace,) = back.data
    assert (list(trace.x), list(trace.y)) == ([1, 2, 3], [4.0, 5.5, 4.5])
    written, _ = serialize_object(given(), allow_pickle=False)
    assert json.loads(content)["data"] == json.loads(written)["data"]
    plt.close("all")


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_goes_through_the_server_both_ways(running, name):
    obj, _, told = OBJECTS[name]
    given = {"name": "o", "storage": None, "obj": obj, "metadata": None, "allow_pickling": False}
    with ours.Client(running.url, running.server.credentials["TOKEN"]) as client:
        made = theirs.ObjectArtifact.new(**given)
        made.commit()
        read = ours.Artifact(identifier=made.id)
        assert type(read) is ours.ObjectArtifact
        assert told(read.load()) == told(obj)

        mine = ours.ObjectArtifact.new(**given)
        mine.commit()
        with Session(client):
            found = theirs.Artifact(identifier=mine.id)
            content = b"".join(found.download_content())
        assert type(found) is theirs.ObjectArtifact
        assert told(deserialize_data(content, found.mime_type, allow_pickle=False)) == told(obj)


def test_what_was_pickled_there_is_loaded_only_where_that_is_allowed(running):
    made = theirs.ObjectArtifact.new(name="o", storage=None, obj={1, 2}, metadata=None)
    made.commit()
    with ours.Client(running.url, running.server.credentials["TOKEN"]):
        read = ours.Artifact(identifier=made.id)
        assert isinstance(read.load(), bytes)
        assert read.load(allow_pickling=True) == {1, 2}


def test_a_dict_in_order_is_no_state_of_torch():
    content, mime_type = serialise(OrderedDict(a=1))
    assert (content, mime_type) == (b'{"a": 1}', "application/json")


def test_no_library_is_imported_for_an_object_of_another():
    code = """
import sys
from objmapper.simvue.serialisation import serialise
def new(*names):
    return [name for name in names if name in sys.modules and name not in before]
before = set(sys.modules)
serialise({"a": b"x".decode()})
print(new("numpy", "pandas", "plotly", "matplotlib", "torch"))
import numpy
before = set(sys.modules)
serialise(numpy.zeros(2))
print(new("pandas", "plotly", "matplotlib", "torch"))
import plotly.graph_objects
before = set(sys.modules)
serialise(plotly.graph_objects.Figure())
print(new("matplotlib", "torch"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n" * 3, "")


def test_bytes_of_a_library_that_is_missing_say_which_one():
    code = """
import sys
from objmapper.simvue.serialisation import deserialise
for name, kind in (
    ("plotly", "plotly.v1+json"),
    ("torch", "simvue.torch.v1"),
    ("pandas", "simvue.df.v1"),
    ("numpy", "simvue.numpy.v1"),
):
    sys.modules[name] = None
    try:
        deserialise(b"", f"application/vnd.{kind}")
    except ImportError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        f"This artifact needs {name}: pip install {name}"
        for name in ("plotly", "torch", "pandas", "numpy")
    ]
