"""What people of a business read: its conversations, what was said, and why it was answered so.

All of it is read, nothing is written; the turn's own statements are in `store`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from coccinelle.conversations import words
from coccinelle.conversations.model import Author, CallRecord, Channel, Outcome, State, Step
from coccinelle.conversations.store import HELD
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import AgentId, ConversationId, MessageId, TurnId

Feedback = Literal["up", "down"]


@dataclass(frozen=True)
class Filters:
    """Which conversations: all of what is said must be so, and of one and the same turn where it
    is about turns.

    `since` and `until` are days where the business is, both included; of a conversation it is the
    last message that counts.
    """

    words: str | None = None
    agent: str | None = None
    outcome: Outcome | None = None
    channel: Channel | None = None
    feedback: Feedback | None = None
    since: date | None = None
    until: date | None = None
    handoff_open: bool = False


@dataclass(frozen=True)
class Before:
    """Where a page of conversations ends: the next one is of those before."""

    last_message_at: datetime
    id: ConversationId


@dataclass(frozen=True)
class Conversation:
    """A conversation at a glance.

    The business's own site proved `identity`; `identity_email` is only what its page said.
    `outcomes` are those of its turns, each once; `agent` is who answered last.
    """

    id: ConversationId
    external_id: str
    channel: Channel
    user_id: str | None
    identity: str | None
    identity_email: str | None
    agent: str | None
    agent_name: str | None
    first_message: str | None
    message_count: int
    outcomes: list[Outcome]
    up_count: int
    down_count: int
    handoff_id: UUID | None
    handoff_claimed: bool
    created_at: datetime
    last_message_at: datetime

    @property
    def handoff(self) -> Literal["open", "claimed"] | None:
        """Whether the customer waits for a person, or is with one."""
        if self.handoff_id is None:
            return None
        return "claimed" if self.handoff_claimed else "open"


@dataclass(frozen=True)
class Line:
    """One thing said, and of whom; `name` is the agent's at that time, or the person's."""

    id: MessageId
    seq: int
    author: Author
    text: str
    name: str | None
    turn_id: TurnId | None
    created_at: datetime


@dataclass(frozen=True)
class Used:
    """A passage that a turn was answered from, as it was shown then."""

    title: str
    url: str | None
    score: float
    cited: bool


@dataclass(frozen=True)
class Turn:
    """What was done to answer a message, and why."""

    id: TurnId
    conversation_id: ConversationId
    seq: int
    channel: Channel
    state: State
    failure_code: str | None
    agent: str | None
    agent_name: str | None
    agent_version: int | None
    confidence: float | None
    reason: str | None
    route_method: str | None
    route_scores: dict[str, float]
    search_question: str | None
    best_score: float | None
    answer_threshold: float | None
    first_text_ms: int | None
    latency_ms: int | None
    prompt_tokens: int
    completion_tokens: int
    cost_microeur: int
    accepted_at: datetime
    finished_at: datetime | None
    feedback: int | None
    feedback_comment: str | None
    sources: list[Used] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    calls: list[CallRecord] = field(default_factory=list)


_OF_TURNS: Mapping[str, str] = {
    "outcome": "t.state = %(outcome)s",
    "agent": "t.agent_id = %(agent_id)s",
    "feedback": "EXISTS (SELECT FROM feedback f WHERE f.tenant_id = %(tenant)s"
    " AND f.turn_id = t.id AND f.score = %(score)s)",
}
_ZONE = "(SELECT timezone FROM tenants WHERE id = %(tenant)s)"
_OF_CONVERSATIONS: Mapping[str, str] = {
    "channel": "c.channel = %(channel)s",
    "since": f"c.last_message_at >= %(since)s::date::timestamp AT TIME ZONE {_ZONE}",
    "until": f"c.last_message_at < (%(until)s::date + 1)::timestamp AT TIME ZONE {_ZONE}",
    "handoff_open": "EXISTS (SELECT FROM handoffs h WHERE h.tenant_id = %(tenant)s"
    " AND h.conversation_id = c.id AND h.closed_at IS NULL)",
    "words": words.FOUND,
}

_AT_A_GLANCE = f"""
    SELECT c.id, c.external_id, c.channel, c.identity, c.identity_email, c.created_at,
        c.last_message_at, a.key AS agent, v.name AS agent_name, i.value AS user_id,
        said.first_message, said.message_count, done.outcomes, done.up_count, done.down_count,
        h.id AS handoff_id, {HELD} AS handoff_claimed
    FROM {{conversations}} c
    LEFT JOIN agents a ON a.tenant_id = %(tenant)s AND a.id = c.agent_id
    LEFT JOIN agent_versions v ON v.tenant_id = %(tenant)s AND v.id = a.live_version_id
    LEFT JOIN LATERAL (SELECT value FROM customer_identities i WHERE i.tenant_id = %(tenant)s
        AND i.customer_id = c.customer_id AND i.kind = 'external_id'
        ORDER BY i.created_at LIMIT 1) i ON true
    LEFT JOIN handoffs h ON h.tenant_id = %(tenant)s AND h.conversation_id = c.id
        AND h.closed_at IS NULL
    CROSS JOIN LATERAL (SELECT count(*)::integer AS message_count,
            (array_agg(m.text ORDER BY m.seq) FILTER (WHERE m.author = 'customer'))[1]
                AS first_message
        FROM messages m WHERE m.tenant_id = %(tenant)s AND m.conversation_id = c.id) said
    CROSS JOIN LATERAL (SELECT
            coalesce(array_agg(DISTINCT t.state) FILTER (WHERE t.finished_at IS NOT NULL),
                '{{{{}}}}')
                AS outcomes,
            count(*) FILTER (WHERE f.score = 1)::integer AS up_count,
            count(*) FILTER (WHERE f.score = -1)::integer AS down_count
        FROM turns t LEFT JOIN feedback f ON f.tenant_id = %(tenant)s AND f.turn_id = t.id
        WHERE t.tenant_id = %(tenant)s AND t.conversation_id = c.id) done
"""


async def conversations(
    tx: TenantTx, filters: Filters, *, limit: int, before: Before | None
) -> list[Conversation]:
    """The conversations that were spoken in last, first; those before the place `before`."""
    agent_id = await _agent_id(tx, filters.agent)
    if filters.agent and agent_id is None:
        return []
    conditions = [_OF_CONVERSATIONS[name] for name in _OF_CONVERSATIONS if getattr(filters, name)]
    of_turns = [_OF_TURNS[name] for name in _OF_TURNS if getattr(filters, name)]
    if of_turns:
        conditions.append(
            "EXISTS (SELECT FROM turns t WHERE t.tenant_id = %(tenant)s"
            f" AND t.conversation_id = c.id AND {' AND '.join(of_turns)})"
        )
    if before is not None:
        conditions.append("(c.last_message_at, c.id) < (%(before_at)s, %(before_id)s)")
    listed = (
        "SELECT c.* FROM conversations c"
        f" WHERE {' AND '.join(['c.tenant_id = %(tenant)s', *conditions])}"
        " ORDER BY c.last_message_at DESC, c.id DESC LIMIT %(limit)s"
    )
    return await tx.all(
        Conversation,
        f"WITH page AS MATERIALIZED ({listed}){_AT_A_GLANCE.format(conversations='page')}"
        " ORDER BY c.last_message_at DESC, c.id DESC",
        {
            **{name: getattr(filters, name) for name in Filters.__dataclass_fields__},
            "score": {"up": 1, "down": -1, None: 0}[filters.feedback],
            "before_at": before and before.last_message_at,
            "before_id": before and before.id,
            "agent_id": agent_id,
            "tenant": tx.tenant_id,
            "limit": limit,
        },
    )


async def _agent_id(tx: TenantTx, key: str | None) -> AgentId | None:
    """Looked up first, so that the list is planned for this agent, who may have answered seldom."""
    if key is None:
        return None
    found: AgentId | None = await tx.value(
        "SELECT id FROM agents WHERE tenant_id = %s AND key = %s", [tx.tenant_id, key]
    )
    return found


async def conversation(tx: TenantTx, conversation_id: ConversationId) -> Conversation | None:
    """One of them."""
    one = "(SELECT * FROM conversations WHERE tenant_id = %(tenant)s AND id = %(id)s)"
    return await tx.maybe(
        Conversation,
        _AT_A_GLANCE.format(conversations=one),
        {"tenant": tx.tenant_id, "id": conversation_id},
    )


_LINES = (
    "SELECT m.id, m.seq, m.author, m.text, m.turn_id, m.created_at,"
    " CASE m.author WHEN 'agent' THEN coalesce(v.name, a.key) WHEN 'person' THEN u.name END AS name"
    " FROM messages m"
    " LEFT JOIN turns t ON t.tenant_id = m.tenant_id AND t.id = m.turn_id"
    " LEFT JOIN agent_versions v ON v.tenant_id = m.tenant_id AND v.id = t.agent_version_id"
    " LEFT JOIN agents a ON a.tenant_id = m.tenant_id AND a.id = m.agent_id"
    " LEFT JOIN users u ON u.id = m.user_id"
    " WHERE m.tenant_id = %(tenant)s AND m.conversation_id = %(conversation)s"
)


async def lines_after(
    tx: TenantTx,
    conversation_id: ConversationId,
    *,
    after_seq: int,
    limit: int,
    late: Sequence[int] = (),
) -> list[Line]:
    """What was said after a line, oldest first; and at the places `late`, whether after or not."""
    return await tx.all(
        Line,
        f"{_LINES} AND (m.seq > %(after)s OR m.seq = ANY(%(late)s::integer[]))"
        " ORDER BY m.seq LIMIT %(limit)s",
        {
            "tenant": tx.tenant_id,
            "conversation": conversation_id,
            "after": after_seq,
            "late": list(late),
            "limit": limit,
        },
    )


async def awaited(tx: TenantTx, conversation_id: ConversationId) -> list[int]:
    """The places of answers that are being given: what is said meanwhile stands behind them."""
    found = await tx.records(
        "SELECT seq + 1 AS seq FROM turns WHERE tenant_id = %s AND conversation_id = %s"
        " AND lease_expires_at IS NOT NULL ORDER BY seq",
        [tx.tenant_id, conversation_id],
    )
    return [row["seq"] for row in found]


async def lines_before(
    tx: TenantTx, conversation_id: ConversationId, *, before_seq: int | None, limit: int
) -> list[Line]:
    """The last of what was said, of that before a line if one is given; oldest first."""
    found = await tx.all(
        Line,
        f"{_LINES} AND (%(before)s::integer IS NULL OR m.seq < %(before)s)"
        " ORDER BY m.seq DESC LIMIT %(limit)s",
        {
            "tenant": tx.tenant_id,
            "conversation": conversation_id,
            "before": before_seq,
            "limit": limit,
        },
    )
    return found[::-1]


async def turns(tx: TenantTx, turn_ids: Sequence[TurnId]) -> dict[TurnId, Turn]:
    """Turns by their id, with all that is kept of them; no entry for one that is not there."""
    ids = {"tenant": tx.tenant_id, "ids": list(turn_ids)}
    records = await tx.records(_TURNS, ids)
    used = _by_turn(await tx.records(_USED, ids))
    steps = _by_turn(await tx.records(_STEPS, ids))
    calls = _by_turn(await tx.records(_CALLS, ids))
    return {
        row["id"]: Turn(
            **row,
            sources=[Used(**one) for one in used.get(row["id"], ())],
            steps=[Step(**one) for one in steps.get(row["id"], ())],
            calls=[CallRecord(**one) for one in calls.get(row["id"], ())],
        )
        for row in records
    }


_TURNS = """
    SELECT t.id, t.conversation_id, t.seq, t.channel, t.state, t.failure_code, a.key AS agent,
        v.name AS agent_name, v.number AS agent_version, t.confidence, t.reason, t.route_method,
        coalesce(t.route_scores, '{}') AS route_scores, t.search_question, t.best_score,
        t.answer_threshold, t.first_text_ms, t.latency_ms, t.prompt_tokens, t.completion_tokens,
        t.cost_microeur, t.accepted_at, t.finished_at, f.score AS feedback,
        f.comment AS feedback_comment
    FROM turns t
    LEFT JOIN agents a ON a.tenant_id = t.tenant_id AND a.id = t.agent_id
    LEFT JOIN agent_versions v ON v.tenant_id = t.tenant_id AND v.id = t.agent_version_id
    LEFT JOIN feedback f ON f.tenant_id = t.tenant_id AND f.turn_id = t.id
    WHERE t.tenant_id = %(tenant)s AND t.id = ANY(%(ids)s)
"""
_USED = """
    SELECT turn_id, title, url, score, cited FROM turn_sources
    WHERE tenant_id = %(tenant)s AND turn_id = ANY(%(ids)s) ORDER BY turn_id, position
"""
_STEPS = """
    SELECT turn_id, step, started_ms, duration_ms FROM turn_steps
    WHERE tenant_id = %(tenant)s AND turn_id = ANY(%(ids)s) ORDER BY turn_id, position
"""
_CALLS = """
    SELECT turn_id, task, provider, model, outcome, first_token_ms, duration_ms, prompt_tokens,
        completion_tokens, cost_microeur, estimated FROM model_calls
    WHERE tenant_id = %(tenant)s AND turn_id = ANY(%(ids)s) ORDER BY turn_id, position
"""


def _by_turn(records: Sequence[dict[str, Any]]) -> dict[TurnId, list[dict[str, Any]]]:
    found: dict[TurnId, list[dict[str, Any]]] = {}
    for row in records:
        found.setdefault(TurnId(row.pop("turn_id")), []).append(row)
    return found
