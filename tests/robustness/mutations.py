"""Recorded answers of a real CVAT, and what may become of them on their way.

What becomes of one is told by a number alone, so that a test that fails names it.
"""

import copy
import json
import math
import random
import re
from pathlib import Path

from objmapper.cvat import Task

RECORDINGS = Path(__file__).parents[1] / "recordings" / "cvat-2.15"
ORIGIN = "http://cvat.example:8080"
REGISTRY = Task.__mapper__.registry
#: Rows beyond these say nothing new.
ROWS = 2


def recorded():
    """Return ``(path, status, headers, body)`` of every recorded answer in JSON."""
    found = []
    for file in sorted(RECORDINGS.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            told = json.loads(line)
            answer = told["response"]
            if "json" not in (answer["body"] or {}):
                continue
            body, path = answer["body"]["json"], told["request"]["path"].partition("?")[0]
            if isinstance(body, dict) and isinstance(body.get("results"), list):
                body["results"] = body["results"][:ROWS]
            found.append((path, answer["status"], answer["headers"], body))
    return found


EXCHANGES = recorded()


def of_rows():
    """Return what was recorded of each class of the binding: ``[(class, [(key or None, JSON)])]``."""
    found = {}
    for path, status, _, body in EXCHANGES:
        match = re.fullmatch(r"/api/(\w+)(?:/\w+)?", path)
        if match is None or match[1] not in REGISTRY or status >= 300:
            continue
        if isinstance(body, dict) and (body.get("results") or "id" in body):
            answers = found.setdefault(REGISTRY[match[1]], {})
            answers[body.get("id"), json.dumps(body)] = None
    return [(model, list(answers)) for model, answers in found.items()]


OF_ROWS = of_rows()
REFUSALS = [exchange for exchange in EXCHANGES if exchange[1] >= 400]
#: Values of every kind of JSON, and some that a parser may let through.
VALUES = (
    None, True, False, 0, 1, -1, 7, 2**31, 2**63, 2**64, -(10**30), 10**400, 0.0, -0.0, 0.5, 1e308,
    -1e308, 5e-324, math.nan, math.inf, -math.inf, "", " ", "x", "null", "0", "-1", "1e3", "\x00",
    "\ud800", "\udfff\ud800", "é", "\u202e", "😀", "x" * 5000, "9" * 5000, "annotation", "bogus",
    "2024-01-01", "2024-01-01T00:00:00", "2024-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999-14:00", "99999-01-01T00:00:00Z", "24:00:00", "../..", "a/b?c#d",
    "http://evil.example/", "[]", "{}", [], [[]], [None], [1, "x", {}], [[[[]]]], {}, {"id": None},
    {"id": []}, {"id": {}}, {"id": 1}, {"id": "1"}, {"id": 1.5}, {"id": True}, {"": {}}, {"id": "x/.."},
    {"count": -1}, {"url": 1}, {"results": []}, {"detail": 7},
)  # fmt: skip
#: How the way to the next page may read.
LINKS = (
    "", "/", "?", "#", "?page=2", "?page=1", "/api/tasks?page=2", "//", "///", "//evil.example/",
    "https://evil.example/api/tasks?page=2", f"{ORIGIN}/api/tasks?page=2", f"{ORIGIN}/elsewhere",
    "http://cvat.example:99999/api/tasks", "http://[::1", "http://cvat.example:x/", "ftp://a/b",
    "javascript:0", "\x00", "http://user:secret@cvat.example:8080/api/tasks?page=2", "/../../..",
    "http://cvat.example:8080\\@evil.example/", "/%", "/%zz", "/é", "/\ud800", "mailto:a@b.c",
)  # fmt: skip


class Mutator:
    """One mutation, or several of one answer."""

    def __init__(self, number):
        self.random = random.Random(number)

    def rows(self):
        """Return a class, the key of a detail (None: it is a page), and a mutated answer's bytes."""
        model, answers = self.random.choice(OF_ROWS)
        key, text = self.random.choice(answers)
        return model, key, self.body(text)

    def body(self, text):
        """Return the bytes of a JSON text, mutated one to three times."""
        choose = self.random
        self.root = [json.loads(text)]
        for _ in range(choose.randint(1, 3)):
            choose.choice(TREE)(self)
        content = self.text(self.root[0])
        return choose.choice(BYTES)(self, content) if choose.random() < 0.2 else content

    def text(self, value):
        try:
            return json.dumps(value).encode()
        except RecursionError:
            return b"[" * 3000

    def place(self):
        """Return a container of the tree and a key of it, chosen by walking down from the root."""
        holder, key = self.root, 0
        while isinstance(holder[key], dict | list) and holder[key] and self.random.random() < 0.85:
            holder = holder[key]
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            key = self.random.choice(keys)
        return holder, key

    def value(self):
        return copy.deepcopy(self.random.choice(VALUES))

    # -- of the tree --

    def replace(self):
        holder, key = self.place()
        holder[key] = self.value()

    def drop(self):
        holder, key = self.place()
        if holder is not self.root:
            del holder[key]

    def add(self):
        holder, key = self.place()
        if isinstance(holder, dict):
            holder[self.random.choice(["id", "extra", "", "\ud800", "labels", key])] = self.value()
        elif holder is not self.root:
            holder.insert(key, self.value())

    def wrap(self):
        holder, key = self.place()
        holder[key] = self.random.choice(
            [[holder[key]], {"id": holder[key]}, {"results": holder[key]}]
        )

    def bury(self):
        holder, key = self.place()
        for _ in range(self.random.choice([3, 100, 480, 700, 1000])):
            holder[key] = [holder[key]] if self.random.random() < 0.5 else {"id": holder[key]}

    def swap(self):
        (one, here), (other, there) = self.place(), self.place()
        if not isinstance(one[here], dict | list) and not isinstance(other[there], dict | list):
            one[here], other[there] = other[there], one[here]

    def repeat(self):
        holder, key = self.place()
        if isinstance(holder, list) and holder is not self.root:
            holder += [holder[key]] * self.random.choice([1, 2, 50])

    def envelope(self):
        body = self.root[0]
        if isinstance(body, dict):
            name = self.random.choice(["count", "next", "next", "previous", "results"])
            body[name] = self.random.choice(LINKS) if name == "next" else self.value()

    # -- of the bytes --

    def truncate(self, content):
        return content[: self.random.randrange(len(content) + 1)]

    def flip(self, content):
        changed = bytearray(content)
        for _ in range(self.random.choice([1, 1, 5, 50])):
            if changed:
                changed[self.random.randrange(len(changed))] = self.random.randrange(256)
        return bytes(changed)

    def insert(self, content):
        at = self.random.randrange(len(content) + 1)
        junk = [b"\xff\xfe", b"\x00", b"NaN", b",", b"]", b"\xef\xbb\xbf", b"\\ud800", b"[" * 5000]
        return content[:at] + self.random.choice(junk) + content[at:]

    def twice(self, content):
        return content * 2

    def keys_twice(self, content):
        """Say each key of the outermost object twice, with another value before."""
        told = b'{"id": "first", "results": 7, "count": -7, "next": [],'
        return told + content[1:] if content.startswith(b'{"') else content

    def encoding(self, content):
        text = content.decode("utf-8", "replace")
        return text.encode(self.random.choice(["utf-16", "utf-32", "utf-8-sig", "utf-7"]))

    def other(self, content):
        return self.random.choice(
            [b"", b" ", b"null", b"<html></html>", b"0", b'"x"', b"{", b"1e999"]
        )


TREE = (Mutator.replace,) * 6 + (Mutator.envelope,) * 2 + (Mutator.drop, Mutator.add) * 2
TREE += (Mutator.wrap, Mutator.bury, Mutator.swap, Mutator.repeat)
BYTES = (Mutator.truncate, Mutator.flip, Mutator.insert, Mutator.twice, Mutator.keys_twice)
BYTES += (Mutator.encoding, Mutator.other)
