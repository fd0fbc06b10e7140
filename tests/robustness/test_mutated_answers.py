"""Whatever becomes of a real CVAT's answer on its way, nothing but an error of ours comes of it.

Of the mutations of recorded answers 5,000 are tried each time. ``OBJMAPPER_MUTATIONS=100000`` tries
as many as it says, one after the other in one thread: 100,000 are tried once in the CI.
"""

import copy
import io
import json
import os

import pytest
import requests
from everything import attempt
from mutations import EXCHANGES, ORIGIN, REGISTRY, Mutator

from objmapper import ObjMapperError, Session, inspect
from objmapper.cvat import Client, Label
from objmapper.fields import Enum

MUTATIONS = int(os.environ.get("OBJMAPPER_MUTATIONS", "5000"))
#: Every so many is also counted, iterated, changed, committed.
THOROUGH = 20
LOTS = 10
#: What is not in an answer at all.
ABSENT = object()
REFUSALS = [
    (path, status, headers, json.dumps(body))
    for path, status, headers, body in EXCHANGES
    if status >= 400
]


class Told(requests.adapters.BaseAdapter):
    """Answers everything with what it was told last."""

    status, headers, content = 200, {}, b""

    def send(self, request, **kwargs):
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = self.status, request.url, request
        answer.headers["Content-Type"] = "application/vnd.cvat+json"
        answer.headers.update(self.headers)
        answer.raw = io.BytesIO(self.content)
        return answer

    def close(self):
        pass


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def client(told):
    with requests.Session() as http:
        http.mount(ORIGIN, told)
        with Client(ORIGIN, http=http, retries=0, check_server_version=False) as client:
            yield client


@pytest.fixture(autouse=True)
def unknown_values_are_forgotten():
    """Enums warn once of each unknown value: these here must not use up the warnings of others."""
    fields = [f for name in REGISTRY for f in REGISTRY[name].__mapper__.by_key.values()]
    warned = {field: set(field.warned) for field in fields if isinstance(field, Enum)}
    yield
    for field, before in warned.items():
        field.warned.intersection_update(before)


def use(obj):
    """Read all of an object, as users do."""
    mapper = type(obj).__mapper__
    for name in mapper.fields:
        if name not in mapper.has_many:
            value = attempt(getattr, obj, name)
            assert value is None or isinstance(repr(value), str)
    assert obj.changes == {}
    attempt(obj.to_dict)
    assert isinstance(repr(obj), str)
    assert isinstance(obj.extra, dict)


def change(obj, session):
    """Do what else users do with an object; what is answered to that is as mutated."""
    mapper, seen = type(obj).__mapper__, inspect(obj)
    attempt(lambda: (seen.identity, seen.changes, seen.loaded_fields, seen.theirs))
    attempt(copy.copy, obj)
    for name in mapper.has_many:
        attempt(list, getattr(obj, name))
    for name, value in (("name", "new"), ("first_name", "new"), ("state", "completed")):
        if name in mapper.fields:
            attempt(setattr, obj, name, value)
    attempt(obj.validate)
    attempt(obj.commit)
    attempt(session.plan)
    attempt(obj.refresh)
    attempt(session.rollback)
    attempt(lambda: obj.changes)


def ask(model, session):
    """Ask in every other way; all is answered by the same."""
    objects = model.objects
    attempt(objects.count)
    attempt(objects.first)
    attempt(objects.in_bulk, [1, 2])
    attempt(lambda: list(objects.iterator(prefetch_pages=2)))
    attempt(objects.values)
    attempt(objects.create, name="new")
    session.rollback()


def in_lots(function):
    """Divide the mutations, so that each test ends in time and several processes may share them."""
    return pytest.mark.parametrize("lot", range(LOTS))(function)


@in_lots
def test_a_mutated_page_or_detail_is_read_or_refused(told, client, lot):
    numbers, read = range(lot, MUTATIONS, LOTS), 0
    for number in numbers:
        model, key, told.content = Mutator(number).rows()
        try:
            with Session(client) as session:
                if key is None:
                    found = attempt(list, model.objects.order_by())
                else:
                    found = attempt(session.get, model, key)
                found = [] if isinstance(found, ObjMapperError) else found
                found = found if isinstance(found, list) else [found]
                read += bool(found)
                for obj in found:
                    use(obj)
                if number % (THOROUGH * LOTS) < LOTS:
                    for obj in found:
                        change(obj, session)
                    ask(model, session)
        except Exception as error:
            pytest.fail(f"mutation {number} of {model}: {error!r} by {told.content[:2000]!r}")
    assert len(numbers) / 4 < read < len(numbers)


@pytest.mark.parametrize("name", [["a"], {"a": 1}, 7, None, ABSENT])
def test_a_label_whose_name_is_no_text_is_renamed_or_refused(told, client, name):
    row = {"id": 10, "task_id": 31, "color": "#ffffff", "attributes": [], "sublabels": []}
    told.content = json.dumps(row if name is ABSENT else {**row, "name": name}).encode()
    with Session(client) as session:
        label = session.get(Label, 10)
        label.name = "new"
        (operation,) = session.plan()
        sent = operation.request.body.value
        assert [each["name"] for each in sent["labels"]] == ["new"]
        attempt(label.commit)


def test_a_mutated_refusal_is_an_error_of_ours(told, client):
    for number in range(MUTATIONS // 10):
        mutator = Mutator(number)
        path, told.status, headers, text = mutator.random.choice(REFUSALS)
        told.content = mutator.body(text)
        junk = str(mutator.value()).encode("latin-1", "replace").decode("latin-1")
        name = mutator.random.choice(["Retry-After", "Content-Type", "Allow"])
        told.headers = headers | {name: " ".join(junk[:99].split())}
        try:
            error = attempt(client.request, "GET", path.removeprefix("/api"))
        except Exception as other:
            error = other
        assert isinstance(error, ObjMapperError), f"mutation {number} of {path}: {error!r}"


def test_a_mutated_answer_to_a_login_or_of_about_is_taken_or_refused(told, client):
    answers = [
        (path, json.dumps(body))
        for path, status, _, body in EXCHANGES
        if status < 300 and path in ("/api/auth/login", "/api/server/about")
    ]
    for number in range(MUTATIONS // 20):
        mutator = Mutator(number)
        path, text = mutator.random.choice(answers)
        told.content = mutator.body(text)
        try:
            if path.endswith("about"):
                attempt(client.get_server_version)
                attempt(client.check_server_version)
            else:
                attempt(client.login, ("admin", "secret"))
                attempt(client.logout)
        except Exception as error:
            pytest.fail(f"mutation {number} of {path}: {error!r} by {told.content[:2000]!r}")
