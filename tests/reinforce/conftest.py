"""What the tests of reinforcement share: a small pool, a tiny encoder, a tiny judge."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from compressor.reader.loading import load_counter_of
from compressor.reinforce.encoder import Encoder
from compressor.reinforce.observe import Observer
from compressor.reinforce.shots import Shot
from tests.reader.causal import save_causal

NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn")
THINGS = ("apples", "books", "coins", "eggs", "stamps", "cups")


def make_shots(count: int) -> list[Shot]:
    """Problems that differ in names, things and numbers."""
    shots = []
    for n in range(count):
        name, thing = NAMES[n % 6], THINGS[(n // 6 + n) % 6]
        a, b = 3 + n, 2 + n // 2
        question = (
            f"{name} has {a} {thing} and buys {b} more of them at the shop number {n}. "
            f"How many {thing} does {name} have now?"
        )
        solution = f"{name} has {a} + {b} = {a + b} {thing} in the end.\n#### {a + b}"
        shots.append(Shot(f"shot {n}", question, solution, difficulty=1 + n % 7, steps=1 + n % 3))
    return shots


def write_shots(path: Path, shots: Sequence[Shot]) -> Path:
    rows = [
        {
            "id": shot.id,
            "question": shot.question,
            "solution": shot.solution,
            "difficulty": shot.difficulty,
            "steps": shot.steps,
        }
        for shot in shots
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def judge_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_causal(tmp_path_factory.mktemp("judge"), "llama", positions=4096)


@pytest.fixture(scope="session")
def observer(tiny_model: Path, judge_folder: Path) -> Observer:
    """Of the tiny BERT, without its head, and with it as the compressor."""
    encoder = Encoder(str(tiny_model), "cpu")
    return Observer(encoder, load_counter_of(str(judge_folder)), str(tiny_model), "cpu")
