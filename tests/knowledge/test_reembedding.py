"""A change of the embedding model: vectors of two models are never compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.jobs import queue, work
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import load
from coccinelle.house import open_house
from coccinelle.knowledge import store
from coccinelle.knowledge.reembedding import reembed
from tests.embedder import WordEmbedder
from tests.living import client, living, move_in


class OtherEmbedder(WordEmbedder):
    """Another model, whose vectors point elsewhere."""

    model = "other-384"


@pytest.fixture
async def own_database(server: EmbeddedPostgres) -> Addresses:
    """A database of this test's own: every tenant in it is asked for anew."""
    found = postgres.provision(server, database="reembedding")
    migrate.migrate(found.owner)
    postgres.let_login_serve(found)
    return found


async def test_every_source_is_built_anew_with_the_new_model(
    own_database: Addresses, tmp_path: Path
) -> None:
    async with living(own_database, tmp_path) as (house, _):
        businesses = [await move_in(house, "rivoli"), await move_in(house, "nordlys")]

    other = OtherEmbedder()
    settings = load({"COCCINELLE_DATA": str(tmp_path)})
    async with open_house(settings, own_database, embedder=other) as changed:
        assert await reembed(changed.db, model=other.model) == 2
        assert await reembed(changed.db, model=other.model) == 0
        async with queue(own_database.login) as running:
            await work(running, replace(changed), concurrency=1, until_idle=True)
        for business in businesses:
            async with changed.db.tenant(business.id) as tx:
                assert await store.has_vectors_of(tx, model=other.model)
                assert not await store.has_vectors_of(tx, model=WordEmbedder.model)


async def test_until_then_words_alone_find_the_answer(
    own_database: Addresses, tmp_path: Path
) -> None:
    async with living(own_database, tmp_path) as (house, _):
        rivoli = await move_in(house, "rivoli")

    body = {"question": "Comment automatiser mes emails de bienvenue ?"}
    async with (
        living(own_database, tmp_path, embedder=OtherEmbedder()) as (_, url),
        client(url, Authorization=f"Bearer {rivoli.api_key}") as program,
    ):
        found = (await program.post("/api/v1/knowledge/search", json=body)).json()

    assert found["by_words_only"] is True
    assert rivoli.canary in found["passages"][0]["text"]
