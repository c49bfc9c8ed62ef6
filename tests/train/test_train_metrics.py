import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.corpus.storage import Storage
from compressor.train.metrics import append_line, auc, is_better, keep_lines, rank_metrics


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_auc_counts_won_pairs(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], float)
    positive = np.array([kind for _, kind in pairs])
    won = [
        1.0 if p > n else 0.5 if p == n else 0.0
        for p in scores[positive]
        for n in scores[~positive]
    ]
    got = auc(scores, positive)
    assert math.isnan(got) if not won else got == pytest.approx(sum(won) / len(won))


def test_rank_metrics_of_a_perfect_and_of_a_useless_model() -> None:
    grades = np.array([0, 0, 0.5, 0.5, 1, 1])
    assert rank_metrics(grades.copy(), grades) == {
        "auc_half": 1.0,
        "auc_quarter": 1.0,
        "score": 1.0,
    }
    assert rank_metrics(np.zeros(6), grades)["score"] == 0.5


def test_metrics_after_a_step_are_forgotten(tmp_path: Path) -> None:
    folder = Storage.at(str(tmp_path), key="output.work")
    keep_lines(folder, 0)
    for step in (1, 2, 3):
        append_line(folder, {"step": step})
    keep_lines(folder, 2)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]


def test_the_best_is_the_highest_rank_or_the_lowest_loss() -> None:
    one, other = {"score": 0.8, "heldout_loss": 0.4}, {"score": 0.7, "heldout_loss": 0.3}
    assert is_better(one, other, "score")
    assert not is_better(one, other, "loss")
    assert not is_better(one, one, "score")
