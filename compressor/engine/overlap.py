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
    work: Callable[[Ready], Worked],
    finish: Callable[[Worked], Done],
) -> Iterator[Done]:
    """finish(work(prepare(item))) of each item; `work` runs in the caller's thread.

    At most three items are on their way. A single item takes no other thread.
    """
    if len(items) < 2:
        yield from (finish(work(prepare(item))) for item in items)
        return
    with ThreadPoolExecutor(2) as pool:
        ahead = pool.submit(prepare, items[0])
        behind: Future[Done] | None = None
        for following in [*items[1:], None]:
            ready = ahead.result()
            if following is not None:
                ahead = pool.submit(prepare, following)
            worked = work(ready)
            if behind is not None:
                yield behind.result()
            behind = pool.submit(finish, worked)
        if behind is not None:
            yield behind.result()
