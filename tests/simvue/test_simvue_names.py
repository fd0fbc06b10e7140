"""What a script that was written for simvue.api.objects finds here, and what it no longer meets."""

import copy
import importlib
import pickle
import re
from pathlib import Path

import pytest

from objmapper import CommitError, inspect
from objmapper import simvue as binding
from objmapper.simvue import Artifact, Client, Folder, ObjectArtifact, Run, SimvueObject, Tag

ROOT = Path(__file__).parents[2]
#: ``simvue.api.objects.__all__`` of simvue 2.6.2.
NAMES = (
    "Alert Artifact Events EventsAlert FileArtifact FileStorage Folder Grid GridMetrics Metrics "
    "MetricsRangeAlert MetricsThresholdAlert ObjectArtifact Run S3Storage Stats Storage Tag Tenant User "
    "UserAlert get_folder_from_path"
).split()
#: What integrations subclass, and what the published tests import beside.
BESIDE = "SimvueObject RunsFilter FoldersFilter".split()


def test_every_name_of_simvue_api_objects_is_here():
    assert [name for name in NAMES if name not in binding.__all__] == []


def test_every_name_of_simvue_api_objects_has_a_row_in_the_table():
    page = (ROOT / "docs" / "reference" / "simvue.md").read_text(encoding="utf-8")
    table = page.partition("## The names of simvue.api.objects")[2].partition("\n## ")[0]
    told = set(re.findall(r"`(\w+)", table))
    assert [name for name in [*NAMES, *BESIDE] if name not in told] == []


def test_all_is_sorted_and_there():
    assert binding.__all__ == sorted(binding.__all__, key=str.casefold)
    assert all(hasattr(binding, name) for name in binding.__all__)


def test_the_binding_is_not_imported_with_the_package():
    module = importlib.import_module("objmapper")
    assert "simvue" not in module.__all__


def test_every_object_is_a_simvue_object():
    classes = [getattr(binding, name) for name in NAMES if name[0].isupper()]
    assert all(issubclass(cls, SimvueObject) for cls in classes)


def test_repr_and_to_dict_send_nothing(client, asked):
    run = Run.new(folder="/", name="n")
    run.commit()
    artifact = ObjectArtifact.new(name="o", obj=[1])
    artifact.commit()
    keys = run.id, artifact.id
    client.session.close()
    found = Run(identifier=keys[0]), Artifact(identifier=keys[1])
    del asked[:]
    for obj in found:
        repr(obj), obj.to_dict()
        assert "is_read_only" not in obj.to_dict()
    assert asked == []


def test_an_artifact_by_id_is_one_request(client, asked):
    artifact = ObjectArtifact.new(name="o", obj=[1])
    artifact.commit()
    key = artifact.id
    client.session.close()
    del asked[:]
    found = Artifact(identifier=key)
    assert (found.name, found.size, found.checksum) == ("o", 3, artifact.checksum)
    assert asked == [f"GET /artifacts/{key}"]


def test_a_storage_that_is_named_is_sent(client):
    artifact = ObjectArtifact.new(name="o", obj=[1], storage="s" * 22)
    client.session.add(artifact)
    assert client.session.plan().operations[0].request.body.value["storage"] == "s" * 22
    client.session.rollback()


@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))]
)
def test_a_copy_is_detached_and_writable(client, twin):
    run = Run.new(folder="/", name="n")
    run.metadata = {"a": 1}
    run.commit()
    other = twin(run)
    assert (type(other), other.id, other.metadata) == (Run, run.id, {"a": 1})
    assert inspect(other).lifecycle == "detached"
    other.name = "m"
    assert client.session.merge(other) is run
    assert run.name == "m"
    run.revert()


def test_kinds_that_were_asked_for_in_one_page_are_read_in_all(client, asked):
    for n in range(101):
        client.request("POST", "/tags", json={"name": f"t{n:03}"})
    del asked[:]
    assert len(list(Tag.get())) == 101
    assert asked == ["GET /tags"] * 2


def test_what_somebody_else_deleted_is_gone(client):
    folder = Folder.new(path="/a")
    folder.commit()
    client.request("DELETE", f"/folders/{folder.id}")
    folder.description = "d"
    with pytest.raises(CommitError, match="404"):
        folder.commit()
    with pytest.raises(Folder.DoesNotExist):
        folder.refresh()
    folder.revert()


def test_a_client_can_not_be_pickled(client):
    with pytest.raises(TypeError):
        pickle.dumps(client)
    assert isinstance(client, Client)
