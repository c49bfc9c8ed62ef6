"""A model on remote storage, fetched once a node: from a URL to a folder of the node's cache.

    models/DIGEST/      a whole model, read-only, named after its content
    models/KEY.json     what the URL listed when it was fetched, and the digest of that
    models/KEY.lock     held while the URL is fetched into models/KEY.part

A folder takes its name when all of it is there and checked, so none is ever half; the lock goes
with its process, so what a killed one leaves is removed by the next. Processes that want the same
model wait for the one that fetches it.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from compressor.errors import InputError, JobError
from compressor.models.digest import CACHE, cache_root, digest, remember, write_atomically

TRIES = 3  # of a fetch during which the storage changes
Listing = list[list[Any]]
"""[name, size, version] of each file, sorted."""


def kept(expected: str) -> Path | None:
    """The folder of this node with exactly this content, if it is there. Asks no storage."""
    folder = _models() / expected
    return folder if folder.is_dir() and digest(folder) == expected else None


def fetch(url: str, patterns: Sequence[str], storage_options: dict[str, Any]) -> Path:
    """The local folder of what `url` holds now; the files are fetched where they aren't there.

    Raises `InputError` where they can't be read or kept, `JobError` where they never stand still.
    """
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url, **storage_options)
        listing = _list(filesystem, path, patterns)
    except Exception as error:
        raise InputError(f"model {url}: can't be read: {_line(error)}") from None
    if not listing:
        raise InputError(f"model {url}: no model files there")
    key = hashlib.sha256("\0".join([url.rstrip("/"), *sorted(patterns)]).encode()).hexdigest()[:24]
    if (known := _known(key, listing)) is not None:
        return known
    try:
        _models().mkdir(parents=True, exist_ok=True)
        with FileLock(_models() / f"{key}.lock"):
            _clear_leftovers()
            for _ in range(TRIES):  # another process may have fetched it by now
                if (known := _known(key, listing)) is not None:
                    return known
                folder = _download(filesystem, key, listing)
                if (now := _list(filesystem, path, patterns)) == listing:
                    return _keep(key, listing, folder)
                listing = now
    except OSError as error:
        if not _is_final(error):
            raise
        raise InputError(
            f"model {url}: can't be fetched to {_models()}: {_line(error)}; "
            f"{CACHE} names another folder for it"
        ) from None
    raise JobError(f"model {url}: changes while it is fetched; publish it whole, then run again")


def _models() -> Path:
    return cache_root() / "models"


def _list(filesystem: Any, path: str, patterns: Sequence[str]) -> Listing:
    filesystem.invalidate_cache()
    found = filesystem.find(path, maxdepth=1, detail=True).values()
    return sorted(
        [info["name"], info["size"], _version(info)]
        for info in found
        if any(Path(info["name"]).match(pattern) for pattern in patterns)
    )


def _version(info: dict[str, Any]) -> str:
    """What tells this content from another of the same size."""
    for name in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created"):
        if info.get(name):
            return str(info[name])
    return ""


def _known(key: str, listing: Listing) -> Path | None:
    """The folder that was fetched when the storage listed the same."""
    if not all(version for _, _, version in listing):
        return None  # nothing tells whether the content is still the same
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads((_models() / f"{key}.json").read_text(encoding="utf-8"))
        if record["listing"] == listing:
            return kept(record["digest"])
    return None


def _download(filesystem: Any, key: str, listing: Listing) -> Path:
    folder = _models() / f"{key}.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, size, _ in listing:
        target = folder / Path(name).name
        filesystem.get_file(name, str(target))
        if target.stat().st_size != size:
            raise OSError(f"{target.name} has {target.stat().st_size} bytes instead of {size}")
        with target.open("rb") as file:
            os.fsync(file.fileno())  # a machine may go down after the folder has its name
        target.chmod(0o444)
    return folder


def _keep(key: str, listing: Listing, folder: Path) -> Path:
    """Give the folder its name; where it is there already, from another URL, take that one."""
    value = digest(folder)
    whole = _models() / value
    if kept(value) is None:
        shutil.rmtree(whole, ignore_errors=True)  # damaged since it was fetched
        with suppress(OSError):  # another URL with the same content, at the same moment
            folder.rename(whole)
            remember(whole, value)
    shutil.rmtree(folder, ignore_errors=True)
    if kept(value) is None:
        raise OSError(f"{whole} can't be made")
    write_atomically(_models() / f"{key}.json", {"listing": listing, "digest": value})
    return whole


def _clear_leftovers() -> None:
    """Remove what killed processes have left: parts whose lock nobody else holds."""
    for part in _models().glob("*.part"):
        with suppress(Timeout), FileLock(part.with_suffix(".lock"), timeout=0):
            shutil.rmtree(part)


def _is_final(error: OSError) -> bool:
    """Whether trying again can't help: no rights, no space, or gone."""
    final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
    return isinstance(error, PermissionError | FileNotFoundError) or error.errno in final


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
