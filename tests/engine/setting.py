"""Two businesses with agents of the same keys, who know different things; and engines for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from uuid import uuid4

from coccinelle.agents import actions as agents
from coccinelle.agents import store as agents_store
from coccinelle.agents.model import Agent, Configuration
from coccinelle.conversations.model import Limits
from coccinelle.engine.answering import AnswerModel
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import (
    EngineSettings,
    Inbound,
    TextDelta,
    TextReset,
    TurnEvent,
    TurnResult,
)
from coccinelle.engine.orchestrator import Orchestrator
from coccinelle.engine.turns import Engine
from coccinelle.engine.view import Views
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import AgentId, ChunkId, DocumentId, TenantId, uuid7
from coccinelle.knowledge import store as knowledge
from coccinelle.knowledge.indexing import IndexedChunk, IndexedDocument, replace_source
from coccinelle.knowledge.model import text_source
from coccinelle.providers.embeddings.model import Embedder
from coccinelle.providers.embeddings.openai_compatible import OpenAICompatibleEmbedder
from coccinelle.providers.language.model import LanguageModel
from coccinelle.providers.model import Endpoint
from coccinelle.providers.rerank.model import Reranker
from coccinelle.providers.wire import Wire
from coccinelle.tenants import actions as tenants

EMAILS = "Comment automatiser mes emails de bienvenue ?"
REELS = "Comment créer un reel viral sur Instagram ?"
PRICE = "Combien coûte la formation tunnels ?"
HOURS = "Quels sont vos horaires d'ouverture ?"
# Nothing is known of it, but it is in an agent's domain.
UNKNOWN = "Comment relier Zapier avec mon tunnel Kajabi ?"
OUTSIDE = "Quelle est la capitale de l'Australie ?"

AUDREY = Configuration(
    name="Audrey",
    description="Automatisation : emails, séquences, tunnels, Kajabi, Zapier.",
    persona="Tu es Audrey, spécialiste de l'automatisation.",
    greeting="Bonjour, je suis Audrey. Que voulez-vous automatiser ?",
    fallback_message="Je n'ai pas cette information. Voulez-vous qu'une personne vous réponde ?",
    composer_intro="Voici ce que disent nos documents :",
    keywords=("emails", "tunnel", "zapier"),
    examples=(
        EMAILS,
        UNKNOWN,
        PRICE,
        "Comment segmenter ma liste de contacts ?",
        "Quelle séquence envoyer après une inscription ?",
        "Comment créer un tunnel de vente ?",
        "Mes emails arrivent en spam",
        "Comment programmer une newsletter ?",
    ),
    legacy_type="automation",
)
CAROLE = replace(
    AUDREY,
    name="Carole",
    description="Instagram, reels, contenu, image de marque.",
    persona="Tu es Carole, spécialiste d'Instagram.",
    greeting="Bonjour, je suis Carole. Parlons de votre contenu !",
    keywords=("instagram", "reel"),
    examples=(
        REELS,
        "Aide-moi à créer un reel viral sur Instagram",
        "Quelle heure pour publier un reel ?",
        "Comment trouver des idées de contenu ?",
        "Comment écrire une bio Instagram ?",
        "Quels hashtags choisir pour mes reels ?",
        "Comment raconter mon histoire de marque ?",
        "Combien de stories publier par jour ?",
    ),
    legacy_type="creation",
)


@dataclass(frozen=True)
class Fact:
    """A piece of knowledge: whose (an agent's key, or everybody's), and what it answers."""

    agent: str | None
    title: str
    text: str
    question: str | None = None
    kind: str = "qa"


RIVOLI = (
    Fact(
        "audrey",
        "Emails de bienvenue",
        "Créez une séquence de trois emails dans Systeme.io, envoyée dès l'inscription.",
        EMAILS,
    ),
    Fact("audrey", "Tarifs", "Prestation : Formation tunnels\nPrix : 290 €", kind="table_row"),
    Fact("audrey", "Tarifs", "Prestation : Formation emails\nPrix : 190 €", kind="table_row"),
    Fact(
        "carole",
        "Reels",
        "Ouvrez par une accroche de trois secondes, puis montrez le résultat.",
        REELS,
    ),
    Fact(None, "Horaires", "Nous répondons du mardi au samedi, de 9h30 à 18h.", HOURS),
)
NORDLYS_CANARY = "CANARI-NORDLYS-7731"
NORDLYS = (
    Fact("audrey", "Bienvenue", f"Chez Nordlys, le code est {NORDLYS_CANARY}.", EMAILS),
    Fact("carole", "Reels", f"Chez Nordlys, un reel coûte 77 €. {NORDLYS_CANARY}", REELS),
    Fact(None, "Horaires", f"Nordlys ouvre à 7h15. {NORDLYS_CANARY}", HOURS),
)


async def business(
    db: Database,
    embedder: Embedder,
    *,
    name: str,
    facts: Sequence[Fact],
    configurations: Sequence[tuple[str, Configuration]] = (("audrey", AUDREY), ("carole", CAROLE)),
    **details: Any,
) -> TenantId:
    """A tenant with these agents, in this order, who know `facts`."""
    slug = f"{name.lower()}-{uuid4().hex[:12]}"
    tenant_id = await tenants.create(db, slug=slug, company_name=name, **details)
    async with db.tenant(tenant_id) as tx:
        ids = {
            key: await agents.create(tx, key=key, position=position, configuration=configuration)
            for position, (key, configuration) in enumerate(configurations)
        }
    for fact in facts:
        await learn(db, embedder, tenant_id, fact, [ids[fact.agent]] if fact.agent else [])
    return tenant_id


async def rivoli(db: Database, embedder: Embedder) -> TenantId:
    """The tenant whose story it is."""
    return await business(
        db,
        embedder,
        name="Rivoli",
        facts=RIVOLI,
        email="bonjour@rivoli.example",
        phone="+33199001234",
        offer_text="Parlons-en de vive voix :",
        offer_url="https://rivoli.example/appel",
    )


async def nordlys(db: Database, embedder: Embedder) -> TenantId:
    """The tenant of which nothing may be seen."""
    return await business(db, embedder, name="Nordlys", facts=NORDLYS, email="hei@nordlys.example")


async def learn(
    db: Database, embedder: Embedder, tenant_id: TenantId, fact: Fact, agent_ids: Sequence[AgentId]
) -> None:
    """Index one fact as a source of its own."""
    whole = f"{fact.title}\n{fact.question or ''}\n{fact.text}"
    vectors = [(0, 1.0, (await embedder.embed_passages([whole]))[0])]
    if fact.question:
        vectors.append((1, 0.5, (await embedder.embed_queries([fact.question]))[0]))
    chunk = IndexedChunk(
        id=ChunkId(uuid7()),
        position=0,
        kind=fact.kind,
        heading=fact.title,
        question=fact.question,
        text=fact.text,
        indexed_text=whole,
        title_text=fact.title,
        vectors=tuple(vectors),
    )
    document = IndexedDocument(
        DocumentId(uuid7()), 0, fact.title, None, sha256(whole.encode()).digest(), chunks=(chunk,)
    )
    async with db.tenant(tenant_id) as tx:
        new = text_source(whole, title=fact.title)
        source_id = await knowledge.insert_source(tx, new)
        assert source_id is not None
        await replace_source(
            tx,
            source_id=source_id,
            agent_ids=agent_ids,
            documents=[document],
            embedding_model=embedder.model,
            generation=1,
        )


def embedder_of(wire: Wire, base_url: str) -> Embedder:
    """Vectors of a server on loopback, under the name that a house gives them."""
    return OpenAICompatibleEmbedder(
        wire, Endpoint(base_url, name="127.0.0.1"), "text-embedding-3-small"
    )


def quoting(agent: Agent) -> LanguageModel | None:
    """No model: documents are quoted."""
    return None


def engine_of(
    db: Database,
    embedder: Embedder,
    *,
    answer_model: AnswerModel = quoting,
    routing_model: LanguageModel | None = None,
    reranker: Reranker | None = None,
    settings: EngineSettings | None = None,
    limits: Limits | None = None,
) -> Engine:
    """An engine, as `house` makes it."""
    known = settings or EngineSettings()
    views = Views(db, embedder, keyword_bonus=known.route_keyword_bonus)
    orchestrator = Orchestrator(
        db, views, embedder, routing_model=routing_model, reranker=reranker, settings=known
    )
    return Engine(
        db,
        views,
        orchestrator,
        answer_model=answer_model,
        settings=known,
        limits=limits or Limits(messages=1000),
    )


def fresh(prefix: str = "c") -> str:
    """An id that no other test uses."""
    return f"{prefix}-{uuid4().hex[:12]}"


@dataclass(frozen=True)
class Talk:
    """One customer's conversation with a business, through an engine."""

    engine: Engine
    tenant_id: TenantId
    user: str
    conversation: str
    defaults: tuple[tuple[str, Any], ...] = ()

    def inbound(self, text: str, **more: Any) -> Inbound:
        return Inbound(
            tenant_id=self.tenant_id,
            channel=more.pop("channel", "chat_v2"),
            user_id=more.pop("user", self.user),
            conversation_id=more.pop("conversation", self.conversation),
            text=text,
            message_key=more.pop("key", None),
            **more,
        )

    async def start(self, text: str, **more: Any) -> LiveTurn:
        return await self.engine.start(self.inbound(text, **more))

    async def say(self, text: str, **more: Any) -> TurnResult:
        return await (await self.start(text, **more)).result()


def talk(engine: Engine, tenant_id: TenantId) -> Talk:
    """A new customer, in a new conversation."""
    return Talk(engine, tenant_id, fresh("u"), fresh("c"))


async def told(live: LiveTurn, after: int = 0) -> list[TurnEvent]:
    """Every event until the turn is over."""
    return [event async for _, event in live.events(after)]


def shown(events: Sequence[TurnEvent]) -> str:
    """The text that a customer is left with."""
    text = ""
    for event in events:
        if isinstance(event, TextReset):
            text = ""
        elif isinstance(event, TextDelta):
            text += event.text
    return text


async def row(db: Database, tenant_id: TenantId, query: str, *params: Any) -> dict[str, Any]:
    """The one row of a look behind the scenes."""
    async with db.tenant(tenant_id) as tx:
        found = await tx.records(query, params)
    assert len(found) == 1, found
    return found[0]


async def rows(db: Database, tenant_id: TenantId, query: str, *params: Any) -> list[dict[str, Any]]:
    async with db.tenant(tenant_id) as tx:
        return await tx.records(query, params)


async def agent(db: Database, tenant_id: TenantId, key: str) -> Agent:
    """An agent of the tenant, as it answers."""
    async with db.tenant(tenant_id) as tx:
        return next(a for a in await agents_store.live_agents(tx) if a.key == key)
