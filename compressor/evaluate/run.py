"""The evaluation from end to end: tasks, contenders, cells, figures, files.

In: a configuration. Out: what `compressor.evaluate.results` makes of the cells, written to
`output.path`. Cells that an earlier run stored there are not computed again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from compressor.corpus.storage import Storage
from compressor.engine.memory import keep_freed_memory
from compressor.errors import InputError
from compressor.evaluate.budget import Budget
from compressor.evaluate.cells import Cell, Cells, Original
from compressor.evaluate.config import SHOTS, EvaluateConfig
from compressor.evaluate.contenders.contender import Contender, UnavailableError
from compressor.evaluate.contenders.registry import load_contender
from compressor.evaluate.inputs import Inputs
from compressor.evaluate.results import build_results
from compressor.evaluate.tasks.registry import load_task
from compressor.evaluate.tasks.task import Task
from compressor.evaluate.write import write
from compressor.models.quiet import quiet

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """results: as in results.json; files: what was written."""

    results: dict[str, Any]
    files: list[str]


@dataclass(frozen=True)
class Line:
    """The contenders that take part, and those that can't, with the reason."""

    up: list[Contender] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def run(config: EvaluateConfig, say: Say = print) -> Outcome:
    """Evaluate as `config` says. Safe to interrupt and to run again.

    Raises `InputError` for what the user can mend, before anything is computed where possible.
    """
    keep_freed_memory()
    quiet()
    if config.evaluate.tasks == [SHOTS]:
        from compressor.evaluate.fewshot.run import run_shots

        return Outcome(*run_shots(config, say))
    output = Storage.at(config.output.path, config.output.storage_options, key="output.path")
    budget = Budget.load(config.evaluate.tokenizer, config.data.storage_options)
    cells = Cells(output, budget)
    inputs = Inputs(config, say)
    tasks = [load_task(name, config, inputs) for name in config.evaluate.tasks]
    line = _line_up(config, budget, say)
    done = {task.name: _run_task(task, line.up, config, cells, say) for task in tasks}
    results = build_results(tasks, done, config, left_out=line.left_out, tokenizer=budget.name)
    return Outcome(results, write(output, tasks, done, results))


def _line_up(config: EvaluateConfig, budget: Budget, say: Say) -> Line:
    line = Line()
    for entry in config.evaluate.contenders:
        try:
            line.up.append(load_contender(entry, config, budget))
        except UnavailableError as error:
            line.left_out[entry.partition("=")[0]] = str(error)
            say(f"{entry} is left out: {error}")
    if not line.up:
        raise InputError("evaluate.contenders: none of them can take part")
    reference = config.evaluate.reference
    if reference in line.left_out:
        raise InputError(
            f"evaluate.reference: {reference} can't take part: {line.left_out[reference]}"
        )
    return line


def _run_task(
    task: Task,
    contenders: list[Contender],
    config: EvaluateConfig,
    cells: Cells,
    say: Say,
) -> list[Cell]:
    """The cells of a task: the uncompressed texts first, then rate by rate."""
    say(f"{task.name}: {len(task.items):,} items, {len(task.texts()):,} texts")
    wanted: list[tuple[Contender, float]] = [(Original(), 1.0)]
    wanted += [(contender, rate) for rate in config.evaluate.rates for contender in contenders]
    found: list[Cell] = []
    for number, (contender, rate) in enumerate(wanted, start=1):
        started = time.monotonic()
        cell, stored = cells.cell(task, contender, rate)
        found.append(cell)
        took = "stored" if stored else f"{time.monotonic() - started:.1f} s"
        say(
            f"{task.name} {number}/{len(wanted)}: {contender.name} at {rate:g} "
            f"(achieved {cell.compressed.achieved:.3f}), {took}"
        )
    return found
