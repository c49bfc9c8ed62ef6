"""The job `prune_shots` from configuration to statistics.

With questions, each row of them gets a prompt. Without, each shot of the pool is scored, and one
prompt for all questions is made of the best ones.
"""

import json
import time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from compressor import __version__
from compressor.corpus.columns import OK, STATUS
from compressor.corpus.plan import cut_shards
from compressor.corpus.read import read_shards
from compressor.corpus.shards import read_units
from compressor.corpus.write import encode
from compressor.errors import InputError
from compressor.interrupt import resumable
from compressor.pipeline.error_budget import ErrorBudget
from compressor.pipeline.ledger import Ledger
from compressor.pipeline.results import Outcome, Results
from compressor.pipeline.resume import announce, finished, public
from compressor.pipeline.run import check_complete, write_empty
from compressor.pipeline.shard_table import write_shard_table
from compressor.pipeline.statistics import Statistics
from compressor.pipeline.summary import SUMMARY
from compressor.prune.config import PruneConfig
from compressor.prune.rows import shots_of
from compressor.prune.task import DECISIVE, Task, make_task
from compressor.reinforce.shots import Shot

PROMPT_TEXT, PROMPT_TABLE = "_prompts/prompt.txt", "_prompts/prompt.parquet"
_AMPLE = 2
"""The shots that the prompt for all questions is made of have this many budgets of tokens."""
_FEWEST = 8
_POOL_ROWS = 4096  # read at a time


def run(config: PruneConfig) -> Outcome:
    """Prune. Raises `InputError` for what the user can mend, `JobError` where the job fails."""
    started = time.monotonic()
    task = make_task(config)
    with resumable(task.target.url):
        return _run(task, started)


def _run(task: Task, started: float) -> Outcome:
    target, plan = task.target, task.plan
    ledger = finished(target, plan, task.config, DECISIVE)
    try:
        ledger = _prune_missing(task, ledger)
    finally:
        target.clear_scratch()
    check_complete(target, plan)
    whole = ledger.total()
    ErrorBudget(task.config.output.max_error_rate, plan.rows).check(whole.error)
    more = {} if task.per_question else _prompt_for_all(task)
    summary = _summary(task, whole, time.monotonic() - started) | more
    write_shard_table(target, [Results(plan.shards, ledger)])
    target.put(SUMMARY, json.dumps(summary, indent=2).encode())
    target.clear_scratch()
    return Outcome(target.url, summary)


def _prune_missing(task: Task, ledger: Ledger) -> Ledger:
    """Do the shards of the plan that the ledger lacks; returns it complete."""
    if ledger.known.all():
        return ledger
    shots = _pool(task) if task.per_question else None
    if not task.plan.rows:
        announce(task.target, task.config)
        ledger.add(0, write_empty(task.target, task.plan, task.schema))
        return ledger
    from compressor.prune.flow import prune_shards  # the first need for Ray

    return prune_shards(task, shots, ledger)


def _pool(task: Task) -> list[Shot]:
    """All worked examples, read here: replicas get them from Ray's store."""
    names = [task.config.pool.question_column, task.config.pool.solution_column]
    shards = cut_shards(
        task.pool_files, task.pool_schema, rows_per_shard=_POOL_ROWS, recipe="read here"
    )
    shots = [
        shot
        for unit in read_units(shards)
        for table in read_shards(task.pool, unit, task.pool_schema, list(dict.fromkeys(names)))
        for shot in shots_of(table, *names)
    ]
    if not shots:
        raise InputError(f"pool.path: {task.pool.url}: holds no worked example")
    return shots


def _prompt_for_all(task: Task) -> dict[str, Any]:
    """Make the prompt of the likeliest shots and write it, as text and as a table of one row."""
    from compressor.prune.replica import load

    config = task.config
    names = [config.pool.question_column, config.pool.solution_column]
    filesystem, path = task.target.open()
    table = pa.concat_tables(
        pq.read_table(
            f"{path}/{shard.name}",
            columns=[*dict.fromkeys(names), "keep_probability", "compressed_tokens", STATUS],
            filesystem=filesystem,
        )
        for shard in task.plan.shards
    )
    table = table.filter(pc.equal(table.column(STATUS), OK))
    order = pc.sort_indices(table, [("keep_probability", "descending")])
    best = table.take(order)
    budget, tokens, count = config.prompt.budget, 0, 0
    for cost in best.column("compressed_tokens").to_pylist():
        if count >= _FEWEST and tokens >= _AMPLE * budget:
            break
        tokens, count = tokens + cost, count + 1
    shots = shots_of(best.slice(0, count), *names)
    pruned = load(config, threads=1).for_all(shots, budget)
    row = {
        "pruned_shots": pruned.text,
        "shots_kept": len(pruned.shots),
        "original_tokens": pruned.whole_tokens,
        "compressed_tokens": pruned.tokens,
    }
    task.target.put(PROMPT_TEXT, pruned.text.encode("utf-8", "surrogatepass"))
    task.target.put(PROMPT_TABLE, encode(pa.Table.from_pylist([row])))
    return {"prompt": {name: value for name, value in row.items() if name != "pruned_shots"}}


def _summary(task: Task, whole: Statistics, seconds: float) -> dict[str, Any]:
    """`more_shots`: how many times the kept examples would fill the tokens that they take now."""
    return {
        "rows": whole.rows,
        "rows_by_status": {"ok": whole.ok, "empty": whole.empty, "error": whole.error},
        "original_tokens": whole.original_tokens,
        "compressed_tokens": whole.compressed_tokens,
        "rate": whole.rate,
        "rate_quantiles": whole.quantiles(),
        "more_shots": None if not whole.rate else 1 / whole.rate,
        "configuration": public(task.config),
        "input": {"path": task.source.url, "files": len(task.plan.files), "rows": task.plan.rows},
        "output": {"path": task.config.output.path, "files": len(task.plan.shards)},
        "wall_seconds": seconds,
        "version": __version__,
    }
