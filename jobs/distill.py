"""Ask a teacher for compressions of a corpus: `python -m jobs.distill --config FILE`."""

import click

from compressor.cli import job
from compressor.distill.config import DistillConfig


@job(
    DistillConfig,
    name="distill",
    summary="Ask a teacher (any OpenAI-compatible server) for compressions of a Parquet corpus.",
)
def main(config: DistillConfig) -> None:
    from compressor.distill.job import run

    outcome = run(config)
    summary = outcome.summary
    statuses = ", ".join(f"{count:,} {name}" for name, count in summary["rows_by_status"].items())
    rates = [f"{name} {rate:.3f}" for name, rate in summary["rate"].items() if rate is not None]
    tokens, cost = summary["tokens"]["all_runs"], summary["cost"]["all_runs"]
    price = "" if cost is None else f", cost {cost:,.2f}"
    click.echo(f"chunks      {summary['rows']:,} ({statuses}), {summary['selected']:,} selected")
    click.echo(f"rate        {', '.join(rates) or 'none'}")
    click.echo(f"tokens      {tokens['prompt']:,} asked, {tokens['completion']:,} answered{price}")
    click.echo(f"data        {outcome.output}")
    click.echo(f"statistics  {outcome.output}/_stats/summary.json")
    click.echo(f"quality     {outcome.output}/_stats/quality.html")
    if summary["not_asked"]:
        click.echo(
            f"stopped     {summary['stopped']}: {summary['not_asked']:,} chunks were not asked; "
            "the same command with a higher cap goes on"
        )
    if failed := summary["rows_by_status"]["error"]:
        click.echo(f"errors      the same command asks the {failed:,} chunks with an error again")


if __name__ == "__main__":
    main()
