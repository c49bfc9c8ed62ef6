"""What a job does before its first row: each step in a fresh process, best of three.

Ray's and the model's own caches are those that a second run finds: what the disk holds is in
memory by then.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from compressor.benchmark.config import BenchmarkConfig
from compressor.benchmark.rayjob import job_config, run_job, write_corpus
from compressor.errors import JobError

TRIES = 3
FEW = 8
START, END = "start = time.perf_counter()", "print(time.perf_counter() - start)"
CONFIG = """
import sys, time
from compressor.config import CompressConfig
from compressor.schema import load
config = load(CompressConfig, sys.argv[1])
"""
STEPS = {
    "import the engine": f"import time\n{START}\nfrom compressor import Compressor\n{END}",
    "import Ray": f"import time\n{START}\nimport ray.data\n{END}",
    "start Ray": f"{CONFIG}import ray.data\nfrom compressor.pipeline.session import session\n"
    f"{START}\nwith session(None):\n    taken = time.perf_counter() - start\nprint(taken)",
    "load the model": f"{CONFIG}from compressor import Compressor\n{START}\n"
    "model = config.model\n"
    "Compressor.from_pretrained(model.name, device=model.device, dtype=model.dtype)\n"
    f"{END}",
    "plan": f"{CONFIG}from compressor.pipeline.prepare import make_plan, prepare\n{START}\n"
    f"make_plan(prepare(config))\n{END}",
}
WHOLE = "whole job on a few rows"


def time_startup(
    config: BenchmarkConfig, texts: Sequence[str], scratch: Path, say: Callable[[str], None]
) -> dict[str, float]:
    """Seconds of each step, and of a job that has hardly anything else to do."""
    source = write_corpus(scratch / "few", texts, FEW)
    path = scratch / "few.yaml"
    path.write_text(
        yaml.safe_dump(job_config(config, source, scratch / "nowhere").model_dump()),
        encoding="utf-8",
    )
    best = {
        name: min(_seconds(name, code, path) for _ in range(TRIES)) for name, code in STEPS.items()
    }
    best[WHOLE] = min(run_job(config, source, scratch / f"few-{n}").wall for n in range(TRIES))
    for name, seconds in best.items():
        say(f"{name}: {seconds:.2f} s")
    return best


def _seconds(name: str, code: str, path: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise JobError(f"{name}: ended with {done.returncode}: {last}")
    return float(done.stdout.split()[-1])
