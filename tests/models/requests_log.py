"""A proxy before an S3 server that writes down every request."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PASSED_ON = {"connection", "transfer-encoding", "keep-alive", "date", "server", "content-length"}


class Requests:
    """What was asked, and `before`, which runs ahead of each request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda method, path: None
        self._lock = threading.Lock()

    def note(self, method: str, path: str) -> None:
        with self._lock:
            self.seen.append((method, path))
        self.before(method, path)

    def objects(self, method: str = "GET") -> list[str]:
        """The names of the objects that were read; listings aren't among them."""
        paths = [urlsplit(path).path for of, path in self.seen if of == method]
        return sorted(
            path.rpartition("/")[2] for path in paths if path.count("/") > 1 and "." in path
        )


@contextmanager
def logged(upstream: str, log: Requests) -> Iterator[str]:
    """The URL of the proxy."""
    host = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            return

        def forward(self) -> None:
            log.note(self.command, self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            inner = http.client.HTTPConnection(host, timeout=60)
            inner.request(self.command, self.path, body, dict(self.headers.items()))
            answer = inner.getresponse()
            data = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in PASSED_ON:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            inner.close()

        do_GET = do_HEAD = forward

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
