"""Writing projects, tasks and jobs: what is taken, what is refused, what is touched."""

import pytest

TASK_WITHOUT_DATA = {
    "data_chunk_size", "data_compressed_chunk_type", "data_original_chunk_type", "size",
    "image_quality", "data", "media_type", "validation_mode", "data_cloud_storage_id",
}  # fmt: skip


@pytest.fixture(params=["/projects", "/tasks"])
def thing(door, request):
    """A project, then a task: where both are told the same."""
    body = {"name": "mine", "labels": [{"name": "car"}]}
    made = door.post(request.param, body).json()
    return f"{request.param}/{made['id']}", made


def test_what_is_made_has_a_location(door):
    for path in ("/projects", "/tasks"):
        answer = door.post(path, {"name": "x", "labels": [{"name": "a"}]})
        assert answer.status_code == 201
        assert answer.headers["Location"] == answer.json()["url"]
        assert (
            door.get(answer.json()["url"].removeprefix(f"{door.url}/api")).json() == answer.json()
        )


def test_a_new_project_is_empty(door):
    made = door.post("/projects", {"name": "p"}).json()
    key = made["id"]
    del made["created_date"], made["updated_date"]
    assert made == {
        "url": f"{door.url}/api/projects/{key}",
        "id": key,
        "name": "p",
        "owner": {
            "url": f"{door.url}/api/users/1",
            "id": 1,
            "username": "admin",
            "first_name": "",
            "last_name": "",
        },
        "assignee": None,
        "guide_id": None,
        "bug_tracker": "",
        "task_subsets": [],
        "status": "annotation",
        "dimension": None,
        "organization": None,
        "organization_id": None,
        "target_storage": None,
        "source_storage": None,
        "tasks": {"count": 0, "url": f"{door.url}/api/tasks?project_id={key}"},
        "labels": {"url": f"{door.url}/api/labels?project_id={key}"},
        "assignee_updated_date": None,
    }


def test_a_task_without_data_lacks_its_keys_and_has_no_jobs(door, task):
    assert not TASK_WITHOUT_DATA & set(task)
    assert task["jobs"] == {
        "count": 0,
        "completed": 0,
        "validation": 0,
        "url": f"{door.url}/api/jobs?task_id={task['id']}",
    }
    assert (task["mode"], task["overlap"], task["segment_size"]) == ("", None, 0)
    assert door.get(f"/jobs?task_id={task['id']}").json()["count"] == 0


def test_a_task_with_data_has_its_keys_and_jobs(seeded):
    task = seeded.get("/tasks/5").json()
    assert set(task) >= TASK_WITHOUT_DATA
    assert (task["size"], task["segment_size"], task["media_type"]) == (30, 10, "image")
    assert (task["status"], task["jobs"]["count"]) == ("completed", 3)
    jobs = seeded.get("/jobs?task_id=5&sort=id").json()["results"]
    assert [(job["start_frame"], job["stop_frame"]) for job in jobs] == [(0, 9), (10, 19), (20, 29)]
    assert {job["frame_count"] for job in jobs} == {10}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({}, {"name": ["This field is required."]}),
        ({"name": "x"}, ["Label set or project_id must be present"]),
        ({"name": 1, "labels": []}, ["Label set or project_id must be present"]),
        (
            {"name": "x", "labels": [{"name": "a"}], "project_id": 1},
            ["Project must have only one of Label set or project_id"],
        ),
        ({"name": "x", "project_id": 99}, ["The specified project #99 does not exist."]),
        ({"name": "x", "project_id": "a"}, {"project_id": ["A valid integer is required."]}),
        (
            {"name": "x", "labels": [{"name": "a"}], "segment_size": -1, "overlap": 2**40},
            {
                "segment_size": ["Ensure this value is greater than or equal to 0."],
                "overlap": ["Ensure this value is less than or equal to 2147483647."],
            },
        ),
        ({"name": "x", "labels": [{}]}, {"labels": [{"name": ["This field is required."]}]}),
        (
            {"name": "x", "labels": [{"name": "a"}, {"name": ""}]},
            {"labels": [{}, {"name": ["This field may not be blank."]}]},
        ),
        ({"name": "x", "labels": [{"name": "a"}, {"name": "a"}]}, ["All label names must be unique"]),
        (
            {"name": "x", "labels": [7]},
            {"labels": [{"non_field_errors": ["Invalid data. Expected a dictionary, but got int."]}]},
        ),
    ],
)  # fmt: skip
def test_a_task_that_can_not_be_made_is_a_400_and_leaves_nothing(seeded, body, answer):
    response = seeded.post("/tasks", body)
    assert (response.status_code, response.json()) == (400, answer)
    assert seeded.get("/tasks").json()["count"] == 24


def test_a_failed_write_undoes_all_of_it(door):
    body = {"name": "x", "labels": [{"name": "a"}, {"name": "a"}]}
    assert door.post("/projects", body).status_code == 400
    assert door.get("/projects").json()["count"] == 0
    assert door.get("/labels").json()["count"] == 0


def test_only_the_sent_keys_change(door, thing):
    path, before = thing
    after = door.patch(path, {"bug_tracker": "https://x"}).json()
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {"bug_tracker", "updated_date"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"bogus": 1},
        {"id": 7, "status": "completed", "owner": None, "url": 5, "created_date": "x", "jobs": 1},
    ],
)
def test_what_can_not_be_written_is_ignored_and_the_date_moves(door, thing, body):
    path, before = thing
    answer = door.patch(path, body)
    assert answer.status_code == 200
    after = answer.json()
    assert after["updated_date"] > before["updated_date"]
    assert after | {"updated_date": 0} == before | {"updated_date": 0}


@pytest.mark.parametrize(
    ("value", "name"), [("  trimmed\n", "trimmed"), (5, "5"), (1.5, "1.5"), ("x" * 256, "x" * 256)]
)
def test_a_name_is_made_to_fit(door, thing, value, name):
    assert door.patch(thing[0], {"name": value}).json()["name"] == name


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "This field may not be null."),
        ("", "This field may not be blank."),
        ("   ", "This field may not be blank."),
        ("x" * 257, "Ensure this field has no more than 256 characters."),
        ("a\x00b", "Null characters are not allowed."),
        ("\ud800", "Surrogate characters are not allowed."),
        (True, "Not a valid string."),
        (["x"], "Not a valid string."),
        ({"x": 1}, "Not a valid string."),
    ],
)
def test_a_name_that_can_not_be_is_a_400(door, thing, value, problem):
    path, before = thing
    answer = door.patch(path, {"name": value})
    assert (answer.status_code, answer.json()) == (400, {"name": [problem]})
    assert door.get(path).json() == before


@pytest.mark.parametrize("body", [[], [1], "text", 5])
def test_a_body_that_is_no_object_is_a_400(door, thing, body):
    kind = type(body).__name__
    answer = door.patch(thing[0], body)
    problem = {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]}
    assert (answer.status_code, answer.json()) == (400, problem)


def test_posting_a_list_of_tasks_breaks_cvat(door):
    assert door.post("/tasks", [{"name": "a"}]).status_code == 500
    assert door.post("/projects", [{"name": "a"}]).status_code == 400


def test_people_are_written_by_id_and_read_as_objects(door, thing):
    path, _ = thing
    after = door.patch(path, {"assignee_id": 2, "owner_id": "2"}).json()
    assert (after["assignee"]["username"], after["owner"]["username"]) == ("alice", "alice")
    assert after["assignee_updated_date"] == after["updated_date"]
    again = door.patch(path, {"assignee_id": 2}).json()
    assert again["assignee_updated_date"] == after["assignee_updated_date"]
    none = door.patch(path, {"assignee_id": None, "owner_id": None}).json()
    assert (none["assignee"], none["owner"]) == (None, None)
    # To be nobody's is a change, too.
    assert none["assignee_updated_date"] == none["updated_date"]
    assert (
        door.patch(path, {"assignee_id": None}).json()["assignee_updated_date"]
        == (none["assignee_updated_date"])
    )


@pytest.mark.parametrize("name", ["assignee_id", "owner_id"])
@pytest.mark.parametrize("key", [99, 2**70])
def test_an_unknown_person_is_a_500_with_a_page(door, thing, name, key):
    path, before = thing
    answer = door.patch(path, {name: key})
    assert answer.status_code == 500
    assert "Server Error (500)" in answer.text
    assert door.get(path).json() == before


def test_somebody_may_be_named_at_once(door):
    body = {"name": "x", "owner_id": 2, "assignee_id": 1, "labels": [{"name": "a"}]}
    for path in ("/projects", "/tasks"):
        made = door.post(path, body).json()
        assert (made["owner"]["id"], made["assignee"]["id"]) == (2, 1)
        assert made["assignee_updated_date"] is not None


def test_storages_are_objects_inside(door, thing):
    path, _ = thing
    body = {"target_storage": {"location": "local"}, "source_storage": {"location": "local"}}
    after = door.patch(path, body).json()
    target, source = after["target_storage"], after["source_storage"]
    assert (target["location"], target["cloud_storage_id"]) == ("local", None)
    assert target["id"] != source["id"]
    assert door.patch(path, {"target_storage": {}}).json()["target_storage"] == target
    again = door.patch(path, {"target_storage": {"location": "local"}}).json()
    assert again["target_storage"] == target
    answer = door.patch(path, {"target_storage": {"location": "cloud_storage"}})
    problem = "Cloud storage was selected as location but its id was not specified"
    assert (answer.status_code, answer.json()) == (400, [problem])
    answer = door.patch(path, {"target_storage": {"location": "moon"}})
    assert answer.json() == {"target_storage": {"location": ['"moon" is not a valid choice.']}}
    body = {"target_storage": {"location": "cloud_storage", "cloud_storage_id": 3}}
    answer = door.patch(path, body)
    assert answer.json() == ["The specified cloud storage 3 does not exist."]


def test_organization_id_can_be_null_only_as_there_are_none(door, thing):
    path, _ = thing
    assert door.patch(path, {"organization_id": None}).json()["organization_id"] is None
    answer = door.patch(path, {"organization_id": 5})
    problem = ["The specified organization #5 does not exist."]
    assert (answer.status_code, answer.json()) == (400, problem)


def test_a_task_takes_a_null_storage_and_a_project_does_not(door, task):
    assert door.patch(f"/tasks/{task['id']}", {"target_storage": None}).status_code == 200
    key = door.post("/projects", {"name": "p"}).json()["id"]
    answer = door.patch(f"/projects/{key}", {"target_storage": None})
    assert answer.json() == {"target_storage": ["This field may not be null."]}


def test_a_task_moves_to_a_project_that_has_its_labels(door, task):
    path = f"/tasks/{task['id']}"
    narrow = door.post("/projects", {"name": "n", "labels": [{"name": "car"}]}).json()
    wide = {"name": "w", "labels": [{"name": "car"}, {"name": "bus"}, {"name": "tram"}]}
    wide = door.post("/projects", wide).json()
    answer = door.patch(path, {"project_id": narrow["id"]})
    text = "All task or project label names must be mapped to the target project"
    assert (answer.status_code, answer.json()) == (400, {"non_field_errors": [text]})
    moved = door.patch(path, {"project_id": wide["id"]}).json()
    assert (moved["project_id"], moved["project_name"]) == (wide["id"], "w")
    labels = door.get(f"/labels?task_id={task['id']}").json()["results"]
    assert [(each["name"], each["project_id"]) for each in labels] == [
        ("car", wide["id"]),
        ("bus", wide["id"]),
        ("tram", wide["id"]),
    ]
    answer = door.patch(path, {"project_id": 99})
    assert answer.json() == {"non_field_errors": ["Cannot find project with ID 99"]}
    assert door.patch(path, {"project_id": None}).status_code == 500


def test_children_touch_their_parents(seeded):
    def dates():
        paths = ("/projects/1", "/tasks/1", "/tasks/2", "/jobs/1", "/jobs/4")
        return [seeded.get(path).json()["updated_date"] for path in paths]

    def moved(action):
        before = dates()
        action()
        return [old != new for old, new in zip(before, dates(), strict=True)]

    yes, no = True, False
    assert moved(lambda: seeded.patch("/jobs/1", {"state": "rejected"})) == [no, no, no, yes, no]
    assert moved(lambda: seeded.patch("/tasks/1", {"name": "x"})) == [yes, yes, no, no, no]
    assert moved(lambda: seeded.patch("/projects/1", {"name": "x"})) == [yes, no, no, no, no]
    assert moved(lambda: seeded.patch("/labels/1", {"name": "x"})) == [yes] * 5
    assert moved(lambda: seeded.delete("/labels/2")) == [yes] * 5
    added = {"labels": [{"name": "new"}]}
    assert moved(lambda: seeded.patch("/projects/1", added)) == [yes] * 5
    made = {"name": "new", "project_id": 1}
    assert moved(lambda: seeded.post("/tasks", made)) == [yes, no, no, no, no]
    assert moved(lambda: seeded.delete("/tasks/9")) == [yes, no, no, no, no]


def test_a_job_touches_its_task_where_it_changes_the_status(seeded):
    def dates():
        return [seeded.get(path).json()["updated_date"] for path in ("/tasks/5", "/projects/1")]

    before = dates()
    assert seeded.patch("/jobs/13", {"state": "rejected"}).json()["status"] == "validation"
    after = dates()
    assert after[0] > before[0]
    assert after[1] == before[1]
    seeded.patch("/jobs/13", {"assignee": None})
    assert dates() == after


def test_a_task_without_a_project_is_touched_by_its_labels(door, task):
    path = f"/tasks/{task['id']}"
    label = door.get(f"/labels?task_id={task['id']}").json()["results"][0]["id"]
    door.patch(f"/labels/{label}", {"name": "x"})
    first = door.get(path).json()["updated_date"]
    assert first > task["updated_date"]
    door.delete(f"/labels/{label}")
    assert door.get(path).json()["updated_date"] > first


def test_deleting_goes_down(seeded):
    assert seeded.delete("/tasks/1").status_code == 204
    assert seeded.get("/jobs/1").status_code == 404
    assert seeded.get("/jobs").json()["count"] == 69
    answer = seeded.delete("/projects/1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers
    for path, count in (("/projects", 1), ("/tasks", 12), ("/jobs", 36), ("/labels", 3)):
        assert seeded.get(path).json()["count"] == count
    for path in ("/projects/1", "/tasks/2", "/labels/1"):
        assert seeded.delete(path).status_code == 404


def test_deleting_a_task_leaves_no_label_of_its_own(door, task):
    assert door.delete(f"/tasks/{task['id']}").status_code == 204
    assert door.get("/labels").json()["count"] == 0


def test_a_project_counts_its_tasks_and_knows_their_subsets(seeded):
    project = seeded.get("/projects/1").json()
    assert project["tasks"]["count"] == 12
    assert project["task_subsets"] == ["train", "val", "test"]
    assert project["dimension"] == "2d"


@pytest.mark.parametrize(
    ("body", "stage", "state", "status"),
    [
        ({"state": "in progress"}, "annotation", "in progress", "annotation"),
        ({"stage": "validation"}, "validation", "new", "validation"),
        ({"stage": "acceptance", "state": "completed"}, "acceptance", "completed", "completed"),
        ({"stage": "acceptance", "state": "rejected"}, "acceptance", "rejected", "validation"),
        ({"assignee": 1}, "annotation", "new", "annotation"),
    ],
)
def test_stage_and_state_make_the_status_of_a_job(seeded, body, stage, state, status):
    job = seeded.patch("/jobs/1", body).json()
    assert (job["stage"], job["state"], job["status"]) == (stage, state, status)


def test_a_new_stage_starts_over(seeded):
    seeded.patch("/jobs/1", {"state": "completed"})
    assert seeded.patch("/jobs/1", {"stage": "validation"}).json()["state"] == "new"
    same = seeded.patch("/jobs/1", {"state": "completed"}).json()
    assert seeded.patch("/jobs/1", {"stage": "validation"}).json()["state"] == same["state"]


def test_the_status_of_a_task_is_that_of_its_last_job(seeded):
    done = {"stage": "acceptance", "state": "completed"}
    seeded.patch("/jobs/1", done)
    seeded.patch("/jobs/2", done)
    assert seeded.get("/tasks/1").json()["status"] == "annotation"
    seeded.patch("/jobs/3", {"stage": "validation"})
    task = seeded.get("/tasks/1").json()
    assert task["status"] == "validation"
    assert task["jobs"]["completed"] == 2
    assert task["jobs"]["validation"] == 1
    seeded.patch("/jobs/3", done)
    assert seeded.get("/tasks/1").json()["status"] == "completed"


def test_a_job_is_assigned_by_a_bare_id(seeded):
    job = seeded.patch("/jobs/1", {"assignee": 2}).json()
    assert job["assignee"]["username"] == "alice"
    assert job["assignee_updated_date"] == job["updated_date"]
    assert seeded.patch("/jobs/1", {"assignee": None}).json()["assignee"] is None
    assert seeded.patch("/jobs/1", {"assignee": 999}).status_code == 500
    answer = seeded.patch("/jobs/1", {"assignee": {"id": 2}, "stage": "x", "state": None})
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "assignee": ["A valid integer is required."],
            "stage": ['"x" is not a valid choice.'],
            "state": ["This field may not be null."],
        },
    )


def test_a_job_has_its_tasks_bug_tracker_or_its_projects(seeded, door):
    assert seeded.get("/jobs/1").json()["bug_tracker"] == ""
    seeded.patch("/projects/1", {"bug_tracker": "https://project"})
    assert seeded.get("/jobs/1").json()["bug_tracker"] == "https://project"
    seeded.patch("/tasks/1", {"bug_tracker": "https://task"})
    assert seeded.get("/jobs/1").json()["bug_tracker"] == "https://task"


def test_a_job_can_not_be_deleted(seeded):
    answer = seeded.delete("/jobs/1")
    assert (answer.status_code, answer.json()) == (400, ["Only ground truth jobs can be removed"])
