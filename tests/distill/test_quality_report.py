import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from compressor.corpus.storage import Storage
from compressor.distill.quality import Quality, measure, select
from compressor.distill.quality_report import write_report

ROOT = Path(__file__).parents[2]
PAIRS = [
    *[("one two three four five six", "two four six")] * 90,
    ("He <b>walked</b> home & slept", "walked <i>tired</i> home"),
    ("the end", "the the the end"),
    ("words that nobody keeps", "other"),
]


def report(folder: Path) -> tuple[dict[str, Any], str]:
    quality: list[Quality | None] = [measure(*pair) for pair in PAIRS]
    summary = write_report(
        Storage.at(str(folder), key="output.path"),
        [*quality, None],
        lambda i: (f"id-{i}", *PAIRS[i]),
    )
    assert json.loads((folder / "quality.json").read_text()) == summary
    assert summary["examples"]["selected"] == int(select([*quality, None]).sum())
    return summary, (folder / "quality.html").read_text()


def test_the_counts_add_up_and_the_worst_are_shown(tmp_path: Path) -> None:
    summary, html = report(tmp_path)
    counts = dict(summary["examples"])
    assert counts.pop("all") == len(PAIRS) + 1 == sum(counts.values())
    assert counts == {
        "without measures": 1,
        "nothing kept": 1,
        "variation rate too high": 1,
        "alignment gap too high": 1,
        "selected": 90,
    }
    assert summary["limits"] == {"variation_rate": 0.0, "alignment_gap": 0.0}
    assert sum(summary["measures"]["hitting_rate"]["counts"]) == len(PAIRS)
    assert "<b>id-90</b>" in html
    assert "<b>id-91</b>" in html
    assert "<b>id-0</b>" not in html
    assert "<mark>tired</mark>" in html


def test_the_page_is_well_formed_and_text_is_escaped(tmp_path: Path) -> None:
    _, html = report(tmp_path)
    assert "<b>walked" not in html
    assert "&lt;" in html
    assert "<script" not in html
    assert "http" not in html
    svgs = [part.partition("</svg>")[0] for part in html.split("<svg")[1:]]
    assert len(svgs) == 4
    for svg in svgs:
        ElementTree.fromstring(f"<svg{svg}</svg>")


@pytest.mark.parametrize("quality", [[], [None, None], [Quality(0.0, 0.5, 0.5, 0.0)]])
def test_few_examples_make_a_report_too(tmp_path: Path, quality: list[Quality | None]) -> None:
    summary = write_report(
        Storage.at(str(tmp_path), key="output.path"), quality, lambda i: ("", "", "")
    )
    assert summary["examples"]["all"] == len(quality)
    assert summary["limits"] == {"variation_rate": None, "alignment_gap": None}


def test_labels_in_a_file_are_reported(tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl.gz"
    with gzip.open(labels, "wt", encoding="utf-8") as file:
        for i, (text, half) in enumerate(PAIRS):
            row = {"id": f"{i}", "domain": "test", "text": text, "half": half, "quarter": ""}
            print(json.dumps(row), file=file)
    module = "compressor.distill.quality_report"
    subprocess.run(
        [sys.executable, "-m", module, str(labels), str(tmp_path / "report")], check=True, cwd=ROOT
    )
    assert (tmp_path / "report" / "quality.html").stat().st_size > 1000
