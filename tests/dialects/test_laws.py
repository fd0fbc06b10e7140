"""One body of laws, tried on every dialect with a real server.

Where servers differ, the difference is a named capability of the dialect: ``lookups``, ``can_order``,
``can_join``, ``can_combine``, ``can_select``, ``max_keys``, ``max_batch``. No law asks for a dialect's name.
"""

import pytest
from worlds import LAYOUT, NAMES, PROJECT_OF

from objmapper import (
    RAISE,
    BadRequest,
    CommitError,
    FieldFetchBlocked,
    NotAuthenticated,
    NotFound,
    Q,
    QueryError,
    Session,
    UnsupportedLookup,
    inspect,
)
from objmapper.exceptions import MethodNotAllowed
from objmapper.query import LOOKUPS

pytestmark = pytest.mark.usefixtures("session")


def names(objects) -> list[str]:
    return sorted(obj.name for obj in objects)


# -- reading --------------------------------------------------------------------------------------


def test_all_objects_are_read_page_by_page(world):
    found = list(world.Task.objects.all())
    assert names(found) == NAMES
    assert {task.id for task in found} == {world.keys[name] for name in NAMES}


def test_pages_are_fetched_ahead_in_constant_memory(world):
    with Session(world.client, keep=2) as session:
        found, most = [], 0
        for task in world.Task.objects.iterator(page_size=3, prefetch_pages=2):
            found.append(task.name)
            most = max(most, len(session))
    assert sorted(found) == NAMES
    assert most <= 2 + 4  # the window, and a page of three or four


def test_get_by_key_is_one_request_of_the_object(world):
    task = world.Task.objects.get(id=world.keys["t05"])
    assert task.name == "t05"
    assert world.asked == [f"GET /tasks/{world.keys['t05']}"]
    assert task is world.Task.objects.get(id=str(world.keys["t05"]))


def test_get_of_what_is_not_there_raises_does_not_exist(world):
    with pytest.raises(world.Task.DoesNotExist):
        world.Task.objects.get(id=world.missing)
    with pytest.raises(world.Task.DoesNotExist):
        world.Task.objects.get(name="gone")


def test_get_of_several_raises_multiple_objects_returned(world):
    project = world.Project.objects.reference(world.keys["p1"])
    with pytest.raises(world.Task.MultipleObjectsReturned):
        world.Task.objects.get(project=project)


def test_equality_filters(world):
    assert names(world.Task.objects.filter(name="t05")) == ["t05"]
    project = world.Project.objects.reference(world.keys["p2"])
    assert names(world.Task.objects.filter(project=project)) == list(LAYOUT["p2"])
    assert names(world.Task.objects.filter(project=project, name="t05")) == ["t05"]
    assert names(world.Task.objects.filter(project=project).filter(name="t01")) == []


KEYED = {
    "exact": ("t05", ["t05"]),
    "in": (("t02", "t05", "t09"), ["t02", "t05", "t09"]),
    "gt": ("t08", ["t09", "t10"]),
    "gte": ("t09", ["t09", "t10"]),
    "lt": ("t03", ["t01", "t02"]),
    "lte": ("t02", ["t01", "t02"]),
    "range": (("t04", "t06"), ["t04", "t05", "t06"]),
}
NAMED = {
    "exact": ("t05", ["t05"]),
    "iexact": ("T05", ["t05"]),
    "in": (("t02", "t05"), ["t02", "t05"]),
    "contains": ("t0", NAMES[:9]),
    "icontains": ("T1", ["t10"]),
    "startswith": ("t1", ["t10"]),
    "istartswith": ("T1", ["t10"]),
    "endswith": ("0", ["t10"]),
    "iendswith": ("0", ["t10"]),
    "regex": ("^t.[12]$", ["t01", "t02"]),
    "iregex": ("^T.[12]$", ["t01", "t02"]),
}


@pytest.mark.parametrize("lookup", sorted(KEYED))
def test_a_lookup_on_keys_is_done_by_the_server_or_refused_before_sending(world, lookup):
    value, found = KEYED[lookup]
    several = isinstance(value, tuple)
    keys = [world.keys[name] for name in value] if several else world.keys[value]
    obey_or_refuse(world, "id", lookup, keys, found)


@pytest.mark.parametrize("lookup", sorted(NAMED))
def test_a_lookup_on_text_is_done_by_the_server_or_refused_before_sending(world, lookup):
    obey_or_refuse(world, "name", lookup, *NAMED[lookup])


def obey_or_refuse(world, name, lookup, value, found):
    query = world.Task.objects.filter(**{f"{name}__{lookup}": value})
    if lookup in world.dialect.lookups_of((world.Task.__mapper__.fields[name],)):
        assert names(query) == found
        assert query.all().count() == len(found)
        return
    with pytest.raises(UnsupportedLookup, match=rf"{name}__{lookup}.*filter_locally"):
        list(query)
    with pytest.raises(UnsupportedLookup):
        query.count()
    assert world.asked == []


def test_every_lookup_that_a_dialect_names_is_one(world):
    assert world.dialect.lookups <= LOOKUPS
    assert "exact" in world.dialect.lookups


def test_conditions_are_combined_by_the_server_or_refused_before_sending(world):
    Task = world.Task
    for query, found in [
        (Task.objects.filter(Q(name="t01") | Q(name="t02")), ["t01", "t02"]),
        (Task.objects.exclude(name="t01"), NAMES[1:]),
        (Task.objects.filter(~(Q(name="t01") | Q(name="t02"))), NAMES[2:]),
        (Task.objects.filter((Task.name == "t01") | (Task.name != "t01")), NAMES),
        (Task.objects.filter(Q(Q(name="t01") | Q(name="t02")), name="t02"), ["t02"]),
    ]:
        if world.dialect.can_combine:
            assert names(query) == found
            continue
        with pytest.raises(UnsupportedLookup, match="filter_locally"):
            list(query)
        assert world.asked == []


def test_conditions_lead_through_relations_or_are_refused_before_sending(world):
    query = world.Task.objects.filter(project__name="p2")
    if world.dialect.can_join:
        assert names(query) == list(LAYOUT["p2"])
        return
    with pytest.raises(UnsupportedLookup, match="project__name"):
        list(query)
    assert world.asked == []


def test_order_is_made_by_the_server_or_refused_before_sending(world):
    objects = world.Task.objects
    if not world.dialect.can_order:
        for query in (objects.order_by("-name"), objects.reverse()):
            with pytest.raises(UnsupportedLookup, match="order_by"):
                list(query)
        with pytest.raises(UnsupportedLookup):
            objects.last()
        assert world.asked == []
        assert objects.first().name in NAMES
        return
    assert [task.name for task in objects.order_by("-name")] == NAMES[::-1]
    assert [task.name for task in objects.order_by("-id").reverse()] == NAMES
    assert (objects.first().name, objects.last().name) == ("t01", "t10")
    assert (objects.order_by("-name").first().name, objects.order_by("-name").last().name) == (
        "t10",
        "t01",
    )


@pytest.mark.parametrize(
    "cut",
    [slice(3), slice(2, 5), slice(8, None), slice(3, 3), slice(8, 99), slice(50, 60)],
    ids=str,
)
def test_a_slice_is_what_a_list_would_give(world, cut):
    query = (
        world.Task.objects.order_by("id") if world.dialect.can_order else world.Task.objects.all()
    )
    whole = [task.name for task in query]
    assert [task.name for task in query.all()[cut]] == whole[cut]
    assert query.all()[cut].count() == len(whole[cut])


@pytest.mark.parametrize("ahead", [0, 1, 3])
@pytest.mark.parametrize("cut", [slice(6, None), slice(3, 8), slice(4, 6), slice(9, 99)], ids=str)
def test_a_slice_is_the_same_when_its_pages_are_fetched_ahead(world, cut, ahead):
    query = (
        world.Task.objects.order_by("id") if world.dialect.can_order else world.Task.objects.all()
    )
    whole = [task.name for task in query]
    found = query.all()[cut].iterator(page_size=2, prefetch_pages=ahead)
    assert [task.name for task in found] == whole[cut]


def test_what_makes_no_sense_is_refused_before_sending(world):
    for ask in (
        lambda: world.Task.objects.filter(nam="x"),
        lambda: world.Task.objects.filter(name__containz="x"),
        lambda: world.Task.objects.filter(id=world.no_key),
        lambda: world.Task.objects.all()[-1],
        lambda: world.Task.objects.all()[:1].filter(name="x"),
    ):
        with pytest.raises((QueryError, AttributeError)):
            ask()
    assert world.asked == []


def test_counting_and_existence(world):
    assert world.Task.objects.count() == 10
    assert world.Task.objects.filter(name="t05").count() == 1
    assert world.Task.objects.filter(name="gone").count() == 0
    assert world.Task.objects.filter(name="t05").exists()
    assert not world.Task.objects.filter(name="gone").exists()
    assert len(world.asked) == 5


def test_in_bulk_finds_those_that_exist(world):
    keys = [world.keys[name] for name in ("t09", "t01", "t05")]
    found = world.Task.objects.in_bulk([*keys, world.missing])
    assert [task.name for task in found.values()] == ["t09", "t01", "t05"]
    assert list(found) == keys
    assert len(world.asked) == (1 if world.dialect.max_keys > 1 else 4)


def test_values_make_no_objects(world):
    rows = world.Task.objects.filter(name="t05").values("id", "name", "project")
    assert rows == [{"id": world.keys["t05"], "name": "t05", "project": world.keys["p2"]}]
    assert world.Task.objects.filter(name="t05").values_list("name", flat=True) == ["t05"]


def test_only_loads_the_rest_on_touch(world):
    (task,) = world.Task.objects.filter(name="t05").only("name")
    loaded = inspect(task).loaded_fields
    assert {"id", "name"} <= loaded
    assert ("project" not in loaded) == world.dialect.can_select
    assert task.project.id == world.keys["p2"]


def test_local_filters_are_evaluated_here(world):
    query = world.Task.objects.filter_locally(lambda task: task.name > "t06")
    assert names(query) == NAMES[6:]
    assert query.count() == 4
    assert len(query[1:3]) == 2


def test_one_object_per_identity(world):
    task = world.Task.objects.get(id=world.keys["t05"])
    assert task in list(world.Task.objects.all())
    assert world.Task.objects.get(name="t05") is task
    assert task.project is world.Project.objects.get(id=world.keys["p2"])
    assert task.project.tasks.filter(name="t05")[0] is task


def test_explain_shows_what_is_asked(world):
    query = world.Task.objects.filter(name="t05")
    text = query.explain()
    assert world.asked == []
    list(query)
    (asked,) = world.recorder.seen
    assert asked.query in text.replace("%20", "+")


# -- relations ------------------------------------------------------------------------------------


def waves(world, keys: int) -> int:
    return 1 if world.dialect.max_keys >= keys else keys


def test_the_key_of_a_relation_is_read_without_a_request(world):
    found = {task.name: task.project.id for task in world.Task.objects.iterator(page_size=50)}
    asked = len(world.asked)
    assert found == {name: world.keys[project] for name, project in PROJECT_OF.items()}
    assert all("/projects" not in line for line in world.asked[:asked])


def test_touching_a_relation_loads_it_for_the_page(world):
    tasks = list(world.Task.objects.filter(project=world.keys["p1"]))
    world.forget()
    assert [task.project.name for task in tasks] == ["p1"] * 3
    assert world.asked == [f"GET /projects/{world.keys['p1']}"]


def test_touching_relations_of_a_page_asks_for_all_of_them_at_once(world):
    tasks = list(world.Task.objects.iterator(page_size=50))
    pages = len(world.asked)
    world.forget()
    assert {task.name: task.project.name for task in tasks} == PROJECT_OF
    assert len(world.asked) <= waves(world, 3) * pages


def test_prefetching_forward_is_one_wave(world):
    tasks = list(world.Task.objects.prefetch_related("project"))
    lists = [line for line in world.asked if line.startswith("GET /tasks")]
    assert len(world.asked) - len(lists) == waves(world, 3)
    world.forget()
    assert {task.name: task.project.name for task in tasks} == PROJECT_OF
    assert world.asked == []


def test_prefetching_backward_is_one_wave(world):
    projects = list(world.Project.objects.prefetch_related("tasks"))
    wanted = [line for line in world.asked if line.startswith("GET /tasks")]
    pages = 3 if world.dialect.max_keys >= 3 and world.dialect.page_size is None else 1
    assert len(wanted) <= waves(world, 3) * pages
    world.forget()
    assert {project.name: tuple(names(project.tasks.all())) for project in projects} == LAYOUT
    assert world.asked == []


def test_a_lazy_load_can_be_refused(world):
    (task,) = world.Task.objects.filter(name="t05").fetch_mode(RAISE)
    with pytest.raises(FieldFetchBlocked):
        task.project.name  # noqa: B018 - reading is what is tested


def test_the_other_side_of_a_relation_is_a_manager(world):
    project = world.Project.objects.get(id=world.keys["p3"])
    assert names(project.tasks.all()) == list(LAYOUT["p3"])
    assert project.tasks.count() == 4
    assert project.tasks.get(name="t06").project is project
    with pytest.raises(world.Task.DoesNotExist):
        project.tasks.get(name="t01")


# -- writing --------------------------------------------------------------------------------------


def test_create_update_and_delete_are_a_request_each_and_send_only_what_changed(world, session):
    project = world.Project.objects.get(id=world.keys["p1"])
    world.forget()
    task = world.Task(name="new", project=project)
    session.add(task)
    session.commit()
    (created,) = world.writes
    assert (created.method, created.path) == ("POST", "/tasks")
    assert created.body == {"name": "new", world.sent_as["project"]: project.id}
    assert inspect(task).lifecycle == "persistent"
    assert world.row("tasks", task.id)["name"] == "new"

    world.forget()
    setattr(task, world.text, "changed")
    session.commit()
    (updated,) = world.writes
    assert (updated.method, updated.path) == (world.dialect.update_method, f"/tasks/{task.id}")
    assert updated.body == {world.sent_as[world.text]: "changed"}
    assert world.row("tasks", task.id)[world.sent_as[world.text]] == "changed"
    assert task.changes == {}

    world.forget()
    session.delete(task)
    session.commit()
    assert [str(seen) for seen in world.writes] == [f"DELETE /tasks/{task.id}"]
    with pytest.raises(world.Task.DoesNotExist):
        world.Task.objects.get(id=task.id)


def test_setting_a_value_back_sends_nothing(world, session):
    task = world.Task.objects.get(id=world.keys["t05"])
    task.name = "renamed"
    task.name = "t05"
    report = session.commit()
    assert report.ok
    assert world.writes == []


def test_a_relation_is_set_to_an_object_or_a_key(world, session):
    task = world.Task.objects.get(id=world.keys["t05"])
    task.project = world.Project.objects.reference(world.keys["p1"])
    task.commit()
    assert world.row("tasks", task.id)[world.sent_as["project"]] == world.keys["p1"]
    task.project = world.keys["p3"]
    task.commit()
    assert [seen.body for seen in world.writes] == [
        {world.sent_as["project"]: world.keys["p1"]},
        {world.sent_as["project"]: world.keys["p3"]},
    ]
    assert task.project.name == "p3"


def test_parents_are_created_before_their_children(world, session):
    project = world.Project(name="parent")
    tasks = [world.Task(name=f"child {n}", project=project) for n in range(5)]
    session.add_all(tasks)
    report = session.commit()
    assert [seen.path for seen in world.writes] == ["/projects", *["/tasks"] * 5]
    assert len(report.created) == 6
    assert report.requests == (2 if world.dialect.max_batch >= 5 else 6)
    assert {seen.body[world.sent_as["project"]] for seen in world.writes[1:]} == {project.id}
    assert names(project.tasks.all()) == [f"child {n}" for n in range(5)]


def test_children_are_deleted_before_their_parents(world, session):
    project = world.Project.objects.get(id=world.keys["p1"])
    tasks = list(project.tasks.all())
    session.delete(project)
    for task in tasks:
        session.delete(task)
    report = session.commit()
    assert len(report.deleted) == 4
    assert world.writes[-1].path == f"/projects/{project.id}"


def test_a_value_that_the_server_refuses_is_a_bad_request_by_name(world, session):
    name, value = world.refused
    task = world.Task(name="odd", project=world.keys["p1"])
    setattr(task, name, value)
    session.add(task)
    with pytest.raises(CommitError) as caught:
        session.commit()
    (entry,) = caught.value.report.failed
    assert entry.object is task
    assert isinstance(entry.error, BadRequest)
    assert list(entry.error.errors) == [name]
    assert entry.error.messages
    setattr(task, name, 1)
    assert session.commit().created.objects == [task]


def test_what_failed_is_sent_again_and_nothing_else(world, session):
    name, value = world.refused
    good, bad = (world.Task(name=name, project=world.keys["p1"]) for name in ("good", "bad"))
    setattr(bad, name, value)
    session.add_all([good, bad])
    with pytest.raises(CommitError) as caught:
        session.commit(on_error="continue")
    assert caught.value.report.created.objects == [good]
    assert session.new == [bad]
    world.forget()
    setattr(bad, name, 1)
    session.commit()
    assert [seen.body["name"] for seen in world.writes] == ["bad"]


def test_what_is_gone_can_be_neither_changed_nor_deleted(world, session):
    changed = world.Task.objects.get(id=world.keys["t01"])
    deleted = world.Task.objects.get(id=world.keys["t02"])
    for task in (changed, deleted):
        world.plain("DELETE", f"/tasks/{task.id}")
    changed.name = "renamed"
    session.delete(deleted)
    with pytest.raises(CommitError) as caught:
        session.commit(on_error="continue")
    assert len(caught.value.report.failed) == 2
    assert all(isinstance(entry.error, NotFound) for entry in caught.value.report.failed)
    with pytest.raises(world.Task.DoesNotExist):
        changed.refresh()


def test_a_verb_that_an_address_does_not_take_is_told_as_such(world):
    with pytest.raises(MethodNotAllowed) as caught:
        world.client.request("PUT", world.at("/projects"), json={})
    assert caught.value.status == 405


def test_wrong_credentials_are_told_as_such(world):
    with world.connect(auth=world.wrong) as client, Session(client):
        with pytest.raises(NotAuthenticated):
            list(world.Task.objects.all())
        with pytest.raises(NotAuthenticated):
            world.Task.objects.get(id=world.keys["t01"])


def test_refresh_takes_what_the_server_has(world, session):
    task = world.Task.objects.get(id=world.keys["t05"])
    world.plain("PATCH", f"/tasks/{task.id}", {"name": "elsewhere"})
    setattr(task, world.text, "mine")
    task.refresh()
    assert (task.name, task.changes) == ("elsewhere", {})


def test_query_sets_write(world):
    objects, project = world.Task.objects, world.keys["p1"]
    made = objects.create(name="made", project=project)
    assert objects.get_or_create(name="made", defaults={"project": project}) == (made, False)
    other, created = objects.get_or_create(name="other", defaults={"project": project})
    assert created
    changed, created = objects.update_or_create(name="other", defaults={world.text: "x"})
    assert (changed, created) == (other, False)
    bulk = objects.bulk_create([world.Task(name=f"b{n}", project=project) for n in range(3)])
    assert len({task.id for task in bulk}) == 3
    assert objects.filter(name="b1").update(**{world.text: "y"}) == 1
    assert world.row("tasks", bulk[1].id)[world.sent_as[world.text]] == "y"
    assert world.Project.objects.reference(project).tasks.all().delete() == 8
    assert objects.filter(project=project).count() == 0


def test_a_reference_is_written_without_a_read(world):
    task = world.Task.objects.reference(world.keys["t05"])
    task.name = "renamed"
    task.commit()
    world.Task.objects.reference(world.keys["t06"]).delete()
    assert [str(seen) for seen in world.recorder.seen] == [
        f"{world.dialect.update_method} /tasks/{world.keys['t05']}",
        f"DELETE /tasks/{world.keys['t06']}",
    ]


def test_a_plan_sends_nothing_and_tells_what_a_commit_sends(world, session):
    project = world.Project(name="planned")
    session.add(world.Task(name="t", project=project))
    world.Task.objects.get(id=world.keys["t05"]).name = "renamed"
    session.delete(world.Task.objects.get(id=world.keys["t06"]))
    world.forget()
    plan = session.plan()
    assert world.asked == []
    planned = sorted((op.request.method, world.noted(op.request.shown_path)) for op in plan)
    session.commit()
    sent = sorted((seen.method, seen.path) for seen in world.recorder.seen)
    assert planned == sent
