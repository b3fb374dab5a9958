"""Rows of customers, conversations, messages and turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from coccinelle.conversations.model import (
    Admitted,
    Arrival,
    Draft,
    HistoryItem,
    Limits,
    Source,
    State,
    StoredTurn,
)
from coccinelle.foundation.database import DirectoryTx, TenantTx
from coccinelle.foundation.ids import AgentId, ConversationId, CustomerId, TenantId, TurnId


@dataclass(frozen=True)
class ConversationRow:
    """A conversation, locked until the transaction ends, and who this user turned out to be."""

    id: ConversationId
    customer_id: CustomerId
    asking_customer_id: CustomerId
    next_seq: int


@dataclass(frozen=True)
class AdmissionRow:
    """What the database says to a message that asks to be admitted."""

    repeated_id: TurnId | None
    repeated_state: State | None
    repeated_same: bool | None
    repeated_stale: bool | None
    waiting_count: int
    is_waiting: bool
    most_hits: int
    address_hits: int
    wait_seconds: int
    history: list[dict[str, str]]
    customer_messages: int
    last_agent_id: AgentId | None
    last_state: State | None
    handoff_open: bool
    handoff_claimed: bool


@dataclass(frozen=True)
class ContextRow:
    """What was said before a turn."""

    history: list[dict[str, str]]
    customer_messages: int
    last_agent_id: AgentId | None
    last_state: State | None
    handoff_open: bool
    handoff_claimed: bool


async def open_conversation(tx: TenantTx, arrival: Arrival) -> ConversationRow:
    """Find or make the customer and the conversation, and hold the conversation's row."""
    return await tx.one(
        ConversationRow,
        "WITH known AS (SELECT customer_id FROM customer_identities"
        " WHERE tenant_id = %(tenant)s AND kind = 'external_id' AND value = %(user)s),"
        " customer AS (INSERT INTO customers (id, tenant_id)"
        " SELECT %(customer)s, %(tenant)s WHERE NOT EXISTS (SELECT FROM known)"
        " ON CONFLICT (id) DO NOTHING),"
        " identity AS (INSERT INTO customer_identities (tenant_id, kind, value, customer_id)"
        " SELECT %(tenant)s, 'external_id', %(user)s, %(customer)s"
        " WHERE NOT EXISTS (SELECT FROM known) ON CONFLICT DO NOTHING)"
        " INSERT INTO conversations (id, tenant_id, external_id, customer_id, channel)"
        " VALUES (%(id)s, %(tenant)s, %(external)s,"
        " coalesce((SELECT customer_id FROM known), %(customer)s), %(channel)s)"
        " ON CONFLICT (tenant_id, external_id) DO UPDATE SET last_message_at = now()"
        " RETURNING id, customer_id, next_seq,"
        " coalesce((SELECT customer_id FROM known), %(customer)s) AS asking_customer_id",
        {
            "tenant": tx.tenant_id,
            "user": arrival.user_id,
            "customer": arrival.customer_uuid,
            "id": arrival.conversation_uuid,
            "external": arrival.conversation_id,
            "channel": arrival.channel,
        },
    )


# Of a hand-off `h`: who has claimed it is of the business, and not kept out of it. Whoever claimed
# it and left holds nobody's customer.
HELD = (
    "EXISTS (SELECT FROM memberships m WHERE m.tenant_id = h.tenant_id"
    " AND m.user_id = h.claimed_by AND m.disabled_at IS NULL)"
)
_CONTEXT = f"""
    coalesce((SELECT json_agg(json_build_object('author', m.author, 'text', m.text) ORDER BY m.seq)
        FROM (SELECT author, text, seq FROM messages
              WHERE tenant_id = %(tenant)s AND conversation_id = %(conversation)s AND seq < %(seq)s
              ORDER BY seq DESC LIMIT %(history)s) m), '[]'::json) AS history,
    (SELECT count(*) FROM (SELECT FROM messages WHERE tenant_id = %(tenant)s
        AND conversation_id = %(conversation)s AND author = 'customer' AND seq < %(seq)s
        LIMIT 100) c)::integer AS customer_messages,
    (SELECT agent_id FROM conversations
        WHERE tenant_id = %(tenant)s AND id = %(conversation)s) AS last_agent_id,
    (SELECT state FROM turns WHERE tenant_id = %(tenant)s AND conversation_id = %(conversation)s
        AND seq < %(seq)s ORDER BY seq DESC LIMIT 1) AS last_state,
    EXISTS (SELECT FROM handoffs WHERE tenant_id = %(tenant)s
        AND conversation_id = %(conversation)s AND closed_at IS NULL) AS handoff_open,
    EXISTS (SELECT FROM handoffs h WHERE h.tenant_id = %(tenant)s AND {HELD}
        AND h.conversation_id = %(conversation)s AND h.closed_at IS NULL) AS handoff_claimed
"""


_REPEATED = """
    SELECT id, state, message_sha256 = %(sha)s AS same,
        accepted_at < now() - make_interval(hours => %(hours)s) AS stale
    FROM turns WHERE tenant_id = %(tenant)s AND conversation_id = %(conversation)s
        AND message_key = %(key)s
"""
_EARLIER = """
    SELECT count(*)::integer AS open,
        (count(*) FILTER (WHERE state = 'accepted' AND lease_expires_at > now()))::integer
            AS waiting
    FROM turns WHERE tenant_id = %(tenant)s AND conversation_id = %(conversation)s
        AND lease_expires_at IS NOT NULL
"""
_COUNTED = """
    INSERT INTO rate_limits AS r (tenant_id, subject, hits)
    SELECT %(tenant)s, subject, ARRAY[now()] FROM unnest(%(subjects)s::text[]) AS subject
    WHERE NOT EXISTS (SELECT FROM repeated) ORDER BY subject
    ON CONFLICT (tenant_id, subject) DO UPDATE SET hits = ARRAY(SELECT h
        FROM unnest(r.hits) AS h WHERE h > now() - make_interval(secs => %(window)s)) || now()
    RETURNING subject, cardinality(hits) AS hits, (SELECT min(h) FROM unnest(hits) AS h) AS oldest
"""
_ACCEPTED = """
    INSERT INTO turns (id, tenant_id, conversation_id, seq, channel, message_key, message_sha256,
        state, lease_id, lease_expires_at)
    SELECT %(turn)s, %(tenant)s, %(conversation)s, %(seq)s, %(channel)s, %(key)s, %(sha)s,
        CASE WHEN earlier.open = 0 THEN 'answering' ELSE 'accepted' END, %(lease_id)s,
        now() + make_interval(secs => %(lease)s)
    FROM earlier WHERE NOT EXISTS (SELECT FROM repeated)
"""
_ASKED = """
    INSERT INTO messages (id, tenant_id, conversation_id, seq, turn_id, author, text)
    SELECT %(message)s, %(tenant)s, %(conversation)s, %(seq)s, %(turn)s, 'customer', %(text)s
    WHERE NOT EXISTS (SELECT FROM repeated)
"""
_BUMPED = """
    UPDATE conversations SET next_seq = %(seq)s + 2
    WHERE tenant_id = %(tenant)s AND id = %(conversation)s AND NOT EXISTS (SELECT FROM repeated)
"""
_ADMIT = f"""
    WITH repeated AS ({_REPEATED}), earlier AS ({_EARLIER}), counted AS ({_COUNTED}),
        turn AS ({_ACCEPTED}), message AS ({_ASKED}), bumped AS ({_BUMPED})
    SELECT repeated.id AS repeated_id, repeated.state AS repeated_state,
        repeated.same AS repeated_same, repeated.stale AS repeated_stale,
        earlier.waiting AS waiting_count, earlier.open > 0 AS is_waiting,
        coalesce((SELECT max(hits) FROM counted WHERE subject NOT LIKE 'address:%%'), 0)
            AS most_hits,
        coalesce((SELECT max(hits) FROM counted WHERE subject LIKE 'address:%%'), 0)
            AS address_hits,
        coalesce((SELECT ceil(%(window)s - extract(epoch FROM now() - max(oldest)))::integer
            FROM counted WHERE hits > CASE WHEN subject LIKE 'address:%%' THEN %(address_most)s
            ELSE %(most)s END), 0) AS wait_seconds,
        {_CONTEXT}
    FROM earlier LEFT JOIN repeated ON true
"""


async def admit(
    tx: TenantTx,
    *,
    arrival: Arrival,
    conversation_id: ConversationId,
    seq: int,
    turn_id: TurnId,
    lease_id: UUID,
    message_id: UUID,
    message_sha256: bytes,
    subjects: Sequence[str],
    limits: Limits,
) -> AdmissionRow:
    """Count, queue and write a message and its turn, unless its key is known already.

    The customer's message takes `seq`, its answer will take the next one. Whether the counts are
    too high is the caller's to judge, and to undo by ending the transaction.
    """
    return await tx.one(
        AdmissionRow,
        _ADMIT,
        {
            "tenant": tx.tenant_id,
            "conversation": conversation_id,
            "seq": seq,
            "turn": turn_id,
            "lease_id": lease_id,
            "message": message_id,
            "channel": arrival.channel,
            "key": arrival.message_key,
            "sha": message_sha256,
            "text": arrival.text,
            "subjects": list(subjects),
            "window": limits.window_seconds,
            "most": limits.messages,
            "address_most": limits.address_messages,
            "lease": limits.lease_seconds,
            "hours": limits.idempotency_hours,
            "history": limits.history_messages,
        },
    )


async def forget_key(tx: TenantTx, *, turn_id: TurnId) -> None:
    """Let the turn's message id be used anew."""
    await tx.run(
        "UPDATE turns SET message_key = NULL WHERE tenant_id = %s AND id = %s",
        [tx.tenant_id, turn_id],
    )


async def count_hit(tx: TenantTx, *, subject: str, window_seconds: int, most: int) -> int:
    """Count one hit of `subject`, and say how many there are in the window: `most` + 1 at most."""
    hits: int = await tx.value(
        "INSERT INTO rate_limits AS r (tenant_id, subject, hits)"
        " VALUES (%(tenant)s, %(subject)s, ARRAY[now()])"
        " ON CONFLICT (tenant_id, subject) DO UPDATE SET hits = ARRAY(SELECT h"
        "   FROM unnest(r.hits || now()) AS h WHERE h > now() - make_interval(secs => %(window)s)"
        "   LIMIT %(most)s + 1)"
        " RETURNING cardinality(hits)",
        {"tenant": tx.tenant_id, "subject": subject, "window": window_seconds, "most": most},
    )
    return hits


async def hits(tx: TenantTx, *, subject: str, window_seconds: int) -> int:
    """How often `subject` was counted in the window."""
    counted: int | None = await tx.value(
        "SELECT count(*) FROM rate_limits, unnest(hits) AS h"
        " WHERE tenant_id = %s AND subject = %s AND h > now() - make_interval(secs => %s)",
        [tx.tenant_id, subject, window_seconds],
    )
    return counted or 0


async def prune_hits(tx: TenantTx, *, window_seconds: int) -> int:
    """Forget the subjects that were not seen in the window."""
    return await tx.run(
        "DELETE FROM rate_limits WHERE tenant_id = %s"
        " AND (SELECT max(h) FROM unnest(hits) AS h) < now() - make_interval(secs => %s)",
        [tx.tenant_id, window_seconds],
    )


async def context(
    tx: TenantTx, *, conversation_id: ConversationId, seq: int, history_messages: int
) -> ContextRow:
    return await tx.one(
        ContextRow,
        "SELECT " + _CONTEXT,
        {
            "tenant": tx.tenant_id,
            "conversation": conversation_id,
            "seq": seq,
            "history": history_messages,
        },
    )


async def fail_dead_turns(tx: TenantTx, *, conversation_id: ConversationId | None = None) -> int:
    """End every open turn whose process stopped renewing it."""
    return await tx.run(
        "UPDATE turns SET state = 'failed', failure_code = 'crashed', lease_expires_at = NULL,"
        " finished_at = now(),"
        " latency_ms = least(extract(epoch FROM now() - accepted_at) * 1000, 2147483647)::integer"
        " WHERE tenant_id = %(tenant)s AND lease_expires_at < now()"
        " AND (%(conversation)s::uuid IS NULL OR conversation_id = %(conversation)s)",
        {"tenant": tx.tenant_id, "conversation": conversation_id},
    )


async def start_waiting_turn(tx: TenantTx, admitted: Admitted, *, lease_seconds: int) -> int:
    """Let a waiting turn that is ours answer if it is the first open one: 1, else 0.

    A second time gives 1 again: an answer of the database that was lost is asked for anew.
    """
    return await tx.run(
        "UPDATE turns SET state = 'answering',"
        " lease_expires_at = now() + make_interval(secs => %(lease)s)"
        " WHERE tenant_id = %(tenant)s AND id = %(turn)s AND lease_expires_at IS NOT NULL"
        " AND lease_id = %(lease_id)s"
        " AND NOT EXISTS (SELECT FROM turns AS o WHERE o.tenant_id = %(tenant)s"
        " AND o.conversation_id = %(conversation)s AND o.lease_expires_at IS NOT NULL"
        " AND (o.state = 'answering' OR o.seq < %(seq)s) AND o.id <> %(turn)s)",
        {
            "tenant": tx.tenant_id,
            "turn": admitted.turn_id,
            "lease_id": admitted.lease_id,
            "conversation": admitted.conversation_id,
            "seq": admitted.seq,
            "lease": lease_seconds,
        },
    )


async def renew_lease(tx: TenantTx, *, turn_id: TurnId, lease_id: UUID, lease_seconds: int) -> int:
    """Keep an open turn ours; 0 when it was ended, or taken up again, by somebody else."""
    return await tx.run(
        "UPDATE turns SET lease_expires_at = now() + make_interval(secs => %s)"
        " WHERE tenant_id = %s AND id = %s AND lease_id = %s AND lease_expires_at IS NOT NULL",
        [lease_seconds, tx.tenant_id, turn_id, lease_id],
    )


async def reopen_turn(
    tx: TenantTx, *, turn_id: TurnId, lease_id: UUID, lease_seconds: int
) -> dict[str, Any] | None:
    """Take up a failed turn again, because its message was sent again.

    The conversation's row is held, as an admission does: neither overlooks the other's turn.
    """
    rows = await tx.records(
        "WITH held AS MATERIALIZED (SELECT c.id FROM conversations c JOIN turns t"
        " ON t.tenant_id = c.tenant_id AND t.conversation_id = c.id"
        " WHERE t.tenant_id = %(tenant)s AND t.id = %(turn)s FOR UPDATE OF c)"
        " UPDATE turns SET state = 'accepted', failure_code = NULL, finished_at = NULL,"
        " lease_id = %(lease_id)s,"
        " lease_expires_at = now() + make_interval(secs => %(lease)s) FROM held"
        " WHERE tenant_id = %(tenant)s AND turns.id = %(turn)s AND state = 'failed'"
        " RETURNING conversation_id, seq",
        {"lease": lease_seconds, "lease_id": lease_id, "tenant": tx.tenant_id, "turn": turn_id},
    )
    return rows[0] if rows else None


async def turn_state(tx: TenantTx, turn_id: TurnId) -> State | None:
    state: State | None = await tx.value(
        "SELECT state FROM turns WHERE tenant_id = %s AND id = %s", [tx.tenant_id, turn_id]
    )
    return state


async def is_ended(tx: TenantTx, draft: Draft) -> bool:
    """Whether the turn has ended as the draft says, under the draft's lease."""
    found: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM turns WHERE tenant_id = %s AND id = %s AND lease_id = %s"
        " AND state = %s)",
        [tx.tenant_id, draft.turn_id, draft.lease_id, draft.outcome],
    )
    return found


_INSERT_CALLS = """
    INSERT INTO model_calls (tenant_id, turn_id, lease_id, position, task, provider, model,
        outcome, first_token_ms, duration_ms, prompt_tokens, completion_tokens, cost_microeur,
        estimated)
    SELECT %(tenant)s, {turn}.id, %(lease_id)s, c.position + (SELECT count(*) FROM model_calls
            WHERE tenant_id = %(tenant)s AND turn_id = %(turn)s),
        c.row ->> 0, c.row ->> 1, c.row ->> 2, c.row ->> 3, (c.row ->> 4)::integer,
        (c.row ->> 5)::integer, (c.row ->> 6)::integer, (c.row ->> 7)::integer,
        (c.row ->> 8)::bigint, (c.row ->> 9)::boolean
    FROM {turn}, jsonb_array_elements(%(calls)s) WITH ORDINALITY AS c (row, position)
"""
_NEW_CALLS = (
    _INSERT_CALLS.format(turn="turns")
    + """
    WHERE turns.tenant_id = %(tenant)s AND turns.id = %(turn)s
        AND NOT EXISTS (SELECT FROM model_calls WHERE tenant_id = %(tenant)s
            AND turn_id = %(turn)s AND lease_id = %(lease_id)s)
    RETURNING prompt_tokens, completion_tokens, cost_microeur
"""
)


async def record_calls(tx: TenantTx, draft: Draft) -> None:
    """Keep the calls of a turn that somebody else has ended, and add to what it costs.

    A second time changes nothing: the turn's figures are the sums of its calls.
    """
    await tx.run(
        f"WITH fresh AS ({_NEW_CALLS}),"
        " spent AS (SELECT sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion,"
        "   sum(cost_microeur) AS cost FROM fresh HAVING count(*) > 0)"
        " UPDATE turns SET prompt_tokens = prompt_tokens + spent.prompt,"
        " completion_tokens = completion_tokens + spent.completion,"
        " cost_microeur = cost_microeur + spent.cost"
        " FROM spent WHERE tenant_id = %(tenant)s AND id = %(turn)s",
        {
            "tenant": tx.tenant_id,
            "turn": draft.turn_id,
            "lease_id": draft.lease_id,
            "calls": _calls(draft),
        },
    )


def _calls(draft: Draft) -> Jsonb:
    return Jsonb(
        [
            [c.task, c.provider, c.model, c.outcome, c.first_token_ms, c.duration_ms]
            + [c.prompt_tokens, c.completion_tokens, c.cost_microeur, c.estimated]
            for c in draft.calls
        ]
    )


_ENDED = """
    UPDATE turns SET state = %(outcome)s, failure_code = %(failure)s, lease_expires_at = NULL,
        finished_at = coalesce(%(finished)s, now()), agent_id = %(agent)s,
        agent_version_id = %(version)s,
        confidence = %(confidence)s, reason = %(reason)s, route_method = %(method)s,
        route_scores = %(scores)s, search_question = %(question)s, best_score = %(best)s,
        answer_threshold = %(threshold)s, loop_detected = %(loop)s, first_text_ms = %(first)s,
        latency_ms = %(latency)s, prompt_tokens = prompt_tokens + %(prompt)s,
        completion_tokens = completion_tokens + %(completion)s,
        cost_microeur = cost_microeur + %(cost)s
    WHERE tenant_id = %(tenant)s AND id = %(turn)s AND lease_id = %(lease_id)s
        AND lease_expires_at IS NOT NULL
    RETURNING id
"""
_SAID = """
    INSERT INTO messages (id, tenant_id, conversation_id, seq, turn_id, author, agent_id, text)
    SELECT %(message)s, %(tenant)s, %(conversation)s, %(seq)s, id, 'agent', %(agent)s, %(text)s
    FROM turn WHERE %(text)s <> '' AND %(outcome)s <> 'failed'
"""
_STEPS = """
    INSERT INTO turn_steps (tenant_id, turn_id, position, step, started_ms, duration_ms)
    SELECT %(tenant)s, turn.id, s.position, s.row ->> 0, (s.row ->> 1)::integer,
        (s.row ->> 2)::integer
    FROM turn, jsonb_array_elements(%(steps)s) WITH ORDINALITY AS s (row, position)
    ON CONFLICT (tenant_id, turn_id, position) DO UPDATE SET step = excluded.step,
        started_ms = excluded.started_ms, duration_ms = excluded.duration_ms
"""
_USED = """
    INSERT INTO turn_sources (tenant_id, turn_id, position, chunk_id, title, url, score, cited)
    SELECT %(tenant)s, turn.id, u.position, (u.row ->> 0)::uuid, u.row ->> 1, u.row ->> 2,
        (u.row ->> 3)::real, (u.row ->> 4)::boolean
    FROM turn, jsonb_array_elements(%(passages)s) WITH ORDINALITY AS u (row, position)
    ON CONFLICT (tenant_id, turn_id, position) DO NOTHING
"""
_FINISH = f"""
    WITH turn AS ({_ENDED}), said AS ({_SAID}), steps AS ({_STEPS}), used AS ({_USED}),
        calls AS ({_INSERT_CALLS.format(turn="turn")})
    UPDATE conversations SET last_message_at = now(), agent_id = coalesce(%(agent)s, agent_id),
        opportunity_at = CASE WHEN %(loop)s THEN coalesce(opportunity_at, now())
        ELSE opportunity_at END
    FROM turn
    WHERE conversations.tenant_id = %(tenant)s AND conversations.id = %(conversation)s
"""


async def finish_turn(tx: TenantTx, draft: Draft, *, message_id: UUID) -> int:
    """Write what became of a turn, its calls among it: 1, or 0 when its lease is no longer ours."""
    steps = [[s.step, s.started_ms, s.duration_ms] for s in draft.steps if s.step != "record"]
    used = [[str(p.chunk_id), p.title, p.url, p.score, p.cited] for p in draft.passages]
    return await tx.run(
        _FINISH,
        {
            "tenant": tx.tenant_id,
            "turn": draft.turn_id,
            "lease_id": draft.lease_id,
            "message": message_id,
            "conversation": draft.conversation_id,
            "seq": draft.seq + 1,
            "outcome": draft.outcome,
            "failure": draft.failure_code,
            "text": draft.text,
            "agent": draft.agent_id,
            "version": draft.agent_version_id,
            "confidence": draft.confidence,
            "reason": draft.reason,
            "method": draft.route_method,
            "scores": Jsonb(draft.route_scores),
            "question": draft.search_question,
            "best": draft.best_score,
            "threshold": draft.answer_threshold,
            "loop": draft.loop_detected,
            "first": draft.first_text_ms,
            "finished": draft.finished_at,
            "latency": draft.latency_ms,
            "steps": Jsonb(steps),
            "passages": Jsonb(used),
            "calls": _calls(draft),
            "prompt": sum(call.prompt_tokens for call in draft.calls),
            "completion": sum(call.completion_tokens for call in draft.calls),
            "cost": sum(call.cost_microeur for call in draft.calls),
        },
    )


async def stored_turn(tx: TenantTx, turn_id: TurnId) -> StoredTurn | None:
    return await tx.maybe(
        StoredTurn,
        "SELECT t.id, c.external_id AS conversation_external_id, t.state, t.failure_code, m.text,"
        " t.agent_id, a.key AS agent_key, v.name AS agent_name, v.legacy_type, t.confidence,"
        " t.reason, t.variant, t.loop_detected, t.finished_at,"
        " EXISTS (SELECT FROM handoffs h WHERE h.tenant_id = t.tenant_id"
        " AND h.conversation_id = t.conversation_id AND h.closed_at IS NULL) AS handoff_open,"
        " o.company_name, o.locale FROM turns t JOIN tenants o ON o.id = t.tenant_id"
        " JOIN conversations c ON c.tenant_id = t.tenant_id AND c.id = t.conversation_id"
        " LEFT JOIN messages m ON m.tenant_id = t.tenant_id AND m.turn_id = t.id"
        " AND m.author = 'agent'"
        " LEFT JOIN agents a ON a.tenant_id = t.tenant_id AND a.id = t.agent_id"
        " LEFT JOIN agent_versions v ON v.tenant_id = t.tenant_id AND v.id = t.agent_version_id"
        " WHERE t.tenant_id = %s AND t.id = %s",
        [tx.tenant_id, turn_id],
    )


async def turn_sources(tx: TenantTx, turn_id: TurnId) -> list[Source]:
    return await tx.all(
        Source,
        "SELECT title, url, score FROM turn_sources WHERE tenant_id = %s AND turn_id = %s AND cited"
        " ORDER BY position",
        [tx.tenant_id, turn_id],
    )


async def conversation_of(tx: TenantTx, *, external_id: str, user_id: str) -> ConversationId | None:
    """The conversation of that id, if it is that user's."""
    found: ConversationId | None = await tx.value(
        "SELECT c.id FROM conversations c JOIN customer_identities i"
        " ON i.tenant_id = c.tenant_id AND i.customer_id = c.customer_id"
        " WHERE c.tenant_id = %s AND c.external_id = %s"
        " AND i.kind = 'external_id' AND i.value = %s",
        [tx.tenant_id, external_id, user_id],
    )
    return found


async def identify(
    tx: TenantTx, conversation_id: ConversationId, *, identity: str, email: str | None
) -> None:
    await tx.run(
        "UPDATE conversations SET identity = %s, identity_email = %s, identified_at = now()"
        " WHERE tenant_id = %s AND id = %s",
        [identity, email, tx.tenant_id, conversation_id],
    )


async def conversation_exists(tx: TenantTx, *, external_id: str) -> bool:
    found: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM conversations WHERE tenant_id = %s AND external_id = %s)",
        [tx.tenant_id, external_id],
    )
    return found


async def user_of(tx: TenantTx, *, external_id: str) -> str | None:
    """The external id of the customer whose conversation this is."""
    found: str | None = await tx.value(
        "SELECT i.value FROM conversations c JOIN customer_identities i"
        " ON i.tenant_id = c.tenant_id AND i.customer_id = c.customer_id"
        " WHERE c.tenant_id = %s AND c.external_id = %s AND i.kind = 'external_id'",
        [tx.tenant_id, external_id],
    )
    return found


async def conversation_of_turn(tx: TenantTx, turn_id: TurnId) -> str | None:
    """The external id of the conversation that a turn is part of."""
    found: str | None = await tx.value(
        "SELECT c.external_id FROM turns t JOIN conversations c"
        " ON c.tenant_id = t.tenant_id AND c.id = t.conversation_id"
        " WHERE t.tenant_id = %s AND t.id = %s",
        [tx.tenant_id, turn_id],
    )
    return found


async def history(
    tx: TenantTx,
    *,
    conversation_id: ConversationId,
    after_seq: int,
    limit: int,
    only_settled: bool,
) -> list[HistoryItem]:
    return await tx.all(
        HistoryItem,
        "SELECT m.id, m.seq, m.author, m.text, m.turn_id, t.state AS outcome, f.score AS feedback,"
        " m.created_at,"
        " CASE WHEN m.author = 'agent' THEN coalesce(a.key, 'escalate') END AS agent,"
        " CASE m.author WHEN 'agent' THEN v.name WHEN 'person' THEN u.name END AS name"
        " FROM messages m"
        " LEFT JOIN turns t ON t.tenant_id = m.tenant_id AND t.id = m.turn_id"
        " LEFT JOIN feedback f ON f.tenant_id = m.tenant_id AND f.turn_id = m.turn_id"
        " AND m.author = 'agent'"
        " LEFT JOIN agents a ON a.tenant_id = m.tenant_id AND a.id = m.agent_id"
        " LEFT JOIN agent_versions v ON v.tenant_id = m.tenant_id AND v.id = t.agent_version_id"
        " LEFT JOIN users u ON u.id = m.user_id"
        " WHERE m.tenant_id = %(tenant)s AND m.conversation_id = %(conversation)s"
        " AND m.seq > %(after)s AND (NOT %(settled)s OR NOT EXISTS (SELECT FROM turns o"
        "   WHERE o.tenant_id = m.tenant_id AND o.conversation_id = m.conversation_id"
        "   AND o.seq < m.seq AND o.lease_expires_at > now()))"
        " ORDER BY m.seq LIMIT %(limit)s",
        {
            "tenant": tx.tenant_id,
            "conversation": conversation_id,
            "after": after_seq,
            "limit": limit,
            "settled": only_settled,
        },
    )


async def sources_of_turns(tx: TenantTx, turn_ids: Sequence[TurnId]) -> list[dict[str, Any]]:
    return await tx.records(
        "SELECT turn_id, title, url, score FROM turn_sources"
        " WHERE tenant_id = %s AND turn_id = ANY(%s) AND cited ORDER BY turn_id, position",
        [tx.tenant_id, list(turn_ids)],
    )


async def save_feedback(tx: TenantTx, *, turn_id: TurnId, score: int, comment: str | None) -> None:
    await tx.run(
        "INSERT INTO feedback (tenant_id, turn_id, score, comment) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (tenant_id, turn_id) DO UPDATE SET score = excluded.score,"
        " comment = excluded.comment, given_at = now()",
        [tx.tenant_id, turn_id, score, comment],
    )


async def tenants_with_dead_turns(tx: DirectoryTx) -> list[TenantId]:
    found = await tx.records("SELECT DISTINCT tenant_id FROM turns WHERE lease_expires_at < now()")
    return [TenantId(row["tenant_id"]) for row in found]


async def message_is_known(
    tx: TenantTx, *, external_id: str, user_id: str, message_key: str | None
) -> bool:
    """Whether this user already sent a message of this key in this conversation."""
    found: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM turns t JOIN conversations c"
        " ON c.tenant_id = t.tenant_id AND c.id = t.conversation_id"
        " JOIN customer_identities i ON i.tenant_id = c.tenant_id AND i.customer_id = c.customer_id"
        " WHERE t.tenant_id = %s AND c.external_id = %s AND i.kind = 'external_id' AND i.value = %s"
        " AND t.message_key = %s)",
        [tx.tenant_id, external_id, user_id, message_key],
    )
    return found
