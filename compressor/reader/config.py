"""The language model that judges: which one, and by what."""

from typing import Literal, Self

from pydantic import Field, model_validator

from compressor.schema import Section


class ReaderSection(Section):
    model: str = Field(
        default="",
        description="a causal language model: directory, hub id, s3:// directory or .gguf file; "
        "with base_url, the server's name of it",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto | cpu | cuda")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto | float32 | bfloat16 | float16"
    )
    max_batch_tokens: int = Field(
        default=4096,
        ge=1,
        description="tokens (padded, shared prefix included) in one forward pass",
    )
    base_url: str | None = Field(
        default=None, description="an OpenAI-compatible server (http://host:8000/v1) instead"
    )
    api_key_env: str = Field(
        default="OPENAI_API_KEY", description="the environment variable that holds the server's key"
    )
    chat: bool = Field(
        default=False, description="ask the server by /chat/completions; it then only answers"
    )
    concurrency: int = Field(default=8, ge=1, description="requests to the server at a time")
    likelihood: bool = Field(
        default=True,
        description="judge by the likelihood of the reference answer (a server needs "
        "/completions with echo and logprobs)",
    )
    generate: bool = Field(default=False, description="judge by the model's own answers too")
    max_new_tokens: int = Field(default=32, ge=1, description="tokens of such an answer at most")

    @model_validator(mode="after")
    def _judges_by_something(self) -> Self:
        if self.chat and self.likelihood:
            raise ValueError(
                "reader.chat gives no likelihoods; set reader.likelihood=false "
                "reader.generate=true to judge by answers alone"
            )
        if not (self.likelihood or self.generate):
            raise ValueError("reader.likelihood and reader.generate are both off; turn one on")
        return self
