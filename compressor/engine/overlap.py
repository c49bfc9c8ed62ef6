"""Three steps over items in order: the middle one waits for neither the first nor the last.

The middle step is the model's; while it runs, the next item is prepared and the last one finished
on other threads. Tokenizer, numpy and model let go of the interpreter where they work.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Worked = TypeVar("Worked")
Done = TypeVar("Done")


def overlapped(
    items: Sequence[Item],
    prepare: Callable[[Item], Ready],
    work: Callable[[Iterator[Ready]], Iterator[Worked]],
    finish: Callable[[Worked], Done],
) -> Iterator[Done]:
    """finish(w) of each w of work(prepare(item) of each item); `work` runs in the caller's thread.

    `prepare` and `finish` are one item ahead and one behind. A single item takes no other thread.
    """
    if len(items) < 2:
        yield from map(finish, work(map(prepare, items)))
        return
    with ThreadPoolExecutor(2) as pool:
        behind: Future[Done] | None = None
        for worked in work(_ahead(pool, items, prepare)):
            following = pool.submit(finish, worked)
            if behind is not None:
                yield behind.result()
            behind = following
        if behind is not None:
            yield behind.result()


def _ahead(
    pool: ThreadPoolExecutor, items: Sequence[Item], prepare: Callable[[Item], Ready]
) -> Iterator[Ready]:
    ahead: Future[Ready] | None = None
    for item in items:
        following = pool.submit(prepare, item)
        if ahead is not None:
            yield ahead.result()
        ahead = following
    if ahead is not None:
        yield ahead.result()
