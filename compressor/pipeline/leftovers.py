"""Whether a Delta table may begin in a directory: nobody's data must end up beside its files."""

import json

from compressor.config import CompressConfig
from compressor.corpus.plan import Plan
from compressor.corpus.shards import NAME
from compressor.corpus.storage import Storage
from compressor.pipeline.resume import CONFIGURATION, finished


def check_new_table(target: Storage, plan: Plan, config: CompressConfig) -> None:
    """Raise `InputError` unless it is empty or holds what attempts at this table have left.

    Such files may be of another plan, where the input has changed since: they are in no version.
    """
    if not _is_attempt(target):
        finished(target, plan, config)


def _is_attempt(target: Storage) -> bool:
    with target.explained():
        visible = [name for name in target.names() if not name.startswith(("_", "."))]
    if not visible:
        return True
    try:
        configuration = json.loads(target.read(CONFIGURATION))
    except (OSError, ValueError):
        return False
    ours = all(NAME.fullmatch(name) for name in visible)
    return ours and configuration["output"].get("format") == "delta"
