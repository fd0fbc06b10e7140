"""The SDK's tour of data: uploads, frames, chunks, background work, annotations."""

import gc
import io
import zipfile

import pytest
from cvat_sdk import models
from cvat_sdk.api_client.exceptions import ApiException
from cvat_sdk.core import exceptions
from cvat_sdk.core.client import Config
from cvat_sdk.core.proxies.annotations import AnnotationUpdateAction
from cvat_sdk.core.proxies.tasks import ResourceType
from cvat_sdk.core.uploading import DataUploader
from PIL import Image

pytestmark = pytest.mark.foreign

#: What tells of work that failed; 2.15 does not have an exception of its own.
FAILED = getattr(exceptions, "BackgroundRequestException", ApiException)
ADDING = b'"Adding more data is not supported"'
SPEC = {
    "name": "with data",
    "segment_size": 2,
    "labels": [
        {"name": "car", "attributes": [
            {"name": "plate", "mutable": False, "input_type": "text", "default_value": "none", "values": []}
        ]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def running(open_server, share):
    with open_server(share=str(share), lag=2, seed="1x1") as running:
        yield running


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    """A folder with four pictures, which is the server's share as well."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(4):
        Image.new("RGB", (32, 24), (number * 60, 0, 0)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def pictures(share):
    return sorted(share.iterdir())


@pytest.fixture
def quick():
    """How the SDK is told to wait: the server does no work meanwhile."""
    return {"status_check_period": 0.001}


@pytest.fixture
def task(sdk, pictures, quick):
    return sdk.tasks.create_from_data(SPEC, pictures, **quick)


class TestUploads:
    def test_a_task_is_made_of_files(self, task, pictures, wire):
        assert (task.size, task.mode, task.segment_size) == (4, "annotation", 2)
        names = [frame.name for frame in task.get_frames_info()]
        assert names == [path.name for path in pictures]
        assert [(job.start_frame, job.stop_frame) for job in task.get_jobs()] == [(2, 3), (0, 1)]
        assert wire.get(f"/tasks/{task.id}")["size"] == 4

    def test_parameters_are_heeded(self, sdk, pictures, quick):
        params = {"chunk_size": 3, "image_quality": 20, "start_frame": 1, "frame_step": 2}
        task = sdk.tasks.create_from_data(SPEC, pictures, data_params=params, **quick)
        meta = task.get_meta()
        told = meta.chunk_size, meta.image_quality, meta.start_frame, meta.stop_frame
        assert told == (3, 20, 1, 3)
        assert [frame.name for frame in meta.frames] == ["1.png", "3.png"]

    def test_the_order_of_files_is_kept(self, sdk, pictures, quick):
        files = [pictures[place] for place in (2, 0, 3, 1)]
        params = {"sorting_method": "predefined"}
        task = sdk.tasks.create_from_data(SPEC, files, data_params=params, **quick)
        names = [frame.name for frame in task.get_frames_info()]
        assert names == [path.name for path in files]

    def test_large_files_come_in_pieces(self, sdk, pictures, wire):
        task = sdk.tasks.create(SPEC)
        url = sdk.api_map.make_endpoint_url(
            task.api.create_data_endpoint.path, kwsub={"id": task.id}
        )
        uploader = DataUploader(sdk, max_request_size=10)
        uploader._CHUNK_SIZE = 25
        uploader.upload_files(url, pictures, image_quality=70)
        for _ in range(3):
            state = wire.get(f"/tasks/{task.id}/status")["state"]
        assert state == "Finished"
        query = "type=frame&quality=original&number=3"
        assert wire.answer(f"/tasks/{task.id}/data?{query}").content == pictures[3].read_bytes()

    def test_files_of_the_share_are_named(self, sdk, quick):
        shared = {"resource_type": ResourceType.SHARE}
        task = sdk.tasks.create_from_data(SPEC, ["2.png", "1.png"], **shared, **quick)
        assert [frame.name for frame in task.get_frames_info()] == ["1.png", "2.png"]

    def test_a_file_that_is_no_picture_fails_and_leaves_the_task(self, sdk, tmp_path, quick, wire):
        (tmp_path / "bad.png").write_bytes(b"no picture")
        before = wire.ids("/tasks")
        with pytest.raises(FAILED) as failed:
            sdk.tasks.create_from_data(SPEC, [tmp_path / "bad.png"], **quick)
        assert "cannot identify image file" in str(failed.value)
        assert len(wire.ids("/tasks")) == len(before) + 1

    def test_a_remote_file_fails(self, sdk, quick):
        with pytest.raises(FAILED) as failed:
            sdk.tasks.create_from_data(
                SPEC, ["http://pictures.example/a.png"], resource_type=ResourceType.REMOTE, **quick
            )
        assert "fetches nothing" in str(failed.value)

    def test_work_that_fails_on_demand_is_told_of(self, running, sdk, pictures, quick):
        running.server.fail_next_request("disk full")
        with pytest.raises(FAILED) as failed:
            sdk.tasks.create_from_data(SPEC, pictures, **quick)
        assert "disk full" in str(failed.value)

    def test_data_are_taken_once(self, task, pictures, quick):
        with pytest.raises(ApiException) as refused:
            task.upload_data(pictures, **quick)
        assert (refused.value.status, refused.value.body) == (400, ADDING)


class TestFrames:
    def test_a_frame_is_the_picture(self, task, pictures):
        assert task.get_frame(1, quality="original").read() == pictures[1].read_bytes()
        assert Image.open(task.get_frame(1)).format == "JPEG"

    # The SDK 2.80 writes a job's frame to a file of its own, too, and forgets that.
    @pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_a_job_has_its_own(self, task, pictures):
        job = next(each for each in task.get_jobs() if each.start_frame == 2)
        assert job.get_frame(3, quality="original").read() == pictures[3].read_bytes()
        gc.collect()
        assert [frame.name for frame in job.get_frames_info()] == ["2.png", "3.png"]
        assert job.get_meta().size == 2
        assert Image.open(job.get_preview()).size == (32, 24)
        with pytest.raises(ApiException):
            job.get_frame(0, quality="original")

    def test_previews_and_chunks(self, task, pictures):
        assert Image.open(task.get_preview()).size == (32, 24)
        chunk = io.BytesIO()
        task.download_chunk(0, chunk, quality="original")
        with zipfile.ZipFile(chunk) as file:
            found = [file.read(name) for name in file.namelist()]
        assert found == [path.read_bytes() for path in pictures]

    def test_frames_are_downloaded(self, task, tmp_path):
        task.download_frames([0, 2], outdir=tmp_path, quality="original")
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "frame_000000.png", "frame_000002.png",
        ]  # fmt: skip
        assert Image.open(tmp_path / "frame_000002.png").getpixel((0, 0)) == (120, 0, 0)

    def test_frames_are_removed(self, task, wire):
        task.remove_frames_by_ids([3, 0])
        assert task.get_meta().deleted_frames == [0, 3]
        job = next(each for each in task.get_jobs() if each.start_frame == 2)
        job.remove_frames_by_ids([2])
        assert wire.get(f"/tasks/{task.id}/data/meta")["deleted_frames"] == [0, 2]

    def test_one_that_is_not_there_is_refused(self, task):
        with pytest.raises(ApiException) as refused:
            task.get_frame(4)
        assert "The frame number should be in the [0, 3] range" in refused.value.body


class TestAnnotations:
    @pytest.fixture
    def label(self, task):
        return task.get_labels()[0]

    def box(self, label, frame=0, **more):
        told = {"type": "rectangle", "points": [1.0, 2.0, 30.0, 20.0]} | more
        return models.LabeledShapeRequest(frame=frame, label_id=label.id, **told)

    def set(self, task, label):
        tag = models.LabeledImageRequest(frame=3, label_id=label.id)
        shape = models.TrackedShapeRequest(type="rectangle", frame=0, points=[0.0, 0.0, 9.0, 9.0])
        track = models.LabeledTrackRequest(frame=0, label_id=label.id, shapes=[shape])
        task.set_annotations(
            models.LabeledDataRequest(shapes=[self.box(label)], tags=[tag], tracks=[track])
        )
        return task.get_annotations()

    def test_what_is_set_is_read(self, task, label, wire, told):
        found = self.set(task, label)
        (shape,) = found.shapes
        assert (str(shape.type), shape.points, shape.frame) == ("rectangle", [1, 2, 30, 20], 0)
        (attribute,) = shape.attributes
        assert (attribute.spec_id, attribute.value) == (label.attributes[0].id, "none")
        assert [tag.frame for tag in found.tags] == [3]
        assert len(found.tracks) == 2  # one a job
        assert told(found) == wire.get(f"/tasks/{task.id}/annotations")

    def test_shapes_are_added_changed_and_removed(self, task, label):
        self.set(task, label)
        more = models.PatchedLabeledDataRequest(shapes=[self.box(label, 1), self.box(label, 2)])
        task.update_annotations(more, action=AnnotationUpdateAction.CREATE)
        ids = [shape.id for shape in task.get_annotations().shapes]
        changed = self.box(label, 1, points=[5.0, 6.0, 7.0, 8.0], id=ids[1])
        task.update_annotations(models.PatchedLabeledDataRequest(shapes=[changed]))
        found = {shape.id: shape.points for shape in task.get_annotations().shapes}
        assert [*found] == ids
        assert found[ids[1]] == [5, 6, 7, 8]
        task.remove_annotations(ids=[ids[2]])
        assert [shape.id for shape in task.get_annotations().shapes] == ids[:2]
        task.remove_annotations()
        assert task.get_annotations().shapes == []

    def test_a_job_has_what_is_on_its_frames(self, task, label):
        self.set(task, label)
        first, second = sorted(task.get_jobs(), key=lambda job: job.start_frame)
        assert [len(job.get_annotations().shapes) for job in (first, second)] == [1, 0]
        second.set_annotations(models.LabeledDataRequest(shapes=[self.box(label, 2)]))
        assert [shape.frame for shape in task.get_annotations().shapes] == [0, 2]
        second.remove_annotations()
        assert [shape.frame for shape in task.get_annotations().shapes] == [0]

    def test_an_unknown_label_is_refused(self, task):
        box = models.LabeledShapeRequest(
            type="rectangle", frame=0, label_id=9999, points=[1.0, 2.0, 3.0, 4.0]
        )
        with pytest.raises(ApiException) as refused:
            task.set_annotations(models.LabeledDataRequest(shapes=[box]))
        assert (refused.value.status, "9999" in refused.value.body) == (400, True)


def test_the_periods_of_a_client_may_be_its_own(sdk, pictures):
    sdk.config = Config(status_check_period=0.001)
    assert sdk.tasks.create_from_data(SPEC, pictures).size == 4
