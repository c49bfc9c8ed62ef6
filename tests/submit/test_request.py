"""What is sent with a job, and what is refused before anything is."""

import ast
import os
import shlex
import subprocess
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.config import CompressConfig
from compressor.errors import InputError
from compressor.schema import Section, UnreadableError, _section, load
from compressor.submit import probe
from compressor.submit.cluster import Cluster
from compressor.submit.confidential import check_names
from compressor.submit.follow import LogPrinter
from compressor.submit.luggage import own_digest, own_files, packed
from compressor.submit.preflight import MODULES
from compressor.submit.request import CONFIGURATION, make_request, submittable
from tests.jobs.test_command_line import SCHEMAS

ROOT = Path(__file__).parents[2]
PATHS = ("input.path=s3://bucket/in/", "output.path=s3://bucket/out/")
IMPORTED_AS = {"pyyaml": "yaml"}
WORDS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=4)


@settings(deadline=None, max_examples=60)
@given(WORDS, st.floats(0.01, 1))
def test_the_job_reads_the_configuration_that_was_checked_here(
    words: list[str], rate: float
) -> None:
    tokens = yaml.safe_dump(words, default_flow_style=True).strip()
    overrides = [*PATHS, f"compression.rate={rate!r}", f"compression.force_tokens={tokens}"]
    request = make_request("compress", overrides)
    assert request.configuration is not None
    there = CompressConfig.model_validate(yaml.safe_load(request.configuration))
    assert there.compression.force_tokens == words
    assert there.compression.rate == rate
    assert there == load(CompressConfig, None, [*overrides, "cluster.address=auto"])
    assert there.cluster.address == "auto"
    assert there.model_fields_set == {"input", "output", "compression", "cluster"}


@settings(deadline=None, max_examples=40)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_a_shell_gives_the_job_what_was_written(value: str) -> None:
    """With a configuration on object storage, the overrides are arguments of a shell command."""
    text = yaml.safe_dump([value], default_flow_style=True, width=10**6).strip()
    override = f"compression.force_tokens={text}"
    url = "s3://bucket/nightly.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("compressor.submit.request.load", _unreadable)
        request = make_request("refresh", ["--config", url, override, "--dry-run"])
    assert request.configuration is None
    assert "unreadable" in request.unchecked
    command = request.entrypoint.replace("python -m jobs.refresh", "printf '%s\\0'", 1)
    shown = subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout
    assert shown.decode().split("\0")[:-1] == [
        "--config",
        url,
        "--dry-run",
        override,
        "cluster.address=auto",
    ]


def _unreadable(*arguments: Any) -> Any:
    raise UnreadableError("unreadable from here")


def test_options_of_the_job_are_passed_on() -> None:
    request = make_request("refresh", [*PATHS, "--dry-run"])
    assert shlex.split(request.entrypoint) == [
        *("python", "-m", "jobs.refresh", "--config", CONFIGURATION, "--dry-run")
    ]
    request = make_request("inspect", ["-n", "7", "input.path=s3://bucket/in", "--both"])
    assert set(shlex.split(request.entrypoint)[5:]) == {"--records", "-n", "7", "--both"} - {
        "--records"
    }
    request = make_request("verify", ["s3://bucket/out"])
    assert request.configuration is not None
    assert yaml.safe_load(request.configuration)["output"] == {"path": "s3://bucket/out"}


def test_the_digest_is_that_of_job_and_configuration() -> None:
    same = [make_request("compress", PATHS).digest for _ in range(2)]
    other = make_request("compress", [*PATHS, "compression.rate=0.4"]).digest
    another = make_request("refresh", PATHS).digest
    assert len({*same, other, another}) == 3


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["input.storage_options.secret=planted-secret"], "input.storage_options.secret"),
        (["output.storage_options.key=planted-secret"], "output.storage_options.key"),
        (
            ["input.storage_options.client_kwargs={aws_session_token: planted-secret}"],
            "input.storage_options.client_kwargs.aws_session_token",
        ),
        (["input.path=ftp://me:planted-secret@host/in"], "input.path"),
        (["compression.protect=[planted-variable]"], "compression.protect"),
    ],
)
def test_a_secret_is_refused_by_its_key_alone(
    arguments: list[str], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-variable")
    with pytest.raises(InputError) as refused:
        make_request("compress", [*PATHS, *arguments])
    assert str(refused.value).startswith(f"{key}: holds a secret")
    assert "planted" not in str(refused.value)
    remote = ["--config", "s3://bucket/nightly.yaml", *arguments]
    with pytest.raises(InputError, match=f"^{key}: holds a secret") as refused:
        make_request("compress", remote)
    assert "planted" not in str(refused.value)


def test_what_is_no_secret_goes() -> None:
    harmless = [
        "input.storage_options.endpoint_url=http://minio:9000",
        "input.storage_options.profile=work",
        "output.storage_options.client_kwargs={region_name: eu-central-1}",
        "compression.target_tokens=50",
        "compression.force_tokens=[key, token, secret]",
    ]
    assert make_request("compress", [*PATHS, *harmless]).configuration is not None
    teacher = ["teacher.api_key_env=MY_KEY", "teacher.options.max_tokens=5", "teacher.model=m"]
    assert make_request("distill", [*PATHS, *teacher]).configuration is not None


@pytest.mark.parametrize("name", ["A=B", "", "1A", "A B"])
def test_a_secret_is_named_not_given(name: str) -> None:
    with pytest.raises(InputError, match="the name of an environment variable alone"):
        check_names(["AWS_PROFILE", name])


def test_mappings_of_the_user_are_called_options() -> None:
    """By that name they are searched for secrets, where they can hold text at all."""

    def mappings(schema: type[Section], prefix: str = "") -> list[str]:
        found = []
        for name, field in schema.model_fields.items():
            kinds = [field.annotation, *typing.get_args(field.annotation)]
            if any(_holds_text(kind) for kind in kinds):
                found.append(f"{prefix}{name}")
            elif (inner := _section(field.annotation)) is not None:
                found += mappings(inner, f"{prefix}{name}.")
        return found

    named = {key for schema in SCHEMAS.values() for key in mappings(schema)}
    assert "input.storage_options" in named
    assert all(key.endswith("options") for key in named), named


def _holds_text(kind: Any) -> bool:
    return typing.get_origin(kind) is dict and typing.get_args(kind)[1] in (str, Any)


@pytest.mark.parametrize(
    ("job", "argument"),
    [
        ("compress", "input.path=corpus/"),
        ("compress", "output.path=out"),
        ("compress", "model.name=./runs/mine"),
        ("compress", "model.name=jobs"),  # a folder here
        ("train", "data.also=[more.jsonl]"),
        ("distill", "teacher.instruction=./mine.txt"),
    ],
)
def test_a_path_of_this_machine_is_refused(
    job: str, argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    needed = {
        "train": ["data.path=s3://b/data", "output.path=s3://b/m", "output.work=s3://b/w"],
        "distill": [*PATHS, "teacher.model=m"],
    }.get(job, list(PATHS))
    key = argument.partition("=")[0]
    assert make_request(job, needed).mounted == []
    with pytest.raises(InputError, match=f"^{key}: .*a path of this machine"):
        make_request(job, [*needed, argument])


def test_an_absolute_path_may_be_one_that_all_nodes_have() -> None:
    request = make_request("compress", [PATHS[0], "output.path=/mnt/shared/out"])
    assert request.mounted == ["output.path"]


def test_the_modules_are_the_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [name.partition(">=")[0].partition("[")[0] for name in project["dependencies"]]
    assert set(MODULES) == {IMPORTED_AS.get(name, name) for name in names}


def test_the_probe_runs_on_an_old_python_without_anything() -> None:
    source = Path(probe.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 7))
    imported = {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    assert imported == {"hashlib", "importlib.util", "json", "os", "sys"}


def test_an_installed_copy_has_the_digest_of_the_checkout(tmp_path: Path) -> None:
    """Code that travels is found to be the same where it arrives."""
    request = make_request("compress", PATHS)
    assert request.uses_shipped_model
    with packed(request, code=True) as environment:
        (root,) = {str(Path(module).parent) for module in environment["py_modules"]}
        assert probe.digest(probe.package_files(root)) == own_digest()
        assert Path(root, "compressor/models/default/model.safetensors").exists()
        assert Path(root, "compressor/distill/instructions/two-level.txt").exists()
        shown = Path(environment["working_dir"], CONFIGURATION).read_text()
        assert shown == request.configuration
        Path(root, "jobs/compress.py").write_text("pass")
        assert probe.digest(probe.package_files(root)) != own_digest()
    assert not os.path.exists(root)
    other = make_request("compress", [*PATHS, "model.name=s3://bucket/model"])
    with packed(other, code=True) as environment:
        root = str(Path(environment["py_modules"][0]).parent)
        size = sum(path.stat().st_size for path in Path(root).rglob("*.*") if path.is_file())
    assert size < 5e6  # without the weights


def test_what_git_ignores_stays_here() -> None:
    ignored = ROOT / "compressor" / "build"  # .gitignore names `build/`
    ignored.mkdir(exist_ok=True)
    try:
        (ignored / "notes.txt").write_text("x")
        if not (ROOT / ".git").exists():
            pytest.skip("not a checkout")
        assert "compressor/build/notes.txt" in probe.package_files(str(ROOT))
        assert "compressor/build/notes.txt" not in own_files()
    finally:
        (ignored / "notes.txt").unlink()
        ignored.rmdir()


@given(st.lists(st.sampled_from(["a", "error: b", "", "ü c"]), max_size=8), st.data())
def test_a_log_is_printed_once_however_it_arrives(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(["setting up", "Running entrypoint for job x: y", *lines])
    printed: list[tuple[str, bool]] = []
    printer = LogPrinter(lambda line, is_error: printed.append((line, is_error)))
    for _ in range(data.draw(st.integers(0, 2))):  # connections that break
        fed = data.draw(st.integers(0, len(text)))
        half = data.draw(st.integers(0, fed))
        printer.feed(text[:half])
        printer.feed(text[half:fed])
        printer.rewind()
    printer.feed(text)
    printer.close()
    whole = lines[:-1] if lines and not lines[-1] else lines
    assert printed == [(line, line.startswith("error: ")) for line in whole]


def test_every_other_job_can_be_submitted() -> None:
    assert set(submittable()) == set(SCHEMAS) - {"submit"}


class Starting:
    """A client whose cluster takes jobs from the third time on."""

    def __init__(self) -> None:
        self.asked = 0

    def submit_job(self, **job: str) -> None:
        self.asked += 1
        if self.asked < 3:
            raise RuntimeError("status code 500: No available agent to submit job, try again later")
        if job["entrypoint"] == "bad":
            raise RuntimeError("status code 400: bad")


def test_a_cluster_that_has_just_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compressor.submit.cluster.START_POLL_SECONDS", 0.0)
    client = Starting()
    Cluster("http://127.0.0.1:1", client).send(entrypoint="good")
    assert client.asked == 3
    with pytest.raises(RuntimeError, match="400"):
        Cluster("http://127.0.0.1:1", client).send(entrypoint="bad")
    assert client.asked == 4
    monkeypatch.setattr("compressor.submit.cluster.START_SECONDS", -1.0)
    with pytest.raises(RuntimeError, match="No available agent"):
        Cluster("http://127.0.0.1:1", Starting()).send(entrypoint="good")
