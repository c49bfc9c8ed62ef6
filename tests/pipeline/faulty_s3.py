"""A proxy before an S3 server that fails at random: 500, 503, slow answers, reset connections."""

import http.client
import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_SECONDS = 2.0
ERRORS = {500: b"InternalError", 503: b"SlowDown"}
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "date", "server"}


class Faults:
    """How often requests fail, how many have, and how often each object was written."""

    def __init__(self, seed: int) -> None:
        self.rate = 0.0
        self.injected = 0
        self.written: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def draw(self) -> str | None:
        with self._lock:
            if self._random.random() >= self.rate:
                return None
            self.injected += 1
            return self._random.choice(["500", "503", "slow", "reset"])

    def count(self, path: str) -> None:
        with self._lock:
            self.written[path] += 1


@contextmanager
def faulty(upstream: str, faults: Faults) -> Iterator[str]:
    """The URL of a proxy before `upstream`."""
    host = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            return

        def forward(self) -> None:
            body = self._body()
            fault = faults.draw()
            if fault == "reset":
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.close_connection = True
                os.close(self.connection.detach())  # close() would wait for the files made of it
                return
            if fault in {"500", "503"}:
                code = ERRORS[int(fault)]
                self._answer(int(fault), [], b"<Error><Code>%s</Code></Error>" % code)
                return
            if fault == "slow":
                time.sleep(SLOW_SECONDS)
            inner = http.client.HTTPConnection(host, timeout=60)
            headers = dict(self.headers.items())
            headers.pop("Transfer-Encoding", None)
            inner.request(self.command, self.path, body, headers)
            answer = inner.getresponse()
            content = answer.read()
            if self.command == "PUT" and answer.status == 200:
                faults.count(urlsplit(self.path).path)
            self._answer(answer.status, answer.getheaders(), content)
            inner.close()

        def _body(self) -> bytes:
            if self.headers.get("Expect", "").lower() == "100-continue":
                del self.headers["Expect"]
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            length = str(len(body))
            for name, value in headers:
                if name.lower() == "content-length":
                    length = value if self.command == "HEAD" else length
                elif name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
