"""A copy of a checkpoint for tools that expect two labels, drop and keep.

With one logit z the probability is sigmoid(z); with the logits (0, z) softmax gives the same. Input
and output: folders of a Hugging Face token classifier.
"""

from pathlib import Path

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

# llmlingua takes the family from the folder's name, whatever the model is.
_FAMILY_NAMES = {
    "bert": "bert-base-multilingual-cased",
    "xlm-roberta": "xlm-roberta-large",
}


def write_two_label_copy(checkpoint: str, parent: Path) -> Path:
    """Write the copy (float32) into a folder below `parent`, named as `llmlingua` wants it."""
    model = AutoModelForTokenClassification.from_pretrained(checkpoint, dtype=torch.float32)
    if model.config.num_labels == 1:
        model.classifier = _two_rows(model.classifier)
        model.config.id2label = {0: "drop", 1: "keep"}
        model.config.label2id = {"drop": 0, "keep": 1}
        model.num_labels = 2
    family = str(model.config.model_type)
    folder = parent / _FAMILY_NAMES.get(family, family)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(folder)
    return folder


def _two_rows(head: torch.nn.Linear) -> torch.nn.Linear:
    wide = torch.nn.Linear(head.in_features, 2)
    with torch.no_grad():
        wide.weight.copy_(torch.cat([torch.zeros_like(head.weight), head.weight]))
        wide.bias.copy_(torch.cat([torch.zeros_like(head.bias), head.bias]))
    return wide
