"""Background requests as objects: asked for, waited for, cancelled."""

import json
from importlib import resources

import faulty
import pytest
from PIL import Image

from objmapper import (
    BackgroundRequestError,
    BackgroundRequestTimeout,
    BadRequest,
    ContractError,
    Forbidden,
    SessionError,
    TransportError,
    UnsupportedLookup,
    signals,
)
from objmapper.cvat import Client, Request, background
from objmapper.cvat.background import Operation, RequestStatus
from objmapper.operation import Request as HTTPRequest

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


@pytest.mark.parametrize("version", ["2.80", "2.15"])
def test_what_was_waited_for_long_enough_is_waited_for_again(image, version):
    with Client(f"embedded://cvat?check=1&lag=2&version={version}") as client:
        task = client.tasks.create(SPEC)
        task.upload_data([image], wait_for_completion=False)
        for _ in range(2):  # each wait looks once, and the third look finds it done
            with pytest.raises(BackgroundRequestTimeout, match=r"wait\(\) again, or cancel\(\) it"):
                task.wait_for_data(1e-9)
        task.wait_for_data(1e-9)
        assert task.size == 1
        assert client.server.violations == []


def test_what_was_waited_for_long_enough_can_be_cancelled(opened):
    client, task = opened(lag=10_000)
    (request,) = client.requests.list()
    with pytest.raises(BackgroundRequestTimeout) as caught:
        request.wait(1e-9)
    assert (caught.value.status, caught.value.request_id) == ("queued", request.id)
    request.cancel()
    assert client.requests.count() == 0
    with pytest.raises(BackgroundRequestError, match="was cancelled"):
        task.wait_for_data()
    with pytest.raises(SessionError, match=r"cancel\(\)"):
        request.cancel()


@pytest.mark.parametrize("message", [None, "disk full"], ids=["finished", "failed"])
def test_what_has_ended_is_not_cancelled(opened, message):
    client, task = opened(lag=1)
    if message is not None:
        client.server.fail_next_request(message)
    request = client.requests.retrieve(task.data_request_id)
    request.refresh()
    assert request.status in (RequestStatus.FINISHED, RequestStatus.FAILED)
    with pytest.raises(BadRequest, match="not yet been started"):
        request.cancel()
    request.refresh()
    assert request.message == (message or "")


def test_a_task_whose_data_somebody_cancels_meanwhile_is_removed(image):
    with Client("embedded://cvat?check=1&lag=50") as client:

        def cancel(sender, request, response, **_):
            path = request.shown_path
            if path.startswith("/requests/") and request.method == "GET" and response.status == 200:
                client.send(HTTPRequest("POST", f"{path}/cancel"))

        signals.response_received.connect(cancel)
        with pytest.raises(BackgroundRequestError, match="was cancelled") as caught:
            client.tasks.create_from_data(SPEC, [image], status_check_period=0.001)
        signals.response_received.disconnect(cancel)
        assert "is removed" in caught.value.__notes__[0]
        assert client.tasks.count() == 0
        assert client.server.violations == []


# -- a server that is told what to say ---------------------------------------------------------------


def told(status="queued", **more):
    told = {"id": "r", "status": status, "message": "", "operation": {"type": "create:task"}}
    return faulty.say({**told, **more})


@pytest.fixture
def connected(monkeypatch):
    """``connected(*acts)``: a client of a server that plays them, and that server."""
    monkeypatch.setattr(background, "_LEAST", 0.05)
    opened = []

    def connect(*acts):
        server = faulty.FaultyServer().then(*acts)
        client = Client(server.url, check_server_version=False)
        opened.extend((client, server))
        return client, server

    yield connect
    for each in opened:
        each.close()


@pytest.fixture
def played(connected):
    """``played(*acts)``: a request of a server that plays them, and that server."""

    def play(*acts):
        client, server = connected(faulty.say({"version": "2.80.0"}), told(), *acts)
        return client.requests.retrieve("r"), server

    return play


@pytest.fixture
def older(connected):
    """``older(*states)``: a task of a server that has no requests, and tells these states."""

    def play(*states):
        row = faulty.say({"id": 1, "name": "t"})
        client, _ = connected(row, *map(faulty.say, states), row)
        return client.tasks.retrieve(1)

    return play


@pytest.mark.parametrize(
    "act",
    [
        faulty.stall(),
        faulty.answer(b"", 429, Retry_After="100"),
        faulty.answer(b"", 503, Retry_After="100"),
    ],
    ids=["stalls", "429", "503"],
)
def test_a_server_that_can_not_be_asked_is_waited_for_no_longer_than_was_asked(played, act):
    request, server = played(act)
    with pytest.raises(
        BackgroundRequestTimeout, match=r"has told nothing, after 0\.01 s"
    ) as caught:
        request.wait(0.01)
    error = caught.value
    assert (error.status, error.request_id) == ("", "r")
    assert isinstance(error.__cause__, TransportError)
    assert len(server.seen) == 3
    server.then(told("finished"))
    assert request.wait(60) is request


def test_what_refuses_a_look_in_time_is_an_error_of_its_own(played):
    request, _ = played(faulty.answer(b"", 403))
    with pytest.raises(Forbidden):
        request.wait(60)


@pytest.mark.filterwarnings("ignore:.*does not know")
@pytest.mark.parametrize("status", ["lost", None, 7, ["queued"]])
def test_a_state_that_none_can_be_in_ends_the_wait(played, status):
    request, _ = played(told(status))
    with pytest.raises(ContractError, match=r"of how it stands|declared as Enum"):
        request.wait()


@pytest.mark.parametrize("progress", ["half", [1], {}])
def test_a_progress_that_is_none_ends_the_wait(played, progress):
    request, _ = played(told("started", progress=progress))
    with pytest.raises(ContractError, match="declared as Float"):
        request.wait(progress=lambda *at: None)


def test_an_older_server_may_say_nothing_sensible_beside_how_it_stands(older):
    heard = []
    task = older({"state": "Started", "progress": "half", "message": 7}, {"state": "Finished"})
    task.wait_for_data(progress=lambda *at: heard.append(at), status_check_period=0.001)
    assert heard == [(100, 100)]


@pytest.mark.parametrize("state", ["Lost", "", None, 7])
def test_a_state_of_an_older_server_that_none_can_be_in_ends_the_wait(older, state):
    with pytest.raises(ContractError, match=r"of how it stands|as a state"):
        older({"state": state}).wait_for_data()


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
