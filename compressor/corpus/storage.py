"""Where a dataset lies: a URL with its fsspec options, and the few things done to it.

A `Storage` is what travels between processes: the filesystem object is built where it is used,
for such objects don't pickle well. Retries have one owner, the filesystem itself (s3fs tries five
times); nothing here or in Ray repeats an I/O error.
"""

import glob
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from compressor.corpus.reachable import check_answers
from compressor.errors import InputError

SCRATCH = "_tmp"


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored file: full path, size, and what tells this version from another."""

    path: str
    size: int
    version: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A file, directory or glob on any fsspec filesystem; `key` names it in messages."""

    url: str
    options: Mapping[str, Any] = field(default_factory=dict)
    key: str = "path"

    @classmethod
    def at(cls, url: str, options: Mapping[str, Any] | None = None, *, key: str) -> "Storage":
        """Check the URL and make a local one absolute, so that it means the same on a worker.

        Raises `InputError` for a protocol that isn't known or whose package isn't installed, and
        for an S3 server that doesn't answer.
        """
        storage = cls(url, dict(options or {}), key)
        with storage.explained():
            filesystem, path = storage.open()
            check_answers(filesystem, key=key, url=url)
        return cls(path, storage.options, key) if _is_local(filesystem) else storage

    def open(self) -> tuple[Any, str]:
        """The filesystem, and the path in its own notation."""
        filesystem, path = fsspec.core.url_to_fs(self.url, **self.options)
        return filesystem, path.rstrip("/") or path

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what a filesystem raises into an `InputError` of one line that names the key."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{self.key}: {self.url}: {reason_of(error)}") from error

    def files(self) -> list[Entry]:
        """Every file of the directory (or matched by the glob, or the file itself), by path.

        A directory's files and folders whose names start with `_` or `.` are helpers of other
        tools and left out. Raises what the filesystem raises, `FileNotFoundError` for nothing.
        """
        filesystem, path = self.open()
        filesystem.invalidate_cache()
        if glob.has_magic(path) and not filesystem.exists(path):
            found = filesystem.glob(path, detail=True)
            if not found:
                filesystem.ls(_fixed_part(path), detail=False)  # raises if there is no such bucket
            root = _fixed_part(path)
        else:
            found = filesystem.find(path, detail=True)
            if not found:
                filesystem.info(path)  # raises where there is nothing at all
            root = path
        entries = [
            Entry(name, int(info["size"]), _version(info))
            for name, info in found.items()
            if info["type"] == "file" and not _is_hidden(name, root)
        ]
        return sorted(entries, key=lambda entry: entry.path)

    def relative(self, path: str) -> str:
        """The path of one of `files()`, as seen from the directory or the folder of the glob."""
        _, own = self.open()
        inner = path.removeprefix(_fixed_part(own)).strip("/")
        return inner or path.rpartition("/")[2]

    def names(self) -> list[str]:
        """What lies in the directory, by name; empty where there is no directory yet."""
        return sorted(self.sizes())

    def sizes(self) -> dict[str, int]:
        """The same with sizes in bytes, 0 for a folder."""
        filesystem, path = self.open()
        filesystem.invalidate_cache()
        try:
            found = filesystem.ls(path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            _check_bucket(filesystem, path)
            return {}
        filesystem.invalidate_cache()  # or it keeps the listing, however long
        return {
            entry["name"].rstrip("/").rpartition("/")[2]: int(entry.get("size") or 0)
            for entry in found
            if entry["name"].rstrip("/") != path  # the marker object of an empty S3 "folder"
        }

    def read(self, name: str) -> bytes:
        """The whole content of a file of the directory."""
        filesystem, path = self.open()
        return bytes(filesystem.cat_file(f"{path}/{name}"))

    def put(self, name: str, data: bytes) -> None:
        """Write a file of the directory so that its final name never shows half of it.

        Object stores publish a whole object or none. A local file is written below `_tmp`,
        flushed to the disk and renamed.
        """
        filesystem, path = self.open()
        if not _is_local(filesystem):
            filesystem.pipe_file(f"{path}/{name}", data)
            return
        with self.writer(name) as file:
            file.write(data)

    @contextmanager
    def writer(self, name: str) -> Iterator[Any]:
        """The same for what is too large to hold: a file open for writing.

        It takes its name when the block ends; when the block raises, there is no such file.
        """
        filesystem, path = self.open()
        if not _is_local(filesystem):
            remote = filesystem.open(f"{path}/{name}", "wb")
            try:
                yield remote
            except BaseException:
                remote.discard()
                remote.closed = True  # else it is finished after all when it is collected
                raise
            remote.close()
            return
        final = os.path.join(path, name)
        scratch = os.path.join(path, SCRATCH)
        for folder in (scratch, os.path.dirname(final)):
            os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(scratch, f"{uuid.uuid4().hex}.part")
        try:
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, final)
        except BaseException:
            if os.path.exists(temporary):
                os.remove(temporary)
            raise

    def below(self, name: str) -> "Storage":
        """A directory of the directory."""
        return Storage(f"{self.url.rstrip('/')}/{name}", self.options, self.key)

    def clear_scratch(self, older_than: float = 0.0) -> None:
        """Remove what killed writers left behind; with an age in seconds, not what others write."""
        filesystem, path = self.open()
        scratch = os.path.join(path, SCRATCH)
        if not _is_local(filesystem) or not os.path.isdir(scratch):
            return
        with suppress(FileNotFoundError):  # another job clears it, too
            for entry in os.scandir(scratch):
                if time.time() - entry.stat().st_mtime >= older_than:
                    os.remove(entry)
            if not older_than and not os.listdir(scratch):
                os.rmdir(scratch)


def apart(source: Storage, target: Storage) -> bool:
    """False where one of the two lies in the other, so that a job would read its own output."""
    source_filesystem, source_path = source.open()
    target_filesystem, target_path = target.open()
    if type(source_filesystem) is not type(target_filesystem):
        return True
    ends = ("endpoint_url", "client_kwargs", "host")
    if any(source.options.get(end) != target.options.get(end) for end in ends):
        return True
    outer = _real(source_filesystem, _fixed_part(source_path))
    inner = _real(target_filesystem, target_path)
    flat_glob = glob.has_magic(source_path) and "**" not in source_path
    reads_output = inner == outer if flat_glob else f"{inner}/".startswith(f"{outer}/")
    return not (reads_output or f"{outer}/".startswith(f"{inner}/"))


def _real(filesystem: Any, path: str) -> str:
    return os.path.realpath(path) if _is_local(filesystem) else path


def _is_local(filesystem: Any) -> bool:
    return isinstance(filesystem, LocalFileSystem)


def _fixed_part(path: str) -> str:
    """The leading folders of a glob that hold no wildcard."""
    parts = path.split("/")
    fixed = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return "/".join(parts[:fixed]) or "/"


def _is_hidden(path: str, root: str) -> bool:
    inner = path.removeprefix(root).strip("/")
    return any(part.startswith(("_", ".")) for part in inner.split("/"))


def _version(info: Mapping[str, Any]) -> str:
    """An ETag or checksum where the store has one, else the time of the last change."""
    for name in ("ETag", "etag", "md5Hash", "content_md5"):
        if info.get(name):
            return str(info[name]).strip('"')
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        if info.get(name):
            return str(info[name])
    return ""


def _check_bucket(filesystem: Any, path: str) -> None:
    """Tell "nothing there yet" from "no such bucket": the first is fine to write to."""
    bucket = path.partition("/")[0]
    if bucket and not filesystem.exists(bucket):
        raise FileNotFoundError("The specified bucket does not exist")


def reason_of(error: Exception) -> str:
    """What a person can act on, in one line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return "no such bucket" if "bucket" in text.lower() else "no such file or directory"
    if isinstance(error, PermissionError):
        return f"access denied ({text}); check the credentials and their rights"
    if name in {"NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError"}:
        return f"no credentials ({text}); set the usual variables, a profile, or storage_options"
    if name in {"EndpointConnectionError", "ConnectTimeoutError", "ConnectionRefusedError"}:
        return f"can't reach the storage ({text}); check storage_options.endpoint_url"
    return text or name
