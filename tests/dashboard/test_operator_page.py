"""The operator's page is for the holder of the token, and not there without one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
from fastapi import FastAPI

from coccinelle.app import create_app
from coccinelle.foundation.health import Health
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import SettingsError, load
from coccinelle.house import open_house
from coccinelle.onboarding import actions
from coccinelle.tenants import actions as tenants
from coccinelle.tenants.accounts.cookies import LOCAL_COOKIE
from coccinelle.tenants.audit import OPERATOR
from tests.dashboard.conftest import Reader, Town
from tests.embedder import WordEmbedder

TOKEN = "jeton-de-l-exploitant-7f3a9c"
PATHS = ("/operator/onboarding", "/operator/onboarding.json")
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Guarded:
    """An application whose operator has a token."""

    app: FastAPI

    async def get(self, path: str, **more: object) -> httpx2.Response:
        transport = httpx2.ASGITransport(self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
async def guarded(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Guarded]:
    data = str(tmp_path_factory.mktemp("operator"))
    settings = load({"COCCINELLE_DATA": data, "COCCINELLE_OPERATOR_TOKEN": TOKEN})
    async with open_house(settings, addresses, embedder=WordEmbedder()) as house:
        tenant_id = await tenants.create(house.db, slug="secrete-sarl", company_name="Secrète SARL")
        async with house.db.tenant(tenant_id) as tx:
            await actions.open_session(tx, OPERATOR)
        yield Guarded(create_app(house, Health({})))


async def test_the_holder_of_the_token_sees_the_funnel_of_all_and_no_business(
    guarded: Guarded,
) -> None:
    page = await guarded.get(PATHS[0], auth=("whoever", TOKEN))
    figures = await guarded.get(PATHS[1], headers=BEARER)

    assert page.status_code == figures.status_code == 200
    assert "Mises en route" in page.text
    assert "Taux de réussite" in page.text
    told = figures.json()
    assert told["started"] >= 1
    assert len(told["per_day"]) == 7
    assert told["steps"][0]["step"] == "business"
    assert "Secrète" not in page.text + figures.text
    assert page.headers["cache-control"] == figures.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Basic !!"},
        {"Authorization": "Basic OjpQYXM="},
        {"Authorization": b"Basic \xe9"},
        {"Authorization": "Digest " + TOKEN},
    ],
)
async def test_anybody_else_is_asked_for_it(
    guarded: Guarded, headers: dict[str, str | bytes]
) -> None:
    for path in PATHS:
        answer = await guarded.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
        assert "Mises en route" not in answer.text


async def test_an_owner_s_session_is_no_operator_s(guarded: Guarded, town: Town) -> None:
    for path in PATHS:
        cookie = {"Cookie": f"{LOCAL_COOKIE}={town.lea.token}"}
        assert (await guarded.get(path, headers=cookie)).status_code == 401
        assert (await guarded.get(path, headers=town.lea.headers)).status_code == 401


async def test_without_a_token_there_is_no_such_page(owner: Reader) -> None:
    for path in PATHS:
        assert (await owner.get(path)).status_code == 404
        assert (await owner.get(path, Authorization="Bearer x")).status_code == 404


def test_a_token_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(SettingsError, match="OPERATOR_TOKEN"):
        load({"COCCINELLE_OPERATOR_TOKEN": "court"})
