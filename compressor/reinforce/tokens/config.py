"""What `task: tokens` alone reads: the passages that are compressed, and the compressor."""

from typing import Annotated, Literal

from pydantic import Field

from compressor.config import Rate
from compressor.schema import Section


class PassagesSection(Section):
    pairs: list[str] = Field(
        default=[],
        description="questions, their answers and the passage that holds one, JSON lines or "
        "Parquet: judged by the answer",
    )
    texts: list[str] = Field(
        default=[],
        description="any corpus, JSON lines or Parquet: judged by what follows a passage",
    )
    text_column: str = Field(default="text", min_length=1, description="the passage, or the text")
    question_column: str = Field(default="question", min_length=1, description="the question")
    answers_column: str = Field(
        default="answers", min_length=1, description="accepted answers, a list or one string"
    )
    id_column: str = Field(
        default="id", min_length=1, description="the row's id, where there is such a column"
    )
    max_tokens: int = Field(
        default=1500,
        ge=16,
        description="passages of pairs that are longer are left out: the judge reads them whole",
    )
    passage_tokens: int = Field(
        default=200, ge=16, description="texts are cut into passages of so many tokens"
    )
    continuation_tokens: int = Field(
        default=48, ge=4, description="tokens behind a passage of texts that the judge foretells"
    )
    limit: int | None = Field(
        default=None, ge=1, description="passages of each kind at most, drawn by data.seed"
    )
    least_gain: float = Field(
        default=0.5,
        description="nats that a whole passage must spare the judge to be learnt from",
    )
    pairs_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5, description="of the passages of a step, where there are pairs and texts"
    )


class CompressorSection(Section):
    start: str = Field(
        default="default",
        min_length=1,
        description="the distilled compressor: default (shipped), a directory, hub id or s3://",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto | cpu | cuda")
    rates: list[Rate] = Field(
        default=[0.5, 0.33, 0.2], min_length=1, description="each passage of a step gets one"
    )
    repeats: int = Field(
        default=8, ge=2, description="sampled keep masks of a passage; their mean is the baseline"
    )
    temperature: float = Field(
        default=1.0, gt=0, description="log-odds are divided by it for samples; below 1: bolder"
    )
    leash: float = Field(
        default=0.3,
        ge=0,
        description="weight of the mean KL of a word's P(keep) to the distilled compressor's",
    )
    max_batch_tokens: int = Field(
        default=8192, ge=1, description="tokens (padded) in one forward pass"
    )
