"""What the binding asks for a step is what a real client was recorded to ask CVAT 2.15, or says why not.

Each step is played with the recorded answers. Three things differ everywhere, and are no step's own:

- lists are asked for in pages of 500, as the server's own interface does; the SDK takes the default of ten;
- an organization is said by ``org=``, where the SDK has a header for all requests: threads differ in theirs;
- what the request accepts is said with its alternatives.
"""

import json
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl

import pytest
import requests

from objmapper import Q, signals
from objmapper.cvat import Client, Task
from objmapper.server import WSGIAdapter

RECORDINGS = Path(__file__).parents[1] / "recordings" / "cvat-2.15"
ORIGIN = "http://cvat.example:8080"
RECORDED = {
    (file.stem, told["n"]): told
    for file in RECORDINGS.glob("*.jsonl")
    for told in map(json.loads, file.read_text("utf-8").splitlines())
}
SDK, PLAIN, MORE = "sdk-tour", "crud-paging-filters", "data-annotations-jobs"


class Asked(NamedTuple):
    """A request, as far as two clients may be compared."""

    method: str
    path: str
    params: tuple = ()
    body: object = None

    @classmethod
    def recorded(cls, told):
        request = told["request"]
        path, _, query = request["path"].partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        if "x-organization" in request["headers"]:
            params["org"] = request["headers"]["x-organization"]
        # Nothing to say is said by no body here, by an empty one there.
        body = (request["body"] or {}).get("json")
        return cls.of(request["method"], path, params, body)

    @classmethod
    def of(cls, method, path, params, body=None):
        if "filter" in params:
            params = params | {"filter": json.dumps(json.loads(params["filter"]))}
        return cls(method, path, tuple(sorted((k, str(v)) for k, v in params.items())), body)

    def plainly(self):
        """Without what differs everywhere, and is a list's alone."""
        return self._replace(
            params=tuple(p for p in self.params if p not in {("page", "1"), ("page_size", "500")})
        )


def asked(method, path, body=None, **params):
    return Asked.of(method, f"/api{path}", params, body)


@pytest.fixture
def play():
    """``play(file, n, ...)`` gives a client that is answered so, and the list of what it asks."""
    opened = []

    def open_(file, *numbers):
        answers = [RECORDED[file, n]["response"] for n in numbers]

        def answer(environ, start_response):
            told = answers.pop(0)
            start_response(
                f"{told['status']} told", [("content-type", "application/vnd.cvat+json")]
            )
            body = (told["body"] or {}).get("json")
            return [] if body is None else [json.dumps(body).encode()]

        session = requests.Session()
        session.mount(ORIGIN, WSGIAdapter(answer))
        client = Client(ORIGIN, http=session, retries=0, check_server_version=False)
        opened.append((client, session))
        sent = []

        def note(sender, request):
            body = None if request.body is None else request.shown_body()
            sent.append(
                Asked.of(request.method, f"/api{request.shown_path}", dict(request.params), body)
            )

        opened.append(note)
        signals.request_sent.connect(note)
        return client, sent

    yield open_
    for each in opened:
        if callable(each):
            signals.request_sent.disconnect(each)
        else:
            each[0].close()
            each[1].close()


class Step(NamedTuple):
    """One thing that a user does, the exchanges that were recorded of it, and what ours asks."""

    file: str
    numbers: tuple
    do: object
    #: Why it differs, and what is asked then; empty where it is the same.
    why: str = ""
    ours: tuple = ()


FEWER = "The answer to a PATCH is the object: nothing is asked a second time."
FILTER = "What JSON Logic can say is said so: one form for one condition and for several."
FOUND = "What has a key is found by it wherever it lives, so nothing is said of an organization."
SORTED = "It is the order that this list has by itself, said so that pages are of one order."


def spec_of(file, n):
    return RECORDED[file, n]["request"]["body"]["json"]


def created(file, n, repository):
    """The object is made of the very spec that was recorded."""
    return Step(file, (n,), lambda c: getattr(c, repository).create(spec_of(file, n)))


def updated(file, numbers, repository, key, ours=()):
    """The object of that key gets the values that were recorded, unread."""
    n = numbers[0]

    def do(client):
        getattr(client, repository).reference(key).update(spec_of(file, n))

    if len(numbers) == 1:
        return Step(file, numbers, do)
    return Step(
        file, numbers, do, FEWER, (asked("PATCH", f"/{repository}/{key}", spec_of(file, n)),)
    )


def removed(file, n, repository, key):
    return Step(file, (n,), lambda c: getattr(c, repository).reference(key).remove())


def listed(file, n, do, why="", *ours):
    return Step(file, (n,), do, why, ours)


def filtered(path, name, value, **params):
    """A list that is asked for by one equality."""
    return asked("GET", path, filter=json.dumps({"==": [{"var": name}, value]}), **params)


def within(slug, do):
    def inside(client):
        with client.organization_context(slug):
            do(client)

    return inside


STEPS = [
    Step(SDK, (2,), lambda c: c.login(("admin", "***"))),
    Step(SDK, (4,), lambda c: c.users.retrieve_current_user()),
    created(SDK, 5, "projects"),
    listed(SDK, 6, lambda c: c.projects.list()),
    listed(SDK, 7, lambda c: c.projects.reference(1).get_labels()),
    updated(SDK, (8, 9), "projects", 1),
    created(SDK, 10, "tasks"),
    created(SDK, 11, "tasks"),
    Step(SDK, (16,), lambda c: c.tasks.retrieve(2)),
    listed(SDK, 18, lambda c: c.tasks.reference(2).get_labels()),
    listed(SDK, 19, lambda c: c.tasks.list()),
    Step(SDK, (20,), lambda c: c.tasks.retrieve(2)),
    updated(SDK, (21, 22), "tasks", 2),
    listed(
        SDK, 23, lambda c: c.tasks.reference(2).get_jobs(), FILTER, filtered("/jobs", "task_id", 2)
    ),
    updated(SDK, (31, 32), "jobs", 1),
    created(SDK, 34, "issues"),
    listed(
        SDK,
        35,
        lambda c: c.issues.reference(1).get_comments(),
        FILTER,
        filtered("/comments", "issue_id", 1),
    ),
    updated(SDK, (36, 37), "issues", 1),
    listed(
        SDK,
        38,
        lambda c: c.jobs.reference(1).get_issues(),
        FILTER,
        filtered("/issues", "job_id", 1),
    ),
    created(SDK, 39, "comments"),
    removed(SDK, 40, "comments", 2),
    removed(SDK, 41, "issues", 1),
    removed(SDK, 62, "tasks", 3),
    created(SDK, 65, "organizations"),
    listed(SDK, 66, lambda c: c.organizations.list()),
    Step(SDK, (67,), within("org148688", lambda c: c.tasks.create(spec_of(SDK, 67)))),
    listed(SDK, 68, within("org148688", lambda c: c.tasks.list())),
    Step(
        SDK,
        (69,),
        within("org148688", lambda c: c.tasks.reference(4).remove()),
        FOUND,
        (asked("DELETE", "/tasks/4"),),
    ),
    updated(SDK, (70, 71), "organizations", 1),
    removed(SDK, 72, "organizations", 1),
    listed(
        SDK,
        75,
        lambda c: c.invitations.list(),
        SORTED,
        asked("GET", "/invitations", sort="-created_date"),
    ),
    listed(SDK, 76, lambda c: c.memberships.list()),
    listed(SDK, 77, lambda c: c.labels.list()),
    listed(SDK, 80, lambda c: c.tasks.list()),
    removed(SDK, 81, "tasks", 2),
    removed(SDK, 83, "projects", 1),
    created(PLAIN, 1, "projects"),
    created(PLAIN, 2, "tasks"),
    listed(PLAIN, 31, lambda c: list(c.tasks.order_by("name")[:7])),
    listed(PLAIN, 32, lambda c: list(c.tasks.order_by("-updated_date", "name")[:3])),
    listed(PLAIN, 33, lambda c: c.tasks.list(name="task 03", page_size=5)),
    listed(PLAIN, 34, lambda c: list(c.tasks.filter(subset="val").filter(Task.id > 10)[:5])),
    listed(PLAIN, 35, lambda c: c.tasks.list(id__in=[5, 8], page_size=5)),
    listed(PLAIN, 36, lambda c: list(c.tasks.filter(name__contains="task 1")[:5])),
    listed(PLAIN, 37, lambda c: list(c.tasks.exclude(subset="train")[:5])),
    listed(PLAIN, 38, lambda c: c.tasks.list(Q(name="task 01") | Q(name="task 02"), page_size=5)),
    listed(PLAIN, 39, lambda c: c.tasks.list(id__range=(7, 9), page_size=5)),
    listed(
        PLAIN,
        44,
        lambda c: list(c.tasks.filter(project=2)[:2]),
        FILTER,
        filtered("/tasks", "project_id", 2, page_size=2),
    ),
    listed(
        PLAIN,
        45,
        lambda c: c.tasks.list(name="task 07"),
        FILTER,
        filtered("/tasks", "name", "task 07"),
    ),
    listed(
        PLAIN,
        47,
        lambda c: list(c.tasks.filter(owner__username="admin")[:1]),
        FILTER,
        filtered("/tasks", "owner", "admin", page_size=1),
    ),
    Step(PLAIN, (49,), lambda c: c.tasks.retrieve(5)),
    updated(PLAIN, (52,), "tasks", 5),
    updated(PLAIN, (57,), "tasks", 5),
    updated(PLAIN, (58,), "tasks", 5),
    Step(PLAIN, (65,), lambda c: c.projects.reference(2).update(spec_of(PLAIN, 65))),
    created(PLAIN, 70, "organizations"),
    Step(PLAIN, (72,), within("myorg", lambda c: c.tasks.create(spec_of(PLAIN, 72)))),
    listed(PLAIN, 73, within("myorg", lambda c: c.tasks.list())),
    listed(PLAIN, 77, lambda c: c.users.list()),
    listed(PLAIN, 80, within("myorg", lambda c: c.memberships.list())),
    removed(PLAIN, 84, "tasks", 6),
    removed(PLAIN, 100, "projects", 2),
    removed(PLAIN, 101, "organizations", 2),
    created(MORE, 1, "tasks"),
    listed(
        MORE,
        21,
        lambda c: c.tasks.reference(31).get_jobs(),
        FILTER,
        filtered("/jobs", "task_id", 31),
    ),
    listed(MORE, 22, lambda c: c.tasks.reference(31).get_labels()),
    Step(MORE, (23,), lambda c: c.jobs.retrieve(3)),
    updated(MORE, (39,), "jobs", 3),
    created(MORE, 43, "jobs"),
    created(MORE, 44, "issues"),
    updated(MORE, (46,), "issues", 2),
    created(MORE, 47, "comments"),
    listed(
        MORE,
        48,
        lambda c: c.issues.reference(2).get_comments(),
        FILTER,
        filtered("/comments", "issue_id", 2),
    ),
    removed(MORE, 49, "comments", 4),
    removed(MORE, 50, "issues", 2),
    Step(MORE, (57,), lambda c: c.tasks.reference(31).update(spec_of(MORE, 57))),
    created(MORE, 63, "organizations"),
    updated(MORE, (79,), "organizations", 3),
    removed(MORE, 80, "organizations", 3),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.file}-{step.numbers[0]}")
def test_a_step_asks_what_was_recorded_or_says_why_not(play, step):
    client, sent = play(step.file, *step.numbers[: len(step.ours) or None])
    with client:
        step.do(client)
        client.session.rollback()
    recorded = [Asked.recorded(RECORDED[step.file, n]).plainly() for n in step.numbers]
    ours = [each.plainly() for each in step.ours]
    assert [each.plainly() for each in sent] == (ours or recorded)
    assert bool(step.why) == bool(step.ours) == (bool(ours) and ours != recorded)


def test_no_step_is_played_twice_and_all_kinds_of_requests_are_compared():
    assert len({(step.file, step.numbers) for step in STEPS}) == len(STEPS) > 70
    compared = {RECORDED[step.file, n]["request"]["method"] for step in STEPS for n in step.numbers}
    assert compared == {"GET", "POST", "PATCH", "DELETE"}


def test_what_the_binding_says_in_another_way(play):
    """Two recorded requests have no step of their own, as nothing here asks for them so."""
    # A label is changed in its parent's PATCH, where several go in one; its colour is said along.
    client, sent = play(PLAIN, 66, 65)
    with client:
        found = client.labels.list(project_id=2)[0]
        found.update({"name": "lorry"})
    change = {"id": found.id, "color": found.color, "name": "lorry"}
    assert sent[-1] == asked("PATCH", "/projects/2", {"labels": [change]})
    # It goes the same way, as was recorded elsewhere: in the parent's PATCH.
    client, sent = play(PLAIN, 66, 67)
    with client:
        found = client.labels.list(project_id=2)[1]
        found.remove()
    assert sent[-1] == Asked.recorded(RECORDED[PLAIN, 67])
