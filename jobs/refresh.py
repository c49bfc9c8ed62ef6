"""Publish what changed in a corpus: `python -m jobs.refresh --config FILE [section.key=value ...]`.

Takes the configuration of `compress`; the output is a Delta table, each refresh its next version.
"""

from typing import Any

import click

from compressor.cli import job
from compressor.config import CompressConfig


@job(CompressConfig, "refresh", "Publish the next version of a compressed corpus: what changed.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def main(config: CompressConfig, dry_run: bool) -> None:
    from compressor.corpus.storage import Storage
    from compressor.pipeline.refresh import refresh
    from compressor.report.write import conclude

    done = refresh(config, dry_run=dry_run)
    for name, counts in done.changes.items():
        click.echo(f"{name:<11} {_counts(counts)}")
    if done.published:
        click.echo(f"version     {done.version} published")
    elif dry_run and "rows" in done.changes:
        last = "none yet" if done.version is None else str(done.version)
        click.echo(f"version     {last}; nothing was done (--dry-run)")
    else:
        click.echo(f"version     {done.version} stands: nothing has changed")
    click.echo(f"data        {done.output}")
    if done.published:
        target = Storage(done.output, config.output.storage_options, "output.path")
        written = conclude(target, embedding_model=config.report.embedding_model)
        click.echo(f"report      {written}")


def _counts(counts: dict[str, Any]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())


if __name__ == "__main__":
    main()
