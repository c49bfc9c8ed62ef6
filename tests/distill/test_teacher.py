"""One request over real HTTP: what each failure is taken for. Many: how they are tried again."""

import asyncio
import email.utils
import time
from pathlib import Path
from typing import Any

import pytest

from compressor.corpus.storage import Storage
from compressor.distill.asking import ask_all, questions
from compressor.distill.config import TeacherSection
from compressor.distill.limits import WRONG, Limits, Stop
from compressor.distill.prompt import Instruction
from compressor.distill.reply import Reply
from compressor.distill.store import ReplyLog, index_of, part_names, read_parts
from compressor.distill.teacher import HopelessError, Teacher, TryAgainError, retry_after
from compressor.distill.tokens import teacher_counter
from tests.distill.server import SORRY, Fault, faulty, teacher

TEXT = "one two three four five"
SHORTEN = Instruction("Shorten.")


def ask(url: str, text: str = TEXT, **settings: Any) -> Reply:
    async def once() -> Reply:
        section = TeacherSection(base_url=url, **{"model": "small", "timeout": 0.5, **settings})
        async with Teacher(section, SHORTEN) as client:
            return await client.ask(text)

    return asyncio.run(once())


def test_an_answer() -> None:
    with teacher() as (model, url):
        reply = ask(url, options={"seed": 7})
        assert reply == Reply("one three five", "stop", None, None, 105, 3)
        assert model.bodies[0]["seed"] == 7
        assert ask(url, "SORRY") == Reply(SORRY, "stop", None, None, 101, 10)
        assert ask(url, "POLICY").refusal == "This is against the rules."
        assert ask(url, "FILTER").finish_reason == "content_filter"
        assert ask(url, "AZURE").finish_reason == "content_filter"
        assert ask(url, "TOOMUCH").error == "400: This is more than the model can read"


@pytest.mark.parametrize(
    ("kind", "message", "worked"),
    [
        ("429", "429: Slow down", False),
        ("500", "500: The server had an error", False),
        ("hang", "no answer within 0.5 s", True),
        ("truncated", "broken answer: ", True),
        ("html", "not a chat completion: <html>", True),
        ("cut", "connection failed: ", True),
        ("reset", "connection failed: ", True),
    ],
)
def test_what_may_go_better_next_time(kind: str, message: str, worked: bool) -> None:
    with teacher() as (_, up), faulty(up, lambda n, text: kind, wait="7") as (_, url):
        with pytest.raises(TryAgainError) as caught:
            ask(url)
        assert str(caught.value).startswith(message)
        assert caught.value.worked == worked
        assert caught.value.wait == (7.0 if kind == "429" else 0.0)


def test_nobody_there() -> None:
    with teacher() as (_, url):
        pass
    with pytest.raises(TryAgainError, match="connection failed") as caught:
        ask(url)
    assert not caught.value.worked


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    with teacher(key="sk-very-secret") as (_, url):
        assert ask(url, api_key_env="MY_KEY").content == "one three five"
        with pytest.raises(HopelessError, match=r"^teacher\.api_key_env: OPENAI_API_KEY \(it is n"):
            ask(url)
    with teacher(key="another") as (_, url):
        with pytest.raises(HopelessError) as caught:
            ask(url, api_key_env="MY_KEY")
        assert "401: Incorrect API key provided: ***" in str(caught.value)
        assert "secret" not in str(caught.value)


def test_what_no_request_can_mend() -> None:
    with teacher() as (_, url):
        with pytest.raises(HopelessError, match=r"^teacher\.model: nobody: .*404"):
            ask(url, model="nobody")
        with (
            faulty(url, lambda n, text: "quota") as (_, broke),
            pytest.raises(HopelessError, match="no quota left"),
        ):
            ask(broke)


def test_how_long_to_wait() -> None:
    assert retry_after({}) == 0
    assert retry_after({"retry-after": "2.5"}) == 2.5
    assert retry_after({"retry-after": "9", "retry-after-ms": "1500"}) == 1.5
    assert retry_after({"retry-after": "soon"}) == retry_after({"retry-after": "-1"}) == 0
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 28 <= retry_after({"retry-after": date}) <= 30
    assert retry_after({"retry-after": email.utils.formatdate(0)}) == 0


class Run:
    """`ask_all` here, without Ray, and what it left behind."""

    def __init__(self, folder: Path, url: str, texts: list[str], **settings: Any) -> None:
        section = TeacherSection(
            base_url=url, **{"model": "small", "timeout": 0.5, "backoff": 0.05, **settings}
        )
        counter = teacher_counter(None)
        self.gate = Limits(section)
        target = Storage(str(folder), {}, "output.path")
        asked = questions([(text, text) for text in texts], SHORTEN, counter)
        log = ReplyLog(target, "part")

        async def run() -> Stop | None:
            holder = await self.gate.enter(0)
            await ask_all(asked, section, SHORTEN, counter, self.gate, log, holder=holder)
            return await self.gate.why_stopped()

        before = time.monotonic()
        self.stop = asyncio.run(run())
        self.seconds = time.monotonic() - before
        parts = dict(read_parts(target, part_names(target)))
        self.replies = {name: reply for part in parts.values() for name, reply in part.items()}
        self.spent = index_of(target).spent


def first(*kinds: str | None) -> Fault:
    """The n-th request gets the n-th fault; later ones none."""
    return lambda number, text: kinds[number] if number < len(kinds) else None


def test_a_request_is_repeated_until_it_is_answered(tmp_path: Path) -> None:
    faults = first("500", "truncated", "reset", "429")
    with teacher() as (model, up), faulty(up, faults, wait="0.6") as (proxy, url):
        run = Run(tmp_path, url, [TEXT])
        assert proxy.requests == 5
        waits = [
            after - before for before, after in zip(proxy.times, proxy.times[1:], strict=False)
        ]
        assert waits[0] >= 0.05
        assert waits[1] >= 0.10  # twice as long
        assert waits[2] >= 0.20
        assert waits[3] >= 0.6  # what the server asked for
        assert model.asked.total() == 2
    reply = run.replies[TEXT]
    assert reply.content == "one three five"
    assert reply.prompt_tokens > 105  # the prompts that were lost count as well
    assert run.spent.prompt == reply.prompt_tokens


def test_attempts_are_counted_and_then_given_up(tmp_path: Path) -> None:
    with teacher() as (_, up), faulty(up, lambda n, text: "500") as (proxy, url):
        run = Run(tmp_path, url, [TEXT], attempts=3)
        assert proxy.requests == 3
    assert run.replies[TEXT].error == "given up after 3 attempts: 500: The server had an error"
    assert run.stop is None


def test_requests_at_a_time_and_their_pace(tmp_path: Path) -> None:
    texts = [f"{TEXT} {i}" for i in range(12)]
    with teacher(delay=0.05) as (model, url):
        run = Run(tmp_path / "a", url, texts, concurrency=4)
        assert model.most_at_once == 4
        assert len(run.replies) == 12
        assert run.seconds < 2.5
    with teacher() as (_, up), faulty(up, lambda n, text: None) as (proxy, url):
        Run(tmp_path / "b", url, texts, requests_per_minute=600)
        gaps = [b - a for a, b in zip(proxy.times, proxy.times[1:], strict=False)]
        assert sum(gaps) >= 11 * 0.1 - 0.05
    with teacher() as (_, url):
        run = Run(tmp_path / "c", url, texts[:4], tokens_per_minute=60 * 1000, max_tokens=200)
        assert run.seconds >= 0.3  # about 110 tokens each, at 1,000 a second


def test_a_hopeless_error_stops_everybody_but_keeps_answers(tmp_path: Path) -> None:
    texts = [f"{TEXT} {i}" for i in range(30)]
    with teacher() as (model, up), faulty(up, lambda n, _: "quota" if n >= 6 else None) as (p, url):
        run = Run(tmp_path, url, texts, concurrency=2)
        assert p.requests <= 8
        assert len(run.replies) == model.asked.total() == 6
    assert run.stop is not None
    assert run.stop.kind == WRONG


def test_replies_lie_in_one_part_at_the_end(tmp_path: Path) -> None:
    with teacher(delay=0.03) as (_, url):
        run = Run(tmp_path, url, [f"{TEXT} {i}" for i in range(25)], concurrency=3)
    assert len(run.replies) == 25
    assert len(list((tmp_path / "_answers" / "part").iterdir())) == 1
