"""Labels: made with their parent, edited through it or by themselves."""

import pytest

SIZE = {
    "name": "size",
    "mutable": True,
    "input_type": "select",
    "default_value": "s",
    "values": ["s", "m"],
}


def labels(door, task):
    return door.get(f"/labels?task_id={task['id']}").json()["results"]


def edit(door, task, *items):
    return door.patch(f"/tasks/{task['id']}", {"labels": list(items)})


def test_labels_come_with_their_parent(door, task):
    car, bus = labels(door, task)
    assert car == {
        "id": car["id"],
        "name": "car",
        "color": "#ff00ff",
        "attributes": [],
        "type": "any",
        "sublabels": [],
        "task_id": task["id"],
        "parent_id": None,
        "has_parent": False,
    }
    assert bus["name"] == "bus"


@pytest.mark.parametrize(("name", "color"), [("x", "#c60d67"), ("lorry", "#0f8739")])
def test_a_label_without_a_color_gets_the_one_of_its_name(door, name, color):
    made = door.post("/tasks", {"name": "t", "labels": [{"name": name}]}).json()
    assert labels(door, made)[0]["color"] == color


def test_two_labels_have_two_colors(door):
    given = [{"name": "y", "color": "red"}, {"name": "x"}, {"name": "X"}, {"name": "x!"}]
    made = door.post("/projects", {"name": "p", "labels": given}).json()
    found = door.get(f"/labels?project_id={made['id']}").json()["results"]
    assert len({each["color"] for each in found}) == 4


def test_a_patch_adds_edits_and_deletes_one_by_one(door, task):
    car, bus = labels(door, task)
    answer = edit(
        door,
        task,
        {"name": "tram", "attributes": [SIZE]},
        {"id": car["id"], "name": "lorry", "color": "#010203"},
        {"id": bus["id"], "deleted": True},
    )
    assert answer.status_code == 200
    lorry, tram = labels(door, task)
    assert (lorry["id"], lorry["name"], lorry["color"]) == (car["id"], "lorry", "#010203")
    assert (tram["name"], tram["type"]) == ("tram", None)
    assert tram["attributes"] == [{"id": tram["attributes"][0]["id"], **SIZE}]


def test_an_edit_without_a_color_makes_it_anew(door, task):
    car = labels(door, task)[0]
    edit(door, task, {"id": car["id"], "name": "lorry"})
    assert labels(door, task)[0]["color"] == "#0f8739"
    edit(door, task, {"id": car["id"], "color": ""})
    assert labels(door, task)[0]["color"] == "#0f8739"


@pytest.mark.parametrize(
    ("item", "status", "body"),
    [
        ({"name": "car"}, 400, ["All label names must be unique"]),
        ({}, 400, ["All label names must be unique"]),
        ({"id": 99, "name": "x"}, 404, {"detail": "Not found label with id #99 to change"}),
        ({"id": 1, "name": "bus"}, 400, ["All label names must be unique"]),
        (
            {"deleted": True},
            400,
            {"labels": [{"non_field_errors": ["Deleted label must have an ID"]}]},
        ),
        ({"name": None}, 400, {"labels": [{"name": ["This field may not be null."]}]}),
        (
            {"name": "x" * 65},
            400,
            {"labels": [{"name": ["Ensure this field has no more than 64 characters."]}]},
        ),
        ({"name": "x", "deleted": "maybe"}, 400, {"labels": [{"deleted": ["Must be a valid boolean."]}]}),
        (
            {"name": "x", "attributes": [SIZE, SIZE]},
            400,
            ["Duplicate attribute with name 'size' exists"],
        ),
        (
            {"name": "x", "attributes": [SIZE | {"id": 99}]},
            404,
            {"detail": "Attribute with id #99 does not exist"},
        ),
        (
            {"name": "x", "attributes": [SIZE | {"input_type": "knob"}]},
            400,
            {"labels": [{"attributes": [{"input_type": ['"knob" is not a valid choice.']}]}]},
        ),
        (
            {"name": "x", "attributes": [SIZE | {"values": ["s", []]}]},
            400,
            {"labels": [{"attributes": [{"values": {"1": ["Not a valid string."]}}]}]},
        ),
        (
            {"name": "x", "attributes": [SIZE | {"values": "s"}]},
            400,
            {"labels": [{"attributes": [{"values": ['Expected a list of items but got type "str".']}]}]},
        ),
    ],
)  # fmt: skip
def test_a_bad_edit_changes_nothing(door, task, item, status, body):
    before = labels(door, task)
    answer = edit(door, task, {"name": "good"}, item)
    assert answer.status_code == status
    found = answer.json()
    if isinstance(body, dict) and "labels" in body:
        body = {"labels": [{}, *body["labels"]]}
    assert found == body
    assert labels(door, task) == before


def test_labels_must_be_a_list(door, task):
    answer = door.patch(f"/tasks/{task['id']}", {"labels": "x"})
    problem = {"non_field_errors": ['Expected a list of items but got type "str".']}
    assert (answer.status_code, answer.json()) == (400, {"labels": problem})


def test_an_attribute_that_is_half_said_breaks_cvat(door, task):
    assert edit(door, task, {"name": "x", "attributes": [{"name": "a"}]}).status_code == 500


def test_attributes_are_changed_by_id_or_name_and_never_removed(door, task):
    car = labels(door, task)[0]
    edit(door, task, {"id": car["id"], "attributes": [SIZE]})
    size = labels(door, task)[0]["attributes"][0]
    edit(door, task, {"id": car["id"], "attributes": [{"id": size["id"], "name": "length"}]})
    edit(door, task, {"id": car["id"], "attributes": [{"name": "length", "values": ["xl"]}]})
    edit(door, task, {"id": car["id"], "attributes": [{"name": "length"}]})
    edit(door, task, {"id": car["id"], "attributes": []})
    assert labels(door, task)[0]["attributes"] == [size | {"name": "length", "values": ["xl"]}]
    edit(door, task, {"id": car["id"], "attributes": [{"id": size["id"]}]})
    assert labels(door, task)[0]["attributes"][0]["name"] == "length"


def test_a_task_in_a_project_shows_and_keeps_the_projects_labels(seeded):
    by_task = seeded.get("/labels?task_id=1").json()
    assert by_task == seeded.get("/labels?project_id=1").json()
    assert by_task == seeded.get("/labels?job_id=1").json()
    answer = seeded.patch("/tasks/1", {"labels": [{"name": "ignored"}]})
    assert answer.status_code == 200
    assert seeded.get("/labels?task_id=1").json()["count"] == 3


@pytest.mark.parametrize("query", ["task_id=1&project_id=1", "job_id=1&task_id="])
def test_labels_of_more_than_one_parent_are_a_400(seeded, query):
    answer = seeded.get(f"/labels?{query}")
    problem = "job_id, task_id and project_id parameters cannot be used together"
    assert (answer.status_code, answer.json()) == (400, [problem])


@pytest.mark.parametrize("query", ["task_id=99", "project_id=99", "job_id=99", "task_id=abc"])
def test_labels_of_an_unknown_parent_break_cvat(seeded, query):
    assert seeded.get(f"/labels?{query}").status_code == 500


def test_a_label_is_read_changed_and_deleted_by_its_own_path(door, task):
    car, bus = labels(door, task)
    path = f"/labels/{car['id']}"
    assert door.get(path).json() == car
    changed = door.patch(path, {"name": "lorry", "type": "polygon"}).json()
    expected = car | {"name": "lorry", "type": "polygon", "color": "#0f8739"}
    assert changed == expected
    assert door.patch(path, {}).json() == expected
    answer = door.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert door.get(path).status_code == 404
    assert labels(door, task) == [bus]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"name": "bus"}, ["All label names must be unique"]),
        ({"name": ""}, {"name": ["This field may not be blank."]}),
        (
            {"deleted": True},
            {
                "non_field_errors": [
                    "Labels cannot be deleted by updating in this endpoint. "
                    "Please use the DELETE method instead."
                ]
            },
        ),
    ],
)
def test_a_bad_change_by_its_own_path_is_a_400(door, task, body, answer):
    car = labels(door, task)[0]
    response = door.patch(f"/labels/{car['id']}", body)
    assert (response.status_code, response.json()) == (400, answer)
    assert labels(door, task)[0] == car


def test_a_skeleton_holds_its_sublabels_and_a_drawing(door):
    skeleton = {
        "name": "body",
        "type": "skeleton",
        "svg": '<circle data-label-name="head"/>',
        "sublabels": [{"name": "head", "type": "points", "attributes": [SIZE]}],
    }
    made = door.post("/projects", {"name": "p", "labels": [skeleton]}).json()
    page = door.get(f"/labels?project_id={made['id']}").json()
    assert page["count"] == 1
    (body,) = page["results"]
    (head,) = body["sublabels"]
    assert body["svg"] == f'<circle data-label-id="{head["id"]}"/>'
    assert (head["name"], head["has_parent"]) == ("head", True)
    assert head["attributes"][0]["values"] == ["s", "m"]
    alone = door.get(f"/labels/{head['id']}").json()
    assert (alone["parent_id"], alone["has_parent"]) == (body["id"], True)
    kept = door.patch(f"/labels/{body['id']}", {"type": "polygon"}).json()
    assert kept["type"] == "skeleton"
    for answer in (
        door.patch(f"/labels/{head['id']}", {"name": "x"}),
        door.delete(f"/labels/{head['id']}"),
    ):
        assert answer.status_code == 400
        assert answer.json()[0].startswith("Sublabels cannot be ")
    assert door.delete(f"/labels/{body['id']}").status_code == 204
    assert door.get(f"/labels/{head['id']}").status_code == 404


SHAPE = {"type": "rectangle", "frame": 0, "points": [1, 2, 3, 4]}


def annotated(door, label):
    """A label's shape, tag and track are put on the first task, each with the label's attribute."""
    said = {
        "label_id": label["id"],
        "frame": 0,
        "attributes": [{"spec_id": label["attributes"][0]["id"], "value": "true"}],
    }
    track = {**said, "attributes": [], "shapes": [{**SHAPE, "attributes": said["attributes"]}]}
    body = {"tags": [said], "shapes": [{**said, **SHAPE}], "tracks": [track]}
    assert door("PATCH", "/tasks/1/annotations?action=create", json=body).status_code == 200


def said_of(door):
    """The labels and the attributes that the first task's annotations name."""
    told = door.get("/tasks/1/annotations").json()
    items = [*told["tags"], *told["shapes"], *told["tracks"]]
    specs = [*told["tags"], *told["shapes"], *told["tracks"][0]["shapes"]]
    return {item["label_id"] for item in items}, {
        (each["spec_id"], each["value"]) for item in specs for each in item["attributes"]
    }


def label_of(door, project):
    rows = door.get(f"/labels?project_id={project}").json()["results"]
    return next(row for row in rows if row["attributes"])


def test_a_moved_task_s_annotations_take_the_labels_of_its_new_project(seeded):
    old, new = label_of(seeded, 1), label_of(seeded, 2)
    annotated(seeded, old)
    assert said_of(seeded) == ({old["id"]}, {(old["attributes"][0]["id"], "true")})
    assert seeded.patch("/tasks/1", {"project_id": 2}).status_code == 200
    assert said_of(seeded) == ({new["id"]}, {(new["attributes"][0]["id"], "true")})


def test_a_task_goes_to_no_project_whose_label_lacks_an_attribute(seeded):
    old, new = label_of(seeded, 1), label_of(seeded, 2)
    attribute = new["attributes"][0] | {"values": ["true"]}
    seeded.patch("/projects/2", {"labels": [{"id": new["id"], "attributes": [attribute]}]})
    refused = seeded.patch("/tasks/1", {"project_id": 2})
    assert refused.status_code == 400
    told = f'"{old["name"]}" label with "{old["attributes"][0]["name"]}" attribute'
    assert refused.json() == [f"Target project does not have {told}"]
    assert seeded.get("/tasks/1").json()["project_id"] == 1


@pytest.mark.parametrize("version", ["2.80", "2.15"])
def test_a_deleted_attribute_goes_with_what_annotations_say_of_it_on_280_alone(open_door, version):
    door = open_door(seed="1x1", version=version)
    label = label_of(door, 1)
    annotated(door, label)
    attribute = label["attributes"][0] | {"deleted": True}
    edit_ = {"labels": [{"id": label["id"], "attributes": [attribute]}]}
    assert door.patch("/projects/1", edit_).status_code == 200
    rows = door.get("/labels?project_id=1").json()["results"]
    names = [each["name"] for row in rows for each in row["attributes"]]
    stays = version == "2.15"
    assert (attribute["name"] in names) is stays
    assert said_of(door)[1] == ({(attribute["id"], "true")} if stays else set())
