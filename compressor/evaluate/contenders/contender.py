"""The interface of everything that is compared: texts and a rate in, compressed texts out."""

from collections.abc import Sequence
from typing import Protocol


class Contender(Protocol):
    """A way to compress. Models are loaded at the first call, not before: a rerun may need none."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    @property
    def identity(self) -> str:
        """Whatever decides its output apart from texts and rate: its method, weights, settings.

        Part of the key under which its results are kept for a rerun; the name is not.
        """
        ...

    def compress(self, texts: Sequence[str], rate: float) -> list[str]:
        """One compression for each text, at most `rate` of its tokens; 0 < rate <= 1."""
        ...


class UnavailableError(RuntimeError):
    """A contender can't take part here (a package isn't installed); the message says why.

    The table names it as left out; the others are evaluated.
    """
