"""What a reply is worth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.distill.reply import ERROR, MALFORMED, OK, REFUSED, Reply, judge

TEXT = "In 1969 two people walked on the Moon. They stayed for 21 hours with their instruments."
HALF, QUARTER = "1969 two people walked Moon. stayed 21 hours", "1969 walked Moon"
TWO = f"A: {HALF}\nB: {QUARTER}"


def test_what_is_well_formed() -> None:
    assert judge(Reply(f" {HALF}\n"), TEXT, 1) == judge(Reply(HALF), TEXT, 1)
    verdict = judge(Reply(HALF, "stop"), TEXT, 1)
    assert (verdict.status, verdict.half, verdict.quarter, verdict.error) == (OK, HALF, None, None)
    verdict = judge(Reply(f"A:{HALF}\n\nB:  {QUARTER}"), TEXT, 2)
    assert (verdict.status, verdict.half, verdict.quarter) == (OK, HALF, QUARTER)
    assert judge(Reply(TEXT), TEXT, 1).status == OK  # nothing to delete
    assert judge(Reply("狐眠る"), "狐は眠る。", 1).status == OK


@pytest.mark.parametrize(
    ("content", "levels"),
    [
        ("", 1),
        (" \n", 2),
        (TEXT + " Moon", 1),
        (HALF, 2),
        (f"A: {HALF}", 2),
        (f"A: {HALF}\nB:", 2),
        (f"A:\nB: {HALF}", 2),
        (f"B: {QUARTER}\nA: {HALF}", 2),
        (f"Moon walked:\n{TWO}", 2),
        (f"{TWO}\nB: Moon", 2),
        (f"A: {QUARTER}\nB: {HALF}", 2),
        (f"A: {TEXT} Moon\nB: {QUARTER}", 2),
    ],
)
def test_what_is_malformed(content: str, levels: int) -> None:
    verdict = judge(Reply(content), TEXT, levels)
    assert verdict.status == MALFORMED
    assert verdict.error
    assert verdict.half is verdict.quarter is None


def test_an_answer_that_was_cut_off_is_malformed() -> None:
    assert judge(Reply(HALF, "length"), TEXT, 1).status == MALFORMED


@pytest.mark.parametrize(
    "reply",
    [
        Reply(HALF, "content_filter"),
        Reply(None, "content_filter"),
        Reply(None, "stop", refusal="No."),
        Reply("I'm sorry, but I can't assist with that request."),
        Reply("I cannot help with the content of this text."),
        Reply("无法协助"),
    ],
)
def test_what_is_refused(reply: Reply) -> None:
    for levels in (1, 2):
        assert judge(reply, TEXT, levels).status == REFUSED


def test_a_request_that_failed() -> None:
    verdict = judge(Reply(error="500: broken"), TEXT, 2)
    assert (verdict.status, verdict.error) == (ERROR, "500: broken")


@given(st.text(max_size=60), st.integers(1, 2), st.text(max_size=40))
def test_any_reply_gets_one_verdict(content: str, levels: int, text: str) -> None:
    verdict = judge(Reply(content), text, levels)
    ok = verdict.status == OK
    assert ok == (verdict.half is not None) == (verdict.error is None)
    assert (verdict.quarter is not None) == (ok and levels == 2)
    if verdict.half is not None:
        assert 0 < len(verdict.half) <= len(text)
