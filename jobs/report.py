"""Write the report of a finished output as one HTML file: `python -m jobs.report OUTPUT`.

`compress`, `refresh` and `prune_shots` write it at their end; this writes it anew, or compares two.
"""

import click

from compressor.cli import job
from compressor.report.config import ReportConfig


@job(
    ReportConfig,
    "report",
    "Write the report of OUTPUT (or output.path) to its _stats/report.html.",
    positional="output.path",
)
@click.option(
    "--against", metavar="OTHER", help="Compare with another output: _stats/comparison.html."
)
@click.option("--html", metavar="FILE", help="Write to this local file instead.")
def main(config: ReportConfig, against: str | None, html: str | None) -> None:
    from compressor.corpus.storage import Storage
    from compressor.report.write import write_report

    options = config.output.storage_options
    written = write_report(
        Storage.at(config.output.path, options, key="output.path"),
        embedding_model=config.report.embedding_model,
        against=None if against is None else Storage.at(against, options, key="--against"),
        file=html,
    )
    click.echo(f"report      {written}")


if __name__ == "__main__":
    main()
