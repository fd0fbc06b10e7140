"""What others have changed meanwhile: versions are met, what both sides did is merged or told."""

from contextlib import contextmanager

import pytest

from objmapper import (
    CommitError,
    CommitInterrupted,
    ConflictError,
    FieldDoesNotExist,
    MergeConflict,
    Model,
    Registry,
    Session,
    fields,
    inspect,
)
from objmapper.dialects import DRF
from objmapper.operation import Fate, Kind
from objmapper.signals import post_update
from objmapper.state import Lifecycle

registry = Registry("conflicts")


class Note(Model):
    """Its version is an entity tag."""

    id = fields.Integer(primary_key=True)
    name = fields.String()
    text = fields.String(null=True)
    size = fields.Integer(null=True)
    tags = fields.List(fields.String())
    count = fields.Integer(read_only=True)
    secret = fields.String(write_only=True)

    class Meta:
        registry = registry
        version = "etag"


class Page(Model):
    """Its version is a field, which every write moves."""

    id = fields.Integer(primary_key=True)
    name = fields.String()
    text = fields.String(null=True)
    size = fields.Integer(null=True)
    tags = fields.List(fields.String())
    count = fields.Integer(read_only=True)
    secret = fields.String(write_only=True)
    updated = fields.Integer(read_only=True)

    class Meta:
        registry = registry
        version_field = "updated"


MODELS = {"etag": Note, "field": Page}


def row(number):
    return {
        "id": number,
        "name": f"n{number}",
        "text": "as it was",
        "size": 1,
        "tags": ["day"],
        "count": 0,
        "secret": "",
    }


@pytest.fixture
def server(small):
    hidden = ("secret", "moved")
    small.table("notes", [row(n) for n in range(1, 6)], secret=hidden, etags="strong")
    pages = [row(n) | {"updated": 1} for n in range(1, 6)]
    small.table("pages", pages, secret=hidden, version="updated")
    return small


@contextmanager
def session_of(server, **options):
    with Session(server.client(has_etag=True, **options)) as session:
        yield session
        session.rollback()


@pytest.fixture
def session(server):
    with session_of(server) as session:
        yield session


@pytest.fixture(params=["etag", "field"])
def model(request):
    return MODELS[request.param]


def stored(server, model, number=1):
    return server.tables[model.__mapper__.endpoint].rows[number]


def elsewhere(server, model, number=1, **values):
    """Somebody else changes a row; without values its version alone moves."""
    found = stored(server, model, number)
    found.update(values)
    found["moved"] = found.get("moved", 0) + 1
    if model is Page:
        found["updated"] += 1


def removed(server, model, number=1):
    del server.tables[model.__mapper__.endpoint].rows[number]


def failing(session, **options):
    with pytest.raises(CommitError) as caught:
        session.commit(**options)
    return caught.value.report


def only(entries):
    (entry,) = entries
    return entry


def writes(server):
    return [seen for seen in server.seen if seen.method != "GET"]


# -- what is sent ---------------------------------------------------------------------------------


def test_the_version_of_the_base_goes_along(server, session):
    note = Note.objects.get(id=1)
    tag = server.tables["notes"].etag(stored(server, Note))
    note.name = "mine"
    note.commit()
    (sent,) = writes(server)
    assert sent.headers["If-Match"] == tag
    assert stored(server, Note)["name"] == "mine"


def test_a_deletion_takes_the_version_along(server, session):
    note = Note.objects.get(id=1)
    tag = server.tables["notes"].etag(stored(server, Note))
    note.delete()
    assert [sent.headers["If-Match"] for sent in writes(server)] == [tag]


def test_the_answer_to_a_write_tells_the_next_version(server, session):
    note = Note.objects.create(name="new", tags=[])
    for text in ("a", "b", "c"):
        note.text = text
        note.commit()
    assert [str(sent) for sent in writes(server)] == ["POST /notes/", *["PATCH /notes/6/"] * 3]
    assert all("If-Match" in sent.headers for sent in writes(server)[1:])
    assert [seen for seen in server.seen if seen.method == "GET"] == []


def test_an_object_without_a_version_is_sent_as_ever(server, session):
    class Plain(Model):
        id = fields.Integer(primary_key=True)
        name = fields.String()

        class Meta:
            registry = Registry()
            endpoint = "notes"

    note = Plain.objects.get(id=1)
    elsewhere(server, Note, name="theirs")
    note.name = "mine"
    report = note.commit()
    assert report.updated.objects == [note]
    assert [sent.headers.get("If-Match") for sent in writes(server)] == [None]


def test_what_is_known_by_its_key_alone_is_written_without_a_read(server, session, model):
    note = model.objects.reference(1)
    note.name = "mine"
    note.commit()
    model.objects.reference(2).delete()
    assert [seen.method for seen in server.seen] == ["PATCH", "DELETE"]
    assert not any("If-Match" in sent.headers for sent in writes(server))


def test_a_row_without_its_tag_is_compared_before_it_is_sent(server, session):
    """A list has no header for each of its rows."""
    notes = list(Note.objects.filter(name="n1"))
    elsewhere(server, Note, text="theirs")
    notes[0].name = "mine"
    entry = only(failing(session).conflicts)
    assert writes(server) == []
    assert entry.conflict.theirs["text"] == "theirs"

    session.commit(on_conflict="merge")
    assert (stored(server, Note)["name"], stored(server, Note)["text"]) == ("mine", "theirs")
    assert "If-Match" in writes(server)[0].headers


def test_objects_of_a_wave_are_compared_in_one_request(server, session):
    pages = list(Page.objects.all())
    server.seen.clear()
    for page in pages:
        page.name += "!"
    report = session.commit()
    assert len(report.updated) == 5
    assert [seen.method for seen in server.seen] == ["GET", *["PATCH"] * 5]


def test_a_plan_shows_what_it_minds(server, session, model):
    note = model.objects.get(id=1)
    note.name = "mine"
    plan = session.plan()
    guard = {Note: "etag", Page: "updated"}[model]
    assert [op["guard"] for op in plan.to_json()["operations"]] == [guard]
    assert "guard" in str(plan).splitlines()[0]
    assert guard in str(plan)


def test_a_plan_without_versions_has_no_column_for_them(server, session):
    session.add(Note(name="x"))
    assert "guard" not in str(session.plan())
    assert session.plan().to_json()["operations"][0]["guard"] is None


# -- nothing that matters was changed -------------------------------------------------------------


def test_a_version_that_moved_alone_is_followed(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model)
    note.name = "mine"
    report = note.commit()
    assert report.updated.objects == [note]
    assert stored(server, model)["name"] == "mine"
    assert session.dirty == []


def test_what_the_server_alone_sets_is_nobodys_change(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, count=7)
    note.name = "mine"
    note.commit()
    assert (note.count, stored(server, model)["name"]) == (7, "mine")


def test_a_deletion_follows_a_version_that_moved_alone(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model)
    note.delete()
    assert 1 not in server.tables[model.__mapper__.endpoint].rows


def test_equal_changes_on_both_sides_are_no_conflict(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="same", tags=["day", "night"])
    note.name = "same"
    note.tags.append("night")
    report = session.commit()
    assert report.updated.objects == [note]
    assert (session.dirty, note.changes) == ([], {})
    assert report.conflicts == []


def test_of_equal_changes_only_the_others_are_sent(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="same")
    note.name, note.size = "same", 9
    session.commit()
    assert writes(server)[-1].body == {"size": 9}
    assert note.changes == {}


def test_what_both_have_deleted_is_deleted(server, session, model):
    note = model.objects.get(id=1)
    removed(server, model)
    report = note.delete()
    assert report.deleted.objects == [note]
    assert inspect(note).lifecycle is Lifecycle.DETACHED


# -- error: any foreign change is told ------------------------------------------------------------


def test_any_foreign_change_is_a_conflict(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, text="theirs")
    note.name = "mine"
    report = failing(session)
    entry = only(report.conflicts)
    assert entry.object is note
    assert entry.outcome.fate is Fate.CONFLICT
    conflict = entry.conflict
    assert conflict.base == {"name": "n1", "text": "as it was"}
    assert conflict.mine == {"name": "mine", "text": "as it was"}
    assert conflict.theirs == {"name": "n1", "text": "theirs"}
    assert (conflict.both, conflict.foreign) == ((), ("text",))
    assert stored(server, model)["name"] == "n1"
    assert not report.ok
    assert "somebody else has changed it: 'text' from 'as it was' to 'theirs'" in str(report)


def test_after_a_conflict_the_object_keeps_its_base_and_theirs_waits(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    note.name = "mine"
    failing(session)
    assert note.changes == {"name": ("n1", "mine")}
    assert inspect(note).theirs["name"] == "theirs"
    assert only(failing(session).conflicts).conflict.theirs == {"name": "theirs"}  # and again
    assert session.dirty == [note]


def test_refresh_takes_what_the_server_has(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    note.name = "mine"
    failing(session)
    note.refresh()
    assert (note.name, note.changes, inspect(note).theirs) == ("theirs", {}, None)
    note.name = "mine"
    note.commit()
    assert stored(server, model)["name"] == "mine"


def test_merge_moves_the_base_and_the_next_commit_sends(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs", text="theirs")
    note.name = "mine"
    failing(session)
    session.merge(note)
    assert note.changes == {"name": ("theirs", "mine")}
    note.commit()
    assert (stored(server, model)["name"], note.text) == ("mine", "theirs")


def test_the_commit_of_an_object_raises_what_it_met(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    note.name = "mine"
    with pytest.raises(ConflictError) as caught:
        note.commit()
    error = caught.value
    assert (error.base, error.mine, error.theirs) == (
        {"name": "n1"},
        {"name": "mine"},
        {"name": "theirs"},
    )
    assert error.report.conflicts.objects == [note]
    assert isinstance(error, CommitError | RuntimeError)
    assert "'name' from 'n1' to 'theirs', here 'mine'" in str(error)


def test_a_deletion_of_what_somebody_has_changed_is_a_conflict(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    with pytest.raises(ConflictError) as caught:
        note.delete()
    assert caught.value.mine is None
    assert caught.value.theirs == {"name": "theirs"}
    assert 1 in server.tables[model.__mapper__.endpoint].rows
    assert inspect(note).theirs["name"] == "theirs"


def test_an_update_of_what_somebody_has_deleted_is_a_conflict(server, session, model):
    note = model.objects.get(id=1)
    removed(server, model)
    note.name = "mine"
    for on_conflict in ("error", "merge", "overwrite"):
        with pytest.raises(ConflictError) as caught:
            note.commit(on_conflict=on_conflict)
        assert caught.value.theirs is None
        assert (caught.value.base, caught.value.mine) == ({"name": "n1"}, {"name": "mine"})
        assert "somebody else has deleted it" in str(caught.value)
    assert session.dirty == [note]


def test_a_conflict_stops_or_goes_on_as_any_failure(server, session, model):
    notes = [model.objects.get(id=n) for n in (1, 2, 3)]
    elsewhere(server, model, number=1, name="theirs")
    for note in notes:
        note.name = "mine"
    report = failing(session, workers=1)
    assert (report.conflicts.objects, report.pending.objects) == ([notes[0]], notes[1:])
    report = failing(session, workers=1, on_error="continue")
    assert (report.conflicts.objects, report.updated.objects) == ([notes[0]], notes[1:])


def test_what_waits_for_a_conflict_is_skipped(server, session, model):
    class Part(Model):
        id = fields.Integer(primary_key=True)
        of = fields.ForeignKey(model, null=True)

        class Meta:
            registry = Registry()

    server.table("parts", [{"id": 1, "of": 1}])
    note, part = model.objects.get(id=1), Part.objects.get(id=1)
    removed(server, model)
    elsewhere_row = row(1) | {"name": "theirs", "updated": 5}
    server.tables[model.__mapper__.endpoint].rows[1] = elsewhere_row
    note.name = "mine"
    part.of = None
    session.delete(note)
    report = failing(session, on_error="continue")
    assert report.updated.objects == [part]
    assert report.conflicts.objects == [note]


# -- merge, overwrite, theirs, sides, callables ---------------------------------------------------


def test_what_only_one_side_changed_merges(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, text="theirs", tags=["night"])
    note.name = "mine"
    report = session.commit(on_conflict="merge")
    assert report.updated.objects == [note]
    found = stored(server, model)
    assert (found["name"], found["text"], found["tags"]) == ("mine", "theirs", ["night"])
    assert (note.name, note.text, note.tags) == ("mine", "theirs", ["night"])
    assert (session.dirty, inspect(note).theirs, report.resolved) == ([], None, [])


def test_under_merge_a_field_that_both_changed_is_a_conflict(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs", size=5)
    note.name, note.text = "mine", "mine"
    conflict = only(failing(session, on_conflict="merge").conflicts).conflict
    assert conflict.both == ("name",)
    assert conflict.mine == {"name": "mine", "text": "mine", "size": 1}
    assert conflict.theirs == {"name": "theirs", "text": "as it was", "size": 5}
    assert stored(server, model)["text"] == "as it was"


@pytest.mark.parametrize(
    ("on_conflict", "name", "text"),
    [
        ("overwrite", "mine", "mine"),
        ("theirs", "theirs", "theirs"),
        ({"name": "mine", "text": "theirs"}, "mine", "theirs"),
        ({"name": "theirs", "text": "mine"}, "theirs", "mine"),
        (lambda conflict: "overwrite", "mine", "mine"),
        (lambda conflict: dict.fromkeys(conflict.both, "theirs"), "theirs", "theirs"),
    ],
)
def test_a_conflict_is_decided_field_by_field(server, session, model, on_conflict, name, text):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs", text="theirs", tags=["night"])
    note.name, note.text, note.size = "mine", "mine", 9
    report = session.commit(on_conflict=on_conflict)
    found = stored(server, model)
    assert (found["name"], found["text"]) == (name, text)
    assert (found["size"], found["tags"]) == (9, ["night"])
    assert (note.name, note.text, note.size, note.tags) == (name, text, 9, ["night"])
    assert session.dirty == []
    entry = only(report.resolved)
    assert (entry.object, entry.conflict.both) == (note, ("name", "text"))
    assert report.updated.objects == [note]


def test_a_list_that_both_changed_is_decided_as_a_whole(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, tags=["day", "theirs"])
    tags = note.tags
    tags.append("mine")
    note.commit(on_conflict="theirs")
    assert note.tags == ["day", "theirs"]
    assert note.tags is tags
    assert writes(server) == [] or writes(server)[-1].headers.get("If-Match")
    assert stored(server, model)["tags"] == ["day", "theirs"]


def test_a_side_that_is_not_named_stays_a_conflict(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs", text="theirs")
    note.name, note.text = "mine", "mine"
    report = failing(session, on_conflict={"name": "mine"})
    assert only(report.conflicts).conflict.both == ("name", "text")


def test_what_was_given_up_whole_is_not_sent_and_not_called_updated(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    note.name = "mine"
    before = len(writes(server))
    report = session.commit(on_conflict="theirs")
    assert (report.updated, report.resolved.objects, report.ok) == ([], [note], True)
    assert (note.name, session.dirty) == ("theirs", [])
    assert stored(server, model)["name"] == "theirs"
    assert len(writes(server)) - before == (1 if model is Note else 0)  # the one that was refused
    note.name = "again"
    note.commit()
    assert stored(server, model)["name"] == "again"


def test_a_deletion_wins_or_is_given_up(server, session, model):
    kept, gone = model.objects.get(id=1), model.objects.get(id=2)
    for number in (1, 2):
        elsewhere(server, model, number, name="theirs")
    session.delete(kept)
    report = session.commit(on_conflict="theirs")
    assert (report.deleted, report.resolved.objects) == ([], [kept])
    assert (inspect(kept).lifecycle, kept.name) == (Lifecycle.PERSISTENT, "theirs")
    assert session.deleted == []
    assert gone.delete(on_conflict="overwrite").deleted.objects == [gone]
    assert sorted(server.tables[model.__mapper__.endpoint].rows) == [1, 3, 4, 5]


def test_under_merge_a_deletion_of_what_was_changed_stays_a_conflict(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    session.delete(note)
    for on_conflict in ("merge", {"name": "mine"}):
        assert failing(session, on_conflict=on_conflict).conflicts.objects == [note]
    assert session.deleted == [note]


def test_that_somebody_has_deleted_it_can_be_accepted(server, session, model):
    note = model.objects.get(id=1)
    removed(server, model)
    note.name = "mine"
    report = session.commit(on_conflict="theirs")
    assert report.resolved.objects == [note]
    assert inspect(note).lifecycle is Lifecycle.DETACHED
    assert note.name == "mine"


def test_a_callable_sees_both_sides_and_only_true_conflicts(server, session, model):
    notes = [model.objects.get(id=n) for n in (1, 2, 3)]
    elsewhere(server, model, 1, text="theirs")
    elsewhere(server, model, 2, name="theirs")
    for note in notes:
        note.name = "mine"
    met = []

    def decide(conflict):
        assert isinstance(conflict, MergeConflict)
        met.append((conflict.object, conflict.base, conflict.mine, conflict.theirs))
        return {"name": "theirs"}

    session.commit(on_conflict=decide)
    assert met == [(notes[1], {"name": "n2"}, {"name": "mine"}, {"name": "theirs"})]
    assert [stored(server, model, n)["name"] for n in (1, 2, 3)] == ["mine", "theirs", "mine"]


NONSENSE = ["mine", 7, "", False]


@pytest.mark.parametrize("answer", [None, "error", "merge", {}, *NONSENSE])
def test_what_a_callable_leaves_open_stays_a_conflict(server, session, model, answer):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    note.name = "mine"
    report = failing(session, on_conflict=lambda conflict: answer)
    assert report.conflicts.objects == [note]
    assert [type(error) for error in report.errors] == [ValueError] * (answer in NONSENSE)


def test_a_callable_that_names_no_field_decides_nothing(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    note.name = "mine"
    sides = {"name": "mine", "nmae": "mine"}
    report = failing(session, on_conflict=lambda conflict: sides)
    assert report.conflicts.objects == [note]
    (error,) = report.errors
    assert isinstance(error, FieldDoesNotExist)
    assert "'name'" in str(error)  # what was meant


def test_a_callable_that_fails_decides_nothing(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    note.name = "mine"

    def decide(conflict):
        raise KeyError("oops")

    report = failing(session, on_conflict=decide)
    assert report.conflicts.objects == [note]
    assert [type(error) for error in report.errors] == [KeyError]


@pytest.mark.parametrize("wrong", ["mine", "ours", None, 7, {"name": "both"}, ["merge"]])
def test_what_decides_nothing_is_refused_before_anything_is_asked(server, session, wrong):
    note = Page.objects.get(id=1)
    note.name = "mine"
    server.seen.clear()
    with pytest.raises(ValueError, match=r"'mine' or 'theirs'"):
        session.commit(on_conflict=wrong)
    assert server.seen == []


def test_the_side_of_a_field_that_is_not_there_is_refused(server, session):
    note = Page.objects.get(id=1)
    note.name = "mine"
    server.seen.clear()
    with pytest.raises(FieldDoesNotExist, match=r"nmae.*Did you mean 'name'"):
        session.commit(on_conflict={"nmae": "mine"})
    assert server.seen == []


def test_changes_that_were_not_to_be_sent_meet_the_conflict_too(server, session, model):
    """A base that moves under a change would let the next commit overwrite what nobody saw."""
    note = model.objects.get(id=1)
    elsewhere(server, model, text="theirs")
    note.name, note.text = "mine", "mine"
    with pytest.raises(CommitError):
        session.commit_objects([note], fields=["name"], on_conflict="merge")
    session.commit_objects([note], fields=["name"], on_conflict={"text": "mine"})
    assert (stored(server, model)["name"], stored(server, model)["text"]) == ("mine", "theirs")
    assert note.changes == {"text": ("theirs", "mine")}


class Together(DRF):
    """Updates of one kind share a request, which the small server takes for the first one's."""

    def operations(self, changes):
        drafts = list(super().operations(changes))
        if len(drafts) < 2 or drafts[0].kind != Kind.UPDATE:
            return drafts
        sent = tuple(change for draft in drafts for change in draft.changes)
        return [drafts[0]._replace(changes=sent, read=lambda answer: [None] * len(sent))]


def test_of_several_in_one_request_each_stands_in_the_report(server):
    told = []

    def hear(sender, instance, **_):
        told.append(instance)

    dialect = Together(trailing_slash=True)
    with Session(server.client(dialect=dialect)) as session, post_update.connected_to(hear):
        pages = list(Page.objects.filter(id__in=[1, 2, 3, 4]).order_by("id"))
        for page in pages:
            page.text = "mine"
        elsewhere(server, Page, 1, text="mine")
        elsewhere(server, Page, 3, text="theirs")
        report = session.commit(on_conflict={"text": "theirs"})
        assert sorted(page.id for page in report.updated.objects) == [1, 2, 4]
        assert report.resolved.objects == [pages[2]]
        assert session.dirty == []
    assert [str(seen) for seen in writes(server)] == ["PATCH /pages/2/"]
    assert sorted(page.id for page in told) == [1, 2, 4]
    assert pages[2].text == "theirs"


class Crew(Model):
    """It has a field that is called as an option of commits."""

    id = fields.Integer(primary_key=True)
    workers = fields.Integer()

    class Meta:
        registry = registry


def test_the_update_of_a_query_set_decides_conflicts(server, session, model):
    found = model.objects.filter(id__in=[1, 2])
    list(found)
    elsewhere(server, model, 1, text="theirs", size=7)
    with pytest.raises(CommitError, match="1 conflict"):
        found.update(text="mine", on_error="continue")
    session.rollback()
    found = model.objects.filter(id__in=[1, 2])
    list(found)
    elsewhere(server, model, 1, text="theirs", size=8)
    assert found.update(text="mine", on_conflict="overwrite", workers=1, deadline=60) == 2
    assert [stored(server, model, n)["text"] for n in (1, 2)] == ["mine", "mine"]
    assert stored(server, model)["size"] == 8


def test_the_deletion_of_a_query_set_decides_conflicts(server, session, model):
    found = model.objects.filter(id=1)
    list(found)
    elsewhere(server, model, 1, text="theirs")
    with pytest.raises(CommitError, match="1 conflict"):
        found.delete()
    assert found.delete(on_conflict="overwrite") == 1
    assert 1 not in server.tables[model.__mapper__.endpoint].rows


def test_a_field_that_is_called_as_an_option_is_a_field(server, session):
    server.table("crews", [{"id": 1, "workers": 2}])
    assert Crew.objects.filter(id=1).update(workers=7) == 1
    assert stored(server, Crew) == {"id": 1, "workers": 7}
    with pytest.raises(FieldDoesNotExist, match="Crew has no field 'on_conflicts'"):
        Crew.objects.filter(id=1).update(workers=8, on_conflicts="merge")
    assert Crew.objects.filter(id=1).update(on_error="continue") == 0


def test_what_was_refused_before_an_interrupt_is_pending(server, session):
    """Nothing is asked any more of what others have changed; the next commit meets it again."""
    first, second = Note.objects.get(id=1), Note.objects.get(id=2)
    first.text = second.text = "mine"
    elsewhere(server, Note, 1, size=7)

    def strike(through, of):
        raise KeyboardInterrupt

    seen = len(server.seen)
    with pytest.raises(CommitInterrupted) as caught:
        session.commit(workers=1, on_error="continue", on_conflict="merge", progress=strike)
    report = caught.value.report
    assert (report.pending.objects, report.updated.objects) == ([first], [second])
    assert (report.conflicts, report.uncertain, report.errors) == ([], [], [])
    assert len(server.seen) == seen + 2
    assert session.dirty == [first]
    assert session.commit(on_conflict="merge").updated.objects == [first]
    assert (stored(server, Note)["text"], stored(server, Note)["size"]) == ("mine", 7)


def test_one_conflict_is_one(server, session):
    note = Note.objects.get(id=1)
    note.text = "mine"
    elsewhere(server, Note, text="theirs")
    assert str(failing(session)).startswith("1 conflict; ")


def test_a_plan_that_is_applied_decides_the_same(server, session, model):
    note = model.objects.get(id=1)
    note.name = "mine"
    plan = session.plan()
    elsewhere(server, model, name="theirs")
    with pytest.raises(CommitError):
        session.apply(plan)
    report = session.apply(plan, on_conflict="overwrite")
    assert report.updated.objects == [note]
    assert stored(server, model)["name"] == "mine"
