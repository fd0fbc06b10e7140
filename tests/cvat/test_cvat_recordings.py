"""What a real CVAT 2.15 answered, sent again over HTTP, loads through the binding without loss."""

import json
import logging
import re
from pathlib import Path

import pytest
import requests

from objmapper import BadRequest, Forbidden, NotAuthenticated, NotFound, ServerError, inspect
from objmapper.cvat import Client, models
from objmapper.exceptions import MethodNotAllowed, StatusError, TooManyRequests
from objmapper.fields import ForeignKey, HasMany
from objmapper.server import WSGIAdapter
from objmapper.server.contract import contract
from objmapper.state import changed_keys, same

RECORDINGS = Path(__file__).parents[1] / "recordings" / "cvat-2.15"
ORIGIN = "http://cvat.example:8080"
# Annotations have no lists of their own: test_cvat_annotation_answers.py reads those recorded.
MODELS = {n: models.registry[n] for n in models.registry if not n.startswith("annotations/")}
# Answers on covered paths that have no rows, and one of a request that described a path.
ROWLESS = {"/api/server/about", "/api/server/share", "/api/auth/login", "/api/auth/logout"}
DATA = re.compile(r"/api/(jobs|tasks)/\d+/(annotations|data|preview|status)(/.*)?")
DESCRIBED = {"data-annotations-jobs-102"}
ERRORS = {
    400: BadRequest,
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    406: StatusError,
    429: TooManyRequests,
    500: ServerError,
    503: ServerError,
}


class Exchange:
    """One recorded request with its answer."""

    def __init__(self, file, line):
        told = json.loads(line)
        self.id = f"{file}-{told['n']}"
        self.method, self.path = told["request"]["method"], told["request"]["path"]
        answer = told["response"]
        self.status, self.headers, self._body = answer["status"], answer["headers"], answer["body"]

    @property
    def json(self):
        return (self._body or {}).get("json")

    @property
    def content(self):
        body = self._body or {}
        return (
            json.dumps(body["json"]).encode() if "json" in body else body.get("text", "").encode()
        )

    def __repr__(self):
        return self.id


EXCHANGES = [
    Exchange(path.stem, line)
    for path in sorted(RECORDINGS.glob("*.jsonl"))
    for line in path.read_text("utf-8").splitlines()
]


def key_of(kind):
    """The name of the key in the rows of a kind."""
    return MODELS[kind].__mapper__.pk.key


def pages_and_rows():
    """Yield ``(kind, exchange, rows)`` of every good answer that has rows of a model."""
    for exchange in EXCHANGES:
        found = re.fullmatch(r"/api/(\w+)(?:/\w+)?", exchange.path.partition("?")[0])
        body = exchange.json
        if not found or found[1] not in MODELS or exchange.status >= 300:
            continue
        if isinstance(body, dict) and "results" in body:
            yield found[1], exchange, body["results"]
        elif isinstance(body, dict) and key_of(found[1]) in body:
            yield found[1], exchange, [body]


ANSWERS = list(pages_and_rows())
PAGES = [answer for answer in ANSWERS if "results" in answer[1].json]
ROWS = [
    pytest.param(kind, row, id=f"{exchange}-{kind}-{row[key_of(kind)]}")
    for kind, exchange, rows in ANSWERS
    for row in rows
]
REFUSALS = [exchange for exchange in EXCHANGES if exchange.status >= 400]
each_row = pytest.mark.parametrize(("kind", "row"), ROWS)
each_refusal = pytest.mark.parametrize("exchange", REFUSALS, ids=str)


@pytest.fixture
def replay():
    """``replay({path: Exchange or row})`` gives a client of a server that answers just so."""
    opened = []

    def open_(answers):
        def answer(environ, start_response):
            found = answers.get(environ["PATH_INFO"])
            if callable(found):
                found = found(environ)
            if isinstance(found, Exchange):
                status, headers, content = found.status, dict(found.headers), found.content
            else:
                status, headers = 404 if found is None else 200, {}
                content = json.dumps({"detail": "Not found."} if found is None else found).encode()
            headers.setdefault("content-type", "application/vnd.cvat+json")
            start_response(f"{status} told", list(headers.items()))
            return [content]

        session = requests.Session()
        session.mount(ORIGIN, WSGIAdapter(answer))
        client = Client(ORIGIN, http=session, retries=0, check_server_version=False)
        opened.append((client, session))
        return client

    yield open_
    for client, session in opened:
        client.close()
        session.close()


def loaded(replay, kind, row):
    key = row[key_of(kind)]
    client = replay({f"/api/{kind}/{key}": row})
    return MODELS[kind].objects.using(client.session).get(pk=key)


def test_there_are_rows_of_every_kind_and_every_shape_of_refusal():
    # Nobody asked for a guide, and CVAT 2.15 has no background requests that are asked for by name.
    assert {kind for kind, _, rows in ANSWERS if rows} == set(MODELS) - {"guides", "requests"}
    assert len(ROWS) > 200
    assert {exchange.status for exchange in REFUSALS} == set(ERRORS)


def test_every_good_answer_on_a_covered_path_is_of_rows_or_named():
    of_rows = {exchange.id for _, exchange, _ in ANSWERS}
    for exchange in EXCHANGES:
        path = exchange.path.partition("?")[0]
        covered = contract("cvat", "2.15").template(path)
        if covered and exchange.status < 300 and exchange.content:
            assert (exchange.id in of_rows) != (
                path in ROWLESS or bool(DATA.fullmatch(path)) or exchange.id in DESCRIBED
            ), path


def missing(obj, row, where=""):
    """Yield where an object does not say what its row says, nested rows and all."""
    told, names = obj.to_dict() | obj.extra, {}
    for field in type(obj).__mapper__.by_key.values():
        names[field.key] = field
    for key, came in row.items():
        field = names.get(key)
        said = told.get(key if field is None else field.name, "nothing")
        if isinstance(field, ForeignKey) and isinstance(came, dict):
            target = getattr(obj, field.name)
            yield from missing(target, came, f"{where}/{key}")
            came = came[type(target).__mapper__.pk.key]
        if not same(said, came):
            yield f"{where}/{key}: {said!r} instead of {came!r}"


@each_row
def test_an_object_says_all_that_its_row_says(replay, kind, row):
    assert list(missing(loaded(replay, kind, row), row)) == []


@each_row
def test_every_key_of_a_row_is_a_field_or_extra(replay, kind, row):
    obj = loaded(replay, kind, row)
    declared = {field.key for field in MODELS[kind].__mapper__.by_key.values()}
    assert obj.extra == {key: value for key, value in row.items() if key not in declared}
    assert inspect(obj).loaded_fields == {
        field.name for field in MODELS[kind].__mapper__.by_key.values() if field.key in row
    }


@each_row
def test_every_field_of_a_row_can_be_read_and_reading_changes_nothing(replay, kind, row):
    obj = loaded(replay, kind, row)
    for name, field in MODELS[kind].__mapper__.fields.items():
        value = getattr(obj, name)
        if row.get(field.key) is not None and not isinstance(field, HasMany):
            assert value is not None
    assert obj.changes == {}
    assert changed_keys(obj) == []


@each_row
def test_a_value_that_was_read_goes_out_as_it_came(replay, kind, row):
    obj = loaded(replay, kind, row)
    for field in MODELS[kind].__mapper__.by_key.values():
        if field.key not in row or field.read_only:
            continue
        value = getattr(obj, field.name)
        sent, came = field.dump(value), row[field.key]
        if isinstance(came, dict) and field.write_key != field.key:
            came = came["id"]  # read as an object, written as its key
        elif isinstance(came, dict) and isinstance(field, ForeignKey):
            came = came["id"]  # the same, under one name
        elif isinstance(came, dict):
            came = {key: item for key, item in came.items() if key != "id"}
        assert same(sent, came), field.name


@each_row
def test_moments_are_aware_and_the_same_when_written(replay, kind, row):
    obj = loaded(replay, kind, row)
    for name, field in MODELS[kind].__mapper__.fields.items():
        if type(field).__name__ == "DateTime" and row.get(field.key):
            value = getattr(obj, name)
            assert value.tzinfo is not None
            assert field.to_python(field.dump(value)) == value


@pytest.mark.parametrize(
    ("kind", "exchange", "rows"), [pytest.param(*page, id=str(page[1])) for page in PAGES]
)
def test_a_page_loads_as_the_rows_it_has(replay, kind, exchange, rows):
    def answer(environ):
        # Pages that were not recorded are past the end.
        return exchange if "page=1" in environ["QUERY_STRING"].split("&") else None

    client = replay({f"/api/{kind}": answer})
    objects = list(MODELS[kind].objects.using(client.session))
    assert [getattr(obj, key_of(kind)) for obj in objects] == list(
        dict.fromkeys(row[key_of(kind)] for row in rows)
    )
    assert MODELS[kind].objects.using(client.session).count() == exchange.json["count"]
    for obj, row in zip(objects, rows, strict=True):
        assert obj.to_dict().keys() <= MODELS[kind].__mapper__.fields.keys()
        assert obj._row.keys() == row.keys()


def told_by(body):
    """Every text in a JSON body of an error."""
    if isinstance(body, dict):
        return [text for item in body.values() for text in told_by(item)]
    if isinstance(body, list):
        return [text for item in body for text in told_by(item)]
    return [body]


@each_refusal
def test_a_refusal_becomes_the_error_of_its_status_with_all_that_it_says(replay, exchange):
    path, _, query = exchange.path.partition("?")
    client = replay({path: exchange})
    with pytest.raises(ERRORS[exchange.status]) as caught:
        client.request(exchange.method, path.removeprefix("/api") + (f"?{query}" if query else ""))
    error = caught.value
    assert error.status == exchange.status
    assert error.method == exchange.method
    if exchange.json is None:
        assert error.messages == [re.search(r"<title>(.*)</title>", exchange.content.decode())[1]]
        assert error.errors == {}
        return
    assert error.body == exchange.json
    assert set(error.messages) == set(told_by(exchange.json))
    for message in error.messages:
        assert " ".join(message.split())[:100] in str(error)


@each_refusal
def test_a_refusal_names_the_fields_that_it_is_about(replay, exchange):
    client = replay({exchange.path.partition("?")[0]: exchange})
    with pytest.raises(StatusError) as caught:
        client.request(exchange.method, exchange.path.partition("?")[0].removeprefix("/api"))
    body = exchange.json
    fields = (
        body if isinstance(body, dict) and not {"detail", "non_field_errors"} & set(body) else {}
    )
    assert {name.partition(".")[0] for name in caught.value.errors} == set(fields)
    for name, messages in fields.items():
        if all(isinstance(message, str) for message in messages):
            assert caught.value.errors[name] == messages


def test_a_throttled_answer_tells_when_to_come_back(replay):
    exchange = next(each for each in REFUSALS if each.status == 429)
    with pytest.raises(TooManyRequests) as caught:
        replay({"/api/server/about": exchange}).get_server_version()
    assert caught.value.retry_after == int(exchange.headers["retry-after"])


@pytest.mark.parametrize(
    "exchange", [e for e in EXCHANGES if e.path == "/api/server/about" and e.status == 200], ids=str
)
def test_the_recorded_version_is_one_that_the_binding_was_written_for(replay, exchange, caplog):
    client = replay({"/api/server/about": exchange})
    with caplog.at_level(logging.WARNING):
        client.check_server_version(fail_if_unsupported=True)
    assert client.get_server_version() == exchange.json["version"]
    assert caplog.records == []


def test_the_recorded_logins_log_in(replay):
    logins = [e for e in EXCHANGES if e.path == "/api/auth/login"]
    assert {exchange.status for exchange in logins} == {200, 400}
    for exchange in logins:
        client = replay({"/api/auth/login": exchange})
        if exchange.status == 200:
            client.login(("admin", "secret"))
            assert client.has_credentials()
            continue
        with pytest.raises(BadRequest, match="Unable to log in with provided credentials"):
            client.login(("admin", "wrong"))
        assert not client.has_credentials()
