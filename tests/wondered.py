"""A business that was asked what it has no answer to, and a document of what it knows."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import DocumentId, SourceId, TenantId
from coccinelle.knowledge import actions, gaps

WONDERED = "Reprenez-vous les anciens appareils ?"


@dataclass(frozen=True)
class Wondered:
    """The question without an answer, and the first document of a source."""

    gap_id: UUID
    document_id: DocumentId


async def wondered(db: Database, tenant_id: TenantId, source_id: SourceId) -> Wondered:
    """Ask in vain."""
    async with db.tenant(tenant_id) as tx:
        await actions.record_gap(tx, question=WONDERED, best_score=0.1)
        (gap,), _ = await gaps.listed(tx, limit=1)
        (document, *_), _ = await actions.documents(tx, source_id, limit=1)
    return Wondered(gap.id, document.id)
