"""A server whose businesses may read a site that is there, and an owner at its pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from coccinelle.foundation.jobs import queue, work
from coccinelle.foundation.postgres import Addresses
from tests.dashboard.test_onboarding_pages import Owner, Town
from tests.knowledge.test_suggest import SITES, served
from tests.living import living

GONE = "127.0.0.1:9"


@dataclass(frozen=True)
class Place:
    """A server, and a site that it may read."""

    town: Town
    site: str
    addresses: Addresses

    async def work(self) -> None:
        async with queue(self.addresses.login) as running:
            await work(running, self.town.house, concurrency=1, until_idle=True)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served(SITES / "salon") as host:
        yield host


@pytest.fixture(scope="module")
async def place(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory, site: str
) -> AsyncIterator[Place]:
    allowed = {"COCCINELLE_UPSTREAM_ALLOW": f"{site},{GONE}"}
    async with living(addresses, tmp_path_factory.mktemp("place"), environment=allowed) as opened:
        yield Place(Town(*opened), site, addresses)


@pytest.fixture
async def owner(place: Place) -> AsyncIterator[Owner]:
    found = await place.town.owner()
    async with found.client:
        yield found
