"""Options of fsspec in the words of deltalake."""

import os
from pathlib import Path

import pytest

from compressor.corpus.delta_storage import location
from compressor.corpus.storage import Storage
from compressor.errors import InputError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


def options(url: str, **given: object) -> dict[str, str]:
    return location(Storage(url, given, "output.path"))[1]


def test_a_local_path() -> None:
    assert location(Storage("/a/b/", {}, "output.path")) == ("/a/b", {})
    assert location(Storage("file:///a/b", {}, "output.path")) == ("/a/b", {})


def test_an_endpoint_with_keys() -> None:
    given = {"endpoint_url": "http://localhost:9000", "key": "k", "secret": "s"}
    assert options("s3://bucket/x", **given) == {
        "AWS_ENDPOINT_URL": "http://localhost:9000",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    nested = options("s3://b/x", client_kwargs={"endpoint_url": "https://e", "region_name": "eu"})
    assert nested == {"AWS_ENDPOINT_URL": "https://e", "AWS_REGION": "eu"}


def test_nothing_given_leaves_all_to_the_environment() -> None:
    assert options("s3://bucket/x") == {}


def test_an_endpoint_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:9000")
    assert options("s3://bucket/x") == {"AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu")
    assert options("s3://bucket/x") == {"AWS_ALLOW_HTTP": "true"}


def test_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text("[work]\naws_access_key_id = k\naws_secret_access_key = s\nregion = eu-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    assert options("s3://bucket/x", profile="work") == {
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "eu-1",
    }


def test_other_clouds() -> None:
    assert options("abfs://c/x", account_name="a", account_key="k") == {
        "AZURE_STORAGE_ACCOUNT_NAME": "a",
        "AZURE_STORAGE_ACCOUNT_KEY": "k",
    }
    with pytest.raises(InputError, match=r"output\.path: memory://x: Delta Lake can't commit"):
        location(Storage("memory://x", {}, "output.path"))
