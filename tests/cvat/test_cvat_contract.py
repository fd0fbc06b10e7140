"""The models are our claim about CVAT, schemas/cvat.json is the written one: they must agree."""

import json
import re
from importlib import resources

import pytest

from objmapper import fields
from objmapper.cvat import (
    Comment,
    Guide,
    Invitation,
    Issue,
    Job,
    Label,
    Membership,
    Organization,
    Project,
    Task,
    User,
)
from objmapper.cvat.models import Attribute, Storage, Summary

DOCUMENT = json.loads(resources.files("objmapper.schemas").joinpath("cvat.json").read_text("utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
MODELS = {
    model.__name__: model
    for model in (
        Comment, Guide, Invitation, Issue, Job, Label, Membership, Organization, Project, Task, User
    )
}  # fmt: skip
#: A label's job is only ever asked for, and stands in no row.
ASKED_ONLY = {(Label, "job")}
#: What only the making of an object is told: no row has it.
SENT_ONLY = {(Invitation, "email")} | {
    (Job, name)
    for name in (
        "frame_selection_method", "frames", "frame_share", "frames_per_job_count",
        "frames_per_job_share", "random_seed",
    )
}  # fmt: skip
#: What the requests of an upload say, and what is answered to the last of them.
UPLOADED = {(Task, "data"), (Task, "data_request_id")}
#: An issue's message is its first comment's.
BROUGHT = {"Issue": {"message"}}
SAMPLES = {
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {"id": 1},
}

MAPPED = [
    pytest.param(name, field, id=f"{name}.{field.name}")
    for name, model in MODELS.items()
    for field in model.__mapper__.by_key.values()
    if (model, field.name) not in ASKED_ONLY | SENT_ONLY | UPLOADED
]
each_field = pytest.mark.parametrize(("name", "field"), MAPPED)
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
#: Guides are in no list.
LISTED = {name: model for name, model in MODELS.items() if model is not Guide}
each_listed = pytest.mark.parametrize("model", LISTED.values(), ids=LISTED)


def resolved(schema):
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    return schema


def kinds(schema):
    """The JSON types of a schema's values."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return set().union(*map(kinds, schema["anyOf"]))
    if "enum" in schema:
        names = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
        return {names[type(value)] for value in schema["enum"]}
    told = schema["type"]
    return {told} if isinstance(told, str) else set(told)


def always_sent(name, key):
    """Whether every version always sends a key."""
    # A user who is no administrator sees the keys of BasicUser of others.
    required = SCHEMAS["BasicUser" if name == "User" else name]["required"]
    schema = SCHEMAS[name]
    return key in required and "x-versions" not in schema["properties"][key]


def writes(name, verb):
    return SCHEMAS.get(f"{name}{verb}", {"properties": {}})


@each_field
def test_a_mapped_field_is_a_key_of_the_contract(name, field):
    assert field.key in SCHEMAS[name]["properties"]


@each_field
def test_a_field_reads_every_type_that_the_contract_allows(name, field):
    for kind in kinds(SCHEMAS[name]["properties"][field.key]) - {"null"}:
        assert field.accepts(SAMPLES[kind]), kind


@each_field
def test_a_field_reads_no_other_type(name, field):
    allowed = kinds(SCHEMAS[name]["properties"][field.key])
    # A relation reads a key or a nested object, whichever comes; an enum's values may be numbers.
    if isinstance(field, fields.ForeignKey | fields.Enum):
        allowed |= {"integer", "object"}
    for kind in {"integer", "boolean", "array", "object"} - allowed:
        assert not field.accepts(SAMPLES[kind]), kind


@each_field
def test_a_field_may_be_none_just_where_the_contract_has_null_or_no_key(name, field):
    schema = SCHEMAS[name]["properties"][field.key]
    if field.primary_key:
        return
    if "null" in kinds(schema):
        assert field.null
    elif always_sent(name, field.key):
        assert not field.null


@each_field
def test_a_field_is_writable_just_where_the_contract_takes_it(name, field):
    created = field.write_key in writes(name, "Create")["properties"]
    patched = field.write_key in writes(name, "Patch")["properties"]
    if isinstance(field, fields.ForeignKey) and name == "Label":
        assert field.write_once  # the parent: it is told by whose request carries the label
    elif (name, field.name) == ("Invitation", "organization"):
        assert field.write_once  # it is told by the parameters of the request
    elif field.primary_key:
        assert field.read_only
    else:
        assert (field.read_only, field.write_once) == (
            not created and not patched,
            created and not patched,
        )


@pytest.mark.parametrize(("model", "name"), sorted(SENT_ONLY, key=str), ids=str)
def test_what_no_row_has_is_taken_from_a_new_object(model, name):
    field = model.__mapper__.fields[name]
    assert field.write_key in writes(model.__name__, "Create")["properties"]
    assert field.key not in SCHEMAS[model.__name__]["properties"]
    assert field.write_once
    assert field.null  # it reads as None


@each_model
def test_a_new_object_needs_what_the_contract_requires(model):
    name = model.__name__
    required = {field.write_key for field in model.__mapper__.by_key.values() if field.required}
    wanted = set(writes(name, "Create").get("required", ())) - BROUGHT.get(name, set())
    assert wanted <= required


@each_model
def test_the_contract_takes_nothing_that_can_not_be_set(model):
    name, mapper = model.__name__, model.__mapper__
    settable = {f.write_key for f in mapper.by_key.values() if not f.read_only}
    taken = set(writes(name, "Create")["properties"]) | set(writes(name, "Patch")["properties"])
    # Labels are a relation; the id and "deleted" are how a label is named in its parent's PATCH;
    # a job's seed is 2.15's word for random_seed.
    allowed = {"labels", "id", "deleted", "seed"} | BROUGHT.get(name, set())
    assert taken - settable <= allowed


@each_field
def test_what_is_too_long_for_the_contract_is_refused_before_it_is_sent(name, field):
    schema = resolved(writes(name, "Patch")["properties"].get(field.write_key, {}))
    if "maxLength" not in schema:
        return
    longest = "x" * schema["maxLength"]
    assert field.check(longest) == []
    assert field.check(longest + "x") != []
    assert bool(field.check("")) == bool(schema.get("minLength"))


@pytest.mark.parametrize(
    ("embedded", "schema"),
    [
        (Attribute, SCHEMAS["Attribute"]),
        (Storage, SCHEMAS["Storage"]),
        (Summary, SCHEMAS["Project"]["properties"]["tasks"]),
        (Summary, SCHEMAS["Task"]["properties"]["jobs"]),
        (Summary, SCHEMAS["Job"]["properties"]["issues"]),
        (Summary, SCHEMAS["Issue"]["properties"]["comments"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_nested_object_has_the_keys_of_the_contract(embedded, schema):
    known = embedded.__embedded__.by_key
    for key, inner in schema["properties"].items():
        for kind in kinds(inner) - {"null"}:
            assert known[key].accepts(SAMPLES[kind])
        assert known[key].null or "null" not in kinds(inner)


def declared_filters(model):
    """The names that the list's description has for ``filter`` and ``sort``, in 2.80."""
    told = DOCUMENT["paths"][f"/api/{model.__mapper__.endpoint}"]["get"]["description"]
    names = re.search(r"filter and sort: ([\w, ]+)(?:; in 2\.80 also ([\w, ]+))?", told)
    return {name.strip() for group in names.groups("") for name in group.split(",") if name.strip()}


def claimed(model, kind):
    return model.__mapper__.options["dialect_options"].get(kind, {})


@each_listed
def test_each_filter_of_a_model_is_declared(model):
    assert set(claimed(model, "filters").values()) <= declared_filters(model)


@each_listed
def test_each_order_of_a_model_is_declared(model):
    told = DOCUMENT["paths"][f"/api/{model.__mapper__.endpoint}"]["get"]["description"]
    only = re.search(r"Only for sort: (\w+)", told)
    declared = declared_filters(model) | ({only[1]} if only else set())
    assert set(claimed(model, "sorts").values()) <= declared
    assert only is None or only[1] in claimed(model, "sorts").values()


@each_listed
def test_each_declared_filter_is_reached_by_some_field(model):
    # A label's parent is filtered by its name, and labels below labels have no model of their own.
    assert declared_filters(model) - set(claimed(model, "filters").values()) <= {"parent"}


@each_listed
def test_each_plain_parameter_of_a_model_is_declared(model):
    listed = DOCUMENT["paths"][f"/api/{model.__mapper__.endpoint}"]["get"]["parameters"]
    names = {each.get("name") or each["$ref"].rpartition("/")[2] for each in listed}
    assert set(claimed(model, "parameters").values()) <= names


@each_listed
def test_the_paths_of_the_filters_lead_to_fields(model):
    for path in claimed(model, "filters"):
        mapper, names = model.__mapper__, path.split("__")
        for name in names[:-1]:
            mapper = mapper.foreign_keys[name].target.__mapper__
        assert names[-1] in mapper.fields
