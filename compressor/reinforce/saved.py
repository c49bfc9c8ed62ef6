"""A finished policy as a directory: its weights, and all that decides what it makes of shots.

`policy.safetensors` and `policy.json`; the encoder, the compressor and the judge's tokenizer are
named there, not copied. Of the encoder and the compressor that it learnt from it holds the digests,
and some numbers of an embedding, by which the same encoder in other files is known again. "default"
is the shipped one.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch

from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.models.digest import digest
from compressor.models.resolve import resolve
from compressor.reinforce.policy import Policy
from compressor.train.optimiser import Weights

WEIGHTS, SETTINGS = "policy.safetensors", "policy.json"
DEFAULT = Path(__file__).with_name("default")


@dataclass(frozen=True)
class Description:
    """encoder, compressor, tokenizer: names; digest, probe: of the encoder, see `Encoder.probe`;
    width: its D; threshold: words are kept from this probability on; metrics: held-out figures;
    compressor_digest: "" where none takes part, or the policy is of an earlier version.
    """

    encoder: str
    digest: str
    compressor: str | None
    tokenizer: str
    width: int
    stages: list[str]
    threshold: float
    metrics: dict[str, float]
    probe: list[float] = field(default_factory=list)
    compressor_digest: str = ""


def compressor_digest(name: str | None) -> str:
    """Of the compressor that takes part, "" without one; `InputError` where it isn't there."""
    return digest(resolve(name)) if name else ""


def save_policy(weights: Weights, about: Description, folder: Storage) -> None:
    """Write both files, the description last: it says that the policy is there."""
    plain = {name: value.cpu().contiguous() for name, value in weights.items()}
    with folder.explained():
        folder.put(WEIGHTS, safetensors.torch.save(plain))
        folder.put(SETTINGS, json.dumps(asdict(about), indent=2).encode() + b"\n")
        folder.clear_scratch()


def load_policy(
    path: str, storage_options: dict[str, Any] | None = None, *, key: str
) -> tuple[Policy, Description]:
    """Read it; raises `InputError` that names `key` where there is none."""
    folder = _folder(path, storage_options, key)
    try:
        about = Description(**json.loads(folder.read(SETTINGS)))
        policy = Policy(about.width)
        policy.load_state_dict(safetensors.torch.load(folder.read(WEIGHTS)))
    except Exception as error:  # storage, JSON and safetensors each raise their own kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{key}: {path}: no policy there ({type(error).__name__}: {reason}); "
            "give the output.path of the job reinforce"
        ) from None
    return policy.eval().requires_grad_(False), about


def policy_digest(path: str, storage_options: dict[str, Any] | None = None, *, key: str) -> str:
    """SHA-256 of both files. Raises `InputError` where they can't be read."""
    import hashlib

    folder = _folder(path, storage_options, key)
    with folder.explained():
        parts = [folder.read(SETTINGS), folder.read(WEIGHTS)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _folder(path: str, storage_options: dict[str, Any] | None, key: str) -> Storage:
    if path == "default":
        return Storage.at(str(DEFAULT), key=key)
    return Storage.at(path, storage_options, key=key)
