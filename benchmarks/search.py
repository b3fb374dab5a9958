"""Search and indexing: latency, recall and throughput of the one statement, per size of tenant.

    python benchmarks/search.py            tenants of 500, 2,000, 10,000 and 20,000 chunks
    python benchmarks/search.py --large    the same in a table of 500,000 chunks (about 20 minutes)

Texts are Zipf-distributed words made of syllables, vectors are clustered; both are drawn from a
fixed seed. Rounds of the variants alternate, so that a busy moment of the machine meets them all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.ids import ChunkId, DocumentId, SourceId, TenantId, uuid7
from coccinelle.knowledge.indexing import IndexedChunk, IndexedDocument, replace_source
from coccinelle.knowledge.search import search
from coccinelle.tenants import actions as tenants

SIZES = (500, 2_000, 10_000, 20_000)
LARGE_TOTAL_CHUNKS = 500_000
NEIGHBOUR_CHUNKS = 5_000
SOURCE_CHUNKS = 1_000
WORDS_PER_CHUNK = 90
VOCABULARY = 40_000
CLUSTERS = 300
QUESTIONS = 100
ROUNDS = 3
EVERYTHING = 10**9


class Corpus:
    """Chunks and questions, drawn from one seed."""

    def __init__(self, seed: int = 20261121) -> None:
        self._random = np.random.default_rng(seed)
        self._words = self._vocabulary()
        self._centres = self._random.normal(size=(CLUSTERS, 384))

    def document(self, size: int, place: str) -> IndexedDocument:
        """One document of `size` chunks whose texts say `place`."""
        vectors = self.vectors(size)
        chunks = tuple(self._chunk(row, vectors[row], place) for row in range(size))
        digest = hashlib.sha256(f"{place}{uuid4()}".encode()).digest()
        return IndexedDocument(DocumentId(uuid7()), 0, "Document", None, digest, None, chunks)

    def question(self) -> str:
        """Six words as rare as those of a question; one question in three misspells one."""
        words = [self._words[i] for i in self._random.integers(20, 4_000, 6)]
        if self._random.random() < 1 / 3:
            words[0] = words[0][1] + words[0][0] + words[0][2:] + "x"
        return " ".join(words)

    def vectors(self, count: int) -> NDArray[np.float32]:
        """Unit vectors round some of the centres."""
        noise = self._random.normal(size=(count, 384))
        raw = self._centres[self._random.integers(0, CLUSTERS, count)] + noise
        unit: NDArray[np.float32] = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype("f4")
        return unit

    def _vocabulary(self) -> list[str]:
        syllables = [c + v for c in "bcdfglmnprstvz" for v in ("a", "e", "i", "o", "u", "an", "ou")]
        made: dict[str, None] = {}
        while len(made) < VOCABULARY:
            parts = self._random.choice(syllables, self._random.integers(2, 5))
            made["".join(parts)] = None
        return list(made)

    def _chunk(self, position: int, vector: NDArray[np.float32], place: str) -> IndexedChunk:
        ranks = np.minimum(self._random.zipf(1.25, WORDS_PER_CHUNK), VOCABULARY) - 1
        text = f"{place} " + " ".join(self._words[rank] for rank in ranks)
        vectors = ((0, 1.0, vector),)
        return IndexedChunk(ChunkId(uuid7()), position, "text", "", None, text, text, "", vectors)


@dataclass
class Tenant:
    """A tenant of so many chunks, and what was measured of it."""

    id: TenantId
    chunks: int
    place: str
    indexing_seconds: float = 0.0
    exact_ms: list[float] = field(default_factory=list)
    search_ms: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    foreign: int = 0


async def measure(db: Database, *, large: bool) -> list[Tenant]:
    """Fill the table, then ask the tenants of `SIZES` in turn."""
    corpus = Corpus()
    total = LARGE_TOTAL_CHUNKS if large else 0
    neighbours = max(0, total - sum(SIZES)) // NEIGHBOUR_CHUNKS
    for number in range(neighbours):
        await _tenant(db, corpus, NEIGHBOUR_CHUNKS)
        print(f"\rneighbours {number + 1}/{neighbours}", end="", file=sys.stderr)
    measured = [await _tenant(db, corpus, size) for size in SIZES]
    await _settle(db, measured)
    for _ in range(ROUNDS):
        for _ in range(QUESTIONS):
            for tenant in measured:
                await _ask(db, corpus, tenant)
    return measured


async def _tenant(db: Database, corpus: Corpus, chunks: int) -> Tenant:
    place = f"lieu{uuid4().hex[:12]}"
    tenant_id = await tenants.create(db, slug=place, company_name=place)
    tenant = Tenant(tenant_id, chunks, place)
    for start in range(0, chunks, SOURCE_CHUNKS):
        document = corpus.document(min(SOURCE_CHUNKS, chunks - start), place)
        async with db.tenant(tenant_id, timeout_ms=600_000) as tx:
            source_id = SourceId(uuid7())
            await tx.run(
                "INSERT INTO sources (id, tenant_id, kind, title) VALUES (%s, %s, 'file', %s)",
                [source_id, tenant_id, place],
            )
            started = time.perf_counter()
            await replace_source(
                tx,
                source_id=source_id,
                agent_ids=[],
                documents=[document],
                embedding_model="benchmark",
                generation=1,
            )
        tenant.indexing_seconds += time.perf_counter() - started
    return tenant


async def _settle(db: Database, measured: list[Tenant]) -> None:
    """Searches that are not counted, until statements are prepared and pages are in memory."""
    warming = Corpus(seed=1)
    for tenant in measured:
        for _ in range(15):
            async with db.tenant(tenant.id) as tx:
                await search(
                    tx,
                    question=warming.question(),
                    vector=warming.vectors(1)[0],
                    agent_id=None,
                    limit=10,
                )


async def _ask(db: Database, corpus: Corpus, tenant: Tenant) -> None:
    question, vector = corpus.question(), corpus.vectors(1)[0]
    found = []
    for times, limit in ((tenant.search_ms, 10_000), (tenant.exact_ms, EVERYTHING)):
        async with db.tenant(tenant.id) as tx:
            started = time.perf_counter()
            passages = await search(
                tx,
                question=question,
                vector=vector,
                agent_id=None,
                limit=10,
                exact_limit=limit,
            )
            times.append((time.perf_counter() - started) * 1_000)
        tenant.foreign += sum(tenant.place not in passage.text for passage in passages)
        found.append({passage.chunk_id for passage in passages})
    tenant.recall.append(len(found[0] & found[1]) / max(1, len(found[1])))


def table(measured: list[Tenant]) -> str:
    """The figures as Markdown."""
    lines = [
        "| chunks of the tenant | search p50 / p95, ms | exact p50 / p95, ms | recall@10 | foreign"
        " | indexing, chunks/s | n |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_line(tenant) for tenant in measured]
    return "\n".join(lines)


def _line(tenant: Tenant) -> str:
    rate = tenant.chunks / tenant.indexing_seconds
    return (
        f"| {tenant.chunks:,} | {_percentiles(tenant.search_ms)} | {_percentiles(tenant.exact_ms)}"
        f" | {np.mean(tenant.recall):.3f} | {tenant.foreign} | {rate:.0f}"
        f" | {len(tenant.search_ms)} |"
    )


def _percentiles(times_ms: list[float]) -> str:
    low, high = np.percentile(times_ms, [50, 95])
    return f"{low:.1f} / {high:.1f}"


@contextlib.contextmanager
def _addresses() -> Iterator[postgres.Addresses]:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        server = EmbeddedPostgres(Path(directory) / "postgres")
        server.start()
        try:
            addresses = postgres.provision(server)
            migrate.migrate(addresses.owner)
            postgres.let_login_serve(addresses)
            yield addresses
        finally:
            server.stop()


@contextlib.asynccontextmanager
async def _database() -> AsyncIterator[Database]:
    with _addresses() as addresses:
        db = Database(addresses.login, max_connections=1)
        await db.open()
        try:
            yield db
        finally:
            await db.close()


async def _main(*, large: bool) -> None:
    async with _database() as db:
        print(table(await measure(db, large=large)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="in a table of 500,000 chunks")
    asyncio.run(_main(large=parser.parse_args().large))
