"""Check a finished output against its input: `python -m jobs.verify OUTPUT`.

Works on the output of `compress` and on the last version of a table that `refresh` published. The
configuration is the one that was recorded beside the output; storage options must be given anew.
"""

import click

from compressor.cli import job
from compressor.errors import JobError
from compressor.verify.config import VerifyConfig

MOST_SHOWN = 100


@job(
    VerifyConfig,
    "verify",
    "Check each row of OUTPUT (or output.path) against the input; list what is wrong.",
    positional="output.path",
)
def main(config: VerifyConfig) -> None:
    from compressor.verify.verify import verify

    found = verify(config)
    for problem in found.problems[:MOST_SHOWN]:
        click.echo(problem)
    if found.problems:
        raise JobError(f"{config.output.path}: {len(found.problems):,} problems")
    click.echo(f"{found.rows:,} rows in {found.files:,} files: each there once and as it should be")


if __name__ == "__main__":
    main()
