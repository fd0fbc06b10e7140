"""What an upload of many files holds at once: counted, on the form that a plan has for them."""

import io
import tracemalloc

import pytest

from objmapper.cvat import Client, Data, Task
from objmapper.request import Multipart
from objmapper.transport.bodies import Payload
from objmapper.transport.deadline import BLOCK

FILES, SIZE = 1_000, 20_000


@pytest.fixture(scope="module")
def form(tmp_path_factory):
    """The form of a planned upload."""
    folder = tmp_path_factory.mktemp("files")
    paths = [folder / f"{number:04}.jpg" for number in range(FILES)]
    for path in paths:
        path.write_bytes(b"x" * SIZE)
    with Client("embedded://cvat") as client:
        client.session.add(Task(name="t", labels=[{"name": "car"}], data=Data(paths)))
        (found,) = [
            operation.request.body
            for operation in client.session.plan()
            if isinstance(operation.request.body, Multipart)
        ]
        client.session.rollback()
    return found


def drained(form):
    """How many bytes a form has, read as a connection reads it."""
    body = Payload.of(form).open()
    total = sum(len(piece) for piece in body.pieces(BLOCK))
    assert total == len(body)
    body.close()
    return total


def test_an_upload_holds_a_piece_of_it_in_memory(form):
    drained(form)
    tracemalloc.start()
    assert drained(form) > FILES * SIZE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < FILES * SIZE / 10


def test_one_file_is_open_at_a_time(form):
    class Watched(io.BytesIO):
        now = most = 0

        def __init__(self, content):
            super().__init__(content)
            Watched.now += 1
            Watched.most = max(Watched.most, Watched.now)

        def close(self):
            Watched.now -= not self.closed
            super().close()

    def watched(opener):
        def opened():
            with opener() as file:
                return Watched(file.read())

        return opened

    files = {
        name: (told, watched(opener), size) for name, (told, opener, size) in form.files.items()
    }
    drained(form._replace(files=files))
    assert (Watched.now, Watched.most) == (0, 1)
