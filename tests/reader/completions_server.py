"""A real OpenAI-compatible server on loopback: a causal language model behind HTTP.

`/v1/completions` echoes prompts with log-probabilities as vLLM does; `/v1/chat/completions`
answers. `faults` are statuses that the next requests get instead.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
import transformers


class Served:
    """A model's side of the API. echoes: whether it gives log-probabilities of a prompt."""

    def __init__(self, folder: Path, *, echoes: bool = True) -> None:
        self.model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.echoes = echoes
        self.faults: list[int] = []
        self.keys: list[str | None] = []
        self.lock = threading.Lock()
        self.url = ""

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        encoding = self.tokenizer(body["prompt"], return_offsets_mapping=True)
        ids = encoding["input_ids"]
        with self.lock, torch.no_grad():
            prompt = torch.tensor([ids])
            out = self.model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=body["max_tokens"],
                do_sample=False,
            )[0]
            logp = torch.log_softmax(self.model(input_ids=out[None]).logits[0].double(), -1)
        text = self.tokenizer.decode(out[len(ids) :], skip_special_tokens=True)
        if not (body.get("echo") and self.echoes):
            return {"text": text}
        size = len(body["prompt"])
        tokens = out.tolist()
        offsets = [start for start, _ in encoding["offset_mapping"]]
        return {
            "text": body["prompt"] + text,
            "logprobs": {
                "token_logprobs": [None]
                + [float(logp[at, token]) for at, token in enumerate(tokens[1:])],
                "text_offset": offsets + [size] * (len(tokens) - len(ids)),
            },
        }

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = "\n".join(message["content"] for message in body["messages"])
        text = self.complete({"prompt": prompt, "max_tokens": body["max_tokens"]})["text"]
        return {"message": {"role": "assistant", "content": text}}


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """Serve on a free port until the block ends; `served.url` is the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with served.lock:
                served.keys.append(self.headers["Authorization"])
                fault = served.faults.pop(0) if served.faults else 0
            if fault:
                self._answer(fault, {"error": {"message": "at your service later"}})
                return
            answer = served.chat if self.path.endswith("/chat/completions") else served.complete
            self._answer(200, {"choices": [answer(body)]})

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
