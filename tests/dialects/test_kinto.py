"""What only Kinto has: envelopes, filters that are JSON, creates that are answered with what was there."""

import json
import uuid

import pytest

from objmapper import (
    AlreadyExists,
    CommitError,
    Conflict,
    ConflictError,
    ContractError,
    Model,
    QueryError,
    Registry,
    Session,
    UnsupportedLookup,
    fields,
)
from objmapper.dialects import Kinto

registry = Registry("kinto's own")


class Item(Model):
    id = fields.String(primary_key=True)
    name = fields.String()
    size = fields.Float()
    price = fields.Decimal()
    tags = fields.List(fields.String())
    options = fields.Dict()
    done = fields.Boolean()
    made = fields.DateTime()
    has_parts = fields.Boolean()
    odd = fields.String(data_key="odd-name")
    last_modified = fields.Integer(read_only=True)

    class Meta:
        registry = registry


class Book(Model):
    key = fields.UUID(primary_key=True, generated="client", data_key="id")
    title = fields.String(null=True)

    class Meta:
        registry = registry


@pytest.fixture
def bucket(kinto_server):
    return kinto_server.bucket("items", "books")


@pytest.fixture
def client(kinto_server, bucket):
    with kinto_server.client(bucket, retries=0) as client, Session(client):
        yield client


@pytest.fixture
def have(kinto_server, bucket):
    """``have(key, name=...)`` is a record that the server has."""

    def make(key, collection="items", **row):
        path = f"/buckets/{bucket}/collections/{collection}/records/{key}"
        return kinto_server.ask("PUT", path, row)

    return make


def found(**lookups):
    return {item.id for item in Item.objects.filter(**lookups)}


# -- addresses ------------------------------------------------------------------------------------


def test_an_endpoint_is_a_collection_of_the_bucket_or_a_whole_path(kinto_server, bucket, have):
    class Collection(Model):
        id = fields.String(primary_key=True)

        class Meta:
            endpoint = "buckets/{bucket}/collections"
            registry = Registry()

        bucket = fields.String()

    have("a")
    with kinto_server.client(bucket) as client, Session(client):
        assert found() == {"a"}
        assert {one.id for one in Collection.objects.filter(bucket=bucket)} == {"items", "books"}


def test_the_bucket_is_each_user_s_own_unless_one_is_named(kinto_server):
    with kinto_server.client("", dialect="kinto") as client, Session(client) as session:
        name = uuid.uuid4().hex
        session.add(Item(name=name))
        session.commit()
        (item,) = Item.objects.filter(name=name)
        path = f"/buckets/default/collections/items/records/{item.id}"
        assert kinto_server.ask("GET", path)["name"] == name


# -- filters --------------------------------------------------------------------------------------


def test_text_that_looks_like_a_number_is_text(client, have):
    have("text", name="7")
    have("number", name=7)
    assert found(name="7") == {"text"}
    assert found(name__in=["7", "true"]) == {"text"}


def test_a_comma_in_one_of_several_values_is_its_own(client, have):
    have("both", name="a,b")
    have("one", name="a")
    assert found(name__in=["a,b", "c"]) == {"both"}


def test_what_is_null_or_not_there_meets_no_comparison(client, have):
    have("small", size=1, name="b")
    have("large", size=9, name="c")
    have("null", size=None, name=None)
    have("absent")
    assert found(size__gt=2) == {"large"}
    assert found(size__gte=-1e300) == {"small", "large"}
    assert found(size__lt=2) == {"small"}
    assert found(size__lte=1e300) == {"small", "large"}
    assert found(size__range=(0, 5)) == {"small"}
    assert found(size__gt=0, size__lt=5) == {"small"}
    assert found(name__gt="") == {"small", "large"}
    assert found(name__icontains="C") == {"large"}
    assert Item.objects.filter(size__gt=0).count() == 2


def test_what_is_of_another_type_meets_no_comparison(client, have):
    have("number", options={"rate": 5})
    have("text", options={"rate": "5"})
    have("list", options={"rate": [5]})
    have("true", options={"rate": True})
    have("null", options={"rate": None})
    have("absent", options={})
    have("none")
    assert found(options__rate__gt=1) == found(options__rate__lt=9) == {"number"}
    assert found(options__rate__range=(1, 9)) == {"number"}
    assert found(options__rate__gt="1") == found(options__rate__lt="9") == {"text"}
    assert found(options__rate__icontains="5") == {"text"}
    assert found(options__rate=5) == {"number"}
    assert found(options__rate__in=["5", True]) == {"text", "true"}
    assert found(options__rate__contains=5) == {"list"}
    assert found(options__rate=[5]) == {"list"}
    for lookup, value in [("gt", True), ("lt", [1]), ("range", (1, "x")), ("icontains", 5)]:
        with pytest.raises(UnsupportedLookup, match="filter_locally"):
            found(**{f"options__rate__{lookup}": value})
    with pytest.raises(UnsupportedLookup, match="two of them"):
        found(options__rate__in=[[1, 2]])
    with pytest.raises(QueryError, match="no JSON form"):
        found(options__rate__contains=object())


def test_conditions_and_orders_lead_into_json(client, have):
    have("small", options={"gpu": {"memory": 8}}, tags=["x"])
    have("large", options={"gpu": {"memory": 80}})
    assert found(options__gpu__memory__gte=9) == {"large"}
    ordered = [item.id for item in Item.objects.order_by("-options__gpu__memory")]
    assert ordered == ["large", "small"]
    with pytest.raises(UnsupportedLookup, match=r"a\.b"):
        found(**{"options__a.b": 1})


def test_two_conditions_of_one_kind_on_a_field_are_refused(client):
    with pytest.raises(UnsupportedLookup, match="one condition 'gt' of a field"):
        found(size__gt=1) or Item.objects.filter(size__gt=1).filter(size__gt=2)[0]


@pytest.mark.parametrize("text", ["a.c", "50%", "a_b", "a*", "(a)", "a\\"])
def test_text_that_would_be_a_pattern_is_not_searched_for(client, text):
    for lookup in ("icontains", "istartswith", "iendswith"):
        with pytest.raises(UnsupportedLookup, match=r"pattern.*filter_locally"):
            found(**{f"name__{lookup}": text})
    assert client.transport.requests_sent == 0


def test_a_name_that_reads_as_another_filter_is_asked_for_as_it_is(client, have):
    have("with", has_parts=True)
    have("without", has_parts=False)
    assert found(has_parts=False) == {"without"}


def test_a_name_that_no_filter_can_have_is_refused(client):
    with pytest.raises(UnsupportedLookup, match="odd-name"):
        found(odd="x")
    with pytest.raises(UnsupportedLookup, match="odd-name"):
        list(Item.objects.order_by("odd"))
    assert client.transport.requests_sent == 0


def test_lists_are_asked_for_what_they_have(client, have):
    have("ab", tags=["a", "b"])
    have("b", tags=["b"])
    assert found(tags__contains="b") == {"ab", "b"}
    assert found(tags__contains=["b", "a"]) == {"ab"}
    assert found(tags=["b"]) == {"b"}


def test_decimals_are_text_and_have_no_order_there(client, have):
    have("ten", price="10")
    have("nine", price="9")
    assert found(price=10) == {"ten"}
    with pytest.raises(UnsupportedLookup, match="price__gt"):
        found(price__gt=9)


def test_truth_values_have_no_order(client):
    with pytest.raises(UnsupportedLookup, match="done__gt"):
        found(done__gt=False)


def test_there_is_no_word_for_null_or_absent(client):
    with pytest.raises(UnsupportedLookup, match="isnull"):
        found(name=None)


def test_a_total_that_is_none_is_refused(small_server):
    small = small_server(style="rest", slash=False)
    small.table("buckets/b/collections/items/records")
    with Session(small.client(dialect=Kinto(bucket="b"))):
        with pytest.raises(ContractError, match="Total-Objects"):
            Item.objects.count()
        with pytest.raises(ContractError, match="a list where an object was expected"):
            list(Item.objects.all())


# -- writing --------------------------------------------------------------------------------------


def test_a_key_of_the_client_is_created_where_there_is_none(client, have):
    key = uuid.uuid4()
    book = Book(key=key, title="Emma")
    book.commit()
    assert Book.objects.get(key=key) is book
    with Session(client) as session:
        mine = Book(key=key, title="mine")
        session.add(mine)
        with pytest.raises(CommitError) as caught:
            session.commit()
        (entry,) = caught.value.report.failed
        assert isinstance(entry.error, Conflict)
        assert entry.error.status == 412
        session.rollback()
        assert Book.objects.using(session).get(key=key).title == "Emma"


def test_the_record_that_a_refusal_brings_along_is_told_by_no_error(client, have):
    class Safe(Model):
        id = fields.String(primary_key=True)
        size = fields.Integer()
        pin = fields.String(write_only=True)

        class Meta:
            registry = Registry("safes")
            endpoint = "items"
            version = "etag"

    have("a", size=1, pin="9753113579")
    safe = Safe.objects.get(id="a")
    have("a", size=2, pin="9753113579")
    safe.size = 3
    with pytest.raises(ConflictError) as caught:
        safe.commit()
    (entry,) = caught.value.report.conflicts
    assert entry.error.status == 412
    assert "9753113579" not in f"{entry!r} {entry.error.messages} {entry.error.errors}"
    assert "9753113579" not in json.dumps(caught.value.report.to_json())
    assert "Resource was modified meanwhile" in str(entry.error)
    safe.revert()


@pytest.fixture
def posting(kinto_server, bucket):
    """A session whose client posts keys that it chose: Kinto answers 200 for one that is there."""
    dialect = Kinto(bucket=bucket, creates_by_put=False)
    with kinto_server.client(bucket, dialect=dialect) as client, Session(client) as session:
        yield session
        session.rollback()


def test_a_create_that_is_answered_with_an_older_record_has_failed(posting, have):
    key = uuid.uuid4()
    have(key, "books", title="theirs")
    mine, other = Book(key=key, title="mine"), Book(key=uuid.uuid4(), title="other")
    posting.add_all([mine, other])
    with pytest.raises(CommitError) as caught:
        posting.commit(on_error="continue")
    report = caught.value.report
    (entry,) = report.failed
    assert entry.object is mine
    assert isinstance(entry.error, AlreadyExists)
    assert entry.error.body["data"]["title"] == "theirs"
    assert "nothing was created" in str(entry.error)
    assert report.created.objects == [other]
    assert posting.new == [mine]
    assert Book.objects.get(key=key).title == "theirs"


def test_a_row_tells_its_etag(kinto_server, bucket, have):
    row = have("a", name="x")
    path = f"{kinto_server.url}/buckets/{bucket}/collections/items/records/a"
    answer = kinto_server.http.get(path)
    assert Kinto().etag_of(row) == answer.headers["ETag"]
    assert Kinto().etag_of({"id": "a"}) is None
