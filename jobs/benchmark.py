"""Measure the speed of the engine, of what else one could use, and of the Ray job.

python -m jobs.benchmark benchmark.texts=passages.jsonl.gz
"""

import click

from compressor.benchmark.config import BenchmarkConfig
from compressor.cli import job


@job(
    BenchmarkConfig,
    name="benchmark",
    summary="Measure the speed of the engine, its alternatives and the whole job.",
)
def main(config: BenchmarkConfig) -> None:
    from compressor.benchmark.measure import measure
    from compressor.benchmark.page import markdown, open_folder, write

    folder = open_folder(config.benchmark.output)
    result = measure(config, say=lambda line: click.echo(line, err=True))
    files = write(folder, result)
    click.echo(markdown(result))
    click.echo("written: " + ", ".join(map(str, files)))


if __name__ == "__main__":
    main()
