"""What has changed since a version was published, and what is to be done about it.

A shard whose input files are as they were stays in the table as it is. The row groups that no such
shard covers, of new and changed files and around them, are cut into new shards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compressor.corpus.columns import text_columns
from compressor.corpus.delta import Version
from compressor.corpus.delta_types import check_delta_types
from compressor.corpus.files import read_footers
from compressor.corpus.lineage import NOTHING, Published, read_shards_of
from compressor.corpus.plan import (
    Plan,
    checked_schema,
    corpus_recipe,
    cut_shards,
    fingerprinter,
)
from compressor.corpus.shards import Shard, Shards
from compressor.corpus.storage import Entry
from compressor.errors import InputError
from compressor.pipeline.prepare import Task


@dataclass(frozen=True, slots=True)
class Comparison:
    """Paths of input files, by what became of them."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: frozenset[str]

    @property
    def is_same(self) -> bool:
        return not (self.new or self.changed or self.deleted)

    def counts(self) -> dict[str, int]:
        return {
            name: len(getattr(self, name)) for name in ("new", "changed", "deleted", "unchanged")
        }


@dataclass(frozen=True, slots=True)
class Step:
    """From one version to the next: `plan.shards` are done, `kept` stay, `dropped` go.

    `takeover` names the dropped files whose rows may be taken over.
    """

    plan: Plan
    kept: Published
    dropped: Published
    takeover: tuple[str, ...]


def compare(before: Sequence[Entry], now: Sequence[Entry]) -> Comparison:
    """Files are the same where path, size and version (ETag or time of change) are."""
    old = {entry.path: entry for entry in before}
    new = {entry.path: entry for entry in now}
    common = [path for path in new if path in old]
    return Comparison(
        new=tuple(path for path in new if path not in old),
        changed=tuple(path for path in common if old[path] != new[path]),
        deleted=tuple(path for path in old if path not in new),
        unchanged=frozenset(path for path in common if old[path] == new[path]),
    )


def plan_step(
    task: Task, version: Version | None, entries: Sequence[Entry], comparison: Comparison
) -> Step:
    """Read footers, check the schema against the job and Delta Lake, decide about each shard.

    Raises `InputError` for whatever is wrong with the input, and for a table that something else
    has changed.
    """
    config, key = task.config, task.source.key
    files = read_footers(entries, task.source)
    columns = text_columns(config.input.text_column)
    schema = checked_schema(files, key, columns, config.compression.rate_column)
    recipe = task.recipe
    if config.compression.scope == "corpus":
        recipe = corpus_recipe(recipe, files)
    published = _published(task, version)
    fingerprint = fingerprinter(schema, recipe)
    has_rows = any(file.rows for file in files)

    def stays(shard: Shard) -> bool:
        pieces = shard.pieces
        return (
            bool(pieces) == has_rows
            and all(piece.path in comparison.unchanged for piece in pieces)
            and fingerprint(pieces) == shard.fingerprint
        )

    stay = np.fromiter(map(stays, published.shards), bool, len(published))
    kept, dropped = published.take(np.flatnonzero(stay)), published.take(np.flatnonzero(~stay))
    done = {
        (piece.path, group)
        for shard in kept.shards
        for piece in shard.pieces
        for group in range(piece.first, piece.last + 1)
    }
    shards = cut_shards(
        files, schema, rows_per_shard=config.cluster.rows_per_shard, recipe=recipe, done=done
    )
    if len(kept) and not has_rows:
        shards = Shards.of(())  # the one file without rows is there
    plan = Plan(tuple(files), schema, columns, shards)
    check_delta_types(plan.output_schema, key)
    return Step(plan, kept, dropped, _takeover(task, version, dropped))


def _published(task: Task, version: Version | None) -> Published:
    if version is None:
        return NOTHING
    published = read_shards_of(task.target, version.note["lineage"])
    if {shard.name for shard in published.shards} != version.names:
        raise InputError(
            f"{task.target.key}: {task.target.url}: something else than this job has changed the "
            "table since its last refresh (optimize, delete, append?); restore the version before "
            "that, or choose another path"
        )
    return published


def _takeover(task: Task, version: Version | None, dropped: Published) -> tuple[str, ...]:
    """With a corpus-wide threshold every row depends on all others, so none can be taken over."""
    if version is None or task.config.compression.scope == "corpus":
        return ()
    same: Any = version.note["recipe"] == task.recipe
    return tuple(shard.name for shard in dropped.shards if shard.rows) if same else ()
