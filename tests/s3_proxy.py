"""A proxy before an S3 server, for tests that count requests or make them fail."""

import http.client
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_SECONDS = 2.0
ERRORS = {"500": b"InternalError", "503": b"SlowDown"}
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "date", "server"}

Before = Callable[[str, str], str | None]
After = Callable[[str, str, int], None]


@contextmanager
def proxied(
    upstream: str, before: Before, after: After = lambda method, path, status: None
) -> Iterator[str]:
    """The URL of a proxy before `upstream`.

    `before(method, path)` runs ahead of each request and may name a fault: "500", "503", "slow",
    "reset". `after(method, path, status)` hears what the server answered.
    """
    host = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            return

        def forward(self) -> None:
            body = self._body()
            fault = before(self.command, self.path)
            if fault == "reset":
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.close_connection = True
                os.close(self.connection.detach())  # close() would wait for the files made of it
                return
            if fault in ERRORS:
                self._answer(int(fault), [], b"<Error><Code>%s</Code></Error>" % ERRORS[fault])
                return
            if fault == "slow":
                time.sleep(SLOW_SECONDS)
            inner = http.client.HTTPConnection(host, timeout=60)
            headers = dict(self.headers.items())
            headers.pop("Transfer-Encoding", None)
            inner.request(self.command, self.path, body, headers)
            answer = inner.getresponse()
            content = answer.read()
            after(self.command, self.path, answer.status)
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
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
