"""What a user does with an installed objmapper: an object is read, another one committed.

Run by path with the Python of an environment; with the argument ``progress`` a bar is shown. It
prints what was read, whose function read the JSON, and the key of what was made.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from objmapper import Client, Model, Session, fields


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)


class Service(BaseHTTPRequestHandler):
    """Has one task, and takes every other."""

    def do_GET(self):
        self.answer(200, {"id": 1, "name": "read"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(201, {"id": 2} | body)

    def answer(self, status, row):
        content = json.dumps(row).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def main(progress: bool) -> None:
    called = set()

    def heed(frame, event, function):
        if event == "c_call":
            called.add(f"{function.__module__}.{function.__name__}")

    with HTTPServer(("127.0.0.1", 0), Service) as service:
        threading.Thread(target=service.serve_forever).start()
        try:
            with (
                Client(f"http://127.0.0.1:{service.server_port}") as client,
                Session(client) as session,
            ):
                sys.setprofile(heed)
                read = Task.objects.get(id=1)
                sys.setprofile(None)
                print(read.name, "orjson" if "orjson.loads" in called else "json")
                made = Task(name="made")
                session.add(made)
                session.commit(progress=progress)
                print(made.id)
        finally:
            service.shutdown()


if __name__ == "__main__":
    main("progress" in sys.argv)
