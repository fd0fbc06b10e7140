"""How versions are told, kept, followed and met again: entity tags, fields, lost answers, crowds."""

import sys
from contextlib import contextmanager

import pytest

from objmapper import (
    Client,
    CommitError,
    Conflict,
    ConflictError,
    ContractError,
    DeclarationError,
    Model,
    NotFound,
    Registry,
    Session,
    fields,
    inspect,
    signals,
)
from objmapper.conflicts import ROUNDS
from objmapper.cvat import models as cvat_models
from objmapper.dialects import DRF

SmallDialect = sys.modules["smallserver"].SmallDialect
registry = Registry("versions")
HTML = "<html>Bad Gateway</html>"


class Note(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    text = fields.String(null=True)
    secret = fields.String(write_only=True)

    class Meta:
        registry = registry
        version = "etag"
        natural_key = ["name"]


class Page(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    text = fields.String(null=True)
    updated = fields.Integer(read_only=True)

    class Meta:
        registry = registry
        version_field = "updated"


MODELS = {"etag": Note, "field": Page}


@pytest.fixture
def server(small):
    rows = [{"id": n, "name": f"n{n}", "text": "as it was"} for n in range(1, 6)]
    hidden = ("secret", "moved")
    small.table("notes", [dict(row) for row in rows], secret=hidden, etags="strong")
    small.table(
        "pages",
        [row | {"updated": 1} for row in rows],
        secret=hidden,
        version="updated",
    )
    return small


@contextmanager
def session_of(server, **options):
    with Session(server.client(has_etag=True, **options)) as session:
        yield session
        for obj in session.uncertain:
            session.expunge(obj)
        session.rollback()


@pytest.fixture
def session(server):
    with session_of(server) as session:
        yield session


@pytest.fixture(params=["etag", "field"])
def model(request):
    return MODELS[request.param]


def table(server, model):
    return server.tables[model.__mapper__.endpoint]


def elsewhere(server, model, number=1, **values):
    found = table(server, model).rows[number]
    found.update(values)
    found["moved"] = found.get("moved", 0) + 1
    if model is Page:
        found["updated"] += 1


def failing(session, **options):
    with pytest.raises(CommitError) as caught:
        session.commit(**options)
    return caught.value.report


def only(entries):
    (entry,) = entries
    return entry


def writes(server):
    return [seen for seen in server.seen if seen.method != "GET"]


# -- what is declared -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda session: Note.objects.get(id=1),
        lambda session: list(Note.objects.all()),
        lambda session: Note.objects.count(),
        lambda session: Note.objects.create(name="new"),
        lambda session: Note.objects.reference(1).delete(),
        lambda session: Note.objects.reference(1).refresh(),
    ],
)
def test_entity_tags_are_declared_and_never_guessed(server, use):
    """The server sends them, and nothing says that it heeds If-Match."""
    with Session(server.client()) as session:
        with pytest.raises(DeclarationError, match=r"Note.*'etag'.*has_etag=True.*version_field"):
            use(session)
        assert server.seen == []
        session.rollback()


def test_a_version_is_an_entity_tag_or_a_field():
    with pytest.raises(DeclarationError, match=r"'etag' or None, not 'updated'.*version_field"):

        class Wrong(Model):
            id = fields.Integer(primary_key=True)

            class Meta:
                registry = Registry()
                version = "updated"

    with pytest.raises(DeclarationError, match=r"both version and version_field"):

        class Both(Note):
            class Meta:
                version_field = "name"


def test_a_subclass_may_tell_its_version_otherwise():
    class Other(Note):
        class Meta:
            registry = Registry()
            endpoint = "others"
            version = None
            version_field = "name"

    assert Other.__mapper__.version_field == "name"


def test_a_tag_that_cannot_be_said_is_not_passed_over(server, session):
    """If-Match compares strongly, a weak tag is equal to none: RFC 9110, 13.1.1."""
    for tags in ("weak", None):
        table(server, Note).etags = tags
        note = Note.objects.get(id=1)
        note.refresh()
        note.name = f"mine{tags}"
        entry = only(failing(session).failed)
        assert isinstance(entry.error, ContractError)
        assert "no entity tag that If-Match could say" in str(entry.error)
        session.rollback()
    assert writes(server) == []


@pytest.mark.parametrize(
    "tag", ['""', '"a b"', '"\xe9"', "plain", '"a"b"', '"a', "", "*", '"\x01"']
)
def test_a_tag_is_said_as_it_came_or_not_at_all(server, session, tag):
    said = tag in ('""', '"\xe9"')
    rest = DRF(has_etag=True)
    row = {rest.etag_key: tag}
    assert rest.etag_of(row) == (tag if said else None)


def test_what_was_sent_without_if_match_though_it_is_demanded_goes_again_with_it(server, session):
    table(server, Note).demands = True
    note = Note.objects.reference(1)
    note.name = "mine"
    report = note.commit()
    assert [seen.headers.get("If-Match") is not None for seen in writes(server)] == [
        False,
        True,
    ]
    assert (report.requests, report.retries) == (2, 1)
    assert table(server, Note).rows[1]["name"] == "mine"


def test_a_tag_is_no_field_of_the_object(server, session):
    note = Note.objects.get(id=1)
    assert note.extra == {}
    assert set(note.to_dict()) == {"id", "name", "text"}


# -- the base and its version ---------------------------------------------------------------------


def test_a_dirty_object_keeps_its_version_whatever_is_read_later(server, session, model):
    note = model.objects.get(id=1)
    note.name = "mine"
    elsewhere(server, model, text="theirs")
    model.objects.get(id=1)
    list(model.objects.all())
    assert only(failing(session).conflicts).conflict.theirs["text"] == "theirs"


def test_a_clean_object_takes_the_newer_version(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, text="theirs")
    model.objects.get(id=1)
    note.name = "mine"
    assert note.commit().updated.objects == [note]


def test_a_summary_does_not_move_the_version_of_more_than_it_tells(server):
    """What others have changed of the rest would go unnoticed."""
    table(server, Page).thin = ("id", "name", "updated")
    with session_of(server, lists_are_full=False) as session:
        page = Page.objects.get(id=1)
        elsewhere(server, Page, text="theirs")
        (again,) = Page.objects.filter(id=1)
        assert again is page
        page.text = "mine"
        assert only(failing(session).conflicts).conflict.both == ("text",)


def test_a_version_that_comes_later_is_not_that_of_older_values(server):
    """The list has no version; the detail that is loaded on touch is of another one."""
    table(server, Page).thin = ("id", "name")
    with session_of(server, lists_are_full=False) as session:
        (page,) = Page.objects.filter(id=1)
        elsewhere(server, Page, name="theirs")
        assert page.text == "as it was"
        assert page.name == "n1"
        page.name = "mine"
        assert only(failing(session).conflicts).conflict.theirs == {"name": "theirs"}


def test_tags_that_a_list_does_not_tell_are_read_one_by_one(server, session):
    notes = list(Note.objects.all())
    for note in notes:
        note.name += "!"
    assert session.commit().updated.objects == notes
    assert [seen.method for seen in server.seen] == ["GET"] * 6 + ["PATCH"] * 5
    assert all("If-Match" in seen.headers for seen in writes(server))


def test_only_asks_for_what_tells_the_version(server, session):
    (page,) = Page.objects.only("name").filter(id=1)
    elsewhere(server, Page, name="theirs")
    page.name = "mine"
    assert only(failing(session).conflicts).conflict.base == {"name": "n1"}


def test_an_answer_without_a_body_leaves_no_old_version(server, session, model):
    table(server, model).answers = "nothing"
    note = model.objects.get(id=1)
    for name in ("a", "b"):
        note.name = name
        assert note.commit().updated.objects == [note]
    assert table(server, model).rows[1]["name"] == "b"
    elsewhere(server, model, name="theirs")
    note.name = "c"
    with pytest.raises(ConflictError) as caught:
        note.commit()
    assert (caught.value.base, caught.value.theirs) == (
        {"name": "b"},
        {"name": "theirs"},
    )


def test_what_waited_is_older_than_what_was_merged(server, session, model):
    table(server, model).answers = "nothing"
    note = model.objects.get(id=1)
    elsewhere(server, model, text="theirs")
    note.name = "mine"
    failing(session)
    elsewhere(server, model, text="theirs again")
    session.commit(on_conflict="merge")
    assert (note.name, note.text) == ("mine", "theirs again")
    assert inspect(note).theirs is None


# -- a crowd --------------------------------------------------------------------------------------


def changed_again(server, model, column, times):
    """Have somebody change the row before each write that arrives, that many times."""
    left = [times]

    def hook(seen):
        if seen.method == "PATCH" and left[0]:
            left[0] -= 1
            elsewhere(server, model, **{column: f"{column}{left[0]}"})

    server.hook = hook


def test_a_third_change_in_between_is_met_again(server, session):
    note = Note.objects.get(id=1)
    note.name = "mine"
    changed_again(server, Note, "name", times=3)
    report = session.commit(on_conflict="overwrite")
    assert table(server, Note).rows[1]["name"] == "mine"
    assert [c.theirs["name"] for c in (e.conflict for e in report.resolved)] == [
        *("name2", "name1", "name0"),
    ]
    assert report.retries == 3


@pytest.mark.parametrize(("column", "on_conflict"), [("name", "overwrite"), ("text", "merge")])
def test_what_is_contended_for_ever_ends_as_a_conflict(server, session, column, on_conflict):
    note = Note.objects.get(id=1)
    note.name = "mine"
    changed_again(server, Note, column, times=100)
    report = failing(session, on_conflict=on_conflict)
    assert report.conflicts.objects == [note]
    assert len(writes(server)) == ROUNDS + 1
    server.hook = lambda seen: None
    session.commit(on_conflict=on_conflict)
    assert table(server, Note).rows[1]["name"] == "mine"


def test_a_refusal_for_another_reason_is_a_failure(server, session):
    note = Note.objects.get(id=1)
    note.name = "taken"
    for status in (409, 412):
        server.fail("PATCH", "/notes/1", status, {"detail": "The name is taken."})
        entry = only(failing(session).failed)
        assert isinstance(entry.error, Conflict)
        assert "The name is taken." in str(entry.error)
    server.fail("PATCH", "/notes/1", 404, {"detail": "Not here."})
    assert isinstance(only(failing(session).failed).error, NotFound)
    assert session.dirty == [note]


@pytest.mark.parametrize("status", [409, 412, 428])
def test_a_server_may_refuse_an_older_version_in_each_of_these_words(server, session, status):
    note = Note.objects.get(id=1)
    elsewhere(server, Note, name="theirs")
    note.name = "mine"
    server.fail("PATCH", "/notes/1", status, {"detail": "Changed."})
    conflict = only(failing(session).conflicts).conflict
    assert (conflict.both, conflict.theirs["name"]) == (("name",), "theirs")
    server.fail("PATCH", "/notes/1", status, {"detail": "Changed."})
    assert session.commit(on_conflict="overwrite").updated.objects == [note]
    assert table(server, Note).rows[1]["name"] == "mine"


@pytest.mark.parametrize("status", [404, 410])
def test_a_server_may_say_in_each_of_these_words_that_somebody_has_deleted_it(
    server, session, status
):
    note = Note.objects.get(id=1)
    del table(server, Note).rows[1]
    note.name = "mine"
    server.fail("PATCH", "/notes/1", status, {"detail": "It was there."})
    conflict = only(failing(session).conflicts).conflict
    assert (conflict.mine["name"], conflict.theirs) == ("mine", None)
    session.expunge(note)


def test_what_cannot_be_read_again_fails_and_keeps_its_changes(server, session, model):
    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    note.name = "mine"
    for path in ("/notes/1", "/pages/1"):
        server.fail("GET", path, 503, HTML, times=1)
    entry = only(failing(session).failed)
    assert "asking for what the server has failed" in entry.outcome.why
    assert session.dirty == [note]
    assert failing(session).conflicts.objects == [note]


@pytest.mark.parametrize("brought", ["nonsense", {"id": 2, "name": "another"}, {"name": "nobody"}])
def test_what_a_refusal_brings_along_is_believed_if_it_is_the_object(server, brought):
    class Bringing(SmallDialect):
        def read_conflict(self, response):
            if brought == "nonsense":
                raise ContractError("nonsense")
            return brought

    with Session(server.client(dialect=Bringing(trailing_slash=True, has_etag=True))) as session:
        note = Note.objects.get(id=1)
        elsewhere(server, Note, name="theirs")
        note.name = "mine"
        assert only(failing(session).conflicts).conflict.theirs == {"name": "theirs"}
        session.rollback()


# -- lost answers ---------------------------------------------------------------------------------


def test_a_lost_success_is_found_done_with_its_new_version(server, model):
    with session_of(server, retries=2):
        note = model.objects.get(id=1)
        note.name = "mine"
        server.fail("PATCH", f"/{table(server, model).endpoint}/1", 502, HTML, done=True)
        report = note.commit()
        assert report.updated.objects == [note]
        assert len(writes(server)) == 1
        note.text = "more"
        note.commit()
        assert len(writes(server)) == 2
        assert table(server, model).rows[1]["text"] == "more"


def test_a_lost_request_goes_again_over_its_version(server, model):
    with session_of(server, retries=2) as session:
        note = model.objects.get(id=1)
        note.name = "mine"
        server.fail("PATCH", f"/{table(server, model).endpoint}/1", 502, HTML, done=False)
        note.commit()
        assert len(writes(server)) == 2
        assert (session.dirty, table(server, model).rows[1]["name"]) == ([], "mine")


def test_an_own_repeat_that_meets_its_own_change_is_no_conflict(server):
    """The first attempt is done and its answer lost; the second one's version is an old one."""
    with session_of(server, retries=2, idempotent=frozenset({"update", "delete"})):
        note = Note.objects.get(id=1)
        note.name = "mine"
        server.fail("PATCH", "/notes/1", 502, HTML, done=True)
        report = note.commit()
        assert report.updated.objects == [note]
        assert report.conflicts == []
        server.fail("DELETE", "/notes/1", 502, HTML, done=True)
        assert note.delete().deleted.objects == [note]


def test_a_lost_request_whose_object_others_have_changed_meanwhile_is_a_conflict(
    server,
):
    """It was surely not done: the field that was sent is as it was before."""
    with session_of(server, retries=2) as session:
        note = Note.objects.get(id=1)
        note.name = "mine"
        server.fail("PATCH", "/notes/1", 502, HTML, done=False)
        server.hook = lambda seen: (
            elsewhere(server, Note, text="theirs")
            if (seen.method == "GET" and server.tables["notes"].rows[1]["text"] != "theirs")
            else None
        )
        assert failing(session).conflicts.objects == [note]
        session.commit(on_conflict="merge")
        assert table(server, Note).rows[1] | {"moved": 0} == {
            "id": 1,
            "name": "mine",
            "text": "theirs",
            "moved": 0,
        }


def on_patch(server, number, act):
    """Have *act* done before the PATCH of that number is answered."""
    seen_so_far = []

    def hook(seen):
        if seen.method == "PATCH":
            seen_so_far.append(seen)
            if len(seen_so_far) == number:
                act()

    server.hook = hook


def test_an_own_repeat_that_finds_another_version_and_nothing_done_is_a_conflict(
    server,
):
    with session_of(server, retries=2, idempotent=frozenset({"update"})) as session:
        note = Note.objects.get(id=1)
        note.name = "mine"
        server.fail("PATCH", "/notes/1", 502, HTML, done=False)
        on_patch(server, 2, lambda: elsewhere(server, Note, text="theirs"))
        assert failing(session).conflicts.objects == [note]
        session.commit(on_conflict="merge")
        assert table(server, Note).rows[1]["name"] == "mine"


def test_what_was_done_is_no_conflict_though_others_came_after_it(server):
    """Both attempts of a request were done or refused unheard; the next one meets another version."""
    with session_of(server, retries=1, idempotent=frozenset({"update"})):
        note = Note.objects.get(id=1)
        note.name = "mine"
        server.fail("PATCH", "/notes/1", 502, HTML, done=True, times=2)
        on_patch(server, 3, lambda: elsewhere(server, Note, text="theirs"))
        report = note.commit()
        assert report.updated.objects == [note]
        assert (note.name, note.text) == ("mine", "theirs")


def test_a_new_key_of_idempotency_goes_with_what_is_decided(server):
    """A server that knows the key again would give the refusal again."""
    with session_of(server, idempotency_header="Idempotency-Key") as session:
        note = Note.objects.get(id=1)
        elsewhere(server, Note, name="theirs")
        note.name = "mine"
        session.commit(on_conflict="overwrite")
        keys = [seen.headers["Idempotency-Key"] for seen in writes(server)]
        assert len(set(keys)) == len(keys) == 2


# -- who is told ----------------------------------------------------------------------------------


def test_the_signal_is_told_of_each_conflict_before_it_is_decided(server, session, model):
    told = []

    def hear(sender, instance, conflict, session):
        told.append((sender, instance, conflict.mine, conflict.theirs))

    def decide(conflict):
        told.append("decided")
        return "overwrite"

    notes = [model.objects.get(id=n) for n in (1, 2)]
    elsewhere(server, model, 1, name="theirs")
    elsewhere(server, model, 2)
    for note in notes:
        note.name = "mine"
    with signals.conflict.connected_to(hear, sender=model):
        session.commit(on_conflict=decide)
    assert told == [(model, notes[0], {"name": "mine"}, {"name": "theirs"}), "decided"]


def test_a_receiver_that_raises_is_reported_and_decides_nothing(server, session, model):
    def hear(sender, instance, conflict, session):
        raise KeyError("oops")

    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    note.name = "mine"
    with signals.conflict.connected_to(hear, sender=model):
        report = session.commit(on_conflict="overwrite")
    assert report.updated.objects == [note]
    assert [type(error) for error in report.errors] == [KeyError]


def test_receivers_of_updates_hear_what_was_sent_in_the_end(server, session, model):
    heard = []

    def hear(sender, instance, changes, session):
        heard.append(changes)

    note = model.objects.get(id=1)
    elsewhere(server, model, name="theirs")
    note.name, note.text = "mine", "mine"
    with signals.post_update.connected_to(hear, sender=model):
        session.commit(on_conflict="theirs")
    assert heard == [{"text": ("as it was", "mine")}]


def test_a_conflict_shows_no_secret(server, session):
    note = Note.objects.get(id=1)
    elsewhere(server, Note, name="theirs")
    note.name, note.secret = "mine", "hush-hush"
    report = failing(session)
    conflict = only(report.conflicts).conflict
    assert conflict.mine["secret"] == "***"
    for text in (
        str(report),
        repr(report),
        repr(conflict),
        str(conflict),
        str(report.to_json()),
    ):
        assert "hush" not in text
    assert report.to_json()["conflicts"][0]["conflict"]["theirs"]["name"] == "theirs"
    session.commit(on_conflict="overwrite")
    assert table(server, Note).rows[1]["secret"] == "hush-hush"


def test_a_secret_that_the_server_shows_all_the_same_is_nobodys_change_and_told_to_nobody(
    server, session, model
):
    table(server, model).secret = ("moved",)
    table(server, model).rows[1]["secret"] = "hush"
    note = model.objects.get(id=1)
    elsewhere(server, model, secret="psst")
    note.name = "mine"
    assert session.commit().updated.objects == [note]
    note.name = "again"
    elsewhere(server, model, secret="hush", text="theirs")
    conflict = only(failing(session).conflicts).conflict
    assert conflict.foreign == ("text",)
    assert "secret" not in conflict.theirs


def test_a_journal_knows_what_was_decided(server, tmp_path, model):
    path = tmp_path / "it.journal"
    client = server.client(has_etag=True)
    with Session(client, journal=path) as session:
        first, second, third = (model.objects.get(id=n) for n in (1, 2, 3))
        for number in (1, 2, 3):
            elsewhere(server, model, number, name="theirs")
        first.name, first.text, second.name = "mine", "mine", "mine"
        session.commit(on_conflict="theirs")
        third.name = "mine"
        assert failing(session).conflicts.objects == [third]
        session.rollback()
        third.refresh()
    before = len(writes(server))
    with Session(client, journal=path) as session:
        session.recover()
    assert len(writes(server)) == before
    assert [row["name"] for row in table(server, model).rows.values()][:3] == ["theirs"] * 3
    assert table(server, model).rows[1]["text"] == "mine"


# -- beside what else a commit does ---------------------------------------------------------------


def test_a_conflict_has_all_that_was_done_taken_back(server, session, model):
    notes = [model.objects.get(id=n) for n in (1, 2, 3)]
    elsewhere(server, model, 2, name="theirs")
    for note in notes:
        note.name = "mine"
    new = model(name="new")
    session.add(new)
    report = failing(session, on_error="undo", workers=1)
    assert report.conflicts.objects == [notes[1]]
    names = [row["name"] for row in table(server, model).rows.values()]
    assert names == ["n1", "theirs", "n3", "n4", "n5"]
    assert session.dirty == notes
    assert session.new == [new]
    session.commit(on_conflict="overwrite")
    assert [row["name"] for row in table(server, model).rows.values()][:3] == ["mine"] * 3


def test_what_others_have_changed_since_is_not_taken_back(server, session, model):
    note = model.objects.get(id=1)
    note.name = "mine"
    report = session.commit()
    elsewhere(server, model, text="theirs")
    with pytest.raises(CommitError) as caught:
        report.undo()
    assert caught.value.report.conflicts.objects == [note]
    found = table(server, model).rows[1]
    assert (found["name"], found["text"]) == ("mine", "theirs")


class Link(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    to: fields.ForeignKey["Link"] = fields.ForeignKey("Link", null=True)

    class Meta:
        registry = registry
        version = "etag"


def test_the_second_half_of_a_cut_circle_follows_the_first(server, session):
    server.table("links", [], etags="strong", demands=True)
    one, other = Link(name="one"), Link(name="other")
    one.to, other.to = other, one
    session.add_all([one, other])
    report = session.commit()
    assert (len(report.created), len(report.updated)) == (2, 1)
    assert [seen.method for seen in server.seen] == ["POST", "POST", "PATCH"]

    session.delete(one)
    session.delete(other)
    report = session.commit()
    assert len(report.deleted) == 2
    assert all("If-Match" in seen.headers for seen in writes(server)[2:])
    assert server.tables["links"].rows == {}


# -- a real Kinto ---------------------------------------------------------------------------------


class Record(Model):
    id = fields.String(primary_key=True)
    name = fields.String()
    text = fields.String(null=True)

    class Meta:
        registry = registry
        version = "etag"


@pytest.fixture
def kinto(kinto_server):
    """A fresh collection, and somebody else who asks it: ``kinto("PATCH", key, name="x")``."""
    bucket = kinto_server.bucket("records")
    client = kinto_server.client(bucket)
    path = f"/buckets/{bucket}/collections/records/records"
    with client, Session(client) as session:
        yield (
            session,
            lambda method, key, **row: kinto_server.ask(method, f"{path}/{key}", row or None),
        )
        session.rollback()


def test_two_who_edit_one_record_of_kinto(kinto):
    session, somebody = kinto
    somebody("PUT", "a", name="a", text="as it was")
    other = Session(session.client)
    mine = Record.objects.get(id="a")
    theirs = Record.objects.using(other).get(id="a")
    theirs.name = "theirs"
    theirs.commit()

    mine.text = "mine"
    with pytest.raises(ConflictError) as caught:
        mine.commit()
    assert caught.value.theirs == {"name": "theirs", "text": "as it was"}
    mine.commit(on_conflict="merge")
    assert somebody("GET", "a")["name"] == "theirs"
    assert somebody("GET", "a")["text"] == "mine"

    theirs.text = "late"  # and in the other order
    assert failing(other, on_conflict="merge").conflicts.objects == [theirs]
    other.commit(on_conflict="overwrite")
    assert somebody("GET", "a")["text"] == "late"


def test_what_kinto_refuses_tells_what_it_has(kinto):
    session, somebody = kinto
    somebody("PUT", "a", name="a")
    record = Record.objects.get(id="a")
    somebody("PATCH", "a", name="theirs")
    record.name = "mine"
    before = session.client.transport.requests_sent
    failing(session)
    assert session.client.transport.requests_sent == before + 1


def test_a_deletion_against_an_update_and_the_other_way_round(kinto):
    session, somebody = kinto
    for key in "ab":
        somebody("PUT", key, name=key)
    gone, kept = Record.objects.get(id="a"), Record.objects.get(id="b")
    somebody("DELETE", "a")
    somebody("PATCH", "b", name="theirs")
    gone.name = "mine"
    with pytest.raises(ConflictError) as caught:
        gone.commit()
    assert caught.value.theirs is None
    with pytest.raises(ConflictError) as caught:
        kept.delete()
    assert (caught.value.mine, caught.value.theirs) == (None, {"name": "theirs"})
    kept.delete(on_conflict="overwrite")
    with pytest.raises(NotFound):
        session.client.request(
            "GET", session.dialect.detail_request(Record.__mapper__, "b", {}).path
        )


def test_each_of_a_batch_meets_its_own_version(kinto):
    session, somebody = kinto
    keys = [f"r{number:02}" for number in range(30)]
    for key in keys:
        somebody("PUT", key, name=key)
    records = list(Record.objects.order_by("name"))
    for key in keys[::10]:
        somebody("PATCH", key, name="theirs")
    for record in records:
        record.text = "mine"
    records[0].name = "mine"
    report = failing(session, on_error="continue", on_conflict="merge")
    assert report.conflicts.objects == [records[0]]
    assert len(report.updated) == 29
    assert [somebody("GET", key)["name"] for key in keys[:11:10]] == [
        "theirs",
        "theirs",
    ]
    session.commit(on_conflict={"name": "theirs"})
    assert [somebody("GET", key)["text"] for key in keys] == ["mine"] * 30
    assert [record.name for record in records[::10]] == ["theirs"] * 3


def test_a_partial_answer_of_kinto_has_the_version(kinto):
    _, somebody = kinto
    somebody("PUT", "a", name="a", text="as it was")
    (record,) = Record.objects.only("name")
    somebody("PATCH", "a", name="theirs")
    record.name = "mine"
    with pytest.raises(ConflictError):
        record.commit()
    assert somebody("GET", "a")["name"] == "theirs"


def test_a_field_that_somebody_has_added_or_taken_away_counts(kinto):
    """Records of Kinto have the fields that were set."""
    session, somebody = kinto
    somebody("PUT", "a", name="a")
    somebody("PUT", "b", name="b", text="x")
    added, taken = Record.objects.get(id="a"), Record.objects.get(id="b")
    somebody("PATCH", "a", text="theirs")
    somebody("PUT", "b", name="b")
    added.text, taken.text = "mine", "mine"
    report = failing(session, on_error="continue", on_conflict="merge")
    assert [entry.conflict.base for entry in report.conflicts] == [
        {"text": None},
        {"text": "x"},
    ]
    assert [entry.conflict.theirs for entry in report.conflicts] == [
        {"text": "theirs"},
        {"text": None},
    ]
    session.commit(on_conflict="theirs")
    assert (taken.text, taken.changes, added.text) == (None, {}, "theirs")


# -- the embedded CVAT ----------------------------------------------------------------------------


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    bug_tracker = fields.String()
    updated = fields.DateTime(data_key="updated_date", read_only=True)

    class Meta:
        registry = Registry("versions of cvat")
        version_field = "updated"
        dialect_options = {"filters": {"id": "id"}}


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    subset = fields.String()
    project = fields.ForeignKey(Project, data_key="project_id", null=True)
    updated = fields.DateTime(data_key="updated_date", read_only=True)

    class Meta:
        registry = Project.__mapper__.registry
        version_field = "updated"
        dialect_options = {"filters": {"id": "id"}}


@pytest.fixture
def cvat():
    with (
        Client("embedded://cvat?seed=2x5&check=1") as client,
        Session(client) as session,
    ):
        yield session
        session.rollback()


def test_on_cvat_the_edit_of_a_part_bumps_the_whole_and_is_no_conflict(cvat):
    project, task = Project.objects.get(id=1), Task.objects.get(id=1)
    cvat.delete(task)
    cvat.commit()
    read = project.updated
    project.name = "renamed"
    assert project.commit().updated.objects == [project]
    assert project.updated > read

    other = Session(cvat.client)
    Task.objects.using(other).get(id=2).delete()
    project.name = "renamed again"
    assert project.commit().updated.objects == [project]


def test_on_cvat_a_whole_and_its_parts_go_in_one_commit(cvat):
    project = Project.objects.get(id=1)
    tasks = list(Task.objects.filter(id__in=range(1, 6)))
    project.name = "renamed"
    for task in tasks[:4]:
        task.subset = "Train"
    cvat.delete(tasks[4])
    cvat.add(Task(name="new", project=project))
    report = cvat.commit()
    assert [len(report.updated), len(report.deleted), len(report.created)] == [5, 1, 1]
    project.bug_tracker = "https://bugs.example"
    tasks[0].name = "renamed"
    assert len(cvat.commit().updated) == 2


def test_on_cvat_two_who_edit_one_task(cvat):
    other = Session(cvat.client)
    mine, theirs = Task.objects.get(id=1), Task.objects.using(other).get(id=1)
    theirs.name = "theirs"
    theirs.commit()
    mine.subset = "Train"
    with pytest.raises(ConflictError) as caught:
        mine.commit()
    assert caught.value.theirs["name"] == "theirs"
    cvat.commit(on_conflict="merge")
    theirs.refresh()
    assert (theirs.name, theirs.subset) == ("theirs", "Train")


def test_on_cvat_a_wave_is_compared_in_one_request(cvat):
    tasks = list(Task.objects.all())
    for task in tasks:
        task.name += "!"
    before = cvat.client.transport.requests_sent
    assert len(cvat.commit().updated) == 10
    assert cvat.client.transport.requests_sent == before + 11


def test_a_subclass_of_a_cvat_class_compares_and_has_its_relations(cvat):
    class Job(cvat_models.Job):
        class Meta:
            registry = Registry("jobs that are compared")
            endpoint = "jobs"
            version_field = "updated_date"

    job = Job.objects.get(id=1)
    other = Session(cvat.client)
    cvat_models.Job.objects.using(other).get(id=1).update({"stage": "validation"})
    job.state = "in progress"
    with pytest.raises(ConflictError) as caught:
        job.commit()
    assert caught.value.theirs["stage"] == "validation"
    job.commit(on_conflict="merge")
    assert (job.stage, job.state) == ("validation", "in progress")
    assert job.issues.count() == 0


# -- objects without a key ------------------------------------------------------------------------


@pytest.mark.parametrize("meta", [{"version": "etag"}, {"version_field": "updated"}])
def test_the_one_object_of_an_address_has_a_version_too(server, session, meta):
    class Setup(Model):
        name = fields.String()
        text = fields.String()
        updated = fields.Integer(read_only=True)
        Meta = type("Meta", (), {"singleton": True, "registry": Registry(), **meta})

    one = {"": {"name": "a", "text": "b", "updated": 1}}
    server.table("setups", singleton=True, key="", etags="strong" if "version" in meta else None)
    server.tables["setups"].rows.update(one)
    setup = Setup.objects.get()
    one[""].update(text="theirs", updated=2)
    setup.name = "mine"
    with pytest.raises(ConflictError) as caught:
        setup.commit()
    assert caught.value.theirs["text"] == "theirs"
    setup.commit(on_conflict="merge")
    assert (one[""]["name"], one[""]["text"]) == ("mine", "theirs")


def test_what_waits_is_shown_as_the_server_told_it(server, session):
    note = Note.objects.get(id=1)
    note.name = "mine"
    elsewhere(server, Note, name="theirs")
    Note.objects.get(id=1)
    assert set(inspect(note).theirs) == {"id", "name", "text"}
