"""The pages of figures, without a script: each chart's table, each period, and what waits."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from coccinelle.dashboard.quantities import filters
from coccinelle.foundation.clock import now
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import TenantId, uuid7
from tests.accounts import Account, signed_up
from tests.dashboard.conftest import Reader, Town
from tests.examined import examined
from tests.insights.setting import agent, turn, wish

PAGE = "/dashboard/insights"
SPACES = dict.fromkeys(map(ord, "\u00a0\u202f"), " ")


def plain(page: str) -> str:
    """A page's text as one line, with plain spaces."""
    text = re.sub(r"<[^>]+>", " ", page).translate(SPACES)
    return re.sub(r"\s+", " ", text)


async def asked(town: Town, tenant_id: TenantId) -> None:
    """Ten questions of today: eight answered, one escalated, one failed; and a wish."""
    at = now()
    async with town.house.db.tenant(tenant_id) as tx:
        leyna = await agent(tx, "leyna")
        for number in range(8):
            await turn(
                tx,
                at,
                agent_id=leyna,
                first_text_ms=1_200,
                cost_microeur=25_000,
                steps=(("retrieve", 310),),
                score=1 if number else -1,
            )
        await turn(tx, at, "escalated", first_text_ms=1_200)
        await turn(tx, at, "failed", agent_id=leyna)
        await wish(tx, at - timedelta(minutes=12))


@pytest.fixture(scope="module")
async def busy(town: Town) -> Account:
    """An owner whose customers have asked something."""
    async with town.reader() as anybody:
        account = await signed_up(anybody.client)
    await asked(town, account.tenant_id)
    return account


@pytest.fixture
async def grown(town: Town, busy: Account) -> AsyncIterator[Reader]:
    """Her browser."""
    async with town.reader(busy) as reader:
        yield reader


async def test_the_figures_of_a_period_are_said_in_plain_words(grown: Reader) -> None:
    page = plain(await grown.see(PAGE))

    for said in (
        "Conversations 10 Rien avant",
        "Trouvé sans vous 80 % 8 questions sur 10",
        "Attente du premier mot 1,2 s 95 fois sur 100, moins de 1,2 s",
        "Avis de vos clients 88 % 7 pouces levés, 1 baissé",
        "Réponses coupées 1 0 client parti avant la fin, 1 panne",
        "Coût des modèles 0,20 € 0,02 € par conversation",
        "Une personne demandée 1 Aucune prise en charge ici",
    ):
        assert said in page, said


async def test_every_chart_has_a_table_of_every_day_behind_it(grown: Reader) -> None:
    page = await grown.see(f"{PAGE}?days=7")
    tables = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)

    assert len(tables) == 3
    assert [table.count("<tr>") for table in tables] == [7, 7, 7]
    last = [plain(table.rsplit("<tr>", 1)[1]) for table in tables]
    assert last[0].endswith(" 8 1 0 1 ")
    assert last[1].endswith(" 1,2 s 1,2 s ")
    assert last[2].endswith(" 0,20 € ")
    assert '<data value="0.2">' in page
    assert "uPlot.iife.min.js" in page


async def test_each_assistant_has_its_own_line_and_its_steps(grown: Reader) -> None:
    page = plain(await grown.see(f"{PAGE}/agents"))

    assert "leyna 9 8 0 0 1 1,2 s (95 sur 100 : 1,2 s)" in page
    assert "Aucun 1 0 1 0 0" in page
    assert "Chercher 0,3 s 0,3 s" in page


async def test_the_part_of_the_assistants_is_a_page_and_what_htmx_takes_of_it(
    grown: Reader,
) -> None:
    whole = await grown.get(f"{PAGE}/agents?days=7")
    part = await grown.get(f"{PAGE}/agents?days=7", **{"HX-Request": "true"})

    assert 'hx-get="/dashboard/insights/agents?days=7"' in await grown.see(f"{PAGE}?days=7")
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert 'id="by-agent"' in part.text


async def test_a_business_without_a_question_is_told_what_will_be_here(
    newcomer: tuple[Reader, Account],
) -> None:
    page = await newcomer[0].see(PAGE)

    assert "Personne n’a rien demandé ces jours-là." in page
    assert "Le mettre sur mon site" in page
    assert "<table" not in page
    assert "uPlot" not in page
    assert "Personne n’a rien demandé" in await newcomer[0].see(f"{PAGE}/agents")


async def test_figures_are_for_every_member_and_of_their_own_business(
    town: Town, grown: Reader
) -> None:
    async with town.reader(town.member) as member:
        page = await member.see(PAGE)

    assert "Personne n’a rien demandé ces jours-là." in page
    assert "Le mettre sur mon site" not in page  # She may not: only admins go there.


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=2026-11-02&to=2026-11-01", "Le premier jour vient avant le dernier"),
        ("from=2026-11-02", "Ce champ est obligatoire"),
        ("from=hier&to=demain", "Un jour s'écrit année-mois-jour"),
        ("days=0", "1 au moins"),
        ("days=4000", "366 au plus"),
        ("days=week", "nombre"),
    ],
)
async def test_days_that_are_none_are_refused_where_they_stand(
    owner: Reader, query: str, said: str
) -> None:
    for path in (PAGE, f"{PAGE}/agents"):
        answer = await owner.get(f"{path}?{query}")
        assert answer.status_code == 422
        assert said in answer.text.replace("&#39;", "'"), path


async def test_home_says_what_needs_the_business(
    town: Town, newcomer: tuple[Reader, Account]
) -> None:
    reader, account = newcomer
    async with town.house.db.tenant(account.tenant_id) as tx:
        await wish(tx, now() - timedelta(minutes=12))
        yesterday = now() - timedelta(hours=30)
        await wish(tx, yesterday, claimed_after_seconds=9, claimed_by=account.user_id)
        await wish(tx, now() - timedelta(days=3), closed_after_seconds=9)
        await gap(tx, "Livrez-vous ?")
        await gap(tx, "Ouvrez-vous le lundi ?", is_settled=True)
        await failed_source(tx)
    await examined(town.house.db, account.tenant_id)
    page = plain(await reader.see("/dashboard"))

    assert "1 client attend une personne Depuis 12 min pour le premier." in page
    assert "1 question sans réponse" in page
    assert "1 document n’a pas pu être lu" in page
    assert re.search(r"\d questions? de l’examen à revoir", page)
    for path in ("/dashboard/inbox", "/dashboard/knowledge/questions", "/onboarding/exam"):
        assert f'href="{path}"' in await reader.see("/dashboard")


async def gap(tx: TenantTx, question: str, *, is_settled: bool = False) -> None:
    await tx.run(
        "INSERT INTO knowledge_gaps (id, tenant_id, question, question_sha256, settled_as,"
        " settled_at) VALUES (%s, %s, %s, %s, %s, %s)",
        [uuid7(), tx.tenant_id, question, question.encode()]
        + (["dismissed", now()] if is_settled else [None, None]),
    )


async def failed_source(tx: TenantTx) -> UUID:
    source_id = uuid7()
    await tx.run(
        "INSERT INTO sources (id, tenant_id, kind, title, state, failure_code)"
        " VALUES (%s, %s, 'text', 'Tarifs', 'failed', 'empty_document')",
        [source_id, tx.tenant_id],
    )
    return source_id


def test_quantities_are_written_as_people_of_each_language_write_them() -> None:
    french, english = filters("fr"), filters("en")
    written = {
        "number": (12_345, "12 345", "12,345"),
        "percent": (0.825, "82 %", "82%"),
        "seconds": (1_240, "1,2 s", "1.2 s"),
        "euros": (1_234_000, "1,23 €", "€1.23"),
        "lasting": (4 * 3_600 + 300, "4 h 05", "4 h 05"),
    }
    for name, (value, in_french, in_english) in written.items():
        assert french[name](value).translate(SPACES) == in_french
        assert english[name](value).translate(SPACES) == in_english
    assert french["euros"](9).translate(SPACES) == "< 0,01 €"
    assert french["euros"](0).translate(SPACES) == "0 €"
    assert french["seconds"](7).translate(SPACES) == "7 ms"
    told = [french["lasting"](span).translate(SPACES) for span in (5, 90, 200_000)]
    assert told == ["5 s", "2 min", "2 j"]
