"""Labels are objects: skeletons, attributes that go, and lists of edits as CVAT's own PATCH has them."""

import pytest

from objmapper import CommitError, FieldDoesNotExist, NotFound, ReadOnlyFieldError, ValidationError
from objmapper.cvat import Client, Label, Project, Task, models
from objmapper.cvat.models import Attribute, Sublabel

SIZE = models.AttributeRequest(
    name="size", mutable=True, input_type="select", values=["s", "m"], default_value="s"
)
PARKED = models.AttributeRequest(
    name="parked", mutable=True, input_type="checkbox", values=["false"]
)
PERSON = models.LabelRequest(
    name="person",
    type="skeleton",
    svg='<circle data-label-name="head"/><circle data-label-name="foot"/>',
    sublabels=[
        models.SublabelRequest(name="head", type="points", color="#112233", attributes=[SIZE]),
        {"name": "foot", "type": "points"},
    ],
)


@pytest.fixture(scope="module", params=["2.80", "2.15"])
def server(request):
    """One server for all of the module: each test has a project of its own."""
    with Client(f"embedded://cvat?version={request.param}&check=1") as client:
        yield client
        assert client.server.violations == []


@pytest.fixture
def project(server):
    """A project with the labels person, a skeleton, and car, with two attributes."""
    made = Project(
        name="p", labels=[PERSON, {"name": "car", "color": "#ff00ff", "attributes": [SIZE, PARKED]}]
    )
    made.commit()
    yield made
    assert server.session.new == server.session.dirty == server.session.deleted == []


@pytest.fixture
def car(project):
    return project.labels.get(name="car")


@pytest.fixture
def person(project):
    return project.labels.get(name="person")


def rows(server, project):
    """The labels that the server has, by name."""
    answer = server.request("GET", f"/labels?project_id={project.id}&page_size=100").json()
    return {row["name"]: row for row in answer["results"]}


class TestSkeletons:
    def test_a_skeleton_is_made_with_its_points_and_its_drawing(self, server, project, person):
        head, foot = person.sublabels
        assert (head.name, head.type, head.color) == ("head", "points", "#112233")
        assert [each.name for each in head.attributes] == ["size"]
        assert person.svg == (
            f'<circle data-label-id="{head.id}"/><circle data-label-id="{foot.id}"/>'
        )
        assert rows(server, project)["person"]["sublabels"][1]["name"] == "foot"

    def test_a_point_is_edited_by_an_item_of_its_own(self, server, project, person, requests_of):
        head = person.sublabels[0]
        head.name = "nose"
        with requests_of() as sent:
            person.commit()
        assert list(sent) == [("PATCH", f"/projects/{project.id}")]
        (item,) = sent.bodies[0]["labels"]
        assert {name: item[name] for name in ("id", "name", "color")} == {
            "id": head.id, "name": "nose", "color": "#112233"
        }  # fmt: skip
        told = rows(server, project)["person"]["sublabels"]
        assert (told[0]["name"], told[0]["color"]) == ("nose", "#112233")
        assert person.changes == {}

    def test_a_point_and_its_skeleton_are_edited_in_one_request(self, server, project, person):
        person.name, person.sublabels[1].name = "rider", "toe"
        assert person.commit().requests == 1
        told = rows(server, project)["rider"]
        assert [each["name"] for each in told["sublabels"]] == ["head", "toe"]

    @pytest.mark.parametrize(
        ("edit", "told"),
        [
            (lambda label: label.sublabels.append(Sublabel(name="knee")), "number of points"),
            (lambda label: label.sublabels.pop(), "number of points"),
            (lambda label: setattr(label, "svg", "<g/>"), "drawing"),
        ],
        ids=["a new point", "a point less", "another drawing"],
    )
    def test_what_cvat_would_ignore_is_refused(self, person, requests_of, edit, told):
        edit(person)
        with requests_of() as sent, pytest.raises(ValidationError, match=told):
            person.commit()
        assert len(sent) == 0
        person.revert()


class TestJustMade:
    """What CVAT does not tell when it makes a label, the ids of its parts, is asked for."""

    @pytest.fixture
    def pose(self, project):
        """A label that nobody has read since it was made."""
        made = Label(
            name="pose",
            type="skeleton",
            svg='<circle data-label-name="nose"/><circle data-label-name="tail"/>',
            sublabels=[{"name": "nose", "attributes": [SIZE]}, {"name": "tail"}],
            attributes=[SIZE, PARKED],
            project=project,
        )
        made.commit()
        return made

    @pytest.mark.parametrize("part", ["sublabels", "attributes"])
    def test_its_parts_are_renamed_where_they_are(self, server, project, pose, requests_of, part):
        before = rows(server, project)["pose"][part]
        getattr(pose, part)[0].name = "other"
        with requests_of() as sent:
            pose.commit()
        assert [verb for verb, _ in sent if verb != "GET"] == ["PATCH"]
        after = rows(server, project)["pose"][part]
        assert [each["id"] for each in after] == [each["id"] for each in before]
        assert [each["name"] for each in after] == ["other", before[1]["name"]]
        assert [each.get("color") for each in after] == [each.get("color") for each in before]
        getattr(pose, part)[1].name = "another"
        pose.commit()
        after = rows(server, project)["pose"][part]
        assert [each["name"] for each in after] == ["other", "another"]
        assert [each["id"] for each in after] == [each["id"] for each in before]

    def test_an_attribute_of_its_point_is_renamed_too(self, server, project, pose):
        before = rows(server, project)["pose"]["sublabels"][0]["attributes"]
        pose.sublabels[0].attributes[0].name = "length"
        pose.commit()
        after = rows(server, project)["pose"]["sublabels"][0]["attributes"]
        assert after == [before[0] | {"name": "length"}]

    def test_what_is_added_beside_is_new_and_what_was_there_stays(self, server, project, pose):
        before = rows(server, project)["pose"]["attributes"]
        pose.attributes.append(Attribute(name="wet", mutable=False, input_type="text", values=[]))
        pose.attributes[1].name = "standing"
        pose.commit()
        after = rows(server, project)["pose"]["attributes"]
        assert [each["name"] for each in after] == ["size", "standing", "wet"]
        assert [each["id"] for each in after[:2]] == [each["id"] for each in before]

    def test_many_are_asked_for_together(self, server, project, requests_of):
        made = [Label(name=f"l{n}", attributes=[SIZE], project=project) for n in range(5)]
        server.session.add_all(made)
        server.session.commit()
        for label in made:
            label.attributes[0].name, label.color = "length", "#010203"
        with requests_of() as sent:
            server.session.commit()
        assert [verb for verb, _ in sent] == ["GET", "PATCH"]
        told = rows(server, project)
        assert {told[f"l{n}"]["attributes"][0]["name"] for n in range(5)} == {"length"}

    def test_what_others_have_renamed_meanwhile_is_told(self, server, project, pose, requests_of):
        row = rows(server, project)["pose"]
        theirs = [row["attributes"][0] | {"name": "theirs"}]
        edit = {"id": row["id"], "color": row["color"], "attributes": theirs}
        server.request("PATCH", f"/projects/{project.id}", json={"labels": [edit]})
        pose.attributes[1].name = "other"
        with requests_of() as sent, pytest.raises(ValidationError, match=r"fetch\(\) the label"):
            pose.commit()
        assert "PATCH" not in [verb for verb, _ in sent]
        pose.revert()

    def test_what_has_gone_meanwhile_is_told(self, server, project, pose):
        server.request("DELETE", f"/labels/{rows(server, project)['pose']['id']}")
        pose.attributes[0].name = "other"
        with pytest.raises(ValidationError, match="can't be found out"):
            pose.commit()
        pose.revert()
        server.session.expunge(pose)

    def test_what_was_never_read_is_put_back(self, server, project, requests_of):
        label = Label(name="tram", project=project)
        label.commit()
        before = rows(server, project)["tram"]
        label.color, label.name = "#010203", "bus"
        with requests_of() as sent:
            assert len(server.session.plan().operations) == 1
        assert len(sent) == 0
        report = label.commit()
        assert rows(server, project)["bus"]["color"] == "#010203"
        report.undo()
        assert rows(server, project)["tram"] == before
        label.revert()  # what was undone waits to be committed again
        assert (label.name, label.color) == ("tram", before["color"])


class TestNamesThatChangeHands:
    """CVAT renames one by one, and has no two of a name: what gives a name up goes first."""

    @staticmethod
    def renamed(server, project, names):
        """Give labels other names in one commit; return what their ids are called then."""
        labels = {label.name: label for label in project.labels.all()}
        ids = {label.id: names[name] for name, label in labels.items() if name in names}
        for name, label in labels.items():
            label.name = names.get(name, name)
        assert server.session.commit().requests == 1
        told = {row["id"]: row["name"] for row in rows(server, project).values()}
        assert {key: told[key] for key in ids} == ids
        assert {label.id: label.name for label in labels.values()} == told
        return told

    @pytest.fixture
    def many(self, server):
        made = Project(name="p", labels=[{"name": name, "color": f"#00000{n}"} for n, name in
                                         enumerate("abcde")])  # fmt: skip
        made.commit()
        return made

    @pytest.mark.parametrize(
        "names",
        [
            {"a": "b", "b": "a"},
            {"a": "b", "b": "c", "c": "a", "d": "e", "e": "d"},
            {"a": "b", "b": "c", "c": "x"},
            {"c": "x", "b": "c", "a": "b"},
        ],
        ids=["a swap", "two rings", "a chain", "a chain the other way round"],
    )
    def test_labels_take_each_other_s_names(self, server, many, names):
        colors = {row["id"]: row["color"] for row in rows(server, many).values()}
        self.renamed(server, many, names)
        assert {row["id"]: row["color"] for row in rows(server, many).values()} == colors

    def test_what_takes_a_name_that_goes_round_in_a_ring_is_for_the_server_to_refuse(
        self, server, many
    ):
        before = rows(server, many)
        for name, other in {"a": "b", "b": "c", "c": "b"}.items():
            many.labels.get(name=name).name = other
        with pytest.raises(CommitError):
            server.session.commit()
        server.session.rollback()
        assert rows(server, many) == before

    def test_a_swap_is_undone(self, server, many):
        before = rows(server, many)
        a, b = many.labels.get(name="a"), many.labels.get(name="b")
        a.name, b.name = "b", "a"
        report = server.session.commit()
        assert rows(server, many)["a"]["id"] == b.id
        report.undo()
        assert rows(server, many) == before
        server.session.rollback()
        assert (a.name, b.name) == ("a", "b")

    def test_the_name_of_one_that_is_deleted_is_free(self, server, many):
        before = rows(server, many)
        a, b = many.labels.get(name="a"), many.labels.get(name="b")
        b.name = "a"
        server.session.delete(a)
        server.session.add(Label(name="b", project=many))
        assert server.session.commit().requests == 1
        after = rows(server, many)
        assert after.keys() == set("abcde")
        assert after["a"]["id"] == before["b"]["id"]
        assert after["b"]["id"] not in {row["id"] for row in before.values()}

    def test_names_that_are_just_made_are_swapped(self, server):
        made = [Label(name="a"), Label(name="b")]
        project = Project(name="p", labels=made)
        project.commit()
        before = rows(server, project)
        made[0].name, made[1].name = "b", "a"
        server.session.commit()
        after = rows(server, project)
        assert {name: row["id"] for name, row in after.items()} == {
            "a": before["b"]["id"], "b": before["a"]["id"]
        }  # fmt: skip

    def test_the_points_of_a_skeleton_take_each_other_s_names(self, server, project, person):
        before = rows(server, project)["person"]["sublabels"]
        person.sublabels[0].name, person.sublabels[1].name = "foot", "head"
        person.commit()
        after = rows(server, project)["person"]["sublabels"]
        assert [each["name"] for each in after] == ["foot", "head"]
        assert [each["id"] for each in after] == [each["id"] for each in before]

    def test_attributes_take_each_other_s_names(self, server, project, car):
        before = rows(server, project)["car"]["attributes"]
        car.attributes[0].name, car.attributes[1].name = "parked", "size"
        car.commit()
        after = rows(server, project)["car"]["attributes"]
        assert after == [before[0] | {"name": "parked"}, before[1] | {"name": "size"}]


class TestAttributes:
    def test_an_attribute_that_is_taken_out_goes_on_280_and_is_refused_on_215(
        self, server, project, car, requests_of
    ):
        before = [each.to_dict() for each in car.attributes]
        del car.attributes[0]
        if server.get_server_version().startswith("2.15"):
            with (
                requests_of() as sent,
                pytest.raises(
                    ValidationError, match=r"this CVAT is 2\.15.*keep size\. .*delete the label"
                ),
            ):
                car.commit()
            assert len(sent) == 0
            car.revert()
            return
        with requests_of() as sent:
            car.commit()
        assert sent.bodies[0]["labels"][0]["attributes"] == [
            before[1],
            before[0] | {"deleted": True},
        ]
        assert [each["name"] for each in rows(server, project)["car"]["attributes"]] == ["parked"]

    @pytest.mark.parametrize("version", ["2.80", "2.15"])
    def test_a_version_that_was_not_asked_for_is_asked_for_then(self, version, requests_of):
        url = f"embedded://cvat?version={version}"
        with Client(url, check_server_version=False) as other:
            project = other.projects.create(name="p", labels=[{"name": "x", "attributes": [SIZE]}])
            label = project.labels.get(name="x")
            label.attributes.clear()
            with requests_of() as sent:
                if version == "2.15":
                    with pytest.raises(ValidationError, match=r"this CVAT is 2\.15"):
                        label.commit()
                    label.revert()
                else:
                    label.commit()
                    assert rows(other, project)["x"]["attributes"] == []
            assert next(iter(sent)) == ("GET", "/server/about")

    def test_an_attribute_is_appended_and_changed_in_place_in_one_request(
        self, server, project, car
    ):
        car.attributes[0].default_value = "m"
        car.attributes.append(Attribute(name="wet", mutable=False, input_type="text", values=[]))
        assert car.commit().requests == 1
        told = rows(server, project)["car"]["attributes"]
        assert [(each["name"], each["default_value"]) for each in told] == [
            ("size", "m"), ("parked", ""), ("wet", "")
        ]  # fmt: skip


class TestEditsInAnUpdate:
    def test_labels_are_added_changed_and_deleted_with_the_parent_in_one_patch(
        self, server, project, car, person, requests_of
    ):
        with requests_of() as sent:
            project.update(
                models.PatchedProjectWriteRequest(
                    name="q",
                    labels=[
                        models.PatchedLabelRequest(name="tram", color="#010203"),
                        Label(name="bus"),
                        {"id": car.id, "name": "auto"},
                        models.PatchedLabelRequest(id=person.id, deleted=True),
                    ],
                )
            )
        # The labels are asked for where an id is named.
        assert [verb for verb, _ in sent] == ["GET", "PATCH"]
        told = rows(server, project)
        assert told.keys() == {"tram", "bus", "auto"}
        assert (told["auto"]["id"], told["auto"]["color"]) == (car.id, "#ff00ff")
        assert told["tram"]["color"] == "#010203"
        assert car.name == "auto"
        assert project.name == "q"

    def test_new_labels_alone_are_one_request(self, server, project, requests_of):
        with requests_of() as sent:
            project.update({"labels": [{"name": "tram"}]})
        assert list(sent) == [("PATCH", f"/projects/{project.id}")]
        assert rows(server, project).keys() == {"person", "car", "tram"}

    def test_a_task_s_own_labels_are_edited_so_too(self, server):
        task = server.tasks.create(name="t", labels=[{"name": "car"}])
        task.update({"labels": [{"name": "bus"}, {"id": task.labels.get().id, "name": "auto"}]})
        assert {label.name for label in task.get_labels()} == {"auto", "bus"}

    def test_an_attribute_that_an_edit_leaves_out_stays(self, server, project, car):
        size = car.attributes[0]
        project.update(
            {
                "labels": [
                    {
                        "id": car.id,
                        "attributes": [
                            {"id": size.id, "name": "length"},
                            {"name": "wet", "mutable": False, "input_type": "text", "values": []},
                        ],
                    }
                ]
            }
        )
        told = rows(server, project)["car"]["attributes"]
        assert [each["name"] for each in told] == ["length", "parked", "wet"]
        assert told[0]["id"] == size.id

    def test_an_attribute_is_deleted_by_an_edit(self, server, project, car):
        edits = {"id": car.id, "attributes": [{**car.attributes[0].to_dict(), "deleted": True}]}
        if server.get_server_version().startswith("2.15"):
            with pytest.raises(ValidationError, match="size"):
                project.update({"labels": [edits]})
            car.revert()
            return
        project.update({"labels": [edits]})
        assert [each["name"] for each in rows(server, project)["car"]["attributes"]] == ["parked"]

    @pytest.mark.parametrize(
        ("labels", "error", "told"),
        [
            ([{"id": 9999, "name": "x"}], Label.DoesNotExist, "no label 9999"),
            ([{"nmae": "x"}], FieldDoesNotExist, "'name'"),
            ("car", TypeError, "a list of Label objects or of dicts"),
            ({"name": "x"}, TypeError, "a list of Label objects or of dicts"),
            ([7], TypeError, "Label objects or dicts, not 7"),
        ],
        ids=["unknown label", "unknown name", "a text", "a dict", "a number"],
    )
    def test_a_bad_list_changes_nothing_here_and_there(self, server, project, labels, error, told):
        with pytest.raises(error, match=told):
            project.update({"name": "q", "labels": labels})
        assert project.changes == {}
        assert rows(server, project).keys() == {"person", "car"}

    def test_only_labels_are_edited_so(self, server, project):
        with pytest.raises(ReadOnlyFieldError, match="tasks"):
            project.update({"tasks": []})


def test_a_moved_task_shows_the_labels_of_its_new_project(server):
    body = [{"name": "car", "attributes": [SIZE]}]
    first, second = (server.projects.create(name=name, labels=body) for name in "ab")
    task = server.tasks.create(name="t", project=first)
    task.project = second
    task.commit()
    assert task.labels.get().id == second.labels.get().id != first.labels.get().id


def test_a_task_goes_to_no_project_that_lacks_its_labels(server):
    project = server.projects.create(name="p", labels=[{"name": "bus"}])
    task = server.tasks.create(name="t", labels=[{"name": "car"}])
    with pytest.raises(Exception, match="label names must be mapped"):
        task.update({"project_id": project.id})
    task.revert()
    assert [label.name for label in Task.objects.get(id=task.id).labels] == ["car"]
    with pytest.raises(NotFound):
        server.request("GET", "/labels/9999")
