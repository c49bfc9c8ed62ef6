"""Where a table may not begin, and what can't be published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from compressor.errors import InputError
from compressor.pipeline.refresh import Refreshed
from tests.pipeline.corpora import table, write_files

Job = Callable[..., dict[str, Any]]
Refresh = Callable[..., Refreshed]


def test_compress_publishes_the_first_version_and_no_other(
    tmp_path: Path, renew: Refresh, compress: Job
) -> None:
    source = write_files(tmp_path / "in", [table(range(20))])
    target = tmp_path / "out"
    delta = "output.format=delta"
    assert compress(source, target, delta)["rows"] == 20
    assert compress(source, target, delta)["rows"] == 20

    with pytest.raises(InputError, match=r"output\.path: .*the job refresh publishes"):
        compress(source, target, delta, "compression.rate=0.3")
    with pytest.raises(InputError, match=r"output\.path: .*not empty"):
        compress(source, target)
    with pytest.raises(InputError, match=r"output\.format: refresh"):
        renew(source, target, "output.format=parquet")
    assert renew(source, target).published is False


def test_a_foreign_directory_is_left_alone(tmp_path: Path, renew: Refresh) -> None:
    source = write_files(tmp_path / "in", [table(range(5))])
    target = write_files(tmp_path / "out", [table(range(5))])
    with pytest.raises(InputError, match=r"output\.path: .*not empty"):
        renew(source, target)
    assert not (target / "_delta_log").exists()


@pytest.mark.parametrize("kind", [pa.time64("us"), pa.uint8(), pa.timestamp("us", "Europe/Paris")])
def test_a_type_that_delta_can_not_hold_is_refused(
    tmp_path: Path, renew: Refresh, kind: pa.DataType
) -> None:
    odd = table(range(3)).append_column("odd", pa.array([1, 2, None], pa.int64()).cast(kind))
    source = write_files(tmp_path / "in", [odd])
    with pytest.raises(InputError, match=r"column 'odd' is .*convert it to .*format=parquet"):
        renew(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
