"""Two businesses in one house, each with a public key that one page may use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest

from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House
from tests.living import Business, client, living, move_in

PAGE = "https://a.example"  # Both list it: what tells them apart is the key.


@dataclass(frozen=True)
class Street:
    """A server and the businesses in it."""

    house: House
    url: str
    rivoli: Business
    nordlys: Business

    def page(self, business: Business, **headers: str) -> httpx2.AsyncClient:
        """A page with the widget of `business`: a browser that knows its public key."""
        sent = {"Origin": PAGE, "X-Coccinelle-Key": business.public_key, **headers}
        return client(self.url, None, **sent)


@pytest.fixture(scope="package")
async def street(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Street]:
    data, roomy = tmp_path_factory.mktemp("widget"), {"COCCINELLE_RATE_MESSAGES": "10000"}
    async with living(addresses, data, environment=roomy) as (house, url):
        yield Street(house, url, await move_in(house, "rivoli"), await move_in(house, "nordlys"))
