"""Replies on storage, local and S3: durable one by one, found again, counted once."""

import asyncio
from pathlib import Path
from typing import Any

import fsspec
import pytest

from compressor.corpus.storage import Storage
from compressor.distill.limits import Usage
from compressor.distill.reply import Reply
from compressor.distill.store import ReplyLog, index_of, part_names, read_parts


@pytest.fixture(params=["local", "s3"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return Storage(str(tmp_path / "out"), {}, "output.path")
    options: dict[str, Any] = request.getfixturevalue("s3_options")
    fsspec.filesystem("s3", **options).mkdir(f"store-{tmp_path.name}".replace("_", "-"))
    return Storage(f"s3://store-{tmp_path.name}/out".replace("_", "-"), options, "output.path")


def reply(number: int, error: str | None = None) -> Reply:
    content = None if error else f"answer {number}"
    return Reply(content, "stop", None, error, 10 + number, number)


def test_a_reply_is_stored_when_add_returns(target: Storage) -> None:
    async def scenario() -> None:
        log = ReplyLog(target, "part-0")
        await asyncio.gather(*(log.add(f"r{i}", reply(i)) for i in range(5)))
        assert len(part_names(target)) == 1  # those that came together lie together
        await log.add("r5", reply(5))
        parts = dict(read_parts(target, part_names(target, "part-0")))
        stored = {name: one for part in parts.values() for name, one in part.items()}
        assert stored == {f"r{i}": reply(i) for i in range(6)}
        assert len(parts) == 2
        await log.close()

    assert part_names(target) == []
    asyncio.run(scenario())
    (part,) = part_names(target)
    assert part_names(target, "part-1") == []
    index = index_of(target)
    assert index.parts == {f"r{i}": part for i in range(6)}
    assert index.spent == Usage(75, 15)
    assert index.given_up == set()


def test_copies_count_once_and_second_tries_twice(target: Storage) -> None:
    """A kill between merging and removing leaves copies; a failed request was paid for as well."""

    async def write(shard: str, *replies: tuple[str, Reply]) -> None:
        log = ReplyLog(target, shard)
        for name, one in replies:
            await log.add(name, one)

    asyncio.run(write("a", ("r1", reply(1)), ("r2", reply(2, "500"))))
    asyncio.run(write("b", ("r1", reply(1)), ("r2", reply(3)), ("r4", reply(4, "500"))))
    index = index_of(target)
    assert index.spent == Usage(10 * 4 + 1 + 2 + 3 + 4, 1 + 2 + 3 + 4)
    assert index.given_up == {"r4"}
    assert index.parts["r2"].startswith("_answers/b/")


def test_a_storage_that_fails_fails_the_caller(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, not a folder")

    async def scenario() -> None:
        log = ReplyLog(Storage(str(tmp_path / "out"), {}, "output.path"), "part-0")
        results = await asyncio.gather(
            *(log.add(f"r{i}", reply(i)) for i in range(3)), return_exceptions=True
        )
        assert all(isinstance(result, OSError) for result in results)

    asyncio.run(scenario())
