"""Annotations: what ours writes the SDK reads, and the other way round, of every kind and type."""

import pytest
from cvat_sdk import models as theirs
from cvat_sdk.core.proxies.annotations import AnnotationUpdateAction

from objmapper.cvat import Job, Task, models
from objmapper.cvat.models import Shape, ShapeElement, Tag, Track, TrackElement

pytestmark = pytest.mark.foreign

COLOUR = {
    "name": "colour",
    "mutable": False,
    "input_type": "select",
    "default_value": "red",
    "values": ["red", "green"],
}
PARKED = {
    "name": "parked",
    "mutable": True,
    "input_type": "checkbox",
    "default_value": "false",
    "values": [],
}
NODE = '<circle data-type="element node" data-element-id="{0}" data-node-id="{0}" data-label-name="{1}"/>'
LABELS = [
    {"name": "lorry", "type": "any", "attributes": [COLOUR, PARKED]},
    {
        "name": "body",
        "type": "skeleton",
        "attributes": [],
        "svg": NODE.format(1, "head") + NODE.format(2, "foot"),
        "sublabels": [
            {"name": "head", "type": "points", "attributes": [COLOUR]},
            {"name": "foot", "type": "points", "attributes": []},
        ],
    },
]
#: Points of each type but skeletons, whose points are their elements'.
POINTS = {
    "rectangle": [1, 2, 30, 40],
    "polygon": [1, 2, 30, 40, 5, 60],
    "polyline": [1, 2, 30, 40],
    "points": [7, 8],
    "ellipse": [10, 20, 30, 10],
    "cuboid": list(range(16)),
    "mask": [1, 2, 3, 10, 20, 12, 21],
}


@pytest.fixture(scope="module")
def running(open_server):
    with open_server(seed="1x2") as running:
        yield running


@pytest.fixture
def pair(sdk, ours):
    """One task without annotations: theirs, and ours."""
    if "lorry" not in labels_of(sdk.projects.retrieve(1)):
        ours.request("PATCH", "/projects/1", json={"labels": LABELS})
    task = sdk.tasks.retrieve(1)
    task.remove_annotations()
    return task, Task.objects.get(id=1)


def labels_of(task):
    return {label.name: label for label in task.get_labels()}


def said(told, item):
    """What an annotation says, ids of its parts and of what was changed apart."""
    plain = told(item) if not isinstance(item, dict) else item
    return {key: value for key, value in plain.items() if value is not None and key != "score"}


def ours_said(obj):
    plain = {"label_id" if k == "label" else k: v for k, v in obj.to_dict().items()}
    return {
        key: value
        for key, value in plain.items()
        if value is not None and key not in ("task", "score")
    }


class TestWhatOursWritesTheSDKReads:
    def test_a_shape_of_each_type(self, pair, told, ours):
        them, mine = pair
        for frame, (kind, points) in enumerate(POINTS.items()):
            mine.annotations.add(
                Shape(
                    type=kind,
                    frame=frame,
                    label="lorry",
                    points=points,
                    occluded=frame % 2 == 0,
                    z_order=frame,
                    group=3,
                    attributes={"colour": "green", "parked": True},
                )
            )
        ours.session.commit()
        found = them.get_annotations().shapes
        assert [(str(each.type), each.points) for each in found] == [
            (kind, [float(point) for point in points]) for kind, points in POINTS.items()
        ]
        assert [each.z_order for each in found] == list(range(len(POINTS)))
        assert {each.group for each in found} == {3}
        for each in found:
            assert sorted(attribute.value for attribute in each.attributes) == ["green", "true"]
        shapes = mine.get_annotations().shapes
        assert [ours_said(each) for each in shapes] == [said(told, each) for each in found]

    def test_tags_tracks_and_skeletons(self, pair, told, ours):
        them, mine = pair
        points = {"frame": 0, "type": "points"}
        mine.annotations.add(
            Tag(frame=2, label="lorry"),
            Track(
                label="lorry",
                frame=1,
                attributes={"colour": "green"},
                shapes=[
                    {"frame": 1, "type": "rectangle", "points": [0, 0, 5, 5]},
                    {"frame": 4, "type": "rectangle", "points": [1, 1, 6, 6], "outside": True},
                ],
            ),
            Shape(
                type="skeleton",
                frame=5,
                label="body",
                elements=[
                    ShapeElement(label="head", points=[1, 1], attributes={"colour": "green"}),
                    ShapeElement(label="foot", points=[2, 2]),
                ],
            ),
            Track(
                label="body",
                frame=0,
                shapes=[
                    {"frame": 0, "type": "skeleton"},
                    {"frame": 3, "type": "skeleton", "outside": True},
                ],
                elements=[
                    TrackElement(label="head", shapes=[points | {"points": [3, 3]}]),
                    TrackElement(label="foot", shapes=[points | {"points": [4, 4]}]),
                ],
            ),
        )
        ours.session.commit()
        found = them.get_annotations()
        assert [tag.frame for tag in found.tags] == [2]
        assert [shape.frame for shape in found.tracks[0].shapes] == [1, 4]
        [skeleton] = found.shapes
        heads = {each.label_id: each for each in skeleton.elements}
        head = next(each for each in labels_of(them)["body"].sublabels if each.name == "head")
        assert heads[head.id].points == [1.0, 1.0]
        assert heads[head.id].attributes[0].value == "green"
        assert len(found.tracks[1].elements) == 2
        mine.get_annotations()
        for kind in ("tags", "shapes", "tracks"):
            listed = mine.annotations.list_of(kind)
            assert [ours_said(each).keys() for each in listed] == [
                said(told, each).keys() for each in getattr(found, kind)
            ]
            assert [each.id for each in listed] == [each.id for each in getattr(found, kind)]

    def test_a_change_and_a_deletion(self, pair, ours):
        them, mine = pair
        for frame in range(3):
            mine.annotations.shapes.create(
                type="rectangle", frame=frame, label="lorry", points=[1, 2, 3, 4]
            )
        ours.session.commit()
        shapes = mine.annotations.shapes
        shapes[1].points[3] = 9
        shapes[1]["parked"] = True
        shapes.remove(shapes[2])
        ours.session.commit()
        found = them.get_annotations().shapes
        assert [each.points for each in found] == [[1, 2, 3, 4], [1, 2, 3, 9]]
        assert [each.id for each in found] == [each.id for each in shapes]
        assert sorted(each.value for each in found[1].attributes) == ["red", "true"]


class TestWhatTheSDKWritesOursReads:
    def test_shapes_tags_and_tracks(self, pair, told):
        them, mine = pair
        lorry = labels_of(them)["lorry"]
        them.set_annotations(
            theirs.LabeledDataRequest(
                shapes=[
                    theirs.LabeledShapeRequest(
                        type=kind, frame=1, label_id=lorry.id, points=[float(p) for p in points]
                    )
                    for kind, points in POINTS.items()
                ],
                tags=[theirs.LabeledImageRequest(frame=3, label_id=lorry.id)],
                tracks=[
                    theirs.LabeledTrackRequest(
                        frame=0,
                        label_id=lorry.id,
                        shapes=[
                            theirs.TrackedShapeRequest(type="points", frame=0, points=[1.0, 1.0]),
                            theirs.TrackedShapeRequest(
                                type="points", frame=6, points=[2.0, 2.0], outside=True
                            ),
                        ],
                    )
                ],
            )
        )
        found, listed = them.get_annotations(), mine.annotations
        assert [ours_said(each) for each in listed.shapes] == [
            said(told, each) for each in found.shapes
        ]
        assert [ours_said(each) for each in listed.tags] == [
            said(told, each) for each in found.tags
        ]
        assert [ours_said(each) for each in listed.tracks] == [
            said(told, each) for each in found.tracks
        ]
        assert {each.label.name for each in listed} == {"lorry"}

    def test_its_changes_are_seen_and_its_ids_deleted(self, pair):
        them, mine = pair
        lorry = labels_of(them)["lorry"].id
        box = {"type": "rectangle", "label_id": lorry, "points": [1.0, 2.0, 3.0, 4.0]}
        them.update_annotations(
            theirs.PatchedLabeledDataRequest(
                shapes=[theirs.LabeledShapeRequest(frame=frame, **box) for frame in (0, 1)]
            ),
            action=AnnotationUpdateAction.CREATE,
        )
        first, second = mine.annotations.shapes
        changed = theirs.LabeledShapeRequest(frame=0, id=first.id, **box | {"points": [5.0] * 4})
        them.update_annotations(theirs.PatchedLabeledDataRequest(shapes=[changed]))
        assert mine.get_annotations().shapes[0] is first
        assert first.points == [5, 5, 5, 5]
        mine.remove_annotations(ids=[first.id])
        assert [each.id for each in them.get_annotations().shapes] == [second.id]

    def test_its_models_are_taken_as_they_are(self, pair):
        them, mine = pair
        lorry = labels_of(them)["lorry"].id
        box = theirs.LabeledShapeRequest(
            type="ellipse", frame=0, label_id=lorry, points=[1.0, 2.0, 3.0, 4.0]
        )
        mine.update_annotations(theirs.PatchedLabeledDataRequest(shapes=[box]), action="create")
        found = them.get_annotations()
        mine.set_annotations(found)
        assert [str(each.type) for each in them.get_annotations().shapes] == ["ellipse"]
        other = Job.objects.filter(task=2).order_by("id").first()
        other.set_annotations(
            models.LabeledDataRequest(
                tags=[models.LabeledImageRequest(frame=other.start_frame, label_id=lorry)]
            )
        )
        assert len(other.annotations.tags) == 1
