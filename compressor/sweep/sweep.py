"""The job `sweep` from configuration to a table: sample, one pass of the model, every rate."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from compressor.corpus.sample import draw_rows, read_draws
from compressor.engine.compression import Compression
from compressor.engine.compressor import Compressor
from compressor.engine.passages import Text, joined
from compressor.engine.scored import ScoredTexts
from compressor.errors import InputError
from compressor.evaluate.config import EvaluateConfig, EvaluateSection, OutputSection
from compressor.evaluate.inputs import Inputs, Question
from compressor.evaluate.tasks.embeddings import Embeddings
from compressor.pipeline.calibrate import usable_texts
from compressor.pipeline.prepare import plan_of, source_of
from compressor.pipeline.rows import engine_options
from compressor.sweep.config import SweepConfig
from compressor.sweep.judge import Judges, Row, judge
from compressor.sweep.recommend import Recommendation, recommend


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was found: rows by rising rate. records, questions: how many they rest on."""

    rows: tuple[Row, ...]
    recommendation: Recommendation
    records: int
    questions: int
    model: str

    def record(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return asdict(self)


def run(config: SweepConfig, say: Callable[[str], None]) -> Sweep:
    """Sweep; `say` gets a line for each step. Raises `InputError`, `JobError`."""
    settings = config.compression
    for key in ("target_tokens", "rate_column"):
        if getattr(settings, key) is not None:
            say(f"compression.{key} is left aside: the rates are those of sweep.rates")
    texts = sampled_texts(config)
    say(f"{len(texts):,} texts sampled")
    questions = _questions(config, say) if config.data.path else []
    embeddings = None
    if config.sweep.encoder is not None:
        encoder, tokens = config.sweep.encoder, config.sweep.encoder_tokens
        embeddings = Embeddings(encoder, config.model.device, max_tokens=tokens)
    plain = [joined(text) for text in texts]
    judges = Judges.of(plain, embeddings, questions)
    passages = list(judges.survival.texts()) if judges.survival is not None else []
    rows = tuple(
        judge(
            config.sweep.all_rates,
            judges,
            _by_rate(config, texts, passages),
            resamples=config.sweep.resamples,
            seed=config.sweep.seed,
        )
    )
    return Sweep(
        rows, recommend(rows, config.floors), len(texts), len(questions), config.model.name
    )


def sampled_texts(config: SweepConfig) -> list[Text]:
    """Texts of rows from all over the corpus, of all text columns. Raises `InputError`."""
    source = source_of(config)
    plan = plan_of(config, source, "")
    text = sum(group.text for file in plan.files for group in file.row_groups)
    fitting = int(config.sweep.megabytes * 1e6 * plan.rows / max(1, text))
    wanted = max(1, min(config.sweep.rows, fitting))
    draws = draw_rows(plan.files, wanted, seed=config.sweep.seed)
    names = [column.name for column in plan.columns]
    drawn = read_draws(source, plan, draws, names)
    texts = [
        text for one in drawn for name in names for text in usable_texts(one.table.column(name))
    ]
    if not texts:
        raise InputError(f"input.path: {source.url}: no sampled row has any text")
    return texts


def _questions(config: SweepConfig, say: Callable[[str], None]) -> list[Question]:
    """Those whose passage holds an answer."""
    section = EvaluateSection(limit=config.sweep.questions, seed=config.sweep.seed)
    nothing = OutputSection(path="-")  # is written there: it is the questions that are wanted
    inputs = Inputs(EvaluateConfig(evaluate=section, data=config.data, output=nothing), say)
    return inputs.drawn(inputs.answerable("sweep"))


def _by_rate(
    config: SweepConfig, texts: list[Text], passages: list[str]
) -> Callable[[float], tuple[list[Compression], list[Compression]]]:
    """A function of a rate; the model reads everything here, once."""
    compressor = Compressor.from_pretrained(
        config.model.name,
        device=config.model.device,
        dtype=config.model.dtype,
        max_batch_tokens=config.model.max_batch_tokens,
        storage_options=config.input.storage_options,
    )
    options = engine_options(config.compression) | {"target_tokens": None}
    try:
        sample, asked = (compressor.score(some, **options) for some in (texts, passages))
    except ValueError as error:
        raise InputError(f"compression: {error}") from error
    whole_corpus = config.compression.scope == "corpus"

    def at(rate: float) -> tuple[list[Compression], list[Compression]]:
        threshold = sample.calibrate(rate).threshold if whole_corpus else None
        both: tuple[ScoredTexts, ...] = (sample, asked)
        first, second = (scored.compress(rate, threshold=threshold) for scored in both)
        return first, second

    return at
