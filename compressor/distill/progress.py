"""The progress line while a teacher is asked."""

from compressor.distill.limits import Counts
from compressor.pipeline.progress import clock


def asking_line(
    counts: Counts, total: int, before: int, prices: tuple[float, float] | None, seconds: float
) -> str:
    """Chunks, answers a minute, tokens and cost so far (earlier runs included), the time left."""
    done = before + counts.answered
    parts = [f"{done:,}/{total:,} chunks ({done / max(1, total):.0%})"]
    if counts.answered:
        parts.append(f"{60 * counts.answered / seconds:,.0f} answers/min")
    parts.append(f"{counts.spent.total:,} tokens")
    if (cost := counts.spent.cost(prices)) is not None:
        parts.append(f"cost {cost:,.2f}")
    if counts.failed:
        parts.append(f"{counts.failed:,} given up")
    if counts.answered:
        parts.append(f"ETA {clock((total - done) * seconds / counts.answered)}")
    else:
        parts.append(f"{counts.under_way:,} under way")
    return " · ".join(parts)
