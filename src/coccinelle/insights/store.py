"""Figures, counted from the rows of turns, their steps, thumbs and hand-offs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import AgentId
from coccinelle.insights.model import Counted, Quantiles, Span, Stage, StepName, Thumbs, Waits

_SPANS = (
    "unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[])"
    " WITH ORDINALITY AS span (starts_at, ends_at, place)"
)
_IN_SPAN = (
    "t.tenant_id = %(tenant)s AND t.accepted_at >= span.starts_at AND t.accepted_at < span.ends_at"
)
_FIELDS = [field.name for field in fields(Counted)]
_TIMES = ("first_text", "latency")
_OUTCOMES = ("answered", "escalated", "handed_over", "interrupted", "failed")
_QUANTILES = (
    "percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY t.{column})"
    " FILTER (WHERE t.state IN ('answered', 'escalated')) AS {name}"
)
_COUNTED = ", ".join(
    [
        "count(*) AS turns",
        *(f"count(*) FILTER (WHERE t.state = '{state}') AS {state}" for state in _OUTCOMES),
        "coalesce(sum(t.prompt_tokens), 0)::bigint AS prompt_tokens",
        "coalesce(sum(t.completion_tokens), 0)::bigint AS completion_tokens",
        "coalesce(sum(t.cost_microeur), 0)::bigint AS cost_microeur",
        _QUANTILES.format(column="first_text_ms", name="first_text"),
    ]
)
_LATENCY = _QUANTILES.format(column="latency_ms", name="latency")


@dataclass(frozen=True)
class AgentRow:
    """An agent that had turns, or nobody, and what they came to."""

    agent_id: AgentId | None
    key: str | None
    name: str | None
    counted: Counted


async def counted(
    tx: TenantTx, spans: Sequence[Span], *, with_latency: bool = True
) -> list[Counted]:
    """Of the turns of each span, in the order of the spans.

    Args:
        with_latency: sort the times of whole answers, too, which costs as much as all the rest.
    """
    columns = f"{_COUNTED}, {_LATENCY if with_latency else 'NULL AS latency'}"
    # One short range of an index for each: no row needs to be told which day it is of.
    rows = await tx.records(
        f"SELECT found.* FROM {_SPANS}, LATERAL (SELECT {columns} FROM turns t WHERE {_IN_SPAN})"
        " found ORDER BY span.place",
        _values(tx, spans),
    )
    return [_counted(row) for row in rows]


async def conversations(tx: TenantTx, span: Span) -> int:
    """How many conversations have a turn in it."""
    found: int = await tx.value(
        f"SELECT count(*) FROM (SELECT FROM {_SPANS}, turns t WHERE {_IN_SPAN}"
        " GROUP BY t.conversation_id) spoken",
        _values(tx, [span]),
    )
    return found


async def waits(tx: TenantTx, span: Span) -> Waits:
    """The hand-offs that were opened in it."""
    return await tx.one(
        Waits,
        "SELECT count(*) AS opened, count(claimed_at) AS claimed, count(closed_at) AS closed,"
        " percentile_cont(0.5) WITHIN GROUP"
        "  (ORDER BY extract(epoch FROM claimed_at - opened_at)) AS median_seconds"
        f" FROM {_SPANS}, handoffs WHERE tenant_id = %(tenant)s"
        " AND opened_at >= span.starts_at AND opened_at < span.ends_at",
        _values(tx, [span]),
    )


async def thumbs(tx: TenantTx, span: Span) -> dict[AgentId | None, Thumbs]:
    """What was said of each agent's answers of it, whenever it was said; of nobody's: None."""
    rows = await tx.records(
        "SELECT t.agent_id, count(*) FILTER (WHERE f.score > 0) AS up,"
        f" count(*) FILTER (WHERE f.score < 0) AS down FROM {_SPANS}, feedback f JOIN turns t"
        " ON t.tenant_id = f.tenant_id AND t.id = f.turn_id"
        f" WHERE f.tenant_id = %(tenant)s AND {_IN_SPAN} GROUP BY t.agent_id",
        _values(tx, [span]),
    )
    return {row["agent_id"]: Thumbs(row["up"], row["down"]) for row in rows}


async def agents(tx: TenantTx, span: Span) -> list[AgentRow]:
    """Each agent that had turns, the busiest first, by the name of its live version."""
    rows = await tx.records(
        "SELECT found.*, a.key, v.name FROM"
        f" (SELECT t.agent_id, {_COUNTED}, {_LATENCY} FROM {_SPANS}, turns t WHERE {_IN_SPAN}"
        "  GROUP BY t.agent_id) found"
        " LEFT JOIN agents a ON a.tenant_id = %(tenant)s AND a.id = found.agent_id"
        " LEFT JOIN agent_versions v ON v.tenant_id = a.tenant_id AND v.id = a.live_version_id"
        " ORDER BY found.agent_id IS NULL, found.turns DESC, a.key",
        _values(tx, [span]),
    )
    return [AgentRow(row["agent_id"], row["key"], row["name"], _counted(row)) for row in rows]


async def stages(
    tx: TenantTx, span: Span, *, most_turns: int
) -> dict[tuple[bool, AgentId | None], list[Stage]]:
    """Steps of the latest `most_turns` turns that were answered or escalated.

    By whether they are of one agent only, and which; of all turns: (False, None).
    """
    rows = await tx.records(
        "SELECT grouping(latest.agent_id) = 0 AS is_of_one, latest.agent_id, s.step,"
        " count(*) AS turns, percentile_disc(ARRAY[0.5, 0.95])"
        "  WITHIN GROUP (ORDER BY s.duration_ms) AS took"
        f" FROM (SELECT t.id, t.agent_id FROM {_SPANS}, turns t WHERE {_IN_SPAN}"
        "  AND t.state IN ('answered', 'escalated')"
        "  ORDER BY t.accepted_at DESC LIMIT %(most)s) latest"
        # Looked up turn by turn, however many steps others have: OFFSET keeps it from being a join.
        " CROSS JOIN LATERAL (SELECT step, position, duration_ms FROM turn_steps"
        "  WHERE tenant_id = %(tenant)s AND turn_id = latest.id OFFSET 0) s"
        " GROUP BY GROUPING SETS ((s.step), (latest.agent_id, s.step)) ORDER BY min(s.position)",
        {**_values(tx, [span]), "most": most_turns},
    )
    found: dict[tuple[bool, AgentId | None], list[Stage]] = {}
    for row in rows:
        step: StepName = row["step"]
        stage = Stage(step, row["turns"], Quantiles(*row["took"]))
        found.setdefault((row["is_of_one"], row["agent_id"]), []).append(stage)
    return found


def _values(tx: TenantTx, spans: Sequence[Span]) -> dict[str, Any]:
    return {
        "tenant": tx.tenant_id,
        "starts": [span.starts_at for span in spans],
        "ends": [span.ends_at for span in spans],
    }


def _counted(row: Mapping[str, Any]) -> Counted:
    values = {name: row[name] for name in _FIELDS}
    values |= {name: Quantiles(*took) for name in _TIMES if (took := row[name])}
    return Counted(**values)
