"""Intervals: what CVAT 2.80 annotates in sound, as objects; their wire form is that of cvat-sdk 2.80.0.

The embedded server has no sound, so a small service here keeps them as CVAT keeps annotations: what is
changed is deleted and made anew.
"""

import json
from urllib.parse import parse_qs

import pytest
import requests

from objmapper import CommitError, Session, ValidationError
from objmapper.cvat import Client, Interval, Task, models
from objmapper.server import WSGIAdapter

SPEAKER = {
    "id": 7, "name": "speaker", "type": "interval", "task_id": 1, "color": "#010203",
    "attributes": [{"id": 70, "name": "who", "mutable": False, "input_type": "select",
                    "default_value": "ann", "values": ["ann", "bob"]}],
}  # fmt: skip
CAR = {"id": 8, "name": "car", "type": "rectangle", "task_id": 1, "attributes": []}
TASK = {"id": 1, "name": "talk", "size": 100, "project_id": None, "media_type": "audio"}


class Sound:
    """A CVAT with one task of sound."""

    def __init__(self, version="2.80.0"):
        self.version, self.rows, self.made, self.sent = version, [], 0, []

    def __call__(self, environ, start_response):
        verb, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = json.loads(environ["wsgi.input"].read(length)) if length else None
        action = parse_qs(environ["QUERY_STRING"]).get("action", [""])[0]
        if verb != "GET":
            self.sent.append((verb, action, body))
        told = self.answer(verb, path, action, body)
        status = "204 No Content" if told is None else "200 OK"
        start_response(status, [("Content-Type", "application/vnd.cvat+json")])
        return [] if told is None else [json.dumps(told).encode()]

    def answer(self, verb, path, action, body):
        if path == "/api/server/about":
            return {"version": self.version}
        if path == "/api/labels":
            return {"count": 2, "next": None, "previous": None, "results": [SPEAKER, CAR]}
        if path in ("/api/tasks/1", "/api/labels/7"):
            return TASK if path.startswith("/api/tasks") else SPEAKER
        assert path == "/api/tasks/1/annotations/", path
        return self.annotations(verb, action, body or {})

    def annotations(self, verb, action, body):
        given = body.get("intervals", [])
        gone = {each.get("id") for each in given}
        if verb in ("PUT", "DELETE"):
            self.rows.clear()
        elif action in ("update", "delete"):
            self.rows = [row for row in self.rows if row["id"] not in gone]
        if verb == "DELETE":
            return None
        if verb == "GET":
            ann = [{"spec_id": 70, "value": "ann"}]  # who reads is told what was never said, too
            return self.all_of(
                [row | {"attributes": row["attributes"] or ann} for row in self.rows]
            )
        if action != "delete":
            given = [self.keep(each) for each in given]
        return self.all_of(given)

    def keep(self, item):
        self.made += 1
        defaults = {"group": 0, "source": "manual", "score": 1.0, "attributes": []}
        self.rows.append({**defaults, **item, "id": self.made})
        return self.rows[-1]

    def all_of(self, rows):
        return {"version": 0, "tags": [], "shapes": [], "tracks": [], "intervals": rows}


@pytest.fixture
def open_sound():
    opened = []

    def open_(version="2.80.0"):
        sound, http = Sound(version), requests.Session()
        http.mount("http://cvat.example", WSGIAdapter(sound))
        opened.append((Client("http://cvat.example", http=http, settle_after=0), http))
        return sound, opened[-1][0]

    yield open_
    for client, http in opened:
        client.close()
        http.close()


@pytest.fixture
def sound_and_task(open_sound):
    sound, client = open_sound()
    with Session(client) as session:
        yield sound, Task.objects.get(id=1)
        session.rollback()


@pytest.fixture
def sound(sound_and_task):
    return sound_and_task[0]


@pytest.fixture
def task(sound_and_task):
    return sound_and_task[1]


def commit(task):
    from objmapper import inspect

    return inspect(task).session.commit()


def test_they_are_made_changed_and_deleted_as_shapes_are(sound, task):
    first = Interval(label="speaker", start=0, stop=10, attributes={"who": "bob"})
    second = Interval(label="speaker", start=20)
    task.annotations.add(first, second)
    assert commit(task).requests == 1
    assert sound.sent.pop() == (
        "PATCH",
        "create",
        {
            "intervals": [
                {
                    "label_id": 7, "start": 0, "stop": 10,
                    "attributes": [{"spec_id": 70, "value": "bob"}],
                },
                {"label_id": 7, "start": 20, "stop": None},
            ]
        },
    )  # fmt: skip
    assert [each.id for each in task.annotations.intervals] == [1, 2]
    assert (first["who"], second["who"]) == ("bob", "ann")

    first.stop, first["who"] = 12, "ann"
    commit(task)
    verb, action, body = sound.sent.pop()
    assert (verb, action, [each["stop"] for each in body["intervals"]]) == ("PATCH", "update", [12])
    assert first.id == 3  # CVAT makes anew what it changes

    task.annotations.intervals.remove(second)
    commit(task)
    assert [row["id"] for row in sound.rows] == [3]
    assert list(task.annotations.intervals) == [first]


def test_they_are_read_with_all_others(sound, task):
    sound.keep({"label_id": 7, "start": 3, "stop": None, "score": 0.5})
    [found] = task.get_annotations().intervals
    assert isinstance(found, Interval)
    assert (found.start, found.stop, found.score, found.label.name) == (3, None, 0.5, "speaker")
    assert list(task.annotations) == [found]
    assert [each.frame for each in task.annotations] == [3]
    assert "frame" not in found.to_dict()
    [told] = task.annotations.to_dict()["intervals"]
    assert (told["label_id"], told["start"], told["stop"]) == (7, 3, None)
    assert Interval.objects.get(task=1, id=found.id) is found


def test_the_verbs_of_the_sdk_take_them(sound, task):
    request = models.LabeledIntervalRequest(label_id=7, start=1, stop=2)
    task.set_annotations(models.LabeledDataRequest(intervals=[request]))
    assert [(row["start"], row["stop"]) for row in sound.rows] == [(1, 2)]
    task.update_annotations(
        {"intervals": [{"label_id": 7, "start": 5, "stop": 6}]}, action="create"
    )
    task.update_annotations({"intervals": [{"id": 1, "label_id": 7, "start": 1, "stop": 9}]})
    assert sorted((row["start"], row["stop"]) for row in sound.rows) == [(1, 9), (5, 6)]
    task.remove_annotations(intervals=[2])
    assert [(row["start"], row["stop"]) for row in sound.rows] == [(1, 9)]
    task.remove_annotations([3])
    assert sound.rows == []


def test_what_can_not_be_is_told_before_anything_is_sent(sound, task):
    task.annotations.add(
        Interval(label="speaker", start=100),
        Interval(label="speaker", start=5, stop=4),
        Interval(label="speaker", start=5, stop=101),
        Interval(label="car", start=5),
        Interval(label="speaker", start=5, attributes={"who": "eve"}),
    )
    with pytest.raises(ValidationError) as told:
        commit(task)
    for said in (
        "no frame 100: they are 0 to 99",
        "It ends at 4, before it begins at 5",
        "It ends at 101; what there is ends at 100",
        "'car' is for rectangle, not for interval",
        "'who' is one of 'ann', 'bob', not 'eve'",
    ):
        assert said in str(told.value)
    assert sound.sent == []
    task.annotations.intervals.clear()


def test_it_may_end_where_the_sound_does(sound, task):
    task.annotations.add(Interval(label="speaker", start=99, stop=100))
    commit(task)
    assert [(row["start"], row["stop"]) for row in sound.rows] == [(99, 100)]


def test_2_15_has_none_and_that_is_said(open_sound):
    sound, client = open_sound("2.15.0")
    with Session(client) as session:
        task = Task.objects.get(id=1)
        task.annotations.add(Interval(label="speaker", start=1))
        with pytest.raises(ValidationError, match=r"no intervals: they are newer than 2\.15"):
            session.commit()
        task.annotations.intervals.clear()
        task.set_annotations({"tags": []})
        assert "intervals" not in sound.sent[0][2]


def test_an_answer_that_makes_no_sense_leaves_it_uncertain(sound, task):
    keep = sound.keep
    sound.keep = lambda item: keep({**item, "start": "now"})
    task.annotations.add(Interval(label="speaker", start=1, stop=2))
    with pytest.raises(CommitError) as caught:
        commit(task)
    assert len(caught.value.report.uncertain) == 1
