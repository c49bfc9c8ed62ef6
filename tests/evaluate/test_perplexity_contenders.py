"""Selective-Context and LLMLingua on a small real model, against the model itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.evaluate.budget import Budget
from compressor.evaluate.contenders.llmlingua1 import LLMLingua1
from compressor.evaluate.contenders.selective_context import (
    phrases,
    selective_context,
    sentences,
    token_losses,
)
from compressor.reader.local import LocalReader
from tests.reader.causal import save_causal

TEXTS = [
    "In 1969 two people walked on the Moon. They stayed there for 21 hours and 36 minutes! Why?",
    "The first prize was awarded to Wilhelm Conrad Röntgen, of Germany, for his work on x-rays.",
    "",
    "我喜欢吃苹果，因为苹果很好吃。他们去年在北京工作。",
    "One line\nand another, which has no mark at its end " * 6,
]
ANY_TEXT = st.text(st.sampled_from("ab cd. ef\n苹果。😀é,!?1 2\u0301"), max_size=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_causal(tmp_path_factory.mktemp("perplexity"), "llama")


@pytest.fixture(scope="module")
def reader(folder: Path) -> LocalReader:
    return LocalReader(str(folder), dtype="float32")


@pytest.fixture(scope="module")
def budget() -> Budget:
    return Budget.load(None)


@pytest.fixture(scope="module")
def plain(folder: Path) -> Any:
    """(ids before, ids) -> losses of the latter by transformers alone."""
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def losses(head: list[int], tail: list[int]) -> list[float]:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([head + tail])).logits[0].double()
        logp = torch.log_softmax(logits, -1)
        return [-float(logp[len(head) - 1 + at, token]) for at, token in enumerate(tail)]

    return losses


def test_phrases_are_runs_of_content_words_with_their_determiner(budget: Budget) -> None:
    text = "The first Nobel Prize in Physics, his last one\nThe end of it"
    (words,) = budget.words([text])
    number = phrases(text, words)
    found = [
        " ".join(text[a:b] for (a, b), n in zip(words, number, strict=True) if n == wanted)
        for wanted in range(int(number[-1]) + 1)
    ]
    assert found == [
        "The first Nobel Prize", "in", "Physics", "his last one", "The end", "of", "it"
    ]  # fmt: skip


def test_sentences() -> None:
    text = TEXTS[0] + "\n\n" + TEXTS[3]
    assert [text[a:b].strip() for a, b in sentences(text)] == [
        "In 1969 two people walked on the Moon.",
        "They stayed there for 21 hours and 36 minutes!",
        "Why?",
        "我喜欢吃苹果，因为苹果很好吃。",
        "他们去年在北京工作。",
    ]


@given(ANY_TEXT)
def test_sentences_leave_out_nothing_but_blanks(text: str) -> None:
    spans = sentences(text)
    assert all(a < b for a, b in spans)
    kept = "".join(text[a:b] for a, b in spans)
    assert "".join(kept.split()) == "".join(text.split())


def test_each_sentence_is_read_by_itself(reader: LocalReader, plain: Any) -> None:
    found = token_losses(TEXTS, reader)
    assert len(found) == len(TEXTS)
    for text, (spans, losses) in zip(TEXTS, found, strict=True):
        wanted: list[float] = []
        for start, end in sentences(text):
            wanted += plain([reader.lm.first], reader.encode([text[start:end]]).ids.tolist())
        np.testing.assert_allclose(losses, wanted, atol=1e-4)
        if text.isascii():
            ids = [i for a, b in sentences(text) for i in reader.encode([text[a:b]]).ids.tolist()]
            assert [text[a:b] for a, b in spans.tolist()] == [
                reader.lm.tokenizer.decode([token]) for token in ids
            ]


def test_phrases_of_least_information_go_first(reader: LocalReader, budget: Budget) -> None:
    text = TEXTS[1]
    contender = selective_context("selective_context", budget, reader)
    (words,) = budget.words([text])
    (score,) = contender.score([text], [words])
    number = phrases(text, words)
    spans, losses = token_losses([text], reader)[0]
    for phrase in range(int(number[-1]) + 1):
        mine = [words[at] for at in np.flatnonzero(number == phrase)]
        tokens = [
            loss
            for (a, b), loss in zip(spans.tolist(), losses.tolist(), strict=True)
            if any(a < end and b > start for start, end in mine)
        ]
        np.testing.assert_allclose(np.asarray(score)[number == phrase], np.mean(tokens))
    (kept,) = contender.compress([text], 0.5)
    best = int(number[int(np.argmax(score))])
    for start, end in (words[at] for at in np.flatnonzero(number == best)):
        assert text[start:end] in kept


def test_another_rate_reads_nothing_again(reader: LocalReader, budget: Budget) -> None:
    contender = selective_context("selective_context", budget, reader)
    contender.compress(TEXTS, 0.5)
    calls: list[int] = []
    hook = reader.lm.model.register_forward_hook(lambda *_: calls.append(1))
    try:
        contender.compress(TEXTS, 0.2)
        assert not calls
        contender.compress([*TEXTS, "something new"], 0.2)
        assert calls
    finally:
        hook.remove()


def test_a_segment_is_read_behind_what_was_kept(
    reader: LocalReader, budget: Budget, plain: Any
) -> None:
    text, rate = TEXTS[0], 0.4
    (words,) = budget.words([text])
    (score,) = LLMLingua1("llmlingua1", budget, reader, segment_tokens=12).scores(
        [text], [words], rate
    )
    encoded = reader.encode([text])
    ids, ends = encoded.ids.tolist(), encoded.end.tolist()
    starts = [start for start, _ in words]
    # The word that each token belongs to, and the segment in which that word's first token lies.
    owner = [max(sum(start < end for start in starts) - 1, 0) for end in ends]
    first = [next(at for at, end in enumerate(ends) if end > start) for start in starts]
    segment = [at // 12 for at in first]
    kept: list[int] = []
    for step in range(max(segment) + 1):
        tokens = [at for at in range(len(ids)) if segment[owner[at]] == step]
        losses = plain(kept or [reader.lm.first], [ids[at] for at in tokens])
        inside: dict[int, list[float]] = {}
        for at, loss in zip(tokens, losses, strict=True):
            if encoded.start[at] < words[owner[at]][1]:  # no mark behind the word
                inside.setdefault(owner[at], []).append(loss)
        order = sorted(inside, key=lambda word: -float(np.mean(inside[word])))
        assert order == sorted(inside, key=lambda word: -score[word])
        share, keeps = 0.0, set()
        for word in order:
            share += sum(owner[at] == word for at in tokens) / len(tokens)
            assert score[word] == pytest.approx(-share)
            if share <= rate:
                keeps.add(word)
        kept += [ids[at] for at in tokens if owner[at] in keeps]
    assert len(set(segment)) > 1


@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_each_segment_keeps_its_share(reader: LocalReader, budget: Budget, rate: float) -> None:
    text = TEXTS[4] * 4
    (words,) = budget.words([text])
    contender = LLMLingua1("llmlingua1", budget, reader, segment_tokens=100)
    (score,) = contender.scores([text], [words], rate)
    tokens = reader.encode([text[start:end] for start, end in words]).counts
    for third in np.array_split(np.arange(len(words)), 3):
        kept = tokens[third][score[third] > -rate].sum() / tokens[third].sum()
        # Whole words: up to one of them is missing in each segment.
        assert rate - 0.1 < kept < rate + 0.05


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(ANY_TEXT, max_size=4), rate=st.sampled_from([0.2, 0.5, 1.0]))
def test_any_texts_meet_the_budget_whatever_stands_beside_them(
    reader: LocalReader, budget: Budget, texts: list[str], rate: float
) -> None:
    for contender in (
        selective_context("selective_context", budget, reader),
        LLMLingua1("llmlingua1", budget, reader, segment_tokens=5),
    ):
        found = contender.compress(texts, rate)
        assert len(found) == len(texts)
        assert (budget.count(found) <= budget.targets(texts, rate)).all()
        for text, compressed in zip(texts, found, strict=True):
            letters = iter(text)
            assert all(char in letters for char in compressed if not char.isspace())
            if rate == 1:
                assert compressed == text
