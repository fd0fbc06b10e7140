"""Django REST framework, as its users build it: every pagination, filters, nested rows, its errors."""

import datetime as dt
import sys

import drf_service
import faulty
import pytest
from worlds import NAMES, Project, Task, TaskFields, User

from objmapper import (
    BadRequest,
    Client,
    CommitError,
    ContractError,
    Model,
    Registry,
    Session,
    TokenAuth,
    UnsupportedLookup,
    ValidationError,
    fields,
)
from objmapper.dialects import DRF
from objmapper.exceptions import MethodNotAllowed

faultproxy = sys.modules["faultproxy"]
pytestmark = pytest.mark.usefixtures("drf")


class FixedTask(TaskFields):
    """Numbered pages of four, whose size can't be chosen."""

    class Meta:
        endpoint = "fixed-tasks"


class LimitedTask(TaskFields):
    class Meta:
        endpoint = "limited-tasks"


class CursorTask(TaskFields):
    class Meta:
        endpoint = "cursor-tasks"


class BareTask(TaskFields):
    class Meta:
        endpoint = "bare-tasks"


class DeafTask(TaskFields):
    """A view without filters and without ordering."""

    class Meta:
        endpoint = "deaf-tasks"


PAGED = [Task, FixedTask, LimitedTask, CursorTask, BareTask]


def names(objects) -> list[str]:
    return [obj.name for obj in objects]


# -- every pagination -----------------------------------------------------------------------------


@pytest.mark.parametrize("model", PAGED)
def test_all_pages_are_read_whatever_the_pagination(drf, model):
    assert sorted(names(model.objects.all())) == NAMES
    assert len(drf.asked) == (1 if model is BareTask else 3)


@pytest.mark.parametrize("model", PAGED)
def test_filters_and_order_go_along_to_every_page(drf, model):
    assert names(model.objects.filter(name__gt="t02").order_by("-name")) == NAMES[:1:-1]
    assert all("name__gt=t02" in line and "ordering=-name" in line for line in drf.asked)


@pytest.mark.parametrize("model", PAGED)
@pytest.mark.parametrize(
    "cut", [slice(3), slice(2, 5), slice(3, 9), slice(8, None), slice(4, 4), slice(8, 99)], ids=str
)
def test_a_slice_is_what_a_list_would_give_whatever_the_pagination(model, cut):
    assert names(model.objects.order_by("name")[cut]) == NAMES[cut]


@pytest.mark.parametrize("model", PAGED)
def test_counting_whatever_the_pagination(drf, model):
    assert model.objects.count() == 10
    assert len(drf.asked) == (4 if model is CursorTask else 1), "a cursor tells no total"
    assert model.objects.filter(name="t03").count() == 1
    assert model.objects.filter(name="gone").count() == 0
    assert model.objects.order_by("name")[4:7].count() == 3
    assert model.objects.exists()
    assert not model.objects.filter(name="gone").exists()


@pytest.mark.parametrize("model", PAGED)
def test_first_and_last_whatever_the_pagination(model):
    assert (model.objects.first().name, model.objects.last().name) == ("t01", "t10")
    assert model.objects.order_by("-name").first().name == "t10"


@pytest.mark.parametrize("model", PAGED)
@pytest.mark.parametrize("ahead", [0, 1, 4])
def test_an_iterator_whatever_the_pagination(model, ahead):
    query = model.objects.order_by("name")
    assert names(query.iterator(page_size=3, prefetch_pages=ahead)) == NAMES


@pytest.mark.parametrize("model", PAGED)
def test_keys_in_bulk_whatever_the_pagination(drf, model):
    keys = [drf.keys[name] for name in NAMES]
    assert names(model.objects.in_bulk(keys).values()) == NAMES


@pytest.mark.parametrize("model", PAGED)
def test_rows_that_go_while_pages_are_read_end_them(drf, model):
    found = model.objects.order_by("name").iterator(page_size=4, prefetch_pages=0)
    first = [next(found).name for _ in range(4)]
    for name in NAMES[4:]:
        drf.plain("DELETE", f"/tasks/{drf.keys[name]}")
    assert first == NAMES[:4]
    assert [task.name for task in found] == (NAMES[4:] if model is BareTask else [])


# -- filters that a view lacks --------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        lambda: DeafTask.objects.filter(name="t05"),
        lambda: DeafTask.objects.filter(name__in=["t05"]),
        lambda: DeafTask.objects.filter(id__gt=5),
        lambda: DeafTask.objects.filter(name__contains="5"),
        lambda: DeafTask.objects.filter(project=2),
        lambda: DeafTask.objects.filter(owner__isnull=True),
        lambda: Task.objects.filter(size__lt=0),  # its view has size__gte alone
        lambda: Task.objects.filter(owner__username="bob"),
    ],
)
def test_a_filter_that_the_view_lacks_is_told_and_nothing_is_done_to_the_rows(drf, query):
    drf.plain("PATCH", f"/tasks/{drf.keys['t01']}", {"owner_id": 1})
    with pytest.raises(ContractError, match="ignored the filter"):
        list(query())
    with pytest.raises(ContractError, match="ignored the filter"):
        query().count()
    with pytest.raises(ContractError, match="ignored the filter"):
        query().update(name="renamed")
    with pytest.raises(ContractError, match="ignored the filter"):
        query().delete()
    assert drf.writes == []


def test_an_order_that_the_view_lacks_is_told(drf):
    with pytest.raises(ContractError, match="ignored the order '-id'"):
        list(DeafTask.objects.order_by("-id"))
    with pytest.raises(ContractError, match="ignored the order '-created'"):
        list(Project.objects.order_by("-created"))


def test_a_wrong_value_of_a_filter_is_the_servers_bad_request(drf):
    with pytest.raises(BadRequest) as caught:
        drf.client.request("GET", "/tasks/", params={"size": "x"})
    assert caught.value.errors == {"size": ["Enter a number."]}


def test_values_with_commas_are_not_said_in_lists(drf):
    drf.plain("PATCH", f"/tasks/{drf.keys['t01']}", {"name": "a,b"})
    with pytest.raises(UnsupportedLookup, match="comma"):
        list(Task.objects.filter(name__in=["a,b"]))
    assert names(Task.objects.filter(name="a,b")) == ["a,b"]


@pytest.mark.parametrize("name", ["ä ö ü", "a&b=c", "50 %", "a+b", "#1", "a/b?c", "'\"<>", "日本"])
def test_any_text_is_asked_for_as_it_is(drf, name):
    task = Task.objects.create(name=name)
    assert Task.objects.get(name=name) is task
    assert Task.objects.filter(name__contains=name)[0] is task
    assert drf.row("tasks", task.id)["name"] == name


def test_null_and_truth_are_asked_for(drf):
    drf.plain("PATCH", f"/tasks/{drf.keys['t03']}", {"note": "x", "done": True, "owner_id": 2})
    assert names(Task.objects.filter(note__isnull=False)) == ["t03"]
    assert names(Task.objects.filter(done=True)) == ["t03"]
    assert len(Task.objects.filter(note=None)) == len(Task.objects.filter(done=False)) == 9
    assert names(Task.objects.filter(owner=2)) == ["t03"]


# -- rows -----------------------------------------------------------------------------------------


def test_a_nested_row_is_read_and_its_key_is_written(drf):
    task = Task.objects.get(id=drf.keys["t05"])
    task.owner = User.objects.get(username="bob")
    task.commit()
    assert drf.writes[-1].body == {"owner_id": 2}
    assert drf.row("tasks", task.id)["owner"] == {"id": 2, "username": "bob"}
    drf.session.expunge(task)
    drf.forget()
    again = Task.objects.get(id=task.id)
    assert again.owner.username == "bob"
    assert len(drf.asked) == 1
    again.owner = None
    again.commit()
    assert drf.row("tasks", task.id)["owner"] is None


def test_what_is_write_only_is_sent_and_never_shown(drf):
    task = Task.objects.create(name="x", secret="hidden")
    assert drf.writes[-1].body == {"name": "x", "secret": "hidden"}
    assert "hidden" not in repr(task.to_dict()) + repr(task)
    task.secret = "other"
    task.commit()
    assert drf.writes[-1].body == {"secret": "other"}
    assert task.changes == {}


def test_lists_are_changed_in_place(drf):
    task = Task.objects.create(name="x", tags=["a"])
    task.tags.append("b")
    task.commit()
    assert drf.writes[-1].body == {"tags": ["a", "b"]}
    assert drf.row("tasks", task.id)["tags"] == ["a", "b"]


def test_times_are_aware_and_nothing_is_sent_that_was_not_touched(drf):
    project = Project.objects.get(id=drf.keys["p1"])
    assert project.created.utcoffset() is not None
    assert abs(dt.datetime.now(dt.UTC) - project.created) < dt.timedelta(minutes=5)
    project.name = "renamed"
    project.commit()
    assert drf.writes[-1].body == {"name": "renamed"}


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"name": "x" * 41}, {"name": ["Ensure this field has no more than 40 characters."]}),
        ({"name": "x", "size": -1}, {"size": ["A size is not negative."]}),
        ({"name": "x", "project": 99}, {"project": ['Invalid pk "99" - object does not exist.']}),
        ({"name": "x", "owner": 99}, {"owner_id": ['Invalid pk "99" - object does not exist.']}),
        (
            {"name": "x", "tags": ["a", "b" * 11]},
            {"tags.1": ["Ensure this field has no more than 10 characters."]},
        ),
    ],
)
def test_what_the_serializer_refuses_is_told_by_name(values, errors):
    with pytest.raises(CommitError) as caught:
        Task.objects.create(**values)
    (entry,) = caught.value.report.failed
    assert isinstance(entry.error, BadRequest)
    assert entry.error.errors == errors
    for name in errors:
        assert name.partition(".")[0] in str(caught.value)


def test_a_name_that_is_taken_is_a_bad_request(drf):
    with pytest.raises(CommitError) as caught:
        Project.objects.create(name="p1")
    assert caught.value.report.failed[0].error.errors == {
        "name": ["project with this name already exists."]
    }


def test_what_can_be_checked_here_is_not_sent(drf):
    with pytest.raises(ValidationError):
        Task.objects.create(size=1)
    assert drf.writes == []


def test_a_view_that_only_reads_takes_no_writes(drf):
    user = User.objects.get(username="ada")
    user.username = "eve"
    for write in (user.commit, user.delete, lambda: User.objects.create(username="x")):
        with pytest.raises(CommitError) as caught:
            write()
        assert isinstance(caught.value.report.failed[0].error, MethodNotAllowed)


# -- capabilities ---------------------------------------------------------------------------------


def test_a_view_that_needs_no_slash_or_other_names_is_a_matter_of_capabilities(drf):
    dialect = DRF(ordering_param="sort", page_size_param="limit", max_keys=4, can_jump=True)
    url, auth = drf.client.base_url, TokenAuth("0123456789abcdef0123456789abcdef01234567")
    with Client(url, dialect=dialect, auth=auth, retries=0) as client, Session(client):
        assert names(Task.objects.iterator(page_size=3, prefetch_pages=2)) == NAMES
        drf.forget()
        keys = [drf.keys[name] for name in NAMES]
        assert len(LimitedTask.objects.in_bulk(keys)) == 10
        assert [line.count("%2C") + line.count(",") for line in drf.asked] == [3, 3, 1]
        assert all("limit=" in line for line in drf.asked)
        with pytest.raises(ContractError, match="ignored the order"):
            list(Task.objects.order_by("-id"))


@pytest.mark.parametrize("name", ["colour", "_private", "list_request", "paging"])
def test_what_is_no_capability_is_refused(name):
    with pytest.raises(TypeError, match=name):
        DRF(**{name: True})


# -- answers that are lost ------------------------------------------------------------------------


def created_unheard(faulty_server, drf_url, view, name):
    """Create a task whose answer is lost, known by its name; return the report, and its key."""

    class Named(Model):
        id = fields.Integer(primary_key=True)
        name = fields.String(required=True)

        class Meta:
            registry = Registry(view)
            endpoint = view
            natural_key = ("name",)

    lost, passed = faultproxy.after(drf_url, faulty.reset()), faultproxy.passed_on(drf_url)
    faulty_server.then(lost, *[passed] * 9)
    told = {"auth": TokenAuth(drf_service.TOKEN), "retries": 0, "settle_after": 0.0}
    task = Named(name=name)
    with Client(f"{faulty_server.url}/api", dialect="drf", **told) as client:
        session = Session(client)
        session.add(task)
        try:
            report = session.commit()
        except CommitError as error:
            report = error.report
        session.expunge(task)
        session.close()
    return report, task.id


def test_what_was_made_unheard_is_found_by_its_name_as_the_framework_keeps_it(
    drf, drf_url, faulty_server
):
    report, key = created_unheard(faulty_server, drf_url, "tasks", " made unheard ")
    assert (report.counts(), report.requests) == ({"created": 1}, 1)
    assert drf.plain("GET", f"/tasks/{key}")["name"] == "made unheard"


def test_where_a_view_ignores_the_filter_what_was_made_unheard_is_uncertain(
    drf, drf_url, faulty_server
):
    report, key = created_unheard(faulty_server, drf_url, "deaf-tasks", "made unheard")
    assert (report.counts(), key) == ({"uncertain": 1}, None)
    assert "the server ignored the filter" in report.uncertain[0].outcome.why
    assert [seen.method for seen in faulty_server.seen].count("POST") == 1
