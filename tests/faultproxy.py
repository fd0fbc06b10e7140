"""A reverse proxy that breaks: it stands before a real server and harms requests, by a seed.

::

    with FaultyProxy(running.url, rate=0.1, seed=7) as proxy:
        Client(f"{proxy.url}/api", ...)
    proxy.harmed["reset after"]     # how often that was done

What it does to a request is one of `FAULTS`. "before" means that the server never saw it, "after"
that the server did what was asked and only the answer was harmed.
"""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

import faulty
from faulty import Act, Connection

HTML = b"<html><title>Bad Gateway</title></html>"

#: Headers of one hop, which a proxy does not pass on.
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


def forwarded(upstream: str, to: Connection) -> tuple[int, list[tuple[str, str]], bytes]:
    """Pass a request on and return the server's answer."""
    address = urlsplit(upstream)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        headers = {name: value for name, value in to.seen.headers.items() if name not in _HOP}
        headers["Host"] = to.seen.headers.get("host", "")
        connection.request(to.seen.method, to.seen.target, to.seen.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        return answer.status, kept, body
    finally:
        connection.close()


def passed_on(upstream: str) -> Act:
    """Pass the request on, and the answer back."""

    def act(to: Connection) -> bool:
        status, headers, body = forwarded(upstream, to)
        no_body = status in (204, 304) or to.seen.method == "HEAD"
        to.write(faulty.head(status, headers, length=len(body)) + (b"" if no_body else body))
        return True

    return act


def after(upstream: str, act: Act) -> Act:
    """Pass the request on, and play *act* in place of the answer."""

    def done(to: Connection) -> bool:
        forwarded(upstream, to)
        return act(to)

    return done


def _half(upstream: str) -> Act:
    def act(to: Connection) -> bool:
        status, headers, body = forwarded(upstream, to)
        return faulty.raw(faulty.head(status, headers, length=len(body) + 9) + body[:40])(to)

    return act


def faults(upstream: str) -> dict[str, Act]:
    """Return everything that may happen to a request, by name."""
    oops = faulty.answer(b'{"detail": "Oops."}', 500)
    gateway = faulty.answer(HTML, 502, "text/html")
    away = faulty.answer(b"", 503)
    later = faulty.answer(b"", 503, Retry_After="0")
    garbage = faulty.answer(b'{"id": ', 200)
    return {
        "reset before": faulty.reset(),
        "reset after": after(upstream, faulty.reset()),
        "closed before": faulty.hang_up(),
        "closed after": after(upstream, faulty.hang_up()),
        "stalled before": faulty.stall(),
        "stalled after": after(upstream, faulty.stall()),
        "cut": _half(upstream),
        "429": faulty.answer(b'{"detail": "Slow down."}', 429, Retry_After="0"),
        "500 before": oops,
        "500 after": after(upstream, oops),
        "502 before": gateway,
        "502 after": after(upstream, gateway),
        "503 before": away,
        "503 after": after(upstream, later),
        "HTML after": after(upstream, faulty.answer(HTML, 200, "text/html")),
        "garbage after": after(upstream, garbage),
    }


class FaultyProxy(faulty.FaultyServer):
    """Passes requests on to *upstream*, and harms a share of *rate* of them.

    *only* names the ways; *most*: not more than so many are harmed, and none of them is a read.
    """

    def __init__(
        self,
        upstream: str,
        *,
        rate: float = 0.1,
        seed: int = 0,
        only: Iterable[str] | None = None,
        most: int | None = None,
    ) -> None:
        super().__init__()
        self.rate, self.most = rate, most
        self.harmed: Counter[str] = Counter()
        self._faults = faults(upstream)
        self._names = sorted(self._faults if only is None else only)
        self._pass_on = passed_on(upstream)
        self._random = random.Random(seed)
        self._choosing = threading.Lock()
        self.then(self._harm)

    def __enter__(self) -> FaultyProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _harm(self, to: Connection) -> bool:
        with self._choosing:
            name = self._fault(to)
            if name is not None:
                self.harmed[name] += 1
        return (self._pass_on if name is None else self._faults[name])(to)

    def _fault(self, to: Connection) -> str | None:
        spared = self.most is not None and (
            to.seen.method == "GET" or sum(self.harmed.values()) >= self.most
        )
        if spared or self._random.random() >= self.rate:
            return None
        return self._random.choice(self._names)
