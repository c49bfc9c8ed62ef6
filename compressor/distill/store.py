"""Replies on storage: what was asked once is never asked again, whatever dies in between.

A reply counts as answered once a part file that holds it is there, and its request keeps its place
among those under way until then: a kill costs at most as many replies as were under way. A part is
written as soon as there is a reply, and takes along whatever has arrived by then; so a fast storage
holds many small parts for a while, and a slow one few. When a shard is done, its parts become one.
Parts lie in `_answers/<shard>/` of the output and are Parquet, written whole or not at all.
"""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compressor.corpus.storage import Storage
from compressor.corpus.write import encode
from compressor.distill.limits import Usage
from compressor.distill.reply import Reply

FOLDER = "_answers"
GATHER_SECONDS = 0.1  # a part waits so long for company; next to nothing beside a teacher's answer
READERS = 32
SCHEMA = pa.schema(
    [
        ("request", pa.string()),
        ("content", pa.string()),
        ("finish_reason", pa.string()),
        ("refusal", pa.string()),
        ("error", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
    ]
)
Named = tuple[str, Reply]


class ReplyLog:
    """Writes the replies of one shard (by its name); used by the coroutines of one event loop."""

    def __init__(self, target: Storage, shard: str) -> None:
        self._target, self._folder = target, f"{FOLDER}/{shard}"
        self._waiting: list[tuple[Named, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._written: list[str] = []
        self._replies: list[Named] = []

    async def add(self, request: str, reply: Reply) -> None:
        """Returns when the reply is on storage; raises what the storage raises."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(((request, reply), future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        await future

    async def close(self) -> None:
        """Merge the parts that this log has written."""
        if len(self._written) < 2:
            return
        await asyncio.to_thread(self._put, self._replies)
        await asyncio.to_thread(_remove, self._target, self._written)

    async def _write(self) -> None:
        """Part after part until nothing waits."""
        while self._waiting:
            await asyncio.sleep(GATHER_SECONDS)
            part, self._waiting = self._waiting, []
            try:
                self._written.append(await asyncio.to_thread(self._put, [item for item, _ in part]))
            except Exception as error:
                for _, future in part:
                    future.set_exception(error)
                continue
            self._replies += [item for item, _ in part]
            for _, future in part:
                future.set_result(None)
        self._writer = None

    def _put(self, replies: Sequence[Named]) -> str:
        name = f"{self._folder}/{uuid.uuid4().hex}.parquet"
        self._target.put(name, encode(_table(replies)))
        return name


@dataclass(frozen=True)
class Index:
    """Which part holds the answer to each request, and what all stored replies cost together."""

    parts: dict[str, str]
    given_up: set[str]
    spent: Usage


def index_of(target: Storage) -> Index:
    """Look through all that is stored; what was given up is the next run's to ask again."""
    answered: dict[str, str] = {}
    given_up: dict[str, str] = {}
    spent = Usage()
    seen: set[int] = set()  # a kill between merging parts and removing them leaves both
    for part, replies in read_parts(target, part_names(target)):
        for request, reply in replies.items():
            if (identity := hash((request, reply))) not in seen:
                seen.add(identity)
                spent += Usage(reply.prompt_tokens, reply.completion_tokens)
            if reply.error is None:
                answered[request] = part
            else:
                given_up[request] = part
    return Index({**given_up, **answered}, given_up.keys() - answered.keys(), spent)


def part_names(target: Storage, shard: str = "") -> list[str]:
    """The parts on storage: of a shard, or all."""
    filesystem, path = target.open()
    filesystem.invalidate_cache()
    found = filesystem.find(f"{path}/{FOLDER}/{shard}".rstrip("/"))
    return sorted(name.removeprefix(path).lstrip("/") for name in found)


def read_parts(target: Storage, parts: Sequence[str]) -> Iterator[tuple[str, dict[str, Reply]]]:
    """Each part with its replies by request, a few read ahead."""
    with ThreadPoolExecutor(READERS) as pool:
        for first in range(0, len(parts), READERS):
            names = parts[first : first + READERS]
            yield from zip(names, pool.map(lambda name: _read(target, name), names), strict=True)


def _remove(target: Storage, names: Sequence[str]) -> None:
    filesystem, path = target.open()
    filesystem.rm([f"{path}/{name}" for name in names])


def _read(target: Storage, name: str) -> dict[str, Reply]:
    rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(target.read(name))).to_pylist()
    return {row.pop("request"): Reply(**row) for row in rows}


def _table(replies: Sequence[Named]) -> pa.Table:
    rows = [
        {"request": request, **{name: getattr(reply, name) for name in SCHEMA.names[1:]}}
        for request, reply in replies
    ]
    return pa.Table.from_pylist(rows, SCHEMA)
