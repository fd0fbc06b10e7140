"""When a request is sent again: what may be repeated is, what may not is not, and it ends."""

import faulty
import pytest

from objmapper.exceptions import ServerError, StatusError, TooManyRequests
from objmapper.operation import Json, Request, Response
from objmapper.transport.policy import Policy, retry_after

VERBS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("verb", VERBS)
def test_a_gateways_answer_repeats_reads_only(verb, status, server, connect):
    server.then(faulty.answer(status=status, Retry_After="0"), faulty.answer(b"{}"))
    transport = connect()
    if verb in ("GET", "HEAD", "OPTIONS"):
        assert transport.send(Request(verb, "/a")).retries == 1
        assert len(server.seen) == 2
    else:
        with pytest.raises(ServerError, match="Whether the server did it is unknown"):
            transport.send(Request(verb, "/a"))
        assert len(server.seen) == 1


def test_a_write_that_is_declared_repeatable_is_repeated(server, connect):
    server.then(faulty.answer(status=503), faulty.answer(b"{}"))
    connect().send(Request("PATCH", "/a", body=Json({}), repeatable=True))
    assert [seen.body for seen in server.seen] == [b"{}", b"{}"]


def test_a_read_that_is_declared_not_repeatable_is_not(server, connect):
    server.then(faulty.answer(status=503))
    with pytest.raises(ServerError):
        connect().send(Request("GET", "/a", repeatable=False))
    assert len(server.seen) == 1


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("headers", [{"Retry_After": "0"}, {}], ids=["Retry-After", "without"])
def test_a_429_is_a_refusal_so_any_verb_is_sent_again(headers, verb, server, connect):
    refused = faulty.answer(status=429, **headers)
    server.then(refused, refused, faulty.answer(b"{}"))
    transport = connect()
    assert transport.send(Request(verb, "/a")).retries == 2
    assert (transport.requests_sent, transport.retries_made) == (3, 2)


@pytest.mark.parametrize("status", [400, 404, 409, 500, 501, 505, 408, 425])
def test_other_errors_are_final(status, server, connect):
    server.then(faulty.answer(status=status))
    with pytest.raises(StatusError):
        connect().send(Request("GET", "/a"))
    assert len(server.seen) == 1


def test_the_tries_end_with_the_last_answer(server, connect):
    server.then(faulty.say({"detail": "busy"}, 503))
    with pytest.raises(ServerError, match=r"503 Service Unavailable, sent 3 times: busy") as raised:
        connect(retries=2).send(Request("GET", "/a"))
    assert raised.value.response.retries == 2
    assert len(server.seen) == 3


def test_no_retries_means_one_try(server, connect):
    server.then(faulty.answer(status=429, Retry_After="0"))
    with pytest.raises(TooManyRequests) as raised:
        connect(retries=0).send(Request("GET", "/a"))
    assert raised.value.retry_after == 0
    assert len(server.seen) == 1


def test_a_long_wait_is_left_to_the_caller(server, connect):
    server.then(faulty.answer(status=429, Retry_After="59"))
    with pytest.raises(TooManyRequests, match="wait 59 s") as raised:
        connect(max_retry_after=58).send(Request("GET", "/a"))
    assert raised.value.retry_after == 59
    assert len(server.seen) == 1


def test_a_long_wait_of_a_server_that_is_away_too(server, connect):
    server.then(faulty.answer(status=503, Retry_After="3600"))
    with pytest.raises(ServerError):
        connect().send(Request("GET", "/a"))
    assert len(server.seen) == 1


def test_retries_below_zero_are_refused(connect):
    with pytest.raises(ValueError, match="retries"):
        connect(retries=-1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "1.2.3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0),
        (
            {
                "retry-after": "Fri, 31 Dec 1999 23:59:59 GMT",
                "date": "Fri, 31 Dec 1999 23:59:49 GMT",
            },
            10,
        ),
        (
            {
                "retry-after": "Fri, 31 Dec 1999 23:59:59 -0000",
                "date": "Fri, 31 Dec 1999 23:59:49 GMT",
            },
            10,
        ),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "yesterday"}, 0),
        ({"retry-after": "Fri, 99 Dec 1999 23:59:59 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_clock(headers, seconds):
    assert retry_after(headers) == seconds


def test_back_off_grows_is_jittered_and_capped():
    policy = Policy(retries=100, backoff=0.5, max_backoff=30)
    request = Request("GET", "/a")
    away = Response(503, {}, b"")
    for tried, most in [(0, 0.5), (1, 1), (2, 2), (6, 30), (50, 30)]:
        pauses = [policy.pause_after_answer(request, away, tried) for _ in range(200)]
        assert 0 <= min(pauses) < most / 2 < max(pauses) <= most


def test_what_the_server_asks_for_is_never_undercut():
    policy = Policy(backoff=0.5)
    refused = Response(429, {"retry-after": "7"}, b"")
    pauses = {policy.pause_after_answer(Request("POST", "/a"), refused, 0) for _ in range(50)}
    assert 7 <= min(pauses) <= max(pauses) <= 7.5
    assert len(pauses) > 1
