"""Two businesses, an embedder of words, and an engine that quotes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from coccinelle.engine.turns import Engine
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from tests.embedder import WordEmbedder
from tests.engine import setting


@dataclass(frozen=True)
class Town:
    """Two businesses that know nothing of each other."""

    rivoli: TenantId
    nordlys: TenantId


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture(scope="session")
async def town(db: Database) -> Town:
    """Two businesses, the same for all tests: each brings its own customers."""
    words = WordEmbedder()
    return Town(await setting.rivoli(db, words), await setting.nordlys(db, words))


@pytest.fixture
def engine(db: Database, embedder: WordEmbedder) -> Engine:
    return setting.engine_of(db, embedder)
