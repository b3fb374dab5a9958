"""Reranking: the provider's order, or quickly none."""

from __future__ import annotations

import pytest

from coccinelle.providers.model import Endpoint
from coccinelle.providers.rerank.cohere import CohereReranker
from coccinelle.providers.rerank.model import RerankUnavailable
from coccinelle.providers.wire import Wire
from tests.scripted_llm import ScriptedLLM

PASSAGES = ["Le remorquage du garage.", "Créer un reel sur Instagram.", "Les horaires."]


@pytest.fixture
def reranker(wire: Wire, llm: ScriptedLLM) -> CohereReranker:
    return CohereReranker(wire, Endpoint(llm.root_url, "key"), "rerank-v3.5")


async def test_the_best_passage_comes_first(llm: ScriptedLLM, reranker: CohereReranker) -> None:
    order = await reranker.rerank("Comment créer un reel Instagram ?", PASSAGES, top_n=2)

    assert order[0][0] == 1
    assert len(order) == 2
    assert order[0][1] > order[1][1]
    assert llm.requests[0].path == "/v2/rerank"
    assert llm.requests[0].body == {
        "model": "rerank-v3.5",
        "query": "Comment créer un reel Instagram ?",
        "documents": PASSAGES,
        "top_n": 2,
    }


async def test_nothing_to_rank_asks_nobody(llm: ScriptedLLM, reranker: CohereReranker) -> None:
    assert await reranker.rerank("?", [], top_n=5) == []
    assert llm.requests == []


@pytest.mark.parametrize(
    "fault", ["500", "429", "402", "refused", "hang", "cut", "error_event", "malformed", "empty"]
)
async def test_a_fault_is_told_and_after_three_nobody_is_asked(
    fault: str, llm: ScriptedLLM, wire: Wire
) -> None:
    # Time enough for each request to reach the server, also on a busy machine.
    patient = CohereReranker(
        wire, Endpoint(llm.root_url, "key"), "rerank-v3.5", deadline_seconds=2.0
    )
    llm.rerank_fault = fault
    for _ in range(5):
        with pytest.raises(RerankUnavailable):
            await patient.rerank("?", PASSAGES, top_n=3)

    assert len(llm.requests) == 3
