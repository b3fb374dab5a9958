"""A server that people sign up to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest

from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House
from tests.living import client, living


@dataclass(frozen=True)
class Office:
    """A running server, and its house."""

    house: House
    url: str

    def client(self, **headers: str) -> httpx2.AsyncClient:
        return client(self.url, None, **headers)


@pytest.fixture(scope="session")
async def office(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    async with living(addresses, tmp_path_factory.mktemp("office")) as (house, url):
        yield Office(house, url)


@pytest.fixture
async def visitor(office: Office) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody who is not logged in."""
    async with office.client() as anybody:
        yield anybody
