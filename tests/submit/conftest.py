"""A cluster of one node for all tests of submissions, with credentials in its environment."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest

from tests.submit.local_cluster import LocalCluster

PLANTED = {
    "AWS_ACCESS_KEY_ID": f"PLANTEDKEY{secrets.token_hex(6)}",
    "AWS_SECRET_ACCESS_KEY": f"planted-secret-{secrets.token_hex(8)}",
}


@pytest.fixture(scope="session")
def planted() -> dict[str, str]:
    """Credentials that only the cluster's nodes have."""
    return PLANTED


@pytest.fixture(scope="session")
def cluster(s3_server: str, planted: dict[str, str]) -> Iterator[LocalCluster]:
    with LocalCluster(cpus=4, environment={**planted, "AWS_ENDPOINT_URL": s3_server}) as found:
        yield found


@pytest.fixture
def s3(s3_server: str) -> Any:
    """The server as its owner sees it."""
    return fsspec.filesystem(
        "s3",
        endpoint_url=s3_server,
        key="test",
        secret="test",
        skip_instance_cache=True,
        use_listings_cache=False,
    )


@pytest.fixture
def bucket(s3: Any, tiny_model: Path) -> str:
    """A new bucket with the tiny model in it."""
    name = f"b{secrets.token_hex(6)}"
    s3.mkdir(name)
    for path in tiny_model.iterdir():
        s3.put_file(str(path), f"{name}/model/{path.name}")
    return name


@pytest.fixture
def put(s3: Any, bucket: str) -> Callable[[str, pa.Table], None]:
    """Write a table as Parquet into the bucket."""
    import pyarrow.parquet as pq

    def write(name: str, table: pa.Table, group: int = 10) -> None:
        with s3.open(f"{bucket}/{name}", "wb") as file:
            pq.write_table(table, file, row_group_size=group)

    return write
