"""Error answers: each status is one class, each shape of body is read, each message helps."""

import copy
import json
import pickle

import faulty
import pytest

from objmapper import exceptions
from objmapper.exceptions import StatusError
from objmapper.operation import Json, Request, Response, Secret
from objmapper.transport import read_error

CLASSES = {
    400: (exceptions.BadRequest, OSError),
    401: (exceptions.NotAuthenticated, PermissionError),
    403: (exceptions.Forbidden, PermissionError),
    404: (exceptions.NotFound, LookupError),
    405: (exceptions.MethodNotAllowed, OSError),
    406: (exceptions.StatusError, OSError),
    409: (exceptions.Conflict, OSError),
    410: (exceptions.NotFound, LookupError),
    412: (exceptions.Conflict, OSError),
    418: (exceptions.StatusError, OSError),
    422: (exceptions.BadRequest, OSError),
    428: (exceptions.Conflict, OSError),
    429: (exceptions.TooManyRequests, OSError),
    499: (exceptions.StatusError, OSError),
    500: (exceptions.ServerError, OSError),
    503: (exceptions.ServerError, OSError),
    599: (exceptions.ServerError, OSError),
    999: (exceptions.ServerError, OSError),
}


@pytest.mark.parametrize("status", CLASSES)
def test_each_status_is_one_class_and_a_builtin(status, server, connect):
    kind, builtin = CLASSES[status]
    server.then(faulty.say({"detail": "Because."}, status))
    request = Request("PATCH", "/tasks/1", body=Json({}))
    with pytest.raises(StatusError) as raised:
        connect(retries=0).send(request)
    error = raised.value
    assert type(error) is kind
    assert isinstance(error, builtin)
    assert (error.status, error.method, error.url) == (status, "PATCH", f"{server.url}/api/tasks/1")
    assert error.body == {"detail": "Because."}
    assert error.messages == ["Because."]
    assert error.errors == {}
    assert error.request is request
    assert error.response.status == status
    assert str(error).startswith(f"PATCH {server.url}/api/tasks/1 answered {status}")
    assert "Because." in str(error)


def test_a_pickled_error_has_its_words_and_nothing_that_was_sent_or_answered(server, connect):
    said = {"detail": "Because.", "key": "a-session-key"}
    server.then(faulty.say(said, 409, Set_Cookie="sessionid=a-cookie"))
    body = Json({"name": "a-name", "password": Secret("a-password")})
    request = Request("POST", "/tasks", (("page", "a-page"),), {"X-Plain": "a-header"}, body)
    with pytest.raises(exceptions.Conflict) as raised:
        connect(retries=0).send(request)
    pickled = pickle.dumps(raised.value)
    for word in ("key", "cookie", "password", "name", "header"):
        assert f"a-{word}".encode() not in pickled
    error = pickle.loads(pickled)
    assert type(error) is exceptions.Conflict
    assert str(error) == str(raised.value)
    assert (error.status, error.method, error.url) == (409, "POST", raised.value.url)
    assert error.messages == raised.value.messages
    assert (error.body, error.sent, error.retries, error.doubtful) == (None, True, 0, False)
    assert (error.response.status, error.response.content) == (409, b"")
    assert error.request == Request("POST", "/tasks")


def test_every_error_that_has_no_more_than_words_is_pickled():
    for kind in vars(exceptions).values():
        if isinstance(kind, type) and issubclass(kind, exceptions.ObjMapperError):
            if issubclass(kind, exceptions.StatusError | exceptions.CommitError):
                continue  # they are about an answer, or a report
            error = pickle.loads(pickle.dumps(kind("it is so")))
            assert (type(error), str(error)) == (kind, "it is so")


def test_a_secret_is_pickled_as_its_mask():
    secret = Secret("hunter2")
    assert str(pickle.loads(pickle.dumps(secret)).value) == "***"
    assert copy.deepcopy([secret, copy.copy(secret)]) == [secret, secret]


SHAPES = {
    # CVAT's four shapes of a 400, and DRF's own
    "dict of lists": (
        {"name": ["This field is required."], "n": ["Too low.", "Odd."]},
        ["This field is required.", "Too low.", "Odd."],
        {"name": ["This field is required."], "n": ["Too low.", "Odd."]},
    ),
    "list of texts": (
        ["Label set or project_id must be present"],
        ["Label set or project_id must be present"],
        {},
    ),
    "bare text": ("Adding more data is not supported", ["Adding more data is not supported"], {}),
    "detail": ({"detail": "JSON parse error"}, ["JSON parse error"], {}),
    "non_field_errors": (
        {"non_field_errors": ["Unable to log in."], "name": ["Bad."]},
        ["Unable to log in.", "Bad."],
        {"name": ["Bad."]},
    ),
    "nested": (
        {"owner": {"address": {"city": ["Unknown."]}, "non_field_errors": ["No."]}},
        ["Unknown.", "No."],
        {"owner.address.city": ["Unknown."], "owner": ["No."]},
    ),
    "list in a field": (
        {"labels": [{}, {"name": ["Twice."]}, {"color": ["No colour."]}]},
        ["Twice.", "No colour."],
        {"labels.1.name": ["Twice."], "labels.2.color": ["No colour."]},
    ),
    "list of rows": (
        [{}, {"name": ["Required."]}],
        ["Required."],
        {"1.name": ["Required."]},
    ),
    "fields named as envelopes": (
        {
            "title": ["Required."],
            "message": ["Too long."],
            "status": ["No choice."],
            "detail": ["Odd."],
        },
        ["Required.", "Too long.", "No choice.", "Odd."],
        {"title": ["Required."], "message": ["Too long."], "status": ["No choice."]},
    ),
    "text by field": ({"name": "is taken"}, ["is taken"], {"name": ["is taken"]}),
    # envelopes
    "message": ({"message": "Not found", "status": 404, "code": "no_such"}, ["Not found"], {}),
    "error as text": (
        {"error": "invalid_grant", "error_description": "Expired."},
        ["Expired.", "invalid_grant"],
        {},
    ),
    "problem+json": (
        {
            "type": "about:blank",
            "title": "Invalid",
            "detail": "Two fields.",
            "status": 400,
            "errors": {"name": ["Bad."]},
        },
        ["Two fields.", "Invalid", "Bad."],
        {"name": ["Bad."]},
    ),
    "JSON:API": (
        {
            "errors": [
                {
                    "status": "422",
                    "title": "Invalid",
                    "detail": "is too short",
                    "source": {"pointer": "/data/attributes/name"},
                },
                {"detail": "must exist", "source": {"pointer": "/data/relationships/project"}},
                {"detail": "no such sort", "source": {"parameter": "sort"}},
                {"title": "Gone wrong", "source": {"parameter": 7}},
            ]
        },
        ["is too short", "must exist", "no such sort", "Gone wrong"],
        {"name": ["is too short"], "project": ["must exist"], "sort": ["no such sort"]},
    ),
    "OData": (
        {
            "error": {
                "code": "400",
                "message": "Multiple errors",
                "details": [{"code": "x", "message": "Value is required", "target": "name"}],
            }
        },
        ["Multiple errors", "Value is required"],
        {"name": ["Value is required"]},
    ),
    "PocketBase": (
        {
            "status": 400,
            "message": "Failed to create record.",
            "data": {"name": {"code": "validation_required", "message": "Missing required value."}},
        },
        ["Failed to create record.", "Missing required value."],
        {"name": ["Missing required value."]},
    ),
    "Kinto": (
        {
            "code": 400,
            "errno": 107,
            "error": "Invalid parameters",
            "message": "n in body: Required",
            "details": [{"location": "body", "name": "n", "description": "Required"}],
        },
        ["n in body: Required", "Invalid parameters", "Required"],
        {"n": ["Required"]},
    ),
    "FastAPI": (
        {
            "detail": [
                {
                    "type": "missing",
                    "loc": ["body", "tags", 0],
                    "msg": "Field required",
                    "input": {},
                }
            ]
        },
        ["Field required"],
        {"tags.0": ["Field required"]},
    ),
    "null": (None, [], {}),
    "number": (7, ["7"], {}),
    "empty dict": ({}, [], {}),
    "empty list": ([], [], {}),
    "list of lists": ([["a"], ["b", None]], ["a", "b"], {}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_of_a_body_is_read(name):
    body, messages, errors = SHAPES[name]
    response = Response(400, {"content-type": "application/json"}, json.dumps(body).encode())
    found = read_error(response)
    assert found == (body, messages, errors)


TEXTS = {
    "empty": (b"", "text/plain", []),
    "blank": (b" \n", "application/json", []),
    "text": (b"No room left.\n", "text/plain", ["No room left."]),
    "text said to be JSON": (b"No room left.", "application/json", ["No room left."]),
    "HTML with a title": (
        b"<!doctype html><html><head><title>\nServer  Error (500) &amp; more</title></head><body>x"
        * 9,
        "text/html; charset=utf-8",
        ["Server Error (500) & more"],
    ),
    "HTML with a headline": (
        b"<html><title> </title><h1 class=x>Bad <b>Gateway</b></h1>",
        "text/html",
        ["Bad Gateway"],
    ),
    "HTML with neither": (
        b"<html><style>p { color: red }</style><script>alert(1)</script><p>Come <i>back</i></html>",
        "text/html",
        ["Come back"],
    ),
    "HTML of tags only": (b"<html><br></html>", "text/html", []),
    "HTML said to be nothing": (b"  <!DOCTYPE html><title>Oops</title>", "", ["Oops"]),
    "not UTF-8": (b"caf\xe9", "text/plain", ["caf\ufffd"]),
}


@pytest.mark.parametrize("name", TEXTS)
def test_bodies_that_are_not_json(name):
    content, kind, messages = TEXTS[name]
    body, found, errors = read_error(Response(500, {"content-type": kind}, content))
    assert found == messages
    assert errors == {}
    assert body is None if not content.strip() else isinstance(body, str)


def test_nesting_without_end_is_survived(server, connect):
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    server.then(faulty.answer(deep, 400))
    with pytest.raises(exceptions.BadRequest):
        connect().send(Request("POST", "/a"))
    server.then(faulty.say({"a": [[[[[[[[[[[[["deep"]]]]]]]]]]]]]}, 400))
    with pytest.raises(exceptions.BadRequest):
        connect().send(Request("POST", "/a"))


def test_a_page_of_html_is_not_the_message(server, connect):
    page = b"<html><title>Server Error (500)</title>" + b"<p>traceback" * 10_000
    server.then(faulty.answer(page, 500, "text/html"))
    with pytest.raises(exceptions.ServerError) as raised:
        connect().send(Request("GET", "/a"))
    assert str(raised.value) == (
        f"GET {server.url}/api/a answered 500 Internal Server Error: Server Error (500)"
    )
    assert raised.value.body == page.decode()


def test_a_long_message_is_cut_a_full_one_is_kept(server, connect):
    server.then(faulty.say({"detail": "very " * 1000 + "long"}, 400))
    with pytest.raises(exceptions.BadRequest) as raised:
        connect().send(Request("POST", "/a"))
    assert len(str(raised.value)) < 450
    assert str(raised.value).endswith("…")
    assert raised.value.messages[0].endswith("very long")


def test_a_message_names_the_fields_and_what_to_do(server, connect):
    transport = connect(retries=0)

    def message(act):
        server.then(act)
        with pytest.raises(StatusError) as raised:
            transport.send(Request("PATCH", "/tasks/42"))
        return str(raised.value).partition("answered ")[2]

    say = faulty.say
    assert (
        message(say({"name": ["Required."], "detail": "Odd"}, 400))
        == "400 Bad Request: Odd; name: Required."
    )
    assert message(say({"detail": "Invalid token."}, 401)).endswith(
        "Invalid token. Check the client's credentials (auth=...)."
    )
    assert message(faulty.answer(status=403)).endswith(
        "403 Forbidden. These credentials may not do that."
    )
    assert "base URL" in message(say({"detail": "Not found."}, 404))
    assert "verb" in message(say({"detail": "no"}, 405))
    assert message(faulty.answer(status=429, Retry_After="59")).endswith(
        "The server asks to wait 59 s."
    )
    assert message(faulty.answer(status=429)).endswith("Send less, or later.")
    assert message(faulty.answer(status=500)).endswith("Whether the server did it is unknown.")


def test_a_dialect_may_read_errors_its_own_way(server, connect):
    server.then(faulty.answer(b"E42|name", 400))

    def read(response):
        code, _, field = response.text.partition("|")
        return code, [code], {field: [code]}

    with pytest.raises(exceptions.BadRequest, match="name: E42") as raised:
        connect(errors=read).send(Request("POST", "/a"))
    assert raised.value.errors == {"name": ["E42"]}
    assert raised.value.body == "E42"


def test_a_dialect_may_leave_it_to_the_usual_reading(server, connect):
    server.then(faulty.say({"detail": "Because."}, 400))
    with pytest.raises(exceptions.BadRequest, match=r"Because\."):
        connect(errors=lambda response: None).send(Request("POST", "/a"))


def test_a_reader_that_fails_does_not_hide_the_answer(server, connect):
    server.then(faulty.say({"detail": "Because."}, 400))

    def read(response):
        raise KeyError("errors")

    with pytest.raises(exceptions.BadRequest, match=r"Because\."):
        connect(errors=read).send(Request("POST", "/a"))


def test_a_request_may_be_copied_and_pickled():
    request = Request("PATCH", "/tasks/1", body=Json({"name": "x"}))
    for found in (pickle.loads(pickle.dumps(request)), copy.deepcopy(request)):
        assert found == request
