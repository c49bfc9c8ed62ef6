"""Capitals for an uncased vocabulary: what is added, and where its embeddings come from."""

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from compressor.errors import InputError
from compressor.train.config import BaseSection
from compressor.train.export import load_base
from compressor.train.vocabulary import cased_tokenizer, cased_vocabulary, transplant

SPECIAL = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [p + c for c in "abcdefghijklmnopqrstuvwxyz" for p in ("", "##")]
PIECES = [*SPECIAL, *LETTERS, "the", "zu", "london", "nato", "apple", "##berg", "meeting"]
NAMES = {"London", "NATO"}
TEXTS = ["The Meeting was in London. THE END. Meeting at NATO, meeting."]
NEEDED = len(PIECES) - 1 + 52 + 2  # no [unused0]; capital letters; The, Zu


def vocabulary(size: int) -> list[str]:
    return cased_vocabulary(PIECES, NAMES, TEXTS, size=size)


def test_names_are_replaced_and_frequent_capitals_added() -> None:
    found = vocabulary(NEEDED + 2)
    assert len(found) == len(set(found)) == NEEDED + 2
    assert {"London", "NATO", "The", "Zu", "A", "##A", "Meeting", "THE", "apple"} <= set(found)
    assert not {"london", "nato", "[unused0]", "Apple"} & set(found)
    assert "Apple" in vocabulary(NEEDED + 4)


def test_too_small_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match=f"at least {NEEDED}"):
        vocabulary(NEEDED - 1)


def uncased() -> BertTokenizer:
    return BertTokenizer(vocab={p: i for i, p in enumerate(PIECES)}, model_max_length=64)


def test_the_tokenizer_tells_case_and_drops_accents() -> None:
    tokenizer = cased_tokenizer(uncased(), vocabulary(NEEDED + 4))
    assert tokenizer.tokenize("The zuberg, Zúberg") == [
        "The",
        "zu",
        "##berg",
        "[UNK]",
        "Zu",
        "##berg",
    ]
    assert tokenizer.tokenize("London NATO") == ["London", "NATO"]
    assert tokenizer.tokenize("aBC") == ["a", "##B", "##C"]


def rows(model: BertModel) -> torch.Tensor:
    weight = model.embeddings.word_embeddings.weight
    assert isinstance(weight, torch.Tensor)
    return weight.detach().clone()


def small_model() -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(PIECES),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    return BertModel(config)


def test_new_rows_are_the_lower_case_ones_moved_alike() -> None:
    model, before = small_model(), uncased()
    old = rows(model)
    after = cased_tokenizer(before, vocabulary(NEEDED + 4))
    transplant(model, before, after, seed=3)
    new = rows(model)
    assert new.shape == (len(after), 16)

    def moved(piece: str) -> torch.Tensor:
        lower = before.get_vocab()[piece.lower()]
        return new[after.get_vocab()[piece]] - old[lower]

    assert torch.equal(moved("the"), torch.zeros(16))
    torch.testing.assert_close(moved("The"), moved("Apple"))
    torch.testing.assert_close(moved("THE"), moved("NATO"))
    assert not torch.allclose(moved("The"), moved("THE"))


def test_a_base_is_loaded_with_another_tokenizer(tmp_path: Path) -> None:
    before, base, capitals = uncased(), tmp_path / "base", tmp_path / "capitals"
    small_model().save_pretrained(base)
    before.save_pretrained(base)
    cased_tokenizer(before, vocabulary(NEEDED + 4)).save_pretrained(capitals)
    settings = BaseSection(base=str(base), tokenizer=str(capitals))
    model, tokenizer = load_base(settings, seed=1)
    assert model.config.vocab_size == len(tokenizer) == NEEDED + 4
    assert tokenizer.tokenize("London zu") == ["London", "zu"]


def test_a_piece_that_the_base_lacks_is_refused() -> None:
    after = cased_tokenizer(uncased(), [*vocabulary(NEEDED), "Foreign"])
    with pytest.raises(InputError, match="'Foreign'"):
        transplant(small_model(), uncased(), after, seed=0)
