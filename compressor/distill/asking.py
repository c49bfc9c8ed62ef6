"""Many requests at a time to a teacher, with retries, each reply stored as it arrives.

In: the chunks that have no reply yet; out: nothing but what is on storage. All that the workers of
a job share (places, pace, caps, the order to stop) is behind `Gate`.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from compressor.distill.config import TeacherSection
from compressor.distill.limits import WRONG, Usage
from compressor.distill.prompt import Instruction
from compressor.distill.reply import Reply
from compressor.distill.store import ReplyLog
from compressor.distill.teacher import HopelessError, Teacher, TryAgainError
from compressor.engine.subwords import TokenCounter

LONGEST_BACKOFF = 60.0
BYTES_PER_TOKEN = 4  # a floor for estimates: a tokenizer of another language counts too few
FRAME_TOKENS = 12  # what a chat template adds


@dataclass(frozen=True, slots=True)
class Question:
    """A text, the name of its request, and about how many tokens the prompt has."""

    request: str
    text: str
    prompt_tokens: int


class Gate(Protocol):
    """`Limits`, here or in an actor."""

    async def acquire(self, holder: int, worst: Usage) -> int | None: ...

    async def release(self, permit: int, used: Usage, pause: float = 0.0) -> None: ...

    async def finished(self, failure: str | None) -> None: ...

    async def sleep(self, seconds: float) -> None: ...

    async def stop(self, kind: str, message: str) -> None: ...


class NothingMoreError(Exception):
    """The gate gives no permit any more."""


def questions(
    requests: Iterable[tuple[str, str]], instruction: Instruction, counter: TokenCounter
) -> list[Question]:
    """Of pairs (name of the request, text)."""
    pairs = list(requests)
    tokens = _tokens([instruction.text, *(text for _, text in pairs)], counter)
    return [
        Question(name, text, FRAME_TOKENS + tokens[0] + own)
        for (name, text), own in zip(pairs, tokens[1:], strict=True)
    ]


async def ask_all(
    asked: Sequence[Question],
    settings: TeacherSection,
    instruction: Instruction,
    counter: TokenCounter,
    gate: Gate,
    log: ReplyLog,
    *,
    holder: int,
) -> None:
    """Ask until all have their reply or the gate closes. Raises what the storage raises."""
    rest = iter(asked)
    async with Teacher(settings, instruction) as teacher:
        asker = _Asker(settings, teacher, counter, gate, log, holder)
        places = min(settings.concurrency, len(asked))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(places):
                    group.create_task(asker.work(rest))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
    await log.close()


@dataclass(frozen=True, slots=True)
class _Asker:
    settings: TeacherSection
    teacher: Teacher
    counter: TokenCounter
    gate: Gate
    log: ReplyLog
    holder: int

    async def work(self, rest: Iterator[Question]) -> None:
        try:
            for question in rest:  # shared: each question goes to one of the coroutines
                await self._settle(question)
        except NothingMoreError:
            return
        except HopelessError as error:
            await self.gate.stop(WRONG, str(error))

    async def _settle(self, question: Question) -> None:
        """Ask until there is a reply that stands, and store it before its place is free."""
        lost: list[Usage] = []
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(TryAgainError),
            stop=stop_after_attempt(self.settings.attempts),
            wait=_wait(self.settings.backoff),
            sleep=self.gate.sleep,
            reraise=True,
        )
        permit: int | None = None
        reply: Reply
        try:
            permit, reply = await retrying(self._attempt, question, lost)
        except TryAgainError as error:
            reply = Reply(error=f"given up after {len(lost)} attempts: {error}")
        used = Usage(reply.prompt_tokens, reply.completion_tokens)
        total = sum(lost, start=used)
        stored = replace(reply, prompt_tokens=total.prompt, completion_tokens=total.completion)
        await self.log.add(question.request, stored)
        if permit is not None:
            await self.gate.release(permit, used)
        await self.gate.finished(reply.error)

    async def _attempt(self, question: Question, lost: list[Usage]) -> tuple[int, Reply]:
        """One request; what a failed one may have cost is added to `lost`."""
        worst = Usage(question.prompt_tokens, self.settings.max_tokens)
        permit = await self.gate.acquire(self.holder, worst)
        if permit is None:
            raise NothingMoreError
        try:
            reply = await self.teacher.ask(question.text)
        except TryAgainError as error:
            lost.append(Usage(question.prompt_tokens) if error.worked else Usage())
            await self.gate.release(permit, lost[-1], error.wait)
            raise
        except HopelessError:
            await self.gate.release(permit, Usage())
            raise
        return permit, self._counted(question, reply)

    def _counted(self, question: Question, reply: Reply) -> Reply:
        """With an estimate where the server doesn't say what it used."""
        if reply.error or reply.prompt_tokens or reply.completion_tokens:
            return reply
        (tokens,) = _tokens([reply.content or ""], self.counter)
        return replace(reply, prompt_tokens=question.prompt_tokens, completion_tokens=tokens)


def _wait(backoff: float) -> Callable[[RetryCallState], float]:
    """Seconds before the next attempt: what the server asked for, or ever longer, and a bit more.

    The random part keeps many requests from coming back at the same moment.
    """
    longer = wait_exponential(multiplier=backoff, max=LONGEST_BACKOFF)
    scatter = wait_random(0, backoff)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, TryAgainError) else 0.0
        return (asked or longer(state)) + scatter(state)

    return wait


def _tokens(texts: Sequence[str], counter: TokenCounter) -> list[int]:
    """Estimates by a counter that may not be the teacher's."""
    return [
        max(count, len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
        for text, count in zip(texts, counter.count(texts).tolist(), strict=True)
    ]
