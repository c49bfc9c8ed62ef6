"""`CompressorTransformer`: LangChain documents in, the same documents with compressed text out.

Stands wherever LangChain takes a transformer of documents: behind a loader or splitter, or between
a retriever and the prompt. Needs `pip install 'compressor[langchain]'`.
"""

from collections.abc import Sequence
from typing import Any

from compressor.engine.compressor import Compressor
from compressor.integrations.metadata import metadata_of

try:
    from langchain_core.documents import BaseDocumentTransformer, Document
except ImportError:
    raise ImportError(
        "compressor.integrations.langchain needs the package langchain-core: "
        "pip install 'compressor[langchain]'"
    ) from None


class CompressorTransformer(BaseDocumentTransformer):
    """Compresses the text of documents. Thread-safe.

    model: what `Compressor.from_pretrained` takes, or a loaded `Compressor`; rate and options are
    those of `Compressor.compress`. Raises `ValueError` for values out of range, and `InputError`
    where there is no such model.
    """

    def __init__(
        self, model: str | Compressor = "default", *, rate: float = 0.5, **options: Any
    ) -> None:
        self._compressor = Compressor.from_pretrained(model) if isinstance(model, str) else model
        self._options = {"rate": rate, **options}
        self._compressor.compress([], **self._options)  # what is out of range is said here

    def transform_documents(self, documents: Sequence[Document], **kwargs: Any) -> list[Document]:
        """Return a document for each one, in order; those that were given stay as they are.

        Class, id and metadata are kept; the metadata gets `original_tokens`, `compressed_tokens`
        and, where the budget could not be met, `compression_note`. kwargs: options for this call
        alone. `atransform_documents` does the same in a thread.
        """
        texts = [document.page_content for document in documents]
        results = self._compressor.compress(texts, **{**self._options, **kwargs})
        return [
            document.model_copy(
                update={
                    "page_content": result.text,
                    "metadata": {**document.metadata, **metadata_of(result)},
                }
            )
            for document, result in zip(documents, results, strict=True)
        ]
