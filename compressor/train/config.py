"""The configuration of the job `train`: every key, its default, check and help."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from compressor.evaluate.facts import KINDS, Kind
from compressor.schema import Section, require

Share = Annotated[float, Field(ge=0, le=1)]


class DataSection(Section):
    path: str = Field(
        default="",
        description="teacher compressions, a file, directory or glob of Parquet or JSON lines: "
        "id, text, half; optional: quarter, domain, keep, status, selected",
    )
    also: list[str] = Field(
        default_factory=list,
        description="more of the same form; all of it is trained on, none held out",
    )
    unlabelled: list[str] = Field(
        default_factory=list,
        description="texts without compressions (`text`), for labels.soft_models to label",
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec (endpoint_url, profile ...)"
    )
    heldout_passages: int = Field(
        default=100, ge=1, description="passages kept out of training, spread over the domains"
    )
    heldout_seed: int = Field(default=0, ge=0, description="which passages are held out")


class BaseSection(Section):
    base: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        min_length=1,
        description="the encoder to start from: a directory, a hub id, s3://, or default (shipped)",
    )
    tokenizer: str | None = Field(
        default=None,
        description="tokenizer of a model whose capitals the base is to learn (an uncased "
        "WordPiece one): a name as in model.name; null = the base's own",
    )
    dropout: Share = Field(default=0.1, description="of hidden states, while training")
    attention_dropout: Share = Field(
        default=0.0, description="of attention weights; above 0 training on CPUs is much slower"
    )
    max_window_tokens: int = Field(
        default=510,
        ge=8,
        description="sub-words of a window, without the two special ones; at most what the base "
        "has positions for",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto | cpu | cuda")


class LabelSection(Section):
    """What the classifier is asked to say."""

    loss: Literal["graded", "binary"] = Field(
        default="graded",
        description="graded: one logit, against 1 (in `quarter`), labels.half, 0; "
        "binary: two classes, as LLMLingua-2",
    )
    half: Share = Field(
        default=0.5, description="graded: target for words that the teacher kept in `half` only"
    )
    level: Literal["half", "quarter"] = Field(
        default="half", description="binary: the compression whose words are to be kept"
    )
    smoothing: Share = Field(
        default=0.0, description="the teacher's targets are moved this share of the way to 0.5"
    )
    lift: dict[Kind, Share] = Field(
        default={},
        description="targets of facts are moved this share of the way to 1, such as "
        "{number: 0.9, negation: 1}; kinds: " + ", ".join(KINDS),
    )
    soft_models: list[str] = Field(
        default=[],
        description="finished models (directories, hub ids) whose mean P(keep) is learnt as well",
    )
    soft_weight: Share = Field(
        default=0.5, description="share of labels.soft_models in the target, where there are any"
    )
    mark_weight: float = Field(
        default=1.0, gt=0, description="weight of punctuation marks in the loss; of words it is 1"
    )
    word_weighting: Share = Field(
        default=0.0, description="0: sub-words count alike; 1: words do, however many sub-words"
    )


class Member(Section):
    """What one of several runs does otherwise than `training` says; null = as there."""

    seed: int | None = Field(default=None, ge=0)
    epochs: int | None = Field(default=None, ge=1)
    batch_tokens: int | None = Field(default=None, ge=16)
    learning_rate: float | None = Field(default=None, gt=0)


class TrainingSection(Section):
    members: list[Member] = Field(
        default=[],
        description="runs whose weights are averaged: their seed, epochs, batch_tokens, "
        "learning_rate; [] = one run",
    )
    seed: int = Field(default=1, ge=0, description="of dropout and of the order of passages")
    epochs: int = Field(default=3, ge=1, description="passes over the training passages")
    batch_tokens: int = Field(default=3000, ge=16, description="sub-words (padded) in one step")
    slots: int = Field(
        default=1,
        ge=1,
        description="parts of a step with dropout of their own; workers share them, so a multiple "
        "of training.workers. The result depends on slots, not on workers",
    )
    workers: int = Field(
        default=1, ge=1, description="processes that train together, on Ray Train if several"
    )
    gpus_per_worker: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        default="auto", description="auto: one where the cluster has GPUs"
    )
    retries: int = Field(
        default=3, ge=0, description="how often lost workers are started again, on Ray Train"
    )
    long_share: Share = Field(
        default=0.25, description="share of passages that are joined into windows of full length"
    )
    learning_rate: float = Field(default=1.2e-4, gt=0, description="at its peak")
    warmup_share: Share = Field(default=0.1, description="share of steps with rising rate")
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine", description="of the rate after that: it falls as a cosine, or stays"
    )
    evaluate_steps: int | None = Field(
        default=None, ge=1, description="steps between held-out evaluations; null = an epoch"
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="stop after so many evaluations without a lower held-out loss; null = never",
    )
    best_by: Literal["score", "auc_half", "auc_quarter", "loss"] = Field(
        default="score", description="the held-out figure whose best evaluation is what ships"
    )
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="each layer below the head learns this much slower"
    )
    weight_decay: float = Field(default=0.01, ge=0, description="AdamW, matrices only")
    max_gradient_norm: float = Field(default=1.0, gt=0, description="gradients are clipped to it")
    average_decay: float = Field(
        default=0.0, ge=0, lt=1, description="moving average of the weights, a step; 0 = none"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="bfloat16", description="of matrix products; weights stay float32"
    )
    threads: int | None = Field(default=None, ge=1, description="CPU threads; null = all cores")


class OutputSection(Section):
    path: str = Field(default="", description="directory of the finished model (float16)")
    work: str = Field(
        default="",
        description="directory of checkpoints and metrics, s3:// too; a rerun goes on from there",
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec, for both directories"
    )
    checkpoint_steps: int = Field(default=50, ge=1, description="steps between checkpoints")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.path and self.path == self.work:
            raise ValueError("output.path and output.work must differ")
        return self


class ClusterSection(Section):
    address: str | None = Field(
        default=None, description="a Ray to train on: auto, HOST:PORT; null = this machine"
    )


class TrainConfig(Section):
    """Everything that the job `train` reads from its configuration."""

    data: DataSection = DataSection()
    model: BaseSection = BaseSection()
    labels: LabelSection = LabelSection()
    training: TrainingSection = TrainingSection()
    output: OutputSection = OutputSection()
    cluster: ClusterSection = ClusterSection()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        require(data=self.data, output=self.output)
        if self.data.unlabelled and not self.labels.soft_models:
            raise ValueError("labels.soft_models: is required, as data.unlabelled has no labels")
        if not self.output.work:
            raise ValueError("output.work: is required")
        slots, workers = self.training.slots, self.training.workers
        if slots % workers:
            raise ValueError(
                f"training.slots: {slots} can't be shared by training.workers={workers}; give a "
                f"multiple, such as {workers}"
            )
        least = self.model.max_window_tokens + 2
        for run in self.runs():
            if run.training.batch_tokens < least:
                raise ValueError(
                    "training.batch_tokens: must hold one window "
                    f"(model.max_window_tokens + 2 = {least})"
                )
        return self

    def runs(self) -> list[Self]:
        """This configuration as each of its members has it, without members."""
        changes = [member.model_dump(exclude_none=True) for member in self.training.members]
        return [
            self.model_copy(
                update={"training": self.training.model_copy(update={"members": [], **change})}
            )
            for change in changes or [{}]
        ]
