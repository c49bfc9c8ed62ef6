"""The component that has Prometheus scrape a cluster, in an overlay of one's own."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.manifests import INFRA, Document, pods, render
from tests.infra.strict import check

METRICS = {"name": "metrics", "containerPort": 8080}  # KubeRay's, where a container names none
OPERATORS = {"Exists": lambda labels, key: key in labels}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """An overlay as the comment in the component says."""
    folder = tmp_path_factory.mktemp("mine")
    shutil.copytree(INFRA, folder / "infra")
    mine: Path = folder / "infra" / "kubernetes" / "overlays" / "mine"
    mine.mkdir()
    comment = (INFRA / "kubernetes/components/monitoring/kustomization.yaml").read_text("utf-8")
    assert "components: [../../components/monitoring]" in comment
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "compressor",
        "resources": ["../gpu"],
        "components": ["../../components/monitoring"],
    }
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return render(mine)


def one(documents: list[Document], kind: str, name: str) -> Any:
    (found,) = (d for d in documents if (d["kind"], d["metadata"]["name"]) == (kind, name))
    return found


def selects(selector: Document, labels: Document) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(
        OPERATORS[one["operator"]](labels, one["key"])
        for one in selector.get("matchExpressions", [])
    )


def test_all_pods_of_the_ray_cluster_are_scraped_and_the_submitter_is_not(
    documents: list[Document],
) -> None:
    monitor = one(documents, "PodMonitor", "compressor")
    assert monitor["metadata"]["namespace"] == "compressor"
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == METRICS["name"]
    seen = {}
    for where, template in pods(documents):
        labels = dict(template["metadata"]["labels"])
        if where != "submitter":
            labels["ray.io/node-type"] = where.split()[0].removesuffix("s")  # KubeRay does
        seen[where] = selects(monitor["spec"]["selector"], labels)
    assert seen == {"submitter": False, "head": True, "workers workers": True}


def test_prometheus_reaches_the_port_of_the_metrics_and_no_other(documents: list[Document]) -> None:
    policy = one(documents, "NetworkPolicy", "compressor-metrics")
    check(policy)
    (rule,) = policy["spec"]["ingress"]
    assert [port["port"] for port in rule["ports"]] == [METRICS["containerPort"]]
    (peer,) = rule["from"]
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}
    for _, template in pods(documents):
        assert selects(policy["spec"]["podSelector"], template["metadata"]["labels"])
