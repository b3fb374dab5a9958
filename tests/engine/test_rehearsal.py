"""An agent is tried as its draft has it, and no customer, figure or list knows of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from coccinelle.agents import actions as agents
from coccinelle.agents.model import Agent
from coccinelle.engine.answering import AnswerModel
from coccinelle.engine.model import ESCALATE, EngineSettings
from coccinelle.engine.orchestrator import Orchestrator
from coccinelle.engine.rehearsal import Line, Rehearsals
from coccinelle.engine.view import Views
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import NotFound, Unavailable
from coccinelle.foundation.ids import TenantId
from coccinelle.providers.language.model import (
    Completed,
    JsonSchema,
    LanguageModel,
    ModelCall,
    ModelFailed,
    Piece,
    Prompt,
    Restarted,
)
from coccinelle.tenants.audit import OPERATOR
from tests.embedder import WordEmbedder
from tests.engine import setting
from tests.engine.conftest import Town
from tests.engine.setting import EMAILS, HOURS, NORDLYS_CANARY, REELS, UNKNOWN, agent, quoting

TABLES = ("conversations", "customers", "messages", "turns", "knowledge_gaps", "handoffs")


class Broken:
    """A model that says nothing."""

    async def stream(
        self, prompt: Prompt, *, calls: list[ModelCall], until: float | None = None
    ) -> AsyncGenerator[Piece | Restarted | Completed, None]:
        raise ModelFailed("empty")
        yield Piece("")

    async def complete(
        self,
        prompt: Prompt,
        *,
        schema: JsonSchema | None = None,
        calls: list[ModelCall],
        until: float | None = None,
    ) -> str:
        raise ModelFailed("empty")


def rehearsals(
    db: Database, embedder: WordEmbedder, answer_model: AnswerModel = quoting
) -> Rehearsals:
    known = EngineSettings()
    views = Views(db, embedder, keyword_bonus=known.route_keyword_bonus)
    orchestrator = Orchestrator(
        db, views, embedder, routing_model=None, reranker=None, settings=known
    )
    return Rehearsals(views, orchestrator, answer_model=answer_model, settings=known)


async def renamed(db: Database, tenant_id: TenantId, key: str, **changes: object) -> Agent:
    live = await agent(db, tenant_id, key)
    return replace(live, configuration=replace(live.configuration, **changes))  # type: ignore[arg-type]


async def counted(db: Database, tenant_id: TenantId) -> list[int]:
    async with db.tenant(tenant_id) as tx:
        return [await tx.value(f"SELECT count(*) FROM {table}") for table in TABLES]


async def test_a_draft_answers_in_its_own_words_from_what_the_business_knows(
    db: Database, embedder: WordEmbedder, town: Town
) -> None:
    draft = await renamed(db, town.rivoli, "audrey", name="Camille", composer_intro="Tenez :")
    before = await counted(db, town.rivoli)

    told = await rehearsals(db, embedder).ask(town.rivoli, draft, EMAILS)

    assert (told.agent, told.agent_name, told.outcome) == ("audrey", "Camille", "answered")
    assert told.text.startswith("Tenez :")
    assert "séquence de trois emails" in told.text
    assert told.sources[0].title == "Emails de bienvenue"
    assert told.reason
    assert await counted(db, town.rivoli) == before


@pytest.mark.parametrize("text", [UNKNOWN, "Je veux parler à quelqu'un", "Merci !"])
async def test_nothing_that_is_tried_is_kept(
    db: Database, embedder: WordEmbedder, town: Town, text: str
) -> None:
    draft = await renamed(db, town.rivoli, "audrey", fallback_message="Aucune idée.")
    before = await counted(db, town.rivoli)

    told = await rehearsals(db, embedder).ask(town.rivoli, draft, text)

    assert told.text
    assert await counted(db, town.rivoli) == before
    if text == UNKNOWN:
        assert (told.agent, told.text) == (ESCALATE, "Aucune idée.")


async def test_the_question_goes_to_whom_a_customer_s_would(
    db: Database, embedder: WordEmbedder, town: Town
) -> None:
    draft = await renamed(db, town.rivoli, "audrey", name="Camille")
    ask = rehearsals(db, embedder).ask

    assert (await ask(town.rivoli, draft, REELS)).agent_name == "Carole"
    everything = await renamed(
        db, town.rivoli, "carole", name="Clara", examples=(*setting.CAROLE.examples, EMAILS)
    )
    assert (await ask(town.rivoli, everything, REELS)).agent_name == "Clara"


async def test_what_was_said_before_is_known(
    db: Database, embedder: WordEmbedder, town: Town
) -> None:
    draft = await renamed(db, town.rivoli, "audrey", name="Camille")
    said = [Line("Combien coûte la formation tunnels ?"), Line("290 €", "audrey")]

    told = await rehearsals(db, embedder).ask(
        town.rivoli, draft, "Et la formation emails ?", said=said
    )

    assert told.agent == "audrey"
    assert "190 €" in told.text


async def test_an_agent_that_was_never_published_is_tried_before_anybody_meets_it(
    db: Database, embedder: WordEmbedder
) -> None:
    tenant = await setting.business(
        db, embedder, name="Seule", facts=setting.NORDLYS[2:], configurations=()
    )
    async with db.tenant(tenant) as tx:
        made = await agents.create_draft(tx, OPERATOR, setting.AUDREY)

    told = await rehearsals(db, embedder).ask(tenant, made.answering_as(made.written), HOURS)

    assert (told.agent, told.outcome) == ("audrey", "answered")


async def test_another_business_s_knowledge_is_never_quoted(
    db: Database, embedder: WordEmbedder, town: Town
) -> None:
    draft = await renamed(db, town.rivoli, "audrey", name="Camille")

    for text in (EMAILS, REELS, HOURS):
        told = await rehearsals(db, embedder).ask(town.rivoli, draft, text)
        assert NORDLYS_CANARY not in told.text
    with pytest.raises(NotFound):
        await rehearsals(db, embedder).ask(TenantId(draft.id), draft, EMAILS)


async def test_what_is_tried_is_not_seen_by_customers_and_what_is_published_is_at_once(
    db: Database, embedder: WordEmbedder
) -> None:
    tenant = await setting.rivoli(db, embedder)
    views = Views(db, embedder, keyword_bonus=0.08)
    draft = await renamed(db, tenant, "audrey", name="Camille")
    await views.get(tenant)

    assert [one.name for one in (await views.with_draft(tenant, draft)).agents] == [
        "Camille",
        "Carole",
    ]
    assert [one.name for one in (await views.get(tenant)).agents] == ["Audrey", "Carole"]
    recognised = await views.recognised(draft.configuration)
    async with db.tenant(tenant) as tx:
        seen = await agents.save_draft(tx, OPERATOR, "audrey", draft.configuration, revision=None)
        await agents.publish_draft(
            tx, OPERATOR, "audrey", revision=seen.revision, recognised=recognised
        )
    embedded = len(embedder.embedded)
    await views.refresh(tenant)
    view = await views.get(tenant)

    assert [one.name for one in view.agents] == ["Camille", "Carole"]
    assert len(embedder.embedded) == embedded
    assert len(view.profiles) == 2


async def test_a_model_that_fails_is_told_as_to_customers(
    db: Database, embedder: WordEmbedder, town: Town
) -> None:
    def failing(agent: Agent) -> LanguageModel:
        return Broken()

    draft = await renamed(db, town.rivoli, "audrey", name="Camille")

    with pytest.raises(Unavailable) as refused:
        await rehearsals(db, embedder, failing).ask(town.rivoli, draft, EMAILS)
    assert refused.value.code == "answer_failed"
