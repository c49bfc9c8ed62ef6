"""What the job does on the workers: four kinds of Ray tasks over the shards of a corpus.

`survey` names the requests that the corpus makes, `ask` fills in the replies that are missing,
`assemble` judges and measures them, `publish` writes a file. They share nothing but storage and
the gate, and each reads its shards anew: that is cheap beside the teacher, and what a task returns
stays small. Asking is waiting, so the tasks are plain ones; no data flows from one to another but
the rows from `assemble` to `publish`, which stay in Ray's object store.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from compressor.corpus.read import read_shards
from compressor.corpus.shards import Shard
from compressor.corpus.storage import Storage
from compressor.corpus.write import write_shard
from compressor.distill.asking import ask_all, questions
from compressor.distill.config import DistillConfig
from compressor.distill.limits import Usage
from compressor.distill.output import record_of
from compressor.distill.prompt import Instruction, fingerprint
from compressor.distill.records import (
    Origin,
    Piece,
    Verdicts,
    columns,
    cut_records,
    judged,
    with_selected,
)
from compressor.distill.reply import Reply
from compressor.distill.store import ReplyLog, part_names, read_parts
from compressor.distill.tokens import teacher_counter
from compressor.engine.subwords import TokenCounter

Unit = Sequence[tuple[Shard, tuple[Origin, ...]]]


@dataclass(frozen=True)
class Context:
    """What every task needs to know of the job."""

    config: DistillConfig
    source: Storage
    target: Storage
    schema: pa.Schema
    instruction: Instruction

    def counter(self) -> TokenCounter:
        options = dict(self.config.input.storage_options)
        return teacher_counter(self.config.distill.tokenizer, options)

    def request(self, piece: Piece) -> str:
        return fingerprint(self.config.teacher, self.instruction, piece.chunk.text)

    def pieces(self, unit: Unit, counter: TokenCounter) -> Iterator[tuple[Shard, list[Piece]]]:
        """The chunks of each shard of a unit."""
        names = columns(self.config.input)
        tables = read_shards(self.source, [shard for shard, _ in unit], self.schema, names)
        for (shard, origin), table in zip(unit, tables, strict=True):
            yield (
                shard,
                cut_records(table, origin, self.config.input, self.config.distill, counter),
            )


def survey(context: Context, unit: Unit) -> list[list[str]]:
    """The requests for the chunks of each shard, in order."""
    counter = context.counter()
    return [
        [context.request(piece) for piece in pieces] for _, pieces in context.pieces(unit, counter)
    ]


def ask(context: Context, unit: Unit, wanted: Sequence[frozenset[str]], actor: Any) -> None:
    """Ask what is wanted of each shard, and store it."""
    counter, gate = context.counter(), RemoteGate(actor)
    for (shard, pieces), names in zip(context.pieces(unit, counter), wanted, strict=True):
        if names:
            asyncio.run(_ask_shard(context, shard, pieces, names, gate, counter))


def assemble(
    context: Context, unit: Unit, requests: Sequence[Sequence[str]], parts: Sequence[Sequence[str]]
) -> tuple[list[Verdicts], list[pa.Table]]:
    """The verdicts and the rows of each shard; `parts`: where the replies of each lie."""
    counter = context.counter()
    verdicts, tables = [], []
    for (_, pieces), names, places in zip(
        context.pieces(unit, counter), requests, parts, strict=True
    ):
        replies = _replies(context.target, places)
        table, verdict = judged(pieces, names, replies, context.instruction.levels, counter)
        verdicts.append(verdict)
        tables.append(table)
    return verdicts, tables


def publish(
    context: Context,
    shards: Sequence[Shard],
    tables: Sequence[pa.Table],
    selected: Sequence[npt.NDArray[np.bool_]],
    complete: Sequence[bool],
) -> None:
    """Write the file of each shard."""
    for shard, table, chosen, whole in zip(shards, tables, selected, complete, strict=True):
        record = record_of(shard, table.num_rows, complete=whole)
        write_shard(context.target, shard.name, with_selected(table, chosen), record)


class RemoteGate:
    """The gate as the workers see it: `Limits` in an actor."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def enter(self, work: int) -> int:
        holder: int = await self._actor.enter.remote(work)
        return holder

    async def acquire(self, holder: int, worst: Usage) -> int | None:
        permit: int | None = await self._actor.acquire.remote(holder, worst)
        return permit

    async def release(self, permit: int, used: Usage, pause: float = 0.0) -> None:
        await self._actor.release.remote(permit, used, pause)

    async def finished(self, failure: str | None) -> None:
        await self._actor.finished.remote(failure)

    async def sleep(self, seconds: float) -> None:
        await self._actor.sleep.remote(seconds)

    async def stop(self, kind: str, message: str) -> None:
        await self._actor.stop.remote(kind, message)


async def _ask_shard(
    context: Context,
    shard: Shard,
    pieces: Sequence[Piece],
    wanted: frozenset[str],
    gate: RemoteGate,
    counter: TokenCounter,
) -> None:
    holder = await gate.enter(shard.index)
    stored = _replies(context.target, part_names(context.target, shard.name))
    done = {name for name, reply in stored.items() if reply.error is None}  # by a killed attempt
    pairs = {context.request(piece): piece.chunk.text for piece in pieces}
    missing = [(name, text) for name, text in pairs.items() if name in wanted - done]
    await ask_all(
        questions(missing, context.instruction, counter),
        context.config.teacher,
        context.instruction,
        counter,
        gate,
        ReplyLog(context.target, shard.name),
        holder=holder,
    )


def _replies(target: Storage, parts: Sequence[str]) -> dict[str, Reply]:
    """The reply to each request, one that stands rather than one that was given up."""
    found: dict[str, Reply] = {}
    for _, replies in read_parts(target, parts):
        for name, reply in replies.items():
            if name not in found or reply.error is None:
                found[name] = reply
    return found
