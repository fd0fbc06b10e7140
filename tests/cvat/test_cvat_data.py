"""The data of tasks: what goes over the wire, what comes of it, and what is refused before."""

import json
import pickle

import faulty
import pytest
from PIL import Image

from objmapper import (
    BackgroundRequestError,
    BackgroundRequestTimeout,
    CommitError,
    Plan,
    Session,
    ValidationError,
    signals,
)
from objmapper.cvat import Client, Data, Guide, Project, ResourceType, Tag, Task
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


@pytest.mark.parametrize("name", ["a\nb.png", "a\rb.png", "a\\b.png", "a\udcffb.png"], ids=ascii)
def test_a_file_whose_name_no_form_brings_whole_is_refused_at_once(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"x")
    with pytest.raises(ValueError, match="another name on the server: rename it"):
        Data([path])


@pytest.mark.parametrize("name", ['q"t.png', "%41.png", "a;b.png", "кот 猫.png"], ids=ascii)
def test_a_file_is_called_on_the_server_as_it_is_called_here(client, images, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(images[0].read_bytes())
    task = client.tasks.create_from_data(SPEC, [path])
    assert [frame.name for frame in task.get_frames_info()] == [name]


def test_data_of_none_are_no_data(client, images):
    session = client.session
    task = Task(name="t", labels=[{"name": "car"}], data=None)
    session.add(task)
    assert session.commit().requests == 1
    task.data = Data(images)
    task.data = None
    assert session.commit().requests == 0
    assert not session.dirty
    task.update({"data": None})
    other = Task(name="u", labels=[{"name": "car"}], data=Data(images))
    other.data = None
    session.add(other)
    task.name = "renamed"
    assert session.commit().requests == 2
    assert not session.dirty


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
    for wrong in (None, 7):
        with pytest.raises(TypeError, match=f"resources is a list of files.*not {wrong}"):
            Data(wrong)
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
    assert (task.changes, task.data) == ({}, None)
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


def test_an_upload_that_is_refused_is_put_right_and_gone_on_with(client, images, sent):
    task = Task(**SPEC, data=Data(images, job_file_mapping=[["a.png"], ["a.png"]]))
    client.session.add(task)
    with pytest.raises(CommitError, match="cannot be used multiple times"):
        client.session.commit()
    assert list(task.changes) == ["data"]
    sent.clear()
    task.data = Data(images)
    client.session.commit()
    # Each file is asked for, and none is sent again.
    assert [name for each in sent for name in each.headers if name.startswith("Upload-L")] == [
        "Upload-Length"
    ] * 4
    assert not [each for each in sent if each.method == "PATCH" or isinstance(each.body, Multipart)]
    task.wait_for_data()
    assert task.size == 4


@pytest.mark.parametrize("said", [{}, {"segment_size": 100}], ids=str)
def test_a_task_that_has_its_frames_by_now_is_undone(client, images, said):
    task = Task(name="t", labels=[{"name": "car"}], data=Data(images), **said)
    client.session.add(task)
    report = client.session.commit()
    task.wait_for_data()
    client.session.undo(report)
    assert client.tasks.count() == 0
    client.session.rollback()


def test_a_task_that_others_have_changed_since_is_left_alone(client, images):
    task = Task(name="t", labels=[{"name": "car"}], data=Data(images))
    client.session.add(task)
    report = client.session.commit()
    task.wait_for_data()
    client.request("PATCH", f"/tasks/{task.id}", json={"name": "of another"})
    with pytest.raises(CommitError, match="'name' is not as the commit left it"):
        client.session.undo(report)
    assert client.tasks.count() == 1


def test_a_commit_whose_upload_fails_is_undone(client, images):
    task = Task(**SPEC, data=Data(images, job_file_mapping=[["a.png"], ["a.png"]]))
    client.session.add(task)
    with pytest.raises(CommitError):
        client.session.commit(on_error="undo")
    assert client.tasks.count() == 0
    task.data = Data(images)  # the task is new again
    client.session.commit()
    task.wait_for_data()
    assert task.size == 4


def test_a_plan_with_uploads_is_read_back_and_applied(newest, images):
    newest.session.add(Task(**SPEC, data=Data(images, image_quality=40)))
    written = json.loads(json.dumps(newest.session.plan().to_json()))
    newest.session.rollback()
    with Session(newest) as session:
        session.apply(Plan.from_json(written, session))
    task = newest.tasks.get()
    task.refresh()
    assert (task.size, task.image_quality) == (4, 40)


def test_an_offline_session_keeps_an_upload_for_later(newest, images, tmp_path):
    path = tmp_path / "offline.journal"
    with Session(newest, offline=path) as session:
        session.add(Task(**SPEC, data=Data(images)))
        session.commit()
    assert newest.tasks.count() == 0
    with Session(newest, journal=path) as session:
        session.recover()
    assert newest.tasks.get().size == 4


def test_offline_annotations_wait_for_a_task_that_is_there_and_not_for_a_new_one(
    newest, images, tmp_path
):
    path = tmp_path / "offline.journal"
    with Session(offline=path) as session:
        project = Project(name="p", labels=[{"name": "car"}])
        task = Task(name="t", project=project, data=Data(images))
        session.add_all([task, Guide(project=project, markdown="# Look")])
        assert set(session.commit().counts()) == {"pending"}
        task.annotations.add(Tag(frame=0, label="car"))
        with pytest.raises(ValidationError, match=r"frame 0: .*which an offline session can't"):
            session.commit()
        session.expunge(task.annotations.tags[0])
    with Session(newest, journal=path) as session:
        assert len(session.recover().created) == 4
        made = Task.objects.get(name="t")
        made.wait_for_data()
        assert made.project.fetch().guide.markdown == "# Look"
    with Session(offline=path) as session:
        task = Task.objects.using(session).reference(made.id)
        task.annotations.add(Tag(frame=3, label="car"))
        session.commit()
    with Session(newest, journal=path) as session:
        session.recover()
        task = Task.objects.get(name="t")
        assert [tag.frame for tag in task.annotations.tags] == [3]


def test_many_tasks_with_data_are_one_commit(client, images):
    tasks = [
        Task(name=path.stem, labels=[{"name": "car"}], data=Data([path], image_quality=50))
        for path in images
    ]
    client.session.add_all(tasks)
    assert [len(wave) for wave in client.session.plan().waves] == [4, 4, 4, 4]
    client.session.commit()
    for task, path in zip(tasks, images, strict=True):
        task.wait_for_data()
        assert task.get_frame(0, quality="original").getvalue() == path.read_bytes()


def test_a_copy_takes_no_upload_along(newest, images):
    task = Task(**SPEC, data=Data(images))
    assert pickle.loads(pickle.dumps(task)).data is None
    assert "data" not in task.to_dict()


class Bar:
    """What a progress bar of tqdm's is asked for."""

    def __init__(self):
        self.total, self.done = 0, 0

    def reset(self, total):
        self.total = total

    def update(self, count):
        self.done += count


class Reporter:
    """What a reporter of CVAT's SDK is asked for."""

    def __init__(self):
        self.total, self.done, self.finished = 0, 0, False

    def start2(self, total, *, desc, unit, unit_scale, unit_divisor):
        self.total = total

    def advance(self, count):
        self.done += count

    def finish(self):
        self.finished = True


@pytest.mark.parametrize("kind", [Bar, Reporter])
def test_progress_bars_of_others_are_told(newest, images, kind):
    bar = kind()
    newest.tasks.create_from_data(SPEC, images, pbar=bar)
    assert bar.done == bar.total == sum(path.stat().st_size for path in images)
    assert getattr(bar, "finished", True)


def test_what_progress_raises_is_raised_when_the_files_are_there(newest, images):
    told = []

    def stop(done, total):
        told.append(done)
        raise LookupError("no more")

    task = newest.tasks.create(**SPEC)
    with pytest.raises(LookupError, match="no more"):
        task.upload_data(images, progress=stop)
    assert len(told) == 1
    task.wait_for_data()
    assert task.size == 4
    assert not newest.session.dirty


def test_what_is_no_progress_bar_is_refused(newest, images, sent):
    with pytest.raises(TypeError, match="a bar of tqdm's"):
        newest.tasks.create_from_data(SPEC, images, pbar=3)
    with pytest.raises(TypeError, match="give one of them"):
        newest.tasks.create_from_data(SPEC, images, pbar=Bar(), progress=True)
    assert sent == []


def test_files_of_the_share_and_of_the_net_are_named_alone(images, sent):
    folder = images[0].parent
    with Client(f"embedded://cvat?check=1&share={folder}") as client:
        sent.clear()  # of what server it is
        task = client.tasks.create_from_data(
            SPEC,
            ["a.png", "c.jpg"],
            resource_type=ResourceType.SHARE,
            data_params={"copy_data": True},
        )
        assert [frame.name for frame in task.get_frames_info()] == ["a.png", "c.jpg"]
        assert sent[1].body == Json(
            {"image_quality": 70, "copy_data": True, "server_files": ["a.png", "c.jpg"]}
        )
        assert len(sent) == 5  # the task, its data, the work, the task, its frames
        assert client.server.violations == []


def test_what_the_net_does_not_give_is_told_and_no_password_with_it(newest):
    url = "http://someone:hunter2@127.0.0.1:1/a.png"
    with pytest.raises(BackgroundRequestError, match="Failed to download") as caught:
        newest.tasks.create_from_data(SPEC, [url], resource_type="remote")
    assert "hunter2" not in f"{caught.value}{caught.value.reason}"
    assert newest.tasks.count() == 0


def test_an_answer_that_names_no_request_that_could_be_is_an_error_of_ours(images):
    server = faulty.FaultyServer()
    row = {"id": 1, "name": "t", "labels": {}, "jobs": {}}
    ok = [faulty.say(row, 201), faulty.answer(b"", 202), faulty.answer(b"", 200)]
    server.then(*ok, faulty.say({"rq_id": 7}, 202), faulty.answer(b"", 404))
    options = {"check_server_version": False, "settle_after": 0, "retries": 0}
    with Client(server.url, **options) as client:
        task = Task(**SPEC, data=Data(images))
        client.session.add(task)
        with pytest.raises(CommitError) as caught:
            client.session.commit()
        assert "as the name of a request" in str(caught.value)
        client.session.rollback()
    server.close()
