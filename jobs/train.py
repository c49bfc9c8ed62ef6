"""Fine-tune the token classifier on teacher labels: `python -m jobs.train --config FILE`."""

import click

from compressor.cli import job
from compressor.train.config import TrainConfig


@job(TrainConfig, name="train", summary="Fine-tune the token classifier on teacher labels.")
def main(config: TrainConfig) -> None:
    from compressor.train.job import run

    run(config, say=click.echo)


if __name__ == "__main__":
    main()
