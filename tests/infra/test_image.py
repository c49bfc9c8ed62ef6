"""The Dockerfile: linted, made of what the project declares, and without what it must not hold."""

import fnmatch
import re
import shlex
import subprocess
import sys
import tomllib

import pytest

from tests.infra.manifests import INFRA, ROOT, run, tool

DOCKERFILE = INFRA / "docker" / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def stages() -> dict[str, tuple[str, str]]:
    """name -> (what it is from, its instructions with continued lines joined)."""
    text = re.sub(r"^\s*#.*\n", "", TEXT, flags=re.MULTILINE).replace("\\\n", " ")
    parts = re.split(r"^FROM (\S+) AS (\S+)\n", text, flags=re.MULTILINE)[1:]
    return {
        name: (source, body)
        for source, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


def test_it_passes_the_linter() -> None:
    done = run(tool("hadolint"), DOCKERFILE)
    assert done.returncode == 0, done.stdout


def test_the_linter_refuses(tmp_path: object) -> None:
    broken = TEXT.replace("python:3.11.14-slim-bookworm", "python:latest")
    done = subprocess.run(
        [tool("hadolint"), "-"], input=broken, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "DL3007" in done.stdout


def test_the_base_is_pinned_and_has_the_python_of_the_constraints() -> None:
    source, _ = stages()["base"]
    version = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-\w+", source)
    assert version
    header = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[0]
    assert f"Python {version[1]}," in header
    assert all(source in stages() for name, (source, _) in stages().items() if name != "base")


def test_the_requirements_are_those_of_the_project() -> None:
    """The very command of the image, run here."""
    _, body = stages()["requirements"]
    (script,) = re.findall(r'RUN python -c (".*?")\s+> requirements.txt', body)
    done = run(sys.executable, "-c", shlex.split(script)[0])
    assert done.returncode == 0, done.stderr
    extras = PROJECT["optional-dependencies"]
    expected = [*PROJECT["dependencies"], *extras["cluster"], *extras["tiktoken"]]
    assert done.stdout.splitlines() == expected
    assert any(line.startswith("ray[default]") for line in expected)  # what KubeRay probes


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_packages_are_pinned_and_the_last_stage_installs_none(target: str) -> None:
    _, packages = stages()[f"{target}-packages"]
    assert re.search(r"pip install .*--prefix=/packages .*-c constraints.txt", packages)
    assert ("download.pytorch.org/whl/cpu" in packages) == (target == "cpu")
    source, last = stages()[target]
    assert source == "runtime"
    assert f"COPY --from={target}-packages /packages /usr/local" in last
    assert "COPY --from=code /code /usr/local" in last
    assert re.search(r"^USER \d+:\d+$", last, re.MULTILINE)
    assert last.rindex("USER") > last.rindex("COPY")
    for name in ("base", "runtime", target):
        assert not re.search(r"pip install|build-essential|gcc|ENTRYPOINT", stages()[name][1])


def test_the_context_is_the_package_and_nothing_else() -> None:
    """Also what git doesn't know: environments, data, keys in a checkout stay out."""
    rules = [
        line
        for line in (INFRA / "docker" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    let_in = {line[1:] for line in rules if line.startswith("!")}
    copied = {
        word
        for _, body in stages().values()
        for line in re.findall(r"^COPY (?!--from)(.*)$", body, re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert let_in == copied
    assert all((ROOT / name).exists() for name in let_in)


def test_the_weights_are_package_data() -> None:
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = tables["tool"]["setuptools"]["package-data"]["*"]
    shipped = [path.name for path in (ROOT / "compressor" / "models" / "default").iterdir()]
    assert "model.safetensors" in shipped
    for name in shipped:
        assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns), name


def test_the_console_command_is_the_project_s() -> None:
    assert PROJECT["scripts"] == {"compressor": "compressor.cli:main"}
    assert 'CMD ["compressor", "--help"]' in TEXT
