"""Ground truth jobs of the embedded CVAT: made of chosen frames, once a task, and deleted."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.parametrize("open_door", ["in process"], indirect=True)

ALICE = ("alice", "wonder")
RECORDINGS = Path(__file__).parents[1] / "recordings" / "cvat-2.15"
MANUAL = {"type": "ground_truth", "task_id": 1, "frame_selection_method": "manual"}


def recorded(number):
    """The exchange of that number."""
    lines = (RECORDINGS / "data-annotations-jobs.jsonl").read_text("utf-8").splitlines()
    return next(found for line in lines if (found := json.loads(line))["n"] == number)


def test_one_is_made_as_it_was_recorded(seeded):
    exchange = recorded(43)
    body = exchange["request"]["body"]["json"] | {"task_id": 1}
    answer = seeded.post("/jobs", body)
    wanted, made = exchange["response"]["body"]["json"], answer.json()
    assert answer.status_code == exchange["response"]["status"] == 201
    assert answer.headers["Location"] == made["url"]
    assert answer.headers["Allow"] == exchange["response"]["headers"]["allow"]
    same = (
        "assignee status stage state mode frame_count start_frame type dimension guide_id".split()
    )
    assert {name: made[name] for name in same} == {name: wanted[name] for name in same}
    # It reaches over all frames of the task, whichever were chosen.
    assert (wanted["stop_frame"], made["stop_frame"]) == (1, 29)
    assert set(wanted) <= set(made)


def test_it_stands_among_the_jobs_of_its_task_and_is_told_by_its_mode(seeded):
    before = seeded.get("/tasks/1").json()
    made = seeded.post("/jobs", MANUAL | {"frames": [0, 7, 25], "assignee": 2}).json()
    assert (made["frame_count"], made["parent_job_id"], made["replicas_count"]) == (3, None, 0)
    assert made["assignee"]["username"] == "alice"
    assert made["assignee_updated_date"] is not None
    after = seeded.get("/tasks/1").json()
    assert {key for key in before if before[key] != after[key]} == {"jobs", "validation_mode"}
    assert (before["validation_mode"], after["validation_mode"]) == (None, "gt")
    assert after["jobs"]["count"] == before["jobs"]["count"] + 1
    assert seeded.get("/jobs/1").json()["type"] == "annotation"
    for query, count in (("type=ground_truth", 1), ("type=annotation", 72), ("task_id=1", 4)):
        assert seeded.get(f"/jobs?{query}").json()["count"] == count
    for query, count in (("validation_mode=gt", 1), ("validation_mode=gt_pool", 0)):
        assert seeded.get(f"/tasks?{query}").json()["count"] == count


def test_it_is_reviewed_like_any_other(seeded):
    made = seeded.post("/jobs", MANUAL | {"frames": [0]}).json()
    for key in (1, 2, 3):
        seeded.patch(f"/jobs/{key}", {"stage": "acceptance", "state": "completed"})
    assert seeded.get("/tasks/1").json()["status"] == "annotation"
    done = {"stage": "acceptance", "state": "completed"}
    assert seeded.patch(f"/jobs/{made['id']}", done).json()["status"] == "completed"
    assert seeded.get("/tasks/1").json()["status"] == "completed"


def test_it_begins_where_it_is_told_to(seeded):
    body = MANUAL | {"frames": [0], "stage": "validation", "state": "in progress"}
    made = seeded.post("/jobs", body).json()
    # The status follows stage and state when they change only.
    assert (made["stage"], made["state"], made["status"]) == (
        "validation",
        "in progress",
        "annotation",
    )


def test_deleting_it_takes_its_issues_along_and_another_can_be_made(seeded):
    made = seeded.post("/jobs", MANUAL | {"frames": [0]}).json()
    issue = {"frame": 0, "position": [1], "job": made["id"], "message": "x"}
    assert seeded.post("/issues", issue).status_code == 201
    before = seeded.get("/tasks/1").json()["updated_date"]
    answer = seeded.delete(f"/jobs/{made['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert seeded.get(f"/jobs/{made['id']}").status_code == 404
    assert seeded.get("/issues").json()["count"] == 0
    task = seeded.get("/tasks/1").json()
    assert (task["updated_date"], task["validation_mode"], task["jobs"]["count"]) == (
        before,
        None,
        3,
    )
    assert seeded.post("/jobs", MANUAL | {"frames": [1]}).status_code == 201


CHOICES = [
    ({"frame_selection_method": "random_uniform", "frame_count": 4}, 4),
    ({"frame_selection_method": "random_uniform", "frame_share": 0.5}, 15),
    ({"frame_selection_method": "random_uniform", "frame_share": 0.001}, 1),
    ({"frame_selection_method": "random_per_job", "frames_per_job_count": 2}, 6),
    ({"frame_selection_method": "random_per_job", "frames_per_job_count": 20}, 30),
    ({"frame_selection_method": "random_per_job", "frames_per_job_share": 0.3}, 9),
]


def test_frames_are_chosen_at_random(seeded):
    for task, (choice, count) in enumerate(CHOICES, 1):
        made = seeded.post("/jobs", MANUAL | choice | {"task_id": task, "random_seed": 5}).json()
        assert made["frame_count"] == count, choice


NOT_FOUND = ["Task matching query does not exist."]
PARTS = '"frame_count", "frame_share"'


BAD = [
    ({"task_id": None}, ["task_id is not specified"]),
    ({"task_id": 999}, NOT_FOUND),
    ({"type": None}, {"type": ["This field may not be null."]}),
    ({"type": "other"}, {"type": ['"other" is not a valid choice.']}),
    ({"type": "annotation"}, ["Unexpected job type 'annotation'"]),
    ({"type": "replica"}, ["Unexpected job type 'replica'"]),
    ({"frames": []}, {"frames": ["This list may not be empty."]}),
    (
        {"frames": [-1]},
        {"frames": {"0": ["Ensure this value is greater than or equal to 0."]}},
    ),
    ({"frames": [1, 1]}, ["Frames must not repeat"]),
    ({"frames": [99, 29, 30]}, ["The following frames do not exist in the task: 30, 99"]),
    (
        {"frame_selection_method": "by_eye"},
        {"frame_selection_method": ['"by_eye" is not a valid choice.']},
    ),
    (
        {"frame_selection_method": "random_uniform"},
        {"non_field_errors": [f"One of the fields {PARTS} required"]},
    ),
    (
        {"frame_selection_method": "random_uniform", "frame_count": 1, "frame_share": 0.5},
        {"non_field_errors": [f"Only 1 of the fields {PARTS} can be used"]},
    ),
    (
        {"frame_selection_method": "random_uniform", "frame_count": 31},
        [
            "The number of frames requested (31) must be not be greater than the number of the "
            "task frames (30)"
        ],
    ),
    (
        {"frame_selection_method": "random_uniform", "frame_share": 0},
        ["The number of validation frames is not specified"],
    ),
    (
        {"frame_selection_method": "random_uniform", "frame_share": 1.5},
        {"frame_share": ["Value must be in the range [0; 1]"]},
    ),
    (
        {"frame_selection_method": "random_uniform", "frame_count": 1, "frames": [1]},
        {
            "non_field_errors": [
                '"frames" can only be used when "frame_selection_method" is "manual"'
            ]
        },
    ),
    (
        {"frame_selection_method": "random_per_job", "frames_per_job_count": 31},
        ["The number of frames requested (31) must be not be greater than the segment size (10)"],
    ),
]  # fmt: skip


def test_what_can_not_be_made_is_a_400(seeded):
    for change, answer in BAD:
        method = change.get("frame_selection_method", "manual")
        body = MANUAL | ({"frames": [0]} if method == "manual" else {}) | change
        response = seeded.post("/jobs", body)
        assert (response.status_code, response.json()) == (400, answer)
    assert seeded.get("/jobs").json()["count"] == 72


def test_frames_must_be_told_where_they_are_chosen_by_hand(seeded):
    answer = seeded.post("/jobs", MANUAL)
    assert answer.json() == {"non_field_errors": ['The "frames" field is required']}


def test_a_task_has_one(seeded):
    assert seeded.post("/jobs", MANUAL | {"frames": [0]}).status_code == 201
    answer = seeded.post("/jobs", MANUAL | {"frames": [1]})
    text = 'Task with validation mode "gt" cannot have more than 1 GT job'
    assert (answer.status_code, answer.json()) == (400, [text])
    assert seeded.post("/jobs", MANUAL | {"task_id": 2, "frames": [1]}).status_code == 201


def test_a_task_without_data_has_none(door, task):
    answer = door.post("/jobs", MANUAL | {"task_id": task["id"], "frames": [0]})
    text = "This task has no data attached yet. Please set up task data and try again"
    assert (answer.status_code, answer.json()) == (400, [text])


BREAKING = [
    {"task_id": 0, "frames": [0]},
    {"task_id": "x", "frames": [0]},
    {"assignee": 99, "frames": [0]},
    {"frame_selection_method": None},
]


def test_on_some_the_server_breaks(seeded):
    for change in BREAKING:
        body = {key: value for key, value in (MANUAL | change).items() if value is not None}
        assert seeded.post("/jobs", body).status_code == 500, change
    assert seeded.get("/jobs").json()["count"] == 72


def test_the_staff_of_the_task_make_and_delete_them(seeded):
    alice, body = seeded.as_user(ALICE), MANUAL | {"frames": [0]}
    assert alice("POST", "/jobs", json=body).status_code == 403
    seeded.patch("/jobs/1", {"assignee": 2})
    assert alice("POST", "/jobs", json=body).status_code == 403
    seeded.patch("/tasks/1", {"assignee_id": 2})
    assert alice("POST", "/jobs", json=body | {"assignee": 1}).status_code == 403
    made = alice("POST", "/jobs", json=body).json()
    assert alice("DELETE", f"/jobs/{made['id']}").status_code == 204
    assert alice("DELETE", "/jobs/1").status_code == 400
    seeded.patch("/users/2", {"groups": ["worker"]})
    assert alice("POST", "/jobs", json=body).status_code == 403
