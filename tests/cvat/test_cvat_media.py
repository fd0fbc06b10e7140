"""Frames of tasks and jobs: looked at, loaded as they are, deleted."""

import io
import zipfile

import faulty
import pytest
from PIL import Image

from objmapper import (
    BadRequest,
    ContractError,
    NotFound,
    ServerError,
    Session,
    TooManyRequests,
    inspect,
)
from objmapper.cvat import Client, Task

SPEC = {"name": "t", "labels": [{"name": "car"}], "segment_size": 2}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Three PNG and one JPEG of different sizes."""
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / name for name in ("a.png", "b.png", "c.png", "d.jpg")]
    for number, path in enumerate(paths):
        Image.new("RGB", (64 + number, 48), (60 * number, 80, 120)).save(path)
    return paths


@pytest.fixture(scope="module", params=["2.80", "2.15"])
def task(request, images):
    with Client(f"embedded://cvat?check=1&version={request.param}") as client:
        yield client.tasks.create_from_data(SPEC, images)
        assert client.server.violations == []


@pytest.fixture(scope="module")
def job(task):
    """The second job of the task: its frames 2 and 3."""
    return task.jobs.order_by("id")[1]


def test_a_frame_comes_as_it_was_uploaded(task, job, images):
    assert task.get_frame(1, quality="original").getvalue() == images[1].read_bytes()
    assert job.get_frame(3, quality="original").getvalue() == images[3].read_bytes()
    compressed = task.get_frame(1, quality="compressed")
    with Image.open(compressed) as picture:
        assert (picture.format, picture.size) == ("JPEG", (65, 48))
    with Image.open(task.get_preview()) as small, Image.open(job.get_preview()) as other:
        assert small.format == other.format == "JPEG"


def test_what_is_told_of_the_frames(task, job):
    meta = task.get_meta()
    assert (meta.size, meta.start_frame, meta.stop_frame, meta.image_quality) == (4, 0, 3, 70)
    assert [frame.name for frame in task.get_frames_info()] == ["a.png", "b.png", "c.png", "d.jpg"]
    assert [(frame.name, frame.width) for frame in job.get_frames_info()] == [
        ("c.png", 66), ("d.jpg", 67)
    ]  # fmt: skip


def test_a_frame_that_is_not_there_is_refused_in_the_servers_words(task, job):
    with pytest.raises(BadRequest, match=r"should be in the \[0, 3\] range"):
        task.get_frame(4)
    with pytest.raises(BadRequest, match="doesn't belong to the job"):
        job.get_frame(0)
    for wrong in (-1, "1", 1.0, True, None):
        with pytest.raises(ValueError, match="frame_id is a whole number from 0"):
            task.get_frame(wrong)
    with pytest.raises(ValueError, match="original, compressed"):
        task.get_frame(0, quality="best")


def test_what_is_no_list_of_frames_and_no_file_is_refused_at_once(task):
    for wrong in (None, 7, "12"):
        with pytest.raises(TypeError, match="frame_ids is a list of ids"):
            task.download_frames(wrong)
        with pytest.raises(TypeError, match="ids is a list of ids"):
            task.remove_frames_by_ids(wrong)
    with pytest.raises(TypeError, match="output_file is a path or an open binary file, not None"):
        task.download_chunk(0, None)


def test_a_chunk_is_written_to_a_path_or_a_file(task, job, images, tmp_path):
    path = tmp_path / "chunk.zip"
    task.download_chunk(0, path, quality="original")
    with zipfile.ZipFile(path) as archive:
        assert archive.read(archive.namelist()[0]) == images[0].read_bytes()
    file = io.BytesIO()
    task.download_chunk(0, file, quality="original")
    assert zipfile.ZipFile(file).namelist() == zipfile.ZipFile(path).namelist()
    job.download_chunk(0, tmp_path / "job.zip")
    with pytest.raises(BadRequest, match="chunk"):
        task.download_chunk(9, path)
    assert zipfile.is_zipfile(path)  # as it was
    assert sorted(each.name for each in tmp_path.iterdir()) == ["chunk.zip", "job.zip"]


def test_frames_are_written_as_they_are(task, job, images, tmp_path):
    told = []
    folder = tmp_path / "frames"
    paths = task.download_frames([2, 0, 3, 0], outdir=folder, progress=lambda *at: told.append(at))
    assert paths == [
        folder / f"frame_{name}" for name in ("000002.png", "000000.png", "000003.jpg")
    ]
    assert [path.read_bytes() for path in paths] == [images[n].read_bytes() for n in (2, 0, 3)]
    assert told == [(1, 3), (2, 3), (3, 3)]
    (path,) = job.download_frames([3], outdir=folder, filename_pattern="x{frame_id}{frame_ext}")
    assert (path.name, path.read_bytes()) == ("x3.jpg", images[3].read_bytes())
    (path,) = task.download_frames([3], outdir=folder, image_extension="jpeg")
    assert path.name == "frame_000003.jpeg"
    assert task.download_frames([], outdir=folder) == []


def test_no_frame_is_made_into_another_kind_of_picture(task, tmp_path):
    with pytest.raises(ValueError, match="frames are written as they are"):
        task.download_frames([0], outdir=tmp_path, image_extension=".jpg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("pattern", "told"),
    [("frame{frame_ext}", "all frames get one name"), ("{number}", "no pattern of frame_id")],
)
def test_a_pattern_that_names_no_files_is_refused(task, tmp_path, pattern, told):
    with pytest.raises(ValueError, match=told):
        task.download_frames([0, 1], outdir=tmp_path, filename_pattern=pattern)


@pytest.mark.parametrize(
    "ask",
    [
        lambda task: task.get_frame(0),
        lambda task: task.download_chunk(0, io.BytesIO()),
        lambda task: task.get_meta(),
        lambda task: task.get_frames_info(),
        lambda task: task.remove_frames_by_ids([0]),
    ],
    ids=["a frame", "a chunk", "what is told of them", "their names", "to be deleted"],
)
def test_frames_of_a_task_without_data_are_none_and_that_is_said(task, ask):
    empty = Task.objects.create(name="empty", labels=[{"name": "car"}])
    with pytest.raises(ValueError, match=r"no frames.*upload_data.*wait_for_data"):
        ask(empty)
    empty.remove()


def test_a_task_that_is_known_from_before_its_data_shows_them(task, images):
    early = Task.objects.create(name="early", labels=[{"name": "car"}])
    other = Session(inspect(early).session.client)
    Task.objects.using(other).get(id=early.id).upload_data(images[:1])
    assert early.size is None
    assert early.get_frame(0, quality="original").getvalue() == images[0].read_bytes()
    with pytest.raises(BadRequest, match="range"):  # the server's own words: it has frames
        early.get_frame(1)


@pytest.mark.parametrize("outdir", ["new", "new/and/deep"])
def test_where_no_frame_comes_no_folder_is_left(task, tmp_path, outdir):
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / outdir, tmp_path / "there"):
        with pytest.raises(BadRequest, match="range"):
            task.download_frames([9], outdir=folder)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_what_fails_leaves_whole_files_alone(task, tmp_path):
    with pytest.raises(BadRequest, match="range"):
        task.download_frames([0, 9], outdir=tmp_path, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["frame_000000.png"]


def test_frames_are_deleted_beside_those_that_are_deleted_already(images):
    with Client("embedded://cvat?check=1") as client:
        task = client.tasks.create_from_data(SPEC, images)
        job = task.jobs.order_by("id")[1]
        task.remove_frames_by_ids([0])
        task.remove_frames_by_ids([3, 0])
        assert task.get_meta().deleted_frames == [0, 3]
        job.remove_frames_by_ids([2])
        assert job.get_meta().deleted_frames == [2, 3]
        assert task.get_meta().deleted_frames == [0, 2, 3]
        before = client.transport.requests_sent
        task.remove_frames_by_ids([])
        assert client.transport.requests_sent == before
        for wrong, message in (([1, 4], "no frame 4: its frames are 0 to 3"), ([-1], "from 0")):
            with pytest.raises(ValueError, match=message):
                task.remove_frames_by_ids(wrong)
        with pytest.raises(ValueError, match="its frames are 2 to 3"):
            job.remove_frames_by_ids([0])
        assert task.get_meta().deleted_frames == [0, 2, 3]
        assert client.server.violations == []


def test_a_task_without_data_has_no_preview(task):
    empty = task.__class__.objects.create(name="empty", labels=[{"name": "car"}])
    with pytest.raises(NotFound):
        empty.get_preview()
    empty.remove()


@pytest.fixture
def busy():
    """A server that says "not ready" a number of times: ``busy(5, "0")``, with that Retry-After."""
    server = faulty.FaultyServer()
    later = b'{"detail": "Not ready."}'

    def open_(times, seconds):
        acts = [faulty.answer(later, 429, Retry_After=seconds) for _ in range(times)]
        server.then(*acts, faulty.answer(b"picture", 200, "image/png"))
        return server

    yield open_
    server.close()


def test_a_frame_that_is_not_ready_is_waited_for_longer_than_any_other_refusal(busy):
    server = busy(9, "0")
    with Client(server.url, check_server_version=False, retries=0) as client:
        assert client.tasks.reference(1).get_frame(0).getvalue() == b"picture"
    assert len(server.seen) == 10


def test_a_frame_that_is_not_ready_for_ever_is_an_error(busy):
    server = busy(1, "3600")
    client = Client(server.url, check_server_version=False, retries=0)
    with client, pytest.raises(TooManyRequests):
        client.tasks.reference(1).get_frame(0)
    assert len(server.seen) == 1


@pytest.mark.parametrize("kind", ["text/html", "", "application/octet-stream"])
def test_what_is_no_picture_becomes_no_file(tmp_path, kind):
    server = faulty.FaultyServer().then(faulty.answer(b"<html>", 200, kind))
    client = Client(server.url, check_server_version=False)
    with client, pytest.raises(ContractError, match="a picture was expected"):
        client.tasks.reference(1).download_frames([0], outdir=tmp_path)
    server.close()
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_is_no_data_ends_in_an_error_of_ours():
    server = faulty.FaultyServer().then(faulty.say([1]), faulty.say({"frames": 3}))
    with Client(server.url, check_server_version=False) as client:
        task = client.tasks.reference(1)
        with pytest.raises(ContractError):
            task.get_meta()
        with pytest.raises(ContractError):
            task.get_frames_info()
    server.close()


def test_a_project_is_shown_by_its_newest_task():
    with Client("embedded://cvat?seed=1x2&check=1", retries=0) as client:
        project = client.projects.retrieve(1)
        newest = project.tasks.order_by("-id").first()
        with Image.open(project.get_preview()) as small:
            assert small.format == "JPEG"
        assert project.get_preview().getvalue() == newest.get_preview().getvalue()
        empty = client.projects.create(name="p", labels=[{"name": "car"}])
        with pytest.raises(NotFound):
            empty.get_preview()
        client.tasks.create(name="t", project=empty)
        with pytest.raises(ServerError):
            empty.get_preview()
        assert client.server.violations == []
