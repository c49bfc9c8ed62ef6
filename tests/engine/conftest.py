"""Small real checkpoints of every family: random weights, tokenizers trained in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from compressor import Compressor

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and it doesn't stop at 3.14 or 150,782.",
    "Compression keeps the words that carry information; punctuation can't outlive its word.",
    "Who won the first prize in 1901? Wilhelm Conrad Röntgen did, for work on x-rays.",
    "See https://example.com/a?b=c or write to jane.doe@example.com about item #12.",
    "我喜欢吃苹果，因为苹果很好吃。他们去年在北京工作。",
    "日本語の文章には空白がありません。東京は大きい都市です。",
    "ภาษาไทยไม่มีช่องว่างระหว่างคำ สวัสดีครับ",
    "Привет, мир! Это предложение написано по-русски.",
    "abcdefghijklmnopqrstuvwxyz_zyxwvutsrqponmlkjihgfedcba 0123456789 9876543210",
    "def parse_line(text: str) -> list[int]: return [int(x) for x in text.split(',')]",
] * 4

FAMILIES = ["bert", "xlm-roberta", "roberta", "modernbert"]


def word_piece() -> Any:
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=500, special_tokens=special)
    )
    _template(tokenizer, "[CLS]", "[SEP]")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def unigram() -> Any:
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token="<unk>"),
    )
    _template(tokenizer, "<s>", "</s>")
    return _roberta_like(tokenizer)


def byte_bpe(prefix_space: bool, start: str, stop: str, pad: str, unknown: str) -> Any:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=[start, pad, stop, unknown],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    _template(tokenizer, start, stop)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token=start,
        sep_token=stop,
        pad_token=pad,
        unk_token=unknown,
    )


def _roberta_like(tokenizer: Any) -> Any:
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def _template(tokenizer: Any, start: str, stop: str) -> None:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {stop}",
        pair=f"{start} $A {stop} $B {stop}",
        special_tokens=[(mark, tokenizer.token_to_id(mark)) for mark in (start, stop)],
    )


def build_tokenizer(family: str) -> Any:
    if family == "bert":
        return word_piece()
    if family == "xlm-roberta":
        return unigram()
    if family == "roberta":
        return byte_bpe(False, "<s>", "</s>", "<pad>", "<unk>")
    return byte_bpe(False, "[CLS]", "[SEP]", "[PAD]", "[UNK]")


def build_model(family: str, tokenizer: Any, labels: int) -> Any:
    torch.manual_seed(7)
    common = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "num_labels": labels,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.5,  # spreads the probabilities, as training does
    }
    config: Any
    if family == "bert":
        config = transformers.BertConfig(**common)
    elif family == "xlm-roberta":
        config = transformers.XLMRobertaConfig(**common, max_position_embeddings=514)
    elif family == "roberta":
        config = transformers.RobertaConfig(**common, max_position_embeddings=514)
    else:
        config = transformers.ModernBertConfig(
            **common,
            cls_token_id=tokenizer.cls_token_id,
            sep_token_id=tokenizer.sep_token_id,
            bos_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
        )
    return transformers.AutoModelForTokenClassification.from_config(config).eval()


def save_checkpoint(folder: Path, family: str, labels: int) -> Path:
    tokenizer = build_tokenizer(family)
    build_model(family, tokenizer, labels).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """checkpoint(family, labels=1) -> a folder, made once."""
    made: dict[tuple[str, int], Path] = {}

    def make(family: str, labels: int = 1) -> Path:
        if (family, labels) not in made:
            folder = tmp_path_factory.mktemp(f"{family}-{labels}")
            made[family, labels] = save_checkpoint(folder, family, labels)
        return made[family, labels]

    return make


@pytest.fixture(scope="session", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def engine(family: str, checkpoint: Callable[..., Path]) -> Compressor:
    """A compressor of each family, in float32."""
    labels = 2 if family in {"bert", "xlm-roberta"} else 1
    return Compressor.from_pretrained(str(checkpoint(family, labels)), dtype="float32")


@pytest.fixture(scope="session")
def bert(checkpoint: Callable[..., Path]) -> Compressor:
    return Compressor.from_pretrained(str(checkpoint("bert", 2)), dtype="float32")


@pytest.fixture(scope="session")
def target_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with another tokenizer, which stands for the target LLM's."""
    folder = tmp_path_factory.mktemp("target")
    byte_bpe(False, "<|start|>", "<|end|>", "<|pad|>", "<|unk|>").save_pretrained(folder)
    return str(folder)
