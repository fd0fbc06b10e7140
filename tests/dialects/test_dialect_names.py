"""Dialects by name; the plain one's links; keys as parts of a path."""

import pytest

from objmapper import Client, ContractError, Model, Registry, Session, fields
from objmapper.dialects import DRF, Dialect, Rest, find_dialect, quote_key
from objmapper.dialects.rest import next_link
from objmapper.operation import Request, Response


def test_a_dialect_is_found_by_name_by_class_and_as_it_is():
    mine = DRF(max_keys=3)
    assert isinstance(find_dialect("rest"), Rest)
    assert isinstance(find_dialect("drf"), DRF)
    assert isinstance(find_dialect(DRF), DRF)
    assert find_dialect(mine) is mine


def test_a_name_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(LookupError, match=r"'dfr'.*Did you mean 'drf'.*drf.*rest"):
        find_dialect("dfr")
    with pytest.raises(LookupError, match="drf"):
        Client("http://localhost/api", dialect="dfr")


def test_others_are_found_by_their_entry_point(tmp_path, monkeypatch):
    (tmp_path / "house_dialect.py").write_text(
        "from objmapper.dialects import Rest\n\n\nclass House(Rest):\n    name = 'house'\n"
    )
    info = tmp_path / "house-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: house\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[objmapper.dialects]\nhouse = house_dialect:House\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = find_dialect("house")
    assert isinstance(found, Rest)
    assert found.name == "house"
    with pytest.raises(LookupError, match="house"):
        find_dialect("houze")


def test_capabilities_are_overridden_for_one_dialect_alone():
    assert Rest(lists_are_full=True).lists_are_full
    assert not Rest().lists_are_full
    assert not Dialect.lists_are_full
    with pytest.raises(TypeError, match="no capability 'lists_full'"):
        Rest(lists_full=True)


class Book(Model):
    key = fields.UUID(primary_key=True, generated="client")
    title = fields.String()

    class Meta:
        registry = Registry("books")


@pytest.mark.parametrize("by_put", [False, True])
def test_who_chooses_the_key_may_create_at_its_own_address(by_put):
    with Client("http://127.0.0.1:9", dialect=Rest(creates_by_put=by_put)) as client:
        session = Session(client)
        book = Book(title="x")
        session.add(book)
        (operation,) = session.plan()
        address = f"/books/{book.key}" if by_put else "/books"
        assert (operation.request.method, operation.request.shown_path) == (
            "PUT" if by_put else "POST",
            address,
        )
        assert operation.to_json()["body"] == {"key": str(book.key), "title": "x"}


def test_what_a_dialect_can_not_say_is_refused():
    plain = Rest()
    assert plain.count_request(Book.objects.all().query) is None
    assert plain.page_request(Request("GET", "/books"), 2, Book.objects.all().query) is None
    with pytest.raises(ContractError, match="no total"):
        plain.read_count(Response(200, {}, b"[]", url="http://h/books"))
    assert repr(plain) == "<Rest>"


@pytest.mark.parametrize(
    ("key", "segment"),
    [
        (7, "7"),
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("ü", "%C3%BC"),
        ("50%", "50%25"),
        ("a?b#c", "a%3Fb%23c"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "%2E%2E%2E"),
        ("a.b", "a.b"),
    ],
)
def test_a_key_is_one_segment_of_a_path(key, segment):
    assert quote_key(key) == segment


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://h/a?page=2>; rel="next"', "https://h/a?page=2"),
        ("</a?page=2>; rel=next", "/a?page=2"),
        ('<?page=1>; rel="prev", <?page=3>; rel="next"', "?page=3"),
        ('<?page=3>; title="a, b; c"; rel="next"', "?page=3"),
        ('<?page=3>; rel="next"; title="rel=prev"', "?page=3"),
        ('<?page=3>; rel="last next"', "?page=3"),
        ('<?page=3>;rel="NEXT"', "?page=3"),
        ('<?page=3>; REL="next"', "?page=3"),
        ("<?ids=1,2&page=3>; rel=next, <?page=1>; rel=first", "?ids=1,2&page=3"),
        ('<?page=3>; rel="next-archive"', None),
        ('<?page=3>; rel="nextpage"', None),
        ('<?page=3>; title="rel=next"', None),
        ('<?page=3>; rev="next"', None),
        ('<?page=1>; rel="prev"', None),
        ("", None),
        ("nonsense; rel=next", None),
    ],
)
def test_the_next_page_is_read_from_a_link_header(header, target):
    assert next_link(header) == target


@pytest.mark.parametrize(
    ("value", "total"), [("12", 12), ("", None), ("many", None), ("-1", None), (None, None)]
)
def test_a_total_is_told_or_not(value, total):
    headers = {} if value is None else {"x-total-count": value}
    page = Rest().read_page(None, Request("GET", "/a"), Response(200, headers, b"[]"))
    assert (page.rows, page.total, page.next) == ([], total, None)


@pytest.mark.parametrize("body", [b"{}", b"null", b"7", b'["a"]', b"[[]]", b"[{}, null]"])
def test_a_page_that_is_no_list_of_objects_is_refused(body):
    with pytest.raises(ContractError, match=r"answered|item"):
        Rest().read_page(None, Request("GET", "/a"), Response(200, {}, body, url="http://h/a"))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"results": []}',
        b'{"next": null}',
        b'{"results": {}, "next": null}',
        b'{"results": [1], "next": null}',
        b'{"results": [], "next": 7}',
        b'{"results": [], "next": null, "count": "many"}',
        b'{"results": [], "next": null, "count": -1}',
        b"7",
        b"null",
    ],
)
def test_a_page_of_django_that_breaks_its_shape_is_refused(body):
    with pytest.raises(ContractError):
        DRF().read_page(None, Request("GET", "/a"), Response(200, {}, body, url="http://h/a"))
