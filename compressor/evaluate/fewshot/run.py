"""The task `shots` from configuration to files: contenders at budgets of tokens, not at rates.

Cells, statistics and files are those of every evaluation; where it says rate, there stands the
budget, and achieved is the share of the budget that is filled.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.evaluate.budget import Budget
from compressor.evaluate.cells import FOLDER, Cell, Cells
from compressor.evaluate.config import EvaluateConfig
from compressor.evaluate.fewshot.contenders import Contender, Fillers
from compressor.evaluate.fewshot.task import FewShot
from compressor.evaluate.inputs import Inputs
from compressor.evaluate.results import build_results
from compressor.evaluate.write import write
from compressor.prune.opinions import pays
from compressor.prune.pruner import Pruner
from compressor.reader.reader import open_reader
from compressor.reinforce.prepare import embedded
from compressor.reinforce.retrieve import Pool
from compressor.reinforce.saved import policy_digest
from compressor.reinforce.shots import Shot, read_shots, without_known

Say = Callable[[str], None]


def run_shots(config: EvaluateConfig, say: Say) -> tuple[dict[str, Any], list[str]]:
    """Results and the files that were written. Raises `InputError` for what the user can mend."""
    section, options = config.shots, config.data.storage_options
    output = Storage.at(config.output.path, config.output.storage_options, key="output.path")
    problems, shots = _read(config, say)
    pruner = _pruner(section.policy, config)
    task = FewShot(
        problems,
        open_reader(config.reader),
        pruner.counter,
        generate=config.reader.generate,
        max_new_tokens=config.reader.max_new_tokens,
    )
    name = section.tokenizer or pruner.about.tokenizer
    cells = Cells(output, Budget(pruner.counter, pruner.counter, name, name))
    with output.explained():
        questions = [shot.question for shot in shots]
        pool = Pool(shots, embedded(pruner.encoder, questions, output.below(FOLDER)))
    fillers = Fillers(
        pruner,
        policy_digest(section.policy, options, key="shots.policy"),
        pool,
        candidates=section.candidates,
        compressor=config.model.name,
        device=config.model.device,
        seed=config.evaluate.seed,
        many=pays(len(problems), section.candidates, len(shots)),
    )
    wanted = [(fillers.nothing(), 0)]
    others = [_other(entry, fillers, pruner, config) for entry in section.policies]
    for budget in section.budgets:
        wanted += [(fillers.load(name), budget) for name in section.contenders]
        wanted += [(other, budget) for other in others]
    done = _cells(task, wanted, cells, pruner, say)
    evaluate = config.evaluate.model_copy(
        update={"rates": [float(budget) for budget in section.budgets], "reference": None}
    )
    results = build_results(
        [task],
        {task.name: done},
        config.model_copy(update={"evaluate": evaluate}),
        left_out={},
        tokenizer=name,
    )
    return results, write(output, [task], {task.name: done}, results)


def _pruner(path: str, config: EvaluateConfig) -> Pruner:
    return Pruner(
        path,
        storage_options=config.data.storage_options,
        encoder=config.shots.encoder,
        tokenizer=config.shots.tokenizer,
        device=config.model.device,
    )


def _other(entry: str, fillers: Fillers, first: Pruner, config: EvaluateConfig) -> Contender:
    """A contender of `shots.policies`. Raises `InputError` where it has another encoder."""
    label, _, path = entry.partition("=")
    pruner = _pruner(path, config).sees_as(first)
    options = config.data.storage_options
    return fillers.of(label, pruner, policy_digest(path, options, key="shots.policies"))


def _cells(
    task: FewShot,
    wanted: Sequence[tuple[Contender, int]],
    cells: Cells,
    pruner: Pruner,
    say: Say,
) -> list[Cell]:
    found: list[Cell] = []
    for number, (contender, budget) in enumerate(wanted, start=1):
        started = time.monotonic()
        cell, stored = cells.cell(task, contender, float(budget))
        tokens = float(pruner.counter.count(list(cell.compressed.texts)).mean())
        compressed = replace(cell.compressed, achieved=tokens / max(1, budget))
        found.append(replace(cell, compressed=compressed))
        took = "stored" if stored else f"{time.monotonic() - started:.1f} s"
        say(
            f"shots {number}/{len(wanted)}: {contender.name} at {budget} tokens: NLL "
            f"{np.mean(cell.scores['NLL']):.4f}, {np.mean(cell.scores['examples']):.1f} examples, "
            f"{tokens:.0f} tokens, {took}"
        )
    return found


def _read(config: EvaluateConfig, say: Say) -> tuple[list[Shot], list[Shot]]:
    """The problems that are posed, and the pool without them."""
    section, options = config.shots, config.data.storage_options
    for key in ("path", "pool"):
        if not getattr(section, key):
            raise InputError(f"shots.{key}: is required by the task shots")
    problems = read_shots([section.path], key="shots.path", storage_options=options)
    everything = read_shots(section.pool, key="shots.pool", storage_options=options)
    pool = without_known(everything, [problem.question for problem in problems])
    if not pool:
        raise InputError("shots.pool: holds nothing but the problems of shots.path")
    posed = Inputs(config, say).drawn(problems)
    say(f"shots: {len(posed):,} problems, {len(pool):,} examples to choose from")
    return posed, pool
