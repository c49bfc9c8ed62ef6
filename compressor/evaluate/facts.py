"""What a reader can't guess: the numbers, names, negations, dates, units and code of a text.

In: a text. Out: its facts, each with its kind and character span; and, for a compression of the
text, how many of them are still there. Rules on the surface of English text, no model: they are
the same for every compressor that is compared, and for labels that training makes from them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import regex

Kind = Literal["number", "date", "name", "negation", "unit", "code"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# One token: something that only code is written like, a number, or a word (so that "New
# York-based" gives New, York, based, and "1,200.5kg" gives 1,200.5 and kg).
_CODE = (
    r"(?<![\w-])--?[A-Za-z][\w-]*"  # -v, --dry-run
    r"|\w*[^\W_]_\w*[^\W_]\w*|__\w+__"  # snake_case, __init__
    r"|[a-z]+\d*[A-Z]\w*|[A-Z][a-z]+[a-z\d]*[A-Z]\w*"  # camelCase, PascalCase
    r"|[A-Za-z_]\w*(?:\.[A-Za-z_]\w+)+(?!\w)"  # module.name
    r"|(?<![\w/:])(?:~|\.{1,2})?(?:/[\w.-]*\w)*/[\w.-]*[A-Za-z][\w.-]*\w"  # /etc/hosts, ./a.py
)
_TOKEN = regex.compile(
    rf"(?<code>{_CODE})|(?<number>\d+(?:[.,:/]\d+)*)|[^\W\d_]+(?:['’][^\W\d_]+)*", regex.V1
)
_SENTENCE_START = regex.compile(r"[.!?:\n]|[-*#>]\s*$")


def _words(blank_separated: str) -> frozenset[str]:
    return frozenset(blank_separated.split())


_NEGATIONS = _words(
    "not no never none nor neither without cannot except unless nothing nobody nowhere hardly"
    " barely rarely"
)
_MONTHS = _words(
    "january february march april may june july august september october november december"
    " monday tuesday wednesday thursday friday saturday sunday"
)
_UNITS = _words(
    "km m cm mm mi mile miles ft foot feet inch inches yard yards kg g mg lb lbs pound pounds oz"
    " ton tons tonnes l litre litres liter liters gallon gallons s sec second seconds min minute"
    " minutes h hr hour hours day days week weeks month months year years century centuries decade"
    " decades percent hz khz mhz ghz kb mb gb tb byte bytes bit bits w kw mw v kv c f k degrees"
    " dollar dollars cent cents euro euros mph kmh acres hectares people million billion thousand"
    " trillion hundred dozen times am pm bc ad"
)
# Capitalised in headings and titles, but no names.
_FUNCTION_WORDS = _words(
    "a an the and or but if then so of in on at to for from by with as is are was were be been it"
    " its he she they them his her their we our us you your i me my this that these those there"
    " here what which who whom whose when where why how all any some each every not no do does did"
    " has have had will would can could should may might must also than more most other such only"
    " into over under about after before between during through while because however although"
    " yes yeah okay ok well oh ah uh um hm hmm mm mhm huh er erm"
)


@dataclass(frozen=True)
class Fact:
    """A token of the text that carries a fact: its kind, its characters, and where it stands."""

    kind: Kind
    text: str
    start: int
    end: int


def find_facts(text: str) -> list[Fact]:
    """All facts of `text` in order, one kind each.

    `code`: options, paths, identifiers in snake_case, camelCase or with dots. `number`: digits with
    their separators. `date`: names of months and days. `negation`: not, no, never, n't, without,
    except ... `unit`: what follows a number and measures it. `name`: a capitalised word that
    doesn't stand at the start of a sentence, or does and is capitalised elsewhere within one.
    """
    tokens = list(_TOKEN.finditer(text))
    inside: set[str] = set()  # capitalised in the middle of a sentence
    starts: list[bool] = []
    end = 0
    for token in tokens:
        starts.append(end == 0 or bool(_SENTENCE_START.search(text[end : token.start()])))
        if not starts[-1]:
            inside.add(token.group())
        end = token.end()
    facts: list[Fact] = []
    before: Kind | None = None
    for token, at_start in zip(tokens, starts, strict=True):
        kind = _kind(token, before, at_start and token.group() not in inside)
        if kind is not None:
            facts.append(Fact(kind, token.group(), *token.span()))
        before = kind
    return facts


def _kind(token: "regex.Match[str]", before: Kind | None, only_at_start: bool) -> Kind | None:
    word = token.group()
    lower = word.lower()
    if token["code"]:
        return "code"
    if token["number"]:
        return "number"
    if lower in _NEGATIONS or lower.endswith(("n't", "n’t")):
        return "negation"
    if lower in _MONTHS and word[0].isupper():
        return "date"
    if before == "number" and lower in _UNITS:
        return "unit"
    if word[0].isupper() and len(word) > 1 and not only_at_start and lower not in _FUNCTION_WORDS:
        return "name"
    return None


def count_kept(
    originals: Sequence[str], compressed: Sequence[str], *, ignore_case: bool = False
) -> dict[Kind, npt.NDArray[np.int64]]:
    """For each kind an int64 array [records, 2]: facts that survive, facts that there were.

    Each mention counts; of a token that stands c times in the original and k times in the
    compression, min(c, k) survive. ignore_case: a fact in other letters survives as well. Raises
    `ValueError` for lists of different lengths.
    """
    folded = str.casefold if ignore_case else str
    counts = {kind: np.zeros((len(originals), 2), np.int64) for kind in KINDS}
    for row, (before, after) in enumerate(zip(originals, compressed, strict=True)):
        left = Counter(folded(token.group()) for token in _TOKEN.finditer(after))
        facts = Counter((fact.kind, folded(fact.text)) for fact in find_facts(before))
        for (kind, text), there in facts.items():
            counts[kind][row] += min(there, left[text]), there
    return counts
