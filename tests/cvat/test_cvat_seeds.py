"""What the seed documents show of CVAT's SDK runs here, with only the lines that import changed.

Each test is one example of theirs, as it stands there: its ids, specs and dots are filled, and the
server's port is told, as it can't be the scheme's own. What the examples say beside their code is
asserted below them.
"""

import io

import pytest
from PIL import Image

from objmapper.cvat import (
    Client,
    Config,
    Job,
    Project,
    ResourceType,
    Task,
    User,
    make_client,
    models,
)
from objmapper.exceptions import NotAuthenticated, ReadOnlyFieldError
from objmapper.server import serve

SPEC = {"name": "t", "labels": [{"name": "car"}]}


def picture(color):
    """The bytes of a small picture."""
    told = io.BytesIO()
    Image.new("RGB", (8, 6), color).save(told, "PNG")
    return told.getvalue()


@pytest.fixture(scope="module")
def port():
    """The port of a server that has 42 tasks, a user, and an organization of theirs."""
    with serve("cvat", seed="2x21", users=["user:password"], check=True) as running:
        with make_client(running.url, credentials=("user", "password")) as client:
            client.organizations.create(slug="myorg")
        yield int(running.url.rpartition(":")[2])
        assert running.server.violations == []


@pytest.fixture
def client(port):
    with make_client("localhost", port=port, credentials=("user", "password")) as client:
        yield client


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two pictures in the current folder, as the examples name them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image1.jpg").write_bytes(picture("red"))
    (tmp_path / "image2.png").write_bytes(picture("blue"))


def test_the_example(port, files):
    # Create a Client instance bound to a local server and authenticate using basic auth
    with make_client(host="localhost", port=port, credentials=("user", "password")) as client:
        task_spec = {
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
        task = client.tasks.create_from_data(
            spec=task_spec,
            resource_type=ResourceType.LOCAL,
            resources=["image1.jpg", "image2.png"],
        )
        assert task.size == 2
        task.fetch()
        task2 = client.tasks.retrieve(42)
        task2.update({"name": "my task"})
        task2.remove()

        # What the example says: it is up to date, its fields are read, the local copy stays.
        assert isinstance(task, Task)
        assert (task.name, [label.name for label in task.labels]) == ("example task", ["car"])
        with pytest.raises(ReadOnlyFieldError):
            task.size = 3
        assert (task2.id, task2.name) == (42, "my task")
        with pytest.raises(Task.DoesNotExist):
            client.tasks.retrieve(42)


def test_models_are_used_as_dicts_are(client, files):
    task_spec = models.TaskWriteRequest(name="t", labels=[models.PatchedLabelRequest(name="car")])
    task = client.tasks.create_from_data(spec=task_spec, resources=["image1.jpg"])
    task.update(models.PatchedTaskWriteRequest(name="renamed"))
    assert (task.size, task.fetch().name) == (1, "renamed")


def test_a_client_is_made_by_make_client(port):
    with make_client("localhost", port=str(port), credentials=("user", "password")) as client:
        assert client.users.retrieve_current_user().username == "user"


def test_a_client_is_made_of_a_config(port):
    config = Config()
    config.allow_unsupported_server = False

    with Client(f"localhost:{port}", config=config) as client:
        client.login(("user", "password"))
        assert client.config is config
        assert client.users.retrieve_current_user().username == "user"


def test_the_scheme_may_be_told_and_is_found_where_it_is_not(port):
    for address in (f"localhost:{port}", f"http://localhost:{port}"):
        with Client(address) as client:
            assert client.base_url == f"http://localhost:{port}/api"


def test_a_session_ends_with_its_context_or_by_hand(port):
    with make_client("localhost", port=port, credentials=("user", "password")) as client:
        assert client.has_credentials()
    assert not client.has_credentials()
    other = make_client("localhost", port=port, credentials=("user", "password"))
    other.logout()
    with pytest.raises(NotAuthenticated):
        other.tasks.list()
    other.close()


def test_an_organization_is_set(client, files):
    client.organization_slug = "myorg"

    # create a task in the organization
    task = client.tasks.create_from_data(spec=SPEC, resources=["image1.jpg"])

    assert task.organization.slug == "myorg"
    assert client.tasks.list() == [task]
    client.organization_slug = ""
    assert task not in client.tasks.list()
    client.organization_slug = None
    assert task in client.tasks.list()
    assert client.tasks.create(SPEC).organization is None
    task.remove()


def test_an_organization_is_set_for_a_while(client, files):
    with client.organization_context("myorg"):
        task = client.tasks.create_from_data(spec=SPEC, resources=["image1.jpg"])

    # the slug is now reset to its previous value
    assert client.organization_slug is None
    assert task.organization.slug == "myorg"
    task.remove()


def test_repositories_are_members_of_the_client(client):
    for repository, model in (
        (client.projects, Project),
        (client.tasks, Task),
        (client.jobs, Job),
        (client.users, User),
    ):
        assert isinstance(repository.first(), model)


def test_an_entity_is_created(client):
    task = client.tasks.create(SPEC)

    assert task.name == "t"


def test_entities_are_retrieved_and_listed(client):
    job = client.jobs.retrieve(1)
    tasks = client.tasks.list()

    assert job.id == 1
    assert len(tasks) == client.tasks.count()


def test_an_entity_is_updated(client):
    job = client.jobs.retrieve(2)
    job.update({"stage": "validation"})

    assert job.stage == "validation"
    assert client.request("GET", "/jobs/2").json()["stage"] == "validation"


def test_an_entity_is_fetched(client):
    # obtain 2 local copies of the same job
    job_ref1 = client.jobs.retrieve(1)
    job_ref2 = client.jobs.retrieve(1)

    # update the server object with the first reference
    job_ref1.update({"state": "in progress"})
    # job_ref2 is outdated now

    job_ref2.fetch()
    # job_ref2 is synced

    # Here both are one object from the first, which an identity map is for.
    assert job_ref2 is job_ref1
    assert job_ref2.state == "in progress"


def test_an_entity_is_removed_and_the_local_copy_stays(client):
    made = client.tasks.create(SPEC).id
    task = client.tasks.retrieve(made)
    task.remove()

    assert (task.id, task.name) == (made, "t")
    with pytest.raises(Task.DoesNotExist):
        client.tasks.retrieve(made)


def test_all_objects_are_listed_not_a_page_of_them(client):
    for _ in range(12):
        client.projects.create(SPEC)
    assert len(client.projects.list()) == client.projects.count() > 10
