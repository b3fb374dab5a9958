"""A house that lives on loopback: a real server over a real database, for two businesses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx2
import uvicorn

from coccinelle.agents import actions as agents
from coccinelle.agents.model import Configuration
from coccinelle.app import create_app
from coccinelle.foundation.health import Health
from coccinelle.foundation.ids import SourceId, TenantId
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import load
from coccinelle.house import House, open_house
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import Question, faq_source
from coccinelle.providers.embeddings.model import Embedder
from coccinelle.tenants import actions as tenants
from tests.embedder import WordEmbedder
from tests.listening import listening

ROOMY = {
    "COCCINELLE_RATE_ADDRESS_MESSAGES": "100000",
    "COCCINELLE_SIGNUPS_PER_HOUR": "100000",
    "COCCINELLE_LOGINS_PER_MINUTE": "100000",
    "COCCINELLE_LOGINS_PER_EMAIL": "100000",
    "COCCINELLE_RESETS_PER_HOUR": "100000",
    "COCCINELLE_DOCS_PAGE": "true",
}


@dataclass(frozen=True)
class Business:
    """A tenant with a host name, keys, two agents and something to say."""

    id: TenantId
    slug: str
    host: str
    api_key: str
    public_key: str
    source_id: SourceId
    canary: str


def configuration(
    name: str, subject: str, *examples: str, legacy: str = "creation"
) -> Configuration:
    """An agent that is about `subject`."""
    return Configuration(
        name=name,
        description=f"{name} répond sur {subject}.",
        persona=f"Tu es {name}.",
        greeting=f"Bonjour, je suis {name}.",
        fallback_message=f"{name} ne sait pas. Voulez-vous parler à une personne ?",
        composer_intro="Voici ce que disent nos documents :",
        keywords=(subject,),
        examples=examples,
        legacy_type="automation" if legacy == "automation" else "creation",
    )


async def move_in(house: House, name: str) -> Business:
    """Make a business whose knowledge holds a canary that no other business may ever see."""
    slug = f"{name}-{uuid4().hex[:10]}"
    canary = f"canari{uuid4().hex[:10]}"
    host = f"{slug}.localhost"
    tenant_id = await tenants.create(
        house.db, slug=slug, company_name=name.title(), email=f"bonjour@{slug}.example"
    )
    async with house.db.tenant(tenant_id) as tx:
        await tenants.bind_host(tx, host=host, origins=[f"https://{slug}.example"])
        api = await tenants.create_api_key(tx, name="tests")
        public = await tenants.create_public_key(tx, name="tests", origins=["https://a.example"])
        for position, (key, subject) in enumerate([("audrey", "emails"), ("carole", "reels")]):
            asked = [f"Comment faire mes {subject} ?", f"Aide-moi avec les {subject}"]
            legacy = "automation" if key == "audrey" else "creation"
            about = configuration(key.title(), subject, *asked, legacy=legacy)
            await agents.create(tx, key=key, position=position, configuration=about)
        faqs = [
            ("Comment automatiser mes emails de bienvenue ?", f"Avec une séquence {canary}."),
            ("Comment créer un reel viral sur Instagram ?", f"Avec une accroche {canary}."),
            ("Quels sont vos horaires ?", f"De 9 h à 18 h {canary}."),
        ]
        added = await knowledge.add(
            tx, faq_source([Question(*pair) for pair in faqs], title="Questions")
        )
    await run_ingest(house, tenant_id, added.source.id, added.source.generation)
    return Business(tenant_id, slug, host, api.secret, public.secret, added.source.id, canary)


@asynccontextmanager
async def living(
    addresses: Addresses,
    data: Path,
    *,
    embedder: Embedder | None = None,
    environment: dict[str, str] | None = None,
    health: Health | None = None,
) -> AsyncIterator[tuple[House, str]]:
    """A house and the address at which it answers until the block ends."""
    values = {"COCCINELLE_DATA": str(data), **ROOMY, **(environment or {})}
    async with open_house(load(values), addresses, embedder=embedder or WordEmbedder()) as house:
        app = create_app(house, health or Health({}))
        config = uvicorn.Config(app, log_config=None, proxy_headers=False)
        server = uvicorn.Server(config)
        listener = listening()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        try:
            yield house, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


def client(base_url: str, business: Business | None = None, **headers: str) -> httpx2.AsyncClient:
    """A client of `base_url`, found by the business's host name unless it brings a key."""
    named = {"Host": business.host} if business else {}
    return httpx2.AsyncClient(base_url=base_url, headers={**named, **headers}, timeout=30)
