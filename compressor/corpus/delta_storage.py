"""The same place for `deltalake` as for fsspec: its URL, and the options in the other's words.

`deltalake` writes its log through a storage client of its own (object_store). What the
environment, instance role or configuration file say reaches both.
"""

import os
from collections.abc import Sequence
from typing import Any

from compressor.corpus.storage import Storage
from compressor.errors import InputError

PROTOCOLS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
S3_OPTIONS = {
    "key": "AWS_ACCESS_KEY_ID",
    "secret": "AWS_SECRET_ACCESS_KEY",
    "token": "AWS_SESSION_TOKEN",
    "endpoint_url": "AWS_ENDPOINT_URL",
}
OTHER_OPTIONS = {
    "account_name": "AZURE_STORAGE_ACCOUNT_NAME",
    "account_key": "AZURE_STORAGE_ACCOUNT_KEY",
    "sas_token": "AZURE_STORAGE_SAS_TOKEN",
    "connection_string": "AZURE_STORAGE_CONNECTION_STRING",
}
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
REGION = "us-east-1"  # wanted for the signature; servers behind an endpoint don't care


def location(storage: Storage) -> tuple[str, dict[str, str]]:
    """URL and options. Raises `InputError` for a filesystem on which Delta can't commit."""
    protocol, separator, _ = storage.url.partition("://")
    if not separator or protocol in {"file", "local"}:
        _, path = storage.open()
        return path, {}
    if protocol not in PROTOCOLS:
        raise InputError(
            f"{storage.key}: {storage.url}: Delta Lake can't commit on {protocol}://; use a local "
            "path, s3://, gs:// or abfs://, or output.format=parquet"
        )
    if protocol in {"s3", "s3a"}:
        return storage.url, _s3(dict(storage.options))
    options = storage.options
    names = [name for name in OTHER_OPTIONS if name in options]
    return storage.url, {OTHER_OPTIONS[name]: str(options[name]) for name in names}


def _s3(options: dict[str, Any]) -> dict[str, str]:
    client = dict(options.get("client_kwargs") or {})
    options.setdefault("endpoint_url", client.get("endpoint_url"))
    if options.get("profile"):
        options |= _of_profile(str(options["profile"]))
    found = {S3_OPTIONS[name]: str(options[name]) for name in S3_OPTIONS if options.get(name)}
    region = client.get("region_name") or options.get("region_name")
    endpoint = found.get("AWS_ENDPOINT_URL") or _environment(ENDPOINTS)
    if region or (endpoint and not _environment(REGIONS)):
        found["AWS_REGION"] = str(region or REGION)
    if endpoint and endpoint.startswith("http://"):
        found["AWS_ALLOW_HTTP"] = "true"
    if options.get("anon"):
        found["AWS_SKIP_SIGNATURE"] = "true"
    return found


def _environment(names: Sequence[str]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _of_profile(name: str) -> dict[str, str]:
    """Credentials of a profile, whatever they come from (keys, single sign-on, a role)."""
    from botocore.session import Session

    session = Session(profile=name)
    credentials = session.get_credentials()
    if credentials is None:
        return {}
    frozen = credentials.get_frozen_credentials()
    found = {"key": frozen.access_key, "secret": frozen.secret_key, "token": frozen.token}
    if region := session.get_config_variable("region"):
        found["region_name"] = region
    return {key: value for key, value in found.items() if value}
