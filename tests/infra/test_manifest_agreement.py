"""What no schema knows: names, images, mounts, versions that must agree, and what pods may do."""

import re
import tomllib
from typing import Any

import pytest

from tests.infra.manifests import INFRA, OVERLAYS, ROOT, Document, jobs, overlay, pods

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PODS = [(name, where, template) for name in OVERLAYS for where, template in pods(overlay(name))]
DOCKERFILE = (INFRA / "docker" / "Dockerfile").read_text(encoding="utf-8")


def pinned(package: str) -> str:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (version,) = re.findall(rf"^{package}==(\S+)$", text, re.MULTILINE)
    return str(version)


def named(name: str, kind: str) -> set[str]:
    return {d["metadata"]["name"] for d in overlay(name) if d["kind"] == kind}


def containers(template: Document) -> list[Document]:
    found: list[Document] = template["spec"]["containers"]
    return found


def test_all_overlays_are_there() -> None:
    assert set(OVERLAYS) == {"cpu", "gpu", "spot", "refresh", "schedule", "raycronjob"}
    wheres = {where for _, where, _ in PODS}
    assert wheres == {"submitter", "head", "workers workers", "CronJob"}


def test_images_are_pinned_to_the_project_s_version() -> None:
    images = {c["image"] for _, _, template in PODS for c in containers(template)}
    version = PROJECT["version"]
    assert images == {f"REGISTRY/compressor:{version}-{target}" for target in ("cpu", "cuda")}
    assert set(re.findall(r"^FROM runtime AS (\w+)", DOCKERFILE, re.MULTILINE)) == {"cpu", "cuda"}
    for path in (*INFRA.rglob("*.yaml"), INFRA / "docker" / "Dockerfile", INFRA / "README.md"):
        for tag in re.findall(r"compressor:(\d\S*?)-(?:cpu|cuda)", path.read_text("utf-8")):
            assert tag == version, path


@pytest.mark.parametrize("name", OVERLAYS)
def test_images_of_a_cluster_are_one(name: str) -> None:
    """Ray wants the same packages on all nodes; GPU workers want CUDA."""
    for job in jobs(overlay(name)):
        images = {
            c["image"] for _, t in pods([{"kind": "RayJob", "spec": job}]) for c in containers(t)
        }
        (image,) = images
        (group,) = job["rayClusterSpec"]["workerGroupSpecs"]
        gpus = group["template"]["spec"]["containers"][0]["resources"]["limits"].get(
            "nvidia.com/gpu"
        )
        assert image.endswith("-cuda") == bool(gpus)
        assert bool(gpus) == (name != "cpu")


@pytest.mark.parametrize("name", OVERLAYS)
def test_ray_is_the_one_of_the_image(name: str) -> None:
    for job in jobs(overlay(name)):
        assert job["rayClusterSpec"]["rayVersion"] == pinned("ray")


@pytest.mark.parametrize(("name", "where", "template"), PODS)
def test_pods_are_restricted(name: str, where: str, template: Document) -> None:
    """The Pod Security Standard "restricted", which the namespace enforces, and read-only roots."""
    spec = template["spec"]
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == int(re.findall(r"^USER (\d+)", DOCKERFILE, re.MULTILINE)[0])
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec)
    assert all({"emptyDir", "configMap"} & set(volume) for volume in spec["volumes"])
    for container in containers(template):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        resources = container["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"])
        assert "memory" in resources["limits"]
    assert spec.get("terminationGracePeriodSeconds", 30) >= 30


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_autoscaler_beside_the_head_is_restricted_too(name: str) -> None:
    for job in jobs(overlay(name)):
        options = job["rayClusterSpec"]["autoscalerOptions"]
        head = containers(job["rayClusterSpec"]["headGroupSpec"]["template"])[0]
        assert options["securityContext"] == head["securityContext"]
        mounted = {mount["name"] for mount in head["volumeMounts"]}
        assert {mount["name"] for mount in options["volumeMounts"]} <= mounted


def test_the_namespace_enforces_it() -> None:
    (namespace,) = (d for d in overlay("cpu") if d["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name in OVERLAYS:
        rest = [d for d in overlay(name) if d["kind"] != "Namespace"]
        assert {d["metadata"]["namespace"] for d in rest} == {namespace["metadata"]["name"]}


@pytest.mark.parametrize(("name", "where", "template"), PODS)
def test_what_is_mounted_and_named_exists(name: str, where: str, template: Document) -> None:
    spec = template["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for container in containers(template):
        mounts = container["volumeMounts"]
        assert {mount["name"] for mount in mounts} == set(volumes)
        paths = [mount["mountPath"] for mount in mounts]
        assert len(set(paths)) == len(paths)
    for volume in volumes.values():
        if "configMap" in volume:
            assert volume["configMap"]["name"] in named(name, "ConfigMap")
    accounts = named(name, "ServiceAccount")
    assert (spec.get("serviceAccountName") in accounts) == (where != "submitter")


@pytest.mark.parametrize(("name", "where", "template"), PODS)
def test_only_who_needs_the_api_server_gets_a_token(
    name: str, where: str, template: Document
) -> None:
    """The head's autoscaler asks for nodes, and the CronJob starts runs."""
    mounts = template["spec"].get("automountServiceAccountToken", True)
    assert mounts == (where in {"head", "CronJob"})


@pytest.mark.parametrize(("name", "where", "template"), PODS)
def test_the_network_policy_is_for_every_pod(name: str, where: str, template: Document) -> None:
    (policy,) = (d["spec"] for d in overlay(name) if d["kind"] == "NetworkPolicy")
    labels = template["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    reached = [p["port"] for rule in policy["egress"] for p in rule.get("ports", [])]
    assert set(reached) == {53, 443, 6443}  # not 80: the node's metadata service


@pytest.mark.parametrize("name", OVERLAYS)
def test_home_is_a_volume(name: str) -> None:
    """Roots are read-only, and Ray and the weights' cache write below HOME and /tmp."""
    (home,) = re.findall(r"^WORKDIR (/home/\S+)", DOCKERFILE, re.MULTILINE)
    for job in jobs(overlay(name)):
        for _, template in pods([{"kind": "RayJob", "spec": job}]):
            paths = {mount["mountPath"] for mount in containers(template)[0]["volumeMounts"]}
            assert {home, "/tmp"} <= paths


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_run_ends(name: str) -> None:
    for job in jobs(overlay(name)):
        assert job["shutdownAfterJobFinishes"] is True  # KubeRay wants it for suspended ones, too
        assert job["activeDeadlineSeconds"] > 0
        assert job["preRunningDeadlineSeconds"] < job["activeDeadlineSeconds"]
        assert job["ttlSecondsAfterFinished"] <= 3600
        assert job["backoffLimit"] <= 3


@pytest.mark.parametrize("name", ["spot", "refresh", "schedule", "raycronjob"])
def test_only_workers_are_on_spot_nodes(name: str) -> None:
    (job,) = jobs(overlay(name))
    templates = dict(pods([{"kind": "RayJob", "spec": job}]))
    wanted = spot_labels(templates["workers workers"], "In")
    assert len(wanted) == 4
    assert spot_labels(templates["head"], "NotIn") == wanted
    assert spot_labels(templates["submitter"], "NotIn") == wanted


def spot_labels(template: Document, operator: str) -> set[tuple[str, str]]:
    affinity: Any = template["spec"]["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    # Terms are alternatives, the expressions of one all hold: one each for In, one for NotIn.
    expressions = [expression for term in terms for expression in term["matchExpressions"]]
    assert len(terms) == (len(expressions) if operator == "In" else 1)
    assert {expression["operator"] for expression in expressions} == {operator}
    return {(e["key"], *e["values"]) for e in expressions}


def test_the_cronjob_starts_what_is_there_and_may_do_so() -> None:
    documents = overlay("schedule")
    (cron,) = (d for d in documents if d["kind"] == "CronJob")
    (template,) = (d for d in documents if d["kind"] == "RayJob")
    (role,) = (d for d in documents if d["kind"] == "Role")
    (binding,) = (d for d in documents if d["kind"] == "RoleBinding")
    assert template["spec"]["suspend"] is True
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    spec = cron["spec"]["jobTemplate"]["spec"]
    pod = spec["template"]["spec"]
    program, script, source, run = pod["containers"][0]["command"]
    assert program == "python"
    assert script == "/etc/schedule/start.py"
    assert source == template["metadata"]["name"]
    (volume,) = pod["volumes"]
    (held,) = (
        d["data"]
        for d in documents
        if d["kind"] == "ConfigMap" and d["metadata"]["name"] == volume["configMap"]["name"]
    )
    assert set(held) == {"start.py"}
    attempts = template["spec"]["backoffLimit"] + 1
    assert spec["activeDeadlineSeconds"] >= attempts * template["spec"]["activeDeadlineSeconds"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"][0]["name"] == pod["serviceAccountName"]
    allowed = {
        (verb, name)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", ["*"])
    }
    assert allowed == {("get", source), ("get", run), ("delete", run), ("create", "*")}
    assert {(*r["apiGroups"], *r["resources"]) for r in role["rules"]} == {("ray.io", "rayjobs")}


def test_the_raycronjob_has_the_same_job_and_nothing_else_runs() -> None:
    (cron,) = (d for d in overlay("raycronjob") if d["apiVersion"] == "ray.io/v1")
    (job,) = (d for d in overlay("refresh") if d["kind"] == "RayJob")
    assert cron["kind"] == "RayCronJob"
    assert cron["spec"]["jobTemplate"] == job["spec"]


def test_no_secret_is_in_a_manifest() -> None:
    for name in OVERLAYS:
        assert "Secret" not in {d["kind"] for d in overlay(name)}
    for _, _, template in PODS:
        for container in containers(template):
            assert "env" not in container
            assert "envFrom" not in container
