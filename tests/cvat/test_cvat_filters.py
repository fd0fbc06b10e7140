"""Each lookup that CVAT has, compared with plain Python over all rows; what it lacks is refused."""

import json
import re
from importlib import resources
from urllib.parse import unquote

import pytest

from objmapper import Q, QueryError, UnsupportedLookup
from objmapper.cvat import Job, Label, Project, Task, User
from objmapper.cvat.json_logic import LOOKUPS
from objmapper.exceptions import BadRequest
from objmapper.query import LOOKUPS as ALL_LOOKUPS

DOCUMENT = json.loads(resources.files("objmapper.schemas").joinpath("cvat.json").read_text("utf-8"))
MODELS = [Job, Label, Project, Task, User]
#: Names of JSON Logic that are no keys of the row, and where the row has the value.
ELSEWHERE = {
    "owner": lambda row: row["owner"] and row["owner"]["username"],
    "assignee": lambda row: row["assignee"] and row["assignee"]["username"],
    "tracker_link": lambda row: row["bug_tracker"],
}
PATHS = [
    pytest.param(model, path, name, id=f"{model.__name__}-{path}")
    for model in MODELS
    for path, name in model.__mapper__.options["dialect_options"]["filters"].items()
]
each_path = pytest.mark.parametrize(("model", "path", "name"), PATHS)


def all_rows(client, model):
    """Every row, by plain pages of ten."""
    rows, number = [], 0
    while True:
        number += 1
        page = client.request(
            "GET", f"/{model.__mapper__.endpoint}", params={"page": number}
        ).json()
        rows += page["results"]
        if page["next"] is None:
            return rows


def value_of(name, row):
    return ELSEWHERE[name](row) if name in ELSEWHERE else row.get(name)


def names_of(client, model):
    """The names of all rows by key: 2.15 tells those of projects and tasks in no other row."""
    return {row["id"]: row["name"] for row in all_rows(client, model)} | {None: None}


def is_newer(client, model, name):
    """Whether the server's version lacks a name that 2.80 has, as the contract says it."""
    told = DOCUMENT["paths"][f"/api/{model.__mapper__.endpoint}"]["get"]["description"]
    added = re.search(r"in 2\.80 also ([\w, ]+)", told)
    return client.get_server_version().startswith("2.15") and name in re.findall(
        r"\w+", added[1] if added else ""
    )


def ids(model, *conditions, **lookups):
    return set(model.objects.filter(*conditions, **lookups).values_list("id", flat=True))


def excluded(model, **lookups):
    return set(model.objects.exclude(**lookups).values_list("id", flat=True))


def questions(values):
    """Yield each lookup with a value to ask for, and the same question in Python."""
    known = sorted({value for value in values if value is not None})
    yield "isnull", True, lambda value: value is None
    yield "isnull", False, lambda value: value is not None
    if not known:
        return
    low, middle, high = known[0], known[len(known) // 2], known[-1]
    yield "exact", middle, lambda value: value == middle
    yield "in", [low, high], lambda value: value in (low, high)
    yield "in", [], lambda value: False
    if isinstance(middle, bool):
        return
    yield "gt", middle, lambda value: value is not None and value > middle
    yield "gte", middle, lambda value: value is not None and value >= middle
    yield "lt", middle, lambda value: value is not None and value < middle
    yield "lte", middle, lambda value: value is not None and value <= middle
    yield "range", (low, middle), lambda value: value is not None and low <= value <= middle
    if isinstance(middle, str):
        part = middle[1:4]
        yield "contains", part, lambda value: value is not None and part in value


@each_path
def test_each_lookup_finds_what_python_finds(only_read, model, path, name):
    if is_newer(only_read, model, name):
        refused = pytest.raises(UnsupportedLookup, match=f"{path}: CVAT neither filters nor sorts")
        before = only_read.transport.requests_sent
        with refused:
            list(model.objects.order_by(path))
        with refused:
            list(model.objects.filter(**{path: None}))
        assert only_read.transport.requests_sent == before
        return
    rows = {row["id"]: value_of(name, row) for row in all_rows(only_read, model)}
    if name in ("project_name", "task_name"):
        names = names_of(only_read, Project if name == "project_name" else Task)
        parent = name.replace("name", "id")
        rows = {row["id"]: names[row[parent]] for row in all_rows(only_read, model)}
    assert rows
    asked = set()
    for lookup, value, holds in questions(rows.values()):
        asked.add(lookup)
        if "date" in path and lookup == "contains":
            continue  # a part of a moment is no text to ask for
        wanted = {key for key, found in rows.items() if holds(found)}
        assert ids(model, **{f"{path}__{lookup}": value}) == wanted, (lookup, value)
        assert excluded(model, **{f"{path}__{lookup}": value}) == rows.keys() - wanted, (
            lookup,
            value,
        )
    assert asked <= LOOKUPS


def test_every_lookup_of_the_dialect_was_asked_above():
    assert {lookup for lookup, _, _ in questions(["abcd", "bcde", None])} == LOOKUPS


@pytest.mark.parametrize(
    ("question", "holds"),
    [
        (Q(subset="train") | Q(subset="val"), lambda row: row["subset"] in ("train", "val")),
        (~Q(subset="train"), lambda row: row["subset"] != "train"),
        (
            ~(Q(subset="train") | Q(id__gt=5)),
            lambda row: not (row["subset"] == "train" or row["id"] > 5),
        ),
        (
            ~(Q(subset="train") & Q(id__gt=1)),
            lambda row: not (row["subset"] == "train" and row["id"] > 1),
        ),
        (
            Q(id__lte=6) & (Q(status="completed") | ~Q(assignee__username="annotator1")),
            lambda row: (
                row["id"] <= 6
                and (
                    row["status"] == "completed"
                    or not (row["assignee"] and row["assignee"]["username"] == "annotator1")
                )
            ),
        ),
        (~~Q(id=3), lambda row: row["id"] == 3),
        (Q(Q(Q(id=3))), lambda row: row["id"] == 3),
        (
            Q(Q(id__in=[1, 2, 3]), ~Q(id=2)) | Q(assignee__username=None),
            lambda row: (row["id"] in (1, 3)) or row["assignee"] is None,
        ),
        (Task.id.between(2, 4) & (Task.name != "task 1-03"), lambda row: row["id"] in (2, 4)),
        (Task.project.is_null(), lambda row: False),
    ],
    ids=lambda value: repr(value) if isinstance(value, Q) else "",
)
def test_conditions_nest(seeded, question, holds):
    wanted = {row["id"] for row in all_rows(seeded, Task) if holds(row)}
    assert ids(Task, question) == wanted


def test_a_relation_is_asked_for_by_object_key_or_through_it(seeded):
    project = Project.objects.get(name="project 1")
    wanted = {row["id"] for row in all_rows(seeded, Task) if row["project_id"] == project.id}
    assert ids(Task, project=project) == wanted
    assert ids(Task, project=project.id) == wanted
    assert ids(Task, project__in=[project]) == wanted
    assert ids(Task, project__name="project 1") == wanted
    assert ids(Task, project__id=project.id) == wanted
    jobs = {row["id"] for row in all_rows(seeded, Job) if row["task_id"] in wanted}
    assert ids(Job, task__in=wanted) == jobs


@pytest.mark.parametrize("lookup", sorted(ALL_LOOKUPS - LOOKUPS - {"within"}))
def test_a_lookup_that_cvat_lacks_is_refused_before_it_is_sent(client, requests_of, lookup):
    with requests_of() as sent, pytest.raises(UnsupportedLookup) as refused:
        list(Task.objects.filter(**{f"name__{lookup}": "x"}))
    assert len(sent) == 0
    said = str(refused.value)
    assert f"name__{lookup}" in said
    assert "filter_locally" in said
    for known in LOOKUPS:
        assert known in said


@pytest.mark.parametrize(
    ("model", "name", "there_is"),
    [
        (Task, "assignee", "assignee__username"),
        (Task, "size", "subset"),
        (Task, "owner__email", "owner__username"),
        (Project, "created_date", "updated_date"),
        (Job, "start_frame", "task__name"),
        (Label, "svg", "color"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_field_that_cvat_does_not_filter_by_is_refused_with_those_that_it_does(
    client, requests_of, model, name, there_is
):
    value = {"created_date": "2024-01-01T00:00:00Z", "svg": "x", "owner__email": "x"}.get(name, 1)
    for query in (
        model.objects.filter(**{name: value}),
        model.objects.exclude(**{name: value}),
        model.objects.filter(Q(id=1) | Q(**{name: value})),
        model.objects.order_by(name),
    ):
        with requests_of() as sent, pytest.raises(UnsupportedLookup) as refused:
            list(query)
        assert len(sent) == 0
        assert name in str(refused.value)
        assert there_is in str(refused.value)


def test_what_cvat_does_not_filter_by_is_filtered_here_when_asked_to(seeded):
    wanted = {row["id"] for row in all_rows(seeded, Job) if row["start_frame"] == 10}
    found = Job.objects.filter_locally(lambda job: job.start_frame == 10)
    assert {job.id for job in found} == wanted


def test_the_filter_is_one_parameter_of_json_logic(client, requests_of):
    with requests_of() as sent:
        list(Task.objects.filter(name="x", id__gt=3).exclude(subset__contains="a").order_by("-id"))
    params = dict(sent.requests[0].params)
    assert json.loads(params["filter"]) == {
        "and": [
            {"==": [{"var": "name"}, "x"]},
            {">": [{"var": "id"}, 3]},
            {"!": {"in": ["a", {"var": "subset"}]}},
        ]
    }
    assert params["sort"] == "-id"


def test_a_parent_of_labels_is_a_plain_parameter_beside_the_filter(seeded, requests_of):
    project = Project.objects.get(name="project 1")
    with requests_of() as sent:
        found = list(Label.objects.filter(Q(project=project) & Q(name__in=["car", "tree"])))
    assert {label.name for label in found} == {"car", "tree"}
    assert dict(sent.requests[0].params)["project_id"] == project.id
    nested = Label.objects.filter(Q(Q(project=project) & Q(name="car")), color__contains="#")
    assert [label.name for label in nested] == ["car"]


def test_a_parent_of_labels_can_not_be_negated_or_alternative(seeded, requests_of):
    for query in (
        Label.objects.exclude(project=1),
        Label.objects.filter(Q(project=1) | Q(name="car")),
    ):
        with requests_of() as sent, pytest.raises(UnsupportedLookup, match="plain parameter"):
            list(query)
        assert len(sent) == 0


def test_no_label_is_of_two_projects_so_cvat_is_not_asked_for_one(seeded, requests_of):
    both = Label.objects.filter(project=1).filter(project=2)
    with requests_of() as sent, pytest.raises(UnsupportedLookup, match="project_id"):
        list(both)
    assert not sent.requests


def test_labels_of_two_parents_at_once_are_refused_by_the_server(seeded):
    with pytest.raises(BadRequest, match="cannot be used together"):
        list(Label.objects.filter(project=1, task=1))


def test_the_order_is_the_server_s(seeded):
    rows = sorted(all_rows(seeded, Task), key=lambda row: (row["subset"], -row["id"]))
    found = Task.objects.order_by("subset", "-id").values_list("id", flat=True)
    assert found == [row["id"] for row in rows]


def test_unknown_names_and_wrong_values_are_refused_here(client, requests_of):
    with requests_of() as sent:
        with pytest.raises(AttributeError, match=r"nmae.*name"):
            Task.objects.filter(nmae="x")
        with pytest.raises(QueryError):
            Task.objects.filter(id="many")
        with pytest.raises(QueryError):
            Task.objects.filter(id__in=3)
    assert len(sent) == 0


def test_pages_are_followed_to_the_end(seeded, requests_of):
    everything = {row["id"] for row in all_rows(seeded, Job)}
    with requests_of() as sent:
        found = [job.id for job in Job.objects.order_by("id").iterator(page_size=5)]
    assert found == sorted(everything)
    assert len(sent) == 5
    with requests_of() as sent:
        ahead = [
            job.id for job in Job.objects.order_by("id").iterator(page_size=5, prefetch_pages=3)
        ]
    assert ahead == found
    assert len(sent) == 5


def test_a_slice_asks_for_no_more_than_it_shows(seeded, requests_of):
    with requests_of() as sent:
        found = Job.objects.order_by("id")[6:9].values_list("id", flat=True)
    assert found == [7, 8, 9]
    assert len(sent) <= 2


def test_many_keys_are_one_request(seeded, requests_of):
    with requests_of() as sent:
        found = Job.objects.in_bulk([3, 1, 2, 999])
    assert list(found) == [3, 1, 2]
    assert len(sent) == 1


def test_explain_shows_the_request_and_sends_nothing(client, requests_of):
    with requests_of() as sent:
        told = Task.objects.filter(project__name="x").exclude(name="y").explain()
    assert len(sent) == 0
    assert '{"==":[{"var":"project_name"},"x"]}' in unquote(told)
    assert "project__name" in told
