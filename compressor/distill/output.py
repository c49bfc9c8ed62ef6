"""What an output directory already holds, and whether the job may write there.

The directory holds one file a shard, replies below `_answers/`, statistics below `_stats/`. A run
whose input has grown, or that asks what an earlier one couldn't, replaces the files; replies are
kept. With another teacher or other chunks it refuses: that is another dataset.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from compressor.corpus.shards import Shard
from compressor.corpus.storage import Storage
from compressor.corpus.write import read_records
from compressor.distill.config import DistillConfig
from compressor.distill.store import part_names
from compressor.errors import InputError
from compressor.pipeline.resume import changes

JOB = "distill"
_OURS = re.compile(r"part-\d{5,}-[0-9a-f]{16}\.parquet")
_DECISIVE = (
    "input.path",
    "input.text_column",
    "input.id_column",
    "input.domain_column",
    "distill.",
    "teacher.model",
    "teacher.instruction",
    "teacher.temperature",
    "teacher.max_tokens",
    "teacher.options.",
)
Records = Mapping[str, Mapping[str, Any]]


def existing(target: Storage, config: DistillConfig) -> Records:
    """The records in the footers of the dataset's files, by name.

    Raises `InputError` where the directory holds something else, or was written otherwise.
    """
    with target.explained():
        visible = [name for name in target.names() if not name.startswith(("_", "."))]
        why = next((f"{name} is not of this job" for name in visible if not _is_ours(name)), "")
        records = {} if why else read_records(target, visible)
        why = why or next(
            (f"{name} is of another job" for name, record in records.items() if not _is(record)), ""
        )
        changed = changes(target, config, _DECISIVE) if visible or part_names(target) else ""
        why = why or (f"written with {changed}" if changed else "")
    if why:
        raise InputError(
            f"{target.key}: {target.url}: not empty ({why}); "
            "choose another path, empty it, or rerun with what it was written with"
        )
    return records


def is_complete(records: Records, shards: Sequence[Shard]) -> bool:
    """Every chunk has its reply and stands in its file, and there is no other file."""
    return records.keys() == {shard.name for shard in shards} and all(
        record["complete"] for record in records.values()
    )


def record_of(shard: Shard, rows: int, *, complete: bool) -> dict[str, Any]:
    """What the footer of a file says; `complete`: nothing is left to ask in its shard."""
    return {"job": JOB, "fingerprint": shard.fingerprint, "rows": rows, "complete": complete}


def remove_others(target: Storage, records: Records, shards: Sequence[Shard]) -> None:
    """Remove the files of an earlier plan, once those of this one are there."""
    filesystem, path = target.open()
    for name in sorted(records.keys() - {shard.name for shard in shards}):
        filesystem.rm(f"{path}/{name}")


def _is_ours(name: str) -> bool:
    return _OURS.fullmatch(name) is not None


def _is(record: Mapping[str, Any]) -> bool:
    return record.get("job") == JOB
