"""Uploads: a task's data in one request or by parts, and what of them is refused."""

import base64
import io
import threading
import uuid
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

# What the doors could differ in is in test_server_media.py.
pytestmark = pytest.mark.parametrize("open_door", ["in process"], indirect=True)
TUS = {"Tus-Resumable": "1.0.0"}
REFUSED = "Adding more data is not supported"


def png(red=0, size=(40, 30)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (red, 0, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


def form(*files):
    """The files of a form, as both SDKs number them."""
    return {f"client_files[{place}]": file for place, file in enumerate(files)}


def named(*names):
    return form(*((name, png(place)) for place, name in enumerate(names)))


class Pictures(BaseHTTPRequestHandler):
    """Has a picture under most names; gone.png is not there, moved.png is elsewhere."""

    def do_GET(self):
        codes = {"/gone.png": 404, "/moved.png": 302}
        self.send_response(codes.get(self.path, 200))
        self.send_header("Location", "/a.png")
        self.end_headers()
        self.wfile.write(png())

    def log_message(self, *args):
        """Say nothing."""


class Upload:
    """What a client does with one task's data."""

    def __init__(self, door, **task):
        self.door = door
        body = {"name": "t", "labels": [{"name": "car"}]} | task
        self.task = door.post("/tasks", body).json()["id"]
        self.path = f"/tasks/{self.task}/data/"

    def start(self):
        return self.door("POST", self.path, headers={"Upload-Start": ""})

    def multiple(self, files, **data):
        data = {"image_quality": 70} | data
        headers = {"Upload-Multiple": ""}
        return self.door("POST", self.path, headers=headers, data=data, files=files)

    def begin(self, name, length, **headers):
        told = base64.b64encode(name.encode()).decode()
        headers = {"Upload-Length": str(length), "Upload-Metadata": f"filename {told}"} | headers
        return self.door("POST", self.path, headers=TUS | {"Origin": self.door.url} | headers)

    def piece(self, location, content, offset):
        headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        return self.door("PATCH", self.at(location), data=content, headers=TUS | headers)

    def ask(self, location):
        return self.door("HEAD", self.at(location), headers=TUS)

    def at(self, location):
        assert location.startswith(f"{self.door.url}/api/")
        return location.removeprefix(f"{self.door.url}/api")

    def finish(self, **given):
        body = {"image_quality": 70} | given
        return self.door("POST", self.path, headers={"Upload-Finish": ""}, json=body)

    def at_once(self, files, **given):
        return self.door("POST", self.path, data={"image_quality": 70} | given, files=files)

    def state(self):
        return self.door.get(f"/tasks/{self.task}/status").json()

    def failure(self):
        state = self.state()
        assert state["state"] == "Failed"
        return state["message"]

    def names(self):
        assert self.state()["state"] == "Finished"
        meta = self.door.get(f"/tasks/{self.task}/data/meta").json()
        return [frame["name"] for frame in meta["frames"]]

    def jobs(self):
        rows = self.door.get(f"/jobs?task_id={self.task}&sort=id").json()["results"]
        return [(row["start_frame"], row["stop_frame"]) for row in rows]


@pytest.fixture
def upload(door):
    return Upload(door)


@pytest.fixture
def old(open_door):
    return Upload(open_door(version="2.15"))


def test_parts_become_the_frames_of_a_task(upload):
    assert (upload.start().status_code, upload.start().content) == (202, b"")
    assert upload.multiple(named("b.png", "a.png")).status_code == 200
    assert upload.multiple(named("c.png")).status_code == 200
    content = png(9)
    location = upload.begin("d.png", len(content)).headers["Location"]
    upload.piece(location, content, 0)
    taken = upload.finish()
    assert (taken.status_code, list(taken.json())) == (202, ["rq_id"])
    assert upload.names() == ["a.png", "b.png", "c.png", "d.png"]
    task = upload.door.get(f"/tasks/{upload.task}").json()
    assert (task["size"], task["mode"], task["segment_size"]) == (4, "annotation", 4)
    assert upload.jobs() == [(0, 3)]


def test_2_15_answers_with_the_parameters(old):
    old.multiple(named("b.png", "a.png"))
    taken = old.finish(image_quality=30, sorting_method="natural")
    assert taken.status_code == 202
    told = {"image_quality": 30, "sorting_method": "natural", "client_files": ["b.png", "a.png"]}
    assert told.items() <= taken.json().items()


def test_a_form_has_as_many_files_as_it_likes(old):
    # Beyond what frameworks permit unless they are told otherwise: 1,000 parts, 500 kB of fields.
    # What is called ".." is left out, and costs no time.
    many = form(*(("..", b"x") for _ in range(1_000)), ("a.png", png()))
    assert old.multiple(many, filename_pattern="x" * 600_000).status_code == 200
    assert old.finish().json()["client_files"] == ["a.png"]


def test_one_request_is_enough(upload):
    assert upload.at_once(named("a.png")).status_code == 202
    assert upload.names() == ["a.png"]


def test_the_address_may_lack_its_slash(upload):
    path = upload.path.removesuffix("/")
    taken = upload.door("POST", path, data={"image_quality": 70}, files=named("a.png"))
    assert taken.status_code == 202
    assert upload.names() == ["a.png"]


@pytest.mark.parametrize("path", ["/home/ann/a.png", "../../a.png"])
def test_a_file_goes_by_the_last_part_of_its_name(upload, path):
    upload.at_once(form((path, png())))
    assert upload.names() == ["a.png"]


def test_data_are_taken_once(upload):
    upload.at_once(named("a.png"))
    for again in (upload.at_once(named("b.png")), upload.start(), upload.finish()):
        assert (again.status_code, again.json()) == (400, REFUSED)


def test_data_that_failed_may_be_sent_again(upload):
    upload.at_once(form(("a.txt", b"text")))
    assert upload.failure().endswith("No media data found")
    upload.at_once(named("b.png"))
    assert upload.names() == ["b.png"]


def test_a_name_that_is_there_already_breaks_cvat(upload):
    upload.multiple(named("a.png"))
    assert upload.multiple(named("a.png")).status_code == 500


def test_a_quality_is_needed_by_2_15_alone(upload, old):
    for each, status in ((upload, 202), (old, 400)):
        each.multiple(named("a.png"))
        finished = each.door("POST", each.path, headers={"Upload-Finish": ""}, json={})
        assert finished.status_code == status
    assert finished.json() == {"image_quality": ["This field is required."]}
    assert upload.door.get(f"/tasks/{upload.task}").json()["image_quality"] == 70


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"image_quality": 101}, {"image_quality": ["Ensure this value is less than or equal to 100."]}),
        ({"chunk_size": 0}, {"chunk_size": ["Chunk size must be a positive integer"]}),
        ({"frame_filter": "every 2"}, {"frame_filter": ["Invalid frame filter expression"]}),
        ({"sorting_method": "none"}, {"sorting_method": ['"none" is not a valid choice.']}),
        ({"start_frame": 3, "stop_frame": 2},
         {"non_field_errors": ["Stop frame must be more or equal start frame"]}),
        ({"job_file_mapping": [["a.png"], ["a.png"]]},
         {"job_file_mapping":
             ["The same file 'a.png' cannot be used multiple times in the job file mapping"]}),
        ({"filename_pattern": "*", "server_files_exclude": ["a"]},
         {"non_field_errors": ["The filename_pattern and server_files_exclude cannot be used together"]}),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_refused_by_name(upload, given, refusal):
    upload.multiple(named("a.png"))
    refused = upload.finish(**given)
    assert (refused.status_code, refused.json()) == (400, refusal)


def test_a_validation_set_with_the_data_is_refused_in_words(upload):
    refused = upload.finish(validation_params={"mode": "gt"})
    assert refused.status_code == 400
    assert "ground truth job" in refused.json()["validation_params"][0]


def test_unknown_parameters_are_ignored(upload):
    upload.multiple(named("a.png"))
    assert upload.finish(bogus=1, frame_step=3).status_code == 202


class TestPieces:
    def test_the_offset_tells_how_much_is_there(self, upload):
        content = png()
        begun = upload.begin("a.png", len(content))
        assert (begun.status_code, begun.headers["Upload-Filename"]) == (201, "a.png")
        location = begun.headers["Location"]
        first = upload.piece(location, content[:10], 0)
        assert (first.status_code, first.headers["Upload-Offset"]) == (204, "10")
        asked = upload.ask(location)
        told = asked.headers["Upload-Offset"], asked.headers["Upload-Length"]
        assert told == ("10", str(len(content)))
        assert upload.piece(location, content[10:], 10).status_code == 204
        upload.finish()
        frame = upload.door.get(f"{upload.path}?type=frame&number=0&quality=original")
        assert frame.content == content

    @pytest.mark.parametrize("offset", [0, 9, 11])
    def test_a_wrong_offset_is_a_409_and_changes_nothing(self, upload, offset):
        content = png()
        location = upload.begin("a.png", len(content)).headers["Location"]
        upload.piece(location, content[:10], 0)
        refused = upload.piece(location, content[offset:], offset)
        assert (refused.status_code, refused.content) == (409, b"")
        assert upload.ask(location).headers["Upload-Offset"] == "10"

    def test_a_complete_file_is_not_known_any_more(self, upload):
        location = upload.begin("a.png", 3).headers["Location"]
        upload.piece(location, b"abc", 0)
        assert upload.ask(location).status_code == 404
        assert upload.piece(location, b"", 3).status_code == 500

    def test_more_than_was_announced_is_a_413(self, upload):
        location = upload.begin("a.png", 3).headers["Location"]
        assert upload.piece(location, b"abcd", 0).status_code == 413
        assert upload.ask(location).headers["Upload-Offset"] == "0"

    def test_of_two_files_of_one_name_the_first_that_is_complete_stays(self, upload):
        first, second = (upload.begin("a.png", len(png(red))).headers["Location"] for red in (0, 9))
        upload.piece(second, png(9), 0)
        upload.piece(first, png(0), 0)
        upload.finish()
        assert upload.names() == ["a.png"]
        frame = upload.door.get(f"{upload.path}?type=frame&number=0&quality=original")
        assert frame.content == png(9)

    def test_a_name_that_is_there_is_a_409(self, upload):
        upload.multiple(named("a.png"))
        refused = upload.begin("a.png", 10)
        assert (refused.status_code, refused.json()) == (409, "File with same name already exists")

    @pytest.mark.parametrize("name", ["../a.png", "sub/a.png", ".."])
    def test_a_name_with_a_path_is_a_400(self, upload, name):
        refused = upload.begin(name, 10)
        assert (refused.status_code, refused.json()) == (400, f"File name {name} is not allowed")

    def test_too_long_is_a_413(self, upload):
        assert upload.begin("a.png", 26_843_545_601).status_code == 413

    def test_an_announced_file_that_never_came_fails_the_request(self, upload):
        upload.begin("a.png", 10)
        upload.multiple(named("b.png"))
        upload.finish()
        assert "No such file or directory: 'a.png'" in upload.failure()

    def test_2_15_cant_do_without_an_origin(self, old, upload):
        told = {"Upload-Length": "3", "Upload-Metadata": "filename YS5wbmc="}
        assert old.door("POST", old.path, headers=TUS | told).status_code == 500
        assert upload.door("POST", upload.path, headers=TUS | told).status_code == 201

    @pytest.mark.parametrize("length", ["0", "-1", "long"])
    def test_a_length_that_is_none_breaks_cvat(self, upload, length):
        assert upload.begin("a.png", length).status_code == 500

    def test_a_piece_belongs_to_its_task(self, upload):
        location = upload.begin("a.png", 3).headers["Location"]
        key = location.rpartition("/")[2]
        other = Upload(upload.door)
        for task, file in ((other, key), (upload, uuid.uuid4())):
            assert upload.door("HEAD", f"{task.path}{file}").status_code == 404


class TestFrames:
    """Which files become frames, in which order, and of which job."""

    @pytest.mark.parametrize(
        ("method", "names"),
        [
            ("lexicographical", ["A2.png", "a1.png", "a10.png", "a9.png"]),
            ("natural", ["a1.png", "A2.png", "a9.png", "a10.png"]),
            ("predefined", ["a9.png", "a10.png", "a1.png", "A2.png"]),
        ],
    )
    def test_the_sorting_orders_them(self, upload, method, names):
        upload.multiple(named("a9.png", "a10.png", "a1.png", "A2.png"))
        upload.finish(sorting_method=method)
        assert upload.names() == names

    def test_random_keeps_each_once(self, upload):
        upload.multiple(named("a.png", "b.png", "c.png"))
        upload.finish(sorting_method="random")
        assert sorted(upload.names()) == ["a.png", "b.png", "c.png"]

    def test_the_order_of_files_may_be_said_last(self, upload):
        upload.multiple(named("a.png", "b.png", "c.png"))
        wanted = ["c.png", "a.png", "b.png"]
        upload.finish(sorting_method="predefined", upload_file_order=wanted)
        assert upload.names() == wanted

    def test_an_order_of_other_files_is_refused(self, upload):
        upload.multiple(named("a.png"))
        refused = upload.finish(sorting_method="predefined", upload_file_order=["b.png"])
        assert refused.status_code == 400
        assert refused.json()[0].endswith("Mismatching files: a.png (extra), b.png (missing)")

    @pytest.mark.parametrize(
        ("given", "numbers", "last"),
        [
            ({"start_frame": 2}, [2, 3, 4, 5], 5),
            ({"stop_frame": 3}, [0, 1, 2, 3], 3),
            ({"start_frame": 1, "stop_frame": 4}, [1, 2, 3, 4], 4),
            ({"frame_filter": "step=2"}, [0, 2, 4], 4),
            ({"start_frame": 1, "stop_frame": 4, "frame_filter": "step = 2"}, [1, 3], 3),
            ({"stop_frame": 99}, [0, 1, 2, 3, 4, 5], 5),
        ],
    )
    def test_start_stop_and_step_choose(self, upload, given, numbers, last):
        upload.multiple(named(*(f"{number}.png" for number in range(6))))
        upload.finish(**given)
        assert upload.names() == [f"{number}.png" for number in numbers]
        meta = upload.door.get(f"/tasks/{upload.task}/data/meta").json()
        told = meta["size"], meta["start_frame"], meta["stop_frame"]
        assert told == (len(numbers), numbers[0], last)

    def test_no_frame_at_all_fails(self, upload):
        upload.multiple(named("a.png"))
        upload.finish(start_frame=5)
        assert upload.failure() == "AssertionError"

    @pytest.mark.parametrize(
        ("segment_size", "overlap", "jobs", "told"),
        [
            (0, None, [(0, 9)], (10, 0)),
            (4, None, [(0, 3), (4, 7), (8, 9)], (4, 0)),
            (4, 1, [(0, 3), (3, 6), (6, 9)], (4, 1)),
            (4, 9, [(0, 3), (2, 5), (4, 7), (6, 9)], (4, 2)),
            (99, 3, [(0, 9)], (10, 3)),
        ],
    )
    def test_segments_are_jobs(self, door, segment_size, overlap, jobs, told):
        upload = Upload(door, segment_size=segment_size, overlap=overlap)
        upload.at_once(named(*(f"{number}.png" for number in range(10))))
        assert upload.jobs() == jobs
        task = door.get(f"/tasks/{upload.task}").json()
        assert (task["segment_size"], task["overlap"]) == told

    def test_files_are_dealt_out_to_jobs(self, upload):
        upload.multiple(named("a.png", "b.png", "c.png", "d.png"))
        upload.finish(job_file_mapping=[["c.png"], ["a.png", "d.png"]])
        assert upload.names() == ["c.png", "a.png", "d.png"]
        assert upload.jobs() == [(0, 0), (1, 2)]

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"job_file_mapping": [["x.png"]]}, "Can't find file 'x.png' in the input files"),
            ({"job_file_mapping": [["a.png"]], "sorting_method": "natural"},
             "job_file_mapping cannot be used with sorting_method"),
            ({"job_file_mapping": [["a.png"]], "stop_frame": 1},
             "job_file_mapping cannot be used with stop_frame"),
        ],
    )  # fmt: skip
    def test_a_mapping_that_cant_be_fails(self, upload, given, why):
        upload.multiple(named("a.png"))
        upload.finish(**given)
        assert why in upload.failure()

    def test_an_archive_is_its_pictures(self, upload):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for name in ("b/2.png", "a.png", "notes.txt", "__MACOSX/a.png"):
                file.writestr(name, png())
        upload.at_once(form(("all.zip", buffer.getvalue())))
        assert upload.names() == ["a.png", "b/2.png"]

    @pytest.mark.parametrize(
        ("files", "why"),
        [
            ([("a.png", b"no picture")], "PIL.UnidentifiedImageError: cannot identify image file 'a.png'"),
            ([("a.zip", b"no archive")], "zipfile.BadZipFile: a.zip: File is not a zip file"),
            ([("a.zip", b""), ("b.png", png())], "1 zip(s), 1 image(s) found."),
            ([("a.mp4", b"")], "reads no video: a.mp4"),
            ([("a.png", png()), ("m.jsonl", b"")], "reads no manifest: m.jsonl"),
            ([], "No media data found"),
        ],
    )  # fmt: skip
    def test_what_is_no_picture_fails_in_the_background(self, upload, files, why):
        upload.multiple(form(*files))
        assert upload.finish().status_code == 202
        assert upload.failure().endswith(why)
        assert upload.jobs() == []
        assert upload.door.get(f"/tasks/{upload.task}").json()["size"] == 0


class TestRemote:
    @pytest.fixture
    def upload(self, open_door):
        return Upload(open_door(remote=True))

    @pytest.fixture
    def pictures(self):
        """A port of this machine on which GET /a.png is a picture, and /moved leads to it."""
        with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()

    def take(self, upload, *urls):
        upload.door.post(upload.path, {"image_quality": 70, "remote_files": [*urls]})

    def test_files_of_this_machine_are_fetched(self, upload, pictures):
        self.take(upload, f"{pictures}/b/c.png", f"{pictures}/a.png?x=1")
        assert upload.names() == ["a.png", "c.png"]
        frame = upload.door.get(f"{upload.path}?type=frame&number=0&quality=original")
        assert frame.content == png()

    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("/gone.png", "; HTTP error 404"),
            ("/moved.png", "; HTTP error 302"),
        ],
    )
    def test_nothing_but_a_200_is_a_file(self, upload, pictures, path, why):
        self.take(upload, f"{pictures}{path}")
        assert upload.failure() == f"Exception: Failed to download {pictures}{path}{why}"

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("http://pictures.example/a.png", "from this machine alone, by http"),
            ("https://127.0.0.1/a.png", "from this machine alone, by http"),
            ("ftp://127.0.0.1/a.png", "Unsupported URL scheme: ftp."),
            ("http://127.0.0.1:port/a.png", "an address of remote_files is none"),
            ("http://127.0.0.1:1/a.png", "Failed to download http://127.0.0.1:1/a.png"),
        ],
    )
    def test_no_other_address_is_asked(self, upload, url, why):
        self.take(upload, url)
        assert why in upload.failure()

    def test_a_password_in_an_address_is_not_told(self, upload):
        self.take(upload, "http://ann:hush@pictures.example/a.png?token=quiet")
        told = upload.failure()
        assert told.startswith("Exception: Failed to download http://pictures.example/a.png: ")
        assert "hush" not in told
        assert "quiet" not in told

    def test_two_files_of_one_name_collide(self, upload, pictures):
        self.take(upload, f"{pictures}/a.png", f"{pictures}/b/a.png")
        assert upload.failure() == "Exception: filename collision: a.png"

    def test_without_the_option_nothing_is_fetched(self, door, pictures):
        upload = Upload(door)
        self.take(upload, f"{pictures}/a.png")
        assert "unless it has the option 'remote'" in upload.failure()


class TestShare:
    @pytest.fixture
    def share(self, tmp_path):
        for name in ("a.png", "sub/b.png", "sub/deep/c.png", "notes.txt"):
            path = tmp_path / "share" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png())
        (tmp_path / "secret.png").write_bytes(png())
        (tmp_path / "share" / "out").symlink_to(tmp_path)
        (tmp_path / "share" / "sub" / "out.png").symlink_to(tmp_path / "secret.png")
        return tmp_path / "share"

    @pytest.fixture
    def upload(self, open_door, share):
        return Upload(open_door(share=str(share)))

    @pytest.mark.parametrize(
        ("files", "without", "names"),
        [
            (["a.png"], [], ["a.png"]),
            (["/sub/"], [], ["sub/b.png", "sub/deep/c.png"]),
            (["a.png", "sub"], ["sub/deep/"], ["a.png", "sub/b.png"]),
            (["sub"], ["sub/b.png"], ["sub/deep/c.png"]),
        ],
    )
    def test_files_and_folders_are_taken(self, upload, files, without, names):
        body = {"server_files": files, "server_files_exclude": without}
        upload.door.post(upload.path, body)
        assert upload.names() == names
        frame = upload.door.get(f"{upload.path}?type=frame&number=0&quality=original")
        assert frame.content == png()

    @pytest.mark.parametrize("name", ["../secret.png", "out/secret.png", "nowhere.png"])
    def test_what_is_not_below_the_share_fails(self, upload, name):
        upload.door.post(upload.path, {"server_files": [name]})
        upload.failure()

    def test_without_a_share_there_are_no_server_files(self, door):
        upload = Upload(door)
        door.post(upload.path, {"server_files": ["a.png"]})
        assert "start it with the option 'share'" in upload.failure()
        assert door.get("/server/share").json() == []

    def test_the_share_is_listed_folders_first(self, upload):
        rows = upload.door.get("/server/share").json()
        told = [(row["name"], row["type"], row["mime_type"]) for row in rows]
        assert told == [
            ("out", "DIR", "DIR"), ("sub", "DIR", "DIR"), ("a.png", "REG", "image"),
            ("notes.txt", "REG", "unknown"),
        ]  # fmt: skip
        below = upload.door.get("/server/share?directory=/sub&search=b").json()
        assert [row["name"] for row in below] == ["b.png"]

    @pytest.mark.parametrize("folder", ["..", "/out", "nowhere"])
    def test_a_folder_that_is_not_below_it_is_a_400(self, upload, folder):
        refused = upload.door.get(f"/server/share?directory={folder}")
        told = f"{folder.removeprefix('/')} is an invalid directory"
        assert (refused.status_code, refused.json()) == (400, told)


def test_others_may_not_upload(upload):
    ann = upload.door.as_user(("alice", "wonder"))
    location = upload.begin("a.png", 3).headers["Location"]
    for method, path in (("POST", upload.path), ("PATCH", upload.at(location))):
        assert ann(method, path, data=b"abc").status_code == 403


def test_options_break_cvat(upload):
    assert upload.door("OPTIONS", upload.path).status_code == 500


def test_data_survive_a_restart_and_go_with_their_task(open_door, tmp_path):
    path = tmp_path / "cvat.sqlite"
    upload = Upload(open_door(path=str(path)))
    upload.at_once(named("a.png"))
    half = Upload(upload.door)
    location = half.at(half.begin("b.png", 4).headers["Location"])
    upload.door("PATCH", location, data=b"ab", headers={"Upload-Offset": "0"})
    upload.door.server.close()

    again = open_door(path=str(path))
    frame = again.get(f"{upload.path}?type=frame&number=0&quality=original")
    assert frame.content == png()
    assert again("HEAD", location).headers["Upload-Offset"] == "2"
    folder = tmp_path / "cvat.sqlite.data"
    assert len(list(folder.iterdir())) == 2
    for task in (upload.task, half.task):
        again.delete(f"/tasks/{task}")
    assert list(folder.iterdir()) == []


def test_what_an_archive_that_failed_has_left_goes_with_its_task(open_door, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.png", png())
        file.writestr("b.png", b"no picture")
    upload = Upload(open_door(path=str(tmp_path / "cvat.sqlite")))
    upload.at_once(form(("all.zip", buffer.getvalue())))
    assert upload.failure().endswith("'b.png'")
    folder = tmp_path / "cvat.sqlite.data"
    assert len(list(folder.iterdir())) == 3
    upload.door.delete(f"/tasks/{upload.task}")
    assert list(folder.iterdir()) == []


def test_files_that_a_dead_process_has_left_are_removed_and_no_others(open_door, tmp_path):
    path = str(tmp_path / "cvat.sqlite")
    upload = Upload(open_door(path=path))
    upload.at_once(named("a.png"))
    upload.door.server.close()
    folder = tmp_path / "cvat.sqlite.data"
    (kept,) = folder.iterdir()
    for name in ("0" * 32, "notes.txt"):
        (folder / name).write_text("left")
    open_door(path=path)
    assert {each.name for each in folder.iterdir()} == {kept.name, "notes.txt"}


def test_the_files_of_a_server_in_memory_end_with_it(open_door):
    upload = Upload(open_door())
    upload.at_once(named("a.png"))
    folder = upload.door.server._application._site.folder.path("x").parent
    assert len(list(folder.iterdir())) == 1
    upload.door.server.close()
    assert not folder.exists()
