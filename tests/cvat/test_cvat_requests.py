"""Background requests as objects: asked for, waited for, cancelled."""

import json
from importlib import resources

import pytest
from PIL import Image

from objmapper import (
    BackgroundRequestError,
    BackgroundRequestTimeout,
    BadRequest,
    UnsupportedLookup,
)
from objmapper.cvat import Client, Request
from objmapper.cvat.background import Operation, RequestStatus

DOCUMENT = json.loads(resources.files("objmapper.schemas").joinpath("cvat.json").read_text("utf-8"))
SPEC = {"name": "t", "labels": [{"name": "car"}]}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "a.png"
    Image.new("RGB", (32, 24), "red").save(path)
    return path


@pytest.fixture
def opened(image):
    """``opened(lag)`` is a client, and a request that is done when it was looked at so often."""
    clients = []

    def open_(lag=2):
        client = Client(f"embedded://cvat?check=1&lag={lag}")
        client.__enter__()
        clients.append(client)
        task = client.tasks.create(SPEC)
        task.upload_data([image], wait_for_completion=False)
        return client, task

    yield open_
    for client in clients:
        client.__exit__(None, None, None)
        assert client.server.violations == []


def test_requests_are_listed_and_asked_for(opened):
    client, task = opened()
    (request,) = client.requests.list()
    assert isinstance(request, Request)
    assert request.id == task.data_request_id
    assert request.status is RequestStatus.QUEUED
    assert (request.operation.type, request.operation.task_id) == ("create:task", task.id)
    assert (request.action, request.target, request.task_id) == ("create", "task", task.id)
    assert request.owner.username == "admin"
    assert client.requests.filter(task_id=task.id, action="create").count() == 1
    assert client.requests.filter(task_id=task.id + 1).count() == 0
    assert not client.requests.filter(status="finished").exists()
    assert client.requests.order_by("created_date").first() is request
    assert client.requests.retrieve(request.id) is request
    with pytest.raises(Request.DoesNotExist):
        client.requests.retrieve("action=nothing")


def test_a_request_is_waited_for(opened):
    client, task = opened(lag=4)
    told = []
    request = client.requests.retrieve(task.data_request_id)
    assert request.wait(status_check_period=0.001, progress=lambda *at: told.append(at)) is request
    assert request.status is RequestStatus.FINISHED
    assert told[-1] == (100, 100)
    assert told == sorted(told)
    assert len(told) > 2
    before = client.transport.requests_sent
    request.wait()  # it is asked once, at once
    assert client.transport.requests_sent == before + 1


def test_a_request_that_fails_tells_why(opened):
    client, task = opened(lag=1)
    client.server.fail_next_request("disk full")
    request = client.requests.retrieve(task.data_request_id)
    with pytest.raises(BackgroundRequestError, match="disk full") as caught:
        request.wait(status_check_period=0.001)
    error = caught.value
    assert (error.request_id, error.status, error.reason) == (request.id, "failed", "disk full")
    assert isinstance(error, RuntimeError)
    assert not isinstance(error, TimeoutError)


def test_a_password_that_a_server_quotes_is_not_told(opened):
    client, task = opened(lag=1)
    client.server.fail_next_request("Failed to download http://me:hunter2@host/a.png?token=abc12")
    with pytest.raises(BackgroundRequestError, match="Failed to download") as caught:
        task.wait_for_data(status_check_period=0.001)
    told = f"{caught.value!r}{caught.value}{caught.value.reason}"
    assert "hunter2" not in told
    assert "abc12" not in told


def test_a_request_that_is_cancelled_meanwhile_ends_the_wait(opened):
    client, task = opened(lag=50)
    request = client.requests.first()
    (other,) = client.requests.list()
    assert other is request
    request.cancel()
    with pytest.raises(BackgroundRequestError, match="was cancelled") as caught:
        task.wait_for_data(status_check_period=0.001)
    assert caught.value.status == "cancelled"
    assert client.requests.count() == 0


def test_what_has_begun_is_not_cancelled(opened):
    client, task = opened(lag=5)
    request = client.requests.retrieve(task.data_request_id)
    request.refresh()
    assert request.status is RequestStatus.STARTED
    with pytest.raises(BadRequest, match="not yet been started"):
        request.cancel()
    assert client.requests.count() == 1


def test_a_request_that_never_ends_is_waited_for_as_long_as_was_asked(opened):
    client, task = opened(lag=10_000)
    request = client.requests.retrieve(task.data_request_id)
    with pytest.raises(BackgroundRequestTimeout, match=r"after 0\.02 s") as caught:
        request.wait(0.02)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.status in ("queued", "started")


@pytest.mark.parametrize("wrong", [0, -1, "soon", True, float("nan")])
def test_times_that_make_no_sense_are_refused(opened, wrong):
    client, _ = opened()
    request = client.requests.first()
    with pytest.raises(ValueError, match="timeout is a number of seconds above 0"):
        request.wait(wrong)
    with pytest.raises(ValueError, match="status_check_period is a number of seconds above 0"):
        request.wait(status_check_period=wrong)


def test_an_older_server_has_no_requests_and_that_is_said_before_it_is_asked():
    with Client("embedded://cvat?version=2.15") as client:
        before = client.transport.requests_sent
        for ask in (client.requests.list, lambda: client.requests.retrieve("x")):
            with pytest.raises(UnsupportedLookup, match=r"2\.15 has no requests.*wait_for_data"):
                ask()
        assert client.transport.requests_sent == before


def test_each_key_of_the_contract_is_a_field():
    schema = DOCUMENT["components"]["schemas"]["Request"]
    assert schema["properties"].keys() <= Request.__mapper__.by_key.keys()
    operation = schema["properties"]["operation"]
    assert operation["properties"].keys() <= Operation.__embedded__.by_key.keys()
    (statuses,) = [schema["properties"]["status"]["enum"]]
    assert {*statuses} == {*RequestStatus}
