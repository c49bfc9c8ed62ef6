"""`CompressorTransformer` among LangChain's own classes: the real package, a tiny model."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from compressor import Compressor
from compressor.errors import InputError
from tests.conftest import TEXTS

pytest.importorskip("langchain_core", reason="the extra `langchain` is not installed")

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore

from compressor.integrations.langchain import CompressorTransformer


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Compressor:
    return Compressor.from_pretrained(str(tiny_model), dtype="float32")


@pytest.fixture
def documents() -> list[Document]:
    texts = [*TEXTS, ""]
    return [
        Document(id=f"d{i}", page_content=text, metadata={"source": i, "deep": {"a": [1]}})
        for i, text in enumerate(texts)
    ]


def test_documents_come_out_as_the_engine_compresses_them(
    engine: Compressor, documents: list[Document]
) -> None:
    before = [document.model_copy(deep=True) for document in documents]
    out = CompressorTransformer(engine, rate=0.4).transform_documents(documents)
    results = engine.compress([document.page_content for document in before], 0.4)
    assert documents == before  # what was given is as it was
    for given, document, result in zip(before, out, results, strict=True):
        assert (document.id, document.page_content) == (given.id, result.text)
        assert document.metadata == {
            **given.metadata,
            "original_tokens": result.original_tokens,
            "compressed_tokens": result.compressed_tokens,
        }


def test_the_other_way_to_call_it_gives_the_same(
    engine: Compressor, documents: list[Document]
) -> None:
    transformer = CompressorTransformer(engine, rate=0.4)
    assert asyncio.run(
        transformer.atransform_documents(documents)
    ) == transformer.transform_documents(documents)


def test_options_are_those_of_the_engine_and_of_a_call(engine: Compressor) -> None:
    transformer = CompressorTransformer(engine, rate=0.2, force_tokens=["fox", "quick", "lazy"])
    (document,) = transformer.transform_documents([Document(TEXTS[0])])
    assert {"quick", "fox", "lazy"} <= set(document.page_content.replace(",", "").split())
    (whole,) = transformer.transform_documents([Document(TEXTS[0])], rate=1.0)
    assert whole.page_content == TEXTS[0]
    (over,) = transformer.transform_documents([Document(TEXTS[0])], rate=0.01)
    assert "exceed the budget" in over.metadata["compression_note"]


def test_a_model_by_name(tiny_model: Path) -> None:
    (document,) = CompressorTransformer(str(tiny_model)).transform_documents([Document(TEXTS[0])])
    assert document.metadata["compressed_tokens"] <= document.metadata["original_tokens"] / 2 + 1


@pytest.mark.parametrize(
    ("options", "error"),
    [({"rate": 2.0}, ValueError), ({"protect": "a"}, ValueError), ({"ratio": 0.5}, TypeError)],
)
def test_a_wrong_option_is_refused_at_once(
    engine: Compressor, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"rate|protect|ratio"):
        CompressorTransformer(engine, **options)


def test_a_wrong_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        CompressorTransformer(str(tmp_path))


def test_between_a_retriever_and_a_prompt(engine: Compressor, documents: list[Document]) -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents(documents[:5])
    transformer = CompressorTransformer(engine, rate=0.5)
    chain = (
        store.as_retriever(search_kwargs={"k": 2})
        | transformer.transform_documents
        | RunnableLambda(lambda found: {"context": "\n".join(d.page_content for d in found)})
        | PromptTemplate.from_template("Answer from this: {context}")
    )
    prompt = chain.invoke("the Moon").to_string()
    retrieved = store.similarity_search("the Moon", k=2)
    compressed = transformer.transform_documents(retrieved)
    assert prompt == "Answer from this: " + "\n".join(d.page_content for d in compressed)
    assert store.similarity_search("the Moon", k=2) == retrieved  # the index has its own


def test_without_the_package_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "compressor.integrations.langchain")
    monkeypatch.setitem(sys.modules, "langchain_core.documents", None)
    with pytest.raises(ImportError, match=r"^\S+ needs .*'compressor\[langchain\]'$"):
        import compressor.integrations.langchain  # noqa: F401
