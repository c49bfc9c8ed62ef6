"""`transformers serve` as a reader: it answers as the same model does here, and gives no losses."""

import pytest

from compressor.errors import InputError
from compressor.reader.endpoint import EndpointReader
from compressor.reader.local import LocalReader
from tests.distill.test_transformers_serve import smollm

__all__ = ["smollm"]  # the fixture

pytestmark = pytest.mark.slow

PROMPTS = [
    "Question: Which city is the capital of France?\nAnswer:",
    "Context: The meeting was moved to Tuesday.\n\nQuestion: When is the meeting?\nAnswer:",
]


def test_a_server_that_only_answers(smollm: tuple[str, str]) -> None:
    url, model = smollm
    served = EndpointReader(url, model, concurrency=1)
    with pytest.raises(InputError, match=r"no log-probabilities.*reader\.likelihood=false"):
        served.nll(PROMPTS[:1], [" Paris"])
    local = LocalReader(model, dtype="float32")
    right = local.generate(PROMPTS, max_new_tokens=6)
    answers = served.generate(PROMPTS, max_new_tokens=6)
    assert "Paris" in right[0]
    assert "Paris" in answers[0]
    assert "Tuesday" in answers[1]
