"""The configuration of the job `reinforce`: every key, its default, check and help."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from compressor.config import Auto, ClusterSection
from compressor.reader.config import ReaderSection
from compressor.reinforce.tokens.config import CompressorSection, PassagesSection
from compressor.schema import Section, require

Share = Annotated[float, Field(gt=0, le=1)]
Stage = Literal["shots", "tokens"]
SHOTS, WORDS = get_args(Stage)
TaskName = Literal["shots", "tokens"]
TOKENS = "tokens"
"""The task that fine-tunes the compressor; it shares its name with a stage of the other one."""
_SECTIONS = {
    "shots": frozenset({"policy", "episode", "curriculum"}),
    TOKENS: frozenset({"passages", "compressor"}),
}
"""Sections that belong to one task alone."""
_SHOTS_KEYS = (
    *(("data", key) for key in ("pool", "questions", "pool_limit")),
    ("reward", "budget_factor"),
    *(("training", key) for key in ("feature_learning_rate", "thresholds")),
)
"""Keys of sections of both tasks that mean nothing to the other one."""


class DataSection(Section):
    pool: list[str] = Field(
        default=[],
        description="worked examples to choose from, JSON lines or Parquet: question, solution (or "
        "answer); optional: id, difficulty, steps",
    )
    questions: list[str] = Field(
        default=[],
        description="problems that are posed while training, of the same form; [] = the pool's own",
    )
    exclude: list[str] = Field(
        default=[],
        description="problems to keep for an evaluation: these, told anew too, are neither shown "
        "nor posed (tokens: files of texts; passages with such an id or text are left out)",
    )
    pool_limit: int | None = Field(
        default=None, ge=1, description="examples of the pool at most, drawn by data.seed"
    )
    heldout: int = Field(
        default=32,
        ge=1,
        description="problems (tokens: passages of each kind) to judge the policy by, not learnt",
    )
    seed: int = Field(default=0, ge=0, description="of what is drawn and what is held out")
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec, for all files that are read"
    )


class PolicySection(Section):
    encoder: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        min_length=1,
        description="the frozen encoder: a directory, a hub id, s3://, or default (the shipped "
        "compressor's)",
    )
    compressor: str | None = Field(
        default="default",
        description="a compressor whose P(keep) of each word the policy sees as well; null = none",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto | cpu | cuda")
    stages: list[Stage] = Field(
        default=[SHOTS, WORDS],
        min_length=1,
        description="shots: which examples to keep; tokens: which of their words",
    )
    keep_bias: float = Field(default=2.0, description="log-odds of keeping, at the start")
    solution_bias: float = Field(
        default=2.0,
        description="what words of solutions have above those of questions, at the start",
    )
    compressor_weight: float = Field(
        default=1.0,
        description="what the compressor's log-odds of a word count in questions, at the start",
    )
    remember: bool = Field(
        default=False,
        description="encode the pool once and keep its states in the device's memory (4 bytes x "
        "the encoder's width for each token): for a GPU",
    )
    nearness_weight: float = Field(
        default=1.0,
        description="what an example's nearness to the question (in standard deviations) adds to "
        "its log-odds, at the start",
    )


class EpisodeSection(Section):
    budget: int = Field(default=2048, ge=8, description="T: tokens of the judge for the examples")
    candidates: int = Field(
        default=32, ge=1, description="k: the nearest examples, among which the policy chooses"
    )
    repeats: int = Field(
        default=8, ge=2, description="samples of a question's pruning; their mean is the baseline"
    )
    unjudged: int = Field(
        default=48,
        ge=0,
        description="further samples that are only counted: the budget factor, which needs no "
        "judge, is learnt from them; 0 = from the judged ones",
    )


class RewardSection(Section):
    budget_factor: bool = Field(
        default=True, description="multiply by (t / T)^w; false only to see what it does"
    )
    tokenizer: str | None = Field(
        default=None,
        description="what counts tokens: null = the judge's own; tiktoken:NAME, directory, hub id "
        "or .gguf (where reader.base_url names a server)",
    )


class CurriculumSection(Section):
    first_share: Share = Field(
        default=0.3, description="share of problems, the easiest, that are posed at the start"
    )
    widened_by: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.6, description="share of the steps after which all problems are posed"
    )


class TrainingSection(Section):
    seed: int = Field(default=1, ge=0, description="of the policy and of its samples")
    steps: int = Field(default=1000, ge=1, description="updates of the policy")
    questions: int = Field(default=4, ge=1, description="problems (tokens: passages) of a step")
    learning_rate: float = Field(
        default=1e-4, gt=0, description="of the two heads; for a compressor 1e-5 is enough"
    )
    feature_learning_rate: float = Field(
        default=2e-2, gt=0, description="of the weights of the plain features"
    )
    entropy: float = Field(
        default=1e-3, ge=0, description="weight of the mean entropy of a decision, against collapse"
    )
    max_gradient_norm: float = Field(default=1.0, gt=0, description="gradients are clipped to it")
    evaluate_steps: int = Field(default=50, ge=1, description="steps between held-out evaluations")
    thresholds: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[0.3, 0.5, 0.7],
        min_length=1,
        description="words are kept from this probability on; the held-out problems decide",
    )
    max_minutes: float | None = Field(
        default=None, gt=0, description="end after so many minutes of steps with the best policy"
    )
    threads: int | None = Field(default=None, ge=1, description="CPU threads; null = all cores")


class OutputSection(Section):
    path: str = Field(default="", description="directory of the finished policy")
    work: str = Field(
        default="",
        description="directory of checkpoints and metrics, s3:// too; a rerun goes on from there",
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="passed to fsspec, for both directories"
    )
    checkpoint_steps: int = Field(default=10, ge=1, description="steps between checkpoints")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.path and self.path == self.work:
            raise ValueError("output.path and output.work must differ")
        return self


class JudgesSection(Section):
    address: str | None = Field(
        default=None, description="a Ray for the judges: auto, HOST:PORT; null = this machine"
    )
    replicas: Auto | Annotated[int, Field(ge=0)] = Field(
        default=0, description="judges as Ray actors: a number or auto; 0 = in this process"
    )
    questions_at_once: int = Field(
        default=1,
        ge=1,
        description="problems whose prompts a judge reads together; more of them fill a GPU",
    )
    cpus_per_replica: Auto | Annotated[float, Field(gt=0)] = Field(
        default="auto", description="CPUs (and threads) of a judge"
    )
    gpus_per_replica: Auto | Annotated[float, Field(ge=0)] = Field(
        default="auto", description="GPUs of a judge; a fraction shares one"
    )

    def placed(self) -> ClusterSection:
        """The same as the jobs over corpora ask for their replicas."""
        return ClusterSection(
            address=self.address,
            replicas=self.replicas or "auto",
            cpus_per_replica=self.cpus_per_replica,
            gpus_per_replica=self.gpus_per_replica,
        )


class ReinforceConfig(Section):
    """Everything that the job `reinforce` reads from its configuration."""

    task: TaskName = Field(
        default="shots",
        description="shots: prune worked examples in front of a question; tokens: fine-tune the "
        "compressor",
    )
    data: DataSection = DataSection()
    policy: PolicySection = PolicySection()
    episode: EpisodeSection = EpisodeSection()
    reward: RewardSection = RewardSection()
    curriculum: CurriculumSection = CurriculumSection()
    passages: PassagesSection = PassagesSection()
    compressor: CompressorSection = CompressorSection()
    training: TrainingSection = TrainingSection()
    reader: ReaderSection = ReaderSection()
    output: OutputSection = OutputSection()
    cluster: JudgesSection = JudgesSection()

    @property
    def foreign(self) -> frozenset[str]:
        """The sections of the other task."""
        (other,) = set(_SECTIONS) - {self.task}
        return _SECTIONS[other]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self._refuse_foreign()
        if self.task == TOKENS and not (self.passages.pairs or self.passages.texts):
            raise ValueError("passages.pairs: is required, or passages.texts: files of passages")
        if self.task != TOKENS and not self.data.pool:
            raise ValueError("data.pool: is required: files of worked examples")
        require(output=self.output)
        if not self.output.work:
            raise ValueError("output.work: is required")
        if not self.reader.likelihood:
            raise ValueError("reader.likelihood: the reward needs it; leave it on")
        if self.task == TOKENS and self.reader.generate:
            raise ValueError("reader.generate: task=tokens is rewarded by likelihood alone")
        if self.reader.base_url and self.reward.tokenizer is None:
            raise ValueError(
                "reward.tokenizer: is required with reader.base_url: the server's tokenizer"
            )
        return self

    def _refuse_foreign(self) -> None:
        """Keys of the other task would be silently without effect."""
        keys = [
            (part, key)
            for part in sorted(self.foreign)
            for key in type(getattr(self, part)).model_fields
        ]
        for part, key in [*keys, *(_SHOTS_KEYS if self.task == TOKENS else ())]:
            section = getattr(self, part)
            if getattr(section, key) != getattr(type(section)(), key):
                raise ValueError(f"{part}.{key}: is without effect with task={self.task}")
