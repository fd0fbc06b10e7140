"""The data of tasks: what goes over the wire, what comes of it, and what is refused before."""

import pytest
from PIL import Image

from objmapper import BackgroundRequestError, BackgroundRequestTimeout, CommitError, signals
from objmapper.cvat import Client, Data, ResourceType, Task
from objmapper.request import Json, Multipart

SPEC = {"name": "t", "labels": [{"name": "car"}]}
VERSIONS = ["2.80", "2.15"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Four small pictures, whose names sort otherwise than they were made."""
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / name for name in ("b10.png", "b9.png", "a.png", "c.jpg")]
    for number, path in enumerate(paths):
        Image.new("RGB", (64, 48), (60 * number, 80, 120)).save(path)
    return paths


@pytest.fixture(params=VERSIONS)
def client(request):
    with Client(f"embedded://cvat?check=1&version={request.param}") as client:
        yield client
        assert client.server.violations == []


@pytest.fixture
def newest(tmp_path):
    with Client("embedded://cvat?check=1") as client:
        yield client
        assert client.server.violations == []


@pytest.fixture
def sent():
    """The requests that go out."""
    found = []

    def note(sender, request, **_):
        found.append(request)

    signals.request_sent.connect(note)
    yield found
    signals.request_sent.disconnect(note)


def test_a_task_is_made_of_files_in_as_many_requests_as_the_published_client_sends(
    client, images, sent
):
    task = client.tasks.create_from_data(SPEC, images)
    assert [(each.method, *each.headers) for each in sent] == [
        ("POST",),
        ("POST", "Upload-Start"),
        ("POST", "Upload-Multiple"),
        ("POST", "Upload-Finish"),
        ("GET",),
        ("GET",),  # the published client asks for the task twice
    ]
    assert (task.size, task.mode, task.image_quality) == (4, "annotation", 70)
    assert task.data is None
    assert task.changes == {}
    assert client.tasks.retrieve(task.id) is task


def test_only_base_names_are_told(newest, images, sent):
    newest.tasks.create_from_data(SPEC, images)
    (form,) = [each.body for each in sent if isinstance(each.body, Multipart)]
    assert [name for name, *_ in form.files.values()] == ["b10.png", "b9.png", "a.png", "c.jpg"]
    assert form.fields == {"image_quality": 70}
    assert str(images[0].parent) not in repr(
        [each.resolved() for each in sent if each.body is not form]
    )


def test_the_parameters_of_data_are_said_as_cvat_has_them(newest, images, sent):
    params = {"image_quality": 30, "chunk_size": 2, "frame_step": 2, "use_cache": None}
    task = newest.tasks.create_from_data(
        SPEC, images, data_params={**params, "sorting_method": "predefined"}
    )
    finish = next(each for each in sent if "Upload-Finish" in each.headers)
    assert finish.body == Json(
        {
            "image_quality": 30,
            "chunk_size": 2,
            "frame_filter": "step=2",
            "sorting_method": "predefined",
            "upload_file_order": ["b10.png", "b9.png", "a.png", "c.jpg"],
        }
    )
    assert (task.size, task.data_chunk_size, task.image_quality) == (2, 2, 30)


@pytest.mark.parametrize(
    ("params", "error", "told"),
    [
        ({"image_qualty": 3}, TypeError, "Did you mean 'image_quality'"),
        ({"image_quality": 101}, ValueError, "image_quality is a whole number from 0 to 100"),
        ({"image_quality": True}, ValueError, "not True"),
        ({"chunk_size": 0}, ValueError, "chunk_size is a whole number from 1"),
        ({"sorting_method": "size"}, ValueError, "one of lexicographical, natural"),
        ({"frame_filter": "every 5"}, ValueError, "text as 'step=5'"),
        ({"frame_step": 2, "frame_filter": "step=2"}, ValueError, "give one of them"),
        ({"start_frame": 3, "stop_frame": 2}, ValueError, "no frame between them"),
        ({"use_cache": "yes"}, ValueError, "True or False"),
        ({"job_file_mapping": [["a.png"], []]}, ValueError, "a list of file names for each job"),
        ({"server_files_exclude": "a"}, ValueError, "a list of file names"),
        ({"validation_params": 3}, ValueError, "a dict"),
        ({"upload_file_order": ["a.png"]}, ValueError, "each uploaded file once"),
    ],
)
def test_what_can_not_be_said_of_data_is_refused_at_once(images, params, error, told):
    with pytest.raises(error, match=told):
        Data(images, **params)


def test_files_that_can_not_be_uploaded_are_refused_at_once(images, tmp_path):
    other = tmp_path / "a.png"
    other.write_bytes(b"x")
    (tmp_path / "empty.png").touch()
    with pytest.raises(ValueError, match=r"Two files are called 'a\.png'") as caught:
        Data([*images, other])
    assert str(other) in str(caught.value)
    with pytest.raises(FileNotFoundError):
        Data([tmp_path / "nowhere.png"])
    with pytest.raises(IsADirectoryError, match="give the files in it"):
        Data([tmp_path])
    with pytest.raises(ValueError, match="is empty"):
        Data([tmp_path / "empty.png"])
    with pytest.raises(ValueError, match="no files"):
        Data([])
    with pytest.raises(TypeError, match=r"of one write \["):
        Data("a.png")
    with pytest.raises(TypeError, match="by its path"):
        Data([3])
    with pytest.raises(ValueError, match=r"ResourceType\.SHARE"):
        Data(images, resource_type="cloud")


def test_a_plan_shows_the_steps_of_an_upload_and_the_report_has_them(client, images):
    task = Task(**SPEC, data=Data(images))
    client.session.add(task)
    plan = client.session.plan()
    assert [(op.kind, op.wave) for op in plan] == [
        ("create", 1), ("upload", 2), ("upload", 3), ("upload", 4)
    ]  # fmt: skip
    assert "<file b10.png>" in str(plan.to_json())
    report = client.session.commit()
    assert task in report.created
    assert report.actions.objects == [task, task, task]
    assert report.requests == 4
    task.wait_for_data()
    assert task.size == 4


def test_data_are_uploaded_to_a_task_that_is_there(client, images):
    task = client.tasks.create(SPEC)
    task.bug_tracker = "http://bugs"
    told = []
    task.upload_data(
        images, params={"sorting_method": "natural"}, progress=lambda *at: told.append(at)
    )
    size = sum(path.stat().st_size for path in images)
    assert told[-1] == (size, size)
    assert sorted(told) == told
    assert task.size == 4
    assert list(task.changes) == ["bug_tracker"]  # which was not asked for
    task.revert()


def test_data_that_are_uploaded_twice_are_refused_in_the_servers_words(client, images):
    task = client.tasks.create_from_data(SPEC, images)
    with pytest.raises(CommitError, match="Adding more data is not supported"):
        task.upload_data(images)
    assert task.changes == {}
    assert task.fetch().size == 4


def test_a_task_whose_data_fail_is_removed_and_the_error_says_why(client, images, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture at all")
    with pytest.raises(BackgroundRequestError, match="cannot identify image file") as caught:
        client.tasks.create_from_data(SPEC, [*images, broken])
    assert caught.value.status == "failed"
    assert "is removed" in caught.value.__notes__[0]
    assert client.tasks.count() == 0
    assert not client.session.new


def test_a_task_whose_data_fail_is_kept_if_that_is_asked(client, images):
    client.server.fail_next_request("disk full")
    with pytest.raises(BackgroundRequestError, match="disk full"):
        client.tasks.create_from_data(SPEC, images, keep=True)
    assert client.tasks.count() == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_what_never_ends_is_waited_for_as_long_as_was_asked(images, version):
    with Client(f"embedded://cvat?lag=100000&version={version}") as client:
        with pytest.raises(BackgroundRequestTimeout, match=r"after 0\.05 s") as caught:
            client.tasks.create_from_data(SPEC, images, timeout=0.05)
        assert isinstance(caught.value, TimeoutError)
        assert client.tasks.count() == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_the_work_is_watched_until_it_is_done(images, version):
    with Client(f"embedded://cvat?lag=3&version={version}") as client:
        task = client.tasks.create_from_data(SPEC, images, status_check_period=0.01)
        assert task.size == 4
        task = client.tasks.create(SPEC)
        task.upload_data(images, wait_for_completion=False)
        assert not task.size
        told = []
        task.wait_for_data(status_check_period=0.01, progress=lambda *at: told.append(at))
        assert told[-1] == (100, 100)
        assert len(told) > 1
        assert task.size == 4


def test_annotations_beside_data_are_refused_before_anything_is_sent(newest, images, sent):
    with pytest.raises(NotImplementedError, match="annotation_path"):
        newest.tasks.create_from_data(SPEC, images, annotation_path="a.xml")
    assert sent == []


def test_a_file_that_has_changed_since_is_no_more_what_was_meant(newest, tmp_path, images):
    path = tmp_path / "a.png"
    path.write_bytes(images[0].read_bytes())
    task = Task(**SPEC, data=Data([path], resource_type=ResourceType.LOCAL))
    path.write_bytes(b"something else")
    newest.session.add(task)
    with pytest.raises(ValueError, match="has changed since it was given"):
        newest.session.commit()
    path.unlink()
    with pytest.raises(ValueError, match="can't be read any more"):
        newest.session.commit()
    newest.session.expunge(task)
