"""What knowledge needs of the application: made once a process, in `app.py`."""

from __future__ import annotations

from typing import Protocol

from coccinelle.foundation.database import Database
from coccinelle.foundation.outgoing import Outgoing
from coccinelle.knowledge.crawl import CrawlLimits
from coccinelle.knowledge.parsing import ParseLimits
from coccinelle.providers.embeddings.model import Embedder


class KnowledgeServices(Protocol):
    """The database, the embedder, the guarded client, and what a source may cost."""

    @property
    def db(self) -> Database: ...

    @property
    def embedder(self) -> Embedder: ...

    @property
    def outgoing(self) -> Outgoing: ...

    @property
    def parse_limits(self) -> ParseLimits: ...

    @property
    def crawl_limits(self) -> CrawlLimits: ...
