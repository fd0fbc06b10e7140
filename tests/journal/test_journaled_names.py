"""What a journal knows objects by: keys of the program's own, places, keys that are used again."""

import uuid

import pytest

from objmapper import CommitError, JournalError, Model, Registry, Session, fields
from objmapper.cli import main

registry = Registry("names")


class Run(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()

    class Meta:
        registry = registry
        endpoint = "runs"
        natural_key = ["name"]


class Artifact(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    run = fields.ForeignKey(Run)

    class Meta:
        registry = registry
        endpoint = "runs/{run}/artifacts"
        natural_key = ["name"]


class Settings(Model):
    run = fields.ForeignKey(Run)
    theme = fields.String(null=True)

    class Meta:
        registry = registry
        endpoint = "runs/{run}/settings"
        singleton = True


class Chosen(Model):
    """Its key is another one each time it is made."""

    id = fields.UUID(primary_key=True, generated="client", default=uuid.uuid4)
    note = fields.String(null=True)

    class Meta:
        registry = registry
        endpoint = "chosen"


class Slug(Model):
    id = fields.String(primary_key=True, generated="client")
    note = fields.String(null=True)

    class Meta:
        registry = registry
        endpoint = "slugs"


@pytest.fixture
def place(place):
    for endpoint in ("runs", "runs/{run}/artifacts", "chosen", "slugs"):
        place.server.table(endpoint)
    return place


def rows(place, endpoint):
    return list(place.server.tables[endpoint].rows.values())


def artifacts():
    runs = [Run(name="a"), Run(name="b")]
    return [Artifact(name=name, run=run) for run in runs for name in ("x", "y")]


@pytest.mark.parametrize("recovered", [False, True])
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 3, 6])
def test_where_an_object_lives_is_a_part_of_its_name(place, at, done, recovered):
    session = place.session()
    session.add_all(artifacts())
    place.die(session, at, done=done)
    with place.session() as session:
        if recovered:
            session.recover()
        session.add_all(artifacts())
        session.commit()
    ids = {row["name"]: row["id"] for row in rows(place, "runs")}
    found = sorted((row["run"], row["name"]) for row in rows(place, "runs/{run}/artifacts"))
    assert found == sorted((ids[run], name) for run in "ab" for name in "xy")


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 2])
def test_the_settings_of_two_runs_are_two_objects(place, at, done):
    place.server.table("runs/1/settings", [{"run": 1, "theme": "light"}], singleton=True)
    place.server.table("runs/2/settings", [{"run": 2, "theme": "light"}], singleton=True)
    session = place.session()
    for run in (1, 2):
        Settings.objects.using(session).filter(run=run).get().theme = f"dark {run}"
    place.die(session, at, done=done)
    with place.session() as session:
        report = session.recover()
        assert len(report.updated) == 2
    assert [rows(place, f"runs/{run}/settings")[0]["theme"] for run in (1, 2)] == [
        "dark 1",
        "dark 2",
    ]


@pytest.mark.parametrize("at", [None, (1, False), (1, True)])
def test_a_key_that_the_program_draws_is_the_one_that_was_drawn_first(place, at):
    session = place.session()
    session.add(Chosen(note="n"), tag="it")
    if at is None:
        session.commit()
        session.close()
    else:
        place.die(session, at[0], done=at[1])
    drawn = place.server.seen[0].body["id"]
    for _ in range(2):
        with place.session() as session:
            again = Chosen(note="n")
            session.add(again, tag="it")
            session.plan()
            session.commit()
            assert str(again.id) == drawn
    assert rows(place, "chosen") == [{"id": drawn, "note": "n"}]


def test_a_plan_leaves_the_key_that_the_program_draws(place):
    with place.session() as session:
        session.add(Chosen(), tag="it")
        session.commit()
    with place.session() as session:
        again = Chosen()
        before = again.id
        session.add(again, tag="it")
        assert not session.plan().operations
        assert again.id == before
        session.rollback()


def test_a_key_that_was_chosen_offline_tells_whose_it_is(place, capsys):
    with Session(offline=place.path) as session:
        session.add(Slug(id="of-five", note="x"))
        session.commit()
    assert main(["journal", str(place.path)]) == 3
    assert capsys.readouterr().out.splitlines()[-1].split()[1:4] == ["create", "Slug", "of-five"]


@pytest.mark.parametrize("at", [None, 1])
def test_another_key_for_the_object_of_a_tag_is_refused(place, at):
    session = place.session()
    session.add(Slug(id="a"), tag="it")
    if at is None:
        session.commit()
        session.close()
    else:
        place.die(session, at, done=True)
    with place.session() as session:
        session.add(Slug(id="b"), tag="it")
        with pytest.raises(JournalError, match=r"with the key 'a', by the tag 'it'.*another tag"):
            session.commit()
        session.rollback()
    assert place.writes() == ["POST /slugs/"]


@pytest.mark.parametrize("mine", [False, True])
def test_a_key_that_the_server_gives_again_is_that_of_the_second_object(place, models, mine):
    def program(session):
        project = models.Project.objects.using(session).get(name="second")
        session.add(models.Task(name="t", project=project))
        return session.commit()

    with place.session() as session:
        first = models.Project(name="first")
        session.add(first)
        session.commit()
        session.delete(first)
        session.commit()
        if mine:
            session.add(models.Project(name="second"))
            session.commit()
        else:
            place.server.tables["projects"].rows[1] = {"id": 1, "name": "second"}
        assert len(program(session).created) == 1
    for _ in range(2):
        with place.session() as session:
            assert not program(session).created
    assert [row["project"] for row in rows(place, "tasks")] == [1]


def test_any_text_may_be_a_tag(place, models):
    tags = ["", "\0", "\ud800", "☃", '"']
    for _ in range(2):
        with place.session() as session:
            for tag in tags:
                session.add(models.Nameless(), tag=tag)
            session.commit()
    assert len(rows(place, "namelesses")) == len(tags)


def test_what_went_through_at_the_second_attempt_is_done_once(place, models):
    with place.session() as session:
        project = models.Project(name="p")
        session.add(project)
        place.server.fail("POST", "/projects", 400)
        with pytest.raises(CommitError):
            session.commit()
        session.commit()
        session.delete(project)
        place.server.fail("DELETE", "/projects/1", 400)
        with pytest.raises(CommitError):
            session.commit()
        session.commit()
    with place.session() as session:
        assert session.recover().counts() == {"created": 1, "deleted": 1}


def test_a_tag_goes_with_its_object(place, models):
    names = [f"{kind}{number}" for number in range(10) for kind in ("tagged", "bare")]
    for _ in range(2):
        with Session(place.server.client(), journal=place.path, keep=0) as session:
            for name in names:  # each is made where the one before it was in memory
                session.add(models.Project(name=name), tag=name if "tagged" in name else None)
                session.commit()
    assert place.names("projects") == sorted(names)


class Head(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    first = fields.ForeignKey("Limb", null=True)

    class Meta:
        registry = registry
        endpoint = "heads"
        natural_key = ["name"]


class Limb(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    head = fields.ForeignKey(Head)

    class Meta:
        registry = registry
        endpoint = "limbs"
        natural_key = ["head", "name"]


# The server shows no field that was never set: whether the last step was not done can't be seen.
@pytest.mark.parametrize(("at", "done"), [(1, False), (1, True), (2, False), (2, True), (3, True)])
def test_a_name_may_take_that_of_an_object_that_refers_to_it(place, at, done):
    def program(session):
        head = Head(name="h", first=Limb(name="l"))
        head.first.head = head
        session.add(head)

    place.server.table("heads")
    place.server.table("limbs")
    session = place.session()
    program(session)
    place.die(session, at, done=done)
    with place.session() as session:
        program(session)
        session.commit()
    assert rows(place, "heads") == [{"id": 1, "name": "h", "first": 1}]
    assert rows(place, "limbs") == [{"id": 1, "name": "l", "head": 1}]
