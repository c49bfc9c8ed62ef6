"""Was the estimate right? The job itself, run with the same configuration, in the same figures."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.estimate.config import EstimateConfig
from compressor.estimate.estimate import as_compress
from compressor.estimate.trial import run_job
from compressor.pipeline.summary import SUMMARY
from compressor.schema import require


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did, by the names of an estimate's figures."""

    figures: dict[str, float]


def free_target(config: EstimateConfig) -> Storage:
    """Where the run will write: nothing may be there, or the job would only complete it."""
    try:
        require(output=config.output)
    except ValueError as error:
        raise InputError(f"{error}, for --check runs the job") from None
    target = Storage.at(config.output.path, config.output.storage_options, key="output.path")
    with target.explained():
        if target.names():
            raise InputError(
                f"output.path: {target.url}: is not empty, and --check times a whole run; "
                "choose another path"
            )
    return target


def run_whole(config: EstimateConfig, target: Storage) -> Outcome:
    """Run `compress` in a process of its own. Raises `InputError` or `JobError` as it does."""
    with tempfile.TemporaryDirectory(prefix="estimate") as scratch:
        wall = run_job(as_compress(config), Path(scratch) / "compress.yaml")
    with target.explained():
        summary = json.loads(target.read(SUMMARY))
    return Outcome(
        {
            "original_tokens": summary["original_tokens"],
            "compressed_tokens": summary["compressed_tokens"],
            "rate": summary["rate"] or 1.0,
            "saved_tokens": summary["saving"]["tokens"],
            "tokens_per_second": summary["tokens_per_second"] or 0.0,
            "seconds": wall,
        }
    )
