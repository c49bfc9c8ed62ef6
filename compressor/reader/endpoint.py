"""A language model behind an OpenAI-compatible server: likelihoods where it gives them, answers.

Likelihoods need `/completions` that echoes the prompt with log-probabilities (`echo`, `logprobs`),
as vLLM and others do; a server without that is told from one that has it by its first response.
One request a prompt, some at a time: servers batch by themselves.
"""

import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.errors import InputError, JobError
from compressor.reader.reader import beginning

Floats = npt.NDArray[np.float64]

_ATTEMPTS = 5
_TIMEOUT = 300.0
_WAIT = 1.0
"""Seconds before the second attempt; doubled for each further one, less a random part."""
_BUSY = {408, 429, 500, 502, 503, 504}


class EndpointReader:
    """A server's model as a reader. The key is read from the environment at each request."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str = "OPENAI_API_KEY",
        chat: bool = False,
        concurrency: int = 8,
    ) -> None:
        """base_url: up to and including `/v1`; chat: answer by `/chat/completions`."""
        self._base_url = base_url.rstrip("/")
        self._model = model
        self._api_key_env = api_key_env
        self._chat = chat
        self._concurrency = concurrency
        self.identity = f"{self._base_url} {model}{' chat' if chat else ''}"

    def nll(self, prompts: Sequence[str], continuations: Sequence[str]) -> Floats:
        """Negative log-likelihood in nats of each continuation after its prompt, float64 [n].

        The server tokenises prompt and continuation together; a token that reaches over the border
        counts. Raises `InputError` where the server gives no log-probabilities of a prompt.
        """
        pairs = list(zip(prompts, continuations, strict=True))
        with ThreadPoolExecutor(self._concurrency) as pool:
            return np.array(list(pool.map(self._nll, pairs)), np.float64)

    def generate(
        self, prompts: Sequence[str], *, max_new_tokens: int, stop: str = "\n"
    ) -> list[str]:
        """The server's answer to each prompt at temperature 0, up to `stop`."""

        def ask(prompt: str) -> str:
            body: dict[str, Any] = {"max_tokens": max_new_tokens, "temperature": 0}
            if self._chat:
                message = [{"role": "user", "content": prompt}]
                choice = self._post("chat/completions", body | {"messages": message})
                text = choice.get("message", {}).get("content")
            else:
                text = self._post("completions", body | {"prompt": prompt, "stop": [stop]})["text"]
            return beginning(text or "", stop)

        with ThreadPoolExecutor(self._concurrency) as pool:
            return list(pool.map(ask, prompts))

    def _nll(self, pair: tuple[str, str]) -> float:
        prompt, continuation = pair
        whole = prompt + continuation
        choice = self._post(
            "completions",
            # One token, for not every server takes 0; it lies behind the text and isn't counted.
            {"prompt": whole, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1},
        )
        found = choice.get("logprobs") or {}
        losses = found.get("token_logprobs") or []
        starts = found.get("text_offset") or []
        if not str(choice.get("text", "")).startswith(prompt) or len(losses) < 2:
            raise InputError(
                f"reader.base_url: {self._base_url}: gives no log-probabilities of a prompt (echo "
                "and logprobs of /completions); set reader.likelihood=false reader.generate=true "
                "to judge by its answers"
            )
        ends = [*starts[1:], len(str(choice["text"]))]
        counted = (
            float(loss)
            for loss, start, end in zip(losses, starts, ends, strict=True)
            if loss is not None and end > len(prompt) and start < len(whole)
        )
        return -sum(counted)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The first choice of the response. Raises `InputError` for a refusal, `JobError`."""
        request = urllib.request.Request(
            f"{self._base_url}/{path}",
            json.dumps({"model": self._model, **body}).encode(),
            {
                "Content-Type": "application/json",
                "Authorization": f"Bearer {os.environ.get(self._api_key_env, 'none')}",
            },
        )
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_WAIT * 2 ** (attempt - 1) * (0.5 + random.random() / 2))
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
                    choice: dict[str, Any] = json.load(response)["choices"][0]
                    return choice
            except urllib.error.HTTPError as error:
                problem = f"{error.code} {error.read(300).decode(errors='replace')}"
                if error.code not in _BUSY:
                    raise InputError(
                        f"reader.base_url: {self._base_url}/{path} refuses: {problem}"
                    ) from None
            except (OSError, ValueError, LookupError) as error:
                problem = f"{type(error).__name__}: {error}"
        raise JobError(
            f"reader.base_url: {self._base_url}/{path}: {problem} ({_ATTEMPTS} attempts)"
        )
