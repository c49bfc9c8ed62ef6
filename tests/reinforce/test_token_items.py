"""Passages from files: what is read, cut, left out and refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compressor.engine.subwords import FastTokenizer
from compressor.errors import InputError
from compressor.models.checkpoint import load_tokenizer
from compressor.reinforce.config import ReinforceConfig
from compressor.reinforce.tokens.items import ANSWER, CONTINUATION, Item, cut
from compressor.reinforce.tokens.prepare import held_out, read_items
from compressor.reinforce.tokens.references import Judged
from tests.conftest import TEXTS
from tests.evaluate.questions import ROWS, write_lines


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> FastTokenizer:
    return FastTokenizer(load_tokenizer(tiny_model))


def config_of(tmp_path: Path, **sections: dict[str, Any]) -> ReinforceConfig:
    return ReinforceConfig.model_validate(
        {
            "task": "tokens",
            "output": {"path": str(tmp_path / "model"), "work": str(tmp_path / "work")},
            **sections,
        }
    )


def test_pairs_are_those_whose_passage_holds_an_answer(
    tokenizer: FastTokenizer, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "pairs.jsonl", ROWS)
    kept = write_lines(tmp_path / "test.jsonl", [{"id": "crew", "text": "x"}])
    config = config_of(
        tmp_path, passages={"pairs": [str(path)]}, data={"exclude": [str(kept)], "heldout": 1}
    )
    items = read_items(config, tokenizer)
    assert [(item.kind, item.wanted) for item in items] == [
        (ANSWER, "a corpus"),
        (ANSWER, "21 hours"),
        (ANSWER, "Parquet"),
        (ANSWER, "words"),
    ]
    assert items[0].prompt("A corpus") == (
        "Context: A corpus\n\nQuestion: what is a large set of texts?\nAnswer:"
    )
    assert items[0].prompt(" ") == "Question: what is a large set of texts?\nAnswer:"


def test_a_text_of_an_evaluation_is_left_out_wherever_it_stands(
    tokenizer: FastTokenizer, tmp_path: Path
) -> None:
    table = pa.table({"text": [*TEXTS, None], "id": [str(n) for n in range(len(TEXTS) + 1)]})
    pq.write_table(table, tmp_path / "corpus.parquet")
    spaced = {"id": "another", "text": TEXTS[1].replace(" ", "  ")}
    kept = write_lines(tmp_path / "test.jsonl", [spaced])
    config = config_of(
        tmp_path,
        passages={
            "texts": [str(tmp_path / "corpus.parquet")],
            "continuation_tokens": 4,
            "passage_tokens": 16,
        },
        data={"exclude": [str(kept)], "heldout": 1},
    )
    items = read_items(config, tokenizer)
    sources = {item.source for item in items}
    assert {TEXTS[0], TEXTS[2]} <= sources <= {TEXTS[at] for at in (0, 2, 3, 4)}
    assert all(item.kind == CONTINUATION for item in items)
    for item in items:
        assert f"{item.text} {item.wanted}" in item.source
        assert item.prompt(item.text) == f"Context: {item.text}\n\nText:"


def test_a_long_text_is_cut_into_passages_that_follow_one_another(
    tokenizer: FastTokenizer,
) -> None:
    text = " ".join(f"{text}\n" for text in TEXTS * 6)
    items = cut(text, tokenizer, passage=40, behind=10)
    parts = [part for item in items for part in (item.text, item.wanted)]
    squeezed = " ".join(" ".join(parts).split())
    assert " ".join(text.split()).startswith(squeezed)
    assert len(squeezed) > 0.9 * len(" ".join(text.split()))
    sizes = tokenizer.count([item.text for item in items])
    assert (abs(sizes[:-1] - 40) <= 6).all()
    assert (abs(tokenizer.count([item.wanted for item in items]) - 10) <= 6).all()
    assert cut("one two three", tokenizer, passage=40, behind=10) == []
    assert cut("", tokenizer, passage=40, behind=10) == []


def test_whole_texts_are_held_out() -> None:
    items = [Judged(Item(str(n // 3), f"t{n}", None, "w"), 2.0, 1.0) for n in range(30)]
    training, heldout = held_out(items, 4, np.random.default_rng(3))
    assert len(heldout) == 4
    assert not {one.item.source for one in training} & {one.item.source for one in heldout}
    assert len(training) == 24  # two texts are held out; of the second, two passages are unused


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": 3}, r"passages\.pairs: .* row 0: text and question must be strings"),
        ({"answers": [1]}, r"passages\.pairs: .* row 0: answers must be strings"),
        ({"answers": ["not there"]}, r"passages\.pairs: gives no passage"),
        ({"text": "too short"}, r"passages\.pairs: gives no passage"),
        ({}, r"passages\.pairs: 1 passages, of which data\.heldout=1"),
    ],
)
def test_what_can_t_be_learnt_from_is_refused(
    row: dict[str, Any], message: str, tokenizer: FastTokenizer, tmp_path: Path
) -> None:
    good = {"text": TEXTS[2], "question": "how long?", "answers": ["21 hours"]}
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({**good, **row}) + "\n")
    config = config_of(tmp_path, passages={"pairs": [str(path)]}, data={"heldout": 1})
    with pytest.raises(InputError, match=message):
        read_items(config, tokenizer)
