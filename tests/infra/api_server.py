"""The API server as far as start.py sees it: RayJobs of one namespace over HTTP, in memory.

A real one isn't to be had without a cluster. Kept from it: one object a name (409), a uid for
each, deletion on condition of the uid (409), the bearer token (401). What KubeRay does to a RayJob,
a test does with `finish`.
"""

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "token of the pod"
PREFIX = "/apis/ray.io/v1/namespaces/here/rayjobs"

RayJob = dict[str, Any]


class ApiServer(ThreadingHTTPServer):
    """Use as a context; `url` is where it listens."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs: dict[str, RayJob] = {}
        self.calls: list[tuple[str, str]] = []
        self.down = 0  # so many requests are answered with 503
        self.lock = threading.RLock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __exit__(self, *error: Any) -> None:
        self.shutdown()
        super().__exit__(*error)

    def add(self, job: RayJob) -> RayJob | None:
        with self.lock:
            if job["metadata"]["name"] in self.jobs:
                return None
            job = {**job, "metadata": {**job["metadata"], "uid": str(uuid.uuid4())}}
            self.jobs[job["metadata"]["name"]] = job
            return job

    def finish(self, name: str, state: str, job_status: str, message: str = "") -> None:
        with self.lock:
            status = {"jobDeploymentStatus": state, "jobStatus": job_status, "message": message}
            self.jobs[name] = {**self.jobs[name], "status": status}

    def remove(self, name: str, uid: str) -> tuple[int, RayJob]:
        with self.lock:
            if name not in self.jobs:
                return 404, {}
            if self.jobs[name]["metadata"]["uid"] != uid:
                return 409, {}
            return 200, self.jobs.pop(name)


class _Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        job = self.server.jobs.get(self._name())
        self._answer(*((200, job) if job else (404, {})))

    def do_POST(self) -> None:
        job = self.server.add(self._body())
        self._answer(*((201, job) if job else (409, {})))

    def do_DELETE(self) -> None:
        uid = self._body()["preconditions"]["uid"]
        self._answer(*self.server.remove(self._name(), uid))

    def _name(self) -> str:
        return self.path.removeprefix(PREFIX).lstrip("/")

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, code: int, body: Any) -> None:
        self.server.calls.append((self.command, self._name()))
        if self.headers["Authorization"] != f"Bearer {TOKEN}" or not self.path.startswith(PREFIX):
            code, body = 401, {}
        elif self.server.down:
            self.server.down -= 1
            code, body = 503, {}
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *message: Any) -> None:
        """Nothing."""
