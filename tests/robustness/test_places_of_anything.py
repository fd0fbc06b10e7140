"""Anything where rows say what they belong to, where they live and what they are."""

import json

import pytest
import requests
from everything import JSON, Plain, attempt, declared, page, use

from objmapper import Client, ContractError, Model, Registry, Session, fields
from objmapper.exceptions import cut
from objmapper.server import WSGIAdapter


def meta(**options):
    return type("Meta", (), {"registry": registry, **options})


registry = Registry("places of anything")
KEY = {"id": fields.Integer(primary_key=True), "name": fields.String(null=True)}
Owner = declared(
    Model,
    "Owner",
    KEY
    | {
        "things": fields.HasMany("Thing", by="owner"),
        "parts": fields.HasMany("Part", by="owner"),
        "Meta": meta(),
    },
)
OF_OWNER = KEY | {"owner": fields.ForeignKey(Owner)}
Thing = declared(Model, "Thing", OF_OWNER | {"Meta": meta()})
Part = declared(Model, "Part", OF_OWNER | {"Meta": meta(endpoint="owners/{owner}/parts")})
Tag = declared(Model, "Tag", OF_OWNER | {"Meta": meta(natural_key=["owner", "name"])})
Line = declared(
    Model, "Line", KEY | {"zone": fields.String(), "Meta": meta(endpoint="zones/{zone}/lines")}
)
Alert = declared(
    Model, "Alert", KEY | {"source": fields.String(), "Meta": meta(polymorphic_on="source")}
)
Metric = declared(
    Alert, "Metric", {"level": fields.Integer(), "Meta": meta(polymorphic_identity="metric")}
)
Event = declared(
    Model,
    "Event",
    {"owner": fields.ForeignKey(Owner), "Meta": meta(keyless=True, endpoint="events")},
)
Setup = declared(
    Model,
    "Setup",
    {"owner": fields.ForeignKey(Owner), "Meta": meta(singleton=True, endpoint="setup")},
)


class Server:
    """Has one owner, and below every other address one row."""

    row = {}

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"].strip("/").split("/")
        body = {"id": 1, "name": "an owner"} if path[0] == "owners" and len(path) < 3 else self.row
        listed = path[-1] in ("owners", "things", "parts", "tags", "lines", "alerts", "events")
        if listed and environ["REQUEST_METHOD"] == "GET":
            body = page(body)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(body).encode()]


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def client(server):
    with requests.Session() as http:
        http.trust_env = False
        http.mount("http://any.test", WSGIAdapter(server))
        yield Client("http://any.test", dialect=Plain(), http=http, retries=0)


@pytest.fixture
def session(client):
    with Session(client) as session:
        yield session


def work(obj):
    """Do with an object of a row what users do."""
    use(obj)
    mapper = type(obj).__mapper__
    owner = attempt(getattr, obj, "owner") if "owner" in mapper.fields else None
    if isinstance(owner, Owner):
        attempt(lambda: (owner.id, owner.name, list(owner.things), list(owner.parts)))
    if "name" in mapper.fields:
        attempt(setattr, obj, "name", "new")
        attempt(obj.commit)
    attempt(obj.refresh)


WAYS = {
    "a key": lambda value: {"owner": value},
    "a nested row's key": lambda value: {"owner": {"id": value}},
    "a nested row": lambda value: {"owner": {"id": 1, "name": value, "": value}},
    "a segment of the path": lambda value: {"zone": value},
    "what tells the class": lambda value: {"source": value},
}


KINDS = dict.fromkeys(WAYS, (Thing, Part, Tag, Event, Setup)) | {
    "a segment of the path": [Line],
    "what tells the class": [Alert],
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_row_belongs_to_is_read_or_refused(server, client, way):
    read = dict.fromkeys(KINDS[way], 0)
    for value in JSON:
        server.row = {"id": 7, "name": "x", **WAYS[way](value)}
        for model in read:
            with Session(client) as session:
                where = {Part: {"owner": 1}, Line: {"zone": "a"}}.get(model, {})
                found = attempt(list, model.objects.filter(**where))
                for obj in found if isinstance(found, list) else ():
                    work(obj)
                    read[model] += 1
                session.rollback()
    assert all(read.values())


@pytest.mark.parametrize("relation", ["things", "parts"])
def test_what_comes_of_a_relation_is_read_or_refused(server, client, relation):
    read = 0
    for value in JSON:
        server.row = {"id": 7, "name": "x", "owner": value}
        with Session(client) as session:
            found = attempt(list, Owner.objects.prefetch_related(relation))
            read += isinstance(found, list) and bool(list(getattr(found[0], relation)))
            owner = Owner.objects.reference(1)
            attempt(list, getattr(owner, relation))
            attempt(getattr(owner, relation).create, name="new")
            session.rollback()
    assert read


@pytest.mark.parametrize("wrong", [[], {}, {"id": []}, "x", True, 1.5])
def test_a_row_that_says_no_owner_that_can_be_is_no_ones(server, session, wrong):
    server.row = {"id": 7, "owner": wrong}
    with pytest.raises(ContractError, match=r"owner|where a row of"):
        list(Owner.objects.prefetch_related("things"))
    with pytest.raises(ContractError, match=r"where a row of owners/\{owner\}/parts lives"):
        list(Part.objects.filter(owner=1))


def test_a_class_that_nobody_knows_is_the_one_above(server, session):
    for value in ("metric", "bogus", "", None, 1, 1.5, True):
        server.row = {"id": 7, "source": value}
        (obj,) = Alert.objects.all()
        assert type(obj) is (Metric if value == "metric" else Alert)
        session.expunge(obj)
    server.row = {"id": 7, "source": ["metric"]}
    with pytest.raises(ContractError, match="which class a row belongs to can't be told"):
        list(Alert.objects.all())


@pytest.mark.parametrize("again", [7, "7", " 7", "+7", "007", "\u0667"])
def test_a_key_that_is_told_in_another_form_is_the_same(server, session, again):
    server.row = {"id": 7, "name": "before"}
    (obj,) = Thing.objects.all()
    server.row = {"id": again, "name": "after"}
    assert Thing.objects.get(id=7) is obj
    assert list(Thing.objects.all()) == [obj]
    assert obj.id == 7
    assert type(obj.id) is int
    assert obj.name == "after"


@pytest.mark.parametrize(
    "wrong", [7.0, True, "7.0", "seven", "", [7], {"id": 7}, "9" * 5000], ids=cut
)
def test_a_key_that_is_none_refuses_the_page_and_changes_nothing(server, session, wrong):
    server.row = {"id": 7, "name": "before"}
    (obj,) = Thing.objects.all()
    server.row = {"id": wrong, "name": "after"}
    for ask in (lambda: list(Thing.objects.all()), lambda: Thing.objects.get(id=7), obj.refresh):
        with pytest.raises(ContractError):
            ask()
    assert (obj.id, obj.name) == (7, "before")
