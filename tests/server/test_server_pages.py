"""Lists: pages, filters, search, sort."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest


def names(answer):
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["results"]]


def logic(rule, **more):
    return {"filter": rule if isinstance(rule, str) else json.dumps(rule), "page_size": 100, **more}


def found(door, rule, path="/tasks"):
    answer = door.get(path, params=logic(rule))
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["results"]]


def is_(name, value):
    return {"==": [{"var": name}, value]}


def test_ten_a_page_newest_first(seeded):
    page = seeded.get("/tasks").json()
    assert list(page) == ["count", "next", "previous", "results"]
    assert page["count"] == 24
    assert [each["id"] for each in page["results"]] == list(range(24, 14, -1))
    assert page["previous"] is None
    assert page["next"] == f"{seeded.url}/api/tasks?page=2"


def test_labels_are_ordered_by_id(seeded):
    assert [each["id"] for each in seeded.get("/labels").json()["results"]] == [1, 2, 3, 4, 5, 6]


def test_links_keep_the_query_with_sorted_keys(seeded):
    rule = "%7B%22%3E%22%3A%5B%7B%22var%22%3A%22id%22%7D%2C3%5D%7D"
    query = f"sort=-name,id&page=2&filter={rule}&org=&page_size=5&page_size=6"
    page = seeded.get(f"/tasks?{query}").json()
    parts = urlsplit(page["next"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{seeded.url}/api/tasks"
    assert parse_qsl(parts.query, keep_blank_values=True) == [
        ("filter", '{">":[{"var":"id"},3]}'),
        ("org", ""),
        ("page", "3"),
        ("page_size", "5"),
        ("page_size", "6"),
        ("sort", "-name,id"),
    ]
    assert "page=" not in page["previous"].replace("page_size=", "")
    assert len(page["results"]) == 6


def test_following_next_visits_every_row_once(seeded):
    url, seen = "/tasks?page_size=7", []
    while url:
        page = seeded.get(url).json()
        seen += [each["id"] for each in page["results"]]
        url = page["next"] and page["next"].removeprefix(f"{seeded.url}/api")
    assert seen == list(range(24, 0, -1))


@pytest.mark.parametrize("page", ["4", "0", "-1", "abc", "1.5", "9" * 30])
def test_a_page_that_is_not_there_is_a_404(seeded, page):
    answer = seeded.get(f"/tasks?page={page}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid page."})


def test_the_first_page_of_nothing_is_empty(door):
    empty = {"count": 0, "next": None, "previous": None, "results": []}
    assert door.get("/tasks").json() == empty
    assert door.get("/tasks?page=1").json() == empty
    assert door.get("/tasks?page=2").status_code == 404


def test_the_last_page_has_a_name(seeded):
    page = seeded.get("/tasks?page=last").json()
    assert [each["id"] for each in page["results"]] == [4, 3, 2, 1]
    assert page["next"] is None


@pytest.mark.parametrize("size", ["0", "-3", "abc", "", "all"])
def test_a_page_size_that_is_no_number_above_zero_is_ten(seeded, size):
    assert len(seeded.get(f"/tasks?page_size={size}").json()["results"]) == 10


def test_a_page_holds_500_at_most(open_door):
    door = open_door(seed="1x501", check=False)
    page = door.get("/tasks?page_size=1000").json()
    assert len(page["results"]) == 500
    assert page["next"].endswith("?page=2&page_size=1000")


def test_sort_takes_names_in_order_and_drops_unknown_ones(seeded):
    assert names(seeded.get("/tasks?sort=name"))[:2] == ["task 1-01", "task 1-02"]
    assert names(seeded.get("/tasks?sort=nope,-name"))[:2] == ["task 2-12", "task 2-11"]
    assert names(seeded.get("/tasks?sort=nope"))[:1] == ["task 2-12"]
    subsets = [each["subset"] for each in seeded.get("/tasks?sort=subset,-id").json()["results"]]
    assert subsets == [""] * 4 + ["test"] * 5 + ["train"]


def test_absent_values_sort_last_going_up_and_first_going_down(seeded):
    up = seeded.get("/tasks?sort=assignee&page_size=100").json()["results"]
    down = seeded.get("/tasks?sort=-assignee&page_size=100").json()["results"]
    assert [each["assignee"] for each in up[-6:]] == [None] * 6
    assert [each["assignee"] for each in down[:6]] == [None] * 6
    assert up[0]["assignee"]["username"] == "annotator1"


def test_an_unknown_parameter_is_ignored(seeded):
    assert seeded.get("/tasks?id=5").json()["count"] == 24


@pytest.mark.parametrize(
    ("path", "query", "count"),
    [
        ("/tasks", "name=task 1-05", 1),
        ("/tasks", "owner=admin", 24),
        ("/tasks", "owner=nobody", 0),
        ("/tasks", "assignee=annotator2", 6),
        ("/tasks", "project_id=2", 12),
        ("/tasks", "project_name=project 2", 12),
        ("/tasks", "subset=train&status=annotation", 10),
        ("/tasks", "status=completed", 4),
        ("/tasks", "dimension=2d&mode=annotation&media_type=image", 24),
        ("/tasks", "tracker_link=https://bugs.example.com/7", 1),
        ("/tasks", "validation_mode=gt", 0),
        ("/tasks", "name=", 24),
        ("/tasks", "name=nope&name=task 1-05", 1),
        ("/jobs", "task_id=3", 3),
        ("/jobs", "project_id=1&stage=acceptance", 8),
        ("/jobs", "state=in progress", 10),
        ("/jobs", "type=ground_truth", 0),
        ("/jobs", "parent_job_id=", 72),
        ("/projects", "assignee=annotator1", 1),
        ("/labels", "name=car", 2),
        ("/labels", "type=any&color=%2300ff00", 0),
        ("/users", "username=admin", 1),
        ("/users", "is_active=true", 5),
        ("/users", "is_active=false", 0),
        ("/users", "is_active=perhaps", 5),
    ],
)
def test_simple_parameters_are_equality(seeded, path, query, count):
    assert seeded.get(f"{path}?{query}").json()["count"] == count


NO_CHOICE = "Select a valid choice. {} is not one of the available choices."
NO_OBJECT = NO_CHOICE.format("That choice")


@pytest.mark.parametrize(
    ("path", "query", "body"),
    [
        ("/tasks", "status=bogus", {"status": [NO_CHOICE.format("bogus")]}),
        ("/jobs", "stage=x", {"stage": [NO_CHOICE.format("x")]}),
        ("/tasks", "project_id=99", {"project_id": [NO_OBJECT]}),
        ("/jobs", "task_id=abc", {"task_id": [NO_OBJECT]}),
        ("/tasks", "name=a%00b", {"name": ["Null characters are not allowed."]}),
    ],
)  # fmt: skip
def test_a_value_that_can_not_be_is_a_400_by_field(seeded, path, query, body):
    answer = seeded.get(f"{path}?{query}")
    assert (answer.status_code, answer.json()) == (400, body)


@pytest.mark.parametrize(
    ("path", "text", "count"),
    [
        ("/tasks", "TASK 2-0", 9),
        ("/tasks", "annotator1,2-", 3),
        ("/tasks", "train", 10),
        ("/tasks", "bugs.example", 3),
        ("/tasks", "100%", 0),
        ("/tasks", "_", 0),
        ("/tasks", "", 24),
        ("/jobs", "2-0", 27),
        ("/projects", "2", 1),
        ("/users", "otator", 3),
        ("/labels", "CAR", 2),
    ],
)
def test_search_ands_words_over_the_searched_fields(seeded, path, text, count):
    assert seeded.get(path, params={"search": text}).json()["count"] == count


def test_search_knows_case_beyond_ascii(door):
    door.post("/projects", {"name": "Straßenbäume"})
    assert door.get("/projects", params={"search": "STRASSENBÄUME"}).json()["count"] == 1


@pytest.mark.parametrize(
    ("rule", "ids"),
    [
        (is_("name", "task 1-03"), [3]),
        (is_("id", 3), [3]),
        (is_("id", "3"), [3]),
        (is_("id", 10**30), []),
        ({">": [{"var": "id"}, 22]}, [24, 23]),
        ({">=": [{"var": "id"}, 22.5]}, [24, 23]),
        ({"<": [{"var": "id"}, 2.5]}, [2, 1]),
        ({"<=": [{"var": "id"}, 2.5]}, [2, 1]),
        ({"<=": [3, {"var": "id"}, 5]}, [5, 4, 3]),
        ({"in": [{"var": "id"}, [1, 2, 999]]}, [2, 1]),
        ({"in": [{"var": "id"}, []]}, []),
        ({"in": [{"var": "assignee"}, ["annotator1", None]]}, [22, 18, 14, 10, 6, 2]),
        ({"in": ["2-1", {"var": "name"}]}, [24, 23, 22]),
        ({"in": ["TASK", {"var": "name"}]}, []),
        ({"in": ["%", {"var": "name"}]}, []),
        ({"in": [1, {"var": "id"}]}, [21, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 1]),
        ({"and": [is_("subset", "val"), {">": [{"var": "id"}, 10]}]}, [23, 18, 13]),
        ({"or": [is_("id", 1), is_("id", 2)]}, [2, 1]),
        ({"or": [is_("id", 1)]}, [1]),
        ({"!": {">": [{"var": "id"}, 2]}}, [2, 1]),
        ({"!!": is_("id", 2)}, [2]),
        ({"and": [{"!": is_("assignee", "annotator1")}, {"<": [{"var": "id"}, 6]}]}, [5, 4, 3, 1]),
        (is_("assignee", None), [21, 17, 13, 9, 5, 1]),
        ({"and": [{"var": "assignee"}, {"<": [{"var": "id"}, 4]}]}, [4 - 1, 2]),
        (is_("project_name", "project 9"), []),
        (is_("created_date", "2024-01-01T00:02:00Z"), [3]),
        ({"<": [{"var": "created_date"}, "2024-01-01T01:02:00+01:00"]}, [2, 1]),
        ({"<": [{"var": "created_date"}, "2024-01-01 00:02"]}, [2, 1]),
        ({"<": [{"var": "updated_date"}, "2024-01-01"]}, []),
        (is_("validation_mode", None), list(range(24, 0, -1))),
    ],
    ids=json.dumps,
)
def test_json_logic(seeded, rule, ids):
    assert found(seeded, rule) == ids


def test_a_filter_over_hundreds_of_parts_works(seeded):
    assert found(seeded, {"or": [is_("id", n) for n in range(1, 1500)]}) == list(range(24, 0, -1))


def test_lists_other_than_tasks_take_json_logic(seeded):
    assert found(seeded, {"in": [{"var": "task_id"}, [1, 2]]}, "/jobs") == [6, 5, 4, 3, 2, 1]
    assert found(seeded, is_("owner", "admin"), "/projects") == [2, 1]
    assert found(seeded, is_("is_active", True), "/users") == [5, 4, 3, 2, 1]
    assert found(seeded, is_("is_active", "0"), "/users") == []
    assert found(seeded, is_("parent", None), "/labels") == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "filter: Json syntax should be used"),
        ("{}", "filter shouldn't be empty"),
        ("[]", "filter shouldn't be empty"),
        ('{"==": [{"var": "nope"}, 1]}', "filter: 'nope' term is not supported"),
        ('{"==": [{}, 1]}', "filter: 'var' term is not supported"),
        ('{"in": [{"var": "bug_tracker"}, []]}', "filter: 'bug_tracker' term is not supported"),
        (
            '{"!=": [{"var": "name"}, "x"]}',
            "filter: != operation with [{'var': 'name'}, 'x'] arguments is not implemented",
        ),
        (
            '{"==": [{"var": "name"}]}',
            "filter: == operation with [{'var': 'name'}] arguments is not implemented",
        ),
        (
            '{"<": [1, {"var": "id"}, 2]}',
            "filter: < operation with [1, {'var': 'id'}, 2] arguments is not implemented",
        ),
        (
            '{"startswith": [1]}',
            "filter: startswith operation with [1] arguments is not implemented",
        ),
    ],
)
def test_a_bad_filter_is_a_400_as_a_list(seeded, text, message):
    answer = seeded.get("/tasks", params=logic(text))
    assert (answer.status_code, answer.json()) == (400, [message])


@pytest.mark.parametrize(
    "text",
    [
        '{"==": [{"var": "id"}, "x"]}',
        '{"==": [{"var": "id"}, [1]]}',
        '{"<": [{"var": "id"}, null]}',
        '{"==": [{"var": "updated_date"}, "x"]}',
        '{"==": [{"var": "updated_date"}, 5]}',
        '{"==": [{"var": "name"}, "a\\u0000"]}',
        '{"in": ["\\ud800", {"var": "name"}]}',
        '{"==": ["x", {"var": "name"}]}',
        '{"and": []}',
        '{"or": []}',
        '{"and": [1]}',
        '{"var": "nope"}',
        '{"in": []}',
        '{"in": [{"var": "id"}, 5]}',
        '"x"',
        "[1]",
        "5",
        "null",
        "[" * 100000,
        '{"!":' * 300 + '{"var": "name"}' + "}" * 300,
        '{"!":' * 900 + '{"var": "name"}' + "}" * 900,
    ],
    ids=lambda text: text[:40],
)
def test_where_cvat_fails_the_filter_is_a_500_with_a_page(open_door, text):
    door = open_door(seed="1x1")
    if len(text) > 1000 and door.name == "socket":
        text = "[" * 50000
    answer = door.get("/tasks", params=logic(text))
    assert answer.status_code == 500
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<h1>Server Error (500)</h1>" in answer.text


@pytest.mark.parametrize("value", ["true", "x", 2, [1]])
def test_a_boolean_filter_takes_booleans(door, value):
    assert door.get("/users", params=logic(is_("is_active", value))).status_code == 500
