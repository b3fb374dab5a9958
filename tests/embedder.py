"""An embedder for tests: texts that share words are near each other, on any machine."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from coccinelle.providers.embeddings.model import EmbeddingUnavailable, Vectors, unit

DIMENSIONS = 384
_WORD = re.compile(r"[a-z0-9]{2,}")


class WordEmbedder:
    """Each word, without its case and accents, is a direction; a text is the sum of its words.

    Set `is_down` and it answers like a provider that is down; `embedded` is all that it was
    asked for, `passages` the part that is searched.
    """

    model = "words-384"
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.is_down = False
        self.embedded: list[str] = []
        self.passages: list[str] = []

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return self._embed(texts)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        made = self._embed(texts)
        self.passages += texts
        return made

    def _embed(self, texts: Sequence[str]) -> Vectors:
        if self.is_down:
            raise EmbeddingUnavailable
        self.embedded += texts
        return vectors(texts)


def vectors(texts: Sequence[str]) -> Vectors:
    """Unit vectors, float32 [len(texts), 384]; a text without words points nowhere near another."""
    rows = np.zeros((len(texts), DIMENSIONS), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in _WORD.findall(_plain(text)) or [f"nothing:{text}"]:
            digest = hashlib.sha256(word.encode()).digest()
            for start in (0, 4, 8):
                place = int.from_bytes(digest[start : start + 3], "big") % DIMENSIONS
                row[place] += 1.0 if digest[start + 3] & 1 else -1.0
    return unit(rows)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
