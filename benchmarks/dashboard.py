"""Pages of the dashboard on 100,000 messages, asked of a real server with a session's cookie.

Two businesses are filled alike, so that whatever a page reads is among another's rows: half a year
of conversations, with what a turn leaves: messages, steps, sources, calls, thumbs, hand-offs.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

import httpx2
import psycopg

from benchmarks import processes
from benchmarks.processes import Ground, Server
from benchmarks.results import Figure, Section, median, percentile
from coccinelle.conversations.jobs import keep
from coccinelle.foundation.database import Database
from coccinelle.tenants.accounts.cookies import LOCAL_COOKIE

PAGE_MS = 60.0
MESSAGES = 100_000
CONVERSATION_TURNS = 10
DAYS = 180
ROUNDS = 60
WARM = 5
PAGES = {
    "home": "/dashboard",
    "figures, 30 days": "/dashboard/insights",
    "figures, 90 days and the 90 before": "/dashboard/insights?days=90",
    "figures by assistant, 90 days": "/dashboard/insights/agents?days=90",
    "conversations": "/dashboard/conversations",
    "conversations, by words": "/dashboard/conversations?q=suite",
    "a conversation": "/dashboard/conversations/{conversation_id}",
    "hand-offs": "/dashboard/inbox",
    "knowledge": "/dashboard/knowledge",
    "unanswered questions": "/dashboard/knowledge/questions",
    "agents": "/dashboard/agents",
}
ENVIRONMENT = {"COCCINELLE_JOBS_CONCURRENCY": "0"}


def run() -> Sequence[Section]:
    """The time of each page."""
    with processes.ground() as ground:
        environment = {**ENVIRONMENT, "DATABASE_URL": ground.addresses.owner}
        with processes.serving(ground.data, environment) as server:
            tokens = asyncio.run(_opened(server))
            conversation_id = fill(ground, list(tokens))
            asyncio.run(_settled(ground))
            taken = asyncio.run(_read(server, tokens, conversation_id))
    figures = [_figure(name, milliseconds) for name, milliseconds in taken.items()]
    notes = (
        f"Two businesses of {MESSAGES:,} messages each, over {DAYS} days; whole pages, one after"
        " the other, by an owner's session. The page of 90 days reads every turn of the business."
    )
    return [Section("Pages of the dashboard", figures, notes)]


async def _opened(server: Server) -> dict[UUID, str]:
    """Two businesses that have an assistant, and the session of each one's owner."""
    async with httpx2.AsyncClient(base_url=server.url, timeout=60) as client:
        return dict([await _business(client, name) for name in ("Leyna", "Freya")])


async def _business(client: httpx2.AsyncClient, name: str) -> tuple[UUID, str]:
    body = {
        "email": f"{uuid4().hex}@example.com",
        "password": "trois chats sur un toit",
        "name": "Léa",
        "company_name": f"Garage {name}",
    }
    told = (await client.post("/api/v1/auth/signup", json=body)).raise_for_status().json()
    client.cookies.clear()
    token = told["session"]["token"]
    by = {"Authorization": f"Bearer {token}"}
    base = "/api/v1/onboarding/session"
    session = (await client.post(base, headers=by)).raise_for_status().json()["id"]
    steps: dict[str, dict[str, object]] = {
        "business": {"company_name": f"Garage {name}", "sector": "garage"},
        "staff": {},
        "assistant": {"agent_type": "multi_purpose", "agent_name": name},
    }
    for step, said in steps.items():
        answer = await client.post(f"{base}/{session}/{step}", json=said, headers=by)
        answer.raise_for_status()
    return UUID(told["tenant"]["id"]), token


def fill(ground: Ground, tenant_ids: list[UUID], *, messages: int = MESSAGES) -> UUID:
    """Write rows as half a year of turns would have left them; a conversation of the first."""
    values = {
        "tenants": tenant_ids,
        "count": messages // 2 // CONVERSATION_TURNS,
        "turns": CONVERSATION_TURNS,
        "days": DAYS,
    }
    # Values are written into the statements: a table that is made of a query takes none beside it.
    with psycopg.connect(
        ground.superuser, autocommit=True, cursor_factory=psycopg.ClientCursor
    ) as database:
        database.execute("SET session_replication_role = replica")
        for statement in _FILLING:
            database.execute(statement.encode(), values)
        found = database.execute(
            b"SELECT id FROM conversations WHERE tenant_id = %s"
            b" ORDER BY last_message_at DESC LIMIT 1",
            tenant_ids[:1],
        ).fetchone()
    assert found is not None
    conversation_id: UUID = found[0]
    return conversation_id


async def _settled(ground: Ground) -> None:
    """As a worker and PostgreSQL leave it after a while: words kept, tables vacuumed."""
    db = Database(ground.addresses.login, max_connections=1)
    await db.open()
    try:
        while await keep(db):
            pass
    finally:
        await db.close()
    with psycopg.connect(ground.superuser, autocommit=True) as database:
        database.execute("VACUUM ANALYZE")


async def _read(
    server: Server, tokens: Mapping[UUID, str], conversation_id: UUID
) -> dict[str, list[float]]:
    """Milliseconds of each page, the pages in turn."""
    cookie = {"Cookie": f"{LOCAL_COOKIE}={next(iter(tokens.values()))}"}
    paths = {name: path.format(conversation_id=conversation_id) for name, path in PAGES.items()}
    taken: dict[str, list[float]] = {name: [] for name in paths}
    async with httpx2.AsyncClient(base_url=server.url, headers=cookie, timeout=60) as client:
        for number in range(WARM + ROUNDS):
            for name, path in paths.items():
                began = time.perf_counter()
                answer = await client.get(path)
                if number >= WARM:
                    taken[name].append((time.perf_counter() - began) * 1000)
                if answer.status_code != 200:
                    raise RuntimeError(f"{path}: {answer.status_code}")
    return taken


def _figure(name: str, taken: list[float]) -> Figure:
    p50, p95 = median(taken), percentile(taken, 0.95)
    is_met = p95 <= PAGE_MS
    fastest = statistics.quantiles(taken, n=10)[0]
    return Figure(
        f"page, {name}",
        f"p95 <= {PAGE_MS:.0f} ms",
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms",
        str(len(taken)),
        is_met,
        "" if is_met else f"a tenth took at most {fastest:.0f} ms; the load is above.",
    )


_CHANCE = "(('x' || left(md5(t.id::text || '{salt}'), 7))::bit(28)::integer % {of})"


def _chance(salt: str, of: int) -> str:
    """0 to `of` - 1, the same whenever it is asked of the same turn."""
    return _CHANCE.format(salt=salt, of=of).replace("%", "%%")


_FILLING = (
    # One line a turn, in the order of time, as the tables have grown.
    "CREATE TEMP TABLE begun AS SELECT tenant_id, uuidv7(since - now()) AS id,"
    " uuidv7(since - now()) AS customer_id, since,"
    " (SELECT id FROM agents WHERE tenant_id = tenants.tenant_id) AS agent_id"
    " FROM unnest(%(tenants)s::uuid[]) AS tenants (tenant_id), generate_series(1, %(count)s) n,"
    " LATERAL (SELECT now() - random() * n / n * %(days)s * interval '1 day') at (since)",
    "CREATE TEMP TABLE t AS SELECT uuidv7(at - now()) AS id, tenant_id, b.id AS conversation_id,"
    " k, at, agent_id FROM begun b, generate_series(1, %(turns)s) k,"
    " LATERAL (SELECT b.since + k * interval '40 seconds') AS said (at) ORDER BY at",
    "INSERT INTO customers (id, tenant_id, created_at) SELECT customer_id, tenant_id, since"
    " FROM begun",
    "INSERT INTO customer_identities (tenant_id, kind, value, customer_id)"
    " SELECT tenant_id, 'external_id', id::text, customer_id FROM begun",
    "INSERT INTO conversations (id, tenant_id, external_id, customer_id, channel, agent_id,"
    " next_seq, created_at, last_message_at) SELECT id, tenant_id, id::text, customer_id,"
    " 'chat_v2', agent_id, 2 * %(turns)s + 1, since,"
    " since + %(turns)s * interval '40 seconds' FROM begun ORDER BY since",
    "INSERT INTO turns (id, tenant_id, conversation_id, seq, channel, message_sha256, state,"
    " failure_code, agent_id, confidence, reason, route_method, route_scores, first_text_ms,"
    " latency_ms, prompt_tokens, completion_tokens, cost_microeur, accepted_at, finished_at)"
    " SELECT id, tenant_id, conversation_id, 2 * k - 1, 'chat_v2', sha256('x'), state,"
    " CASE state WHEN 'failed' THEN 'crashed' END,"
    " CASE WHEN state <> 'escalated' THEN agent_id END, 0.8, 'La question en parle.', 'embedding',"
    " '{\"leyna\": 0.8}', 500 + "
    + _chance("first", 700)
    + ", 900 + "
    + _chance("last", 2_000)
    + ","
    " 900, 180, 200, at, at + interval '2 seconds' FROM t,"
    f" LATERAL (SELECT CASE WHEN {_chance('state', 100)} < 80 THEN 'answered'"
    f" WHEN {_chance('state', 100)} < 97 THEN 'escalated'"
    f" WHEN {_chance('state', 100)} < 99 THEN 'interrupted' ELSE 'failed' END) AS ended (state)"
    " ORDER BY at",
    "INSERT INTO messages (id, tenant_id, conversation_id, seq, turn_id, author, text, created_at)"
    " SELECT uuidv7(at - now()), tenant_id, conversation_id, 2 * k - 1 + said, id,"
    " CASE said WHEN 0 THEN 'customer' ELSE 'agent' END,"
    " CASE said WHEN 0 THEN 'Et comment faire pour la suite, numéro ' || k || ' ?'"
    " ELSE repeat('Voici ce que disent nos documents à ce sujet, pas à pas. ', 8) END,"
    " at + said * interval '1 second' FROM t, generate_series(0, 1) said ORDER BY at, said",
    "INSERT INTO turn_steps (tenant_id, turn_id, position, step, started_ms, duration_ms)"
    " SELECT tenant_id, id, place, (ARRAY['admit', 'route', 'retrieve', 'generate'])[place], 10,"
    f" place * (5 + {_chance('step', 300)}) FROM t, generate_series(1, 4) place ORDER BY at, place",
    "INSERT INTO turn_sources (tenant_id, turn_id, position, chunk_id, title, score, cited)"
    " SELECT tenant_id, id, place, gen_random_uuid(), 'Nos tarifs', 0.8, true"
    " FROM t, generate_series(1, 3) place ORDER BY at, place",
    "INSERT INTO model_calls (tenant_id, turn_id, lease_id, position, task, provider, model,"
    " outcome, first_token_ms, duration_ms, prompt_tokens, completion_tokens, cost_microeur,"
    " estimated) SELECT tenant_id, id, id, 1, 'answer', 'one', 'one', 'ok', 400, 900, 900, 180,"
    " 200, false FROM t ORDER BY at",
    "INSERT INTO feedback (tenant_id, turn_id, score, given_at) SELECT tenant_id, id,"
    f" CASE WHEN {_chance('thumb', 5)} = 0 THEN -1 ELSE 1 END, at FROM t"
    f" WHERE {_chance('thumbs', 20)} = 0 ORDER BY at",
    "INSERT INTO handoffs (id, tenant_id, conversation_id, reason, opened_at, mailed_at,"
    " claimed_at, closed_at) SELECT uuidv7(at - now()), tenant_id, conversation_id, 'asked', at,"
    " at, at + 60 * interval '1 second', at + interval '1 hour' FROM t"
    f" WHERE k = 5 AND {_chance('person', 10)} = 0 ORDER BY at",
    "UPDATE handoffs SET claimed_at = NULL, closed_at = NULL"
    " WHERE opened_at > now() - interval '4 days'",
    "INSERT INTO knowledge_gaps (id, tenant_id, question, question_sha256) SELECT uuidv7(),"
    " tenant_id, 'Faites-vous le numéro ' || n || ' ?', sha256(n::text::bytea)"
    " FROM unnest(%(tenants)s::uuid[]) AS tenants (tenant_id), generate_series(1, 300) n",
)
