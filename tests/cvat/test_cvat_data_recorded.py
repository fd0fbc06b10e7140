"""What ours sends to make a task of files, against what CVAT's SDK 2.15 was recorded to send.

Each difference is listed here, with its reason; what is not listed is alike.
"""

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from requests import Session as HTTPSession
from requests.adapters import BaseAdapter

from objmapper.cvat import Client
from objmapper.server import embedded

RECORDING = Path(__file__).parents[1] / "recordings" / "cvat-2.15" / "sdk-tour.jsonl"
#: Headers that say how a client is signed in, or how bytes travel, and nothing of the upload.
_OF_THE_WAY = {
    "accept", "accept-encoding", "authorization", "connection", "content-length", "cookie", "host",
    "origin", "referer", "user-agent", "x-csrftoken",
}  # fmt: skip


class Noting(BaseAdapter):
    """Passes requests on, and notes them as they go over the wire."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.seen = inner, []

    def send(self, request, **options):
        body = request.body
        if body is not None and not isinstance(body, bytes):
            body = request.body = b"".join(iter(lambda: request.body.read(65536), b""))
        self.seen.append(told(request.method, request.path_url, request.headers, body))
        return self.inner.send(request, **options)

    def close(self):
        self.inner.close()


def told(method, path, headers, body):
    """A request without what differs from task to task."""
    named = {name.lower(): value for name, value in headers.items()}
    kept = {name: value for name, value in named.items() if name not in _OF_THE_WAY}
    kind = kept.get("content-type", "").partition(";")[0]
    if kind:
        kept["content-type"] = kind
    content = json.loads(body) if kind == "application/json" and body else None
    return method, re.sub(r"(?<=tasks/)\d+", "N", path), kept, content


@pytest.fixture(scope="module")
def recorded():
    """The recorded requests, from the task's POST to the last look at it."""
    found = []
    for line in RECORDING.read_text("utf-8").splitlines():
        request = json.loads(line)["request"]
        if request["path"] == "/api/tasks" and request["method"] == "POST":
            found.clear()
        body = (request["body"] or {}).get("json")
        content = None if body is None else json.dumps(body).encode()
        found.append(told(request["method"], request["path"], request["headers"], content))
        looks = [each for each in found if each[:2] == ("GET", "/api/tasks/N")]
        if found[0][:2] == ("POST", "/api/tasks") and len(looks) == 2:
            return found
    raise AssertionError("the recording has no task that was made of files")


@pytest.fixture(scope="module")
def sent(tmp_path_factory, recorded):
    """What ours sends for the same."""
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / name for name in ("im0.png", "im1.png")]
    for path in paths:
        Image.new("RGB", (120, 80), "red").save(path)
    with embedded("cvat", users=["admin:secret"], version="2.15", seed="1x1") as server:
        noting = Noting(server.adapter())
        http = HTTPSession()
        http.mount(server.base_url, noting)
        with Client(server.base_url, http=http, check_server_version=False) as client:
            client.tasks.create_from_data(recorded[0][3], paths)
        return noting.seen


def test_the_steps_are_the_same_and_the_task_is_asked_for_once(sent, recorded):
    steps = [each[:2] for each in recorded]
    assert steps[-2:] == [("GET", "/api/tasks/N")] * 2
    # The SDK looks at the task at the end of the upload, and again at the end of the method.
    assert [each[:2] for each in sent] == steps[:-1]


def test_what_each_step_says_is_the_same(sent, recorded):
    for ours, theirs in zip(sent, recorded[:-1], strict=True):
        assert ours[3] == theirs[3], ours[:2]


def test_the_headers_of_an_upload_are_the_same(sent, recorded):
    differences = {}
    for ours, theirs in zip(sent, recorded[:-1], strict=True):
        step = next((name for name in theirs[2] if name.startswith("upload-")), ours[1])
        keys = ours[2].keys() | theirs[2].keys()
        found = {k: (ours[2].get(k), theirs[2].get(k)) for k in keys}
        different = {name: pair for name, pair in found.items() if pair[0] != pair[1]}
        if different:
            differences[step] = different
    assert differences == {
        # The SDK says that a body which is not there is JSON.
        "upload-start": {"content-type": (None, "application/json")},
    }
