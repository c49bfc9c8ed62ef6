"""Instructions, shipped or the user's, and the names of requests."""

from pathlib import Path

import fsspec
import pytest

from compressor.distill.config import TeacherSection
from compressor.distill.prompt import Instruction, fingerprint, load_instruction, request
from compressor.errors import InputError

ROOT = Path(__file__).parents[2]
TEACHER = TeacherSection(model="small")


def test_the_shipped_ones_are_the_files_in_configs() -> None:
    for name, levels in (("extractive", 1), ("two-level", 2)):
        path = ROOT / "configs" / "teacher" / f"{name}.txt"
        assert load_instruction(name) == load_instruction(str(path))
        assert load_instruction(name).levels == levels
        assert load_instruction(name).text == path.read_text(encoding="utf-8").strip()


def test_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.txt").write_text("Shorten:\n{text}\n")
    monkeypatch.chdir(tmp_path)
    mine = load_instruction("mine.txt")
    assert mine.levels == 1
    assert mine.messages("A {fox}.") == [{"role": "user", "content": "Shorten:\nA {fox}."}]
    with fsspec.open("memory://teacher/two.txt", "w") as file:
        file.write("Give two.\nA: more\nB: less")
    assert load_instruction("memory://teacher/two.txt").levels == 2
    (tmp_path / "empty.txt").write_text(" \n")
    for name, why in (("empty.txt", "is empty"), ("none.txt", "shipped are extractive, two-level")):
        with pytest.raises(InputError, match=rf"teacher\.instruction: {name}: .*{why}"):
            load_instruction(name)


def test_a_request_has_what_is_configured() -> None:
    instruction = Instruction("Shorten.")
    fields = request(TEACHER, instruction, "A fox.")
    assert fields["messages"] == [
        {"role": "system", "content": "Shorten."},
        {"role": "user", "content": "A fox."},
    ]
    assert (fields["model"], fields["temperature"], fields["max_tokens"]) == ("small", 0.3, 1024)
    other = TEACHER.model_copy(
        update={"options": {"max_tokens": None, "max_completion_tokens": 9, "seed": 1}}
    )
    fields = request(other, instruction, "A fox.")
    assert "max_tokens" not in fields
    assert (fields["max_completion_tokens"], fields["seed"]) == (9, 1)


def test_requests_have_the_same_name_where_they_have_the_same_answer() -> None:
    one = fingerprint(TEACHER, Instruction("Shorten."), "A fox.")
    elsewhere = TEACHER.model_copy(update={"base_url": "http://localhost/v1", "timeout": 1.0})
    assert one == fingerprint(elsewhere, Instruction("Shorten."), "A fox.")
    different = {
        one,
        fingerprint(TEACHER, Instruction("Shorten."), "A fox!"),
        fingerprint(TEACHER, Instruction("Shorten!"), "A fox."),
        fingerprint(TEACHER.model_copy(update={"model": "big"}), Instruction("Shorten."), "A fox."),
        fingerprint(
            TEACHER.model_copy(update={"temperature": 0.0}), Instruction("Shorten."), "A fox."
        ),
    }
    assert len(different) == 5


def test_a_lone_surrogate_can_be_sent() -> None:
    fields = request(TEACHER, Instruction("Shorten."), "A \ud800 fox.")
    assert fields["messages"][1]["content"] == "A \ufffd fox."
