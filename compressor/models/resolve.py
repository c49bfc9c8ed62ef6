"""From a model's name to a local folder with what lies there.

Names: "default" (shipped with the package), a local directory, a directory on any fsspec
filesystem (s3://...), or a Hugging Face hub id. What is remote is fetched once a node, and what
runs on several nodes asks for the content that was planned with, by its digest.
"""

from pathlib import Path
from typing import Any

from compressor.errors import InputError, JobError
from compressor.models.digest import digest
from compressor.models.fetch import fetch, kept

__all__ = ["DEFAULT", "absolute", "digest", "resolve", "resolve_tokenizer"]

DEFAULT = Path(__file__).with_name("default")
_WEIGHTS = ["*.safetensors", "*.safetensors.index.json"]
_TOKENIZER = ["*.json", "*.txt", "*.model"]


def resolve(
    name: str, storage_options: dict[str, Any] | None = None, *, expected: str | None = None
) -> Path:
    """The local folder of a model; remote ones are fetched once a node. Raises `InputError`.

    `expected` is the digest that its files must have; raises `JobError` where they have another.
    """
    patterns = _WEIGHTS + _TOKENIZER
    if expected is None:
        return _resolve(name, patterns, storage_options)
    if "://" in name and (folder := kept(expected)) is not None:
        return folder
    folder = _resolve(name, patterns, storage_options)
    if (found := digest(folder)) != expected:
        raise JobError(
            f"model {name}: is another one here than where the job was planned (digest "
            f"{found[:12]} instead of {expected[:12]}): it has changed, or a node has an old copy; "
            "nothing was mixed, run again"
        )
    return folder


def absolute(name: str | None) -> str | None:
    """A local file or directory by its full path, which other processes find; other names as they
    are.
    """
    path = Path(name or "").expanduser()
    return str(path.resolve()) if name and name != "default" and path.exists() else name


def resolve_tokenizer(name: str, storage_options: dict[str, Any] | None = None) -> Path:
    """The same for a tokenizer, without any weights."""
    return _resolve(name, _TOKENIZER, storage_options)


def _resolve(name: str, patterns: list[str], storage_options: dict[str, Any] | None) -> Path:
    if name == "default":
        if not (DEFAULT / "config.json").exists():
            raise InputError("model default: the shipped weights are missing; reinstall compressor")
        return DEFAULT
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if "://" in name:
        return fetch(name, patterns, storage_options or {})
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
