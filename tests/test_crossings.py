"""Where merges, lost answers, batches, deletions and undos meet in one commit."""

import sys
from contextlib import contextmanager

import pytest

from objmapper import CommitError, Model, Registry, Session, fields
from objmapper.operation import Json, Request

SmallDialect = sys.modules["smallserver"].SmallDialect
registry = Registry("crossings")


class Base(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    text = fields.String(null=True)

    class Meta:
        abstract = True
        registry = registry


class Note(Base):
    class Meta:
        version = "etag"


class Page(Base):
    updated = fields.Integer(read_only=True)

    class Meta:
        version_field = "updated"
        natural_key = ["name"]


class Letter(Page):
    created = fields.DateTime(read_only=True)

    class Meta:
        created_field = "created"


class Word(Base):
    page = fields.ForeignKey(Page)
    updated = fields.Integer(read_only=True)

    class Meta:
        version_field = "updated"


MODELS = {"etag": Note, "field": Page}


@pytest.fixture
def server(small):
    rows = [{"id": n, "name": f"n{n}", "text": "as it was"} for n in (1, 2, 3)]
    told = [row | {"updated": 1} for row in rows]
    small.table("notes", [dict(row) for row in rows], secret=("moved",), etags="strong")
    small.table("pages", [dict(row) for row in told], secret=("moved",), version="updated")
    small.table("words", [row | {"page": 1} for row in told], secret=("moved",), version="updated")
    return small


@contextmanager
def session_of(server, **options):
    with Session(server.client(**options)) as session:
        yield session
        for obj in session.uncertain:
            session.expunge(obj)
        session.rollback()


@pytest.fixture
def session(server):
    with session_of(server, has_etag=True) as session:
        yield session


@pytest.fixture(params=["etag", "field"])
def model(request):
    return MODELS[request.param]


def rows(server, model):
    return server.tables[model.__mapper__.endpoint].rows


def elsewhere(server, model, number=1, **values):
    """Somebody else writes a row."""
    found = rows(server, model)[number]
    found.update(values)
    found["moved"] = found.get("moved", 0) + 1
    if "updated" in found:
        found["updated"] += 1


def failing(do, **options):
    with pytest.raises(CommitError) as caught:
        do(**options)
    return caught.value.report


# -- undo and what was merged ---------------------------------------------------------------------


def test_an_undo_gives_back_what_others_had_that_was_overwritten(server, session, model):
    note = model.objects.get(id=1)
    note.name = "mine"
    elsewhere(server, model, name="theirs", text="theirs")
    report = session.commit(on_conflict="overwrite")
    assert rows(server, model)[1]["name"] == "mine"
    report.undo()
    assert (rows(server, model)[1]["name"], note.text) == ("theirs", "theirs")
    assert note.changes == {"name": ("theirs", "mine")}


def test_an_undo_leaves_what_others_had_set_to_the_same(server, session, model):
    note = model.objects.get(id=1)
    note.name = "agreed"
    elsewhere(server, model, name="agreed")
    session.commit().undo()
    assert rows(server, model)[1]["name"] == "agreed"


def test_a_commit_that_fails_gives_back_what_it_has_overwritten(server, session, model):
    one, two = model.objects.get(id=1), model.objects.get(id=2)
    one.name = two.name = "mine"
    elsewhere(server, model, name="theirs")
    server.fail("PATCH", f"/{model.__mapper__.endpoint}/2", 400)
    report = failing(session.commit, on_conflict="overwrite", on_error="undo", workers=1)
    assert report.undone.objects == [one]
    assert [row["name"] for row in rows(server, model).values()] == ["theirs", "n2", "n3"]


# -- deletions ------------------------------------------------------------------------------------


def test_a_parent_stays_while_a_child_is_let_be(server, session):
    page, word = Page.objects.get(id=1), Word.objects.get(id=1)
    session.delete(page)
    session.delete(word)
    elsewhere(server, Word, text="theirs")
    report = failing(session.commit, on_conflict="theirs")
    assert (report.deleted, report.skipped.objects) == ([], [page])
    assert report.skipped[0].waited_for == (word,)
    assert (1 in rows(server, Page), 1 in rows(server, Word)) == (True, True)
    assert session.deleted == [page]


class Hiding(SmallDialect):
    """A service whose lists do not show the object of key 2."""

    def read_page(self, query, request, response):
        page = super().read_page(query, request, response)
        return page._replace(rows=[row for row in page.rows if row["id"] != 2])


def test_what_a_list_does_not_show_is_not_called_deleted(server):
    with session_of(server, dialect=Hiding(trailing_slash=True)) as session:
        pages = [Page.objects.get(id=n) for n in (1, 2, 3)]
        for page in pages:
            page.name = "mine"
        report = session.commit()
        assert report.updated.objects == pages
        for page in pages:
            session.delete(page)
        elsewhere(server, Page, 2, text="theirs")
        assert failing(session.commit, on_error="continue").conflicts.objects == [pages[1]]
        session.commit(on_conflict="overwrite")
    assert rows(server, Page) == {}


def test_an_undo_finds_what_a_list_does_not_show(server):
    with session_of(server, dialect=Hiding(trailing_slash=True)) as session:
        for number in (1, 2):
            Page.objects.get(id=number).name = "mine"
        pages = list(session.dirty)
        report = session.commit()
        assert report.undo().undone.objects == pages
    assert [row["name"] for row in rows(server, Page).values()] == ["n1", "n2", "n3"]


# -- what goes again ------------------------------------------------------------------------------


class Alike(SmallDialect):
    """Changes of the same fields share a request."""

    max_batch = 10

    def company(self, draft):
        body = draft.request.body
        return None if body is None else tuple(body.value)

    def batch_request(self, requests):
        return Request("POST", "/batch/", body=Json([r.body.value for r in requests]))


def on_list(server, number, act):
    """Have *act* done before the list of that number is answered."""
    left = [number]

    def hook(seen):
        left[0] -= seen.method == "GET" and bool(seen.query)
        if left[0] == 0:
            left[0] = -1
            act()

    server.hook = hook


def test_what_was_merged_and_held_back_goes_as_it_was_merged(server):
    """Two are lost in one request; one is merged, and waits while the other is lost again."""
    with session_of(server, dialect=Alike(trailing_slash=True), retries=2) as session:
        one, two = Page.objects.get(id=1), Page.objects.get(id=2)
        one.name = one.text = two.name = two.text = "mine"
        server.fail("POST", "/batch", 502)
        server.fail("PATCH", "/pages/1", 502)
        # They are compared, looked up, and compared again.
        on_list(server, 3, lambda: elsewhere(server, Page, 2, name="theirs"))
        report = session.commit(on_conflict="theirs", workers=1)
        assert report.updated.objects == [one, two]
        assert report.resolved.objects == [two]
        assert [seen.body for seen in server.seen if seen.path == "/pages/2/" and seen.body] == [
            {"text": "mine"}
        ]
        assert (rows(server, Page)[2]["name"], two.name) == ("theirs", "theirs")
        assert report.requests == 4


def test_what_was_done_is_no_conflict_where_the_server_knows_a_request_again(server):
    options = {"retries": 1, "idempotency_header": "Idempotency-Key"}
    with session_of(server, **options) as session:
        page = Page.objects.get(id=1)
        page.name = "mine"
        server.fail("PATCH", "/pages/1", 502, done=True, times=2)
        looked = []

        def hook(seen):
            if seen.method == "GET":
                looked.append(seen)
                if len(looked) == 2:  # compared, looked up
                    elsewhere(server, Page, text="theirs")

        server.hook = hook
        report = session.commit()
        assert report.updated.objects == [page]
        assert (page.name, page.text, session.dirty) == ("mine", "theirs", [])


# -- what was set and never read ------------------------------------------------------------------


@pytest.mark.parametrize("on_conflict", ["error", "merge"])
def test_what_was_set_and_never_read_may_be_what_others_have_changed(server, on_conflict):
    with session_of(server) as session:
        page = Page.objects.only("id", "name").get(id=1)
        elsewhere(server, Page, text="theirs")
        page.text = "mine"
        (entry,) = failing(session.commit, on_conflict=on_conflict).conflicts
        assert (entry.object, entry.conflict.both) == (page, ("text",))
        assert rows(server, Page)[1]["text"] == "theirs"
        session.commit(on_conflict="overwrite")
        assert rows(server, Page)[1]["text"] == "mine"


def test_what_was_set_and_never_read_goes_where_nobody_has_changed_anything(server):
    with session_of(server) as session:
        page = Page.objects.only("id", "name").get(id=1)
        page.text = "mine"
        assert session.commit().updated.objects == [page]


def test_what_a_thin_list_tells_of_a_create_is_not_the_version_of_the_rest(server):
    """It is found to be done, and somebody has changed meanwhile what the list does not show."""
    thin = ("id", "name", "updated", "created")
    server.table("letters", version="updated", thin=thin, secret=("moved",))
    with session_of(server, lists_are_full=False) as session:
        letter = Letter(name="new", text="mine")
        session.add(letter)
        date = {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}
        server.fail("POST", "/letters", 502, done=True, headers=date)
        on_list(
            server,
            1,
            lambda: elsewhere(server, Letter, text="theirs", created="2999-01-01T00:00:00Z"),
        )
        assert session.commit().created.objects == [letter]
        letter.text = "mine again"
        assert failing(session.commit).conflicts.objects == [letter]
        assert rows(server, Letter)[1]["text"] == "theirs"
