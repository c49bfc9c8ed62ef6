"""Fine-tune the token classifier on teacher labels: `python -m jobs.train --config FILE`."""

import sys
from functools import partial

import click

from compressor.cli import job
from compressor.train.config import TrainConfig


@job(TrainConfig, name="train", summary="Fine-tune the token classifier on teacher labels.")
def main(config: TrainConfig) -> None:
    from compressor.train.job import run

    run(config, say=partial(click.echo, file=sys.stdout))  # Ray has stdout redirected


if __name__ == "__main__":
    main()
