"""Meetings with queries about them, in the format of QMSum (Zhong et al. 2021).

In: rows of `transcript` (a list of `speaker` and `text`) and `queries` (each with `query`,
`answer`, and `spans`: first and last turn, counted from 0, of what the answer rests on). Out: for
each query the turns of its spans as one text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from compressor.corpus.rows import Row, read_rows
from compressor.errors import InputError
from compressor.evaluate.config import EvaluateConfig
from compressor.evaluate.overlap import touched


@dataclass(frozen=True, slots=True)
class Query:
    """A query, its reference answer, the text that it rests on, and the number of its meeting."""

    id: str
    meeting: int
    query: str
    answer: str
    text: str


def load_queries(
    config: EvaluateConfig, trained_on: Sequence[str], say: Callable[[str], None]
) -> list[Query]:
    """The queries of `meetings.path` whose meetings hold none of the texts `trained_on`.

    Raises `InputError` where there are none.
    """
    section = config.meetings
    if not section.path:
        raise InputError("meetings.path: is required by the task meetings")
    rows = read_rows(
        section.path,
        ["transcript", "queries"],
        key="meetings.path",
        optional=[config.data.id_column],
        storage_options=config.data.storage_options,
    )
    where = f"meetings.path: {section.path}"
    queries = queries_of(rows, max_words=section.max_words, where=where)
    queries = without_known(queries, [transcript(row) for row in rows], trained_on, say)
    if not queries:
        raise InputError(f"{where}: holds no query that may be asked")
    return queries


def queries_of(rows: Sequence[Row], *, max_words: int, where: str) -> list[Query]:
    """All queries with a text and an answer, the text at most `max_words` long.

    Raises `InputError` that says which row isn't in the format; `where` names key and file.
    """
    found: list[Query] = []
    for meeting, row in enumerate(rows):
        name = str(row.get("id", f"row {meeting}"))
        try:
            turns = [f"{turn['speaker']}: {turn['text']}" for turn in row["transcript"]]
            found += [
                Query(
                    f"{name} {number}",
                    meeting,
                    str(query["query"]),
                    str(query["answer"]).strip(),
                    _spanned(turns, query["spans"]),
                )
                for number, query in enumerate(row["queries"])
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{where}: {name}: no meeting as QMSum has them ({type(error).__name__}: {error})"
            ) from None
    return [q for q in found if q.answer and 0 < len(q.text.split()) <= max_words]


def without_known(
    queries: Sequence[Query],
    transcripts: Sequence[str],
    passages: Sequence[str],
    say: Callable[[str], None],
) -> list[Query]:
    """Leave out meetings that hold one of the passages; queries only, where all of them do.

    transcripts: the whole text of each meeting, by number. `say` gets what remains, in one line.
    """
    if not passages:
        return list(queries)
    known = touched(transcripts, passages)
    if not any(known):
        left = list(queries)
        say(f"none of {len(known)} meetings was trained on; {len(left)} queries")
    elif all(known):
        flags = touched([query.text for query in queries], passages)
        left = [query for query, flag in zip(queries, flags, strict=True) if not flag]
        say(f"every meeting was trained on in parts; {len(left)} of {len(queries)} queries remain")
    else:
        left = [query for query in queries if not known[query.meeting]]
        say(
            f"{known.count(False)} of {len(known)} meetings with {len(left)} of {len(queries)} "
            "queries remain; the others were trained on"
        )
    return left


def transcript(row: Row) -> str:
    """All that is said in a meeting, a line a turn."""
    return "\n".join(str(turn["text"]) for turn in row["transcript"])


def _spanned(turns: Sequence[str], spans: Sequence[Sequence[Any]]) -> str:
    wanted = sorted({at for a, b in spans for at in range(int(a), int(b) + 1)})
    return "\n".join(turns[at] for at in wanted if at < len(turns))
