"""The job `distill` from configuration to statistics.

What can be wrong with the input is found before Ray starts. Then the corpus is surveyed, what has
no reply yet is asked, and all that has one is judged, measured and written.
"""

import hashlib
import importlib.util
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from compressor.corpus.columns import check_text, column_type
from compressor.corpus.files import SourceFile, source_files
from compressor.corpus.plan import cut_shards
from compressor.corpus.schema import unify
from compressor.corpus.shards import read_units
from compressor.corpus.storage import Storage, apart
from compressor.distill.config import DistillConfig
from compressor.distill.limits import CAPPED, INTERRUPTED, WRONG, Stop
from compressor.distill.output import existing, is_complete, remove_others
from compressor.distill.prompt import Instruction, load_instruction
from compressor.distill.records import columns, origins
from compressor.distill.store import index_of
from compressor.distill.summary import SUMMARY, Outcome, write_quality, write_summary
from compressor.errors import InputError, JobError
from compressor.interrupt import Stopped
from compressor.pipeline.resume import announce

if TYPE_CHECKING:
    from compressor.distill.tasks import Context, Unit

# Raise it when the same replies come out as other rows than before.
ALGORITHM = 1


def run(config: DistillConfig) -> Outcome:
    """Ask the teacher about the corpus and write the dataset.

    Safe to interrupt and to run again: what has a reply isn't asked again, and what is finished
    isn't done again. Raises `InputError` for what the user can mend, else `JobError`.
    """
    started = time.monotonic()
    _check_packages()
    config = _absolute_tokenizer(config)
    source = Storage.at(config.input.path, config.input.storage_options, key="input.path")
    target = Storage.at(config.output.path, config.output.storage_options, key="output.path")
    if not apart(source, target):
        raise InputError(
            f"output.path: {target.url}: lies in input.path or holds it; choose another place"
        )
    instruction = load_instruction(config.teacher.instruction)
    files, schema = _read_input(source, config)
    shards = cut_shards(
        files,
        schema,
        rows_per_shard=config.cluster.rows_per_shard,
        recipe=_recipe(config, instruction, files),
    )
    records = existing(target, config)
    if is_complete(records, shards) and (before := _earlier_summary(target)):
        return Outcome(target.url, before)
    from compressor.distill.tasks import Context, Unit  # the first need for Ray
    from compressor.pipeline.failure import unwrapped
    from compressor.pipeline.session import session

    context = Context(config, source, target, schema, instruction)
    units: list[Unit] = [
        [(shard, origins(source, files, shard)) for shard in unit] for unit in read_units(shards)
    ]
    try:
        with session(config.cluster.address), unwrapped():
            outcome = _distill(context, units, started)
    except Stopped:
        raise
    except KeyboardInterrupt:
        raise Stopped("stopped; the replies so far are kept, the same command goes on") from None
    finally:
        target.clear_scratch()
    remove_others(target, records, shards)
    return outcome


def _distill(context: "Context", units: "Sequence[Unit]", started: float) -> Outcome:
    from compressor.distill.flow import ask_missing, survey_all, write_all

    target = context.target
    announce(target, context.config)
    index = index_of(target)
    requests = survey_all(context, units)
    names = {name for shard in requests for name in shard}
    answered = index.parts.keys() - index.given_up
    wanted = _first_mentions(requests, answered)
    stop, asked, spent_before = None, 0, index.spent
    if any(wanted):
        stop, asked = ask_missing(context, units, wanted, len(names), index.spent)
        index = index_of(target)
    answered = names & index.parts.keys() - index.given_up
    _raise_for(stop, target, answered=len(answered), others=len(names - answered))
    verdicts, selected = write_all(context, units, requests, index.parts, index.given_up)
    write_quality(context, [shard for unit in units for shard, _ in unit], verdicts)
    return write_summary(
        context,
        verdicts,
        selected=selected,
        asked=asked,
        not_asked=len(names - index.parts.keys()),
        stop=stop,
        spent=index.spent,
        spent_before=spent_before,
        wall_seconds=time.monotonic() - started,
    )


def _check_packages() -> None:
    if importlib.util.find_spec("openai") is None:
        raise InputError("distill needs the package openai: pip install 'compressor[distill]'")


def _first_mentions(requests: Sequence[Sequence[str]], answered: set[str]) -> list[frozenset[str]]:
    """What each shard has to ask: each request once, in the first shard that makes it."""
    known = set(answered)
    wanted = []
    for shard in requests:
        new = frozenset(shard) - known
        wanted.append(new)
        known |= new
    return wanted


def _raise_for(stop: Stop | None, target: Storage, *, answered: int, others: int) -> None:
    """A cap is a way to end well; all else that stops the asking isn't."""
    if stop is None or stop.kind == CAPPED:
        return
    kept = (
        f"{answered:,} chunks have their reply, which is kept in {target.url}; "
        f"the same command asks the other {others:,}"
    )
    message = f"{stop.message}; {kept}"
    if stop.kind == INTERRUPTED:
        raise Stopped(message)
    raise InputError(message) if stop.kind == WRONG else JobError(message)


def _read_input(source: Storage, config: DistillConfig) -> tuple[list[SourceFile], pa.Schema]:
    """Footers and the common schema; the columns are checked."""
    files = source_files(source)
    schema = unify(files, source.key)
    check_text(schema, config.input.text_column)
    for key in ("id_column", "domain_column"):
        name = getattr(config.input, key)
        if name is not None and pa.types.is_nested(column_type(schema, name, f"input.{key}")):
            raise InputError(f"input.{key}: {name!r} holds {schema.field(name).type}, no names")
    return files, pa.schema([schema.field(name) for name in columns(config.input)])


def _recipe(config: DistillConfig, instruction: Instruction, files: Sequence[SourceFile]) -> str:
    """What decides the content of every file: settings, and all of the input (`selected` does)."""
    teacher = config.teacher
    decisive = {
        "algorithm": ALGORITHM,
        "input": [config.input.text_column, config.input.id_column, config.input.domain_column],
        "chunks": config.distill.model_dump(),
        "teacher": [teacher.model, teacher.temperature, teacher.max_tokens, teacher.options],
        "instruction": instruction.text,
        "quality": config.quality.model_dump(),
        "files": [[file.path, file.version, file.size] for file in files],
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _absolute_tokenizer(config: DistillConfig) -> DistillConfig:
    """A local directory means the same on a worker, which starts in another one."""
    name = config.distill.tokenizer
    if name is None or not Path(name).expanduser().is_dir():
        return config
    chunking = config.distill.model_copy(
        update={"tokenizer": str(Path(name).expanduser().resolve())}
    )
    return config.model_copy(update={"distill": chunking})


def _earlier_summary(target: Storage) -> dict[str, Any] | None:
    try:
        summary: dict[str, Any] = json.loads(target.read(SUMMARY))
    except (OSError, ValueError):
        return None
    return summary
