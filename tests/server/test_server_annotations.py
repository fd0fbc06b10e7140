"""Annotations of tasks and jobs: tags, shapes, tracks, skeletons, and what becomes of them."""

import pytest
from PIL import Image

in_process = pytest.mark.parametrize("open_door", ["in process"], indirect=True)
BOX = [1.0, 2.0, 30.0, 40.0]
NOTHING = {"version": 0, "tags": [], "shapes": [], "tracks": [], "intervals": []}
NO_NUMBER = "[ErrorDetail(string='Value must be a float or an integer', code='invalid')]"
ALICE = ("alice", "wonder")


def attribute(name, *, mutable=False, default=""):
    told = {"name": name, "mutable": mutable, "input_type": "text", "default_value": default}
    return told | {"values": []}


LABELS = [
    {
        "name": "van",
        "attributes": [
            attribute("plate", default="none"),
            attribute("speed", mutable=True, default="0"),
        ],
    },
    {"name": "man", "type": "skeleton", "sublabels": [{"name": "head"}, {"name": "hand"}]},
]


class Task:
    """A made-up task of 30 frames in three jobs, whose project has these labels."""

    def __init__(self, door):
        self.door = door
        labels = door.patch("/projects/1", {"labels": LABELS})
        assert labels.status_code == 200
        rows = door.get("/labels?project_id=1&page_size=100").json()["results"]
        by_name = {row["name"]: row for row in rows}
        self.tree = by_name["tree"]["id"]
        self.car = by_name["van"]["id"]
        known = {each["name"]: each["id"] for each in by_name["van"]["attributes"]}
        self.plate, self.speed = known["plate"], known["speed"]
        self.man = by_name["man"]["id"]
        points = {each["name"]: each["id"] for each in by_name["man"]["sublabels"]}
        self.head, self.hand = points["head"], points["hand"]
        self.foreign = door.get("/labels?project_id=2").json()["results"][0]["id"]
        self.task, self.jobs = "/tasks/1", ["/jobs/1", "/jobs/2", "/jobs/3"]

    def box(self, frame=0, points=BOX, **more):
        told = {"type": "rectangle", "frame": frame, "label_id": self.tree, "points": points}
        return told | more

    def tag(self, frame=0, **more):
        return {"frame": frame, "label_id": self.tree} | more

    def track(self, *shapes, **more):
        """A track of ``(frame, x)`` or ``(frame, x, outside)``."""
        told = [
            {
                "type": "rectangle",
                "frame": frame,
                "points": [x, 0, x + 10, 10],
                "outside": bool(out),
            }
            for frame, x, *out in shapes
        ]
        return {"frame": shapes[0][0], "label_id": self.tree, "shapes": told} | more

    def get(self, of=None):
        answer = self.door.get(f"{of or self.task}/annotations/")
        assert answer.status_code == 200
        return answer.json()

    def put(self, of=None, **given):
        return self.door("PUT", f"{of or self.task}/annotations/", json=given)

    def patch(self, action, of=None, **given):
        return self.door.patch(f"{of or self.task}/annotations/?action={action}", given)

    def made(self, of=None, **given):
        """What an addition answers."""
        answer = self.patch("create", of, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, kind, of=None):
        return [each["id"] for each in self.get(of)[kind]]

    def dates(self):
        paths = ("/projects/1", self.task, *self.jobs)
        return [self.door.get(path).json()["updated_date"] for path in paths]


@pytest.fixture
def task(seeded):
    # The made-up labels have an attribute of their own: tree has none.
    return Task(seeded)


def test_what_is_put_is_read(task):
    put = task.put(tags=[task.tag(3)], shapes=[task.box(1, occluded=True, z_order=2, rotation=90)])
    assert put.status_code == 200
    found = task.get()
    assert found["tags"] == [
        {"id": 1, "frame": 3, "label_id": task.tree, "group": None, "source": "manual", "attributes": []}
    ]  # fmt: skip
    assert found["shapes"] == [
        {
            "id": 1, "frame": 1, "label_id": task.tree, "group": None, "source": "manual",
            "type": "rectangle", "occluded": True, "outside": False, "z_order": 2,
            "rotation": 90.0, "points": BOX, "score": 1.0, "attributes": [], "elements": [],
        }
    ]  # fmt: skip
    assert put.json() == found


def test_2_15_has_neither_scores_nor_intervals(open_door):
    old = Task(open_door(version="2.15", seed="2x2"))
    made = old.made(shapes=[old.box(score=0.5)])
    assert set(made) == set(old.get()) == set(NOTHING) - {"intervals"}
    assert "score" not in made["shapes"][0]
    assert "score" not in old.get()["shapes"][0]


@in_process
class TestActions:
    def test_create_adds_and_answers_with_what_it_added(self, task):
        task.made(shapes=[task.box()])
        made = task.made(shapes=[task.box(1), task.box(2)])
        assert [each["id"] for each in made["shapes"]] == [2, 3]
        assert task.ids("shapes") == [1, 2, 3]

    def test_update_keeps_the_id_and_changes_the_rest(self, task):
        (shape,) = task.made(shapes=[task.box()])["shapes"]
        updated = task.patch("update", shapes=[shape | {"points": [5, 6, 7, 8]}])
        assert [each["id"] for each in updated.json()["shapes"]] == [shape["id"]]
        (found,) = task.get()["shapes"]
        assert (found["id"], found["points"]) == (shape["id"], [5.0, 6.0, 7.0, 8.0])

    def test_update_adds_what_never_was_there(self, task):
        task.patch("update", shapes=[task.box(id=999)])
        assert task.ids("shapes") == [999]
        assert [each["id"] for each in task.made(shapes=[task.box()])["shapes"]] == [1]

    def test_an_id_that_was_brought_along_is_passed_by(self, task):
        task.patch("update", shapes=[task.box(id=2)])
        made = task.made(shapes=[task.box(), task.box()])
        assert [each["id"] for each in made["shapes"]] == [3, 4]

    def test_delete_takes_the_ids_and_ignores_unknown_ones(self, task):
        shapes = task.made(shapes=[task.box(), task.box(1)])["shapes"]
        deleted = task.patch("delete", shapes=[shapes[0], task.box(id=77)])
        assert deleted.status_code == 200
        assert task.ids("shapes") == [shapes[1]["id"]]

    def test_kinds_have_ids_of_their_own(self, task):
        track = task.track((0, 0), (3, 0, True))
        task.made(tags=[task.tag()], shapes=[task.box()], tracks=[track])
        task.patch("delete", tags=[task.tag(id=1)])
        found = task.get()
        assert [len(found[kind]) for kind in ("tags", "shapes", "tracks")] == [0, 1, 1]

    def test_put_replaces_all(self, task):
        task.made(tags=[task.tag()], tracks=[task.track((0, 0))])
        task.put(shapes=[task.box()])
        found = task.get()
        assert [len(found[kind]) for kind in ("tags", "shapes", "tracks")] == [0, 1, 0]

    def test_delete_of_all_is_a_204_and_again(self, task):
        task.made(shapes=[task.box()])
        for _ in range(2):
            assert task.door.delete(f"{task.task}/annotations").status_code == 204
        assert task.get() == NOTHING

    @pytest.mark.parametrize("query", ["", "?action=", "?action=replace"])
    def test_an_action_must_be_said(self, task, query):
        refused = task.door.patch(f"/jobs/1/annotations{query}", {})
        told = ["Please specify a correct 'action' for the request"]
        assert (refused.status_code, refused.json()) == (400, told)

    def test_an_id_of_another_jobs_annotation_is_refused_and_nothing_changes(self, task):
        task.made(shapes=[task.box(0), task.box(15)])
        moved = task.patch("update", "/jobs/1", shapes=[task.box(0, id=2), task.box(0, id=1)])
        assert moved.status_code == 400
        assert "duplicate key" in moved.json()
        assert [each["frame"] for each in task.get()["shapes"]] == [0, 15]
        assert task.put(shapes=[task.box(5, id=7), task.box(6, id=7)]).status_code == 500
        assert task.ids("shapes") == [1, 2]

    def test_what_changes_nothing_touches_nothing(self, task):
        before = task.dates()
        task.made()
        task.put()
        task.door.delete(f"{task.task}/annotations")
        assert task.dates() == before

    def test_a_change_touches_the_job_the_task_and_the_project(self, task):
        before = task.dates()
        task.made(shapes=[task.box(12)])
        project, of, first, second, third = (
            new > old for new, old in zip(task.dates(), before, strict=True)
        )
        assert (project, of, first, second, third) == (True, True, False, True, False)


@in_process
class TestJobs:
    def test_each_job_has_what_is_on_its_frames(self, task):
        task.made(
            shapes=[task.box(0), task.box(9), task.box(10), task.box(29)], tags=[task.tag(10)]
        )
        frames = [[each["frame"] for each in task.get(job)["shapes"]] for job in task.jobs]
        assert frames == [[0, 9], [10], [29]]
        assert [len(task.get(job)["tags"]) for job in task.jobs] == [0, 1, 0]

    def test_what_is_on_no_frame_of_the_task_is_dropped(self, task):
        assert task.made(shapes=[task.box(30)])["shapes"] == []
        assert task.get() == NOTHING

    def test_a_job_takes_any_frame(self, task):
        task.made("/jobs/1", shapes=[task.box(25)])
        assert [each["frame"] for each in task.get("/jobs/1")["shapes"]] == [25]
        assert task.get("/jobs/3")["shapes"] == []

    def test_a_write_to_one_leaves_the_others_alone(self, task):
        task.made(shapes=[task.box(0), task.box(10)])
        task.put("/jobs/1", shapes=[])
        assert [each["frame"] for each in task.get()["shapes"]] == [10]
        task.door.delete("/jobs/2/annotations/")
        assert task.get() == NOTHING

    def test_a_ground_truth_job_is_not_part_of_the_task(self, task):
        body = {"type": "ground_truth", "task_id": 1, "frame_selection_method": "manual"}
        job = task.door.post("/jobs", body | {"frames": [0]}).json()["id"]
        task.made(f"/jobs/{job}", shapes=[task.box()])
        assert task.get() == NOTHING
        task.door.delete("/tasks/1/annotations")
        assert len(task.get(f"/jobs/{job}")["shapes"]) == 1

    def test_annotations_go_with_their_label_and_their_task(self, task):
        task.made(shapes=[task.box(), task.box(label_id=task.car)])
        task.door.delete(f"/labels/{task.tree}")
        assert [each["label_id"] for each in task.get()["shapes"]] == [task.car]
        assert task.door.delete(task.task).status_code == 204

    def test_a_task_without_data_can_have_none(self, door):
        door.post("/tasks", {"name": "empty", "labels": [{"name": "car"}]})
        refused = door.get("/tasks/1/annotations/")
        told = "Exporting annotations from a task without data is not allowed"
        assert (refused.status_code, refused.json()) == (400, told)
        assert door.delete("/tasks/1/annotations").status_code == 204
        box = {"type": "rectangle", "frame": 0, "label_id": 1, "points": BOX}
        put = door("PUT", "/tasks/1/annotations", json={"shapes": [box]})
        assert (put.status_code, put.json()) == (200, NOTHING)

    def test_others_may_neither_look_nor_write(self, task):
        alice = task.door.as_user(ALICE)
        for path in (task.task, "/jobs/1"):
            for method in ("GET", "PUT", "DELETE"):
                assert alice(method, f"{path}/annotations/", json={}).status_code == 403

    def test_the_assignee_of_a_job_annotates_it(self, task):
        task.door.patch("/jobs/1", {"assignee": 2})
        alice = task.door.as_user(ALICE)
        assert alice("PUT", "/jobs/1/annotations", json={"shapes": [task.box()]}).status_code == 200
        assert alice("PUT", "/jobs/2/annotations", json={}).status_code == 403


@in_process
class TestAttributes:
    def test_what_is_not_said_is_its_default_when_it_is_read(self, task):
        given = [{"spec_id": task.speed, "value": "50"}]
        made = task.made(shapes=[task.box(label_id=task.car, attributes=given)])
        assert made["shapes"][0]["attributes"] == given
        (found,) = task.get()["shapes"]
        assert found["attributes"] == [*given, {"spec_id": task.plate, "value": "none"}]

    def test_a_track_has_those_that_stay_and_its_shapes_those_that_change(self, task):
        track = task.track((0, 0), (2, 5), (4, 9), label_id=task.car)
        track["attributes"] = [{"spec_id": task.plate, "value": "B-X 1"}]
        track["shapes"][1]["attributes"] = [{"spec_id": task.speed, "value": 70}]
        task.made("/jobs/1", tracks=[track])
        (found,) = task.get("/jobs/1")["tracks"]
        assert found["attributes"] == [{"spec_id": task.plate, "value": "B-X 1"}]
        told = [[each["value"] for each in shape["attributes"]] for shape in found["shapes"]]
        assert told == [["0"], ["70"], ["70"]]

    @pytest.mark.parametrize("value", [True, 5, 1.5, None, "text"])
    def test_any_value_becomes_text(self, task, value):
        given = [{"spec_id": task.speed, "value": value}]
        made = task.made(tags=[task.tag(label_id=task.car, attributes=given)])
        assert made["tags"][0]["attributes"] == [{"spec_id": task.speed, "value": str(value)}]

    def test_one_of_another_label_is_refused(self, task):
        given = [{"spec_id": task.speed, "value": "1"}]
        refused = task.patch("create", shapes=[task.box(attributes=given)])
        told = [f"spec_id `{task.speed}` is invalid"]
        assert (refused.status_code, refused.json()) == (400, told)

    def test_one_that_stays_is_none_of_a_tracks_shape(self, task):
        track = task.track((0, 0), label_id=task.car)
        track["shapes"][0]["attributes"] = [{"spec_id": task.plate, "value": "1"}]
        assert task.patch("create", tracks=[track]).json() == [f"spec_id `{task.plate}` is invalid"]
        track = task.track((0, 0), label_id=task.car)
        track["attributes"] = [{"spec_id": task.speed, "value": "1"}]
        assert task.patch("create", tracks=[track]).json() == [f"spec_id `{task.speed}` is invalid"]


@in_process
class TestSkeletons:
    def skeleton(self, task, **more):
        elements = [
            task.box(label_id=label, type="points", points=[x, x])
            for label, x in ((task.head, 1.0), (task.hand, 2.0))
        ]
        return {"type": "skeleton", "frame": 0, "label_id": task.man, "elements": elements} | more

    def test_its_elements_are_shapes_below_it(self, task):
        (made,) = task.made(shapes=[self.skeleton(task)])["shapes"]
        assert (made["id"], [each["id"] for each in made["elements"]]) == (1, [2, 3])
        (found,) = task.get()["shapes"]
        assert found["points"] == []
        told = [(each["label_id"], each["points"]) for each in found["elements"]]
        assert told == [(task.head, [1.0, 1.0]), (task.hand, [2.0, 2.0])]
        assert all("elements" not in each for each in found["elements"])

    def test_its_elements_go_with_it(self, task):
        (made,) = task.made(shapes=[self.skeleton(task)])["shapes"]
        task.patch("delete", shapes=[made])
        assert task.get() == NOTHING
        (again,) = task.made(shapes=[self.skeleton(task)])["shapes"]
        updated = task.patch("update", shapes=[again | {"elements": again["elements"][:1]}])
        assert updated.status_code == 200
        assert [len(each["elements"]) for each in task.get()["shapes"]] == [1]

    def test_a_track_of_one_begins_with_its_first_element(self, task):
        def element(label, frame):
            shape = {"type": "points", "frame": frame, "points": [1, 1]}
            return {"frame": frame, "label_id": label, "shapes": [shape]}

        track = {
            "frame": 4,
            "label_id": task.man,
            "shapes": [{"type": "skeleton", "frame": 4, "points": []}],
            "elements": [element(task.head, 2), element(task.hand, 4)],
        }
        task.made("/jobs/1", tracks=[track])
        (found,) = task.get("/jobs/1")["tracks"]
        assert (found["frame"], [each["frame"] for each in found["shapes"]]) == (2, [2])
        head, hand = found["elements"]
        assert [(each["frame"], each["outside"]) for each in head["shapes"]] == [(2, False)]
        told = sorted((each["frame"], each["outside"]) for each in hand["shapes"])
        assert told == [(2, True), (4, False)]


@in_process
class TestTracks:
    def frames(self, track):
        return [
            (each["frame"], each["points"][0], each["outside"])
            for each in sorted(track["shapes"], key=lambda each: each["frame"])
        ]

    def test_one_is_cut_to_the_jobs_that_it_is_seen_in(self, task):
        task.made(tracks=[task.track((5, 0), (15, 100), (17, 120, True))])
        (first,), (second,) = (task.get(job)["tracks"] for job in task.jobs[:2])
        assert self.frames(first) == [(5, 0.0, False), (9, 40.0, False)]
        assert self.frames(second) == [(10, 50.0, False), (15, 100.0, False), (17, 120.0, True)]
        assert task.get("/jobs/3")["tracks"] == []

    def test_one_that_does_not_end_goes_on_in_all_jobs(self, task):
        task.made(tracks=[task.track((25, 0))])
        assert [len(task.get(job)["tracks"]) for job in task.jobs] == [0, 0, 1]
        task.put(tracks=[task.track((5, 7))])
        frames = [[self.frames(each) for each in task.get(job)["tracks"]] for job in task.jobs]
        assert frames == [[[(5, 7.0, False)]], [[(10, 7.0, False)]], [[(20, 7.0, False)]]]

    def test_in_a_job_one_begins_where_it_is_seen(self, task):
        task.made(tracks=[task.track((12, 5, True), (15, 9), (17, 9, True))])
        frames = [[self.frames(each) for each in task.get(job)["tracks"]] for job in task.jobs]
        assert frames == [[], [[(15, 9.0, False), (17, 9.0, True)]], []]

    def test_one_that_the_next_job_has_not_ends_there_in_the_task(self, task):
        task.made("/jobs/1", tracks=[task.track((5, 0))])
        (found,) = task.get()["tracks"]
        assert self.frames(found) == [(5, 0.0, False), (10, 0.0, True)]

    def test_one_begins_with_its_first_shape(self, task):
        task.made("/jobs/1", tracks=[task.track((3, 0)) | {"frame": 7}])
        assert task.get("/jobs/1")["tracks"][0]["frame"] == 3

    def test_one_that_begins_before_its_shapes_is_not_seen_until_then(self, task):
        task.made("/jobs/1", tracks=[task.track((3, 8)) | {"frame": 1}])
        (found,) = task.get("/jobs/1")["tracks"]
        assert (found["frame"], self.frames(found)) == (1, [(1, 8.0, True), (3, 8.0, False)])

    def test_its_shapes_have_ids_and_go_with_it(self, task):
        (made,) = task.made("/jobs/1", tracks=[task.track((0, 0), (4, 4))])["tracks"]
        assert [each["id"] for each in made["shapes"]] == [1, 2]
        task.patch("update", "/jobs/1", tracks=[made | {"shapes": made["shapes"][:1]}])
        (found,) = task.get("/jobs/1")["tracks"]
        assert (found["id"], [each["id"] for each in found["shapes"]]) == (1, [1])

    @pytest.mark.parametrize("shapes", [[], [(0, 0), (0, 1)]])
    def test_a_track_that_can_be_none_breaks_cvat(self, task, shapes):
        track = task.track((0, 0)) | {"shapes": task.track(*shapes, (0, 0))["shapes"][:-1]}
        given = {"tracks": [track | {"frame": 0}]}
        if shapes:
            given["tracks"][0]["shapes"] += task.track((15, 0))["shapes"]
        assert task.patch("create", **given).status_code == 500

    def test_a_rotation_goes_the_short_way_round(self, task):
        track = task.track((8, 0), (12, 0))
        track["shapes"][0]["rotation"], track["shapes"][1]["rotation"] = 350, 30
        task.made(tracks=[track])
        (found,) = task.get("/jobs/2")["tracks"]
        assert found["shapes"][0]["rotation"] == 10.0

    def test_a_polygon_of_other_points_stays_until_it_changes(self, task):
        track = task.track((8, 0), (12, 0))
        for shape, points in zip(track["shapes"], ([0, 0, 4, 0, 4, 4], [0, 0, 8, 8]), strict=True):
            shape |= {"type": "polygon", "points": points}
        task.made(tracks=[track])
        (found,) = task.get("/jobs/2")["tracks"]
        assert found["shapes"][0]["points"] == [0.0, 0.0, 4.0, 0.0, 4.0, 4.0]


@in_process
class TestSharedFrames:
    """Two jobs, frames 0 to 5 and 4 to 9."""

    @pytest.fixture
    def task(self, open_door, tmp_path):
        share = tmp_path / "share"
        share.mkdir()
        for number in range(10):
            Image.new("RGB", (8, 8)).save(share / f"{number}.png")
        task = Task(open_door(seed="2x1", share=str(share)))
        body = {"name": "shared", "project_id": 1, "segment_size": 6, "overlap": 2}
        key = task.door.post("/tasks", body).json()["id"]
        task.door.post(f"/tasks/{key}/data", {"server_files": [f"{n}.png" for n in range(10)]})
        task.task = f"/tasks/{key}"
        rows = task.door.get(f"/jobs?task_id={key}&sort=id").json()["results"]
        task.jobs = [f"/jobs/{row['id']}" for row in rows]
        assert [(row["start_frame"], row["stop_frame"]) for row in rows] == [(0, 5), (4, 9)]
        return task

    def test_what_is_on_them_is_in_both_jobs_and_once_in_the_task(self, task):
        task.made(shapes=[task.box(4)], tags=[task.tag(5)])
        assert [len(task.get(job)["shapes"]) for job in task.jobs] == [1, 1]
        found = task.get()
        assert (len(found["shapes"]), len(found["tags"])) == (1, 1)

    @pytest.mark.parametrize(
        ("points", "number"),
        [([1.0, 2.0, 30.0, 39.0], 1), ([1.0, 2.0, 30.0, 20.0], 2), ([60, 60, 70, 70], 2)],
    )
    def test_rectangles_that_mostly_cover_each_other_are_one(self, task, points, number):
        task.made(task.jobs[0], shapes=[task.box(4)])
        task.made(task.jobs[1], shapes=[task.box(4, points)])
        assert len(task.get()["shapes"]) == number

    def test_other_labels_and_types_are_others(self, task):
        task.made(task.jobs[0], shapes=[task.box(4)], tags=[task.tag(4)])
        other = task.box(4, label_id=task.car)
        task.made(task.jobs[1], shapes=[other], tags=[task.tag(4, label_id=task.car)])
        found = task.get()
        assert (len(found["shapes"]), len(found["tags"])) == (2, 2)

    def test_a_track_goes_on_from_one_job_to_the_next(self, task):
        task.made(tracks=[task.track((2, 0), (8, 60))])
        (found,) = task.get()["tracks"]
        told = {each["frame"]: each["points"][0] for each in found["shapes"]}
        assert (told[2], told[4], told[8]) == (0.0, 20.0, 60.0)
        assert not any(each["outside"] for each in found["shapes"])

    def test_a_track_that_moved_away_is_another_one(self, task):
        task.made(task.jobs[0], tracks=[task.track((2, 0))])
        task.made(task.jobs[1], tracks=[task.track((4, 500))])
        one, other = task.get()["tracks"]
        assert one["shapes"][-1]["outside"]
        assert one["shapes"][-1]["frame"] == 6
        assert [each["frame"] for each in other["shapes"]] == [4]


@in_process
class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"shapes": "x"},
             {"shapes": {"non_field_errors": ['Expected a list of items but got type "str".']}}),
            ({"shapes": [{}]},
             {"shapes": [{name: ["This field is required."] for name in ("type", "frame", "label_id")}]}),
            ({"tags": [{"frame": -1, "label_id": 1}]},
             {"tags": [{"frame": ["Ensure this value is greater than or equal to 0."]}]}),
            ({"tracks": [{"frame": 0, "label_id": 1}]},
             {"tracks": [{"shapes": ["This field is required."]}]}),
            ({"tags": [{"frame": 0, "label_id": 99999}]}, ["label_id `99999` is invalid"]),
            ({"intervals": [{"label_id": 1, "start": 0}]},
             {"intervals": ["The embedded server has no sound to annotate."]}),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named(self, task, given, told):
        refused = task.patch("create", **given)
        assert (refused.status_code, refused.json()) == (400, told)

    @pytest.mark.parametrize(
        ("more", "told"),
        [
            ({"type": "circle"}, {"type": ['"circle" is not a valid choice.']}),
            ({"rotation": 361}, {"rotation": ["Ensure this value is less than or equal to 360."]}),
            ({"occluded": "perhaps"}, {"occluded": ["Must be a valid boolean."]}),
            ({"points": [1, "2"]},
             {"points": {"1": NO_NUMBER}}),
            ({"score": 2}, {"score": ["Ensure this value is less than or equal to 1."]}),
            ({"group": -1}, {"group": ["Ensure this value is greater than or equal to 0."]}),
        ],
    )  # fmt: skip
    def test_what_is_wrong_with_a_shape_is_named_at_its_place(self, task, more, told):
        refused = task.put(shapes=[task.box(), task.box(**more)])
        assert (refused.status_code, refused.json()) == (400, {"shapes": [{}, told]})

    def test_a_label_of_another_project_is_refused_and_nothing_is_kept(self, task):
        refused = task.put(tags=[task.tag()], shapes=[task.box(label_id=task.foreign)])
        assert refused.json() == [f"label_id `{task.foreign}` is invalid"]
        assert task.get() == NOTHING

    @pytest.mark.parametrize("more", [{"attributes": [{"spec_id": 1}]}, {"points": 5}])
    def test_what_cvat_does_not_guard_breaks_it(self, task, more):
        assert task.put(shapes=[task.box(**more)]).status_code == 500

    @pytest.mark.parametrize(("method", "query"), [("GET", "?format=COCO"), ("POST", "?format=x")])
    def test_files_are_neither_made_nor_read(self, task, method, query):
        for path in (task.task, "/jobs/1"):
            refused = task.door(method, f"{path}/annotations/{query}")
            told = ["Unknown format specified for the request"]
            assert (refused.status_code, refused.json()) == (400, told)


@in_process
def test_they_survive_a_restart(open_door, tmp_path):
    path = str(tmp_path / "cvat.sqlite")
    task = Task(open_door(seed="2x1", path=path))
    task.made(tags=[task.tag()], shapes=[task.box()], tracks=[task.track((0, 0), (5, 5))])
    before = task.get()
    task.door.server.close()
    task.door = open_door(path=path)
    assert task.get() == before
    assert [each["id"] for each in task.made(shapes=[task.box()])["shapes"]] == [2]
