"""Compare compressors on tasks: `python -m jobs.evaluate --config FILE [section.key=value ...]`."""

import click

from compressor.cli import job
from compressor.evaluate.config import EvaluateConfig


@job(
    EvaluateConfig,
    name="evaluate",
    summary="Compare compressors at several rates on tasks: one table, with intervals.",
)
def main(config: EvaluateConfig) -> None:
    from compressor.evaluate.markdown import markdown
    from compressor.evaluate.run import run

    outcome = run(config, say=lambda line: click.echo(line, err=True))
    click.echo(markdown(outcome.results))
    click.echo("written: " + ", ".join(outcome.files))


if __name__ == "__main__":
    main()
