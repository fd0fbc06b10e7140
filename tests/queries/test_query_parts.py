"""Objects that are known in part, filters that are evaluated here, sessions, other kinds of models."""

import pytest
from query_models import (
    Alert,
    Artifact,
    Circle,
    Event,
    MetricAlert,
    Settings,
    Shape,
    Task,
    User,
    UserAlert,
)

from objmapper import (
    DeclarationError,
    FieldDoesNotExist,
    Model,
    QueryError,
    Session,
    fields,
    inspect,
)


def ids(objects) -> list[int]:
    return [obj.id for obj in objects]


# -- only -----------------------------------------------------------------------------------------


def test_only_asks_for_chosen_fields_and_the_key(server, session):
    task = Task.objects.only("name").get(name="beta")
    assert server.asked == ["GET /tasks/?name=beta&page_size=2&fields=id,name"]
    assert inspect(task).loaded_fields == {"id", "name"}


def test_only_asks_for_the_version_too(server):
    class Versioned(Model):
        id = fields.Integer(primary_key=True)
        name = fields.String()
        note = fields.String()
        updated = fields.Integer(read_only=True)

        class Meta:
            registry = Task.__mapper__.registry
            version_field = "updated"

    server.table("versioneds", [{"id": 1, "name": "a", "note": "b", "updated": 3}])
    with Session(server.client()):
        (found,) = Versioned.objects.only("note")
        assert inspect(found).loaded_fields == {"id", "note", "updated"}


def test_deferred_fields_load_on_touch_with_their_peers(server, session):
    tasks = list(Task.objects.only("name").order_by("id"))
    assert [task.name for task in tasks[:2]] == ["alpha", "beta"]
    assert len(server.asked) == 1
    assert [task.size for task in tasks] == [5, 7, 9, 11, 13, 15]
    assert [task.note for task in tasks[:2]] == [None, "x"]
    assert server.asked[1:] == ["GET /tasks/?id__in=1,2,3,4,5,6&page_size=6"]


def test_only_takes_nothing_away_from_what_is_loaded(server, session):
    task = Task.objects.get(id=2)
    assert Task.objects.only("name").get(name="beta") is task
    assert (task.size, task.note) == (7, "x")
    assert len(server.asked) == 2


def test_only_where_the_server_can_not_select_gives_whole_rows(server, limited):
    limited(can_select=False)
    task = Task.objects.only("name").get(name="beta")
    assert task.size == 7
    assert server.asked == ["GET /tasks/?name=beta&page_size=2"]


def test_a_change_of_an_object_that_is_loaded_in_part_sends_only_the_change(server, session):
    task = Task.objects.only("name").get(name="beta")
    task.size = 8
    task.commit()
    assert server.asked[1:] == ["PATCH /tasks/2/"]
    assert server.seen[-1].body == {"size": 8}


# -- filter_locally -------------------------------------------------------------------------------


def test_a_local_filter_is_evaluated_here_page_by_page(server, session):
    server.page_size = 2
    query = Task.objects.filter(size__gt=5).order_by("id").filter_locally(lambda task: task.done)
    assert server.asked == []
    assert ids(query) == [4, 6]
    assert len(server.asked) == 3
    assert "done" not in server.asked[0]


def test_local_filters_are_joined(session):
    query = Task.objects.filter_locally(lambda task: task.done)
    assert ids(query.filter_locally(lambda task: task.size < 10)) == [1]


@pytest.mark.parametrize(
    "cut", [slice(2), slice(1, 3), slice(2, None), slice(1, 1), slice(9, None)], ids=str
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_slice_of_a_local_filter_counts_what_passed(server, session, cut, size):
    server.page_size = size
    query = Task.objects.order_by("id").filter_locally(lambda task: task.id != 2)
    assert ids(query[cut]) == [1, 3, 4, 5, 6][cut]


def test_a_slice_of_a_local_filter_stops_reading_when_it_is_full(server, session):
    server.page_size = 2
    query = Task.objects.order_by("id").filter_locally(lambda task: task.done)
    assert ids(query[:1]) == [1]
    assert query.exists()
    assert query.first().id == 1
    assert len(server.asked) == 3
    assert ids(query[:2]) == [1, 4]
    assert len(server.asked) == 5


def test_a_local_filter_may_follow_relations_without_a_request_for_each(server, session):
    query = Task.objects.filter_locally(lambda task: task.project and task.project.name == "p2")
    assert ids(query) == [3, 4]
    assert server.asked == ["GET /tasks/", "GET /projects/?id__in=1,2,3&page_size=3"]


# -- reference ------------------------------------------------------------------------------------


def test_a_reference_is_an_object_of_which_only_the_key_is_known(server, session):
    task = Task.objects.reference(2)
    assert task.id == 2
    assert inspect(task).loaded_fields == {"id"}
    assert task is Task.objects.reference("2")
    assert server.asked == []
    assert task.name == "beta"
    assert server.asked == ["GET /tasks/2/"]
    assert task is Task.objects.get(id=2)


def test_a_reference_is_updated_without_a_read(server, session):
    task = Task.objects.reference(2)
    task.name = "renamed"
    task.commit()
    assert server.asked == ["PATCH /tasks/2/"]
    assert server.seen[0].body == {"name": "renamed"}


def test_a_reference_is_deleted_without_a_read(server, session):
    Task.objects.reference(2).delete()
    assert server.asked == ["DELETE /tasks/2/"]


def test_a_reference_to_what_is_known_is_the_known_object(server, session):
    task = Task.objects.get(id=2)
    assert Task.objects.reference(2) is task
    assert task.name == "beta"
    assert len(server.asked) == 1


def test_a_reference_to_what_the_server_has_not_is_told_when_it_is_read(session):
    with pytest.raises(Task.DoesNotExist):
        Task.objects.reference(99).name  # noqa: B018 - reading is what is tested


def test_a_reference_takes_a_key_only(session):
    with pytest.raises(QueryError, match="no key"):
        Task.objects.reference("x")


# -- sessions -------------------------------------------------------------------------------------


def test_using_asks_a_named_session_whatever_the_current_one_is(server, session):
    other = Session(server.client())
    task = Task.objects.using(other).get(id=2)
    assert inspect(task).session is other
    assert task is not Task.objects.get(id=2)
    assert Task.objects.using(other).filter(size__lt=10).first() in other
    assert Task.objects.using(other).reference(3) in other
    assert Task.objects.using(other).create(name="new") in other
    assert len(session) == 1
    other.close()


def test_using_is_kept_by_every_method(server, session):
    other = Session(server.client())
    query = Task.objects.using(other).filter(id=1).exclude().order_by("id").reverse().all()
    query = query.only("id").prefetch_related("project").filter_locally(bool)[:1]
    assert inspect(query[0]).session is other
    other.close()


# -- other kinds of models ------------------------------------------------------------------------


def test_objects_without_a_key_are_read(server, session):
    assert [event.message for event in Event.objects.all()] == ["m1", "m2"]
    assert Event.objects.first().message == "m1"
    assert Event.objects.count() == 2
    assert Event.objects.values_list("message", flat=True) == ["m1", "m2"]
    with pytest.raises(QueryError):
        Event.objects.last()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Event.objects.update(message="x"),
        lambda: Event.objects.all().delete(),
        lambda: Event.objects.in_bulk(["m1"]),
        lambda: Event.objects.in_bulk(),
        lambda: Event.objects.filter(pk=1),
        lambda: Event.objects.reference("m1"),
    ],
)
def test_objects_without_a_key_have_no_address(server, session, ask):
    with pytest.raises((QueryError, FieldDoesNotExist, DeclarationError), match=r"Event"):
        ask()
    assert server.asked == []


def test_the_one_object_of_a_singleton_is_found_in_every_way(server, session):
    settings = Settings.objects.get()
    assert settings.level == 3
    assert list(Settings.objects.all()) == list(Settings.objects.iterator()) == [settings]
    assert (
        Settings.objects.first() is Settings.objects.last() is Settings.objects.all()[0] is settings
    )
    assert (Settings.objects.count(), Settings.objects.exists()) == (1, True)
    assert list(Settings.objects.all()[1:]) == []
    assert Settings.objects.values("level") == [{"level": 3}]
    assert set(server.asked) == {"GET /settings/"}
    assert Settings.objects.update(level=4) == 1
    assert str(server.seen[-1]) == "PATCH /settings/"
    with pytest.raises(QueryError, match="one object"):
        list(Settings.objects.filter(level=4))


def test_a_query_of_a_kind_asks_for_that_kind(server, session):
    assert [type(obj) for obj in Alert.objects.order_by("id")] == [
        *(UserAlert, MetricAlert, Alert, UserAlert)
    ]
    assert ids(UserAlert.objects.order_by("id")) == [1, 4]
    assert (UserAlert.objects.count(), UserAlert.objects.filter(name="a4").get().id) == (2, 4)
    assert server.asked[1:] == [
        "GET /alerts/?source=user&ordering=id",
        "GET /alerts/?source=user&page_size=1",
        "GET /alerts/?source=user&name=a4&page_size=2",
    ]
    assert UserAlert.objects.get(id=1) is Alert.objects.get(id=1)
    with pytest.raises(UserAlert.DoesNotExist):
        UserAlert.objects.get(id=2)
    assert session.get(UserAlert, 3) is None


def test_a_query_of_a_kind_that_only_rows_tell_is_filtered_here(server, session):
    assert [type(obj) for obj in Shape.objects.order_by("id")] == [Shape, Circle, Shape, Circle]
    assert ids(Circle.objects.order_by("id")) == [2, 4]
    assert ids(Circle.objects.order_by("id")[1:]) == [4]
    assert Circle.objects.count() == 2
    assert Circle.objects.get(id=2).radius == 3
    with pytest.raises(Circle.DoesNotExist):
        Circle.objects.get(id=1)


def test_a_key_of_another_kind_is_none_of_this_one(server, session):
    assert session.get(Circle, 1) is None
    assert session.get(Circle, 2).radius == 3
    assert type(session.get(Shape, 1)) is Shape


def test_an_endpoint_below_another_is_filtered_by_its_parent(server, session):
    found = list(Artifact.objects.filter(task=1))
    assert [(obj.name, obj.task.id) for obj in found] == [("f1", 1), ("f2", 1)]
    assert Artifact.objects.filter(task=Task.objects.reference(1)).get(id=2) is found[1]
    assert Artifact.objects.get(task=1, id=1) is found[0]
    assert Artifact.objects.filter(task=1, name="f2").count() == 1
    assert server.asked == [
        "GET /tasks/1/artifacts/",
        "GET /tasks/1/artifacts/2/",
        "GET /tasks/1/artifacts/1/",
        "GET /tasks/1/artifacts/?name=f2&page_size=1",
    ]


def test_an_endpoint_below_another_needs_its_parent(server, session):
    with pytest.raises(QueryError, match=r"which task.*filter\(task"):
        list(Artifact.objects.filter(name="f1"))
    assert server.asked == []


def test_the_user_of_a_nested_row_is_the_one_that_is_listed(server, session):
    task = Task.objects.get(id=2)
    assert task.assignee.name == "b"
    assert server.asked == ["GET /tasks/2/"]
    assert task.assignee is User.objects.get(id=2)
