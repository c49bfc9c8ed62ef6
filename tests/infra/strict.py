"""Strict validation: kinds of Kubernetes by its own schemas, KubeRay's by their definitions.

Either way a field that the schema doesn't know is refused, as `kubectl apply` refuses it. KubeRay's
definitions aren't part of this repository: the folder that COMPRESSOR_SCHEMAS names, else
../shared/schemas, holds them as `ray.io_<plural>.yaml.gz`.
"""

import copy
import functools
import gzip
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.infra.manifests import ROOT, Document

SCHEMAS = Path(os.environ.get("COMPRESSOR_SCHEMAS", ROOT.parent / "shared" / "schemas"))
KUBERNETES = ("1.31", "1.37")  # the oldest and the newest that we promise


class Refused(ValueError):
    """The document isn't what its kind's schema says."""


def check(document: Document) -> None:
    """Raise `Refused` where the API server would refuse `document`."""
    if document["apiVersion"] == "ray.io/v1":
        _check_ray(document)
    else:
        _check_built_in(document)


def check_pod(template: Document) -> None:
    """The same for a pod template: a RayJob's own definition describes it only roughly."""
    named = {**template, "metadata": template.get("metadata", {})}
    _check_built_in(
        {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": named}
    )


def _check_built_in(document: Document) -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="the extra `infra` is not installed"
    )
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise Refused(f"{'.'.join(map(str, error.path))}: {error.message}") from None


def _check_ray(document: Document) -> None:
    schema = _definition(document["kind"])
    filled = copy.deepcopy(document)
    _fill(filled, schema)
    error = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema).iter_errors(filled)
    )
    if error is not None:
        raise Refused(f"{'.'.join(map(str, error.path))}: {error.message}")


@functools.cache
def _definition(kind: str) -> dict[str, Any]:
    path = SCHEMAS / f"ray.io_{kind.lower()}s.yaml.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there: KubeRay's definitions are not in this repository")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        definition = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    (schema,) = (
        version["schema"]["openAPIV3Schema"]
        for version in definition["spec"]["versions"]
        if version["name"] == "v1"
    )
    schema["properties"]["metadata"] = {  # any object to the definition; the server knows it
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 47},  # KubeRay's names must have room behind it
            "namespace": {"type": "string"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
    strict: dict[str, Any] = _closed(schema)
    return strict


def _closed(schema: Any) -> Any:
    """The same where an object has no properties but those that are described."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or (
        "additionalProperties" in schema
    )
    # A property may be called "properties", too: a schema's are an object of schemas.
    described = isinstance(schema.get("properties"), dict) and "type" in schema
    if described and not open_ended:
        closed["additionalProperties"] = False
    return closed


def _fill(value: Any, schema: dict[str, Any]) -> None:
    """Set defaults as the server does before it validates."""
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            if name not in value and "default" in part:
                value[name] = part["default"]
            if name in value:
                _fill(value[name], part)
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            for inner in value.values():
                _fill(inner, extra)
    elif isinstance(value, list):
        for inner in value:
            _fill(inner, schema.get("items", {}))
