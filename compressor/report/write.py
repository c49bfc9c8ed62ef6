"""The report of a finished output: `_stats/report.html`, one file that needs nothing else.

Input: where the output lies; what is read of it is `_stats/` and the files of the rows that are
shown, however many rows there are. Output: the page, and where it was put.
"""

from pathlib import Path

from compressor.corpus.storage import Storage
from compressor.errors import InputError
from compressor.report.compare import Side, comparison
from compressor.report.examples import read_examples, texts_to_compare, wanted_rows
from compressor.report.output import read_output
from compressor.report.render import render
from compressor.report.similarity import similarity
from compressor.report.view import view

REPORT, COMPARISON = "_stats/report.html", "_stats/comparison.html"


def write_report(
    target: Storage,
    *,
    embedding_model: str | None = None,
    against: Storage | None = None,
    file: str | None = None,
) -> str:
    """Write the report of `target`, compared with the output `against` where there is one.

    file: a local path, else it goes to `_stats/`. Returns where it is. Raises `InputError` for a
    place where no finished output is, and for a model that can't be used.
    """
    html = report(target, embedding_model=embedding_model, against=against)
    data = html.encode("utf-8")
    if file is not None:
        try:
            Path(file).write_bytes(data)
        except OSError as error:
            raise InputError(f"--html {file}: {error.strerror}") from None
        return file
    name = REPORT if against is None else COMPARISON
    with target.explained():
        target.put(name, data)
    return f"{target.url.rstrip('/')}/{name}"


def conclude(target: Storage, *, embedding_model: str | None = None) -> str:
    """Write the report at the end of a job; returns where it is, or why it isn't there."""
    try:
        return write_report(target, embedding_model=embedding_model)
    except Exception as error:  # the data are published, whatever becomes of their report
        reason = " ".join(str(error).split()) or type(error).__name__
        return f"not written: {reason} (compressor report {target.url} tries again)"


def report(
    target: Storage, *, embedding_model: str | None = None, against: Storage | None = None
) -> str:
    """The page itself."""
    ours = _side(target, embedding_model)
    other = None if against is None else comparison(ours, _side(against, embedding_model))
    return render("report.html", **view(*ours), comparison=other)


def _side(storage: Storage, embedding_model: str | None) -> Side:
    output = read_output(storage)
    wanted = wanted_rows(output)
    similar = None
    if embedding_model is not None:
        similar = similarity(texts_to_compare(output, wanted), embedding_model)
    return output, read_examples(output, wanted), similar
