"""What several test folders share: a tiny real model, Ray, an S3 server, a corpus of every type."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["HF_HUB_OFFLINE"] = "1"
_cache = tempfile.TemporaryDirectory(prefix="cache")  # until the end of the tests
os.environ["COMPRESSOR_CACHE"] = _cache.name

TEXTS = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps until the morning.",
    "A corpus is a large set of texts; most of their words carry little information.",
    "In 1969 two people walked on the Moon. They stayed for 21 hours and 36 minutes.",
    "Compression deletes the words that a reader would not miss.",
    "Parquet keeps a table by columns, which is what makes it small and quick to read.",
]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT token classifier of two layers with random weights, and its WordPiece tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special)
    tokenizer.train_from_iterator(TEXTS * 20, trainer)
    ends = [("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]"))]
    tokenizer.post_processor = processors.BertProcessing(ends[1], ends[0])

    folder = tmp_path_factory.mktemp("model") / "tiny"
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **dict(zip(names, special, strict=True))
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=2,
    )
    BertForTokenClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray for all tests: starting it takes seconds."""
    import ray

    # "local": another cluster of this machine, such as one that a test has just ended, isn't ours.
    ray.init("local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level=40)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a real S3 server in this process (it takes any credentials)."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_options(s3_server: str) -> dict[str, Any]:
    """`storage_options` for the server."""
    return {"endpoint_url": s3_server, "key": "test", "secret": "test"}


@pytest.fixture(scope="session")
def every_type() -> Any:
    """A table with a column of each type that Parquet files have, nulls included."""
    return _every_type()


def _every_type() -> Any:
    from datetime import date, datetime, time, timedelta
    from decimal import Decimal

    import pyarrow as pa

    noon = datetime(2024, 5, 17, 12, 30, 15, 123456)
    columns: dict[str, tuple[list[Any], Any]] = {
        "text": ([*TEXTS, None, "  "], pa.string()),
        "id": ([1, 2, 3, 4, 5, 6, 7], pa.int64()),
        "small": ([1, None, -3, 4, 5, 6, 7], pa.int8()),
        "unsigned": ([1, None, 2**63, 4, 5, 6, 7], pa.uint64()),
        "half": ([0.5, None, 1, 2, 3, 4, 5], pa.float16()),
        "double": ([0.1, None, float("nan"), float("inf"), 3, 4, 5], pa.float64()),
        "flag": ([True, None, False, True, True, True, False], pa.bool_()),
        "price": ([Decimal("1.10"), None, *[Decimal("12345678.99")] * 5], pa.decimal128(12, 2)),
        "big": ([Decimal(10) ** 40, None, *[Decimal(1)] * 5], pa.decimal256(50, 0)),
        "day": ([date(2024, 2, 29), None, *[date(1900, 1, 1)] * 5], pa.date32()),
        "clock": ([time(23, 59, 59, 999999), None, *[time(0)] * 5], pa.time64("us")),
        "local": ([noon, None, *[noon] * 5], pa.timestamp("ms")),
        "utc": ([noon, None, *[noon] * 5], pa.timestamp("us", "UTC")),
        "zoned": ([noon, None, *[noon] * 5], pa.timestamp("ns", "Europe/Paris")),
        "span": ([timedelta(seconds=5), None, *[timedelta(1)] * 5], pa.duration("us")),
        "raw": ([b"\x00\xff", None, *[b""] * 5], pa.binary()),
        "fixed": ([b"ab", None, *[b"cd"] * 5], pa.binary(2)),
        "long_text": (["x", None, *["y"] * 5], pa.large_string()),
        "label": (["a", None, "b", "a", "a", "b", "c"], pa.dictionary(pa.int8(), pa.string())),
        "tags": ([["a", None], None, [], *[["b"]] * 4], pa.list_(pa.string())),
        "embedding": ([[0.25, 0.5], None, *[[1.0, 2.0]] * 5], pa.list_(pa.float32())),
        "vector": ([[0.25, 0.5], None, *[[1.0, 2.0]] * 5], pa.list_(pa.float32(), 2)),
        "person": (
            [{"name": "n", "age": 1, "at": noon}, None, *[{"name": None}] * 5],
            pa.struct(
                [("name", pa.string()), ("age", pa.int32()), ("at", pa.timestamp("us", "UTC"))]
            ),
        ),
        "scores": (
            [[("k", 1.5)], None, [], *[[("k", None)]] * 4],
            pa.map_(pa.string(), pa.float64()),
        ),
        "deep": (
            [[{"a": [1, None]}], None, *[[]] * 5],
            pa.list_(pa.struct([("a", pa.list_(pa.int16()))])),
        ),
        "nothing": ([None] * 7, pa.null()),
    }
    arrays = [pa.array(values, kind) for values, kind in columns.values()]
    fields = [
        pa.field(name, kind, nullable=name != "id", metadata={"unit": name})
        for name, (_, kind) in columns.items()
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={"made by": "hand"}))


@pytest.fixture(scope="session")
def compress(tiny_model: Path, ray_session: None) -> Any:
    """Run the job in this process with `section.key=value` settings; gives its summary."""

    def call(source: Any, target: Any, *settings: str) -> dict[str, Any]:
        from compressor.config import CompressConfig
        from compressor.pipeline.run import run
        from compressor.schema import load

        overrides = [
            f"input.path={source}",
            f"output.path={target}",
            f"model.name={tiny_model}",
            "model.dtype=float32",
            *settings,
        ]
        return run(load(CompressConfig, None, overrides)).summary

    return call
