"""Declaring models: what a class statement makes, inherits and refuses."""

import copy
import enum
import pickle
import types
import uuid

import marshmallow
import pytest

import objmapper
from objmapper import (
    DeclarationError,
    Embedded,
    FieldDoesNotExist,
    Manager,
    Model,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    Q,
    QueryError,
    QuerySet,
    ReadOnlyFieldError,
    Registry,
    ValidationError,
    fields,
    validate,
)
from objmapper.mapper import default_registry


@pytest.fixture
def registry():
    return Registry("test")


def declare(registry, class_name="Task", /, *bases, meta=None, module=None, **body):
    """Declare a class in a registry of its own, with an integer key unless it is said otherwise."""
    body.setdefault("id", fields.Integer(primary_key=True))
    body = {key: value for key, value in body.items() if value is not ...}
    body["Meta"] = type("Meta", (), {"registry": registry, **(meta or {})})
    body["__module__"] = module or __name__
    body["__qualname__"] = class_name
    return types.new_class(class_name, bases or (Model,), exec_body=lambda ns: ns.update(body))


# -- registry and endpoints -----------------------------------------------------------------------


def test_a_concrete_model_is_registered_with_its_endpoint(registry):
    task = declare(registry)
    assert registry["tasks"] is task
    assert "tasks" in registry
    assert list(registry) == ["tasks"]
    assert len(registry) == 1


def test_a_model_without_registry_joins_the_default_one():
    class SolitaryThing(Model):
        id = fields.Integer(primary_key=True)

    assert default_registry["solitary_things"] is SolitaryThing


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("Task", "tasks"),
        ("TaskRun", "task_runs"),
        ("Category", "categories"),
        ("Key", "keys"),
        ("Status", "statuses"),
        ("Box", "boxes"),
        ("Branch", "branches"),
        ("HTTPLog", "http_logs"),
        ("APIKey", "api_keys"),
        ("S3Bucket", "s3_buckets"),
    ],
)
def test_the_endpoint_is_the_name_in_snake_case_and_plural(registry, name, endpoint):
    assert registry_of(declare(registry, name)) == {endpoint}


def registry_of(model):
    return set(model.__mapper__.registry)


def test_a_declared_endpoint_counts_and_loses_slashes_at_its_ends(registry):
    declare(registry, meta={"endpoint": "/v2/tasks/"})
    assert set(registry) == {"v2/tasks"}


def test_an_unknown_endpoint_is_a_key_error_with_near_misses(registry):
    declare(registry)
    with pytest.raises(KeyError, match="Did you mean 'tasks'"):
        registry["task"]


def test_two_unrelated_models_on_one_endpoint_are_an_error_that_shows_the_way_out(registry):
    first = declare(registry, "Task")
    with pytest.raises(DeclarationError) as caught:
        declare(registry, "Chore", meta={"endpoint": "tasks"})
    message = str(caught.value)
    assert "registry = Registry()" in message
    assert "Task" in message
    assert "Chore" in message
    assert registry["tasks"] is first


def test_models_of_one_endpoint_live_in_registries_of_their_own(registry):
    other = Registry("other")
    ours, theirs = declare(registry, "User"), declare(other, "User")
    assert registry["users"] is ours
    assert other["users"] is theirs


def test_the_same_class_declared_again_takes_the_place_of_the_first(registry):
    declare(registry)
    second = declare(registry, name=fields.String())
    assert registry["tasks"] is second


def test_a_class_of_a_function_may_be_declared_by_each_call(registry):
    def make(place):
        class Task(Model):
            id = fields.Integer(primary_key=True)

            class Meta:
                registry = place

        return Task

    make(registry)
    again = make(registry)
    assert registry["tasks"] is again


def test_a_class_of_the_same_name_in_another_module_is_unrelated(registry):
    declare(registry, module="one")
    with pytest.raises(DeclarationError, match=r"two\.Task and one\.Task"):
        declare(registry, module="two")


def test_a_class_declared_again_with_another_endpoint_leaves_the_first_one(registry):
    declare(registry, meta={"endpoint": "jobs"})
    second = declare(registry, meta={"endpoint": "tasks"})
    assert dict(zip(registry, [second], strict=True)) == {"tasks": second}


def test_relations_lead_to_the_class_that_was_declared_last(registry):
    project = declare(registry, "Project", tasks=fields.HasMany("Task", by="project"))
    task = declare(registry, "Task", project=fields.ForeignKey(project, null=True))
    by_name = declare(registry, "Job", project=fields.ForeignKey("Project", null=True))
    assert by_name(project=project()).project is not None  # resolved once
    again = declare(registry, "Project", tasks=fields.HasMany("Task", by="project"))
    mine = again()
    assert task(project=mine).project is mine
    assert by_name(project=mine).project is mine
    assert again.tasks.target is task


# -- string targets -------------------------------------------------------------------------------


def test_a_string_target_is_found_in_the_registry_of_its_class(registry):
    other = Registry("other")
    declare(other, "User", name=fields.String())
    user = declare(registry, "User")
    task = declare(registry, owner=fields.ForeignKey("User"))
    assert task.owner.target is user


def test_a_string_target_may_be_declared_later(registry):
    task = declare(registry, owner=fields.ForeignKey("User"))
    user = declare(registry, "User")
    assert task.owner.target is user


def test_self_is_the_class_itself(registry):
    node = declare(registry, "Node", parent=fields.ForeignKey("self", null=True))
    assert node.parent.target is node


def test_an_unknown_target_is_an_error_with_near_misses(registry):
    task = declare(registry, owner=fields.ForeignKey("Usr"))
    declare(registry, "User")
    with pytest.raises(DeclarationError, match=r"Task\.owner.*'Usr'.*Did you mean 'User'"):
        _ = task.owner.target


def test_of_two_classes_of_a_name_the_one_of_the_same_module_is_meant(registry):
    declare(registry, "User", meta={"endpoint": "members"}, module="one")
    user = declare(registry, "User", meta={"endpoint": "users"}, module="two")
    task = declare(registry, owner=fields.ForeignKey("User"), module="two")
    assert task.owner.target is user


def test_two_classes_of_a_name_that_are_equally_near_are_an_error(registry):
    declare(registry, "User", meta={"endpoint": "members"}, module="one")
    declare(registry, "User", meta={"endpoint": "users"}, module="two")
    task = declare(registry, owner=fields.ForeignKey("User"), module="three")
    with pytest.raises(DeclarationError, match=r"one\.User and two\.User; give the class itself"):
        _ = task.owner.target


def test_has_many_takes_its_target_from_the_annotation(registry):
    place = registry

    class Project(Model):
        id = fields.Integer(primary_key=True)
        tasks: fields.HasMany["Task"] = fields.HasMany(by="project")  # noqa: F821 - comes below

        class Meta:
            registry = place

    task = declare(registry, "Task", project=fields.ForeignKey(Project))
    assert Project.tasks.target is task
    assert Project.tasks.by is task.project


@pytest.mark.parametrize(
    "annotation",
    [
        'fields.HasMany["Task"]',
        "fields.HasMany['Task']",
        "HasMany[Task]",
        'objmapper.fields.HasMany["models.Task"]',
        fields.HasMany["Task"],
    ],
)
def test_has_many_reads_every_way_to_annotate(registry, annotation):
    project = declare(
        registry,
        "Project",
        tasks=fields.HasMany(by="project"),
        __annotations__={"tasks": annotation},
    )
    task = declare(registry, project=fields.ForeignKey(project))
    assert project.tasks.target is task


def test_has_many_without_a_target_is_an_error_that_shows_the_annotation(registry):
    with pytest.raises(DeclarationError, match=r'tasks: fields\.HasMany\["Task"\]'):
        declare(registry, "Project", tasks=fields.HasMany(by="project"))


def test_has_many_by_a_field_that_is_no_foreign_key_is_an_error(registry):
    project = declare(registry, "Project", tasks=fields.HasMany("Task", by="projekt"))
    declare(registry, project=fields.ForeignKey(project))
    with pytest.raises(DeclarationError, match=r"Task has no ForeignKey named 'projekt'"):
        _ = project.tasks.by


def test_a_foreign_key_to_something_else_is_an_error():
    with pytest.raises(DeclarationError, match="a model or its name"):
        fields.ForeignKey(int)


# -- Meta -----------------------------------------------------------------------------------------


def test_an_unknown_option_is_an_error_with_near_misses(registry):
    with pytest.raises(DeclarationError, match=r"Task\.Meta.*'orderring'.*Did you mean 'ordering'"):
        declare(registry, meta={"orderring": ["id"]})


@pytest.mark.parametrize("option", ["ordering", "natural_key"])
def test_a_string_where_names_are_listed_is_an_error(registry, option):
    with pytest.raises(DeclarationError, match=f"{option} is a list of field names"):
        declare(registry, meta={option: "id"})


@pytest.mark.parametrize(
    "meta",
    [
        {"natural_key": ["nme"]},
        {"ordering": ["-nme"]},
        {"ordering": ["nme__id"]},
        {"version_field": "nme"},
        {"polymorphic_on": "nme"},
        {"endpoint": "runs/{nme}/tasks"},
    ],
    ids=str,
)
def test_an_option_that_names_no_field_is_an_error_with_near_misses(registry, meta):
    with pytest.raises(DeclarationError, match=r"'nme'.*Did you mean 'name'"):
        declare(registry, name=fields.String(), meta=meta)


@pytest.mark.parametrize(
    "meta",
    [
        {"natural_key": ["name", "pin"]},
        {"ordering": ["pin"]},
        {"created_field": "pin"},
        {"endpoint": "safes/{pin}/tasks"},
    ],
    ids=str,
)
def test_nothing_is_told_by_what_the_server_never_shows(registry, meta):
    pin = fields.String(write_only=True)
    with pytest.raises(DeclarationError, match=r"Task\.Meta names 'pin', which is write-only"):
        declare(registry, name=fields.String(), pin=pin, meta=meta)


def test_ordering_may_name_the_primary_key_as_pk(registry):
    task = declare(registry, meta={"ordering": ["-pk"]})
    assert task.__mapper__.declared_ordering == ("-pk",)


def test_options_are_inherited_and_overridden_one_by_one(registry):
    base = declare(
        registry,
        "Base",
        name=fields.String(),
        meta={"abstract": True, "ordering": ["-id"], "natural_key": ["name"], "version": "etag"},
    )

    class Task(base):
        class Meta:
            ordering = ["name"]

    mapper = Task.__mapper__
    assert mapper.declared_ordering == ("name",)
    assert mapper.natural_key == ("name",)
    assert mapper.version == "etag"
    assert registry["tasks"] is Task


def test_of_two_parents_each_gives_what_the_other_does_not_say(registry):
    ordered = declare(registry, "Ordered", id=..., meta={"abstract": True, "ordering": ["-id"]})
    versioned = declare(
        registry,
        "Versioned",
        id=...,
        meta={"abstract": True, "version": "etag", "ordering": ["id"]},
    )

    class Task(ordered, versioned):
        id = fields.Integer(primary_key=True)

    assert Task.__mapper__.declared_ordering == ("-id",)
    assert Task.__mapper__.version == "etag"


def test_a_meta_may_inherit_from_the_meta_of_its_parent(registry):
    base = declare(registry, "Base", meta={"abstract": True, "ordering": ["-id"]})

    class Task(base):
        class Meta(base.Meta):
            version = "etag"

    assert not Task.__mapper__.abstract  # as in Django
    assert Task.__mapper__.declared_ordering == ("-id",)
    assert Task.__mapper__.version == "etag"
    assert registry["tasks"] is Task


def test_an_abstract_model_is_registered_nowhere_and_has_no_objects(registry):
    base = declare(registry, "Base", meta={"abstract": True})
    assert len(registry) == 0
    with pytest.raises(DeclarationError, match="Base is abstract"):
        base()


def test_an_abstract_model_may_name_fields_of_its_subclasses(registry):
    base = declare(registry, "Base", meta={"abstract": True, "natural_key": ["name"]})

    class Task(base):
        name = fields.String()

    assert Task.__mapper__.natural_key == ("name",)
    with pytest.raises(DeclarationError, match="'name', which is no field"):

        class Job(base):
            title = fields.String()


def test_each_class_below_an_abstract_one_has_its_own_endpoint(registry):
    base = declare(registry, "Base", meta={"abstract": True, "endpoint": "things"})

    class Task(base):
        pass

    class Job(base):
        pass

    assert registry["tasks"] is Task
    assert registry["jobs"] is Job


def test_a_class_below_a_concrete_one_is_another_endpoint_and_identity(registry):
    task = declare(registry, name=fields.String())

    class UrgentTask(task):
        deadline = fields.Date()

    assert registry["tasks"] is task
    assert registry["urgent_tasks"] is UrgentTask
    assert UrgentTask.__mapper__.root is UrgentTask
    assert list(UrgentTask.__fields__) == ["name", "id", "deadline"]


# -- fields of a class ----------------------------------------------------------------------------


def test_inherited_fields_are_each_class_s_own(registry):
    base = declare(registry, "Base", name=fields.String(), meta={"abstract": True})

    class Task(base):
        pass

    assert Task.name is not base.name
    assert Task.name.model is Task
    assert base.name.model is base


def test_one_field_object_may_stand_in_two_classes(registry):
    shared = fields.String(data_key="shared_name")
    one = declare(registry, "One", name=shared)
    two = declare(registry, "Two", name=shared)
    assert one.name.model is one
    assert two.name.model is two
    assert two(name="x").name == "x"


def test_a_subclass_may_declare_an_inherited_field_anew(registry):
    base = declare(registry, "Base", size=fields.Integer(), meta={"abstract": True})

    class Task(base):
        size = fields.String(data_key="extent")

    assert Task(size="big").to_dict() == {"size": "big"}
    assert Task.size.key == "extent"
    assert list(Task.__fields__) == ["size", "id"]


def test_none_takes_an_inherited_field_away(registry):
    task = declare(registry, size=fields.Integer())

    class SizelessTask(task):
        size = None

    assert list(SizelessTask.__fields__) == ["id"]
    one = SizelessTask()
    assert one.size is None
    with pytest.raises(AttributeError):
        one.size = 5
    with pytest.raises(FieldDoesNotExist):
        SizelessTask(size=5)


def test_a_method_takes_the_place_of_an_inherited_field(registry):
    task = declare(registry, size=fields.Integer())

    class ComputedTask(task):
        def size(self):
            return 5

    assert ComputedTask().size() == 5
    assert "size" not in ComputedTask.__fields__


def test_fields_of_a_plain_mixin_are_taken_in(registry):
    class Stamped:
        __slots__ = ()
        updated = fields.DateTime(data_key="updated_date", read_only=True)

        def age(self):
            return self.updated

    task = declare(registry, "Task", Stamped, Model)
    assert list(task.__fields__) == ["updated", "id"]
    assert task.updated.model is task


def test_two_fields_of_one_wire_name_are_an_error(registry):
    with pytest.raises(DeclarationError, match="name and title both have the data_key 'name'"):
        declare(registry, name=fields.String(), title=fields.String(data_key="name"))


def test_two_fields_sent_under_one_name_are_an_error(registry):
    with pytest.raises(DeclarationError, match="owner_id and owner are both sent as 'owner_id'"):
        declare(
            registry,
            owner_id=fields.Integer(),
            owner=fields.Integer(write_key="owner_id"),
        )


def test_a_field_that_is_never_sent_may_share_the_name_another_is_sent_under(registry):
    task = declare(
        registry,
        owner_id=fields.Integer(read_only=True),
        owner=fields.Integer(write_key="owner_id"),
    )
    assert list(task.__fields__) == ["owner_id", "owner", "id"]


def test_a_field_class_that_was_not_called_is_an_error(registry):
    with pytest.raises(DeclarationError, match=r"Task\.name = String: call it, String\(\)"):
        declare(registry, name=fields.String)


@pytest.mark.parametrize("name", ["_name", "two__words"])
def test_names_that_lookups_could_not_split_are_an_error(registry, name):
    with pytest.raises(DeclarationError, match="use data_key for the wire name"):
        declare(registry, **{name: fields.String()})


def test_fields_are_declared_in_the_class_body_alone(registry):
    task = declare(registry)
    with pytest.raises(DeclarationError, match="declared in the class body"):
        task.name = fields.String()


RESERVED = (
    "objects commit delete refresh revert validate to_dict changes extra Schema Meta "
    "DoesNotExist MultipleObjectsReturned"
).split()


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_name_is_an_error_that_shows_the_escape(registry, name):
    body = {name: fields.Dict()}
    with pytest.raises(DeclarationError) as caught:
        types.new_class("Task", (Model,), exec_body=lambda ns: ns.update(body))
    assert f'`{name}_ = fields.Dict(data_key="{name}")`' in str(caught.value)


def test_the_escape_of_a_reserved_name_is_a_field_like_any_other(registry):
    task = declare(registry, changes_=fields.Dict(data_key="changes"))
    one = task(changes_={"a": 1})
    assert one.changes_ == {"a": 1}
    assert one.changes == {"changes_": (None, {"a": 1})}
    assert one.to_dict() == {"changes_": {"a": 1}}


@pytest.mark.parametrize("name", ["status", "state", "data", "url", "session", "identity", "mro"])
def test_what_servers_call_their_fields_is_free(registry, name):
    task = declare(registry, **{name: fields.String()})
    assert getattr(task(**{name: "x"}), name) == "x"


def test_a_lookup_splits_at_the_longest_field_name_that_fits(registry):
    task = declare(
        registry,
        changes_=fields.String(data_key="changes"),
        size=fields.Integer(),
        size_in=fields.Integer(),
    )
    resolve = task.__mapper__.resolve
    assert str(resolve(Q(changes___in=["a"]))) == "changes___in=('a',)"
    assert str(resolve(Q(size__in=[1]))) == "size__in=(1,)"
    assert str(resolve(Q(size_in__gt=1))) == "size_in__gt=1"


@pytest.mark.parametrize(
    ("expression", "lookup", "value"),
    [
        (lambda field: field == "x", "exact", "x"),
        (lambda field: field == None, "isnull", True),  # noqa: E711 - as SQLAlchemy's users write
        (lambda field: field > "x", "gt", "x"),
        (lambda field: field >= "x", "gte", "x"),
        (lambda field: field < "x", "lt", "x"),
        (lambda field: field <= "x", "lte", "x"),
        (lambda field: field.in_(iter("xy")), "in", ["x", "y"]),
        (lambda field: field.contains("x"), "contains", "x"),
        (lambda field: field.icontains("x"), "icontains", "x"),
        (lambda field: field.startswith("x"), "startswith", "x"),
        (lambda field: field.endswith("x"), "endswith", "x"),
        (lambda field: field.regex("x"), "regex", "x"),
        (lambda field: field.between("x", "y"), "range", ("x", "y")),
        (lambda field: field.is_null(), "isnull", True),
        (lambda field: field.is_null(False), "isnull", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_on_the_class_makes_conditions(registry, expression, lookup, value):
    task = declare(registry, name=fields.String())
    found = expression(task.name)
    assert isinstance(found, Q)
    assert repr(found) == repr(Q(**{f"name__{lookup}": value}))


def test_not_equal_is_the_opposite_of_equal(registry):
    task = declare(registry, name=fields.String())
    assert repr(task.name != "x") == repr(~Q(name__exact="x"))


def test_fields_are_told_apart_by_identity(registry):
    task = declare(registry, name=fields.String())
    assert {task.name: 1}[task.name] == 1
    assert copy.deepcopy(task.name) is copy.copy(task.name) is task.name
    assert repr(task.name) == "<String Task.name>"
    assert repr(fields.String()) == "<String an unbound String>"


# -- keys -----------------------------------------------------------------------------------------


def test_a_model_without_a_key_is_an_error_that_names_the_ways(registry):
    with pytest.raises(DeclarationError, match=r"no primary key.*keyless.*singleton"):
        declare(registry, id=...)


def test_composite_keys_are_not_supported_yet(registry):
    with pytest.raises(DeclarationError, match=r"2 primary keys; composite keys .*\(yet\)"):
        declare(registry, other=fields.Integer(primary_key=True))


def test_a_key_of_the_server_is_read_only(registry):
    task = declare(registry)
    with pytest.raises(ReadOnlyFieldError):
        task(id=5)
    assert task().id is None


def test_a_key_of_the_client_is_chosen_for_uuids_and_settable(registry):
    book = declare(registry, "Book", id=fields.UUID(primary_key=True, generated="client"))
    assert isinstance(book().id, uuid.UUID)
    assert book().id != book().id
    key = uuid.uuid4()
    assert book(id=key).id == key
    assert book(id=str(key)).id == key


def test_a_key_of_the_client_that_is_no_uuid_must_be_given(registry):
    book = declare(registry, "Book", id=fields.String(primary_key=True, generated="client"))
    with pytest.raises(ValidationError, match="the client chooses this key"):
        book().validate()
    book(id="mine").validate()


def test_who_generates_is_the_server_or_the_client():
    with pytest.raises(DeclarationError, match="'server' or 'client'"):
        fields.UUID(primary_key=True, generated="me")


def test_a_keyless_model_has_no_identity(registry):
    event = declare(registry, "Event", id=..., message=fields.String(), meta={"keyless": True})
    assert objmapper.inspect(event(message="x")).identity is None
    with pytest.raises(DeclarationError, match="Event is keyless: it has no primary key"):
        _ = event.__mapper__.pk


def test_a_keyless_model_with_a_key_is_an_error(registry):
    with pytest.raises(DeclarationError, match="keyless and has the primary key 'id'"):
        declare(registry, meta={"keyless": True})


def test_keyless_and_singleton_exclude_each_other(registry):
    with pytest.raises(DeclarationError, match="keyless and has singleton"):
        declare(registry, id=..., meta={"keyless": True, "singleton": True})


def test_a_singleton_has_one_identity_without_a_key(registry):
    about = declare(registry, "About", id=..., version=fields.String(), meta={"singleton": True})
    assert objmapper.inspect(about()).identity == (about, "")


@pytest.mark.parametrize("option", ["keyless", "singleton"])
def test_the_kind_of_identity_is_inherited(registry, option):
    base = declare(registry, "Base", id=..., meta={"abstract": True, option: True})

    class Event(base):
        message = fields.String()

    assert getattr(Event.__mapper__, option)


# -- polymorphic models ---------------------------------------------------------------------------


@pytest.fixture
def alerts(registry):
    alert = declare(registry, "Alert", source=fields.String(), meta={"polymorphic_on": "source"})

    class UserAlert(alert):
        user = fields.String(null=True)

        class Meta:
            polymorphic_identity = "user"

    class MetricAlert(alert):
        threshold = fields.Float(null=True)

        class Meta:
            polymorphic_identity = "metric"

    return alert, UserAlert, MetricAlert


def test_polymorphic_kinds_share_endpoint_and_identity(registry, alerts):
    alert, *kinds = alerts
    assert set(registry) == {"alerts"}
    assert registry["alerts"] is alert
    for kind in kinds:
        assert kind.__mapper__.endpoint == "alerts"
        assert kind.__mapper__.root is alert


def test_a_kind_can_be_referred_to_by_name(registry, alerts):
    note = declare(registry, "Note", alert=fields.ForeignKey("MetricAlert"))
    assert note.alert.target is alerts[2]


def test_rows_become_the_class_that_their_identity_names(alerts):
    alert, user_alert, metric_alert = alerts
    rows = [{"id": 1, "source": s} for s in ("user", "metric", "unheard of", None)]
    assert alert.__mapper__.classes_of(rows) == [user_alert, metric_alert, alert, alert]


def test_a_callable_of_the_row_may_tell_the_class(registry):
    alert = declare(
        registry,
        "Alert",
        meta={"polymorphic_on": lambda row: "metric" if "threshold" in row else "user"},
    )

    class MetricAlert(alert):
        class Meta:
            polymorphic_identity = "metric"

    rows = [{"id": 1, "threshold": 3}, {"id": 2}]
    assert alert.__mapper__.classes_of(rows) == [MetricAlert, alert]


def test_a_new_object_of_a_kind_says_its_identity(alerts):
    _, user_alert, _ = alerts
    assert user_alert(user="x").to_dict() == {"user": "x", "source": "user"}
    assert user_alert().changes == {"source": (None, "user")}


def test_two_kinds_of_one_identity_are_an_error(alerts):
    alert = alerts[0]
    with pytest.raises(DeclarationError, match="both have the polymorphic_identity 'user'"):

        class OtherAlert(alert):
            class Meta:
                polymorphic_identity = "user"


def test_a_kind_declared_again_takes_the_place_of_the_first(registry, alerts):
    alert = alerts[0]

    def make():
        class UserAlert(alert):
            class Meta:
                polymorphic_identity = "mail"

        return UserAlert

    make()
    again = make()
    assert alert.__mapper__.classes_of([{"id": 1, "source": "mail"}]) == [again]


def test_an_identity_without_a_parent_to_tell_kinds_by_is_an_error(registry):
    with pytest.raises(DeclarationError, match="polymorphic_on"):
        declare(registry, meta={"polymorphic_identity": "user"})


# -- slots ----------------------------------------------------------------------------------------


def test_a_mistyped_attribute_is_an_error_on_read_and_on_write(registry):
    task = declare(registry, name=fields.String())(name="x")
    with pytest.raises(AttributeError, match="nmae"):
        _ = task.nmae
    with pytest.raises(AttributeError, match="nmae"):
        task.nmae = "y"
    assert not hasattr(task, "__dict__")


def test_a_mixin_that_reopens_dict_is_refused_with_the_way_out(registry):
    class Mixin:
        pass

    with pytest.raises(DeclarationError) as caught:
        declare(registry, "Task", Mixin, Model)
    message = str(caught.value)
    assert "Task would get a __dict__ from Mixin" in message
    assert "__slots__ = ()" in message
    assert "abstract" in message
    assert len(registry) == 0


def test_a_mixin_with_empty_slots_is_welcome(registry):
    class Mixin:
        __slots__ = ()

        def shout(self):
            return self.name.upper()

    task = declare(registry, "Task", Mixin, Model, name=fields.String())
    assert task(name="x").shout() == "X"


def test_a_mixin_whose_own_base_reopens_dict_is_refused_by_that_name(registry):
    class Culprit:
        pass

    class Mixin(Culprit):
        __slots__ = ()

    with pytest.raises(DeclarationError, match="from Culprit"):
        declare(registry, "Task", Mixin, Model)


@pytest.mark.parametrize("where", ["class", "mixin"])
def test_slots_of_ones_own_are_refused(registry, where):
    class Mixin:
        __slots__ = ("cache",)

    bases, body = ((Mixin, Model), {}) if where == "mixin" else ((), {"__slots__": ("cache",)})
    with pytest.raises(DeclarationError, match="objects keep nothing beside their fields"):
        declare(registry, "Task", *bases, **body)


def test_value_objects_refuse_dict_and_misspelt_names_too():
    class Mixin:
        pass

    with pytest.raises(DeclarationError, match="Person would get a __dict__"):

        class Person(Mixin, Embedded):
            pass

    class Place(Embedded):
        name = fields.String()

    with pytest.raises(AttributeError):
        Place(name="x").nmae = "y"


# -- constructors ---------------------------------------------------------------------------------


def test_an_unknown_constructor_keyword_is_an_error_with_near_misses(registry):
    task = declare(registry, name=fields.String())
    with pytest.raises(FieldDoesNotExist, match=r"Task has no field 'nmae'.*Did you mean 'name'"):
        task(nmae="x")
    with pytest.raises(TypeError):
        task(nmae="x")


def test_a_keyword_like_no_field_is_answered_with_the_fields(registry):
    task = declare(registry, name=fields.String())
    with pytest.raises(FieldDoesNotExist, match="Its fields: id, name"):
        task(zzz=1)


def test_a_value_object_s_constructor_has_near_misses_too():
    class Person(Embedded):
        username = fields.String()

    with pytest.raises(FieldDoesNotExist, match="Did you mean 'username'"):
        Person(usernme="x")


def test_a_constructor_takes_no_positional_values(registry):
    with pytest.raises(TypeError):
        declare(registry, name=fields.String())("x")


def test_defaults_are_the_values_of_a_new_object_and_are_sent(registry):
    task = declare(
        registry,
        state=fields.String(default="new"),
        tags=fields.List(fields.String(), default=list),
    )
    one, other = task(), task(state="old")
    assert (one.state, other.state) == ("new", "old")
    assert set(one.changes) == {"state", "tags"}
    one.tags.append("x")
    assert other.tags == []


def test_leaving_an_attribute_out_is_not_the_same_as_none(registry):
    task = declare(registry, note=fields.String(null=True))
    assert task().note is None
    assert task().changes == {}
    assert task(note=None).changes == {"note": (None, None)}


def test_a_has_many_takes_a_list_of_objects_or_dicts_in_the_constructor(registry):
    project = declare(registry, "Project", tasks=fields.HasMany("Task", by="project"))
    task = declare(registry, name=fields.String(), project=fields.ForeignKey(project))
    one = task(name="a")
    parent = project(tasks=[one, {"name": "b"}])
    assert one.project is parent
    assert [child.name for child in objmapper.inspect(parent)._obj._state.children["tasks"]] == [
        "a",
        "b",
    ]


@pytest.mark.parametrize("given", ["ab", {"name": "x"}, 5], ids=repr)
def test_a_has_many_takes_nothing_but_a_list(registry, given):
    project = declare(registry, "Project", tasks=fields.HasMany("Task", by="project"))
    declare(registry, name=fields.String(), project=fields.ForeignKey(project))
    with pytest.raises(TypeError, match=r"Project\.tasks takes a list of Task"):
        project(tasks=given)


def test_a_has_many_takes_only_objects_of_its_target(registry):
    project = declare(registry, "Project", tasks=fields.HasMany("Task", by="project"))
    declare(registry, name=fields.String(), project=fields.ForeignKey(project))
    with pytest.raises(TypeError, match=r"takes Task objects or dicts"):
        project(tasks=[project()])


def test_a_has_many_can_t_be_set(registry):
    project = declare(registry, "Project", tasks=fields.HasMany("Task", by="project"))
    declare(registry, project=fields.ForeignKey(project))
    with pytest.raises(ReadOnlyFieldError, match=r"\.create\("):
        project().tasks = []


# -- errors, managers, repr -----------------------------------------------------------------------


def test_each_model_has_its_own_does_not_exist(registry):
    task, job = declare(registry, "Task"), declare(registry, "Job")
    assert issubclass(task.DoesNotExist, ObjectDoesNotExist)
    assert issubclass(task.DoesNotExist, LookupError)
    assert issubclass(task.MultipleObjectsReturned, MultipleObjectsReturned)
    assert not issubclass(task.DoesNotExist, job.DoesNotExist)
    assert task.DoesNotExist.__qualname__ == "Task.DoesNotExist"


def test_a_subclass_s_does_not_exist_is_also_its_parent_s(alerts):
    alert, user_alert, _ = alerts
    assert issubclass(user_alert.DoesNotExist, alert.DoesNotExist)


def test_objects_is_asked_of_the_class(registry):
    task = declare(registry)
    assert isinstance(task.objects, Manager)
    assert task.objects.model is task
    with pytest.raises(AttributeError, match="asked of the class"):
        _ = task().objects


def test_a_class_may_declare_its_own_query_set_as_manager(registry):
    class TaskQuerySet(QuerySet):
        def named(self, name):
            return self.filter(name=name)

    task = declare(registry, name=fields.String(), objects=TaskQuerySet.as_manager())
    assert isinstance(task.objects.named("x"), TaskQuerySet)
    assert isinstance(task.objects.filter(id=1).named("x").order_by("id"), TaskQuerySet)


def test_a_class_may_declare_its_own_manager(registry):
    class TaskManager(Manager):
        def get_queryset(self):
            return super().get_queryset().filter(done=False)

        def named(self, name):
            return self.filter(name=name)

    task = declare(registry, name=fields.String(), done=fields.Boolean(), objects=TaskManager())
    assert str(task.objects.named("x").query.where) == "(done__exact=False & name__exact='x')"


def test_a_manager_is_inherited(registry):
    class TaskQuerySet(QuerySet):
        def named(self, name):
            return self.filter(name=name)

    base = declare(
        registry,
        "Base",
        name=fields.String(),
        objects=TaskQuerySet.as_manager(),
        meta={"abstract": True},
    )

    class Task(base):
        pass

    assert Task.objects.named("x").model is Task


def test_a_registry_shows_its_endpoints(registry):
    assert repr(registry) == "<Registry test: empty>"
    declare(registry)
    assert repr(registry) == "<Registry test: tasks>"


def test_repr_names_the_object_and_sends_nothing(registry):
    task = declare(registry, name=fields.String(), note=fields.String())
    assert repr(task(name="x", note="y")) == "<Task name='x'>"
    assert repr(task()) == "<Task new>"


def test_repr_shows_the_natural_key(registry):
    task = declare(
        registry, name=fields.String(), code=fields.String(), meta={"natural_key": ["code"]}
    )
    assert repr(task(name="x", code="c")) == "<Task code='c'>"


def test_a_docstring_of_a_field_is_its_attribute_s(registry):
    task = declare(registry, name=fields.String(doc="What people call it."))
    assert task.name.__doc__ == "What people call it."


def test_a_field_of_another_model_is_no_condition(registry):
    task, job = (
        declare(registry, name=fields.String()),
        declare(registry, "Job", age=fields.Float()),
    )
    with pytest.raises(QueryError, match=r"Job\.age is no field of Task"):
        task.objects.filter(job.age > 5)


# -- extra ----------------------------------------------------------------------------------------


def loaded(model, **row):
    """Return an object as the server's full answer makes it, of no session."""
    mapper = model.__mapper__
    return mapper.instance(row, objmapper.state.Page(None, mapper, [row.get("id")]))


def test_extra_has_what_came_beside_the_declared_fields(registry):
    task = declare(registry, created=fields.String(data_key="created_date"))
    one = loaded(task, id=1, created_date="x", mode="annotation", size=5)
    assert one.extra == {"mode": "annotation", "size": 5}
    assert one.to_dict() == {"id": 1, "created": "x"}


def test_a_new_object_has_no_extra(registry):
    assert declare(registry)().extra == {}


# -- value objects --------------------------------------------------------------------------------


class Address(Embedded):
    street = fields.String()
    zip_code = fields.String(data_key="zip", null=True)


class Person(Embedded):
    username = fields.String(required=True)
    address = fields.Nested(Address, null=True)
    tags = fields.List(fields.String(), default=list)


def test_a_value_object_has_typed_fields_without_an_endpoint():
    one = Person(username="x", address=Address(street="Way", zip_code="1"))
    assert one.address.street == "Way"
    assert one.to_dict() == {
        "username": "x",
        "address": {"street": "Way", "zip_code": "1"},
        "tags": [],
    }


def test_value_objects_are_equal_by_value_and_unhashable():
    assert Person(username="x") == Person(username="x")
    assert Person(username="x") != Person(username="y")
    assert Person(username="x") != {"username": "x"}
    with pytest.raises(TypeError):
        hash(Person(username="x"))


def test_a_copy_of_a_value_object_has_its_values_and_containers_of_its_own():
    one = Person(username="x", address=Address(street="Way"), tags=["a"])
    for other in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert other == one
        other.address.street = "Road"
        other.tags.append("b")
        assert (one.address.street, one.tags) == ("Way", ["a"])
    shallow = copy.copy(one)
    shallow.username = "y"
    assert (one.username, shallow.tags is one.tags) == ("x", True)


def test_a_copy_of_a_value_object_has_no_default_that_was_only_read():
    class Holder(Embedded):
        tags = fields.List(fields.String())

    one = Holder()
    assert one.tags == []
    for other in (copy.copy(one), copy.deepcopy(one)):
        assert other.to_dict() == {}


def test_a_default_that_was_read_and_then_set_is_said():
    class Holder(Embedded):
        tags = fields.List(fields.String())

    one = Holder()
    assert one.tags == []
    one.tags = []
    assert one.to_dict() == {"tags": []}


def test_a_value_object_s_schema_loads_value_objects():
    loaded = Person.Schema().load({"username": "x", "address": {"street": "Way", "zip": "1"}})
    assert loaded == Person(username="x", address=Address(street="Way", zip_code="1"))
    assert Person.Schema().dump(loaded) == {
        "username": "x",
        "address": {"street": "Way", "zip": "1"},
        "tags": [],
    }


def test_a_value_object_shows_its_values():
    assert repr(Address(street="Way")) == "Address(street='Way')"


def test_value_objects_inherit_fields():
    class Employee(Person):
        salary = fields.Integer()

    assert list(Employee.__fields__) == ["username", "address", "tags", "salary"]
    assert Employee(username="x", salary=5).salary == 5


def test_a_nested_field_takes_a_dict_of_field_names(registry):
    task = declare(registry, owner=fields.Nested(Person))
    one = task(owner={"username": "x", "address": {"street": "Way", "zip_code": "1"}})
    assert one.owner == Person(username="x", address=Address(street="Way", zip_code="1"))
    with pytest.raises(FieldDoesNotExist, match="usernme"):
        task(owner={"usernme": "x"})


def test_two_wire_names_of_a_value_object_are_an_error():
    with pytest.raises(DeclarationError, match="one and two both have the data_key 'one'"):

        class Bad(Embedded):
            one = fields.String()
            two = fields.String(data_key="one")


@pytest.mark.parametrize(
    "field", [fields.ForeignKey("Task"), fields.HasMany("Task", by="project")], ids=repr
)
def test_a_value_object_holds_no_relations(field):
    with pytest.raises(DeclarationError, match="an Embedded can't hold"):
        types.new_class("Bad", (Embedded,), exec_body=lambda ns: ns.update(task=field))


def test_a_nested_field_takes_a_value_object_s_class():
    with pytest.raises(DeclarationError, match=r"an Embedded class.*is a ForeignKey"):
        fields.Nested(Model)


# -- options of fields ----------------------------------------------------------------------------


@pytest.mark.parametrize("default", [[], {}, set(), Address(street="x")], ids=repr)
def test_a_default_that_all_objects_would_share_is_an_error(default):
    with pytest.raises(DeclarationError, match="would be shared by all objects"):
        fields.Raw(default=default)


@pytest.mark.parametrize(
    "options",
    [
        {"read_only": True, "write_once": True},
        {"read_only": True, "write_only": True},
        {"write_once": True, "write_only": True},
    ],
    ids=" and ".join,
)
def test_read_only_write_once_and_write_only_exclude_each_other(options):
    with pytest.raises(DeclarationError, match="exclude each other"):
        fields.String(**options)


def test_a_read_only_field_can_t_be_required():
    with pytest.raises(DeclarationError, match="can't be required"):
        fields.String(read_only=True, required=True)


def test_an_unknown_field_option_is_a_type_error():
    with pytest.raises(TypeError, match="nul"):
        fields.String(nul=True)


# -- custom fields --------------------------------------------------------------------------------


class Celsius(fields.Float):
    def to_python(self, wire):
        return wire - 273.0

    def to_wire(self, value):
        return value + 273.0


class Version(fields.Field):
    """A field of a type of its own, declared as shortly as can be."""

    def to_python(self, wire):
        return tuple(int(part) for part in wire.split("."))

    def to_wire(self, value):
        return ".".join(map(str, value))


class Upper(fields.String):
    def coerce(self, value):
        return value.upper() if isinstance(value, str) else value


def test_a_custom_field_converts_both_ways(registry):
    room = declare(registry, "Room", warmth=Celsius(null=True), version=Version(null=True))
    one = loaded(room, id=1, warmth=293.0, version="1.2")
    assert one.warmth == 20.0
    assert one.warmth == 20.0  # converted once, not each time anew
    assert one.version == (1, 2)
    assert one.version == (1, 2)
    assert one.to_dict() == {"id": 1, "warmth": 293.0, "version": "1.2"}
    assert one.changes == {}
    one.warmth, one.version = 21.0, (2, 0)
    assert one.changes == {"warmth": (20.0, 21.0), "version": ((1, 2), (2, 0))}
    assert one.to_dict() == {"id": 1, "warmth": 294.0, "version": "2.0"}
    one.warmth, one.version = 20.0, (1, 2)
    assert one.changes == {}


def test_a_custom_field_reads_the_same_whether_it_was_read_before(registry):
    room = declare(registry, "Room", warmth=Celsius())
    assert loaded(room, id=1, warmth=293.0).to_dict() == {"id": 1, "warmth": 293.0}
    one = loaded(room, id=1, warmth=293.0)
    one.warmth = 20.0
    assert one.changes == {}
    one.warmth = 25.0
    one.revert()
    assert one.warmth == 20.0


def test_a_new_object_sends_a_custom_field_s_wire_value(registry):
    room = declare(registry, "Room", warmth=Celsius(), version=Version())
    one = room(warmth=20.0, version=(1, 2))
    assert (one.warmth, one.version) == (20.0, (1, 2))
    assert one.to_dict() == {"warmth": 293.0, "version": "1.2"}
    one.validate()


class Oven(Embedded):
    warmth = Celsius()


class Tags(fields.Field):
    """A list in Python, one text in JSON: changes in place are found."""

    python_type = list
    wire_types = (str,)
    mutable = True

    def to_python(self, wire):
        return wire.split(",")

    def to_wire(self, value):
        return ",".join(value)


def test_custom_fields_stand_in_value_objects_and_those_in_lists_and_dicts(registry):
    room = declare(
        registry,
        "Room",
        oven=fields.Nested(Oven),
        ovens=fields.List(Oven),
        by_name=fields.Dict(Oven),
    )
    row = {
        "id": 1,
        "oven": {"warmth": 373.0},
        "ovens": [{"warmth": 273.0}],
        "by_name": {"a": {"warmth": 473.0}},
    }
    one = loaded(room, **row)
    assert one.to_dict() == row
    assert (one.oven.warmth, one.ovens[0].warmth, one.by_name["a"].warmth) == (100.0, 0.0, 200.0)
    assert one.to_dict() == row
    assert one.changes == {}
    one.oven.warmth = 101.0
    assert one.changes == {"oven": (Oven(warmth=100.0), Oven(warmth=101.0))}
    assert one.to_dict() == row | {"oven": {"warmth": 374.0}}
    one.oven.warmth = 100.0
    assert one.changes == {}


def test_a_custom_field_may_change_in_place(registry):
    one = loaded(declare(registry, tags=Tags()), id=1, tags="a,b")
    one.tags.append("c")
    assert one.changes == {"tags": (["a", "b"], ["a", "b", "c"])}
    assert one.to_dict() == {"id": 1, "tags": "a,b,c"}
    one.tags.pop()
    assert one.changes == {}


def test_lists_hold_custom_fields_whose_values_are_told_from_json(registry):
    task = declare(registry, all_tags=fields.List(Tags()))
    one = loaded(task, id=1, all_tags=["a,b", "c"])
    assert one.all_tags == [["a", "b"], ["c"]]
    one.all_tags[1].append("d")
    assert one.to_dict() == {"id": 1, "all_tags": ["a,b", "c,d"]}
    assert set(one.changes) == {"all_tags"}


@pytest.mark.parametrize("kind", [fields.List, fields.Dict])
def test_a_custom_field_whose_values_look_like_json_stands_in_no_container(registry, kind):
    with pytest.raises(DeclarationError, match=r"of Celsius is not possible.*python_type"):
        declare(registry, week=kind(Celsius()))


def test_a_custom_field_that_changes_in_place_is_told_from_json(registry):
    class Headers(fields.Dict):
        def to_python(self, wire):
            return {key.lower(): value for key, value in wire.items()}

    with pytest.raises(DeclarationError, match=r"Task\.headers.*keeps = True"):
        declare(registry, headers=Headers())

    class LowerHeaders(Headers):
        keeps = True

    one = loaded(declare(registry, headers=LowerHeaders()), id=1, headers={"A": 1})
    assert one.headers == {"a": 1}


def test_a_custom_field_whose_values_look_like_json_is_no_key(registry):
    class Slug(fields.String):
        def to_python(self, wire):
            return wire.lower()

    with pytest.raises(DeclarationError, match=r"Task\.id can't be the primary key"):
        declare(registry, id=Slug(primary_key=True))


def test_a_custom_field_s_coercion_is_asked_at_each_setting(registry):
    task = declare(registry, code=Upper())
    one = task(code="a")
    assert one.code == "A"
    one.code = "b"
    assert one.code == "B"
    one.code = "c"
    assert one.code == "C"


def test_a_custom_field_s_validators_see_its_python_value(registry):
    room = declare(registry, "Room", warmth=Celsius(validate=validate.Range(min=0, max=40)))
    room(warmth=20.0).validate()
    with pytest.raises(ValidationError, match="40"):
        room(warmth=293.0).validate()


# -- Schema ---------------------------------------------------------------------------------------


class Stage(enum.Enum):
    ANNOTATION = "annotation"
    DONE = "done"


@pytest.fixture
def scheduled(registry):
    place = registry

    class Task(Model):
        id = fields.Integer(primary_key=True)
        name = fields.String(required=True, validate=validate.Length(max=5))
        stage = fields.Enum(Stage, null=True)
        start = fields.Integer(data_key="start_date", null=True)
        stop = fields.Integer(null=True)
        owner = fields.Nested(Person, null=True)
        secret = fields.String(write_only=True)
        project = fields.ForeignKey("Project", data_key="project_id", required=True)

        class Meta:
            registry = place

        class Schema:
            @marshmallow.validates_schema
            def in_order(self, data, **kwargs):
                if (data.get("stop") or 0) < (data.get("start") or 0):
                    raise marshmallow.ValidationError("Ends before it starts.", "stop")

            @marshmallow.validates("name")
            def not_tmp(self, value, **kwargs):
                if value == "tmp":
                    raise marshmallow.ValidationError("Find a better one.")

    declare(registry, "Project")
    return Task


def test_schema_is_a_marshmallow_schema_class(scheduled):
    schema = scheduled.Schema
    assert issubclass(schema, marshmallow.Schema)
    assert schema is scheduled.Schema
    assert schema.__name__ == "TaskSchema"


def test_schema_loads_and_dumps_wire_rows(scheduled):
    schema = scheduled.Schema(unknown=marshmallow.EXCLUDE)
    row = {"name": "x", "stage": "done", "start_date": 1, "stop": 2, "project_id": 7}
    data = schema.load(row)
    assert data == {"name": "x", "stage": Stage.DONE, "start": 1, "stop": 2, "project": 7}
    assert schema.dump(data) == row


def test_schema_knows_nested_value_objects(scheduled):
    schema = scheduled.Schema()
    wrong = {"name": "x", "project_id": 7, "owner": {"address": {"street": 5}}}
    assert schema.validate(wrong) == {
        "owner": {
            "username": ["Missing data for required field."],
            "address": {"street": ["Not a valid string."]},
        }
    }


def test_schema_neither_loads_what_is_read_only_nor_dumps_secrets(scheduled):
    schema = scheduled.Schema()
    assert schema.validate({"name": "x", "project_id": 7, "id": 5}) == {"id": ["Unknown field."]}
    assert schema.dump({"name": "x", "secret": "s3cret"}) == {"name": "x"}


def test_schema_level_validators_run_before_a_commit(scheduled):
    one = scheduled(name="x", start=5, stop=3, project=7)
    with pytest.raises(ValidationError) as caught:
        one.validate()
    assert caught.value.messages == {"stop": ["Ends before it starts."]}
    one.stop = 9
    one.validate()


def test_field_validators_of_the_schema_run_too(scheduled):
    with pytest.raises(ValidationError) as caught:
        scheduled(name="tmp", project=7).validate()
    assert caught.value.messages == {"name": ["Find a better one."]}


def test_a_pending_parent_is_not_missing_to_the_schema(scheduled):
    scheduled(name="x", project=scheduled.project.target()).validate()


def test_schema_level_validators_are_inherited(scheduled):
    class SubTask(scheduled):
        extra_note = fields.String(null=True)

    with pytest.raises(ValidationError, match="Ends before"):
        SubTask(name="x", start=5, stop=3, project=7).validate()


def test_a_model_s_schema_may_be_a_schema_already(registry):
    class Base(marshmallow.Schema):
        class Meta:
            register = False

        @marshmallow.validates_schema
        def never(self, data, **kwargs):
            raise marshmallow.ValidationError("Never.")

    task = declare(registry, name=fields.String(), Schema=Base)
    with pytest.raises(ValidationError) as caught:
        task(name="x").validate()
    assert caught.value.messages == {"_schema": ["Never."]}


# -- the face -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    (
        "Client Embedded FETCH_ONE FETCH_PEERS Model Q RAISE Registry Session TokenAuth connect "
        "fields inspect signals validate"
    ).split(),
)
def test_the_names_of_the_tour_are_importable_from_objmapper(name):
    assert name in objmapper.__all__
    assert hasattr(objmapper, name)
