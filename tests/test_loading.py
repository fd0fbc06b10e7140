"""Loading never loses: what newer rows, partial rows and absent fields do to objects."""

import enum
import gc
import warnings

import pytest

from objmapper import (
    FETCH_ONE,
    RAISE,
    ContractError,
    DetachedError,
    Embedded,
    FieldFetchBlocked,
    FieldNotLoaded,
    Model,
    Registry,
    Session,
    fields,
    inspect,
)

registry = Registry("loading")


class Base(Model):
    class Meta:
        abstract = True
        registry = registry


class Stage(enum.StrEnum):
    DRAFT = "draft"
    DONE = "done"


class Person(Embedded):
    id = fields.Integer(read_only=True)
    name = fields.String()
    mail = fields.String(write_key="e_mail", null=True)


class Project(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    color = fields.String(null=True)


class Artifact(Base):
    id = fields.Integer(primary_key=True)
    run = fields.Integer()
    name = fields.String()
    size = fields.Integer()

    class Meta:
        endpoint = "runs/{run}/artifacts"


class Task(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    note = fields.String(null=True)
    version = fields.Integer(read_only=True)
    size = fields.Integer(default=7)
    count = fields.Integer()
    stage = fields.Enum(Stage, default=Stage.DRAFT)
    tags = fields.List(fields.String())
    words = fields.List(fields.String(), default=lambda: ["new"])
    metadata = fields.Dict()
    owner = fields.Nested(Person, null=True)
    members = fields.List(fields.Nested(Person))
    days = fields.List(fields.Date())
    project = fields.ForeignKey(Project, null=True)
    secret = fields.String(write_only=True)

    class Meta:
        version_field = "version"


def full_row(number: int) -> dict:
    return {
        "id": number,
        "name": f"t{number}",
        "note": "as it was",
        "version": 1,
        "size": 1,
        "count": 2,
        "stage": "done",
        "tags": ["day"],
        "words": [],
        "metadata": {"a": {"b": 1}, "c": [1, {"d": 2}]},
        "owner": {"id": 5, "name": "ann", "mail": "a@x", "extra": 9},
        "members": [{"id": 5, "name": "ann"}, {"id": 6, "name": "bob"}],
        "days": ["2026-01-01"],
        "project": 1,
    }


@pytest.fixture
def server(small):
    small.table("projects", [{"id": n, "name": f"p{n}", "color": "red"} for n in (1, 2, 3)])
    rows = [full_row(n) for n in (1, 2, 3)]
    small.table(
        "tasks", rows, foreign={"project": "projects"}, version="version", secret=("secret",)
    )
    return small


@pytest.fixture
def session(server):
    with Session(server.client()) as session:
        yield session
        session.rollback()


@pytest.fixture
def thin(server):
    """A session whose lists are thinner than details."""
    server.tables["tasks"].thin = ("id", "name", "project")
    server.tables["projects"].thin = ("id", "name")
    with Session(server.client(lists_are_full=False)) as session:
        yield session
        session.rollback()


def elsewhere(server, number: int = 1, **values) -> None:
    """Somebody else changes a task."""
    row = server.tables["tasks"].rows[number]
    row.update(values, version=row["version"] + 1)


def sent(session: Session) -> int:
    return session.client.transport.requests_sent


# -- clean objects take the new row -------------------------------------------------------------


def test_a_clean_object_takes_the_new_row(session, server):
    task = Task.objects.get(id=1)
    elsewhere(server, name="theirs", note=None)
    assert Task.objects.get(id=1) is task
    assert (task.name, task.note, task.version) == ("theirs", None, 2)
    assert task.changes == {}
    assert inspect(task).theirs is None


def test_an_object_that_became_clean_again_takes_the_new_row(session, server):
    task = Task.objects.get(id=1)
    task.name = "mine"
    task.name = "t1"
    task.tags.append("night")
    task.tags.pop()
    elsewhere(server, name="theirs", tags=["theirs"])
    list(Task.objects.all())
    assert task.name == "theirs"
    assert task.tags == ["theirs"]
    assert task.changes == {}


def read_by_list(task):
    list(Task.objects.all())


def read_by_key(task):
    Task.objects.get(id=1)


def read_by_refresh(task):
    task.refresh()


READS = pytest.mark.parametrize("read", [read_by_list, read_by_key, read_by_refresh])


@READS
def test_equal_containers_stay_the_same_object(session, server, read):
    task = Task.objects.get(id=1)
    held = [task.tags, task.metadata, task.owner, task.members, task.days]
    inner = [task.metadata["a"], task.members[0]]
    elsewhere(server, name="theirs")
    read(task)
    assert task.name == "theirs"
    now = [task.tags, task.metadata, task.owner, task.members, task.days]
    assert all(one is other for one, other in zip(now, held, strict=True))
    assert task.metadata["a"] is inner[0]
    assert task.members[0] is inner[1]
    assert task.changes == {}


@READS
def test_other_containers_are_updated_in_place(session, server, read):
    task = Task.objects.get(id=1)
    tags, metadata, owner, members, days = (
        task.tags,
        task.metadata,
        task.owner,
        task.members,
        task.days,
    )
    inner = metadata["a"]
    elsewhere(
        server,
        tags=["day", "night"],
        metadata={"a": {"b": 2}, "e": None},
        owner={"id": 6, "name": "bob", "mail": None},
        members=[{"id": 7, "name": "cid"}],
        days=["2026-01-01", "2026-01-02"],
    )
    read(task)
    assert task.tags is tags
    assert tags == ["day", "night"]
    assert task.metadata is metadata
    assert metadata == {"a": {"b": 2}, "e": None}
    assert metadata["a"] is inner
    assert task.owner is owner
    assert (owner.id, owner.name, owner.mail) == (6, "bob", None)
    assert task.members is members
    assert [member.name for member in members] == ["cid"]
    assert task.days is days
    assert [day.day for day in days] == [1, 2]
    assert task.changes == {}


@READS
def test_containers_are_watched_after_they_were_updated(session, server, read):
    task = Task.objects.get(id=1)
    tags, owner = task.tags, task.owner
    elsewhere(server, tags=["theirs"], owner={"id": 6, "name": "bob"})
    read(task)
    tags.append("mine")
    owner.name = "eve"
    assert task.changes["tags"] == (["theirs"], ["theirs", "mine"])
    assert set(task.changes) == {"tags", "owner"}
    assert session.dirty == [task]


def test_a_container_that_became_null_is_null_and_comes_back(session, server):
    task = Task.objects.get(id=1)
    assert task.owner.name == "ann"
    elsewhere(server, owner=None)
    Task.objects.get(id=1)
    assert task.owner is None
    elsewhere(server, owner={"id": 6, "name": "bob"})
    Task.objects.get(id=1)
    assert task.owner.name == "bob"
    assert task.changes == {}


# -- dirty objects keep their base --------------------------------------------------------------


def test_a_dirty_object_keeps_its_base_and_version(session, server):
    task = Task.objects.get(id=1)
    task.name = "mine"
    elsewhere(server, name="theirs", note="theirs")
    list(Task.objects.all())
    Task.objects.get(id=1)
    assert (task.name, task.note, task.version) == ("mine", "as it was", 1)
    assert task.changes == {"name": ("t1", "mine")}
    theirs = inspect(task).theirs
    assert (theirs["name"], theirs["note"], theirs["version"]) == ("theirs", "theirs", 2)


def test_an_object_that_is_dirty_in_place_keeps_its_base(session, server):
    task = Task.objects.get(id=1)
    task.tags.append("mine")
    elsewhere(server, tags=["theirs"], name="theirs")
    list(Task.objects.all())
    assert task.tags == ["day", "mine"]
    assert task.name == "t1"
    assert task.changes == {"tags": (["day"], ["day", "mine"])}
    assert inspect(task).theirs["tags"] == ["theirs"]


def test_the_newest_row_waits(session, server):
    task = Task.objects.get(id=1)
    task.name = "mine"
    for name in ("theirs", "theirs again"):
        elsewhere(server, name=name)
        Task.objects.get(id=1)
    assert inspect(task).theirs["name"] == "theirs again"


def test_a_refresh_ends_changes_and_takes_what_waited(session, server):
    task = Task.objects.get(id=1)
    task.name = "mine"
    task.tags.append("mine")
    task.metadata = {"mine": 1}
    task.owner.name = "eve"
    elsewhere(server, name="theirs")
    Task.objects.get(id=1)
    task.refresh()
    assert (task.name, task.tags, task.version) == ("theirs", ["day"], 2)
    assert task.metadata == {"a": {"b": 1}, "c": [1, {"d": 2}]}
    assert task.owner.name == "ann"
    assert task.changes == {}
    assert inspect(task).theirs is None
    assert not session.dirty


def test_merge_takes_what_waited_under_the_changes(session, server):
    task = Task.objects.get(id=1)
    task.name = "mine"
    task.tags.append("mine")
    elsewhere(server, name="theirs", note="theirs")
    Task.objects.get(id=1)
    assert session.merge(task) is task
    assert (task.name, task.note, task.version) == ("mine", "theirs", 2)
    assert task.changes == {"name": ("theirs", "mine"), "tags": (["day"], ["day", "mine"])}
    assert inspect(task).theirs is None


@pytest.mark.parametrize("theirs", [None, "no list"])
def test_merge_moves_the_base_of_a_list_to_what_is_none(session, server, theirs):
    task = Task.objects.get(id=1)
    task.tags.append("mine")
    task.members.pop()
    elsewhere(server, tags=theirs, members=theirs)
    Task.objects.get(id=1)
    session.merge(task)
    assert task.tags == ["day", "mine"]
    assert {name: old for name, (old, _) in task.changes.items()} == {
        "tags": theirs,
        "members": theirs,
    }


def test_merge_of_a_change_that_somebody_else_made_too_ends_it(session, server):
    task = Task.objects.get(id=1)
    task.name = "the same"
    elsewhere(server, name="the same")
    Task.objects.get(id=1)
    session.merge(task)
    assert task.changes == {}


@pytest.mark.parametrize("answers", ["row", "nothing"])
def test_a_commit_takes_what_waited(session, server, answers):
    server.tables["tasks"].answers = answers
    task = Task.objects.get(id=1)
    task.name = "mine"
    elsewhere(server, name="theirs", note="theirs")
    Task.objects.get(id=1)
    task.commit(on_conflict="overwrite")
    assert (task.name, task.note) == ("mine", "theirs")
    assert inspect(task).theirs is None
    assert task.changes == {}


def test_an_object_that_was_reverted_takes_the_next_row(session, server):
    task = Task.objects.get(id=1)
    task.name = "mine"
    elsewhere(server, name="theirs")
    Task.objects.get(id=1)
    task.revert()
    assert task.name == "t1"
    elsewhere(server, note="later")
    Task.objects.get(id=1)
    assert (task.name, task.note) == ("theirs", "later")
    assert inspect(task).theirs is None


def test_a_newer_row_never_ends_a_deletion(session, server):
    task = Task.objects.get(id=1)
    session.delete(task)
    elsewhere(server, name="theirs")
    list(Task.objects.all())
    assert inspect(task).lifecycle == "deleted"
    assert session.deleted == [task]


def test_a_page_that_has_an_object_twice_gives_it_twice(session, server):
    rows = server.tables["tasks"].rows
    rows["again"] = {**rows[1], "name": "the later row"}
    one, *_, again = Task.objects.all()
    assert one is again
    assert one.name == "the later row"


# -- partial rows never take away ---------------------------------------------------------------


def test_a_thin_list_takes_nothing_away(thin, server):
    task = Task.objects.get(id=1)
    elsewhere(server, name="theirs", note="theirs")
    before = sent(thin)
    assert next(iter(Task.objects.filter(id=1))) is task
    assert task.name == "theirs"
    assert task.note == "as it was"
    assert sent(thin) == before + 1


def test_only_takes_nothing_away(session):
    task = Task.objects.get(id=1)
    before = sent(session)
    assert Task.objects.only("name").get(id=1) is task
    assert (task.note, task.tags) == ("as it was", ["day"])
    assert sent(session) == before + 1


def test_a_nested_summary_takes_nothing_away_and_updates_what_it_carries(session, server):
    project = Project.objects.get(id=1)
    server.tables["tasks"].nested = {"project": ("id", "name")}
    server.tables["projects"].rows[1].update(name="renamed", color="blue")
    task = Task.objects.get(id=1)
    before = sent(session)
    assert task.project is project
    assert project.name == "renamed"
    assert project.color == "red"
    assert sent(session) == before


def test_a_summary_that_is_older_than_what_is_known_changes_nothing(session, server):
    server.tables["tasks"].nested = {"project": ("id", "name")}
    task = Task.objects.get(id=1)
    server.tables["projects"].rows[1]["name"] = "renamed"
    project = Project.objects.get(id=1)
    assert task.project is project
    assert project.name == "renamed"


def test_a_summary_waits_where_the_object_is_dirty(session, server):
    project = Project.objects.get(id=1)
    project.color = "mine"
    server.tables["tasks"].nested = {"project": ("id", "name")}
    server.tables["projects"].rows[1]["name"] = "renamed"
    assert Task.objects.get(id=1).project is project
    assert project.name == "p1"
    assert inspect(project).theirs == {"id": 1, "name": "renamed"}


def test_a_nested_row_serves_what_it_has(session, server):
    server.tables["tasks"].nested = {"project": ("id", "name")}
    task = Task.objects.get(id=1)
    before = sent(session)
    assert (task.project.id, task.project.name) == (1, "p1")
    assert sent(session) == before
    assert task.project.color == "red"
    assert sent(session) == before + 1


# -- deferred fields ----------------------------------------------------------------------------


def test_only_asks_for_the_key_and_the_version_too(session, server):
    tasks = list(Task.objects.only("name"))
    assert "fields=id,version,name" in server.asked[-1].replace("%2C", ",")
    assert all(inspect(task).loaded_fields == {"id", "version", "name"} for task in tasks)


def test_a_deferred_field_loads_once_with_its_peers(session, server):
    tasks = list(Task.objects.only("name"))
    before = sent(session)
    assert [task.note for task in tasks] == ["as it was"] * 3
    assert [task.count for task in tasks] == [2, 2, 2]
    assert sent(session) == before + 1


def test_a_deferred_field_of_a_thin_list_loads_once(thin, server):
    tasks = list(Task.objects.all())
    before = sent(thin)
    assert [task.note for task in tasks] == ["as it was"] * 3
    # The list lacks the field, so there are no peers to load along.
    assert server.asked[-3:] == ["GET /tasks/1/", "GET /tasks/2/", "GET /tasks/3/"]
    assert [task.count for task in tasks] == [2, 2, 2]
    assert sent(thin) == before + 3


def test_a_relation_loads_its_key_never_and_the_rest_once_with_peers(session, server):
    for number in (1, 2, 3):
        server.tables["tasks"].rows[number]["project"] = number
    tasks = list(Task.objects.all())
    before = sent(session)
    assert [task.project.id for task in tasks] == [1, 2, 3]
    assert sent(session) == before
    assert [task.project.name for task in tasks] == ["p1", "p2", "p3"]
    assert [task.project.color for task in tasks] == ["red"] * 3
    assert sent(session) == before + 1


def test_peers_are_those_that_the_program_still_holds(server):
    with Session(server.client(), keep=0) as session:
        one, two, three = Task.objects.only("name")
        del two
        assert one.note == "as it was"
        assert server.asked[-1].startswith("GET /tasks/?id__in=1,3")
        before = sent(session)
        assert three.note == "as it was"
        assert sent(session) == before


def test_a_malformed_relation_has_no_peers_and_harms_none(session, server):
    rows = server.tables["tasks"].rows
    rows[1]["project"], rows[2]["project"], rows[3]["project"] = 1, "no key", 3
    one, two, three = Task.objects.order_by("id")
    assert one.project.name == "p1"
    before = sent(session)
    assert three.project.name == "p3"
    assert sent(session) == before
    with pytest.raises(ContractError, match="project"):
        _ = two.project


def test_deferred_fields_below_a_parent_load_with_the_peers_of_that_parent(session, server):
    rows = [{"id": n, "run": 1 + n // 3, "name": f"a{n}", "size": n} for n in (1, 2, 3)]
    server.table("runs/{run}/artifacts", rows)
    one, two = Artifact.objects.filter(run=1).only("name")
    (three,) = Artifact.objects.filter(run=2).only("name")
    before = sent(session)
    assert [one.size, two.size] == [1, 2]
    assert sent(session) == before + 1
    assert server.asked[-1].startswith("GET /runs/1/artifacts/?id__in=1,2")
    assert three.size == 3
    assert sent(session) == before + 2


def test_what_one_commit_creates_loads_its_relations_together(session, server):
    tasks = [Task(name=f"new {number}", project=number) for number in (1, 2, 3)]
    session.add_all(tasks)
    session.commit()
    before = sent(session)
    assert [task.project.name for task in tasks] == ["p1", "p2", "p3"]
    assert sent(session) == before + 1


def test_what_two_commits_create_does_not_load_together(session):
    tasks = [Task(name=f"new {number}", project=number) for number in (1, 2)]
    for task in tasks:
        task.commit()
    before = sent(session)
    assert [task.project.name for task in tasks] == ["p1", "p2"]
    assert sent(session) == before + 2


def test_what_is_created_after_something_was_read_is_newer_than_that(server):
    """It is read when the first of two is created, and somebody changes it before the second is."""
    server.tables["tasks"].nested = {"project": ("id", "name")}
    with Session(server.client()) as session:
        read = []

        def progress(done, of):
            if done == 1:
                read.append(session.get(Project, 1))
                server.tables["projects"].rows[1]["name"] = "renamed"

        first, second = (Task(name=name, project=1) for name in ("first", "second"))
        session.add_all([first, second])
        session.commit(workers=1, progress=progress)
        assert read[0].name == "p1"
        assert first.project is second.project is read[0]
        assert read[0].name == "renamed"


def test_what_is_created_in_masses_is_not_all_kept(server):
    with Session(server.client(), keep=100) as session:
        session.add_all([Task(name=f"new {number}") for number in range(400)])
        session.commit()
        gc.collect()
        assert 50 <= len([*session]) <= 150


def test_what_one_commit_creates_loads_what_the_answers_lack_together(server):
    with Session(server.client(answers_are_full=False)) as session:
        tasks = [Task(name=f"new {number}") for number in (1, 2, 3)]
        session.add_all(tasks)
        session.commit()
        for number, task in enumerate(tasks):
            elsewhere(server, task.id, count=number)
        before = sent(session)
        assert [task.count for task in tasks] == [0, 1, 2]
        assert sent(session) == before + 1


def test_what_is_created_in_masses_loads_as_much_as_one_request_may_ask_for(session, server):
    projects = [{"id": n, "name": f"p{n}", "color": "red"} for n in range(1, 251)]
    server.table("projects", projects)
    tasks = [Task(name=f"new {number}", project=number) for number in range(1, 251)]
    session.add_all(tasks)
    session.commit()
    before = sent(session)
    assert [task.project.name for task in tasks] == [f"p{n}" for n in range(1, 251)]
    assert sent(session) == before + 3


def test_what_only_left_out_comes_with_the_peers_where_lists_are_thin_too(server):
    with Session(server.client(lists_are_full=False)) as session:
        tasks = list(Task.objects.only("name"))
        before = sent(session)
        assert [task.size for task in tasks] == [1, 1, 1]
        assert sent(session) == before + 1


def test_fetch_one_loads_one_object_at_a_time(session):
    tasks = list(Task.objects.only("name").fetch_mode(FETCH_ONE))
    before = sent(session)
    assert [task.note for task in tasks] == ["as it was"] * 3
    assert sent(session) == before + 3


def test_raise_forbids_lazy_loads(session):
    task = Task.objects.only("name").fetch_mode(RAISE)[0]
    before = sent(session)
    with pytest.raises(FieldFetchBlocked, match="note"):
        _ = task.note
    with pytest.raises(FieldFetchBlocked, match="project"):
        _ = task.project
    assert task.name == "t1"
    assert sent(session) == before


def test_a_deferred_load_joins_the_base_row_whose_version_stays(session, server):
    task = Task.objects.only("name").get(id=1)
    elsewhere(server, name="theirs", note="theirs")
    assert task.note == "theirs"
    assert (task.name, task.version) == ("t1", 1)
    assert task.changes == {}
    Task.objects.get(id=1)
    assert (task.name, task.version) == ("theirs", 2)


def test_a_deferred_load_with_peers_joins_their_base_rows_too(session, server):
    one, other, *_ = Task.objects.only("name")
    elsewhere(server, 2, name="theirs", note="theirs")
    assert one.note == "as it was"
    assert (other.note, other.name, other.version) == ("theirs", "t2", 1)


def test_a_deferred_load_of_a_dirty_object_keeps_its_changes(session, server):
    task = Task.objects.only("name", "tags").get(id=1)
    task.name = "mine"
    task.tags.append("mine")
    elsewhere(server, name="theirs", note="theirs")
    assert task.note == "theirs"
    assert (task.name, task.tags, task.version) == ("mine", ["day", "mine"], 1)
    assert set(task.changes) == {"name", "tags"}
    assert inspect(task).theirs["name"] == "theirs"


def test_a_field_that_was_set_before_it_was_loaded_stays_set(session, server):
    task = Task.objects.only("name").get(id=1)
    task.note = "mine"
    assert task.count == 2
    assert task.note == "mine"
    task.commit()
    assert server.seen[-1].body == {"note": "mine"}


def test_a_reference_loads_on_touch_and_is_written_without(session, server):
    task = Task.objects.reference(2)
    task.name = "renamed"
    task.commit()
    assert [seen.method for seen in server.seen] == ["PATCH"]
    other = Task.objects.reference(3)
    other.delete()
    assert [seen.method for seen in server.seen] == ["PATCH", "DELETE"]
    third = Task.objects.reference(1)
    assert third.name == "t1"
    assert [seen.method for seen in server.seen] == ["PATCH", "DELETE", "GET"]


def test_a_lazy_load_of_what_the_server_has_not_raises_does_not_exist(session):
    with pytest.raises(Task.DoesNotExist, match="99"):
        _ = Task.objects.reference(99).name


def test_a_relation_to_what_the_server_has_not_raises_does_not_exist(session, server):
    server.tables["tasks"].rows[1]["project"] = 99
    task = Task.objects.get(id=1)
    assert task.project.id == 99
    with pytest.raises(Project.DoesNotExist, match="99"):
        _ = task.project.name


@pytest.mark.parametrize("full", [False, True])
def test_a_created_object_loads_what_the_answer_lacks_unless_answers_are_full(server, full):
    with Session(server.client(answers_are_full=full)) as session:
        task = Task.objects.create(name="new")
        server.tables["tasks"].rows[task.id]["count"] = 3
        before = sent(session)
        if full:
            with pytest.raises(FieldNotLoaded):
                _ = task.count
            assert sent(session) == before
        else:
            assert task.count == 3
            assert task.note is None
            assert sent(session) == before + 1


# -- absent fields ------------------------------------------------------------------------------


@pytest.fixture
def bare(session, server):
    """A task whose full row has nothing but its key and name."""
    server.tables["tasks"].rows[9] = {"id": 9, "name": "bare"}
    return Task.objects.get(id=9)


def test_a_field_absent_from_a_full_answer_is_its_default_or_none_or_an_error(bare, session):
    before = sent(session)
    assert bare.size == 7
    assert bare.stage is Stage.DRAFT
    assert bare.words == ["new"]
    assert bare.note is None
    assert bare.owner is None
    assert bare.project is None
    way_out = "Declare it with null=True or a default if that is usual"
    with pytest.raises(FieldNotLoaded, match=f"full answer lacks 'count'. {way_out}"):
        _ = bare.count
    with pytest.raises(AttributeError):
        _ = bare.tags
    assert getattr(bare, "count", "nothing") == "nothing"
    assert not hasattr(bare, "metadata")
    assert bare.changes == {}
    assert sent(session) == before


def test_a_field_absent_from_a_full_list_is_never_asked_for(session, server):
    for row in server.tables["tasks"].rows.values():
        del row["note"], row["count"]
    tasks = list(Task.objects.all())
    before = sent(session)
    assert [task.note for task in tasks] == [None] * 3
    for task in tasks:
        with pytest.raises(FieldNotLoaded):
            _ = task.count
    assert sent(session) == before


@pytest.mark.parametrize("mode", ["thin", "only"])
def test_a_field_absent_from_the_full_answer_too_is_asked_for_once(server, thin, mode):
    for row in server.tables["tasks"].rows.values():
        del row["note"], row["count"]
    query = Task.objects.all() if mode == "thin" else Task.objects.only("id")
    task = next(iter(query))
    assert task.note is None
    before = sent(thin)
    assert task.note is None
    assert task.size == 1
    with pytest.raises(FieldNotLoaded):
        _ = task.count
    with pytest.raises(FieldNotLoaded):
        _ = task.count
    assert sent(thin) == before


def test_what_was_absent_is_not_sent_back(bare, server):
    assert bare.words == ["new"]
    assert bare.size == 7
    bare.name = "renamed"
    bare.commit()
    assert server.seen[-1].body == {"name": "renamed"}


def test_filling_a_default_that_was_absent_is_a_change(bare, server):
    bare.words.append("more")
    assert set(bare.changes) == {"words"}
    bare.commit()
    assert server.seen[-1].body == {"words": ["new", "more"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 7),
        ("note", None),
        ("stage", Stage.DRAFT),
        ("words", ["new"]),
        ("project", None),
        ("owner", None),
        ("count", 0),
        ("metadata", {}),
    ],
)
@pytest.mark.parametrize("read_before", [False, True])
def test_assigning_a_field_that_the_row_lacks_is_always_a_change(
    bare, server, name, value, read_before
):
    if read_before:
        getattr(bare, name, None)
    setattr(bare, name, value)
    assert set(bare.changes) == {name}
    bare.commit()
    assert server.seen[-1].body == {name: value}
    assert bare.changes == {}


def test_a_change_of_a_field_that_the_row_lacks_is_reverted_to_lacking_it(bare):
    bare.count = 3
    bare.words = ["x"]
    bare.revert()
    assert bare.changes == {}
    assert bare.words == ["new"]
    with pytest.raises(FieldNotLoaded):
        _ = bare.count


def test_a_default_is_sent_on_create_and_what_was_left_out_is_not(session, server):
    Task.objects.create(name="x")
    assert server.seen[-1].body == {"name": "x", "size": 7, "stage": "draft", "words": ["new"]}
    Task.objects.create(name="x", size=8, note=None)
    body = server.seen[-1].body
    assert body["size"] == 8
    assert body["note"] is None


def test_a_write_only_value_is_dropped_after_the_commit_that_sent_it(session, server):
    task = Task.objects.get(id=1)
    task.secret = "s3cret"
    assert task.secret == "s3cret"
    task.commit()
    assert server.seen[-1].body == {"secret": "s3cret"}
    before = sent(session)
    with pytest.raises(FieldNotLoaded):
        _ = task.secret
    assert sent(session) == before
    task.name = "renamed"
    task.commit()
    assert server.seen[-1].body == {"name": "renamed"}
    task.secret = "s3cret"
    assert set(task.changes) == {"secret"}
    task.commit()
    assert server.seen[-1].body == {"secret": "s3cret"}


def test_an_absent_field_of_a_detached_object_says_why_it_is_not_loaded(session):
    task = Task.objects.only("name").get(id=1)
    session.expunge(task)
    assert task.name == "t1"
    with pytest.raises(DetachedError, match="note"):
        _ = task.note


# -- unknown enum values ------------------------------------------------------------------------


def test_an_unknown_enum_value_reads_as_the_raw_string_with_one_warning_per_value(session, server):
    Task.__mapper__.fields["stage"].warned.clear()
    rows = server.tables["tasks"].rows
    rows[1]["stage"], rows[2]["stage"], rows[3]["stage"] = "frozen", "frozen", "melted"
    one, two, three = Task.objects.order_by("id")
    with pytest.warns(UserWarning, match="frozen"):
        assert one.stage == "frozen"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert one.stage == "frozen"
        assert two.stage == "frozen"
        assert not isinstance(two.stage, Stage)
    with pytest.warns(UserWarning, match="melted"):
        assert three.stage == "melted"


def test_an_unknown_enum_value_that_was_not_touched_is_not_sent_back(session, server):
    Task.__mapper__.fields["stage"].warned.add("frozen")
    server.tables["tasks"].rows[1]["stage"] = "frozen"
    task = Task.objects.get(id=1)
    assert task.stage == "frozen"
    task.name = "renamed"
    assert set(task.changes) == {"name"}
    task.commit()
    assert server.seen[-1].body == {"name": "renamed"}
    task.stage = Stage.DONE
    task.stage = "frozen"
    assert task.changes == {}


# -- value objects ------------------------------------------------------------------------------


def test_taking_back_a_change_of_a_value_object_keeps_what_is_never_sent(session):
    task = Task.objects.get(id=1)
    owner = task.owner
    owner.name, owner.mail = "eve", "e@x"
    task.members.pop()
    task.members[0].name = "eve"
    task.revert()
    assert task.owner is owner
    assert (owner.id, owner.name, owner.mail, owner.extra) == (5, "ann", "a@x", {"extra": 9})
    assert [(member.id, member.name) for member in task.members] == [(5, "ann"), (6, "bob")]
    assert task.changes == {}


def test_a_value_object_is_sent_by_its_write_names_without_what_only_the_server_sets(
    session, server
):
    task = Task.objects.get(id=1)
    task.owner.name = "eve"
    task.commit()
    assert server.seen[-1].body == {"owner": {"name": "eve", "e_mail": "a@x", "extra": 9}}


def test_an_equal_value_object_is_no_change(session):
    task = Task.objects.get(id=2)
    task.members = [Person(name="ann"), Person(name="bob")]
    assert task.changes == {}
    assert task.members[0].name == "ann"


def test_a_revert_goes_on_watching_what_the_program_holds(session):
    task = Task.objects.get(id=1)
    tags, inner = task.tags, task.metadata["a"]
    tags.append("x")
    inner["b"] = 2
    task.revert()
    assert tags == ["day"]
    assert inner == {"b": 1}
    tags.append("y")
    inner["b"] = 3
    assert set(task.changes) == {"tags", "metadata"}
    assert session.dirty == [task]


def test_a_commit_goes_on_watching_what_the_program_holds(session, server):
    task = Task.objects.get(id=1)
    tags, inner, owner = task.tags, task.metadata["a"], task.owner
    tags.append("x")
    task.commit()
    assert task.changes == {}
    tags.append("y")
    inner["b"] = 3
    owner.name = "eve"
    assert set(task.changes) == {"tags", "metadata", "owner"}
    task.commit()
    assert server.tables["tasks"].rows[1]["tags"] == ["day", "x", "y"]


def test_a_list_that_was_replaced_is_the_programs_own_again_after_a_revert(session):
    task = Task.objects.get(id=1)
    mine = ["mine"]
    task.tags = mine
    task.revert()
    assert task.tags == ["day"]
    assert mine == ["mine"]
