"""The port for embeddings, and what all its implementations share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coccinelle.foundation.errors import Unavailable

Vectors = NDArray[np.float32]


class EmbeddingUnavailable(Unavailable):
    """No vectors now: search by words alone, let ingestion wait."""

    default_code = "embedding_unavailable"


class Embedder(Protocol):
    """Makes vectors of texts. `model` and `dimensions` are stored beside each vector."""

    @property
    def model(self) -> str:
        """Names the vectors: those of two names are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """How long a vector is."""
        ...

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of questions: float32 [len(texts), dimensions], in the order given.

        Never waits for `embed_passages`.

        Raises:
            EmbeddingUnavailable: the provider failed.
        """
        ...

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of what is searched: float32 [len(texts), dimensions], in the order given.

        Raises:
            EmbeddingUnavailable: the provider failed.
        """
        ...


def unit(vectors: Vectors) -> Vectors:
    """Each row scaled to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled
