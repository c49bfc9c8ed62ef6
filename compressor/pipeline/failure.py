"""What went wrong, out of what Ray wraps around it: the exception that a person can act on."""

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager

from compressor.errors import InputError, JobError

# An actor that dies in its constructor leaves no exception, only the text of its traceback.
_OURS = re.compile(r"^compressor\.errors\.(InputError|JobError): (.+)$", re.MULTILINE)
# Ray Data's wrapper of what an actor raised doesn't carry it; the text of the traceback does.
_WRAPPED = re.compile(r"^([\w.]+: .+)\n\nThe above exception was the direct cause", re.MULTILINE)
_ADVICE = re.compile(r"Failed to apply UDF transform after \d+/\d+ attempts")
_CRASH = "its worker process has died"
CRASHED = (
    "a replica's process died again and again: killed for lack of memory (lower "
    "model.max_batch_tokens or cluster.replicas), or crashed by a text; Ray's logs say more. "
    "What is done is kept, a rerun continues"
)
_KINDS = {"InputError": InputError, "JobError": JobError}


@contextmanager
def unwrapped() -> Iterator[None]:
    """Raise `InputError` or `JobError` of one line instead of whatever Ray raises."""
    try:
        yield
    except Exception as error:
        cause = cause_of(error)
        _release(error)
        raise cause from error


def cause_of(error: BaseException) -> Exception:
    """Our own exception where one lies at the bottom, else a `JobError` of its last line."""
    chain = list(_chain(error))
    for link in chain:
        if type(link) in (InputError, JobError):
            return type(link)(_own_words(link))
    for link in chain:
        if found := _OURS.findall(str(link)):
            kind, message = found[-1]
            return _KINDS[kind](message)
    if any(type(link).__name__ == "ActorDiedError" and _CRASH in str(link) for link in chain):
        return JobError(CRASHED)
    if type(chain[-1]).__name__ == "UserCodeException" and (
        found := _WRAPPED.findall(str(chain[0]))
    ):
        return JobError(found[-1])
    innermost = next((link for link in reversed(chain) if str(link)), error)
    lines = [line for line in _own_words(innermost).splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "no message"
    name = type(innermost).__name__
    return JobError(last if last.startswith(name) else f"{name}: {last}")


def _own_words(error: BaseException) -> str:
    """The message, without what Ray Data appends to it about its own settings for retries."""
    own, *advice = _ADVICE.split(str(error), maxsplit=1)
    return own.rstrip(" :'\"\n") if advice else own


def _release(error: Exception) -> None:
    """Let go of the frames of the failed run: Ray ends actors that nobody refers to.

    Else they would keep their CPUs while the exception lives, and the next job in this process
    waits for them. What happened on a worker stays, as text.
    """
    links: list[BaseException | None] = [error]
    seen: set[int] = set()
    while links:
        link = links.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = None
        # What was handled when it was raised has a traceback, too: Ray's scheduler is in that one.
        inner = getattr(link, "cause", None)
        links += [link.__cause__, link.__context__]
        links += [inner] if isinstance(inner, BaseException) else []
    gc.collect()


def _chain(error: BaseException | None) -> Iterator[Exception]:
    while isinstance(error, Exception):
        yield error
        inner = getattr(error, "cause", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__
