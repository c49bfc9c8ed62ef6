"""How many rows may fail: `output.max_error_rate` as a number of rows, checked while they come."""

from dataclasses import dataclass

from compressor.errors import JobError


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """At most `rate` of `rows` may fail; `before` have failed in files that are there already."""

    rate: float
    rows: int
    before: int = 0

    def check(self, errors: int) -> None:
        """Raise `JobError` where `errors` more have failed than may: no need to see the rest."""
        failed = self.before + errors
        if failed > self.rate * self.rows:
            raise JobError(
                f"{failed:,} of {self.rows:,} rows have failed, more than output.max_error_rate="
                f"{self.rate:g} allows: nothing is published; column `error` of the files that are "
                "there says why"
            )
