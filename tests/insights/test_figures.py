"""Figures against rows that were counted by hand, of two businesses in two time zones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.insights import reading
from coccinelle.insights.model import Counted, Period, Quantiles, Stage, Thumbs, Waits
from tests.insights.setting import agent, conversation, turn, wish

PARIS = "Europe/Paris"
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 3), PARIS)
NOTHING = Counted(0, 0, 0, 0, 0, 0, 0, 0, 0)


def on(day: int, hour: int = 12, minute: int = 0, *, month: int = 11) -> datetime:
    """An instant of 2026, in UTC."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.fixture
async def filled(db: Database, rivoli: TenantId, nordlys: TenantId) -> TenantId:
    """Three days of the first business, a day before them, and the second one's noise."""
    async with db.tenant(rivoli) as tx:
        leyna, freya = await agent(tx, "leyna"), await agent(tx, "freya")
        long = await conversation(tx)
        for number in range(20):
            at = on(1, 9, number)
            first = 100 * (number + 1)
            steps = (("admit", number), ("retrieve", 10 * number))
            await turn(
                tx,
                at,
                of=long,
                agent_id=leyna,
                first_text_ms=first,
                latency_ms=2 * first,
                cost_microeur=50,
                tokens=(10, 3),
                steps=steps,
                score=1 if number < 3 else None,
            )
        await turn(tx, on(2), agent_id=freya, cost_microeur=7, score=-1)
        await turn(tx, on(2), "escalated", first_text_ms=100, latency_ms=200)
        await turn(tx, on(2), "interrupted", agent_id=leyna, latency_ms=99_999)
        await turn(tx, on(2), "failed", latency_ms=99_999)
        await turn(tx, on(3), "handed_over", first_text_ms=None, latency_ms=1)
        await turn(tx, on(3), "answering", first_text_ms=None, latency_ms=None)
        await turn(tx, on(30, month=10), agent_id=leyna, cost_microeur=11, score=1)
        await wish(tx, on(1))
        await wish(tx, on(2), claimed_after_seconds=60)
        await wish(tx, on(2), claimed_after_seconds=600, closed_after_seconds=900)
        await wish(tx, on(3), claimed_after_seconds=120, closed_after_seconds=900)
        await wish(tx, on(31, month=10), closed_after_seconds=5)
    async with db.tenant(nordlys) as tx:
        theirs = await agent(tx, "leyna")
        for _ in range(5):
            await turn(tx, on(2), "escalated", cost_microeur=1_000_000, score=-1)
            await turn(tx, on(2), agent_id=theirs, steps=(("route", 9),), latency_ms=90_000)
        await wish(tx, on(2), claimed_after_seconds=1)
    return rivoli


async def test_a_period_beside_the_one_before_it(db: Database, filled: TenantId) -> None:
    async with db.tenant(filled) as tx:
        found = await reading.figures(tx, NOVEMBER)
        before = await reading.figures(tx, NOVEMBER.before())

    assert found.conversations == 7
    assert found.counted == Counted(
        turns=26,
        answered=21,
        escalated=1,
        handed_over=1,
        interrupted=1,
        failed=1,
        prompt_tokens=200,
        completion_tokens=60,
        cost_microeur=1_007,
        # Of 22 times the 11th and the 21st: 100, 100, 200, 300, 400, 400, 500, … 2,000.
        first_text=Quantiles(900, 1_900),
        latency=Quantiles(1_800, 3_800),
    )
    assert found.counted.answered_share == 21 / 24
    assert found.counted.escalation_rate == 1 / 24
    assert found.waits == Waits(opened=4, claimed=3, closed=2, median_seconds=120.0)
    assert found.thumbs == Thumbs(up=3, down=1)
    assert before.conversations == 1
    assert before.counted.cost_microeur == 11
    assert before.waits == Waits(opened=1, claimed=0, closed=1, median_seconds=None)
    assert before.thumbs == Thumbs(up=1, down=0)


async def test_each_day_by_itself_those_without_a_question_too(
    db: Database, filled: TenantId
) -> None:
    async with db.tenant(filled) as tx:
        days = await reading.series(tx, replace(NOVEMBER, first=date(2026, 10, 29)))

    told = [(day.day.day, day.counted.turns, day.counted.cost_microeur) for day in days]
    assert told == [(29, 0, 0), (30, 1, 11), (31, 0, 0), (1, 20, 1_000), (2, 4, 7), (3, 2, 0)]
    assert days[0].counted == NOTHING
    assert days[3].counted.first_text == Quantiles(1_000, 1_900)
    assert days[5].counted.latency is None


async def test_each_agent_by_itself_and_what_none_could_answer(
    db: Database, filled: TenantId
) -> None:
    async with db.tenant(filled) as tx:
        found = await reading.by_agent(tx, NOVEMBER)

    told = [(one.key, one.name, one.counted.turns, one.counted.answered) for one in found.agents]
    assert told == [("leyna", "leyna", 21, 20), ("freya", "freya", 1, 1), (None, None, 4, 0)]
    assert [one.thumbs for one in found.agents] == [Thumbs(3, 0), Thumbs(0, 1), Thumbs()]
    assert found.agents[0].counted.latency == Quantiles(2_000, 3_800)
    steps = [Stage("admit", 20, Quantiles(9, 18)), Stage("retrieve", 20, Quantiles(90, 180))]
    assert found.agents[0].stages == steps
    assert found.stages == steps
    assert found.agents[1].stages == []


async def test_steps_are_read_of_the_latest_turns_only(db: Database, filled: TenantId) -> None:
    async with db.tenant(filled) as tx:
        found = await reading.by_agent(tx, NOVEMBER, staged_turns=7)

    # The latest seven have two without steps among them, and numbers 15 to 19.
    assert found.stages[0] == Stage("admit", 5, Quantiles(17, 19))


async def test_a_day_begins_at_midnight_where_the_business_is(
    db: Database, rivoli: TenantId
) -> None:
    async with db.tenant(rivoli) as tx:
        for at in (on(1, 22, 59), on(1, 23), on(2, 22, 59), on(2, 23)):
            await turn(tx, at)
        paris = await reading.series(tx, NOVEMBER)
        auckland = await reading.series(tx, replace(NOVEMBER, timezone="Pacific/Auckland"))

    assert [day.counted.turns for day in paris] == [1, 2, 1]
    assert [day.counted.turns for day in auckland] == [0, 2, 2]


async def test_the_day_on_which_clocks_go_back_has_its_twenty_five_hours(
    db: Database, rivoli: TenantId
) -> None:
    october = Period(date(2026, 10, 24), date(2026, 10, 26), PARIS)
    async with db.tenant(rivoli) as tx:
        for day, hour, minute in ((24, 21, 59), (24, 22, 0), (25, 22, 59), (25, 23, 0)):
            await turn(tx, on(day, hour, minute, month=10))
        days = await reading.series(tx, october)
        of_day = await reading.figures(
            tx, replace(october, first=october.days[1], last=october.days[1])
        )

    assert [day.counted.turns for day in days] == [1, 2, 1]
    assert of_day.counted.turns == 2


async def test_a_business_without_a_question_has_figures_that_say_so(
    db: Database, rivoli: TenantId
) -> None:
    async with db.tenant(rivoli) as tx:
        found = await reading.figures(tx, NOVEMBER)
        agents = await reading.by_agent(tx, NOVEMBER)

    async with db.tenant(rivoli) as tx:
        await turn(tx, on(2), "handed_over", first_text_ms=None)
        silent = await reading.figures(tx, NOVEMBER)

    assert (silent.counted.turns, silent.counted.answered_share) == (1, None)
    assert silent.counted.latency is None
    assert found.counted == NOTHING
    assert found.counted.answered_share is None
    assert found.waits == Waits(0, 0, 0, None)
    assert (agents.agents, agents.stages) == ([], [])
