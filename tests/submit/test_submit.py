"""A submitted job on a real cluster of one node, with its data on a real S3 server."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pipeline.corpora import table
from tests.submit.local_cluster import (
    LocalCluster,
    below,
    client_environment,
    submit,
    submit_command,
)

Put = Callable[[str, pa.Table], None]


def keys(bucket: str, output: str = "out") -> list[str]:
    return [
        f"input.path=s3://{bucket}/in/",
        f"output.path=s3://{bucket}/{output}/",
        f"model.name=s3://{bucket}/model",
        "model.dtype=float32",
        "cluster.replicas=1",
        "cluster.cpus_per_replica=1",
    ]


def identity(printed: str) -> str:
    (found,) = re.findall(r"^submitted\s+(\S+)$", printed, re.MULTILINE)
    return str(found)


def everything(s3: Any, bucket: str) -> bytes:
    """All that a job has written: statistics, Delta log, lineage, data."""
    return b"".join(s3.cat_file(name) for name in s3.find(f"{bucket}/out"))


def test_refresh_on_a_cluster(
    cluster: LocalCluster,
    s3: Any,
    bucket: str,
    put: Put,
    planted: dict[str, str],
    tmp_path: Path,
) -> None:
    """From a local configuration; the credentials are the cluster's, and stay there."""
    put("in/a.parquet", table(range(30)))
    config = tmp_path / "nightly.yaml"
    config.write_text("# a comment stays here\ncompression: {rate: 0.4}\n")
    names = [word for name in planted for word in ("--secret", name)]
    done = submit(
        "refresh", "--config", config, "--address", cluster.address, *names, *keys(bucket)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^rows +0 kept, .*30 compressed$", done.stdout, re.MULTILINE)
    assert "version     0 published" in done.stdout
    name = identity(done.stdout)
    assert f"compressor submit stop {name} --address {cluster.address}" in done.stdout
    assert s3.exists(f"{bucket}/out/_delta_log/00000000000000000000.json")
    summary = json.loads(s3.cat_file(f"{bucket}/out/_stats/summary.json"))
    assert summary["target_rate"] == 0.4

    session = b"".join(path.read_bytes() for path in cluster.logs())
    assert name.encode() in session  # the logs are there
    assert b"a comment stays here" not in session
    printed = (done.stdout + done.stderr).encode()
    for secret in planted.values():
        assert secret.encode() not in session + printed + everything(s3, bucket)


def test_what_is_wrong_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    nowhere = ["--address", "http://127.0.0.1:9"]
    config = tmp_path / "bad.yaml"
    config.write_text("compression:\n  rat: 0.5\n")
    for arguments, said in (
        (["compress", "--config", str(config)], "did you mean compression.rate?"),
        (["compress", *keys("b"), "compression.rate=2"], "compression.rate"),
        (["compress", *keys("b"), "--no-such-option"], "no-such-option"),
        (["compress", *keys("b"), "--secret", "A=B"], "wants the name"),
        (["compress", *keys("b")], "no cluster can be reached"),
        (["status", "x"], "no cluster can be reached"),
        (["stop"], "Missing argument"),
        ([], "wants a job"),
    ):
        done = submit(*arguments, *(nowhere if arguments else []))
        assert done.returncode == 2, arguments
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert said in done.stderr


@pytest.mark.slow
def test_status_logs_and_bad_input(cluster: LocalCluster, bucket: str) -> None:
    wrong = submit("verify", "--address", cluster.address, f"s3://no-{bucket}/out")
    assert wrong.returncode == 2
    assert wrong.stderr == (f"error: output.path: s3://no-{bucket}/out: no such bucket\n")
    name = identity(wrong.stdout)
    where = ["--address", cluster.address]
    assert f"{name}  failed" in submit("status", *where).stdout
    details = submit("status", name, environment={"RAY_ADDRESS": cluster.address}).stdout
    assert "status      failed\nexit code   2\n" in details
    logs = submit("logs", name, *where)
    assert logs.returncode == 0
    assert "no such bucket" in logs.stderr
    assert submit("logs", name, "--follow", *where).returncode == 2
    unknown = submit("stop", "unknown", *where)
    assert unknown.returncode == 2
    assert "has no job of that id" in unknown.stderr


@pytest.mark.slow
def test_a_configuration_on_object_storage(
    cluster: LocalCluster, s3: Any, bucket: str, put: Put, s3_server: str
) -> None:
    """Only the cluster can read it, and it may name credentials, which travel nowhere."""
    put("in/a.parquet", table(range(10)))
    s3.pipe_file(
        f"{bucket}/nightly.yaml",
        b"input: {storage_options: {secret: planted-in-configuration, key: planted-in-key}}\n"
        b"output: {storage_options: {secret: planted-in-configuration, key: planted-in-key}}\n",
    )
    url = f"s3://{bucket}/nightly.yaml"
    arguments = ["compress", "--config", url, "--address", cluster.address]
    done = submit(*arguments, *keys(bucket))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the cluster has to read it" in done.stdout
    assert pq.read_table(f"{bucket}/out", filesystem=s3).num_rows == 10
    credentials = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    refused = submit(*arguments, *keys(bucket), "compression.rate=7", environment=credentials)
    assert refused.returncode == 2
    assert "submitted" not in refused.stdout  # it can be read from here now
    missing = submit("compress", "--config", f"{url}.not", *arguments[3:], *keys(bucket))
    assert missing.returncode == 2
    assert missing.stderr == f"error: --config {url}.not: no such file\n"
    session = b"".join(path.read_bytes() for path in cluster.logs())
    for secret in (b"planted-in-configuration", b"planted-in-key"):
        assert secret not in session + done.stdout.encode() + everything(s3, bucket)


@pytest.mark.slow
def test_detached_repeated_and_stopped(
    cluster: LocalCluster, bucket: str, put: Put, s3: Any
) -> None:
    put("in/a.parquet", table(range(20_000)))
    where = ["--address", cluster.address]
    mine = ["compress", *where, *keys(bucket), "cluster.rows_per_shard=20"]
    started = submit(*mine, "--no-wait", "--submission-id", f"mine-{bucket}")
    assert started.returncode == 0, started.stderr
    assert identity(started.stdout) == f"mine-{bucket}"
    again = submit(*mine, "--no-wait", "--submission-id", f"mine-{bucket}")
    assert again.returncode == 0
    assert f"found       mine-{bucket}" in again.stdout
    other = submit(*mine, "compression.rate=0.3", "--submission-id", f"mine-{bucket}")
    assert other.returncode == 2
    assert "another job or configuration" in other.stderr

    following = subprocess.Popen(
        submit_command("logs", f"mine-{bucket}", "--follow", *where),
        env=client_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _until(lambda: len(s3.glob(f"{bucket}/out/*.parquet")) >= 3)
    following.send_signal(signal.SIGINT)
    _, said = following.communicate(timeout=20)
    assert following.returncode == 1
    assert "goes on" in said
    running = submit("status", f"mine-{bucket}", *where)
    assert running.stdout.startswith("status      running")

    stopped = submit("stop", f"mine-{bucket}", *where)
    assert stopped.stdout == "status      stopped\n", stopped.stderr
    after = submit("logs", f"mine-{bucket}", "--follow", *where)
    assert after.returncode == 1
    assert "was stopped" in after.stderr
    ended = submit(*mine, "--submission-id", f"mine-{bucket}")
    assert ended.returncode == 2
    assert "has ended (stopped); choose another id" in ended.stderr


@pytest.mark.slow
def test_a_killed_driver_is_resumed_by_submitting_again(
    cluster: LocalCluster, bucket: str, put: Put, s3: Any
) -> None:
    put("in/a.parquet", table(range(3_000)))
    command = ["compress", "--address", cluster.address, *keys(bucket), "cluster.rows_per_shard=10"]
    first = subprocess.Popen(
        submit_command(*command),
        env=client_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _until(lambda: len(s3.glob(f"{bucket}/out/*.parquet")) >= 5)
    (driver,) = below(cluster.nodes[0].pid, "-m jobs.compress")
    driver.kill()
    out, said = first.communicate(timeout=60)
    assert first.returncode == 1, out + said
    assert "its driver was killed" in said
    done = _times(s3, bucket)
    assert 5 <= len(done) < 300
    second = submit(*command)
    assert second.returncode == 0, second.stderr
    after = _times(s3, bucket)
    assert len(after) == 300
    assert {name: after[name] for name in done} == done  # nothing was done twice
    checked = submit("verify", "--address", cluster.address, f"s3://{bucket}/out")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _times(s3: Any, bucket: str) -> dict[str, Any]:
    found = s3.find(f"{bucket}/out", detail=True)
    return {name: info["LastModified"] for name, info in found.items() if "/_" not in name}


def _until(condition: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "has not come to pass"
        time.sleep(0.3)
