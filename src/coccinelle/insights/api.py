"""Figures over HTTP, under /api/v1/insights: of all agents, day by day, and of each agent."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from coccinelle.foundation.database import Database
from coccinelle.foundation.days import WrittenDay
from coccinelle.foundation.problems import managed
from coccinelle.insights import reading
from coccinelle.insights.model import (
    DEFAULT_DAYS,
    MOST_DAYS,
    ByAgent,
    Counted,
    Day,
    Figures,
    OfAgent,
    Period,
    Quantiles,
    Stage,
    StepName,
    Wanted,
)
from coccinelle.tenants.model import Caller

Authenticate = Callable[[Request], Awaitable[Caller]]
AN_ID = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e21"


class PeriodOut(BaseModel):
    """Whole days where the business is."""

    first: date = Field(
        alias="from", description="The first day.", examples=["2026-10-05"], title="From"
    )
    last: date = Field(
        alias="to", description="The last day, included.", examples=["2026-11-03"], title="To"
    )
    days: int = Field(description="How many they are.", examples=[30])
    timezone: str = Field(description="Where the days begin.", examples=["Europe/Paris"])


class QuantilesOut(BaseModel):
    """Milliseconds that half of all, and 95 of 100, were within."""

    p50_ms: int = Field(description="Half.", examples=[840])
    p95_ms: int = Field(description="95 of 100.", examples=[1160])


class CountedOut(BaseModel):
    """What turns came to. Times are of answered and escalated ones."""

    turns: int = Field(description="Questions, those under way too.", examples=[412])
    answered: int = Field(description="Answered by an assistant.", examples=[330])
    escalated: int = Field(description="For which it proposed a person.", examples=[61])
    handed_over: int = Field(description="Left to the person who has claimed.", examples=[12])
    interrupted: int = Field(description="Of which the customer left.", examples=[6])
    failed: int = Field(description="That went wrong.", examples=[3])
    answered_share: float | None = Field(
        description="Answered of those that an assistant ended, 0 to 1; none without any.",
        examples=[0.825],
    )
    escalation_rate: float | None = Field(
        description="Escalated of the same, 0 to 1.", examples=[0.152]
    )
    first_text: QuantilesOut | None = Field(description="Until the answer's first word.")
    latency: QuantilesOut | None = Field(description="Until its last one.")
    prompt_tokens: int = Field(description="Read by language models.", examples=[370800])
    completion_tokens: int = Field(description="Written by them.", examples=[74160])
    cost_microeur: int = Field(description="In millionths of a euro.", examples=[82400])


class WaitsOut(BaseModel):
    """Hand-offs that were opened then, and what became of them since."""

    opened: int = Field(description="Customers who asked for a person.", examples=[14])
    claimed: int = Field(description="Of them, taken by one.", examples=[13])
    closed: int = Field(description="Of them, closed.", examples=[12])
    median_claim_seconds: float | None = Field(
        description="From the wish to the claim, the middle one.", examples=[480.0]
    )


class ThumbsOut(BaseModel):
    """What customers said of the answers."""

    up: int = Field(description="Good.", examples=[21])
    down: int = Field(description="Not good.", examples=[3])


class FiguresOut(CountedOut):
    """A business in a period."""

    conversations: int = Field(description="With a question in it.", examples=[96])
    handoffs: WaitsOut = Field(description="Customers who asked for a person.")
    feedback: ThumbsOut = Field(description="Thumbs of customers.")


class OverviewOut(BaseModel):
    """A period beside the one before it."""

    period: PeriodOut = Field(description="The days that are counted.")
    figures: FiguresOut = Field(description="Of these days.")
    before: FiguresOut = Field(description="Of as many days before them.")


class DayOut(CountedOut):
    """One day."""

    day: date = Field(description="Where the business is.", examples=["2026-11-03"])


class SeriesOut(BaseModel):
    """A period day by day."""

    period: PeriodOut = Field(description="The days that are counted.")
    days: list[DayOut] = Field(description="Each of them, the first one first.")


class StageOut(BaseModel):
    """What a step of the turns took."""

    step: StepName = Field(description="Of a turn.", examples=["retrieve"])
    turns: int = Field(description="How many are measured: the latest ones.", examples=[391])
    p50_ms: int = Field(description="Half took at most so long.", examples=[310])
    p95_ms: int = Field(description="95 of 100 did.", examples=[560])


class OfAgentOut(CountedOut):
    """An agent. What no agent could answer is nobody's: `agent` and `name` are null."""

    id: UUID | None = Field(description="Of the agent.", examples=[AN_ID])
    agent: str | None = Field(description="Its key.", examples=["leyna"])
    name: str | None = Field(description="As its live version is called.", examples=["Leyna"])
    feedback: ThumbsOut = Field(description="Thumbs of customers.")
    stages: list[StageOut] = Field(description="The steps of its turns.")


class ByAgentOut(BaseModel):
    """Each agent by itself."""

    period: PeriodOut = Field(description="The days that are counted.")
    agents: list[OfAgentOut] = Field(description="The busiest first; nobody at the end.")
    stages: list[StageOut] = Field(description="The steps of all turns.")


Days = Annotated[
    int,
    Query(
        ge=1,
        le=MOST_DAYS,
        description="The last days, today among them; without `from` and `to` only.",
        examples=[30],
    ),
]
First = Annotated[
    WrittenDay | None,
    Query(alias="from", description="The first day; with `to`.", examples=["2026-10-05"]),
]
Last = Annotated[
    WrittenDay | None,
    Query(
        alias="to",
        description="The last day, included; today where it is later.",
        examples=["2026-11-03"],
    ),
]


def routes(db: Database, caller: Authenticate) -> APIRouter:
    """The routes of figures.

    Args:
        caller: says who asks, and raises unless they may see the business.
    """
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter(prefix="/api/v1/insights", tags=["insights"])

    @api.get(
        "/overview",
        summary="All agents together",
        response_description="The figures, beside those of the period before.",
        responses=managed(422),
    )
    async def overview(
        who: Who, days: Days = DEFAULT_DAYS, first: First = None, last: Last = None
    ) -> OverviewOut:
        """Volume, outcomes, times, cost, hand-offs and thumbs of a period of whole days."""
        async with db.tenant(who.tenant_id) as tx:
            chosen = await reading.period(tx, Wanted(days, first, last))
            found = await reading.figures(tx, chosen)
            before = await reading.figures(tx, chosen.before())
        return OverviewOut(
            period=_period_out(chosen), figures=_figures(found), before=_figures(before)
        )

    @api.get(
        "/series",
        summary="Day by day",
        response_description="Each day of the period.",
        responses=managed(422),
    )
    async def series(
        who: Who, days: Days = DEFAULT_DAYS, first: First = None, last: Last = None
    ) -> SeriesOut:
        """Days begin where the business is; one without a question is there with zeros."""
        async with db.tenant(who.tenant_id) as tx:
            chosen = await reading.period(tx, Wanted(days, first, last))
            found = await reading.series(tx, chosen)
        return SeriesOut(period=_period_out(chosen), days=[_day_out(day) for day in found])

    @api.get(
        "/agents",
        summary="Each agent",
        response_description="The agents that had questions, and what their steps took.",
        responses=managed(422),
    )
    async def agents(
        who: Who, days: Days = DEFAULT_DAYS, first: First = None, last: Last = None
    ) -> ByAgentOut:
        """Steps are those of the latest 2,000 questions of the period that were answered or
        escalated; everything else is of all."""
        async with db.tenant(who.tenant_id) as tx:
            chosen = await reading.period(tx, Wanted(days, first, last))
            found = await reading.by_agent(tx, chosen)
        return _by_agent_out(found)

    return api


def _period_out(period: Period) -> PeriodOut:
    days = {"from": period.first, "to": period.last, "days": period.length_days}
    return PeriodOut.model_validate({**days, "timezone": period.timezone})


def _counted(counted: Counted) -> dict[str, Any]:
    return {
        "turns": counted.turns,
        "answered": counted.answered,
        "escalated": counted.escalated,
        "handed_over": counted.handed_over,
        "interrupted": counted.interrupted,
        "failed": counted.failed,
        "answered_share": counted.answered_share,
        "escalation_rate": counted.escalation_rate,
        "first_text": _quantiles(counted.first_text),
        "latency": _quantiles(counted.latency),
        "prompt_tokens": counted.prompt_tokens,
        "completion_tokens": counted.completion_tokens,
        "cost_microeur": counted.cost_microeur,
    }


def _quantiles(found: Quantiles | None) -> QuantilesOut | None:
    return None if found is None else QuantilesOut(p50_ms=found.p50_ms, p95_ms=found.p95_ms)


def _figures(found: Figures) -> FiguresOut:
    waits = WaitsOut(
        opened=found.waits.opened,
        claimed=found.waits.claimed,
        closed=found.waits.closed,
        median_claim_seconds=found.waits.median_seconds,
    )
    return FiguresOut(
        **_counted(found.counted),
        conversations=found.conversations,
        handoffs=waits,
        feedback=ThumbsOut(up=found.thumbs.up, down=found.thumbs.down),
    )


def _day_out(day: Day) -> DayOut:
    return DayOut(**_counted(day.counted), day=day.day)


def _by_agent_out(found: ByAgent) -> ByAgentOut:
    return ByAgentOut(
        period=_period_out(found.period),
        agents=[_agent_out(one) for one in found.agents],
        stages=_stages_out(found.stages),
    )


def _agent_out(one: OfAgent) -> OfAgentOut:
    return OfAgentOut(
        **_counted(one.counted),
        id=one.agent_id,
        agent=one.key,
        name=one.name,
        feedback=ThumbsOut(up=one.thumbs.up, down=one.thumbs.down),
        stages=_stages_out(one.stages),
    )


def _stages_out(stages: Sequence[Stage]) -> list[StageOut]:
    return [
        StageOut(
            step=stage.step, turns=stage.turns, p50_ms=stage.took.p50_ms, p95_ms=stage.took.p95_ms
        )
        for stage in stages
    ]
