"""From the configuration to what is to be done: storages, plan, recipe."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from compressor.corpus.columns import column_type, is_text
from compressor.corpus.files import SourceFile, source_files
from compressor.corpus.plan import Plan, cut_shards
from compressor.corpus.schema import unify
from compressor.corpus.storage import Storage, apart
from compressor.errors import InputError
from compressor.models.resolve import absolute
from compressor.prune.config import PruneConfig
from compressor.prune.rows import QUESTION_FIELDS, SHOT_FIELDS
from compressor.reinforce.saved import policy_digest

ALGORITHM = 1
"""Raise it when the same input, policy and settings come out otherwise than before."""
DECISIVE = (
    "pool.path",
    "pool.question_column",
    "pool.solution_column",
    "questions.path",
    "questions.question_column",
    "policy.path",
    "prompt.",
    "cluster.rows_per_shard",
)


@dataclass(frozen=True)
class Task:
    """A configuration that was found possible.

    source: what the rows of the output come from, questions or the pool; schema: of the output.
    """

    config: PruneConfig
    pool: Storage
    pool_files: Sequence[SourceFile]
    pool_schema: pa.Schema
    source: Storage
    target: Storage
    plan: Plan
    schema: pa.Schema

    @property
    def per_question(self) -> bool:
        return bool(self.config.questions.path)


def make_task(config: PruneConfig) -> Task:
    """Check storages and columns, cut the shards. Raises `InputError`."""
    config = _with_full_paths(config)
    target = Storage.at(config.output.path, config.output.storage_options, key="output.path")
    pool = Storage.at(config.pool.path, config.pool.storage_options, key="pool.path")
    pool_files, pool_schema = _read(
        pool,
        {
            "pool.question_column": config.pool.question_column,
            "pool.solution_column": config.pool.solution_column,
        },
    )
    source, files, schema, fields = pool, pool_files, pool_schema, SHOT_FIELDS
    if config.questions.path:
        options = config.questions.storage_options
        source = Storage.at(config.questions.path, options, key="questions.path")
        column = {"questions.question_column": config.questions.question_column}
        files, schema = _read(source, column)
        fields = QUESTION_FIELDS
    for one in (pool, source):
        if not apart(one, target):
            raise InputError(
                f"output.path: {target.url}: lies in {one.key} or holds it; choose another place"
            )
    for field in fields:
        if field.name in schema.names:
            raise InputError(
                f"{source.key}: the input already has a column {field.name!r}, which the output "
                "needs for its own; rename or drop it"
            )
    shards = cut_shards(
        files,
        schema,
        rows_per_shard=config.cluster.rows_per_shard,
        recipe=_recipe(config, pool_files),
    )
    plan = Plan(tuple(files), schema, (), shards)
    whole = pa.schema([*schema, *fields], metadata=schema.metadata)
    return Task(config, pool, pool_files, pool_schema, source, target, plan, whole)


def _read(storage: Storage, columns: dict[str, str]) -> tuple[list[SourceFile], pa.Schema]:
    files = source_files(storage)
    schema = unify(files, storage.key)
    for key, name in columns.items():
        kind = column_type(schema, name, key)
        if not is_text(kind):
            raise InputError(f"{key}: {name!r} is {kind}, not text")
    return files, schema


def _recipe(config: PruneConfig, pool_files: Sequence[SourceFile]) -> str:
    policy = config.policy
    decisive = {
        "algorithm": ALGORITHM,
        "policy": policy_digest(policy.path, policy.storage_options, key="policy.path"),
        "columns": [
            config.pool.question_column,
            config.pool.solution_column,
            config.questions.question_column,
        ],
        "prompt": config.prompt.model_dump(),
        "pool": [[file.path, file.version, file.size] for file in pool_files],
        "questions": bool(config.questions.path),
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _with_full_paths(config: PruneConfig) -> PruneConfig:
    """Local paths mean the same on a worker, which starts in another directory."""

    policy = config.policy.model_copy(
        update={name: absolute(getattr(config.policy, name)) for name in ("path", "encoder")}
    )
    prompt = config.prompt.model_copy(update={"tokenizer": absolute(config.prompt.tokenizer)})
    return config.model_copy(update={"policy": policy, "prompt": prompt})
