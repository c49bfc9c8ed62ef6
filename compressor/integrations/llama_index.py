"""`CompressorPostprocessor`: retrieved LlamaIndex nodes in, the same nodes with less text out.

Stands among the `node_postprocessors` of a query engine, behind those that rank and drop nodes.
Needs `pip install 'compressor[llama-index]'`.
"""

from typing import Any

from pydantic import Field, PrivateAttr

from compressor.engine.compression import Compression
from compressor.engine.compressor import Compressor
from compressor.integrations.metadata import metadata_of

try:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle
except ImportError:
    raise ImportError(
        "compressor.integrations.llama_index needs the package llama-index-core: "
        "pip install 'compressor[llama-index]'"
    ) from None


class CompressorPostprocessor(BaseNodePostprocessor):
    """Compresses the text of nodes. Thread-safe.

    Raises `ValueError` for values out of range and where there is no such model.
    """

    model: str = Field(default="default", description="what Compressor.from_pretrained takes")
    rate: float = Field(default=0.5, description="tokens kept / tokens of the original")
    options: dict[str, Any] = Field(
        default_factory=dict, description="further options of Compressor.compress"
    )
    compressor: Compressor | None = Field(
        default=None, exclude=True, description="a loaded one, in place of `model`"
    )

    _loaded: Compressor = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Load the model; say what is out of range now and not at the first query."""
        super().model_post_init(context)
        self._loaded = self.compressor or Compressor.from_pretrained(self.model)
        self._loaded.compress([], self.rate, **self.options)

    @classmethod
    def class_name(cls) -> str:
        return "CompressorPostprocessor"

    def _postprocess_nodes(
        self,
        nodes: list[NodeWithScore],
        query_bundle: QueryBundle | None = None,  # noqa: ARG002 - the same for every query
    ) -> list[NodeWithScore]:
        """Return a node for each one, in order; the index's own stay as they are.

        Score, id, relationships and metadata are kept; the metadata gets `original_tokens`,
        `compressed_tokens` and, where the budget could not be met, `compression_note`, none of
        which is shown to the language or embedding model. A node without text passes through.
        """
        texts = [found.node.get_content(MetadataMode.NONE) for found in nodes]
        results = self._loaded.compress(texts, self.rate, **self.options)
        return [
            found.model_copy(update={"node": _compressed(found.node, result)}) if text else found
            for found, text, result in zip(nodes, texts, results, strict=True)
        ]


def _compressed(node: BaseNode, result: Compression) -> BaseNode:
    """A copy of the node with less text, and with counts that no language model is shown."""
    counts = metadata_of(result)
    copy = node.model_copy(
        update={
            "metadata": {**node.metadata, **counts},
            "excluded_llm_metadata_keys": [*node.excluded_llm_metadata_keys, *counts],
            "excluded_embed_metadata_keys": [*node.excluded_embed_metadata_keys, *counts],
        }
    )
    copy.set_content(result.text)
    return copy
