"""Relations: what touching one asks, what prefetch_related asks, and the managers of the other side."""

import pytest
from query_models import Board, Project, Step, Task
from smallserver import Refused

from objmapper import (
    FETCH_ONE,
    FETCH_PEERS,
    RAISE,
    BadRequest,
    ContractError,
    FieldFetchBlocked,
)


def ids(objects) -> list[int]:
    return [obj.id for obj in objects]


def tasks() -> list[Task]:
    return list(Task.objects.order_by("id"))


# -- touching a relation --------------------------------------------------------------------------


def test_the_key_of_a_relation_is_known_without_a_request(server, session):
    found = tasks()
    assert [task.project and task.project.id for task in found] == [1, 1, 2, 2, 3, None]
    assert found[0].project is found[1].project
    assert found[0].project == Project.objects.reference(1)
    repr(found[0].project)
    assert hash(found[0].project) == hash(found[1].project)
    assert len(server.asked) == 1


def test_touching_a_relation_loads_it_for_all_rows_of_the_page(server, session):
    found = tasks()
    assert found[2].project.name == "p2"
    assert server.asked[1:] == ["GET /projects/?id__in=2,1,3&page_size=3"]
    assert [task.project and task.project.name for task in found] == [
        *("p1", "p1", "p2", "p2", "p3", None)
    ]
    assert len(server.asked) == 2


def test_peers_of_peers_come_in_one_request_too(server, session):
    found = [task for task in tasks() if task.project]
    assert [task.project.team.name for task in found] == ["blue", "blue", "red", "red", "blue"]
    assert [line.partition("?")[0] for line in server.asked] == [
        *("GET /tasks/", "GET /projects/", "GET /teams/")
    ]


def test_a_nested_row_serves_what_it_has_and_loads_the_rest_with_its_peers(server, session):
    found = tasks()
    assert [task.assignee and task.assignee.name for task in found] == [*"ab", None, *"ab", None]
    assert len(server.asked) == 1
    assert found[0].assignee.email == "a@x"
    assert found[1].assignee.email == "b@x"
    assert server.asked[1:] == ["GET /users/?id__in=1,2&page_size=2"]


def test_peers_are_those_of_the_same_page(server, session):
    server.page_size = 2
    found = tasks()
    assert found[2].project.name == "p2"
    assert server.asked[3:] == ["GET /projects/2/"]


def test_peers_are_at_most_what_fits_one_request(server, limited):
    limited(max_keys=2)
    found = tasks()
    assert [task.project.name for task in found[:5]] == ["p1", "p1", "p2", "p2", "p3"]
    assert server.asked[1:] == ["GET /projects/?id__in=1,2&page_size=2", "GET /projects/3/"]


def test_what_is_loaded_already_is_not_asked_again(server, session):
    Project.objects.get(id=1)
    found = tasks()
    assert found[0].project.name == "p1"
    assert len(server.asked) == 2
    assert found[4].project.name == "p3"
    assert server.asked[2:] == ["GET /projects/?id__in=3,2&page_size=2"]


def test_a_relation_to_what_is_gone_is_told_where_it_is_touched(server, session):
    del server.tables["projects"].rows[3]
    found = tasks()
    assert found[0].project.name == "p1"
    assert found[2].project.name == "p2"
    with pytest.raises(Project.DoesNotExist):
        found[4].project.name  # noqa: B018 - reading is what is tested
    assert server.asked[1:] == ["GET /projects/?id__in=1,2,3&page_size=3", "GET /projects/3/"]


def test_one_by_one_where_one_request_names_one_key(server, limited):
    limited(max_keys=0)
    found = tasks()
    assert [task.project.name for task in found[:4]] == ["p1", "p1", "p2", "p2"]
    assert server.asked[1:] == ["GET /projects/1/", "GET /projects/2/"]


def test_fetch_one_loads_one(server, session):
    found = list(Task.objects.order_by("id").fetch_mode(FETCH_ONE))
    assert [task.project.name for task in found[:4]] == ["p1", "p1", "p2", "p2"]
    assert server.asked[1:] == ["GET /projects/1/", "GET /projects/2/"]
    (deferred, *_) = Task.objects.only("id").order_by("-id").fetch_mode(FETCH_ONE)
    assert deferred.name == "epsilon"


def test_fetch_one_of_deferred_fields_loads_one(server, session):
    found = list(Task.objects.only("name").order_by("id").fetch_mode(FETCH_ONE))
    assert (found[0].size, found[0].note, found[1].size) == (5, None, 7)
    assert server.asked[1:] == ["GET /tasks/1/", "GET /tasks/2/"]


def test_raise_refuses_every_lazy_load(server, session):
    found = list(Task.objects.order_by("id").fetch_mode(RAISE))
    assert found[0].project.id == 1
    assert found[0].assignee.name == "a"
    with pytest.raises(FieldFetchBlocked, match=r"Project\.name of <Project 1>.*prefetch_related"):
        found[0].project.name  # noqa: B018
    with pytest.raises(FieldFetchBlocked):
        found[0].assignee.email  # noqa: B018
    deferred = Task.objects.only("name").fetch_mode(RAISE).order_by("-id")[0]
    assert deferred.name == "epsilon"
    assert len(server.asked) == 2


def test_the_fetch_mode_is_that_of_all_that_a_query_loads(server, session):
    query = Task.objects.order_by("id").fetch_mode(RAISE)
    found = list(query.prefetch_related("project", "steps"))
    assert found[0].project.name == "p1"
    assert [step.name for step in found[0].steps.all()] == ["s1", "s2"]
    for touch in (
        lambda: found[0].project.team.name,
        lambda: found[0].steps.all()[0].task.project.team.name,
        lambda: query.get(id=2).project.team.name,
    ):
        with pytest.raises(FieldFetchBlocked, match=r"Team\.name"):
            touch()


def test_peers_are_the_default(session):
    assert Task.objects.all().query.fetch_mode is FETCH_PEERS


def test_a_field_that_lists_lack_is_asked_of_each_detail_once(server, limited):
    server.tables["tasks"].thin = ("id", "name", "project")
    limited(lists_are_full=False)
    found = tasks()
    assert found[0].name == "alpha"
    assert [task.size for task in found[:3]] == [5, 7, 9]
    assert [task.note for task in found[:3]] == [None, "x", None]
    assert server.asked[1:] == ["GET /tasks/1/", "GET /tasks/2/", "GET /tasks/3/"]


def test_a_field_of_a_relation_that_lists_have_comes_with_peers_where_lists_are_thin(
    server, limited
):
    server.tables["projects"].thin = ("id", "name")
    limited(lists_are_full=False)
    found = tasks()
    assert [task.project.name for task in found[:5]] == ["p1", "p1", "p2", "p2", "p3"]
    assert server.asked[1:] == ["GET /projects/?id__in=1,2,3&page_size=3"]
    assert [task.project.team.id for task in found[:3]] == [2, 2, 1]
    assert server.asked[2:] == ["GET /projects/1/", "GET /projects/2/"]


# -- prefetch_related -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        (lambda: Task.objects.prefetch_related("project"), ["projects"]),
        (lambda: Task.objects.prefetch_related("project", "assignee"), ["projects", "users"]),
        (lambda: Task.objects.prefetch_related("project__team"), ["projects", "teams"]),
        (lambda: Task.objects.prefetch_related("project", "project__team"), ["projects", "teams"]),
        (lambda: Project.objects.prefetch_related("tasks"), ["tasks"]),
        (lambda: Project.objects.prefetch_related("tasks", "team"), ["tasks", "teams"]),
        (lambda: Project.objects.prefetch_related("tasks__assignee"), ["tasks", "users"]),
        (lambda: Project.objects.prefetch_related("tasks__steps"), ["tasks", "steps"]),
        (
            lambda: Step.objects.prefetch_related("task__project__team", "task__assignee"),
            ["tasks", "projects", "teams", "users"],
        ),
    ],
)
def test_a_relation_that_is_prefetched_is_one_wave_of_requests(server, session, query, paths):
    found = list(query())
    assert [line.split("/")[1] for line in server.asked[1:]] == paths
    for obj in found:
        match obj:
            case Task():
                assert obj.project is None or obj.project.name
                assert obj.assignee is None or obj.assignee.name
            case Project():
                assert all(task.name for task in obj.tasks.all())
            case Step():
                assert obj.task.project.team.name
                assert obj.task.assignee.email
    assert len(server.asked) == 1 + len(paths)


def test_a_relation_to_many_is_one_list_of_all_of_them(server, session):
    first, second, third = Project.objects.order_by("id").prefetch_related("tasks")
    assert server.asked[1:] == ["GET /tasks/?project__in=1,2,3"]
    assert ids(first.tasks.all()) == [1, 2]
    assert ids(second.tasks.all()) == [3, 4]
    assert ids(third.tasks.all()) == [5]
    assert (first.tasks.count(), first.tasks.exists(), len(first.tasks.all())) == (2, True, 2)
    assert ids(first.tasks) == [1, 2]
    assert first.tasks.all()[0].project is first
    assert len(server.asked) == 2


def test_a_relation_to_many_without_any_is_known_to_be_empty(server, session):
    server.tables["projects"].rows[9] = {"id": 9, "name": "p9", "team": None}
    *_, last = Project.objects.order_by("id").prefetch_related("tasks")
    assert list(last.tasks.all()) == []
    assert not last.tasks.exists()
    assert len(server.asked) == 2


def test_a_prefetched_relation_is_fresh_after_refresh(server, session):
    (project,) = Project.objects.filter(id=1).prefetch_related("tasks")
    server.tables["tasks"].rows[9] = server.tables["tasks"].rows[1] | {"id": 9}
    assert ids(project.tasks.all()) == [1, 2]
    assert ids(project.tasks.filter(size=5)) == [1, 9]
    project.refresh()
    assert ids(project.tasks.all()) == [1, 2, 9]


def test_waves_grow_with_what_fits_a_request_not_with_the_rows(server, session):
    projects = server.tables["projects"].rows
    projects.update({n: {"id": n, "name": f"p{n}", "team": 1} for n in range(1, 251)})
    assert len(list(Project.objects.prefetch_related("tasks"))) == 250
    pages = [line for line in server.asked if line.startswith("GET /projects/")]
    assert (len(pages), len(server.asked) - len(pages)) == (3, 3)


def test_prefetching_where_one_request_names_one_key(server, limited):
    limited(max_keys=0)
    list(Task.objects.order_by("id").prefetch_related("project"))
    assert server.asked[1:] == ["GET /projects/1/", "GET /projects/2/", "GET /projects/3/"]
    server.seen.clear()
    found = list(Project.objects.order_by("id").prefetch_related("tasks"))
    assert server.asked[1:] == [f"GET /tasks/?project={n}" for n in (1, 2, 3)]
    assert [ids(project.tasks.all()) for project in found] == [[1, 2], [3, 4], [5]]


def test_prefetching_rows_that_do_not_say_whose_they_are(server, limited):
    server.tables["tasks"].thin = ("id", "name")
    limited(lists_are_full=False)
    found = list(Project.objects.order_by("id").prefetch_related("tasks"))
    assert [ids(project.tasks.all()) for project in found] == [[1, 2], [3, 4], [5]]
    assert server.asked[2:] == [f"GET /tasks/?project={n}" for n in (1, 2, 3)]


def test_prefetching_below_nested_endpoints_is_a_list_each(server, session):
    found = list(Task.objects.filter(id__in=[1, 2]).order_by("id").prefetch_related("artifacts"))
    assert server.asked[1:] == ["GET /tasks/1/artifacts/", "GET /tasks/2/artifacts/"]
    assert [ids(task.artifacts.all()) for task in found] == [[1, 2], []]
    assert found[0].artifacts.all()[0].task is found[0]


def test_prefetching_goes_with_get_with_slices_and_with_iterators(server, session):
    task = Task.objects.prefetch_related("project").get(id=1)
    assert server.asked == ["GET /tasks/1/", "GET /projects/?id__in=1&page_size=1"]
    assert task.project.name == "p1"
    server.seen.clear()
    assert [
        len(project.tasks.all())
        for project in Project.objects.order_by("id").prefetch_related("tasks")[1:3]
    ] == [2, 1]
    assert server.asked[1:] == ["GET /tasks/?project__in=2,3"]
    server.seen.clear()
    query = Project.objects.order_by("id").prefetch_related("tasks")
    found = query.iterator(page_size=2, prefetch_pages=0)
    assert [len(project.tasks.all()) for project in found] == [2, 2, 1]
    assert [line.partition("?")[0] for line in server.asked] == [
        *("GET /projects/", "GET /tasks/", "GET /projects/", "GET /tasks/")
    ]


def test_what_a_local_filter_drops_is_not_prefetched(server, session):
    query = Project.objects.filter_locally(lambda project: project.id == 2)
    assert ids(query.prefetch_related("tasks")) == [2]
    assert server.asked[1:] == ["GET /tasks/?project__in=2"]


def test_prefetching_nothing_asks_nothing(server, session):
    assert list(Task.objects.filter(name="gone").prefetch_related("project", "steps")) == []
    assert list(Task.objects.filter(id=6).prefetch_related("project", "assignee"))
    assert len(server.asked) == 2


def test_a_change_survives_prefetching_over_it(server, session):
    task = Task.objects.get(id=1)
    task.name = "mine"
    assert [t.name for t in Project.objects.prefetch_related("tasks").get(id=1).tasks.all()] == [
        *("mine", "beta")
    ]
    assert session.dirty == [task]


def test_prefetching_shows_what_the_server_has_not_what_was_changed_here(server, session):
    moved, dropped = Task.objects.get(id=1), Task.objects.get(id=2)
    moved.project, dropped.project = 2, None
    first, second, _ = Project.objects.order_by("id").prefetch_related("tasks")
    assert ids(first.tasks.all()) == [1, 2]
    assert ids(second.tasks.all()) == [3, 4]
    assert session.dirty == [moved, dropped]


def test_prefetching_shows_what_the_targets_manager_shows(server, session):
    board, *_ = Board.objects.prefetch_related("pages")
    assert ids(board.pages.all()) == [1, 3]
    assert server.asked[1:] == ["GET /pages/?live=true&board__in=1"]


# -- views that can't be asked for several --------------------------------------------------------


@pytest.fixture(params=["ignored", "refused"])
def singular(server, request):
    """A server whose projects are not filtered by several keys, nor tasks by several projects."""
    real = server._meets

    def meets(table, row, conditions):
        several = {name: text for name, text in conditions.items() if name.endswith("__in")}
        if several and request.param == "refused":
            raise Refused(400, {next(iter(several)): ["Unknown filter."]})
        return real(table, row, {n: t for n, t in conditions.items() if n not in several})

    server._meets = meets
    rows = server.tables["projects"].rows
    server.tables["projects"].rows = {4: {"id": 4, "name": "p4", "team": 1}, **rows}
    return server


def test_a_view_without_a_filter_by_several_keys_is_asked_for_one_by_one(singular, session):
    found = tasks()
    with pytest.warns(UserWarning, match=r"Project\.id.*request of its own.*max_keys=0"):
        assert found[0].project.name == "p1"
    assert [task.project.name for task in found[1:5]] == ["p1", "p2", "p2", "p3"]
    assert [line.partition("?")[0] for line in singular.asked[1:]] == [
        *("GET /projects/", "GET /projects/1/", "GET /projects/2/", "GET /projects/3/")
    ]


def test_prefetching_forward_from_such_a_view(singular, session):
    with pytest.warns(UserWarning, match=r"Project\.id"):
        found = list(Task.objects.order_by("id").prefetch_related("project"))
    asked = len(singular.asked)
    assert [task.project and task.project.name for task in found][:3] == ["p1", "p1", "p2"]
    assert len(singular.asked) == asked


def test_prefetching_backward_from_such_a_view(singular, session):
    with pytest.warns(UserWarning, match=r"Task\.project"):
        found = list(Project.objects.order_by("id").prefetch_related("tasks"))
    assert singular.asked[2:] == [f"GET /tasks/?project={n}" for n in (1, 2, 3, 4)]
    assert [ids(project.tasks.all()) for project in found] == [[1, 2], [3, 4], [5], []]


def test_keys_in_bulk_from_such_a_view_and_what_is_known_is_not_tried_again(singular, session):
    with pytest.warns(UserWarning, match=r"Project\.id"):
        assert list(Project.objects.in_bulk([2, 99, 1])) == [2, 1]
    singular.seen.clear()
    assert list(Project.objects.in_bulk([3, 2])) == [3, 2]
    assert singular.asked == ["GET /projects/3/", "GET /projects/2/"]


def test_what_else_such_a_view_is_asked_is_still_an_error(singular, session):
    with pytest.raises((ContractError, BadRequest)):
        list(Project.objects.filter(id__in=[2]))
    with pytest.raises((ContractError, BadRequest)):
        Project.objects.filter(name="p2").in_bulk([3, 4])
