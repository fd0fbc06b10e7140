"""The recorded requests, put to the embedded server: it answers as the real one did.

It speaks 2.15 here, as the recorded one did, and answers with the same status, headers, cookies and
values, ids included. Every difference stands below, with its reason and with what may differ, and
must be there: a reason whose difference is gone fails the test. What was recorded of the throttle is
asked in test_server_throttle.py.
"""

import base64
import io
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from PIL import Image

from objmapper.server import embedded
from objmapper.server.contract import contract

RECORDINGS = Path(__file__).parents[1] / "recordings" / "cvat-2.15"
FILES = ("crud-paging-filters", "data-annotations-jobs", "sdk-tour")
ADMIN, ALICE = ("admin", "secret"), ("alice", "wonder")


class Reason(NamedTuple):
    """Why an answer differs, and what of it may."""

    why: str
    what: str


OTHER_NAME = Reason(
    "the embedded server names itself, and the release that it speaks",
    r"/(name|description): .*|/version: '2\.15\.0' instead of '2\.15\.0\.dev\d+'",
)
NO_FRONT = Reason("no server before it sends chunks, and takes Allow away", r"header allow: .*")
NO_ORDER = Reason("annotations of one frame are in no order", r"/shapes/\d/id: .*")
NO_FORM = Reason("what a POST takes is not described", "/actions: missing")
NO_WORKER = Reason("there is no worker whose traceback comes before the reason", r"/message: .*")

DIFFERENCES = {
    ("crud-paging-filters", 82): OTHER_NAME,
    ("data-annotations-jobs", 10): NO_WORKER,
    ("data-annotations-jobs", 13): NO_WORKER,
    ("data-annotations-jobs", 18): NO_FRONT,
    ("data-annotations-jobs", 29): NO_ORDER,
    ("data-annotations-jobs", 102): NO_FORM,
    ("sdk-tour", 1): OTHER_NAME,
    ("sdk-tour", 3): OTHER_NAME,
}
# CVAT's table of colours for well-known names is left out.
TABLED = {"cat", "dog", "bus"}
# Keys in no promised order.
UNORDERED = {"task_subsets"}
# Keys whose values are made at random.
RANDOM = {"key", "invitation"}


def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (120, 80), (200, 30, 30)).save(buffer, format="PNG")
    return buffer.getvalue()


PICTURE = picture()

# How much of a body is the same, whatever the picture: tables of its quality and the size, the size,
# what a ZIP file begins with.
SAME = {"image/jpeg": 48, "image/png": 33, "application/zip": 4}

# Who asked is not in the recordings, but in how they were made.
CREDENTIALS = {
    ("crud-paging-filters", 89): "nobody",
    ("crud-paging-filters", 90): "wrong token",
    ("crud-paging-filters", 91): "wrong password",
    ("crud-paging-filters", 92): "nobody",
    ("crud-paging-filters", 93): "session",
    ("crud-paging-filters", 94): "session",
    ("crud-paging-filters", 95): "token alone",
    ("crud-paging-filters", 96): "token alone",
    ("crud-paging-filters", 97): "alice",
    ("crud-paging-filters", 98): "alice",
    ("crud-paging-filters", 99): "alice",
    **{("data-annotations-jobs", number): "alice" for number in (71, 72, 74, 75, 76, 77, 78)},
    **{("data-annotations-jobs", number): "session" for number in (81, 82, 83)},
    ("data-annotations-jobs", 86): "another",
    ("sdk-tour", 1): "nobody",
    ("sdk-tour", 2): "token",
}
WRONG_PASSWORD = {("crud-paging-filters", 92)}

# The last id of every table when the recording began: ids go on from where the one before had come.
BEFORE = {
    "crud-paging-filters": {
        "project": 1, "task": 4, "label": 6, "attribute": 2, "organization": 1, "membership": 1,
    },
    "data-annotations-jobs": {
        "project": 2, "task": 29, "data": 2, "job": 2, "label": 8, "issue": 1, "comment": 2,
        "organization": 2, "membership": 2,
    },
    "sdk-tour": {},
}  # fmt: skip
# The same of annotations, whose ids are given out otherwise.
ANNOTATED = {"data-annotations-jobs": {"tag": 1, "shape": 6}}
# The forms, whose bytes are not in the recordings but in how they were made.
IMAGES = ("im0.png", "im1.png")
FORMS = {
    ("data-annotations-jobs", 3): IMAGES,
    ("data-annotations-jobs", 6): IMAGES,
    ("data-annotations-jobs", 12): ("a.png",),
    ("sdk-tour", 13): IMAGES,
}
# PostgreSQL gives out no key again, whatever becomes of the request that was given one.
LOST = {("data-annotations-jobs", 8): "data"}
# Files of annotations are neither made nor read; what was imported is put in their place.
EXPORTS = re.compile(r"/annotations/?\?format=(?!Nope)|POST /api/tasks/\d+/annotations/")
IMPORTED = {
    ("sdk-tour", 50): {
        "shapes": [
            {"type": kind, "frame": frame, "label_id": 1, "group": 0, "points": points}
            for kind, frame, points in (
                ("rectangle", 0, [1.0, 2.0, 30.0, 40.0]),
                ("polygon", 1, [1.0, 2.0, 30.0, 40.0, 5.0, 6.0]),
            )
        ]
    }
}
# Backups are no part of the embedded server; what came of one is put into its database: the task
# that it was made of, and of the new one the id, the key of its data, and how many images it has.
RESTORED = {("sdk-tour", 60): (2, 3, 2, 2)}


def recorded(file):
    lines = (RECORDINGS / f"{file}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def covered(exchange):
    request = exchange["request"]
    if EXPORTS.search(f"{request['method']} {request['path']}"):
        return False
    path = request["path"].partition("?")[0]
    # A slash at the end makes a path unknown, to the real server too.
    return contract("cvat", "2.15").template(path) is not None or path == "/api/tasks/"


class Player:
    """Puts the requests of one file to a server, as whoever asked then."""

    def __init__(self, file, path):
        self.file, self.path = file, path
        self.server = embedded(
            "cvat", users=[ADMIN, ALICE], version="2.15", path=str(path), check=True
        )
        self.sessions, self.key = {}, ""

    def session(self, name, auth=None):
        if name not in self.sessions:
            session = self.sessions[name] = requests.Session()
            session.trust_env = False
            session.auth = auth
            session.mount(self.server.base_url, self.server.adapter())
        return self.sessions[name]

    def prepare(self):
        """What was on the real server before the recording began."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for table, last in BEFORE[self.file].items():
                connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
                connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last))
            for table, last in ANNOTATED.get(self.file, {}).items():
                connection.execute("INSERT INTO serial VALUES (?, ?)", (table, last))
        admin, base = self.session("admin", ADMIN), self.server.base_url + "/api"
        admin.patch(f"{base}/users/2", json={"first_name": "Al", "last_name": "Ice"})
        if self.file == "data-annotations-jobs":
            admin.post(f"{base}/tasks", json={"name": "in org", "labels": [{"name": "x"}]})
        if self.file != "sdk-tour":
            credentials = {"username": "admin", "password": "secret"}
            self.session("earlier").post(f"{base}/auth/login", json=credentials)

    def play(self):
        """Every answer to a covered request, by number."""
        self.prepare()
        found = {}
        for exchange in recorded(self.file):
            number = exchange["n"]
            if covered(exchange):
                found[number] = self.put(number, exchange["request"])
            self.process(number)
        assert self.server.violations == []
        return found

    def process(self, number):
        """What the real server did besides answering, where the embedded one can't."""
        if (self.file, number) in IMPORTED:
            path = f"{self.server.base_url}/api/tasks/2/annotations"
            self.session("admin").put(path, json=IMPORTED[self.file, number])
        with closing(sqlite3.connect(self.path)) as connection, connection:
            if (self.file, number) in LOST:
                table = LOST[self.file, number]
                sql = "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = ?"
                connection.execute(sql, (table,))
            if (self.file, number) in RESTORED:
                restored, *data = RESTORED[self.file, number]
                connection.execute(
                    "INSERT INTO task (name, owner_id, status, created_date, updated_date)"
                    " SELECT name, owner_id, status, created_date, updated_date FROM task"
                    " WHERE id = ?",
                    (restored,),
                )
                self.add_data(connection, *data)

    def add_data(self, connection, task, data, images):
        connection.execute(
            "UPDATE task SET data_id = ?, size = ?, segment_size = ?, mode = 'annotation',"
            " overlap = 0 WHERE id = ?",
            (data, images, images, task),
        )
        connection.execute(
            "INSERT INTO job (task_id, start_frame, stop_frame, created_date, updated_date)"
            " SELECT id, 0, ?, updated_date, updated_date FROM task WHERE id = ?",
            (images - 1, task),
        )

    def put(self, number, request):
        who = CREDENTIALS.get((self.file, number))
        headers = {
            name: value
            for name, value in request["headers"].items()
            if name in ("accept", "content-type", "x-organization") or name.startswith("upload-")
        }
        form = self.form(number)
        if form is not None:
            del headers["content-type"]
        scheme = request["headers"].get("authorization", "").partition(" ")[0]
        if who == "nobody":
            # Without any credential the in-process door would take the superuser.
            headers["Authorization"] = "Unknown"
            session = self.session("nobody")
        elif who == "wrong token":
            headers["Authorization"] = "Token nope"
            session = self.session("token")
        elif who in ("session", "another"):
            session = self.session(who)
            if "x-csrftoken" in request["headers"]:
                headers["X-CSRFToken"] = session.cookies["csrftoken"]
        elif scheme == "Token" or who == "token":
            if scheme:
                headers["Authorization"] = f"Token {self.key}"
            session = self.session(f"{number}" if who == "token alone" else "token")
        else:
            pairs = {"alice": ALICE, "wrong password": ("admin", "no"), None: ADMIN}
            session = self.session(who or "admin", pairs[who])
        answer = session.request(
            request["method"],
            self.server.base_url + request["path"],
            headers=headers,
            data=form or self.body(number, request["body"]),
            files=self.files(number) if form else None,
        )
        if request["path"] == "/api/auth/login" and answer.ok:
            self.key = answer.json()["key"]
        return answer

    def form(self, number):
        return {"image_quality": 70} if (self.file, number) in FORMS else None

    def files(self, number):
        names = FORMS[self.file, number]
        return {
            f"client_files[{place}]": (name, PICTURE if name in IMAGES else b"no picture")
            for place, name in enumerate(names)
        }

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
        self.server.close()


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """All answers of the embedded server, by file and number."""
    found = {}
    for file in FILES:
        path = tmp_path_factory.mktemp("replay") / "cvat.sqlite"
        with closing(Player(file, path)) as player:
            found |= {(file, number): answer for number, answer in player.play().items()}
    return found


CASES = [
    pytest.param(file, each, id=f"{file}-{each['n']}-{each['request']['method']}")
    for file in FILES
    for each in recorded(file)
    if covered(each)
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
            elif name in RANDOM and value not in (None, "***"):
                yield from differences(len(value), len(given[name] or ""), f"{where}/{name}")
            elif name in UNORDERED:
                yield from differences(sorted(value), sorted(given[name]), f"{where}/{name}")
            else:
                yield from differences(value, given[name], f"{where}/{name}")
    elif isinstance(recorded, list) and isinstance(given, list) and len(recorded) == len(given):
        for index, (one, other) in enumerate(zip(recorded, given, strict=True)):
            yield from differences(one, other, f"{where}/{index}")
    elif recorded != given or type(recorded) is not type(given):
        yield f"{where}: {given!r} instead of {recorded!r}"


def header(name, value):
    """What of a header must be the same."""
    if name == "content-type":
        return value.partition(";")[0]
    return {part.strip() for part in value.split(",")} if name == "allow" else plain(value)


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


def found_in(answer, wanted):
    """Every difference of an answer."""
    if answer.status_code != wanted["status"]:
        yield f"status {answer.status_code} instead of {wanted['status']}"
    for name in ("content-type", "www-authenticate", "location", "allow"):
        given = answer.headers.get(name, "")
        if header(name, wanted["headers"].get(name, "")) != header(name, given):
            yield f"header {name}: {given}"
    yield from cookies(
        wanted["headers"].get("set-cookie"), answer.raw.headers.getlist("set-cookie")
    )
    body = wanted["body"] or {}
    if "json" in body:
        kind = answer.headers.get("content-type", "")
        given = json.loads(plain(answer.text)) if kind.endswith("json") else answer.text
        yield from differences(json.loads(plain(json.dumps(body["json"]))), given)
    elif "bytes" in body:
        head = base64.b64decode(body["base64_head"])[: SAME[answer.headers["content-type"]]]
        yield from differences(head, answer.content[: len(head)])
    else:
        yield from differences(body.get("text", ""), answer.text)


@pytest.mark.parametrize(("file", "exchange"), CASES)
def test_the_embedded_server_answers_as_the_real_one_did(played, file, exchange):
    case = (file, exchange["n"])
    found = [*found_in(played[case], exchange["response"])]
    reason = DIFFERENCES.get(case)
    if reason is None:
        assert found == []
        return
    assert found, "it answers as the real one did: the reason for a difference can go"
    assert [each for each in found if not re.fullmatch(reason.what, each)] == []


def test_every_reason_belongs_to_a_recorded_exchange():
    known = {(file, each["n"]) for file in FILES for each in recorded(file) if covered(each)}
    assert set(DIFFERENCES) <= known
    assert set(CREDENTIALS) <= known
