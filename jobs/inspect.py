"""Show records with their dropped words struck through: `python -m jobs.inspect --config FILE`.

Works on any input (compressed on the spot) and on the output of `compress`.
"""

from pathlib import Path

import click

from compressor.cli import job
from compressor.errors import InputError
from compressor.report.config import InspectConfig


@job(
    InspectConfig,
    name="inspect",
    summary="Show records of an input or of a finished output, dropped words struck through.",
)
@click.option("-n", "--records", type=click.IntRange(1), default=5, help="How many. [5]")
@click.option("--offset", type=click.IntRange(0), default=0, help="The first row to show. [0]")
@click.option("--id", "first_id", metavar="ID", help="The first record to show, by its id.")
@click.option("--id-column", metavar="NAME", default="id", help="The column with ids. [id]")
@click.option("--both", is_flag=True, help="Print the compressed text by itself, too.")
@click.option("--html", metavar="FILE", help="Write a page instead of printing.")
def main(
    config: InspectConfig,
    records: int,
    offset: int,
    first_id: str | None,
    id_column: str,
    both: bool,
    html: str | None,
) -> None:
    from compressor.report.records import load_records

    found = load_records(
        config, count=records, offset=offset, first_id=first_id, id_column=id_column
    )
    if html is None:
        from compressor.report.terminal import show

        show(found, both=both)
        return
    from compressor.report.page import page

    title = f"{config.input.path}: {len(found)} records"
    try:
        Path(html).write_text(page(found, title=title), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--html {html}: {error.strerror}") from None
    click.echo(f"{len(found)} records in {html}")


if __name__ == "__main__":
    main()
