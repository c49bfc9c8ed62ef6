"""What travels with a job: its configuration, and the package where the cluster has another one.

A cluster whose nodes have this very package installed (same code, same weights, by digest) is sent
the configuration alone. Else the code goes along and takes precedence there, with the shipped
weights where the job may use them: about 50 MB, which the cluster keeps by their digest, so that
they travel once.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import compressor
from compressor.errors import InputError
from compressor.submit.probe import PACKAGES, digest, package_files
from compressor.submit.request import CONFIGURATION, Request

MOST_BYTES = 256 * 2**20  # half of what Ray takes; the head node holds it in memory
STOP_SECONDS = "30"  # between SIGTERM and SIGKILL; Ray's 3 s are too few to let go of a cluster
WEIGHTS = ".safetensors"


def own_files() -> dict[str, str]:
    """The files of this package: in a checkout without those that git ignores."""
    root = Path(compressor.__file__).parents[1]
    files = package_files(str(root))
    for name in _ignored(root):
        files.pop(name, None)
    return files


def own_digest() -> str:
    """What a cluster's package is compared with."""
    return digest(own_files())


@contextmanager
def packed(request: Request, *, code: bool) -> Iterator[dict[str, Any]]:
    """The runtime environment of a request, its folders on disk while the block lasts.

    Raises `InputError` where there is more than a cluster takes.
    """
    environment: dict[str, Any] = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": STOP_SECONDS}}
    with TemporaryDirectory(prefix="compressor-submit-") as scratch:
        if request.configuration is not None:
            folder = Path(scratch, "job")
            folder.mkdir()
            folder.joinpath(CONFIGURATION).write_text(request.configuration, encoding="utf-8")
            environment["working_dir"] = str(folder)
        if code:
            _copy_package(scratch, weights=request.uses_shipped_model)
            environment["py_modules"] = [str(Path(scratch, name)) for name in PACKAGES]
        yield environment


def _copy_package(scratch: str, *, weights: bool) -> None:
    files = {
        name: path for name, path in own_files().items() if weights or not name.endswith(WEIGHTS)
    }
    size = sum(os.path.getsize(path) for path in files.values())
    if size > MOST_BYTES:
        largest = max(files, key=lambda name: os.path.getsize(files[name]))
        raise InputError(
            f"the package has {size / 2**20:,.0f} MiB, of which {MOST_BYTES / 2**20:,.0f} can "
            f"travel (the largest file is {largest}); install it on the cluster's nodes instead"
        )
    for name, path in files.items():
        target = Path(scratch, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _ignored(root: Path) -> list[str]:
    """What git ignores of the packages; nothing where this is no checkout."""
    if not (root / ".git").exists():
        return []
    command = ["git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard", *PACKAGES]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git here
        return []
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
