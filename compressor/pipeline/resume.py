"""What an output directory already holds, and whether that is this job's own work.

The existence of a shard's file is the record that the shard is done: a rerun of the same job does
what is missing. Anything else in the directory is somebody's data, and the job refuses to mix
with it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import yaml

from compressor.corpus.plan import Plan
from compressor.corpus.shards import Shard
from compressor.corpus.storage import Storage
from compressor.corpus.write import each_record
from compressor.engine.compression import Threshold
from compressor.errors import InputError
from compressor.pipeline.ledger import Ledger
from compressor.schema import Section, describe

CONFIGURATION = "_stats/configuration.json"
DECISIVE = ("input.", "model.name", "model.dtype", "compression.", "cluster.rows_per_shard")


def finished(
    target: Storage, plan: Plan, config: Section, decisive: tuple[str, ...] = DECISIVE
) -> Ledger:
    """What the footers of the files that are there say of the plan's shards.

    Raises `InputError` where the directory holds anything that this job wouldn't write; of the
    `decisive` keys it names those that have changed.
    """
    with target.explained():
        visible = [name for name in target.names() if not name.startswith(("_", "."))]
        foreign = [name for name in visible if plan.shards.find(name) is None]
        if foreign:
            raise InputError(_refusal(target, foreign[0], config, decisive))
        return ledger_of(target, plan, visible)


def ledger_of(
    target: Storage, plan: Plan, names: Iterable[str], *, keep_records: bool = False
) -> Ledger:
    """From the footers of the files with these names; those of no shard of the plan are left."""
    ledger = Ledger(len(plan.shards), keep_records=keep_records)
    planned = (name for name in names if plan.shards.find(name) is not None)
    for name, record in each_record(target, planned):
        at = plan.shards.find(name)
        assert at is not None
        ledger.resume(at, record)
    return ledger


def announce(target: Storage, config: Section) -> None:
    """Write the configuration first: a target that can't be written fails before the work."""
    with target.explained():
        target.put(CONFIGURATION, json.dumps(public(config), indent=2).encode())


def shard_record(shard: Shard, threshold: Threshold | None) -> dict[str, Any]:
    """What the footer of a shard's file says of its origin; the statistics join it later."""
    return {
        "fingerprint": shard.fingerprint,
        "pieces": [asdict(piece) for piece in shard.pieces],
        "threshold": threshold,
    }


def public(config: Section) -> dict[str, Any]:
    """The configuration without what may hold secrets."""
    secret = {section: {"storage_options"} for section in type(config).model_fields}
    return config.model_dump(exclude=secret)


def _refusal(target: Storage, name: str, config: Section, decisive: tuple[str, ...]) -> str:
    changed = changes(target, config, decisive)
    why = (
        f"written with {changed}"
        if changed
        else f"{name} is not of this job with this input and configuration"
    )
    return (
        f"{target.key}: {target.url}: not empty ({why}); "
        "choose another path, empty it, or rerun with what it was written with"
    )


def changes(target: Storage, config: Section, decisive: tuple[str, ...] = DECISIVE) -> str:
    """The decisive keys that an earlier job had otherwise, where one left its record.

    `decisive`: keys, and sections (which end with a dot).
    """
    try:
        before = _flat(json.loads(target.read(CONFIGURATION)))
    except (OSError, ValueError):
        return ""
    now = _flat(public(config))
    unset = {key: default for key, default, _ in describe(type(config))}  # keys that came later
    different = [
        f"{key}={_plain(value)}"
        for key, value in ({key: unset.get(key) for key in now} | before).items()
        if any(key == name or (name[-1] == "." and key.startswith(name)) for name in decisive)
        and now.get(key) != value
    ]
    return ", ".join(different[:3])


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _plain(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n...\n").strip()
