"""What `compress` would take and bring: `python -m jobs.estimate --config FILE [key=value ...]`.

FILE is the configuration of `compress`; `estimate.*` adds what the job will run on, and prices.
"""

import json

import click

from compressor.cli import job
from compressor.estimate.config import EstimateConfig


@job(
    EstimateConfig,
    "estimate",
    "Estimate tokens, time, cost and saving of `compress` from a sample, with intervals.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--check", is_flag=True, help="Then run the job, and print both side by side.")
def main(config: EstimateConfig, as_json: bool, check: bool) -> None:
    from compressor.estimate.check import free_target, run_whole
    from compressor.estimate.estimate import run
    from compressor.estimate.show import compared, lines
    from compressor.estimate.write import write

    target = free_target(config) if check else None
    found = run(config, say=lambda line: click.echo(line, err=True))
    outcome = None
    if not as_json:
        click.echo("\n".join(lines(found)))
    if target is not None:
        click.echo("running the whole job", err=True)
        outcome = run_whole(config, target)
        if not as_json:
            click.echo("\n" + "\n".join(compared(found, outcome)))
    record = found.record() | ({"run": outcome.figures} if outcome else {})
    if as_json:
        click.echo(json.dumps(record, indent=2))
    if config.estimate.path:
        click.echo(f"written: {write(config, record)}", err=as_json)


if __name__ == "__main__":
    main()
