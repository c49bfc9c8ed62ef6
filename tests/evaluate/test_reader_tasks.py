"""Tasks that read with a language model: a small real one, alone and in the job."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compressor.errors import InputError
from compressor.evaluate.config import EvaluateConfig
from compressor.evaluate.inputs import Question
from compressor.evaluate.meetings import load_queries, queries_of, transcript, without_known
from compressor.evaluate.problems import load_problems, load_shots
from compressor.evaluate.tasks.meetings import Meetings
from compressor.evaluate.tasks.reading import Reading
from compressor.evaluate.tasks.recovery import reading_prompt
from compressor.evaluate.tasks.worked import WorkedExamples
from compressor.reader.config import ReaderSection
from compressor.reader.local import LocalReader
from compressor.reader.prompts import few_shot_prompt
from compressor.schema import load
from tests.evaluate.meetings_data import MEETINGS, PROBLEMS
from tests.evaluate.questions import write_lines
from tests.reader.causal import save_causal

QUESTIONS = [
    Question("moon", "how long?", ("two days", "21 hours"), "They stayed for 21 hours there."),
    Question("table", "what keeps it?", ("Parquet",), "Parquet keeps a table by columns."),
]
LIKELIHOOD = ReaderSection(model="given")
BOTH = ReaderSection(model="given", generate=True, max_new_tokens=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_causal(tmp_path_factory.mktemp("reads"), "llama", positions=2048)


@pytest.fixture(scope="module")
def reader(folder: Path) -> LocalReader:
    return LocalReader(str(folder), dtype="float32")


def config_of(*settings: str) -> EvaluateConfig:
    return load(EvaluateConfig, None, ["output.path=unused", *settings])


def never(_: str | None, __: str) -> bool:
    return False


def test_recovery_is_of_the_answer_that_the_passage_holds(reader: LocalReader) -> None:
    task = Reading(QUESTIONS, reader, LIKELIHOOD)
    compressed = ["stayed 21 hours", "Parquet table"]
    asked, answers = ["how long?", "what keeps it?"], [" 21 hours", " Parquet"]

    def nll(contexts: list[str]) -> Any:
        prompts = [reading_prompt(*pair) for pair in zip(contexts, asked, strict=True)]
        return reader.nll(prompts, answers)

    bare, whole = nll(["", ""]), nll(list(task.texts()))
    found = task.score(compressed)
    assert set(found) == {"gained", "gainable"}
    np.testing.assert_allclose(found["gained"], bare - nll(compressed), atol=1e-4)
    np.testing.assert_allclose(found["gainable"], bare - whole, atol=1e-4)


def test_all_is_recovered_of_the_original_and_nothing_of_nothing(reader: LocalReader) -> None:
    task = Reading(QUESTIONS, reader, LIKELIHOOD)
    whole = task.score(task.texts())
    np.testing.assert_array_equal(whole["gained"], whole["gainable"])
    assert np.abs(whole["gainable"]).min() > 0
    np.testing.assert_array_equal(task.score(["", " \n"])["gained"], [0, 0])


def test_own_answers_are_judged_where_asked_for(reader: LocalReader) -> None:
    task = Reading(QUESTIONS, reader, BOTH)
    prompts = [reading_prompt(question.text, question.question) for question in QUESTIONS]
    said = reader.generate(prompts, max_new_tokens=6)
    assert all(said)
    echo = [
        Question(q.id, q.question, (*q.answers, answer), q.text)
        for q, answer in zip(QUESTIONS, said, strict=True)
    ]
    assert (task.score(task.texts())["exact match"] == 0).all()
    found = Reading(echo, reader, BOTH).score(task.texts())
    np.testing.assert_array_equal(found["exact match"], [1, 1])
    np.testing.assert_array_equal(found["F1"], [1, 1])
    assert [metric.name for metric in task.metrics] == ["recovery", "exact match", "F1"]
    assert task.identity != Reading(QUESTIONS, reader, LIKELIHOOD).identity


def test_queries_have_the_turns_of_their_spans() -> None:
    queries = queries_of(MEETINGS, max_words=100, where="here")
    assert [(q.id, q.meeting) for q in queries] == [
        ("kitchen 0", 0),
        ("kitchen 1", 0),
        ("studio 0", 1),
    ]
    assert queries[0].text == (
        "Ada: Shall we begin with the budget?\n"
        "Ben: The control costs twelve euros fifty, as agreed in March."
    )
    assert queries[2].text.count("\n") == 1  # a turn of two spans is there once
    assert [q.id for q in queries_of(MEETINGS, max_words=13, where="here")] == ["kitchen 1"]
    broken = [{**MEETINGS[0], "queries": [{"query": "?"}]}]
    with pytest.raises(InputError, match=r"here: kitchen: no meeting as QMSum has them .*answer"):
        queries_of(broken, max_words=100, where="here")


def test_meetings_that_were_trained_on_are_left_out() -> None:
    queries = queries_of(MEETINGS, max_words=100, where="here")
    transcripts = [transcript(row) for row in MEETINGS]
    said: list[str] = []
    left = without_known(queries, transcripts, [transcripts[1].upper()], said.append)
    assert [query.meeting for query in left] == [0, 0]
    assert said == ["1 of 2 meetings with 2 of 3 queries remain; the others were trained on"]
    assert (
        without_known(queries, transcripts, ["Not a word of it was said."], said.append) == queries
    )
    assert said.pop() == "none of 2 meetings was trained on; 3 queries"
    # Of every meeting a part: then only the queries that rest on such a part go.
    both = [MEETINGS[0]["transcript"][2]["text"], transcripts[1]]
    left = without_known(queries, transcripts, both, said.append)
    assert [query.id for query in left] == ["kitchen 0"]
    assert "1 of 3 queries remain" in said[1]


def test_meetings_are_scored_by_rouge_and_recovery(reader: LocalReader) -> None:
    queries = queries_of(MEETINGS, max_words=100, where="here")
    task = Meetings(queries, reader, BOTH)
    assert task.groups.tolist() == [0, 0, 1]
    found = task.score(["control costs twelve fifty", "", "the microphones broken"])
    assert {metric.name for metric in task.metrics} == {
        "recovery", "ROUGE-1 recall", "ROUGE-2 recall", "ROUGE-L recall",
        "ROUGE-1 answer", "ROUGE-2 answer", "ROUGE-L answer",
    }  # fmt: skip
    # Reference answers of 6, 5 and 6 words.
    np.testing.assert_allclose(found["ROUGE-1 recall"], [4 / 6, 0, 2 / 6])
    np.testing.assert_allclose(found["ROUGE-2 recall"], [2 / 5, 0, 1 / 5])
    np.testing.assert_allclose(found["ROUGE-L recall"], [4 / 6, 0, 2 / 6])
    assert abs(found["gained"][1]) < 1e-4
    assert (found["ROUGE-1 answer"] <= 1).all()
    whole = task.score(task.texts())
    np.testing.assert_array_equal(whole["gained"], whole["gainable"])


def test_worked_examples_are_read_once_for_all_problems(
    reader: LocalReader, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "problems.jsonl", PROBLEMS[:4])
    shots_path = write_lines(tmp_path / "shots.jsonl", PROBLEMS)
    config = config_of(f"math.path={path}", f"math.shots_path={shots_path}", "math.shots=5")
    shots = load_shots(config, never)
    assert len(set(shots)) == 5
    assert not any(f"{n} plus {n}?" in shot for shot in shots for n in range(1, 5))
    assert load_shots(config, never) == shots
    problems = load_problems(config, never)
    task = WorkedExamples(problems, shots, reader)
    assert list(task.texts()) == shots
    prompts = [few_shot_prompt("\n\n".join(shots), problem.question) for problem in problems]
    solutions = [f" {problem.solution}" for problem in problems]
    single = [reader.nll([p], [s])[0] for p, s in zip(prompts, solutions, strict=True)]
    bare = reader.nll([few_shot_prompt("", p.question) for p in problems], solutions)
    rows: list[int] = []
    hook = reader.lm.model.register_forward_hook(
        lambda _, __, kwargs, ___: rows.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    try:
        found = task.score(shots)
    finally:
        hook.remove()
    np.testing.assert_allclose(found["gained"], bare - single, atol=1e-3)
    prefix = len(reader.encode(["\n\n".join(shots)]).ids)
    assert sum(width >= prefix for width in rows) == 1
    np.testing.assert_array_equal(task.score([""] * 5)["gained"], np.zeros(4))


def test_problems_that_were_trained_on_are_neither_posed_nor_shown(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "problems.jsonl", PROBLEMS[:4])
    shots_path = write_lines(tmp_path / "shots.jsonl", PROBLEMS)

    def trained_on(identifier: str | None, text: str) -> bool:
        return (
            identifier == "p1" or text == "Question: What is 9 plus 9?\nAnswer: 9 + 9 = 18\n#### 18"
        )

    config = config_of(f"math.path={path}", f"math.shots_path={shots_path}", "math.shots=7")
    assert [problem.id for problem in load_problems(config, trained_on)] == ["p2", "p3", "p4"]
    shots = load_shots(config, trained_on)
    assert len(shots) == 7
    assert not any("9 plus 9" in shot or "1 plus 1?" in shot.split("\n")[0][:22] for shot in shots)
    config = config_of(f"math.path={path}", f"math.shots_path={shots_path}", "math.shots=8")
    with pytest.raises(InputError, match=r"math\.shots: wants 8; .* has 7"):
        load_shots(config, trained_on)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["evaluate.tasks=[meetings]"], r"meetings\.path: is required"),
        (["evaluate.tasks=[math]"], r"math\.path: is required"),
        (["evaluate.tasks=[reader]"], r"reader\.model: is required"),
        (["evaluate.tasks=[survival]", "evaluate.contenders=[llmlingua1]"], r"perplexity\.model"),
    ],
)
def test_what_is_missing_is_said(
    evaluate: Any, tmp_path: Path, settings: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(tmp_path / "out", *settings)


def test_the_job_runs_all_of_it(evaluate: Any, folder: Path, tmp_path: Path) -> None:
    meetings = write_lines(tmp_path / "meetings.jsonl", MEETINGS)
    problems = write_lines(tmp_path / "problems.jsonl", PROBLEMS[:4])
    shots = write_lines(tmp_path / "shots.jsonl", PROBLEMS[4:])
    settings = [
        "evaluate.tasks=[reader, meetings, math]",
        "evaluate.contenders=[ours, random, selective_context, llmlingua1]",
        "evaluate.rates=[0.5]",
        f"reader.model={folder}",
        "reader.dtype=float32",
        f"meetings.path={meetings}",
        f"math.path={problems}",
        f"math.shots_path={shots}",
        "math.shots=3",
    ]
    outcome, said = evaluate(tmp_path / "out", *settings)
    tasks = {task["name"]: task for task in outcome.results["tasks"]}
    assert set(tasks) == {"reader", "meetings", "math"}
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written == json.loads(json.dumps(outcome.results))
    again, said = evaluate(tmp_path / "out", *settings)
    assert again.results == outcome.results
    assert not any(line.endswith(" s") for line in said if "/" in line)


def test_queries_come_from_parquet_too(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(MEETINGS), tmp_path / "meetings.parquet")
    config = config_of(f"meetings.path={tmp_path / 'meetings.parquet'}")
    found = load_queries(config, [], print)
    assert found == queries_of(MEETINGS, max_words=2000, where="")
