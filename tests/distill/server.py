"""A small OpenAI-compatible server, and a proxy in front of it that goes wrong on demand.

Both are real HTTP servers on loopback, each on an event loop in a thread of its own. The server's
"model" keeps every second word (and every fourth in B); some words in a text make it misbehave as
teachers do.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, web

SORRY = "I'm sorry, but I can't assist with that particular request."


@dataclass
class Model:
    """The server's state: what was asked of it, and how it behaves."""

    delay: float = 0.0
    usage: bool = True
    key: str | None = None
    asked: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def complete(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.key is not None and given != self.key:
            return _error(401, "invalid_api_key", f"Incorrect API key provided: {given}")
        body = await request.json()
        text = body["messages"][-1]["content"]
        self.bodies.append(body)
        self.asked[text] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.delay)
        finally:
            self.at_once -= 1
        if body["model"] == "nobody":
            return _error(404, "model_not_found", "The model `nobody` does not exist")
        if "TOOMUCH" in text:
            return _error(400, "context_length_exceeded", "This is more than the model can read")
        if "AZURE" in text:
            return _error(400, "content_filter", "The prompt was filtered")
        return web.json_response(self._answer(body, text))

    def _answer(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        words = text.split()
        two = "\nB:" in body["messages"][0]["content"]
        content: str | None = " ".join(words[::2])
        if two:
            content = f"A: {content}\nB: {' '.join(words[::4])}"
        finish, refusal = "stop", None
        if "SORRY" in text:
            content = SORRY
        elif "POLICY" in text:
            content, refusal = None, "This is against the rules."
        elif "FILTER" in text:
            content, finish = "", "content_filter"
        elif "EMPTY" in text:
            content = "  "
        elif "LONGER" in text:
            content = f"{text} {text}"
        elif "INVENT" in text:
            content = f"{content} zebra zebra"
        elif "CUT" in text:
            finish = "length"
        elif "CHATTY" in text and two:
            content = f"Here you are:\n{content}"
        message = {"role": "assistant", "content": content, "refusal": refusal}
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        }
        if self.usage:
            prompt, completion = len(words) + 100, len((content or "").split())
            answer["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            }
        return answer


Fault = Callable[[int, str], str | None]
"""From the number of a request (0, 1, ...) and its text to a fault's name, None: pass it on."""


@dataclass
class Proxy:
    """Passes requests on, or does to them what `fault` says."""

    upstream: str
    fault: Fault
    wait: str = "1"  # Retry-After
    requests: int = 0
    times: list[float] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        text = json.loads(body)["messages"][-1]["content"]
        number, self.requests = self.requests, self.requests + 1
        self.times.append(asyncio.get_running_loop().time())
        kind = self.fault(number, text)
        if kind == "429":
            return _error(429, "rate_limit_exceeded", "Slow down", {"Retry-After": self.wait})
        if kind == "quota":
            return _error(429, "insufficient_quota", "You exceeded your current quota")
        if kind == "500":
            return _error(500, "server_error", "The server had an error")
        if kind == "hang":
            await asyncio.sleep(60)
        if kind == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        async with (
            ClientSession() as session,
            session.post(
                f"{self.upstream}/chat/completions",
                data=body,
                headers={
                    "Content-Type": "application/json",
                    "Authorization": request.headers.get("Authorization", ""),
                },
            ) as passed,
        ):
            content, status = await passed.read(), passed.status
        if kind == "truncated":  # a whole HTTP message of half a JSON body
            content = content[: len(content) // 2]
        if kind == "html":
            return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
        if kind == "cut":  # a body that ends before its announced length
            response = web.StreamResponse(headers={"Content-Length": str(len(content))})
            response.content_type = "application/json"
            await response.prepare(request)
            await response.write(content[: len(content) // 2])
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(body=content, status=status, content_type="application/json")


def _error(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    body = {"error": {"message": message, "type": "error", "code": code, "param": None}}
    return web.json_response(body, status=status, headers=headers)


@contextmanager
def served(handler: Callable[[web.Request], Any]) -> Iterator[str]:
    """Serve POST /v1/chat/completions on a free port; yields the base URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[web.AppRunner, int]:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, runner.addresses[0][1]

    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@contextmanager
def teacher(**settings: Any) -> Iterator[tuple[Model, str]]:
    """A server; yields its state and base URL."""
    model = Model(**settings)
    with served(model.complete) as url:
        yield model, url


@contextmanager
def faulty(upstream: str, fault: Fault, **settings: Any) -> Iterator[tuple[Proxy, str]]:
    """A proxy in front of a server; yields its state and base URL."""
    proxy = Proxy(upstream, fault, **settings)
    with served(proxy.handle) as url:
        yield proxy, url
