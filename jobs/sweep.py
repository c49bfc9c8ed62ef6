"""Judge many rates on a sample: `python -m jobs.sweep --config FILE [section.key=value ...]`.

FILE is the configuration of `compress`; `sweep.*` says which rates, `floors.*` what must be kept.
"""

import click

from compressor.cli import job
from compressor.sweep.config import SweepConfig


@job(
    SweepConfig,
    "sweep",
    "Compress a sample at many rates, judge what is kept, and recommend a rate.",
)
def main(config: SweepConfig) -> None:
    from compressor.sweep.sweep import run
    from compressor.sweep.write import lines, write

    def say(line: str) -> None:
        click.echo(line, err=True)

    found = run(config, say)
    click.echo("\n".join(lines(found)))
    if config.sweep.path:
        click.echo("written: " + ", ".join(write(config, found)))


if __name__ == "__main__":
    main()
