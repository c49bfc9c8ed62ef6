"""The runbook says what is: its commands parse, its files and names exist, its overlay renders."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from compressor.cli import job_names
from compressor.config import CompressConfig
from compressor.schema import describe, load
from tests.infra.commands import of_runbook
from tests.infra.manifests import INFRA, OVERLAYS, ROOT, jobs, overlay, pods, render, run, tool
from tests.infra.strict import check

TEXT = (INFRA / "README.md").read_text(encoding="utf-8")
LINES = of_runbook()
PATHS = ["input.path=x", "output.path=y"]


def of(program: str, *first: str) -> list[list[str]]:
    """The words behind `program first ...` of the lines that begin so."""
    words = [shlex.split(line) for line in LINES]
    start = [program, *first]
    return [line[len(start) :] for line in words if line[: len(start)] == start]


def test_each_program_is_one_that_is_checked_here() -> None:
    programs = {line.split()[0] for line in LINES}
    assert programs == {"compressor", "docker", "eksctl", "helm", "kubectl", "ray"}


@pytest.mark.parametrize("words", of("compressor", "submit"), ids=" ".join)
def test_submit(words: list[str]) -> None:
    """Options are ones of `submit`, the rest is what the job takes."""
    from jobs.submit import main as submit

    action, *rest = words
    with click.Context(submit) as context:
        command = submit.get_command(context, action)
    assert command is not None
    with command.make_context(action, rest) as parsed:
        assert parsed.params["address"].startswith("http://")
        arguments = list(parsed.params.get("arguments", ()))
    if action in job_names():
        overrides = arguments[2:]
        assert arguments[0] == "--config"
        assert arguments[1].startswith("s3://BUCKET/") or (ROOT / arguments[1]).exists()
        load(CompressConfig, None, [*PATHS, *overrides])


def test_verify() -> None:
    (words,) = of("compressor", "verify")
    from jobs.verify import main as verify

    with verify.make_context("verify", words) as parsed:
        (path,) = parsed.params["overrides"]
    assert path == "s3://BUCKET/corpus-compressed/"


@pytest.mark.parametrize("words", of("ray"), ids=" ".join)
def test_ray(words: list[str]) -> None:
    from ray.scripts.scripts import cli

    command: click.Command = cli.commands[words[0]]
    with command.make_context(words[0], words[1:]) as parsed:
        assert (ROOT / parsed.params["cluster_config_file"]).exists()


def test_docker() -> None:
    (build,) = of("docker", "build")
    assert build[-1] == "."
    options = dict(zip(build[:-1:2], build[1:-1:2], strict=True))
    assert (ROOT / options["-f"]).exists()
    assert options["-t"].endswith(f"-{options['--target']}")
    assert of("docker", "push") == [[options["-t"]]]
    for words in of("docker", "compose"):
        assert words[0] == "-f"
        assert (ROOT / words[1]).exists()
    in_head = [words[4:] for words in of("docker", "compose") if words[2:4] == ["exec", "head"]]
    assert in_head == [["compressor", "compress", "--config", "/etc/compressor/compress.yaml"]]


def test_what_kubectl_names_exists() -> None:
    names = {
        f"{d['kind'].lower()}/{d['metadata']['name']}" for name in OVERLAYS for d in overlay(name)
    }
    # KubeRay calls the Job of the submitter as the RayJob.
    names |= {name.replace("rayjob/", "job/") for name in names if name.startswith("rayjob/")}
    for words in of("kubectl"):
        if "-k" in words:
            folder = ROOT / words[words.index("-k") + 1]
            assert folder.name == "mine"
            assert folder.parent == INFRA / "kubernetes" / "overlays"
            continue
        if words[:2] != ["-n", "compressor"]:
            continue
        kinds = r"(?:cronjob|rayjob|job)[/ ]compressor[\w-]*"
        for named in re.findall(kinds, " ".join(words)):
            assert named.replace(" ", "/") in names, words


def test_the_operator_has_one_version() -> None:
    versions = {words[words.index("--version") + 1] for words in of("helm") if "--version" in words}
    assert len(versions) == 1


def test_the_shell_is_sound(tmp_path: Path) -> None:
    block = tmp_path / "runbook.sh"
    block.write_text("#!/bin/sh\n" + "\n".join(LINES) + "\n")
    for script in (block, ROOT / ".ci" / "run"):
        done = run(tool("shellcheck"), script)
        assert done.returncode == 0, done.stdout
    block.write_text("#!/bin/sh\ncd $1\n")
    assert run(tool("shellcheck"), block).returncode != 0


@pytest.mark.parametrize("below", ["cpu", "gpu", "spot", "schedule", "raycronjob"])
def test_the_overlay_of_one_s_own_renders(below: str, tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    path, *_ = re.findall(r"^# (\S+)$", block, re.MULTILINE)
    source = yaml.safe_load(block)
    assert source["resources"] == ["../spot"]
    source["resources"] = [f"../{below}"]
    file = "refresh.yaml" if below in {"schedule", "raycronjob"} else "compress.yaml"
    source["configMapGenerator"][0]["files"] = [file]
    shutil.copytree(INFRA, tmp_path / "infra")
    mine = (tmp_path / path).parent
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(source))
    (mine / file).write_text("input:\n  path: s3://mine/\n")

    documents = render(mine)

    text = str(documents)
    assert "REGISTRY" not in text
    assert "ACCOUNT" not in text
    assert "BUCKET" not in text
    version = {c["image"].rpartition(":")[2].partition("-")[0] for c in all_containers(documents)}
    assert len(version) == 1
    for document in documents:
        if document["apiVersion"] != "ray.io/v1":
            check(document)
    (job,) = jobs(documents)
    assert job["entrypoint"].endswith(f"/etc/compressor/{file}")


def all_containers(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [c for _, template in pods(documents) for c in template["spec"]["containers"]]


def test_overlays_and_files_that_it_names_exist() -> None:
    table = TEXT[TEXT.index("| Overlay |") :].split("\n\n")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(OVERLAYS)
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert link.startswith("http") or (INFRA / link).exists(), link
    for service in re.findall(r"infra/[\w/.-]+", TEXT):
        assert "/mine" in service or (ROOT / service).exists(), service


def test_keys_that_it_names_exist() -> None:
    keys = {key for key, _, _ in describe(CompressConfig)}
    sections = {key.partition(".")[0] for key in keys}
    named = {
        found
        for found in re.findall(r"`(\w+\.\w+)[=`]", TEXT)
        if found.partition(".")[0] in sections
    }
    assert len(named) >= 6
    in_summary = {"model.ran_on"}
    assert named - in_summary <= keys
    for entry in re.findall(r"`(?:cluster\.)?((?:gpus|cpus)_per_replica)", TEXT):
        assert f"cluster.{entry}" in keys
