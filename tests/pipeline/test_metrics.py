"""What Prometheus scrapes of a real job, and that the dashboard asks for nothing else."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from compressor.pipeline import metrics
from compressor.pipeline.metrics import METRICS, labels_of
from compressor.pipeline.tally import Extent, Tally
from tests.pipeline.corpora import table, write_files
from tests.pipeline.measured import SCRAPED

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "infra" / "grafana" / "compressor.json").read_text("utf-8"))
RUNBOOK = ROOT / "infra" / "README.md"
METRICS_TABLE = re.compile(r"<!-- metrics -->\n(.*?)<!-- /metrics -->", re.DOTALL)
UNITS = ("_total", "_seconds", "_ratio", "_rows", "_replicas")
ROWS, OF_A_SHARD = 200, 20
BAD = 3  # rows whose rate is none


class Scraped:
    """All scrapes of a job: `samples` by their name, each with its labels, the last value of it."""

    def __init__(self, text: str) -> None:
        found = json.loads(text)
        self.summary: dict[str, Any] = found["summary"]
        self.samples: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        self.families: dict[str, Family] = {}
        self.history: dict[str, list[float]] = {}
        for scrape in found["scrapes"]:
            for family in text_string_to_metric_families(scrape):
                self.families[family.name] = family
                for sample in family.samples:
                    labels = frozenset(sample.labels.items())
                    self.samples.setdefault(sample.name, {})[labels] = sample.value
                    self.history.setdefault(sample.name, []).append(sample.value)

    def total(self, name: str, **labels: str) -> float:
        """The sum over the series that have these labels."""
        return sum(
            value
            for found, value in self.samples[f"ray_{name}"].items()
            if labels.items() <= dict(found).items()
        )

    def labels(self, name: str) -> set[str]:
        """The names of labels that all series of a sample have."""
        return set.intersection(*({key for key, _ in one} for one in self.samples[name]))


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Scraped:
    folder = tmp_path_factory.mktemp("scraped")
    rows = table(range(ROWS))
    rates = [7.0] * BAD + [0.5] * (ROWS - BAD)
    source = write_files(folder / "in", [rows.append_column("rate", [rates])], group=OF_A_SHARD)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.pipeline.measured", folder),
            *(f"input.path={source}", f"output.path={folder}/the-output"),
            *(f"model.name={tiny_model}", "model.dtype=float32"),
            *(f"cluster.rows_per_shard={OF_A_SHARD}", "cluster.replicas=2"),
            *("cluster.cpus_per_replica=1", "compression.rate_column=rate"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return Scraped((folder / SCRAPED).read_text("utf-8"))


def test_each_row_is_counted_once_although_a_replica_died(scraped: Scraped) -> None:
    summary = scraped.summary
    assert scraped.total("compressor_shard_retries_total") >= 1
    assert scraped.total("compressor_rows_total") == summary["rows"] == ROWS
    assert scraped.total("compressor_rows_total", status="ok") == ROWS - BAD
    assert scraped.total("compressor_rows_total", status="error") == BAD
    assert scraped.total("compressor_shards_total") == ROWS // OF_A_SHARD
    assert scraped.total("compressor_original_tokens_total") == summary["original_tokens"]
    assert scraped.total("compressor_compressed_tokens_total") == summary["compressed_tokens"]
    assert scraped.total("compressor_read_bytes_total") == pytest.approx(summary["input"]["bytes"])
    assert scraped.total("compressor_written_bytes_total") > 1_000
    assert scraped.total("compressor_model_seconds_total") == pytest.approx(
        summary["model_seconds"]
    )
    assert scraped.total("compressor_shard_rows_count") == ROWS // OF_A_SHARD
    assert scraped.total("compressor_replica_tokens_total") > 0  # the last second of the dead lacks


def test_gauges_say_where_the_run_stands(scraped: Scraped) -> None:
    assert scraped.total("compressor_planned_rows") == ROWS
    assert scraped.total("compressor_done_rows") == ROWS
    assert 0.4 < scraped.total("compressor_rate_ratio") < 0.6
    assert scraped.total("compressor_replicas", state="wanted") == 2
    assert {dict(labels)["state"] for labels in scraped.samples["ray_compressor_replicas"]} == {
        "starting",
        "working",
        "wanted",
    }
    assert 2 in scraped.history["ray_compressor_replicas"]


def test_all_that_there_are_are_exported_and_no_others(scraped: Scraped) -> None:
    kinds = {family.name: family.type for family in scraped.families.values()}
    expected = {f"ray_{metric.name.removesuffix('_total')}": metric.kind for metric in METRICS}
    assert kinds == expected


def test_names_and_labels_follow_prometheus_conventions(scraped: Scraped) -> None:
    for metric in METRICS:
        assert metric.name.startswith("compressor_")
        assert metric.name.endswith(UNITS)
        assert (metric.kind == "counter") == metric.name.endswith("_total")
    for name, series in scraped.samples.items():
        if name.startswith("ray_compressor_"):
            assert {"run", "output"} <= scraped.labels(name)
            assert {dict(labels)["output"] for labels in series} == {"the-output"}
            assert len({dict(labels)["run"] for labels in series}) == 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://key:secret@bucket", "bucket"),
        ("s3://bucket/team/corpus/", "corpus"),
        ("https://host/a/corpus?sig=secret", "corpus"),
        ("/data/corpus", "corpus"),
    ],
)
def test_of_an_output_only_the_end_is_a_label(url: str, shown: str) -> None:
    assert labels_of("01000000", url) == {"run": "01000000", "output": shown}


def test_a_shard_that_is_written_twice_is_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[tuple[str, float]] = []
    monkeypatch.setattr(
        metrics,
        "record",
        lambda metric, value, labels, **own: recorded.append((metric.name, value)),
    )
    tally = Tally(Extent(4, bytes_per_row=100.0), {"run": "1", "output": "out"})
    shard = dict.fromkeys(("original_tokens", "compressed_tokens", "error", "empty"), 0)
    for _ in range(2):
        tally.add(0, {**shard, "rows": 4, "ok": 4}, {"model_seconds": 1.5}, 1_000)
        tally.begin(0)
    counted = [pair for pair in recorded if pair[0].endswith("_total") and pair[1]]
    assert sorted(counted) == [
        ("compressor_model_seconds_total", 1.5),
        ("compressor_read_bytes_total", 400.0),
        ("compressor_rows_total", 4),
        ("compressor_shard_retries_total", 1),
        ("compressor_shards_total", 1),
        ("compressor_written_bytes_total", 1_000),
    ]


def expressions() -> list[str]:
    """Of all panels, as Grafana sends them: its variables filled in."""
    filled = {"$__rate_interval": "5m", "$output": ".*", "$run": ".*"}
    found = []
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            text = target["expr"]
            for variable, value in filled.items():
                text = text.replace(variable, value)
            assert "$" not in text, text
            found.append(text)
    return found


def asked(node: Any, grouped: frozenset[str] = frozenset()) -> Iterator[tuple[str, set[str]]]:
    """Each metric of a query, with the labels that it must have: matched or grouped by."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name, {matcher.name for matcher in node.matchers.matchers} | grouped
        return
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
        assert node.modifier.type == promql_parser.AggModifierType.By
        grouped |= frozenset(node.modifier.labels)
    inner = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    for part in [*inner, *getattr(node, "args", [])]:
        if part is not None:
            yield from asked(part, grouped)


@pytest.mark.parametrize("expression", expressions())
def test_a_query_asks_for_what_is_scraped(expression: str, scraped: Scraped) -> None:
    found = list(asked(promql_parser.parse(expression)))
    assert found
    for name, labels in found:
        assert name in scraped.samples, name
        assert labels <= scraped.labels(name), (name, labels)


def test_a_query_for_what_is_not_there_would_be_found_out(scraped: Scraped) -> None:
    found = dict(asked(promql_parser.parse('sum by (shard) (rate(ray_compressor_x{run="a"}[5m]))')))
    assert found == {"ray_compressor_x": {"shard", "run"}}
    assert "ray_compressor_x" not in scraped.samples
    assert "shard" not in scraped.labels("ray_compressor_rows_total")


def test_variables_and_legends_name_labels_that_are_there(scraped: Scraped) -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.findall(r"^label_values\((.+), (\w+)\)$", variable["definition"])[
                0
            ]
            ((name, labels),) = asked(promql_parser.parse(selector.replace("$output", ".*")))
            assert labels | {label} <= scraped.labels(name)
            assert variable["query"]["query"] == variable["definition"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            grouped = set(re.findall(r"by \(([\w, ]+)\)", target["expr"]))
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert legend <= {label for labels in grouped for label in labels.split(", ")}


def test_every_metric_is_on_the_dashboard() -> None:
    text = " ".join(expressions())
    for metric in METRICS:
        assert f"ray_{metric.name}" in text, metric.name


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    identities = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identities)) == len(identities)


def metrics_table() -> str:
    rows = ["| Metric | Kind | What | Counted |", "|---|---|---|---|"]
    for metric in METRICS:
        own = f" (`{'`, `'.join(metric.labels)}`)" if metric.labels else ""
        rows.append(f"| `{metric.name}`{own} | {metric.kind} | {metric.about} | {metric.counted} |")
    return "\n".join(rows) + "\n"


def test_the_runbook_has_all_metrics() -> None:
    found = METRICS_TABLE.search(RUNBOOK.read_text("utf-8"))
    assert found
    assert found[1] == metrics_table(), "run: python -m tests.pipeline.test_metrics"


if __name__ == "__main__":
    new = f"<!-- metrics -->\n{metrics_table()}<!-- /metrics -->"
    text = METRICS_TABLE.sub(lambda _: new, RUNBOOK.read_text("utf-8"))
    RUNBOOK.write_text(text, encoding="utf-8")
