"""How a replica shows that it is there: a sign of life to the tally every few seconds.

Ray knows which actors live, but tells only where its dashboard runs.
"""

import threading
import time
from collections.abc import Callable

from compressor.pipeline.tally import BEAT_SECONDS, STARTING, Handle


def attend(tally: Handle) -> Callable[[str], None]:
    """Show from now on that this actor is starting; call the result with another state.

    Ends with the process. An actor that Ray starts again keeps its name.
    """
    import ray

    name = ray.get_runtime_context().get_actor_id()
    state = STARTING

    def show() -> None:
        tally.actor.present.remote(name, state)

    def change(now: str) -> None:
        nonlocal state
        state = now
        show()

    def beat() -> None:
        while True:
            show()
            time.sleep(BEAT_SECONDS)

    threading.Thread(target=beat, name="presence", daemon=True).start()
    return change
