"""The port for reranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from coccinelle.foundation.errors import Unavailable


class RerankUnavailable(Unavailable):
    """No order from the provider: keep the fused one."""

    default_code = "rerank_unavailable"


class Reranker(Protocol):
    """Orders passages by how well they answer a question."""

    async def rerank(
        self, question: str, passages: Sequence[str], top_n: int
    ) -> list[tuple[int, float]]:
        """The best `top_n` passages: (index in `passages`, relevance in 0..1), best first.

        Raises:
            RerankUnavailable: the provider failed or was late.
        """
        ...
