"""The job `estimate` from configuration to figures: plan, sample, trial run, extrapolation."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from compressor.config import CompressConfig
from compressor.corpus.columns import FAILED
from compressor.corpus.plan import Plan
from compressor.corpus.sample import Draw, Drawn, draw_rows, read_draws, text_bytes
from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.estimate.cluster import Setting, cluster_nodes, setting_of, this_machine
from compressor.estimate.config import EstimateConfig
from compressor.estimate.figures import Figure, Work, figures, replica_hour, statuses
from compressor.estimate.sampling import Corpus, Sample, Totals, totals
from compressor.estimate.speed import Speed
from compressor.estimate.trial import Trial, run_trial
from compressor.models.resolve import digest, resolve
from compressor.pipeline.prepare import plan_of, prepare, recipe_of, source_of
from compressor.pipeline.reuse import row_keys

ROWS, ROWS_OF_A_GPU = 1024, 65_536  # some seconds of the model
MEGABYTES, MEGABYTES_OF_A_GPU = 2.0, 64.0
LITTLE_TEXT = 0.2  # of the input's bytes: then the other columns are what is read and written


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the job is expected to do.

    rows_by_status: of the corpus, by the sample's shares; sampled: rows, row groups of all, and
    what they ran on; assumed: what the figures rest on beside that, one sentence each.
    """

    plan: dict[str, int]
    rows_by_status: dict[str, int]
    figures: dict[str, Figure | None]
    replicas: dict[str, Any]
    sampled: dict[str, Any]
    speed_is_known: bool
    startup_seconds: float
    plan_seconds: float
    prices: dict[str, float | None]
    assumed: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return asdict(self)


def run(config: EstimateConfig, say: Callable[[str], None]) -> Estimate:
    """Estimate; `say` gets a line for each step. Raises `InputError`, `JobError`."""
    started = time.monotonic()
    source, plan = planned(config)
    plan_seconds = time.monotonic() - started
    if not plan.rows:
        raise InputError(f"input.path: {source.url}: has no rows, so there is nothing to estimate")
    setting = setting_of(config, this_machine(), len(plan.shards), cluster_nodes(config))
    say(f"planned: {plan.rows:,} rows in {len(plan.shards):,} shards")
    draws, drawn = _draw(config, source, plan, setting)
    rows = pa.concat_tables(one.table for one in drawn)
    say(f"sampled: {len(rows):,} rows; running the job on them")
    trial = run_trial(
        _as_here(config, setting),
        setting.cluster,
        rows,
        replicas=setting.here,
        seed=config.estimate.seed,
    )
    text = np.sum([text_bytes(rows.column(column.name)) for column in plan.columns], axis=0)
    sample = Sample.of(
        draws, drawn, text=text.astype(float), before=trial.before, after=trial.after
    )
    found = totals(
        _corpus(plan),
        sample,
        resamples=config.estimate.resamples,
        seed=config.estimate.seed,
        confidence=config.estimate.confidence,
    )
    work = Work(plan.rows, len(rows), plan.shards, plan_seconds)
    return _estimate(config, setting, plan, work, sample, found, trial)


def _draw(
    config: EstimateConfig, source: Storage, plan: Plan, setting: Setting
) -> tuple[list[Draw], list[Drawn]]:
    """The sample's rows, with what the job reads of them."""
    draws = draw_rows(plan.files, _sample_rows(config, plan, setting), seed=config.estimate.seed)
    names = [column.name for column in plan.columns]
    rate_column = config.compression.rate_column
    wanted = list(dict.fromkeys([*names, *([rate_column] if rate_column else [])]))
    keys = partial(row_keys, names=names, rate_column=rate_column)
    return draws, read_draws(source, plan, draws, wanted, keys)


def _as_here(config: EstimateConfig, setting: Setting) -> EstimateConfig:
    """With a device that is here; its precision is another device's, too."""
    if setting.device == config.model.device:
        return config
    model = config.model.model_copy(update={"device": setting.device, "dtype": "auto"})
    return config.model_copy(update={"model": model})


def _corpus(plan: Plan) -> Corpus:
    groups = [group for file in plan.files for group in file.row_groups if group.rows]
    return Corpus(plan.rows, len(groups), sum(group.text for group in groups))


def _estimate(
    config: EstimateConfig,
    setting: Setting,
    plan: Plan,
    work: Work,
    sample: Sample,
    found: Totals,
    trial: Trial,
) -> Estimate:
    section = config.estimate
    startup = section.startup_seconds
    return Estimate(
        plan={
            "rows": plan.rows,
            "files": len(plan.files),
            "bytes": plan.bytes,
            "text_bytes": round(float(found.text[0])),
            "shards": len(plan.shards),
        },
        rows_by_status=statuses(trial.status, plan.rows),
        figures=figures(config, setting, work, found, trial),
        replicas={
            "there": setting.there,
            "here": setting.here,
            "cpus": setting.cpus,
            "gpus": setting.gpus,
            "price_per_hour": replica_hour(config, setting),
        },
        sampled={
            "rows": len(sample.text),
            "row_groups": len(np.unique(sample.group)),
            "row_groups_there": _corpus(plan).groups,
            "ran_on": trial.ran_on,
            "rounds": len(trial.tokens),
            "confidence": section.confidence,
            "seed": section.seed,
        },
        speed_is_known=section.tokens_per_second is not None,
        startup_seconds=Speed.measured(trial).start if startup is None else startup,
        plan_seconds=work.plan_seconds,
        prices={
            "gpu_hour": section.price_per_gpu_hour,
            "cpu_hour": section.price_per_cpu_hour,
            "million_tokens": config.output.price_per_million_tokens,
        },
        assumed=(*setting.assumed, *_doubts(config, plan, trial, float(found.distinct[0]))),
    )


def planned(config: EstimateConfig) -> tuple[Storage, Plan]:
    """The plan that `compress` makes of the same configuration. Raises `InputError` as it does."""
    if config.output.path:
        task = prepare(as_compress(config))
        return task.source, plan_of(task.config, task.source, task.recipe)
    source = source_of(config)
    model = digest(resolve(config.model.name, config.input.storage_options))
    return source, plan_of(config, source, recipe_of(config, model))


def as_compress(config: EstimateConfig) -> CompressConfig:
    """The sections that `compress` has."""
    return CompressConfig(**{name: getattr(config, name) for name in CompressConfig.model_fields})


def _sample_rows(config: EstimateConfig, plan: Plan, setting: Setting) -> int:
    """So many rows that the sample is large enough, and read by the model in some seconds."""
    on_gpu = setting.on_gpu
    rows = config.estimate.rows or (ROWS_OF_A_GPU if on_gpu else ROWS)
    megabytes = config.estimate.megabytes or (MEGABYTES_OF_A_GPU if on_gpu else MEGABYTES)
    text = _corpus(plan).footer_bytes
    return max(1, min(rows, int(megabytes * 1e6 * plan.rows / max(1, text))))


def _doubts(config: EstimateConfig, plan: Plan, trial: Trial, distinct: float) -> tuple[str, ...]:
    """What else the figures rest on, or leave out."""
    said = []
    text = _corpus(plan).footer_bytes
    everything = sum(group.bytes for file in plan.files for group in file.row_groups)
    if text < LITTLE_TEXT * everything:
        said.append(
            f"{text / everything:.0%} of the input is text; that the other columns are read and "
            "written, too, is not in the time"
        )
    if distinct < 0.99:
        said.append(
            f"{1 - distinct:.0%} of the text repeats other rows of its row group and goes "
            "through the model once"
        )
    if FAILED in trial.status:
        failed = trial.status.count(FAILED)
        said.append(f"{failed} of {len(trial.status):,} sampled rows failed: status error")
    if not trial.tokens.any():
        said.append("the sample has no text, so speed and tokens are not known")
    elif len(trial.tokens) < 4:
        said.append(
            f"{len(trial.tokens)} rounds of the measurement are too few to say how speed varies"
        )
    if config.output.format == "delta":
        said.append("the commit of a Delta table is not in the time")
    return tuple(said)
