"""Ingestion apart from the embedding itself: chunks a second, from bytes to what search finds.

python -m benchmarks.ingestion
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np

from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.outgoing import Outgoing
from coccinelle.foundation.postgres import Addresses
from coccinelle.knowledge import actions
from coccinelle.knowledge.crawl import CrawlLimits
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import NewSource, Question, faq_source, file_source
from coccinelle.knowledge.parsing import ParseLimits
from coccinelle.providers.embeddings.model import Vectors, unit
from coccinelle.tenants import actions as tenants

WORDS = re.findall(
    r"\S+",
    """
    le salon ouvre ferme mardi samedi coupe couleur brushing rendez-vous client prix euros soin
    cheveux carte cadeau paiement retard annulation téléphone adresse parking mariage essai barbe
    enfant étudiant remise fidélité produit shampooing conseil durée heure équipe formation
    """,
)
TARGET_CHUNKS_A_SECOND = 200.0


@dataclass(frozen=True)
class Row:
    """A figure beside its target; `n` is the sample size."""

    what: str
    value: float
    unit: str
    target: float | None
    n: int


class InstantEmbedder:
    """Vectors at no cost, so that only the rest is measured."""

    model = "instant-384"
    dimensions = 384

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return await self.embed_passages(texts)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return unit(self._random.standard_normal((len(texts), 384), np.float32))


@dataclass(frozen=True)
class Services:
    """What an ingestion works with."""

    db: Database
    embedder: InstantEmbedder = field(default_factory=InstantEmbedder)
    outgoing: Outgoing = field(
        default_factory=lambda: Outgoing(max_bytes=1_000_000, timeout_seconds=1)
    )
    parse_limits: ParseLimits = field(default_factory=ParseLimits)
    crawl_limits: CrawlLimits = field(default_factory=lambda: CrawlLimits(1, 1, 1, 1))


async def run(addresses: Addresses) -> list[Row]:
    """Ingest a long text, a table and a FAQ into a tenant of their own, each three times."""
    db = Database(addresses.login)
    await db.open()
    try:
        rows: list[Row] = []
        for what, make in (("text", _text), ("table", _table), ("FAQ", _faq)):
            rows += await _measure(db, what, [make(seed) for seed in range(3)])
        return [*rows, await _memory(db)]
    finally:
        await db.close()


async def _measure(db: Database, what: str, sources: Sequence[NewSource]) -> list[Row]:
    """The median of chunks a second over `sources`, and what is done once after the last."""
    tenant = await tenants.create(db, slug=f"bench-{uuid4().hex[:12]}", company_name="Bench")
    # While another source waits, the threshold is not learnt: it is measured on its own.
    async with db.tenant(tenant) as tx:
        last = (await actions.add(tx, file_source(b"Ouvert le mardi.", filename="a.txt"))).source
    rates, total = [], 0
    for new in sources:
        began = time.perf_counter()
        chunks = await _ingest(db, tenant, new)
        rates.append(chunks / (time.perf_counter() - began))
        total += chunks
    rate = sorted(rates)[len(rates) // 2]
    began = time.perf_counter()
    await run_ingest(Services(db), tenant, last.id, 1)
    learning = Row(f"learning the threshold, {what}", time.perf_counter() - began, "s", None, 1)
    return [
        Row(f"ingestion of a {what}", rate, "chunks/s", TARGET_CHUNKS_A_SECOND, total),
        learning,
    ]


async def _ingest(db: Database, tenant: TenantId, new: NewSource) -> int:
    async with db.tenant(tenant) as tx:
        source = (await actions.add(tx, new)).source
    await run_ingest(Services(db), tenant, source.id, 1)
    async with db.tenant(tenant) as tx:
        source = await actions.get(tx, source.id)
    assert source.state == "ready", source.failure_code
    return source.chunks_done


async def _memory(db: Database) -> Row:
    """How much this process grew while a 5 MB PDF was read; kilobytes of its peak."""
    tenant = await tenants.create(db, slug=f"bench-{uuid4().hex[:12]}", company_name="Bench")
    new = file_source(_pdf(5 * 1024 * 1024), filename="gros.pdf")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await _ingest(db, tenant, new)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return Row("growth of the process for a 5 MB PDF", grown_mb, "MB", None, 1)


def _sentence(random: np.random.Generator) -> str:
    chosen = random.choice(WORDS, size=int(random.integers(8, 18)))
    return " ".join(str(word) for word in chosen).capitalize() + "."


def _text(seed: int) -> NewSource:
    random = np.random.default_rng(seed)
    sections = [
        f"## Partie {n}\n\n" + " ".join(_sentence(random) for _ in range(14)) for n in range(1_000)
    ]
    return file_source("\n\n".join(sections).encode(), filename=f"guide-{seed}.md")


def _table(seed: int) -> NewSource:
    random = np.random.default_rng(seed)
    lines = [f"Prestation {n};{_sentence(random)};{n} €" for n in range(2_000)]
    table = "\n".join(["Nom;Description;Prix", *lines])
    return file_source(table.encode(), filename=f"tarifs-{seed}.csv")


def _faq(seed: int) -> NewSource:
    random = np.random.default_rng(seed)
    pairs = [
        Question(f"{_sentence(random)} {n} ?", " ".join(_sentence(random) for _ in range(4)))
        for n in range(1_000)
    ]
    return faq_source(pairs, title=f"FAQ {seed}")


def _pdf(size_bytes: int) -> bytes:
    """A PDF of a hundred pages of text, and of that size: the rest is noise that is not drawn."""
    from fpdf import FPDF  # noqa: PLC0415

    random = np.random.default_rng(1)
    document = FPDF()
    document.set_font("Helvetica", size=11)
    for _ in range(100):
        document.add_page()
        document.multi_cell(0, 6, " ".join(_sentence(random) for _ in range(30)))
    made = bytes(document.output())
    noise = random.bytes(max(0, size_bytes - len(made) - 100))
    stream = b"\n9999 0 obj <</Length %d>> stream\n" % len(noise)
    return made.replace(b"%PDF-1.3\n", b"%PDF-1.3\n", 1) + stream + noise + b"\nendstream endobj\n"


def main() -> None:
    """Print the figures, measured on a database of their own."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        try:
            addresses = postgres.provision(server)
            migrate.migrate(addresses.owner)
            postgres.let_login_serve(addresses)
            for row in asyncio.run(run(addresses)):
                target = f" (target {row.target:g})" if row.target else ""
                print(f"{row.what}: {row.value:.3g} {row.unit}{target}, n={row.n}")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
