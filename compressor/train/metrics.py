"""How well probabilities rank sub-words by the teacher's grades, and where figures are written."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from compressor.corpus.storage import Storage
from compressor.train.batches import collate, plan_epoch
from compressor.train.examples import Example
from compressor.train.loss import keep_logit

Floats = npt.NDArray[np.floating[Any]]
METRICS = "metrics.jsonl"


def auc(scores: Floats, positive: npt.NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a positive outranks a negative; ties count one half.

    NaN where one of the two kinds is missing.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # the mean rank of each group of equals
    won = ranks[inverse][positive].sum() - positives * (positives + 1) / 2
    return float(won / (positives * negatives))


def rank_metrics(scores: Floats, grades: Floats) -> dict[str, float]:
    """`auc_half`: in `half` against dropped; `auc_quarter`: in `quarter` against the rest.

    `score` is the mean of both, as rates from 0.5 to 0.2 all matter.
    """
    half, quarter = auc(scores, grades > 0), auc(scores, grades == 1)
    return {"auc_half": half, "auc_quarter": quarter, "score": (half + quarter) / 2}


def predict(
    model: torch.nn.Module,
    examples: Sequence[Example],
    *,
    first: int,
    last: int,
    padding: int,
    batch_tokens: int,
    precision: torch.dtype = torch.float32,
    keep: int | None = None,
) -> list[npt.NDArray[np.float32]]:
    """The logit of P(keep) of every sub-word, an array for each example, in order.

    None is joined or cut. `keep`: which of two labels says keep; None: the only one does. Runs on
    the device that the model is on, and leaves it in evaluation mode.
    """
    if not examples:
        return []
    device = next(model.parameters()).device
    lengths = [len(example) for example in examples]
    plan = plan_epoch(
        lengths, seed=0, epoch=0, batch_tokens=batch_tokens, window_tokens=max(lengths)
    )
    logits: dict[int, npt.NDArray[np.float32]] = {}
    model.eval()
    with (
        torch.inference_mode(),
        torch.autocast(device.type, precision, enabled=precision != torch.float32),
    ):
        for windows in plan:
            batch = collate(windows, examples, first=first, last=last, padding=padding).to(device)
            out = model(input_ids=batch.ids, attention_mask=batch.mask).logits
            for row, (index,) in zip(keep_logit(out, keep).cpu(), windows, strict=True):
                logits[index] = row[1 : lengths[index] + 1].numpy()
    return [logits[index] for index in range(len(examples))]


def is_better(one: Mapping[str, float], other: Mapping[str, float], by: str) -> bool:
    """Whether `one` beats `other` by `training.best_by`; the loss is best when it is low."""
    if by == "loss":
        return one["heldout_loss"] < other["heldout_loss"]
    return one[by] > other[by]


def append_line(folder: Storage, row: Mapping[str, Any]) -> None:
    """Add one JSON line to the folder's metrics."""
    write_lines(folder, [*read_lines(folder), row])


def keep_lines(folder: Storage, upto_step: int) -> None:
    """Forget the lines after a step: a run that goes on from there writes them again."""
    if lines := read_lines(folder):
        write_lines(folder, [line for line in lines if line["step"] <= upto_step])


def read_lines(folder: Storage) -> list[dict[str, Any]]:
    """The rows of the folder's metrics; none where there are no metrics yet."""
    if METRICS not in folder.names():
        return []
    return [json.loads(line) for line in folder.read(METRICS).decode().splitlines()]


def write_lines(folder: Storage, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the metrics as a whole: object stores can't append."""
    folder.put(METRICS, "".join(json.dumps(row) + "\n" for row in rows).encode())
