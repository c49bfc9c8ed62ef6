"""Where sentences and passages begin, whatever is forced and whatever stands beside a text."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.engine.document import Batch, build_batch
from compressor.engine.passages import Text, all_joined, starts_of
from compressor.engine.protect import Protection
from compressor.engine.sentences import sentence_starts
from compressor.engine.subwords import FastTokenizer
from tests.engine.conftest import build_tokenizer
from tests.engine.texts import texts

many = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.fixture(scope="module")
def tokenizer() -> FastTokenizer:
    return FastTokenizer(build_tokenizer("bert"))


def batch_of(
    tokenizer: FastTokenizer, given: Sequence[Text], force_tokens: Sequence[str] = ()
) -> Batch:
    return build_batch(all_joined(given), tokenizer, None, Protection.of(force_tokens, ()))


def cut(tokenizer: FastTokenizer, text: Text, force_tokens: Sequence[str] = ()) -> list[str]:
    """The sentences of a text, blanks at their ends apart."""
    batch = batch_of(tokenizer, [text], force_tokens)
    first = batch.units.start[sentence_starts(batch, starts_of([text]))].tolist()
    ends = [*first[1:], int(batch.base[0]) + len(all_joined([text])[0])]
    return [batch.text[a:b].strip() for a, b in zip(first, ends, strict=True)]


@pytest.mark.parametrize(
    "marked",
    [
        "The fox sleeps. |A dog doesn't.",
        "Who won? |Nobody! |Well... |Somebody did.",
        "He said “no.” |Then he left (at last.) |She stayed.",
        "Dr. No met J. R. Smith of the U.S. Navy on Jan. 5 at 3.14 p.m. and left. |Why?",
        "It is kept, i.e. verbatim, e.g. by a list etc. and so on. |Fine.",
        "我喜欢吃苹果。|他们去年在北京工作！|好。",
        "A title\n|The text begins here,\nand its line is wrapped.\n|- An item\n|- Another",
        "no stop\n\n|below a blank line, in lower case\n \n|another",
        "Version 2.0 is at https://example.com/a.B?c=D.E \n|It is out.\r\n|Really.",
        "no sentence ends here; not at all",
    ],
)
@pytest.mark.parametrize("force_tokens", [(), ("\n", " ", ".")])
def test_sentences(tokenizer: FastTokenizer, marked: str, force_tokens: tuple[str, ...]) -> None:
    expected = [sentence.strip() for sentence in marked.split("|")]
    assert cut(tokenizer, marked.replace("|", ""), force_tokens) == expected


def test_passages_are_not_cut_further(tokenizer: FastTokenizer) -> None:
    passages = ["One fox. Two dogs.\n\nThree.", "", "  ", "a lower-case one", "“Quoted.” End."]
    expected = [passage.strip() for passage in passages if passage.strip()]
    assert cut(tokenizer, passages) == expected
    assert cut(tokenizer, passages, ["a"]) == expected


MIXED = st.lists(texts | st.lists(texts, max_size=4), min_size=5, max_size=12)


@many
@given(MIXED)
def test_a_text_is_cut_as_it_is_alone(tokenizer: FastTokenizer, given: list[Text]) -> None:
    batch = batch_of(tokenizer, given)
    starts = sentence_starts(batch, starts_of(given))
    for row, text in enumerate(given):
        own = starts[batch.splits[row] : batch.splits[row + 1]]
        alone = batch_of(tokenizer, [text])
        assert np.array_equal(own, sentence_starts(alone, starts_of([text])))
        assert own[:1].all()
        if not isinstance(text, str):
            assert own.sum() <= len(text)
