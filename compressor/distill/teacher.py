"""One request to an OpenAI-compatible chat endpoint, and what its failures mean.

In: the text of a chunk; out: a `Reply`, or an exception that says whether to try again. What is
tried again, and when, is decided elsewhere; the client itself never does.
"""

import asyncio
import email.utils
import os
import time
from collections.abc import Mapping
from typing import Any, Self

from compressor.distill.config import TeacherSection
from compressor.distill.prompt import Instruction, request
from compressor.distill.reply import Reply

NO_KEY = "none"  # the client wants one; servers without keys ignore it
RETRIED = {408, 409, 425, 429}
# Every other request would end the same way.
HOPELESS = {401: "api_key_env", 402: "api_key_env", 403: "api_key_env", 404: "model"}
_SHOWN = 300


class TryAgainError(Exception):
    """No answer, but perhaps next time. `wait`: seconds that the server asked for.

    `worked`: the teacher may have read the prompt, and count it.
    """

    def __init__(self, message: str, *, wait: float = 0.0, worked: bool = False) -> None:
        super().__init__(message)
        self.wait, self.worked = wait, worked


class HopelessError(Exception):
    """No request at all can succeed: a wrong key, model or address, an empty account."""


class Teacher:
    """The client; an async context manager."""

    def __init__(self, settings: TeacherSection, instruction: Instruction) -> None:
        import openai

        self._settings, self._instruction = settings, instruction
        self._key = os.environ.get(settings.api_key_env) or NO_KEY
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=self._key,
            timeout=settings.timeout,
            max_retries=0,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def ask(self, text: str) -> Reply:
        """Ask once. A `Reply` with `error` is final: the server won't take this text.

        Raises `TryAgainError` or `HopelessError`.
        """
        import openai

        try:
            async with asyncio.timeout(self._settings.timeout):
                completion = await self._client.post(
                    "/chat/completions",
                    cast_to=object,
                    body=request(self._settings, self._instruction, text),
                )
        except (openai.APITimeoutError, TimeoutError):
            message = f"no answer within {self._settings.timeout:g} s"
            raise TryAgainError(message, worked=True) from None
        except openai.APIStatusError as error:
            return self._refused(error)
        except openai.APIConnectionError as error:
            reason = self._clean(error.__cause__ or error)
            raise TryAgainError(f"connection failed: {reason}", worked=_was_cut(error)) from None
        except (ValueError, openai.APIError) as error:  # a body that isn't JSON, or no JSON of ours
            raise TryAgainError(f"broken answer: {self._clean(error)}", worked=True) from None
        return self._reply(completion)

    def _reply(self, completion: Any) -> Reply:
        """The first choice of a response body."""
        try:
            choice = completion["choices"][0]
            message = choice["message"]
            content, refusal = message.get("content"), message.get("refusal")
        except (TypeError, KeyError, IndexError, AttributeError):
            shown = self._clean(completion)
            raise TryAgainError(f"not a chat completion: {shown}", worked=True) from None
        usage = completion.get("usage") or {}
        return Reply(
            content=content if isinstance(content, str) else None,
            finish_reason=choice.get("finish_reason"),
            refusal=refusal if isinstance(refusal, str) else None,
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
        )

    def _refused(self, error: Any) -> Reply:
        """What a status of 400 or more means."""
        status, code = error.status_code, str(getattr(error, "code", None) or "")
        message = f"{status}: {self._clean(_message(error))}"
        if code == "insufficient_quota":
            raise HopelessError(f"teacher.base_url: the account has no quota left ({message})")
        if status in RETRIED or status >= 500:
            raise TryAgainError(message, wait=retry_after(error.response.headers))
        if key := HOPELESS.get(status):
            value = getattr(self._settings, key)
            unset = " (it is not set)" if key == "api_key_env" and self._key == NO_KEY else ""
            raise HopelessError(f"teacher.{key}: {value}{unset}: the teacher answers {message}")
        if "content_filter" in code:
            return Reply(finish_reason="content_filter", refusal=message)
        return Reply(error=message)

    def _clean(self, shown: object) -> str:
        """One line without the key, which some servers repeat."""
        line = " ".join(str(shown).split()) or type(shown).__name__
        return line.replace(self._key, "***")[:_SHOWN] if self._key != NO_KEY else line[:_SHOWN]


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait that a response asks for, 0 where it doesn't."""
    if milliseconds := _number(headers.get("retry-after-ms", "")):
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    if (seconds := _number(value)) is not None:
        return seconds
    date = email.utils.parsedate_tz(value)
    return 0.0 if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _message(error: Any) -> str:
    body = getattr(error, "body", None)
    inner = body.get("message") if isinstance(body, dict) else None
    return str(inner or error.message)


def _was_cut(error: BaseException) -> bool:
    """The connection broke after the request was sent, so the teacher may have worked."""
    return type(error.__cause__).__name__ in {"ReadError", "RemoteProtocolError"}
