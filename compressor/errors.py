"""The two ways a job ends badly: the user's input is wrong (exit 2), or the job failed (exit 1)."""


class InputError(ValueError):
    """What the user gave can't work; the message is one line: what is wrong, where, what to do."""


class JobError(RuntimeError):
    """The job failed though the input was acceptable; the message is one line."""
