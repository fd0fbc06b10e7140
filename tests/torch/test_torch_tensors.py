"""Tensors of torch as bytes and back: what the other tests can't try, as torch takes 700 MB."""

import io
import pickle
from collections import OrderedDict

import pytest
import torch

from objmapper.simvue import Artifact, Client, ObjectArtifact
from objmapper.simvue.serialisation import TORCH, deserialise, serialise

DTYPES = (
    "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128"
).split()
SHAPES = [(), (0,), (3,), (2, 3), (2, 0, 3), (1, 2, 1, 2)]


def round_trip(obj):
    content, mime_type = serialise(obj)
    assert mime_type == TORCH
    return deserialise(content, mime_type)


def assert_same(found, tensor):
    assert type(found) is type(tensor)
    assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    assert found.requires_grad == tensor.requires_grad
    assert torch.equal(found, tensor)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_tensor_of_each_kind_and_shape_comes_back(dtype, shape):
    size = int(torch.Size(shape).numel())
    tensor = (torch.arange(size) % 2).reshape(shape).to(getattr(torch, dtype))
    assert_same(round_trip(tensor), tensor)


def test_what_is_no_number_comes_back():
    found = round_trip(torch.tensor([float("nan"), float("inf"), -0.0]))
    assert found.isnan().tolist() == [True, False, False]
    assert found[1] == float("inf")
    assert found.signbit().tolist()[2] is True


@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_tensor_that_learns_comes_back_as_one(requires_grad):
    assert_same(round_trip(tensor := torch.ones(2, requires_grad=requires_grad)), tensor)


def test_a_parameter_comes_back_as_one():
    assert_same(round_trip(parameter := torch.nn.Parameter(torch.ones(2))), parameter)


def test_what_was_computed_comes_back_without_its_history():
    computed = torch.ones(2, requires_grad=True) * 3
    found = round_trip(computed)
    assert_same(found, computed)
    assert found.is_leaf


@pytest.mark.parametrize(
    "view",
    [
        lambda whole: whole.T,
        lambda whole: whole[:, ::2],
        lambda whole: whole[1],
        lambda whole: whole[0, 0],
        lambda whole: whole[:1].expand(5, 6),
    ],
    ids=["transposed", "stepped", "row", "one", "expanded"],
)
def test_a_view_comes_back_as_it_looks(view):
    looked_at = view(torch.arange(24.0).reshape(4, 6))
    assert_same(round_trip(looked_at), looked_at)


def test_of_a_view_nothing_is_sent_that_is_not_seen():
    whole = torch.zeros(1_000_000)
    content, _ = serialise(whole[:2])
    assert len(content) < 10_000


def test_the_state_of_a_module_comes_back():
    state = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict()
    found = round_trip(state)
    assert type(found) is OrderedDict
    assert list(found) == list(state)
    for name in state:
        assert_same(found[name], state[name])


def test_a_module_itself_is_pickled_only_where_that_is_allowed():
    module = torch.nn.Linear(2, 3)
    with pytest.raises(TypeError, match="allow_pickling"):
        serialise(module)
    content, mime_type = serialise(module, allow_pickling=True)
    assert mime_type == "application/octet-stream"
    assert deserialise(content, mime_type) == content
    found = deserialise(content, mime_type, allow_pickling=True)
    assert torch.equal(found.weight, module.weight)


class Trap:
    """What runs code when it is read as a pickle."""

    sprung = False

    def __reduce__(self):
        return spring, ()


def spring():
    Trap.sprung = True


def written(obj, **options):
    file = io.BytesIO()
    torch.save(obj, file, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Trap()),
        written(Trap()),
        written({"weights": torch.ones(1), "more": Trap()}),
        written(Trap(), _use_new_zipfile_serialization=False),
        b"",
        b"no tensor",
        written(torch.ones(100))[:-200],
    ],
    ids=["pickle", "saved", "inside", "of old", "empty", "text", "cut"],
)
@pytest.mark.parametrize("allow_pickling", [False, True])
def test_bytes_that_are_no_weights_are_refused_and_run_nothing(content, allow_pickling):
    with pytest.raises(ValueError, match=r"are no application/vnd\.simvue\.torch\.v1"):
        deserialise(content, TORCH, allow_pickling=allow_pickling)
    assert Trap.sprung is False


def test_a_tensor_goes_through_a_server():
    tensor = torch.rand(3, 2, dtype=torch.float64)
    with Client("embedded://simvue?check=1") as client:
        made = ObjectArtifact.new(name="weights", obj=tensor)
        made.commit()
        client.session.close()
        found = Artifact(identifier=made.id)
        assert found.mime_type == TORCH
        assert_same(found.load(), tensor)
        assert client.server.violations == []
