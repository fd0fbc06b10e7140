"""The recorded requests, put to the embedded server: it answers as the real one did.

It speaks 2.15 here, as the recorded one did. Every difference stands below, with its reason, and
must be there: a reason whose difference is gone fails the test.
"""

import json
import re
from pathlib import Path

import pytest
import requests

from objmapper.server import embedded
from objmapper.server.contract import contract

RECORDINGS = Path(__file__).parents[1] / "recordings" / "cvat-2.15"
ADMIN, ALICE = ("admin", "secret"), ("alice", "wonder")

NO_DATA = "data can't be uploaded, so the task stays without data and jobs"
NO_JOB = "so there is no job for issues; test_server_issues.py plays them to one"
NO_BACKUP = "there are no backups, so the task that came from one is not there"
OTHER_ID = "so the next task has another id; data-annotations-jobs has one in an organization, too"
NOT_DELETED = "so it is not deleted either, and its label stays"
OTHER_VERSION = "the embedded server names itself and its own version"

DIFFERENCES = {
    ("crud-paging-filters", 82): OTHER_VERSION,
    ("sdk-tour", 1): OTHER_VERSION,
    ("sdk-tour", 3): OTHER_VERSION,
    ("sdk-tour", 16): NO_DATA,
    ("sdk-tour", 17): NO_DATA,
    ("sdk-tour", 19): NO_DATA,
    ("sdk-tour", 20): NO_DATA,
    ("sdk-tour", 21): NO_DATA,
    ("sdk-tour", 22): NO_DATA,
    ("sdk-tour", 23): NO_DATA,
    ("sdk-tour", 31): NO_DATA,
    ("sdk-tour", 32): NO_DATA,
    ("sdk-tour", 34): NO_JOB,
    ("sdk-tour", 35): NO_JOB,
    ("sdk-tour", 36): NO_JOB,
    ("sdk-tour", 37): NO_JOB,
    ("sdk-tour", 38): NO_JOB,
    ("sdk-tour", 39): NO_JOB,
    ("sdk-tour", 40): NO_JOB,
    ("sdk-tour", 41): NO_JOB,
    ("sdk-tour", 61): NO_BACKUP,
    ("sdk-tour", 62): NO_BACKUP,
    ("sdk-tour", 67): OTHER_ID,
    ("sdk-tour", 68): OTHER_ID,
    ("sdk-tour", 69): OTHER_ID,
    ("sdk-tour", 77): NOT_DELETED,
    ("sdk-tour", 80): NO_DATA,
    ("sdk-tour", 84): NOT_DELETED,
}
# CVAT's table of colours for well-known names is left out.
TABLED = {"cat", "dog", "bus"}
# Keys in no promised order.
UNORDERED = {"task_subsets"}

# Who asked is not in the recordings, but in how they were made.
CREDENTIALS = {
    ("crud-paging-filters", 89): "nobody",
    ("crud-paging-filters", 90): "wrong token",
    ("crud-paging-filters", 91): "wrong password",
    ("crud-paging-filters", 92): "nobody",
    ("crud-paging-filters", 93): "session",
    ("crud-paging-filters", 94): "session",
    ("crud-paging-filters", 95): "token without cookies",
    ("crud-paging-filters", 96): "token without cookies",
    ("crud-paging-filters", 97): "alice",
    ("crud-paging-filters", 98): "alice",
    ("crud-paging-filters", 99): "alice",
    ("sdk-tour", 1): "nobody",
    ("sdk-tour", 2): "session",
}
WRONG_PASSWORD = {("crud-paging-filters", 92)}


class Player:
    """Puts the requests of one file to a server, as whoever asked then."""

    def __init__(self, server, file):
        self.server, self.file, self.key = server, file, ""
        self.sessions = {}

    def session(self, name, auth=None):
        if name not in self.sessions:
            session = self.sessions[name] = requests.Session()
            session.trust_env = False
            session.auth = auth
            session.mount(self.server.base_url, self.server.adapter())
        return self.sessions[name]

    def put(self, number, request):
        who = CREDENTIALS.get((self.file, number))
        headers = {
            name: value
            for name, value in request["headers"].items()
            if name in ("accept", "content-type", "x-organization")
        }
        scheme = request["headers"].get("authorization", "").partition(" ")[0]
        if who == "nobody":
            # Without any credential the in-process door would take the superuser.
            headers["Authorization"] = "Unknown"
            session = self.session("nobody")
        elif who == "wrong token":
            headers["Authorization"] = "Token nope"
            session = self.session("token")
        elif who == "session":
            session = self.session("session")
        elif who == "token without cookies":
            headers["Authorization"] = f"Token {self.key}"
            session = self.session((who, number))
        elif scheme == "Token":
            headers["Authorization"] = f"Token {self.key}"
            session = self.session("token")
        else:
            pairs = {"alice": ALICE, "wrong password": ("admin", "no"), None: ADMIN}
            session = self.session(who or "admin", pairs[who])
        answer = session.request(
            request["method"],
            self.server.base_url + request["path"],
            headers=headers,
            data=self.body(number, request["body"]),
        )
        if request["path"] == "/api/auth/login" and answer.ok:
            self.key = answer.json()["key"]
        return answer

    def body(self, number, body):
        if body is None:
            return None
        if "text" in body:
            return body["text"]
        given = body["json"]
        if isinstance(given, dict) and given.get("password") == "***":
            wrong = (self.file, number) in WRONG_PASSWORD
            given = given | {"password": "no" if wrong else "secret"}
        return json.dumps(given)

    def close(self):
        for session in self.sessions.values():
            session.close()


def exchanges(file):
    for line in (RECORDINGS / f"{file}.jsonl").read_text("utf-8").splitlines():
        exchange = json.loads(line)
        path = exchange["request"]["path"].partition("?")[0]
        if contract("cvat", "2.15").template(path) is not None:
            yield exchange


def prepare(file, player):
    """What was on the real server before the recording began."""
    admin = player.session("admin", ADMIN)
    base = player.server.base_url + "/api"
    if file == "crud-paging-filters":
        # Ids go on from where the recording before this one had come to.
        labels = [{"name": f"l{n}"} for n in range(6)]
        for each in labels[:2]:
            each["attributes"] = [
                {"name": "a", "mutable": True, "input_type": "text", "values": []}
            ]
        admin.post(f"{base}/projects", json={"name": "gone", "labels": labels})
        for number in range(4):
            admin.post(f"{base}/tasks", json={"name": f"gone {number}", "project_id": 1})
        admin.delete(f"{base}/projects/1")
        admin.post(f"{base}/organizations", json={"slug": "gone"})
        admin.delete(f"{base}/organizations/1")
        player.session("earlier").post(
            f"{base}/auth/login", json={"username": "admin", "password": "secret"}
        )
    admin.patch(f"{base}/users/2", json={"first_name": "Al", "last_name": "Ice"})


@pytest.fixture(scope="module")
def played():
    """All answers of the embedded server, by file and number."""
    found = {}
    for file in ("crud-paging-filters", "sdk-tour"):
        with embedded("cvat", users=[ADMIN, ALICE], version="2.15", check=True) as server:
            player = Player(server, file)
            try:
                prepare(file, player)
                for exchange in exchanges(file):
                    found[file, exchange["n"]] = player.put(exchange["n"], exchange["request"])
            finally:
                player.close()
            assert server.violations == []
    return found


CASES = [
    pytest.param(file, each, id=f"{file}-{each['n']}-{each['request']['method']}")
    for file in ("crud-paging-filters", "sdk-tour")
    for each in exchanges(file)
]


def plain(text):
    text = re.sub(r"https?://[^/\"]+/api", "/api", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<moment>", text)


def differences(recorded, given, where=""):
    """Where an answer is not what was recorded."""
    if recorded == "***":
        return
    if isinstance(recorded, dict) and isinstance(given, dict):
        extra = set(given) - set(recorded)
        if extra:
            yield f"{where}: {sorted(extra)} more"
        for name, value in recorded.items():
            if name == "color" and recorded.get("name") in TABLED:
                continue
            if name not in given:
                yield f"{where}/{name}: missing"
            elif name in UNORDERED:
                yield from differences(sorted(value), sorted(given[name]), f"{where}/{name}")
            else:
                yield from differences(value, given[name], f"{where}/{name}")
    elif isinstance(recorded, list) and isinstance(given, list) and len(recorded) == len(given):
        for index, (one, other) in enumerate(zip(recorded, given, strict=True)):
            yield from differences(one, other, f"{where}/{index}")
    elif recorded != given:
        yield f"{where}: {given!r} instead of {recorded!r}"


def cookies(recorded, given):
    """Where the cookies differ; of several the recordings have the last."""
    shown = {text.partition("=")[0]: cookie(text) for text in given}
    if recorded is None:
        return [f"cookies {sorted(shown)}"] if shown else []
    name = recorded.partition("=")[0]
    return [] if shown.get(name) == cookie(recorded) else [f"cookie {name}: {shown.get(name)}"]


def cookie(text):
    """What a cookie says beside its value; the moment only as whether it is past."""
    found = {}
    for part in text.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        found[name.lower()] = value
    return found | {"expires": "1970" in found["expires"]}


@pytest.mark.parametrize(("file", "exchange"), CASES)
def test_the_embedded_server_answers_as_the_real_one_did(played, file, exchange):
    wanted, answer = exchange["response"], played[file, exchange["n"]]
    found = []
    if answer.status_code != wanted["status"]:
        found.append(f"status {answer.status_code} instead of {wanted['status']}")
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if kind != wanted["headers"].get("content-type", "").partition(";")[0]:
        found.append(f"content type {kind}")
    for name in ("www-authenticate", "location"):
        if plain(wanted["headers"].get(name, "")) != plain(answer.headers.get(name, "")):
            found.append(f"header {name}: {answer.headers.get(name)}")
    found += cookies(wanted["headers"].get("set-cookie"), answer.raw.headers.getlist("set-cookie"))
    body = wanted["body"] or {}
    if "json" in body:
        recorded = json.loads(plain(json.dumps(body["json"])))
        given = json.loads(plain(answer.text)) if kind.endswith("json") else answer.text
        found += differences(recorded, given)
    else:
        found += differences(body.get("text", ""), answer.text)
    if (file, exchange["n"]) in DIFFERENCES:
        assert found, "it answers as the real one did: the reason for a difference can go"
    else:
        assert found == []


def test_every_reason_belongs_to_a_recorded_exchange():
    known = {
        (file, each["n"])
        for file in ("crud-paging-filters", "sdk-tour")
        for each in exchanges(file)
    }
    assert set(DIFFERENCES) <= known
    assert set(CREDENTIALS) <= known


# What was recorded on a task with data, against a seeded one: its ids are others.
SHAPES = {
    14: ("GET", "/api/tasks/1", None),
    21: ("GET", "/api/jobs?task_id=1&page_size=1", None),
    22: ("GET", "/api/labels?task_id=1&page_size=1", None),
    23: ("GET", "/api/jobs/1", None),
    39: ("PATCH", "/api/jobs/1", {"stage": "validation", "state": "in progress", "assignee": 2}),
    40: ("PATCH", "/api/jobs/1", {"stage": "bogus"}),
    41: ("PATCH", "/api/jobs/1", {"assignee": 9999}),
    42: ("DELETE", "/api/jobs/1", None),
    56: ("PATCH", "/api/labels/1", {"name": "cat2", "color": "#ffffff"}),
    57: ("PATCH", "/api/tasks/1", {"labels": [{"name": "dog"}]}),
    60: ("GET", "/api/labels?task_id=999999", None),
    62: ("DELETE", "/api/labels/1", None),
    101: ("HEAD", "/api/tasks", None),
}
# The parent's key differs with the parent; a seeded label has an attribute, a task has a next one.
OTHERWISE = {"project_id", "task_id", "attributes", "next"}


def shape(value, name=""):
    """Keys and types; of what may be null, only that it is there."""
    if name in ("assignee", "bug_tracker"):
        return None
    if isinstance(value, dict):
        return {key: shape(each, key) for key, each in value.items() if key not in OTHERWISE}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return type(value).__name__


@pytest.mark.parametrize("number", SHAPES)
def test_a_task_with_data_has_the_recorded_shape(number):
    recorded = {each["n"]: each for each in exchanges("data-annotations-jobs")}[number]
    method, path, body = SHAPES[number]
    options = {"users": [ADMIN, ALICE], "version": "2.15", "check": True}
    with embedded("cvat", seed="1x2", **options) as server:
        with requests.Session() as session:
            session.mount(server.base_url, server.adapter())
            answer = session.request(method, server.base_url + path, json=body)
        assert server.violations == []
    assert recorded["request"]["method"] == method
    assert answer.status_code == recorded["response"]["status"]
    wanted = (recorded["response"]["body"] or {}).get("json")
    if wanted is not None:
        given = answer.json()
        if isinstance(wanted, list) or recorded["response"]["status"] >= 400:
            assert given == wanted
        else:
            assert shape(given) == shape(wanted)
