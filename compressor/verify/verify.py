"""The job `verify`: an output against its input, file by file, without the model.

Each row must be there once, its columns as they were, its compression a selection of its own words
within the budget, the counts right, the statistics their sum. Input: configuration; output: a list
of problems.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compressor.config import CompressConfig
from compressor.corpus.columns import text_columns
from compressor.corpus.delta import Version, current
from compressor.corpus.files import source_files
from compressor.corpus.read import read_shards
from compressor.corpus.schema import unify
from compressor.corpus.shards import Shard
from compressor.corpus.storage import Storage
from compressor.corpus.write import RECORD
from compressor.engine.subwords import FastTokenizer, TokenCounter, load_counter
from compressor.errors import InputError, JobError
from compressor.models.checkpoint import load_tokenizer
from compressor.models.resolve import resolve_tokenizer
from compressor.pipeline.statistics import Statistics, statistics_of
from compressor.pipeline.summary import SUMMARY, counts
from compressor.verify.config import VerifyConfig
from compressor.verify.coverage import check_coverage, pieces_of
from compressor.verify.recorded import completed
from compressor.verify.rows import Checker


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what is wrong: a line each."""

    files: int
    rows: int
    problems: tuple[str, ...]


def verify(config: VerifyConfig) -> Verified:
    """Look at every row. Raises `InputError` where there is nothing that could be verified."""
    target = Storage.at(config.output.path, config.output.storage_options, key="output.path")
    with target.explained():
        version = current(target)
        names = sorted(version.names) if version else _parquet(target)
    if not names:
        raise InputError(f"{target.key}: {target.url}: no Parquet files there")
    settings = completed(config, target, version)
    source = Storage.at(settings.input.path, settings.input.storage_options, key="input.path")
    return _Verification(settings, source, target, version).run(names)


class _Verification:
    """One output under examination."""

    def __init__(
        self, config: CompressConfig, source: Storage, target: Storage, version: Version | None
    ) -> None:
        self._config, self._source, self._target = config, source, target
        self._version = version
        self._columns = text_columns(config.input.text_column)
        self._checker = Checker(config.compression, self._columns, _counter(config))
        self._statistics = Statistics()  # of the rows seen so far

    def run(self, names: list[str]) -> Verified:
        files = source_files(self._source)
        versions = {file.path: file.version for file in files}
        schema = unify(files, self._source.key)
        problems: list[str] = []
        records: dict[str, Mapping[str, Any]] = {}
        for name in names:
            try:
                table, record = self._read(name)
            except (OSError, pa.ArrowException) as error:
                problems.append(f"{name}: can't be read: {' '.join(str(error).split())}")
                continue
            if record is None:
                problems.append(f"{name}: was not written by this job")
                continue
            records[name] = record
            problems += [f"{name}: {line}" for line in self._file(versions, schema, table, record)]
        problems += check_coverage(files, records)
        problems += self._summary()
        return Verified(len(names), self._statistics.rows, tuple(problems))

    def _read(self, name: str) -> tuple[pa.Table, dict[str, Any] | None]:
        filesystem, path = self._target.open()
        with filesystem.open(f"{path}/{name}", "rb") as source:
            file = pq.ParquetFile(source)
            found = (file.metadata.metadata or {}).get(RECORD)
            return file.read(), None if found is None else json.loads(found)

    def _file(
        self,
        versions: Mapping[str, str],
        schema: pa.Schema,
        table: pa.Table,
        record: Mapping[str, Any],
    ) -> Iterator[str]:
        statistics = statistics_of(table, self._columns)
        self._statistics += statistics
        if statistics.record() != record["statistics"]:
            yield "the statistics in its footer are not those of its rows"
        pieces = pieces_of(record)
        if any(versions.get(piece.path) != piece.version for piece in pieces):
            return  # the coverage says so
        shard = Shard(0, pieces, record["fingerprint"])
        try:
            (source,) = read_shards(self._source, [shard], schema)
        except JobError as error:
            yield str(error)
            return
        yield from self._checker.check(source, table)

    def _summary(self) -> Iterator[str]:
        try:
            summary = json.loads(self._target.read(SUMMARY))
        except (OSError, ValueError):
            yield f"{SUMMARY}: is not there: the job has not ended"
            return
        if self._version and summary.get("lineage") != self._version.note["lineage"]:
            yield f"{SUMMARY}: is of another version than the last, {self._version.number}"
            return
        price = self._config.output.price_per_million_tokens
        for name, value in counts(self._statistics, price=price).items():
            if name != "saving" and summary.get(name) != value:
                yield f"{SUMMARY}: {name} is {summary.get(name)}, the rows give {value}"


def _parquet(target: Storage) -> list[str]:
    return [name for name in target.names() if name.endswith(".parquet") and name[0] not in "_."]


def _counter(config: CompressConfig) -> TokenCounter:
    """What counted the tokens: the tokenizer of the settings, or the model's own."""
    if config.compression.tokenizer is not None:
        return load_counter(config.compression.tokenizer)
    options = config.input.storage_options
    return FastTokenizer(load_tokenizer(resolve_tokenizer(config.model.name, options)))
