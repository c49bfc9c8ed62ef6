"""The tiny embedding model of the evaluation's tests."""

from tests.evaluate.conftest import encoder

__all__ = ["encoder"]
