"""The conventions that every job shares."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from compressor.benchmark.config import BenchmarkConfig
from compressor.cli import job, job_names, main
from compressor.config import CompressConfig
from compressor.distill.config import DistillConfig
from compressor.errors import InputError, JobError
from compressor.estimate.config import EstimateConfig
from compressor.evaluate.config import EvaluateConfig
from compressor.prune.config import PruneConfig
from compressor.reinforce.config import ReinforceConfig
from compressor.report.config import InspectConfig, ReportConfig
from compressor.schema import Section, describe
from compressor.sweep.config import SweepConfig
from compressor.train.config import TrainConfig
from compressor.verify.config import VerifyConfig

ROOT = Path(__file__).parents[2]
SCHEMAS: dict[str, type[Section]] = {
    "benchmark": BenchmarkConfig,
    "compress": CompressConfig,
    "distill": DistillConfig,
    "estimate": EstimateConfig,
    "evaluate": EvaluateConfig,
    "inspect": InspectConfig,
    "prune_shots": PruneConfig,
    "refresh": CompressConfig,
    "reinforce": ReinforceConfig,
    "report": ReportConfig,
    "submit": Section,  # no keys of its own: it takes those of the job that it submits
    "sweep": SweepConfig,
    "train": TrainConfig,
    "verify": VerifyConfig,
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )


def test_every_job_is_tested_here() -> None:
    assert set(job_names()) == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_help_lists_every_key_with_its_default(name: str) -> None:
    done = run("-m", f"jobs.{name}", "--help")
    assert done.returncode == 0
    for key, default, text in describe(SCHEMAS[name]):
        assert text, key
        line = next(line for line in done.stdout.splitlines() if line.strip().startswith(f"{key}="))
        shown = (
            {None: "null", True: "true", False: "false"}.get(default, str(default))
            if (default is None or isinstance(default, bool))
            else str(default)
        )
        assert f"{key}={shown}" in line
        assert text in line


@pytest.mark.parametrize("name", SCHEMAS)
def test_bad_input_is_one_line_and_exit_code_2(name: str) -> None:
    for arguments in (["no.such.key=1"], ["--no-such-option"], ["--config", "missing.yaml"]):
        done = run("-m", f"jobs.{name}", *arguments)
        assert done.returncode == 2, arguments
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ")


def test_the_console_command_runs_a_job(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, code, said in (
        (["inspect", "--help"], 0, "Usage: compressor inspect"),
        (["inspect", "model.dtype=int3"], 2, "model.dtype"),
        (["inspetc"], 2, "no such job"),
    ):
        monkeypatch.setattr(sys, "argv", ["compressor", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == code
        out = capsys.readouterr()
        assert said in out.out + out.err
    monkeypatch.setattr(sys, "argv", ["compressor"])
    main()
    assert ", ".join(job_names()) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code"), [(InputError("bad\nkey"), 2), (JobError("broke"), 1), (KeyError("x"), 1)]
)
def test_exit_codes(error: Exception, code: int) -> None:
    @job(InspectConfig, name="fails", summary="Fails.")
    def fails(config: InspectConfig) -> None:
        raise error

    result = CliRunner().invoke(fails, ["input.path=x"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert CliRunner().invoke(fails, ["input.path=x", "--debug"]).exception is error


def test_a_configuration_of_compress_serves_inspect(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    done = run("-m", "jobs.inspect", "--config", "configs/demo.yaml", f"input.path={missing}")
    assert done.returncode == 2
    assert "no such file" in done.stderr
