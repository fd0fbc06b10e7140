"""What somebody who types at Python's prompt sees of objects, reports and errors."""

import traceback

import pytest

from objmapper import Client, CommitError, DetachedError, Manager, Model, Registry, Session, fields
from objmapper.cvat import Client as CVATClient
from objmapper.cvat import Project, Task
from objmapper.exceptions import FieldDoesNotExist, UnsupportedLookup


@pytest.fixture
def client():
    with CVATClient("embedded://cvat?seed=1x2&check=1") as client:
        yield client
        client.session.rollback()


def test_a_report_tells_its_counts(client):
    client.session.add(Project(name="p"))
    report = client.session.commit()
    report.seconds = 0.25
    assert repr(report) == "<CommitReport: 1 created; 1 request, 0 sent again, 0.25 s>"
    report = client.session.commit()
    report.seconds = 0.0
    report.errors.append(RuntimeError("a receiver's own"))
    assert (
        repr(report) == "<CommitReport: nothing to do; 0 requests, 0 sent again, 0.00 s, errors: 1>"
    )


def test_an_entry_is_shown_as_its_object_and_what_went_wrong_with_it(client):
    task = client.tasks.get(name="task 1-01")
    task.name = "renamed"
    client.session.add(Task(name="stray", project=999))
    with pytest.raises(CommitError) as caught:
        client.session.commit(on_error="continue")
    report = caught.value.report
    assert repr(report.updated) == f"[<Task {task.id} name='renamed'>]"
    assert repr(report.failed).startswith("[<<Task name='stray'>: POST ")
    assert "999" in repr(report.failed)


def test_a_plan_tells_how_many_requests_it_is(client):
    assert repr(client.session.plan()) == "<Plan: 0 requests in 0 waves>"
    client.session.add(Task(name="t", project=Project(name="p")))
    assert repr(client.session.plan()) == "<Plan: 2 requests in 2 waves>"
    client.session.rollback()
    client.session.add(Project(name="p"))
    assert repr(client.session.plan()) == "<Plan: 1 request in 1 wave>"


def test_a_manager_is_shown_by_its_model_where_it_has_one():
    assert repr(Task.objects) == "<Task.objects>"
    assert repr(Manager()) == "<Manager.objects>"


def test_a_name_that_is_no_field_is_told_once(client):
    with pytest.raises(FieldDoesNotExist) as caught:
        client.tasks.filter(nmae="t")
    assert str(caught.value) == "Task has no field 'nmae'. Did you mean 'name'?"
    with pytest.raises(FieldDoesNotExist, match=r"'nmae' \(project__nmae\)\. Did you mean 'name'"):
        client.tasks.prefetch_related("project__nmae")


def test_a_field_that_can_t_be_had_is_one_error_not_two():
    client = CVATClient("embedded://cvat?seed=1x1")
    project = client.tasks.first().project
    client.close()
    with pytest.raises(DetachedError) as caught:
        project.name  # noqa: B018 - the read is the point
    assert "KeyError" not in "".join(traceback.format_exception(caught.value))


def test_a_lookup_of_a_model_that_names_no_filters_says_where_they_would_stand():
    class Task(Model):
        id = fields.Integer(primary_key=True)
        subset = fields.String()

        class Meta:
            registry = Registry()

    with (
        Client("embedded://cvat?seed=1x1") as client,
        Session(client),
        pytest.raises(UnsupportedLookup, match=r"nothing that Task's Meta\.dialect_options"),
    ):
        Task.objects.filter(subset="train").first()
