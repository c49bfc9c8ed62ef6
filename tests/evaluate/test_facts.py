"""Facts: the kinds found on the surface of a text, and which of them survive."""

import numpy as np
import pytest

from compressor.evaluate.facts import KINDS, count_kept, find_facts


def kinds(text: str) -> list[tuple[str, str]]:
    return [(fact.kind, fact.text) for fact in find_facts(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It weighs 1,200.5kg.", [("number", "1,200.5"), ("unit", "kg")]),
        ("They won't, and will not.", [("negation", "won't"), ("negation", "not")]),
        (
            "born in New York on May 4",
            [("name", "New"), ("name", "York"), ("date", "May"), ("number", "4")],
        ),
        ("The cat sat. Then it ran.", []),
        ("Rome fell. It was Rome that fell.", [("name", "Rome"), ("name", "Rome")]),
        ("call os.path.join with --dry-run", [("code", "os.path.join"), ("code", "--dry-run")]),
        (
            "see /etc/hosts and my_var or camelCase",
            [("code", "/etc/hosts"), ("code", "my_var"), ("code", "camelCase")],
        ),
        ("this and/or that", []),
        ("", []),
    ],
)
def test_finds_each_kind(text: str, wanted: list[tuple[str, str]]) -> None:
    assert kinds(text) == wanted


def test_spans_are_verbatim() -> None:
    text = "On 3 May 1998 Ada's crew didn't reach 40 km; see a_b.c."
    assert all(text[f.start : f.end] == f.text for f in find_facts(text))


def test_counts_mentions() -> None:
    counts = count_kept(["we met Ann, Ann and not Bob"], ["met Ann"])
    assert set(counts) == set(KINDS)
    assert counts["name"].tolist() == [[1, 3]]
    assert counts["negation"].tolist() == [[0, 1]]
    assert counts["number"].dtype == np.int64


def test_case_may_be_ignored() -> None:
    text, lower = "He met Ann and getName in May", "met ann getname may"
    assert count_kept([text], [lower])["name"].tolist() == [[0, 1]]
    folded = count_kept([text], [lower], ignore_case=True)
    assert all(folded[kind].tolist() == [[1, 1]] for kind in ("name", "code", "date"))


def test_the_original_keeps_all() -> None:
    text = "On 3 May 1998 Ada's crew didn't reach 40 km; see a_b.c."
    assert all((v[:, 0] == v[:, 1]).all() for v in count_kept([text], [text]).values())


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        count_kept(["a"], [])
