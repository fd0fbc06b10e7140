"""What is told of a task's data: frames, chunks, previews, deleted frames, background requests."""

import io
import zipfile

import pytest
from PIL import Image

ADMIN, ALICE = ("admin", "secret"), ("alice", "wonder")
in_process = pytest.mark.parametrize("open_door", ["in process"], indirect=True)


def png(red=0, size=(40, 30), **options):
    buffer = io.BytesIO()
    Image.new("RGB", size, (red, 0, 0)).save(buffer, format="PNG", **options)
    return buffer.getvalue()


PICTURES = [png(red) for red in (0, 60, 120, 180, 240)]


def image(content):
    return Image.open(io.BytesIO(content))


def entries(content):
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


class Data:
    """A task with five pictures, red more and more, in two jobs that share a frame."""

    def __init__(self, door, pictures=PICTURES, name="{}.png", **given):
        self.door = door
        body = {"name": "t", "labels": [{"name": "car"}], "segment_size": 3, "overlap": 1}
        self.task = door.post("/tasks", body).json()["id"]
        files = {
            f"client_files[{number}]": (name.format(number), picture)
            for number, picture in enumerate(pictures)
        }
        self.path = f"/tasks/{self.task}"
        body = {"image_quality": 70} | given
        self.taken = door("POST", f"{self.path}/data/", data=body, files=files)

    @property
    def jobs(self):
        rows = self.door.get(f"/jobs?task_id={self.task}&sort=id").json()["results"]
        return [f"/jobs/{row['id']}" for row in rows]

    def get(self, kind, number, quality="compressed", of=None):
        path = f"{of}/data" if of else f"{self.path}/data/"
        return self.door.get(f"{path}?type={kind}&number={number}&quality={quality}")


@pytest.fixture
def data(door):
    return Data(door)


def test_a_frame_is_the_picture_or_a_jpeg_of_it(data):
    original = data.get("frame", 3, "original")
    assert (original.headers["Content-Type"], original.content) == ("image/png", PICTURES[3])
    compressed = data.get("frame", 3)
    assert compressed.headers["Content-Type"] == "image/jpeg"
    found = image(compressed.content)
    assert (found.format, found.size) == ("JPEG", (40, 30))
    assert abs(found.getpixel((5, 5))[0] - 180) < 5


def test_a_chunk_has_the_frames_by_their_place_in_it(door):
    data = Data(door, chunk_size=2)
    for number, names in ((0, ["000000", "000001"]), (2, ["000000"])):
        answer = data.get("chunk", number, "original")
        assert answer.headers["Content-Type"] == "application/zip"
        found = entries(answer.content)
        assert [*found] == [f"{name}.png" for name in names]
        assert [*found.values()] == PICTURES[2 * number : 2 * number + 2]
    found = entries(data.get("chunk", 1).content)
    assert found == {f"00000{place}.jpeg": data.get("frame", 2 + place).content for place in (0, 1)}


@in_process
class TestPictures:
    def test_one_that_lies_on_its_side_is_shown_upright(self, door):
        exif = Image.Exif()
        exif[274] = 6
        data = Data(door, [png(exif=exif)])
        frame = door.get(f"{data.path}/data/meta").json()["frames"][0]
        assert (frame["width"], frame["height"]) == (30, 40)
        for quality in ("compressed", "original"):
            assert image(data.get("frame", 0, quality).content).size == (30, 40)

    def test_the_quality_tells_in_the_size(self, door):
        picture = io.BytesIO()
        Image.effect_noise((64, 64), 90).save(picture, format="PNG")
        sizes = [
            len(Data(door, [picture.getvalue()], image_quality=quality).get("frame", 0).content)
            for quality in (10, 50, 95)
        ]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[2] / 2

    def test_a_preview_has_at_most_256_pixels_on_a_side(self, door):
        data = Data(door, [png(size=(1000, 500))])
        preview = door.get(f"{data.path}/preview")
        assert preview.headers["Content-Type"] == "image/jpeg"
        assert image(preview.content).size == (256, 128)

    @pytest.mark.parametrize(("size", "chunk_size"), [((40, 30), 72), ((1920, 1080), 36)])
    def test_the_first_picture_tells_how_long_chunks_are(self, door, size, chunk_size):
        data = Data(door, [png(size=size), png()])
        assert door.get(f"{data.path}/data/meta").json()["chunk_size"] == chunk_size
        assert door.get(data.path).json()["data_chunk_size"] == chunk_size
        assert door.get(data.jobs[0]).json()["data_chunk_size"] == chunk_size

    def test_one_that_is_cut_off_breaks_the_request_for_it_alone(self, door):
        picture = io.BytesIO()
        Image.effect_noise((64, 64), 90).save(picture, format="PNG")
        data = Data(door, [picture.getvalue()[:1000], png()])
        assert data.get("frame", 0).status_code == 500
        assert data.get("frame", 1).status_code == 200

    def test_a_tiff_stays_one(self, door):
        picture = io.BytesIO()
        Image.new("RGB", (8, 8), "red").save(picture, format="TIFF")
        data = Data(door, [picture.getvalue()], "{}.tiff")
        answer = data.get("frame", 0, "original")
        assert answer.headers["Content-Type"] == "image/tiff"
        assert image(answer.content).getpixel((0, 0)) == (255, 0, 0)


@in_process
class TestJobs:
    def test_a_job_has_its_own_frames_by_the_numbers_of_the_task(self, data):
        first, second = data.jobs
        assert data.get("frame", 3, "original", of=second).content == PICTURES[3]
        refused = data.get("frame", 1, of=second)
        told = "The frame number doesn't belong to the job"
        assert (refused.status_code, refused.json()) == (400, told)
        assert data.get("frame", 2, of=first).content == data.get("frame", 2, of=second).content

    def test_a_job_shows_the_chunks_that_its_frames_are_in(self, door):
        data = Data(door, chunk_size=2)
        _, second = data.jobs
        assert data.get("chunk", 2, of=second).content == data.get("chunk", 2).content
        refused = data.get("chunk", 0, of=second)
        told = "The chunk number should be in  the [1, 2] range"
        assert (refused.status_code, refused.json()) == (400, told)

    def test_a_chunk_by_its_index_begins_with_the_job(self, door):
        data = Data(door, chunk_size=2)
        _, second = data.jobs
        for index, pictures in ((0, PICTURES[2:4]), (1, PICTURES[4:])):
            query = f"type=chunk&index={index}&quality=original"
            answer = door.get(f"{second}/data?{query}")
            assert [*entries(answer.content).values()] == pictures
        for index in (2, -1):
            refused = door.get(f"{second}/data?type=chunk&index={index}")
            assert (refused.status_code, refused.json()) == (400, "requested chunk does not exist")

    def test_2_15_knows_a_chunk_by_its_number_alone(self, open_door):
        data = Data(open_door(version="2.15"))
        refused = data.door.get(f"{data.jobs[0]}/data?type=chunk&index=0")
        assert (refused.status_code, refused.json()) == (400, ["Number is not specified"])

    def test_its_meta_are_those_of_its_stretch(self, data):
        meta = data.door.get(f"{data.jobs[1]}/data/meta").json()
        assert [frame["name"] for frame in meta["frames"]] == ["2.png", "3.png", "4.png"]
        told = meta["size"], meta["start_frame"], meta["stop_frame"], meta["included_frames"]
        assert told == (3, 2, 4, None)

    def test_its_preview_is_its_first_frame(self, data):
        preview = image(data.door.get(f"{data.jobs[1]}/preview").content)
        assert abs(preview.getpixel((5, 5))[0] - 120) < 5

    def test_a_ground_truth_job_leaves_frames_out(self, data):
        body = {"type": "ground_truth", "task_id": data.task, "frames": [1, 3]}
        job = data.door.post("/jobs", body | {"frame_selection_method": "manual"}).json()
        path = f"/jobs/{job['id']}"
        meta = data.door.get(f"{path}/data/meta").json()
        names = [frame["name"] for frame in meta["frames"]]
        left_out = "placeholder.jpg"
        assert names == [left_out, "1.png", left_out, "3.png", left_out]
        assert (meta["included_frames"], meta["size"]) == ([1, 3], 2)
        sizes = [
            image(each).size for each in entries(data.get("chunk", 0, of=path).content).values()
        ]
        assert sizes == [(1, 1), (40, 30), (1, 1), (40, 30), (1, 1)]
        assert data.get("frame", 0, of=path).status_code == 400
        assert data.get("frame", 3, "original", of=path).content == PICTURES[3]


@in_process
class TestRefusals:
    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ("", ["Data type not specified or has wrong value"]),
            ("type=film&number=0", ["Data type not specified or has wrong value"]),
            ("type=frame", ["Number is not specified"]),
            ("type=frame&number=0&quality=best", ["Wrong quality value"]),
            ("type=frame&number=5", "The frame number should be in the [0, 4] range"),
            ("type=frame&number=-1", "The frame number should be in the [0, 4] range"),
            ("type=chunk&number=1", "The chunk number should be in  the [0, 0] range"),
        ],
    )
    def test_what_is_asked_for_must_be_there(self, data, query, told):
        refused = data.door.get(f"{data.path}/data/?{query}")
        assert (refused.status_code, refused.json()) == (400, told)

    def test_a_number_that_is_none_breaks_cvat(self, data):
        assert data.get("frame", "x").status_code == 500

    def test_there_are_no_context_images(self, data):
        assert data.get("context_image", 0).status_code == 404

    def test_a_task_without_data_has_nothing_to_show(self, door, task):
        path = f"/tasks/{task['id']}"
        assert door.get(f"{path}/data/?type=frame&number=0").status_code == 500
        assert door.get(f"{path}/data/meta").status_code == 500
        assert door.get(f"{path}/preview").status_code == 404

    def test_others_may_not_look(self, data):
        alice = data.door.as_user(ALICE)
        job = data.jobs[0]
        for path in (data.path, job):
            for end in ("/data?type=frame&number=0", "/data/meta", "/preview"):
                assert alice("GET", path + end).status_code == 403
        assert alice("GET", f"{data.path}/status").status_code == 403

    def test_the_assignee_of_a_job_sees_that_job(self, data):
        alice, job = data.door.as_user(ALICE), data.jobs[0]
        data.door.patch(job, {"assignee": 2})
        assert alice("GET", f"{job}/data?type=frame&number=0").status_code == 200
        assert alice("GET", f"{data.path}/data?type=frame&number=0").status_code == 403

    def test_frames_of_2_15_are_checked_in_the_numbering_of_the_source(self, open_door):
        data = Data(open_door(version="2.15"), start_frame=2)
        assert data.get("frame", 2, "original").content == PICTURES[4]
        assert data.get("frame", 0).json() == "The frame number should be in the [2, 4] range"
        assert data.get("frame", 3).json() == "Incorrect requested frame number: 3"

    def test_frames_of_2_80_are_counted_from_0(self, door):
        data = Data(door, start_frame=2)
        assert data.get("frame", 0, "original").content == PICTURES[2]
        assert data.get("frame", 3).status_code == 400


@in_process
class TestDeletedFrames:
    def deleted(self, data, path, *frames):
        answer = data.door.patch(f"{path}/data/meta", {"deleted_frames": frames})
        assert answer.status_code == 200
        return answer.json()["deleted_frames"]

    def test_those_of_a_task_are_replaced_in_order_and_once(self, data):
        assert self.deleted(data, data.path, 4, 1, 4) == [1, 4]
        assert self.deleted(data, data.path, 2) == [2]
        assert self.deleted(data, data.path) == []

    def test_those_of_a_job_leave_others_alone(self, data):
        first, second = data.jobs
        self.deleted(data, data.path, 0, 4)
        assert self.deleted(data, second, 3, 0) == [3]
        assert data.door.get(f"{data.path}/data/meta").json()["deleted_frames"] == [0, 3]
        assert data.door.get(f"{first}/data/meta").json()["deleted_frames"] == [0]

    def test_those_of_a_job_touch_the_task(self, data):
        before = data.door.get(data.path).json()["updated_date"]
        self.deleted(data, data.path, 0)
        assert data.door.get(data.path).json()["updated_date"] == before
        self.deleted(data, data.jobs[0], 0)
        assert data.door.get(data.path).json()["updated_date"] > before

    def test_2_15_wants_them_said(self, open_door):
        for version, status in (("2.15", 400), ("2.80", 200)):
            data = Data(open_door(version=version))
            assert data.door.patch(f"{data.path}/data/meta", {}).status_code == status

    def test_negative_ones_are_refused_by_their_place(self, data):
        refused = data.door.patch(f"{data.path}/data/meta", {"deleted_frames": [1, -1]})
        told = {"1": ["Ensure this value is greater than or equal to 0."]}
        assert (refused.status_code, refused.json()) == (400, {"deleted_frames": told})


@in_process
class TestMadeUp:
    """Tasks of a seed."""

    def test_each_frame_is_one_of_its_own(self, seeded):
        path = "/tasks/1/data/?type=frame&quality=original&number="
        frames = [seeded.get(f"{path}{number}").content for number in range(30)]
        assert len(set(frames)) == 30
        assert {image(frame).size for frame in frames} == {(64, 48)}

    def test_their_meta_and_deleted_frames_are_kept(self, seeded):
        assert seeded.get("/tasks/2/data/meta").json()["size"] == 30
        seeded.patch("/tasks/2/data/meta", {"deleted_frames": [7]})
        assert seeded.get("/jobs/4/data/meta").json()["deleted_frames"] == [7]
        assert seeded.get("/tasks/2").json()["data_chunk_size"] == 72

    def test_data_of_a_new_task_are_not_those_of_one(self, seeded):
        data = Data(seeded)
        assert data.get("frame", 0, "original").content == PICTURES[0]
        number = seeded.get(data.path).json()["data"]
        rows = seeded.get("/tasks?page_size=100").json()["results"]
        assert [row["data"] for row in rows].count(number) == 1


class TestRequests:
    def test_without_a_lag_it_is_done_at_once(self, data):
        key = data.taken.json()["rq_id"]
        told = data.door.get(f"/requests/{key}").json()
        assert (told["status"], told["progress"], told["message"]) == ("finished", 1.0, "")
        assert told["operation"]["type"] == "create:task"
        assert told["operation"]["task_id"] == data.task
        assert told["owner"] == {"id": 1, "username": "admin"}
        assert told["created_date"] < told["started_date"] < told["finished_date"]

    def test_a_lag_is_how_often_it_is_asked_for(self, open_door):
        data = Data(open_door(lag=3))
        assert data.door.get(data.path).json()["size"] == 0
        assert data.jobs == []
        key = data.taken.json()["rq_id"]
        told = [data.door.get(f"/requests/{key}").json() for _ in range(5)]
        states = ["queued", "started", "started", "finished", "finished"]
        assert [each["status"] for each in told] == states
        assert [each["progress"] for each in told] == [0.0, 1 / 3, 2 / 3, 1.0, 1.0]
        assert data.door.get(data.path).json()["size"] == 5

    def test_the_older_address_tells_of_it_too(self, open_door):
        data = Data(open_door(lag=1, version="2.15"))
        told = [data.door.get(f"{data.path}/status").json()["state"] for _ in range(3)]
        assert told == ["Queued", "Finished", "Finished"]
        assert data.door.get("/requests").status_code == 404

    def test_one_fails_on_demand(self, open_door):
        door = open_door()
        door.server.fail_next_request("disk full")
        failed, done = Data(door), Data(door)
        told = door.get(f"/requests/{failed.taken.json()['rq_id']}").json()
        assert (told["status"], told["message"]) == ("failed", "disk full")
        assert door.get(failed.path).json()["size"] == 0
        assert door.get(done.path).json()["size"] == 5

    def test_one_that_waits_is_cancelled_and_data_are_sent_again(self, open_door):
        data = Data(open_door(lag=2))
        key = data.taken.json()["rq_id"]
        assert data.door("POST", f"/requests/{key}/cancel").status_code == 200
        gone = data.door.get(f"/requests/{key}")
        assert (gone.status_code, gone.text) == (404, "There is no request with specified id")
        again = data.door.post(f"{data.path}/data/", {"image_quality": 70})
        for _ in range(3):
            told = data.door.get(f"/requests/{again.json()['rq_id']}").json()
        assert told["status"] == "finished"

    def test_one_that_has_begun_is_not_cancelled(self, data):
        key = data.taken.json()["rq_id"]
        refused = data.door("POST", f"/requests/{key}/cancel")
        told = "Only requests that have not yet been started can be cancelled"
        assert (refused.status_code, refused.text) == (400, told)

    @in_process
    def test_each_has_a_list_of_their_own(self, data):
        alice = data.door.as_user(ALICE)
        key = data.taken.json()["rq_id"]
        assert alice("GET", "/requests").json()["count"] == 0
        assert alice("GET", f"/requests/{key}").status_code == 403
        assert alice("POST", f"/requests/{key}/cancel").status_code == 403

    @in_process
    @pytest.mark.parametrize(
        ("query", "places"),
        [
            ("", [1, 0]),
            ("?sort=created_date", [0, 1]),
            ("?status=failed", [1]),
            ("?task_id=1", [0]),
            ('?filter={"==":[{"var":"status"},"finished"]}', [0]),
            ("?target=project", []),
            ("?action=create&sort=status", [1, 0]),
        ],
    )
    def test_the_list_is_filtered_and_sorted(self, door, query, places):
        keys = [Data(door).taken.json()["rq_id"], Data(door, [b""]).taken.json()["rq_id"]]
        rows = door.get(f"/requests{query}").json()["results"]
        assert [row["id"] for row in rows] == [keys[place] for place in places]

    @in_process
    def test_a_task_takes_its_request_along(self, data):
        data.door.delete(data.path)
        assert data.door.get("/requests").json()["count"] == 0


def test_chunks_and_frames_are_busy_on_demand(open_door):
    data = Data(open_door(busy=2))
    for kind, quality in (("chunk", "compressed"), ("frame", "original"), ("frame", "compressed")):
        answers = [data.get(kind, 0, quality) for _ in range(4)]
        assert [each.status_code for each in answers] == [429, 429, 200, 200]
        assert (answers[0].headers["Retry-After"], answers[0].content) == ("1", b"")
