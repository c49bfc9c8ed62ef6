"""Learn what to prune from a language model's judgement: `python -m jobs.reinforce`."""

import sys
from functools import partial

import click

from compressor.cli import job
from compressor.reinforce.config import ReinforceConfig


@job(
    ReinforceConfig,
    name="reinforce",
    summary="Train a pruner of worked examples, or the compressor, with a language model as judge.",
)
def main(config: ReinforceConfig) -> None:
    from compressor.reinforce.job import run

    run(config, say=partial(click.echo, file=sys.stdout))  # Ray has stdout redirected


if __name__ == "__main__":
    main()
