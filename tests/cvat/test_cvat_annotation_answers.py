"""What becomes of annotations when answers are lost, odd, or tell of other ids; recorded ones too."""

import io
import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import requests

from objmapper import CommitError, Session, inspect
from objmapper.cvat import Client, Job, Task
from objmapper.cvat.models import Shape, Tag, Track
from objmapper.exceptions import (
    ContractError,
    JournalError,
    OfflineError,
    ServerError,
)
from objmapper.server import WSGIAdapter, embedded

RECORDINGS = Path(__file__).parents[1] / "recordings" / "cvat-2.15"
MOVING = [
    {"frame": 0, "type": "points", "points": [1, 1]},
    {"frame": 5, "type": "points", "points": [1, 1], "outside": True},
]


class Between:
    """A WSGI application between a client and an embedded CVAT: it loses and changes answers.

    ``lose`` names actions of PATCH whose answer is lost, and whether they are done before. With
    ``renumbers`` a change deletes and creates anew, under new ids, as CVAT's code says that it does.
    ``answers`` gives bodies in place of those of the server, by verb.
    """

    def __init__(self, app):
        self.app, self.lose, self.answers, self.renumbers = app, {}, {}, False
        self.seen = []

    def __call__(self, environ, start_response):
        action = parse_qs(environ["QUERY_STRING"]).get("action", [""])[0]
        verb = environ["REQUEST_METHOD"]
        self.seen.append((verb, action))
        if action in self.lose:
            if self.lose.pop(action):
                self.run(environ)
            raise requests.exceptions.ConnectionError("the connection broke")
        if verb in self.answers and "annotations" in environ["PATH_INFO"]:
            body = self.answers[verb]
            start_response("200 OK", [("Content-Type", "application/vnd.cvat+json")])
            return [body if isinstance(body, bytes) else json.dumps(body).encode()]
        if action == "update" and self.renumbers:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            self.run(self.like(environ, "delete", json.loads(body)))
            environ = self.like(environ, "create", without_ids(json.loads(body)))
        return self.app(environ, start_response)

    def run(self, environ):
        return b"".join(self.app(environ, lambda status, headers, exc_info=None: None))

    def like(self, environ, action, body):
        told = json.dumps(body).encode()
        return environ | {
            "QUERY_STRING": f"action={action}",
            "wsgi.input": io.BytesIO(told),
            "CONTENT_LENGTH": str(len(told)),
        }

    @property
    def actions(self):
        return [action for _, action in self.seen if action]


def without_ids(value):
    if isinstance(value, dict):
        return {name: without_ids(each) for name, each in value.items() if name != "id"}
    return [without_ids(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def server():
    with embedded("embedded://cvat?seed=1x1") as server:
        yield server


@pytest.fixture
def between(server):
    return Between(server.app)


@pytest.fixture
def client(server, between):
    """A client of the module's server, whose one task has no annotations as yet."""
    http = requests.Session()
    http.mount(server.base_url, WSGIAdapter(between))
    http.headers["Authorization"] = f"Bearer {server.create_token(server.users[0][0])}"
    with Client(server.base_url, http=http, retries=2, settle_after=0) as client:
        client.request("DELETE", "/tasks/1/annotations/")
        between.seen.clear()
        yield client
    http.close()


@pytest.fixture
def session(client):
    with Session(client) as session:
        yield session
        session.rollback()


@pytest.fixture
def task(session):
    return Task.objects.get(id=1)


def box(frame=0, **values):
    return Shape(type="rectangle", frame=frame, label="car", points=[1, 2, 3, 4], **values)


def rows(client, kind="shapes"):
    return client.request("GET", "/tasks/1/annotations/").json()[kind]


class TestLostAnswers:
    def test_a_create_that_was_done_is_found_and_not_sent_again(
        self, client, session, task, between
    ):
        made = [
            box(),
            box(frame=1),
            Tag(frame=2, label="tree"),
            Track(label="car", shapes=MOVING, frame=0),
        ]
        task.annotations.add(*made)
        between.lose = {"create": True}
        report = session.commit()
        assert report.created.objects == made
        assert between.actions == ["create"]
        assert [each.id for each in made[:2]] == [row["id"] for row in rows(client)]
        assert made[0]["parked"] == "false"
        assert session.uncertain == []

    def test_a_create_that_was_not_done_is_sent_again(self, client, session, task, between):
        task.annotations.add(box(), Tag(frame=1, label="tree"))
        between.lose = {"create": False}
        report = session.commit()
        assert len(report.created) == 2
        assert between.actions == ["create", "create"]
        assert len(rows(client)) == 1

    def test_what_was_there_before_is_not_taken_for_what_was_made(
        self, client, session, task, between
    ):
        task.annotations.add(box())
        session.commit()
        task.annotations.add(twin := box())
        between.lose = {"create": False}
        session.commit()
        first, second = rows(client)
        assert {twin.id} == {first["id"], second["id"]} - {task.annotations.shapes[0].id}

    def test_what_was_only_listed_before_is_not_taken_for_it_either(
        self, client, session, task, between
    ):
        shape = {"type": "rectangle", "frame": 0, "label_id": 1, "points": [1, 2, 3, 4]}
        client.request("PATCH", "/tasks/1/annotations/?action=create", json={"shapes": [shape]})
        assert len(task.annotations.shapes) == 1
        task.annotations.add(box())
        between.lose = {"create": False}
        session.commit()
        assert len(rows(client)) == 2

    def test_more_that_are_alike_than_were_sent_leave_it_uncertain(
        self, client, session, task, between
    ):
        shape = {"type": "rectangle", "frame": 0, "label_id": 1, "points": [1, 2, 3, 4]}
        client.request("PATCH", "/tasks/1/annotations/?action=create", json={"shapes": [shape]})
        task.annotations.add(made := box())
        between.lose = {"create": True}
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert caught.value.report.uncertain.objects == [made]
        assert "CVAT lets several be so" in str(caught.value)
        session.settle(made, found=max(row["id"] for row in rows(client)))
        assert session.uncertain == []
        assert made.id == max(row["id"] for row in rows(client))

    @pytest.mark.parametrize("done", [True, False])
    def test_a_change_is_compared_with_what_is_there(self, client, session, task, between, done):
        task.annotations.add(box(), box(frame=1))
        session.commit()
        shape = task.annotations.shapes[1]
        shape.points = [5, 6, 7, 8]
        between.lose = {"update": done}
        report = session.commit()
        assert report.updated.objects == [shape]
        assert between.actions == ["create", "update"] + ["update"] * (not done)
        assert rows(client)[1]["points"] == [5.0, 6.0, 7.0, 8.0]

    def test_a_change_of_what_is_gone_is_not_made_anew(self, client, session, task, between):
        task.annotations.add(box())
        session.commit()
        [shape] = task.annotations.shapes
        shape.points = [5, 6, 7, 8]
        client.request("DELETE", "/tasks/1/annotations/")
        between.lose = {"update": False}
        with pytest.raises(CommitError, match="it is gone, or the server has made it anew"):
            session.commit()
        assert session.uncertain == [shape]
        assert rows(client) == []

    @pytest.mark.parametrize("done", [True, False])
    def test_a_deletion_is_sent_again(self, client, session, task, between, done):
        task.annotations.add(box(), box(frame=1))
        session.commit()
        del task.annotations.shapes[0]
        between.lose = {"delete": done}
        assert len(session.commit().deleted) == 1
        assert [row["frame"] for row in rows(client)] == [1]

    def test_where_the_server_can_t_be_asked_it_is_uncertain(self, client, session, task, between):
        task.annotations.add(made := box())
        between.lose = {"create": True}
        between.answers = {"GET": b"<html>"}
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert caught.value.report.uncertain.objects == [made]
        between.answers = {}
        assert session.settle(made)
        assert [row["id"] for row in rows(client)] == [made.id]


class TestOtherIds:
    """Where a change deletes and creates anew, the answer tells of new ids."""

    def test_objects_stay_themselves_under_their_new_ids(self, client, session, task, between):
        between.renumbers = True
        task.annotations.add(box(), box(frame=1), Tag(frame=0, label="tree"))
        session.commit()
        first, second = task.annotations.shapes
        [tag] = task.annotations.tags
        before = first.id, second.id, tag.id
        first.z_order, second.z_order, tag.frame = 1, 2, 5
        report = session.commit()
        assert len(report.updated) == 3
        now = {row["id"]: row["z_order"] for row in rows(client)}
        assert now == {first.id: 1, second.id: 2}
        assert not {first.id, second.id} & set(before[:2])
        assert inspect(first).identity.key == first.id
        assert Shape.objects.get(task=1, id=first.id) is first
        assert list(task.get_annotations().shapes) == [first, second]
        first.z_order = 7
        session.commit()
        assert sorted(row["z_order"] for row in rows(client)) == [2, 7]

    def test_parts_have_their_new_ids_as_well(self, client, session, task, between):
        between.renumbers = True
        task.annotations.add(track := Track(label="car", frame=0, shapes=MOVING))
        session.commit()
        track.shapes[0].points[0] = 3
        session.commit()
        [row] = rows(client, "tracks")
        assert track.id == row["id"]
        assert [each.id for each in track.shapes] == [each["id"] for each in row["shapes"]]
        assert session.dirty == []

    def test_an_undo_finds_what_has_another_id_by_now(self, client, session, task, between):
        between.renumbers = True
        task.annotations.add(box())
        session.commit()
        [shape] = task.annotations.shapes
        shape.points = [9, 9, 10, 10]
        session.undo(session.commit())
        assert [row["points"] for row in rows(client)] == [[1.0, 2.0, 3.0, 4.0]]
        assert shape.points == [9, 9, 10, 10]

    def test_a_journal_knows_them_by_their_new_ids(self, client, between, tmp_path):
        between.renumbers = True
        path = tmp_path / "journal"
        with Session(client, journal=path) as session:
            task = Task.objects.get(id=1)
            task.annotations.add(shape := box())
            session.commit()
            shape.z_order = 1
            session.commit()
            shape.z_order = 2
            session.commit()
        with Session(client, journal=path) as session:
            assert session.recover().requests == 0
        assert [row["z_order"] for row in rows(client)] == [2]


class TestOddAnswers:
    def test_what_the_server_dropped_is_told_and_not_believed(self, client, session, task, between):
        # The task was larger when it was read.
        task._row["size"] = 100
        task.annotations.add(box(), lost := box(frame=99))
        with pytest.raises(
            CommitError, match="1 of 2 annotations that were sent are there"
        ) as caught:
            session.commit()
        assert lost in caught.value.report.uncertain.objects
        assert between.actions == ["create"]

    def test_a_create_of_which_nothing_was_kept_has_failed(self, client, session, task, between):
        task._row["size"] = 100
        task.annotations.add(lost := box(frame=99))
        with pytest.raises(CommitError, match="there is none of 99 here") as caught:
            session.commit()
        assert caught.value.report.failed.objects == [lost]
        assert between.actions == ["create"]

    @pytest.mark.parametrize(
        "body",
        [[], "text", None, {"shapes": 3}, {"shapes": [1]}, {"shapes": [{}]}, b"", b"<html>"],
        ids=str,
    )
    def test_an_answer_that_makes_no_sense_is_an_error_of_ours(
        self, client, session, task, between, body
    ):
        between.answers = {"GET": body}
        with pytest.raises(ContractError):
            task.annotations.refresh()

    @pytest.mark.parametrize(
        "body", [[], {"shapes": []}, {"shapes": [{"id": "x"}]}, b"<html>"], ids=str
    )
    def test_after_a_write_it_leaves_what_is_there_to_be_compared(
        self, client, session, task, between, body
    ):
        task.annotations.add(made := box())
        between.answers = {"PATCH": body}
        with pytest.raises(CommitError):
            session.commit()
        between.answers = {}
        if session.uncertain:
            session.commit()
        assert [row["id"] for row in rows(client)] in ([made.id], [])

    @pytest.mark.parametrize(
        "row",
        [
            {"id": [1]},
            {"id": 5, "attributes": [{}]},
            {"id": 5, "attributes": 7},
            {"id": 5, "points": "x"},
            {"id": 5, "label_id": {}, "frame": []},
            {"id": 5, "elements": [3]},
        ],
        ids=json.dumps,
    )
    def test_rows_that_make_no_sense_tell_nothing_of_what_was_lost(
        self, client, session, task, between, row
    ):
        task.annotations.add(made := box())
        between.lose, between.answers = {"create": True}, {"GET": {"shapes": [row]}}
        between.answers["PATCH"] = {"shapes": [row]}
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert caught.value.report.uncertain.objects == [made]
        between.answers = {}
        assert session.settle(made)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("points", "x"), ("points", [[]]), ("attributes", 7), ("frame", "1"), ("type", {})],
    )
    def test_a_value_that_makes_no_sense_is_an_error_when_it_is_read(
        self, client, session, task, between, name, value
    ):
        row = {"id": 9_000, "type": "rectangle", "frame": 0, "label_id": 1, "points": [1, 2, 3, 4]}
        between.answers = {"GET": {"shapes": [row | {name: value}]}}
        [shape] = task.annotations.shapes
        with pytest.raises(ContractError):
            getattr(shape, name)

    def test_a_refusal_says_what_the_server_said(self, client, session, task):
        client.request("PATCH", "/projects/1", json={"labels": [{"name": "brief"}]})
        brief = task.annotations.labels.named("brief")
        client.request("DELETE", f"/labels/{brief.id}")
        task.annotations.add(Tag(frame=0, label="brief"))
        with pytest.raises(CommitError, match=f"label_id `{brief.id}` is invalid") as caught:
            session.commit()
        assert len(caught.value.report.failed) == 1

    def test_set_annotations_that_fails_changes_nothing_here(self, client, session, task, between):
        task.annotations.add(box())
        session.commit()
        [shape] = task.annotations.shapes
        between.app, app = failing, between.app
        with pytest.raises(ServerError):
            task.set_annotations({})
        between.app = app
        assert list(task.annotations.shapes) == [shape]


class TestJournals:
    def test_a_create_of_unknown_fate_is_settled_by_the_next_run(self, client, between, tmp_path):
        path = tmp_path / "journal"

        def run():
            with Session(client, journal=path) as session:
                task = Task.objects.get(id=1)
                task.annotations.add(box(attributes={"parked": True}), Tag(frame=3, label="tree"))
                try:
                    return session.commit()
                except CommitError as error:
                    session.rollback()
                    return error.report

        between.lose = {"create": True}
        between.answers = {"GET": b"<html>"}
        assert len(run().uncertain) == 2
        between.answers = {}
        report = run()
        assert (len(report.created), len(report.uncertain)) == (2, 0)
        assert between.actions == ["create"]
        assert (len(rows(client)), len(rows(client, "tags"))) == (1, 1)

    def test_what_was_intended_is_finished_whole(self, client, between, tmp_path):
        path = tmp_path / "journal"
        with Session(client, journal=path) as session:
            task = Task.objects.get(id=1)
            task.annotations.add(box(attributes={"parked": True}, z_order=4))
            session.commit()
            [shape] = task.annotations.shapes
            shape.points = [5, 6, 7, 8]
            between.lose, between.answers = {"update": False}, {"GET": b"<html>"}
            with pytest.raises(CommitError):
                session.commit()
            session.rollback()
        between.answers = {}
        with Session(client, journal=path) as session:
            report = session.recover()
        assert len(report.updated) == 1
        [row] = rows(client)
        assert (row["points"], row["z_order"]) == ([5.0, 6.0, 7.0, 8.0], 4)
        assert [each["value"] for each in row["attributes"]] == ["true"]

    def test_two_that_nothing_tells_apart_need_tags(self, client, tmp_path):
        with Session(client, journal=tmp_path / "journal") as session:
            task = Task.objects.get(id=1)
            task.annotations.add(box(), box())
            with pytest.raises(JournalError, match="tag"):
                session.commit()
            session.rollback()

    def test_offline_they_wait_by_name_and_are_sent_by_who_can_ask(self, client, tmp_path):
        path = tmp_path / "offline"
        with Session(client, offline=path) as session:
            task = Task.objects.using(session).reference(1)
            task.annotations.add(box(attributes={"parked": True}), Tag(frame=2, label="tree"))
            with pytest.raises(OfflineError):
                task.annotations.refresh()
            session.commit()
        with Session(client, journal=path) as session:
            assert len(session.recover().created) == 2
        assert [each["value"] for each in rows(client)[0]["attributes"]] == ["true"]

    def test_a_plan_is_read_back(self, client, session, task):
        task.annotations.add(box(), Tag(frame=1, label="tree"))
        data = json.loads(json.dumps(session.plan().to_json()))
        session.rollback()
        session.apply(session.read_plan(data))
        assert (len(rows(client)), len(rows(client, "tags"))) == (1, 1)


def failing(environ, start_response):
    start_response("500 Oops", [("Content-Type", "text/html")])
    return [b"Server Error (500)"]


# -- what a real CVAT 2.15 said -------------------------------------------------------------------

STEPS = [
    pytest.param(told["request"], told["response"], id=f"{name}-{told['n']}")
    for name in ("sdk-tour", "data-annotations-jobs")
    for told in map(json.loads, (RECORDINGS / f"{name}.jsonl").read_text("utf-8").splitlines())
    if "annotations" in told["request"]["path"]
    and "format" not in told["request"]["path"]
    and isinstance((told["response"]["body"] or {}).get("json"), dict)
    and told["response"]["status"] == 200
]


@pytest.fixture
def replay():
    """``replay(answer)`` is a session of a server that answers just so, and what it was asked."""
    opened = []

    def open_(answer, size=5):
        asked = []
        parent = {"id": 31, "size": size, "project_id": None, "name": "t"}
        labels = [{"id": n, "name": str(n), "attributes": [], "type": "any"} for n in (1, 2, 10)]

        def app(environ, start_response):
            path, told = environ["PATH_INFO"], parent
            if path.endswith("/annotations/"):
                length = int(environ.get("CONTENT_LENGTH") or 0)
                body = json.loads(environ["wsgi.input"].read(length)) if length else None
                asked.append((environ["REQUEST_METHOD"], environ["QUERY_STRING"], body))
                told = answer
            elif path.endswith("/labels"):
                told = {"count": 3, "next": None, "results": labels}
            start_response("200 OK", [("Content-Type", "application/vnd.cvat+json")])
            return [json.dumps(told).encode()]

        http = requests.Session()
        http.mount("http://cvat.example", WSGIAdapter(app))
        client = Client("http://cvat.example", http=http, check_server_version=False)
        opened.append((client, http))
        return client.session, asked

    yield open_
    for client, http in opened:
        client.close()
        http.close()


def test_there_are_recorded_steps_of_each_verb():
    verbs = {param.values[0]["method"] for param in STEPS}
    assert verbs == {"GET", "PUT", "PATCH"}


#: Ours leaves out what says nothing, and tells of a shape all that is known when it is changed.
EMPTY = {"attributes": []}


def bare(item):
    return {key: value for key, value in item.items() if EMPTY.get(key) != value}


@pytest.mark.parametrize(("request_", "response"), STEPS)
def test_what_a_real_cvat_told_is_read_as_it_was(replay, request_, response):
    told = response["body"]["json"]
    session, _ = replay(told)
    parent = Task if "/tasks/" in request_["path"] else Job
    view = parent.objects.using(session).reference(31).annotations
    for kind, listed in (("tags", view.tags), ("shapes", view.shapes), ("tracks", view.tracks)):
        assert len(listed) == len(told[kind])
        for obj, row in zip(listed, told[kind], strict=True):
            said = {"label_id" if k == "label" else k: v for k, v in obj.to_dict().items()}
            assert said.items() >= row.items()
            assert obj.extra == {}


@pytest.mark.parametrize(
    ("request_", "response"), [param for param in STEPS if param.values[0]["method"] != "GET"]
)
def test_ours_asks_for_each_recorded_write_as_the_sdk_did(replay, request_, response):
    """The same verb, action and items; PUT names all kinds, also those that have no items."""
    told, sent = response["body"]["json"], request_["body"]["json"]
    session, asked = replay(told, size=100)
    parent = Task if "/tasks/" in request_["path"] else Job
    obj = parent.objects.using(session).reference(31)
    query = request_["path"].partition("?")[2]
    action = query.partition("=")[2]
    refused = None
    if request_["method"] == "PUT":
        obj.set_annotations(sent)
    else:
        try:
            obj.update_annotations(sent, action=action)
        except CommitError as error:  # a frame that the task does not have was dropped
            refused = error
    if not any(told[kind] for kind in ("tags", "shapes", "tracks")):
        assert "nothing was created" in str(refused)
    else:
        assert refused is None
    [(verb, params, body)] = [each for each in asked if each[0] != "GET"]
    assert (verb, params) == (request_["method"], query)
    for kind in ("tags", "shapes", "tracks"):
        assert [bare(item) for item in body.get(kind, [])] == [
            bare(item) for item in sent.get(kind, [])
        ]
