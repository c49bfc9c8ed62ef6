"""`CompressorPostprocessor` in LlamaIndex's own query engine: the real package, a tiny model."""

import asyncio
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from compressor import Compressor
from tests.conftest import TEXTS

pytest.importorskip("llama_index.core", reason="the extra `llama-index` is not installed")

from llama_index.core import MockEmbedding, Settings, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.schema import (
    Document,
    ImageNode,
    MetadataMode,
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)

from compressor.integrations.llama_index import CompressorPostprocessor

COUNTS = {"original_tokens", "compressed_tokens"}


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Compressor:
    return Compressor.from_pretrained(str(tiny_model), dtype="float32")


@pytest.fixture
def nodes() -> list[NodeWithScore]:
    found: list[NodeWithScore] = []
    for i, text in enumerate(TEXTS):
        node = TextNode(
            id_=f"n{i}",
            text=text,
            metadata={"page": i},
            excluded_llm_metadata_keys=["page"],
            start_char_idx=7,
            embedding=[0.5],
        )
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="document")
        found.append(NodeWithScore(node=node, score=0.9 - i / 10))
    return found


def test_nodes_come_out_as_the_engine_compresses_them(
    engine: Compressor, nodes: list[NodeWithScore]
) -> None:
    before = [node.model_dump() for node in nodes]
    out = CompressorPostprocessor(compressor=engine, rate=0.4).postprocess_nodes(nodes)
    results = engine.compress(TEXTS, 0.4)
    assert [node.model_dump() for node in nodes] == before  # the index has its own
    for given, found, result in zip(nodes, out, results, strict=True):
        assert isinstance(found.node, TextNode)
        assert found.node.text == result.text
        assert found.metadata == {
            "page": given.metadata["page"],
            "original_tokens": result.original_tokens,
            "compressed_tokens": result.compressed_tokens,
        }
        same = {"text", "metadata", "excluded_llm_metadata_keys", "excluded_embed_metadata_keys"}
        assert found.node.model_dump(exclude=same) == given.node.model_dump(exclude=same)
        assert found.score == given.score


def test_the_language_model_is_not_shown_the_counts(
    engine: Compressor, nodes: list[NodeWithScore]
) -> None:
    for found in CompressorPostprocessor(compressor=engine).postprocess_nodes(nodes):
        assert found.get_content(MetadataMode.LLM) == found.get_content(MetadataMode.NONE)
        assert "tokens" not in found.get_content(MetadataMode.EMBED)
        assert set(found.metadata) > COUNTS


def test_the_other_way_to_call_it_gives_the_same(
    engine: Compressor, nodes: list[NodeWithScore]
) -> None:
    processor = CompressorPostprocessor(compressor=engine)
    assert asyncio.run(processor.apostprocess_nodes(nodes)) == processor.postprocess_nodes(nodes)


def test_other_nodes_keep_what_they_are(engine: Compressor) -> None:
    image = NodeWithScore(node=ImageNode(image_url="https://example.com/a.png"))
    document = NodeWithScore(node=Document(text=TEXTS[0], doc_id="d"))
    out = CompressorPostprocessor(compressor=engine).postprocess_nodes([image, document])
    assert out[0] is image
    assert isinstance(out[1].node, Document)
    assert out[1].node.doc_id == "d"
    assert out[1].node.text == engine.compress([TEXTS[0]])[0].text


def test_options_and_the_note(engine: Compressor, nodes: list[NodeWithScore]) -> None:
    options = {"force_tokens": ["fox", "quick", "lazy"]}
    processor = CompressorPostprocessor(compressor=engine, rate=0.01, options=options)
    found = processor.postprocess_nodes(nodes)[0]
    assert "fox" in found.get_content()
    assert "exceed the budget" in found.metadata["compression_note"]
    assert "compression_note" not in found.get_content(MetadataMode.LLM)


@pytest.mark.parametrize("settings", [{"rate": 2.0}, {"options": {"protect": "a"}}])
def test_a_wrong_option_is_refused_at_once(engine: Compressor, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rate|protect"):
        CompressorPostprocessor(compressor=engine, **settings)


def test_a_wrong_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no tokenizer there"):
        CompressorPostprocessor(model=str(tmp_path))


def test_it_survives_being_written_down(tiny_model: Path, nodes: list[NodeWithScore]) -> None:
    processor = CompressorPostprocessor(model=str(tiny_model), rate=0.3)
    data = processor.to_dict()
    assert {data["model"], data["rate"], data["class_name"]} == {
        str(tiny_model),
        0.3,
        "CompressorPostprocessor",
    }
    for again in (
        CompressorPostprocessor.from_dict(data),
        pickle.loads(pickle.dumps(processor)),
    ):
        assert again.postprocess_nodes(nodes) == processor.postprocess_nodes(nodes)


def test_in_a_query_engine(engine: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is LlamaIndex's own for tests; it answers with the prompt that it got."""
    monkeypatch.setattr(Settings, "_llm", MockLLM())
    nodes = [TextNode(id_=f"n{i}", text=text) for i, text in enumerate(TEXTS)]
    index = VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=4))
    processor = CompressorPostprocessor(compressor=engine)
    query = index.as_query_engine(similarity_top_k=3, node_postprocessors=[processor])
    plain = index.as_retriever(similarity_top_k=3).retrieve("the Moon")

    answer = query.query("the Moon")

    assert [node.node_id for node in answer.source_nodes] == [node.node_id for node in plain]
    prompt = str(answer)
    for node, result in zip(plain, engine.compress([node.text for node in plain]), strict=True):
        assert result.text in prompt
        assert node.text not in prompt
    assert "tokens" not in prompt


def test_without_the_package_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "compressor.integrations.llama_index")
    monkeypatch.setitem(sys.modules, "llama_index.core.schema", None)
    with pytest.raises(ImportError, match=r"^\S+ needs .*'compressor\[llama-index\]'$"):
        import compressor.integrations.llama_index  # noqa: F401
