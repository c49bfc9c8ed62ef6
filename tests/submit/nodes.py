"""What the tests with several nodes share."""

import time
from collections.abc import Callable
from typing import Any


def keys(bucket: str) -> list[str]:
    """Many small shards, on replicas of one CPU."""
    return [
        f"input.path=s3://{bucket}/in/",
        f"output.path=s3://{bucket}/out/",
        f"model.name=s3://{bucket}/model",
        "model.dtype=float32",
        "cluster.cpus_per_replica=1",
        "cluster.rows_per_shard=20",
    ]


def files_with_times(s3: Any, bucket: str) -> dict[str, Any]:
    """The finished shards, with the time at which each was written."""
    found = s3.find(f"{bucket}/out", detail=True)
    return {name: info["LastModified"] for name, info in found.items() if "/_" not in name}


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "has not come to pass"
        time.sleep(0.3)
