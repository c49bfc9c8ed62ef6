"""A real output that reports are made of: rows that are fine, fail, are hostile, long and empty."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from jobs.compress import main as compress_main
from tests.conftest import TEXTS

HOSTILE = '<script>alert("1")</script> & <b>bold</b> \x1b]0;x\x07 12 13 14 15 16 17 18 19'
SECRET = "hunter2-and-more"
LONG = " ".join(f"{word} words go on" for word in range(4000))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows that are fine, that fail, that have a note, that are hostile, long and empty."""
    folder = tmp_path_factory.mktemp("report") / "in"
    folder.mkdir()
    texts = [f"{TEXTS[at % 5]} {at} of New York, not {at}.5" for at in range(60)]
    special = [HOSTILE, LONG, None, " ", "fails", "fails, too"]
    rates = [*[None] * 60, 0.1, None, None, None, 7.5, 8.5]
    ids = [f"<i>{at}</i>" for at in range(66)]
    table = pa.table({"id": ids, "text": [*texts, *special], "rate": pa.array(rates, pa.float64())})
    pq.write_table(table, folder / "a.parquet")
    return folder


@pytest.fixture(scope="session")
def settings(tiny_model: Path) -> list[str]:
    return [
        f"model.name={tiny_model}",
        "model.dtype=float32",
        "compression.rate_column=rate",
        "compression.force_reserve_digit=true",
        "cluster.rows_per_shard=11",
        f"input.storage_options.secret={SECRET}",
        f"output.storage_options.secret={SECRET}",
    ]


@pytest.fixture(scope="session")
def said(corpus: Path, settings: list[str], ray_session: None) -> Result:
    """The job `compress`, by its command."""
    target = corpus.parent / "out"
    return CliRunner().invoke(
        compress_main, [f"input.path={corpus}", f"output.path={target}", *settings]
    )


@pytest.fixture(scope="session")
def done(said: Result, corpus: Path) -> Path:
    assert said.exit_code == 0, said.output
    return corpus.parent / "out"
