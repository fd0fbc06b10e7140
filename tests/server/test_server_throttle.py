"""The anonymous throttle: a hundred requests a minute, as CVAT 2.15 was seen to refuse the next."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from objmapper.server.cvat.errors import Throttled
from objmapper.server.cvat.throttle import Throttle

RECORDED = Path(__file__).parents[1] / "recordings" / "cvat-2.15" / "throttled.jsonl"
ADMIN = {"username": "admin", "password": "secret"}


@pytest.fixture(params=["2.15", "2.80"])
def door(open_door, request):
    return open_door(version=request.param, throttle=True)


def ask(door, session, method, path, **options):
    return session.request(method, f"{door.url}/api{path}", **options)


def test_the_hundred_and_first_is_refused_as_it_was_recorded(door):
    session = door.session()
    assert {ask(door, session, "GET", "/server/about").status_code for _ in range(100)} == {200}
    for line in RECORDED.read_text("utf-8").splitlines():
        wanted = json.loads(line)["response"]
        answer = ask(door, session, "GET", "/server/about")
        seconds = answer.headers["Retry-After"]
        assert 0 < int(seconds) <= 60
        assert answer.status_code == wanted["status"]
        told = wanted["headers"]
        assert answer.json() == json.loads(
            json.dumps(wanted["body"]["json"]).replace(told["retry-after"], seconds)
        )
        for name in ("content-type", "allow"):
            assert answer.headers[name] == told[name]


def test_each_answer_to_nobody_counts_a_refused_login_too(door):
    session = door.session()
    for _ in range(25):
        wrong = ADMIN | {"password": "no"}
        assert ask(door, session, "POST", "/auth/login", json=wrong).status_code == 400
        assert ask(door, session, "GET", "/auth/logout").status_code == 405
        assert ask(door, session, "OPTIONS", "/server/about").status_code == 200
        assert ask(door, session, "HEAD", "/server/about").status_code == 200
    assert ask(door, session, "POST", "/auth/login", json=ADMIN).status_code == 429


def test_what_nobody_may_ask_is_refused_before_it_counts(door):
    stranger = door.session(Cookie="sessionid=stranger")
    for _ in range(101):
        assert ask(door, stranger, "GET", "/tasks").status_code == 401
        assert ask(door, stranger, "GET", "/nothing").status_code == 404
    assert ask(door, stranger, "GET", "/server/about").status_code == 200


def test_who_is_known_is_not_counted(door):
    known = door.session()
    token = ask(door, known, "POST", "/auth/login", json=ADMIN).json()["key"]
    nobody = door.session()
    for _ in range(99):
        assert ask(door, nobody, "GET", "/server/about").status_code == 200
    assert ask(door, nobody, "GET", "/server/about").status_code == 429
    assert ask(door, known, "GET", "/server/about").status_code == 200
    with_password = door.session(("admin", "secret"))
    assert ask(door, with_password, "GET", "/server/about").status_code == 200
    with_token = door.session(Authorization=f"Token {token}")
    assert ask(door, with_token, "GET", "/server/about").status_code == 200


def test_requests_that_come_at_once_are_counted_one_by_one(door):
    def some(_):
        session = door.session()
        return [ask(door, session, "GET", "/server/about").status_code for _ in range(15)]

    with ThreadPoolExecutor(8) as pool:
        found = [status for each in pool.map(some, range(8)) for status in each]
    assert sorted(found) == [200] * 100 + [429] * 20


def test_it_is_off_unless_it_is_asked_for(open_door):
    door = open_door()
    session = door.session()
    assert {ask(door, session, "GET", "/server/about").status_code for _ in range(150)} == {200}


class TestWindow:
    """The window slides; here over a clock that is set."""

    @pytest.fixture
    def clock(self):
        return [1000.0]

    @pytest.fixture
    def throttle(self, clock):
        return Throttle(limit=3, clock=lambda: clock[0])

    def refused(self, throttle, address="here"):
        """The seconds of a refusal; None where there is none."""
        try:
            throttle.check(address)
        except Throttled as error:
            return error.seconds
        return None

    def test_the_next_is_taken_when_the_oldest_is_a_minute_old(self, throttle, clock):
        for moment in (1000.0, 1010.0, 1020.0):
            clock[0] = moment
            assert self.refused(throttle) is None
        for moment, seconds in ((1020.0, 40), (1030.5, 30), (1059.5, 1)):
            clock[0] = moment
            assert self.refused(throttle) == seconds
        clock[0] = 1060.0
        assert self.refused(throttle) is None
        assert self.refused(throttle) == 10

    def test_what_was_refused_does_not_count(self, throttle, clock):
        for _ in range(10):
            self.refused(throttle)
        clock[0] = 1060.0
        assert [self.refused(throttle) for _ in range(4)] == [None, None, None, 60]

    def test_addresses_are_counted_apart(self, throttle):
        assert [self.refused(throttle) for _ in range(4)] == [None, None, None, 60]
        assert self.refused(throttle, "elsewhere") is None

    @pytest.mark.parametrize(("seconds", "told"), [(1, "1 second."), (2, "2 seconds.")])
    def test_the_words_are_the_framework_s(self, seconds, told):
        assert Throttled(seconds).body == {
            "detail": f"Request was throttled. Expected available in {told}"
        }
