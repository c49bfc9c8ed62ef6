"""What a teacher's reply is worth: the compressions in it, or why there are none.

In: a `Reply` as it was stored, and the text that it is about; out: a `Verdict`. Replies are judged
when the dataset is written, not when they arrive, so a better judgement costs no new request.
"""

from dataclasses import dataclass

import regex

from compressor.distill.words import Vocabulary, split_words

OK, REFUSED, MALFORMED, ERROR = "ok", "refused", "malformed", "error"
STATUSES = (OK, REFUSED, MALFORMED, ERROR)

# An extractive answer holds next to nothing but words of the text; "I'm sorry, but I can't help
# with that" shares only short ones with it.
LEAST_SHARED = 0.5
TELLING_LETTERS = 5
_SHOWN = 120  # characters of a reply in an error message
_LEVEL = regex.compile(r"^(A|B):", regex.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a request: the content, or `error` where nothing usable did.

    The tokens are those of all attempts, as the server counted them, or estimated.
    """

    content: str | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    error: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`half` is the longer or only compression, `quarter` the shorter; both None unless ok."""

    status: str
    half: str | None = None
    quarter: str | None = None
    error: str | None = None


def judge(reply: Reply, text: str, levels: int) -> Verdict:
    """Read a reply about `text` that was to hold `levels` compressions (1 or 2)."""
    if reply.error is not None:
        return Verdict(ERROR, error=reply.error)
    content = (reply.content or "").strip()
    if reply.refusal or reply.finish_reason == "content_filter":
        return Verdict(REFUSED, error=f"refused: {_start(reply.refusal or 'content filter')}")
    if not content:
        return Verdict(MALFORMED, error="empty answer")
    if reply.finish_reason == "length":
        return Verdict(MALFORMED, error="cut off at teacher.max_tokens")
    if not shares_words(content if levels == 1 else _LEVEL.sub("", content), text):
        return Verdict(REFUSED, error=f"shares almost no words: {_start(content)}")
    parts = [content] if levels == 1 else _two(content)
    if parts is None:
        return Verdict(MALFORMED, error=f"not of the form A: ... B: ...: {_start(content)}")
    half, quarter = parts[0], parts[1] if levels == 2 else None
    if len(half) > len(text) or len(quarter or "") > len(half):
        which = "the answer is longer than the text" if len(half) > len(text) else "B exceeds A"
        return Verdict(MALFORMED, error=f"{which}: {_start(content)}")
    return Verdict(OK, half, quarter)


def shares_words(answer: str, text: str) -> bool:
    """False where the answer's telling words (long ones, if it has any) are mostly not the text's.

    A form of a word ("walked" for "walks") counts as that word.
    """
    vocabulary = Vocabulary([word for word in split_words(text) if not word.is_mark])
    words = [word for word in split_words(answer) if not word.is_mark]
    telling = [word for word in words if len(word.text) >= TELLING_LETTERS] or words
    shared = sum(vocabulary.holds(word.key) for word in telling)
    return shared >= LEAST_SHARED * len(telling)


def _two(content: str) -> list[str] | None:
    """The texts behind `A:` and `B:`, where each stands exactly once, in this order, and first."""
    marks = list(_LEVEL.finditer(content))
    if [mark[1] for mark in marks] != ["A", "B"] or marks[0].start():
        return None
    a, b = content[marks[0].end() : marks[1].start()].strip(), content[marks[1].end() :].strip()
    return [a, b] if a and b else None


def _start(content: str) -> str:
    line = " ".join(content.split())
    return line if len(line) <= _SHOWN else line[:_SHOWN] + " ..."
