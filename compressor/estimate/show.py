"""An estimate, and what a run made of it, as lines for a terminal or a log."""

from collections.abc import Callable, Iterator

from compressor.estimate.check import Outcome
from compressor.estimate.estimate import Estimate
from compressor.estimate.figures import Figure
from compressor.pipeline.progress import clock

LABEL = 20


def lines(found: Estimate) -> Iterator[str]:
    """The figures with their intervals, then what they rest on."""
    plan, figures, replicas, sampled = found.plan, found.figures, found.replicas, found.sampled
    others = ", ".join(
        f"about {count:,} {name}" for name, count in found.rows_by_status.items() if name != "ok"
    )
    yield _line("rows", f"{plan['rows']:,}" + (f" ({others})" if others else ""))
    yield _line(
        "input",
        f"{plan['files']:,} files, {plan['bytes'] / 1e6:,.1f} MB, {plan['shards']:,} shards",
    )
    yield _line("tokens", _whole(figures["original_tokens"]))
    yield _line("tokens after", _whole(figures["compressed_tokens"]))
    yield _line("rate", _each(figures["rate"], lambda value: f"{value:.3f}"))
    yield _line("tokens saved", _whole(figures["saved_tokens"]))
    yield _line(
        "time",
        f"{_each(figures['seconds'], clock)}, of it {found.startup_seconds:.0f} s start and end, "
        f"{found.plan_seconds:.1f} s planning",
    )
    there = replicas["there"]
    yield _line("replicas", f"{there} with {replicas['cpus']:g} CPUs, {replicas['gpus']:g} GPUs")
    known = "as configured" if found.speed_is_known else f"measured on {sampled['ran_on']}"
    yield _line("tokens/s", f"{_whole(figures['tokens_per_second'])}, {known}")
    yield _line("cost", _cost(found))
    yield _line(
        "worth of each use",
        f"{_money(figures['worth_per_use'])} at {found.prices['million_tokens']:g} "
        "a million tokens",
    )
    yield _line("pays after", _uses(figures["break_even_uses"], figures["cost"]))
    yield _line(
        "from",
        f"{sampled['rows']:,} rows of {sampled['row_groups']:,} of "
        f"{sampled['row_groups_there']:,} row groups; [{sampled['confidence']:.0%} intervals]",
    )
    for sentence in found.assumed:
        yield _line("assumed", sentence)


def compared(found: Estimate, outcome: Outcome) -> Iterator[str]:
    """Estimate and run side by side, and by how much the estimate is off."""
    yield f"{'':<{LABEL}}{'estimate':>32}{'run':>16}{'off':>9}  in the interval"
    for name, happened in outcome.figures.items():
        figure = found.figures[name]
        if figure is None:
            continue
        off = figure.value / happened - 1 if happened else 0.0
        form = _number if name in {"rate", "seconds"} else (lambda value: f"{value:,.0f}")
        within = figure.low <= happened <= figure.high
        same = form(happened) in {form(figure.low), form(figure.high)}  # as far as is shown
        inside = "yes" if within or same else "no"
        yield (
            f"{name.replace('_', ' '):<{LABEL}}{_each(figure, form):>32}{form(happened):>16}"
            f"{off:>+9.1%}  {inside}"
        )


def _line(label: str, text: str) -> str:
    return f"{label:<{LABEL}}{text}"


def _each(figure: Figure | None, form: Callable[[float], str]) -> str:
    if figure is None:
        return "unknown"
    return f"{form(figure.value)} [{form(figure.low)}, {form(figure.high)}]"


def _whole(figure: Figure | None) -> str:
    return _each(figure, lambda value: f"{value:,.0f}")


def _number(value: float) -> str:
    return f"{value:,.3f}" if value < 10 else f"{value:,.1f}"


def _money(figure: Figure | None) -> str:
    return _each(figure, lambda value: f"{value:.4g}")


def _cost(found: Estimate) -> str:
    figure = found.figures["cost"]
    if figure is None:
        kind = "gpu" if found.replicas["gpus"] else "cpu"
        return f"unknown: set estimate.price_per_{kind}_hour"
    return f"{_money(figure)} at {found.replicas['price_per_hour']:.4g} a replica and hour"


def _uses(figure: Figure | None, cost: Figure | None) -> str:
    if cost is None:
        return "unknown without a cost"
    if figure is None:
        return "never: nothing is saved"
    return f"{_each(figure, lambda value: f'{value:,.2f}')} uses of the whole corpus"
