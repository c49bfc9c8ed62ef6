"""From a model's name to a local folder, and the digest of what lies there.

Names: "default" (shipped with the package), a local directory, a directory on any fsspec
filesystem (s3://...), or a Hugging Face hub id.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from compressor.errors import InputError

DEFAULT = Path(__file__).with_name("default")
_WEIGHTS = ["*.safetensors", "*.safetensors.index.json"]
_TOKENIZER = ["*.json", "*.txt", "*.model"]
_CACHE = "COMPRESSOR_CACHE"


def resolve(name: str, storage_options: dict[str, Any] | None = None) -> Path:
    """The local folder of a model; remote ones are fetched once. Raises `InputError`."""
    return _resolve(name, _WEIGHTS + _TOKENIZER, storage_options)


def resolve_tokenizer(name: str, storage_options: dict[str, Any] | None = None) -> Path:
    """The same for a tokenizer, without any weights."""
    return _resolve(name, _TOKENIZER, storage_options)


def digest(folder: Path) -> str:
    """SHA-256 over names and bytes of the files that decide a model's output."""
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".safetensors", ".json", ".txt", ".model"}:
            total.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def _resolve(name: str, patterns: list[str], storage_options: dict[str, Any] | None) -> Path:
    if name == "default":
        if not (DEFAULT / "config.json").exists():
            raise InputError("model default: the shipped weights are missing; reinstall compressor")
        return DEFAULT
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if "://" in name:
        return _from_storage(name, patterns, storage_options or {})
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise InputError(f"model {name}: no such directory")
    return _from_hub(name, patterns)


def _from_hub(name: str, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except HFValidationError:
        raise InputError(f"model {name}: neither a directory nor a hub id") from None
    except LocalEntryNotFoundError:
        raise InputError(f"model {name}: no such directory, and the hub can't be reached") from None
    except Exception as error:  # what the hub raises differs by its transport
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"model {name}: the hub doesn't give it: {reason}") from None


def _from_storage(url: str, patterns: list[str], storage_options: dict[str, Any]) -> Path:
    """Fetch a remote folder into the cache, whole or not at all."""
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url, **storage_options)
        files = list(filesystem.find(path, maxdepth=1, detail=True).values())
    except Exception as error:
        raise InputError(f"model {url}: can't be read: {error}") from None
    wanted = [f for f in files if any(Path(f["name"]).match(pattern) for pattern in patterns)]
    if not wanted:
        raise InputError(f"model {url}: no model files there")
    identity = repr(
        sorted((f["name"], f["size"], str(f.get("ETag", f.get("mtime")))) for f in wanted)
    )
    target = _cache() / hashlib.sha256(f"{url}\0{identity}".encode()).hexdigest()[:24]
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        for file in wanted:
            filesystem.get_file(file["name"], str(Path(scratch) / Path(file["name"]).name))
        try:
            shutil.copytree(scratch, f"{scratch}.whole")
            os.rename(f"{scratch}.whole", target)
        except OSError:
            shutil.rmtree(f"{scratch}.whole", ignore_errors=True)
            if not target.is_dir():  # another process may have been quicker
                raise
    return target


def _cache() -> Path:
    default = Path.home() / ".cache" / "compressor"
    return Path(os.environ.get(_CACHE, default)) / "models"
