"""Objects that are created without their keys being told: the natural key finds and tells them."""

import pytest
from smallserver import SmallDialect

from objmapper import Model, Registry, Session, fields, inspect

registry = Registry("natural keys")


class Shelf(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()

    class Meta:
        registry = registry
        endpoint = "shelves"


class Book(Model):
    id = fields.Integer(primary_key=True)
    title = fields.String(null=True)
    shelf = fields.ForeignKey(Shelf, null=True)
    price = fields.Integer(null=True)

    class Meta:
        registry = registry
        natural_key = ("shelf", "title")


@pytest.fixture(params=["nothing", "keyless"])
def books(request, small):
    """A service whose answer to a create tells nothing, or the row without its key."""
    small.table("shelves", [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])
    return small.table(
        "books", [{"id": 1, "title": "known", "shelf": 1, "price": 5}], answers=request.param
    )


@pytest.fixture
def open_session(small):
    """``open_session(**capabilities)`` opens a current session with that client."""
    opened = []

    def open_(**capabilities):
        opened.append(Session(small.client(**capabilities)))
        return opened[-1].__enter__()

    yield open_
    for session in reversed(opened):
        session.__exit__(None, None, None)


def created(*titles, shelf=1):
    made = [Book(title=title, shelf=shelf) for title in titles]
    Book.objects.bulk_create(made)
    return made


def test_a_created_object_is_persistent_though_its_key_is_not_told(books, open_session):
    session = open_session()
    (book,) = created("new")
    assert inspect(book).lifecycle == "persistent"
    assert inspect(book).identity is None
    assert book in session
    assert session.new == session.dirty == []


def test_touching_one_key_asks_for_all_that_differ_in_the_last_part_only(
    books, open_session, small
):
    open_session()
    here, there = created("a", "b", "c"), created("a", shelf=2)
    before = len(small.asked)
    # The three went side by side, so any of them may have come first.
    assert {book.id for book in here} == {2, 3, 4}
    assert len(small.asked) == before + 1
    assert there[0].id == 5
    assert len(small.asked) == before + 2


def test_at_most_as_many_as_fit_in_one_request_are_asked_for_together(books, open_session, small):
    open_session(max_keys=2)
    made = created("a", "b", "c", "d")
    before = len(small.asked)
    assert {book.id for book in made} == {2, 3, 4, 5}
    assert len(small.asked) == before + 2


def test_where_several_can_not_be_asked_for_each_is_asked_alone(books, open_session, small):
    open_session(max_keys=0)
    made = created("a", "b")
    before = len(small.asked)
    assert {book.id for book in made} == {2, 3}
    assert sorted(small.asked[before:]) == [
        "GET /books/?shelf=1&title=a",
        "GET /books/?shelf=1&title=b",
    ]


def test_a_row_that_comes_first_is_recognised(books, open_session):
    session = open_session()
    (book,) = created("new")
    assert Book.objects.get(title="new") is book
    assert book.id == 2
    assert session.get(Book, 2) is book
    assert Book.objects.get(id=2) is book


def test_a_row_of_the_detail_is_recognised_too(books, open_session):
    open_session()
    (book,) = created("new")
    assert Book.objects.get(id=2) is book


def test_the_key_is_found_by_what_the_server_has_not_by_what_was_changed_since(books, open_session):
    open_session()
    (book,) = created("new")
    book.title, book.shelf = "renamed", 2
    assert book.id == 2
    assert book.changes == {"title": ("new", "renamed"), "shelf": (1, 2)}
    book.commit()
    assert books.rows[2]["title"] == "renamed"
    assert books.rows[2]["shelf"] == 2


def test_a_part_that_is_null_is_not_asked_for(books, open_session):
    open_session()
    (book,) = created("loose", shelf=None)
    assert book.id == 2


def test_an_object_whose_natural_key_is_all_null_can_not_be_found(books, open_session):
    open_session()
    (book,) = created(None, shelf=None)
    with pytest.raises(Book.DoesNotExist, match="natural_key"):
        _ = book.id


def test_one_that_is_asked_for_alone_is_found_though_its_row_is_thin(books, open_session):
    open_session(lists_are_full=False)
    books.thin = ("id", "title")
    (book,) = created("new")
    assert book.id == 2


def test_a_row_whose_parent_can_not_be_read_is_nobody_s(books, open_session):
    open_session()
    (book,) = created("new")
    books.rows[9] = {"id": 9, "title": "odd", "shelf": {"name": "without an id"}, "price": None}
    assert [each.id for each in Book.objects.order_by("id")] == [1, 2, 9]
    assert book.id == 2


def test_an_object_that_is_gone_is_told(books, open_session):
    open_session()
    (book,) = created("new")
    del books.rows[2]
    with pytest.raises(Book.DoesNotExist, match="title"):
        _ = book.id


def test_two_that_can_not_be_told_apart_are_told(books, open_session):
    open_session()
    created("twin")
    books.rows[9] = {"id": 9, "title": "twin", "shelf": 1, "price": None}
    (other,) = created("single")
    assert other.id == 10
    (twin,) = created("twin")
    with pytest.raises(Book.MultipleObjectsReturned):
        _ = twin.id


def test_an_object_that_was_let_go_is_not_recognised(books, open_session):
    session = open_session()
    (book,) = created("new")
    session.expunge(book)
    found = Book.objects.get(title="new")
    assert found is not book
    assert found.id == 2


def test_refreshing_finds_the_key_first(books, open_session):
    open_session()
    (book,) = created("new")
    books.rows[2]["price"] = 7
    book.refresh()
    assert (book.id, book.price) == (2, 7)


def test_deleting_finds_the_key_first(books, open_session):
    open_session()
    (book,) = created("new")
    book.delete()
    assert 2 not in books.rows


class Deaf(SmallDialect):
    """A dialect of a server that can't look for titles."""

    def lookups_of(self, path):
        return frozenset() if path[-1].name == "title" else super().lookups_of(path)


@pytest.fixture
def deaf(books, small):
    """A current session with a server that can't look for titles."""
    with Session(small.client(dialect=Deaf(trailing_slash=True))) as session:
        yield session


def test_what_the_server_can_not_look_for_is_compared_here(deaf, small):
    here, there = created("a", "b"), created("a", shelf=2)
    before = len(small.asked)
    assert {book.id for book in here} == {2, 3}
    assert there[0].id == 4
    # All shelves were asked for at once, as they are the last part that is asked for.
    assert len(small.asked) == before + 1
    assert "title" not in small.asked[-1]


def test_a_row_of_another_object_is_not_taken_for_one_that_looks_the_same(books, deaf):
    books.rows[9] = {"id": 9, "title": "twin", "shelf": 1, "price": None}
    known = Book.objects.get(id=9)
    (first,), (second,) = created("twin"), created("twin", shelf=2)
    assert [*Book.objects.filter(shelf=1).order_by("-id")][:2] == [first, known]
    assert (first.id, second.id, known.id) == (10, 11, 9)


def test_of_rows_that_look_the_same_none_is_taken_for_the_object(books, open_session):
    open_session()
    (book,) = created("twin")
    books.rows[9] = {"id": 9, "title": "twin", "shelf": 1, "price": None}
    assert [each.id for each in Book.objects.order_by("id")] == [1, 2, 9]
    assert inspect(book).identity is None
