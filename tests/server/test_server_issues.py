"""Issues and comments of the embedded CVAT: the recorded stories, filters, who may, what goes along."""

import json
import re
from pathlib import Path

import pytest

# The doors are the same for every kind: one is enough here.
pytestmark = pytest.mark.parametrize("open_door", ["in process"], indirect=True)

ALICE = ("alice", "wonder")
RECORDINGS = Path(__file__).parents[1] / "recordings" / "cvat-2.15"
ISSUE = {"frame": 7, "position": [1, 2.5, 3, 4], "job": 3, "message": "blurred"}


@pytest.fixture
def alice(seeded):
    return seeded.as_user(ALICE)


@pytest.fixture
def issue(seeded):
    """An issue of the first task's third job, with its first comment."""
    return seeded.post("/issues", ISSUE).json()


def plain(value):
    """A body without what differs from server to server: its address, the moments."""
    text = re.sub(r"https?://[^/\"]+/api", "/api", json.dumps(value))
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<moment>", text))


@pytest.mark.parametrize(
    ("file", "first", "last", "earlier"),
    [("sdk-tour", 34, 41, False), ("data-annotations-jobs", 44, 50, True)],
)
def test_the_recorded_story_of_an_issue_goes_as_it_went(seeded, file, first, last, earlier):
    if earlier:  # ids go on from an issue with two comments, which is gone
        made = seeded.post("/issues", ISSUE).json()
        seeded.post("/comments", {"issue": made["id"], "message": "x"})
        seeded.delete(f"/issues/{made['id']}")
    played = 0
    for line in (RECORDINGS / f"{file}.jsonl").read_text("utf-8").splitlines():
        exchange = json.loads(line)
        if not first <= exchange["n"] <= last:
            continue
        request, wanted = exchange["request"], exchange["response"]
        body = (request["body"] or {}).get("json")
        path = request["path"].removeprefix("/api")
        answer = seeded(request["method"], path, **({"json": body} if body is not None else {}))
        assert answer.status_code == wanted["status"], (exchange["n"], answer.text)
        assert answer.headers["Allow"] == wanted["headers"]["allow"]
        assert "Location" not in answer.headers
        if wanted["body"] is None:
            assert answer.content == b""
        else:
            assert plain(answer.json()) == plain(wanted["body"]["json"]), exchange["n"]
        played += 1
    assert played == last - first + 1


def test_the_message_is_the_first_comment(seeded, issue):
    assert issue["position"] == [1.0, 2.5, 3.0, 4.0]
    assert (issue["job"], issue["frame"], issue["resolved"]) == (3, 7, False)
    assert issue["comments"]["count"] == 1
    assert issue["created_date"] < issue["updated_date"]
    (comment,) = seeded.get(f"/comments?issue_id={issue['id']}").json()["results"]
    assert (comment["issue"], comment["message"]) == (issue["id"], "blurred")
    assert comment["owner"] == issue["owner"]
    assert comment["created_date"] > issue["created_date"]


def test_a_job_counts_its_issues(seeded, issue):
    seeded.post("/issues", ISSUE)
    counts = {job["id"]: job["issues"] for job in seeded.get("/jobs?task_id=1").json()["results"]}
    assert [counts[key]["count"] for key in (1, 2, 3)] == [0, 0, 2]
    assert counts[3]["url"] == f"{seeded.url}/api/issues?job_id=3"


BAD_ISSUES = [
    (
        {"position": None, "frame": -1, "message": " "},
        400,
        {
            "position": ["This field may not be null."],
            "frame": ["Ensure this value is greater than or equal to 0."],
            "message": ["This field may not be blank."],
        },
    ),
    ({"position": []}, 400, {"position": ["This list may not be empty."]}),
    ({"position": [1, "x"]}, 400, {"position": {"1": ["A valid number is required."]}}),
    ({"position": "1,2"}, 400, {"position": ['Expected a list of items but got type "str".']}),
    ({"frame": 2**31}, 400, {"frame": ["Ensure this value is less than or equal to 2147483647."]}),
    ({"assignee": 99}, 400, {"assignee": ['Invalid pk "99" - object does not exist.']}),
    (
        {"assignee": "x"},
        400,
        {"assignee": ["Incorrect type. Expected pk value, received str."]},
    ),
    (
        {"assignee": True},
        400,
        {"assignee": ["Incorrect type. Expected pk value, received bool."]},
    ),
    ({"job": 999}, 400, ["Job matching query does not exist."]),
    ({"job": None}, 400, ["Job matching query does not exist."]),
    ({"resolved": "maybe"}, 400, {"resolved": ["Must be a valid boolean."]}),
    ({"job": "x"}, 500, None),
    ({"job": [3]}, 500, None),
    ({"position": ["nan"]}, 500, None),
]  # fmt: skip


def test_a_bad_issue_is_refused_and_leaves_nothing(seeded):
    for change, status, answer in BAD_ISSUES:
        response = seeded.post("/issues", ISSUE | change)
        assert response.status_code == status, change
        assert answer is None or response.json() == answer
    assert seeded.get("/issues").json()["count"] == 0
    assert seeded.get("/comments").json()["count"] == 0


@pytest.mark.parametrize("path", ["/issues", "/comments", "/jobs"])
def test_a_body_that_is_no_object_breaks_the_server(seeded, path):
    assert seeded.post(path, [1]).status_code == 500


def test_texts_and_digits_are_taken_for_numbers(seeded):
    odd = {"frame": "7.0", "position": ["1", True], "job": "3", "message": 5, "assignee": ""}
    made = seeded.post("/issues", odd | {"resolved": "yes"}).json()
    assert (made["frame"], made["position"], made["job"]) == (7, [1.0, 1.0], 3)
    assert (made["assignee"], made["resolved"]) == (None, True)
    assert seeded.get("/comments").json()["results"][0]["message"] == "5"


def test_only_the_sent_keys_of_an_issue_change(seeded, issue):
    path = f"/issues/{issue['id']}"
    after = seeded.patch(path, {"resolved": True}).json()
    assert {key for key in issue if issue[key] != after[key]} == {"resolved", "updated_date"}
    later = seeded.patch(
        path, {"frame": 9, "job": 1, "message": "x", "owner": 2, "bogus": 1}
    ).json()
    assert {key for key in after if after[key] != later[key]} == {"updated_date"}
    assert seeded.patch(path, {}).json()["updated_date"] > later["updated_date"]
    moved = seeded.patch(path, {"position": [5], "assignee": 2}).json()
    assert (moved["position"], moved["assignee"]["username"]) == ([5.0], "alice")
    assert seeded.patch(path, {"assignee": None}).json()["assignee"] is None
    assert seeded.get(f"/comments?issue_id={issue['id']}").json()["count"] == 1


def test_only_the_message_of_a_comment_changes(seeded, issue):
    made = seeded.post("/comments", {"issue": issue["id"], "message": " second "}).json()
    assert made["message"] == "second"
    path = f"/comments/{made['id']}"
    after = seeded.patch(path, {"message": "third", "issue": 99, "owner": 2}).json()
    assert {key for key in made if made[key] != after[key]} == {"message", "updated_date"}
    assert seeded.patch(path, {}).json()["updated_date"] > after["updated_date"]
    answer = seeded.patch(path, {"message": ""})
    assert (answer.status_code, answer.json()) == (
        400,
        {"message": ["This field may not be blank."]},
    )


BAD_COMMENTS = [
    ({"message": "x"}, 400, ["Issue matching query does not exist."]),
    ({"issue": 99, "message": "x"}, 400, ["Issue matching query does not exist."]),
    ({"issue": 1, "message": None}, 400, {"message": ["This field may not be null."]}),
    ({"issue": "x", "message": "x"}, 500, None),
]


def test_a_bad_comment_is_refused(seeded, issue):
    for body, status, answer in BAD_COMMENTS:
        response = seeded.post("/comments", body)
        assert response.status_code == status, body
        assert answer is None or response.json() == answer
    assert seeded.get("/comments").json()["count"] == 1


def test_a_comment_without_a_message_is_empty(seeded, issue):
    assert seeded.post("/comments", {"issue": issue["id"]}).json()["message"] == ""


def test_neither_issues_nor_comments_touch_what_is_above_them(seeded, issue):
    def dates(*paths):
        return [seeded.get(path).json()["updated_date"] for path in paths]

    above = ("/jobs/3", "/tasks/1", "/projects/1")
    path = f"/issues/{issue['id']}"
    before = dates(path, *above)
    made = seeded.post("/comments", {"issue": issue["id"], "message": "x"}).json()
    seeded.patch(f"/comments/{made['id']}", {"message": "y"})
    seeded.delete(f"/comments/{made['id']}")
    assert dates(path, *above) == before
    seeded.patch(path, {"resolved": True})
    seeded.delete(path)
    seeded.post("/issues", ISSUE)
    assert dates(*above) == before[1:]


@pytest.fixture
def several(seeded):
    """Four issues with five comments, on two jobs of one task and on a job of another project."""
    for job, frame, assignee in ((1, 3, None), (1, 5, 2), (2, 3, 2), (40, 3, None)):
        body = ISSUE | {"job": job, "frame": frame, "assignee": assignee}
        seeded.post("/issues", body)
    seeded.patch("/issues/2", {"resolved": True})
    seeded.as_user(ALICE)("POST", "/comments", json={"issue": 3, "message": "mine"})
    return seeded


def keys(page):
    return [row["id"] for row in page.json()["results"]]


def logic(operator, name, value):
    return "filter=" + json.dumps({operator: [{"var": name}, value]})


ISSUES = [
    ("", [4, 3, 2, 1]),
    ("job_id=1", [2, 1]),
    ("task_id=1", [3, 2, 1]),
    ("task_id=9999", []),
    ("frame_id=3", [4, 3, 1]),
    ("frame_id=3.0&job_id=1", [1]),
    ("frame_id=3.5", []),
    ("resolved=true", [2]),
    ("resolved=False", [4, 3, 1]),
    ("resolved=maybe", [4, 3, 2, 1]),
    ("assignee=alice", [3, 2]),
    ("owner=admin&search=ALI", [3, 2]),
    ("bogus=1&id=1", [4, 3, 2, 1]),
    ("sort=frame_id,-job_id", [4, 3, 1, 2]),
    ("sort=resolved,id", [1, 3, 4, 2]),
    (logic("in", "job_id", [2, 40]), [4, 3]),
    (logic("==", "task_id", 1), [3, 2, 1]),
    (logic("==", "resolved", True), [2]),
    (logic(">", "frame_id", 3), [2]),
    (logic("==", "assignee", None), [4, 1]),
]


def test_issues_are_filtered_and_sorted(several):
    for query, found in ISSUES:
        assert keys(several.get(f"/issues?{query}")) == found, query


COMMENTS = [
    ("", [5, 4, 3, 2, 1]),
    ("issue_id=3", [5, 3]),
    ("issue_id=9999", []),
    ("job_id=1", [2, 1]),
    ("frame_id=5", [2]),
    ("owner=alice", [5]),
    ("search=adm", [4, 3, 2, 1]),
    ("sort=owner,issue_id", [1, 2, 3, 4, 5]),
    (logic("in", "issue_id", [1, 4]), [4, 1]),
    (logic("==", "id", 2), [2]),
]


def test_comments_are_filtered_and_sorted(several):
    for query, found in COMMENTS:
        assert keys(several.get(f"/comments?{query}")) == found, query


BAD_FILTERS = [
    (
        "issues?job_id=9999",
        {"job_id": ["Select a valid choice. That choice is not one of the available choices."]},
    ),
    ("issues?task_id=x", {"task_id": ["Enter a number."]}),
    (
        "comments?issue_id=x&frame_id=-",
        {"issue_id": ["Enter a number."], "frame_id": ["Enter a number."]},
    ),
    (
        'comments?filter={"==": [{"var": "message"}, "x"]}',
        ["filter: 'message' term is not supported"],
    ),
]  # fmt: skip


def test_a_bad_filter_is_a_400(several):
    for query, answer in BAD_FILTERS:
        response = several.get(f"/{query}")
        assert (response.status_code, response.json()) == (400, answer)


def test_issues_and_comments_go_with_what_they_belong_to(several):
    def left():
        return keys(several.get("/issues")), keys(several.get("/comments"))

    several.delete("/issues/1")
    assert left() == ([4, 3, 2], [5, 4, 3, 2])
    several.delete("/tasks/1")
    assert left() == ([4], [4])
    several.delete("/projects/2")
    assert left() == ([], [])
    for path in ("/issues/1", "/comments/1"):
        assert several.get(path).status_code == 404
        assert several.delete(path).status_code == 404


def test_an_issue_outlives_its_people(several):
    assert several.delete("/users/2").status_code == 204
    assert several.get("/issues/3").json()["assignee"] is None
    assert several.get("/comments/5").json()["owner"] is None


def test_others_see_and_make_no_issues(seeded, issue, alice):
    for path in ("/issues", "/comments"):
        assert alice("GET", path).json()["count"] == 0
        for method in ("GET", "PATCH", "DELETE"):
            assert alice(method, f"{path}/1", json={}).status_code == 403
    assert alice("POST", "/issues", json=ISSUE).status_code == 403
    assert alice("POST", "/comments", json={"issue": 1, "message": "x"}).status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "removes"),
    [
        ("/issues/1", {"assignee": 2}, False),
        ("/jobs/3", {"assignee": 2}, False),
        ("/tasks/1", {"assignee_id": 2}, True),
        ("/projects/1", {"owner_id": 2}, True),
    ],
)
def test_who_is_named_above_may_comment_and_change_and_staff_may_delete(
    seeded, issue, alice, path, body, removes
):
    seeded.patch(path, body)
    assert keys(alice("GET", "/issues")) == [1]
    assert alice("PATCH", "/issues/1", json={"resolved": True}).json()["resolved"] is True
    assert alice("PATCH", "/issues/1", json={"assignee": 1}).status_code == 403
    assert alice("POST", "/comments", json={"issue": 1, "message": "x"}).status_code == 201
    assert keys(alice("GET", "/comments")) == [2, 1]
    assert alice("PATCH", "/comments/1", json={"message": "y"}).json()["message"] == "y"
    assert alice("DELETE", "/comments/1").status_code == 204
    assert alice("DELETE", "/issues/1").status_code == (204 if removes else 403)


def test_the_owner_of_an_issue_deletes_it(seeded, alice):
    seeded.patch("/jobs/3", {"assignee": 2})
    made = alice("POST", "/issues", json=ISSUE).json()
    assert made["owner"]["username"] == "alice"
    seeded.patch("/jobs/3", {"assignee": None})
    assert alice("GET", "/issues/1").json() == made
    assert alice("POST", "/issues", json=ISSUE).status_code == 403
    assert alice("DELETE", "/issues/1").status_code == 204


@pytest.fixture
def organization(seeded):
    """The first project belongs to it, and alice is its maintainer."""
    made = seeded.post("/organizations", {"slug": "org"}).json()
    seeded.patch("/projects/1", {"organization_id": made["id"]})
    invited = {"role": "maintainer", "email": "alice@example.com"}
    seeded.post("/invitations?org=org", invited)
    return made


def test_maintainers_review_all_of_their_organization(seeded, organization, alice):
    # Without a word of the organization one makes issues where one is named.
    assert alice("POST", "/issues", json=ISSUE).status_code == 403
    assert alice("POST", "/issues?org=org", json=ISSUE).status_code == 201
    comment = {"issue": 1, "message": "x"}
    assert alice("POST", "/comments", json=comment).status_code == 201  # of an own issue
    assert alice("PATCH", "/issues/1", json={"assignee": 1}).json()["assignee"]["id"] == 1
    assert keys(alice("GET", "/issues?org=org")) == [1]
    assert keys(alice("GET", "/comments?org=org")) == [2, 1]
    for path in ("/issues", "/comments"):
        assert keys(alice("GET", f"{path}?org=")) == []
    assert alice("DELETE", "/comments/1").status_code == 204
    assert alice("DELETE", "/issues/1").status_code == 204


def test_an_issue_is_not_made_from_another_organization(seeded, organization, alice):
    elsewhere = ISSUE | {"job": 40}
    seeded.patch("/jobs/40", {"assignee": 2})
    assert alice("POST", "/issues?org=org", json=elsewhere).status_code == 403
    assert alice("POST", "/issues", json=elsewhere).status_code == 201
    assert alice("POST", "/comments?org=org", json={"issue": 1, "message": "x"}).status_code == 403


@pytest.mark.parametrize("path", ["/issues", "/comments"])
def test_an_unknown_organization_is_a_404(seeded, path):
    for method in ("GET", "POST"):
        answer = seeded(method, f"{path}?org=nope", json={})
        assert (answer.status_code, answer.json()) == (
            404,
            {"detail": "nope organization does not exist."},
        )
