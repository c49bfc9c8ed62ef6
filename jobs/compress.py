"""Compress a corpus of Parquet: `python -m jobs.compress --config FILE [section.key=value ...]`."""

import click

from compressor.cli import job
from compressor.config import CompressConfig


@job(CompressConfig, "compress", "Compress the text column of a Parquet corpus.")
def main(config: CompressConfig) -> None:
    from compressor.corpus.storage import Storage
    from compressor.pipeline.run import run
    from compressor.report.write import conclude

    outcome = run(config)
    summary = outcome.summary
    by_status = ", ".join(f"{count:,} {name}" for name, count in summary["rows_by_status"].items())
    click.echo(f"rows        {summary['rows']:,} ({by_status})")
    click.echo(
        f"tokens      {summary['original_tokens']:,} -> {summary['compressed_tokens']:,}"
        + (f" (rate {summary['rate']:.3f})" if summary["rate"] is not None else "")
    )
    click.echo(f"data        {outcome.output}")
    click.echo(f"statistics  {outcome.output}/_stats/summary.json")
    target = Storage(outcome.output, config.output.storage_options, "output.path")
    written = conclude(target, embedding_model=config.report.embedding_model)
    click.echo(f"report      {written}")


if __name__ == "__main__":
    main()
