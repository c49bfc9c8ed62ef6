import pytest

from compressor.errors import InputError
from compressor.train.passages import Passage, ids_hash, split_heldout


def passages(**sizes: int) -> list[Passage]:
    return [
        Passage(f"{domain}-{n}", domain, f"{domain} text {n}", "", "")
        for domain, size in sizes.items()
        for n in range(size)
    ]


def test_the_split_keeps_the_domains_shares_and_loses_nobody() -> None:
    everything = passages(nq=60, math=30, docs=10)
    training, heldout = split_heldout(everything, 10, seed=0)
    assert sorted(p.id for p in training + heldout) == sorted(p.id for p in everything)
    assert [sum(p.domain == d for p in heldout) for d in ("nq", "math", "docs")] == [6, 3, 1]


def test_the_split_depends_on_the_seed_not_on_the_order_of_the_file() -> None:
    everything = passages(nq=60, math=40)
    chosen = ids_hash(split_heldout(everything, 10, seed=0)[1])
    assert ids_hash(split_heldout(everything[::-1], 10, seed=0)[1]) == chosen
    assert ids_hash(split_heldout(everything, 10, seed=1)[1]) != chosen


def test_equal_texts_never_stand_on_both_sides() -> None:
    twins = [Passage(f"nq-{n}", "nq", f"text {n // 2}", "", "") for n in range(40)]
    training, heldout = split_heldout(twins, 10, seed=0)
    assert not {p.text for p in training} & {p.text for p in heldout}


def test_something_must_be_left_to_train_on() -> None:
    with pytest.raises(InputError, match="none to train on"):
        split_heldout(passages(nq=5), 5, seed=0)
