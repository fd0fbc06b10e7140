"""Answers whose bytes, headers or status are odd: read where they can be, else an error of ours."""

import gzip
import json
import zlib

import faulty
import pytest
from everything import ById, Plain, page

from objmapper import (
    BadRequest,
    Client,
    ConnectError,
    ContractError,
    ResponseTooLarge,
    ServerError,
    Session,
    StatusError,
)
from objmapper.dialects import Rest
from objmapper.dialects.rest import next_link

GOOD = json.dumps(page({"id": 1, "name": "é"}), ensure_ascii=False)
READ = [(1, "é")]
LIMIT = 1_000_000
HUGE = b" " * (20 * LIMIT)
PACKED = gzip.compress(GOOD.encode())

BODIES = {
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), {}, READ),
    "UTF-16": (GOOD.encode("utf-16"), {}, READ),
    "UTF-32": (GOOD.encode("utf-32"), {}, READ),
    "Latin 1, which is no JSON": (GOOD.encode("latin-1"), {}, ContractError),
    "Latin 1, as it says": (
        GOOD.encode("latin-1"),
        {"Content_Type": "application/json; charset=latin-1"},
        ContractError,
    ),
    "a charset that nobody knows": (
        GOOD.encode(),
        {"Content_Type": "application/json; charset=bogus"},
        READ,
    ),
    "a page of HTML": (b"<html>Log in</html>", {"Content_Type": "text/html"}, ContractError),
    "nothing": (b"", {}, ContractError),
    "blanks": (b" \n", {}, ContractError),
    "a NUL after it": (GOOD.encode() + b"\0", {}, ContractError),
    "keys twice": (
        b'{"count": 9, "count": 1, "next": "/x", "next": null, "results": [{"id": 7, "id": 1, '
        b'"name": 7, "name": "\xc3\xa9"}]}',
        {},
        READ,
    ),
    "a key twice, the last wrong": (
        b'{"count": 1, "count": "x", "results": []}',
        {},
        ContractError,
    ),
    "a number of too many digits": (b'{"count": ' + b"9" * 5000 + b"}", {}, ContractError),
    "a count that is infinite": (
        b'{"count": 1e999, "next": null, "results": []}',
        {},
        ContractError,
    ),
    "results that are null": (b'{"count": 1, "next": null, "results": null}', {}, ContractError),
    "a link that is a number": (b'{"count": 1, "next": 2, "results": []}', {}, ContractError),
    "a link with a lone surrogate": (
        b'{"count": 1, "next": "/\\ud800", "results": []}',
        {},
        ContractError,
    ),
    "a link to a host that can't be": (
        b'{"count": 1, "next": "http://\\u00e9..x/", "results": []}',
        {},
        ContractError,
    ),
    "brackets without end": (b"[" * 100_000, {}, ContractError),
    "gzip": (PACKED, {"Content_Encoding": "gzip"}, READ),
    "gzip, twice": (gzip.compress(PACKED), {"Content_Encoding": "gzip, gzip"}, READ),
    "gzip, cut": (PACKED[:-12], {"Content_Encoding": "gzip"}, ContractError),
    "gzip that is none": (GOOD.encode(), {"Content_Encoding": "gzip"}, ConnectError),
    "gzip of gzip of gzip ...": (
        PACKED,
        {"Content_Encoding": ", ".join(["gzip"] * 200)},
        ConnectError,
    ),
    "deflate": (zlib.compress(GOOD.encode()), {"Content_Encoding": "deflate"}, READ),
    "an encoding that nobody knows": (GOOD.encode(), {"Content_Encoding": "bogus"}, READ),
    "a gzip bomb": (gzip.compress(HUGE), {"Content_Encoding": "gzip"}, ResponseTooLarge),
    "a gzip bomb in gzip": (
        gzip.compress(gzip.compress(HUGE)),
        {"Content_Encoding": "gzip, gzip"},
        ResponseTooLarge,
    ),
}


@pytest.fixture
def ask(faulty_server):
    """``ask(act, dialect)`` reads a page that is answered so: ``[(id, name)]``."""
    with Client(faulty_server.url, retries=0, max_response_bytes=LIMIT) as client:

        def ask(act, dialect=None):
            faulty_server.then(act)
            client.dialect = dialect or Plain()
            with Session(client):
                return [(obj.id, obj.name) for obj in ById.objects.all()]

        yield ask


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_or_refused(ask, name):
    body, headers, expected = BODIES[name]
    act = faulty.answer(body, **headers)
    if expected is READ:
        assert ask(act) == READ
    else:
        with pytest.raises(expected):
            ask(act)


@pytest.mark.parametrize("status", [200, 203, 206, 299])
def test_any_success_with_a_page_is_one(ask, status):
    assert ask(faulty.answer(GOOD.encode(), status)) == READ


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (204, ContractError),
        (300, StatusError),
        (302, StatusError),
        (418, StatusError),
        (500, ServerError),
        (599, ServerError),
        (999, ServerError),
    ],
)
def test_any_other_status_is_an_error(ask, status, error):
    with pytest.raises(error):
        ask(faulty.answer(b"" if status == 204 else GOOD.encode(), status))


@pytest.mark.parametrize("total", ["9" * 5000, "²", "٣", "-1", "1.5", "x", "", "0x10"])
def test_a_total_that_is_no_number_tells_nothing(ask, total):
    act = faulty.answer(
        b'[{"id": 1, "name": "\xc3\xa9"}]', X_Total_Count=total.encode().decode("latin-1")
    )
    assert ask(act, Rest()) == READ


@pytest.mark.parametrize(
    "link", ["<" * 60_000, "<a>" + "; a=" * 10_000, "<" + "a" * 60_000, '<>; rel="prev"']
)
def test_a_link_header_that_leads_nowhere_ends_the_pages(ask, link):
    assert ask(faulty.answer(b'[{"id": 1, "name": "\xc3\xa9"}]', Link=link), Rest()) == READ


def test_links_are_looked_for_in_one_pass():
    assert next_link("<" * 1_000_000 + '<a>; rel="next"') == "a"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<title>One</title><h1>Two</h1>", "One"),
        (b"<title></title><h1 class='x'><b>Not</b> found</h1 >", "Not found"),
        (b"<title>never closed <h1>nor this", "never closed nor this"),
        (b"<script>var x = '<a>'</script >Hello <style>a {}</style> you", "Hello you"),
        (b"<html><script>never closed", None),
        (b"<title" * 10_000, "<title<title"),
        (b"<html>" + b"<script " * 8_000, None),
        (b"<html>" + b"<h1>" * 15_000 + b"x", "x"),
    ],
)
def test_a_page_of_html_says_its_title_or_its_first_words(ask, body, said):
    with pytest.raises(BadRequest) as caught:
        ask(faulty.answer(body, 400, Content_Type="text/html"))
    assert [text[:12] for text in caught.value.messages] == ([] if said is None else [said[:12]])
