"""client.request: any path of the API, with the login, the retries and the errors of all others."""

import json
from contextlib import nullcontext

import pytest

from objmapper import (
    BadRequest,
    ContractError,
    MethodNotAllowed,
    NotFound,
    ServerError,
    StatusError,
)
from objmapper import (
    Client as HttpClient,
)
from objmapper.cvat import Client, Task
from objmapper.transport.policy import Policy

ROW = {"id": 7, "name": "t"}


def test_it_reads_and_writes_as_who_is_logged_in(seeded):
    answer = seeded.request("get", "/tasks/1", params={"org": ""})
    assert (answer.status, answer.json()["id"]) == (200, 1)
    assert seeded.request("PATCH", "/tasks/1", json={"name": "by hand"}).json()["name"] == "by hand"
    assert seeded.request("DELETE", "/tasks/2").status == 204
    # What was read before is not told of it.
    task = Task.objects.get(id=1)
    seeded.request("PATCH", "/tasks/1", json={"name": "again"})
    assert task.name == "by hand"
    task.refresh()
    assert task.name == "again"


def test_an_answer_is_written_to_a_file_while_it_comes(seeded, tmp_path):
    answer = seeded.request("GET", "/tasks/1", into=tmp_path / "task.json")
    assert answer.content == b""
    row = json.loads((tmp_path / "task.json").read_bytes())
    assert row == seeded.request("GET", "/tasks/1").json()
    with pytest.raises(NotFound):
        seeded.request("GET", "/tasks/99", into=tmp_path / "none.json")
    assert [path.name for path in tmp_path.iterdir()] == ["task.json"]


@pytest.mark.parametrize(
    ("method", "path", "body", "error", "said"),
    [
        ("POST", "/projects", {}, BadRequest, "name: This field is required"),
        ("POST", "/tasks", {"name": "t"}, BadRequest, "Label set or project_id must be present"),
        (
            "POST",
            "/tasks/1/data",
            {"server_files": ["a"]},
            BadRequest,
            "more data is not supported",
        ),
        ("GET", "/tasks?org=a&org_id=1", None, BadRequest, "org"),
        ("GET", "/tasks?filter=nope", None, BadRequest, "Json syntax should be used"),
        ("GET", "/tasks/99", None, NotFound, "Not found"),
        ("GET", "/nowhere", None, NotFound, "answered 404"),
        ("PUT", "/tasks/1", {"name": "t"}, MethodNotAllowed, 'Method "PUT" not allowed'),
    ],
    ids=str,
)
def test_each_shape_of_refusal_is_told_in_the_server_s_words(
    seeded, method, path, body, error, said
):
    options = {} if body is None else {"json": body}
    with pytest.raises(error, match=said) as refused:
        seeded.request(method, path, **options)
    assert refused.value.request.method == method
    assert (refused.value.status, isinstance(refused.value, OSError)) == (
        refused.value.status,
        True,
    )


def test_an_organization_that_is_named_twice_is_the_server_s_refusal(seeded):
    seeded.organizations.create(slug="acme")
    params, headers = {"org": "acme"}, {"X-Organization": "other"}
    with pytest.raises(BadRequest):
        seeded.request("GET", "/tasks", params=params, headers=headers)


@pytest.fixture
def answering(told, noted):
    """``answering(method, *statuses)`` is a client whose server answers with those, one by one."""
    opened = []

    def open_(*statuses):
        left = list(statuses)

        def next_one(environ):
            status = left.pop(0) if len(left) > 1 else left[0]
            headers = [("Retry-After", "0")] if status in (413, 429) else []
            return status, headers, json.dumps(ROW).encode() if status < 300 else b"{}"

        options = told({"/api/tasks/7": next_one}) | {"retries": 3, "check_server_version": False}
        client = Client("http://cvat.example", **options)
        client.transport.policy = Policy(3, backoff=0.0)
        opened.append(client)
        return client

    yield open_
    for client in opened:
        client.close()


class TestRetries:
    """What the table in the reference says, beside what CVAT's SDK does."""

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 500])
    @pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE"])
    def test_a_refusal_is_asked_once(self, answering, noted, method, status):
        with pytest.raises(StatusError) as refused:
            answering(status, 200).request(method, "/tasks/7")
        assert refused.value.status == status
        assert len(noted.sent) == 1

    @pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
    def test_who_asks_too_much_comes_back_with_any_verb(self, answering, noted, method):
        assert answering(429, 429, 200).request(method, "/tasks/7").retries == 2
        assert len(noted.sent) == 3

    @pytest.mark.parametrize("status", [502, 503, 504])
    @pytest.mark.parametrize(("method", "again"), [("GET", 1), ("POST", 0), ("PATCH", 0)])
    def test_a_gateway_s_error_is_asked_again_by_reads(
        self, answering, noted, method, again, status
    ):
        outcome = nullcontext() if again else pytest.raises(ServerError)
        with outcome:
            answering(status, 200).request(method, "/tasks/7")
        assert len(noted.sent) == 1 + again

    def test_an_error_that_stays_is_an_error_of_ours(self, answering, noted):
        with pytest.raises(ServerError) as refused:
            answering(503).request("GET", "/tasks/7")
        assert (refused.value.retries, len(noted.sent)) == (3, 4)


def test_every_request_has_an_end_and_says_who_asks(told, noted):
    with Client("embedded://cvat") as client:
        assert client.transport.timeout == (30.0, 30.0)
        assert client.transport.http.headers["User-Agent"].startswith("objmapper (")
    with pytest.raises(ValueError, match="hold the program for ever"):
        Client("embedded://cvat", timeout=None)
    noted.headers["User-Agent"] = "mine/1"
    Client("http://cvat.example", **told({"/api/server/about": {"version": "2.80.0"}})).close()
    assert noted.sent[-1].headers["User-Agent"] == "mine/1"


def test_an_address_of_another_server_is_refused(seeded):
    with pytest.raises(ContractError):
        seeded.request("GET", "https://other.example/api/tasks")


def test_a_cvat_client_is_a_client(seeded):
    assert isinstance(seeded, HttpClient)
