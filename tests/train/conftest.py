"""A tiny random BERT and a few passages: training tests need no network and no data set."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from compressor.train.passages import Passage

SENTENCES = (
    "The old bridge over the river was closed in 1987, and the new one opened two years later.",
    "Maria sold 12 apples on Monday and 7 on Tuesday; she did not sell any on Sunday.",
    "To start the server, run the command `serve --port 80` and wait for the green light.",
    "Anna: I think that we should move the meeting. Ben: Yes, to Friday, the 3rd of May.",
    "A copper wire carries the current from the battery to the lamp, and back to the battery.",
)
KEPT = (
    ("old bridge over river closed 1987, new opened two years later.", "bridge closed 1987, new"),
    ("Maria sold 12 apples Monday 7 Tuesday not Sunday.", "Maria 12 apples 7 not"),
    ("start server, run `serve --port 80` wait green light.", "run `serve --port 80`"),
    ("Anna: we should move meeting. Ben: Friday, 3rd May.", "move meeting Friday, 3rd May"),
    ("copper wire current from battery to lamp", "copper wire current"),
)
DOMAINS = ("nq", "math", "docs", "meeting", "nq")


def make_passages(copies: int) -> list[Passage]:
    """`copies` variants of each sentence, told apart by a number at the end."""
    return [
        Passage(f"{domain}-{n}", domain, f"{text} ({n})", half, quarter)
        for n in range(copies)
        for domain, text, (half, quarter) in zip(DOMAINS, SENTENCES, KEPT, strict=True)
    ]


def write_passages(path: Path, passages: Sequence[Passage]) -> Path:
    rows = [json.dumps({**vars(p), "id": f"{p.id}-{i}"}) for i, p in enumerate(passages)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def passages() -> list[Passage]:
    return make_passages(2)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = ["the", "and", "bridge", "river", "sold", "apples", "server", "battery", "meeting"]
    marks = list(".,;:`-()")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{c}" for c in letters)]
    vocabulary = {piece: i for i, piece in enumerate([*pieces, *words, *marks])}
    backend = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    # As sentence encoders ship it: cut and padded. The job has to undo both.
    backend.enable_truncation(16)
    backend.enable_padding(length=16)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
    )


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A folder with a pretrained encoder of two layers, 16 wide, random."""
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_passages(tmp_path_factory.mktemp("data") / "teacher.jsonl", make_passages(8))
