"""Results of a published version, found by key: what a refresh needn't compute again.

On the driver, tasks read the texts of the files that the new version drops and hash their rows;
the index of all keys (24 bytes a row) goes to the replicas through shared memory. A replica then
reads the few files that hold the rows of its shard, and of those only the added columns.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from compressor.corpus.columns import FAILED, STATUS, TextColumn, added_fields
from compressor.corpus.storage import Storage
from compressor.pipeline.reuse import Keys, row_keys
from compressor.pipeline.rows import CONFIDENCE

Ints = npt.NDArray[np.int64]
TASK_CPUS = 0.25  # hashing waits for storage most of the time
FILES_PER_TASK = 16
FILES_HELD = 8  # neighbours in the old version are neighbours in the new one, mostly
ROW_BITS = 32  # a place is a file's number and, in the lower bits, a row's


@dataclass(frozen=True)
class Index:
    """Keys of rows, sorted by their first half, and the place of each."""

    first: npt.NDArray[np.uint64]
    second: npt.NDArray[np.uint64]
    place: Ints

    @classmethod
    def of(cls, keys: Sequence[Keys], rows: Sequence[Ints]) -> "Index":
        """`keys` of the rows with these numbers, for each file."""
        places = [(np.int64(file) << ROW_BITS) | row for file, row in enumerate(rows)]
        joined = np.concatenate([np.zeros((0, 2), np.uint64), *keys])
        order = np.argsort(joined[:, 0], kind="stable")
        place = np.concatenate([np.zeros(0, np.int64), *places])[order]
        return cls(joined[order, 0], joined[order, 1], place)

    def find(self, keys: Keys) -> Ints:
        """The place of each key, -1 where it isn't there."""
        if not len(self.first):
            return np.full(len(keys), -1, np.int64)
        at = np.minimum(np.searchsorted(self.first, keys[:, 0]), len(self.first) - 1)
        same = (self.first[at] == keys[:, 0]) & (self.second[at] == keys[:, 1])
        return np.where(same, self.place[at], -1)


class Takeover:
    """A `Source` of rows in files of a published version."""

    def __init__(
        self, storage: Storage, names: Sequence[str], columns: Sequence[TextColumn], index: Index
    ) -> None:
        self._storage, self._names, self._index = storage, names, index
        self._schema = pa.schema(added_fields(columns))
        self._held: OrderedDict[int, pa.Table] = OrderedDict()

    def find(self, keys: Keys) -> Iterator[tuple[Ints, pa.Table]]:
        places = self._index.find(keys)
        files = places >> ROW_BITS
        for file in np.unique(files[places >= 0]).tolist():
            at = np.flatnonzero((files == file) & (places >= 0))
            rows = places[at] & ((1 << ROW_BITS) - 1)
            yield at, self._file(file).take(pa.array(rows))

    def _file(self, number: int) -> pa.Table:
        if number not in self._held:
            table = _read(self._storage, self._names[number], self._schema.names)
            unknown = pa.nulls(table.num_rows, pa.float32())  # no file holds it
            self._held[number] = table.cast(self._schema).append_column(CONFIDENCE, unknown)
            if len(self._held) > FILES_HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(number)
        return self._held[number]


def index_files(
    storage: Storage, names: Sequence[str], columns: Sequence[TextColumn], rate_column: str | None
) -> Index:
    """Hash the rows of files, in Ray tasks."""
    import ray

    texts = [column.name for column in columns]
    task = ray.remote(num_cpus=TASK_CPUS, max_retries=3)(_keys_of)
    parts = [names[at : at + FILES_PER_TASK] for at in range(0, len(names), FILES_PER_TASK)]
    found = ray.get([task.remote(storage, part, texts, rate_column) for part in parts])
    pairs = [pair for part in found for pair in part]
    return Index.of([keys for keys, _ in pairs], [rows for _, rows in pairs])


def _keys_of(
    storage: Storage, names: Sequence[str], texts: Sequence[str], rate_column: str | None
) -> list[tuple[Keys, Ints]]:
    """Of each file, the keys and numbers of the rows that didn't fail."""
    wanted = [*texts, STATUS, *([rate_column] if rate_column else [])]
    result = []
    for name in names:
        table = _read(storage, name, wanted)
        good = pc.not_equal(table.column(STATUS), FAILED).to_numpy().astype(bool)
        keys = row_keys(table, texts, rate_column)
        result.append((keys[good], np.flatnonzero(good).astype(np.int64)))
    return result


def _read(storage: Storage, name: str, columns: Sequence[str]) -> pa.Table:
    filesystem, path = storage.open()
    with filesystem.open(f"{path}/{name}", "rb", cache_type="none") as source:
        return pq.ParquetFile(source, pre_buffer=True).read(columns=list(columns))


def shared(takeover: Takeover) -> Any:
    """A reference that travels instead of the index: its arrays lie once in each node's memory."""
    import ray

    return ray.put(takeover)
