"""Small real causal language models: random weights, byte-level tokenizers trained in memory."""

from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps until the morning.",
    "Who won the first prize in 1901? Wilhelm Conrad Röntgen did, for his work on x-rays.",
    "Question: how many days has a week?\nAnswer: A week has 7 days.\n#### 7",
    "In 1969 two people walked on the Moon. They stayed for 21 hours and 36 minutes.",
    "我喜欢吃苹果，因为苹果很好吃。",
] * 4
BEGIN, END = "<|begin|>", "<|end|>"


def build_tokenizer(*, marks_start: bool) -> Any:
    """A byte-level BPE; marks_start: it puts its BEGIN in front of every text, as Llama's does."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=[BEGIN, END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    if marks_start:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
        )
    fast: Any = transformers.PreTrainedTokenizerFast
    return fast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END)


def save_causal(folder: Path, family: str, *, positions: int = 512) -> Path:
    """A Llama (rotary positions) or a GPT-2 (learned ones), two layers, in float32."""
    tokenizer = build_tokenizer(marks_start=family == "llama")
    torch.manual_seed(11)
    common = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "initializer_range": 0.2,  # random logits that differ, as a trained model's do
    }
    config: Any
    if family == "llama":
        config = transformers.LlamaConfig(
            **common,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=positions,
        )
    else:
        config = transformers.GPT2Config(
            **common, n_embd=32, n_layer=2, n_head=2, n_positions=positions
        )
    auto: Any = transformers.AutoModelForCausalLM
    auto.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
