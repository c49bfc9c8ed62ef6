"""From a configuration to what a job works on: storages, the model's digest, the recipe."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from compressor.config import CompressConfig, CompressSections
from compressor.corpus.columns import text_columns
from compressor.corpus.plan import Plan, plan_corpus
from compressor.corpus.storage import Storage, apart
from compressor.errors import InputError
from compressor.models.resolve import digest, resolve

# Raise it when the same text, model and settings come out otherwise than before: it keeps a rerun
# from mixing shards of two algorithms.
ALGORITHM = 1


@dataclass(frozen=True, slots=True)
class Task:
    """A configuration that was found possible; `model` is the digest of the model's files.

    `recipe` stands for everything but the input that decides the output.
    """

    config: CompressConfig
    source: Storage
    target: Storage
    model: str
    recipe: str


def prepare(config: CompressConfig) -> Task:
    """Check the storages and find the model. Raises `InputError`."""
    config = _absolute_model(config)
    source = source_of(config)
    target = Storage.at(config.output.path, config.output.storage_options, key="output.path")
    if not apart(source, target):
        raise InputError(
            f"output.path: {target.url}: lies in input.path or holds it; choose another place"
        )
    model = digest(resolve(config.model.name, config.input.storage_options))
    if config.report.embedding_model is not None:
        resolve(config.report.embedding_model)  # else only the report would say that it isn't there
    return Task(config, source, target, model, recipe_of(config, model))


def source_of(config: CompressSections) -> Storage:
    """Where the input lies. Raises `InputError` where it can't be reached."""
    return Storage.at(config.input.path, config.input.storage_options, key="input.path")


def recipe_of(config: CompressSections, model: str) -> str:
    """A digest of the model, the settings and the version of the algorithm."""
    settings = config.compression.model_dump()
    if config.compression.coarse == "none":  # as recipes were before there was a coarse stage
        del settings["coarse"], settings["coarse_share"]
    decisive = {
        "algorithm": ALGORITHM,
        "model": model,
        "dtype": config.model.dtype,
        "text_column": config.input.text_column,
        "compression": settings,
    }
    if config.output.format == "delta":  # its files have other types
        decisive["format"] = "delta"
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def make_plan(task: Task) -> Plan:
    """The plan of the whole input. Raises `InputError` for whatever is wrong with it."""
    return plan_of(task.config, task.source, task.recipe)


def plan_of(config: CompressSections, source: Storage, recipe: str) -> Plan:
    """The same where no output is needed."""
    return plan_corpus(
        source,
        columns=text_columns(config.input.text_column),
        rate_column=config.compression.rate_column,
        rows_per_shard=config.cluster.rows_per_shard,
        recipe=recipe,
        whole_corpus=config.compression.scope == "corpus",
    )


def _absolute_model(config: CompressConfig) -> CompressConfig:
    """A local directory means the same on a worker, which starts in another one."""
    folder = Path(config.model.name).expanduser()
    if not folder.is_dir():
        return config
    model = config.model.model_copy(update={"name": str(folder.resolve())})
    return config.model_copy(update={"model": model})
