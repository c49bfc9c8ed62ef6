"""The job on real Parquet: its plan is the job's, its figures hold what the job then does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from compressor import Compressor
from compressor.config import CompressConfig
from compressor.errors import InputError
from compressor.estimate.config import EstimateConfig
from compressor.estimate.estimate import planned
from compressor.estimate.trial import run_job
from compressor.pipeline.prepare import make_plan, prepare
from compressor.schema import load
from jobs.estimate import main
from tests.conftest import TEXTS

LIKELY = 0.15  # what an estimate may be off by


def texts_of(rows: int) -> list[str]:
    """Of very different lengths, some of them twice."""
    generator = np.random.default_rng(3)
    lengths = np.minimum(1 + generator.pareto(1.5, rows) * 2, 60).astype(int)
    return [
        " ".join(TEXTS[(n + at) % 5] for at in range(length)) + f" {n % (rows - rows // 10)}"
        for n, length in enumerate(lengths.tolist())
    ]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    texts = texts_of(900)
    for part in range(3):
        some = [*texts[part::3], None, "  "]
        table = pa.table({"number": range(len(some)), "text": some})
        pq.write_table(table, folder / f"{part}.parquet", row_group_size=40)
    return folder


def settings_for(corpus: Path, model: Path) -> list[str]:
    return [
        f"input.path={corpus}",
        f"model.name={model}",
        "model.dtype=float32",
        "estimate.rows=240",
        "estimate.price_per_cpu_hour=0.1",
    ]


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def found(
    corpus: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("estimate") / "estimate.json"
    result = command(*settings_for(corpus, tiny_model), f"estimate.path={path}", "--json")
    assert result.exit_code == 0, result.stderr
    record: dict[str, Any] = json.loads(result.stdout)
    assert json.loads(path.read_text()) == record
    return record


def test_tokens_are_those_of_the_whole_corpus(
    found: dict[str, Any], corpus: Path, tiny_model: Path
) -> None:
    texts = [t for t in pq.read_table(corpus).column("text").to_pylist() if t and t.strip()]
    columns = Compressor.from_pretrained(str(tiny_model), dtype="float32").compress_columns(texts)
    figures = found["figures"]
    for name, counts in (
        ("original_tokens", columns.original_tokens),
        ("compressed_tokens", columns.compressed_tokens),
    ):
        assert figures[name]["value"] == pytest.approx(counts.sum(), rel=0.1)
        assert figures[name]["low"] <= counts.sum() <= figures[name]["high"]
    assert figures["rate"]["value"] == pytest.approx(0.5, abs=0.02)
    assert found["plan"]["rows"] == 906
    assert found["plan"]["text_bytes"] == pytest.approx(sum(len(t) for t in texts), rel=0.01)
    assert 180 <= found["sampled"]["rows"] <= 240


def test_time_and_cost_are_there(found: dict[str, Any]) -> None:
    figures = found["figures"]
    assert found["startup_seconds"] > 1
    assert figures["seconds"]["low"] <= figures["seconds"]["value"] <= figures["seconds"]["high"]
    assert figures["seconds"]["value"] > found["startup_seconds"]
    assert figures["cost"]["value"] == pytest.approx(
        figures["seconds"]["value"] / 3600 * found["replicas"]["price_per_hour"]
    )
    assert figures["break_even_uses"]["value"] > 0
    assert found["sampled"]["rounds"] >= 4
    assert found["sampled"]["ran_on"] == "cpu float32"


def test_the_plan_is_that_of_compress(corpus: Path, tiny_model: Path, tmp_path: Path) -> None:
    shared = [*settings_for(corpus, tiny_model)[:3], "cluster.rows_per_shard=100"]
    for more in ([], [f"output.path={tmp_path / 'out'}"], ["compression.scope=corpus"]):
        job = load(CompressConfig, None, [*shared, f"output.path={tmp_path / 'out'}", *more])
        _, plan = planned(load(EstimateConfig, None, [*shared, *more]))
        expected = make_plan(prepare(job))
        assert [s.name for s in plan.shards] == [s.name for s in expected.shards]
        assert (plan.rows, plan.bytes, plan.files) == (
            expected.rows,
            expected.bytes,
            expected.files,
        )


def test_a_configuration_of_compress_serves(tmp_path: Path) -> None:
    done = command("--config", "configs/compress.yaml", f"input.path={tmp_path / 'none'}")
    assert done.exit_code == 2
    assert "no such file" in done.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["input.path=''"], "input.path: is required"),
        (["input.path={corpus}/none"], "no such file"),
        (["input.text_column=txt"], "did you mean 'text'"),
        (["model.name=./nothing"], "./nothing"),
        (["output.path={corpus}/inside"], "lies in input.path"),
        (["estimate.confidence=1"], "estimate.confidence"),
        (["estimate.row=5"], "did you mean estimate.rows"),
        (["cluster.gpus_per_replica=1", "model.device=cpu"], "model.device is cpu"),
        (["--check"], "output.path: is required, for --check runs the job"),
        (["--check", "output.path={full}"], "is not empty"),
    ],
)
def test_bad_input_is_one_line(
    corpus: Path, tiny_model: Path, tmp_path: Path, more: list[str], said: str
) -> None:
    (tmp_path / "something.parquet").touch()
    given = [argument.format(corpus=corpus, full=tmp_path) for argument in more]
    result = command(*settings_for(corpus, tiny_model), *given)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr


def test_an_input_without_rows_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    result = command(*settings_for(tmp_path, tiny_model))
    assert result.exit_code == 2
    assert "has no rows" in result.stderr


def test_what_the_job_says_at_its_end_is_what_is_raised(tmp_path: Path) -> None:
    settings = [f"input.path={tmp_path / 'none'}", f"output.path={tmp_path / 'out'}"]
    with pytest.raises(InputError, match=r"input\.path: .*none: no such file"):
        run_job(load(CompressConfig, None, settings), tmp_path / "compress.yaml")


@pytest.mark.slow
def test_the_whole_job_runs_beside_its_estimate(tmp_path: Path) -> None:
    """With the shipped model; how near the time is depends on the machine, and is printed."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    texts = texts_of(1500)
    for part in range(4):
        pq.write_table(
            pa.table({"text": texts[part::4]}), folder / f"{part}.parquet", row_group_size=100
        )
    shared = [f"input.path={folder}", "estimate.rows=300", "--check"]
    result = command(*shared, f"output.path={tmp_path / 'out'}", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    for name in ("original_tokens", "compressed_tokens", "rate", "saved_tokens"):
        figure, happened = record["figures"][name], record["run"][name]
        assert figure["value"] == pytest.approx(happened, rel=LIKELY), name
    assert record["run"]["original_tokens"] == sum(
        pq.read_table(tmp_path / "out").column("original_tokens").to_pylist()
    )
    print(record["figures"]["seconds"], record["run"]["seconds"])
