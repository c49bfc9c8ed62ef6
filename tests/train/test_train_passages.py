import gzip
import json
from pathlib import Path

import pytest

from compressor.errors import InputError
from compressor.train.passages import Passage, ids_hash, read_passages, split_heldout

ROW = {"id": "a", "domain": "docs", "text": "Some words.", "half": "words.", "quarter": "words"}


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_reads_plain_and_gzipped_lines_alike(tmp_path: Path):
    lines = json.dumps(ROW) + "\n\n" + json.dumps({**ROW, "id": "b", "extra": 1}) + "\n"
    plain = write(tmp_path / "rows.jsonl", lines)
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.encode()))
    assert read_passages(plain) == read_passages(packed)
    assert [passage.id for passage in read_passages(plain)] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{not json", "not JSON"),
        ("[1]", "wants an object"),
        (json.dumps({**ROW, "half": None}), "'half' must be a string"),
        (json.dumps({k: v for k, v in ROW.items() if k != "text"}), "'text' must be a string"),
        (json.dumps({**ROW, "text": " \n"}), "'text' is blank"),
        (json.dumps(ROW), "id 'a' was on line 1"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, line: str, says: str):
    path = write(tmp_path / "rows.jsonl", json.dumps(ROW), line)
    with pytest.raises(InputError, match=says) as caught:
        read_passages(path)
    assert f"{path}:2" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        read_passages(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match="holds no passages"):
        read_passages(write(tmp_path / "empty.jsonl", ""))
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(json.dumps(ROW).encode() * 50)[:40])
    with pytest.raises(InputError, match="can't be read"):
        read_passages(cut)


def passages(**sizes: int) -> list[Passage]:
    return [
        Passage(f"{domain}-{n}", domain, f"{domain} text {n}", "", "")
        for domain, size in sizes.items()
        for n in range(size)
    ]


def test_the_split_keeps_the_domains_shares_and_loses_nobody():
    everything = passages(nq=60, math=30, docs=10)
    training, heldout = split_heldout(everything, 10, seed=0)
    assert sorted(p.id for p in training + heldout) == sorted(p.id for p in everything)
    assert [sum(p.domain == d for p in heldout) for d in ("nq", "math", "docs")] == [6, 3, 1]


def test_the_split_depends_on_the_seed_not_on_the_order_of_the_file():
    everything = passages(nq=60, math=40)
    chosen = ids_hash(split_heldout(everything, 10, seed=0)[1])
    assert ids_hash(split_heldout(everything[::-1], 10, seed=0)[1]) == chosen
    assert ids_hash(split_heldout(everything, 10, seed=1)[1]) != chosen


def test_equal_texts_never_stand_on_both_sides():
    twins = [Passage(f"nq-{n}", "nq", f"text {n // 2}", "", "") for n in range(40)]
    training, heldout = split_heldout(twins, 10, seed=0)
    assert not {p.text for p in training} & {p.text for p in heldout}


def test_something_must_be_left_to_train_on():
    with pytest.raises(InputError, match="none to train on"):
        split_heldout(passages(nq=5), 5, seed=0)
