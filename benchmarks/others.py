"""Search and ingestion, as their own benchmarks measure them, beside their targets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks import ingestion as _ingestion
from benchmarks import processes
from benchmarks import search as _search
from benchmarks.results import Figure, Section, median, percentile
from coccinelle.foundation.database import Database
from coccinelle.foundation.postgres import Addresses

RECALL = 0.98
_LIMITS_MS = {2_000: (20.0, 40.0), 20_000: (None, 60.0)}


def search(*, large: bool = False) -> Sequence[Section]:
    """Latency, recall and isolation of the one statement."""
    with processes.ground() as ground:
        measured = asyncio.run(_measured(ground.addresses, large=large))
    figures = [figure for tenant in measured for figure in _of_tenant(tenant)]
    title = f"Search in a table of {_search.LARGE_TOTAL_CHUNKS:,} chunks" if large else "Search"
    return [Section(title, figures, _search.table(measured))]


async def _measured(addresses: Addresses, *, large: bool) -> list[_search.Tenant]:
    db = Database(addresses.login, max_connections=1)
    await db.open()
    try:
        return await _search.measure(db, large=large)
    finally:
        await db.close()


def _of_tenant(tenant: _search.Tenant) -> list[Figure]:
    """Its latency if it has a target, its recall and its foreign passages."""
    samples = str(len(tenant.search_ms))
    recall = sum(tenant.recall) / len(tenant.recall)
    figures = [
        Figure(
            f"recall@10 against exact, and foreign chunks, {tenant.chunks:,} chunks",
            f">= {RECALL}, 0",
            f"{recall:.3f}, {tenant.foreign}",
            samples,
            recall >= RECALL and tenant.foreign == 0,
        )
    ]
    if tenant.chunks in _LIMITS_MS:
        figures.insert(0, _latency(tenant, samples))
    return figures


def _latency(tenant: _search.Tenant, samples: str) -> Figure:
    most_p50, most_p95 = _LIMITS_MS[tenant.chunks]
    p50, p95 = median(tenant.search_ms), percentile(tenant.search_ms, 0.95)
    met = (most_p50 is None or p50 <= most_p50) and p95 <= most_p95
    first = "" if most_p50 is None else f"p50 <= {most_p50:.0f} ms, "
    fastest = percentile(tenant.search_ms, 0.1)
    why = f"a tenth of them took at most {fastest:.0f} ms; the load is named above."
    return Figure(
        f"hybrid search, one statement, {tenant.chunks:,} chunks",
        f"{first}p95 <= {most_p95:.0f} ms",
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms",
        samples,
        met,
        "" if met else why,
    )


def ingestion() -> Sequence[Section]:
    """Chunks a second, the embedding itself apart."""
    with processes.ground() as ground:
        rows = asyncio.run(_ingestion.run(ground.addresses))
    return [Section("Ingestion", [_of_row(row) for row in rows])]


def _of_row(row: _ingestion.Row) -> Figure:
    met = None if row.target is None else row.value >= row.target
    target = "none" if row.target is None else f">= {row.target:.0f} {row.unit}"
    why = "" if met is not False else "the load is named above."
    return Figure(row.what, target, f"{row.value:.3g} {row.unit}", str(row.n), met, why)
