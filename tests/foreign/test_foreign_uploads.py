"""What one client uploads the other reads, byte for byte; and ours asks for no more than the SDK."""

import pytest
from cvat_sdk.core.proxies.tasks import ResourceType as TheirType
from PIL import Image

from objmapper.cvat import ResourceType

pytestmark = pytest.mark.foreign

SPEC = {"name": "both", "segment_size": 2, "labels": [{"name": "car"}]}
QUICK = {"status_check_period": 0.001}


@pytest.fixture(scope="module")
def running(open_server, share):
    with open_server(share=str(share), lag=2, seed="1x1") as running:
        yield running


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    """A folder with pictures of two kinds, which is the server's share as well."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, end in enumerate(("png", "jpg", "bmp", "png")):
        picture = Image.new("RGB", (32 + number, 24), (number * 60, 9, 99))
        picture.save(folder / f"{number}.{end}")
    return folder


@pytest.fixture
def pictures(share):
    return sorted(share.iterdir())


def theirs(sdk, task):
    """What the SDK reads of a task's frames."""
    found = sdk.tasks.retrieve(task.id)
    return [found.get_frame(n, quality="original").read() for n in range(found.size)]


def mine(ours, task):
    found = ours.tasks.retrieve(task.id)
    return [found.get_frame(n, quality="original").getvalue() for n in range(found.size)]


@pytest.mark.parametrize("form", [2**20, 1], ids=["in forms", "in pieces"])
def test_the_sdk_reads_what_ours_uploads(sdk, ours, pictures, form):
    ours.dialect.form_bytes, ours.dialect.piece_bytes = form, 64
    task = ours.tasks.create_from_data(SPEC, pictures, data_params={"image_quality": 90}, **QUICK)
    assert theirs(sdk, task) == [path.read_bytes() for path in pictures]
    found = sdk.tasks.retrieve(task.id)
    assert [frame.name for frame in found.get_frames_info()] == [path.name for path in pictures]
    assert (found.size, found.image_quality, len(found.get_jobs())) == (4, 90, 2)


def test_ours_reads_what_the_sdk_uploads(sdk, ours, pictures, tmp_path):
    made = sdk.tasks.create_from_data(SPEC, pictures, **QUICK)
    assert mine(ours, made) == [path.read_bytes() for path in pictures]
    task = ours.tasks.retrieve(made.id)
    paths = task.download_frames(range(4), outdir=tmp_path)
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in pictures]
    told, known = task.get_meta(), made.get_meta()
    assert (told.size, told.chunk_size, told.stop_frame) == (4, known.chunk_size, known.stop_frame)


def test_files_of_the_share_are_the_same_to_both(sdk, ours):
    names = ["1.jpg", "3.png"]
    one = ours.tasks.create_from_data(SPEC, names, resource_type=ResourceType.SHARE, **QUICK)
    other = sdk.tasks.create_from_data(SPEC, names, resource_type=TheirType.SHARE, **QUICK)
    assert theirs(sdk, one) == theirs(sdk, other) == mine(ours, other)
    assert [frame.name for frame in one.get_frames_info()] == names


def test_frames_that_ours_deletes_are_deleted_beside_those_of_the_sdk(sdk, ours, pictures):
    task = ours.tasks.create_from_data(SPEC, pictures, **QUICK)
    sdk.tasks.retrieve(task.id).remove_frames_by_ids([1])
    task.remove_frames_by_ids([3])
    assert sdk.tasks.retrieve(task.id).get_meta().deleted_frames == [1, 3]


def test_ours_makes_a_task_of_files_in_no_more_requests_than_the_sdk(running, sdk, ours, pictures):
    counts = []
    for client in (sdk, ours):
        before = running.server.requests
        client.tasks.create_from_data(SPEC, pictures, **QUICK)
        counts.append(running.server.requests - before)
    theirs_, ours_ = counts
    assert ours_ < theirs_  # it asks for the task twice


def test_work_that_fails_is_told_in_the_same_words(running, sdk, ours, pictures):
    told = []
    for client in (sdk, ours):
        running.server.fail_next_request("disk full")
        with pytest.raises(Exception, match="disk full") as caught:
            client.tasks.create_from_data(SPEC, pictures, **QUICK)
        told.append(type(caught.value).__name__)
    assert told[1] == "BackgroundRequestError"
