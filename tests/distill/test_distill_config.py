"""What the configuration refuses, the shipped file, and the line that is seen while it runs."""

from pathlib import Path

import pytest

from compressor.distill.config import DistillConfig
from compressor.distill.limits import Counts, Usage
from compressor.distill.progress import asking_line
from compressor.errors import InputError
from compressor.schema import describe, load

ROOT = Path(__file__).parents[2]
COMPLETE = ["input.path=in", "output.path=out", "teacher.model=small"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("input.path=''", "input.path: is required"),
        ("output.path=''", "output.path: is required"),
        ("teacher.model=''", "teacher.model: is required"),
        ("teacher.base_url=localhost:8000", "teacher.base_url: wants http"),
        ("teacher.base_url=http://me:secret@host/v1", "teacher.base_url: holds credentials"),
        ("teacher.max_cost=5", "teacher.max_cost: needs teacher.price_per_million_input_tokens"),
        ("teacher.concurrency=0", "teacher.concurrency: "),
        ("quality.gap_share=1", "quality.gap_share: "),
        ("input.text_column=[a, b]", "input.text_column: "),
        ("distill.chunk_tokens=4", "distill.chunk_tokens: "),
    ],
)
def test_what_is_refused(setting: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(DistillConfig, None, [*COMPLETE, setting])
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_file_in_configs_has_every_key_with_its_default() -> None:
    config = load(DistillConfig, str(ROOT / "configs" / "distill.yaml"))
    text = (ROOT / "configs" / "distill.yaml").read_text()
    for key, default, _ in describe(DistillConfig):
        section, name = key.split(".")
        assert f"  {name}:" in text, key
        if default != "":
            assert getattr(getattr(config, section), name) == default, key


def test_the_progress_line() -> None:
    counts = Counts(answered=60, failed=2, under_way=4, spent=Usage(50_000, 10_000))
    line = asking_line(counts, total=400, before=100, prices=(1.0, 2.0), seconds=30.0)
    assert line == (
        "160/400 chunks (40%) · 120 answers/min · 60,000 tokens · cost 0.07 · 2 given up · ETA 2:00"
    )
    start = Counts(0, 0, 4, Usage())
    assert asking_line(start, 400, 0, None, 1.0) == "0/400 chunks (0%) · 0 tokens · 4 under way"
