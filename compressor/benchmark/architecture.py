"""A checkpoint of a known architecture with random weights: speed doesn't depend on what they are.

Its tokenizer is trained on the texts at hand (Unigram, blanks as part of the words, XLM-R's special
ids), so that texts fall into about as many sub-words as they would. Input: a name and texts;
output: a folder that loads like any checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_TEXTS = 5000  # to train the tokenizer with
MOST_PIECES = 32_000


@dataclass(frozen=True, slots=True)
class Size:
    """The figures of an encoder that decide its work; `family` as transformers calls it."""

    family: str
    layers: int
    hidden: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int


# From the configurations of the checkpoints of these names.
ARCHITECTURES = {
    "xlm-roberta-large": Size("xlm-roberta", 24, 1024, 16, 4096, 250_002, 514),
    "xlm-roberta-base": Size("xlm-roberta", 12, 768, 12, 3072, 250_002, 514),
    "bert-base": Size("bert", 12, 768, 12, 3072, 119_547, 512),  # multilingual-cased
}


def write_random(name: str, texts: Sequence[str], parent: Path) -> Path:
    """Write the checkpoint (two labels, float32) below `parent`; its folder has the name.

    The weights take four bytes each, once: 2.2 GB for xlm-roberta-large.
    """
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification

    size = ARCHITECTURES[name]
    tokenizer = train_tokenizer(texts, most=min(MOST_PIECES, size.vocabulary - 1))
    config = AutoConfig.for_model(
        size.family,
        vocab_size=size.vocabulary,
        num_hidden_layers=size.layers,
        hidden_size=size.hidden,
        num_attention_heads=size.heads,
        intermediate_size=size.intermediate,
        max_position_embeddings=size.positions,
        type_vocab_size=1 if size.family == "xlm-roberta" else 2,
        layer_norm_eps=1e-5 if size.family == "xlm-roberta" else 1e-12,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        num_labels=2,
        id2label={0: "drop", 1: "keep"},
        label2id={"drop": 0, "keep": 1},
    )
    torch.manual_seed(0)
    folder = parent / f"{name}-random"
    model = AutoModelForTokenClassification.from_config(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def train_tokenizer(texts: Sequence[str], *, most: int) -> Any:
    """A fast tokenizer of at most so many pieces, with the special ids that XLM-R has."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=most, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(list(texts[:MOST_TEXTS]), trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    start, stop = "<s>", "</s>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {stop}",
        pair=f"{start} $A {stop} {stop} $B {stop}",
        special_tokens=[(mark, tokenizer.token_to_id(mark)) for mark in (start, stop)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=start,
        eos_token=stop,
        cls_token=start,
        sep_token=stop,
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
