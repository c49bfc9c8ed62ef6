"""What the tasks of texts score, on values that can be counted by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from compressor.errors import InputError
from compressor.evaluate.inputs import Question
from compressor.evaluate.tasks.embeddings import Embeddings
from compressor.evaluate.tasks.facts import Facts
from compressor.evaluate.tasks.retrieval import Retrieval, rank_scores
from compressor.evaluate.tasks.survival import Survival, words_kept
from tests.conftest import TEXTS


def question(identifier: str, asked: str, text: str, *answers: str) -> Question:
    return Question(identifier, asked, answers, text)


class Letters:
    """An encoder whose vectors count letters, so that rankings can be read off the texts."""

    identity = "letters"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        counts = [[text.count(letter) for letter in "abcd"] for text in texts]
        lengths = np.maximum(1, np.linalg.norm(counts, axis=1))
        return np.asarray(np.array(counts) / lengths[:, None], np.float32)


def test_survival_of_answers_and_their_words() -> None:
    task = Survival(
        [
            question("1", "?", "the Ada Byron crew", "Ada Byron", "Grace Hopper"),
            question("2", "?", "21 hours and 36 minutes", "36 minutes", "21 hours"),
        ]
    )
    whole = task.score(task.texts())
    assert whole["answer"].tolist() == whole["answer words"].tolist() == [1, 1]
    some = task.score(["Grace Byron Hopper", "hours 36 minutes"])
    assert some["answer"].tolist() == [0, 1]
    assert some["answer words"].tolist() == [0.5, 1]  # Grace Hopper never stood there
    assert task.items == ["1", "2"]


def test_survival_wants_answers_that_are_there() -> None:
    with pytest.raises(ValueError, match="none of its answers"):
        Survival([question("1", "?", "nothing", "zebra")])


def test_repeated_answer_words_must_be_there_as_often() -> None:
    assert words_kept("so sweet", ["so so"]) == 0.5
    assert words_kept("so so sweet", ["so so"]) == 1
    assert words_kept("anything", ["the", "?"]) == 0


def test_an_answer_in_other_writing_survives_by_its_letters() -> None:
    task = Survival(
        [
            question("1", "?", "Röntgen's 150,782 SEK", "Röntgen"),
            question("2", "?", "a sum of 150,782 SEK", "the 150,782 SEK"),
        ]
    )
    scores = task.score(["rontgen ' s 150, 782 sek", "sum of 150, 782"])
    assert scores["answer"].tolist() == [0, 0]
    assert scores["answer, letters"].tolist() == [1, 0]
    assert task.score(task.texts())["answer, letters"].tolist() == [1, 1]


def test_facts_add_up_over_kinds() -> None:
    task = Facts(["he met Ann on May 3", "no 40 km"])
    scores = task.score(["met ann 3", "no 40"])
    assert scores["number kept"].tolist() == [1, 1]
    assert scores["unit there"].tolist() == [0, 1]
    assert scores["name kept"].tolist() == [0, 0]
    assert scores["name, any case kept"].tolist() == [1, 0]
    assert scores["all there"].tolist() == [3, 3]
    assert scores["all kept"].tolist() == [1, 2]
    assert scores["all, any case kept"].tolist() == [2, 2]
    whole = task.score(task.texts())
    for metric in task.metrics:
        assert metric.ratio is not None
        assert (whole[metric.ratio[0]] == whole[metric.ratio[1]]).all()


def test_rank_scores_are_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    generator = np.random.default_rng(0)
    relevance = generator.random((30, 25)) < 0.15
    relevance[:, 0] |= ~relevance.any(1)
    score = generator.random((30, 25))
    order = np.argsort(-score, 1)[:, :10]
    found = rank_scores(np.take_along_axis(relevance, order, 1), relevance.sum(1))
    theirs = [
        metrics.ndcg_score([row.astype(int)], [values], k=10)
        for row, values in zip(relevance, score, strict=True)
    ]
    np.testing.assert_allclose(found["nDCG@10"], theirs)
    hits = np.take_along_axis(relevance, order, 1).sum(1)
    np.testing.assert_allclose(found["recall@10"], hits / np.minimum(10, relevance.sum(1)))


def test_retrieval_knows_all_passages_and_each_once() -> None:
    questions = [
        question("1", "aa", "aab"),
        question("2", "dd", "cd"),
        question("3", "dd", "dd"),
        question("4", "bb", "aab"),
    ]
    task = Retrieval(questions, ["aab", "bbc"], Letters())
    assert task.texts() == ["aab", "bbc", "cd", "dd"]
    assert task.items == ["aa", "dd", "bb"]
    scores = task.score(task.texts())
    assert scores["nDCG@10"].tolist() == pytest.approx([1, 1, 1 / np.log2(3)])
    assert scores["recall@10"].tolist() == [1, 1, 1]
    lost = task.score(["b", "bbc", "a", "dd"])
    second = (1 + 1 / np.log2(5)) / (1 + 1 / np.log2(3))  # "cd" found last of four
    assert lost["nDCG@10"][1] == pytest.approx(second, abs=0.15)
    assert lost["nDCG@10"][0] < 1
    with pytest.raises(ValueError, match="1 of 4 passages"):
        task.score(["a"])


def test_a_title_stands_in_the_index_whatever_is_left_of_the_passage() -> None:
    questions = [question("1", "aa", "aab"), question("2", "cc", "ccb")]
    bare = Retrieval(questions, [], Letters())
    titled = Retrieval(questions, [], Letters(), titles={"aab": "aaaa", "ccb": "cccc"})
    assert titled.texts() == bare.texts() == ["aab", "ccb"]
    assert titled.identity != bare.identity
    assert bare.score(["cc", "aa"])["nDCG@10"].max() < 1
    assert titled.score(["cc", "aa"])["nDCG@10"].tolist() == [1, 1]


def test_embeddings_are_means_whatever_the_batch(encoder: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = [*TEXTS, "", "short", TEXTS[0] * 20]
    found = Embeddings(str(encoder), "cpu", max_tokens=64).embed(texts)
    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder)
    for text, row in zip(texts, found, strict=True):
        ids = tokenizer(text, truncation=True, max_length=64, return_tensors="pt")
        with torch.inference_mode():
            mean = model.eval()(**ids)[0][0].mean(0)
        np.testing.assert_allclose(row, (mean / mean.norm()).numpy(), atol=1e-5)


def test_an_embedding_model_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"retrieval\.model: .*can't be loaded"):
        Embeddings(str(tmp_path)).embed(["text"])
    with pytest.raises(InputError, match="no such directory"):
        Embeddings(str(tmp_path / "missing"))


@pytest.mark.parametrize("kind", ["survival", "facts", "retrieval"])
def test_the_identity_follows_the_items(kind: str) -> None:
    def identity(*texts: str) -> str:
        questions = [question(text, "q", text, text) for text in texts]
        if kind == "survival":
            return Survival(questions).identity
        if kind == "facts":
            return Facts(texts).identity
        return Retrieval(questions, [], Letters()).identity

    assert identity("a b", "c d") == identity("a b", "c d") != identity("a b", "c e")
