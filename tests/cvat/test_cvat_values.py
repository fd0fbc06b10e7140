"""Value classes: what CVAT's SDK users write requests with is taken wherever a dict is."""

import copy
import json
import pickle
from importlib import resources

import pytest

from objmapper import FieldDoesNotExist
from objmapper.cvat import Client, Issue, Label, Project, models
from objmapper.cvat.base import plain
from objmapper.cvat.values import Value

SCHEMAS = json.loads(resources.files("objmapper.schemas").joinpath("cvat.json").read_text("utf-8"))[
    "components"
]["schemas"]
VALUES = {
    name: cls
    for name, cls in vars(models).items()
    if isinstance(cls, type) and issubclass(cls, Value) and cls is not Value
}
#: What the contract calls the bodies that these are.
BODIES = {
    "AttributeRequest": "AttributeCreate",
    "CommentWriteRequest": "CommentCreate",
    "DataRequest": "DataCreate",
    "InvitationWriteRequest": "InvitationCreate",
    "IssueWriteRequest": "IssueCreate",
    "JobWriteRequest": "JobCreate",
    "LabeledDataRequest": "LabeledDataCreate",
    "LabeledImageRequest": "TagCreate",
    "LabeledShapeRequest": "ShapeCreate",
    "LabeledTrackRequest": "TrackCreate",
    "LabelRequest": "LabelCreate",
    "OrganizationWriteRequest": "OrganizationCreate",
    "PatchedCommentWriteRequest": "CommentPatch",
    "PatchedDataMetaWriteRequest": "DataMetaPatch",
    "PatchedIssueWriteRequest": "IssuePatch",
    "PatchedJobWriteRequest": "JobPatch",
    "PatchedLabelRequest": "LabelPatch",
    "PatchedMembershipWriteRequest": "MembershipPatch",
    "PatchedOrganizationWriteRequest": "OrganizationPatch",
    "PatchedProjectWriteRequest": "ProjectPatch",
    "PatchedTaskWriteRequest": "TaskPatch",
    "PatchedUserRequest": "UserPatch",
    "ProjectWriteRequest": "ProjectCreate",
    "SubLabeledShapeRequest": "SubShapeCreate",
    "SubLabeledTrackRequest": "SubTrackCreate",
    "SublabelRequest": "SublabelCreate",
    "TaskWriteRequest": "TaskCreate",
    "TrackedShapeRequest": "TrackedShapeCreate",
}


@pytest.fixture(scope="module")
def server():
    """One server for all of the module: each test makes what it looks at."""
    with Client("embedded://cvat?seed=1x1&check=1") as client:
        yield client
        assert client.server.violations == []


@pytest.fixture
def spec():
    return models.TaskWriteRequest(
        name="t",
        labels=[
            models.PatchedLabelRequest(
                name="car",
                attributes=[
                    models.AttributeRequest(
                        name="a", mutable=True, input_type="number", values=["4", "5"]
                    )
                ],
            ),
            {"name": "bus"},
        ],
    )


PLAIN = {
    "name": "t",
    "labels": [
        {
            "name": "car",
            "attributes": [
                {"name": "a", "mutable": True, "input_type": "number", "values": ["4", "5"]}
            ],
        },
        {"name": "bus"},
    ],
}


def test_it_is_a_dict_of_what_was_set(spec):
    assert spec == PLAIN
    assert dict(spec) == {**spec} == PLAIN
    assert json.loads(json.dumps(spec)) == PLAIN
    assert spec.name == spec["name"] == "t"
    assert spec.labels[0].attributes[0].values == ["4", "5"]


def test_to_dict_is_plain_all_through_and_shares_nothing(spec):
    told = spec.to_dict()
    assert told == PLAIN
    assert {type(told), type(told["labels"][0]), type(told["labels"][0]["attributes"][0])} == {dict}
    told["labels"][0]["attributes"][0]["values"].append("6")
    assert spec == PLAIN


def test_what_is_not_set_is_not_there_and_none_is_a_value():
    spec = models.PatchedTaskWriteRequest(project_id=None)
    assert spec.to_dict() == {"project_id": None}
    assert spec.project_id is None
    assert not hasattr(spec, "assignee_id")
    with pytest.raises(AttributeError, match=r"PatchedTaskWriteRequest.assignee_id was not set"):
        _ = spec.assignee_id


def test_an_unknown_name_is_refused_with_the_near_ones():
    with pytest.raises(FieldDoesNotExist, match=r"asignee_id.*'assignee_id'"):
        models.TaskWriteRequest(name="t", asignee_id=1)
    spec = models.TaskWriteRequest(name="t")
    with pytest.raises(AttributeError, match="nmae"):
        spec.nmae = "x"
    with pytest.raises(AttributeError, match="nmae"):
        spec["nmae"] = "x"
    assert spec == {"name": "t"}


def test_what_a_request_needs_is_asked_for_when_it_is_made():
    with pytest.raises(TypeError, match="AttributeRequest needs mutable, values"):
        models.AttributeRequest(name="a", input_type="text")


def test_a_name_can_be_set_later():
    spec = models.TaskWriteRequest(name="t")
    spec.segment_size = 5
    spec["overlap"] = None
    assert spec == {"name": "t", "segment_size": 5, "overlap": None}


def test_the_repr_is_how_it_is_written():
    spec = models.LabeledShapeRequest(type="rectangle", label_id=3, frame=0, points=[1, 2, 3, 4])
    shown = "LabeledShapeRequest(type='rectangle', label_id=3, frame=0, points=[1, 2, 3, 4])"
    assert repr(spec) == shown
    assert eval(repr(spec), vars(models)) == spec


def test_a_copy_and_a_pickle_are_of_its_class_and_checked(spec):
    for again in (copy.copy(spec), copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):
        assert again == spec
        assert type(again) is models.TaskWriteRequest
        with pytest.raises(AttributeError, match="nmae"):
            again.nmae = "x"


def test_plain_takes_dicts_and_value_classes_and_nothing_else():
    assert plain({"a": (models.StorageRequest(location="local"), 2)}) == {
        "a": [{"location": "local"}, 2]
    }
    for wrong in ("name", None, [("name", "x")], 7):
        with pytest.raises(TypeError, match=r"objmapper\.cvat\.models"):
            plain(wrong)


@pytest.mark.parametrize("name", sorted(BODIES))
def test_it_has_every_name_that_the_contract_takes(name):
    told = SCHEMAS[BODIES[name]]
    # Only 2.15 takes a seed, which is random_seed's old name, and where data is to lie.
    assert set(told["properties"]) - set(VALUES[name].__fields__) <= {"seed", "storage"}
    assert {key for key in told.get("required", ()) if key in VALUES[name].__fields__} <= {
        key for key, needed in VALUES[name].__fields__.items() if needed
    } | {"default_value"}


# -- wherever a dict is ---------------------------------------------------------------------------


def test_a_task_is_created_of_one(server, spec):
    task = server.tasks.create(spec)
    assert {label.name for label in task.labels} == {"car", "bus"}
    assert [each.values for each in task.labels.get(name="car").attributes] == [["4", "5"]]


def test_an_object_is_updated_by_one(server, spec):
    task = server.tasks.create(spec)
    task.update(models.PatchedTaskWriteRequest(name="my task", assignee_id=1))
    assert (task.name, task.assignee.id) == ("my task", 1)
    server.jobs.retrieve(1).update(models.PatchedJobWriteRequest(stage="validation", assignee=1))
    assert server.jobs.retrieve(1).stage == "validation"


def test_labels_and_storages_of_a_model_are_made_of_them(server):
    project = Project(
        name="p",
        labels=[models.LabelRequest(name="car"), Label(name="bus")],
        target_storage=models.StorageRequest(location="local"),
    )
    project.commit()
    assert {label.name for label in project.labels} == {"car", "bus"}
    assert project.target_storage.location == "local"


def test_an_attribute_is_added_to_a_label_as_one(server, spec):
    label = server.tasks.create(spec).labels.get(name="bus")
    label.attributes.append(
        models.AttributeRequest(name="wet", mutable=False, input_type="checkbox", values=["true"])
    )
    label.commit()
    assert [each.name for each in label.fetch().attributes] == ["wet"]
    assert isinstance(label.attributes[0], models.Attribute)


def test_issues_comments_and_organizations_are_created_of_them(server):
    job = server.jobs.retrieve(1)
    issue = server.issues.create(
        models.IssueWriteRequest(frame=0, position=[1.0, 2.0], job=job.id, message="too wide")
    )
    assert isinstance(issue, Issue)
    server.comments.create(models.CommentWriteRequest(issue=issue.id, message="it is"))
    assert {each.message for each in issue.comments} == {"too wide", "it is"}
    made = server.organizations.create(models.OrganizationWriteRequest(slug="acme", name="Acme"))
    assert made.slug == "acme"
