"""Passages with known labels: a simulated teacher deletes, inflects, moves and invents words.

In: a seed. Out: a passage and a compression of it together with the true label of every word.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from compressor.corpus.demo import corpus
from compressor.distill.words import Word, split_words

# P(keep | the word before was dropped), P(keep | it was kept): as measured on the teacher of the
# shipped model, for its longer compression and for the shorter one as a selection of the longer.
HALF, QUARTER = (0.35, 0.76), (0.24, 0.75)

INVENTED = (
    *("the", "of", "and", "to", "it", "also", "this", "very", "some", "that", "with", "moreover"),
    *("however", "thus", "speaker", "discusses", "summary", "notes", "gadget", "harvest", "violin"),
)
INVENTED_HAN = tuple("了的是在然而龍魚夢笑")

_CHINESE = """
数据模型定义了程序中对象的含义。每个对象都有身份、类型和值。对象的身份一旦创建就不会改变。
列车在早上八点半从北京出发，经过天津和济南，下午到达上海。乘客可以在车上购买午餐和热水。
市政府计划在未来三年内新建十二座图书馆，其中五座位于郊区。预算约为四亿元，由市和区共同承担。
会议上，主任表示今年的学生人数比去年增加了百分之八，教师人数没有变化。委员会将在下个月再次讨论。
如果类型支持修改，那么对象的值可以改变；如果类型不支持修改，那么对象的值不能改变。
这座城市的图书馆和这座城市的博物馆都在同一条街上，从车站走路大约需要十分钟。
"""
_JAPANESE = """
オブジェクトの型はそのオブジェクトが行える操作を決めます。値が変わるオブジェクトもあれば、変わらないものもあります。
電車は朝八時半に東京を出て、名古屋と京都を通り、昼過ぎに大阪に着きました。車内ではお弁当とお茶を買うことができます。
委員会は来年の予算について話し合い、学校の数を増やすことと、先生の数を減らさないことを決めました。
この町の図書館とこの町の博物館は同じ通りにあって、駅から歩いて十分ほどかかります。
"""


@dataclass(frozen=True)
class Case:
    """A passage, its compression, and what the label of each of its words is: bool [words]."""

    text: str
    compressed: str
    kept: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Item:
    """A word of the compression; `source` is its position in the passage, -1 for invented ones."""

    text: str
    source: int


def english(seed: int, words: int = 400) -> str:
    """Prose of the language reference; half of its sentences stood there before already."""
    rng = np.random.default_rng(seed)
    sentences = _sentences()
    start = int(rng.integers(len(sentences)))
    chosen: list[str] = []
    while sum(len(sentence.split()) for sentence in chosen) < words:
        again = chosen and rng.random() < 0.5
        fresh = sentences[(start + len(chosen)) % len(sentences)]
        chosen.append(chosen[rng.integers(len(chosen))] if again else fresh)
    return " ".join(chosen)


def unspaced(seed: int, sentences: int = 12) -> str:
    """Chinese or Japanese, about 400 characters; most of its sentences come several times."""
    rng = np.random.default_rng(seed)
    lines = (_CHINESE, _JAPANESE)[seed % 2].split()
    return "".join(lines[i] for i in rng.integers(len(lines), size=sentences))


@cache
def _sentences() -> list[str]:
    """Sentences of prose; tables, rulers and listings are left out."""
    paragraphs = [part for text in corpus()["text"].to_pylist() for part in text.split("\n\n")]
    found = [one for part in paragraphs for one in re.split(r"(?<=[.:?!])\s+", part)]
    return [one for one in found if re.match(r"[A-Z][^\n]{30,}[.:?!]$", one)]


def draw_kept(
    seed: int, among: npt.NDArray[np.bool_], chances: tuple[float, float] = HALF
) -> npt.NDArray[np.bool_]:
    """Which of the words in `among` a teacher keeps; it keeps and drops in runs."""
    rng = np.random.default_rng(seed)
    kept = np.zeros(len(among), np.bool_)
    before = False
    for i in np.flatnonzero(among):
        before = kept[i] = rng.random() < chances[int(before)]
    return kept


def perturb(
    text: str,
    kept: npt.NDArray[np.bool_],
    seed: int,
    *,
    inflected: float = 0.0,
    moved: float = 0.0,
    invented: float = 0.0,
    blanks: float = 0.0,
) -> Case:
    """Delete what isn't `kept`; of the words that are left, change these shares.

    `blanks`: the share of joints between characters of one word, in scripts without spaces, where a
    blank is put in.
    """
    rng = np.random.default_rng(seed)
    words = split_words(text)
    items = [_Item(words[i].text, int(i)) for i in np.flatnonzero(kept)]
    items = _inflect(items, words, rng, inflected)
    items = _move(items, words, rng, moved)
    items = _invent(items, words, rng, invented)
    return Case(text, _join(items, words, rng, blanks), kept)


def _draw(
    items: Sequence[_Item], words: Sequence[Word], rng: np.random.Generator, share: float
) -> list[int]:
    """Positions of words, not marks, for a change of `share` of all of them."""
    eligible = [i for i, item in enumerate(items) if not words[item.source].is_mark]
    count = round(share * len(eligible))
    return [int(i) for i in rng.choice(eligible, count, replace=False)] if count else []


def _inflect(
    items: list[_Item], words: Sequence[Word], rng: np.random.Generator, share: float
) -> list[_Item]:
    count = len(_draw(items, words, rng, share))
    able = [i for i, item in enumerate(items) if item.text.isalpha() and len(item.text) > 3]
    for i in rng.permutation(able)[:count]:
        items[i] = _Item(_other_form(items[i].text, rng), items[i].source)
    return items


def _other_form(word: str, rng: np.random.Generator) -> str:
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            forms = {"", "s", "ed", "ing"} - {ending}
            break
    else:
        forms = {"s", "ed", "ing"}
    return word + str(rng.choice(sorted(forms)))


def _move(
    items: list[_Item], words: Sequence[Word], rng: np.random.Generator, share: float
) -> list[_Item]:
    """Half of the moved words go 1 to 3 words away, the others up to 40."""
    order = np.arange(len(items), dtype=np.float64)
    for i in _draw(items, words, rng, share):
        distance = rng.integers(1, 4) if rng.random() < 0.5 else rng.integers(4, 41)
        order[i] += rng.choice([-1, 1]) * (distance + 0.5)
    return [items[i] for i in np.argsort(order, kind="stable")]


def _invent(
    items: list[_Item], words: Sequence[Word], rng: np.random.Generator, share: float
) -> list[_Item]:
    letters = any(word.text.isascii() and word.text.isalpha() for word in words)
    pool = INVENTED if letters else INVENTED_HAN
    for i in sorted(_draw(items, words, rng, share), reverse=True):
        items.insert(i, _Item(str(rng.choice(pool)), -1))
    return items


def _join(
    items: Sequence[_Item], words: Sequence[Word], rng: np.random.Generator, blanks: float
) -> str:
    parts: list[str] = []
    before = -2
    for item in items:
        glued = item.source >= 0 and words[item.source].glued
        in_place = glued and item.source == before + 1
        wide = bool(parts) and not parts[-1].isascii() and not item.text.isascii()
        joined = (in_place or wide) and rng.random() >= blanks
        parts += [item.text] if joined or not parts else [" ", item.text]
        before = item.source
    return "".join(parts)
