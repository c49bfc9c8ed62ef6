"""What a cluster has: this file is sent to it and runs on its head node, before the job.

`python probe.py QUESTION` prints one line of JSON. It stands alone, on the standard library of any
Python 3.7, because what it looks for may be missing there. The client uses it, too, to know its own
package.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys

MARK = "compressor-probe "
PACKAGES = ("compressor", "jobs")
SUFFIXES = (".py", ".json", ".md", ".safetensors", ".txt", ".yaml")


def package_files(root: str) -> dict[str, str]:
    """Every file of the package below `root`, by its name there: code, texts and weights."""
    found = {}
    for package in PACKAGES:
        for folder, inner, files in os.walk(os.path.join(root, package), followlinks=True):
            inner[:] = [name for name in inner if not name.startswith((".", "__pycache__"))]
            for name in files:
                path = os.path.join(folder, name)
                if name.endswith(SUFFIXES) and not name.startswith("."):
                    found[os.path.relpath(path, root).replace(os.sep, "/")] = path
    return found


def digest(files: dict[str, str]) -> str:
    """SHA-256 over names and bytes."""
    total = hashlib.sha256()
    for name in sorted(files):
        inner = hashlib.sha256()
        with open(files[name], "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                inner.update(block)
        total.update(f"{name}\0{inner.hexdigest()}\n".encode())
    return total.hexdigest()


def answer(question: dict[str, list[str]]) -> dict[str, object]:
    """Which `modules` and environment variables (`secrets`) are not there, and what is."""
    package = importlib.util.find_spec("compressor")
    root = os.path.dirname(os.path.dirname(package.origin)) if package and package.origin else None
    return {
        "executable": sys.executable,
        "python": "{}.{}".format(*sys.version_info[:2]),
        "package": digest(package_files(root)) if root else None,
        "modules": [name for name in question["modules"] if not importlib.util.find_spec(name)],
        "secrets": [name for name in question["secrets"] if not os.environ.get(name)],
    }


if __name__ == "__main__":
    print(MARK + json.dumps(answer(json.loads(sys.argv[1]))), flush=True)
