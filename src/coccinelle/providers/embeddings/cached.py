"""An embedder that remembers the vectors of recent questions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from coccinelle.providers.embeddings.model import Embedder, Vectors


class CachedEmbedder:
    """Any embedder, with the vectors of the last `capacity` questions at hand (1.5 kB each).

    A vector is a function of its text alone, so that tenants may share the cache.
    """

    def __init__(self, inner: Embedder, *, capacity: int = 4096) -> None:
        self._inner = inner
        self._capacity = capacity
        self._known: OrderedDict[str, Vectors] = OrderedDict()

    @property
    def model(self) -> str:
        """The inner embedder's."""
        return self._inner.model

    @property
    def dimensions(self) -> int:
        """The inner embedder's."""
        return self._inner.dimensions

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`; only texts that are not remembered are embedded, each once."""
        found = {text: self._known[text] for text in texts if text in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            found.update(zip(missing, await self._inner.embed_queries(missing), strict=True))
        for text in texts:
            self._remember(text, found[text])
        rows = [found[text] for text in texts]
        return np.stack(rows) if rows else np.empty((0, self.dimensions), np.float32)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`; passages are not remembered."""
        return await self._inner.embed_passages(texts)

    def _remember(self, text: str, vector: Vectors) -> None:
        self._known[text] = vector
        self._known.move_to_end(text)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
