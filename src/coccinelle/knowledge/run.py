"""One run of an ingestion: what it works with, what it builds, whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import SourceId, TenantId
from coccinelle.knowledge.services import KnowledgeServices

Progress = Callable[[int, int], None]


def unnoticed(done: int, total: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class Run:
    """A generation of a tenant's source, and the services to build it with."""

    services: KnowledgeServices
    tenant_id: TenantId
    source_id: SourceId
    generation: int
    progress: Progress = unnoticed

    def tx(self, *, timeout_ms: int = 10_000) -> AbstractAsyncContextManager[TenantTx]:
        """A transaction of the tenant."""
        return self.services.db.tenant(self.tenant_id, timeout_ms=timeout_ms)
