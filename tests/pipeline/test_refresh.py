"""Refreshes on real Ray: each version equals a full run, and costs what has changed."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable

from compressor.errors import JobError
from compressor.pipeline.refresh import Refreshed
from jobs.refresh import main
from tests.pipeline.corpora import by_id, table, write_files

Job = Callable[..., dict[str, Any]]
Refresh = Callable[..., Refreshed]
SHARDS = "cluster.rows_per_shard=14"


def published(target: Path, version: int | None = None) -> list[dict[str, Any]]:
    return by_id(DeltaTable(str(target), version=version).to_pyarrow_table())


def full_run(compress: Job, source: Path, target: Path) -> list[dict[str, Any]]:
    compress(source, target, SHARDS)
    return by_id(pq.read_table(target))


def test_new_changed_and_deleted_files(tmp_path: Path, renew: Refresh, compress: Job) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    write_files(source, [table(range(n * 20, n * 20 + 20)) for n in range(4)])

    first = renew(source, target, SHARDS)

    assert first.version == 0
    assert first.changes["files"] == {"new": 4, "changed": 0, "deleted": 0, "unchanged": 0}
    assert first.changes["rows"]["compressed"] == 80
    assert published(target) == full_run(compress, source, tmp_path / "full0")
    before = published(target)

    (source / "000.parquet").unlink()
    pq.write_table(table(range(40, 60), {45: 1}), source / "002.parquet", row_group_size=7)
    pq.write_table(table(range(80, 90)), source / "0025.parquet")
    second = renew(source, target, SHARDS)

    assert second.version == 1
    assert second.changes["files"] == {"new": 1, "changed": 1, "deleted": 1, "unchanged": 2}
    rows = second.changes["rows"]
    assert rows["compressed"] == 11  # one row changed, ten are new
    assert rows["kept"] + rows["taken_over"] == 59
    assert rows["kept"] >= 14
    assert second.changes["shards"]["kept"] >= 1
    assert published(target) == full_run(compress, source, tmp_path / "full1")
    assert published(target, version=0) == before
    assert second.summary is not None
    assert second.summary["rows"] == 70
    assert second.summary["version_of_the_table"] == 1


def test_everything_rewritten_and_resharded(tmp_path: Path, renew: Refresh, compress: Job) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    write_files(source, [table(range(n * 50, n * 50 + 50)) for n in range(4)])
    first = renew(source, target, SHARDS)
    numbers = sorted(range(200), key=lambda number: number * 7919 % 200)
    editions = {17: 1, 150: 1}
    parts = [table(numbers[at : at + 33], editions) for at in range(0, 200, 33)]
    write_files(source, parts, group=11, stem="other-")

    second = renew(source, target, SHARDS)

    assert second.changes["files"] == {"new": 7, "changed": 0, "deleted": 4, "unchanged": 0}
    assert second.changes["rows"] == {
        "kept": 0,
        "taken_over": 198,
        "with_the_text_of_another": 0,
        "compressed": 2,
    }
    assert first.summary is not None
    assert second.summary is not None
    assert second.summary["model_tokens"] <= 0.03 * first.summary["model_tokens"]
    assert published(target) == full_run(compress, source, tmp_path / "full")


def test_nothing_changed_needs_no_ray_and_no_model(
    tmp_path: Path, renew: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    write_files(source, [table(range(n * 2, n * 2 + 2)) for n in range(200)])
    renew(source, target)
    monkeypatch.setattr("compressor.pipeline.flow.compress_shards", None)
    monkeypatch.setattr("compressor.corpus.files.read_footers", None)

    started = time.monotonic()
    again = renew(source, target)

    assert time.monotonic() - started < 15
    assert (again.version, again.published) == (0, False)
    assert again.changes == {"files": {"new": 0, "changed": 0, "deleted": 0, "unchanged": 200}}


def test_a_lost_summary_is_written_again(tmp_path: Path, renew: Refresh) -> None:
    source = write_files(tmp_path / "in", [table(range(20))])
    target = tmp_path / "out"
    first = renew(source, target)
    (target / "_stats" / "summary.json").unlink()

    again = renew(source, target)

    assert again.version == 0
    assert again.summary is not None
    assert first.summary is not None
    assert again.summary["rate_quantiles"] == first.summary["rate_quantiles"]
    assert DeltaTable(str(target)).version() == 0


def test_a_dry_run_does_nothing(tmp_path: Path, renew: Refresh) -> None:
    source = write_files(tmp_path / "in", [table(range(20)), table(range(20, 40))])
    target = tmp_path / "out"

    plan = renew(source, target, SHARDS, dry_run=True)

    assert plan.changes["files"]["new"] == 2
    assert plan.changes["rows"] == {"kept": 0, "to_look_at": 40}
    assert not target.exists()
    model = f"model.name={Path(__file__).parents[2] / 'compressor' / 'models' / 'default'}"
    asked = ["--dry-run", f"input.path={source}", f"output.path={target}", model]
    said = CliRunner().invoke(main, asked).stdout
    assert "files       2 new, 0 changed, 0 deleted, 0 unchanged\n" in said
    assert "version     none yet; nothing was done (--dry-run)\n" in said


def test_another_configuration_replaces_all_rows_at_once(tmp_path: Path, renew: Refresh) -> None:
    source = write_files(tmp_path / "in", [table(range(40))])
    target = tmp_path / "out"
    renew(source, target, SHARDS)
    before = published(target)

    second = renew(source, target, SHARDS, "compression.rate=0.2")

    assert second.changes["rows"]["compressed"] == 40
    assert all(
        new["compressed_tokens"] < old["compressed_tokens"]
        for new, old in zip(published(target), before, strict=True)
    )
    assert published(target, version=0) == before


def test_a_new_column_takes_the_rows_over(tmp_path: Path, renew: Refresh) -> None:
    source = write_files(tmp_path / "in", [table(range(30))])
    target = tmp_path / "out"
    renew(source, target, SHARDS)
    wider = table(range(30)).append_column("title", pa.array([f"t{n}" for n in range(30)]))
    write_files(source, [wider])

    second = renew(source, target, SHARDS)

    assert second.changes["rows"]["taken_over"] == 30
    assert [row["title"] for row in published(target)] == [f"t{n}" for n in range(30)]


def test_of_two_refreshes_at_once_one_wins(
    tmp_path: Path, renew: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_files(tmp_path / "in", [table(range(20))])
    target = tmp_path / "out"
    renew(source, target, SHARDS)
    pq.write_table(table(range(20, 40)), source / "001.parquet")
    from compressor.pipeline import refresh as module

    commit = module._commit

    def slow(*arguments: Any) -> int:
        monkeypatch.setattr(module, "_commit", commit)
        assert renew(source, target, SHARDS).version == 1  # the other is quicker
        return commit(*arguments)

    monkeypatch.setattr(module, "_commit", slow)
    with pytest.raises(JobError, match="another job has published version 1 meanwhile"):
        renew(source, target, SHARDS)

    assert DeltaTable(str(target)).version() == 1
    assert [row["id"] for row in published(target)] == list(range(40))
    assert renew(source, target, SHARDS).published is False


def test_what_a_crashed_attempt_left_is_in_no_version(tmp_path: Path, renew: Refresh) -> None:
    source = write_files(tmp_path / "in", [table(range(20))])
    target = tmp_path / "out"
    renew(source, target, SHARDS)
    orphan = target / f"part-00000-{'0' * 16}.parquet"
    pq.write_table(pq.read_table(next(target.glob("*.parquet"))), orphan)
    pq.write_table(table(range(20, 30)), source / "001.parquet")

    renew(source, target, SHARDS)

    assert [row["id"] for row in published(target)] == list(range(30))


def test_the_files_of_a_killed_attempt_are_not_done_again(tmp_path: Path, renew: Refresh) -> None:
    source = write_files(tmp_path / "in", [table(range(60))])
    target = tmp_path / "out"
    renew(source, target, SHARDS)
    import shutil

    shutil.rmtree(target / "_delta_log")  # as if killed before its commit
    shutil.rmtree(target / "_lineage")
    pq.write_table(table(range(60, 70)), source / "001.parquet")  # and the input has grown since

    again = renew(source, target, SHARDS)

    assert again.version == 0
    assert again.summary is not None
    assert again.summary["output"]["resumed"] >= 4
    assert [row["id"] for row in published(target)] == list(range(70))


def test_vacuum_keeps_what_the_last_version_needs(tmp_path: Path, renew: Refresh) -> None:
    source = write_files(tmp_path / "in", [table(range(20))])
    target = tmp_path / "out"
    renew(source, target, SHARDS)
    write_files(source, [table(range(30))])

    renew(source, target, SHARDS, "output.vacuum=true", "output.retention_hours=1")
    kept = set(target.glob("*.parquet"))
    write_files(source, [table(range(40))])
    renew(source, target, SHARDS, "output.vacuum=true", "output.retention_hours=0")

    names = {path.name for path in target.glob("*.parquet")}
    assert len(kept) > len(names)
    assert names == {Path(uri).name for uri in DeltaTable(str(target)).file_uris()}
    assert len(list((target / "_lineage").iterdir())) == 1
    assert renew(source, target, SHARDS).published is False
    assert [row["id"] for row in published(target)] == list(range(40))


def test_no_rows_then_some_then_none(tmp_path: Path, renew: Refresh) -> None:
    source = write_files(tmp_path / "in", [table([])])
    target = tmp_path / "out"
    for numbers in ([], range(5), []):
        write_files(source, [table(numbers)])
        os.utime(source / "000.parquet", ns=(len(numbers), time.time_ns()))
        renew(source, target)
        assert [row["id"] for row in published(target)] == list(numbers)
    assert DeltaTable(str(target)).version() >= 2
