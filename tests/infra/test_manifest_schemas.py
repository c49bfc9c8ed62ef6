"""Every manifest is what its schema says, unknown fields refused; and the check can fail."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.infra.manifests import OVERLAYS, Document, jobs, overlay, pods
from tests.infra.strict import Refused, check, check_pod

Change = Callable[[Document], Any]


def unique(documents: list[Document]) -> list[Document]:
    """Overlays share most of what they render."""
    return [json.loads(text) for text in sorted({json.dumps(d, sort_keys=True) for d in documents})]


def everything() -> list[Document]:
    return [document for name in OVERLAYS for document in overlay(name)]


def ray(name: str) -> list[Document]:
    return [document for document in overlay(name) if document["apiVersion"] == "ray.io/v1"]


def test_kinds_of_kubernetes() -> None:
    documents = [d for d in unique(everything()) if d["apiVersion"] != "ray.io/v1"]
    assert {d["kind"] for d in documents} >= {"CronJob", "NetworkPolicy", "Role", "ConfigMap"}
    for document in documents:
        check(document)


def test_pod_templates() -> None:
    templates = unique([template for _, template in pods(everything())])
    assert len(templates) >= 6
    for template in templates:
        check_pod(template)


@pytest.mark.parametrize("name", OVERLAYS)
def test_kinds_of_kuberay(name: str) -> None:
    documents = ray(name)
    assert len(documents) == 1
    check(documents[0])


def first_pod(spec: Document) -> Document:
    pod: Document = spec["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]
    return pod


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda job: job.update(entryPoint="x"), "entryPoint"),
        (lambda job: job.update(backoffLimit="1"), "backoffLimit"),
        (lambda job: job["rayClusterSpec"].pop("headGroupSpec"), "headGroupSpec"),
        (lambda job: job["rayClusterSpec"]["authOptions"].update(mode="tokens"), "tokens"),
        (lambda job: job["rayClusterSpec"]["workerGroupSpecs"][0].update(max=8), "max"),
        (lambda job: first_pod(job)["containers"][0].update(imagePolicy="Always"), "imagePolicy"),
        (lambda job: first_pod(job).update(terminationGracePeriodSeconds="1m"), "1m"),
        (lambda job: job.update(ttlSecondsAfterFinish=1), "ttlSecondsAfterFinish"),
    ],
)
@pytest.mark.parametrize("name", ["spot", "raycronjob"])
def test_a_broken_rayjob_is_refused(name: str, change: Change, said: str) -> None:
    (document,) = copy.deepcopy(ray(name))
    (job,) = jobs([document])
    change(job)
    with pytest.raises(Refused, match=said):
        check(document)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda pod: pod["containers"][0].update(securityContexts={}), "securityContexts"),
        (lambda pod: pod["securityContext"].update(runAsUser="ray"), "ray"),
        (lambda pod: pod["containers"][0].pop("name"), "name"),
        (lambda pod: pod.update(tolerations={}), "tolerations"),
    ],
)
def test_a_broken_pod_is_refused(change: Change, said: str) -> None:
    template = copy.deepcopy(next(pods(overlay("spot")))[1])
    change(template["spec"])
    with pytest.raises(Refused, match=said):
        check_pod(template)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("CronJob", lambda d: d["spec"].update(concurrency="Forbid"), "concurrency"),
        ("CronJob", lambda d: d["spec"].update(startingDeadlineSeconds="1h"), "1h"),
        ("NetworkPolicy", lambda d: d["spec"].update(egres=[]), "egres"),
        ("Role", lambda d: d["rules"][0].update(verb=["get"]), "verb"),
    ],
)
def test_a_broken_document_is_refused(kind: str, change: Change, said: str) -> None:
    (document,) = (copy.deepcopy(d) for d in overlay("schedule") if d["kind"] == kind)
    change(document)
    with pytest.raises(Refused, match=said):
        check(document)


def test_an_unknown_field_is_refused_wherever_it_stands() -> None:
    """Except in the maps whose keys are the user's."""
    (document,) = copy.deepcopy(ray("spot"))
    free = {"labels", "annotations", "rayStartParams", "requests", "limits", "nodeSelector"}
    tried = 0
    for path, part in objects(document, ()):
        if path and path[-1] in free:
            continue
        part["unknownField"] = 1
        with pytest.raises(Refused, match="unknownField"):
            check(document)
        del part["unknownField"]
        tried += 1
    assert tried > 80
    check(document)


def objects(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Document]]:
    if isinstance(value, dict):
        yield path, value
        for name, inner in list(value.items()):
            yield from objects(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from objects(inner, (*path, number))
