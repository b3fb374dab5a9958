"""Health tells the truth: each dependency is stopped for real, and named (S26)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from coccinelle import checks
from coccinelle.foundation import jobs, migrate, postgres
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.errors import Unavailable
from coccinelle.foundation.health import Check, Down, Health, routes
from coccinelle.foundation.settings import Settings
from coccinelle.providers.breaker import Breakers
from coccinelle.providers.embeddings.openai_compatible import OpenAICompatibleEmbedder
from coccinelle.providers.model import Endpoint
from coccinelle.providers.rerank.cohere import CohereReranker
from coccinelle.providers.wire import Wire
from tests.conftest import IN_MEMORY
from tests.scripted_llm import ScriptedLLM

NAMED_WITHIN_SECONDS = 5


@asynccontextmanager
async def client(
    health: Health, *, address: str = "127.0.0.1", **settings: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.include_router(routes(health, Settings.model_validate(settings)))
    transport = httpx2.ASGITransport(app, client=(address, 4711))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as asking:
        yield asking


async def named(asking: httpx2.AsyncClient, service: str) -> dict[str, Any]:
    """What `/ready` says of a service as soon as it says that it is down."""
    until = time.monotonic() + NAMED_WITHIN_SECONDS
    while time.monotonic() < until:
        assert (await asking.get("/live")).status_code == 200
        answer = await asking.get("/ready")
        found = answer.json()["services"][service]
        if not found["ok"]:
            return {**answer.json(), "code": answer.status_code, "note": found.get("note")}
        await asyncio.sleep(0.1)
    raise AssertionError(f"{service} is down, and nobody says so")


async def test_a_database_that_stops_is_named_and_nothing_can_be_served(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, settings=IN_MEMORY)
    await asyncio.to_thread(server.start)
    try:
        addresses = postgres.provision(server)
        migrate.migrate(addresses.owner)
        postgres.let_login_serve(addresses)
        db = Database(addresses.login)
        await db.open()
        async with client(Health({"database": checks.database(db)})) as asking:
            assert (await asking.get("/ready")).json()["status"] == "ok"
            await asyncio.to_thread(server.stop)
            said = await named(asking, "database")
            assert said["code"] == 503
            assert said["status"] == "unavailable"
            for path in ("/health", "/api/health", "/api/v2/health"):
                answer = await asking.get(path)
                assert answer.status_code == 503
                assert answer.headers["retry-after"]
            await asyncio.to_thread(server.start)
            await back(asking, "database")
        await db.close()
    finally:
        await asyncio.to_thread(server.stop)


async def back(asking: httpx2.AsyncClient, service: str) -> None:
    for _ in range(100):
        if (await asking.get("/ready")).json()["services"][service]["ok"]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("what is back is still said to be down")


@pytest.mark.parametrize("service", ["llm", "embeddings", "rerank"])
async def test_a_provider_that_stops_is_named_and_the_rest_is_served(
    db: Database, service: str
) -> None:
    wire = Wire()
    async with httpx2.AsyncClient(trust_env=False) as http:
        llm = ScriptedLLM()
        await llm.__aenter__()
        endpoint = Endpoint(llm.base_url, name="scripted")
        root = Endpoint(llm.base_url.removesuffix("/v1"), name="scripted")
        providers: dict[str, Check] = {
            "llm": checks.language_model(endpoint, ["one"], Breakers().states, http),
            "embeddings": checks.embeddings(OpenAICompatibleEmbedder(wire, endpoint, "words")),
            "rerank": checks.rerank(CohereReranker(wire, root, "order")),
        }
        health = Health({"database": checks.database(db), service: providers[service]})
        async with client(health) as asking:
            assert (await asking.get("/ready")).json()["status"] == "ok"
            await llm.__aexit__(None, None, None)
            said = await named(asking, service)
            assert said["code"] == 200
            assert said["status"] == "degraded"
    await wire.aclose()


async def test_a_key_that_was_refused_and_a_breaker_that_is_open_are_named() -> None:
    async with ScriptedLLM() as llm, httpx2.AsyncClient(trust_env=False) as http:
        endpoint = Endpoint(llm.base_url, name="scripted")
        breakers = Breakers()
        check = checks.language_model(endpoint, ["one", "two"], breakers.states, http)
        first, second = (breakers.of_model("scripted", model) for model in ("one", "two"))
        first.open_for(60)
        assert await check() is None
        second.open_for(60)
        with pytest.raises(Down, match="breaker open: one, two"):
            await check()
        breakers.of_key("scripted").open_for(60)
        with pytest.raises(Down, match="key"):
            await check()


async def test_a_queue_without_a_worker_is_named(addresses: postgres.Addresses) -> None:
    async with (
        jobs.queue(addresses.login) as app,
        client(Health({"queue": checks.queue(app)})) as asking,
    ):
        said = await named(asking, "queue")
        assert "no worker" in said["note"]
        work = asyncio.create_task(jobs.work(app, None, concurrency=1))
        try:
            await back(asking, "queue")
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        await named(asking, "queue")


async def test_without_a_key_the_answers_are_said_to_be_quotes() -> None:
    async with (
        httpx2.AsyncClient() as http,
        client(
            Health(
                {"llm": checks.language_model(None, (), dict, http), "rerank": checks.rerank(None)}
            )
        ) as asking,
    ):
        services = (await asking.get("/api/health")).json()["services"]
    assert services["llm"]["note"] == "offline composer"
    assert services["rerank"]["note"] == "fused order"


async def test_health_waits_for_the_demo_and_the_rest_does_not() -> None:
    searchable = asyncio.Event()

    async def is_searchable() -> bool:
        return searchable.is_set()

    async with client(Health({"demo": checks.demo(is_searchable)})) as asking:
        assert (await asking.get("/health")).status_code == 503
        assert (await asking.get("/api/health")).status_code == 200
        assert (await asking.get("/ready")).status_code == 200
        searchable.set()
        await asyncio.sleep(2.1)
        assert (await asking.get("/health")).json()["status"] == "ok"


async def test_a_check_that_hangs_is_down_within_its_bound_and_asked_once_for_all() -> None:
    asked = 0

    async def hang() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(60)

    async def breaks() -> None:
        raise Unavailable("embedding_unavailable")

    health = Health({"slow": hang, "broken": breaks})
    async with client(health) as asking:
        answers = await asyncio.gather(*(asking.get("/ready") for _ in range(20)))
    assert asked == 1
    services = answers[0].json()["services"]
    assert services["slow"]["note"] == "timeout"
    assert services["broken"]["note"] == "embedding_unavailable"
    assert services["slow"]["checked_at"].endswith("Z")


async def test_a_process_that_leaves_is_not_ready_but_lives() -> None:
    health = Health({})
    async with client(health) as asking:
        assert (await asking.get("/ready")).status_code == 200
        health.leave()
        assert (await asking.get("/ready")).status_code == 503
        assert (await asking.get("/live")).status_code == 200


@pytest.mark.parametrize(
    ("address", "headers", "settings", "status"),
    [
        ("127.0.0.1", {}, {}, 200),
        ("::1", {}, {}, 200),
        ("192.0.2.1", {}, {}, 404),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.1"}, {}, 404),
        ("192.0.2.1", {}, {"metrics_public": True}, 200),
    ],
)
async def test_metrics_are_for_this_machine_unless_they_are_public(
    address: str, headers: dict[str, str], settings: dict[str, Any], status: int
) -> None:
    async def answers() -> None:
        """A dependency that is up."""

    async with client(Health({"database": answers}), address=address, **settings) as asking:
        answer = await asking.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert (b'coccinelle_service_ok{service="database"} 1.0' in answer.content) is (status == 200)
