"""Sources as their owner handles them: added once, tagged, listed, read anew, deleted; and gaps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from coccinelle.agents import actions as agents
from coccinelle.agents.model import Configuration
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.ids import AgentId, SourceId, TenantId, uuid7
from coccinelle.foundation.outgoing import BadAddress
from coccinelle.knowledge import actions, gaps
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import (
    NewSource,
    Question,
    SourceNotFound,
    UnknownAgent,
    canonical_url,
    faq_source,
    file_source,
    storable,
    text_source,
    web_source,
)
from coccinelle.knowledge.search import search
from tests.knowledge.ingest_worker import Services

HOURS = text_source("Le salon est ouvert du mardi au samedi, de 9 h à 19 h.", title="Horaires")


async def agent(db: Database, tenant: TenantId, key: str) -> AgentId:
    configuration = Configuration(
        name=key.title(),
        description="Répond.",
        persona="Sympathique.",
        greeting="Bonjour",
        fallback_message="Je ne sais pas.",
        composer_intro="Voici :",
    )
    async with db.tenant(tenant) as tx:
        return await agents.create(tx, key=key, position=0, configuration=configuration)


async def titles(tx: TenantTx) -> list[str]:
    found, _ = await actions.listed(tx, limit=50)
    return [source.title for source in found]


async def test_a_source_is_its_tenants_alone(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with db.tenant(rivoli) as tx:
        added = await actions.add(tx, HOURS)

    async with db.tenant(nordlys) as tx:
        assert await titles(tx) == []
        with pytest.raises(SourceNotFound):
            await actions.get(tx, added.source.id)
    async with db.tenant(rivoli) as tx:
        assert await titles(tx) == ["Horaires"]


async def test_the_same_content_is_kept_once_in_a_tenant_and_said_to_be_there(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with db.tenant(rivoli) as tx:
        first = await actions.add(tx, file_source(b"Tarifs", filename="a.txt"))
        again = await actions.add(tx, file_source(b"Tarifs", filename="b.txt"))
    async with db.tenant(nordlys) as tx:
        other = await actions.add(tx, file_source(b"Tarifs", filename="a.txt"))

    assert (first.is_duplicate, again.is_duplicate, other.is_duplicate) == (False, True, False)
    assert again.source == first.source


async def test_the_same_address_is_kept_once_however_it_is_spelt(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with db.tenant(rivoli) as tx:
        first = await actions.add(tx, web_source("page", "https://Salon.example"))
        again = await actions.add(tx, web_source("page", "https://salon.example/?utm_source=x#ici"))
        whole = await actions.add(tx, web_source("site", "https://salon.example/"))
    async with db.tenant(nordlys) as tx:
        assert not (await actions.add(tx, web_source("page", "https://salon.example"))).is_duplicate

    assert again.source.id == first.source.id
    assert not whole.is_duplicate


async def found_in(db: Database, tenant: TenantId, question: str) -> list[str]:
    vector = (await Services(db).embedder.embed_queries([question]))[0]
    async with db.tenant(tenant) as tx:
        passages = await search(tx, question=question, vector=vector, agent_id=None, limit=9)
    return [passage.text for passage in passages]


def prices(euros: int, name: str = "tarifs.csv") -> NewSource:
    return file_source(f"Prestation;Prix\nCoupe;{euros} euros\n".encode(), filename=name)


async def test_a_changed_file_takes_the_place_of_the_one_of_its_name_when_it_is_read(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    await agent(db, rivoli, "lea")
    kept = {}
    for tenant, agents_ in ((rivoli, ["lea"]), (nordlys, [])):
        async with db.tenant(tenant) as tx:
            [kept[tenant]] = await actions.add_files(tx, [prices(25)], agents=agents_)
        await run_ingest(Services(db), tenant, kept[tenant].source.id, 1)

    async with db.tenant(rivoli) as tx:
        [changed] = await actions.add_files(tx, [prices(31)])
    before = await found_in(db, rivoli, "prix de la coupe")
    await run_ingest(Services(db), rivoli, changed.source.id, changed.source.generation)
    after = await found_in(db, rivoli, "prix de la coupe")
    async with db.tenant(rivoli) as tx:
        assert await titles(tx) == ["tarifs.csv"]
        [again] = await actions.add_files(tx, [prices(31)])

    assert (changed.is_replaced, changed.is_duplicate) == (True, False)
    assert changed.source.id == kept[rivoli].source.id
    assert (changed.source.state, changed.source.agents) == ("waiting", ["lea"])
    assert "25 euros" in before[0]
    assert "31 euros" in after[0]
    assert not any("25 euros" in text for text in after)
    assert (again.is_replaced, again.is_duplicate) == (False, True)
    assert "25 euros" in (await found_in(db, nordlys, "prix de la coupe"))[0]


async def test_a_new_version_that_cannot_be_read_leaves_the_old_one_answering(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with db.tenant(rivoli) as tx:
        [added] = await actions.add_files(tx, [prices(25)])
    await run_ingest(Services(db), rivoli, added.source.id, 1)
    async with db.tenant(rivoli) as tx:
        await actions.add_files(tx, [file_source(b"", filename="tarifs.csv")])
    await run_ingest(Services(db), rivoli, added.source.id, 2)

    async with db.tenant(rivoli) as tx:
        assert (await actions.get(tx, added.source.id)).failure_code == "empty_file"
    assert "25 euros" in (await found_in(db, rivoli, "prix de la coupe"))[0]


async def test_two_files_of_one_name_given_together_replace_nothing(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with db.tenant(rivoli) as tx:
        await actions.add_files(tx, [prices(25)])
        added = await actions.add_files(tx, [prices(26), prices(27)])

        assert [one.is_replaced for one in added] == [False, False]
        assert len(await titles(tx)) == 3


async def test_a_file_that_becomes_a_copy_of_another_is_forgotten(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with db.tenant(rivoli) as tx:
        first, _ = await actions.add_files(tx, [prices(31, "copie.csv"), prices(25)])
        [became] = await actions.add_files(tx, [prices(31)])
        assert (became.is_duplicate, became.source.id) == (True, first.source.id)
        assert await titles(tx) == ["copie.csv"]

        await actions.add_files(tx, [prices(25)])
        both = await actions.add_files(tx, [prices(9, "copie.csv"), prices(9)])
        assert [(one.is_replaced, one.is_duplicate) for one in both] == [
            (True, False),
            (False, True),
        ]
        assert await titles(tx) == ["copie.csv"]


async def test_a_duplicate_that_failed_is_tried_again(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    bad = file_source(b"   ", filename="vide.txt")
    async with db.tenant(rivoli) as tx:
        first = await actions.add(tx, bad)
    await run_ingest(Services(db), rivoli, first.source.id, 1)

    async with db.tenant(rivoli) as tx:
        assert (await actions.get(tx, first.source.id)).state == "failed"
        again = await actions.add(tx, bad)

    assert again.is_duplicate
    assert (again.source.state, again.source.generation) == ("waiting", 2)
    assert again.source.failure_code is None


async def test_lists_go_on_where_they_stopped(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    for tenant in (rivoli, nordlys):
        for number in range(5):
            async with db.tenant(tenant) as tx:
                await actions.add(tx, text_source(f"Texte {number}", title=f"T{number}"))

    async with db.tenant(rivoli) as tx:
        first, cursor = await actions.listed(tx, limit=2)
        second, cursor = await actions.listed(tx, limit=2, before=cursor)
        last, end = await actions.listed(tx, limit=2, before=cursor)

    assert [one.title for one in first + second + last] == ["T4", "T3", "T2", "T1", "T0"]
    assert end is None


async def test_a_tagged_source_is_found_by_its_agents_only(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    carole, audrey = await agent(db, rivoli, "carole"), await agent(db, rivoli, "audrey")
    await agent(db, nordlys, "carole")
    services = Services(db)
    async with db.tenant(rivoli) as tx:
        source = (await actions.add(tx, HOURS, agents=["carole"])).source
    await run_ingest(services, rivoli, source.id, 1)

    async def found(agent_id: AgentId) -> int:
        vector = (await services.embedder.embed_queries(["horaires du salon"]))[0]
        async with db.tenant(rivoli) as tx:
            return len(
                await search(
                    tx, question="horaires du salon", vector=vector, agent_id=agent_id, limit=5
                )
            )

    assert (source.agents, await found(carole), await found(audrey)) == (["carole"], 1, 0)
    async with db.tenant(rivoli) as tx:
        retagged = await actions.retag(tx, source.id, agents=["audrey"])
    assert (retagged.agents, await found(carole), await found(audrey)) == (["audrey"], 0, 1)
    async with db.tenant(rivoli) as tx:
        assert (await actions.retag(tx, source.id, agents=[])).agents == []
    assert (await found(carole), await found(audrey)) == (1, 1)


async def test_another_tenants_agent_is_unknown_and_nothing_is_kept(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    await agent(db, nordlys, "freya")
    with pytest.raises(UnknownAgent):
        async with db.tenant(rivoli) as tx:
            await actions.add(tx, HOURS, agents=["freya"])
    async with db.tenant(rivoli) as tx:
        assert await titles(tx) == []


async def _get(tx: TenantTx, source_id: SourceId) -> object:
    return await actions.get(tx, source_id)


async def _documents(tx: TenantTx, source_id: SourceId) -> object:
    return await actions.documents(tx, source_id, limit=1)


async def _retag(tx: TenantTx, source_id: SourceId) -> object:
    return await actions.retag(tx, source_id, agents=[])


@pytest.mark.parametrize(
    "verb", [_get, _documents, _retag, actions.reingest, actions.remove], ids=lambda v: v.__name__
)
@pytest.mark.parametrize("whose", ["nobody's", "another's"])
async def test_what_is_not_ours_is_not_there(
    db: Database,
    rivoli: TenantId,
    nordlys: TenantId,
    verb: Callable[[TenantTx, SourceId], Awaitable[object]],
    whose: str,
) -> None:
    async with db.tenant(rivoli) as tx:
        before = (await actions.add(tx, HOURS)).source
    source_id = before.id if whose == "another's" else SourceId(uuid7())

    with pytest.raises(SourceNotFound):
        async with db.tenant(nordlys) as tx:
            await verb(tx, source_id)

    async with db.tenant(rivoli) as tx:
        assert await actions.get(tx, before.id) == before


async def test_a_deleted_source_leaves_nothing_behind(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    sources = {}
    for tenant in (rivoli, nordlys):
        async with db.tenant(tenant) as tx:
            sources[tenant] = (await actions.add(tx, HOURS)).source.id
        await run_ingest(Services(db), tenant, sources[tenant], 1)

    async with db.tenant(rivoli) as tx:
        await actions.remove(tx, sources[rivoli])

    async def rows(tenant: TenantId) -> list[int]:
        async with db.tenant(tenant) as tx:
            return [
                await tx.value(f"SELECT count(*) FROM {table}")
                for table in ("sources", "documents", "chunks", "chunk_vectors", "postings")
            ]

    assert await rows(rivoli) == [0, 0, 0, 0, 0]
    assert 0 not in await rows(nordlys)


async def test_a_question_without_an_answer_is_one_gap_however_often_it_is_asked(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    asked = ["Vendez-vous des cartes cadeaux ?", "vendez-vous  des cartes cadeaux", "Autre chose ?"]
    for question in asked:
        async with db.tenant(rivoli) as tx:
            await actions.record_gap(tx, question=question, best_score=0.1)
    async with db.tenant(nordlys) as tx:
        await actions.record_gap(tx, question="Ailleurs ?", best_score=None)

    async with db.tenant(rivoli) as tx:
        first, cursor = await gaps.listed(tx, limit=1)
        rest, end = await gaps.listed(tx, limit=1, after=cursor)

    assert [(gap.question, gap.asked_count) for gap in first + rest] == [
        ("Autre chose ?", 1),
        ("Vendez-vous des cartes cadeaux ?", 2),
    ]
    assert end is None


def test_a_faq_is_kept_as_it_was_given() -> None:
    from coccinelle.knowledge.model import questions

    pairs = [Question("Où ?", "À Paris."), Question("Quand ?", "Le mardi.")]
    assert questions(faq_source(pairs, title="FAQ").content or b"") == pairs


@pytest.mark.parametrize("name", ["C:\\Users\\x\\tarifs.pdf", "/tmp/tarifs.pdf", " tarifs.pdf "])
def test_a_file_is_known_by_the_last_part_of_its_name(name: str) -> None:
    assert file_source(b"x", filename=name).title == "tarifs.pdf"


@pytest.mark.parametrize(
    "url",
    ["", "salon.example", "ftp://salon.example/", "https://", "https://me:secret@salon.example/"]
    + ["https://salon.example/\x00", "javascript:alert(1)", "https://a.example/" + "x" * 3000],
)
def test_what_is_not_the_address_of_a_page_is_refused(url: str) -> None:
    with pytest.raises(BadAddress):
        canonical_url(url)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "fin \udfff"])
def test_what_postgresql_cannot_keep_is_refused_by_name(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        storable(text, "title")
    assert [(e.field, e.code) for e in refused.value.errors] == [("title", "unstorable_characters")]
