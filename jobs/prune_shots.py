"""Prune pools of worked examples to few-shot prompts: `python -m jobs.prune_shots`."""

import click

from compressor.cli import job
from compressor.prune.config import PruneConfig


@job(
    PruneConfig,
    name="prune_shots",
    summary="Make few-shot prompts within a budget of tokens from a pool of worked examples.",
)
def main(config: PruneConfig) -> None:
    from compressor.corpus.storage import Storage
    from compressor.prune.run import PROMPT_TEXT, run
    from compressor.report.write import conclude

    outcome = run(config)
    summary = outcome.summary
    by_status = ", ".join(f"{count:,} {name}" for name, count in summary["rows_by_status"].items())
    click.echo(f"rows        {summary['rows']:,} ({by_status})")
    about = summary.get("prompt", summary)
    click.echo(f"tokens      {about['original_tokens']:,} -> {about['compressed_tokens']:,}")
    if "prompt" in summary:
        click.echo(f"examples    {summary['prompt']['shots_kept']:,}")
        click.echo(f"prompt      {outcome.output}/{PROMPT_TEXT}")
    click.echo(f"data        {outcome.output}")
    click.echo(f"statistics  {outcome.output}/_stats/summary.json")
    target = Storage(outcome.output, config.output.storage_options, "output.path")
    click.echo(f"report      {conclude(target)}")


if __name__ == "__main__":
    main()
