"""What is written to CVAT: one name for reading and writing, only what changed, labels in their parent."""

import pytest

from objmapper import CommitError, ReadOnlyFieldError, Session, ValidationError, inspect
from objmapper.cvat import Job, Label, Project, Task, User
from objmapper.cvat.models import Attribute, Stage, State
from objmapper.exceptions import BadRequest, NotFound, QueryError


def plain(client, path):
    """What the server has, by the low-level reach."""
    return client.request("GET", path).json()


def plain_labels(client, project):
    rows = plain(client, f"/labels?project_id={project.id}&page_size=100")["results"]
    return {row["name"]: row for row in rows}


@pytest.fixture
def project(client):
    """A project with the labels car and bus, just committed."""
    made = Project(name="p", labels=[Label(name="car", color="#ff00ff"), {"name": "bus"}])
    made.commit()
    return made


class TestNames:
    @pytest.mark.parametrize(
        ("model", "read", "write"),
        [(Project, "assignee", "assignee_id"), (Task, "assignee", "assignee_id")],
        ids=["project", "task"],
    )
    def test_an_assignee_is_read_as_an_object_and_written_as_an_id(
        self, seeded, requests_of, model, read, write
    ):
        obj, user = model.objects.get(id=1), User.objects.get(username="annotator2")
        obj.assignee = user
        with requests_of() as sent:
            obj.commit()
            assert obj.assignee is user
        assert sent.bodies == [{write: user.id}]
        assert plain(seeded, f"/{model.__mapper__.endpoint}/1")[read]["username"] == "annotator2"

    def test_a_job_s_assignee_is_written_under_the_name_it_is_read_by(self, seeded, requests_of):
        job, user = Job.objects.get(id=1), User.objects.get(username="annotator3")
        job.assignee = user
        with requests_of() as sent:
            job.commit()
            assert job.assignee.username == "annotator3"
        assert sent.bodies == [{"assignee": user.id}]
        job.assignee = None
        with requests_of() as sent:
            job.commit()
        assert sent.bodies == [{"assignee": None}]
        assert plain(seeded, "/jobs/1")["assignee"] is None

    def test_an_owner_is_written_as_owner_id(self, seeded, requests_of):
        project = Project.objects.get(id=1)
        project.owner = User.objects.get(username="annotator1")
        with requests_of() as sent:
            project.commit()
        assert sent.bodies == [{"owner_id": project.owner.id}]
        assert plain(seeded, "/projects/1")["owner"]["username"] == "annotator1"

    def test_a_task_moves_to_another_project(self, seeded, requests_of):
        task, target = Task.objects.get(id=1), Project.objects.get(id=2)
        task.project = target
        with requests_of() as sent:
            task.commit()
        assert sent.bodies == [{"project_id": 2}]
        assert task.project is target
        # 2.15 tells no names of projects.
        assert task.project_name == plain(seeded, "/tasks/1").get("project_name")
        assert task.project.name == "project 2"

    def test_setting_the_same_user_in_any_form_is_no_change(self, seeded):
        task = Task.objects.filter(assignee__username="annotator1")[0]
        user = User.objects.get(username="annotator1")
        for same in (task.assignee, user, user.id):
            task.assignee = same
            assert task.changes == {}

    def test_a_nested_user_serves_what_it_has_without_a_request(self, seeded, requests_of):
        task = Task.objects.filter(assignee__username="annotator1")[0]
        with requests_of() as sent:
            assert task.assignee.username == "annotator1"
            assert task.assignee.first_name == "Ann"
            assert task.owner.id == 1
        assert len(sent) == 0

    def test_what_a_nested_user_lacks_is_loaded_with_its_peers(self, seeded, requests_of):
        tasks = list(Task.objects.all())
        with requests_of() as sent:
            emails = {task.assignee.email for task in tasks if task.assignee}
        assert emails == {
            "annotator1@example.com",
            "annotator2@example.com",
            "annotator3@example.com",
        }
        assert len(sent) == 1

    def test_only_what_changed_is_sent(self, seeded, requests_of):
        job = Job.objects.get(id=1)
        job.stage, job.state = Stage.ACCEPTANCE, State.COMPLETED
        with requests_of() as sent:
            job.commit()
        assert list(sent) == [("PATCH", "/jobs/1")]
        assert sent.bodies == [{"stage": "acceptance", "state": "completed"}]
        assert job.status == "completed"  # the answer was merged

    def test_a_storage_is_taken_as_an_object_or_a_dict(self, client):
        task = Task(name="t", labels=[{"name": "a"}], target_storage={"location": "local"})
        task.commit()
        assert plain(client, f"/tasks/{task.id}")["target_storage"]["location"] == "local"
        assert task.target_storage.location == "local"
        assert task.source_storage is None or task.source_storage.location == "local"

    @pytest.mark.parametrize("name", ["status", "created_date", "size", "project_name"])
    def test_what_the_server_derives_can_not_be_set(self, seeded, name):
        task = Task.objects.get(id=1)
        with pytest.raises(ReadOnlyFieldError, match=name):
            setattr(task, name, "x")

    def test_a_segment_size_is_set_until_the_task_exists(self, client):
        task = Task(name="t", labels=[{"name": "a"}], segment_size=5)
        task.commit()
        assert plain(client, f"/tasks/{task.id}")["segment_size"] == 5
        with pytest.raises(ReadOnlyFieldError, match="segment_size"):
            task.segment_size = 6

    def test_a_task_without_data_reads_none_where_its_row_has_no_key(self, client, requests_of):
        task = Task(name="t", labels=[{"name": "a"}])
        task.commit()
        with requests_of() as sent:
            assert (task.size, task.image_quality, task.data_id, task.data_chunk_size) == (
                None,
            ) * 4
        assert len(sent) == 0


class TestVerbsOfTheSeed:
    def test_update_sends_now_and_the_object_has_the_answer(self, seeded, requests_of):
        task = seeded.tasks.retrieve(2)
        before = task.updated_date
        with requests_of() as sent:
            assert task.update({"name": "my task"}) is task
        assert list(sent) == [("PATCH", "/tasks/2")]
        assert task.name == "my task"
        assert task.updated_date > before

    def test_update_takes_the_names_of_the_wire_too(self, seeded):
        task = seeded.tasks.retrieve(2)
        task.update({"assignee_id": 3, "bug_tracker": "https://bugs.example.com/1"})
        assert task.assignee.id == 3
        assert plain(seeded, "/tasks/2")["assignee"]["id"] == 3

    def test_update_of_an_unknown_name_sends_nothing(self, seeded, requests_of):
        task = seeded.tasks.retrieve(2)
        with requests_of() as sent, pytest.raises(AttributeError, match="nmae"):
            task.update({"name": "y", "nmae": "x"})
        assert len(sent) == 0
        assert task.changes == {}

    def test_one_name_given_twice_is_refused(self, seeded):
        with pytest.raises(TypeError, match="assignee"):
            seeded.tasks.retrieve(2).update({"assignee": 3, "assignee_id": 3})

    def test_a_job_s_stage_is_updated_as_the_seed_does(self, seeded):
        job = seeded.jobs.retrieve(1)
        job.update({"stage": "validation"})
        assert job.stage is Stage.VALIDATION

    def test_fetch_takes_the_server_s_state(self, seeded):
        task = seeded.tasks.retrieve(2)
        seeded.request("PATCH", "/tasks/2", json={"name": "elsewhere"})
        assert task.name == "task 1-02"
        assert task.fetch() is task
        assert task.name == "elsewhere"

    def test_remove_leaves_the_local_copy(self, seeded):
        task = seeded.tasks.retrieve(2)
        task.remove()
        with pytest.raises(NotFound):
            plain(seeded, "/tasks/2")
        assert (task.id, task.name) == (2, "task 1-02")
        assert inspect(task).lifecycle == "detached"

    def test_create_takes_the_seed_s_spec(self, client):
        task = client.tasks.create(
            {
                "name": "example task",
                "labels": [
                    {
                        "name": "car",
                        "color": "#ff00ff",
                        "attributes": [
                            {
                                "name": "a",
                                "mutable": True,
                                "input_type": "number",
                                "default_value": "5",
                                "values": ["4", "5", "6"],
                            }
                        ],
                    }
                ],
            }
        )
        label = plain(client, f"/labels?task_id={task.id}")["results"][0]
        assert (label["name"], label["color"]) == ("car", "#ff00ff")
        attribute = {key: value for key, value in label["attributes"][0].items() if key != "id"}
        assert attribute == {
            "name": "a",
            "mutable": True,
            "input_type": "number",
            "default_value": "5",
            "values": ["4", "5", "6"],
        }

    def test_create_takes_the_names_of_the_wire_and_keywords(self, seeded):
        task = seeded.tasks.create({"name": "x", "project_id": 1}, assignee=2)
        assert (task.project.name, task.assignee.id) == ("project 1", 2)
        with pytest.raises(AttributeError, match="bogus"):
            seeded.tasks.create({"name": "x", "bogus": 1})

    def test_a_text_is_no_list_of_ids(self, seeded):
        with pytest.raises(TypeError, match=r"Did you mean \['12'\]"):
            seeded.tasks.remove_by_ids("12")
        assert seeded.tasks.filter(id__in=[1, 2]).count() == 2

    def test_remove_by_ids_goes_on_and_tells_every_failure(self, seeded):
        with pytest.raises(CommitError) as failed:
            seeded.tasks.remove_by_ids([1, 998, 2, 999, 1])
        report = failed.value.report
        assert [task.id for task in report.deleted.objects] == [1, 2]
        assert {entry.object.id: type(entry.error) for entry in report.failed} == {
            998: NotFound,
            999: NotFound,
        }
        assert plain(seeded, "/tasks")["count"] == 6
        assert seeded.session.deleted == []
        assert seeded.tasks.remove_by_ids([3]).ok


class TestLabels:
    def test_a_project_and_its_labels_are_one_request(self, client, requests_of):
        project = Project(name="p", labels=[Label(name="car", color="#ff00ff"), {"name": "bus"}])
        client.session.add(project)
        with requests_of() as sent:
            report = client.session.commit()
        assert list(sent) == [("POST", "/projects")]
        assert sent.bodies == [
            {"name": "p", "labels": [{"name": "car", "color": "#ff00ff"}, {"name": "bus"}]}
        ]
        created = report.created.objects
        assert created[0] is project
        assert [label.name for label in created[1:]] == ["car", "bus"]
        assert report.requests == 1
        assert client.session.new == client.session.dirty == []
        assert plain_labels(client, project).keys() == {"car", "bus"}

    def test_a_task_with_labels_of_its_own_is_one_request(self, client, requests_of):
        with requests_of() as sent:
            task = client.tasks.create(name="t", labels=[{"name": "car"}])
        assert len(sent) == 1
        assert [label.name for label in task.labels] == ["car"]

    def test_the_keys_load_on_the_first_touch_of_one_together(self, client, requests_of):
        labels = [Label(name="car"), Label(name="bus")]
        project = Project(name="p", labels=labels)
        project.commit()
        with requests_of() as sent:
            ids = {label.name: label.id for label in labels}
        assert ids == {name: row["id"] for name, row in plain_labels(client, project).items()}
        assert len(sent) == 1
        with requests_of() as sent:
            assert {label.color for label in labels} == {
                row["color"] for row in plain_labels(client, project).values()
            }
        assert len(sent) == 1  # the plain one of this very test

    def test_a_label_without_a_key_is_the_same_object_when_its_row_comes(self, client):
        car = Label(name="car")
        project = Project(name="p", labels=[car])
        project.commit()
        assert inspect(car).lifecycle == "persistent"
        assert project.labels.get(name="car") is car
        assert car.id is not None
        assert [*project.labels] == [car]

    def test_a_label_without_a_key_can_be_renamed_or_deleted(self, client, requests_of):
        car, bus = Label(name="car", color="#ff00ff"), Label(name="bus")
        project = Project(name="p", labels=[car, bus])
        project.commit()
        car.name = "automobile"
        with requests_of() as sent:
            client.session.plan()
        assert len(sent) == 0
        car.commit()
        bus.delete()
        assert {name: row["color"] for name, row in plain_labels(client, project).items()} == {
            "automobile": "#ff00ff"
        }

    def test_a_label_that_got_its_colour_from_cvat_keeps_it(self, client):
        car = Label(name="car")
        project = Project(name="p", labels=[car])
        project.commit()
        colour = plain_labels(client, project)["car"]["color"]
        car.name = "automobile"
        car.commit()
        assert plain_labels(client, project)["automobile"]["color"] == colour
        assert car.color == colour

    def test_a_label_is_added_and_deleted_through_its_parent(self, project, client, requests_of):
        with requests_of() as sent:
            tram = project.labels.create(name="tram")
        assert list(sent) == [("PATCH", f"/projects/{project.id}")]
        assert sent.bodies == [{"labels": [{"name": "tram"}]}]
        bus = project.labels.get(name="bus")
        with requests_of() as sent:
            bus.delete()
        assert list(sent) == [("PATCH", f"/projects/{project.id}")]
        assert sent.bodies == [{"labels": [{"id": bus.id, "deleted": True}]}]
        assert plain_labels(client, project).keys() == {"car", "tram"}
        assert tram.id == plain_labels(client, project)["tram"]["id"]

    def test_a_renamed_label_keeps_its_colour(self, project, client, requests_of):
        car = project.labels.get(name="car")
        car.name = "automobile"
        with requests_of() as sent:
            car.commit()
        assert sent.bodies == [
            {"labels": [{"id": car.id, "color": "#ff00ff", "name": "automobile"}]}
        ]
        assert plain_labels(client, project)["automobile"]["color"] == "#ff00ff"
        assert car.changes == {}

    def test_several_labels_and_the_parent_s_own_changes_are_one_request(
        self, project, client, requests_of
    ):
        labels = {label.name: label for label in project.labels}
        labels["car"].color = "#00ff00"
        client.session.delete(labels["bus"])
        client.session.add(Label(project=project, name="tram"))
        project.name = "renamed"
        with requests_of() as sent:
            report = client.session.commit()
        assert list(sent) == [("PATCH", f"/projects/{project.id}")]
        (body,) = sent.bodies
        assert body["name"] == "renamed"
        assert len(body["labels"]) == 3
        assert (len(report.created), len(report.updated), len(report.deleted)) == (1, 2, 1)
        assert project.name == "renamed"
        rows = plain_labels(client, project)
        assert rows.keys() == {"car", "tram"}
        assert rows["car"]["color"] == "#00ff00"
        assert inspect(labels["bus"]).lifecycle == "detached"

    def test_a_new_label_for_a_new_parent_joins_the_parent_s_request(self, client, requests_of):
        project = Project(name="p")
        client.session.add(Label(project=project, name="car"))
        with requests_of() as sent:
            report = client.session.commit()
        assert list(sent) == [("POST", "/projects")]
        assert {type(obj) for obj in report.created.objects} == {Project, Label}

    def test_a_parent_given_by_its_key_joins_the_parent_s_own_changes(self, seeded, requests_of):
        project = Project.objects.get(id=1)
        project.name = "renamed"
        seeded.session.add(Label(project=1, name="tram"))
        with requests_of() as sent:
            seeded.session.commit()
        assert list(sent) == [("PATCH", "/projects/1")]
        assert sent.bodies == [{"name": "renamed", "labels": [{"name": "tram"}]}]
        assert "tram" in plain_labels(seeded, project)

    def test_labels_of_several_parents_are_a_request_each(self, seeded, requests_of):
        for label in [*Label.objects.filter(project=1), *Label.objects.filter(project=2)]:
            label.color = "#123456"
        with requests_of() as sent:
            report = seeded.session.commit()
        assert sorted(sent) == [("PATCH", "/projects/1"), ("PATCH", "/projects/2")]
        assert len(report.updated) == 6

    def test_labels_go_with_their_parent(self, project, client, requests_of):
        for label in project.labels:
            client.session.delete(label)
        client.session.delete(project)
        report = client.session.commit()
        assert len(report.deleted) == 3
        assert plain(client, "/projects")["count"] == 0
        assert plain(client, "/labels")["count"] == 0

    def test_a_project_s_tasks_and_jobs_show_its_labels(self, seeded):
        names = ["car", "person", "tree"]
        task, job = Task.objects.get(id=1), Job.objects.get(id=1)
        assert [label.name for label in task.labels] == names
        assert [label.name for label in job.labels] == names
        assert task.labels.get(name="car") is Project.objects.get(id=1).labels.get(name="car")

    def test_a_label_of_a_task_s_project_is_changed_through_the_project(self, seeded, requests_of):
        label = Task.objects.get(id=1).labels.get(name="car")
        label.color = "#abcdef"
        with requests_of() as sent:
            label.commit()
        assert list(sent) == [("PATCH", "/projects/1")]

    def test_attributes_are_changed_in_place_and_added(self, seeded, requests_of):
        label = Label.objects.filter(project=1, name="car")[0]
        known = label.attributes[0].id
        label.attributes[0].name = "standing"
        label.attributes.append(
            Attribute(name="age", mutable=False, input_type="number", values=["0", "9", "1"])
        )
        label.commit()
        row = plain(seeded, f"/labels/{label.id}")
        assert [(each["id"] == known, each["name"]) for each in row["attributes"]] == [
            (True, "standing"),
            (False, "age"),
        ]
        assert label.changes == {}

    def test_a_label_that_the_server_refuses_stays_pending(self, project, client):
        twice = Label(project=project, name="car")
        client.session.add(twice)
        project.name = "renamed"
        with pytest.raises(CommitError) as failed:
            client.session.commit()
        report = failed.value.report
        assert set(report.failed.objects) == {twice, project}
        assert isinstance(report.failed[0].error, BadRequest)
        assert client.session.new == [twice]
        assert project.changes == {"name": ("p", "renamed")}
        client.session.rollback()

    def test_a_label_without_a_parent_is_refused_before_anything_is_sent(self, client, requests_of):
        client.session.add(Label(name="car"))
        with requests_of() as sent, pytest.raises(QueryError, match="parent"):
            client.session.commit()
        assert len(sent) == 0
        client.session.rollback()

    def test_a_label_for_a_task_in_a_project_is_refused_as_cvat_would_ignore_it(
        self, seeded, requests_of
    ):
        task = Task.objects.get(id=1)
        with requests_of() as sent, pytest.raises(QueryError, match="project"):
            task.labels.create(name="tram")
        assert len(sent) == 0
        assert seeded.session.new == []
        new = Task(name="t", project=1, labels=[{"name": "tram"}])
        seeded.session.add(new)
        with requests_of() as sent, pytest.raises(QueryError, match="project"):
            seeded.session.commit()
        assert len(sent) == 0
        seeded.session.rollback()

    def test_a_label_s_parent_is_set_until_it_exists(self, seeded):
        label = Label.objects.filter(project=1)[0]
        with pytest.raises(ReadOnlyFieldError, match="project"):
            label.project = 2


class TestPlans:
    def test_a_project_goes_before_its_tasks(self, client, requests_of):
        project = Project(name="p", labels=[{"name": "car"}])
        client.session.add_all(Task(name=f"t{n}", project=project) for n in range(3))
        plan = client.session.plan()
        assert [[op.request.shown_path for op in wave] for wave in plan.waves] == [
            ["/projects"],
            ["/tasks"] * 3,
        ]
        client.session.commit()
        assert {task.project for task in Task.objects.filter(project=project)} == {project}
        assert plain(client, f"/tasks?project_id={project.id}")["count"] == 3

    def test_a_task_needs_labels_or_a_project(self, client):
        with pytest.raises(CommitError, match="Label set or project_id must be present"):
            client.tasks.create(name="t")
        assert client.session.new == []

    @pytest.mark.parametrize("name", ["", "x" * 257, None, 7])
    def test_a_name_that_cvat_would_refuse_is_not_sent(self, client, requests_of, name):
        with requests_of() as sent, pytest.raises(ValidationError, match="name"):
            client.projects.create(name=name)
        assert len(sent) == 0

    def test_a_deleted_project_takes_its_tasks(self, seeded):
        Project.objects.get(id=1).delete()
        assert {task.project.id for task in Task.objects.all()} == {2}

    def test_another_session_sees_what_was_committed(self, seeded):
        task = Task.objects.get(id=1)
        with Session(seeded):
            other = Task.objects.get(id=1)
            assert other is not task
            other.update({"name": "by the other"})
        assert Task.objects.get(id=1) is task
        assert task.name == "by the other"
