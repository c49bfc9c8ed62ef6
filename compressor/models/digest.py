"""The identity of a model: one digest over the names and bytes of the files that decide its output.

Hashing gigabytes takes seconds, in every process that loads them, so a digest is remembered on the
node for as long as no file has another size, inode or time. Only content goes into the digest
itself: it is the same on every machine.
"""

import hashlib
import json
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from compressor.errors import InputError

CACHE = "COMPRESSOR_CACHE"
DECISIVE = {".safetensors", ".json", ".txt", ".model"}
SETTLED_SECONDS = 2.0  # a file younger than that may change again within one tick of its clock


def digest(folder: Path) -> str:
    """SHA-256 over names and bytes of the files that decide a model's output."""
    state = _state(folder)
    if (remembered := _read(folder)) is not None and remembered["state"] == state:
        return str(remembered["digest"])
    total = hashlib.sha256()
    for path in _files(folder):
        total.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    value = total.hexdigest()
    if _settled(state) and _state(folder) == state:
        with suppress(OSError, InputError):  # a convenience; some machines have no place for it
            write_atomically(_record(folder), {"state": state, "digest": value})
    return value


def remember(folder: Path, value: str) -> None:
    """Record the digest of files that nobody will write any more, however young they are."""
    write_atomically(_record(folder), {"state": _state(folder), "digest": value})


def cache_root() -> Path:
    """Where this node keeps what it has fetched. Raises `InputError` where there is no such place.

    `COMPRESSOR_CACHE`, else `~/.cache/compressor`.
    """
    if named := os.environ.get(CACHE):
        return Path(named).expanduser()
    try:
        return Path.home() / ".cache" / "compressor"
    except RuntimeError:  # a container's user without a home
        raise InputError(f"{CACHE}: this user has no home directory; name a folder") from None


def write_atomically(path: Path, value: Any) -> None:
    """Write JSON so that the file is never seen half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        scratch.write_text(json.dumps(value), encoding="utf-8")
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix in DECISIVE]


def _state(folder: Path) -> list[list[Any]]:
    """What changes when a file does. The change time also tells of copies that keep the others."""
    return [
        [path.name, of.st_size, of.st_mtime_ns, of.st_ctime_ns, of.st_ino, of.st_dev]
        for path in _files(folder)
        for of in [path.stat()]
    ]


def _settled(state: list[list[Any]]) -> bool:
    youngest = max((max(row[2], row[3]) for row in state), default=0)
    return time.time_ns() - youngest > SETTLED_SECONDS * 1e9


def _record(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return cache_root() / "digests" / f"{name}.json"


def _read(folder: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError, InputError):
        record = json.loads(_record(folder).read_text(encoding="utf-8"))
        if isinstance(record, dict) and record.keys() == {"state", "digest"}:
            return record
    return None
