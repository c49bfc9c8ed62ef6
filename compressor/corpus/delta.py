"""A Delta Lake table around Parquet files that are already there: open, commit, vacuum.

The log refers to files of the directory by name; nothing is rewritten or moved. A commit is one
conditional put, so readers see the version before it or the one after, and of two writers that
started from the same version one fails. What a crashed attempt left is in no version.
"""

import glob
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from compressor.corpus.delta_storage import location
from compressor.corpus.delta_types import delta_schema
from compressor.corpus.storage import Storage
from compressor.errors import InputError, JobError

NOTE = "compressor"  # the key of our entry in the metadata of a commit
LOG = "_delta_log"
UNREADABLE = {"deletionVectors", "columnMapping"}


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of the directory, as a commit adds it."""

    name: str
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Version:
    """A published version: what it consists of, and what its writer noted beside it."""

    table: DeltaTable
    number: int
    names: frozenset[str]
    note: dict[str, Any]


def current(storage: Storage) -> Version | None:
    """The last version, None where the directory is no Delta table.

    Raises `InputError` where the table holds other files than a job of ours published.
    """
    table = open_table(storage)
    if table is None:
        return None
    for _, note in _notes(storage, table.version()):  # ours is the last commit, or a vacuum's is
        return Version(table, table.version(), file_names(table), note)
    raise InputError(
        f"{storage.key}: {storage.url}: a Delta table that was not published by this job; "
        "choose another path"
    )


def open_table(storage: Storage) -> DeltaTable | None:
    """The table of the directory, None where there is none."""
    if LOG not in storage.names():
        return None
    uri, options = location(storage)
    try:
        return DeltaTable(uri, storage_options=options)
    except TableNotFoundError:
        return None
    except DeltaError as error:
        raise InputError(f"{storage.key}: {storage.url}: {_line(error)}") from error


def live_files(storage: Storage) -> frozenset[str] | None:
    """The files of the last version, where the directory is a Delta table of whoever's, else None.

    Raises `InputError` for one whose files don't say by themselves what its rows are.
    """
    with storage.explained():
        filesystem, path = storage.open()
        if glob.has_magic(path) or not filesystem.exists(f"{path}/{LOG}"):
            return None
        table = open_table(storage)
    if table is None:
        return None
    beyond = UNREADABLE & set(table.protocol().reader_features or [])
    if beyond:
        raise InputError(
            f"{storage.key}: {storage.url}: a Delta table with {', '.join(sorted(beyond))}, which "
            "its Parquet files alone don't show; write it without, or export it to Parquet"
        )
    return file_names(table)


def file_names(table: DeltaTable) -> frozenset[str]:
    """The files of a version, relative to the directory."""
    paths = pa.table(table.get_add_actions(flatten=True)).column("path").to_pylist()
    return frozenset(paths)


def publish(
    storage: Storage,
    before: Version | None,
    schema: pa.Schema,
    added: Iterable[DataFile],
    removed: Iterable[str],
    note: Mapping[str, Any],
) -> int:
    """Commit the next version: `before`, with files added and removed; returns its number.

    Raises `JobError` where somebody else has published since `before` was read.
    """
    now = int(time.time() * 1000)
    adds = [
        AddAction(file.name, file.bytes, {}, now, True, json.dumps({"numRecords": file.rows}))
        for file in added
    ]
    removes = [RemoveAction(name, data_change=True, deletion_timestamp=now) for name in removed]
    properties = CommitProperties(custom_metadata={NOTE: json.dumps(note)}, max_commit_retries=0)
    wanted = delta_schema(schema)
    try:
        if before is None:
            uri, options = location(storage)
            create_table_with_add_actions(
                uri,
                wanted,
                adds,
                mode="error",
                storage_options=options,
                commit_properties=properties,
            )
            return 0
        if len(removes) == len(before.names):  # nothing stays, so columns may be others, too
            before.table.create_write_transaction(
                [*adds], "overwrite", wanted, commit_properties=properties
            )
        else:
            before.table.create_write_transaction(
                [*adds, *removes], "append", before.table.schema(), commit_properties=properties
            )
    except (CommitFailedError, DeltaError) as error:
        raise JobError(_why(storage, before, error)) from error
    return before.number + 1


def vacuum(storage: Storage, hours: int) -> list[dict[str, Any]]:
    """Delete the files that no version of the last `hours` needs, and orphans as old as that.

    Returns the notes of the versions that have lost files, or may have.
    """
    table = open_table(storage)
    assert table is not None
    table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
    oldest = time.time() * 1000 - hours * 3_600_000
    notes = _notes(storage, table.version())
    replaced = itertools.pairwise(notes)  # each version by the one before it in the list
    return [note for (time_of_next, _), (_, note) in replaced if time_of_next < oldest]


def _notes(storage: Storage, last: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Time and note of our commits, the newest first, as far back as the log goes.

    Read from the log itself: `DeltaTable.history` holds Python's lock while it waits for storage,
    for ever where the storage is served by the same process.
    """
    for number in range(last, -1, -1):
        try:
            lines = storage.read(f"{LOG}/{number:020}.json").decode().splitlines()
        except FileNotFoundError:  # expired, after a checkpoint
            return
        actions = (json.loads(line) for line in lines if line.strip())
        commits = (action["commitInfo"] for action in actions if "commitInfo" in action)
        about: dict[str, Any] = next(commits, {})
        if NOTE in about:
            yield about["timestamp"], json.loads(about[NOTE])


def _why(storage: Storage, before: Version | None, error: Exception) -> str:
    try:
        table = open_table(storage)
    except InputError:
        table = None
    started = -1 if before is None else before.number
    if table is not None and table.version() > started:
        return (
            f"{storage.url}: another job has published version {table.version()} meanwhile; this "
            "one has changed nothing, rerun it"
        )
    return f"{storage.url}: the new version can't be published: {_line(error)}"


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
