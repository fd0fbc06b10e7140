"""Headers, media types, methods and the shapes of errors, over every path."""

import json
import re

import pytest

COLLECTIONS = ["/tasks", "/projects", "/jobs", "/labels", "/users", "/issues", "/comments"]
CVAT = "application/vnd.cvat+json"


@pytest.mark.parametrize("accept", ["*/*", CVAT, "application/*", f"{CVAT}; version=2.0", ""])
def test_json_comes_as_cvats_own_type(seeded, accept):
    answer = seeded.get("/tasks", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == CVAT
    assert answer.json()["count"] == 24


@pytest.mark.parametrize("accept", ["application/json", "text/plain", "application/json, image/*"])
def test_other_types_are_not_acceptable(seeded, accept):
    answer = seeded.get("/tasks", headers={"Accept": accept})
    assert answer.status_code == 406
    assert answer.json() == {"detail": "Could not satisfy the request Accept header."}
    assert answer.headers["Content-Type"] == CVAT


def test_another_version_is_not_acceptable(seeded):
    answer = seeded.get("/tasks", headers={"Accept": f"{CVAT}; version=1.0"})
    assert answer.status_code == 406


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xml;q=0.9,*/*;q=0.8"])
def test_a_browser_gets_a_page(seeded, accept):
    answer = seeded.get("/tasks/1", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "&quot;name&quot;: &quot;task 1-01&quot;" in answer.text
    refused = seeded.get("/tasks/999", headers={"Accept": accept})
    assert refused.status_code == 404
    assert refused.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "path",
    [
        "/tasks/",
        "/tasks/1/",
        "/nowhere",
        "/tasks/1/nowhere",
        "/tasks/1.5",
        "//tasks",
        "/tasks/1/dates",
        "/jobs/1/data/",
    ],
)
def test_an_unknown_path_is_a_404_with_a_page(seeded, path):
    answer = seeded.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Allow" not in answer.headers
    assert "<h1>Not Found</h1>" in answer.text


@pytest.mark.parametrize("path", COLLECTIONS)
@pytest.mark.parametrize("key", ["999999", "abc", "-1", "0", "9" * 20, "%C2%B2", "1%20"])
def test_an_unknown_key_is_a_404_as_json(seeded, path, key):
    answer = seeded.get(f"{path}/{key}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


@pytest.mark.parametrize("method", ["PUT", "TRACE", "POST"])
@pytest.mark.parametrize("path", COLLECTIONS)
def test_a_method_that_is_not_there_is_a_405(seeded, method, path):
    answer = seeded(method, f"{path}/1")
    assert answer.status_code == 405
    assert answer.json() == {"detail": f'Method "{method}" not allowed.'}
    assert answer.headers["Allow"] == "GET, PATCH, DELETE, HEAD, OPTIONS"


def test_without_credentials_everything_else_is_a_401(open_door):
    door = open_door()
    headers = {"Cookie": "sessionid=gone"} if door.name == "in process" else {}
    session = door.session(**headers)
    for path in [*COLLECTIONS, "/users/self", "/tasks/1", "/labels/999"]:
        for method in ("GET", "PUT", "OPTIONS", "DELETE"):
            answer = session.request(method, f"{door.url}/api{path}")
            assert answer.status_code == 401
            detail = "Authentication credentials were not provided."
            assert answer.json() == {"detail": detail}


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/server/about", "GET, HEAD, OPTIONS"),
        ("/tasks", "GET, POST, HEAD, OPTIONS"),
        ("/projects", "GET, POST, HEAD, OPTIONS"),
        ("/jobs", "GET, POST, HEAD, OPTIONS"),
        ("/issues", "GET, POST, HEAD, OPTIONS"),
        ("/comments", "GET, POST, HEAD, OPTIONS"),
        ("/labels", "GET, HEAD, OPTIONS"),
        ("/users/self", "GET, HEAD, OPTIONS"),
        ("/tasks/1", "GET, PATCH, DELETE, HEAD, OPTIONS"),
        ("/users/1", "GET, PATCH, DELETE, HEAD, OPTIONS"),
    ],
)
def test_allow_tells_the_methods(seeded, path, allow):
    assert seeded.get(path).headers["Allow"] == allow
    answer = seeded("OPTIONS", path)
    assert answer.status_code == 200
    assert answer.headers["Allow"] == allow
    assert answer.json()["renders"] == [CVAT, "text/html"]


@pytest.mark.parametrize("path", ["/tasks", "/tasks/1", "/tasks/999"])
def test_head_is_get_without_a_body(seeded, path):
    answer, whole = seeded("HEAD", path), seeded.get(path)
    assert (answer.status_code, answer.content) == (whole.status_code, b"")
    assert answer.headers["Content-Length"] == whole.headers["Content-Length"]


def test_every_answer_has_a_request_id_of_its_own(seeded):
    paths = ["/tasks", "/tasks", "/nowhere", "/tasks/9999", "/labels?task_id=999"]
    found = {seeded.get(path).headers["X-Request-Id"] for path in paths}
    assert len(found) == 5
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in found)


def test_large_answers_are_compressed_if_asked(seeded):
    plain = seeded.get("/tasks", headers={"Accept-Encoding": "identity"})
    packed = seeded.get("/tasks", headers={"Accept-Encoding": "gzip"})
    small = seeded.get("/tasks/9999", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(plain.content)
    assert packed.json() == plain.json()
    assert "Content-Encoding" not in small.headers


def test_nothing_can_be_cached_or_locked(seeded):
    answer = seeded.get("/tasks/1")
    assert not {"ETag", "Last-Modified", "Cache-Control"} & set(answer.headers)
    again = seeded.patch("/tasks/1", {"name": "x"}, headers={"If-Match": '"zzz"'})
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{bad", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("", None),
        ('{"name": NaN}', "Out of range float values are not JSON compliant: NaN"),
    ],
)
def test_a_body_that_is_not_json_is_a_400_with_a_detail(door, body, message):
    headers = {"Content-Type": "application/json"}
    answer = door("POST", "/tasks", data=body, headers=headers)
    assert answer.status_code == 400
    if message is None:
        assert answer.json() == {"name": ["This field is required."]}
    else:
        assert answer.json() == {"detail": f"JSON parse error - {message}"}


def test_a_body_nested_too_deep_is_a_500(door):
    headers = {"Content-Type": "application/json"}
    answer = door("POST", "/tasks", data="[" * 100000, headers=headers)
    assert answer.status_code == 500
    assert "Server Error (500)" in answer.text


def test_a_body_of_bad_utf8_is_a_400(door):
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = door("POST", "/projects", data=b'{"name": "\xff"}', headers=headers)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("JSON parse error - ")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", CVAT])
def test_a_body_of_another_type_is_a_415(door, task, kind):
    headers = {"Content-Type": kind}
    for method, path in (("POST", "/tasks"), ("PATCH", f"/tasks/{task['id']}")):
        answer = door(method, path, data="{}", headers=headers)
        assert answer.status_code == 415
        assert answer.json() == {"detail": f'Unsupported media type "{kind}" in request.'}


def test_every_shape_of_a_400_is_seen(seeded):
    shapes = [
        seeded.post("/tasks", {}).json(),
        seeded.post("/tasks", {"name": "x"}).json(),
        seeded("POST", "/tasks", data="{", headers={"Content-Type": "application/json"}).json(),
        seeded.patch("/tasks/1", []).json(),
    ]
    assert [type(each).__name__ for each in shapes] == ["dict", "list", "dict", "dict"]
    assert [next(iter(each)) for each in shapes if isinstance(each, dict)] == [
        "name",
        "detail",
        "non_field_errors",
    ]


def test_text_is_not_escaped(door):
    answer = door.post("/projects", {"name": "Größe ✓"})
    assert "Größe ✓".encode() in answer.content
    assert json.loads(answer.content)["name"] == "Größe ✓"
