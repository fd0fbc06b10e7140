"""Annotations as objects of the session: read in one request, sent in the fewest, by name or id.

One server of each version serves the module; each test has a task and a session of its own.
"""

import itertools
import json

import pytest
import requests

from objmapper import CommitError, Session, ValidationError, inspect, signals
from objmapper.cvat import Client, Job, Label, Task, models
from objmapper.cvat.models import (
    AnnotationUpdateAction,
    Shape,
    ShapeElement,
    Tag,
    Track,
    TrackedShape,
    TrackElement,
)
from objmapper.exceptions import (
    BadRequest,
    DetachedError,
    FieldDoesNotExist,
    QueryError,
    SessionError,
    UnsupportedLookup,
)
from objmapper.server import WSGIAdapter

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
    "values": ["false"],
}
SVG = '<circle r="1" data-type="element node" data-element-id="1" data-node-id="1" data-label-name="{}"/>'
LABELS = [
    {"name": "lorry", "type": "any", "attributes": [COLOUR, PARKED]},
    {"name": "box", "type": "rectangle", "attributes": []},
    {"name": "whole", "type": "tag", "attributes": []},
    {
        "name": "body",
        "type": "skeleton",
        "attributes": [],
        "svg": "".join(SVG.format(name) for name in ("head", "foot")),
        "sublabels": [
            {"name": "head", "type": "points", "attributes": [COLOUR]},
            {"name": "foot", "type": "points", "attributes": []},
        ],
    },
]
#: What a track is at first, and that it is not seen any more: else it would go on in the next job.
MOVING = {"frame": 0, "type": "points", "points": [1, 1]}
ENDED = {"frame": 5, "type": "points", "points": [1, 1], "outside": True}
TASKS = itertools.cycle(range(1, 5))


@pytest.fixture(scope="module", params=["2.80", "2.15"])
def client(request):
    """A client of a server with four tasks of thirty frames in three jobs, and labels of each type."""
    with Client(f"embedded://cvat?seed=1x4&check=1&version={request.param}") as client:
        client.request("PATCH", "/projects/1", json={"labels": LABELS})
        yield client
        assert client.server.violations == []


@pytest.fixture
def session(client):
    with Session(client) as session:
        yield session
        session.rollback()


@pytest.fixture
def task(client, session):
    """A task without annotations."""
    key = next(TASKS)
    client.request("DELETE", f"/tasks/{key}/annotations/")
    return Task.objects.get(id=key)


@pytest.fixture
def sent():
    """The requests that went out in the test, but for those that only read labels."""
    found = []

    def note(sender, request):
        if not request.shown_path.startswith("/labels"):
            found.append((request.method, request.shown_url, request.shown_body()))

    signals.request_sent.connect(note)
    yield found
    signals.request_sent.disconnect(note)


def box(frame=0, label="lorry", points=(1, 2, 3, 4), **values):
    return Shape(type="rectangle", frame=frame, label=label, points=list(points), **values)


def there(client, parent):
    """What the server has, by the low-level reach."""
    kind = type(parent).__mapper__.endpoint
    return client.request("GET", f"/{kind}/{parent.id}/annotations/").json()


def label_ids(client):
    rows = client.request("GET", "/labels?project_id=1&page_size=100").json()["results"]
    return {row["name"]: row["id"] for row in rows}


class TestReading:
    def test_one_request_reads_all_kinds_and_only_when_they_are_looked_at(
        self, client, session, task, sent
    ):
        view = task.annotations
        assert sent == []
        assert (len(view.tags), len(view.shapes), len(view.tracks)) == (0, 0, 0)
        assert list(view.intervals) == []
        assert sent == [("GET", f"/tasks/{task.id}/annotations/", None)]
        assert task.annotations is view

    def test_what_is_read_is_typed(self, client, session, task):
        lorry = label_ids(client)["lorry"]
        client.request(
            "PUT",
            f"/tasks/{task.id}/annotations/",
            json={
                "tags": [{"frame": 3, "label_id": lorry}],
                "shapes": [
                    {
                        "type": "polygon",
                        "frame": 1,
                        "label_id": lorry,
                        "points": [1, 2, 3, 4, 5, 6],
                        "occluded": True,
                        "z_order": 2,
                        "group": 5,
                    }
                ],
                "tracks": [
                    {
                        "frame": 0,
                        "label_id": lorry,
                        "shapes": [
                            {"type": "points", "frame": 0, "points": [7, 8]},
                            {"type": "points", "frame": 5, "points": [7, 8], "outside": True},
                        ],
                    }
                ],
            },
        )
        tag, shape, track = task.annotations
        assert (type(tag), tag.frame, tag.label.name) == (Tag, 3, "lorry")
        assert (shape.type, shape.points) == (models.ShapeType.POLYGON, [1, 2, 3, 4, 5, 6])
        assert (shape.occluded, shape.outside, shape.z_order, shape.group) == (True, False, 2, 5)
        assert (shape.source, shape.task, shape.job) == ("manual", task, None)
        assert (type(track), track.label_id) == (Track, lorry)
        assert [(each.frame, each.outside, each.points) for each in track.shapes] == [
            (0, False, [7, 8]),
            (5, True, [7, 8]),
        ]
        assert (shape["colour"], shape["parked"]) == ("red", "false")

    def test_a_task_without_data_says_why_it_has_none(self, client, session):
        empty = client.tasks.create(name="empty", labels=[{"name": "car"}])
        with pytest.raises(BadRequest, match="without data"):
            len(client.tasks.retrieve(empty.id).annotations.shapes)

    def test_they_are_read_anew_on_demand_and_changes_stay(self, client, session, task):
        task.annotations.add(box(), box(frame=1))
        session.commit()
        first, second = task.annotations.shapes
        first.points[0] = 9
        lorry = label_ids(client)["lorry"]
        client.request(
            "PATCH",
            f"/tasks/{task.id}/annotations/?action=create",
            json={"tags": [{"frame": 0, "label_id": lorry}]},
        )
        view = task.get_annotations()
        assert view is task.annotations
        assert len(view.tags) == 1
        assert list(view.shapes) == [first, second]
        assert first.points == [9, 2, 3, 4]
        assert session.dirty == [first]

    def test_they_can_be_asked_for_by_task_or_job(self, client, session, task):
        task.annotations.add(box(), box(frame=12), Tag(frame=2, label="whole"))
        session.commit()
        shapes = Shape.objects.filter(task=task)
        assert set(shapes) == set(task.annotations.shapes)
        job = Job.objects.filter(task=task).get(id=task.jobs.order_by("id").first().id)
        assert len(Shape.objects.filter(job=job)) + len(job.annotations.tags) == 2
        shape = task.annotations.shapes[0]
        assert Shape.objects.get(task=task, id=shape.id) is shape
        assert Tag.objects.filter(task=task).count() == 1

    def test_a_query_that_says_no_task_and_one_for_what_cvat_can_t_filter_are_refused(
        self, session, task
    ):
        with pytest.raises(QueryError, match=r"say which one, as Shape.objects.filter\(task=7\)"):
            list(Shape.objects.all())
        with pytest.raises(QueryError, match="no address of its own"):
            Shape.objects.get(id=1)
        with pytest.raises(UnsupportedLookup, match="filter_locally"):
            list(Shape.objects.filter(task=task, frame=3))
        with pytest.raises(UnsupportedLookup, match="its own order"):
            list(Shape.objects.filter(task=task).order_by("frame"))

    def test_an_annotation_is_refreshed_from_where_it_lives(self, client, session, task):
        task.annotations.add(box(), box(frame=1))
        session.commit()
        first, second = task.annotations.shapes
        first.points = [0, 0, 1, 1]
        first.refresh()
        assert first.points == [1, 2, 3, 4]
        client.request("DELETE", f"/tasks/{task.id}/annotations/")
        with pytest.raises(Shape.DoesNotExist):
            second.refresh()

    def test_without_a_session_there_is_nothing_to_ask(self, session, task):
        session.expunge(task)
        with pytest.raises(DetachedError):
            task.annotations.refresh()


def test_of_ten_thousand_shapes_there_are_objects_for_those_that_are_looked_at(sent):
    shape = {"type": "rectangle", "frame": 0, "label_id": 1, "source": "manual", "attributes": []}
    shapes = [shape | {"id": n, "points": [n, 0, n + 1, 1]} for n in range(1, 10_001)]

    def cvat(environ, start_response):
        """A job whose annotations are many: a CVAT needs seconds to store so many rows."""
        told = {"id": 1, "start_frame": 0, "stop_frame": 9, "task_id": 1}
        if environ["REQUEST_METHOD"] == "PATCH":
            told = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        elif environ["PATH_INFO"].endswith("/annotations/"):
            told = {"version": 0, "tags": [], "shapes": shapes, "tracks": []}
        start_response("200 OK", [("Content-Type", "application/vnd.cvat+json")])
        return [json.dumps(told).encode()]

    with requests.Session() as http:
        http.mount("http://cvat.example", WSGIAdapter(cvat))
        with Client("http://cvat.example", http=http, check_server_version=False) as client:
            job = Job.objects.get(id=1)
            known, before = len(client.session), len(sent)
            found = job.annotations.shapes
            assert len(found) == 10_000
            assert len(client.session) == known
            changed = found[76]
            changed.points[1] = 0.5
            assert len(client.session) == known + 1
            report = client.session.commit()
    assert [entry.object for entry in report.updated] == [changed]
    [read, patch] = sent[before:]
    assert read == ("GET", "/jobs/1/annotations/", None)
    assert patch[:2] == ("PATCH", "/jobs/1/annotations/?action=update")
    assert [(each["id"], each["points"]) for each in patch[2]["shapes"]] == [(77, [77, 0.5, 78, 1])]


def test_what_was_read_is_told_when_the_client_is_closed():
    with Client("embedded://cvat?seed=1x1&check=1") as client:
        task = client.tasks.first()
        task.annotations.add(box(label="car"), Tag(frame=1, label="car"))
        client.session.commit()
        seen = task.annotations.shapes[0]
        task.annotations.add(box(label="car"))
        client.session.rollback()  # what is shown is to be found out anew
    assert list(task.annotations.shapes) == [seen]
    assert len(task.annotations) == 2


class TestCommitting:
    def test_a_point_that_changes_sends_that_shape_alone_and_whole(
        self, client, session, task, sent
    ):
        task.annotations.add(*(box(frame=n) for n in range(5)))
        session.commit()
        shape = task.annotations.shapes[3]
        del sent[:]
        shape.points[0] = 7
        assert list(shape.changes) == ["points"]
        report = session.commit()
        assert [entry.object for entry in report.updated] == [shape]
        [(verb, url, body)] = sent
        assert (verb, url) == ("PATCH", f"/tasks/{task.id}/annotations/?action=update")
        assert list(body) == ["shapes"]
        [told] = body["shapes"]
        assert told["points"] == [7.0, 2.0, 3.0, 4.0]
        assert told["id"] == shape.id
        assert (told["type"], told["frame"]) == ("rectangle", 3)
        kept = {row["frame"]: row["points"] for row in there(client, task)["shapes"]}
        assert kept == {n: [7.0 if n == 3 else 1.0, 2.0, 3.0, 4.0] for n in range(5)}

    def test_all_kinds_go_together_one_request_for_each_action(self, client, session, task, sent):
        task.annotations.add(
            box(),
            box(frame=1),
            Tag(frame=0, label="whole"),
            Track(label="lorry", frame=0, shapes=[MOVING, ENDED]),
        )
        session.commit()
        shapes, [tag], [track] = (
            task.annotations.shapes,
            task.annotations.tags,
            task.annotations.tracks,
        )
        del sent[:]
        shapes[0].rotation = 45
        track.shapes[0].points[0] = 5
        tag.frame = 2
        shapes.remove(shapes[1])
        shapes.append(box(frame=9))
        task.annotations.tags.create(frame=9, label="whole")
        report = session.commit()
        assert (len(report.created), len(report.updated), len(report.deleted)) == (2, 3, 1)
        assert sorted(url.partition("=")[2] for _, url, _ in sent) == ["create", "delete", "update"]
        now = there(client, task)
        assert [row["frame"] for row in now["tags"]] == [2, 9]
        assert sorted((row["frame"], row["rotation"]) for row in now["shapes"]) == [(0, 45), (9, 0)]
        assert now["tracks"][0]["shapes"][0]["points"] == [5.0, 1.0]

    def test_a_track_that_goes_on_is_one_in_each_job_and_all_of_them_are_known(
        self, client, session, task
    ):
        track = Track(label="lorry", frame=4, shapes=[MOVING | {"frame": 4}])
        task.annotations.add(track)
        report = session.commit()
        assert [entry.object for entry in report.created] == [track]
        assert [each.frame for each in task.annotations.tracks] == [4, 10, 20]
        assert task.annotations.tracks[0] is track

    def test_the_plan_shows_them_and_sends_nothing(self, client, session, task, sent):
        task.annotations.add(box(), box(frame=1))
        session.commit()
        assert len(task.annotations.shapes) == 2
        del sent[:]
        task.annotations.shapes[0].occluded = True
        del task.annotations.shapes[1]
        plan = session.plan()
        assert [str(operation.kind) for operation in plan] == ["delete", "update"]
        assert f"/tasks/{task.id}/annotations/?action=update" in str(plan)
        assert sent == []
        session.apply(plan)
        assert [row["occluded"] for row in there(client, task)["shapes"]] == [True]

    def test_new_ones_know_their_ids_and_what_the_server_has_set(self, client, session, task):
        made = task.annotations.shapes.create(
            type="ellipse", frame=0, label="lorry", points=[1, 2, 3, 4]
        )
        assert len(task.annotations.shapes) == 1
        session.commit()
        [row] = there(client, task)["shapes"]
        assert (made.id, made.source, made.group) == (row["id"], "manual", None)
        told = [{"spec_id": each.spec_id, "value": each.value} for each in made.attributes]
        assert told == row["attributes"]
        assert (session.dirty, session.new) == ([], [])
        assert task.annotations.shapes[0] is made

    def test_those_of_a_job_are_written_to_the_job(self, client, session, task, sent):
        job = Job.objects.filter(task=task).get(id=task.jobs.order_by("id").first().id)
        shape = job.annotations.shapes.create(
            type="rectangle", frame=job.start_frame, label="box", points=[0, 0, 1, 1]
        )
        session.commit()
        assert sent[-1][1] == f"/jobs/{job.id}/annotations/?action=create"
        assert shape.job is job
        assert there(client, task)["shapes"][0]["id"] == shape.id

    def test_a_new_one_says_its_task_itself(self, client, session, task):
        shape = box(task=task)
        session.add(shape)
        session.commit()
        assert there(client, task)["shapes"][0]["id"] == shape.id

    def test_its_own_verbs_act_on_it_alone(self, client, session, task, sent):
        task.annotations.add(box(), box(frame=1))
        session.commit()
        first, second = task.annotations.shapes
        first.z_order, second.z_order = 1, 2
        first.commit()
        assert [row["z_order"] for row in there(client, task)["shapes"]] == [1, 0]
        second.revert()
        second.delete()
        assert list(task.annotations.shapes) == [first]

    def test_a_rollback_forgets_what_was_added_and_removed(self, client, session, task):
        task.annotations.add(box(), box(frame=1))
        session.commit()
        shapes = task.annotations.shapes
        before = list(shapes)
        shapes.append(box(frame=2))
        shapes.remove(before[0])
        assert [each.frame for each in shapes] == [1, 2]
        session.rollback()
        assert list(shapes) == before

    def test_one_that_is_marked_for_deletion_is_shown_again_once_it_is_added(self, session, task):
        task.annotations.add(box())
        session.commit()
        shapes = task.annotations.shapes
        [shape] = shapes
        shapes.clear()
        assert len(shapes) == 0
        session.add(shape)
        assert list(shapes) == [shape]

    def test_a_list_shows_what_came_and_went_past_it(self, client, session, task):
        shapes = task.annotations.shapes
        assert len(shapes) == 0
        session.add_all([first := box(task=task), second := box(task=task, frame=1)])
        session.commit()
        assert list(shapes) == [first, second]
        session.delete(first)
        session.commit()
        assert (len(shapes), shapes[0]) == (1, second)
        second.delete()
        assert len(shapes) == 0
        shapes.append(third := box(frame=2))
        session.rollback()
        assert len(shapes) == 0
        task.annotations.add(third, third)
        assert list(shapes) == [third]

    def test_one_that_is_not_of_the_list_is_not_removed_by_it(self, client, session, task):
        other = Task.objects.get(id=task.id % 4 + 1)
        task.annotations.add(box(), tag := Tag(frame=0, label="whole"))
        session.commit()
        [shape] = task.annotations.shapes
        for listed, one in ((other.annotations.shapes, shape), (task.annotations.shapes, tag)):
            with pytest.raises(ValueError, match="is not one of the shapes here"):
                listed.remove(one)
        task.annotations.shapes.remove(shape)
        assert session.deleted == [shape]

    def test_a_query_changes_and_deletes_all_that_it_finds_in_one_request(
        self, client, session, task, sent
    ):
        task.annotations.add(*(box(frame=n) for n in range(3)))
        session.commit()
        del sent[:]
        Shape.objects.filter(task=task).update(label="box")
        assert [verb for verb, *_ in sent] == ["GET", "PATCH"]
        assert {row["label_id"] for row in there(client, task)["shapes"]} == {
            label_ids(client)["box"]
        }
        del sent[:]
        Shape.objects.filter(task=task).delete()
        assert [verb for verb, *_ in sent] == ["GET", "PATCH"]
        assert there(client, task)["shapes"] == []
        assert len(task.annotations.shapes) == 0

    def test_an_undo_takes_back_what_was_created_and_changed(self, client, session, task):
        task.annotations.add(box())
        session.commit()
        [shape] = task.annotations.shapes
        shape.points = [5, 5, 6, 6]
        task.annotations.add(box(frame=4))
        report = session.commit()
        session.undo(report)
        rows = there(client, task)["shapes"]
        assert [(row["frame"], row["points"]) for row in rows] == [(0, [1.0, 2.0, 3.0, 4.0])]

    def test_signals_tell_of_them(self, session, task):
        heard = []

        def hear(sender, instance, changes, session):
            heard.append((instance, changes))

        task.annotations.add(box())
        session.commit()
        [shape] = task.annotations.shapes
        signals.post_update.connect(hear, sender=Shape)
        shape.z_order = 3
        session.commit()
        signals.post_update.disconnect(hear, sender=Shape)
        assert heard == [(shape, {"z_order": (0, 3)})]

    def test_an_unknown_field_of_a_newer_server_is_not_lost_by_a_change(self, session, task, sent):
        task.annotations.add(box())
        session.commit()
        [shape] = task.annotations.shapes
        shape._row["depth"] = 3  # as a newer CVAT tells it
        shape.z_order = 1
        [operation] = session.plan()
        assert operation.request.shown_body()["shapes"][0]["depth"] == 3
        session.rollback()


class TestNames:
    def test_a_label_is_given_as_object_id_or_name(self, client, session, task):
        ids = label_ids(client)
        label = next(each for each in task.labels.all() if each.name == "box")
        task.annotations.add(
            box(label=label), box(label=ids["box"], frame=1), box(label="box", frame=2)
        )
        session.commit()
        assert [row["label_id"] for row in there(client, task)["shapes"]] == [ids["box"]] * 3
        assert {each.label for each in task.annotations.shapes} == {label}
        task.annotations.shapes[0].label = "lorry"
        assert task.annotations.shapes[0].label_id == ids["lorry"]

    def test_names_need_a_task_that_is_there(self, client, session, sent):
        new = Task(name="new", labels=[{"name": "van"}])
        session.add(new)
        new.annotations.add(box(label="van"))
        with pytest.raises(ValidationError, match="commit it first"):
            session.commit()
        assert sent == []

    def test_an_unknown_label_is_told_before_anything_is_sent(self, client, session, task, sent):
        task.annotations.shapes  # noqa: B018
        with pytest.raises(ValidationError, match=r"no label 'lory'.*Did you mean 'lorry'") as told:
            task.annotations.add(box(label="lory"))
        assert "'box'" in str(told.value)
        session.add(box(label=99999, task=task))
        with pytest.raises(ValidationError, match="no label 99999"):
            session.commit()
        assert all(verb == "GET" for verb, *_ in sent)
        assert there(client, task)["shapes"] == []

    def test_attributes_are_given_by_name_or_id_and_read_by_either(self, client, session, task):
        task.annotations.add(box(attributes={"colour": "green", "parked": True}))
        session.commit()
        [row] = there(client, task)["shapes"]
        told = {each["spec_id"]: each["value"] for each in row["attributes"]}
        assert sorted(told.values()) == ["green", "true"]
        [shape] = task.get_annotations().shapes
        assert shape["colour"] == "green"
        green = next(key for key, value in told.items() if value == "green")
        assert shape[green] == "green"
        shape["colour"] = "red"
        shape[next(key for key in told if key != green)] = False
        session.commit()
        values = {each["value"] for each in there(client, task)["shapes"][0]["attributes"]}
        assert values == {"red", "false"}
        with pytest.raises(KeyError, match=r"no attribute 'weight'; it has .*'colour'"):
            shape["weight"]
        with pytest.raises(KeyError, match="Did you mean 'colour'"):
            shape["color"]

    def test_an_unknown_attribute_or_value_is_told_before_anything_is_sent(
        self, client, session, task, sent
    ):
        task.annotations.add(
            box(attributes={"color": "green"}), box(attributes={"colour": "blue"}, frame=1)
        )
        with pytest.raises(ValidationError) as told:
            session.commit()
        assert "no attribute 'color'" in str(told.value)
        assert "'colour' is one of 'red', 'green', not 'blue'" in str(told.value)
        assert all(verb == "GET" for verb, *_ in sent)

    def test_with_another_label_attributes_of_the_same_name_stay_and_others_go(
        self, client, session, task
    ):
        task.annotations.add(box(attributes={"parked": True, "colour": "green"}))
        session.commit()
        [shape] = task.annotations.shapes
        shape.label = "car"
        session.commit()
        [row] = there(client, task)["shapes"]
        assert row["label_id"] == label_ids(client)["car"]
        assert [each["value"] for each in row["attributes"]] == ["true"]
        assert shape["parked"] == "true"
        shape.label = "box"
        session.commit()
        assert there(client, task)["shapes"][0]["attributes"] == []
        assert shape.attributes == []

    def test_in_a_track_what_changes_stands_at_its_shapes(self, client, session, task):
        track = Track(
            label="lorry",
            frame=0,
            attributes={"colour": "green"},
            shapes=[
                TrackedShape(frame=0, type="rectangle", points=[0, 0, 1, 1]),
                {"frame": 5, "type": "rectangle", "points": [0, 0, 2, 2], "outside": True},
            ],
        )
        track.shapes[0].attributes = {"parked": True}
        task.annotations.add(track)
        session.commit()
        [row] = there(client, task)["tracks"]
        assert [each["value"] for each in row["attributes"]] == ["green"]
        assert [[a["value"] for a in each["attributes"]] for each in row["shapes"]] == [
            ["true"],
            ["true"],
        ]
        assert [each.attributes[0].value for each in track.shapes] == ["true", "true"]
        track.attributes.append(models.AttributeValue(name="parked", value="true"))
        with pytest.raises(ValidationError, match="'parked' is an attribute of the shapes"):
            session.commit()

    def test_the_elements_of_a_skeleton_have_the_sublabels_of_its_label(
        self, client, session, task
    ):
        skeleton = Shape(
            type="skeleton",
            frame=4,
            label="body",
            elements=[
                ShapeElement(label="head", points=[1, 1], attributes={"colour": "green"}),
                {"label": "foot", "points": [2, 2]},
            ],
        )
        moving = Track(
            label="body",
            frame=0,
            shapes=[{"frame": 0, "type": "skeleton"}],
            elements=[
                TrackElement(
                    label="head", shapes=[{"frame": 0, "type": "points", "points": [3, 3]}]
                ),
                TrackElement(
                    label="foot", shapes=[{"frame": 0, "type": "points", "points": [4, 4]}]
                ),
            ],
        )
        task.annotations.add(skeleton, moving)
        session.commit()
        now = there(client, task)
        [row] = now["shapes"]
        assert sorted(each["points"] for each in row["elements"]) == [[1.0, 1.0], [2.0, 2.0]]
        assert {each["frame"] for each in row["elements"]} == {4}
        assert len(now["tracks"][0]["elements"]) == 2
        skeleton.elements[1].points[0] = 9
        session.commit()
        [row] = there(client, task)["shapes"]
        assert sorted(each["points"] for each in row["elements"]) == [[1.0, 1.0], [9.0, 2.0]]
        assert row["id"] == skeleton.id
        skeleton.elements.append(ShapeElement(label="hand", points=[0, 0]))
        with pytest.raises(ValidationError, match="no label 'hand'; it has 'head'"):
            session.commit()


class TestChecks:
    def test_a_task_that_is_made_by_the_same_commit_has_no_frames_yet(self, client, session, sent):
        lorry = Label(name="lorry")
        task = Task(name="t", labels=[lorry])
        session.add(task)
        task.annotations.add(box(label=lorry), Tag(frame=0, label=lorry))
        with pytest.raises(ValidationError, match=r"after task\.wait_for_data\(\)") as caught:
            session.commit()
        assert len(caught.value.errors) == 2
        assert sent == []

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({"frame": 30}, "no frame 30: they are 0 to 29"),
            ({"points": [1, 2, 3]}, "A rectangle is 4 numbers, not 3"),
            ({"type": "ellipse", "points": [1, 2]}, "An? ellipse is 4 numbers, not 2"),
            ({"type": "cuboid", "points": [0] * 8}, "A cuboid is 16 numbers, not 8"),
            ({"type": "polygon", "points": [1, 2, 3]}, "pairs of numbers; 3 numbers"),
            ({"type": "points", "points": []}, "pairs of numbers; 0 numbers"),
            (
                {"type": "mask", "points": [3, 0, 0, 1, 1]},
                "as many pixels as its box, 4; they are 3",
            ),
            ({"type": "skeleton", "label": "body"}, "A skeleton has no points"),
            ({"label": "whole"}, "'whole' is for tag, not for rectangle"),
            ({"label": "box", "type": "polygon", "points": [1, 2, 3, 4]}, "is for rectangle"),
            ({"rotation": 361}, "rotation"),
            ({"type": "circle"}, "type"),
            ({"points": ["x", 2, 3, 4]}, "points"),
        ],
        ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
    )
    def test_what_can_t_be_is_told_before_anything_is_sent(
        self, client, session, task, sent, values, told
    ):
        said = {"type": "rectangle", "frame": 0, "label": "lorry", "points": [1, 2, 3, 4]} | values
        task.annotations.add(Shape(**said))
        with pytest.raises(ValidationError, match=told):
            session.commit()
        assert all(verb == "GET" for verb, *_ in sent)

    def test_a_mask_is_runs_and_a_box(self, client, session, task):
        task.annotations.add(
            Shape(type="mask", frame=0, label="lorry", points=[1, 2, 3, 10, 20, 12, 21])
        )
        session.commit()
        assert there(client, task)["shapes"][0]["points"][-4:] == [10.0, 20.0, 12.0, 21.0]

    def test_all_that_is_wrong_is_told_at_once(self, session, task):
        task.annotations.add(box(frame=40), box(points=[1]), Tag(frame=50, label="whole"))
        with pytest.raises(ValidationError) as told:
            session.commit()
        assert len(told.value.errors) == 3

    def test_one_of_no_task_and_no_job_is_refused(self, session):
        session.add(box(label=1))
        with pytest.raises(ValidationError, match="Give it a task or a job"):
            session.commit()

    def test_one_of_another_task_is_not_taken(self, client, session, task):
        other = Task.objects.exclude(id=task.id)[0]
        with pytest.raises(SessionError, match="another task or job"):
            task.annotations.add(box(task=other))
        with pytest.raises(TypeError, match="The tags are Tags"):
            task.annotations.tags.append(box())
        with pytest.raises(TypeError, match="Annotations are tags, shapes, tracks and intervals"):
            task.annotations.add({"frame": 0})

    def test_what_is_known_by_its_id_alone_is_neither_changed_nor_deleted(self, session, task):
        shape = Shape.objects.reference(424242)
        session.delete(shape)
        with pytest.raises(ValidationError, match="read the annotations of its task or job"):
            session.commit()

    def test_scores_are_newer_than_the_oldest_cvat(self, client, session, task):
        task.annotations.add(box(score=0.5))
        if client.get_server_version().startswith("2.15"):
            with pytest.raises(ValidationError, match="newer than"):
                session.commit()
        else:
            session.commit()
            assert there(client, task)["shapes"][0]["score"] == 0.5


class TestVerbs:
    """What CVAT's own SDK has."""

    def data(self, client, **more):
        lorry = label_ids(client)["lorry"]
        shape = models.LabeledShapeRequest(
            type="rectangle", frame=0, label_id=lorry, points=[1, 2, 3, 4]
        )
        tag = models.LabeledImageRequest(frame=1, label_id=lorry)
        return models.LabeledDataRequest(tags=[tag], shapes=[shape], **more)

    def test_all_are_set_in_one_request(self, client, session, task, sent):
        task.annotations.add(box(frame=7))
        session.commit()
        [old] = task.annotations.shapes
        del sent[:]
        task.set_annotations(self.data(client))
        assert [(verb, url) for verb, url, _ in sent] == [("PUT", f"/tasks/{task.id}/annotations/")]
        assert [each.frame for each in task.annotations.shapes] == [0]
        assert len(task.annotations.tags) == 1
        assert inspect(old).lifecycle == "detached"

    def test_what_was_read_can_be_set_elsewhere(self, client, session, task):
        task.annotations.add(box(attributes={"colour": "green"}), Tag(frame=3, label="whole"))
        session.commit()
        other = Task.objects.get(id=task.id % 4 + 1)
        other.set_annotations(task.get_annotations())
        then, now = there(client, task), there(client, other)
        strip = [("shapes", "points"), ("shapes", "attributes"), ("tags", "frame")]
        for kind, name in strip:
            assert [row[name] for row in now[kind]] == [row[name] for row in then[kind]]
        assert now["shapes"][0]["id"] != then["shapes"][0]["id"]

    def test_what_waits_to_be_sent_is_not_replaced_unseen(self, client, session, task):
        task.annotations.add(box())
        with pytest.raises(SessionError, match="wait to be sent"):
            task.set_annotations({})
        with pytest.raises(SessionError, match="wait to be sent"):
            task.remove_annotations()

    def test_they_are_created_changed_and_deleted_each_in_one_request(
        self, client, session, task, sent
    ):
        report = task.update_annotations(self.data(client), action=AnnotationUpdateAction.CREATE)
        assert (len(report.created), report.requests) == (2, 1)
        [row] = there(client, task)["shapes"]
        changed = models.LabeledShapeRequest(**row | {"points": [5, 6, 7, 8]})
        del sent[:]
        task.update_annotations(models.PatchedLabeledDataRequest(shapes=[changed]))
        assert [url for verb, url, _ in sent if verb == "PATCH"] == [
            f"/tasks/{task.id}/annotations/?action=update"
        ]
        assert there(client, task)["shapes"][0]["points"] == [5.0, 6.0, 7.0, 8.0]
        tags = there(client, task)["tags"]
        task.update_annotations({"tags": tags}, action="delete")
        now = there(client, task)
        assert (len(now["tags"]), len(now["shapes"])) == (0, 1)

    def test_a_new_session_changes_by_id_what_it_never_read(self, client, session, task, sent):
        task.update_annotations(self.data(client), action="create")
        [row] = there(client, task)["shapes"]
        with Session(client):
            again = Task.objects.get(id=task.id)
            again.update_annotations({"shapes": [row | {"z_order": 4}]})
        assert there(client, task)["shapes"][0]["z_order"] == 4
        assert len(there(client, task)["shapes"]) == 1

    def test_no_ids_delete_all_an_empty_list_deletes_nothing(self, client, session, task, sent):
        task.set_annotations(self.data(client))
        del sent[:]
        task.remove_annotations(ids=[])
        task.remove_annotations(shapes=[], tags=[])
        assert sent == []
        task.remove_annotations()
        assert sent == [("DELETE", f"/tasks/{task.id}/annotations/", None)]
        assert len(task.annotations) == 0

    def test_ids_of_all_kinds_are_found_and_those_that_two_have_are_not_guessed(
        self, client, session, task
    ):
        def tag(key):
            return {"id": key, "frame": 0, "label_id": label_ids(client)["whole"]}

        task.set_annotations(self.data(client))
        shape = there(client, task)["shapes"][0]["id"]
        task.remove_annotations(tags=[there(client, task)["tags"][0]["id"]])
        client.request(
            "PATCH", f"/tasks/{task.id}/annotations/?action=update", json={"tags": [tag(shape)]}
        )
        with pytest.raises(ValueError, match=rf"{shape} is the id of one of the tags and shapes"):
            task.remove_annotations(ids=[shape])
        task.remove_annotations(shapes=[shape])
        assert [len(there(client, task)[kind]) for kind in ("tags", "shapes")] == [1, 0]
        with pytest.raises(ValueError, match="has no annotations 987654"):
            task.remove_annotations([shape, 987654])
        with pytest.raises(
            TypeError, match=r"ids is a list of ids; 5 was given\. Did you mean \[5\]"
        ):
            task.remove_annotations(5)
        with pytest.raises(TypeError, match="tags is a list of ids; '5' was given"):
            task.remove_annotations(tags="5")
        task.remove_annotations([shape])
        assert there(client, task)["tags"] == []

    def test_the_same_verbs_work_on_a_job(self, client, session, task):
        job = Job.objects.get(id=task.jobs.order_by("id").first().id)
        data = {"shapes": [box(frame=job.start_frame)]}
        job.set_annotations(data)
        job.update_annotations([box(frame=job.start_frame + 1)], action="create")
        assert len(job.get_annotations().shapes) == 2
        job.remove_annotations([job.annotations.shapes[0].id])
        assert len(there(client, job)["shapes"]) == 1

    def test_what_is_no_annotation_is_refused_in_words(self, client, session, task):
        for wrong in ("text", 7, [{"frame": 0}], None):
            with pytest.raises(TypeError):
                task.update_annotations(wrong, action="create")
        with pytest.raises(FieldDoesNotExist, match="shape"):
            task.set_annotations({"shape": []})
        with pytest.raises(FieldDoesNotExist, match="pionts"):
            task.update_annotations({"shapes": [{"pionts": []}]}, action="create")
        for wrong in ("replace", None, 7):
            with pytest.raises(ValueError, match=r"UpdateAction\.CREATE.*set_annotations"):
                task.update_annotations({}, action=wrong)
        with pytest.raises(ValidationError, match="Say which one it is"):
            task.update_annotations({"tags": [{"frame": 0, "label_id": 1}]})

    def test_what_is_refused_waits_for_no_later_commit(self, client, session, task):
        with pytest.raises(ValidationError):
            task.update_annotations([box(label="nothing")], action="create")
        client.request("PATCH", "/projects/1", json={"labels": [{"name": "short"}]})
        short = task.annotations.labels.named("short")
        client.request("DELETE", f"/labels/{short.id}")
        with pytest.raises(CommitError, match=f"label_id `{short.id}` is invalid"):
            task.update_annotations([box(label="short")], action="create")
        assert session.new == []
